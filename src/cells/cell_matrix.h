#pragma once

#include "cells/cell_file.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace monge {

/// A matrix [cells, d] of an AnnData file.
class CellMatrix {
 public:
  virtual ~CellMatrix() = default;
  virtual std::int64_t columns() const = 0;
  /// The rows of the given cells, which increase, as float32, d numbers each; blocks of the file
  /// are read one at a time. Throws Error on damage.
  virtual void gather(std::span<const std::int64_t> cells, std::span<float> rows) const = 0;
};

/// Throws Error on what is no matrix of numbers with a row for each cell.
std::unique_ptr<CellMatrix> open_matrix(const CellFile& file, const std::string& name);

}  // namespace monge
