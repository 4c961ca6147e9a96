#include "cells/hdf5.h"

#include "monge/error.h"

#include "byte_source.h"

#include <cstring>
#include <numeric>

namespace monge::hdf5 {
namespace {

/// The library prints its error stack by itself unless told not to; here failures are Errors.
void silence() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

/// What the library says of the last failure, the innermost reason of all.
std::string last_reason() {
  std::string reason;
  const auto keep = [](unsigned, const H5E_error2_t* error, void* text) -> herr_t {
    if (error->desc != nullptr) *static_cast<std::string*>(text) = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, keep, &reason);
  return reason.empty() ? "an error of the HDF5 library" : reason;
}

[[noreturn]] void fail_read(std::string_view where) {
  fail(where, "what can be read", fmt::format("damage ({})", last_reason()));
}

[[noreturn]] void fail_write(std::string_view where) {
  throw Error(fmt::format("{}: cannot write: {}", where, last_reason()));
}

hid_t for_reading(hid_t id, std::string_view where) {
  if (id < 0) fail_read(where);
  return id;
}

hid_t for_writing(hid_t id, std::string_view where) {
  if (id < 0) fail_write(where);
  return id;
}

void require_read(herr_t status, std::string_view where) {
  if (status < 0) fail_read(where);
}

void require_written(herr_t status, std::string_view where) {
  if (status < 0) fail_write(where);
}

Handle property_list(hid_t kind) { return {H5Pcreate(kind), H5Pclose}; }
Handle space_of(hid_t dataset) { return {H5Dget_space(dataset), H5Sclose}; }
Handle type_of(hid_t dataset) { return {H5Dget_type(dataset), H5Tclose}; }

Handle text_type() {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type.get(), H5T_VARIABLE);
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  return type;
}

Handle space(const std::vector<hsize_t>& sides) {
  if (sides.empty()) return {H5Screate(H5S_SCALAR), H5Sclose};
  return {H5Screate_simple(static_cast<int>(sides.size()), sides.data(), nullptr), H5Sclose};
}

/// A file is not locked: it is only read, or new.
Handle file_access() {
  Handle access = property_list(H5P_FILE_ACCESS);
  H5Pset_file_locking(access.get(), false, true);
  return access;
}

Handle untimed() {
  Handle creation = property_list(H5P_DATASET_CREATE);
  H5Pset_obj_track_times(creation.get(), false);
  return creation;
}

/// Throws Error on a filter that is not a part of the library.
void require_built_in_filters(hid_t dataset, std::string_view where) {
  constexpr int first_foreign = H5Z_FILTER_RESERVED;
  constexpr int lzf = 32000;
  const Handle creation(H5Dget_create_plist(dataset), H5Pclose);
  const int count = H5Pget_nfilters(creation.get());
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0, configuration = 0;
    std::size_t numbers = 0;
    std::array<char, 64> name{};
    const int filter = H5Pget_filter2(creation.get(), static_cast<unsigned>(i), &flags, &numbers,
                                      nullptr, name.size(), name.data(), &configuration);
    if (filter < first_foreign) continue;
    fail(where, "numbers without compression or in gzip",
         filter == lzf ? "the filter lzf" : fmt::format("the filter {} '{}'", filter, name.data()));
  }
}

/// Selects entries [from, from + count) of the first axis of a dataset.
Handle selected(hid_t dataset, std::int64_t from, std::int64_t count) {
  Handle chosen = space_of(dataset);
  std::vector<hsize_t> start(H5Sget_simple_extent_ndims(chosen.get())), size(start.size());
  H5Sget_simple_extent_dims(chosen.get(), size.data(), nullptr);
  start[0] = static_cast<hsize_t>(from);
  size[0] = static_cast<hsize_t>(count);
  H5Sselect_hyperslab(chosen.get(), H5S_SELECT_SET, start.data(), nullptr, size.data(), nullptr);
  return chosen;
}

