// The loops of search_loops.h for the instruction set that the including file is compiled for.
#include "kernels/search_loops.h"

namespace monge::kernels {
namespace {

using Size = std::int64_t;

inline float root_of(float square) { return __builtin_sqrtf(square); }
inline double root_of(double square) { return __builtin_sqrt(square); }

template <class T>
T dot(Size d, const T* a, const T* b) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (Size j = 0; j < d; ++j) sum += a[j] * b[j];
  return sum;
}

/// Whether a coordinate counts as solved, its residual r being 0 then.
template <class T>
bool solved(T x, T r, T low, T high) {
  return r == 0 && (x <= low || x >= high);
}

template <class T>
T residual(Size d, const T* __restrict y, const T* __restrict gradient, const T* __restrict x,
           const Sides<T>& box, T* __restrict r) {
  const T* __restrict low = box.low, * __restrict high = box.high;
  T sum = 0;
  if (!low) {
#pragma omp simd reduction(+ : sum)
    for (Size j = 0; j < d; ++j) {
      r[j] = y[j] - gradient[j];
      sum += r[j] * r[j];
    }
    return sum;
  }
#pragma omp simd reduction(+ : sum)
  for (Size j = 0; j < d; ++j) {
    const T value = y[j] - gradient[j];
    const T above = x[j] <= low[j] && value < 0 ? T(0) : value;
    const T within = x[j] >= high[j] && value > 0 ? T(0) : above;
    r[j] = within;
    sum += within * within;
  }
  return sum;
}

template <class T>
StepProducts<T> compare(Size d, const T* __restrict best, const T* __restrict trial,
                        const T* __restrict r, const T* __restrict next, const Sides<T>& box,
                        T* __restrict step, T* __restrict change) {
  const T* __restrict low = box.low, * __restrict high = box.high;
  for (Size j = 0; j < d; ++j) {
    step[j] = trial[j] - best[j];
    change[j] = r[j] - next[j];
  }
  if (low) {
#pragma omp simd
    for (Size j = 0; j < d; ++j) {
      const bool left_out =
          solved(best[j], r[j], low[j], high[j]) || solved(trial[j], next[j], low[j], high[j]);
      step[j] = left_out ? T(0) : step[j];
      change[j] = left_out ? T(0) : change[j];
    }
  }
  T before = 0, after = 0, length = 0, bend = 0;
#pragma omp simd reduction(+ : before, after, length, bend)
  for (Size j = 0; j < d; ++j) {
    const T s = step[j], q = change[j];
    before += s * r[j];
    after += s * next[j];
    length += s * s;
    bend += q * q;
  }
  return {before, after, length, bend};
}

template <class T>
void direction(Size d, const SearchPairs<T>& pairs, const T* __restrict r, const T* __restrict x,
               const Sides<T>& box, T* __restrict out) {
  const SearchPairs<T> held = pairs;
  T alpha[search_memory];
  for (Size j = 0; j < d; ++j) out[j] = r[j];
  Size pair = held.newest;
  for (Size age = 0; age < held.count; ++age) {
    const T* __restrict change = held.changes + pair * d;
    const T along = held.inverse[pair] * dot(d, held.steps + pair * d, out);
    alpha[pair] = along;
#pragma omp simd
    for (Size j = 0; j < d; ++j) out[j] -= along * change[j];
    if (age + 1 < held.count) pair = pair == 0 ? search_memory - 1 : pair - 1;
  }
#pragma omp simd
  for (Size j = 0; j < d; ++j) out[j] *= held.scale;
  for (Size age = 0; age < held.count; ++age) {
    const T* __restrict step = held.steps + pair * d;
    const T share = alpha[pair] - held.inverse[pair] * dot(d, held.changes + pair * d, out);
#pragma omp simd
    for (Size j = 0; j < d; ++j) out[j] += share * step[j];
    pair = pair + 1 == search_memory ? 0 : pair + 1;
  }
  const T* __restrict low = box.low, * __restrict high = box.high;
  if (!low) return;
#pragma omp simd
  for (Size j = 0; j < d; ++j) out[j] = solved(x[j], r[j], low[j], high[j]) ? T(0) : out[j];
}

template <class T>
void trial(Size d, const T* __restrict best, const T* __restrict along, T longest,
           const Sides<T>& box, T* __restrict out) {
  const T* __restrict low = box.low, * __restrict high = box.high;
  T share = 1;
  if (longest > 0) {
    const T length = root_of(dot(d, along, along));
    if (length > longest) share = longest / length;
  }
  if (!low) {
    for (Size j = 0; j < d; ++j) out[j] = best[j] + share * along[j];
    return;
  }
#pragma omp simd
  for (Size j = 0; j < d; ++j) {
    const T moved = best[j] + share * along[j];
    const T raised = moved < low[j] ? low[j] : moved;
    out[j] = raised > high[j] ? high[j] : raised;
  }
}

template <class T>
constexpr SearchLoops<T> loops{
    .residual = residual<T>, .compare = compare<T>, .direction = direction<T>, .trial = trial<T>};

}  // namespace
}  // namespace monge::kernels
