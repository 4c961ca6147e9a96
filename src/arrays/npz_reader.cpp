#include "monge/error.h"

#include "arrays/npy_header.h"
#include "arrays/readers.h"
#include "descriptor.h"

#include <cerrno>
#include <cstdlib>
#include <numeric>
#include <unistd.h>
#include <zip.h>

namespace monge {
namespace {

struct CloseArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
using Archive = std::unique_ptr<zip_t, CloseArchive>;

struct CloseMember {
  void operator()(zip_file_t* member) const { zip_fclose(member); }
};
using Member = std::unique_ptr<zip_file_t, CloseMember>;

Archive open_archive(const ArrayLocation& location) {
  {
    FileSource source(location.path);
    require_magic(source, "PK", "an npz archive");
  }
  int code = 0;
  Archive archive(zip_open(location.path.c_str(), ZIP_RDONLY, &code));
  if (archive) return archive;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string reason = zip_error_strerror(&error);
  zip_error_fini(&error);
  fail(location.path.string(), "an npz archive",
       fmt::format("one that is cut off or damaged ({})", reason));
}

struct MemberName {
  zip_uint64_t index;
  std::string key;
};

/// The npy files of an archive; numpy names array `x` as `x.npy`.
std::vector<MemberName> list_members(zip_t* archive) {
  std::vector<MemberName> members;
  const zip_int64_t count = zip_get_num_entries(archive, 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<zip_uint64_t>(i);
    const char* name = zip_get_name(archive, index, 0);
    if (name == nullptr || !std::string_view(name).ends_with(".npy")) continue;
    std::string key = name;
    key.resize(key.size() - std::string_view(".npy").size());
    members.push_back({index, std::move(key)});
  }
  return members;
}

/// A member of a zip archive, decompressed as it is read; only forwards.
class ZipSource final : public ByteSource {
 public:
  ZipSource(std::string where, Archive archive, zip_uint64_t index)
      : where_(std::move(where)),
        archive_(std::move(archive)),
        member_(zip_fopen_index(archive_.get(), index, 0)) {
    zip_stat_t status;
    zip_stat_init(&status);
    if (!member_ || zip_stat_index(archive_.get(), index, 0, &status) != 0)
      fail_zip(zip_strerror(archive_.get()));
    size_ = status.size;
  }

  std::uint64_t size() const override { return size_; }

  void read(std::uint64_t offset, void* to, std::size_t count) override {
    if (offset != position_) throw std::logic_error("an npz member is read forwards only");
    char* next = static_cast<char*>(to);
    while (count > 0) {
      const zip_int64_t done = zip_fread(member_.get(), next, count);
      if (done < 0) fail_zip(zip_file_strerror(member_.get()));
      if (done == 0) fail_zip("it ends early");
      next += done;
      count -= static_cast<std::size_t>(done);
      position_ += static_cast<std::uint64_t>(done);
    }
  }

  /// Reads past the end: libzip compares the checksum there.
  void finish() override {
    char rest = 0;
    const zip_int64_t done = zip_fread(member_.get(), &rest, 1);
    if (done < 0) fail_zip(zip_file_strerror(member_.get()));
    if (done > 0) fail_zip("it is longer than the archive says");
  }

 private:
  [[noreturn]] void fail_zip(std::string_view reason) const {
    fail(where_, "a readable array in the archive", fmt::format("a damaged one ({})", reason));
  }

  std::string where_;
  Archive archive_;
  Member member_;  // after the archive: closed before it
  std::uint64_t size_ = 0;
  std::uint64_t position_ = 0;
};

/// A file without a name: it is gone when it is closed, also after a crash.
Descriptor anonymous_file() {
  std::string name = (std::filesystem::temp_directory_path() / "monge-XXXXXX").string();
  Descriptor descriptor(::mkstemp(name.data()));
  if (descriptor.get() < 0) fail_system(name, "write", errno);
  ::unlink(name.c_str());
  return descriptor;
}

/// The numbers of a compressed array in an uncompressed file, where they can be read in any order.
std::unique_ptr<ByteSource> spool(const ArrayLocation& location, ByteSource& source,
                                  BinaryLayout& layout) {
  constexpr std::uint64_t block = std::uint64_t{1} << 20;
  Descriptor file = anonymous_file();
  std::vector<char> buffer;
  const std::uint64_t end = source.size();
  for (std::uint64_t at = layout.offset; at < end; at += buffer.size()) {
    buffer.resize(static_cast<std::size_t>(std::min(block, end - at)));
    source.read(at, buffer.data(), buffer.size());
    write_all(file.get(), buffer.data(), buffer.size(), std::filesystem::temp_directory_path());
  }
  source.finish();
  layout.offset = 0;
  return std::make_unique<FileSource>(std::move(file), location.path);
}

/// One array of an archive: its bytes, which are read forwards, and its name in messages.
struct OpenMember {
  std::string where;
  std::unique_ptr<ByteSource> source;
  BinaryLayout layout;
};

OpenMember open_member(const ArrayLocation& location) {
  Archive archive = open_archive(location);
  const std::vector<MemberName> members = list_members(archive.get());
  std::vector<std::string> keys;
  keys.reserve(members.size());
  for (const MemberName& member : members) keys.push_back(member.key);
  const MemberName& chosen = members[find_key(location, keys)];
  std::string where = fmt::format("{}:{}", location.path.string(), chosen.key);
  auto source = std::make_unique<ZipSource>(where, std::move(archive), chosen.index);
  BinaryLayout layout = read_npy_header(where, *source);
  return {std::move(where), std::move(source), std::move(layout)};
}

std::vector<std::int64_t> reversed_axes(std::int64_t count) {
  std::vector<std::int64_t> axes(static_cast<std::size_t>(count));
  std::iota(axes.rbegin(), axes.rend(), 0);
  return axes;
}

}  // namespace

std::unique_ptr<ArrayReader> open_npz(const ArrayLocation& location) {
  auto [where, source, layout] = open_member(location);
  // Rows of a Fortran-ordered array are spread over the whole member.
  if (layout.fortran && layout.rows() > 0) source = spool(location, *source, layout);
  return read_binary(where, std::move(source), std::move(layout));
}

Tensor read_npz_double(const ArrayLocation& location) {
  const auto [where, source, layout] = open_member(location);
  if (layout.swapped) fail(where, "numbers in this machine's byte order", "the other one");
  std::vector<std::int64_t> shape = layout.shape;
  if (layout.fortran) std::ranges::reverse(shape);
  const Tensor stored = at::empty(shape, layout.type);
  source->read(layout.offset, stored.data_ptr(), stored.nbytes());
  source->finish();
  const Tensor numbers = stored.to(at::kDouble);
  return layout.fortran ? numbers.permute(reversed_axes(numbers.dim())).contiguous() : numbers;
}

}  // namespace monge
