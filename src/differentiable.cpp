#include "monge/differentiable.h"

#include "monge/affine_span.h"
#include "monge/conjugate.h"
#include "monge/error.h"
#include "monge/frozen.h"
#include "monge/latent_map.h"
#include "monge/mixture_plan.h"
#include "monge/network_map.h"
#include "monge/networks/autoencoder.h"
#include "monge/smoothing.h"
#include "monge/unet_map.h"

#include <torch/csrc/autograd/custom_function.h>

namespace monge {
namespace {

Tensor moved(const BrenierMap& map, const Tensor& x) {
  const Frozen frozen(map.potential().parameters());
  return map.frame().leave(map.potential().gradient(map.frame().enter(x), Graph::create));
}

/// The tensor itself, whose derivative cannot be differentiated again: a second one would take the
/// first for constant, and be wrong without a sign of it.
struct OnceDifferentiable : public torch::autograd::Function<OnceDifferentiable> {
  static Tensor forward(torch::autograd::AutogradContext*, const Tensor& x) { return x.view_as(x); }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 const torch::autograd::variable_list& gradients) {
    if (at::GradMode::is_enabled())
      fail("differentiable transport", "one derivative of an inverse map", "a graph for a second");
    return gradients;
  }
};

/// One Newton step from the solution x of ∇psi(x) = y, which moves by nothing and has the
/// derivative (∇²psi(x))⁻¹.
Tensor moved(const ConjugateMap& map, const Tensor& y) {
  constexpr std::int64_t numbers = 1 << 22;  // of a block's Hessians
  const std::int64_t n = y.size(0), d = y.size(1);
  const std::int64_t block = std::clamp<std::int64_t>(numbers / (d * d), 16, 4096);
  const Tensor entered = map.frame().enter(y);
  const Tensor found = map.frame().inverse().enter(map.transport(y.detach()));
  std::vector<Tensor> parts;
  for (std::int64_t from = 0; from < std::max<std::int64_t>(n, 1); from += block) {
    const std::int64_t count = std::min(block, n - from);
    const Tensor goal = entered.narrow(0, from, count), start = found.narrow(0, from, count);
    const Tensor step =
        at::linalg_solve(map.potential().hessian(start), (goal - goal.detach()).unsqueeze(2));
    parts.push_back(start + step.squeeze(2));
  }
  return OnceDifferentiable::apply(map.frame().leave(at::cat(parts)));
}

Tensor moved(const KantorovichMap& map, const Tensor& x) {
  const Frozen frozen(map.potential().parameters());
  return x - map.potential().gradient(x, Graph::create);
}

Tensor moved(const NetworkMap& map, const Tensor& x) {
  const Frozen frozen(map.network().parameters());
  const Tensor inside = map.frame().enter(x);
  const Tensor outside = map.network().forward(inside, Graph::create);
  return map.frame().leave(map.residual() ? outside + inside : outside);
}

Tensor moved(const StochasticNetworkMap& map, const Tensor& x) {
  const Frozen frozen(map.network().parameters());
  const Tensor noise = map.fixed_noise(x.size(0)).to(x.scalar_type());
  const Tensor outside = map.network().forward(at::cat({x, noise}, 1), Graph::create);
  return map.residual() ? outside + x : outside;
}

Tensor moved(const UNetMap& map, const Tensor& x) {
  const Frozen frozen(map.network().parameters());
  const Tensor outside = map.network().differentiable(x);
  return map.residual() ? outside + x : outside;
}

Tensor moved(const StochasticUNetMap& map, const Tensor& x) {
  const Frozen frozen(map.network().parameters());
  const Tensor noise = map.noise_scale() * map.fixed_noise(x.size(0));
  const Tensor outside = map.network().differentiable(at::cat({x, noise}, 1));
  return map.residual() ? outside + x : outside;
}

Tensor moved(const BarycentricMap& map, const Tensor& x) { return map.plan().barycentric(x); }

Tensor moved(const AffineTransportMap& map, const Tensor& x) {
  const auto& [matrix, offset] = map.affine();
  return at::addmm(offset.to(x.scalar_type()), x, matrix.to(x.scalar_type()).t());
}

Tensor moved(const SpanMap& map, const Tensor& x) {
  return map.span().leave(differentiable_transport(*map.map(), map.span().enter(x)));
}

/// T(x_e) with the map's fixed noise.
Tensor moved(const SmoothedMap& map, const Tensor& x) {
  if (dynamic_cast<const StochasticMap*>(map.map().get()))
    fail("differentiable transport", "a smoothed map without noise of its own", "one with noise");
  Tensor smoothed = x.clone();
  map.noise().add_to(smoothed, map.fixed_noise(x.size(0)));
  return differentiable_transport(*map.map(), smoothed);
}

/// D(T(E(x))).
Tensor moved_through(const LatentParts& parts, const Tensor& x) {
  const LatentSpace& space = parts.space;
  const Frozen frozen(space.autoencoder->parameters());
  const Tensor codes = differentiable_transport(
      *parts.map, space.source_is_data ? space.autoencoder->encode(x, Graph::create) : x);
  return space.target_is_data ? space.autoencoder->decode(codes, Graph::create) : codes;
}

/// T(x) as that one of these kinds that the map is; undefined where it is none of them.
template <class... Maps>
Tensor moved_by_kind(const TransportMap& map, const Tensor& x) {
  Tensor result;
  const auto attempt = [&]<class Map>(const Map* kind) {
    if (kind) result = moved(*kind, x);
    return kind != nullptr;
  };
  const bool known = (attempt(dynamic_cast<const Maps*>(&map)) || ...);
  return known ? result : Tensor();
}

}  // namespace

Tensor differentiable_transport(const TransportMap& map, const Tensor& x) {
  if (x.dim() != 2 || x.size(1) != map.dimension())
    fail("points", fmt::format("[n, {}]", map.dimension()), shape_text(x));
  const at::AutoGradMode graph(true);
  if (const auto parts = latent_parts(map))
    return moved_through(*parts, x.to(at::kFloat)).to(x.scalar_type());
  const Tensor result = moved_by_kind<AffineTransportMap, BrenierMap, ConjugateMap, KantorovichMap,
                                      NetworkMap, StochasticNetworkMap, UNetMap, StochasticUNetMap,
                                      BarycentricMap, SpanMap, SmoothedMap>(map, x.to(at::kFloat));
  if (!result.defined())
    fail("differentiable transport", "a map that is differentiable in x",
         "the plan of light_sb (map = \"barycentric\" is) or another map");
  return result.to(x.scalar_type());
}

}  // namespace monge
