#pragma once

#include "kernels/search_loops.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace monge {

/// When a search for one point stops.
struct ConjugateLimits {
  double tolerance = 1e-3;        ///< of the residual's root mean square over the coordinates
  std::int64_t evaluations = 50;  ///< gradients of one point at most
  double longest_step = 0;        ///< the first one at most, Euclidean; 0: no bound
};

/// The box that a search stays in; empty: everywhere.
template <class T>
struct Box {
  std::vector<T> low, high;  ///< [d]

  kernels::Sides<T> sides() const {
    return {low.empty() ? nullptr : low.data(), high.empty() ? nullptr : high.data()};
  }
};

/// What the searches of one call did.
struct ConjugateCounts {
  std::int64_t evaluations = 0;  ///< gradients
  std::int64_t unfinished = 0;   ///< searches that ended above the tolerance

  ConjugateCounts& operator+=(const ConjugateCounts& other);
};

/// The maximisers x of <x, y> - psi(x) for many y and one convex psi, that is x = ∇psi*(y): a
/// limited-memory quasi-Newton search (Liu & Nocedal 1989) for each point by itself. The searches
/// share blocks of gradients; one that has ended gives its place to the next point.
///
/// A trial is taken where the residual r = y - ∇psi(x) becomes smaller, or where the concave
/// function has not passed its top along the step s by more than it rose, |<s, r'>| <= 0.9 |<s,
/// r>|. One that is not taken still tells the curvature, so that the next goes less far; where it
/// does not, the search forgets what it knew and goes a quarter as far. A step that was shortened
/// and taken doubles the bound. In a box, coordinates at a side that r points out of count as
/// solved, and those that are not are searched as if they were all.
template <class T>
class ConjugateSearch {
 public:
  /// Writes ∇psi at `n` points `x` [n, d].
  using Gradient = std::function<void(const T* x, std::int64_t n, T* gradient)>;

  /// `slots`: searches at a time, the rows of a block of gradients.
  ConjugateSearch(std::int64_t dimension, std::int64_t slots,
                  const kernels::SearchLoops<T>& loops = kernels::search_loops<T>());

  /// Searches for `n` points `y` [n, d]; `x` [n, d] goes from where each begins to what it found.
  /// `residual` [n], where it is not null: the root mean square of r over the coordinates.
  /// `bent` [n], where it is not null: whether the gradient fell along a step, as that of a convex
  /// function cannot.
  ConjugateCounts run(const Gradient& gradient, const ConjugateLimits& limits, const Box<T>& box,
                      std::int64_t n, const T* y, T* x, T* residual, bool* bent = nullptr);

 private:
  using Sides = kernels::Sides<T>;
  struct Slot {
    std::int64_t point = 0, evaluations = 0, pairs = 0, newest = 0;
    T squared = 0;  // of the residual at the best point
    T scale = 1;    // of the first approximation of the inverse Hessian
    T longest = 0;  // bound of the next step
    bool bent = false;
  };

  /// What the squared length of a residual has to come down to.
  T goal(const ConjugateLimits& limits) const {
    return static_cast<T>(limits.tolerance * limits.tolerance * static_cast<double>(d_));
  }
  T* row(std::vector<T>& rows, std::int64_t slot) { return rows.data() + slot * d_; }
  void begin(std::int64_t slot, std::int64_t point, const T* x, const ConjugateLimits& limits,
             const Sides& box, T* trial);
  bool advance(std::int64_t slot, const T* y, const T* trial, const T* gradient, const Sides& box,
               const ConjugateLimits& limits);
  bool accept(std::int64_t slot, const T* trial, T squared, const Sides& box);
  bool remember(std::int64_t slot, std::int64_t place, const kernels::StepProducts<T>& products);
  void propose(std::int64_t slot, const Sides& box, T* trial);

  std::int64_t d_;
  const kernels::SearchLoops<T>& loops_;
  std::vector<Slot> slots_;
  std::vector<T> best_, residual_;     // [slots, d]
  std::vector<T> steps_, changes_;     // [slots, search_memory, d]
  std::vector<T> inverse_;             // [slots, search_memory]
  std::vector<T> trials_, gradients_;  // [slots, d], of the active ones
  std::vector<T> next_, direction_;    // [d]
  std::vector<std::int64_t> active_;
};

}  // namespace monge
