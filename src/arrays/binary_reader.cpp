#include "arrays/binary_reader.h"

#include "monge/error.h"

#include "arrays/rows.h"

namespace monge {
namespace {

constexpr std::size_t block_bytes = std::size_t{1} << 20;

template <class Word>
void swap_words(std::span<char> bytes) {
  for (std::size_t at = 0; at + sizeof(Word) <= bytes.size(); at += sizeof(Word))
    std::reverse(bytes.data() + at, bytes.data() + at + sizeof(Word));
}

void swap_bytes(std::span<char> bytes, std::size_t width) {
  if (width == 2) swap_words<std::uint16_t>(bytes);
  if (width == 4) swap_words<std::uint32_t>(bytes);
  if (width == 8) swap_words<std::uint64_t>(bytes);
}

template <class Number>
void to_float32(const char* from, std::int64_t count, float* to, std::int64_t stride) {
  for (std::int64_t i = 0; i < count; ++i) {
    Number number;
    std::memcpy(&number, from + static_cast<std::size_t>(i) * sizeof(Number), sizeof(Number));
    to[i * stride] = static_cast<float>(number);
  }
}

/// Any byte but 0 stands for true.
void bools_to_float32(const char* from, std::int64_t count, float* to, std::int64_t stride) {
  for (std::int64_t i = 0; i < count; ++i) to[i * stride] = from[i] != 0 ? 1.0F : 0.0F;
}

/// A plain loop, not Tensor::copy_: waking the thread pool for each of many short columns costs
/// more than the work.
void to_float32(at::ScalarType type, const char* from, std::int64_t count, float* to,
                std::int64_t stride) {
  switch (type) {
    case at::kBool:
      return bools_to_float32(from, count, to, stride);
    case at::kByte:
      return to_float32<std::uint8_t>(from, count, to, stride);
    case at::kChar:
      return to_float32<std::int8_t>(from, count, to, stride);
    case at::kUInt16:
      return to_float32<std::uint16_t>(from, count, to, stride);
    case at::kShort:
      return to_float32<std::int16_t>(from, count, to, stride);
    case at::kUInt32:
      return to_float32<std::uint32_t>(from, count, to, stride);
    case at::kInt:
      return to_float32<std::int32_t>(from, count, to, stride);
    case at::kUInt64:
      return to_float32<std::uint64_t>(from, count, to, stride);
    case at::kLong:
      return to_float32<std::int64_t>(from, count, to, stride);
    case at::kHalf:
      return to_float32<at::Half>(from, count, to, stride);
    case at::kBFloat16:
      return to_float32<at::BFloat16>(from, count, to, stride);
    case at::kFloat8_e4m3fn:
      return to_float32<at::Float8_e4m3fn>(from, count, to, stride);
    case at::kFloat8_e5m2:
      return to_float32<at::Float8_e5m2>(from, count, to, stride);
    case at::kFloat:
      return to_float32<float>(from, count, to, stride);
    case at::kDouble:
      return to_float32<double>(from, count, to, stride);
    default:
      throw std::logic_error("a type that no array format has");
  }
}

class BinaryReader final : public ArrayReader {
 public:
  BinaryReader(std::string where, std::unique_ptr<ByteSource> source, BinaryLayout layout)
      : where_(std::move(where)), source_(std::move(source)), layout_(std::move(layout)) {
    if (layout_.fortran) column_starts_ = fortran_column_starts();
    if (layout_.rows() == 0) source_->finish();
  }

  std::optional<std::int64_t> rows() const override { return layout_.rows(); }
  std::int64_t columns() const override { return layout_.columns(); }
  std::vector<std::int64_t> row_shape() const override {
    return {layout_.shape.begin() + 1, layout_.shape.end()};
  }
  at::ScalarType type() const override { return layout_.type; }

  Tensor next(std::int64_t count) override {
    require_count(where_, count);
    const std::int64_t k = std::min(count, layout_.rows() - position_);
    const Tensor result = allocate_rows(where_, k, columns());
    if (k == 0) return result;
    if (layout_.fortran)
      read_columns(result);
    else
      read_forwards(result);
    require_finite(result);
    position_ += k;
    if (position_ == layout_.rows()) source_->finish();
    return result;
  }

 private:
  std::size_t width() const { return c10::elementSize(layout_.type); }

