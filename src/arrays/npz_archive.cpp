#include "arrays/npz_archive.h"

#include "monge/error.h"

#include "arrays/npy_header.h"

#include <zip.h>

namespace monge {

NpzArchive::NpzArchive(const std::filesystem::path& path, std::filesystem::path name)
    : name_(std::move(name)) {
  int code = 0;
  archive_ = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  if (archive_) return;
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string reason = zip_error_strerror(&error);
  zip_error_fini(&error);
  fail_write(reason);
}

NpzArchive::~NpzArchive() {
  if (archive_) zip_discard(archive_);
}

void NpzArchive::add_file(std::string_view key, const std::filesystem::path& npy) {
  add(key, zip_source_file(archive_, npy.c_str(), 0, -1));
}

void NpzArchive::add_bytes(std::string_view key, std::string_view npy) {
  add(key, zip_source_buffer(archive_, npy.data(), npy.size(), 0));
}

void NpzArchive::add(std::string_view key, zip_source* source) {
  constexpr zip_uint16_t first_day_of_1980 = (1 << 5) | 1;  // the same bytes whenever written
  const std::string file = fmt::format("{}.npy", key);
  const zip_int64_t index =
      source ? zip_file_add(archive_, file.c_str(), source, ZIP_FL_ENC_UTF_8) : -1;
  if (index < 0 && source) zip_source_free(source);
  const auto entry = static_cast<zip_uint64_t>(index);
  if (index < 0 || zip_set_file_compression(archive_, entry, ZIP_CM_STORE, 0) != 0 ||
      zip_file_set_dostime(archive_, entry, 0, first_day_of_1980, 0) != 0)
    fail_write(zip_strerror(archive_));
}

void NpzArchive::close() {
  if (zip_close(archive_) != 0) fail_write(zip_strerror(archive_));
  archive_ = nullptr;
}

void NpzArchive::fail_write(std::string_view reason) const {
  throw Error(fmt::format("{}: cannot write: {}", name_.string(), reason));
}

void write_npz_double(const std::filesystem::path& path,
                      const std::map<std::string, Tensor>& arrays, Existing existing) {
  AtomicFile file(path, existing);
  std::map<std::string, std::string> members;
  for (const auto& [key, array] : arrays) {
    const Tensor numbers = array.detach().to(at::kCPU, at::kDouble).contiguous();
    members[key] =
        npy_header(numbers.sizes().vec(), at::kDouble)
            .append(static_cast<const char*>(numbers.const_data_ptr()), numbers.nbytes());
  }
  NpzArchive archive(file.temporary(), path);
  for (const auto& [key, npy] : members) archive.add_bytes(key, npy);
  archive.close();
  file.commit();
}

}  // namespace monge
