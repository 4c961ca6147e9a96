#include "monge/error.h"

#include "arrays/readers.h"
#include "arrays/rows.h"
#include "cells/cell_matrix.h"

namespace monge {
namespace {

/// The rows of a matrix for the chosen cells.
class CellReader final : public ArrayReader {
 public:
  explicit CellReader(const ArrayLocation& location) : file_(location.path) {
    const CellSelection selection = parse_selection(location.key.value_or(""));
    const std::string name = file_.find_matrix(location, selection);
    where_ = file_.where(name);
    cells_ = file_.select(selection.conditions);
    matrix_ = open_matrix(file_, name);
  }

  std::optional<std::int64_t> rows() const override { return std::ssize(cells_); }
  std::int64_t columns() const override { return matrix_->columns(); }

  Tensor next(std::int64_t count) override {
    require_count(where_, count);
    const std::int64_t k = std::min(count, std::ssize(cells_) - position_);
    const Tensor result = allocate_rows(where_, k, columns());
    if (k == 0) return result;
    const auto cells = std::span(cells_).subspan(position_, k);
    matrix_->gather(cells, {result.data_ptr<float>(), static_cast<std::size_t>(result.numel())});
    if (const auto index = first_not_finite(result))
      fail(fmt::format("{}, cell {}, column {}", where_, cells[*index / columns()],
                       *index % columns()),
           "a finite number that float32 can hold",
           fmt::format("{}", result.const_data_ptr<float>()[*index]));
    position_ += k;
    return result;
  }

 private:
  CellFile file_;
  std::string where_;
  std::vector<std::int64_t> cells_;  // in increasing order
  std::unique_ptr<CellMatrix> matrix_;
  std::int64_t position_ = 0;
};

}  // namespace

std::unique_ptr<ArrayReader> open_h5ad(const ArrayLocation& location) {
  return std::make_unique<CellReader>(location);
}

}  // namespace monge
