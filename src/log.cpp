#include "monge/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <mutex>
#include <utility>

namespace monge::log {
namespace {

std::mutex interrupt_mutex;
std::function<void()> interrupt;
std::function<void(Level, std::string_view)> sink;

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>(
        "monge", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("%^monge: %l:%$ %v");
    return made;
  }();
  return *instance;
}

constexpr spdlog::level::level_enum levels[] = {spdlog::level::debug, spdlog::level::info,
                                                spdlog::level::warn, spdlog::level::err,
                                                spdlog::level::off};

void print(Level level, std::string_view message) {
  const auto severity = levels[static_cast<int>(level)];
  if (!logger().should_log(severity)) return;
  std::unique_lock lock(interrupt_mutex);
  if (interrupt) interrupt();
  if (const auto taken = sink) {
    lock.unlock();  // the sink may wait for a lock of its own
    taken(level, message);
  } else {
    logger().log(severity, spdlog::string_view_t(message.data(), message.size()));
  }
}

}  // namespace

void set_level(Level level) { logger().set_level(levels[static_cast<int>(level)]); }
void debug(std::string_view message) { print(Level::debug, message); }
void info(std::string_view message) { print(Level::info, message); }
void warning(std::string_view message) { print(Level::warning, message); }
void error(std::string_view message) { print(Level::error, message); }
void set_sink(std::function<void(Level, std::string_view)> messages) {
  const std::scoped_lock lock(interrupt_mutex);
  sink = std::move(messages);
}
void set_interrupt(std::function<void()> before_message) {
  const std::scoped_lock lock(interrupt_mutex);
  interrupt = std::move(before_message);
}

}  // namespace monge::log
