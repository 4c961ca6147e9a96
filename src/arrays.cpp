#include "monge/arrays.h"

#include "monge/cells.h"
#include "monge/error.h"

#include "arrays/location.h"
#include "arrays/readers.h"
#include "arrays/writers.h"

namespace monge {

std::unique_ptr<ArrayReader> open_array(const std::string& text) {
  const ArrayLocation location = parse_location(text);
  switch (location.format) {
    case ArrayFormat::npy:
      return open_npy(location);
    case ArrayFormat::npz:
      return open_npz(location);
    case ArrayFormat::safetensors:
      return open_safetensors(location);
    case ArrayFormat::csv:
      return open_csv(location);
    case ArrayFormat::h5ad:
      return open_h5ad(location);
  }
  fail_extension(location.path);
}

Tensor read_array(const std::string& location) {
  constexpr std::int64_t numbers_per_chunk = std::int64_t{1} << 22;
  const std::unique_ptr<ArrayReader> reader = open_array(location);
  const std::optional<std::int64_t> known = reader->rows();
  std::vector<Tensor> chunks;
  if (known && *known > 0) return reader->next(*known);
  const std::int64_t count = std::max<std::int64_t>(numbers_per_chunk / reader->columns(), 1);
  while (true) {
    Tensor chunk = reader->next(count);
    if (chunk.size(0) == 0) break;
    chunks.push_back(std::move(chunk));
  }
  if (chunks.empty()) fail(location, "at least one row", "none");
  return chunks.size() == 1 ? chunks.front() : at::cat(chunks);
}

std::int64_t RowFormat::columns() const { return c10::multiply_integers(shape); }

std::unique_ptr<ArrayWriter> create_array(const std::filesystem::path& path, std::int64_t columns,
                                          Existing existing) {
  return create_array(path, RowFormat{{columns}}, existing);
}

std::unique_ptr<ArrayWriter> create_array(const std::filesystem::path& path, const RowFormat& rows,
                                          Existing existing) {
  const std::optional<ArrayFormat> format = array_format(path);
  if (!format) fail_extension(path);
  switch (*format) {
    case ArrayFormat::npy:
      return write_npy(path, rows, existing);
    case ArrayFormat::npz:
      return write_npz(path, rows, existing);
    case ArrayFormat::safetensors:
      return write_safetensors_array(path, rows, existing);
    case ArrayFormat::csv:
      return write_csv(path, rows, existing);
    case ArrayFormat::h5ad:
      if (rows.shape.size() != 1 || rows.type != at::kFloat)
        fail(path.string(), "rows of float32 numbers for an AnnData file",
             fmt::format("[{}] of {}", fmt::join(rows.shape, ", "), c10::toString(rows.type)));
      return create_cells(path, rows.columns(), "", existing);
  }
  fail_extension(path);
}

}  // namespace monge
