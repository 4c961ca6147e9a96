#include "monge/adam.h"

#include "monge/random.h"

#include "kernel_fixture.h"

namespace monge {
namespace {

/// Adam as the paper writes it, tensor by tensor.
struct PlainAdam {
  AdamOptions options;
  Tensor parameter, first, second;
  int steps = 0;

  void step(const Tensor& gradient, double rate) {
    ++steps;
    first = options.beta1 * first + (1 - options.beta1) * gradient;
    second = options.beta2 * second + (1 - options.beta2) * gradient.square();
    const Tensor m = first / (1 - std::pow(options.beta1, steps));
    const Tensor v = second / (1 - std::pow(options.beta2, steps));
    parameter = parameter - options.learning_rate * rate * m / (v.sqrt() + options.epsilon);
  }
};

class AdamOf : public testing::TestWithParam<at::ScalarType> {};

TEST_P(AdamOf, FollowsItsFormula) {
  const double tolerance = GetParam() == at::kFloat ? 1e-5 : 1e-13;
  Random random(1, "test");
  // The second is large enough for more than one thread.
  const State parameters{{"a", random.normal({3, 7}).to(GetParam())},
                         {"b", random.normal({150001}).to(GetParam())}};
  const AdamOptions options{.learning_rate = 0.1, .beta1 = 0.8, .beta2 = 0.95};
  Adam adam(parameters, options);
  std::vector<PlainAdam> plain;
  for (const auto& [name, parameter] : parameters)
    plain.push_back(
        {options, parameter.clone(), at::zeros_like(parameter), at::zeros_like(parameter)});
  for (int step = 0; step < 7; ++step) {
    const double rate = 1.0 / (step + 1);
    std::vector<Tensor> gradients;
    for (const auto& [name, parameter] : parameters)
      gradients.push_back(random.normal(parameter.sizes()).to(GetParam()));
    adam.step(gradients, rate);
    for (std::size_t i = 0; i < plain.size(); ++i) {
      plain[i].step(gradients[i], rate);
      const Tensor gap = (adam.parameters()[i] - plain[i].parameter).abs();
      EXPECT_LT(gap.max().item<double>(), tolerance) << step;
    }
  }
}

TEST_P(AdamOf, FollowsItsFormulaForDerivativesOfAnySize) {
  std::vector<double> sizes;
  for (int order = -40; order <= 19; ++order) sizes.insert(sizes.end(), {0.0, std::pow(10, order)});
  const AdamOptions options{.learning_rate = 0.1};
  // Its second moment is just below the largest number of float32 after three steps.
  sizes.push_back(std::sqrt(3.2e38 / (1 - std::pow(options.beta2, 3))));
  const Tensor gradient = at::tensor(sizes, at::kDouble).to(GetParam());
  const Tensor ones = at::ones_like(gradient, at::kDouble);
  const State parameters{{"a", ones.to(GetParam())}};
  Adam adam(parameters, options);
  PlainAdam plain{options, ones.clone(), at::zeros_like(ones), at::zeros_like(ones)};
  for (int step = 0; step < 3; ++step) {
    adam.step({gradient}, 1);
    plain.step(gradient.to(at::kDouble), 1);
  }
  const Tensor gap = (parameters.at("a").to(at::kDouble) - plain.parameter).abs();
  EXPECT_LT(gap.max().item<double>(), GetParam() == at::kFloat ? 1e-5 : 1e-13);
}

TEST(Adam, ASecondMomentThatOverflowsStopsItsParameter) {
  const State parameters{{"a", at::ones({50}, at::kFloat)}};
  Adam adam(parameters, {.learning_rate = 0.1});
  adam.step({at::full({50}, 1e25F)}, 1);
  EXPECT_TRUE(at::equal(parameters.at("a"), at::ones({50}, at::kFloat)));
}

TEST_P(AdamOf, GivesANumberTheSameBitsWhereverItLies) {
  const Tensor gradient = Random(3, "test").normal({90}).to(GetParam());
  const auto moved = [&](std::int64_t from, std::int64_t count) {
    const State parameters{{"a", at::ones({count}, GetParam())}};
    Adam adam(parameters, {.learning_rate = 0.1});
    for (int step = 0; step < 4; ++step)
      adam.step({gradient.slice(0, from, from + count).contiguous()}, 1);
    return parameters.at("a");
  };
  const Tensor whole = moved(0, 90);
  for (const std::int64_t cut : {1, 17, 40, 83}) {
    EXPECT_TRUE(at::equal(whole.slice(0, 0, cut), moved(0, cut))) << cut;
    EXPECT_TRUE(at::equal(whole.slice(0, cut), moved(cut, 90 - cut))) << cut;
  }
}

TEST_P(AdamOf, KeepsParametersAboveTheirBounds) {
  const State parameters{{"free", at::ones({40}, GetParam())},
                         {"held", at::ones({40}, GetParam())}};
  Adam adam(parameters, {.learning_rate = 0.3}, {{"held", 0.25}});
  for (int step = 0; step < 6; ++step)
    adam.step({at::ones({40}, GetParam()), at::ones({40}, GetParam())}, 1);
  EXPECT_LT(parameters.at("free").max().item<double>(), 0);
  EXPECT_TRUE(at::equal(parameters.at("held"), at::full({40}, 0.25, GetParam())));
}

TEST_P(AdamOf, KeepsTheAverageOfTheParameters) {
  const State parameters{{"a", at::ones({37}, GetParam())}};
  const State averages{{"a", at::ones({37}, GetParam())}};
  Adam adam(parameters, {.learning_rate = 0.1, .average = 0.5}, {}, averages);
  Tensor expected = at::ones({37}, at::kDouble);
  for (int step = 1; step <= 8; ++step) {
    adam.step({at::linspace(-1, 2, 37, GetParam())}, 1);
    const double keep = std::min(0.5, (1.0 + step) / (10.0 + step));
    expected = keep * expected + (1 - keep) * parameters.at("a").to(at::kDouble);
  }
  EXPECT_LT((averages.at("a").to(at::kDouble) - expected).abs().max().item<double>(), 1e-6);
}

/// Of several sizes, so that the threads' shares begin and end within a parameter.
State parameters_of_many_sizes(at::ScalarType type) {
  State parameters;
  for (const std::int64_t size : {9001, 1, 20'011, 17})
    parameters[fmt::format("{}", size)] = at::linspace(-1, 1, size, type);
  return parameters;
}

TEST_P(AdamOf, TheSharesOfSeveralThreadsAreAllOfTheParameters) {
  std::vector<Tensor> gradients;
  for (const auto& [name, parameter] : parameters_of_many_sizes(GetParam()))
    gradients.push_back(parameter.sin());
  const auto updated = [&](int threads) {
    return on_threads(threads, [&] {
      const State averages = parameters_of_many_sizes(GetParam());
      Adam adam(parameters_of_many_sizes(GetParam()), {.average = 0.9}, {}, averages);
      for (int step = 0; step < 3; ++step) adam.step(gradients, 1);
      std::vector<Tensor> all = adam.parameters();
      for (const auto& [name, average] : averages) all.push_back(average);
      return at::cat(all);
    });
  };
  for (const int threads : {2, 3}) {
    EXPECT_TRUE(at::allclose(updated(threads), updated(1), 0, 1e-7)) << threads;
    EXPECT_NEAR(on_threads(threads, [&] { return norm_of(gradients); }), norm_of(gradients),
                1e-9 * norm_of(gradients));
  }
}

TEST_P(AdamOf, GoesOnFromItsState) {
  const auto fresh = [] { return State{{"a", at::ones({9}, GetParam())}}; };
  const std::vector<Tensor> gradient{at::arange(9, GetParam())};
  Adam adam(fresh(), {});
  for (int step = 0; step < 3; ++step) adam.step(gradient, 1);
  State saved;
  for (const auto& [name, tensor] : adam.state()) saved[name] = tensor.clone();
  State parameters{{"a", adam.parameters()[0].clone()}};
  Adam other(parameters, {});
  other.restore(saved);
  adam.step(gradient, 1);
  other.step(gradient, 1);
  EXPECT_TRUE(at::equal(adam.parameters()[0], parameters.at("a")));
}

INSTANTIATE_TEST_SUITE_P(Numbers, AdamOf, testing::Values(at::kFloat, at::kDouble));

TEST(NormOf, IsThatOfAllEntries) {
  EXPECT_NEAR(norm_of({at::full({3, 5}, 2.0f), at::full({1}, 2.0, at::kDouble)}), 8.0, 1e-12);
  EXPECT_TRUE(std::isnan(norm_of({at::full({9}, NAN)})));
  EXPECT_TRUE(std::isinf(norm_of({at::full({2}, INFINITY)})));
  EXPECT_EQ(norm_of({}), 0);
}

}  // namespace
}  // namespace monge
