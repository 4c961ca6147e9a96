#pragma once

#include "arrays/location.h"
#include "cells/hdf5.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace monge {

/// One condition on the cells.
struct CellCondition {
  std::string column, value;
};

/// The part of a location behind `FILE:`, taken apart.
struct CellSelection {
  std::optional<std::string> matrix;
  std::vector<CellCondition> conditions;
};

/// `MATRIX:COLUMN=VALUE:...`; a part without '=' behind a condition belongs to its value, so that
/// values may hold colons.
CellSelection parse_selection(const std::string& key);
/// "day = 2, donor = A".
std::string text_of(const std::vector<CellCondition>& conditions);

/// One column of obs: of each cell the index of its value, -1 where it has none.
struct CellLabels {
  std::vector<std::string> values;
  std::vector<std::int64_t> codes;
};

/// An AnnData file that is open to be read.
class CellFile {
 public:
  /// Throws Error where it is none, or of a layout before anndata 0.8.
  explicit CellFile(const std::filesystem::path& path);

  std::int64_t cells() const { return cells_; }
  hid_t root() const { return file_.get(); }
  /// "FILE:NAME", for messages.
  std::string where(const std::string& name) const;

  /// The full name of the matrix that a location means. Throws Error naming those there are.
  std::string find_matrix(const ArrayLocation& location, const CellSelection& selection) const;
  /// The columns of obs. Throws Error on one that is not there, naming the nearest.
  CellLabels labels(const std::string& column) const;
  /// The cells for which the conditions hold, in increasing order. Throws Error where there is
  /// none, naming the values there are.
  std::vector<std::int64_t> select(const std::vector<CellCondition>& conditions) const;
  /// A name for each of the columns of a matrix: genes, or "X_pca 1", ...
  std::vector<std::string> features(const std::string& matrix, std::int64_t count) const;
  /// Where the genes of a matrix are described: "var" or "raw/var"; "" where it has none (obsm).
  static std::string genes_of(const std::string& matrix);

 private:
  std::vector<std::string> columns() const;
  std::vector<std::string> matrices() const;
  std::vector<std::string> index(const std::string& frame) const;

  std::filesystem::path path_;
  hdf5::Handle file_;
  std::int64_t cells_ = 0;
};

}  // namespace monge
