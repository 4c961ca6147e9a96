// The loops of random_loops.h for the instruction set that the including file is compiled for; it
// defines MONGE_REGISTER_BYTES, the size of that set's registers.
#include "kernels/lanes.h"
#include "kernels/random_loops.h"

namespace monge::kernels {
namespace {

using Size = std::int64_t;

/// As many generators as a register holds: a group of the eight.
constexpr int group = MONGE_REGISTER_BYTES / 8;
constexpr int numbers = 2 * group;  // of 32 bits
using Words [[gnu::vector_size(MONGE_REGISTER_BYTES)]] = std::uint64_t;
using Halves [[gnu::vector_size(MONGE_REGISTER_BYTES)]] = std::uint32_t;
using L = Lanes<float, numbers>;
using Vector = L::Vector;
using Integers = L::Integers;

template <class To, class From>
MONGE_INLINE To same_bits(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &from, sizeof(to));
  return to;
}

struct Generators {
  Words s0, s1, s2, s3;

  MONGE_INLINE Words next() {
    const Words sum = s0 + s3, result = ((sum << 23) | (sum >> 41)) + s0, shifted = s1 << 17;
    s2 ^= s0;
    s3 ^= s1;
    s1 ^= s2;
    s0 ^= s3;
    s2 ^= shifted;
    s3 = (s3 << 45) | (s3 >> 19);
    return result;
  }
};

/// body(generators, first) for each group, `first` being its first generator.
template <class Body>
MONGE_INLINE void for_groups(std::uint64_t* state, Body body) {
  for (int first = 0; first < RandomLoops::generators; first += group) {
    Generators mine;
    Words* const words[] = {&mine.s0, &mine.s1, &mine.s2, &mine.s3};
    for (int w = 0; w < 4; ++w)
      __builtin_memcpy(words[w], state + w * RandomLoops::generators + first, sizeof(Words));
    body(mine, first);
    for (int w = 0; w < 4; ++w)
      __builtin_memcpy(state + w * RandomLoops::generators + first, words[w], sizeof(Words));
  }
}

void bits(std::uint64_t* state, Size blocks, std::uint64_t* out) {
  for_groups(state, [&](Generators& mine, int first) MONGE_INLINED {
    for (Size block = 0; block < blocks; ++block) {
      const Words words = mine.next();
      __builtin_memcpy(out + block * RandomLoops::bits_block + first, &words, sizeof(words));
    }
  });
}

void uniform(std::uint64_t* state, Size blocks, float* out) {
  for_groups(state, [&](Generators& mine, int first) MONGE_INLINED {
    for (Size block = 0; block < blocks; ++block) {
      const auto top = same_bits<Integers>(same_bits<Halves>(mine.next()) >> 8);
      L::store(out + block * RandomLoops::uniform_block + 2 * first, L::numbers(top) * 0x1p-24f);
    }
  });
}

template <int Terms>
MONGE_INLINE Vector polynomial(const float (&coefficients)[Terms], Vector x) {
  Vector sum = L::all(coefficients[Terms - 1]);
  for (int term = Terms - 2; term >= 0; --term) sum = sum * x + coefficients[term];
  return sum;
}

// Minimax polynomials (Remez' exchange): of (ln(1 + f) - f + f²/2) / f³ for 1 + f from √½ to √2,
// 3e-8 of ln(1 + f); of sin(πt) / t and cos(πt) in t² for |t| <= 1/2, absolute 4e-9 and 5e-8.
constexpr float log_terms[] = {0.3333385805f, -0.2500174692f, 0.1996539884f, -0.1656563493f,
                               0.1487695446f, -0.1435019757f, 0.08917883374f};
constexpr float sin_terms[] = {3.14159264f, -5.16771009f, 2.55007766f, -0.5982921595f,
                               0.07765940834f};
constexpr float cos_terms[] = {0.9999999535f, -4.934792859f, 4.058411914f, -1.331880161f,
                               0.2196967987f};

/// -2 ln u for u in (0, 1] with a normal exponent: u = 2^e (1 + f) with 1 + f from √½ to √2.
MONGE_INLINE Vector minus_two_log(Vector u) {
  constexpr std::int32_t root_half = 0x3f3504f3;
  const auto bits_of_u = same_bits<Integers>(u);
  const Integers exponent = (bits_of_u - root_half) >> 23;
  const Vector f = same_bits<Vector>(bits_of_u - (exponent << 23)) - 1.0f;
  const Vector curved = f * f * (polynomial(log_terms, f) * f - 0.5f);
  return (L::numbers(exponent) * 0.6931471806f + (curved + f)) * -2.0f;
}

MONGE_INLINE Vector square_root(Vector square) {
  alignas(sizeof(Vector)) float values[numbers];
  L::store(values, square);
  for (int i = 0; i < numbers; ++i) values[i] = __builtin_sqrtf(values[i]);
  return L::load(values);
}

/// (r cos πt, r sin πt) with t uniform on half a turn and r of a random sign.
void normal(std::uint64_t* state, Size blocks, float* out) {
  for_groups(state, [&](Generators& mine, int first) MONGE_INLINED {
    for (Size block = 0; block < blocks; ++block) {
      const auto radius_bits = same_bits<Halves>(mine.next());
      const auto angle_bits = same_bits<Halves>(mine.next());
      const Vector level = L::numbers(same_bits<Integers>(radius_bits >> 1)) + 0.5f;
      const Vector length = square_root(minus_two_log(level * 0x1p-31f));
      const auto radius = same_bits<Vector>(same_bits<Halves>(length) | (angle_bits << 31));
      const Vector t = L::numbers(same_bits<Integers>(angle_bits) >> 1) * 0x1p-31f;
      const Vector square = t * t;
      float* numbers_out = out + block * RandomLoops::normal_block + 2 * first;
      L::store(numbers_out, radius * polynomial(cos_terms, square));
      L::store(numbers_out + RandomLoops::normal_block / 2,
               radius * (t * polynomial(sin_terms, square)));
    }
  });
}

constexpr RandomLoops loops{.bits = bits, .uniform = uniform, .normal = normal};

}  // namespace
}  // namespace monge::kernels
