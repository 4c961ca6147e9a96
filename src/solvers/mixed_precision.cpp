#include "solvers/mixed_precision.h"

#include "monge/error.h"

#include <ATen/autocast_mode.h>

namespace monge {

Computation computation_of(const std::string& device, const std::string& precision) {
  Computation computation;
  if (device == "cuda") {
    if (!at::hasCUDA())
      fail("solver.device", "cpu, since PyTorch finds no CUDA device here", "cuda");
    computation.device = at::kCUDA;
    // cuDNN takes TF32's 10 bits for float32 unless it is told not to.
    if (precision == "float32") at::globalContext().setAllowTF32CuDNN(false);
  }
  if (precision == "bfloat16") computation.precision = at::kBFloat16;
  if (precision == "float16") {
    if (device != "cuda")
      fail("solver.precision", "float32 or bfloat16, since the device is cpu", "float16");
    computation.precision = at::kHalf;
  }
  return computation;
}

void move_to(at::Device device, const State& tensors) {
  const at::NoGradGuard no_graph;
  for (const auto& [name, tensor] : tensors) tensor.set_data(tensor.to(device));
}

MixedPrecision::MixedPrecision(const Computation& computation)
    : device_(computation.device.type()),
      mixes_(computation.precision != at::kFloat),
      enabled_before_(at::autocast::is_autocast_enabled(device_)),
      dtype_before_(at::autocast::get_autocast_dtype(device_)) {
  if (!mixes_) return;
  at::autocast::increment_nesting();
  at::autocast::set_autocast_enabled(device_, true);
  at::autocast::set_autocast_dtype(device_, computation.precision);
}

MixedPrecision::~MixedPrecision() {
  if (!mixes_) return;
  at::autocast::set_autocast_dtype(device_, dtype_before_);
  at::autocast::set_autocast_enabled(device_, enabled_before_);
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
}

LossScale::LossScale(at::ScalarType precision) {
  if (precision != at::kHalf) return;
  value_ = at::full({}, 65536.0, at::kDouble);
  updates_ = at::zeros({}, at::kLong);
}

double LossScale::value() const { return value_.defined() ? value_.item<double>() : 1; }

bool LossScale::take(bool finite) {
  constexpr std::int64_t updates_to_double = 2000;
  if (!value_.defined() || (!finite && value() <= 1)) return true;
  if (!finite) {
    value_.mul_(0.5);
    updates_.zero_();
    return false;
  }
  if (updates_.add_(1).item<std::int64_t>() == updates_to_double) {
    value_.mul_(2);
    updates_.zero_();
  }
  return true;
}

State LossScale::state() const {
  if (!value_.defined()) return {};
  return {{"value", value_}, {"updates", updates_}};
}

}  // namespace monge
