#include "monge/safetensors.h"

#include "error_text.h"
#include "temporary_folder.h"

#include <cstring>
#include <fstream>
#include <random>

namespace monge {
namespace {

namespace fs = std::filesystem;

/// A file of other tools, without a checksum.
std::string file_bytes(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

void put(const fs::path& path, const std::string& bytes) {
  fs::remove(path);  // some file systems flush a file that is overwritten, which is slow
  std::ofstream(path, std::ios::binary) << bytes;
}

/// NaN equals itself here: what counts are the bits.
bool same_bits(const Tensor& a, const Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() &&
         (a.numel() == 0 || std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0);
}

bool equal(const TensorFile& a, const TensorFile& b) {
  return a.metadata == b.metadata &&
         std::ranges::equal(a.tensors, b.tensors, [](const auto& x, const auto& y) {
           return x.first == y.first && same_bits(x.second, y.second);
         });
}

TensorFile small_content() {
  return {{{"net.weight", at::arange(6, at::kFloat).view({2, 3})},
           {"flags", at::tensor({1, 0, 1}).to(at::kBool)},
           {"step", at::full({}, 17, at::kLong)}},
          {{"format", "monge"}, {"step", "17"}}};
}

TEST(Safetensors, EveryTypeAndShapeComesBack) {
  const TemporaryFolder folder;
  TensorFile content{{}, {{"name", "caf\u00e9 \"quoted\"\n"}, {"empty", ""}}};
  for (const at::ScalarType type :
       {at::kBool, at::kByte, at::kChar, at::kUInt16, at::kShort, at::kUInt32, at::kInt,
        at::kUInt64, at::kLong, at::kHalf, at::kBFloat16, at::kFloat, at::kDouble,
        at::kFloat8_e4m3fn, at::kFloat8_e5m2})
    content.tensors[c10::toString(type)] = at::arange(15, at::kFloat).sub(4).abs().to(type);
  content.tensors["scalar"] = at::full({}, 2.5);
  content.tensors["no rows"] = at::empty({0, 3});
  content.tensors[""] = at::ones({1, 1, 1});
  write_safetensors(folder / "a.safetensors", content);
  EXPECT_TRUE(equal(read_safetensors(folder / "a.safetensors"), content));
  EXPECT_EQ(folder.entries(), 1);

  const TensorFile nothing;
  write_safetensors(folder / "b.safetensors", nothing);
  EXPECT_TRUE(equal(read_safetensors(folder / "b.safetensors"), nothing));
}

TEST(Safetensors, NotANumberKeepsItsBits) {
  const TemporaryFolder folder;
  TensorFile content;
  content.tensors["x"] = at::tensor({NAN, -INFINITY, -0.0F, 1e-45F});
  write_safetensors(folder / "a.safetensors", content);
  EXPECT_TRUE(equal(read_safetensors(folder / "a.safetensors"), content));
}

TEST(Safetensors, ViewsAreWrittenByValue) {
  const TemporaryFolder folder;
  const Tensor base = at::arange(12, at::kFloat).view({3, 4});
  TensorFile content;
  content.tensors["transposed"] = base.t();
  content.tensors["column"] = base.select(1, 2);
  content.tensors["expanded"] = base.narrow(0, 0, 1).expand({5, 4});
  write_safetensors(folder / "a.safetensors", content);
  const TensorFile read = read_safetensors(folder / "a.safetensors");
  for (const auto& [name, tensor] : content.tensors)
    EXPECT_TRUE(at::equal(read.tensors.at(name), tensor)) << name;
}

TEST(Safetensors, SameContentSameBytesAndAlignedData) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a.safetensors", small_content());
  write_safetensors(folder / "b.safetensors", read_safetensors(folder / "a.safetensors"));
  const std::string bytes = read_text(folder / "a.safetensors");
  EXPECT_EQ(bytes, read_text(folder / "b.safetensors"));
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ((8 + length) % 64, 0u);
  // The widest numbers first: a long, six floats, three bools.
  EXPECT_EQ(bytes[8 + length], 17);
  EXPECT_EQ(bytes.size(), 8 + length + 8 + 24 + 3);
}

TEST(Safetensors, ReadsAFileOfTheReferenceLibrary) {
  const TensorFile file =
      read_safetensors(MONGE_SOURCE_DIR "/tests/golden/arrays/numpy.safetensors");
  const Tensor points = at::arange(12, at::kFloat).view({4, 3});
  EXPECT_EQ(file.metadata, (std::map<std::string, std::string>{{"made", "elsewhere"}}));
  EXPECT_TRUE(at::equal(file.tensors.at("points"), points));
  EXPECT_TRUE(at::equal(file.tensors.at("wide"), points.to(at::kDouble)));
  EXPECT_TRUE(at::equal(file.tensors.at("half"), points.to(at::kHalf)));
  EXPECT_TRUE(at::equal(file.tensors.at("counts"), points.to(at::kLong)));
  EXPECT_TRUE(at::equal(file.tensors.at("flags"), points.remainder(2).to(at::kBool)));
}

TEST(Safetensors, EveryTruncationIsAnError) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a.safetensors", small_content());
  const std::string bytes = read_text(folder / "a.safetensors");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    put(folder / "b.safetensors", bytes.substr(0, size));
    EXPECT_THROW(read_safetensors(folder / "b.safetensors"), Error) << size;
  }
  put(folder / "b.safetensors", bytes + '\0');
  EXPECT_THROW(read_safetensors(folder / "b.safetensors"), Error);
}

