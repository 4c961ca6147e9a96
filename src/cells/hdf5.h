#pragma once

#include <cstdint>
#include <filesystem>
#include <hdf5.h>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// The HDF5 library with owned handles and Errors. A `where` names the object in messages.
namespace monge::hdf5 {

/// Owns an identifier of the library.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);

  Handle(hid_t id, Close closing) : id_(id), close_(closing) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }

  hid_t get() const { return id_; }
  void close() { *this = Handle(-1, close_); }
  explicit operator bool() const { return id_ >= 0; }

 private:
  hid_t id_;
  Close close_;
};

/// Opens a file to read it. Throws Error where it is missing, no HDF5 file, or damaged.
Handle open_file(const std::filesystem::path& path);
/// Makes a file, over what is there. Times are not kept, so that equal contents are equal bytes.
Handle create_file(const std::filesystem::path& path);

/// Hands everything to the system; throws Error where it cannot take it.
void flush(hid_t file, std::string_view where);

/// Whether `path` ("obsm/X_pca") leads to an object.
bool exists(hid_t group, const std::string& path);
bool is_group(hid_t object);
Handle open_object(hid_t group, const std::string& path, std::string_view where);
/// Throws Error also on a group, and on a filter (compression) that the library does not have
/// built in: a plugin would be code from elsewhere.
Handle open_dataset(hid_t group, const std::string& path, std::string_view where);
Handle create_group(hid_t group, const std::string& name, std::string_view where);
/// The names in a group, in alphabetical order.
std::vector<std::string> names_in(hid_t group);

/// A text attribute; "" where there is none.
std::string text_attribute(hid_t object, const char* name);
/// An attribute of integers; empty where there is none.
std::vector<std::int64_t> integer_attribute(hid_t object, const char* name);
void write_text_attribute(hid_t object, const char* name, const std::string& text);
void write_texts_attribute(hid_t object, const char* name, const std::vector<std::string>& texts);

/// The sides of a dataset, [] of a single value.
std::vector<std::int64_t> shape_of(hid_t dataset);
H5T_class_t type_class(hid_t dataset);

/// The entries [from, from + values.size()) of a dataset [n], converted.
void read_range(hid_t dataset, std::int64_t from, std::span<float> values, std::string_view where);
void read_range(hid_t dataset, std::int64_t from, std::span<std::int64_t> values,
                std::string_view where);
/// The rows [from, from + count) of a dataset [n, d], converted; `values` holds count · d.
void read_rows(hid_t dataset, std::int64_t from, std::int64_t count, std::span<float> values,
               std::string_view where);
/// A whole dataset [n], converted.
std::vector<std::int64_t> read_integers(hid_t dataset, std::string_view where);
std::vector<double> read_doubles(hid_t dataset, std::string_view where);
std::vector<bool> read_booleans(hid_t dataset, std::string_view where);
std::vector<std::string> read_texts(hid_t dataset, std::string_view where);

/// A dataset [0, d] of float32 to which rows are appended.
Handle create_rows(hid_t group, const std::string& name, std::int64_t columns,
                   std::string_view where);
void append_rows(hid_t dataset, std::int64_t from, std::int64_t count, const float* values,
                 std::string_view where);
void write_texts(hid_t group, const std::string& name, const std::vector<std::string>& texts,
                 std::string_view where);
void write_text(hid_t group, const std::string& name, const std::string& text,
                std::string_view where);

/// Copies an object, with all that is in it.
void copy_object(hid_t from, const std::string& name, hid_t to, std::string_view where);
/// Copies a group's or dataset's attributes.
void copy_attributes(hid_t from, hid_t to, std::string_view where);
/// Copies the `chosen` entries, in increasing order, of a dataset [n, ...] with its attributes.
void copy_entries(hid_t from, const std::string& name, hid_t to,
                  std::span<const std::int64_t> chosen, std::string_view where);

}  // namespace monge::hdf5
