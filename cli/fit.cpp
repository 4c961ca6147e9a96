#include "monge/config.h"
#include "monge/error.h"
#include "monge/log.h"
#include "monge/registry.h"
#include "monge/run.h"

#include "commands.h"
#include "interrupt.h"
#include "show.h"

#include <cstdio>
#include <memory>

namespace monge::cli {
namespace {

struct FitArguments {
  std::string config, recipe, source, target, out;
  std::vector<std::string> settings;
  bool resume = false, force = false;
};

Config assembled(const FitArguments& arguments) {
  Config config;
  if (!arguments.recipe.empty()) config = recipe_config(arguments.recipe);
  if (!arguments.config.empty()) config = merged(std::move(config), read_config(arguments.config));
  for (const auto& [section, file] :
       {std::pair<std::string, const std::string&>{"source", arguments.source},
        {"target", arguments.target}})
    if (!file.empty())
      config.sections[section] = {
          {"file", absolute_location(file, std::filesystem::current_path())}};
  for (const std::string& setting : arguments.settings) apply_setting(config, setting);
  return config;
}

/// runs/NAME-1, or the next number that is free.
std::filesystem::path free_folder(const std::string& name) {
  for (int number = 1;; ++number) {
    std::filesystem::path folder = "runs/" + name + "-" + std::to_string(number);
    if (!std::filesystem::exists(folder)) return folder;
  }
}

/// A word as a shell reads it back.
std::string shell_word(const std::string& word) {
  constexpr const char* plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+,:=@%";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char letter : word) quoted += letter == '\'' ? "'\\''" : std::string(1, letter);
  return quoted + "'";
}

int fit(const FitArguments& arguments) {
  StopOnInterrupt stop;
  ShowProgress progress;
  Callback* const callbacks[] = {&stop, &progress};
  RunDirectory run;
  FitResult result;
  if (arguments.resume) {
    if (arguments.out.empty()) throw Error("fit --resume: expected --out RUN, got none");
    if (!arguments.config.empty() || !arguments.recipe.empty() || !arguments.source.empty() ||
        !arguments.target.empty())
      throw Error(
          "fit --resume: the run keeps its own config; expected only --out and --set train...");
    run = open_run(arguments.out);
    result = resume_run(run, arguments.settings, callbacks);
  } else {
    const Config config = assembled(arguments);
    run = {arguments.out.empty()
               ? free_folder(arguments.recipe.empty()
                                 ? config.part("solver", solver_rows().front().info.name)
                                 : arguments.recipe)
               : std::filesystem::path(arguments.out)};
    result = fit_run(config, run, arguments.force ? Existing::replace : Existing::keep, callbacks);
  }
  const std::string folder = run.folder.string();
  if (result.summary.reason == StopReason::interrupted) {
    std::fprintf(stderr, "monge: %s; continue with: monge fit --resume --out %s\n",
                 result.summary.message.c_str(), shell_word(folder).c_str());
    return interrupted_exit_code;
  }
  report_run(run);
  std::printf("%s in %.1f s\n", result.summary.message.c_str(), result.summary.seconds);
  print_evaluation(*result.evaluation);
  std::printf("run     %s\nmap     %s\nreport  %s\n", folder.c_str(), run.map().c_str(),
              run.report().c_str());
  return result.summary.reason == StopReason::diverged ? 1 : 0;
}

/// The keys of --set with their defaults, from the declarations.
std::string settings_help() {
  std::string text = "Keys of --set and of the TOML sections (monge describe NAME tells more):\n";
  const auto add = [&](const std::string& section, const PartInfo& info) {
    for (const OptionInfo& option : info.options)
      text += "  " + section + "." + option.name + " = " + value_text(option.fallback) + "  " +
              option.sentence + "\n";
  };
  add("solver", solver_rows().front().info);
  add("network", find_network("dense_icnn", "help").info);
  for (const PartInfo& part : all_parts())
    if (part.kind == "section") add(part.name, part);
  return text;
}

}  // namespace

void add_fit(CLI::App& app, int& exit_code) {
  auto arguments = std::make_shared<FitArguments>();
  CLI::App* command = app.add_subcommand("fit", "Learns the map from a source to a target.");
  command->add_option("config", arguments->config, "A TOML file that describes the experiment.");
  command->add_option("--recipe", arguments->recipe,
                      "Starts from a recipe (monge list shows them).");
  command->add_option("--source", arguments->source,
                      "Points of the source: npy, npz, safetensors, csv, or a photograph.");
  command->add_option("--target", arguments->target, "Points of the target.");
  command->add_option("--out", arguments->out, "The run directory (default: runs/NAME-N).");
  command
      ->add_option("--set", arguments->settings,
                   "An option as section.key=value, or seed=N; repeatable.")
      ->allow_extra_args(false);
  command->add_flag("--resume", arguments->resume,
                    "Continues the run in --out from its checkpoint.");
  command->add_flag("--force", arguments->force, "Replaces the run that --out holds.");
  command->footer(settings_help());
  command->callback([arguments, &exit_code] { exit_code = fit(*arguments); });
}

}  // namespace monge::cli
