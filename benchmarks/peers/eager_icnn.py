"""A trained map of Monge evaluated point by point in eager PyTorch, its gradient by autograd."""

import json

import torch
from safetensors import safe_open


class EagerMap:
    """T(x) = to + scale M^T grad psi(M (x - from) / scale), from a map file of Monge."""

    def __init__(self, path):
        with safe_open(path, "pt") as file:
            description = json.loads(file.metadata()["map"])
            tensors = {key.removeprefix("map."): file.get_tensor(key) for key in file.keys()
                       if key.startswith("map.")}
        if description["network"] != "dense_icnn":
            raise ValueError(f"{path}: expected dense_icnn, got {description['network']}")
        options = description["options"]
        self.hidden, self.rank = options["hidden"], options["rank"]
        self.alpha, self.beta = options["celu_alpha"], options["strong_convexity"]
        frame = {key: tensors[f"frame.{key}"].float() for key in ("matrix", "from", "to")}
        self.matrix, self.start, self.end = frame["matrix"], frame["from"], frame["to"]
        self.scale = tensors["frame.scale"].item()
        self.weights = {key.removeprefix("potential."): value for key, value in tensors.items()
                        if key.startswith("potential.")}

    def potential(self, x):
        w, units = self.weights, sum(self.hidden)
        quadratic = (x @ w["input.weight"][: self.rank * units].T).square()
        quadratic = quadratic.view(len(x), units, self.rank).sum(2)
        inputs = quadratic + x @ w["input.weight"][self.rank * units:].T + w["input.bias"]
        z, *rest = inputs.split(self.hidden, 1)
        for layer, q in enumerate(rest, 1):
            z = torch.nn.functional.celu(z @ w[f"convex.{layer}"].T + q, self.alpha)
        value = z @ w["final"] + 0.5 * self.beta * x.square().sum(1)
        if "skip.linear" in w:
            value = value + 0.5 * x.square() @ w["skip.quadratic"] + x @ w["skip.linear"]
        return value

    def __call__(self, points, chunk=1 << 16):
        moved = []
        for part in points.split(chunk):
            x = ((part - self.start) / self.scale) @ self.matrix.T
            x.requires_grad_()
            gradient, = torch.autograd.grad(self.potential(x).sum(), x)
            moved.append(self.end + self.scale * gradient @ self.matrix)
        return torch.cat(moved)
