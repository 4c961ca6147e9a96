"""Five tasks in Monge, POT and OTT-JAX: the code of docs/coming-from.md, its time and accuracy."""

import json
import os
import re

import common
import numpy
import peers

PAGE = common.ROOT / "docs" / "coming-from.md"
FOLDER = common.OUT / "runs" / "libraries"
RUNNER = common.ROOT / "benchmarks" / "peers" / "task.py"
DIMENSION = 8
TASKS = {  # points of each sample; what is asked for
    "exact": (1000, "the exact plan"),
    "entropic": (1000, "the entropic plan"),
    "entropic_map": (2000, "an entropic map"),
    "map": (5000, "a learned map"),
    "distance": (20_000, "W₂² of large samples"),
}
NEW = 2000
EPSILON = 2.0  # of |x - y|²
LIBRARIES = {"monge": "Monge", "pot": "POT", "ott": "OTT-JAX"}
REPETITIONS = int(os.environ.get("BENCH_REPETITIONS", 3))
THREADS = int(os.environ.get("BENCH_THREADS", 1))
# Some machines set these to an older processor, which slows NumPy.
SLOWING = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"]


def snippets():
    """The code of the page by task and library."""
    found = re.findall(r"<!-- task:(\w+):(\w+) -->\n```python\n(.*?)```", PAGE.read_text(),
                       re.DOTALL)
    return {(task, library): code for task, library, code in found}


def python_of(library):
    if library == "monge":
        return common.ROOT / "build" / "python-env" / "bin" / "python"
    return peers.environment({"pot": "discrete", "ott": "jax"}[library])


def truth(x):
    """The gradient of a convex function in turned coordinates, and so an optimal map: in each it is
    increasing, by slopes from 1/2 to 2, and bent."""
    turn, _ = numpy.linalg.qr(numpy.random.default_rng(1).normal(size=(DIMENSION, DIMENSION)))
    slopes = numpy.geomspace(0.5, 2, DIMENSION)
    inside = x @ turn
    return (slopes * inside + 0.6 * slopes * numpy.tanh(2 * inside)) @ turn.T + 1


def rounded(points):
    """As numbers that float32 has too, so that all solve the same problem."""
    return points.astype("float32").astype("float64")


def draw(n, rng):
    return rounded(rng.normal(size=(n, DIMENSION)))


def problem(task, repetition):
    """Two samples and new points in a file. The samples of the exact task are moved by the true
    map, so that the optimal plan is known; all others are independent."""
    rng = numpy.random.default_rng([list(TASKS).index(task), repetition])
    n = TASKS[task][0]
    x = draw(n, rng)
    y = rounded(truth(x if task == "exact" else draw(n, rng)))
    y = y[rng.permutation(n)]
    path = FOLDER / f"{task}-{repetition}.npz"
    numpy.savez(path, x=x, y=y, new=draw(NEW, rng), epsilon=EPSILON)
    return path


REFERENCE = """import numpy as np
import ot

costs = ot.dist(x, y)
a, b = np.full(len(x), 1 / len(x)), np.full(len(y), 1 / len(y))
plan = ot.sinkhorn(a, b, costs, epsilon, method="sinkhorn_log", stopThr=1e-12, numItermax=100_000)
w2_squared = (plan * costs).sum()
"""


def solve(name, code, path, library):
    source, out = FOLDER / f"{name}.py", FOLDER / f"{name}.npz"
    source.write_text(code)
    finished = common.process([python_of(library), RUNNER, source, path, out], THREADS, SLOWING)
    with numpy.load(out) as file:
        return dict(file), json.loads(finished.text.splitlines()[-1]), finished


def wanted(task, path):
    """The right answer of a task."""
    with numpy.load(path) as file:
        x, y, new = file["x"], file["y"], file["new"]
    if task == "exact":
        return float(((truth(x) - x) ** 2).sum(1).mean())
    if task == "entropic":
        answer, _, _ = solve(f"reference-{path.stem}", REFERENCE, path, "pot")
        return float(answer["w2_squared"])
    if task == "distance":
        x = draw(1_000_000, numpy.random.default_rng(2))
        return float(((truth(x) - x) ** 2).sum(1).mean())
    return truth(new)


def error(answer, right):
    """In %: of a number, relative; of a map, L2-UVP."""
    if "w2_squared" in answer:
        return 100 * abs(float(answer["w2_squared"]) - right) / right
    return 100 * ((answer["moved"] - right) ** 2).sum(1).mean() / right.var(0).sum()


def one(task, repetition, codes):
    path = problem(task, repetition)
    right = wanted(task, path)
    records = []
    for library in LIBRARIES:
        answer, seconds, finished = solve(f"{task}-{library}-{repetition}", codes[task, library],
                                          path, library)
        records.append({"task": task, "library": library, "repetition": repetition,
                        "error": error(answer, right), "peak": finished.peak, **seconds})
    return records


def run():
    FOLDER.mkdir(parents=True, exist_ok=True)
    codes = snippets()
    for library in LIBRARIES:
        python_of(library)
    jobs = [lambda task=task, repetition=repetition: one(task, repetition, codes)
            for repetition in range(REPETITIONS) for task in TASKS]
    workers = int(os.environ.get("BENCH_WORKERS", max(1, os.cpu_count() // THREADS)))
    packages = [line for name in ("discrete", "jax")
                for line in peers.requirements_file(name).read_text().split()
                if line.startswith(("POT", "ott"))]
    return {"settings": {"repetitions": REPETITIONS, "threads": THREADS, "workers": workers,
                         "packages": packages},
            "runs": [record for records in common.in_parallel(jobs, workers) for record in records]}


def rows_of(task, runs):
    rows = []
    for library, name in LIBRARIES.items():
        chosen = [run for run in runs if run["task"] == task and run["library"] == library]
        again = [run["second"]["wall"] for run in chosen if run["second"]]
        rows.append([TASKS[task][1], TASKS[task][0], name,
                     common.text_of(run["first"]["wall"] for run in chosen),
                     common.text_of(run["first"]["cpu"] for run in chosen),
                     common.text_of(again) if again else "–",
                     common.text_of(run["error"] for run in chosen),
                     f"{max(run['peak'] for run in chosen):.0f}"])
    return rows


def table(result):
    settings = result["settings"]
    header = ["task", "n", "library", "first run, s", "processor, s", "again, s", "error, %",
              "peak MB"]
    rows = [row for task in TASKS for row in rows_of(task, result["runs"])]
    return common.markdown(header, rows) + (
        f"\n\nMedian (range) of {settings['repetitions']} samples in D = {DIMENSION}; "
        f"{settings['threads']} thread a run, {settings['workers']} at once; imports do not count, "
        "JAX's compilation counts in the first run and not in the one after it in the same "
        "process. Errors: of W₂² relative, to the optimal plan where it is known, to a plan of "
        "marginal error 1e-12, to the measures' own; of maps L2-UVP on new points. "
        f"{', '.join(settings['packages'])}.")
