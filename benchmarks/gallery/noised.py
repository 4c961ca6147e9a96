"""Bags to shoes by strong and by noised strong NOT: as many steps of both, and both curves."""

import gzip
import os

import common
import numpy
from gallery.figure import plt, save

STEPS = int(os.environ.get("BENCH_STEPS", 3000))
SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 1))))
THREADS = 1
METHODS = {"strong NOT": ("bags-to-shoes", {}), "noised strong NOT": ("noised-not-images", {})}
# The reproduction's FID and time, 5600 and 6100 steps of 128 images of 128 pixels.
PUBLISHED = {"strong NOT": ("about 50", "24 h, RTX 3060"),
             "noised strong NOT": ("about 100", "36 h")}
TEST = "/usr/share/datasets/fashion-mnist/t10k-{}-ubyte.gz"
BAGS = 8  # their label
SHOWN = 10
CAPTION = ("Figures of held-out pictures against steps; bags of the test set, and what each method makes "
           "of them.")
FOLDER = common.OUT / "runs" / "gallery" / "noised"


def learn(method, seed):
    recipe, options = METHODS[method]
    label = f"{method}-{seed}".replace(" ", "-")
    fit = common.fit(f"gallery/noised/{label}", [common.ROOT / "recipes" / f"{recipe}.toml"],
                     {"seed": seed, "train.max_steps": STEPS} | options, THREADS)
    curve = [{key: line.get(key) for key in ("step", "seconds", "offline_frechet", "l2")}
             for line in common.metrics(fit.folder)]
    return {"method": method, "seed": seed, "folder": str(fit.folder), "curve": curve,
            "fit": fit.record()}


def unseen_bags():
    with gzip.open(TEST.format("images-idx3")) as images, gzip.open(
            TEST.format("labels-idx1")) as labels:
        kinds = numpy.frombuffer(labels.read(), "u1", offset=8)
        pictures = numpy.frombuffer(images.read(), "u1", offset=16).reshape(-1, 28, 28)
    return pictures[kinds == BAGS][:SHOWN]


def mapped(folder):
    common.monge("apply", folder, "--in", FOLDER / "bags.npy", "--out", FOLDER / "mapped.npy",
                 "--force", threads=THREADS)
    return numpy.load(FOLDER / "mapped.npy")


def draw(runs):
    """Curves against steps over the pictures: bags, and what each method makes of them."""
    first = [one for one in runs if one["seed"] == SEEDS[0]]
    figure = plt.figure(figsize=(7.6, 4.6))
    top, bottom = figure.subfigures(2, 1, height_ratios=[2.4, 0.75 * (1 + len(first))])
    curves = top.subplots(1, 2)
    for axis, key, title in zip(curves, ("offline_frechet", "l2"),
                                ("Fréchet distance, offline features", "E|x − T(x)|")):
        for one in runs:
            axis.plot([line["step"] for line in one["curve"]],
                      [line[key] for line in one["curve"]], lw=1.2,
                      color=f"C{list(METHODS).index(one['method'])}",
                      label=one["method"] if one["seed"] == SEEDS[0] else None)
        axis.set(title=title, xlabel="steps of the potential")
    curves[0].set_yscale("log")
    curves[0].legend(frameon=False, fontsize=8)
    bags = unseen_bags()
    numpy.save(FOLDER / "bags.npy", bags)
    rows = {"bags": bags} | {one["method"]: mapped(one["folder"]) for one in first}
    for axis, (name, pictures) in zip(numpy.atleast_1d(bottom.subplots(len(rows), 1)),
                                      rows.items()):
        axis.imshow(numpy.concatenate(list(pictures), 1), cmap="gray", vmin=0, vmax=255)
        axis.set(xticks=[], yticks=[])
        axis.set_ylabel(name.replace(" strong ", "\nstrong "), rotation=0, ha="right", va="center",
                        fontsize=7)
    save(figure, "gallery.noised")


def run():
    FOLDER.mkdir(parents=True, exist_ok=True)
    workers = int(os.environ.get("BENCH_WORKERS", os.cpu_count()))
    runs = common.in_parallel([lambda method=method, seed=seed: learn(method, seed)
                               for seed in SEEDS for method in METHODS], workers)
    draw(runs)
    return {"settings": {"steps": STEPS, "threads": THREADS, "runs_at_once": workers},
            "runs": runs}


def table(result):
    rows = []
    for method in METHODS:
        fits = [one["fit"] for one in result["runs"] if one["method"] == method]
        rows.append([method, *(common.text_of(fit[key] for fit in fits)
                               for key in ("offline_frechet", "offline_kernel", "energy_distance",
                                           "l2", "offline_perceptual", "cpu_seconds")),
                     *PUBLISHED[method]])
    fit = result["runs"][0]["fit"]
    settings = result["settings"]
    header = ["method", "Fréchet distance", "kernel distance", "energy distance of pixels", "L2",
              "perceptual distance to x", "processor s", "the reproduction: FID", "its time"]
    return common.markdown(header, rows) + (
        f"\n\n{settings['steps']} steps, {common.digits(fit['points'])} held-out images, offline "
        f"features; the Fréchet distance of the bags themselves is "
        f"{common.digits(fit['offline_frechet_identity'])}, of other shoes "
        f"{common.digits(fit['offline_frechet_floor'])}. {settings['threads']} thread, "
        f"{settings['runs_at_once']} runs at once; "
        f"{len({one['seed'] for one in result['runs']})} seeds.")
