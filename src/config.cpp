#include "monge/config.h"

#include "monge/error.h"
#include "monge/files.h"

#include <toml++/toml.h>

#include <sstream>

namespace monge {
namespace {

constexpr std::array<std::string_view, 9> section_names{
    "source", "target", "latent", "smoothing", "cost", "solver", "network", "train", "evaluate"};

std::string line_of(const toml::node& node) {
  return fmt::format("line {}", node.source().begin.line);
}

/// Numbers of a TOML array, nested ones flattened row by row.
void collect(const toml::array& array, std::vector<double>& numbers, bool& whole,
             const std::string& where) {
  for (const toml::node& item : array) {
    if (const auto* nested = item.as_array()) {
      collect(*nested, numbers, whole, where);
    } else if (item.is_integer()) {
      numbers.push_back(static_cast<double>(*item.value<std::int64_t>()));
    } else if (item.is_floating_point()) {
      numbers.push_back(*item.value<double>());
      whole = false;
    } else {
      fail(where, "an array of numbers", "an array with something else in it");
    }
  }
}

Value value_of(const toml::node& node, const std::string& where) {
  if (const auto flag = node.as_boolean()) return flag->get();
  if (const auto integer = node.as_integer()) return integer->get();
  if (const auto real = node.as_floating_point()) return real->get();
  if (const auto text = node.as_string()) return text->get();
  if (const auto* array = node.as_array()) {
    std::vector<double> numbers;
    bool whole = true;
    collect(*array, numbers, whole, where);
    if (!whole) return numbers;
    return std::vector<std::int64_t>(numbers.begin(), numbers.end());
  }
  fail(where, "a boolean, a number, a text or an array of numbers",
       node.is_table() ? "a table" : "a date or time");
}

std::uint64_t seed_of(const Value& value, const std::string& where) {
  const auto* seed = std::get_if<std::int64_t>(&value);
  if (!seed || *seed < 0) fail(where, "an integer of at least 0", value_text(value));
  return static_cast<std::uint64_t>(*seed);
}

void require_section(std::string_view name, const std::string& where) {
  if (std::ranges::count(section_names, name) > 0) return;
  std::vector<std::string> known(section_names.begin(), section_names.end());
  known.emplace_back("seed");
  throw Error(
      fmt::format("{}: unknown key '{}'; did you mean '{}'?", where, name, nearest(name, known)));
}

toml::table parse_toml(std::string_view text, std::string_view where) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    throw Error(
        fmt::format("{}: line {}: {}", where, error.source().begin.line, error.description()));
  }
}

/// The keys of a section that are paths.
std::vector<std::string_view> path_keys(std::string_view section) {
  if (section == "source" || section == "target") return {"file", "labels_file", "cache"};
  if (section == "latent") return {"file"};
  if (section == "evaluate") return {"features", "perceptual", "statistics"};
  return {};
}

void resolve_paths(std::string_view name, Table& section, const std::filesystem::path& folder) {
  for (const std::string_view key : path_keys(name)) {
    const auto entry = section.find(key);
    if (entry == section.end()) continue;
    if (auto* file = std::get_if<std::string>(&entry->second); file && !file->empty())
      *file = absolute_location(*file, folder);
  }
}

}  // namespace

std::string absolute_location(const std::string& file, const std::filesystem::path& folder) {
  const char* home = file.starts_with("~/") ? std::getenv("HOME") : nullptr;
  const auto path = home ? std::filesystem::path(home) / file.substr(2) : folder / file;
  const auto normal = std::filesystem::absolute(path).lexically_normal();
  return (normal.has_filename() ? normal : normal.parent_path()).string();  // without a last '/'
}

std::string Config::part(std::string_view section, std::string_view fallback) const {
  const auto table = sections.find(section);
  if (table == sections.end()) return std::string(fallback);
  const auto name = table->second.find("name");
  if (name == table->second.end()) return std::string(fallback);
  const auto* text = std::get_if<std::string>(&name->second);
  if (!text) fail(fmt::format("{}.name", section), "a text", value_text(name->second));
  return *text;
}

