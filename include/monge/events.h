#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace monge {

/// Writes TensorBoard event files: scalars by tag and step.
class EventWriter {
 public:
  /// Creates a new file `events.out.tfevents.<time>.<host>...` in `folder`. Throws Error.
  explicit EventWriter(const std::filesystem::path& folder);
  void scalar(std::string_view tag, std::int64_t step, double value);
  void flush();

 private:
  void record(std::string_view event);
  std::ofstream file_;
  std::filesystem::path path_;
};

}  // namespace monge
