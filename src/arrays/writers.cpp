#include "arrays/writers.h"

#include "monge/error.h"

#include "arrays/file_writer.h"
#include "arrays/npy_header.h"
#include "arrays/npz_archive.h"
#include "safetensors_header.h"

#include <charconv>

namespace monge {
namespace {

constexpr const char* array_name = "points";

class NpyWriter final : public FileWriter {
 public:
  NpyWriter(const std::filesystem::path& path, const RowFormat& rows, Existing existing)
      : FileWriter(path, rows), file_(path, existing) {
    file_.write(std::string(npy_header_size, '\0'));
  }

 private:
  void put(const Tensor& rows) override { file_.write(rows.const_data_ptr(), rows.nbytes()); }
  void finish() override {
    file_.rewrite(0, npy_header(shape(), format_.type));
    file_.commit();
  }

  AtomicFile file_;
};

/// The archive's directory needs the length of its member first, so the member is collected in an
/// npy file beside the target that is never committed.
class NpzWriter final : public FileWriter {
 public:
  NpzWriter(const std::filesystem::path& path, const RowFormat& rows, Existing existing)
      : FileWriter(path, rows), archive_(path, existing), member_(path.string() + ".npy") {
    member_.write(std::string(npy_header_size, '\0'));
  }

 private:
  void put(const Tensor& rows) override { member_.write(rows.const_data_ptr(), rows.nbytes()); }

  void finish() override {
    member_.rewrite(0, npy_header(shape(), format_.type));
    NpzArchive archive(archive_.temporary(), path_);
    archive.add_file(array_name, member_.temporary());
    archive.close();
    archive_.commit();
  }

  AtomicFile archive_;
  AtomicFile member_;
};

class SafetensorsWriter final : public FileWriter {
 public:
  SafetensorsWriter(const std::filesystem::path& path, const RowFormat& rows, Existing existing)
      : FileWriter(path, rows), file_(path, existing) {
    file_.write(std::string(header_size, '\0'));
  }

 private:
  static constexpr std::size_t header_size = 256;  // holds the longest numbers

  void put(const Tensor& rows) override {
    checksum_ = add_checksum(checksum_, rows.const_data_ptr(), rows.nbytes());
    file_.write(rows.const_data_ptr(), rows.nbytes());
  }

  void finish() override {
    const auto bytes =
        static_cast<std::uint64_t>(rows_ * columns_) * c10::elementSize(format_.type);
    SafetensorsHeader header{{{array_name, format_.type, shape(), 0, bytes}}, {}};
    header.metadata[checksum_key] =
        checksum_text(join_checksums(header_checksum(header), checksum_, bytes));
    file_.rewrite(0, write_safetensors_header(header, header_size));
    file_.commit();
  }

  AtomicFile file_;
  std::uint32_t checksum_ = 0;
};

class CsvWriter final : public FileWriter {
 public:
  CsvWriter(const std::filesystem::path& path, const RowFormat& rows, Existing existing)
      : FileWriter(path, rows), file_(path, existing) {}

 private:
  void put(const Tensor& rows) override {
    constexpr std::size_t block_bytes = std::size_t{1} << 20;
    constexpr std::size_t longest_number = 24;
    std::array<char, longest_number> number{};
    const Tensor numbers = rows.to(at::kFloat);
    const float* value = numbers.const_data_ptr<float>();
    for (std::int64_t i = 0; i < rows.numel(); ++i) {
      const auto end = std::to_chars(number.data(), number.data() + number.size(), value[i]).ptr;
      text_.append(number.data(), end);
      text_ += (i + 1) % columns_ == 0 ? '\n' : ',';
      if (text_.size() >= block_bytes) flush();
    }
    flush();
  }
  void finish() override { file_.commit(); }

  void flush() {
    file_.write(text_);
    text_.clear();
  }

  AtomicFile file_;
  std::string text_;
};

}  // namespace

std::unique_ptr<ArrayWriter> write_npy(const std::filesystem::path& path, const RowFormat& rows,
                                       Existing existing) {
  return std::make_unique<NpyWriter>(path, rows, existing);
}

std::unique_ptr<ArrayWriter> write_npz(const std::filesystem::path& path, const RowFormat& rows,
                                       Existing existing) {
  return std::make_unique<NpzWriter>(path, rows, existing);
}

std::unique_ptr<ArrayWriter> write_safetensors_array(const std::filesystem::path& path,
                                                     const RowFormat& rows, Existing existing) {
  return std::make_unique<SafetensorsWriter>(path, rows, existing);
}

std::unique_ptr<ArrayWriter> write_csv(const std::filesystem::path& path, const RowFormat& rows,
                                       Existing existing) {
  return std::make_unique<CsvWriter>(path, rows, existing);
}

}  // namespace monge
