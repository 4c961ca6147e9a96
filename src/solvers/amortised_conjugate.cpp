#include "solvers/amortised_conjugate.h"

namespace monge {
namespace {

MlpOptions network(std::int64_t dimension) {
  const std::int64_t width = std::clamp<std::int64_t>(2 * dimension, 64, 512);
  return {.hidden = {width, width}, .activation = "celu"};
}

}  // namespace

AmortisedConjugate::AmortisedConjugate(std::int64_t dimension, Loss loss, std::int64_t batch,
                                       Random& random)
    : loss_(loss),
      map_(dimension, network(dimension), true, {.learning_rate = 1e-3}, batch, random) {
  map_.become_zero();
}

Tensor AmortisedConjugate::starts(const Tensor& y) {
  y_ = y;
  guess_ = map_.forward(y);
  return guess_;
}

void AmortisedConjugate::learn(const Potential& psi, const Tensor& found, double rate,
                               Exchange exchange) {
  const Tensor along =
      loss_ == Loss::regression ? guess_ - found : psi.gradient(guess_, Graph::none) - y_;
  map_.accumulate(along / static_cast<double>(found.size(0)));
  exchange.means(map_.pass().sums.tensors()).run();
  map_.update(rate);
}

}  // namespace monge
