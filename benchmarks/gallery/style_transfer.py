"""The look of one photograph for another: W2GN with ConvICNN on crops, beside a map of colours."""

import os

import common
import numpy
from gallery.energy import energy
from gallery.figure import plt, save
from PIL import Image

SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 1))))
STEPS = os.environ.get("BENCH_STEPS")  # in place of the recipe's own
THREADS = int(os.environ.get("BENCH_THREADS", 1))
PHOTOS = common.ROOT / "data" / "photos"
SIDES = {"china": PHOTOS / "china.jpg", "flower": PHOTOS / "flower.jpg"}
SHORT_SIDE = 256  # pixels, as in the recipe
PATCH, PATCHES = 8, 3000  # whose laws are compared
SHOWN, CROP = 8, 64  # crops of the figure
FOLDER = common.OUT / "runs" / "gallery" / "style-transfer"


def photographs():
    """Both at the recipe's size: those that are mapped, and that results are compared with."""
    paths = {}
    for name, path in SIDES.items():
        picture = Image.open(path).convert("RGB")
        scale = SHORT_SIDE / min(picture.size)
        paths[name] = FOLDER / f"{name}.png"
        picture.resize([round(side * scale) for side in picture.size],
                       Image.Resampling.BICUBIC).save(paths[name])
    return paths


def patches(path, side, count=PATCHES):
    """Random squares of a picture, [count, side² · 3] of numbers in [0, 1]."""
    pixels = numpy.asarray(Image.open(path).convert("RGB")) / 255
    windows = numpy.lib.stride_tricks.sliding_window_view(pixels, (side, side), (0, 1))
    random = numpy.random.default_rng(0)
    rows, columns = (random.integers(length, size=count) for length in windows.shape[:2])
    return windows[rows, columns].reshape(count, -1)


def record(what, picture, target, **more):
    return {"what": what, "colours": float(energy(patches(picture, 1), patches(target, 1))),
            "patches": float(energy(patches(picture, PATCH), patches(target, PATCH))), **more}


def learn(seed):
    options = {"seed": seed, "source.file": str(SIDES["china"]), "target.file": str(SIDES["flower"])}
    if STEPS:
        options["train.max_steps"] = int(STEPS)
    return common.fit(f"gallery/style-transfer/{seed}", ["--recipe", "style-transfer"], options,
                      THREADS)


def paper_step():
    """Processor seconds of a step of the paper's size, by runs of one and of three."""
    options = {"source.file": str(SIDES["china"]), "target.file": str(SIDES["flower"]),
               "solver.pretrain_steps": 1, "evaluate.points": 20}
    one, three = (common.fit(f"gallery/style-transfer/paper-{steps}",
                             ["--recipe", "style-transfer-paper"],
                             options | {"train.max_steps": steps}, THREADS).finished.cpu
                  for steps in (1, 3))
    return (three - one) / 2


def styled(fit, paths):
    """Each photograph with the look of the other, and the seconds of the first."""
    out = {"china": FOLDER / "china-styled.png", "flower": FOLDER / "flower-styled.png"}
    done = common.monge("apply", fit.folder, "--in", paths["china"], "--out", out["china"],
                        "--force", threads=THREADS)
    common.monge("apply", fit.folder, "--in", paths["flower"], "--out", out["flower"], "--inverse",
                 "--force", threads=THREADS)
    return out, done.wall


def recoloured(paths):
    out = FOLDER / "china-recoloured.png"
    common.monge("colour", paths["china"], paths["flower"], "-o", out, "--force", threads=THREADS)
    return out


def draw(paths, out, colours):
    crops = {name: numpy.asarray(Image.open(path)) for name, path in
             (("x", paths["china"]), ("T(x)", out["china"]))}
    figure = plt.figure(figsize=(10, 4.9))
    grid = figure.add_gridspec(3, SHOWN, height_ratios=[1.6, 1, 1])
    whole = [("photograph x", paths["china"]), ("T(x)", out["china"]),
             ("by colours alone", colours), ("y, and below its way back", paths["flower"])]
    for i, (title, path) in enumerate(whole):
        axis = figure.add_subplot(grid[0, 2 * i:2 * i + 2])
        axis.imshow(Image.open(path))
        axis.set_title(title, fontsize=9)
        axis.axis("off")
    crops |= {"back": numpy.asarray(Image.open(out["flower"]))}
    height, width = crops["x"].shape[:2]
    random = numpy.random.default_rng(1)
    places = [(random.integers(height - CROP), random.integers(width - CROP))
              for _ in range(SHOWN - 2)]
    for row, name in ((1, "x"), (2, "T(x)")):
        for column, (top, left) in enumerate(places):
            axis = figure.add_subplot(grid[row, column])
            axis.imshow(crops[name][top:top + CROP, left:left + CROP])
            axis.axis("off")
            if column == 0:
                axis.set_title(f"crops of {name}", fontsize=8, loc="left")
    axis = figure.add_subplot(grid[1:, SHOWN - 2:])
    axis.imshow(crops["back"])
    axis.axis("off")
    save(figure, "gallery.style_transfer", colours=None)


def run():
    FOLDER.mkdir(parents=True, exist_ok=True)
    paths = photographs()
    target, runs = paths["flower"], []
    for seed in SEEDS:
        fit = learn(seed)
        out, seconds = styled(fit, paths)
        runs.append({"seed": seed, "apply_seconds": seconds, **fit.record(),
                     **record("ConvICNN", out["china"], target)})
        if seed == SEEDS[0]:
            colours = recoloured(paths)
            draw(paths, out, colours)
    halves = numpy.random.default_rng(2).permutation(2 * PATCHES)
    floor = {side: float(energy(*numpy.split(patches(target, size, 2 * PATCHES)[halves], 2)))
             for side, size in (("colours", 1), ("patches", PATCH))}
    return {"settings": {"threads": THREADS, "patch": PATCH, "patches": PATCHES},
            "runs": runs, "floor": floor, "paper_step": paper_step(),
            "others": [record("the photograph", paths["china"], target),
                       record("colours alone", colours, target)]}


FIGURES = {"Fréchet distance": "offline_frechet", "of the source as it is":
           "offline_frechet_identity", "of two sets of the target": "offline_frechet_floor",
           "‖x − T(x)‖": "l2", "cycle error, %": "cycle_error", "steps": "steps",
           "processor s": "cpu_seconds", "photograph s": "apply_seconds"}


def table(result):
    runs, settings = result["runs"], result["settings"]
    median = {key: common.text_of(run[key] for run in runs) for key in ("colours", "patches")}
    rows = [[one["what"], common.digits(one["colours"]), common.digits(one["patches"])]
            for one in result["others"]]
    rows += [["ConvICNN", median["colours"], median["patches"]],
             ["two samples of the target", *(common.digits(result["floor"][key])
                                             for key in ("colours", "patches"))]]
    size = f"{settings['patch']} x {settings['patch']}"
    figures = [[name, common.text_of(run[key] for run in runs)] for name, key in FIGURES.items()]
    if "paper_step" in result:
        figures.append(["a step of style-transfer-paper, processor s",
                        common.digits(result["paper_step"])])
    return (common.markdown(["china.jpg", "energy distance of colours", f"of {size} patches"], rows)
            + "\n\n" + common.markdown(["crops by ConvICNN", ""], figures)
            + f"\n\nEnergy distances to flower.jpg of {settings['patches']} pixels and patches; the "
            "Fréchet distances of crops in the offline features. "
            f"{len(runs)} seed(s), {settings['threads']} thread(s).")
