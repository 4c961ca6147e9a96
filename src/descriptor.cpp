#include "descriptor.h"

#include "monge/error.h"

#include <sys/stat.h>

#include <cerrno>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>

namespace monge {

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(value_, other.value_);
  return *this;
}

Descriptor::~Descriptor() {
  if (value_ >= 0) ::close(value_);
}

int Descriptor::release() { return std::exchange(value_, -1); }

void fail_system(const std::filesystem::path& path, std::string_view action, int code) {
  throw Error(fmt::format("{}: cannot {}: {}", path.string(), action,
                          std::generic_category().message(code)));
}

Descriptor open_to_read(const std::filesystem::path& path) {
  if (path.empty()) fail("file", "a name", "an empty text");
  // Without O_NONBLOCK a pipe that nobody writes to would block here before it can be refused.
  Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.get() < 0) {
    if (errno == ENOENT) fail(path.string(), "a file", "none");
    fail_system(path, "read", errno);
  }
  struct stat status{};
  if (::fstat(descriptor.get(), &status) != 0) fail_system(path, "read", errno);
  if (S_ISDIR(status.st_mode)) fail(path.string(), "a file", "a folder");
  const int flags = ::fcntl(descriptor.get(), F_GETFL);
  ::fcntl(descriptor.get(), F_SETFL, flags & ~O_NONBLOCK);
  return descriptor;
}

void write_all(int descriptor, const void* bytes, std::size_t count,
               const std::filesystem::path& path) {
  const char* next = static_cast<const char*>(bytes);
  while (count > 0) {
    const ssize_t done = ::write(descriptor, next, count);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) fail_system(path, "write", done < 0 ? errno : EIO);
    next += done;
    count -= static_cast<std::size_t>(done);
  }
}

namespace {

/// The length of the UTF-8 character that `text` starts with; 0 where it starts with none.
std::size_t character_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = first < 0x80                    ? 1
                             : first >= 0xC2 && first < 0xE0 ? 2
                             : first >= 0xE0 && first < 0xF0 ? 3
                             : first >= 0xF0 && first < 0xF5 ? 4
                                                             : 0;
  const auto continues = [](char byte) {
    return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
  };
  if (length > text.size() ||
      (length > 1 && !std::ranges::all_of(text.substr(1, length - 1), continues)))
    return 0;
  return length;
}

}  // namespace

std::string in_quotes(std::string_view text) {
  constexpr std::size_t limit = 60;
  std::string result = "'";
  std::size_t at = 0;
  while (at < text.size() && at < limit) {
    const std::size_t length = character_length(text.substr(at));
    const auto code = static_cast<unsigned char>(text[at]);
    if (length == 0 || code < 0x20 || code == 0x7F) {
      result += fmt::format("\\x{:02x}", code);
      ++at;
    } else {
      result += text.substr(at, length);
      at += length;
    }
  }
  return result + (at < text.size() ? "...'" : "'");
}

}  // namespace monge
