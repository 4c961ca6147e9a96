#include "cells/cell_file.h"

#include "monge/cells.h"
#include "monge/error.h"
#include "monge/options.h"

#include "descriptor.h"

#include <charconv>
#include <numeric>

namespace monge {
namespace {

using hdf5::Handle;

std::string listed(const std::vector<std::string>& texts) {
  constexpr std::size_t most = 20;
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < std::min(texts.size(), most); ++i)
    shown.push_back(in_quotes(texts[i]));
  std::string text = fmt::format("{}", fmt::join(shown, ", "));
  if (texts.size() > most) text += fmt::format(" and {} more", texts.size() - most);
  return text;
}

std::optional<double> number_of(std::string_view text) {
  double number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool same_value(const std::string& one, const std::string& other) {
  if (one == other) return true;
  const auto a = number_of(one), b = number_of(other);
  return a && b && *a == *b;
}

/// Distinct values in increasing order, with the index of each cell's own.
template <class Number>
CellLabels labels_of(const std::vector<Number>& numbers) {
  std::vector<Number> distinct = numbers;
  std::ranges::sort(distinct);
  distinct.erase(std::ranges::unique(distinct).begin(), distinct.end());
  CellLabels labels;
  for (const Number& value : distinct) {
    if constexpr (std::is_same_v<Number, std::string>)
      labels.values.push_back(value);
    else
      labels.values.push_back(fmt::format("{}", value));
  }
  for (const Number& value : numbers)
    labels.codes.push_back(std::ranges::lower_bound(distinct, value) - distinct.begin());
  return labels;
}

/// NaN, which has no order, is a missing value.
CellLabels labels_of_doubles(const std::vector<double>& numbers) {
  std::vector<double> known;
  for (const double number : numbers)
    if (!std::isnan(number)) known.push_back(number);
  CellLabels some = labels_of(known), all{std::move(some.values), {}};
  auto next = some.codes.begin();
  for (const double number : numbers) all.codes.push_back(std::isnan(number) ? -1 : *next++);
  return all;
}

CellLabels plain_labels(const Handle& column, const std::string& where) {
  switch (hdf5::type_class(column.get())) {
    case H5T_STRING:
      return labels_of(hdf5::read_texts(column.get(), where));
    case H5T_INTEGER:
      return labels_of(hdf5::read_integers(column.get(), where));
    case H5T_FLOAT:
      return labels_of_doubles(hdf5::read_doubles(column.get(), where));
    case H5T_ENUM: {
      CellLabels labels{{"False", "True"}, {}};
      for (const bool value : hdf5::read_booleans(column.get(), where))
        labels.codes.push_back(value ? 1 : 0);
      return labels;
    }
    default:
      fail(where, "texts, numbers or booleans", "another type");
  }
}

CellLabels categorical_labels(const Handle& column, const std::string& where) {
  const Handle categories = hdf5::open_dataset(column.get(), "categories", where);
  const CellLabels of_categories = plain_labels(categories, where);
  CellLabels labels;
  for (const std::int64_t code : of_categories.codes)
    labels.values.push_back(code < 0 ? "nan" : of_categories.values[code]);
  labels.codes = hdf5::read_integers(hdf5::open_dataset(column.get(), "codes", where).get(), where);
  for (const std::int64_t code : labels.codes)
    if (code < -1 || code >= std::ssize(labels.values))
      fail(where, fmt::format("codes of {} categories", labels.values.size()),
           fmt::format("{}", code));
  return labels;
}

/// Values with a mask: pandas' nullable types.
CellLabels nullable_labels(const Handle& column, const std::string& where) {
  CellLabels labels = plain_labels(hdf5::open_dataset(column.get(), "values", where), where);
  const std::vector<bool> missing =
      hdf5::read_booleans(hdf5::open_dataset(column.get(), "mask", where).get(), where);
  if (missing.size() != labels.codes.size())
    fail(where, fmt::format("a mask of {} cells", labels.codes.size()),
         fmt::format("{}", missing.size()));
  for (std::size_t i = 0; i < missing.size(); ++i)
    if (missing[i]) labels.codes[i] = -1;
  return labels;
}

/// The values that some cell has.
std::vector<std::string> present_values(const CellLabels& labels) {
  std::vector<bool> seen(labels.values.size());
  for (const std::int64_t code : labels.codes)
    if (code >= 0) seen[code] = true;
  std::vector<std::string> present;
  for (std::size_t i = 0; i < seen.size(); ++i)
    if (seen[i]) present.push_back(labels.values[i]);
  return present;
}

/// The columns of the conditions, each once.
std::vector<std::string> columns_of(const std::vector<CellCondition>& conditions) {
  std::vector<std::string> names;
  for (const CellCondition& one : conditions)
    if (std::ranges::count(names, one.column) == 0) names.push_back(one.column);
  return names;
}

/// By the names in layers and obsm alone, where there are some: to nearest(), all that begins with
/// X is near X.
std::string nearest_matrix(const std::string& wanted, const std::vector<std::string>& names) {
  std::vector<std::string> whole, last_parts;
  for (const std::string& name : names) {
    if (name == "X" || name == "raw/X") continue;
    whole.push_back(name);
    last_parts.push_back(name.substr(name.find('/') + 1));
  }
  if (whole.empty()) return nearest(wanted, names);
  const auto found = std::ranges::find(last_parts, nearest(wanted, last_parts));
  return whole[found - last_parts.begin()];
}

}  // namespace

CellSelection parse_selection(const std::string& key) {
  CellSelection selection;
  for (std::size_t from = 0; from < key.size();) {
    const std::size_t colon = std::min(key.find(':', from), key.size());
    const std::string part = key.substr(from, colon - from);
    const std::size_t equals = part.find('=');
    if (equals != std::string::npos)
      selection.conditions.push_back({part.substr(0, equals), part.substr(equals + 1)});
    else if (!selection.conditions.empty())
      selection.conditions.back().value += ":" + part;
    else
      selection.matrix = selection.matrix ? *selection.matrix + ":" + part : part;
    from = colon + 1;
  }
  return selection;
}

std::string text_of(const std::vector<CellCondition>& conditions) {
  std::vector<std::string> parts;
  parts.reserve(conditions.size());
  for (const auto& [column, value] : conditions)
    parts.push_back(fmt::format("{} = {}", column, value));
  return fmt::format("{}", fmt::join(parts, ", "));
}

CellFile::CellFile(const std::filesystem::path& path) : path_(path), file_(hdf5::open_file(path)) {
  const std::string file = path_.string();
  if (!hdf5::exists(root(), "obs"))
    fail(file, "an AnnData file, with the table obs", "an HDF5 file of something else");
  const Handle obs = hdf5::open_object(root(), "obs", where("obs"));
  if (hdf5::text_attribute(obs.get(), "encoding-type") != "dataframe" ||
      hdf5::exists(obs.get(), "__categories"))
    fail(file, "the layout of anndata 0.8 or later; reading and writing it with one makes it so",
         "an older one");
  cells_ = std::ssize(index("obs"));
}

std::string CellFile::where(const std::string& name) const {
  return fmt::format("{}:{}", path_.string(), name);
}

std::vector<std::string> CellFile::index(const std::string& frame) const {
  const Handle group = hdf5::open_object(root(), frame, where(frame));
  const std::string name = hdf5::text_attribute(group.get(), "_index");
  if (name.empty()) fail(where(frame), "a table with an index", "none");
  const std::string place = where(frame + "/" + name);
  const Handle object = hdf5::open_object(group.get(), name, place);
  const Handle names = hdf5::open_dataset(
      group.get(), hdf5::is_group(object.get()) ? name + "/values" : name, place);
  return hdf5::read_texts(names.get(), place);
}

std::vector<std::string> CellFile::columns() const {
  const Handle obs = hdf5::open_object(root(), "obs", where("obs"));
  std::vector<std::string> names = hdf5::names_in(obs.get());
  std::erase(names, hdf5::text_attribute(obs.get(), "_index"));
  return names;
}

std::vector<std::string> CellFile::matrices() const {
  std::vector<std::string> names;
  for (const char* one : {"X", "raw/X"})
    if (hdf5::exists(root(), one)) names.emplace_back(one);
  for (const std::string folder : {"layers", "obsm"}) {
    if (!hdf5::exists(root(), folder)) continue;
    const Handle group = hdf5::open_object(root(), folder, where(folder));
    for (const std::string& name : hdf5::names_in(group.get()))
      names.push_back(fmt::format("{}/{}", folder, name));
  }
  return names;
}

std::string CellFile::find_matrix(const ArrayLocation& location,
                                  const CellSelection& selection) const {
  const std::vector<std::string> names = matrices();
  const std::string wanted = selection.matrix.value_or("X");
  for (const std::string folder : {"", "obsm/", "layers/"})
    if (std::ranges::count(names, folder + wanted) > 0) return folder + wanted;
  if (!selection.matrix || names.empty()) {
    ArrayLocation of_matrix = location;
    of_matrix.key = std::nullopt;
    return names[find_key(of_matrix, names)];
  }
  fail(path_.string(), fmt::format("one of the matrices {}", listed(names)),
       fmt::format("{}; the nearest is {}", in_quotes(wanted),
                   in_quotes(nearest_matrix(wanted, names))));
}

CellLabels CellFile::labels(const std::string& column) const {
  const std::vector<std::string> names = columns();
  if (std::ranges::count(names, column) == 0)
    fail(path_.string(), fmt::format("one of the columns of obs: {}", listed(names)),
         names.empty() ? in_quotes(column)
                       : fmt::format("{}; the nearest is {}", in_quotes(column),
                                     in_quotes(nearest(column, names))));
  const std::string place = where("obs/" + column);
  const Handle object = hdf5::open_object(root(), "obs/" + column, place);
  CellLabels labels;
  if (!hdf5::is_group(object.get()))
    labels = plain_labels(hdf5::open_dataset(root(), "obs/" + column, place), place);
  else if (hdf5::exists(object.get(), "categories"))
    labels = categorical_labels(object, place);
  else
    labels = nullable_labels(object, place);
  if (std::ssize(labels.codes) != cells_)
    fail(place, fmt::format("{} values, one for each cell", cells_),
         fmt::format("{}", labels.codes.size()));
  return labels;
}

std::vector<std::int64_t> CellFile::select(const std::vector<CellCondition>& conditions) const {
  std::vector<bool> chosen(cells_, true);
  for (const std::string& column : columns_of(conditions)) {
    const CellLabels of_column = labels(column);
    std::vector<bool> wanted(of_column.values.size());
    for (const CellCondition& condition : conditions) {
      if (condition.column != column) continue;
      bool found = false;
      for (std::size_t i = 0; i < wanted.size(); ++i)
        if (same_value(of_column.values[i], condition.value)) found = wanted[i] = true;
      if (!found)
        fail(where("obs/" + column),
             fmt::format("one of its values {}", listed(present_values(of_column))),
             in_quotes(condition.value));
    }
    for (std::int64_t i = 0; i < cells_; ++i)
      if (of_column.codes[i] < 0 || !wanted[of_column.codes[i]]) chosen[i] = false;
  }
  std::vector<std::int64_t> cells;
  for (std::int64_t i = 0; i < cells_; ++i)
    if (chosen[i]) cells.push_back(i);
  if (cells.empty())
    fail(path_.string(),
         conditions.empty() ? "at least one cell"
                            : fmt::format("at least one cell with {}", text_of(conditions)),
         "none");
  return cells;
}

std::string CellFile::genes_of(const std::string& matrix) {
  if (matrix.starts_with("obsm/")) return "";
  return matrix == "raw/X" ? "raw/var" : "var";
}

std::vector<std::string> CellFile::features(const std::string& matrix, std::int64_t count) const {
  const std::string genes = genes_of(matrix);
  if (!genes.empty()) {
    if (auto names = index(genes); std::ssize(names) == count) return names;
    fail(where(matrix), fmt::format("as many columns as {} has genes", genes),
         fmt::format("{}", count));
  }
  std::vector<std::string> names;
  for (std::int64_t i = 1; i <= count; ++i)
    names.push_back(fmt::format("{} {}", matrix.substr(matrix.find('/') + 1), i));
  return names;
}

bool is_cells_location(const std::string& location) {
  return is_array_location(location) && parse_location(location).format == ArrayFormat::h5ad;
}

CellGroup describe_cells(const std::string& text) {
  const ArrayLocation location = parse_location(text);
  const CellSelection selection = parse_selection(location.key.value_or(""));
  const CellFile file(location.path);
  CellGroup group;
  group.label = selection.conditions.empty() ? "all cells" : text_of(selection.conditions);
  group.matrix = file.find_matrix(location, selection);
  group.cells = std::ssize(file.select(selection.conditions));
  group.features = file.features(group.matrix, open_array(text)->columns());
  for (const std::string& name : columns_of(selection.conditions)) {
    const CellLabels labels = file.labels(name);
    CellColumn column{name, {}};
    for (std::size_t i = 0; i < labels.values.size(); ++i)
      column.counts.push_back(
          {labels.values[i], std::ranges::count(labels.codes, static_cast<std::int64_t>(i))});
    group.columns.push_back(std::move(column));
  }
  return group;
}

}  // namespace monge
