#include "monge/arrays.h"

#include "error_text.h"
#include "temporary_folder.h"

#include <fstream>

namespace monge {
namespace {

/// A csv file of the given text.
class CsvFile {
 public:
  std::string put(const std::string& text) const {
    std::ofstream(folder_ / "a.csv", std::ios::binary) << text;
    return (folder_ / "a.csv").string();
  }
  std::string message(const std::string& text) const {
    const std::string path = put(text);
    return error_text([&] { read_array(path); });
  }

 private:
  TemporaryFolder folder_;
};

TEST(ArraysCsv, TheUsualDialectsReadTheSame) {
  const CsvFile file;
  const Tensor expected = at::tensor({1.0F, -2.5F, 3e-2F, 4.0F, 0.0F, 6.0F}).view({3, 2});
  for (const char* text : {
           "1,-2.5\n0.03,4\n0,6\n",
           "x,y\n1,-2.5\n0.03,4\n0,6",
           "\xEF\xBB\xBFx;y\r\n1;-2.5\r\n3e-2;+4\r\n-0;6\r\n\r\n\r\n",
           "\"x, mm\"\t\"y\"\n1\t-2.5\n.03\t4.\n0\t6\n",
           "\"1\",\" -2.5\"\n\"0.03\",\"4\"\n0 , 6 \n\n \n",
           "\n\nx,y\n\n1,-2.5\n0.03,4\n0,6\n",
           "x,y\r1,-2.5\r0.03,4\r0,6\r",
           "\"x\nwith \"\"lines\"\"\",y\n1,-2.5\n0.03,4\n0,6\n",
       })
    EXPECT_TRUE(at::equal(read_array(file.put(text)), expected)) << text;
}

TEST(ArraysCsv, OneColumnAndOneRow) {
  const CsvFile file;
  EXPECT_TRUE(at::equal(read_array(file.put("1\n2\n")), at::tensor({1.0F, 2.0F}).view({2, 1})));
  EXPECT_TRUE(at::equal(read_array(file.put("1,2")), at::tensor({1.0F, 2.0F}).view({1, 2})));
  EXPECT_TRUE(at::equal(read_array(file.put("x\n1")), at::ones({1, 1})));
}

TEST(ArraysCsv, MistakesAreNamedByLineAndColumn) {
  const CsvFile file;
  expect_message(file.message("x,y\n1,2\n3,abc\n"),
                 "a.csv, line 3, column 2: expected a number, got 'abc'");
  expect_message(file.message("1,2\r\n\r\n3,4\r\n5,6,7\r\n"),
                 "a.csv, line 4: expected 2 cells as in the first row, got 3");
  expect_message(file.message("1,2\n3\n"), "line 2: expected 2 cells as in the first row, got 1");
  expect_message(file.message("1,2\n3,4,x\n"), "line 2: expected 2 cells");
  expect_message(file.message("1,2\n3,\n"),
                 "line 2, column 2: expected a number, got an empty cell");
  expect_message(file.message("\"a\nb\",y\n1,2\n3,NA\n"),
                 "line 4, column 2: expected a number, got 'NA'");
  expect_message(file.message("x\r1\rz\r"), "line 3, column 1");
  expect_message(file.message("1,2\n3,nan\n"), "line 2, column 2: expected a finite number");
  expect_message(file.message("nan,2\n"), "line 1, column 1: expected a finite number");
  expect_message(file.message("1,2\n-inf,4\n"), "line 2, column 1: expected a finite number");
  expect_message(file.message("1e39\n"), "line 1, column 1: expected a finite number");
  expect_message(file.message("1e999\n"), "line 1, column 1: expected a finite number");
  expect_message(file.message("1,2\n0x10,2\n"), "expected a number, got '0x10'");
  expect_message(file.message("1,2\n\"3,4\n5,6\n"), "expected a closing quote");
  expect_message(file.message("x;y\n1,5;2\n"), "expected a number with a decimal point, got '1,5'");
  expect_message(file.message("1.0 2.0\n3.0 4.0\n"), "separated by , ; or a tab");
}

/// A first row with some numbers is data with a mistake, not a header: no point gets lost.
TEST(ArraysCsv, HeadersAreNotGuessed) {
  const CsvFile file;
  expect_message(file.message("1.0,2.O\n3,4\n"), "line 1, column 2: expected a number, got '2.O'");
  expect_message(file.message(",x,y\n0,1,2\n"), "line 1, column 1: expected a name in the header");
  expect_message(file.message("x,y\nz,w\n1,2\n"), "line 2, column 1: expected a number, got 'z'");
}

TEST(ArraysCsv, FilesThatAreNoTables) {
  const CsvFile file;
  expect_message(file.message(""), "a.csv: expected a csv table, got an empty file");
  expect_message(file.message("\n\r\n"), "blank lines only");
  expect_message(file.message("x,y\n"), "expected at least one row, got none");
  expect_message(file.message("\x93NUMPY\x01"), "got an npy array");
  expect_message(file.message("\xFF\xFEx\0,\0"), "got UTF-16 text");
  expect_message(file.message(std::string("1,2\0\n", 5)), "binary data");
  expect_message(file.message("<html><body>404"), "got an HTML page");
  expect_message(file.message("x\n\"" + std::string(1 << 20, '1')), "line 2: expected short cells");
}

TEST(ArraysCsv, NumbersTooSmallForFloat32AreZero) {
  const CsvFile file;
  const Tensor read = read_array(file.put("1e-60\n1e-400\n1e-45\n"));
  EXPECT_TRUE(at::equal(read.flatten(), at::tensor({0.0F, 0.0F, 1e-45F})));
}

/// Rows longer than a block, and chunk sizes that do not divide the file.
TEST(ArraysCsv, ChunksJoinToTheWhole) {
  const CsvFile file;
  for (const std::int64_t columns : {1, 7, 30'000}) {
    const std::int64_t rows = 60'000 / columns + 3;
    const Tensor expected = at::arange(rows * columns, at::kFloat).view({rows, columns});
    std::string text;
    for (std::int64_t i = 0; i < rows * columns; ++i)
      text += std::to_string(i) + ((i + 1) % columns == 0 ? "\n" : ",");
    const std::string path = file.put(text);
    EXPECT_TRUE(at::equal(read_array(path), expected));
    const auto reader = open_array(path);
    EXPECT_EQ(reader->rows(), std::nullopt);
    std::int64_t at = 0;
    for (std::int64_t count = 1;; count = count * 2 + 1) {
      const Tensor chunk = reader->next(count);
      if (chunk.size(0) == 0) break;
      EXPECT_EQ(chunk.size(0), std::min(count, rows - at));
      EXPECT_TRUE(at::equal(chunk, expected.narrow(0, at, chunk.size(0))));
      at += chunk.size(0);
    }
    EXPECT_EQ(at, rows);
  }
}

}  // namespace
}  // namespace monge
