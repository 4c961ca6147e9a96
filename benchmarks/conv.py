"""A training step of strong NOT on images beside eager PyTorch: time, memory and the same numbers."""

import json
import os
import statistics
import sys

import common
from common import interval

BATCH, SIZE = 16, 64
MODES = {"unet": "T (UNet, through f)", "critic": "f (ResNet critic)", "not": "T, then f"}
THREADS = [1, 2]
REPETITIONS = int(os.environ.get("BENCH_REPETITIONS", 5))
STEPS = int(os.environ.get("BENCH_STEPS", 3))
COMPILED = os.environ.get("BENCH_COMPILED", "1") == "1"
PROGRAM = common.MONGE.parent / "benchmarks" / "monge_bench_conv"
PEER = common.ROOT / "benchmarks" / "peers" / "eager_conv.py"
SIDES = {"monge": [PROGRAM], "eager": [sys.executable, PEER]}
TOLERANCE = 1e-4  # of losses and images, relative
# Of a float32 gradient: rounding switches ReLUs, in some draws of the weights and not in others. One
# of PyTorch's is off by 1e-5 or by 5e-3, one by Winograd's filtering by the latter more often.
SWITCHED = 2e-2

# Multiplications and additions of the convolutions of one batch, forward; a derivative in the input
# or in the weights takes as many again.
UNET_GFLOP, CRITIC_GFLOP = 45.03, 100.08
GFLOP = {"unet": 3 * UNET_GFLOP + 2 * CRITIC_GFLOP, "critic": 6 * CRITIC_GFLOP}
GFLOP["not"] = GFLOP["unet"] + GFLOP["critic"] + UNET_GFLOP


def output(command, threads):
    return json.loads(common.process(command, threads).text.splitlines()[-1])


def condensed(record):
    return {"step": statistics.median(record["step"]),
            "processor": statistics.median(record["processor"]), "peak": record["peak"]}


def measure(mode, threads):
    runs = {side: [] for side in SIDES}
    for _ in range(REPETITIONS):  # interleaved, so that a change of load meets all alike
        for side, command in SIDES.items():
            runs[side].append(condensed(output([*command, mode, BATCH, SIZE, STEPS], threads)))
    return runs


def settings_of_eager():
    """The peer's settings, once each, by which its own is chosen: the processor seconds of a step."""
    variants = {"channels last, fused Adam": [], "channels last, plain Adam": ["--plain-adam"],
                "contiguous, fused Adam": ["--contiguous"]}
    if COMPILED:
        variants["channels last, torch.compile"] = ["--compile"]
    return {name: output([*SIDES["eager"], "not", BATCH, SIZE, 1, *flags], 1)
            for name, flags in variants.items()}


def same_numbers(batch, size, dtype):
    """How far each side is off a step computed in float64 by PyTorch from the same random weights."""
    path = common.OUT / "conv_numbers.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    output([PROGRAM, "numbers", batch, size, dtype, path], 2)
    found = output([*SIDES["eager"], "numbers", path], 2)
    path.unlink()
    for name, gap in found["monge"].items():
        limit = 1e-8 if dtype == "float64" else TOLERANCE
        if dtype == "float32" and name.endswith("gradient"):
            limit = SWITCHED
        if not gap <= limit:
            raise RuntimeError(f"conv: {name} in {dtype}: expected a gap <= {limit}, got {gap}")
    return found


def run():
    return {"settings": {"steps": STEPS, "repetitions": REPETITIONS, "batch": BATCH, "size": SIZE},
            "numbers": {"float64": same_numbers(4, 32, "float64"),
                        "float32": same_numbers(4, 32, "float32")},
            "eager_settings": settings_of_eager(),
            "idle": {side: output([*command, "idle"], 1)["peak"]
                     for side, command in SIDES.items()},
            "runs": [{"mode": mode, "threads": threads, **measure(mode, threads)}
                     for mode in MODES for threads in THREADS]}


def ratios(one, key):
    return interval([e[key] / m[key] for m, e in zip(one["monge"], one["eager"])])


def megabytes(runs, idle):
    peak = statistics.median(run["peak"] for run in runs)
    return f"{peak / 1e6:.0f} ({(peak - idle) / 1e6:.0f})"


def table(result):
    rows = []
    for one in result["runs"]:
        ours, eager, idle = one["monge"], one["eager"], result["idle"]
        flop = GFLOP[one["mode"]]
        rows.append([
            MODES[one["mode"]], one["threads"],
            common.text_of(run["step"] for run in ours),
            common.text_of(run["step"] for run in eager), ratios(one, "step"),
            common.text_of(run["processor"] for run in ours), ratios(one, "processor"),
            f"{flop:.0f}",
            f"{flop / statistics.median(run['processor'] for run in ours):.0f}",
            f"{flop / statistics.median(run['processor'] for run in eager):.0f}",
            megabytes(ours, idle["monge"]), megabytes(eager, idle["eager"])])
    header = ["step of", "threads", "monge, s", "eager PyTorch, s", "eager / monge",
              "monge, processor s", "eager / monge, processor", "GFLOP", "GFLOP/s a core",
              "eager, GFLOP/s a core", "monge, MB (above idle)", "eager, MB (above idle)"]
    variants = "; ".join(f"{name} {statistics.median(found['processor']):.1f}"
                         for name, found in result["eager_settings"].items())
    settings = result["settings"]
    return common.markdown(header, rows) + (
        f"\n\n{settings['batch']} images of 3 x {settings['size']} x {settings['size']}; T has 9.7 "
        "million parameters and f 22.9. Median (range) over "
        f"{settings['repetitions']} interleaved pairs of processes, each the median of "
        f"{settings['steps']} steps; ratios of pairs with "
        f"{common.interval_name(settings['repetitions'])}. GFLOP of "
        "the direct convolutions. Eager PyTorch at its settings, processor s of a whole step: "
        f"{variants}.")
