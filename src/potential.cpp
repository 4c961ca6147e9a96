#include "monge/potential.h"

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
  copy_parameters(potential.parameters(), state, where);
}

}  // namespace monge
