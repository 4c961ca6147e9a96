#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace monge {

using at::Tensor;

/// Named tensors: parameters, optimiser moments, random streams; what a checkpoint stores.
using State = std::map<std::string, Tensor>;

/// Copies every entry of `part` into `whole` under "prefix.name".
void insert_state(State& whole, std::string_view prefix, const State& part);

/// The entries of `whole` under "prefix.", with the prefix removed.
State extract_state(const State& whole, std::string_view prefix);

/// The tensor `name`; throws Error where it is missing.
const Tensor& require_tensor(const State& state, const std::string& name, std::string_view where);

/// Copies the entries of `from` into the tensors of `to`, which share storage with what they belong
/// to; throws Error on a missing name or another shape.
void copy_parameters(const State& to, const State& from, std::string_view where);

/// "[3, 128]" for messages.
std::string shape_text(const Tensor& tensor);

}  // namespace monge
