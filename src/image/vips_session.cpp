#include "image/vips_session.h"

#include <vips/vector.h>

#include <mutex>
#include <shared_mutex>

namespace monge::image {
namespace {

/// The warnings since the program began, of which a work's own are told apart by reading alone.
struct Log {
  std::mutex guard;
  std::int64_t warnings = 0;
  std::string text;  // the latest of them
};

Log& session_log() {
  static Log log;
  return log;
}

void take_message(const char*, GLogLevelFlags level, const char* message, void*) {
  constexpr std::size_t most = 1 << 16;
  if ((level & G_LOG_LEVEL_MASK) > G_LOG_LEVEL_WARNING) return;
  Log& log = session_log();
  const std::lock_guard lock(log.guard);
  ++log.warnings;
  if (log.text.size() < most) log.text.append(message).append("\n");
}

std::int64_t warnings_so_far() {
  Log& log = session_log();
  const std::lock_guard lock(log.guard);
  return log.warnings;
}

std::string take_log() {
  Log& log = session_log();
  const std::lock_guard lock(log.guard);
  return std::exchange(log.text, {});
}

bool initialise() {
  constexpr auto every_level =
      static_cast<GLogLevelFlags>(G_LOG_LEVEL_MASK | G_LOG_FLAG_FATAL | G_LOG_FLAG_RECURSION);
  g_log_set_handler("VIPS", every_level, take_message, nullptr);
  if (VIPS_INIT("monge") != 0) throw Error("libvips: " + first_complaint(vips_error_buffer()));
  // The operation cache is keyed by file name: a file that changed on disk would be served stale.
  vips_cache_set_max(0);
  // Orc, which compiles the vector code, has memory of its own that several threads damage.
  vips_vector_set_enabled(FALSE);
  // With several threads to a picture, libvips 8.14 and 8.15 can lose the error of the last tile
  // (libvips #4116), so that a damaged picture passes for a whole one.
  vips_concurrency_set(1);
  return true;
}

}  // namespace

void start_vips() { [[maybe_unused]] static const bool ready = initialise(); }

std::string warnings_of(const std::function<void()>& work) {
  static std::shared_mutex alone;
  {
    const std::shared_lock beside_others(alone);
    const std::int64_t before = warnings_so_far();
    work();
    if (warnings_so_far() == before) return {};
  }
  const std::unique_lock lock(alone);
  take_log();
  work();
  return take_log();
}

std::string first_complaint(const std::string& complaints) {
  vips_error_clear();
  const std::string first = complaints.substr(0, complaints.find_first_of("\r\n"));
  return first.empty() ? "an unexplained libvips failure" : first;
}

}  // namespace monge::image
