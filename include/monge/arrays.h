#pragma once

#include "monge/files.h"
#include "monge/tensor.h"

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace monge {

/// A table of points on disk, read in chunks: npy, npz (`file.npz:key`), safetensors
/// (`file.safetensors:key`), csv (a header line is recognised and skipped) or h5ad (cells.h). A key
/// may be left out where the file holds one array. A csv header is a first row without any number.
/// An array [n,
/// ...] is read as [n, d] with the rest flattened, [n] as [n, 1]. Integers and floats of any width
/// and byte order become float32.
class ArrayReader {
 public:
  virtual ~ArrayReader() = default;
  /// The number of rows where the format tells it before reading (csv does not).
  virtual std::optional<std::int64_t> rows() const = 0;
  virtual std::int64_t columns() const = 0;
  /// How the file has a row, whose numbers are the columns: [...] of an array [n, ...], [] of [n].
  virtual std::vector<std::int64_t> row_shape() const { return {columns()}; }
  /// The type of the numbers in the file.
  virtual at::ScalarType type() const { return at::kFloat; }
  /// The next rows, at most `count`, [k, d] float32; [0, d] at the end. Throws Error on a truncated
  /// or malformed file and on values that are not finite (named by file and row, rows from 0; a csv
  /// by its line).
  virtual Tensor next(std::int64_t count) = 0;
};

/// Opens by extension, and says clearly where the content is something else. Throws Error.
std::unique_ptr<ArrayReader> open_array(const std::string& location);

/// The whole array, [n, d] float32, n >= 1 and all values finite; otherwise throws Error.
Tensor read_array(const std::string& location);

/// True where the extension (before any `:key`) is one of npy, npz, safetensors, csv, h5ad.
bool is_array_location(const std::string& location);

/// An array on disk written in chunks, atomically. Format by extension: npy, npz (array "points"),
/// safetensors (tensor "points"), csv (no header, shortest text that reads back to the same float),
/// h5ad (X).
class ArrayWriter {
 public:
  virtual ~ArrayWriter() = default;
  virtual void append(const Tensor& rows) = 0;  ///< [k, d] of the rows' type
  virtual void close() = 0;  ///< makes the file appear; without it nothing is left
};

/// How an array's rows are written; csv has them flat.
struct RowFormat {
  std::vector<std::int64_t> shape;   ///< [d], or more sides with product d
  at::ScalarType type = at::kFloat;  ///< float32 or uint8

  std::int64_t columns() const;
};

std::unique_ptr<ArrayWriter> create_array(const std::filesystem::path& path, const RowFormat& rows,
                                          Existing existing);
/// Rows [d] of float32.
std::unique_ptr<ArrayWriter> create_array(const std::filesystem::path& path, std::int64_t columns,
                                          Existing existing);

}  // namespace monge
