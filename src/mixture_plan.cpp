#include "monge/mixture_plan.h"

#include "monge/error.h"

#include <numbers>

namespace monge {
namespace {

constexpr std::int64_t block_numbers = 1 << 20;

void require_points(const char* where, const Tensor& points, std::int64_t columns) {
  if (points.dim() != 2 || points.size(1) != columns)
    fail(where, fmt::format("[n, {}]", columns), shape_text(points));
}

/// `work` on blocks of rows of the points, put together, so that memory does not grow with n.
template <class Work>
Tensor in_blocks(std::int64_t n, std::int64_t row_numbers, const Work& work) {
  const std::int64_t rows = std::max<std::int64_t>(block_numbers / row_numbers, 1);
  std::vector<Tensor> parts;
  for (std::int64_t from = 0; from < std::max<std::int64_t>(n, 1); from += rows)
    parts.push_back(work(from, std::min(rows, n - from)));
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

}  // namespace

State PlanMixture::state() const {
  return {{"centres", centres}, {"heights", heights}, {"log_spreads", log_spreads}};
}

MixturePlan::MixturePlan(PlanMixture mixture, double epsilon, AffineFrame frame)
    : mixture_(std::move(mixture)), epsilon_(epsilon), frame_(std::move(frame)) {
  const auto& [heights, centres, log_spreads] = mixture_;
  if (centres.dim() != 2 || centres.size(0) < 1 || centres.size(1) < 1 ||
      log_spreads.sizes() != centres.sizes() || heights.sizes() != centres.sizes().slice(0, 1))
    fail("mixture plan", "heights [K], centres [K, d] and log_spreads [K, d]",
         fmt::format("{}, {} and {}", shape_text(heights), shape_text(centres),
                     shape_text(log_spreads)));
  for (const auto& [name, tensor] : mixture_.state()) {
    if (tensor.scalar_type() != at::kDouble)
      fail(fmt::format("mixture plan: {}", name), "float64", c10::toString(tensor.scalar_type()));
    if (!at::isfinite(tensor).all().item<bool>())
      fail(fmt::format("mixture plan: {}", name), "finite values", "values that are not");
  }
  if (!at::isfinite(log_spreads.exp()).all().item<bool>())
    fail("mixture plan: log_spreads", "logarithms of finite numbers", "too large ones");
  if (!(epsilon > 0) || !std::isfinite(epsilon))
    fail("mixture plan: epsilon", "a positive number", fmt::format("{}", epsilon));
  const std::int64_t d = centres.size(1);
  if (frame_.matrix.sizes() != at::IntArrayRef{d, d})
    fail("mixture plan: frame", fmt::format("a matrix [{0}, {0}]", d), shape_text(frame_.matrix));
  frame_ = frame_.to_dtype(at::kDouble);
  volume_ = static_cast<double>(d) * std::log(frame_.scale) +
            std::get<1>(at::linalg_slogdet(frame_.matrix)).item<double>();
  if (!std::isfinite(volume_))
    fail("mixture plan: frame", "an invertible matrix", "a singular one");
}

/// log of α_k exp((xᵀ S_k x + 2 r_kᵀ x) / 2ε), [n, K].
Tensor MixturePlan::exponents(const Tensor& entered) const {
  const auto& [heights, centres, log_spreads] = mixture_;
  const Tensor sums = at::addmm(heights, entered, centres.t())
                          .addmm_(entered.square(), log_spreads.exp().t(), 1, 0.5);
  return sums.div_(frame_epsilon());
}

Tensor MixturePlan::transport(const Tensor& x, const Tensor& z) const {
  require_points("mixture plan: points", x, dimension());
  require_points("mixture plan: noise", z, noise_dimension());
  const at::NoGradGuard no_graph;
  const auto& [heights, centres, log_spreads] = mixture_;
  const std::int64_t components = centres.size(0), d = dimension();
  return in_blocks(x.size(0), components + d, [&](std::int64_t from, std::int64_t count) {
    const Tensor entered = frame_.enter(x.narrow(0, from, count).to(at::kDouble));
    const Tensor noise = z.narrow(0, from, count).to(at::kDouble);
    const Tensor uniform = 0.5 * at::erfc(noise.narrow(1, 0, 1) * -std::numbers::sqrt2 / 2);
    const Tensor below = exponents(entered).softmax(1).cumsum(1).lt(uniform);
    const Tensor chosen = below.sum(1).clamp_max(components - 1);
    const Tensor spreads = log_spreads.index_select(0, chosen).exp();
    Tensor moved = centres.index_select(0, chosen) + spreads * entered;
    moved += (frame_epsilon() * spreads).sqrt() * noise.narrow(1, 1, d);
    return frame_.leave(moved).to(x.scalar_type());
  });
}

Tensor MixturePlan::bridge(const Tensor& x, const Tensor& y, double time, const Tensor& z) const {
  require_time(time);
  if (x.sizes() != y.sizes() || x.sizes() != z.sizes())
    fail("bridge", "x, y and z of one shape [n, d]",
         fmt::format("{}, {} and {}", shape_text(x), shape_text(y), shape_text(z)));
  const at::NoGradGuard no_graph;
  return (1 - time) * x + time * y + std::sqrt(epsilon_ * time * (1 - time)) * z;
}

Tensor MixturePlan::at_time(const Tensor& x, double time) const {
  Random noise(0, "bridge of a plan");
  return bridge(x, transport(x), time, noise.normal(x.sizes()).to(x.scalar_type()));
}

Tensor MixturePlan::barycentric(const Tensor& x) const {
  require_points("mixture plan: points", x, dimension());
  const auto& [heights, centres, log_spreads] = mixture_;
  return in_blocks(
      x.size(0), centres.size(0) + dimension(), [&](std::int64_t from, std::int64_t count) {
        const Tensor entered = frame_.enter(x.narrow(0, from, count).to(at::kDouble));
        const Tensor shares = exponents(entered).softmax(1);
        const Tensor slopes = shares.mm(log_spreads.exp());
        return frame_.leave(shares.mm(centres).addcmul_(slopes, entered)).to(x.scalar_type());
      });
}

/// In the frame <x~, y~> = <x - from, y - to> / scale²: what depends on x alone goes into c.
Tensor MixturePlan::source_potential(const Tensor& x) const {
  require_points("mixture plan: points", x, dimension());
  const at::NoGradGuard no_graph;
  return in_blocks(x.size(0), mixture_.centres.size(0) + dimension(),
                   [&](std::int64_t from, std::int64_t count) {
                     const Tensor points = x.narrow(0, from, count).to(at::kDouble);
                     return 0.5 * points.square().sum(1) - points.mv(frame_.to) +
                            frame_.from.dot(frame_.to) -
                            epsilon_ * exponents(frame_.enter(points)).logsumexp(1);
                   });
}

/// The density of y is that of y~ over the volume of y~ -> y.
Tensor MixturePlan::potential(const Tensor& y) const {
  require_points("mixture plan: points", y, dimension());
  const at::NoGradGuard no_graph;
  const auto& [heights, centres, log_spreads] = mixture_;
  const double epsilon = frame_epsilon(), d = static_cast<double>(dimension());
  const AffineFrame inverse = frame_.inverse();
  const Tensor precisions = (-log_spreads).exp() / epsilon;
  const Tensor constants = heights / epsilon -
                           0.5 * (centres.square() * precisions + log_spreads).sum(1) -
                           0.5 * d * std::log(2 * std::numbers::pi * epsilon);
  return in_blocks(
      y.size(0), centres.size(0) + dimension(), [&](std::int64_t from, std::int64_t count) {
        const Tensor points = y.narrow(0, from, count).to(at::kDouble);
        const Tensor entered = inverse.enter(points);
        const Tensor exponent = at::addmm(constants, entered, (centres * precisions).t())
                                    .addmm_(entered.square(), precisions.t(), 1, -0.5);
        return 0.5 * points.square().sum(1) - points.mv(frame_.from) +
               epsilon_ * (exponent.logsumexp(1) - volume_);
      });
}

Tensor MixturePlan::log_density(const Tensor& x, const Tensor& y) const {
  if (x.sizes() != y.sizes())
    fail("mixture plan", "x and y of one shape [n, d]",
         fmt::format("{} and {}", shape_text(x), shape_text(y)));
  const Tensor cost = 0.5 * (x.to(at::kDouble) - y.to(at::kDouble)).square().sum(1);
  return (source_potential(x) + potential(y) - cost) / epsilon_;
}

}  // namespace monge
