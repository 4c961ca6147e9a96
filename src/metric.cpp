#include "monge/metric.h"

#include "monge/error.h"

namespace monge {
namespace {

void require_same_shape(const char* where, const Tensor& a, const Tensor& b) {
  if (a.dim() != 2 || a.size(0) < 1 || a.sizes() != b.sizes())
    fail(where, "two tensors [n, d] of one shape, n >= 1",
         fmt::format("{} and {}", shape_text(a), shape_text(b)));
}

PartInfo metric(std::string name, std::string sentence, std::string source) {
  return {"metric", std::move(name), std::move(sentence), std::move(source), {}};
}

}  // namespace

double l2_uvp(const Tensor& mapped, const Tensor& truth, double target_variance) {
  require_same_shape("L2-UVP", mapped, truth);
  if (!(target_variance > 0))
    fail("L2-UVP", "a positive target variance", fmt::format("{}", target_variance));
  const at::NoGradGuard no_graph;
  const Tensor error = mapped.to(at::kDouble) - truth.to(at::kDouble);
  return 100 * error.square().sum(1).mean().item<double>() / target_variance;
}

double cosine_similarity(const Tensor& x, const Tensor& mapped, const Tensor& truth) {
  require_same_shape("cosine similarity", x, mapped);
  require_same_shape("cosine similarity", x, truth);
  const at::NoGradGuard no_graph;
  const Tensor start = x.to(at::kDouble);
  const Tensor moved = mapped.to(at::kDouble) - start, right = truth.to(at::kDouble) - start;
  const double length = moved.norm().item<double>(), right_length = right.norm().item<double>();
  if (length == 0 || right_length == 0) return length == right_length ? 1 : 0;
  const double cosine = (moved * right).sum().item<double>() / (length * right_length);
  return std::isnan(cosine) ? cosine : std::clamp(cosine, -1.0, 1.0);
}

double transport_cost(const Tensor& x, const Tensor& mapped, const Cost& cost) {
  require_same_shape("transport cost", x, mapped);
  const at::NoGradGuard no_graph;
  return cost.between(x.to(at::kDouble), mapped.to(at::kDouble)).mean().item<double>();
}

double convexity_violation(const Potential& potential, const Tensor& points, std::int64_t segments,
                           Random& random) {
  if (points.dim() != 2 || points.size(0) < 1 || points.size(1) != potential.dimension())
    fail("convexity check", fmt::format("points [n, {}]", potential.dimension()),
         shape_text(points));
  if (segments < 1) fail("convexity check", "segments >= 1", fmt::format("{}", segments));
  const at::NoGradGuard no_graph;
  const Tensor a = points.index_select(0, random.integers(points.size(0), segments));
  const Tensor b = points.index_select(0, random.integers(points.size(0), segments));
  const auto value = [&](const Tensor& x) {
    return potential.value(x, Graph::none).to(at::kDouble);
  };
  const Tensor at_a = value(a), at_b = value(b);
  const Tensor excess = value(0.5 * (a + b)) - 0.5 * (at_a + at_b);
  const double worst = (excess / (1 + at_a.abs() + at_b.abs())).max().item<double>();
  return std::isnan(worst) ? worst : std::max(0.0, worst);
}

std::span<const PartInfo> metrics() {
  static const std::vector<PartInfo> table{
      metric("l2_uvp",
             "100 E|T(x) - T*(x)|^2 / Var(Q), %: the part of the target's variance that the map "
             "gets wrong; 0 is perfect, 100 is what the constant map reaches.",
             "Korotin et al. 2021 (W2GN), section 5.1"),
      metric(
          "cosine",
          "<T - id, T* - id> / (|T - id| |T* - id|) in L2(P): the direction of the displacement; "
          "1 is perfect.",
          "Korotin et al. 2021, Do Neural Optimal Transport Solvers Work?, section 4.3"),
      metric("transport_cost",
             "E c(x, T(x)), with c = |x - y|^2 / 2: no map onto Q has less than the optimal one.",
             "Korotin et al. 2021 (W2GN), eq. 4"),
      metric(
          "bures_wasserstein",
          "|mp - mq|^2 + tr(Sp + Sq - 2 (Sp^1/2 Sq Sp^1/2)^1/2): squared W2 between Gaussians in "
          "closed form; from C++, bures_wasserstein_squared().",
          "Korotin et al. 2021 (W2GN), appendix C.4"),
      metric("kl_pushed",
             "KL(T#P | Q) = E[log p(x) - log|det T'(x)| - log q(T(x))], nats: how far the density "
             "of the mapped source is from the target's; 0 is perfect.",
             "Change of variables; Huang et al. 2021, Convex Potential Flows, section 3"),
      metric("energy_distance",
             "2 E|X - Y| - E|X - X'| - E|Y - Y'| by unbiased averages over pairs: 0 exactly where "
             "the measures are equal, and a sample of equal measures scatters around 0.",
             "Szekely and Rizzo 2013, Energy statistics"),
      metric(
          "exact_w2_squared",
          "min E|x - y|^2 over the plans between the two samples, by the network simplex; biased "
          "upwards, by much in high dimension.",
          "Peyre and Cuturi 2019, Computational Optimal Transport, section 3.5"),
      metric(
          "sliced_w2_squared",
          "The mean over random directions of the squared 1-D W2 of the projections; 0 where the "
          "samples are equal.",
          "Rabin et al. 2011, Wasserstein barycenter and its application to texture mixing"),
      metric(
          "mode_shares",
          "The mass that each component of a mixture gets over the right mass (each point counts "
          "to its nearest centre), and the share of points within 3 standard deviations.",
          "Korotin et al. 2021, appendix C.3"),
      metric("fid",
             "Frechet distance of mapped to target images in InceptionV3 features; offline_frechet "
             "where it is in the features that come with Monge. Needs its floor beside it.",
             "Heusel et al. 2017, GANs Trained by a Two Time-Scale Update Rule, eq. 6"),
      metric("kid",
             "Unbiased squared maximum mean discrepancy of features in the kernel (<x, y> / d + "
             "1)^3; offline_kernel in the features that come with Monge.",
             "Binkowski et al. 2018, Demystifying MMD GANs, section 4"),
      metric("lpips",
             "How unlike two images look: squared differences of unit-length activations, weighed "
             "and averaged over places; offline_perceptual in the features that come with Monge.",
             "Zhang et al. 2018, The Unreasonable Effectiveness of Deep Features, eq. 1"),
      metric("conditional_variance",
             "E var_z T(x, z) over Var(T#P), beside what the weak cost wants it to be: far below "
             "that, the map has collapsed conditionally.",
             "Korotin et al. 2023 (NOT), section 5.1"),
      metric("convexity_violation",
             "max (psi((a + b) / 2) - psi(a) / 2 - psi(b) / 2) / (1 + |psi(a)| + |psi(b)|) over "
             "random segments: 0 up to rounding where the potential is convex.",
             "")};
  return table;
}

}  // namespace monge
