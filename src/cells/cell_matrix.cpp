#include "cells/cell_matrix.h"

#include "monge/error.h"

namespace monge {
namespace {

using hdf5::Handle;

constexpr std::int64_t block_numbers = std::int64_t{1} << 20;

class DenseMatrix final : public CellMatrix {
 public:
  DenseMatrix(Handle dataset, std::int64_t columns, std::string where)
      : dataset_(std::move(dataset)), columns_(columns), where_(std::move(where)) {}

  std::int64_t columns() const override { return columns_; }

  void gather(std::span<const std::int64_t> cells, std::span<float> rows) const override {
    const std::int64_t most = std::max<std::int64_t>(block_numbers / columns_, 1);
    std::vector<float> block;
    for (std::size_t i = 0; i < cells.size();) {
      const std::int64_t first = cells[i];
      const auto end = std::ranges::lower_bound(cells.subspan(i), first + most);
      const std::int64_t count = *(end - 1) - first + 1;
      block.resize(count * columns_);
      hdf5::read_rows(dataset_.get(), first, count, block, where_);
      for (const auto past = static_cast<std::size_t>(end - cells.begin()); i < past; ++i)
        std::copy_n(block.begin() + (cells[i] - first) * columns_, columns_,
                    rows.begin() + static_cast<std::int64_t>(i) * columns_);
    }
  }

 private:
  Handle dataset_;
  std::int64_t columns_;
  std::string where_;
};

/// What compressed rows (CSR) and columns (CSC) share: entries with an index on the short axis,
/// line after line of the long axis.
class SparseEntries {
 public:
  SparseEntries(const Handle& group, std::int64_t lines, std::int64_t length, std::string where)
      : where_(std::move(where)),
        data_(hdf5::open_dataset(group.get(), "data", where_)),
        indices_(hdf5::open_dataset(group.get(), "indices", where_)),
        ends_(hdf5::read_integers(hdf5::open_dataset(group.get(), "indptr", where_).get(), where_)),
        length_(length) {
    const std::vector<std::int64_t> numbers = hdf5::shape_of(data_.get());
    if (numbers.size() != 1 || hdf5::shape_of(indices_.get()) != numbers)
      fail(where_, "sparse data and indices of one length", "others");
    if (std::ssize(ends_) != lines + 1)
      fail(where_, fmt::format("an indptr of {} numbers for its shape", lines + 1),
           fmt::format("{}", ends_.size()));
    if (ends_.front() != 0 || ends_.back() != numbers[0] || !std::ranges::is_sorted(ends_))
      fail(where_, fmt::format("an indptr that rises from 0 to the {} entries", numbers[0]),
           fmt::format("{} to {}", ends_.front(), ends_.back()));
  }

  std::int64_t before(std::int64_t line) const { return ends_[line]; }

  /// Reads the entries of the lines [from, to).
  void read(std::int64_t from, std::int64_t to) {
    first_ = before(from);
    values_.resize(before(to) - first_);
    places_.resize(values_.size());
    hdf5::read_range(data_.get(), first_, values_, where_);
    hdf5::read_range(indices_.get(), first_, places_, where_);
    for (const std::int64_t place : places_)
      if (place < 0 || place >= length_)
        fail(where_, fmt::format("sparse indices below {}", length_), fmt::format("{}", place));
  }

  /// Calls visit(place, value) for the entries of a line that was read.
  template <class Visit>
  void for_each(std::int64_t line, Visit visit) const {
    for (std::int64_t i = before(line) - first_; i < before(line + 1) - first_; ++i)
      visit(places_[i], values_[i]);
  }

 private:
  std::string where_;
  Handle data_, indices_;
  std::vector<std::int64_t> ends_;
  std::int64_t length_;
  std::int64_t first_ = 0;  // entry that was read
  std::vector<float> values_;
  std::vector<std::int64_t> places_;
};

class CompressedRows final : public CellMatrix {
 public:
  CompressedRows(const Handle& group, std::int64_t cells, std::int64_t columns, std::string where)
      : entries_(group, cells, columns, std::move(where)), columns_(columns) {}

