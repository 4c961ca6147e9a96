#include "monge/config.h"
#include "monge/error.h"
#include "monge/log.h"
#include "monge/measures/crops.h"
#include "monge/measures/images.h"
#include "monge/registry.h"
#include "monge/run.h"

#include "commands.h"
#include "inputs.h"
#include "interrupt.h"
#include "show.h"

#include <cstdio>
#include <memory>

namespace monge::cli {
namespace {

struct FitArguments {
  std::string config, recipe, source, target, latent, out;
  std::vector<std::string> settings;
  bool resume = false, force = false;
};

/// Puts a file in the place of a side. What it holds tells the measure, but crops, which no file
/// tells of, stay what they are; and where images give place to images, those are made as these
/// were, of all labels.
void take_file(Config& config, const std::string& section, const std::string& file) {
  require_input(file);
  const std::string location = absolute_location(file, std::filesystem::current_path());
  const std::string measure = config.part(section, "");
  Table& side = config.sections[section];
  if (measure == images_declaration().info().name && is_image_collection(location)) {
    side.erase("labels");
    side.erase("labels_file");
  } else if (measure != crops_declaration().info().name) {
    side.clear();
  }
  side["file"] = location;
}

Config assembled(const FitArguments& arguments) {
  Config config;
  if (!arguments.recipe.empty()) config = recipe_config(arguments.recipe);
  if (!arguments.config.empty()) config = merged(std::move(config), read_config(arguments.config));
  for (const auto& [section, file] :
       {std::pair<std::string, const std::string&>{"source", arguments.source},
        {"target", arguments.target}})
    if (!file.empty()) take_file(config, section, file);
  if (!arguments.latent.empty()) config.sections["latent"]["kind"] = arguments.latent;
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

std::string resume_hint(const RunDirectory& run) {
  return "continue with: monge fit --resume --out " + shell_word(run.folder.string());
}

void require_sound(const FitArguments& arguments, const Launch& launch) {
  if (arguments.out.empty() && !launch.group->alone())
    throw Error("fit of several processes: expected --out RUN, got none");
  if (!arguments.resume) return;
  if (arguments.out.empty()) throw Error("fit --resume: expected --out RUN, got none");
  if (!arguments.config.empty() || !arguments.recipe.empty() || !arguments.source.empty() ||
      !arguments.target.empty() || !arguments.latent.empty())
    throw Error(
        "fit --resume: the run keeps its own config; expected only --out and --set train...");
}

/// What the first process of a launch does, or the only one. A launcher that has restarted the
/// processes continues the run that an earlier attempt has begun.
FitResult lead(const FitArguments& arguments, const RunDirectory& run, const Launch& launch,
               std::span<Callback* const> callbacks) {
  if (arguments.resume) return resume_run(run, arguments.settings, callbacks, launch.group);
  const std::string begun = "begun " + std::filesystem::absolute(run.folder).string();
  if (launch.count(begun, 0) > 0 && can_resume(run))
    return resume_run(run, {}, callbacks, launch.group);
  const Config config = assembled(arguments);
  const bool replace = arguments.force || launch.count(begun, 0) > 0;
  const Existing existing = replace ? Existing::replace : Existing::keep;
  require_place(run, existing);
  launch.count(begun, 1);
  return fit_run(config, run, existing, callbacks, launch.group);
}

RunDirectory chosen_run(const FitArguments& arguments) {
  if (arguments.resume) return open_run(arguments.out);
  if (!arguments.out.empty()) return {arguments.out};
  return {free_folder(arguments.recipe.empty()
                          ? assembled(arguments).part("solver", solver_rows().front().info.name)
                          : arguments.recipe)};
}

void print_result(const RunDirectory& run, const FitResult& result) {
  std::printf("%s in %.1f s\n", result.summary.message.c_str(), result.summary.seconds);
  print_evaluation(*result.evaluation);
  std::printf("run     %s\nmap     %s\nreport  %s\n", run.folder.c_str(), run.map().c_str(),
              run.report().c_str());
}

int fit(const FitArguments& arguments, const Launch& launch) {
  require_sound(arguments, launch);
  StopOnInterrupt stop;
  ShowProgress progress;
  Callback* const callbacks[] = {&stop, &progress};
  FitResult result;
  RunDirectory run{arguments.out};
  try {
    if (launch.group->leads()) {
      run = chosen_run(arguments);
      result = lead(arguments, run, launch, callbacks);
    } else {
      result.summary = follow_run(std::span(callbacks).first(1), launch.group);
    }
  } catch (const LostProcess& lost) {
    throw Error(std::string(lost.what()) + "; " + resume_hint(run));
  }
  const StopReason reason = result.summary.reason;
  if (launch.group->leads() && reason == StopReason::interrupted)
    std::fprintf(stderr, "monge: %s; %s\n", result.summary.message.c_str(),
                 resume_hint(run).c_str());
  if (reason == StopReason::interrupted) return interrupted_exit_code;
  if (launch.group->leads()) {
    report_run(run);
    print_result(run, result);
  }
  return reason == StopReason::diverged ? 1 : 0;
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

void add_fit(CLI::App& app, const Launch& launch, int& exit_code) {
  auto arguments = std::make_shared<FitArguments>();
  CLI::App* command = app.add_subcommand("fit", "Learns the map from a source to a target.");
  command->add_option("config", arguments->config, "A TOML file that describes the experiment.");
  command->add_option("--recipe", arguments->recipe,
                      "Starts from a recipe (monge list shows them).");
  command->add_option(
      "--source", arguments->source,
      "Points of the source: npy, npz, safetensors, csv, h5ad (cells.h5ad:X_pca:day=2), "
      "or a photograph.");
  command->add_option("--target", arguments->target, "Points of the target.");
  command->add_option("--latent", arguments->latent,
                      "In the latent space of an autoencoder that is learned first: autoencoder or "
                      "vae.");
  command->add_option("--out", arguments->out, "The run directory (default: runs/NAME-N).");
  command
      ->add_option("--set", arguments->settings,
                   "An option as section.key=value, or seed=N; repeatable.")
      ->allow_extra_args(false);
  command->add_flag("--resume", arguments->resume,
                    "Continues the run in --out from its checkpoint.");
  command->add_flag("--force", arguments->force, "Replaces the run that --out holds.");
  command->footer(settings_help());
  command->callback([arguments, &launch, &exit_code] { exit_code = fit(*arguments, launch); });
}

}  // namespace monge::cli
