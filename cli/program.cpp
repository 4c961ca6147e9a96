#include "program.h"

#include "monge/error.h"
#include "monge/log.h"
#include "monge/options.h"

#include "commands.h"
#include "interrupt.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

namespace monge::cli {
namespace {

/// The first line of a library's message: torch and CLI11 append traces and hints.
std::string first_line(const std::string& message) { return message.substr(0, message.find('\n')); }

/// The names of the subcommands, for a name that is none of them.
void require_known_command(const CLI::App& app, int count, const char* const* arguments) {
  const std::string name = count > 1 ? arguments[1] : "-";
  std::vector<std::string> known;
  for (const CLI::App* command : app.get_subcommands({})) known.push_back(command->get_name());
  if (name.starts_with('-') || std::ranges::count(known, name) > 0) return;
  throw CLI::ParseError(
      "unknown command '" + name + "'; did you mean '" + nearest(name, known) + "'?",
      CLI::ExitCodes::ExtrasError);
}

void require_fit(const ProcessGroup& group, int count, const char* const* arguments) {
  const std::string name = count > 1 ? arguments[1] : "";
  if (group.alone() || name.empty() || name.starts_with('-') || name == "fit") return;
  throw Error(name + ": expected one process, got " + std::to_string(group.size()) +
              "; only fit is for several");
}

/// Printed text may still wait in the buffer, and a full disk shows only when it is written.
void require_printed() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    throw Error("standard output: expected room to print, got a failed write");
}

/// Of several processes the first one to fail says why: the others are lost by that.
int failed(const Launch& launch, const std::string& message, int exit_code) {
  const auto& group = *launch.group;
  if (!group.alone() && launch.count("errors of " + launch.attempt, 1) > 1) return exit_code;
  const std::string process = group.leads() ? "" : "process " + std::to_string(group.rank()) + ": ";
  std::fprintf(stderr, "monge: error: %s%s\n", process.c_str(), first_line(message).c_str());
  return exit_code;
}

void run_command(int count, const char* const* arguments, const Launch& launch, int& exit_code) {
  CLI::App app{"Learns optimal transport maps between two measures known by samples."};
  app.name("monge");
  app.set_version_flag("--version", "monge " MONGE_VERSION);
  app.require_subcommand(1);
  add_fit(app, launch, exit_code);
  add_apply(app);
  add_sample(app);
  add_evaluate(app);
  add_report(app);
  add_list(app);
  add_describe(app);
  add_colour(app, exit_code);
  require_known_command(app, count, arguments);
  require_fit(*launch.group, count, arguments);
  try {
    app.parse(count, arguments);
  } catch (const CLI::Success& help) {
    exit_code = launch.group->leads() ? app.exit(help) : 0;
  }
  require_printed();
}

}  // namespace

int run_program(int count, const char* const* arguments, const Launch& launch) {
  if (!launch.group->leads()) log::set_level(log::Level::off);
  int exit_code = 0;
  try {
    run_command(count, arguments, launch, exit_code);
  } catch (const Interrupted& interrupted) {
    std::fprintf(stderr, "monge: interrupted; %s\n", interrupted.left.c_str());
    return interrupted_exit_code;
  } catch (const CLI::ParseError& error) {
    return failed(launch, first_line(error.what()) + " (see monge --help)", 2);
  } catch (const Error& error) {
    return failed(launch, error.what(), 1);
  } catch (const std::exception& error) {
    return failed(launch, "internal error: " + first_line(error.what()), 1);
  }
  return exit_code;
}

}  // namespace monge::cli
