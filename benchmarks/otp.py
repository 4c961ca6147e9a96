"""Fake solutions: max-min transport and smoothed sources where the optimal plan is known."""

import json
import os

import common

SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 3))))
DIMENSIONS = [int(d) for d in os.environ.get("BENCH_DIMENSIONS", "4,16,64,256").split(",") if d]
STEPS = 1500  # of each fit
LEVEL = 0.05  # of the noise in the end, in units of a coordinate's variance in the source
MAX_MIN = {"solver.name": "saddle_point", "solver.map": "network", "solver.residual": True,
           "solver.batch": 128, "solver.learning_rate": 5e-4}
SMOOTHED = {"smoothing.kind": "gaussian", "smoothing.unit": "source", "smoothing.level": LEVEL}
METHODS = {
    "OTM": MAX_MIN,
    "OTM-s": MAX_MIN | {"solver.noise_dimension": 2, "solver.noise_samples": 1},
    "noised strong NOT": MAX_MIN | {"solver.learning_rate": 2e-3, "network.name": "noised_mlp",
                                    "network.unit": "target", "network.sigma_max": 10.0},
    "OTP, max-min": MAX_MIN | SMOOTHED | {"smoothing.start_level": 5.0},
    "OTP, dual": {"solver.name": "dual", "solver.learning_rate": 1e-2,
                  "network.name": "dense_icnn", "network.celu_alpha": 0.1} | SMOOTHED,
}
CASES = {
    "Perpendicular": {"target.side": "last"},
    "Parallel": {"target.offset": 1},
    "One-to-many": {"source.low": 0, "target.low": 0, "target.offset": 1, "target.mirrored": True},
}
HEADER = ["case", "d", "method", "D_cost / W2², %", "D_target less floor", "energy", "spread",
          "upper sheet", "L2-UVP, %", "plan check"]
COST = {"Perpendicular": 1 / 3, "Parallel": 1 / 2, "One-to-many": 1 / 2}  # W2² over d


def measures(case, d):
    both = {"name": "sheet", "dimension": d} | ({"rotation": 1} if d > 2 else {})
    return {f"{side}.{key}": value for side in ("source", "target")
            for key, value in both.items()} | CASES[case]


def fit(case, method, d, seed):
    name = f"otp/{case}-{method}-{d}-{seed}".replace(" ", "").replace(",", "-")
    run = common.fit(name, [], {"seed": seed, **measures(case, d), **METHODS[method],
                                "train.max_steps": STEPS, "train.schedule": "cosine"})
    evaluation = json.loads((run.folder / "evaluation.json").read_text())
    check = evaluation["plan_check"]
    return {"verdict": check["verdict"], "reason": check["reason"],
            "cost": abs(check["cost"] - COST[case] * d) / (COST[case] * d),
            "target": check["d_target"], "energy": check["energy"], "spread": check["spread"],
            "share": evaluation.get("share_above"), "error": evaluation.get("l2_uvp")}


def run():
    rows = [(case, method, 2) for case in CASES for method in METHODS]
    rows += [(case, "OTP, dual", d) for d in DIMENSIONS for case in CASES]
    return {"steps": STEPS, "level": LEVEL, "rows": [
        {"case": case, "method": method, "dimension": d,
         "fits": [fit(case, method, d, seed) for seed in SEEDS]} for case, method, d in rows]}


def cells(row):
    def values(key, digits):
        kept = [one[key] for one in row["fits"] if one[key] is not None]
        if not kept:
            return "–"
        low, high = (f"{value:.{digits}f}" for value in (min(kept), max(kept)))
        return low if low == high else f"{low} to {high}"

    verdicts = [one["verdict"] for one in row["fits"]]
    counts = {name: verdicts.count(name) for name in sorted(set(verdicts))}
    fits = [dict(one, cost=100 * one["cost"]) for one in row["fits"]]
    row = row | {"fits": fits}
    return [row["case"], row["dimension"], row["method"], values("cost", 1), values("target", 3),
            values("energy", 4), values("spread", 3), values("share", 3), values("error", 2),
            ", ".join(name if count == len(verdicts) else f"{count} {name}"
                      for name, count in counts.items())]


def table(result):
    text = common.markdown(HEADER, [cells(row) for row in result["rows"]])
    return (f"{text}\n\n{result['steps']} steps, noise level {result['level']:g}, seeds 0 to "
            f"{len(result['rows'][0]['fits']) - 1}; ranges over the seeds. D_cost is against the "
            "exact W2²; energy is the energy distance over the target's mean distance; L2-UVP is "
            "against the optimal map of the smoothed source.")