  /// Where in a Fortran-ordered array each column of the flattened rows starts, in elements: the
  /// columns are numbered with the last axis fastest, the file has the first axis fastest.
  std::vector<std::uint64_t> fortran_column_starts() const {
    std::vector<std::uint64_t> starts{0};
    auto stride = static_cast<std::uint64_t>(layout_.rows());
    for (std::size_t axis = 1; axis < layout_.shape.size(); ++axis) {
      std::vector<std::uint64_t> finer;
      const auto length = static_cast<std::uint64_t>(layout_.shape[axis]);
      finer.reserve(starts.size() * length);
      for (const std::uint64_t start : starts)
        for (std::uint64_t i = 0; i < length; ++i) finer.push_back(start + i * stride);
      starts = std::move(finer);
      stride *= length;
    }
    return starts;
  }

  /// The numbers [first, first + count) in the order of the file, to every `stride`-th place.
  void read_numbers(std::uint64_t first, std::int64_t count, float* to, std::int64_t stride) {
    const std::uint64_t offset = layout_.offset + first * width();
    const std::size_t bytes = static_cast<std::size_t>(count) * width();
    if (layout_.type == at::kFloat && !layout_.swapped && stride == 1) {
      source_->read(offset, to, bytes);
      return;
    }
    buffer_.resize(bytes);
    source_->read(offset, buffer_.data(), bytes);
    if (layout_.swapped) swap_bytes(buffer_, width());
    to_float32(layout_.type, buffer_.data(), count, to, stride);
  }

  /// As read_numbers, in blocks that bound the memory.
  void read_blocks(std::uint64_t first, std::int64_t count, float* to, std::int64_t stride) {
    const auto block = static_cast<std::int64_t>(block_bytes / width());
    for (std::int64_t at = 0; at < count; at += block)
      read_numbers(first + static_cast<std::uint64_t>(at), std::min(block, count - at),
                   to + at * stride, stride);
  }

  void read_forwards(const Tensor& rows) {
    const auto first =
        static_cast<std::uint64_t>(position_) * static_cast<std::uint64_t>(columns());
    read_blocks(first, rows.numel(), rows.data_ptr<float>(), 1);
  }

  void read_columns(const Tensor& rows) {
    for (std::int64_t column = 0; column < columns(); ++column) {
      const std::uint64_t first =
          column_starts_[static_cast<std::size_t>(column)] + static_cast<std::uint64_t>(position_);
      read_blocks(first, rows.size(0), rows.data_ptr<float>() + column, columns());
    }
  }

  void require_finite(const Tensor& rows) {
    const std::optional<std::int64_t> index = first_not_finite(rows);
    if (!index) return;
    const std::int64_t row = position_ + *index / columns();
    const float value = rows.data_ptr<float>()[*index];
    // An infinite float32 may have been a finite number of the wider type.
    const bool narrowed = std::isinf(value) && layout_.type == at::kDouble;
    fail(fmt::format("{}, row {}, column {}", where_, row, *index % columns()),
         "a finite number that float32 can hold",
         fmt::format("{}{}", value, narrowed ? " as float32" : ""));
  }

  std::string where_;
  std::unique_ptr<ByteSource> source_;
  BinaryLayout layout_;
  std::vector<std::uint64_t> column_starts_;
  std::vector<char> buffer_;
  std::int64_t position_ = 0;
};

std::string shape_of(const BinaryLayout& layout) {
  return fmt::format("shape [{}]", fmt::join(layout.shape, ", "));
}

}  // namespace

std::int64_t BinaryLayout::columns() const {
  std::int64_t product = 1;
  for (std::size_t axis = 1; axis < shape.size(); ++axis) product *= shape[axis];
  return product;
}

std::uint64_t BinaryLayout::bytes() const {
  return static_cast<std::uint64_t>(rows()) * static_cast<std::uint64_t>(columns()) *
         c10::elementSize(type);
}

void require_table(std::string_view where, const BinaryLayout& layout) {
  if (layout.shape.empty())
    fail(where, "a table of points, [n] or [n, ...]", "a single number (shape [])");
  std::int64_t bytes = static_cast<std::int64_t>(c10::elementSize(layout.type));
  for (std::size_t axis = 0; axis < layout.shape.size(); ++axis) {
    if (axis > 0 && layout.shape[axis] == 0) fail(where, "at least one column", shape_of(layout));
    // A zero first axis must not hide an overflow of the others.
    if (__builtin_mul_overflow(bytes, std::max<std::int64_t>(layout.shape[axis], 1), &bytes))
      fail(where, "an array that fits the address space", shape_of(layout));
  }
}

std::unique_ptr<ArrayReader> read_binary(std::string where, std::unique_ptr<ByteSource> source,
                                         BinaryLayout layout) {
  return std::make_unique<BinaryReader>(std::move(where), std::move(source), std::move(layout));
}

}  // namespace monge
