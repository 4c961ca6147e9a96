#pragma once

#include "program.h"

#include <CLI/CLI.hpp>

namespace monge::cli {

/// Each adds one subcommand to the program. What a subcommand throws, main prints in one line; the
/// value it leaves in `exit_code` is the program's.
void add_fit(CLI::App& app, const Launch& launch, int& exit_code);
void add_apply(CLI::App& app);
void add_sample(CLI::App& app);
void add_evaluate(CLI::App& app);
void add_report(CLI::App& app);
void add_list(CLI::App& app);
void add_describe(CLI::App& app);
void add_colour(CLI::App& app, int& exit_code);

}  // namespace monge::cli
