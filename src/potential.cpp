#include "monge/potential.h"

#include "monge/error.h"

namespace monge {

Tensor Potential::gradient(const Tensor& x, Graph graph) const {
  return value_and_gradient(x, graph).gradient;
}

void require_directions(const Tensor& x, const Tensor& v) {
  if (x.dim() != 2 || v.sizes() != x.sizes())
    fail("hessian product", fmt::format("directions {}", shape_text(x)), shape_text(v));
}

/// The derivative of <∇psi(x), v> in x, in blocks: the graph of a block is all that is kept.
Tensor Potential::hessian_product(const Tensor& x, const Tensor& v) const {
  constexpr std::int64_t block = 1024;
  require_directions(x, v);
  const State own = parameters();
  const at::ScalarType dtype = own.empty() ? x.scalar_type() : own.begin()->second.scalar_type();
  Tensor product = at::empty(x.sizes(), x.options());
  for (std::int64_t from = 0; from < x.size(0); from += block) {
    const std::int64_t count = std::min(block, x.size(0) - from);
    const at::AutoGradMode with_graph(true);
    const Tensor points = x.narrow(0, from, count).detach().to(dtype, false, true);
    points.set_requires_grad(true);
    const Tensor slope =
        (gradient(points, Graph::create) * v.narrow(0, from, count).to(dtype)).sum();
    // A gradient without a graph to the point has a derivative of 0.
    const Tensor curved = slope.requires_grad()
                              ? torch::autograd::grad({slope}, {points}, {}, false, false, true)[0]
                              : Tensor();
    const at::NoGradGuard no_graph;
    if (curved.defined())
      product.narrow(0, from, count).copy_(curved);
    else
      product.narrow(0, from, count).zero_();
  }
  return product;
}

Tensor Potential::hessian(const Tensor& x) const {
  const std::int64_t d = dimension();
  Tensor hessian = at::empty({x.size(0), d, d}, x.options());
  const Tensor axes = at::eye(d, x.options());
  for (std::int64_t k = 0; k < d; ++k)
    hessian.select(1, k).copy_(hessian_product(x, axes[k].expand_as(x)));
  return hessian;
}

void Potential::project() {
  const at::NoGradGuard no_graph;
  State parameters = this->parameters();
  for (const auto& [name, bound] : lower_bounds()) parameters.at(name).clamp_min_(bound);
}

void load_parameters(Potential& potential, const State& state, std::string_view where) {
  copy_parameters(potential.parameters(), state, where);
}

}  // namespace monge