/// Only spaces and the name of the checksum itself can change without notice; the tensors that are
/// read then must be those that were written.
TEST(Safetensors, EveryDamagedByteIsAnErrorOrHarmless) {
  const TemporaryFolder folder;
  const TensorFile content{{{"w", at::arange(3, at::kFloat)}, {"b", at::ones({2}, at::kBool)}},
                           {{"step", "17"}}};
  write_safetensors(folder / "a.safetensors", content);
  const std::string bytes = read_text(folder / "a.safetensors");
  const std::size_t data = bytes.size() - 14;
  int harmless = 0;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const int flip : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF, 0x0C, 0x1C}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      put(folder / "b.safetensors", damaged);
      try {
        const TensorFile read = read_safetensors(folder / "b.safetensors");
        ++harmless;
        EXPECT_LT(at, data) << "a damaged number was read";
        EXPECT_TRUE(equal({read.tensors, {}}, {content.tensors, {}})) << at << " ^ " << flip;
      } catch (const Error&) {
      }
    }
  }
  EXPECT_GT(harmless, 0);
  EXPECT_LT(harmless, static_cast<int>(data));
}

/// Files without a checksum, damaged at random: an Error or some tensors, never a crash. (The
/// sanitizer build makes "never a crash" mean more.)
TEST(Safetensors, RandomDamageNeverCrashes) {
  const TemporaryFolder folder;
  const std::string bytes = read_text(MONGE_SOURCE_DIR "/tests/golden/arrays/numpy.safetensors");
  std::mt19937 random(7);
  int errors = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    std::string damaged = bytes;
    for (int edit = 0; edit < 3; ++edit)
      damaged[random() % damaged.size()] =
          static_cast<char>(random() % 2 ? random() : '0' + random() % 10);
    put(folder / "b.safetensors", damaged);
    try {
      for (const auto& [name, tensor] : read_safetensors(folder / "b.safetensors").tensors)
        EXPECT_EQ(tensor.to(at::kFloat).numel(), tensor.numel());
    } catch (const Error&) {
      ++errors;
    }
  }
  EXPECT_GT(errors, 1000);
}

