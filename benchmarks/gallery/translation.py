"""Unpaired translation of pictures: bags to shoes, strong and weak, and digits to other digits."""

import os
from pathlib import Path

import common
import numpy
from gallery import digits
from gallery.figure import plt, save

SEEDS = list(range(1, 1 + int(os.environ.get("BENCH_SEEDS", 1))))
STEPS = os.environ.get("BENCH_STEPS")  # in place of the recipes' own
THREADS = int(os.environ.get("BENCH_THREADS", os.cpu_count()))
FASHION = Path("/usr/share/datasets/fashion-mnist")
MNIST = common.ROOT / "data" / "mnist"
# A recipe, the pictures of no training and the labels of those that it starts from.
TASKS = {
    "bags to shoes, strong": ("bags-to-shoes", FASHION, [8]),
    "bags to shoes, weak": ("bags-to-shoes-weak", FASHION, [8]),
    "digits 0–4 to 5–9": ("digits", MNIST, [0, 1, 2, 3, 4]),
}
# FID of Korotin et al. 2023, table 1 (handbags to shoes of 64 pixels), and its times, section 6.
PAPER = {"bags to shoes, strong": ("13.77", "1–3 days, V100"),
         "bags to shoes, weak": ("13.44 ± 0.12", "on 4 V100")}
CHOSEN = os.environ.get("BENCH_TASKS", ",".join(recipe for recipe, *_ in TASKS.values())).split(",")
SHOWN, DRAWS = 10, 3
CAPTION = ("First row of a task: pictures of the test set. Below it what the map makes of them; with the "
           "weak cost three draws of z.")
FOLDER = common.OUT / "runs" / "gallery" / "translation"


def test_pictures(folder, labels):
    """The first pictures of the test set with these labels, [SHOWN, 32, 32] bytes, with black
    around."""
    images = digits.idx(folder / "t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    which = numpy.isin(digits.idx(folder / "t10k-labels-idx1-ubyte.gz", 8), labels)
    return numpy.pad(images[which][:SHOWN], ((0, 0), (2, 2), (2, 2)))


def learn(task, seed):
    recipe, *_ = TASKS[task]
    options = {"seed": seed} | ({"train.max_steps": int(STEPS)} if STEPS else {})
    fit = common.fit(f"gallery/translation/{recipe}-{seed}", ["--recipe", recipe], options, THREADS)
    return {"task": task, "seed": seed, "folder": str(fit.folder), **fit.record()}


def translated(run):
    """What the map makes of the test's pictures: [1 or DRAWS, SHOWN, 32, 32]."""
    _, pictures, labels = TASKS[run["task"]]
    numpy.save(FOLDER / "shown.npy", test_pictures(pictures, labels))
    draws = ["--samples", DRAWS] if "weak" in run["task"] else []
    common.monge("apply", run["folder"], "--in", FOLDER / "shown.npy", "--out",
                 FOLDER / "moved.npy", "--force", *draws)
    moved = numpy.load(FOLDER / "moved.npy")
    return moved.swapaxes(0, 1) if draws else moved[None]


def draw(runs):
    rows = []
    for run in (run for run in runs if run["seed"] == SEEDS[0]):
        _, pictures, labels = TASKS[run["task"]]
        moved = translated(run)
        rows += [(run["task"], test_pictures(pictures, labels)), *(("", part) for part in moved)]
    figure, axes = plt.subplots(len(rows), SHOWN, figsize=(SHOWN * 0.8, len(rows) * 0.83))
    for (title, pictures), line in zip(rows, axes):
        for picture, axis in zip(pictures, line):
            axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
            axis.axis("off")
        line[0].set_title(title, loc="left", fontsize=9)
    save(figure, "gallery.translation")


def run():
    FOLDER.mkdir(parents=True, exist_ok=True)
    runs = [learn(task, seed) for task in TASKS for seed in SEEDS if TASKS[task][0] in CHOSEN]
    draw(runs)
    return {"settings": {"seeds": SEEDS, "threads": THREADS}, "runs": runs}


FIGURES = {"Fréchet distance": "offline_frechet", "of two sets of the target":
           "offline_frechet_floor", "of the source as it is": "offline_frechet_identity",
           "‖x − T(x)‖": "l2", "perceptual distance": "offline_perceptual",
           "diversity over z": "diversity", "steps": "steps", "processor s": "cpu_seconds"}


def table(result):
    rows = []
    for task in dict.fromkeys(run["task"] for run in result["runs"]):
        runs = [run for run in result["runs"] if run["task"] == task]
        rows.append([task, *(common.text_of(run[key] for run in runs) if key in runs[0] else "–"
                             for key in FIGURES.values()), *PAPER.get(task, ("–", "–"))])
    settings = result["settings"]
    return common.markdown(["task", *FIGURES, "the paper: FID", "its time"], rows) + (
        "\n\nOn held-out pictures of 32 x 32 pixels, in the offline features; "
        f"{len(settings['seeds'])} seed(s), {settings['threads']} thread(s).")
