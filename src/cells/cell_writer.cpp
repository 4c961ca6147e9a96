#include "monge/cells.h"
#include "monge/error.h"

#include "arrays/file_writer.h"
#include "cells/cell_matrix.h"

namespace monge {
namespace {

using hdf5::Handle;

void write_encoding(hid_t object, const char* type, const char* version) {
  hdf5::write_text_attribute(object, "encoding-type", type);
  hdf5::write_text_attribute(object, "encoding-version", version);
}

/// A table without columns whose rows are called 0, 1, ...
void write_numbered_table(hid_t root, const std::string& name, std::int64_t rows,
                          const std::string& where) {
  const Handle table = hdf5::create_group(root, name, where);
  write_encoding(table.get(), "dataframe", "0.2.0");
  hdf5::write_text_attribute(table.get(), "_index", "_index");
  hdf5::write_texts_attribute(table.get(), "column-order", {});
  std::vector<std::string> names;
  names.reserve(static_cast<std::size_t>(rows));
  for (std::int64_t i = 0; i < rows; ++i) names.push_back(std::to_string(i));
  hdf5::write_texts(table.get(), "_index", names, where);
}

/// A column of a table, or its index, of the chosen rows: a dataset, or a group of several.
void copy_column(hid_t from, const std::string& name, hid_t to,
                 std::span<const std::int64_t> chosen, const std::string& where) {
  const Handle column = hdf5::open_object(from, name, where);
  if (!hdf5::is_group(column.get())) return hdf5::copy_entries(from, name, to, chosen, where);
  const Handle copy = hdf5::create_group(to, name, where);
  hdf5::copy_attributes(column.get(), copy.get(), where);
  for (const std::string& part : hdf5::names_in(column.get()))
    if (part == "categories")
      hdf5::copy_object(column.get(), part, copy.get(), where);
    else
      hdf5::copy_entries(column.get(), part, copy.get(), chosen, where);
}

void copy_table(hid_t from, const std::string& name, hid_t to, std::span<const std::int64_t> chosen,
                const std::string& where) {
  const Handle table = hdf5::open_object(from, name, where);
  const Handle copy = hdf5::create_group(to, name, where);
  hdf5::copy_attributes(table.get(), copy.get(), where);
  for (const std::string& column : hdf5::names_in(table.get()))
    copy_column(table.get(), column, copy.get(), chosen, where);
}

/// The cells that written rows belong to, and where they were read.
struct Origin {
  explicit Origin(const std::string& text)
      : location(parse_location(text)),
        selection(parse_selection(location.key.value_or(""))),
        file(location.path),
        matrix(file.find_matrix(location, selection)),
        cells(file.select(selection.conditions)),
        columns(open_matrix(file, matrix)->columns()) {}

  ArrayLocation location;
  CellSelection selection;
  CellFile file;
  std::string matrix;
  std::vector<std::int64_t> cells;
  std::int64_t columns;
};

class CellWriter final : public FileWriter {
 public:
  CellWriter(const std::filesystem::path& path, std::int64_t columns, const std::string& like,
             Existing existing)
      : FileWriter(path, RowFormat{{columns}}),
        where_(path.string()),
        origin_(like.empty() ? nullptr : std::make_unique<Origin>(like)),
        target_(path, existing),
        file_(hdf5::create_file(target_.temporary())),
        rows_set_(hdf5::create_rows(folder_of_rows().get(), name_of_rows(), columns, where_)) {
    write_encoding(rows_set_.get(), "array", "0.2.0");
  }

 private:
  void put(const Tensor& rows) override {
    hdf5::append_rows(rows_set_.get(), rows_, rows.size(0), rows.const_data_ptr<float>(), where_);
  }

  void finish() override {
    write_encoding(file_.get(), "anndata", "0.1.0");
    write_cells();
    write_genes();
    if (origin_) write_origin();
    hdf5::flush(file_.get(), where_);
    rows_set_.close();
    file_.close();
    target_.commit();
  }

  /// Whether the rows are in obsm, as those that they were made of.
  bool in_obsm() const { return same_matrix() && CellFile::genes_of(origin_->matrix).empty(); }
  bool same_matrix() const { return origin_ && origin_->columns == columns_; }

  Handle folder_of_rows() {
    if (!in_obsm()) return hdf5::open_object(file_.get(), "/", where_);
    Handle obsm = hdf5::create_group(file_.get(), "obsm", where_);
    write_encoding(obsm.get(), "dict", "0.1.0");
    return obsm;
  }
  std::string name_of_rows() const {
    return in_obsm() ? origin_->matrix.substr(origin_->matrix.find('/') + 1) : "X";
  }

  void write_cells() const {
    if (!origin_) return write_numbered_table(file_.get(), "obs", rows_, where_);
    if (rows_ != std::ssize(origin_->cells))
      fail(where_, fmt::format("{} rows, one for each cell", origin_->cells.size()),
           fmt::format("{}", rows_));
    copy_table(origin_->file.root(), "obs", file_.get(), origin_->cells, where_);
  }

  void write_genes() const {
    if (!same_matrix()) return write_numbered_table(file_.get(), "var", columns_, where_);
    if (!in_obsm() && CellFile::genes_of(origin_->matrix) == "raw/var") {
      const Handle raw = hdf5::open_object(origin_->file.root(), "raw", where_);
      return hdf5::copy_object(raw.get(), "var", file_.get(), where_);
    }
    if (hdf5::exists(origin_->file.root(), "var"))
      hdf5::copy_object(origin_->file.root(), "var", file_.get(), where_);
    else
      write_numbered_table(file_.get(), "var", 0, where_);
  }

  void write_origin() const {
    const Handle notes = hdf5::create_group(file_.get(), "uns", where_);
    write_encoding(notes.get(), "dict", "0.1.0");
    hdf5::write_text(notes.get(), "predicted_from", origin_->location.text, where_);
  }

  std::string where_;
  std::unique_ptr<const Origin> origin_;
  AtomicFile target_;
  Handle file_;
  Handle rows_set_;  // closed before the file
};

}  // namespace

std::unique_ptr<ArrayWriter> create_cells(const std::filesystem::path& path, std::int64_t columns,
                                          const std::string& like, Existing existing) {
  std::error_code failure;
  if (!like.empty() && std::filesystem::equivalent(path, parse_location(like).path, failure))
    fail(path.string(), "another file than that of the cells", "the same");
  return std::make_unique<CellWriter>(path, columns, like, existing);
}

}  // namespace monge
