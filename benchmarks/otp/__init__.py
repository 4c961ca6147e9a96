"""What the benchmarks of fake solutions share: the cases, the fits, and what is true of them."""

import functools
import json
import os
import tempfile

import common
import discrete
import numpy

SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 3))))
WORKERS = int(os.environ.get("BENCH_WORKERS", os.cpu_count()))  # fits at a time, a thread each
STEPS = 1500  # of each fit
TRAINING = 2**17  # points of a curve, a file for each side
REFERENCE, FRESH = 10000, 1  # points that curves' maps are judged on, and their seed
FOLDER = common.OUT / "runs" / "curves"
MAX_MIN = {"solver.name": "saddle_point", "solver.map": "network", "solver.residual": True,
           "solver.batch": 128, "solver.learning_rate": 5e-4}
METHODS = {
    "OTM": MAX_MIN,
    "OTM-s": MAX_MIN | {"solver.noise_dimension": 2, "solver.noise_samples": 1},
    "noised strong NOT": MAX_MIN | {"solver.learning_rate": 2e-3, "network.name": "noised_mlp",
                                    "network.unit": "target", "network.sigma_max": 10.0},
    "OTP, max-min": {},
    "OTP, max-min in the span": {"smoothing.start_level": 0.0, "solver.start": "affine"},
    "OTP, dual": {},
}
RECIPES = {"OTP, max-min": "otp-max-min", "OTP, max-min in the span": "otp-max-min",
           "OTP, dual": "otp"}
SHEETS = {
    "Perpendicular": {"target.side": "last"},
    "Parallel": {"target.offset": 1},
    "One-to-many": {"source.low": 0, "target.low": 0, "target.offset": 1, "target.mirrored": True},
}
CURVES = ["Circle to rings", "Spiral to rings"]
HEADER = ["case", "d", "method", "D_cost / W2², %", "D_target less floor", "energy (floor)",
          "spread", "upper sheet", "on a sheet, %", "L2-UVP, %", "processor s", "plan check"]


def sheets(case, d):
    both = {"name": "sheet", "dimension": d} | ({"rotation": 1} if d > 2 else {})
    return {f"{side}.{key}": value for side in ("source", "target")
            for key, value in both.items()} | SHEETS[case]


def circle(u):
    return numpy.stack([numpy.cos(2 * numpy.pi * u), numpy.sin(2 * numpy.pi * u)], 1)


def curve(case, n, seed):
    """n points of a case's source and target, in their plane."""
    rng = numpy.random.default_rng(seed)
    u, v = rng.random((2, n))
    if case == "Circle to rings":
        source = circle(u)
    else:
        t = (1.5 + 3 * u)[:, None] * numpy.pi
        source = t / 7.5 * numpy.concatenate([numpy.cos(t), numpy.sin(t)], 1)
    radius = numpy.where(rng.random(n) < 0.5, 1.5, 0.5)
    return source, radius[:, None] * circle(v)


