#include "byte_source.h"

#include "monge/error.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <unistd.h>

namespace monge {

using namespace std::string_view_literals;

FileSource::FileSource(const std::filesystem::path& path) : FileSource(open_to_read(path), path) {}

FileSource::FileSource(Descriptor descriptor, std::filesystem::path path)
    : path_(std::move(path)), descriptor_(std::move(descriptor)) {
  struct stat status{};
  if (::fstat(descriptor_.get(), &status) != 0) fail_system(path_, "read", errno);
  if (!S_ISREG(status.st_mode)) fail(path_.string(), "a regular file", "a device or a stream");
  size_ = static_cast<std::uint64_t>(status.st_size);
}

void FileSource::read(std::uint64_t offset, void* to, std::size_t count) {
  char* next = static_cast<char*>(to);
  while (count > 0) {
    const ssize_t done = ::pread(descriptor_.get(), next, count, static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) fail_system(path_, "read", errno);
    if (done == 0)
      fail(path_.string(), fmt::format("{} more bytes at byte {}", count, offset),
           "the end of the file");
    next += done;
    offset += static_cast<std::uint64_t>(done);
    count -= static_cast<std::size_t>(done);
  }
}

void MemorySource::read(std::uint64_t offset, void* to, std::size_t count) {
  if (offset > bytes_.size() || count > bytes_.size() - offset)
    fail("bytes in memory", fmt::format("{} more at byte {}", count, offset), "their end");
  std::memcpy(to, bytes_.data() + offset, count);
}

std::string read_head(ByteSource& source) {
  std::string head(static_cast<std::size_t>(std::min<std::uint64_t>(source.size(), 512)), '\0');
  source.read(0, head.data(), head.size());
  return head;
}

std::string content_name(std::string_view head) {
  struct Known {
    std::string_view magic;
    std::string_view name;
  };
  static constexpr Known known[] = {
      {"\x93NUMPY"sv, "an npy array"},
      {"PK\x03\x04"sv, "a zip (npz) archive"},
      {"PK\x05\x06"sv, "an empty zip archive"},
      {"\x89PNG"sv, "a PNG image"},
      {"\xFF\xD8\xFF"sv, "a JPEG image"},
      {"GIF8"sv, "a GIF image"},
      {"BM"sv, "a BMP image"},
      {"II*\0"sv, "a TIFF image"},
      {"MM\0*"sv, "a TIFF image"},
      {"\x89HDF"sv, "an HDF5 file"},
      {"\x1F\x8B"sv, "a gzip file"},
      {"BZh"sv, "a bzip2 file"},
      {"\xFD"
       "7zXZ"sv,
       "an xz file"},
      {"\x28\xB5\x2F\xFD"sv, "a zstd file"},
      {"%PDF"sv, "a PDF document"},
      {"PAR1"sv, "a Parquet file"},
      {"\x80\x02"sv, "a Python pickle"},
      {"\x80\x03"sv, "a Python pickle"},
      {"\x80\x04"sv, "a Python pickle"},
      {"\x80\x05"sv, "a Python pickle"},
      {"MATLAB"sv, "a MATLAB file"},
      {"\xFF\xFE"sv, "UTF-16 text"},
      {"\xFE\xFF"sv, "UTF-16 text"},
      {"version https://git-lfs"sv, "a Git LFS pointer (git lfs pull brings the file)"},
      {"<!DOCTYPE"sv, "an HTML page"},
      {"<!doctype"sv, "an HTML page"},
      {"<html"sv, "an HTML page"},
  };
  if (head.empty()) return "an empty file";
  for (const Known& entry : known)
    if (head.starts_with(entry.magic)) return std::string(entry.name);
  if (head.starts_with("RIFF") && head.substr(0, 12).ends_with("WEBP")) return "a WebP image";
  if (head.size() > 9 && head.substr(8, 2) == "{\"") return "a safetensors file";
  const auto is_text = [](char symbol) {
    const auto code = static_cast<unsigned char>(symbol);
    return code >= 0x20 ? code != 0x7F : (code >= '\t' && code <= '\r');
  };
  return std::ranges::all_of(head, is_text) ? "text" : "unknown bytes";
}

void require_magic(FileSource& source, std::string_view magic, std::string_view expected) {
  const std::string head = read_head(source);
  if (!head.starts_with(magic)) fail(source.path().string(), expected, content_name(head));
}

}  // namespace monge
