#include "monge/solvers/image_saddle_point.h"

#include "monge/error.h"
#include "monge/networks/song_unet.h"
#include "monge/registry.h"
#include "monge/unet_map.h"

#include "error_text.h"
#include "image_game.h"

namespace monge {
namespace {

using namespace image_game;

void expect_derivatives(const std::vector<Tensor>& ours, const Tensor& objective,
                        const State& parameters, const std::string& where) {
  std::vector<Tensor> inputs;
  for (const auto& [name, parameter] : parameters) inputs.push_back(parameter);
  const auto plain = torch::autograd::grad({objective}, inputs, {}, /*retain_graph=*/true);
  ASSERT_EQ(ours.size(), plain.size()) << where;
  double largest = 0;
  for (const Tensor& derivative : plain)
    largest = std::max(largest, derivative.abs().max().item<double>());
  std::size_t i = 0;
  for (const auto& [name, parameter] : parameters) {
    EXPECT_LE((ours[i] - plain[i]).abs().max().item<double>(), 1e-10 * largest)
        << where << " " << name;
    ++i;
  }
}

TEST(ImageSaddlePointStep, TermsAndDerivativesAreThoseOfThePlainObjectives) {
  for (const Case& one : cases) {
    const Networks networks = networks_of(one);
    const Points at = points_of(one, 6, 9);
    const Plain plain = plain_objectives(one, networks, at);
    ImageSaddlePointStep own = step_of(one, networks);
    // Mixed precision takes ATen's operators and leaves float64 as it is.
    ImageSaddlePointStep mixed = step_of(one, networks, {.precision = at::kBFloat16});
    for (ImageSaddlePointStep* step :
         {&own, &own, &mixed}) {  // the second finds what the first left
      const SaddlePointTerms first = step->for_map(at.x, at.z);
      expect_derivatives(step->map_derivatives(), plain.for_map, networks.map.parameters(),
                         one.name + ": map");
      const SaddlePointTerms second = step->for_potential(at.x, at.z, at.y);
      expect_derivatives(step->potential_derivatives(), plain.for_potential,
                         networks.potential.parameters(), one.name + ": potential");
      for (const SaddlePointTerms& terms : {first, second}) {
        EXPECT_NEAR(terms.cost, plain.terms.cost, 1e-9 * std::abs(plain.terms.cost)) << one.name;
        EXPECT_NEAR(terms.mapped, plain.terms.mapped, 1e-9 * std::abs(plain.terms.mapped))
            << one.name;
      }
      EXPECT_NEAR(second.target, plain.terms.target, 1e-9 * std::abs(plain.terms.target))
          << one.name;
    }
  }
}

/// Pieces that are alike have the moments of the whole, and then nothing tells them from it.
TEST(ImageSaddlePointStep, MicroBatchesOfEqualMomentsAddUpToTheWholeBatch) {
  Case one = cases[3];
  const Networks networks = networks_of(one);
  Points at = points_of(one, 2, 4);
  for (Tensor* points : {&at.x, &at.z}) *points = at::cat({*points, *points});
  ImageSaddlePointStep whole = step_of(one, networks);
  one.micro_batch = 2 * one.samples;
  ImageSaddlePointStep pieces = step_of(one, networks);
  whole.for_map(at.x, at.z);
  pieces.for_map(at.x, at.z);
  whole.for_potential(at.x, at.z, at.y);
  pieces.for_potential(at.x, at.z, at.y);
  const auto expect_equal = [](const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
    for (std::size_t i = 0; i < a.size(); ++i)
      EXPECT_TRUE(at::allclose(a[i], b[i], 1e-8, 1e-11)) << i;
  };
  expect_equal(pieces.map_derivatives(), whole.map_derivatives());
  expect_equal(pieces.potential_derivatives(), whole.potential_derivatives());
}

/// Afterwards the parameters require gradients as before, and hold none.
TEST(ImageSaddlePointStep, LeavesTheParametersAsTheyWere) {
  const Networks networks = networks_of(cases[0]);
  const Points at = points_of(cases[0], 2, 2);
  ImageSaddlePointStep step = step_of(cases[0], networks);
  step.for_map(at.x, at.z);
  step.for_potential(at.x, at.z, at.y);
  for (const State& state : {networks.map.parameters(), networks.potential.parameters()})
    for (const auto& [name, parameter] : state) {
      EXPECT_TRUE(parameter.requires_grad()) << name;
      EXPECT_FALSE(parameter.grad().defined()) << name;
    }
}

/// A potential with levels sees T(x_i) and y_i with the same noise, in whatever pieces they pass.
TEST(ImageSaddlePointStep, WithLevelsTermsAndDerivativesAreThoseOfThePlainObjectives) {
  Random random(41, "network");
  const NoisedResNetCritic f({{.channels = 2, .size = size, .width = 3, .max_width = 5}, {}},
                             random, at::kDouble);
  SongUNet map({.channels = 2, .size = size, .width = 4, .blocks = 1}, random, at::kDouble);
  const at::NoGradGuard no_graph;
  for (auto& [name, parameter] : map.parameters())
    Tensor(parameter).add_(random.normal(parameter.sizes()), 0.1);
  const at::AutoGradMode graph(true);
  const Points at = points_of(cases[0], 6, 6);
  const Tensor levels = f.levels().draw(6, random);
  const Tensor mapped = at.x + map.forward(at.x, Graph::create);
  const Tensor cost = 0.5 * (at.x - mapped).square().sum(1).mean();
  const Tensor at_mapped = f.noised_value(mapped, levels, Graph::create).mean();
  const Tensor at_target = f.noised_value(at.y, levels, Graph::create).mean();
  for (const auto& [micro_batch, precision] :
       {std::pair{0, at::kFloat}, {4, at::kFloat}, {4, at::kBFloat16}}) {
    ImageSaddlePointStep step({.cost_scale = cost_scale,
                               .residual = true,
                               .micro_batch = micro_batch,
                               .computation = {.precision = precision}},
                              image_potential(f), map);
    const SaddlePointTerms first = step.for_map(at.x, {}, levels);
    expect_derivatives(step.map_derivatives(), cost_scale * cost - at_mapped, map.parameters(),
                       "map");
    const SaddlePointTerms second = step.for_potential(at.x, {}, at.y, levels);
    expect_derivatives(step.potential_derivatives(), at_mapped - at_target, f.parameters(),
                       "potential");
    for (const SaddlePointTerms& terms : {first, second}) {
      EXPECT_NEAR(terms.cost, cost.item<double>(), 1e-9 * terms.cost);
      EXPECT_NEAR(terms.mapped, at_mapped.item<double>() / cost_scale,
                  1e-9 * std::abs(terms.mapped));
    }
    EXPECT_NEAR(second.target, at_target.item<double>() / cost_scale,
                1e-9 * std::abs(second.target));
  }
}

/// The affine map is the best that moments alone give.
TEST(ImageSaddlePoint, LearnsAMapOfImagesAndNothingWithoutUpdates) {
  const Contrast truth;
  const auto learned = [&](double learning_rate, std::int64_t steps) {
    SaddlePointOptions options = small_options();
    options.learning_rate = learning_rate;
    Problem problem = truth.problem();
    const auto solver = started(options, 0, problem);
    run(*solver, problem, steps);
    return truth.error(*solver->solution().map);
  };
  const double error = learned(small_options().learning_rate, 100), affine = truth.affine_error();
  EXPECT_LT(error, 0.75 * affine);
  EXPECT_LT(error, 0.33 * truth.error(truth.unseen));
  EXPECT_GT(learned(1e-12, 10), affine);  // the moments of its activations are those of the images
}

TEST(ImageSaddlePoint, LearnsWithNoiseOfAllSizesAndBySongsNetwork) {
  const Contrast truth;
  Problem problem = truth.problem();
  const auto solver = started(by_song(small_options()), 0, problem, small_noised_critic);
  const double start = truth.error(*solver->solution().map);
  EXPECT_NEAR(start, truth.error(truth.unseen), 1e-3 * start);  // the identity
  run(*solver, problem, 60);
  EXPECT_LT(truth.error(*solver->solution().map), 0.75 * truth.affine_error());
}

/// E Var T(x, .) over the target's variance.
double conditional_spread(const TransportMap& map, const Tensor& x, double variance) {
  const auto& plan = dynamic_cast<const StochasticMap&>(map);
  Random random(7, "noise");
  std::vector<Tensor> samples;
  for (int i = 0; i < 4; ++i) samples.push_back(plan.sample(x, random));
  return at::stack(samples).var(0).sum(1).mean().item<double>() / variance;
}

/// One grey image whose target is dark or bright: the weak cost with gamma = 1 wants all of the
/// target's variance at every x.
TEST(ImageSaddlePoint, AWeakCostSendsAnImageToMany) {
  const Contrast from;
  const Tensor x = 0.1 * from.x;
  Random random(4, "target");
  const Tensor y = 0.1 * from.y + 0.8 * (2 * random.integers(2, Contrast::count).unsqueeze(1) - 1);
  Problem problem = make_problem(std::make_shared<ArrayMeasure>(x, from.shape),
                                 std::make_shared<ArrayMeasure>(y, from.shape), 3);
  SaddlePointOptions options = small_options();
  options.noise_channels = 1;
  options.noise_scale = 1;
  options.noise_samples = 2;
  const auto solver = started(options, 1, problem);
  run(*solver, problem, 100);
  EXPECT_GT(conditional_spread(*solver->solution().map, x.narrow(0, 0, 100),
                               y.var(0).sum().item<double>()),
            0.5);
}

/// Two steps, and two more of a solver made anew from their state.
template <class Network>
void expect_resumes(const SaddlePointOptions& options, double gamma, const Network& network) {
  const Contrast truth;
  Problem problem = truth.problem(), again = truth.problem();
  const auto solver = started(options, gamma, problem, network);
  run(*solver, problem, 2);
  State stored, streams;
  for (const auto& [name, tensor] : solver->state()) stored[name] = tensor.detach().clone();
  for (const auto& [name, tensor] : problem.state()) streams[name] = tensor.clone();
  run(*solver, problem, 2);

  Random random(99, "network");
  ImageSaddlePoint resumed(network, options, gamma, random);
  resumed.restore(stored);
  again.restore(streams);
  run(resumed, again, 2);
  const State expected = solver->state(), got = resumed.state();
  ASSERT_EQ(expected.size(), got.size());
  for (const auto& [name, tensor] : expected) EXPECT_TRUE(at::equal(tensor, got.at(name))) << name;
  const Tensor x = truth.unseen.narrow(0, 0, 5);
  EXPECT_TRUE(
      at::equal(solver->solution().map->transport(x), resumed.solution().map->transport(x)));
}

TEST(ImageSaddlePoint, ResumesBitByBit) {
  SaddlePointOptions options = small_options();
  options.batch = 8;
  options.micro_batch = 6;
  expect_resumes(options, 0, small_noised_critic);
  options.noise_channels = 1;
  options.noise_samples = 2;
  expect_resumes(options, 0.7, small_critic);
  options.map_network = "song_unet";
  expect_resumes(options, 0.7, small_critic);
}

std::string refusal(const SaddlePointOptions& options, double gamma = 0) {
  Random random(1, "network");
  return error_text([&] { ImageSaddlePoint(small_critic, options, gamma, random); });
}

TEST(ImageSaddlePoint, RefusesOptionsWithOneLine) {
  EXPECT_EQ(refusal({.map = "gradient"}),
            "solver.map: expected network, since the network is one of images, got gradient");
  EXPECT_EQ(refusal({.map_hidden = {64, 64}}),
            "solver.map_hidden: expected none and map_width, since the network is one of images, "
            "got [64, 64]");
  EXPECT_EQ(refusal({.noise_dimension = 2}),
            "solver.noise_dimension: expected 0 and noise_channels, since the network is one of "
            "images, got 2");
  EXPECT_EQ(refusal({.expectile_weight = 1}),
            "solver.expectile_weight: expected 0, since the network is one of images, got 1");
  EXPECT_EQ(refusal({.bidirectional = true}),
            "solver.bidirectional: expected false, since the network is one of images, got true");
  EXPECT_EQ(refusal({}, 0.5),
            "solver.noise_channels: expected at least 1, since the cost is weak, got 0");
  EXPECT_EQ(refusal({.noise_samples = 1, .noise_channels = 1}, 0.5),
            "solver.noise_samples: expected at least 2, since the cost is weak, got 1");
  EXPECT_EQ(refusal({.map_attention = 8}),
            "solver.map_attention: expected 0, since the map's network is unet, got 8");
  EXPECT_EQ(refusal({.map_network = "song_unet", .map_attention = 12}),
            "song_unet.attention: expected 0 or one of 16, 8, 4, 2, got 12");
  EXPECT_EQ(refusal({.map_width = 4, .noise_channels = 1}), "");
  const auto noised_refusal = [](const SaddlePointOptions& options, double gamma) {
    Random random(1, "network");
    return error_text([&] { ImageSaddlePoint(small_noised_critic, options, gamma, random); });
  };
  EXPECT_EQ(noised_refusal({.noise_channels = 1}, 0.5),
            "cost: expected a strong one, since the network is noised_resnet_critic, got gamma = "
            "0.5");
  EXPECT_EQ(noised_refusal({.noise_channels = 1}, 0),
            "solver.noise_channels: expected 0, since the network is noised_resnet_critic, got 1");
}

/// What the registry makes of points of a shape.
std::string shape_refusal(const std::vector<std::int64_t>& shape, const Table& network = {}) {
  return error_text([&] {
    SolverParts parts{{{"map_width", std::int64_t{4}}}, "resnet_critic", network, "quadratic", {}};
    Random random(1, "network");
    find_solver("saddle_point", "test").make(shape, parts, random);
  });
}

TEST(ImageSaddlePoint, TakesChannelsAndSizeFromTheImages) {
  const std::string side =
      "source and target: expected square images of 16, 32, 64, 128, ... pixels a side, got "
      "images of shape ";
  EXPECT_EQ(shape_refusal({3, 28, 28}), side + "[3, 28, 28]");
  EXPECT_EQ(shape_refusal({3, 48, 48}), side + "[3, 48, 48]");
  EXPECT_EQ(shape_refusal({1, 32, 16}), side + "[1, 32, 16]");
  EXPECT_EQ(shape_refusal({1, 8, 8}), side + "[1, 8, 8]");
  EXPECT_EQ(shape_refusal({768}),
            "source and target: expected images of one shape [channels, height, width], since the "
            "network is one of images, got points of shape [768]");
  EXPECT_EQ(shape_refusal({3, 16, 16}, {{"size", std::int64_t{32}}}),
            "network.size: expected that of the images, 16, got 32");
  EXPECT_EQ(shape_refusal({3, 16, 16}, {{"channels", std::int64_t{1}}}),
            "network.channels: expected that of the images, 3, got 1");

  SolverParts parts{{{"map_width", std::int64_t{4}}}, "resnet_critic", {}, "quadratic", {}};
  Random random(1, "network");
  const auto solver = find_solver("saddle_point", "test").make({2, 32, 32}, parts, random);
  EXPECT_EQ(std::get<std::int64_t>(parts.network_options.at("channels")), 2);
  EXPECT_EQ(std::get<std::int64_t>(parts.network_options.at("size")), 32);
  EXPECT_EQ(std::get<double>(parts.solver.at("cost_scale")), 2.0 / (2 * 32 * 32));
  EXPECT_EQ(solver->solution().map->dimension(), 2 * 32 * 32);
}

}  // namespace
}  // namespace monge
