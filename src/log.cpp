#include "monge/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <mutex>
#include <utility>

namespace monge::log {
namespace {

std::mutex interrupt_mutex;
std::function<void()> interrupt;

spdlog::logger& logger() {
  static const auto instance = [] {
    auto made = std::make_shared<spdlog::logger>(
        "monge", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("%^monge: %l:%$ %v");
    return made;
  }();
  return *instance;
}

void print(spdlog::level::level_enum level, std::string_view message) {
  if (!logger().should_log(level)) return;
  const std::scoped_lock lock(interrupt_mutex);
  if (interrupt) interrupt();
  logger().log(level, spdlog::string_view_t(message.data(), message.size()));
}

}  // namespace

void set_level(Level level) {
  constexpr spdlog::level::level_enum levels[] = {spdlog::level::debug, spdlog::level::info,
                                                  spdlog::level::warn, spdlog::level::err,
                                                  spdlog::level::off};
  logger().set_level(levels[static_cast<int>(level)]);
}
void debug(std::string_view message) { print(spdlog::level::debug, message); }
void info(std::string_view message) { print(spdlog::level::info, message); }
void warning(std::string_view message) { print(spdlog::level::warn, message); }
void error(std::string_view message) { print(spdlog::level::err, message); }
void set_interrupt(std::function<void()> before_message) {
  const std::scoped_lock lock(interrupt_mutex);
  interrupt = std::move(before_message);
}

}  // namespace monge::log
