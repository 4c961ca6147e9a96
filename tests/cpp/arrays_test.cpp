#include "monge/arrays.h"

#include "monge/safetensors.h"

#include "error_text.h"
#include "temporary_folder.h"

#include <sys/resource.h>

#include <cstring>
#include <fstream>
#include <unistd.h>

namespace monge {
namespace {

namespace fs = std::filesystem;

const std::string golden = MONGE_SOURCE_DIR "/tests/golden/arrays/";

/// What every golden array holds.
Tensor points() { return at::arange(12, at::kFloat).view({4, 3}); }

void put(const fs::path& path, const std::string& bytes) {
  fs::remove(path);  // some file systems flush a file that is overwritten, which is slow
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string message_of(const std::string& location) {
  return error_text([&] { read_array(location); });
}

/// Reads in chunks of `count` and joins them; also holds the reader to its contract at the end.
Tensor read_chunks(const std::string& location, std::int64_t count) {
  const auto reader = open_array(location);
  std::vector<Tensor> chunks;
  while (true) {
    Tensor chunk = reader->next(count);
    EXPECT_LE(chunk.size(0), count);
    EXPECT_EQ(chunk.size(1), reader->columns());
    if (chunk.size(0) == 0) break;
    chunks.push_back(chunk);
  }
  EXPECT_EQ(reader->next(count).size(0), 0) << "rows after the end";
  return at::cat(chunks);
}

/// The bytes of an npy 1.0 file.
std::string npy(const std::string& dictionary, const std::string& data) {
  std::string header = dictionary + "\n";
  const std::string length{static_cast<char>(header.size() & 0xFF),
                           static_cast<char>(header.size() >> 8)};
  return std::string("\x93NUMPY\x01\x00", 8) + length + header + data;
}

std::string dictionary(const std::string& descr, const std::string& shape,
                       const std::string& fortran = "False") {
  return fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}", descr, fortran,
                     shape);
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

TEST(Arrays, NumpyFilesOfEveryVersion) {
  for (const char* name : {"version1.npy", "version2.npy", "version3.npy", "fortran_big.npy"})
    for (const std::int64_t count : {1, 3, 4, 100})
      EXPECT_TRUE(at::equal(read_chunks(golden + name, count), points())) << name << " " << count;
}

TEST(Arrays, HigherAxesAreFlattenedInReadingOrder) {
  const Tensor expected = at::arange(24, at::kFloat).view({4, 6});
  for (const std::int64_t count : {1, 3, 100})
    EXPECT_TRUE(at::equal(read_chunks(golden + "fortran_3d.npy", count), expected));
}

TEST(Arrays, EveryTypeByteOrderAndLayout) {
  for (const char* kind : {"i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"})
    for (const char* order : {"little", "big"})
      for (const char* layout : {"C", "F"}) {
        const std::string key = fmt::format("types.npz:{}_{}_{}", kind, order, layout);
        EXPECT_TRUE(at::equal(read_chunks(golden + key, 3), points())) << key;
      }
  EXPECT_TRUE(at::equal(read_array(golden + "types.npz:flags"), points().remainder(2)));
  EXPECT_TRUE(at::equal(read_array(golden + "stored.npz"), points()));
  EXPECT_TRUE(at::equal(read_array(golden + "stored.npz:arr_0"), points()));
  EXPECT_TRUE(at::equal(read_array(golden + "two.npz:target"), points() + 100));
}

TEST(Arrays, SafetensorsOfEveryType) {
  for (const char* key : {"points", "wide", "half", "counts"})
    EXPECT_TRUE(
        at::equal(read_chunks(fmt::format("{}numpy.safetensors:{}", golden, key), 3), points()))
        << key;
  EXPECT_TRUE(at::equal(read_array(golden + "numpy.safetensors:flags"), points().remainder(2)));

  const TemporaryFolder folder;
  TensorFile content;
  for (const at::ScalarType type : {at::kBFloat16, at::kFloat8_e4m3fn, at::kFloat8_e5m2,
                                    at::kUInt16, at::kUInt32, at::kUInt64, at::kChar})
    content.tensors[c10::toString(type)] = at::arange(8, at::kFloat).view({4, 2}).to(type);
  const std::string path = (folder / "a.safetensors").string();
  write_safetensors(path, content);
  for (const auto& [name, tensor] : content.tensors)
    EXPECT_TRUE(at::equal(read_array(path + ":" + name), tensor.to(at::kFloat))) << name;
}

TEST(Arrays, HeadersThatOnlyOthersWrite) {
  const TemporaryFolder folder;
  const std::string path = (folder / "a.NPY").string();
  const std::string two = bytes_of<float>({1, 2});
  put(path, npy(R"({"shape":(2L,),"fortran_order":False,"descr":"=f4"})", two));
  EXPECT_TRUE(at::equal(read_array(path), at::tensor({1.0F, 2.0F}).view({2, 1})));
  put(path, npy(dictionary("<f4", "(1,2)", "True"), two));
  EXPECT_TRUE(at::equal(read_array(path), at::tensor({1.0F, 2.0F}).view({1, 2})));
  put(path, npy(dictionary("|b1", "(3,)"), std::string("\0\1\7", 3)));
  EXPECT_TRUE(at::equal(read_array(path), at::tensor({0.0F, 1.0F, 1.0F}).view({3, 1})));
}

TEST(Arrays, WideNumbersAreRounded) {
  const TemporaryFolder folder;
  const std::string path = (folder / "a.npy").string();
  put(path, npy(dictionary("<i8", "(2,)"), bytes_of<std::int64_t>({16'777'217, INT64_MIN})));
  EXPECT_TRUE(at::equal(read_array(path).flatten(), at::tensor({16'777'216.0F, -0x1p63F})));
  put(path, npy(dictionary("<u8", "(1,)"), bytes_of<std::uint64_t>({UINT64_MAX})));
  EXPECT_EQ(read_array(path).item<float>(), 0x1p64F);
  put(path, npy(dictionary("<f8", "(1,)"), bytes_of<double>({0.1})));
  EXPECT_EQ(read_array(path).item<float>(), 0.1F);
}

TEST(Arrays, ValuesThatAreNotFiniteAreRefusedByRow) {
  const TemporaryFolder folder;
  const std::string path = (folder / "a.npy").string();
  put(path, npy(dictionary("<f4", "(3, 2)"), bytes_of<float>({1, 2, 3, 4, 5, NAN})));
  EXPECT_EQ(message_of(path),
            path + ", row 2, column 1: expected a finite number that float32 can hold, got nan");
  const auto reader = open_array(path);
  EXPECT_EQ(reader->next(2).size(0), 2) << "rows before it are fine";
  expect_message(error_text([&] { reader->next(1); }), "row 2, column 1");
  put(path, npy(dictionary("<f8", "(2, 1)", "True"), bytes_of<double>({1, -1e300})));
  expect_message(message_of(path),
                 "row 1, column 0: expected a finite number that float32 can "
                 "hold, got -inf as float32");
  put(path, npy(dictionary(">f2", "(1, 2)"), std::string("\x3C\x00\x7C\x00", 4)));
  expect_message(message_of(path),
                 "row 0, column 1: expected a finite number that float32 can "
                 "hold, got inf");
}

TEST(Arrays, OtherKindsOfNumpyArraysAreRefusedWithTheReason) {
  const auto message = [](const std::string& name) { return message_of(golden + name); };
  expect_message(message("objects.npy"), "Python objects");
  expect_message(message("structured.npy"), "structured array");
  expect_message(message("texts.npy"), "got texts (dtype '<U2')");
  expect_message(message("complex.npy"), "complex numbers");
  expect_message(message("dates.npy"), "dates");
}

TEST(Arrays, MalformedNumpyFilesAreRefused) {
  const TemporaryFolder folder;
  const std::string path = (folder / "a.npy").string();
  const auto message = [&](const std::string& bytes) {
    put(path, bytes);
    return message_of(path);
  };
  const std::string data = bytes_of<float>({1, 2, 3, 4});
  expect_message(message(npy(dictionary("<f4", "()"), data.substr(0, 4))), "a single number");
  expect_message(message(npy(dictionary("<f4", "(0, 4)"), "")), "at least one row, got none");
  expect_message(message(npy(dictionary("<f4", "(4, 0)"), "")), "at least one column");
  expect_message(message(npy(dictionary("<f4", "(2, 3)"), data)),
                 "expected 24 bytes of data for shape [2, 3], got 16");
  expect_message(message(npy(dictionary("<f4", "(3,)"), data)), "expected 12 bytes");
  expect_message(message(npy(dictionary("<f4", "(4294967296, 4294967296)"), data)),
                 "address space");
  expect_message(message(npy(dictionary("<f4", "(0, 4294967296, 4294967296)"), data)), "address");
  expect_message(message(npy(dictionary("<f4", "(99999999999999999999,)"), data)), "shape");
  expect_message(message(npy(dictionary("<f4", "(-4,)"), data)), "shape");
  expect_message(message(npy(dictionary("<f16", "(1,)"), data)), "differs from machine");
  expect_message(message(npy(dictionary("f4", "(4,)"), data)), "dtype 'f4'");
  expect_message(message(npy("{'descr': '<f4', 'fortran_order': False}", data)), "shape");
  expect_message(message(npy("{'descr': '<f4', 'fortran_order': __import__('os')}", data)),
                 "True or False");
  expect_message(message(npy("{'descr': '<f4", data)), "closing quote");
  expect_message(message(npy("", data)), "'{' in the npy header");
  expect_message(message(std::string("\x93NUMPY\x09\x00", 8) + "xx"), "got version 9");
  expect_message(message(std::string("\x93NUMPY\x02\x00\xFF\xFF\xFF\x7F", 12)), "1 MiB");
  expect_message(message("x,y\n1,2\n"), "a.npy: expected an npy array, got text");
  expect_message(message("\x89PNG\r\n\x1a\n"), "expected an npy array, got a PNG image");
  expect_message(message("PK\x03\x04"), "got a zip (npz) archive");
  expect_message(message("<!DOCTYPE html>"), "got an HTML page");
  expect_message(message("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull");
  expect_message(message(""), "expected an npy array, got an empty file");
}

/// Every cut of a file is an error, for each format that knows its length; none crashes.
TEST(Arrays, EveryTruncationIsAnError) {
  const TemporaryFolder folder;
  for (const char* name : {"fortran_big.npy", "stored.npz", "types.npz:f4_big_F",
                           "types.npz:i2_little_C", "numpy.safetensors:half"}) {
    const std::string location = name;
    const std::string file = location.substr(0, location.find(':'));
    const std::string bytes = read_text(golden + file);
    const std::size_t step = std::max<std::size_t>(bytes.size() / 200, 1);
    for (std::size_t size = 0; size < bytes.size(); size += step) {
      put(folder / file, bytes.substr(0, size));
      EXPECT_NE(message_of((folder / location).string()), "") << name << " at " << size;
    }
  }
}

TEST(Arrays, DamagedMembersOfAnArchiveAreFoundByTheirChecksum) {
  const TemporaryFolder folder;
  std::string bytes = read_text(golden + "stored.npz");
  const std::size_t two = bytes.find(bytes_of<float>({1, 2}));
  ASSERT_NE(two, std::string::npos);
  bytes[two] ^= 1;
  put(folder / "a.npz", bytes);
  expect_message(message_of((folder / "a.npz").string()), "CRC");
  EXPECT_THROW(read_chunks((folder / "a.npz").string(), 1), Error);
}

TEST(Arrays, ArchivesNameTheirArrays) {
  expect_message(message_of(golden + "two.npz"),
                 "expected the name of one of its arrays, as in two.npz:source, got none; it holds "
                 "'source', 'target'");
  expect_message(message_of(golden + "two.npz:targets"),
                 "expected one of the arrays 'source', 'target', got 'targets'; the nearest is "
                 "'target'");
  expect_message(message_of(golden + "numpy.safetensors:point"), "the nearest is 'points'");
  expect_message(message_of(golden + "two.npz:"), "the name of an array after ':', got none");
  expect_message(message_of(golden + "version1.npy:x"), "expected no key");
  const TemporaryFolder folder;
  put(folder / "a.npz", "PK\x05\x06" + std::string(18, '\0'));
  expect_message(message_of((folder / "a.npz").string()), "at least one array, got none");
  put(folder / "a.npz", "PK\x03\x04 and then something else");
  expect_message(message_of((folder / "a.npz").string()), "cut off or damaged");
  write_safetensors(folder / "a.safetensors", {{{"x", at::full({}, 1.0F)}}, {}});
  expect_message(message_of((folder / "a.safetensors").string()), "a single number");
}

TEST(Arrays, LocationsThatNameNoArray) {
  const TemporaryFolder folder;
  expect_message(message_of(""), "a file name");
  expect_message(
      message_of("points.txt"),
      "points.txt: expected one of the extensions .npy, .npz, .safetensors, .csv, .h5ad, got "
      "'.txt'");
  expect_message(message_of("points"), "got none");
  for (const char* name : {"a.npy", "a.npz", "a.npz:x", "a.safetensors", "a.csv"})
    expect_message(message_of((folder / name).string()), "expected a file, got none");
  for (const char* name : {"d.npy", "d.npz", "d.safetensors", "d.csv"}) {
    fs::create_directory(folder / name);
    expect_message(message_of((folder / name).string()), "expected an array file, got a folder");
  }
  expect_message(error_text([] { open_array(golden + "version1.npy")->next(0); }), "at least one");
  EXPECT_TRUE(is_array_location("a.npz:x"));
  EXPECT_TRUE(is_array_location("b/a.CSV"));
  EXPECT_FALSE(is_array_location("a.png"));
  EXPECT_FALSE(is_array_location("npy"));
  EXPECT_FALSE(is_array_location("folder.npy/file"));
}

TEST(Arrays, ColonsInPathsAreNoKeys) {
  const TemporaryFolder folder;
  fs::create_directory(folder / "a.npz:b");
  fs::copy(golden + "two.npz", folder / "a.npz:b/x:y.npz");
  EXPECT_TRUE(at::equal(read_array((folder / "a.npz:b/x:y.npz:source").string()), points()));
}

std::size_t peak_kibibytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss);
}

/// A sparse file of 200 MB, in both layouts: read by chunks, it must not pass through memory whole.
/// The first pages of the reader, its buffers and the allocator's arenas take up to 40 MB.
TEST(Arrays, ReadingInChunksKeepsMemoryBounded) {
  const TemporaryFolder folder;
  constexpr std::int64_t rows = 3'200'000;
  constexpr std::int64_t columns = 16;
  for (const char* fortran : {"False", "True"}) {
    const fs::path path = folder / "sparse.npy";
    const std::string header =
        npy(dictionary("<f4", fmt::format("({}, {})", rows, columns), fortran), "");
    put(path, header);
    fs::resize_file(path, header.size() + rows * columns * sizeof(float));
    const std::size_t before = peak_kibibytes();
    const auto reader = open_array(path.string());
    EXPECT_EQ(reader->rows(), rows);
    std::int64_t read = 0;
    while (const std::int64_t k = reader->next(50'000).size(0)) read += k;
    EXPECT_EQ(read, rows);
    EXPECT_LT(peak_kibibytes() - before, std::size_t{96} << 10) << "KiB, of 200 MB; " << fortran;
  }
}

}  // namespace
}  // namespace monge
