"""Max–min training steps in PyTorch, written from the papers as their formulas read.

python eager_saddle.py mm2|strong|weak DIMENSION WIDTH,WIDTH,... BATCH INNER STEPS [--compile]:
prints the seconds of every step, with all its inner steps, as JSON. Adam is PyTorch's fused one, and
the network that does not learn is frozen, as careful users do. With --compile both losses go through
torch.compile, which has come to an end before anything is timed.
"""

import json
import sys
import time

import torch
from eager_w2gn import DenseICNN
from torch import nn

SAMPLES, NOISE = 4, 2


def perceptron(inputs, outputs, hidden):
    widths = [inputs, *hidden]
    layers = [part for a, b in zip(widths, widths[1:]) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


def train_only(learner, other):
    learner.requires_grad_(True)
    other.requires_grad_(False)


class Minimax:
    """Makkuva et al. 2020, eq. 11, with two DenseICNNs: f(y) and T = grad g."""

    def __init__(self, dimension, hidden, batch):
        self.f, self.g = (DenseICNN(dimension, 1, hidden) for _ in range(2))
        self.shape = (batch, dimension)

    networks = property(lambda self: (self.g, self.f))

    def map_loss(self):
        x = torch.randn(self.shape)
        moved = self.g.push(x)
        return (self.f(moved) - (x * moved).sum(1)).mean()

    def potential_loss(self):
        x, y = torch.randn(self.shape), torch.randn(self.shape) + 1
        moved = self.g.push(x, create_graph=False).detach()
        return (self.f(y) - self.f(moved)).mean()

    def after(self, network):
        network.convexify()


class Transport:
    """Korotin et al. 2023, algorithm 1: strong (no noise) or weak with gamma = 1."""

    def __init__(self, dimension, hidden, batch, weak):
        self.weak, self.shape = weak, (batch, dimension)
        self.map = perceptron(dimension + NOISE * weak, dimension, hidden)
        self.f = perceptron(dimension, 1, hidden)

    networks = property(lambda self: (self.map, self.f))

    def moved(self):
        x = torch.randn(self.shape)
        if not self.weak:
            return x, self.map(x)
        batch, dimension = self.shape
        repeated = x[:, None].expand(batch, SAMPLES, dimension)
        z = torch.randn(batch, SAMPLES, NOISE)
        return repeated, self.map(torch.cat([repeated, z], 2))

    def map_loss(self):
        x, moved = self.moved()
        cost = 0.5 * (x - moved).square().sum(-1).mean()
        if self.weak:
            cost = cost - 0.5 * moved.var(1).sum(1).mean()
        return cost - self.f(moved).mean()

    def potential_loss(self):
        with torch.no_grad():
            _, moved = self.moved()
        y = torch.randn(self.shape) + 1
        return self.f(moved).mean() - self.f(y).mean()

    def after(self, network):
        pass


def main(kind, dimension, hidden, batch, inner, steps, compiled):
    torch.manual_seed(0)
    problem = (Minimax(dimension, hidden, batch) if kind == "mm2"
               else Transport(dimension, hidden, batch, kind == "weak"))
    learner, potential = problem.networks
    losses = problem.map_loss, problem.potential_loss
    map_loss, potential_loss = map(torch.compile, losses) if compiled else losses
    optimisers = {network: torch.optim.Adam(network.parameters(), lr=1e-4, fused=True)
                  for network in problem.networks}

    def improve(network, other, loss, times):
        train_only(network, other)
        for _ in range(times):
            optimisers[network].zero_grad()
            loss().backward()
            optimisers[network].step()
            problem.after(network)

    seconds = []
    warm = max(steps // 10, 3)
    for _ in range(warm + steps):
        begin = time.perf_counter()
        improve(learner, potential, map_loss, inner)
        improve(potential, learner, potential_loss, 1)
        seconds.append(time.perf_counter() - begin)
    print(json.dumps({"step": seconds[warm:], "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), [int(h) for h in sys.argv[3].split(",")],
         *map(int, sys.argv[4:7]), "--compile" in sys.argv[7:])
