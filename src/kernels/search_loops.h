#pragma once

#include <cstdint>

namespace monge::kernels {

/// Steps and changes of the gradient that a quasi-Newton search remembers.
constexpr std::int64_t search_memory = 6;

/// What one search remembers: the approximation of the inverse Hessian begins as `scale` times the
/// identity.
template <class T>
struct SearchPairs {
  const T* steps;    // [search_memory, d]
  const T* changes;  // [search_memory, d]
  const T* inverse;  // [search_memory], 1 / <step, change>
  std::int64_t count, newest;
  T scale;
};

/// The box that x stays in, [d] each; null: everywhere.
template <class T>
struct Sides {
  const T* low;
  const T* high;
};

/// Of a step s from a point with residual r to one with residual r', the change being r - r'.
template <class T>
struct StepProducts {
  T before, after;   // <s, r> and <s, r'>
  T length, change;  // |s|² and |r - r'|²
};

/// The loops of one search in d dimensions; see conjugate_search.h. Those of two instruction sets
/// agree to rounding: each takes sums in an order of its own. Agreement with the plain formulas:
/// 1e-5 relative to the size of the terms in float32, 1e-12 in float64; direction() with the
/// product by the matrix that it stands for: ten times that.
///
/// A coordinate of x at a side of the box that y - ∇psi points out through is solved: its residual
/// counts as 0, and steps, changes and directions leave it out.
template <class T>
struct SearchLoops {
  using Size = std::int64_t;

  /// r = y - gradient, 0 where x is solved; returns |r|².
  T (*residual)(Size d, const T* y, const T* gradient, const T* x, const Sides<T>& box, T* r);
  /// Writes the step from `best` to `trial` and the change of the residual from r to `next`.
  StepProducts<T> (*compare)(Size d, const T* best, const T* trial, const T* r, const T* next,
                             const Sides<T>& box, T* step, T* change);
  /// direction = H r at x by the two loops of Nocedal 1980.
  void (*direction)(Size d, const SearchPairs<T>& pairs, const T* r, const T* x,
                    const Sides<T>& box, T* direction);
  /// trial = best + direction, shortened to `longest` (0: as it is), in the box.
  void (*trial)(Size d, const T* best, const T* direction, T longest, const Sides<T>& box,
                T* trial);
};

/// The table for this machine, by instruction_set().
template <class T>
const SearchLoops<T>& search_loops();

extern const SearchLoops<float> search_loops_float_any, search_loops_float_avx2,
    search_loops_float_avx512;
extern const SearchLoops<double> search_loops_double_any, search_loops_double_avx2,
    search_loops_double_avx512;

}  // namespace monge::kernels
