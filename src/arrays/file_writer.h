#pragma once

#include "monge/arrays.h"
#include "monge/error.h"

#include <filesystem>
#include <vector>

namespace monge {

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

}  // namespace monge
