#pragma once

#include "monge/tensor.h"

#include <cstdint>
#include <string>

namespace monge {

/// Where the networks of a solver are and in which precision they compute; their parameters, the
/// cost and all sums are float32 whatever it is.
struct Computation {
  at::Device device = at::kCPU;
  at::ScalarType precision = at::kFloat;
};

/// From the options `device` (cpu or cuda, the current GPU) and `precision` (float32, bfloat16 or
/// float16). float32 on a GPU switches TF32 off in the convolutions of the whole process. Throws
/// Error where the device is not there or does not have the precision.
Computation computation_of(const std::string& device, const std::string& precision);

/// Moves the tensors, and so the network that shares them, to the device.
void move_to(at::Device device, const State& tensors);

/// While it lives, what this thread records of convolutions and matrix products computes in the
/// precision (Micikevicius et al. 2018, Mixed Precision Training); float32 changes nothing.
class MixedPrecision {
 public:
  explicit MixedPrecision(const Computation& computation);
  ~MixedPrecision();
  MixedPrecision(const MixedPrecision&) = delete;
  MixedPrecision& operator=(const MixedPrecision&) = delete;

 private:
  at::DeviceType device_;
  bool mixes_, enabled_before_;
  at::ScalarType dtype_before_;
};

/// What the loss is multiplied by so that derivatives do not vanish in float16, whose least number
/// is 6e-8: halved where they overflow, doubled after 2000 updates without (Micikevicius et al.
/// 2018, section 3.2). In other precisions it is 1 for ever.
class LossScale {
 public:
  explicit LossScale(at::ScalarType precision);

  double value() const;
  /// Takes note of an update's derivatives. False where they overflowed, the scale is now less and
  /// the update has to be left out; non-finite derivatives of an unscaled loss are not its matter.
  bool take(bool finite);
  /// What changes in training, sharing storage; empty where the scale stays 1.
  State state() const;

 private:
  Tensor value_, updates_;  // [] float64 and int64; undefined where the scale stays 1
};

}  // namespace monge
