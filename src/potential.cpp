#include "monge/potential.h"

#include "monge/error.h"

namespace monge {

Tensor Potential::gradient(const Tensor& x, Graph graph) const {
  return value_and_gradient(x, graph).gradient;
}

void Potential::project() {
  const at::NoGradGuard no_graph;
  State parameters = this->parameters();
  for (const auto& [name, bound] : lower_bounds()) parameters.at(name).clamp_min_(bound);
}

void load_parameters(Potential& potential, const State& state, std::string_view where) {
  const at::NoGradGuard no_graph;
  for (auto& [name, parameter] : potential.parameters()) {
    const Tensor& stored = require_tensor(state, name, where);
    if (stored.sizes() != parameter.sizes())
      fail(fmt::format("{}: tensor '{}'", where, name), shape_text(parameter), shape_text(stored));
    parameter.copy_(stored);
  }
}

}  // namespace monge
