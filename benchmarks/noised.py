"""Noised strong NOT beside plain strong NOT: toys and fake solutions, the same number of steps."""

import os

import common
import numpy
import not_toys
import otp

SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 3))))
STEPS = int(os.environ.get("BENCH_STEPS", 3000))  # of the toys
PLAIN, NOISED = otp.METHODS["OTM"], otp.METHODS["noised strong NOT"]
METHODS = {
    "strong NOT": PLAIN,
    "strong NOT, rate 2e-3": PLAIN | {"solver.learning_rate": 2e-3},
    "noised": NOISED,
    "noised, rate 5e-4": NOISED | {"solver.learning_rate": 5e-4},
    "noised, EDM's weights": NOISED | {"network.weight": "edm"},
    "noised, levels to 100": NOISED | {"network.sigma_max": 100.0},
}
TOYS = ["not-strong-8gaussians", "not-strong-swissroll"]
THREADS = 1


def toy(name, method, seed):
    recipe = not_toys.recipe_of(name)
    target, d = not_toys.target_of(recipe), recipe["source"]["dimension"]
    label = f"noised/{name}-{method}-{seed}".replace(" ", "").replace(",", "-").replace("'", "")
    fit = common.fit(label, [common.ROOT / "recipes" / f"{name}.toml"],
                     METHODS[method] | {"seed": seed, "train.max_steps": STEPS},
                     THREADS)
    x = not_toys.normals(not_toys.POINTS, d, 7)
    numpy.save(fit.folder / "x.npy", x.astype("float32"))
    common.monge("apply", fit.folder, "--in", fit.folder / "x.npy", "--out",
                 fit.folder / "moved.npy", "--force")
    moved = numpy.load(fit.folder / "moved.npy").astype("float64")[:, None]
    goal = not_toys.points_of(target, not_toys.POINTS, 3)
    return {"toy": name, "method": method, "seed": seed, "seconds": fit.train_seconds,
            "true_cost": not_toys.true_cost(name, 0),
            **not_toys.measured(target, x, moved, 0, 2, goal)}


def run():
    workers = int(os.environ.get("BENCH_WORKERS", os.cpu_count()))
    toys = [lambda one=(name, method, seed): toy(*one)
            for name in TOYS for method in METHODS for seed in SEEDS]
    cases = [lambda one=(case, method, 2, seed): {"case": case, "method": method, **otp.fit(*one)}
             for case in otp.SHEETS for method in ("OTM", "noised strong NOT") for seed in SEEDS]
    return {"steps": STEPS, "toys": common.in_parallel(toys, workers),
            "cases": common.in_parallel(cases, workers), "case_steps": otp.STEPS}


def toy_row(runs):
    cost = common.text_of(100 * (one["cost"] / one["true_cost"] - 1) for one in runs)
    return [runs[0]["toy"].removeprefix("not-strong-"), runs[0]["method"],
            common.text_of(one["energy"] for one in runs),
            f"{min(one['least'] for one in runs):.3f}–{max(one['most'] for one in runs):.3f}",
            f"{100 * min(one['within'] for one in runs):.1f}", cost,
            common.text_of(one["seconds"] for one in runs)]


def table(result):
    toys = {}
    for one in result["toys"]:
        toys.setdefault((one["toy"], one["method"]), []).append(one)
    text = common.markdown(["toy", "method", "energy distance", "share of a mode", "within, %",
                            "cost above the true one, %", "s"],
                           [toy_row(runs) for runs in toys.values()])
    cases = {}
    for one in result["cases"]:
        cases.setdefault((one["case"], one["method"]), []).append(one)
    rows = [otp.cells({"case": case, "method": method, "dimension": 2, "fits": fits})
            for (case, method), fits in cases.items()]
    text += "\n\n" + common.markdown(otp.HEADER, rows)
    seeds = {one["seed"] for one in result["toys"]}
    return text + (f"\n\n{result['steps']} steps a toy, {result['case_steps']} a case; median and "
                   f"range, or worst, of {len(seeds)} seeds.")
