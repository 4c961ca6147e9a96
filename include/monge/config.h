#pragma once

#include "monge/options.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace monge {

/// An experiment as a user writes it: one seed and a table of options for each part.
struct Config {
  std::uint64_t seed = 0;
  /// Sections "source", "target", "cost", "solver", "network", in which the key "name" chooses
  /// the part, "latent", "smoothing", "train" and "evaluate".
  std::map<std::string, Table, std::less<>> sections;

  /// The value of "name" in a section, or `fallback`.
  std::string part(std::string_view section, std::string_view fallback) const;
  /// A section without its "name"; empty where it is missing.
  Table options(std::string_view section) const;
};

/// Reads TOML text. Throws Error with `where`, line and key: syntax, an unknown section (the
/// nearest one is named), nested tables, values of no known type. Relative paths of source and
/// target (`file`, `labels_file`, `cache`), of latent and of evaluate are taken from `folder`.
Config parse_config(std::string_view text, std::string_view where,
                    const std::filesystem::path& folder);
Config read_config(const std::filesystem::path& path);

/// The config as TOML that parse_config reads back.
std::string config_text(const Config& config);

/// A location as a `file` key holds it: absolute, a relative one taken from `folder`, a leading
/// `~/` from the home folder.
std::string absolute_location(const std::string& file, const std::filesystem::path& folder);

/// Applies "section.key=value" or "seed=5"; the value is TOML, a bare word is text, a relative
/// file is taken from the working directory. Throws Error.
void apply_setting(Config& config, std::string_view setting);

/// `over` laid upon `base`: its keys win; a section that chooses another part drops the options of
/// the part below.
Config merged(Config base, const Config& over);

/// The recipes that come with Monge.
struct Recipe {
  std::string name;
  std::string text;     ///< TOML
  std::string summary;  ///< its first comment line
};
const std::vector<Recipe>& recipes();

/// The recipe of that name; throws Error at `where` naming the nearest one and the list.
Config recipe_config(std::string_view name, std::string_view where = "--recipe");

}  // namespace monge
