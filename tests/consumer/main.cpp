// Fits a map between two Gaussians with the installed library and prints its error in percent.
#include "monge/measures/gaussian.h"
#include "monge/metric.h"
#include "monge/solvers/w2gn.h"
#include "monge/trainer.h"

#include <cstdio>

int main() {
  using namespace monge;
  const auto source = make_random_gaussian({.dimension = 2, .seed = 1});
  const auto target = make_random_gaussian({.dimension = 2, .seed = 2});
  Random random(0, "network");
  W2gn solver(2, {.start = "identity"}, {.hidden = {32, 32, 16}, .input_scale = 1}, random);
  Problem problem = make_problem(source, target, 0);
  train(solver, problem, {.max_steps = 1000}, [](const Solution&) { return Quality{}; });
  const AffineMap truth = bures_wasserstein_map(*source->moments(), *target->moments());
  const Tensor x = source->sample(1000, random);
  std::printf("%.3f\n",
              l2_uvp(solver.solution().map->transport(x), AffineTransportMap(truth).transport(x),
                     target->moments()->covariance.trace().item<double>()));
}
