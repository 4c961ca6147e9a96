#include "image/vips_session.h"

#include <ATen/Parallel.h>

#include <mutex>

namespace monge::image {
namespace {

struct Log {
  std::mutex guard;
  bool open = false;
  std::string text;
};

Log& session_log() {
  static Log log;
  return log;
}

void take_message(const char*, GLogLevelFlags, const char* message, void*) {
  Log& log = session_log();
  const std::lock_guard lock(log.guard);
  if (log.open) log.text.append(message).append("\n");
}

/// Empties the log and returns what it held.
std::string set_log_open(bool open) {
  Log& log = session_log();
  const std::lock_guard lock(log.guard);
  log.open = open;
  return std::exchange(log.text, {});
}

bool initialise() {
  constexpr auto every_level =
      static_cast<GLogLevelFlags>(G_LOG_LEVEL_MASK | G_LOG_FLAG_FATAL | G_LOG_FLAG_RECURSION);
  g_log_set_handler("VIPS", every_level, take_message, nullptr);
  if (VIPS_INIT("monge") != 0) throw Error("libvips: " + first_complaint(vips_error_buffer()));
  // The operation cache is keyed by file name: a file that changed on disk would be served stale.
  vips_cache_set_max(0);
  return true;
}

}  // namespace

void start_vips() {
  static const bool ready = initialise();
  if (ready) vips_concurrency_set(at::get_num_threads());
}

std::string log_during(const std::function<void()>& work) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  struct Closed {
    ~Closed() { set_log_open(false); }
  } closed;
  set_log_open(true);
  work();
  return set_log_open(false);
}

std::string first_complaint(const std::string& complaints) {
  vips_error_clear();
  const std::string first = complaints.substr(0, complaints.find_first_of("\r\n"));
  return first.empty() ? "an unexplained libvips failure" : first;
}

}  // namespace monge::image
