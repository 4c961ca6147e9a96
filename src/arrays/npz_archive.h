#pragma once

#include "monge/files.h"
#include "monge/tensor.h"

#include <filesystem>
#include <map>
#include <string>
#include <string_view>

struct zip;
struct zip_source;

namespace monge {

/// Writes an npz archive: npy files by name, uncompressed; the same content makes the same bytes.
class NpzArchive {
 public:
  /// Creates it at `path`, where whatever is there is replaced; `name` stands in messages.
  NpzArchive(const std::filesystem::path& path, std::filesystem::path name);
  ~NpzArchive();
  NpzArchive(const NpzArchive&) = delete;
  NpzArchive& operator=(const NpzArchive&) = delete;

  /// An npy file that stays where it is until close().
  void add_file(std::string_view key, const std::filesystem::path& npy);
  /// The bytes of an npy file, which stay where they are until close().
  void add_bytes(std::string_view key, std::string_view npy);
  /// Without it nothing is written.
  void close();

 private:
  void add(std::string_view key, zip_source* source);
  [[noreturn]] void fail_write(std::string_view reason) const;

  std::filesystem::path name_;
  zip* archive_ = nullptr;
};

/// Writes float64 arrays to an npz archive, atomically.
void write_npz_double(const std::filesystem::path& path,
                      const std::map<std::string, Tensor>& arrays, Existing existing);

}  // namespace monge
