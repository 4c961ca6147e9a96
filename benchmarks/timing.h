#pragma once
// What the C++ benchmark programs share: a clock, and the matrix products that a step cannot do
// without, measured in its process and on its threads.

#include "monge/measures/gaussian.h"
#include "monge/sampler.h"

#include "kernels/product.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include <chrono>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace bench {

using Json = nlohmann::json;

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

template <class Work>
std::vector<double> timed(int repetitions, Work work) {
  std::vector<double> seconds;
  for (int i = 0; i < repetitions; ++i) {
    const double begin = now();
    work();
    seconds.push_back(now() - begin);
  }
  return seconds;
}

/// The largest resident set of this process so far, in MiB: that of the steps, where it is asked
/// for before the products are measured.
inline double peak_memory() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_maxrss) / 1024;
}

/// A product that a step does `times` times, of the whole batch.
inline Json product_of(const std::string& name, int times, std::int64_t m, std::int64_t n,
                       std::int64_t k, int repetitions) {
  using monge::kernels::Transposed;
  const at::Tensor a = at::randn({m, k}), b = at::randn({n, k}), out = at::empty({m, n});
  const auto multiply = [&] {
    monge::kernels::product(m, n, k, a.const_data_ptr<float>(), k, Transposed::no,
                            b.const_data_ptr<float>(), k, Transposed::yes, 0.0f,
                            out.data_ptr<float>(), n);
  };
  multiply();
  const double flop =
      2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  return {
      {"name", name}, {"times", times}, {"flop", flop}, {"seconds", timed(repetitions, multiply)}};
}

/// The machine's measured rate.
inline Json cube() { return product_of("1024 cubed", 0, 1024, 1024, 1024, 10); }

/// "128,128,64".
inline std::vector<std::int64_t> widths(const std::string& text) {
  std::vector<std::int64_t> all;
  std::istringstream stream(text);
  for (std::string width; std::getline(stream, width, ',');) all.push_back(std::stoll(width));
  return all;
}

/// The main function of a program: `run` gets the arguments; what it throws is printed.
template <class Run>
int main_of(const char* name, int count, char** arguments, Run run) {
  try {
    return run(std::vector<std::string>(arguments + 1, arguments + count));
  } catch (const std::exception& error) {
    std::cerr << name << ": " << error.what() << "\n";
    return 1;
  }
}

/// Standard Gaussians of means 0 and 1.
inline monge::Problem problem(std::int64_t dimension) {
  const auto measure = [&](double mean) {
    return std::make_shared<monge::GaussianMeasure>(
        monge::Moments{at::full({dimension}, mean, at::kDouble), at::eye(dimension, at::kDouble)});
  };
  return monge::make_problem(measure(0), measure(1), 3);
}

}  // namespace bench