Table Config::options(std::string_view section) const {
  const auto table = sections.find(section);
  if (table == sections.end()) return {};
  Table options = table->second;
  options.erase("name");
  return options;
}

Config parse_config(std::string_view text, std::string_view where,
                    const std::filesystem::path& folder) {
  Config config;
  const toml::table document = parse_toml(text, where);
  for (const auto& [key, node] : document) {
    const std::string name(key.str());
    const std::string place = fmt::format("{}: {}: {}", where, line_of(node), name);
    if (name == "seed") {
      config.seed = seed_of(value_of(node, place), place);
      continue;
    }
    require_section(name, fmt::format("{}: {}", where, line_of(node)));
    const toml::table* table = node.as_table();
    if (!table) fail(place, fmt::format("a table [{}]", name), "a value");
    for (const auto& [option, value] : *table)
      config.sections[name][std::string(option.str())] =
          value_of(value, fmt::format("{}: {}: {}.{}", where, line_of(value), name, option.str()));
  }
  for (auto& [name, section] : config.sections) resolve_paths(name, section, folder);
  return config;
}

Config read_config(const std::filesystem::path& path) {
  return parse_config(read_text(path), path.string(), path.parent_path());
}

std::string config_text(const Config& config) {
  std::ostringstream text;
  text << "seed = " << config.seed << "\n";
  for (const std::string_view section_name : section_names) {
    const std::string name(section_name);
    const auto section = config.sections.find(name);
    if (section == config.sections.end()) continue;
    toml::table table;
    for (const auto& [key, value] : section->second) {
      std::visit(
          [&](const auto& held) {
            using Held = std::decay_t<decltype(held)>;
            if constexpr (std::is_same_v<Held, std::vector<double>> ||
                          std::is_same_v<Held, std::vector<std::int64_t>>) {
              toml::array array;
              for (const auto one : held) array.push_back(one);
              table.insert(key, std::move(array));
            } else {
              table.insert(key, held);
            }
          },
          value);
    }
    text << "\n[" << name << "]\n" << table << "\n";
  }
  return text.str();
}

void apply_setting(Config& config, std::string_view setting) {
  const std::string where = fmt::format("--set {}", setting);
  const std::size_t equals = setting.find('=');
  if (equals == std::string_view::npos) fail(where, "key=value", "no '='");
  const std::string key(setting.substr(0, equals));
  const std::string text(setting.substr(equals + 1));
  Value value;
  try {
    const toml::table parsed = toml::parse(fmt::format("value = {}", text));
    value = value_of(*parsed.get("value"), where);
  } catch (const toml::parse_error&) {
    value = text;  // a bare word
  }
  if (key == "seed") {
    config.seed = seed_of(value, where);
    return;
  }
  const std::size_t dot = key.find('.');
  if (dot == std::string::npos) {
    require_section(key, where);
    fail(where, fmt::format("section.key=value such as {}.name=...", key),
         "a section without a key");
  }
  require_section(key.substr(0, dot), where);
  Config over;
  Table& section = over.sections[key.substr(0, dot)];
  section[key.substr(dot + 1)] = value;
  resolve_paths(key.substr(0, dot), section, std::filesystem::current_path());
  over.seed = config.seed;
  config = merged(std::move(config), over);
}

Config merged(Config base, const Config& over) {
  base.seed = over.seed;
  for (const auto& [name, table] : over.sections) {
    Table& section = base.sections[name];
    const auto chosen = table.find("name");
    const auto before = section.find("name");
    if (chosen != table.end() && before != section.end() && before->second != chosen->second)
      section.clear();
    for (const auto& [key, value] : table) section[key] = value;
  }
  return base;
}

Config recipe_config(std::string_view name, std::string_view where) {
  std::vector<std::string> names;
  for (const Recipe& recipe : recipes()) {
    if (recipe.name == name)
      return parse_config(recipe.text, fmt::format("recipe {}", name),
                          std::filesystem::current_path());
    names.push_back(recipe.name);
  }
  throw unknown_name(where, "recipe", name, names);
}

}  // namespace monge
