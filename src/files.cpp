#include "monge/files.h"

#include "monge/error.h"

#include "descriptor.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <random>
#include <system_error>
#include <unistd.h>

namespace monge {
namespace {

namespace fs = std::filesystem;

fs::path resolved_folder(const fs::path& at, const fs::path& path) {
  const fs::path named = at.has_parent_path() ? at.parent_path() : fs::path(".");
  std::error_code code;
  const fs::path folder = fs::canonical(named, code);
  if (code == std::errc::no_such_file_or_directory)
    fail(path.string(), fmt::format("the folder {} to exist", in_quotes(named.string())), "none");
  if (code) fail_system(path, "write", code.value());
  if (!fs::is_directory(folder, code))
    fail(path.string(), fmt::format("a folder {}", in_quotes(named.string())), "a file");
  return folder;
}

/// The file that a write to `path` reaches. Links are followed by hand because the last one may
/// point to a file that is yet to be made.
fs::path resolve(const fs::path& path) {
  constexpr int most_links = 40;
  fs::path at = path;
  for (int link = 0; link < most_links; ++link) {
    const fs::path folder = resolved_folder(at, path);
    // /dev/stdout and its like: a rename would detach the open file instead of filling it.
    if (folder.string().starts_with("/proc/"))
      fail(path.string(), "a regular file", "an open stream");
    at = folder / at.filename();
    std::error_code code;
    if (fs::symlink_status(at, code).type() != fs::file_type::symlink) return at;
    at = folder / fs::read_symlink(at, code);
    if (code) fail_system(path, "write", code.value());
  }
  fail_system(path, "write", ELOOP);
}

[[noreturn]] void fail_exists(const fs::path& path) {
  throw Error(fmt::format("{}: exists; pass --force to replace it", path.string()));
}

/// The resolved path, after the checks of require_writable.
fs::path resolve_writable(const fs::path& path, Existing existing) {
  if (path.empty()) fail("file", "a name to write to", "an empty text");
  if (!path.has_filename()) fail(path.string(), "a file name", "a folder");
  std::error_code code;
  const fs::file_type type = fs::status(path, code).type();
  if (type == fs::file_type::directory) fail(path.string(), "a file to write", "a folder");
  if (type == fs::file_type::none) fail_system(path, "write", code.value());
  if (type != fs::file_type::regular && type != fs::file_type::not_found)
    fail(path.string(), "a regular file", "a device or a stream");
  const fs::path resolved = resolve(path);
  if (existing == Existing::keep && type == fs::file_type::regular) fail_exists(path);
  if (::faccessat(AT_FDCWD, resolved.parent_path().c_str(), W_OK | X_OK, AT_EACCESS) != 0)
    fail_system(path, "write into its folder", errno);
  return resolved;
}

/// A hidden name in the same folder that ends like the target, for libraries that choose the format
/// by the extension, and stays within the 255 bytes that file systems allow.
fs::path temporary_name(const fs::path& resolved, unsigned draw) {
  constexpr std::size_t longest_name = 255;
  constexpr std::size_t longest_extension = 32;
  std::string extension = resolved.extension().string();
  if (extension.size() > longest_extension) extension.clear();
  const std::string ending = fmt::format(".{:08x}.partial{}", draw, extension);
  const std::string stem = resolved.stem().string().substr(0, longest_name - 1 - ending.size());
  return resolved.parent_path() / fmt::format(".{}{}", stem, ending);
}

void sync_descriptor(int descriptor, const fs::path& target) {
  while (::fsync(descriptor) != 0)
    if (errno != EINTR) fail_system(target, "write", errno);
}

/// Makes the rename itself durable. Some file systems know no sync of a folder, and a folder may be
/// writable and not readable: neither puts the written file in doubt.
void sync_folder(const fs::path& folder, const fs::path& target) {
  const Descriptor opened(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() < 0) return;
  if (::fsync(opened.get()) != 0 && errno == EIO) fail_system(target, "sync its folder", errno);
}

}  // namespace

void require_writable(const fs::path& path, Existing existing) { resolve_writable(path, existing); }

AtomicFile::AtomicFile(fs::path target, Existing existing)
    : target_(std::move(target)),
      resolved_(resolve_writable(target_, existing)),
      existing_(existing) {
  std::random_device random;
  // Not mkstemp: its files are private, while open() gives the permissions that the umask asks for.
  do {
    temporary_ = temporary_name(resolved_, random());
    descriptor_ = ::open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && (errno == EEXIST || errno == EINTR));
  if (descriptor_ < 0) fail_system(target_, "write", errno);
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() {
  if (descriptor_ < 0) return;
  ::close(std::exchange(descriptor_, -1));
  ::unlink(temporary_.c_str());
}

void AtomicFile::require_open() const {
  if (descriptor_ < 0)
    fail(target_.string(), "an open file", "one that is closed or failed before");
}

void AtomicFile::write(const void* bytes, std::size_t count) {
  require_open();
  try {
    write_all(descriptor_, bytes, count, target_);
  } catch (...) {
    discard();  // a file with a hole must never be committed
    throw;
  }
}

void AtomicFile::rewrite(std::size_t offset, std::string_view text) {
  require_open();
  while (!text.empty()) {
    const ssize_t done =
        ::pwrite(descriptor_, text.data(), text.size(), static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) {
      const int code = done < 0 ? errno : EIO;
      discard();
      fail_system(target_, "write", code);
    }
    offset += static_cast<std::size_t>(done);
    text.remove_prefix(static_cast<std::size_t>(done));
  }
}

void AtomicFile::commit() {
  require_open();
  sync_descriptor(descriptor_, target_);
  struct stat opened{};
  struct stat named{};
  if (::fstat(descriptor_, &opened) != 0 || ::stat(temporary_.c_str(), &named) != 0)
    fail_system(target_, "write", errno);
  if (opened.st_ino != named.st_ino) {
    const Descriptor replaced(::open(temporary_.c_str(), O_RDONLY | O_CLOEXEC));
    if (replaced.get() < 0) fail_system(target_, "write", errno);
    sync_descriptor(replaced.get(), target_);
  }
  publish();
  ::close(std::exchange(descriptor_, -1));
  sync_folder(resolved_.parent_path(), target_);
}

void AtomicFile::publish() {
  if (existing_ == Existing::replace) {
    if (std::rename(temporary_.c_str(), resolved_.c_str()) != 0)
      fail_system(target_, "write", errno);
    return;
  }
  // A file that appeared since the constructor looked must stay: no check-then-rename.
  int result =
      ::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, resolved_.c_str(), RENAME_NOREPLACE);
  if (result != 0 && (errno == EINVAL || errno == ENOSYS)) {
    result = ::link(temporary_.c_str(), resolved_.c_str());
    if (result == 0) ::unlink(temporary_.c_str());
  }
  if (result == 0) return;
  if (errno == EEXIST) fail_exists(target_);
  fail_system(target_, "write", errno);
}

bool is_partial_file(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with('.') && name.find(".partial") != std::string::npos;
}

void write_text(const fs::path& path, std::string_view text, Existing existing) {
  AtomicFile file(path, existing);
  file.write(text);
  file.commit();
}

std::string read_text(const fs::path& path) {
  const Descriptor descriptor = open_to_read(path);
  constexpr std::size_t block = std::size_t{1} << 16;
  std::string text;
  for (;;) {
    const std::size_t before = text.size();
    text.resize(before + block);
    const ssize_t done = ::read(descriptor.get(), text.data() + before, block);
    text.resize(before + static_cast<std::size_t>(std::max<ssize_t>(done, 0)));
    if (done < 0 && errno != EINTR) fail_system(path, "read", errno);
    if (done == 0) return text;
  }
}

}  // namespace monge