void read_selected(hid_t dataset, std::int64_t from, std::int64_t count, hid_t type, void* values,
                   std::size_t size, std::string_view where) {
  if (count == 0) return;
  const Handle memory = space({size});
  const Handle chosen = selected(dataset, from, count);
  require_read(H5Dread(dataset, type, memory.get(), chosen.get(), H5P_DEFAULT, values), where);
}

/// The length of a dataset [n].
std::int64_t length_of(hid_t dataset, std::string_view where) {
  const std::vector<std::int64_t> sides = shape_of(dataset);
  if (sides.size() != 1)
    fail(where, "a list [n]", fmt::format("shape [{}]", fmt::join(sides, ", ")));
  return sides[0];
}

template <class Number>
std::vector<Number> read_numbers(hid_t dataset, hid_t type, std::string_view where) {
  std::vector<Number> numbers(length_of(dataset, where));
  require_read(H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers.data()), where);
  return numbers;
}

/// Entries of any type as they are in memory, with what they point to.
class Buffer {
 public:
  Buffer(hid_t type, std::size_t count)
      : type_(H5Tget_native_type(type, H5T_DIR_ASCEND), H5Tclose),
        space_(space({count})),
        bytes_(count * H5Tget_size(type_.get())) {}
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
    if (H5Tdetect_class(type_.get(), H5T_VLEN) > 0 || H5Tis_variable_str(type_.get()) > 0)
      H5Dvlen_reclaim(type_.get(), space_.get(), H5P_DEFAULT, bytes_.data());
  }

  hid_t type() const { return type_.get(); }
  hid_t space_id() const { return space_.get(); }
  char* data() { return bytes_.data(); }
  std::size_t entry_bytes() const { return H5Tget_size(type_.get()); }

 private:
  Handle type_, space_;
  std::vector<char> bytes_;
};

std::string text_of(const char* bytes, std::size_t size, bool variable) {
  if (!variable) return {bytes, strnlen(bytes, size)};
  const char* text = nullptr;
  std::memcpy(static_cast<void*>(&text), bytes, sizeof text);
  return text == nullptr ? "" : text;
}

void write_attribute(hid_t object, const char* name, hid_t type, hid_t extent, const void* values) {
  const Handle attribute(H5Acreate2(object, name, type, extent, H5P_DEFAULT, H5P_DEFAULT),
                         H5Aclose);
  if (H5Sget_simple_extent_npoints(extent) > 0)
    require_written(H5Awrite(attribute.get(), type, values), name);
}

std::vector<const char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<const char*> pointers;
  pointers.reserve(texts.size());
  for (const std::string& text : texts) pointers.push_back(text.c_str());
  return pointers;
}

}  // namespace

Handle open_file(const std::filesystem::path& path) {
  silence();
  const std::string where = path.string();
  {
    FileSource source(path);
    require_magic(source, "\x89HDF\r\n\x1a\n", "an HDF5 file");
  }
  Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, file_access().get()), H5Fclose);
  if (!file) fail(where, "an HDF5 file", "one that is cut off or damaged");
  return file;
}

Handle create_file(const std::filesystem::path& path) {
  silence();
  const std::string where = path.string();
  return {
      for_writing(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, file_access().get()), where),
      H5Fclose};
}

void flush(hid_t file, std::string_view where) {
  require_written(H5Fflush(file, H5F_SCOPE_GLOBAL), where);
}

bool exists(hid_t group, const std::string& path) {
  for (std::size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    if (H5Lexists(group, path.substr(0, end).c_str(), H5P_DEFAULT) <= 0) return false;
  }
  return H5Oexists_by_name(group, path.c_str(), H5P_DEFAULT) > 0;
}

bool is_group(hid_t object) { return H5Iget_type(object) == H5I_GROUP; }

Handle open_object(hid_t group, const std::string& path, std::string_view where) {
  return {for_reading(H5Oopen(group, path.c_str(), H5P_DEFAULT), where), H5Oclose};
}

