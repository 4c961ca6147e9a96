#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace monge {

/// Owns a POSIX file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int value = -1) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int get() const { return value_; }
  int release();

 private:
  int value_;
};

/// Throws Error("PATH: cannot ACTION: REASON") with the system's text for `code`.
[[noreturn]] void fail_system(const std::filesystem::path& path, std::string_view action, int code);

/// Opens anything but a folder; throws Error where it is missing or may not be read.
Descriptor open_to_read(const std::filesystem::path& path);

/// Writes all bytes, whatever the system takes at a time; `path` names the file in messages.
void write_all(int descriptor, const void* bytes, std::size_t count,
               const std::filesystem::path& path);

/// `text` for a one-line message: in single quotes, shortened, without control characters.
std::string in_quotes(std::string_view text);

}  // namespace monge
