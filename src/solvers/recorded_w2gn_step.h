#pragma once

#include "monge/potential.h"

#include "solvers/w2gn_objective.h"

#include <memory>

namespace monge {

/// The objective of any two potentials by autograd: value and gradient of each are recorded once a
/// point, and one backward pass gives the derivatives.
class RecordedW2gnStep final : public W2gnObjective {
 public:
  RecordedW2gnStep(std::shared_ptr<const Potential> psi, std::shared_ptr<const Potential> omega,
                   const W2gnWeights& weights);

  W2gnTerms run(const Tensor& x, const Tensor& y) override;
  const std::vector<Tensor>& derivatives() const override { return derivatives_; }

 private:
  W2gnWeights weights_;
  std::shared_ptr<const Potential> psi_, omega_;
  std::vector<Tensor> parameters_, derivatives_;
};

}  // namespace monge
