"""What super-resolution and colourisation share: parts of photographs, and how near the truth is."""

import json
import os
import shutil

import common
import numpy
from PIL import Image
from scipy.ndimage import gaussian_filter

SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 1))))
STEPS = os.environ.get("BENCH_STEPS")  # in place of the recipe's own
THREADS = int(os.environ.get("BENCH_THREADS", 1))
PHOTOS = {name: common.ROOT / "data" / "photos" / f"{name}.jpg" for name in ("china", "flower")}
STRIP = 64  # columns of a photograph that have one use
USES = ("source", "target", "held-out")


def levels(picture):
    """Of a file or a picture, [h, w, 3] of numbers from 0 to 255."""
    opened = picture if isinstance(picture, Image.Image) else Image.open(picture)
    return numpy.asarray(opened.convert("RGB")).astype(float)


def photographs():
    """By name, with an even number of rows and columns."""
    found = {}
    for name, path in PHOTOS.items():
        picture = Image.open(path).convert("RGB")
        found[name] = picture.crop((0, 0, *(side - side % 2 for side in picture.size)))
    return found


def columns(width, use):
    """Which of so many columns are in the strips of a use: the three take turns."""
    return numpy.arange(width) // STRIP % len(USES) == USES.index(use)


def cut(folder):
    """Puts the strips of every photograph into the folder of their use."""
    for name, picture in photographs().items():
        for use in USES:
            (folder / use).mkdir(parents=True, exist_ok=True)
            for left in numpy.flatnonzero(columns(picture.width, use))[::STRIP]:
                box = (left, 0, min(left + STRIP, picture.width), picture.height)
                picture.crop(box).save(folder / use / f"{name}-{left}.png")


def held_out(picture):
    """The columns of that use alone, [h, w', ...]."""
    pixels = levels(picture)
    return pixels[:, columns(pixels.shape[1], "held-out")]


def learn(recipe, seed, folder):
    options = {"seed": seed, "source.file": str(folder / "source"),
               "target.file": str(folder / "target")}
    if STEPS:
        options["train.max_steps"] = int(STEPS)
    return common.fit(f"gallery/{recipe}/{seed}", ["--recipe", recipe], options, THREADS)


def judged(fit, folder):
    """The figures of monge evaluate on crops of the held-out strips, which a copy of the run names."""
    copy = fit.folder.with_name(f"{fit.folder.name}-held-out")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(fit.folder, copy)
    config = (copy / "config.toml").read_text()
    for side in ("source", "target"):
        config = config.replace(str(folder / side), str(folder / "held-out"))
    (copy / "config.toml").write_text(config)
    common.monge("evaluate", copy, threads=THREADS)
    figures = json.loads((copy / "evaluation.json").read_text())
    return {key: value for key, value in figures.items() if isinstance(value, float)}


def applied(fit, given, out):
    """Writes what the map makes of a photograph; its seconds."""
    return common.monge("apply", fit.folder, "--in", given, "--out", out, "--force",
                        threads=THREADS).wall


def psnr(a, b):
    """Peak signal-to-noise ratio in dB of levels."""
    return float(10 * numpy.log10(255**2 / numpy.square(a - b).mean()))


def similarity(a, b):
    """The structural similarity of levels [h, w, 3] at every place (Wang et al. 2004, eq. 13), with
    their Gaussian window of 1.5 pixels and constants."""
    def mean(values):
        return gaussian_filter(values, (1.5, 1.5, 0), truncate=3.5)

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ma, mb = mean(a), mean(b)
    va, vb, vab = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    return ((2 * ma * mb + c1) * (2 * vab + c2)) / ((ma**2 + mb**2 + c1) * (va + vb + c2))


def ssim(a, b):
    """Its mean over the held-out columns of two pictures."""
    whole = similarity(levels(a), levels(b))
    return float(whole[:, columns(whole.shape[1], "held-out")].mean())


def distance(a, b):
    """PSNR and SSIM on the held-out columns of two pictures."""
    return {"psnr": psnr(held_out(a), held_out(b)), "ssim": ssim(a, b)}
