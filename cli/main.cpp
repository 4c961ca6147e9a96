#include "monge/error.h"
#include "monge/options.h"

#include "commands.h"
#include "interrupt.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

namespace {

/// The first line of a library's message: torch and CLI11 append traces and hints.
std::string first_line(const std::string& message) { return message.substr(0, message.find('\n')); }

/// The names of the subcommands, for a name that is none of them.
void require_known_command(const CLI::App& app, int count, char** arguments) {
  const std::string name = count > 1 ? arguments[1] : "-";
  std::vector<std::string> known;
  for (const CLI::App* command : app.get_subcommands({})) known.push_back(command->get_name());
  if (name.starts_with('-') || std::ranges::count(known, name) > 0) return;
  throw CLI::ParseError(
      "unknown command '" + name + "'; did you mean '" + monge::nearest(name, known) + "'?",
      CLI::ExitCodes::ExtrasError);
}

/// Printed text may still wait in the buffer, and a full disk shows only when it is written.
void require_printed() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    throw monge::Error("standard output: expected room to print, got a failed write");
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app{"Learns optimal transport maps between two measures known by samples."};
  app.name("monge");
  app.set_version_flag("--version", "monge " MONGE_VERSION);
  app.require_subcommand(1);
  int exit_code = 0;
  monge::cli::add_fit(app, exit_code);
  monge::cli::add_apply(app);
  monge::cli::add_evaluate(app);
  monge::cli::add_report(app);
  monge::cli::add_list(app);
  monge::cli::add_describe(app);
  monge::cli::add_colour(app, exit_code);
  try {
    require_known_command(app, count, arguments);
    app.parse(count, arguments);
    require_printed();
  } catch (const monge::cli::Interrupted& interrupted) {
    std::fprintf(stderr, "monge: interrupted; %s\n", interrupted.left.c_str());
    return monge::cli::interrupted_exit_code;
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "monge: error: %s (see monge --help)\n", first_line(error.what()).c_str());
    return 2;
  } catch (const monge::Error& error) {
    std::fprintf(stderr, "monge: error: %s\n", first_line(error.what()).c_str());
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "monge: internal error: %s\n", first_line(error.what()).c_str());
    return 1;
  }
  return exit_code;
}
