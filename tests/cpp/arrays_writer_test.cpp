#include "monge/arrays.h"
#include "monge/safetensors.h"

#include "error_text.h"
#include "temporary_folder.h"

#include <sys/resource.h>

#include <csignal>
#include <cstring>

namespace monge {
namespace {

constexpr const char* formats[] = {"npy", "npz", "safetensors", "csv"};

/// Floats of every exponent, sign and zero included: what a lossy text would change.
Tensor awkward_points() {
  std::vector<float> values;
  for (std::uint32_t bits = 1; bits < 0x7F800000U; bits += 1'234'567U)
    for (const std::uint32_t sign : {0U, 0x80000000U}) {
      const std::uint32_t word = bits | sign;
      float value = 0;
      std::memcpy(&value, &word, sizeof value);
      values.push_back(value);
    }
  values.resize(values.size() / 3 * 3);
  return at::tensor(values).view({-1, 3});
}

TEST(ArrayWriter, EveryFormatComesBackBitForBit) {
  const TemporaryFolder folder;
  const Tensor points = awkward_points();
  for (const char* format : formats) {
    const auto path = folder / fmt::format("a.{}", format);
    const auto writer = create_array(path, 3, Existing::keep);
    for (std::int64_t at = 0; at < points.size(0); at += 100)
      writer->append(points.narrow(0, at, std::min<std::int64_t>(100, points.size(0) - at)));
    EXPECT_FALSE(std::filesystem::exists(path));
    writer->close();
    const Tensor read = read_array(path.string());
    EXPECT_TRUE(at::equal(read.view(at::kInt), points.view(at::kInt))) << format;
    EXPECT_THROW(writer->append(points), Error);
    EXPECT_THROW(writer->close(), Error);
  }
  EXPECT_EQ(folder.entries(), 4);
}

TEST(ArrayWriter, SameRowsSameBytesHoweverTheyAreCut) {
  const TemporaryFolder folder;
  const Tensor points = at::arange(40, at::kFloat).view({20, 2});
  for (const char* format : formats) {
    const auto whole = folder / fmt::format("whole.{}", format);
    const auto cut = folder / fmt::format("cut.{}", format);
    const auto one = create_array(whole, 2, Existing::keep);
    one->append(points);
    one->close();
    const auto many = create_array(cut, 2, Existing::keep);
    for (const Tensor& row : points.split(3)) many->append(row);
    many->append(at::empty({0, 2}));
    many->close();
    EXPECT_EQ(read_text(whole), read_text(cut)) << format;
  }
}

TEST(ArrayWriter, ViewsAreWrittenByValue) {
  const TemporaryFolder folder;
  const Tensor base = at::arange(6, at::kFloat).view({2, 3});
  for (const char* format : formats) {
    const auto path = folder / fmt::format("a.{}", format);
    const auto writer = create_array(path, 2, Existing::keep);
    writer->append(base.t());
    writer->close();
    EXPECT_TRUE(at::equal(read_array(path.string()), base.t())) << format;
  }
}

TEST(ArrayWriter, NumbersAreAlignedAndTheHeaderIsNumpys) {
  const TemporaryFolder folder;
  const auto writer = create_array(folder / "a.npy", 3, Existing::keep);
  writer->append(at::ones({5, 3}));
  writer->close();
  const std::string bytes = read_text(folder / "a.npy");
  EXPECT_EQ(bytes.size(), 128 + 60u);
  EXPECT_EQ(bytes.substr(10, 63),
            "{'descr': '<f4', 'fortran_order': False, 'shape': (5, 3), }    ");
  EXPECT_EQ(bytes[127], '\n');
}

TEST(ArrayWriter, TheChecksumHolds) {
  const TemporaryFolder folder;
  const Tensor points = at::arange(40, at::kFloat).view({20, 2});
  const auto writer = create_array(folder / "a.safetensors", 2, Existing::keep);
  for (const Tensor& rows : points.split(7)) writer->append(rows);
  writer->close();
  EXPECT_TRUE(at::equal(read_safetensors(folder / "a.safetensors").tensors.at("points"), points));
  std::string bytes = read_text(folder / "a.safetensors");
  EXPECT_NE(bytes.find("checksum"), std::string::npos);
  bytes.back() ^= 1;
  write_text(folder / "b.safetensors", bytes);
  expect_message(error_text([&] { read_safetensors(folder / "b.safetensors"); }), "checksum");
}

TEST(ArrayWriter, WithoutRowsThereIsAnEmptyTable) {
  const TemporaryFolder folder;
  for (const char* format : {"npy", "npz", "safetensors"}) {
    const auto path = folder / fmt::format("a.{}", format);
    create_array(path, 2, Existing::keep)->close();
    const auto reader = open_array(path.string());
    EXPECT_EQ(reader->rows(), 0);
    EXPECT_EQ(reader->columns(), 2);
    EXPECT_EQ(reader->next(5).size(0), 0);
  }
}

TEST(ArrayWriter, WithoutCloseNothingIsLeft) {
  const TemporaryFolder folder;
  for (const char* format : formats) {
    const auto path = folder / fmt::format("a.{}", format);
    write_text(path, "old");
    create_array(path, 2, Existing::replace)->append(at::ones({4, 2}));
    EXPECT_EQ(read_text(path), "old") << format;
  }
  EXPECT_EQ(folder.entries(), 4);
}

TEST(ArrayWriter, AFullDiskLeavesTheOldFile) {
  const TemporaryFolder folder;
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  for (const char* format : formats) {
    const auto path = folder / fmt::format("a.{}", format);
    write_text(path, "old");
    // The archive itself is the larger file: its limit is met when it is put together.
    const bool at_close = std::string_view(format) == "npz";
    const rlimit limit{at_close ? 4240U : 4096U, before.rlim_max};
    const auto writer = create_array(path, 2, Existing::replace);
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const std::string message = error_text([&] {
      writer->append(at::full({at_close ? 512 : 2000, 2}, 0.25F));
      writer->close();
    });
    ::setrlimit(RLIMIT_FSIZE, &before);
    expect_message(message, path.string() + ": cannot write: ");
    EXPECT_NE(message.find("File too large"), std::string::npos) << message;
    EXPECT_THROW(writer->close(), Error);
    EXPECT_EQ(read_text(path), "old") << format;
  }
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(folder.entries(), 4);
}

TEST(ArrayWriter, WrongRequestsAreRefused) {
  const TemporaryFolder folder;
  const auto create = [&](const std::string& name, std::int64_t columns) {
    return error_text([&] { create_array(folder / name, columns, Existing::keep); });
  };
  expect_message(create("a.txt", 2), "one of the extensions .npy, .npz, .safetensors, .csv, .h5ad");
  expect_message(create("a.npy", 0), "at least one column");
  expect_message(create("none/a.npy", 2), "to exist, got none");
  write_text(folder / "there.csv", "1\n");
  expect_message(create("there.csv", 2), "exists; pass --force");

  const auto writer = create_array(folder / "a.npy", 2, Existing::keep);
  const auto append = [&](const Tensor& rows) { return error_text([&] { writer->append(rows); }); };
  expect_message(append(at::ones({4, 3})), "expected rows [k, 2] of float32, got [4, 3] of Float");
  expect_message(append(at::ones({4})), "got [4]");
  expect_message(append(at::ones({4, 2}, at::kDouble)), "Double");
  expect_message(append(Tensor()), "undefined");
  writer->append(at::ones({1, 2}));
  writer->close();
  EXPECT_TRUE(at::equal(read_array((folder / "a.npy").string()), at::ones({1, 2})));
}

}  // namespace
}  // namespace monge
