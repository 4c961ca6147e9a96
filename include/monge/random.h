#pragma once

#include "monge/tensor.h"

#include <ATen/core/Generator.h>

#include <cstdint>
#include <string_view>

namespace monge {

/// One named random stream. All streams of a run derive from its one seed; streams of different
/// names are independent.
class Random {
 public:
  Random(std::uint64_t seed, std::string_view name);

  /// Standard normal numbers of the given shape, float32.
  Tensor normal(at::IntArrayRef shape);
  /// Uniform numbers on [0, 1) of the given shape, float32.
  Tensor uniform(at::IntArrayRef shape);
  /// `n` integers drawn uniformly from [0, high), int64, with replacement.
  Tensor integers(std::int64_t high, std::int64_t n);
  /// A permutation of 0..n-1, int64.
  Tensor permutation(std::int64_t n);

  /// The whole state as bytes, uint8; `set_state` continues from it bit by bit.
  Tensor state() const;
  void set_state(const Tensor& state);

  at::Generator& generator() { return generator_; }

 private:
  at::Generator generator_;
};

}  // namespace monge
