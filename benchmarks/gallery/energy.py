"""The energy distance of points, 2 E|a - b| - E|a - a'| - E|b - b'|."""

import numpy
import torch


def mean_distance(a, b):
    a, b = (torch.from_numpy(numpy.asarray(points, "f4")) for points in (a, b))
    return torch.cdist(a, b).mean(dtype=torch.float64).item()


def within(points):
    """Over all different pairs."""
    return mean_distance(points, points) * len(points) / (len(points) - 1)


def energy(a, b):
    return 2 * mean_distance(a, b) - within(a) - within(b)
