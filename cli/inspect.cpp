#include "monge/config.h"
#include "monge/error.h"
#include "monge/registry.h"
#include "monge/run.h"

#include "commands.h"
#include "show.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

namespace monge::cli {
namespace {

void print_list() {
  std::string kind;
  for (const PartInfo& part : all_parts()) {
    if (part.kind != kind) std::printf("%s%ss\n", kind.empty() ? "" : "\n", part.kind.c_str());
    kind = part.kind;
    std::printf("  %-24s %s\n", part.name.c_str(), part.sentence.c_str());
  }
  std::printf("\nrecipes\n");
  for (const Recipe& recipe : recipes())
    std::printf("  %-24s %s\n", recipe.name.c_str(), recipe.summary.c_str());
}

void print_part(const PartInfo& part) {
  std::printf("%s (%s)\n  %s\n", part.name.c_str(), part.kind.c_str(), part.sentence.c_str());
  if (!part.source.empty()) std::printf("  Source: %s\n", part.source.c_str());
  for (const OptionInfo& option : part.options) {
    const std::string bounds = option.bounds.text();
    std::printf("\n  %s = %s  (%s%s%s)\n      %s\n", option.name.c_str(),
                value_text(option.fallback).c_str(), option.type.c_str(),
                bounds.empty() ? "" : ", ", bounds.c_str(), option.sentence.c_str());
  }
}

std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2)
    text.insert(at, "\\");
  return text;
}

/// Every part as a Markdown page: docs/options.md.
void print_markdown() {
  std::printf(
      "# Options\n\nEvery part with its options, written by `./dev docs` from the program's own "
      "declarations.\n");
  std::string kind;
  for (const PartInfo& part : all_parts()) {
    if (part.kind != kind) std::printf("\n## %ss\n", part.kind.c_str());
    kind = part.kind;
    std::printf("\n### %s\n\n%s%s%s\n", part.name.c_str(), part.sentence.c_str(),
                part.source.empty() ? "" : " Source: ", part.source.c_str());
    if (part.options.empty()) continue;
    std::printf("\n| option | type | default | bounds | |\n|---|---|---|---|---|\n");
    for (const OptionInfo& option : part.options)
      std::printf("| `%s` | %s | `%s` | %s | %s |\n", option.name.c_str(), option.type.c_str(),
                  value_text(option.fallback).c_str(), cell(option.bounds.text()).c_str(),
                  cell(option.sentence).c_str());
  }
}

void describe(const std::string& name) {
  std::vector<std::string> names;
  bool found = false;
  for (const PartInfo& part : all_parts()) {
    names.push_back(part.name);
    if (part.name != name) continue;
    if (found) std::printf("\n");
    print_part(part);
    found = true;
  }
  for (const Recipe& recipe : recipes()) {
    names.push_back(recipe.name);
    if (recipe.name != name) continue;
    std::printf("%s%s (recipe)\n%s", found ? "\n" : "", name.c_str(), recipe.text.c_str());
    found = true;
  }
  if (!found)
    throw Error("describe: unknown name '" + name + "'; did you mean '" + nearest(name, names) +
                "'? monge list shows all");
}

}  // namespace

void add_list(CLI::App& app) {
  app.add_subcommand("list", "Lists solvers, networks, costs, measures, metrics and recipes.")
      ->callback(print_list);
}

void add_describe(CLI::App& app) {
  auto name = std::make_shared<std::string>();
  auto markdown = std::make_shared<bool>(false);
  CLI::App* command =
      app.add_subcommand("describe", "Tells a part's options, defaults, bounds and source.");
  command->add_option("name", *name, "What monge list shows.");
  command->add_flag("--markdown", *markdown, "Every part as one Markdown page.");
  command->callback([name, markdown] {
    if (*markdown)
      print_markdown();
    else if (name->empty())
      throw Error("describe: expected a NAME that monge list shows, got none");
    else
      describe(*name);
  });
}

void add_evaluate(CLI::App& app) {
  auto folder = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  auto settings = std::make_shared<std::vector<std::string>>();
  CLI::App* command = app.add_subcommand("evaluate", "Measures how right a run's map is.");
  command->add_option("run", *folder, "A run directory.")->required();
  command->add_flag("--json", *json, "Prints the figures as JSON.");
  command
      ->add_option("--set", *settings, "An option as evaluate.key=value for this time; repeatable.")
      ->allow_extra_args(false);
  const std::string files[] = {"features", "perceptual", "statistics"};
  for (const OptionInfo& option : evaluate_declaration().info().options)
    if (std::ranges::count(files, option.name) > 0)
      command->add_option_function<std::string>(
          "--" + option.name,
          [settings, name = option.name](const std::string& path) {
            settings->push_back(std::string("evaluate.").append(name).append("=").append(path));
          },
          option.sentence);
  command->callback([folder, json, settings] {
    const RunDirectory run = open_run(*folder);
    const Evaluation evaluation = evaluate_run(run, *settings);
    if (*json)
      std::printf("%s", evaluation_json(evaluation, read_config(run.config())).c_str());
    else
      print_evaluation(evaluation);
  });
}

void add_report(CLI::App& app) {
  auto folder = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("report", "Writes a run's report.html.");
  command->add_option("run", *folder, "A run directory.")->required();
  command->callback([folder] {
    const RunDirectory run = open_run(*folder);
    report_run(run);
    std::printf("%s\n", run.report().c_str());
  });
}

}  // namespace monge::cli
