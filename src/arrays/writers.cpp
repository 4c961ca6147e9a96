#include "arrays/writers.h"

#include "monge/error.h"

#include "arrays/npy_header.h"
#include "arrays/npz_archive.h"
#include "safetensors_header.h"

#include <charconv>

namespace monge {
namespace {

constexpr const char* array_name = "points";

/// What the writers share: the checks, and the order open, append, close.
class FileWriter : public ArrayWriter {
 public:
  FileWriter(std::filesystem::path path, RowFormat format)
      : path_(std::move(path)), format_(std::move(format)), columns_(format_.columns()) {
    if (columns_ < 1) fail(path_.string(), "at least one column", std::to_string(columns_));
    if (format_.type != at::kFloat && format_.type != at::kByte)
      fail(path_.string(), "rows of float32 or uint8", c10::toString(format_.type));
  }

  void append(const Tensor& rows) final {
    require_open();
    if (!rows.defined() || rows.dim() != 2 || rows.size(1) != columns_ ||
        rows.scalar_type() != format_.type)
      fail(path_.string(),
           fmt::format("rows [k, {}] of {}", columns_,
                       format_.type == at::kFloat ? "float32" : "uint8"),
           rows.defined()
               ? fmt::format("{} of {}", shape_text(rows), c10::toString(rows.scalar_type()))
               : "an undefined tensor");
    if (rows.size(0) == 0) return;
    put(rows.detach().to(at::kCPU).contiguous());
    rows_ += rows.size(0);
  }

  void close() final {
    require_open();
    closed_ = true;
    finish();
  }

 protected:
  virtual void put(const Tensor& rows) = 0;  // contiguous, on the CPU
  virtual void finish() = 0;

  /// [rows, ...] as the file has it.
  std::vector<std::int64_t> shape() const {
    std::vector<std::int64_t> whole{rows_};
    whole.insert(whole.end(), format_.shape.begin(), format_.shape.end());
    return whole;
  }

  std::filesystem::path path_;
  RowFormat format_;
  std::int64_t columns_;
  std::int64_t rows_ = 0;

 private:
  void require_open() const {
    if (closed_) fail(path_.string(), "an array that is open for writing", "a closed one");
  }

  bool closed_ = false;
};

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
