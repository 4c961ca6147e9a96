#pragma once

#include "monge/tensor.h"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace monge {

/// One named random stream. All streams of a run derive from its one seed; streams of different
/// names are independent. A copy goes on by itself with the same numbers.
///
/// The numbers depend neither on threads nor, beyond the rounding of normals, on the processor.
/// Every call begins a new block of the generator, so that two calls for ten numbers give others
/// than one for twenty.
class Random {
 public:
  Random(std::uint64_t seed, std::string_view name);

  /// Standard normal numbers of the given shape, float32.
  Tensor normal(at::IntArrayRef shape);
  /// Uniform numbers on [0, 1) of the given shape, float32.
  Tensor uniform(at::IntArrayRef shape);
  /// `n` integers drawn uniformly from [0, high), int64, with replacement. Throws Error unless
  /// high >= 1.
  Tensor integers(std::int64_t high, std::int64_t n);
  /// A permutation of 0..n-1, int64.
  Tensor permutation(std::int64_t n);

  /// The same numbers into memory that is there.
  void fill_normal(std::span<float> numbers);
  void fill_uniform(std::span<float> numbers);
  void fill_integers(std::int64_t high, std::span<std::int64_t> numbers);
  void fill_permutation(std::span<std::int64_t> order);
  /// 64 random bits each.
  void fill_bits(std::span<std::uint64_t> words);

  /// The whole state as bytes, uint8; `set_state` continues from it bit by bit and throws Error on
  /// what is no state.
  Tensor state() const;
  void set_state(const Tensor& state);

 private:
  std::array<std::uint64_t, 32> state_;  // of kernels/random_loops.h
};

}  // namespace monge
