#pragma once

#include "monge/tensor.h"

#include <cstdint>
#include <map>

namespace monge {

struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  /// Decay of the exponential average of the parameters; in the first steps t it is (1 + t) /
  /// (10 + t) where that is less, so that the beginning is forgotten.
  double average = 0;
};

/// Adam (Kingma & Ba 2014) on named parameters, float32 or float64, all on one device: on the
/// processor one pass over each, with its projection and the average of the parameters folded in;
/// elsewhere ATen's fused update.
class Adam {
 public:
  /// `lower_bounds`: the parameters, by name, that an update keeps at or above a number.
  /// `averages`: by the same names, where the average goes; empty: none is kept. They belong to the
  /// caller, whose state they are part of.
  Adam(State parameters, AdamOptions options,
       const std::map<std::string, double>& lower_bounds = {}, const State& averages = {});

  /// One update from the gradients (parallel to the parameters in the order of their names), with
  /// the learning rate multiplied by `rate`.
  void step(const std::vector<Tensor>& gradients, double rate);

  const std::vector<Tensor>& parameters() const { return parameters_; }
  /// Parallel to the parameters; empty where no average is kept.
  const std::vector<Tensor>& averages() const { return averages_; }
  /// The share that the newest parameters have in the averages.
  double newest_share() const;
  /// How many updates there were.
  std::int64_t steps() const;
  State state() const;
  void restore(const State& state);

 private:
  template <class T>
  void update(const std::vector<Tensor>& gradients, double rate);
  void update_by_aten(const std::vector<Tensor>& gradients, double rate);

  AdamOptions options_;
  std::vector<std::string> names_;
  std::vector<Tensor> parameters_, first_, second_, averages_;
  std::vector<double> lowest_;
  Tensor steps_;  // [], int64
};

/// The Euclidean norm of all entries together.
double norm_of(const std::vector<Tensor>& tensors);

}  // namespace monge
