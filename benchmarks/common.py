"""What every benchmark needs: the program, a clock, the machine, JSON and Markdown."""

import collections
import datetime
import functools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "bench"
RESULTS = ROOT / "benchmarks" / "results"  # of those that are measured in parts
STARTED = time.monotonic()
MONGE = Path(os.environ.get("MONGE", ROOT / "build" / "release" / "monge"))


@dataclass
class Finished:
    """A process that ended well: its wall and processor seconds, peak MB, and what it printed."""

    wall: float
    cpu: float
    peak: float
    text: str


def process(arguments, threads, without=(), codes=(0,)):
    """Runs a command, with its numerical libraries on `threads` threads and without some variables
    of the environment; RuntimeError where it ends with another code than these."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads),
                       OPENBLAS_NUM_THREADS=str(threads))
    for name in without:
        environment.pop(name, None)
    command = [str(part) for part in arguments]
    out, into = os.pipe()
    with subprocess.Popen([sys.executable, "-I", "-S", ROOT / "benchmarks" / "measured.py",
                           str(into), *command], env=environment, pass_fds=[into],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        os.close(into)
        text = child.stdout.read()
    with os.fdopen(out) as figures:
        finished = json.loads(figures.read() or '{"code": 1}')
    if finished.pop("code") not in codes:
        raise RuntimeError(f"{' '.join(command)}\nfailed:\n{text}")
    return Finished(**finished, text=text)


def monge(*arguments, threads=1, codes=(0,)):
    return process([MONGE, *arguments], threads, codes=codes)


def toml(value):
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value)


def sets(options):
    """{"train.max_steps": 5} as --set arguments."""
    return [part for key, value in options.items()
            for part in ("--set", f"{key}={value if isinstance(value, str) else toml(value)}")]


@dataclass
class Fit:
    """A run: `train_seconds` is the training loop's clock, the rest that of the whole process."""

    folder: Path
    steps: int
    train_seconds: float
    finished: Finished
    figures: dict

    @property
    def ended_early(self):
        """Whether the guard ended it: training went wrong too often."""
        return "training went wrong" in self.finished.text

    def record(self):
        return {"steps": self.steps, "train_seconds": round(self.train_seconds, 2),
                "process_seconds": round(self.finished.wall, 2),
                "cpu_seconds": round(self.finished.cpu, 2), **self.figures}


def early_text(runs):
    """How many of the runs the guard ended, in brackets, or nothing."""
    early = sum(run["ended_early"] for run in runs)
    return f" ({early} ended by the guard)" if early else ""


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def resumes():
    """Whether what was measured before with the same program is not to be measured again."""
    return os.environ.get("BENCH_RESUME") == "1" and "dirty" not in commit()


def kept(path, asked):
    """How a fit ended that an interrupted benchmark has left there, where the same was asked of the
    same program; or None."""
    if not resumes() or not path.exists():
        return None
    record = json.loads(path.read_text())
    return Finished(**record["finished"]) if record["asked"] == asked else None


_results = threading.Lock()


def case(benchmark, question, measure):
    """The figures of one case of a benchmark that takes hours, so that it can be measured in parts.

    measure() gives them and `question` is all that they depend on, both of JSON's types. They are
    kept in benchmarks/results, with where and when they were measured, and are taken from there
    where BENCH_RESUME=1 and the same program was asked before. After BENCH_MINUTES no further case
    begins: None.
    """
    path = RESULTS / f"{benchmark}.jsonl"
    asked = {"question": json.loads(json.dumps(question)), "program": program()}
    if resumes():
        for line in records(path):
            if {key: line[key] for key in asked} == asked:
                return line
    if time.monotonic() - STARTED > 60 * float(os.environ.get("BENCH_MINUTES", "inf")):
        return None
    line = {**asked, "measured": {"commit": commit(), "date": datetime.date.today().isoformat(),
                                  "instructions": instructions(), "l2": cache_of_core()},
            "figures": json.loads(json.dumps(measure()))}
    with _results:
        others = [one for one in records(path) if one["question"] != asked["question"]]
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.with_suffix(".part")
        whole.write_text("".join(json.dumps(one) + "\n" for one in [*others, line]))
        whole.replace(path)
    return line


