// The loops of transport_loops.h for the instruction set that the including file is compiled for;
// it defines MONGE_REGISTER_BYTES, the size of that set's registers.
#include "kernels/lanes.h"
#include "kernels/transport_loops.h"

namespace monge::kernels {
namespace {

using Size = std::int64_t;

/// body(lanes, j) for every j in [0, width) in steps of a register, then one by one.
template <class Body>
MONGE_INLINE void over(Size width, Body body) {
  constexpr int lanes = MONGE_REGISTER_BYTES / sizeof(double);
  Size j = 0;
  for (; j + lanes <= width; j += lanes) body(Lanes<double, lanes>{}, j);
  for (; j < width; ++j) body(Lanes<double, 1>{}, j);
}

/// Rows of half_squares that share the loads of y.
template <int Rows>
MONGE_INLINE void half_squares_of(Size d, Size m, const double* x, const double* y, double* out) {
  over(m, [&](auto lanes, Size j) MONGE_INLINED {
    using L = decltype(lanes);
    typename L::Vector sums[Rows];
    for (int i = 0; i < Rows; ++i) sums[i] = L::all(0);
    for (Size k = 0; k < d; ++k) {
      const auto coordinate = L::load(y + k * m + j);
      for (int i = 0; i < Rows; ++i) {
        const auto gap = coordinate - x[i * d + k];
        sums[i] = sums[i] + gap * gap;
      }
    }
    for (int i = 0; i < Rows; ++i) L::store(out + i * m + j, sums[i] * 0.5);
  });
}

void half_squares(Size rows, Size d, Size m, const double* x, const double* y, double* out) {
  constexpr int group = 8;
  Size i = 0;
  for (; i + group <= rows; i += group) half_squares_of<group>(d, m, x + i * d, y, out + i * m);
  for (; i < rows; ++i) half_squares_of<1>(d, m, x + i * d, y, out + i * m);
}

/// The largest of f(lanes, j), with as many running ones as hide the latency of a comparison.
template <class F>
MONGE_INLINE double largest_of(Size m, F f) {
  constexpr int lanes = MONGE_REGISTER_BYTES / sizeof(double), chains = 4;
  using L = Lanes<double, lanes>;
  typename L::Vector most[chains];
  for (auto& one : most) one = L::all(-__builtin_inf());
  Size j = 0;
  for (; j + chains * lanes <= m; j += chains * lanes)
    for (int chain = 0; chain < chains; ++chain) {
      const auto value = f(L{}, j + chain * lanes);
      most[chain] = most[chain] < value ? value : most[chain];
    }
  double result = -__builtin_inf();
  for (const auto& one : most)
    for (int lane = 0; lane < lanes; ++lane) result = result < one[lane] ? one[lane] : result;
  for (; j < m; ++j) {
    const double value = f(Lanes<double, 1>{}, j);
    result = result < value ? value : result;
  }
  return result;
}

double least(Size m, const double* c, const double* v) {
  return -largest_of(m, [&](auto lanes, Size j) MONGE_INLINED {
    using L = decltype(lanes);
    return L::load(v + j) - L::load(c + j);
  });
}

SoftRow soft_row(Size m, const double* c, const double* h, double epsilon, double* e) {
  const double steepness = 1 / epsilon;
  const double largest = largest_of(m, [&](auto lanes, Size j) MONGE_INLINED {
    using L = decltype(lanes);
    return L::load(h + j) - L::load(c + j);
  });
  SoftRow row{largest * steepness, 0, 0};
  constexpr int full = MONGE_REGISTER_BYTES / sizeof(double);
  auto sums = Lanes<double, full>::all(0), costs = sums;
  over(m, [&](auto lanes, Size j) MONGE_INLINED {
    using L = decltype(lanes);
    const auto cost = L::load(c + j);
    const auto value = exp_of_negative(L{}, (L::load(h + j) - cost - largest) * steepness);
    L::store(e + j, value);
    if constexpr (sizeof(typename L::Vector) == MONGE_REGISTER_BYTES) {
      sums = sums + value;
      costs = costs + value * cost;
    } else {
      row.sum += value;
      row.cost += value * cost;
    }
  });
  row.sum += Lanes<double, full>::sum(sums);
  row.cost += Lanes<double, full>::sum(costs);
  return row;
}

/// Σ_j f(lanes, j), with as many running sums as hide the latency of an addition.
template <class F>
MONGE_INLINE double sum_of(Size m, F f) {
  constexpr int lanes = MONGE_REGISTER_BYTES / sizeof(double), chains = 4;
  using L = Lanes<double, lanes>;
  typename L::Vector sums[chains];
  for (auto& one : sums) one = L::all(0);
  Size j = 0;
  for (; j + chains * lanes <= m; j += chains * lanes)
    for (int chain = 0; chain < chains; ++chain)
      sums[chain] = sums[chain] + f(L{}, j + chain * lanes);
  double result = L::sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; j < m; ++j) result += f(Lanes<double, 1>{}, j);
  return result;
}

double dot(Size m, const double* e, const double* u) {
  return sum_of(m, [&](auto lanes, Size j) MONGE_INLINED {
    using L = decltype(lanes);
    return L::load(e + j) * L::load(u + j);
  });
}

double dot3(Size m, const double* e, const double* u, const double* c) {
  return sum_of(m, [&](auto lanes, Size j) MONGE_INLINED {
    using L = decltype(lanes);
    return L::load(e + j) * L::load(u + j) * L::load(c + j);
  });
}

void add_scaled(Size m, double factor, const double* e, double* sums) {
  over(m, [&](auto lanes, Size j) MONGE_INLINED {
    using L = decltype(lanes);
    L::store(sums + j, L::load(sums + j) + L::load(e + j) * factor);
  });
}

constexpr TransportLoops loops{half_squares, least, soft_row, dot, dot3, add_scaled};

}  // namespace
}  // namespace monge::kernels
