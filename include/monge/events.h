#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace monge {

/// A picture as TensorBoard shows it.
struct EventImage {
  std::int64_t height, width, channels;
  std::string png;  ///< the bytes of a PNG file
};

/// Writes TensorBoard event files: scalars and images by tag and step.
class EventWriter {
 public:
  /// Creates a new file `events.out.tfevents.<time>.<host>...` in `folder`. Throws Error.
  explicit EventWriter(const std::filesystem::path& folder);
  void scalar(std::string_view tag, std::int64_t step, double value);
  void image(std::string_view tag, std::int64_t step, const EventImage& image);
  void flush();

 private:
  void summary(std::int64_t step, std::string_view value);
  void record(std::string_view event);
  std::ofstream file_;
  std::filesystem::path path_;
};

}  // namespace monge