Handle open_dataset(hid_t group, const std::string& path, std::string_view where) {
  constexpr std::size_t cache_slots = 12421, cache_bytes = std::size_t{64} << 20;
  if (!exists(group, path)) fail(where, fmt::format("a dataset '{}'", path), "none");
  const Handle access = property_list(H5P_DATASET_ACCESS);
  H5Pset_chunk_cache(access.get(), cache_slots, cache_bytes, 1.0);
  const hid_t id = H5Dopen2(group, path.c_str(), access.get());
  if (id < 0) fail(where, fmt::format("a dataset '{}'", path), "something else");
  Handle dataset(id, H5Dclose);
  require_built_in_filters(dataset.get(), where);
  return dataset;
}

Handle create_group(hid_t group, const std::string& name, std::string_view where) {
  return {
      for_writing(H5Gcreate2(group, name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT), where),
      H5Gclose};
}

std::vector<std::string> names_in(hid_t group) {
  H5G_info_t info;
  std::vector<std::string> names;
  if (H5Gget_info(group, &info) < 0) return names;
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    const auto name_at = [&](char* to, std::size_t size) {
      return H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, to, size, H5P_DEFAULT);
    };
    const ssize_t length = name_at(nullptr, 0);
    if (length <= 0) continue;
    std::string name(static_cast<std::size_t>(length), '\0');
    name_at(name.data(), name.size() + 1);
    names.push_back(std::move(name));
  }
  return names;
}

std::string text_attribute(hid_t object, const char* name) {
  if (H5Aexists(object, name) <= 0) return "";
  const Handle attribute(H5Aopen(object, name, H5P_DEFAULT), H5Aclose);
  const Handle type(H5Aget_type(attribute.get()), H5Tclose);
  const Handle extent(H5Aget_space(attribute.get()), H5Sclose);
  if (H5Tget_class(type.get()) != H5T_STRING || H5Sget_simple_extent_npoints(extent.get()) != 1)
    return "";
  Buffer buffer(type.get(), 1);
  if (H5Aread(attribute.get(), buffer.type(), buffer.data()) < 0) return "";
  return text_of(buffer.data(), buffer.entry_bytes(), H5Tis_variable_str(buffer.type()) > 0);
}

std::vector<std::int64_t> integer_attribute(hid_t object, const char* name) {
  constexpr hssize_t most = 32;
  if (H5Aexists(object, name) <= 0) return {};
  const Handle attribute(H5Aopen(object, name, H5P_DEFAULT), H5Aclose);
  const Handle extent(H5Aget_space(attribute.get()), H5Sclose);
  const hssize_t count = H5Sget_simple_extent_npoints(extent.get());
  if (count < 1 || count > most) return {};
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(count));
  if (H5Aread(attribute.get(), H5T_NATIVE_INT64, numbers.data()) < 0) return {};
  return numbers;
}

void write_text_attribute(hid_t object, const char* name, const std::string& text) {
  const char* pointer = text.c_str();
  write_attribute(object, name, text_type().get(), space({}).get(),
                  static_cast<const void*>(&pointer));
}

void write_texts_attribute(hid_t object, const char* name, const std::vector<std::string>& texts) {
  const std::vector<const char*> pointers = pointers_to(texts);
  write_attribute(object, name, text_type().get(), space({texts.size()}).get(),
                  static_cast<const void*>(pointers.data()));
}

std::vector<std::int64_t> shape_of(hid_t dataset) {
  const Handle extent = space_of(dataset);
  std::vector<hsize_t> sides(std::max(H5Sget_simple_extent_ndims(extent.get()), 0));
  H5Sget_simple_extent_dims(extent.get(), sides.data(), nullptr);
  return {sides.begin(), sides.end()};
}

H5T_class_t type_class(hid_t dataset) { return H5Tget_class(type_of(dataset).get()); }

void read_range(hid_t dataset, std::int64_t from, std::span<float> values, std::string_view where) {
  read_selected(dataset, from, std::ssize(values), H5T_NATIVE_FLOAT, values.data(), values.size(),
                where);
}

