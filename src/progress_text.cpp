#include "monge/progress.h"

#include "columns.h"

namespace monge {
namespace {

/// A piece of the line; a lower rank goes first where the width is short.
struct Part {
  std::string text;
  int rank;
};

/// The first `width` columns of `text`, the last of them an ellipsis where something was cut.
std::string cut(std::string_view text, int width) {
  if (columns(text) <= width) return std::string(text);
  if (width < 1) return "";
  std::size_t end = 0;
  for (int column = 0; end < text.size(); ++end)
    if ((text[end] & 0xc0) != 0x80 && column++ == width - 1) break;
  return std::string(text.substr(0, end)) + "…";
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::round(seconds));
  const auto days = whole / 86400, hours = whole / 3600 % 24;
  const auto minutes = whole / 60 % 60, rest = whole % 60;
  if (days > 0) return fmt::format("{} d {} h", days, hours);
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, rest);
  return fmt::format("{}:{:02}", minutes, rest);
}

std::string rate_text(double rate) {
  if (rate < 1) return fmt::format("{:.3g} s/step", 1 / rate);
  return fmt::format("{:.{}f} step/s", rate, rate < 10 ? 1 : 0);
}

std::vector<Part> parts_of(const ProgressState& state) {
  const bool bounded = state.steps > 0;
  const double rate = state.steps_per_second.value_or(0);
  std::vector<Part> parts{{state.name, 6}};
  if (bounded) {
    parts.push_back({fmt::format("{} %", 100 * state.step / state.steps), 5});
    parts.push_back({fmt::format("step {}/{}", state.step, state.steps), 2});
  } else {
    parts.push_back({fmt::format("step {}", state.step), 5});
  }
  if (rate > 0) {
    parts.push_back({rate_text(rate), 1});
    const double seconds = static_cast<double>(state.steps - state.step) / rate;
    constexpr double year = 3.2e7;  // beyond it the estimate says nothing
    if (bounded && seconds >= 0 && seconds < year)
      parts.push_back({duration_text(seconds) + " left", 4});
  }
  if (!state.quality.empty() && state.latest) {
    parts.push_back({fmt::format("{} {:.3g}", state.quality, *state.latest), 3});
    if (state.best) parts.push_back({fmt::format("(best {:.3g})", *state.best), 0});
  }
  return parts;
}

std::string joined(const std::vector<Part>& parts) {
  std::string line;
  for (const Part& part : parts) {
    if (!line.empty()) line += part.text.starts_with('(') ? " " : "  ";
    line += part.text;
  }
  return line;
}

}  // namespace

std::string progress_text(const ProgressState& state, int width) {
  std::vector<Part> parts = parts_of(state);
  while (parts.size() > 1 && columns(joined(parts)) > width)
    parts.erase(std::ranges::min_element(parts, {}, &Part::rank));
  return cut(joined(parts), width);
}

}  // namespace monge
