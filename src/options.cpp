#include "monge/options.h"

#include <numeric>

namespace monge {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

template <class... Cases>
struct Overload : Cases... {
  using Cases::operator()...;
};

/// The value with the alternative that `like` holds, where no information is lost.
std::optional<Value> converted(const Value& value, const Value& like) {
  if (value.index() == like.index()) return value;
  if (std::holds_alternative<double>(like) && std::holds_alternative<std::int64_t>(value))
    return static_cast<double>(std::get<std::int64_t>(value));
  if (std::holds_alternative<std::int64_t>(like) && std::holds_alternative<double>(value)) {
    const double number = std::get<double>(value);  // 1e4 is an integer a user may write
    if (std::abs(number) < 9e15 && number == std::floor(number))
      return static_cast<std::int64_t>(number);
  }
  if (std::holds_alternative<std::vector<double>>(like) &&
      std::holds_alternative<std::vector<std::int64_t>>(value)) {
    const auto& whole = std::get<std::vector<std::int64_t>>(value);
    return std::vector<double>(whole.begin(), whole.end());
  }
  if (std::holds_alternative<std::vector<std::int64_t>>(like) &&
      std::holds_alternative<std::vector<double>>(value) &&
      std::get<std::vector<double>>(value).empty())
    return std::vector<std::int64_t>{};
  return std::nullopt;
}

/// What the bounds ask for, in words.
std::string asked(const Bounds& bounds, const Value& value) {
  const auto* number = std::get_if<double>(&value);
  const bool finite = !number || std::isfinite(*number);
  if (bounds.text().empty()) return "finite numbers";
  return finite ? bounds.text() : fmt::format("a finite number, {}", bounds.text());
}

bool within(double number, const Bounds& bounds) {
  if (!std::isfinite(number)) return false;
  return (bounds.open ? number > bounds.least : number >= bounds.least) && number <= bounds.most;
}

bool within(const Value& value, const Bounds& bounds) {
  return std::visit(
      Overload{[](bool) { return true; },
               [&](const std::string& text) {
                 return bounds.choices.empty() || std::ranges::count(bounds.choices, text) > 0;
               },
               [&](const auto& numbers) {
                 if constexpr (std::is_arithmetic_v<std::decay_t<decltype(numbers)>>)
                   return within(static_cast<double>(numbers), bounds);
                 else
                   return std::ranges::all_of(
                       numbers, [&](auto one) { return within(static_cast<double>(one), bounds); });
               }},
      value);
}

}  // namespace

Bounds at_least(double least) { return {.least = least}; }
Bounds above(double least) { return {.least = least, .open = true}; }
Bounds between(double least, double most) { return {.least = least, .most = most}; }
Bounds one_of(std::vector<std::string> choices) { return {.choices = std::move(choices)}; }

std::string Bounds::text() const {
  if (!choices.empty()) return fmt::format("{}", fmt::join(choices, " | "));
  if (!std::isfinite(least)) return std::isfinite(most) ? fmt::format("at most {}", most) : "";
  if (std::isfinite(most)) return fmt::format("{}{} to {}", open ? "above " : "", least, most);
  return fmt::format("{} {}", open ? "above" : "at least", least);
}

std::string value_text(const Value& value) {
  return std::visit(
      Overload{[](bool flag) { return std::string(flag ? "true" : "false"); },
               [](const std::string& text) { return fmt::format("\"{}\"", text); },
               [](std::int64_t number) { return fmt::format("{}", number); },
               [](double number) { return fmt::format("{}", number); },
               [](const auto& list) { return fmt::format("[{}]", fmt::join(list, ", ")); }},
      value);
}

std::string type_text(const Value& value) {
  constexpr std::array names{"bool", "integer", "number", "text", "integers", "numbers"};
  return names[value.index()];
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  if (candidates.empty()) return "";
  const auto distance = [&](const std::string& one) -> std::size_t {
    const bool begun = !word.empty() && (one.starts_with(word) || word.starts_with(one));
    return begun ? std::min<std::size_t>(1, edit_distance(word, one)) : edit_distance(word, one);
  };
  return *std::ranges::min_element(candidates, {}, distance);
}

Error unknown_name(std::string_view where, std::string_view kind, std::string_view name,
                   const std::vector<std::string>& names) {
  return Error(fmt::format("{}: unknown {} '{}'; did you mean '{}'? There are: {}", where, kind,
                           name, nearest(name, names), fmt::join(names, ", ")));
}

void require_known_keys(const Table& table, const PartInfo& info, std::string_view where) {
  std::vector<std::string> known;
  known.reserve(info.options.size());
  for (const OptionInfo& option : info.options) known.push_back(option.name);
  for (const auto& [key, value] : table) {
    if (std::ranges::count(known, key) > 0) continue;
    const std::string hint = nearest(key, known);
    throw Error(fmt::format("{}: unknown key '{}'{}", where, key,
                            hint.empty()
                                ? fmt::format("; {} '{}' takes no options", info.kind, info.name)
                                : fmt::format("; did you mean '{}'?", hint)));
  }
}

Value checked(const Value& value, const OptionInfo& option, std::string_view where) {
  const std::string key = fmt::format("{}.{}", where, option.name);
  const std::optional<Value> typed = converted(value, option.fallback);
  if (!typed)
    fail(key,
         option.type.ends_with('s')
             ? fmt::format("a list of {}", option.type)
             : fmt::format("{} {}", option.type == "integer" ? "an" : "a", option.type),
         fmt::format("{} {}", type_text(value), value_text(value)));
  if (!within(*typed, option.bounds)) fail(key, asked(option.bounds, *typed), value_text(value));
  return *typed;
}

}  // namespace monge
