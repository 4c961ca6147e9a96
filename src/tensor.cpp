#include "monge/tensor.h"

#include "monge/error.h"

namespace monge {

void insert_state(State& whole, std::string_view prefix, const State& part) {
  for (const auto& [name, tensor] : part) whole[fmt::format("{}.{}", prefix, name)] = tensor;
}

State extract_state(const State& whole, std::string_view prefix) {
  const std::string start = fmt::format("{}.", prefix);
  State part;
  for (const auto& [name, tensor] : whole)
    if (name.starts_with(start)) part[name.substr(start.size())] = tensor;
  return part;
}

const Tensor& require_tensor(const State& state, const std::string& name, std::string_view where) {
  const auto entry = state.find(name);
  if (entry == state.end()) fail(where, fmt::format("a tensor '{}'", name), "none");
  return entry->second;
}

void copy_parameters(const State& to, const State& from, std::string_view where) {
  const at::NoGradGuard no_graph;
  for (const auto& [name, parameter] : to) {
    const Tensor& stored = require_tensor(from, name, where);
    if (stored.sizes() != parameter.sizes())
      fail(fmt::format("{}: tensor '{}'", where, name), shape_text(parameter), shape_text(stored));
    Tensor(parameter).copy_(stored);
  }
}

std::string shape_text(const Tensor& tensor) {
  return fmt::format("[{}]", fmt::join(tensor.sizes(), ", "));
}

}  // namespace monge