void read_range(hid_t dataset, std::int64_t from, std::span<std::int64_t> values,
                std::string_view where) {
  read_selected(dataset, from, std::ssize(values), H5T_NATIVE_INT64, values.data(), values.size(),
                where);
}

void read_rows(hid_t dataset, std::int64_t from, std::int64_t count, std::span<float> values,
               std::string_view where) {
  read_selected(dataset, from, count, H5T_NATIVE_FLOAT, values.data(), values.size(), where);
}

std::vector<std::int64_t> read_integers(hid_t dataset, std::string_view where) {
  return read_numbers<std::int64_t>(dataset, H5T_NATIVE_INT64, where);
}

std::vector<double> read_doubles(hid_t dataset, std::string_view where) {
  return read_numbers<double>(dataset, H5T_NATIVE_DOUBLE, where);
}

std::vector<bool> read_booleans(hid_t dataset, std::string_view where) {
  const std::int64_t count = length_of(dataset, where);
  Buffer buffer(type_of(dataset).get(), count);
  if (buffer.entry_bytes() != 1)
    fail(where, "booleans of a byte", fmt::format("{} bytes", buffer.entry_bytes()));
  require_read(H5Dread(dataset, buffer.type(), H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer.data()),
               where);
  return std::vector<bool>(buffer.data(), buffer.data() + count);
}

std::vector<std::string> read_texts(hid_t dataset, std::string_view where) {
  const std::int64_t count = length_of(dataset, where);
  if (type_class(dataset) != H5T_STRING) fail(where, "texts", "another type");
  Buffer buffer(type_of(dataset).get(), count);
  require_read(H5Dread(dataset, buffer.type(), H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer.data()),
               where);
  const bool variable = H5Tis_variable_str(buffer.type()) > 0;
  std::vector<std::string> texts;
  texts.reserve(count);
  for (std::int64_t i = 0; i < count; ++i)
    texts.push_back(
        text_of(buffer.data() + i * buffer.entry_bytes(), buffer.entry_bytes(), variable));
  return texts;
}

Handle create_rows(hid_t group, const std::string& name, std::int64_t columns,
                   std::string_view where) {
  constexpr std::int64_t chunk_numbers = std::int64_t{1} << 16;
  const auto width = static_cast<hsize_t>(columns);
  const std::array<hsize_t, 2> none{0, width}, endless{H5S_UNLIMITED, width};
  const std::array<hsize_t, 2> chunk{
      static_cast<hsize_t>(std::max<std::int64_t>(chunk_numbers / columns, 1)), width};
  const Handle extent(H5Screate_simple(2, none.data(), endless.data()), H5Sclose);
  const Handle creation = untimed();
  H5Pset_chunk(creation.get(), 2, chunk.data());
  return {for_writing(H5Dcreate2(group, name.c_str(), H5T_IEEE_F32LE, extent.get(), H5P_DEFAULT,
                                 creation.get(), H5P_DEFAULT),
                      where),
          H5Dclose};
}

void append_rows(hid_t dataset, std::int64_t from, std::int64_t count, const float* values,
                 std::string_view where) {
  const auto columns = static_cast<hsize_t>(shape_of(dataset)[1]);
  const std::array<hsize_t, 2> grown{static_cast<hsize_t>(from + count), columns};
  require_written(H5Dset_extent(dataset, grown.data()), where);
  const Handle memory = space({static_cast<hsize_t>(count) * columns});
  const Handle chosen = selected(dataset, from, count);
  require_written(
      H5Dwrite(dataset, H5T_NATIVE_FLOAT, memory.get(), chosen.get(), H5P_DEFAULT, values), where);
}

void write_texts(hid_t group, const std::string& name, const std::vector<std::string>& texts,
                 std::string_view where) {
  const Handle type = text_type();
  const Handle dataset(
      for_writing(H5Dcreate2(group, name.c_str(), type.get(), space({texts.size()}).get(),
                             H5P_DEFAULT, untimed().get(), H5P_DEFAULT),
                  where),
      H5Dclose);
  const std::vector<const char*> pointers = pointers_to(texts);
  if (!texts.empty())
    require_written(H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT,
                             static_cast<const void*>(pointers.data())),
                    where);
  write_text_attribute(dataset.get(), "encoding-type", "string-array");
  write_text_attribute(dataset.get(), "encoding-version", "0.2.0");
}

