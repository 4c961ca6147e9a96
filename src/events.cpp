#include "monge/events.h"

#include "monge/error.h"

#include "crc32c.h"

#include <bit>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <unistd.h>

namespace monge {
namespace {

// The few fields of TensorBoard's event.proto and summary.proto that scalars and images need. A
// message is a run of fields; a field is a key (number * 8 + wire type) and its bytes.
enum WireType : std::uint64_t {
  varint_type = 0,
  fixed64_type = 1,
  bytes_type = 2,
  fixed32_type = 5
};

template <class Unsigned>
std::string little_endian(Unsigned value) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof(Unsigned); ++i)
    bytes += static_cast<char>((value >> (8 * i)) & 0xff);
  return bytes;
}

std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>((value & 0x7f) | 0x80);
  return bytes + static_cast<char>(value);
}

std::string key(std::uint64_t number, WireType type) { return varint(number << 3 | type); }

std::string field(std::uint64_t number, double value) {
  return key(number, fixed64_type) + little_endian(std::bit_cast<std::uint64_t>(value));
}
std::string field(std::uint64_t number, float value) {
  return key(number, fixed32_type) + little_endian(std::bit_cast<std::uint32_t>(value));
}
std::string field(std::uint64_t number, std::int64_t value) {
  return key(number, varint_type) + varint(static_cast<std::uint64_t>(value));
}
std::string field(std::uint64_t number, std::string_view bytes) {
  return key(number, bytes_type) + varint(bytes.size()) + std::string(bytes);
}

double seconds_since_epoch() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 && name[0] ? name : "localhost";
}

/// A new empty file: two writers of one second get two names ("x": fail where it exists).
std::filesystem::path create_file(const std::filesystem::path& folder) {
  // TensorBoard reads the files of a folder in the order of their names, so the time leads.
  const std::string stem =
      fmt::format("events.out.tfevents.{:010d}.{}.{}",
                  static_cast<std::int64_t>(seconds_since_epoch()), host_name(), getpid());
  for (int number = 0;; ++number) {
    const std::filesystem::path path = folder / fmt::format("{}.{}", stem, number);
    if (std::FILE* file = std::fopen(path.c_str(), "wbx")) {
      std::fclose(file);
      return path;
    }
    if (errno != EEXIST)
      fail(path.string(), "a folder where event files can be written", std::strerror(errno));
  }
}

}  // namespace

EventWriter::EventWriter(const std::filesystem::path& folder) : path_(create_file(folder)) {
  file_.open(path_, std::ios::binary | std::ios::app);
  record(field(1, seconds_since_epoch()) + field(3, std::string_view("brain.Event:2")));
  flush();
}

void EventWriter::scalar(std::string_view tag, std::int64_t step, double value) {
  summary(step, field(1, tag) + field(2, static_cast<float>(value)));
}

void EventWriter::image(std::string_view tag, std::int64_t step, const EventImage& image) {
  const std::string encoded = field(1, image.height) + field(2, image.width) +
                              field(3, image.channels) + field(4, std::string_view(image.png));
  summary(step, field(1, tag) + field(4, std::string_view(encoded)));
}

void EventWriter::summary(std::int64_t step, std::string_view value) {
  const std::string summary = field(1, value);
  record(field(1, seconds_since_epoch()) + field(2, step) + field(5, std::string_view(summary)));
}

void EventWriter::flush() {
  if (!file_.flush())
    fail(path_.string(), "room for the event file", "a failed write (is the disk full?)");
}

void EventWriter::record(std::string_view event) {
  const std::string length = little_endian(static_cast<std::uint64_t>(event.size()));
  file_ << length << little_endian(masked_crc32c(length)) << event
        << little_endian(masked_crc32c(event));
  if (!file_) flush();
}

}  // namespace monge
