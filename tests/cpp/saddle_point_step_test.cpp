#include "solvers/saddle_point_step.h"

#include "monge/cost.h"

#include "kernel_fixture.h"

#include <torch/csrc/autograd/autograd.h>

namespace monge {
namespace {

/// Which parts a step is made of.
struct Case {
  std::string name;
  bool icnn_potential, icnn_map;
  std::int64_t dimension, noise_dimension, samples;
  double gamma;
  bool residual;
  bool gradient = false;  // of a perceptron
  double expectile_weight = 0;
  double exponent = 2;
  WeakCost cost() const {
    return WeakCost(KernelWeakOptions{.gamma = gamma, .exponent = exponent});
  }
};

const std::vector<Case> cases{
    {"MM-2", true, true, 3, 0, 1, 0, false},
    {"MM-2 in more dimensions", true, true, 11, 0, 1, 0, false},
    {"MM-B", true, false, 3, 0, 1, 0, true},
    {"strong", false, false, 2, 0, 1, 0, false},
    {"strong with noise", false, false, 9, 2, 3, 0, true},
    {"weak", false, false, 2, 1, 4, 0.6, false},
    {"kernel", false, false, 2, 1, 4, 0.6, true, false, 0, 1},
    {"kernel, more samples", false, false, 9, 2, 3, 1, false, false, 0, 1.3},
    {"strong, of distances", false, false, 3, 0, 1, 0, true, false, 0, 1},
    {"gradient of a perceptron", false, false, 3, 0, 1, 0, false, true},
    {"expectile, free map", false, false, 2, 0, 1, 0, true, false, 0.4},
    {"expectile, of distances", false, false, 2, 0, 1, 0, true, false, 0.4, 1.5},
    {"expectile, gradient", false, false, 9, 0, 1, 0, false, true, 0.7},
    {"expectile, input-convex", true, true, 3, 0, 1, 0, false, false, 0.7},
};

struct Parts {
  std::shared_ptr<DenseIcnn> icnn_potential, icnn_map;
  std::shared_ptr<MlpPotential> mlp_potential, gradient_map;
  std::shared_ptr<Mlp> mlp_map;
  const Potential& potential() const {
    return icnn_potential ? static_cast<const Potential&>(*icnn_potential) : *mlp_potential;
  }
  State map_parameters() const {
    if (gradient_map) return gradient_map->parameters();
    return icnn_map ? icnn_map->parameters() : mlp_map->parameters();
  }
};

Parts parts_of(const Case& one) {
  Random random(31, "network");
  const DenseIcnnOptions icnn{.rank = 2, .hidden = {24, 17, 9}, .input_scale = 1};
  const MlpOptions mlp{.hidden = {21, 16}, .activation = "silu"};
  const auto convex = [&] {
    return std::make_shared<DenseIcnn>(one.dimension, icnn, DenseIcnn::Initial::paper, random);
  };
  Parts parts;
  if (one.icnn_potential)
    parts.icnn_potential = convex();
  else
    parts.mlp_potential = std::make_shared<MlpPotential>(one.dimension, mlp, random);
  if (one.icnn_map)
    parts.icnn_map = convex();
  else if (one.gradient)
    parts.gradient_map = std::make_shared<MlpPotential>(one.dimension, mlp, random);
  else
    parts.mlp_map =
        std::make_shared<Mlp>(one.dimension + one.noise_dimension, one.dimension, mlp, random);
  return parts;
}

std::unique_ptr<SaddlePointStep> step_of(const Case& one, const Parts& parts) {
  const auto map = [&] {
    if (parts.icnn_map) return gradient_passes(*parts.icnn_map);
    if (parts.gradient_map) return descent_passes(*parts.gradient_map);
    return map_passes(*parts.mlp_map, one.residual);
  };
  return std::make_unique<SaddlePointStep>(
      SaddlePointObjective{one.dimension, one.noise_dimension, one.samples, one.gamma, one.exponent,
                           one.icnn_potential, one.expectile_weight, 0.9},
      32, parts.icnn_potential ? passes_of(*parts.icnn_potential) : passes_of(*parts.mlp_potential),
      map());
}

/// T at every x with each of its noise samples, with a graph: [n k, d].
Tensor mapped(const Case& one, const Parts& parts, const Tensor& x, const Tensor& z) {
  if (parts.icnn_map) return parts.icnn_map->gradient(x, Graph::create);
  if (parts.gradient_map) return x - parts.gradient_map->gradient(x, Graph::create);
  const Tensor repeated = x.repeat_interleave(one.samples, 0);
  const Tensor input = z.defined() ? at::cat({repeated, z}, 1) : repeated;
  const Tensor moved = parts.mlp_map->forward(input, Graph::create);
  return one.residual ? moved + repeated : moved;
}

/// The objectives as their formulas read.
struct Plain {
  Tensor for_map, for_potential;
  SaddlePointTerms terms;
};

Plain plain_objectives(const Case& one, const Parts& parts, const Tensor& x, const Tensor& z,
                       const Tensor& y) {
  const std::int64_t n = x.size(0), d = one.dimension;
  const double sign = one.icnn_potential ? -1 : 1;
  const Tensor points = mapped(one, parts, x, z);
  const Tensor cost = one.icnn_potential
                          ? -(x * points).sum(1).mean()
                          : one.cost().estimate(x, points.view({n, one.samples, d})).mean();
  const Tensor at_mapped = parts.potential().value(points, Graph::create);
  const Tensor at_target = parts.potential().value(y, Graph::create);
  const auto between = [&](const Tensor& to) {
    return one.icnn_potential ? -(x * to).sum(1)
                              : WeakCost(KernelWeakOptions{.gamma = 0, .exponent = one.exponent})
                                    .estimate(x, to.unsqueeze(1));
  };
  Tensor excess = at::zeros({});
  if (one.expectile_weight > 0) {
    const Tensor u = between(points.detach()) -
                     sign * parts.potential().value(points.detach(), Graph::create) +
                     sign * at_target - between(y);
    excess = (at::where(u < 0, at::full_like(u, 0.1), at::full_like(u, 0.9)) * u.square()).mean();
  }
  return {cost - sign * at_mapped.mean(),
          sign * (at_mapped.mean() - at_target.mean()) + one.expectile_weight * excess,
          {cost.item<double>(), at_mapped.mean().item<double>(), at_target.mean().item<double>(),
           excess.item<double>()}};
}

// As saddle_point_step.h states.
constexpr double step_tolerance = 3e-4, term_tolerance = 1e-4;

void expect_derivatives(const std::vector<Tensor>& fused, const Tensor& objective,
                        const State& parameters, const std::string& where) {
  std::vector<Tensor> inputs;
  for (const auto& [name, parameter] : parameters) inputs.push_back(parameter);
  const auto plain = torch::autograd::grad({objective}, inputs, {}, true, false, true);
  double size = 0;  // of the largest derivative: some are exactly 0, being differences of two means
  for (const Tensor& derivative : plain)
    if (derivative.defined()) size = std::max(size, derivative.abs().max().item<double>());
  std::size_t i = 0;
  for (const auto& [name, parameter] : parameters) {
    const Tensor expected = plain[i].defined() ? plain[i] : at::zeros_like(parameter);
    EXPECT_LE((fused[i++] - expected).abs().max().item<double>(), step_tolerance * size)
        << where << " " << name;
  }
}

void expect_term(double fused, double plain, const std::string& where) {
  EXPECT_NEAR(fused, plain, term_tolerance * (1 + std::abs(plain))) << where;
}

TEST(SaddlePointStep, TermsAndDerivativesAreThoseOfThePlainObjectives) {
  for (const Case& one : cases)
    for (const std::int64_t n : {std::int64_t{1}, std::int64_t{7}, std::int64_t{150}}) {
      const Parts parts = parts_of(one);
      Random random(32, "points");
      const Tensor x = random.normal({n, one.dimension});
      const std::int64_t m = one.expectile_weight > 0 ? n : n + 5;
      const Tensor y = random.normal({m, one.dimension}) * 0.7;
      const Tensor z = one.noise_dimension > 0
                           ? random.normal({n * one.samples, one.noise_dimension})
                           : Tensor();
      const Plain plain = plain_objectives(one, parts, x, z, y);
      const auto step = step_of(one, parts);
      const std::string where = fmt::format("{} n={}", one.name, n);
      for (const int threads : {1, 1, 2}) {  // the second finds what the first has left
        const SaddlePointTerms first = on_threads(threads, [&] { return step->for_map(x, z); });
        expect_derivatives(step->map_derivatives(), plain.for_map, parts.map_parameters(),
                           where + " map");
        const SaddlePointTerms second =
            on_threads(threads, [&] { return step->for_potential(x, z, y); });
        expect_derivatives(step->potential_derivatives(), plain.for_potential,
                           parts.potential().parameters(), where + " potential");
        for (const SaddlePointTerms& terms : {first, second}) {
          expect_term(terms.cost, plain.terms.cost, where);
          expect_term(terms.mapped, plain.terms.mapped, where);
        }
        expect_term(second.target, plain.terms.target, where);
        expect_term(second.excess, plain.terms.excess, where);
      }
    }
}

}  // namespace
}  // namespace monge
