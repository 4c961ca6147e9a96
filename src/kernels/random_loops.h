#pragma once

#include <cstdint>

namespace monge::kernels {

/// Random numbers from eight generators xoshiro256++ (Blackman & Vigna 2021, "Scrambled linear
/// pseudorandom number generators") side by side: word w of generator g is state[8 w + g], and no
/// generator may be all zeros. Each loop fills whole blocks and leaves the state where the next
/// block begins. All tables give the same bits and uniforms, and the same normals up to rounding.
struct RandomLoops {
  using Size = std::int64_t;
  static constexpr Size generators = 8, state_words = 4 * generators;
  static constexpr Size bits_block = 8, uniform_block = 16, normal_block = 32;

  /// 64 random bits each.
  void (*bits)(std::uint64_t* state, Size blocks, std::uint64_t* out);
  /// Uniform on the multiples of 2^-24 in [0, 1).
  void (*uniform)(std::uint64_t* state, Size blocks, float* out);
  /// Standard normal, by the transform of Box & Muller 1958 from a radius with 31 bits and an angle
  /// with 32: right in the tails up to 6 standard deviations, none beyond 6.66.
  void (*normal)(std::uint64_t* state, Size blocks, float* out);
};

/// The table for this machine, by instruction_set().
const RandomLoops& random_loops();

extern const RandomLoops random_loops_any, random_loops_avx2, random_loops_avx512;

}  // namespace monge::kernels
