"""Ground-truth pairs of the Wasserstein-2 benchmark: a source P and the gradient T* of a convex
function, so that T* is the optimal map of P onto T*#P (Korotin et al. 2021). A file of data/
w2benchmark/, or one of a user's own of the same layout, holds both; docs/benchmarks.md tells it."""

import numpy
from safetensors.numpy import load_file

import common

FOLDER = common.ROOT / "data" / "w2benchmark"


class Pair:
    def __init__(self, path):
        self.name = path.stem
        self.tensors = {key: value.astype("float64") for key, value in load_file(path).items()}
        self.dimension = self.tensors["centers"].shape[1]
        check = self.tensors["check_x"], self.tensors["check_y"]
        if numpy.abs(self.map(check[0]) - check[1]).max() > 1e-9:
            raise SystemExit(f"bench: {path}: its map does not send check_x to check_y")

    def sample_source(self, count, rng):
        """Points of P, [count, d] float32."""
        which = rng.integers(len(self.tensors["centers"]), size=count)
        noise = rng.normal(size=(count, self.dimension))
        spread = self.tensors["mix_std"].item()
        moved = numpy.empty_like(noise)
        for k, (center, matrix) in enumerate(zip(self.tensors["centers"], self.tensors["maps"])):
            moved[which == k] = spread * noise[which == k] @ matrix.T + center
        return moved.astype("float32")

    def map(self, x, block=1 << 14):
        """T*(x), float64."""
        x = numpy.asarray(x, "float64")
        return numpy.concatenate([self._map(x[i:i + block]) for i in range(0, len(x), block)])

    def _map(self, x):
        total = self._gradient("v1", x) + self._gradient("v2", x)
        return self.tensors["scale"].item() * (total + self.tensors["shift"])

    def _gradient(self, side, x):
        def part(name):
            return self.tensors[f"{side}.{name}"]

        forms = [x @ part(f"quad{i}").T for i in range(3)]
        q = [forms[i] ** 2 + x @ part(f"lin{i}").T + part(f"bias{i}") for i in range(3)]
        a1 = q[0] @ part("conv1").T + q[1]
        z1 = numpy.where(a1 > 0, a1, numpy.expm1(numpy.minimum(a1, 0)))
        a2 = z1 @ part("conv2").T + q[2]
        delta2 = part("final") * numpy.exp(numpy.minimum(a2, 0))
        delta1 = (delta2 @ part("conv2")) * numpy.exp(numpy.minimum(a1, 0))
        deltas = [delta1 @ part("conv1"), delta1, delta2]
        out = float(self.tensors["strong_convexity"].item()) * x
        for form, delta, i in zip(forms, deltas, range(3)):
            out = out + (2 * form * delta) @ part(f"quad{i}") + delta @ part(f"lin{i}")
        return out


def bundled():
    """The project's pairs by dimension."""
    return sorted((Pair(path) for path in FOLDER.glob("*.safetensors")),
                  key=lambda pair: pair.dimension)


def uvp(mapped, truth, variance):
    """100 E|T - T*|^2 / Var, %."""
    return 100 * ((mapped.astype("float64") - truth) ** 2).sum(1).mean() / variance


def cosine(x, mapped, truth):
    moved, right = mapped - x, truth - x
    return float((moved * right).sum() / numpy.sqrt((moved**2).sum() * (right**2).sum()))