def records(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def places(lines):
    """Where and when cases were measured, in words."""
    def text(measured):
        cache = f", {measured['l2']} L2" if measured["l2"] else ""
        return f"{measured['date']} at {measured['commit']} ({measured['instructions']}{cache})"

    if not lines:
        return "Nothing measured yet."
    counts = collections.Counter(text(line["measured"]) for line in lines)
    return "Measured " + "; ".join(f"{text}: {count}" if len(counts) > 1 else text
                                   for text, count in counts.items()) + "."


def fit(name, arguments, options, threads=1, may_diverge=False):
    """Fits; the figures are those that `monge fit` writes at its end and `monge evaluate` shows.

    With `may_diverge` also of a run that went wrong too often, whose best map was kept. What a
    benchmark that was interrupted has already fitted is not fitted again where `kept` has it.
    """
    folder = OUT / "runs" / name
    command = ["fit", *map(str, arguments), *sets(options), "--out", str(folder)]
    record = folder.with_name(f"{folder.name}.finished.json")
    asked = {"program": program(), "command": command, "threads": threads}
    finished = kept(record, asked)
    if finished is None:
        record.unlink(missing_ok=True)
        codes = (0, 1) if may_diverge else (0,)
        finished = monge(*command, "--force", threads=threads, codes=codes)
        if not (folder / "evaluation.json").exists():
            raise RuntimeError(f"{folder}: expected a run that ended with figures\n"
                               f"{finished.text}")
        record.write_text(json.dumps({"asked": asked, "finished": asdict(finished)}))
    figures = json.loads((folder / "evaluation.json").read_text())
    last = metrics(folder)[-1]
    return Fit(folder, last["step"], last["seconds"], finished,
               {key: value for key, value in figures.items() if isinstance(value, float)})


def in_parallel(jobs, workers):
    """Calls every function of `jobs`, `workers` at a time; the results in order."""
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda job: job(), jobs))


def cpu_model():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def cache_of_core():
    """The size of a core's second cache as Linux writes it, 512K."""
    path = Path("/sys/devices/system/cpu/cpu0/cache/index2/size")
    return path.read_text().strip() if path.exists() else None


def peers():
    """What the peers' environments are made of."""
    return [line for path in sorted((ROOT / "tools").glob("requirements-peers*.txt"))
            for line in path.read_text().split()]


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True,
                          text=True).stdout.strip()


@functools.cache
def commit():
    """The checkout's at the start, with -dirty where files of it had changed but what benchmarks
    write there."""
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".",
                  f":!{RESULTS.relative_to(ROOT)}")
    return git("describe", "--always") + ("-dirty" if changed else "")


@functools.cache
def program():
    """git's names of the sources that a fit depends on."""
    return [git("rev-parse", f"HEAD:{folder}") for folder in ("include", "src", "cli")]


def instructions():
    import torch

    return torch.backends.cpu.get_cpu_capability()


def machine():
    import numpy
    import torch

    compiler = (subprocess.run(["c++", "--version"], capture_output=True, text=True).stdout
                if shutil.which("c++") else "")
    return {"cpu": cpu_model(), "cores": os.cpu_count(), "system": platform.platform(),
            "instructions": instructions(),
            "monge": monge("--version").text.strip(), "commit": commit(),
            "python": platform.python_version(), "torch": torch.__version__,
            "numpy": numpy.__version__, "l2": cache_of_core(),
            "compiler": compiler.partition("\n")[0], "peers": peers()}


def load():
    return [round(value, 2) for value in os.getloadavg()]


def spread(values):
    """The median with its range."""
    values = list(values)
    return {"median": statistics.median(values), "low": min(values), "high": max(values),
            "count": len(values)}


def digits(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def text_of(values):
    """'0.42 (0.40–0.45)': the median and the range."""
    s = spread(values)
    if s["count"] == 1:
        return digits(s["median"])
    return f"{digits(s['median'])} ({digits(s['low'])}–{digits(s['high'])})"


ENOUGH = 5  # ratios from which on a bootstrap's interval says more than the range


def interval_name(count):
    """What `interval` gives of so many ratios."""
    return "the 95 % interval of a bootstrap" if count >= ENOUGH else "their range"


def interval(ratios, decimals=2):
    """The median of paired ratios with the 95 % interval of a bootstrap; of a few, for which that
    would cover too little, with the range, and of one alone itself."""
    import numpy

    median = f"{numpy.median(ratios):.{decimals}f}"
    if len(ratios) == 1:
        return median
    low, high = min(ratios), max(ratios)
    if len(ratios) >= ENOUGH:
        drawn = numpy.random.default_rng(0).choice(ratios, (2000, len(ratios)))
        low, high = numpy.percentile(numpy.median(drawn, axis=1), [2.5, 97.5])
    return f"{median} ({low:.{decimals}f}–{high:.{decimals}f})"


def markdown(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def footer(result):
    """One line that says where the figures come from."""
    m = result["machine"]
    loads = f"{result['load_before'][0]:.1f} before, {result['load_after'][0]:.1f} after"
    cache = f", {m['l2']} L2" if m.get("l2") else ""
    return (f"{m['cpu']}, {m['cores']} cores ({m['instructions']}{cache}), {m['monge']} at "
            f"{m['commit']}, PyTorch {m['torch']}, {result['date']}; load {loads}.")
