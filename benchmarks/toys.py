"""Standard Gaussian to 8, 49 and 100 Gaussians and a Swiss roll in the plane (W2GN, C.3)."""

import math
import os
import tomllib

import common
import numpy
import torch

TOYS = ["toy-8gaussians", "toy-49gaussians", "toy-100gaussians", "toy-swissroll"]
SAMPLES = 100_000  # counted to their modes
PAIRS = 5_000  # of each side in an energy distance
FLOORS = 5
SEED = 20  # of the points that are mapped
SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 3))))  # of the training runs
THREADS = 1
SEGMENTS = 20  # of equal mass, that stand for the modes of the Swiss roll


class Mixture:
    """Equal round Gaussians; a point belongs to the nearest centre."""

    def __init__(self, centres, std):
        self.centres, self.std, self.modes = centres, std, len(centres)

    def sample(self, n, rng):
        points = self.centres[rng.integers(self.modes, size=n)]
        return points + self.std * rng.standard_normal((n, 2))

    def places(self, points):
        """The nearest mode of every point and the distance to it in standard deviations."""
        distances, nearest = nearest_of(points, self.centres)
        return nearest, distances / self.std


class Roll:
    """The Swiss roll; its modes are arcs of equal mass."""

    modes = SEGMENTS

    def __init__(self, noise, scale):
        self.std, self.scale = noise * scale, scale

    def curve(self, share):
        t = 1.5 * math.pi * (1 + 2 * share)
        return self.scale * numpy.stack([t * numpy.cos(t), t * numpy.sin(t)], 1)

    def sample(self, n, rng):
        return self.curve(rng.random(n)) + self.std * rng.standard_normal((n, 2))

    def places(self, points):
        fine = 100 * SEGMENTS
        curve = self.curve((numpy.arange(fine) + 0.5) / fine)
        distances, nearest = nearest_of(points, curve)
        return nearest * SEGMENTS // fine, distances / self.std


def nearest_of(points, centres):
    centres = torch.from_numpy(centres.astype("float32"))
    parts = [torch.cdist(part, centres).min(1)
             for part in torch.from_numpy(points.astype("float32")).split(10_000)]
    return (torch.cat([part.values for part in parts]).numpy(),
            torch.cat([part.indices for part in parts]).numpy())


def target_of(recipe):
    options = recipe["target"]
    if options["name"] == "gaussian_ring":
        angles = numpy.arange(options["count"]) * 2 * math.pi / options["count"]
        circle = numpy.stack([numpy.cos(angles), numpy.sin(angles)], 1)
        return Mixture(options["radius"] * circle, options["std"])
    if options["name"] == "gaussian_grid":
        side = math.isqrt(options["count"])
        line = (numpy.arange(side) - (side - 1) / 2) * options["spacing"]
        grid = numpy.stack(numpy.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
        return Mixture(grid, options["std"])
    return Roll(options["noise"], options["scale"])


def energy_distance(a, b):
    """2 E|a - b| - E|a - a'| - E|b - b'| without bias: a point is not paired with itself."""
    a, b = (torch.from_numpy(points[:PAIRS].astype("float64")) for points in (a, b))

    def within(points):
        return torch.cdist(points, points).sum() / (len(points) * (len(points) - 1))

    return (2 * torch.cdist(a, b).mean() - within(a) - within(b)).item()


def floor(draw):
    """The root mean square of the energy distance between two samples of one measure."""
    values = [energy_distance(draw(PAIRS), draw(PAIRS)) for _ in range(FLOORS)]
    return math.sqrt(numpy.mean(numpy.square(values)))


def places_record(target, points):
    modes, distances = target.places(points)
    shares = numpy.bincount(modes, minlength=target.modes) * target.modes / len(points)
    return {"worst_mode": shares.min(), "best_mode": shares.max(),
            "within_3_std": float(numpy.mean(distances <= 3))}


def move(run, points, name, inverse=False):
    folder = common.OUT / "runs" / "toys"
    numpy.save(folder / f"{name}-in.npy", points.astype("float32"))
    common.monge("apply", run, "--in", folder / f"{name}-in.npy", "--out",
                 folder / f"{name}-out.npy", "--force", *(["--inverse"] if inverse else []))
    return numpy.load(folder / f"{name}-out.npy")


def measure(name, target, run):
    rng = numpy.random.default_rng(SEED)

    def normal(n):
        return rng.standard_normal((n, 2))

    def sample(n):
        return target.sample(n, rng)

    forward = move(run, normal(SAMPLES), name)
    backward = move(run, sample(SAMPLES), f"{name}-inverse", inverse=True)
    return {"modes": target.modes,
            "mapped": places_record(target, forward),
            "target": places_record(target, sample(SAMPLES)),
            "energy_distance": energy_distance(forward, sample(PAIRS)),
            "energy_distance_floor": floor(sample),
            "inverse_energy_distance": energy_distance(backward, normal(PAIRS)),
            "inverse_energy_distance_floor": floor(normal)}


def learn(name, seed):
    path = common.ROOT / "recipes" / f"{name}.toml"
    recipe = tomllib.loads(path.read_text())
    fit = common.fit(f"toys/{name}-{seed}", [path], {"seed": seed}, THREADS)
    return {"name": name, "seed": seed, "recipe": recipe, "fit": fit.record(),
            **measure(f"{name}-{seed}", target_of(recipe), fit.folder)}


def run():
    workers = int(os.environ.get("BENCH_WORKERS", os.cpu_count()))
    toys = common.in_parallel([lambda name=name, seed=seed: learn(name, seed)
                               for name in TOYS for seed in SEEDS], workers)
    return {"settings": {"samples": SAMPLES, "pairs": PAIRS, "seed": SEED, "threads": THREADS,
                         "runs_at_once": workers}, "toys": toys}


def median(values):
    return common.spread(values)["median"]


def energy(runs, key):
    values = common.spread(run[key] for run in runs)
    return (f"{values['median']:.1e} ({values['low']:.1e} to {values['high']:.1e}); "
            f"{median(run[key + '_floor'] for run in runs):.1e}")


def table(result):
    rows = []
    for name in TOYS:
        runs = [toy for toy in result["toys"] if toy["name"] == name]
        target = runs[0]["target"]
        rows.append([
            name.removeprefix("toy-"),
            f"{min(run['mapped']['worst_mode'] for run in runs):.2f}–"
            f"{max(run['mapped']['best_mode'] for run in runs):.2f}; "
            f"{target['worst_mode']:.2f}–{target['best_mode']:.2f}",
            f"{common.text_of(100 * run['mapped']['within_3_std'] for run in runs)}; "
            f"{100 * target['within_3_std']:.1f}",
            energy(runs, "energy_distance"), energy(runs, "inverse_energy_distance"),
            f"{median(run['fit']['steps'] for run in runs):.0f}",
            common.text_of(run["fit"]["train_seconds"] for run in runs),
            common.text_of(run["fit"]["cpu_seconds"] for run in runs)])
    header = ["target", "share of a mode, worst–best", "within 3 std, %", "energy distance",
              "of the inverse", "steps", "training s", "processor s"]
    return common.markdown(header, rows) + (
        f"\n\nMedian (range) over {len(runs)} seeds; the shares are the worst and the best of all "
        "seeds. After the semicolon: the same of fresh samples of the target itself, which is what "
        "sampling alone gives. A share of 1 is the right mass; the Swiss roll's modes are "
        f"{SEGMENTS} arcs of equal mass.")
