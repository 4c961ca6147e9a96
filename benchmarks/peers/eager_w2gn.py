"""W2GN's training step in PyTorch, written from the paper as its formulas read.

python eager_w2gn.py DIMENSION RANK WIDTH,WIDTH,... BATCH STEPS [--compile]: prints the seconds of
every step as JSON. Adam is PyTorch's fused one, its fastest on a processor. With --compile the
objective goes through torch.compile, which has come to an end before anything is timed.
"""

import json
import sys
import time

import torch
from torch import nn


class ConvexQuadratic(nn.Module):
    """x -> |F x|^2 + B x + b for every unit, F of the given rank."""

    def __init__(self, dimension, units, rank):
        super().__init__()
        self.forms = nn.Parameter(torch.randn(units * rank, dimension) / (dimension * rank) ** 0.5)
        self.linear = nn.Linear(dimension, units)
        self.rank = rank

    def forward(self, x):
        squares = (x @ self.forms.T).square()
        return squares.view(len(x), -1, self.rank).sum(2) + self.linear(x)


class DenseICNN(nn.Module):
    def __init__(self, dimension, rank, hidden, strong_convexity=1e-6):
        super().__init__()
        self.quadratic = nn.ModuleList(ConvexQuadratic(dimension, h, rank) for h in hidden)
        self.convex = nn.ModuleList(nn.Linear(a, b, bias=False)
                                    for a, b in zip(hidden, hidden[1:]))
        self.final = nn.Linear(hidden[-1], 1, bias=False)
        self.strong_convexity = strong_convexity
        with torch.no_grad():
            for layer in [*self.convex, self.final]:
                layer.weight.copy_(layer.weight.abs() / layer.in_features)

    def forward(self, x):
        z = self.quadratic[0](x)
        for quadratic, convex in zip(self.quadratic[1:], self.convex):
            z = nn.functional.celu(convex(z) + quadratic(x))
        return self.final(z).squeeze(1) + 0.5 * self.strong_convexity * x.square().sum(1)

    def push(self, x, create_graph=True):
        """The gradient at the points. torch.compile does not differentiate what autograd.grad
        gives, but does what func.grad gives, whose operations are part of the compiled graph."""
        if torch.compiler.is_compiling():
            return torch.func.grad(lambda points: self(points).sum())(x)
        if not x.requires_grad:
            x = x.clone().requires_grad_()
        return torch.autograd.grad(self(x).sum(), x, create_graph=create_graph)[0]

    def convexify(self):
        with torch.no_grad():
            for layer in [*self.convex, self.final]:
                layer.weight.clamp_(min=0)


def objective(psi, omega, x, y, cycle_weight=1.0):
    back = omega.push(y)
    seen = back.detach()
    correlation = psi(x).mean() - psi(seen).mean() + (seen * y).sum(1).mean()
    cycle = (psi.push(back) - y).square().sum(1).mean()
    return correlation + cycle_weight * cycle


def main(dimension, rank, hidden, batch, steps, compiled):
    torch.manual_seed(0)
    psi, omega = (DenseICNN(dimension, rank, hidden) for _ in range(2))
    optimiser = torch.optim.Adam([*psi.parameters(), *omega.parameters()], lr=5e-3,
                                 betas=(0.9, 0.99), fused=True)
    loss = torch.compile(objective) if compiled else objective
    seconds = []
    warm = max(steps // 10, 3)
    for _ in range(warm + steps):
        begin = time.perf_counter()
        x, y = torch.randn(batch, dimension), torch.randn(batch, dimension) + 1
        optimiser.zero_grad()
        loss(psi, omega, x, y).backward()
        optimiser.step()
        psi.convexify()
        omega.convexify()
        seconds.append(time.perf_counter() - begin)
    print(json.dumps({"step": seconds[warm:], "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), [int(h) for h in sys.argv[3].split(",")],
         int(sys.argv[4]), int(sys.argv[5]), "--compile" in sys.argv[6:])