  std::int64_t columns() const override { return columns_; }

  void gather(std::span<const std::int64_t> cells, std::span<float> rows) const override {
    std::ranges::fill(rows, 0.0f);
    for (std::size_t i = 0; i < cells.size();) {
      std::size_t end = i + 1;
      while (end < cells.size() &&
             entries_.before(cells[end] + 1) - entries_.before(cells[i]) <= block_numbers)
        ++end;
      entries_.read(cells[i], cells[end - 1] + 1);
      for (; i < end; ++i) {
        const auto row = rows.subspan(i * columns_, columns_);
        entries_.for_each(cells[i],
                          [&](std::int64_t column, float value) { row[column] += value; });
      }
    }
  }

 private:
  mutable SparseEntries entries_;
  std::int64_t columns_;
};

/// Every call passes over all entries, since those of a cell lie anywhere.
class CompressedColumns final : public CellMatrix {
 public:
  CompressedColumns(const Handle& group, std::int64_t cells, std::int64_t columns,
                    std::string where)
      : entries_(group, columns, cells, std::move(where)), cells_(cells), columns_(columns) {}

  std::int64_t columns() const override { return columns_; }

  void gather(std::span<const std::int64_t> cells, std::span<float> rows) const override {
    std::ranges::fill(rows, 0.0f);
    std::vector<std::int64_t> row_of(cells_, -1);
    for (std::size_t i = 0; i < cells.size(); ++i) row_of[cells[i]] = static_cast<std::int64_t>(i);
    for (std::int64_t column = 0; column < columns_;) {
      std::int64_t end = column + 1;
      while (end < columns_ && entries_.before(end + 1) - entries_.before(column) <= block_numbers)
        ++end;
      entries_.read(column, end);
      for (; column < end; ++column)
        entries_.for_each(column, [&](std::int64_t cell, float value) {
          if (row_of[cell] >= 0) rows[row_of[cell] * columns_ + column] += value;
        });
    }
  }

 private:
  mutable SparseEntries entries_;
  std::int64_t cells_, columns_;
};

void require_numbers(const Handle& dataset, const std::string& where) {
  const H5T_class_t type = hdf5::type_class(dataset.get());
  if (type != H5T_INTEGER && type != H5T_FLOAT) fail(where, "a matrix of numbers", "another type");
}

void require_shape(const std::vector<std::int64_t>& shape, std::int64_t cells,
                   const std::string& where) {
  const std::string got = fmt::format("shape [{}]", fmt::join(shape, ", "));
  if (shape.size() != 2) fail(where, "a matrix [cells, columns]", got);
  if (shape[0] != cells) fail(where, fmt::format("{} rows, one for each cell", cells), got);
  if (shape[1] < 1) fail(where, "at least one column", got);
}

}  // namespace

std::unique_ptr<CellMatrix> open_matrix(const CellFile& file, const std::string& name) {
  const std::string where = file.where(name);
  const Handle object = hdf5::open_object(file.root(), name, where);
  if (!hdf5::is_group(object.get())) {
    Handle dataset = hdf5::open_dataset(file.root(), name, where);
    const std::vector<std::int64_t> shape = hdf5::shape_of(dataset.get());
    require_numbers(dataset, where);
    require_shape(shape, file.cells(), where);
    return std::make_unique<DenseMatrix>(std::move(dataset), shape[1], where);
  }
  const std::string encoding = hdf5::text_attribute(object.get(), "encoding-type");
  if (encoding != "csr_matrix" && encoding != "csc_matrix")
    fail(where, "a matrix, dense or sparse (csr, csc)",
         encoding.empty() ? "a group" : fmt::format("'{}'", encoding));
  require_numbers(hdf5::open_dataset(object.get(), "data", where), where);
  const std::vector<std::int64_t> shape = hdf5::integer_attribute(object.get(), "shape");
  require_shape(shape, file.cells(), where);
  if (encoding == "csr_matrix")
    return std::make_unique<CompressedRows>(object, shape[0], shape[1], where);
  return std::make_unique<CompressedColumns>(object, shape[0], shape[1], where);
}

}  // namespace monge
