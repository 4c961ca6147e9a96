#pragma once

#include "monge/random.h"

#include "kernels/icnn_loops.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/csrc/autograd/autograd.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace monge {

template <class T>
using LoopTables = std::vector<std::pair<std::string, const kernels::IcnnLoops<T>*>>;

/// The loops of every instruction set that this machine has.
template <class T>
LoopTables<T> supported_loops();
template <>
inline LoopTables<float> supported_loops() {
  LoopTables<float> tables{{"any", &kernels::icnn_loops_float_any}};
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    tables.emplace_back("avx2", &kernels::icnn_loops_float_avx2);
  if (at::get_cpu_capability() == "AVX512")
    tables.emplace_back("avx512", &kernels::icnn_loops_float_avx512);
#endif
  return tables;
}
template <>
inline LoopTables<double> supported_loops() {
  LoopTables<double> tables{{"any", &kernels::icnn_loops_double_any}};
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    tables.emplace_back("avx2", &kernels::icnn_loops_double_avx2);
  if (at::get_cpu_capability() == "AVX512")
    tables.emplace_back("avx512", &kernels::icnn_loops_double_avx512);
#endif
  return tables;
}

/// Draws the shape of a test from a seed.
class ShapeDraw {
 public:
  explicit ShapeDraw(std::uint64_t seed) : random_(seed, "shape") {}

  /// Uniform on low, ..., high.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + random_.integers(high - low + 1, 1).item<std::int64_t>();
  }
  /// 1 for one in four, else uniform on 2, ..., high.
  std::int64_t often_one(std::int64_t high) { return between(1, 4) == 1 ? 1 : between(2, high); }
  /// 1 to 4 layers' widths.
  std::vector<std::int64_t> widths(std::int64_t high) {
    std::vector<std::int64_t> widths(static_cast<std::size_t>(between(1, 4)));
    for (std::int64_t& width : widths) width = between(1, high);
    return widths;
  }

 private:
  Random random_;
};

/// What `work` gives on so many threads.
template <class Work>
auto on_threads(int threads, const Work& work) {
  const int before = at::get_num_threads();
  at::set_num_threads(threads);
  const auto result = work();
  at::set_num_threads(before);
  return result;
}

/// Within `tolerance` of the largest entry.
inline void expect_close(const at::Tensor& fused, const at::Tensor& plain, double tolerance,
                         const std::string& what) {
  ASSERT_EQ(fused.sizes(), plain.sizes()) << what;
  const double size = std::max(plain.abs().max().item<double>(), 1e-3);
  EXPECT_LE((fused - plain).abs().max().item<double>(), tolerance * size) << what;
}

/// Derivatives in parameters, within `tolerance` of the largest entry of them all; `plain` is
/// parallel to them, undefined where it is 0.
inline void expect_derivatives_close(const State& fused, const std::vector<at::Tensor>& plain,
                                     double tolerance, const std::string& what) {
  double size = 1e-3;
  for (const at::Tensor& derivative : plain)
    if (derivative.defined()) size = std::max(size, derivative.abs().max().item<double>());
  auto expected = plain.begin();
  for (const auto& [name, derivative] : fused) {
    const at::Tensor gap = expected->defined() ? derivative - *expected : derivative;
    EXPECT_LE(gap.abs().max().item<double>(), tolerance * size) << what << " " << name;
    ++expected;
  }
}

/// The derivatives of a sum over `n` points in the parameters, by autograd and added up over parts
/// of it: objective(from, count).
template <class Objective>
std::vector<at::Tensor> derivatives_in_parts(const State& parameters, std::int64_t n,
                                             Objective objective) {
  constexpr std::int64_t part = 50'000;
  std::vector<at::Tensor> inputs, sums;
  for (const auto& [name, parameter] : parameters) {
    inputs.push_back(parameter);
    sums.push_back(at::zeros_like(parameter));
  }
  for (std::int64_t from = 0; from < n; from += part) {
    const auto derivatives = torch::autograd::grad({objective(from, std::min(part, n - from))},
                                                   inputs, {}, false, false, true);
    for (std::size_t i = 0; i < sums.size(); ++i)
      if (derivatives[i].defined()) sums[i].add_(derivatives[i]);
  }
  return sums;
}

/// The type and the agreement that the kernels promise for it.
template <class T>
class KernelTest : public testing::Test {
 public:
  static constexpr at::ScalarType dtype = std::is_same_v<T, float> ? at::kFloat : at::kDouble;
  static constexpr double tolerance = std::is_same_v<T, float> ? 1e-5 : 1e-12;
};
using Numbers = testing::Types<float, double>;

}  // namespace monge
