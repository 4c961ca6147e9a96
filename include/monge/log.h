#pragma once

#include <functional>
#include <string_view>

namespace monge::log {

enum class Level { debug, info, warning, error, off };

/// Messages below `level` are dropped. Default: info. Logs go to standard error.
void set_level(Level level);
void debug(std::string_view message);
void info(std::string_view message);
void warning(std::string_view message);
void error(std::string_view message);

/// Takes every message in place of standard error; empty: standard error again. It may be called
/// from any thread.
void set_sink(std::function<void(Level, std::string_view)> sink);

/// Called before every message is printed, from the thread that prints it, so that a progress line
/// can be cleared first; empty for none. It must not log. Returns when the one before is not in
/// use.
void set_interrupt(std::function<void()> before_message);

}  // namespace monge::log
