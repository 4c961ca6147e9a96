#pragma once

#include "monge/arrays.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace monge {

/// True where the extension (before any `:`) is .h5ad: a location in an AnnData file,
/// `FILE[:MATRIX][:COLUMN=VALUE]...`.
///
/// MATRIX is X, layers/NAME, obsm/NAME or raw/X (a NAME alone is looked for in obsm, then in
/// layers), and X where it is left out. The conditions choose cells by their annotation (obs):
/// conditions on different columns all hold, those on one column are alternatives. Numbers compare
/// as numbers: day=2 finds 2.0. Such a location is an array (open_array) of the chosen cells in the
/// order of the file. Read are the layouts of anndata 0.8 and later: dense, CSR and CSC matrices,
/// columns of texts, numbers, booleans and categories.
bool is_cells_location(const std::string& location);

/// A value of an annotation and how many cells have it.
struct CellCount {
  std::string value;
  std::int64_t cells;
};

/// The values of one column of obs, in the order of its categories or sorted.
struct CellColumn {
  std::string name;
  std::vector<CellCount> counts;
};

/// What a location in an AnnData file chooses.
struct CellGroup {
  std::string label;                  ///< "day = 2, donor = A", or "all cells"
  std::string matrix;                 ///< "obsm/X_pca"
  std::int64_t cells;                 ///< that are chosen
  std::vector<std::string> features;  ///< a name for every column of the matrix
  std::vector<CellColumn> columns;    ///< those of the conditions, counted over the whole file
};

/// Throws Error as open_array() does.
CellGroup describe_cells(const std::string& location);

/// Writes rows for the cells that `like`, a location in an AnnData file, chooses, to a new one:
/// their names and annotation (obs) come along, and the rows stand where `like`'s matrix stood, X
/// with its genes (var), or in obsm. Rows of another width than that matrix become X with numbered
/// columns. Where `like` is empty, X with numbered cells. anndata 0.8 and later reads it. Atomic;
/// close() throws Error where there are more or fewer rows than cells.
std::unique_ptr<ArrayWriter> create_cells(const std::filesystem::path& path, std::int64_t columns,
                                          const std::string& like, Existing existing);

}  // namespace monge
