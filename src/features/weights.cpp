#include "features/weights.h"

#include "monge/error.h"

#include "descriptor.h"

namespace monge::features {

std::string network_of(const TensorFile& file) {
  const auto entry = file.metadata.find("network");
  return entry == file.metadata.end() ? "" : entry->second;
}

Weights::Weights(TensorFile file, std::string where, std::string_view network)
    : where_(std::move(where)) {
  const std::string found = network_of(file);
  if (found != network)
    fail(where_, fmt::format("weights of {}", network),
         found.empty() ? "weights of no named network" : fmt::format("those of {}", found));
  tensors_ = std::move(file.tensors);
}

Tensor Weights::take(const std::string& name, at::IntArrayRef shape) const {
  const Tensor& tensor = require_tensor(tensors_, name, where_);
  if (tensor.sizes() != shape)
    fail(fmt::format("{}: tensor {}", where_, in_quotes(name)),
         fmt::format("[{}]", fmt::join(shape.begin(), shape.end(), ", ")), shape_text(tensor));
  if (!tensor.isfinite().all().item<bool>())
    fail(fmt::format("{}: tensor {}", where_, in_quotes(name)), "finite numbers",
         "values that are not finite");
  return tensor.to(at::kFloat);
}

}  // namespace monge::features