TEST(Safetensors, HostileHeadersAreRefusedWithTheReason) {
  const TemporaryFolder folder;
  const auto message = [&](const std::string& header, const std::string& data = std::string(8, 0)) {
    put(folder / "a.safetensors", file_bytes(header, data));
    return error_text([&] { read_safetensors(folder / "a.safetensors"); });
  };
  const auto entry = [](const std::string& dtype, const std::string& shape,
                        const std::string& offsets) {
    return fmt::format(R"({{"x":{{"dtype":{},"shape":{},"data_offsets":{}}}}})", dtype, shape,
                       offsets);
  };
  EXPECT_EQ(message(entry(R"("F32")", "[2]", "[0,8]")), "");
  expect_message(message(entry(R"("F33")", "[2]", "[0,8]")), "F64, got 'F33'");
  expect_message(message(entry("32", "[2]", "[0,8]")), "no such dtype");
  expect_message(message(entry(R"("F32")", "[3]", "[0,8]")), "expected 12 bytes");
  expect_message(message(entry(R"("F32")", "[-2]", "[0,8]")), "whole number in shape");
  expect_message(message(entry(R"("F32")", "[2.0]", "[0,8]")), "whole number in shape");
  expect_message(message(entry(R"("F32")", "[4294967296,4294967296,2]", "[0,8]")), "2^63");
  expect_message(message(entry(R"("F32")", "[0,4294967296,4294967296,2]", "[0,0]")), "2^63");
  expect_message(message(entry(R"("F32")", "[18446744073709551615]", "[0,8]")), "2^63");
  expect_message(message(entry(R"("F32")", "[2]", "[8,0]")), "data_offsets [8, 0]");
  expect_message(message(entry(R"("F32")", "[2]", "[8,16]")), "at offset 0");
  expect_message(message(entry(R"("F32")", "[2]", "[0,8,8]")), "two data_offsets");
  expect_message(message(entry(R"("F32")", "[1]", "[0,4]")), "4 bytes of data after the header");
  expect_message(message(entry(R"("BOOL")", "[8]", "[0,8]"), "\1\1\2\1\1\1\1\1"),
                 "0 and 1 for BOOL");
  expect_message(message(R"({"x":1})"), "something else");
  expect_message(message(R"({"__metadata__":{"a":1}})", ""), "a text for the metadata 'a'");
  expect_message(message(R"({"__metadata__":{"a":"1","a":"2"}})", ""), "'a' twice");
  expect_message(message(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                         R"("x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})"),
                 "'x' twice");
  expect_message(message(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                         R"("y":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})"),
                 "no overlaps");
  expect_message(message("{" + std::string(100'000, '['), ""), "JSON");
  expect_message(message(R"({"x":)" + std::string(100'000, '[')), "nested too deep");
  expect_message(message("[]"), "JSON");
  expect_message(message("{\"\xFF\":1}"), "JSON");
}

TEST(Safetensors, OtherFilesAreNamed) {
  const TemporaryFolder folder;
  const fs::path path = folder / "a.safetensors";
  const auto message = [&] { return error_text([&] { read_safetensors(path); }); };
  expect_message(message(), "a.safetensors: expected a file, got none");
  put(path, "");
  expect_message(message(), "got an empty file");
  put(path, "\x89PNG\r\n\x1a\n and so on, a picture");
  expect_message(message(), "got a PNG image");
  put(path, std::string("\x80\x02}q\x00", 5) + std::string(100, 'x'));
  expect_message(message(), "got a Python pickle");
}

TEST(Safetensors, WhatCannotBeWrittenIsRefusedAndTheOldFileStays) {
  const TemporaryFolder folder;
  const fs::path path = folder / "a.safetensors";
  write_safetensors(path, small_content());
  const auto message = [&](const std::string& name, const Tensor& tensor) {
    return error_text([&] { write_safetensors(path, {{{name, tensor}}, {}}); });
  };
  expect_message(message("x", at::zeros({2}, at::kComplexFloat)), "ComplexFloat");
  expect_message(message("x", Tensor()), "an undefined one");
  expect_message(message("x", at::ones({2, 2}).to_sparse()), "a sparse one");
  expect_message(message("__metadata__", at::ones({2})), "another name");
  expect_message(message("\xFF", at::ones({2})), "UTF-8");
  EXPECT_THROW(write_safetensors(path, {}, Existing::keep), Error);
  EXPECT_TRUE(equal(read_safetensors(path), small_content()));
  EXPECT_EQ(folder.entries(), 1);
}

}  // namespace
}  // namespace monge