void write_text(hid_t group, const std::string& name, const std::string& text,
                std::string_view where) {
  const Handle type = text_type();
  const Handle dataset(for_writing(H5Dcreate2(group, name.c_str(), type.get(), space({}).get(),
                                              H5P_DEFAULT, untimed().get(), H5P_DEFAULT),
                                   where),
                       H5Dclose);
  const char* pointer = text.c_str();
  require_written(H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT,
                           static_cast<const void*>(&pointer)),
                  where);
  write_text_attribute(dataset.get(), "encoding-type", "string");
  write_text_attribute(dataset.get(), "encoding-version", "0.2.0");
}

void copy_object(hid_t from, const std::string& name, hid_t to, std::string_view where) {
  require_written(H5Ocopy(from, name.c_str(), to, name.c_str(), H5P_DEFAULT, H5P_DEFAULT), where);
}

void copy_attributes(hid_t from, hid_t to, std::string_view where) {
  for (hsize_t i = 0;; ++i) {
    const Handle attribute(
        H5Aopen_by_idx(from, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT, H5P_DEFAULT),
        H5Aclose);
    if (!attribute) return;
    std::string name(static_cast<std::size_t>(H5Aget_name(attribute.get(), 0, nullptr)), '\0');
    H5Aget_name(attribute.get(), name.size() + 1, name.data());
    const Handle type(H5Aget_type(attribute.get()), H5Tclose);
    const Handle extent(H5Aget_space(attribute.get()), H5Sclose);
    const auto count = static_cast<std::size_t>(H5Sget_simple_extent_npoints(extent.get()));
    const Handle copied(
        H5Acreate2(to, name.c_str(), type.get(), extent.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
    if (count == 0) continue;
    Buffer buffer(type.get(), count);
    require_read(H5Aread(attribute.get(), buffer.type(), buffer.data()), where);
    require_written(H5Awrite(copied.get(), buffer.type(), buffer.data()), where);
  }
}

void copy_entries(hid_t from, const std::string& name, hid_t to,
                  std::span<const std::int64_t> chosen, std::string_view where) {
  const Handle source = open_dataset(from, name, where);
  const std::vector<std::int64_t> sides = shape_of(source.get());
  if (sides.empty()) fail(where, fmt::format("a list '{}'", name), "a single value");
  std::vector<hsize_t> kept(sides.begin(), sides.end());
  kept[0] = chosen.size();
  const std::size_t width =
      std::accumulate(kept.begin() + 1, kept.end(), std::size_t{1}, std::multiplies<>());
  const Handle type = type_of(source.get());
  const Handle copy(for_writing(H5Dcreate2(to, name.c_str(), type.get(), space(kept).get(),
                                           H5P_DEFAULT, untimed().get(), H5P_DEFAULT),
                                where),
                    H5Dclose);
  copy_attributes(source.get(), copy.get(), where);
  if (chosen.empty() || width == 0) return;
  const auto count = static_cast<std::size_t>(sides[0]);
  Buffer all(type.get(), count * width);
  require_read(H5Dread(source.get(), all.type(), H5S_ALL, H5S_ALL, H5P_DEFAULT, all.data()), where);
  // What the entries point to stays that of `all`, which lives until they are written.
  const std::size_t bytes = width * all.entry_bytes();
  std::vector<char> some(chosen.size() * bytes);
  for (std::size_t i = 0; i < chosen.size(); ++i)
    std::memcpy(some.data() + i * bytes, all.data() + static_cast<std::size_t>(chosen[i]) * bytes,
                bytes);
  require_written(H5Dwrite(copy.get(), all.type(), H5S_ALL, H5S_ALL, H5P_DEFAULT, some.data()),
                  where);
}

}  // namespace monge::hdf5
