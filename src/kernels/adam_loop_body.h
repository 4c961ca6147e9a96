// The loops of adam_loop.h for the instruction set that the including file is compiled for: plain
// enough for the compiler to vectorise, but for the one instruction of which it has no name, the
// reciprocal root of AVX-512.
#include "kernels/adam_loop.h"

#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace monge::kernels {
namespace {

using Size = std::int64_t;

inline float root_of(float square) { return __builtin_sqrtf(square); }
inline double root_of(double square) { return __builtin_sqrt(square); }

/// One number; returns the new parameter.
template <class T>
inline T updated(const AdamFactors<T>& factors, T p, T g, T& m, T& v) {
  const auto& [beta1, beta2, epsilon, step, root, lowest, share] = factors;
  m = beta1 * m + (1 - beta1) * g;
  v = beta2 * v + (1 - beta2) * g * g;
  const T moved = p - step * m / (root_of(v) * root + epsilon);
  return moved < lowest ? lowest : moved;
}

#ifdef __AVX512F__
/// Up to sixteen numbers, those of the mask `held`, returning the new parameters. The processor's
/// square root takes as long as all the rest: here it is v times its first guess of 1 / sqrt(v), to
/// 14 bits, after one step of Newton's, which is right to 2 units in the last place. A root below
/// 3e-19 counts as 3e-19, and where v has overflowed it is its own root, so that the parameter
/// stays.
inline __m512 updated(const AdamFactors<float>& factors, __mmask16 held, const float* p,
                      const float* g, float* m, float* v) {
  const auto all = [](float number) { return _mm512_set1_ps(number); };
  const auto load = [held](const float* from) { return _mm512_maskz_loadu_ps(held, from); };
  const __m512 slope = load(g);
  const __m512 mean = all(factors.beta1) * load(m) + all(1 - factors.beta1) * slope;
  const __m512 square = all(factors.beta2) * load(v) + all(1 - factors.beta2) * slope * slope;
  _mm512_mask_storeu_ps(m, held, mean);
  _mm512_mask_storeu_ps(v, held, square);
  const __m512 least = all(1e-37F), most = all(__FLT_MAX__), lowest = all(factors.lowest);
  const __m512 floored = square < least ? least : square;
  const __m512 guess = _mm512_maskz_rsqrt14_ps(0xFFFF, floored);
  const __m512 near = floored * guess;
  const __m512 root = square > most ? square : near * (all(1.5F) - all(0.5F) * near * guess);
  const __m512 moved =
      load(p) - all(factors.step) * mean / (root * all(factors.root) + all(factors.epsilon));
  return moved < lowest ? lowest : moved;
}

/// All numbers, sixteen at a time, so that each has the same bits wherever a thread's part begins.
inline void update_wide(const AdamFactors<float>& factors, Size n, float* p, const float* g,
                        float* m, float* v, float* average) {
  const __m512 share = _mm512_set1_ps(factors.share);
  for (Size i = 0; i < n; i += 16) {
    const auto held = static_cast<__mmask16>(n - i >= 16 ? 0xFFFF : (1 << (n - i)) - 1);
    const __m512 moved = updated(factors, held, p + i, g + i, m + i, v + i);
    _mm512_mask_storeu_ps(p + i, held, moved);
    if (!average) continue;
    const __m512 mean = _mm512_maskz_loadu_ps(held, average + i);
    _mm512_mask_storeu_ps(average + i, held, mean + share * (moved - mean));
  }
}
#endif

template <class T>
void update(const AdamFactors<T>& factors, Size n, T* __restrict p, const T* __restrict g,
            T* __restrict m, T* __restrict v) {
#ifdef __AVX512F__
  if constexpr (sizeof(T) == 4) return update_wide(factors, n, p, g, m, v, nullptr);
#endif
  const AdamFactors<T> held = factors;
  for (Size i = 0; i < n; ++i) p[i] = updated(held, p[i], g[i], m[i], v[i]);
}

template <class T>
void update_average(const AdamFactors<T>& factors, Size n, T* __restrict p, const T* __restrict g,
                    T* __restrict m, T* __restrict v, T* __restrict average) {
#ifdef __AVX512F__
  if constexpr (sizeof(T) == 4) return update_wide(factors, n, p, g, m, v, average);
#endif
  const AdamFactors<T> held = factors;
  for (Size i = 0; i < n; ++i) {
    p[i] = updated(held, p[i], g[i], m[i], v[i]);
    average[i] += held.share * (p[i] - average[i]);
  }
}

template <class T>
double sum_of_squares(Size n, const T* g) {
  constexpr int lanes = 32;
  double sums[lanes] = {};
  Size i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int lane = 0; lane < lanes; ++lane)
      sums[lane] += static_cast<double>(g[i + lane]) * static_cast<double>(g[i + lane]);
  for (; i < n; ++i) sums[0] += static_cast<double>(g[i]) * static_cast<double>(g[i]);
  double sum = 0;
  for (const double part : sums) sum += part;
  return sum;
}

template <class T>
void add(Size n, const T* __restrict g, T* __restrict sum) {
  for (Size i = 0; i < n; ++i) sum[i] += g[i];
}

template <class T>
constexpr AdamLoops<T> loops{.update = update<T>,
                             .update_average = update_average<T>,
                             .sum_of_squares = sum_of_squares<T>,
                             .add = add<T>};

}  // namespace
}  // namespace monge::kernels
