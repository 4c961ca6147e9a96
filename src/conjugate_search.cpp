#include "conjugate_search.h"

#include <algorithm>
#include <cmath>

namespace monge {

using kernels::search_memory;

ConjugateCounts& ConjugateCounts::operator+=(const ConjugateCounts& other) {
  evaluations += other.evaluations;
  unfinished += other.unfinished;
  return *this;
}

template <class T>
ConjugateSearch<T>::ConjugateSearch(std::int64_t dimension, std::int64_t slots,
                                    const kernels::SearchLoops<T>& loops)
    : d_(dimension),
      loops_(loops),
      slots_(static_cast<std::size_t>(slots)),
      best_(static_cast<std::size_t>(slots * dimension)),
      residual_(best_.size()),
      steps_(best_.size() * search_memory),
      changes_(steps_.size()),
      inverse_(static_cast<std::size_t>(slots * search_memory)),
      trials_(best_.size()),
      gradients_(best_.size()),
      next_(static_cast<std::size_t>(dimension)),
      direction_(next_.size()) {
  active_.reserve(slots_.size());
}

template <class T>
void ConjugateSearch<T>::begin(std::int64_t slot, std::int64_t point, const T* x, T* trial) {
  slots_[slot] = {.point = point};
  std::copy_n(x, d_, row(best_, slot));
  std::copy_n(x, d_, trial);
}

/// Whether the step to `trial`, with the residual next_, stays before the top along it or not far
/// behind. Remembers the step where the gradient changed as that of a convex function does.
template <class T>
bool ConjugateSearch<T>::moved_well(std::int64_t slot, const T* trial) {
  constexpr T least = T(1e-6);  // of the cosine between step and change
  Slot& own = slots_[slot];
  const std::int64_t place = own.pairs == 0 ? 0 : (own.newest + 1) % search_memory;
  const std::int64_t at = slot * search_memory + place;
  const kernels::StepProducts<T> products =
      loops_.compare(d_, row(best_, slot), trial, row(residual_, slot), next_.data(),
                     steps_.data() + at * d_, changes_.data() + at * d_);
  const T along = products.before - products.after;
  if (along > least * std::sqrt(products.length * products.change)) {
    inverse_[at] = 1 / along;
    own.scale = along / products.change;
    own.newest = place;
    own.pairs = std::min(own.pairs + 1, search_memory);
  } else {
    own.pairs = std::min(own.pairs, search_memory - 1);  // the oldest one was written over
  }
  return std::abs(products.after) <= T(0.9) * std::abs(products.before);
}

/// Takes what the gradient at the slot's trial says; true where the search has ended, with the
/// point found in its row of best_.
template <class T>
bool ConjugateSearch<T>::advance(std::int64_t slot, const T* y, const T* trial, const T* gradient,
                                 const Box<T>& box, const ConjugateLimits& limits) {
  Slot& own = slots_[slot];
  const T *low = box.low.empty() ? nullptr : box.low.data(), *high = box.high.data();
  const T squared = loops_.residual(d_, y, gradient, trial, low, high, next_.data());
  const bool first = own.evaluations++ == 0;
  if (first || moved_well(slot, trial) || squared < own.squared) {
    std::copy_n(trial, d_, row(best_, slot));
    std::copy_n(next_.data(), d_, row(residual_, slot));
    own.squared = squared;
  }
  const T goal = static_cast<T>(limits.tolerance * limits.tolerance) * static_cast<T>(d_);
  return own.squared <= goal || own.evaluations >= limits.evaluations;
}

/// The next trial, from the best point along the quasi-Newton direction.
template <class T>
void ConjugateSearch<T>::propose(std::int64_t slot, const Box<T>& box,
                                 const ConjugateLimits& limits, T* trial) {
  const Slot& own = slots_[slot];
  const std::int64_t at = slot * search_memory;
  loops_.direction(d_,
                   {steps_.data() + at * d_, changes_.data() + at * d_, inverse_.data() + at,
                    own.pairs, own.newest, own.scale},
                   row(residual_, slot), direction_.data());
  const T *low = box.low.empty() ? nullptr : box.low.data(), *high = box.high.data();
  loops_.trial(d_, row(best_, slot), direction_.data(), static_cast<T>(limits.longest_step), low,
               high, trial);
}

template <class T>
ConjugateCounts ConjugateSearch<T>::run(const Gradient& gradient, const ConjugateLimits& limits,
                                        const Box<T>& box, std::int64_t n, const T* y, T* x,
                                        T* residual) {
  ConjugateCounts counts;
  std::int64_t next = 0;
  active_.clear();
  for (; next < std::min<std::int64_t>(n, std::ssize(slots_)); ++next) {
    begin(next, next, x + next * d_, trials_.data() + next * d_);
    active_.push_back(next);
  }
  while (!active_.empty()) {
    const std::int64_t rows = std::ssize(active_);
    gradient(trials_.data(), rows, gradients_.data());
    counts.evaluations += rows;
    std::int64_t kept = 0;
    for (std::int64_t k = 0; k < rows; ++k) {
      const std::int64_t slot = active_[k], point = slots_[slot].point;
      T* trial = trials_.data() + kept * d_;
      if (!advance(slot, y + point * d_, trials_.data() + k * d_, gradients_.data() + k * d_, box,
                   limits)) {
        propose(slot, box, limits, trial);
        active_[kept++] = slot;
        continue;
      }
      std::copy_n(row(best_, slot), d_, x + point * d_);
      const T error = std::sqrt(slots_[slot].squared / static_cast<T>(d_));
      if (residual) residual[point] = error;
      counts.unfinished += !(error <= static_cast<T>(limits.tolerance));
      if (next == n) continue;
      begin(slot, next, x + next * d_, trial);
      ++next;
      active_[kept++] = slot;
    }
    active_.resize(static_cast<std::size_t>(kept));
  }
  return counts;
}

template class ConjugateSearch<float>;
template class ConjugateSearch<double>;

}  // namespace monge
