"""Grey digits to coloured ones, one to three: which colours a map, OTM-s and OTP give each digit."""

import os

import common
import numpy
from gallery import digits
from gallery.figure import plt, save
from sklearn.neighbors import KNeighborsClassifier

SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 1))))
STEPS = int(os.environ.get("BENCH_STEPS", 3000))
THREADS = 1
SIDE, COLOURS = 16, ["red", "green", "blue"]  # the recipes' hues 0, 120 and 240
MAPPED, DRAWS = 2000, 4  # digits that are mapped, and how often
PURE = 0.9  # the share of one channel from which an image counts as of one colour
METHODS = {"OTM": ("otm-s-coloured-digits", {"solver.noise_channels": 0}),
           "OTM-s": ("otm-s-coloured-digits", {}), "OTP": ("otp-coloured-digits", {})}
CAPTION = ("One example of each digit, in grey, and what becomes of it: four draws of OTP, four of OTM-s "
           "and the one answer of OTM.")
MNIST = common.ROOT / "data" / "mnist" / "t10k-{}-ubyte.gz"
FOLDER = common.OUT / "runs" / "gallery" / "coloured-digits"


def mnist(part, header):
    return digits.idx(str(MNIST).format(part), header)


def colours_of(images):
    """Of images [..., h, w, 3] the index of the largest channel, and its share of all three."""
    sums = images.astype("float64").sum((-3, -2))
    return sums.argmax(-1), sums.max(-1) / numpy.maximum(sums.sum(-1), 1)


def coloured(folder, name, has_noise):
    """What becomes of the first digits, [n, draws, h, w, 3] bytes."""
    out = FOLDER / f"{name}.npy"
    draws = ["--samples", DRAWS, "--seed", 1] if has_noise else []
    common.monge("apply", folder, "--in", FOLDER / "grey.npy", "--out", out, *draws, "--force",
                 threads=THREADS)
    images = numpy.load(out)
    return images if has_noise else images[:, None]


def kept(images):
    """The share of results, in %, whose nearest digit, of those that were not mapped, is the digit
    that was; of brightness alone."""
    grey = digits.scaled(mnist("images-idx3", 16).reshape(-1, 28, 28), SIDE).flatten(1).numpy()
    labels = mnist("labels-idx1", 8)
    nearest = KNeighborsClassifier(1, algorithm="brute").fit(grey[MAPPED:], labels[MAPPED:])
    bright = images[:, 0].max(-1).reshape(MAPPED, -1) / 255
    return 100 * nearest.score(bright, labels[:MAPPED])


def figures_of(images):
    """Shares by digit [10, 3] and of all [3], in %; how often two draws differ in colour; ..."""
    which, purity = colours_of(images)
    labels = mnist("labels-idx1", 8)[:MAPPED]
    shares = [[100 * float((which[labels == digit] == colour).mean())
               for colour in range(len(COLOURS))] for digit in range(10)]
    pairs = [(which[:, i] != which[:, j]).mean() for i in range(which.shape[1])
             for j in range(i)]
    return {"shares": shares,
            "all": [100 * float((which == colour).mean()) for colour in range(len(COLOURS))],
            "differing": 100 * float(numpy.mean(pairs)) if pairs else 0.0,
            "pure": 100 * float((purity > PURE).mean()), "kept": kept(images)}


def learn(method, seed):
    recipe, options = METHODS[method]
    name = f"{method}-{seed}"
    fit = common.fit(f"gallery/coloured-digits/{name}",
                     [common.ROOT / "recipes" / f"{recipe}.toml"],
                     {"seed": seed, "train.max_steps": STEPS, "source.file": str(MNIST).format(
                         "images-idx3"), "target.file": str(MNIST).format("images-idx3")} | options,
                     THREADS)
    images = coloured(fit.folder, name, method != "OTM")
    return {"method": method, "seed": seed, "fit": fit.record(), **figures_of(images)}


def draw():
    """One example of each digit: the digit, and the draws of every method."""
    labels = mnist("labels-idx1", 8)[:MAPPED]
    chosen = [int(numpy.flatnonzero(labels == digit)[1]) for digit in range(10)]
    figure, axes = plt.subplots(1, 3, figsize=(7.6, 4.4), width_ratios=[1, 1, 4 / 5])
    grey = digits.scaled(numpy.load(FOLDER / "grey.npy"), SIDE)[:, 0].numpy()
    for axis, method in zip(axes, ["OTP", "OTM-s", "OTM"]):
        images = numpy.load(FOLDER / f"{method}-{SEEDS[0]}.npy").reshape(MAPPED, -1, SIDE, SIDE, 3)
        rows = [numpy.concatenate([numpy.repeat(255 * grey[at][..., None], 3, -1), *images[at]], 1)
                for at in chosen]
        axis.imshow(numpy.concatenate(rows).clip(0, 255).astype("u1"))
        axis.set(xticks=[], yticks=[], title=f"x and {method}")
    save(figure, "gallery.coloured_digits")


def run():
    FOLDER.mkdir(parents=True, exist_ok=True)
    numpy.save(FOLDER / "grey.npy", mnist("images-idx3", 16).reshape(-1, 28, 28)[:MAPPED])
    workers = int(os.environ.get("BENCH_WORKERS", os.cpu_count()))
    runs = common.in_parallel([lambda method=method, seed=seed: learn(method, seed)
                               for seed in SEEDS for method in METHODS], workers)
    draw()
    return {"settings": {"steps": STEPS, "mapped": MAPPED, "draws": DRAWS, "threads": THREADS,
                         "runs_at_once": workers}, "runs": runs}


def mean_shares(runs, digit=None):
    values = numpy.mean([one["all"] if digit is None else one["shares"][digit] for one in runs], 0)
    return " / ".join(f"{value:.0f}" for value in values)


def table(result):
    by_method = {method: [one for one in result["runs"] if one["method"] == method]
                 for method in METHODS}
    summary = [[method, mean_shares(runs),
                *(common.text_of(one[key] for one in runs)
                  for key in ("differing", "pure", "kept")),
                common.text_of(one["fit"]["energy_distance"] for one in runs),
                common.text_of(one["fit"]["l2"] for one in runs),
                common.text_of(one["fit"]["cpu_seconds"] for one in runs)]
               for method, runs in by_method.items()]
    summary.append(["the plan", "33 / 33 / 33", 66.7, 100, "–",
                    common.digits(result["runs"][0]["fit"]["energy_distance_floor"]), "–", "–"])
    names = " / ".join(COLOURS)
    header = ["method", f"{names}, %", "draws that differ, %", "of one colour, %",
              "digit kept, %", "energy distance", "L2", "processor s"]
    shares = [[digit, *(mean_shares(runs, digit) for runs in by_method.values())]
              for digit in range(10)]
    settings = result["settings"]
    return common.markdown(header, summary) + (
        f"\n\n{names} of each digit, %:\n\n") + common.markdown(
            ["digit", *by_method], shares) + (
        f"\n\n{settings['steps']} steps; {settings['mapped']} digits, {settings['draws']} draws of "
        f"each where the map has noise; {settings['threads']} thread, {settings['runs_at_once']} "
        f"runs at once; {len({one['seed'] for one in result['runs']})} seeds.")
