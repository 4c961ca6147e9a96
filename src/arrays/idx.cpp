#include "arrays/idx.h"

#include "monge/error.h"

#include "byte_source.h"

#include <zlib.h>

namespace monge {
namespace {

/// A file that is decompressed as it is read, where it is compressed.
class GzipFile {
 public:
  explicit GzipFile(const std::filesystem::path& path)
      : where_(path.string()), file_(opened(path)) {}
  ~GzipFile() { gzclose(file_); }
  GzipFile(const GzipFile&) = delete;
  GzipFile& operator=(const GzipFile&) = delete;

  /// How many of the bytes there were.
  std::size_t read(void* to, std::size_t count) {
    constexpr std::size_t most = std::size_t{1} << 30;
    std::size_t done = 0;
    while (done < count) {
      const int got = gzread(file_, static_cast<char*>(to) + done,
                             static_cast<unsigned>(std::min(count - done, most)));
      if (got < 0) fail_damaged();
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  /// Throws Error unless this is the end, where gzip compares the checksum.
  void finish() {
    char rest = 0;
    if (read(&rest, 1) > 0) fail(where_, "an IDX file", "one with bytes behind its array");
    int code = Z_OK;
    gzerror(file_, &code);
    if (code != Z_OK && code != Z_STREAM_END) fail_damaged();
  }

 private:
  static gzFile opened(const std::filesystem::path& path) {
    gzFile file = gzdopen(open_to_read(path).release(), "rb");
    if (file == nullptr) fail(path.string(), "memory to decompress it", "less");
    gzbuffer(file, 1 << 18);
    return file;
  }

  [[noreturn]] void fail_damaged() const {
    int code = Z_OK;
    fail(where_, "a whole gzip file",
         fmt::format("one that is cut off or damaged ({})", gzerror(file_, &code)));
  }

  std::string where_;
  gzFile file_;
};

/// The type codes of the format, beside that of bytes.
std::string type_name(unsigned code) {
  switch (code) {
    case 0x09:
      return "signed bytes";
    case 0x0B:
      return "16-bit integers";
    case 0x0C:
      return "32-bit integers";
    case 0x0D:
      return "32-bit floats";
    case 0x0E:
      return "64-bit floats";
    default:
      return fmt::format("the unknown type {:#04x}", code);
  }
}

std::vector<std::int64_t> read_sides(GzipFile& file, const std::string& where) {
  std::array<unsigned char, 4> magic{};
  const std::size_t got = file.read(magic.data(), magic.size());
  if (got < magic.size() || magic[0] != 0 || magic[1] != 0 || magic[3] == 0)
    fail(where, "an IDX file, which begins with two zeros, a type and a number of sides",
         got == 0 ? "an empty file"
                  : content_name({reinterpret_cast<const char*>(magic.data()), got}));
  constexpr unsigned unsigned_bytes = 0x08;
  if (magic[2] != unsigned_bytes) fail(where, "an IDX file of unsigned bytes", type_name(magic[2]));
  std::vector<std::int64_t> sides;
  for (int i = 0; i < magic[3]; ++i) {
    std::array<unsigned char, 4> bytes{};
    if (file.read(bytes.data(), bytes.size()) < bytes.size())
      fail(where, fmt::format("the lengths of {} sides", magic[3]), "the end of the file");
    std::int64_t side = 0;
    for (const unsigned char byte : bytes) side = side << 8 | byte;
    sides.push_back(side);
  }
  return sides;
}

}  // namespace

Tensor read_idx(const std::filesystem::path& path) {
  constexpr std::int64_t block = std::int64_t{1} << 24;
  const std::string where = path.string();
  GzipFile file(path);
  const std::vector<std::int64_t> sides = read_sides(file, where);
  std::int64_t count = 1;
  for (const std::int64_t side : sides)
    if (__builtin_mul_overflow(count, side, &count))
      fail(where, "an array that fits the address space",
           fmt::format("sides {}", fmt::join(sides, " x ")));
  // In blocks, so that a header that was made up asks for no more memory than the file has bytes.
  std::vector<std::uint8_t> bytes;
  while (std::ssize(bytes) < count) {
    const std::size_t before = bytes.size();
    bytes.resize(before + static_cast<std::size_t>(std::min(block, count - std::ssize(bytes))));
    const std::size_t got = file.read(bytes.data() + before, bytes.size() - before);
    if (before + got < bytes.size())
      fail(where, fmt::format("{} bytes for the sides {}", count, fmt::join(sides, " x ")),
           fmt::format("{}", before + got));
  }
  file.finish();
  return at::from_blob(bytes.data(), sides, at::kByte).clone();
}

bool is_idx_path(const std::filesystem::path& path) {
  std::string name = path.filename().string();
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  return name.ends_with("-ubyte") || name.ends_with(".idx") || name.ends_with(".ubyte");
}

}  // namespace monge
