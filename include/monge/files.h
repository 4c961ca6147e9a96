#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace monge {

/// What to do with a file that is already there.
enum class Existing { keep, replace };

/// Throws Error where a file cannot be made at `path`: it exists and `existing` is keep ("...
/// exists; pass --force to replace it"), it is not a regular file, or its folder is missing or not
/// writable. Ask before long work, so that its result has a place to go.
void require_writable(const std::filesystem::path& path, Existing existing);

/// A file that appears whole or not at all: written beside its target under a temporary name,
/// synced, then renamed. Destroyed without commit(), it leaves nothing behind and what was there
/// stays. A symbolic link stays one: the file it points to is written. Every failure (no such
/// folder, no permission, full disk) throws Error naming the target.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path target, Existing existing = Existing::replace);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* bytes, std::size_t count);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Overwrites bytes already written, for headers whose content is known at the end.
  void rewrite(std::size_t offset, std::string_view text);
  void commit();

  /// Where the bytes are until commit(): for libraries that write files themselves (they may
  /// replace the file under this name; commit() syncs and renames what is there).
  const std::filesystem::path& temporary() const { return temporary_; }

 private:
  void require_open() const;
  void publish();
  void discard();

  std::filesystem::path target_;    // as the caller named it, for messages
  std::filesystem::path resolved_;  // absolute, without symbolic links
  std::filesystem::path temporary_;
  Existing existing_;
  int descriptor_ = -1;
};

/// True for the names under which AtomicFile writes: what a killed program leaves behind.
bool is_partial_file(const std::filesystem::path& path);

/// Writes `text` as a whole file, atomically.
void write_text(const std::filesystem::path& path, std::string_view text,
                Existing existing = Existing::replace);

/// The whole file; throws Error where it cannot be read.
std::string read_text(const std::filesystem::path& path);

}  // namespace monge
