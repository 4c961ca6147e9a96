#pragma once

#include "descriptor.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace monge {

/// Bytes that an array is read from.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual std::uint64_t size() const = 0;
  /// Fills `to` with the bytes [offset, offset + count). Throws Error where they cannot be had.
  virtual void read(std::uint64_t offset, void* to, std::size_t count) = 0;
  /// Called after the last byte is read: the place for checks of the whole.
  virtual void finish() {}
};

/// A regular file. It is read, not mapped: a file that shrinks or
/// a disk that fails under a mapping kills the process by a signal, here it is an Error.
class FileSource final : public ByteSource {
 public:
  explicit FileSource(const std::filesystem::path& path);
  /// A file that is open already; `path` names it in messages.
  FileSource(Descriptor descriptor, std::filesystem::path path);

  std::uint64_t size() const override { return size_; }
  void read(std::uint64_t offset, void* to, std::size_t count) override;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  Descriptor descriptor_;
  std::uint64_t size_ = 0;
};

/// Bytes in memory, which outlive it.
class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes) : bytes_(bytes) {}
  std::uint64_t size() const override { return bytes_.size(); }
  void read(std::uint64_t offset, void* to, std::size_t count) override;

 private:
  std::string_view bytes_;
};

/// Throws Error unless the file starts with `magic`; says what it holds instead where that can be
/// told ("expected an npy array, got a PNG image") and where the file is empty.
void require_magic(FileSource& source, std::string_view magic, std::string_view expected);

/// What the first bytes of a file look like: "a PNG image", "text", "an HTML page", "unknown
/// bytes".
std::string content_name(std::string_view head);

/// Up to 512 first bytes.
std::string read_head(ByteSource& source);

}  // namespace monge
