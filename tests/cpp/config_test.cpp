#include "monge/config.h"

#include "monge/error.h"
#include "monge/experiment.h"

namespace monge {
namespace {

Config parse(std::string_view text) { return parse_config(text, "test.toml", "/data"); }

std::string message(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

constexpr std::string_view example = R"(
seed = 7
[source]
name = "gaussian"
dimension = 2
[target]
name = "gaussian"
mean = [1, 2.5]
covariance = [[2, 0], [0, 1]]
[network]
hidden = [8, 8]
[train]
max_steps = 10
)";

TEST(Config, ReadsSectionsSeedAndNestedArrays) {
  const Config config = parse(example);
  EXPECT_EQ(config.seed, 7u);
  EXPECT_EQ(config.part("source", ""), "gaussian");
  EXPECT_EQ(std::get<std::vector<std::int64_t>>(config.options("target").at("covariance")),
            (std::vector<std::int64_t>{2, 0, 0, 1}));
  EXPECT_EQ(std::get<std::vector<double>>(config.options("target").at("mean")),
            (std::vector<double>{1, 2.5}));
}

TEST(Config, IsReadBackFromItsText) {
  const Config config = parse(example);
  const Config again = parse(config_text(config));
  EXPECT_EQ(again.seed, config.seed);
  EXPECT_EQ(again.sections, config.sections);
}

TEST(Config, TextSurvivesQuotesAndBackslashes) {
  Config config;
  config.sections["source"] = {{"name", std::string("array")},
                               {"file", std::string("/a \"b\"\\c.npy")}};
  EXPECT_EQ(parse(config_text(config)).sections, config.sections);
}

TEST(Config, FilesAreTakenFromTheConfigsFolder) {
  const Config config = parse("[source]\nfile = \"x.npy\"\n[target]\nfile = \"/abs/y.npy\"\n");
  EXPECT_EQ(std::get<std::string>(config.options("source").at("file")), "/data/x.npy");
  EXPECT_EQ(std::get<std::string>(config.options("target").at("file")), "/abs/y.npy");
}

TEST(Config, MistakesNameTheLineAndTheNearestKey) {
  EXPECT_EQ(message([] { parse("seed = 1\n[solvr]\nname = \"w2gn\"\n"); }),
            "test.toml: line 2: unknown key 'solvr'; did you mean 'solver'?");
  EXPECT_TRUE(message([] { parse("seed = \n"); }).starts_with("test.toml: line 1: "));
  EXPECT_TRUE(
      message([] { parse("seed = -4\n"); }).ends_with("expected an integer of at least 0, got -4"));
  EXPECT_TRUE(message([] { parse("[train]\nmax_steps = 2020-01-01\n"); }).find("line 2") !=
              std::string::npos);
  EXPECT_NE(message([] { parse("train = 3\n"); }), "");
}

TEST(Config, SettingsOverrideAndBareWordsAreText) {
  Config config = parse(example);
  apply_setting(config, "seed=5");
  apply_setting(config, "solver.start=identity");
  apply_setting(config, "network.hidden=[4, 4]");
  apply_setting(config, "train.max_seconds=1.5");
  EXPECT_EQ(config.seed, 5u);
  EXPECT_EQ(std::get<std::string>(config.options("solver").at("start")), "identity");
  EXPECT_EQ(std::get<double>(config.options("train").at("max_seconds")), 1.5);
  EXPECT_EQ(std::get<std::int64_t>(config.options("train").at("max_steps")), 10);
  EXPECT_NE(message([&] { apply_setting(config, "seed"); }), "");
  EXPECT_NE(
      message([&] { apply_setting(config, "trian.max_steps=4"); }).find("did you mean 'train'"),
      std::string::npos);
}

TEST(Config, ChoosingAnotherPartDropsTheOptionsOfTheOldOne) {
  Config config = parse(example);
  apply_setting(config, "target.name=moons");
  EXPECT_TRUE(config.options("target").empty());
}

TEST(Config, EveryRecipeReads) {
  EXPECT_FALSE(recipes().empty());
  for (const Recipe& recipe : recipes()) {
    EXPECT_FALSE(recipe.summary.empty()) << recipe.name;
    EXPECT_NO_THROW(recipe_config(recipe.name)) << recipe.name;
  }
  EXPECT_NE(message([] { recipe_config("colours"); }).find("did you mean 'colour'"),
            std::string::npos);
}

TEST(Experiment, ResolvesEveryOption) {
  const Experiment experiment = build_experiment(parse(example));
  const Config& config = experiment.config;
  EXPECT_EQ(config.part("solver", ""), "dual");
  EXPECT_GT(std::get<std::int64_t>(config.options("solver").at("batch")), 0);
  EXPECT_EQ(std::get<std::int64_t>(config.options("train").at("max_steps")), 10);
  const Experiment again = build_experiment(parse(config_text(config)));
  EXPECT_EQ(again.config.sections, config.sections);
}

TEST(Experiment, RefusesWhatDoesNotFit) {
  const auto build = [](const std::string& setting) {
    return message([&] {
      Config config = parse(example);
      apply_setting(config, setting);
      build_experiment(config);
    });
  };
  EXPECT_NE(build("source.dimension=3").find("same dimension"), std::string::npos);
  EXPECT_NE(build("solver.name=w2gan").find("did you mean 'w2gn'"), std::string::npos);
  EXPECT_NE(build("solver.conjugate_tol=3").find("did you mean 'conjugate_tolerance'"),
            std::string::npos);
  EXPECT_NE(build("network.rank=0").find("network.rank: expected 1 to"), std::string::npos);
  EXPECT_NE(build("cost.name=cubic").find("unknown cost"), std::string::npos);
  EXPECT_NE(build("source.name=gausian").find("did you mean 'gaussian'"), std::string::npos);
  EXPECT_NE(build("train.max_steps=many").find("train.max_steps: expected an integer"),
            std::string::npos);
}

}  // namespace
}  // namespace monge
