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
void ConjugateSearch<T>::begin(std::int64_t slot, std::int64_t point, const T* x,
                               const ConjugateLimits& limits, const Sides& box, T* trial) {
  slots_[slot] = {.point = point, .longest = static_cast<T>(limits.longest_step)};
  for (std::int64_t j = 0; j < d_; ++j)
    trial[j] = box.low ? std::min(std::max(x[j], box.low[j]), box.high[j]) : x[j];
}

/// Keeps a step at its place in the ring where the gradient changed along it as that of a convex
/// function does; whether it did.
template <class T>
bool ConjugateSearch<T>::remember(std::int64_t slot, std::int64_t place,
                                  const kernels::StepProducts<T>& products) {
  constexpr T least = T(1e-6);  // of the cosine between step and change
  constexpr T bent = T(-1e-2);  // well below what rounding makes of 0
  Slot& own = slots_[slot];
  const T along = products.before - products.after;
  if (along < bent * std::sqrt(products.length * products.change)) own.bent = true;
  if (!(along > least * std::sqrt(products.length * products.change))) {
    own.pairs = std::min(own.pairs, search_memory - 1);  // the oldest one was written over
    return false;
  }
  inverse_[slot * search_memory + place] = 1 / along;
  own.scale = along / products.change;
  own.newest = place;
  own.pairs = std::min(own.pairs + 1, search_memory);
  return true;
}

/// Whether the step to `trial`, with the residual next_, is taken: it stays before the top along it
/// or not far behind, or makes the residual smaller.
template <class T>
bool ConjugateSearch<T>::accept(std::int64_t slot, const T* trial, T squared, const Sides& box) {
  Slot& own = slots_[slot];
  const std::int64_t place = own.pairs == 0 ? 0 : (own.newest + 1) % search_memory;
  const std::int64_t at = (slot * search_memory + place) * d_;
  const kernels::StepProducts<T> products =
      loops_.compare(d_, row(best_, slot), trial, row(residual_, slot), next_.data(), box,
                     steps_.data() + at, changes_.data() + at);
  const bool learned = remember(slot, place, products);
  if (std::abs(products.after) <= T(0.9) * std::abs(products.before) || squared < own.squared) {
    if (products.length > T(0.98) * own.longest * own.longest) own.longest *= 2;
    return true;
  }
  if (!learned) {
    own.pairs = 0;
    own.scale /= 4;
    own.longest /= 4;
  }
  return false;
}

/// Takes what the gradient at the slot's trial says; true where the search has ended, with the
/// point found in its row of best_.
template <class T>
bool ConjugateSearch<T>::advance(std::int64_t slot, const T* y, const T* trial, const T* gradient,
                                 const Sides& box, const ConjugateLimits& limits) {
  Slot& own = slots_[slot];
  const T squared = loops_.residual(d_, y, gradient, trial, box, next_.data());
  const bool first = own.evaluations++ == 0;
  if (first || accept(slot, trial, squared, box)) {
    std::copy_n(trial, d_, row(best_, slot));
    std::copy_n(next_.data(), d_, row(residual_, slot));
    own.squared = squared;
  }
  return own.squared <= goal(limits) || own.evaluations >= limits.evaluations;
}

/// The next trial, from the best point along the quasi-Newton direction.
template <class T>
void ConjugateSearch<T>::propose(std::int64_t slot, const Sides& box, T* trial) {
  const Slot& own = slots_[slot];
  const std::int64_t at = slot * search_memory;
  loops_.direction(d_,
                   {steps_.data() + at * d_, changes_.data() + at * d_, inverse_.data() + at,
                    own.pairs, own.newest, own.scale},
                   row(residual_, slot), row(best_, slot), box, direction_.data());
  loops_.trial(d_, row(best_, slot), direction_.data(), own.longest, box, trial);
}

template <class T>
ConjugateCounts ConjugateSearch<T>::run(const Gradient& gradient, const ConjugateLimits& limits,
                                        const Box<T>& box, std::int64_t n, const T* y, T* x,
                                        T* residual, bool* bent) {
  const Sides sides = box.sides();
  ConjugateCounts counts;
  std::int64_t next = 0;
  active_.clear();
  for (; next < std::min<std::int64_t>(n, std::ssize(slots_)); ++next) {
    begin(next, next, x + next * d_, limits, sides, trials_.data() + next * d_);
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
      if (!advance(slot, y + point * d_, trials_.data() + k * d_, gradients_.data() + k * d_, sides,
                   limits)) {
        propose(slot, sides, trial);
        active_[kept++] = slot;
        continue;
      }
      std::copy_n(row(best_, slot), d_, x + point * d_);
      const T squared = slots_[slot].squared;
      if (residual) residual[point] = std::sqrt(squared / static_cast<T>(d_));
      if (bent) bent[point] = slots_[slot].bent;
      counts.unfinished += !(squared <= goal(limits));
      if (next == n) continue;
      begin(slot, next, x + next * d_, limits, sides, trial);
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
