"""What the benchmarks of fake solutions share: the cases, the fits, and what is true of them."""

import json
import os

import common
import discrete
import numpy

SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 3))))
WORKERS = int(os.environ.get("BENCH_WORKERS", os.cpu_count()))  # fits at a time, a thread each
STEPS = 1500  # of each fit
REFERENCE = 10000  # points of the discrete plans
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
RINGS = {"target.name": "circles", "target.factor": 1 / 3, "target.scale": 1.5, "target.noise": 0}
CURVES = {
    "Circle to rings": {"source.name": "circles", "source.factor": 1, "source.noise": 0} | RINGS,
    "Spiral to rings": {"source.name": "swiss_roll", "source.noise": 0} | RINGS,
}
HEADER = ["case", "d", "method", "D_cost / W2², %", "D_target less floor", "energy (floor)",
          "spread", "upper sheet", "on a sheet, %", "L2-UVP, %", "processor s", "plan check"]


def measures(case, d):
    both = {"name": "sheet"} if case in SHEETS else {}
    both |= {"dimension": d} | ({"rotation": 1} if d > 2 else {})
    return {f"{side}.{key}": value for side in ("source", "target")
            for key, value in both.items()} | (SHEETS | CURVES)[case]


def circle(u):
    return numpy.stack([numpy.cos(2 * numpy.pi * u), numpy.sin(2 * numpy.pi * u)], 1)


def curve(case, rng):
    """Points of a case's source and target in their plane."""
    u, v = rng.random((2, REFERENCE))
    if case == "Circle to rings":
        source = circle(u)
    else:
        t = (1.5 + 3 * u)[:, None] * numpy.pi
        source = t / 7.5 * numpy.concatenate([numpy.cos(t), numpy.sin(t)], 1)
    radius = numpy.where(rng.random(REFERENCE) < 0.5, 1.5, 0.5)
    return source, radius[:, None] * circle(v)


def exact_cost(case, d):
    """W2²: of sheets the formula, of curves that of a discrete plan."""
    if case in SHEETS:
        return d / 3 if case == "Perpendicular" else d / 2
    discrete.FOLDER.mkdir(parents=True, exist_ok=True)
    paths = [discrete.FOLDER / f"curve-{side}.npy" for side in ("source", "target")]
    for path, points in zip(paths, curve(case, numpy.random.default_rng(0))):
        numpy.save(path, points.astype("float32"))
    return 2 * discrete.solve("monge", ["exact", *paths], 1)["cost"]  # its cost is half of |x - y|²


def fit(case, method, d, seed, cost=None):
    name = f"otp/{case}-{method}-{d}-{seed}".replace(" ", "").replace(",", "-")
    arguments = ["--recipe", RECIPES[method]] if method in RECIPES else []
    run = common.fit(name, arguments, {"seed": seed, **measures(case, d), **METHODS[method],
                                       "train.max_steps": STEPS, "train.schedule": "cosine"},
                     may_diverge=True)
    evaluation = json.loads((run.folder / "evaluation.json").read_text())
    check = evaluation["plan_check"]
    cost = cost or exact_cost(case, d)
    return {"verdict": check["verdict"], "reason": check["reason"],
            "ended_early": run.ended_early,
            "cost": abs(check["cost"] - cost) / cost,
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
