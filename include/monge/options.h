#pragma once

#include "monge/error.h"

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace monge {

/// One option's value as it stands in a TOML file, a `--set`, or a map file.
using Value = std::variant<bool, std::int64_t, double, std::string, std::vector<std::int64_t>,
                           std::vector<double>>;

/// The options of one part: key to value.
using Table = std::map<std::string, Value, std::less<>>;

/// What an option accepts; default-constructed accepts everything of its type.
struct Bounds {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool open = false;                 ///< `least` itself is excluded
  std::vector<std::string> choices;  ///< for texts: the accepted words

  std::string text() const;  ///< ">= 0", "> 0", "0 to 1", "affine | identity", or ""
};
Bounds at_least(double least);
Bounds above(double least);
Bounds between(double least, double most);
Bounds one_of(std::vector<std::string> choices);

/// An option as `monge describe`, `--help` and the docs show it.
struct OptionInfo {
  std::string name;
  std::string type;  ///< "bool", "integer", "number", "text", "integers", "numbers"
  Value fallback;    ///< the default
  Bounds bounds;
  std::string sentence;
};

/// A part (solver, network, measure, ...) as `monge list` and `monge describe` show it.
struct PartInfo {
  std::string kind;  ///< "solver", "network", "measure", "cost", "metric", "section"
  std::string name;
  std::string sentence;
  std::string source;  ///< paper and equation, or ""
  std::vector<OptionInfo> options;
};

std::string value_text(const Value& value);
std::string type_text(const Value& value);

/// The candidate with the smallest edit distance to `word`, one that begins with it counting as
/// near; "" where there is none.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// The Error for a `kind` (solver, measure, ...) that none of `names` is, naming the nearest one.
Error unknown_name(std::string_view where, std::string_view kind, std::string_view name,
                   const std::vector<std::string>& names);

/// Throws Error where `table` has a key that `info` does not declare, naming the nearest one.
void require_known_keys(const Table& table, const PartInfo& info, std::string_view where);

/// `value` converted to the type of `option` and held to its bounds; integers pass as numbers.
Value checked(const Value& value, const OptionInfo& option, std::string_view where);

/// The options of one part declared once: reads a Table into a plain struct and back.
///
/// `Declaration<Options>("solver", "w2gn", "…", "…").option("batch", &Options::batch, …)`.
template <class Options>
class Declaration {
 public:
  Declaration(std::string kind, std::string name, std::string sentence, std::string source)
      : info_{std::move(kind), std::move(name), std::move(sentence), std::move(source), {}} {}

  template <class Member>
  Declaration& option(std::string name, Member Options::* member, std::string sentence,
                      Bounds bounds = {}) {
    info_.options.push_back({std::move(name), type_text(Value(Options{}.*member)),
                             Value(Options{}.*member), std::move(bounds), std::move(sentence)});
    readers_.push_back([member](Options& options, const Value& value) {
      options.*member = std::get<Member>(value);
    });
    writers_.push_back([member](const Options& options) { return Value(options.*member); });
    return *this;
  }

  /// The options in `table`, the defaults elsewhere. Throws Error on an unknown key, a wrong type
  /// or a value out of bounds; `where` names the table in the message.
  Options read(const Table& table, std::string_view where) const {
    require_known_keys(table, info_, where);
    Options options{};
    for (std::size_t i = 0; i < info_.options.size(); ++i) {
      const auto entry = table.find(info_.options[i].name);
      if (entry != table.end())
        readers_[i](options, checked(entry->second, info_.options[i], where));
    }
    return options;
  }

  /// Every option with its value: the resolved table.
  Table write(const Options& options) const {
    Table table;
    for (std::size_t i = 0; i < info_.options.size(); ++i)
      table[info_.options[i].name] = writers_[i](options);
    return table;
  }

  const PartInfo& info() const { return info_; }

 private:
  PartInfo info_;
  std::vector<std::function<void(Options&, const Value&)>> readers_;
  std::vector<std::function<Value(const Options&)>> writers_;
};

}  // namespace monge
