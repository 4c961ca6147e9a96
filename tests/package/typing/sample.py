"""Type-checked, not run: what the stubs promise."""

from typing import Any, assert_type

import numpy
import torch

import monge

ot = monge.OptimalTransport("dual", batch=256, hidden=[64, 64], max_seconds=30)
x = numpy.zeros((10, 2))
assert_type(ot.fit(x, x), monge.OptimalTransport)
assert_type(ot.transform(torch.zeros(3, 2)), torch.Tensor)
assert_type(ot.evaluate(), dict[str, float])
assert_type(ot.solution_.map(torch.zeros(3, 2)), torch.Tensor)
assert_type(monge.load("map.safetensors"), monge.OptimalTransport)
assert_type(monge.exact_ot(x, x).cost, float)
assert_type(monge.train(monge.Solver("w2gn"), x, "gaussian").steps, int)
assert_type(monge.Potential(torch.nn.Linear(2, 1), 2).value(torch.zeros(3, 2)), torch.Tensor)
monge.Solver("saddle_point", network=torch.nn.Linear(2, 1), map=torch.nn.Linear(2, 2))
monge.OptimalTransport(recipe="otp", smoothing_level=0.1)
monge.OptimalTransport(batchs=256)  # type: ignore[call-arg]
monge.OptimalTransport(batch="many")  # type: ignore[arg-type]
monge.OptimalTransport(map=torch.nn.Linear(2, 2), network=torch.nn.Linear(2, 1), checkpoint="kept")
monge.OptimalTransport(latent="vae", latent_dimension=8, latent_hidden=[32])
assert_type(ot.score(x, true_map=x), float)
assert_type(monge.load("map.safetensors", map=torch.nn.Linear(2, 2)), monge.OptimalTransport)
assert_type(monge.Cost("weak_quadratic", gamma=0.5)(x, x), torch.Tensor)
assert_type(ot.fit_transform(x, x), numpy.ndarray[tuple[int, int], numpy.dtype[numpy.float64]])
assert_type(ot.sample(torch.zeros(3, 2), 4), torch.Tensor)
assert_type(ot.log_det(torch.zeros(3, 2)), torch.Tensor)
assert_type(ot.log_density(torch.zeros(3, 2), return_error=True), tuple[torch.Tensor, torch.Tensor])
assert_type(ot.get_params()["batch"], Any)
def stop(evaluation: monge.Evaluation) -> bool:
    return evaluation.quality < 0.1


outcome: monge.Outcome = monge.OptimalTransport(on_evaluation=stop).fit(x, x).outcome_
ot.evaluat()  # type: ignore[attr-defined]
monge.train(monge.Solver(cost=monge.Cost()), x, x, checkpoint="kept")
