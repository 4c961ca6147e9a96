import numpy
import pytest

import monge

TINY = {"hidden": [16], "max_steps": 100, "progress": False}


@pytest.fixture(scope="session")
def clouds():
    """Points of two Gaussians, float32 [600, 2] and [500, 2]."""
    random = numpy.random.default_rng(0)
    return (random.normal(size=(600, 2)).astype("f4"),
            (random.normal(size=(500, 2)) @ [[2, 0], [1, 0.5]] + 3).astype("f4"))


@pytest.fixture(scope="session")
def fitted(clouds):
    return monge.OptimalTransport(**TINY).fit(*clouds)


@pytest.fixture(scope="session")
def bridge(clouds):
    """A stochastic map."""
    return monge.OptimalTransport("light_sb", components=5, epsilon=0.5, max_steps=100,
                                  progress=False).fit(*clouds)