@functools.cache
def files(case, d, n, seed):
    """A curve's points in a random plane of R^d: the files of both measures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    normal = numpy.random.default_rng(2).normal(size=(d, 2))
    plane = numpy.linalg.qr(normal)[0].T if d > 2 else numpy.eye(2)
    paths = [FOLDER / f"{case.split()[0]}-{d}-{n}-{seed}-{side}.npy" for side in ("source", "target")]
    for path, points in zip(paths, curve(case, n, seed)):
        with tempfile.NamedTemporaryFile(dir=FOLDER, delete=False) as file:
            numpy.save(file, (points @ plane).astype("float32"))
        os.replace(file.name, path)
    return paths


def exact_cost(case, d):
    """W2²: of sheets the formula, of curves that of the discrete plan between the points that their
    maps are judged on."""
    if case in SHEETS:
        return d / 3 if case == "Perpendicular" else d / 2
    # The command's cost is half of |x - y|².
    return 2 * discrete.solve("monge", ["exact", *files(case, 2, REFERENCE, FRESH)], 1)["cost"]


def curve_error(run, case, d, cost):
    """D_cost / W2² of a fit on the points of the reference, which it has not seen."""
    source, _ = files(case, d, REFERENCE, FRESH)
    moved = run.folder / "moved.npy"
    common.monge("apply", run.folder, "--in", source, "--out", moved, "--force")
    cost_of_plan = numpy.square(numpy.load(source) - numpy.load(moved)).sum(1).mean(dtype=float)
    return float(abs(cost_of_plan - cost) / cost)


def fit(case, method, d, seed, cost=None):
    name = f"otp/{case}-{method}-{d}-{seed}".replace(" ", "").replace(",", "-")
    arguments = ["--recipe", RECIPES[method]] if method in RECIPES else []
    if case in CURVES:
        source, target = files(case, d, TRAINING, 0)
        arguments += ["--source", source, "--target", target]
    run = common.fit(name, arguments, {"seed": seed} | (sheets(case, d) if case in SHEETS else {}) |
                     METHODS[method] | {"train.max_steps": STEPS, "train.schedule": "cosine"},
                     may_diverge=True)
    evaluation = json.loads((run.folder / "evaluation.json").read_text())
    check = evaluation["plan_check"]
    cost = cost or exact_cost(case, d)
    return {"verdict": check["verdict"], "reason": check["reason"],
            "ended_early": run.ended_early,
            "cost": (curve_error(run, case, d, cost) if case in CURVES
                     else abs(check["cost"] - cost) / cost),
            "target": check["d_target"], "target_error": check["d_target_error"],
            "energy": check["energy"], "floor": check["energy_floor"], "spread": check["spread"],
            "share": evaluation.get("share_above"), "on": evaluation.get("share_on_sheets"),
            "error": evaluation.get("l2_uvp"), "seconds": run.finished.cpu}


def dimensions(usual):
    """Those of BENCH_DIMENSIONS, a list with commas."""
    return [int(d) for d in os.environ.get("BENCH_DIMENSIONS", usual).split(",") if d]


def result_of(benchmark, rows, costs=None):
    """The fits of (case, method, dimension), with W2² of a case where `costs` has it."""
    def measured(case, method, d, seed):
        question = {"case": case, "method": method, "dimension": d, "seed": seed,
                    "options": METHODS[method], "steps": STEPS}
        if method in RECIPES:
            question["recipe"] = common.git("rev-parse", f"HEAD:recipes/{RECIPES[method]}.toml")
        if case in CURVES:
            question["points"] = [TRAINING, REFERENCE, FRESH]
        cost = (costs or {}).get(case)
        return common.case(benchmark, question, lambda: fit(case, method, d, seed, cost))

    jobs = [lambda one=(*row, seed): measured(*one) for row in rows for seed in SEEDS]
    lines = common.in_parallel(jobs, WORKERS)
    rest = iter(lines)
    found = [{"case": case, "method": method, "dimension": d,
              "fits": [line["figures"] for line in [next(rest) for _ in SEEDS] if line]}
             for case, method, d in rows]
    return {"steps": STEPS, "workers": WORKERS, "seeds": SEEDS,
            "places": common.places([line for line in lines if line]),
            "rows": [row for row in found if row["fits"]]}


def cells(row):
    def values(key, digits, factor=1):
        kept = [factor * one[key] for one in row["fits"] if one[key] is not None]
        if not kept:
            return "–"
        low, high = (f"{value:.{digits}f}" for value in (min(kept), max(kept)))
        return low if low == high else f"{low} to {high}"

    verdicts = [one["verdict"] for one in row["fits"]]
    counts = {name: verdicts.count(name) for name in sorted(set(verdicts))}
    error = max(one["target_error"] for one in row["fits"])
    floor = max(one["floor"] for one in row["fits"])
    return [row["case"], row["dimension"], row["method"], values("cost", 1, 100),
            f"{values('target', 3)} ± {error:.3f}", f"{values('energy', 4)} ({floor:.4f})",
            values("spread", 3), values("share", 3), values("on", 1, 100), values("error", 2),
            values("seconds", 0),
            ", ".join(name if count == len(verdicts) else f"{count} {name}"
                      for name, count in counts.items()) +
            common.early_text(row["fits"])]


def table(result):
    text = common.markdown(HEADER, [cells(row) for row in result["rows"]])
    return (f"{text}\n\n{result['steps']} steps, seeds 0 to "
            f"{result['seeds'][-1]}; ranges over the seeds. D_cost is against the "
            "exact W2²; ± is the largest standard error of D_target; energy is the energy distance "
            "over the target's mean distance, and the floor the largest between two samples of the "
            "target; L2-UVP is against the optimal map of the smoothed source. s is the "
            f"processor time of a fit on one thread, {result['workers']} at a time. "
            f"{result['places']}")
