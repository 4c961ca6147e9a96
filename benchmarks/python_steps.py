"""A training step driven from Python beside the same step driven from C++."""

import json
import os

import common

FOLDER = common.OUT / "runs" / "python_steps"
PROGRAM = common.MONGE.parent / "benchmarks" / "monge_bench_train"
PYTHON = common.ROOT / "build" / "python-env" / "bin" / "python"
SCRIPT = common.ROOT / "benchmarks" / "peers" / "python_steps.py"
PAIRS = int(os.environ.get("BENCH_REPETITIONS", 24))
CASES = [("saddle_point", 2, 6000), ("dual", 2, 600), ("w2gn", 64, 300)]
DRIVERS = {"python": "0", "python, a callback a step": "1"}
BOUND = 1.02


def measures(dimension):
    return [{"name": "gaussian", "dimension": dimension},
            {"name": "gaussian", "dimension": dimension, "std": 0.5}]


def write_configs(solver, dimension, steps):
    """The same experiment for both sides; it is evaluated at its ends alone."""
    source, target = measures(dimension)
    sections = {"source": source, "target": target, "solver": {"name": solver},
                "train": {"max_steps": steps, "evaluate_every": steps}}
    lines = []
    for section, options in sections.items():
        lines += [f"[{section}]"]
        lines += [f"{key} = {common.toml(value)}" for key, value in options.items()]
    config, parts = (FOLDER / f"{solver}-{dimension}.{kind}" for kind in ("toml", "json"))
    config.write_text("\n".join(lines) + "\n")
    parts.write_text(json.dumps({"measures": [source, target], "solver": solver,
                                 "options": sections["train"]}))
    return config, parts


def step_of(command):
    """Microseconds of the processor, which barely depend on what else the machine does."""
    result = json.loads(common.process(command, 1).text.splitlines()[-1])
    return 1e6 * result["seconds"] / result["steps"]


def measure(solver, dimension, steps):
    config, parts = write_configs(solver, dimension, steps)
    commands = {"c++": [PROGRAM, config]} | {
        name: [PYTHON, SCRIPT, parts, callbacks] for name, callbacks in DRIVERS.items()}
    times = {name: [] for name in commands}
    for pair in range(PAIRS):  # in turns, and each in every place
        names = list(commands)
        for name in names[pair % 3:] + names[:pair % 3]:
            times[name].append(step_of(commands[name]))
    return {"solver": solver, "dimension": dimension, "steps": steps, "times": times}


def run():
    FOLDER.mkdir(parents=True, exist_ok=True)
    return {"settings": {"pairs": PAIRS}, "runs": [measure(*case) for case in CASES]}


def table(result):
    rows = []
    for one in result["runs"]:
        cpp = one["times"]["c++"]
        cells = []
        for name in DRIVERS:
            times = one["times"][name]
            ratios = [python / native for python, native in zip(times, cpp)]
            cells += [common.text_of(times), common.interval(ratios, 3)]
        rows.append([one["solver"], one["dimension"], common.text_of(cpp), *cells])
    header = ["solver", "D", "C++, µs a step", "Python, µs", "Python / C++",
              "with a callback at every step, µs", "/ C++"]
    return common.markdown(header, rows) + (
        f"\n\nMedian (range) of {result['settings']['pairs']} runs in turns, processor time on "
        "one thread, default networks; ratios of runs side by side with "
        f"{common.interval_name(result['settings']['pairs'])}. The demand: at most {BOUND} "
        "without callbacks.")
