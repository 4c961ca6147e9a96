"""Colours for grey photographs by strong NOT on unpaired crops, beside the mean colour of each grey."""

import common
import numpy
from gallery.energy import energy
from gallery.figure import columns_titled, plt, save
from gallery.restoration import (SEEDS, STRIP, THREADS, applied, cut, distance, held_out, judged,
                                 learn, levels, photographs)
from PIL import Image

RECIPE = "colourisation"
FOLDER = common.OUT / "runs" / "gallery" / RECIPE
PATCH, PATCHES = 8, 3000  # whose laws are compared
CAPTION = ("Held-out strips side by side: in grey, in the mean colour of each grey, by T, and the "
           "photograph.")
WHATS = ("grey", "mean colour of a grey", "T(x)")


def grey(picture):
    """Luminance of linear light, as libvips weighs and sRGB codes it: what `grey` makes of a crop."""
    share = levels(picture) / 255
    linear = numpy.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2, 0.7, 0.1]
    coded = numpy.where(luminance <= 0.0031308, 12.92 * luminance,
                        1.055 * luminance ** (1 / 2.4) - 0.055)
    return Image.fromarray((255 * coded).round().astype("u1"))


def mean_colours(folder):
    """Of the pixels of a folder's pictures, by the grey that they have: [256, 3]; of a grey that
    none has by those around it."""
    sums, counts = numpy.zeros((256, 3)), numpy.zeros(256)
    for path in sorted(folder.iterdir()):
        picture = Image.open(path).convert("RGB")
        greys = numpy.asarray(grey(picture)).ravel()
        numpy.add.at(sums, greys, levels(picture).reshape(-1, 3))
        counts += numpy.bincount(greys, minlength=256)
    seen = numpy.flatnonzero(counts)
    means = sums[seen] / counts[seen, None]
    return numpy.stack([numpy.interp(range(256), seen, means[:, c]) for c in range(3)], 1)


def patches(pictures, side):
    """Random squares of the held-out strips, PATCHES of all pictures together, from 0 to 1."""
    random, found = numpy.random.default_rng(0), []
    for picture in pictures:
        strips = numpy.array_split(held_out(picture), range(STRIP, held_out(picture).shape[1], STRIP),
                                   axis=1)
        for strip in strips:
            windows = numpy.lib.stride_tricks.sliding_window_view(strip, (side, side), (0, 1))
            count = PATCHES // (len(strips) * len(pictures))
            rows, cols = (random.integers(length, size=count) for length in windows.shape[:2])
            found.append(windows[rows, cols].reshape(count, -1) / 255)
    return numpy.concatenate(found)


def record(pictures, truth):
    """Of all photographs together the energy distances, of each its PSNR and SSIM."""
    laws = {key: float(energy(patches(pictures.values(), side), patches(truth.values(), side)))
            for key, side in (("colours", 1), ("patches", PATCH))}
    return laws | {name: distance(pictures[name], truth[name]) for name in truth}


def draw(made, truth):
    titles = (*WHATS, "true")
    figure, axes = plt.subplots(len(truth), len(titles), figsize=(6.6, 3.6 * len(truth)))
    for line, name in zip(axes, truth):
        for axis, title, pictures in zip(line, titles, (*made.values(), truth)):
            axis.imshow(held_out(pictures[name]).astype("u1"))
    columns_titled(axes, titles)
    save(figure, "gallery.colourisation", colours=96)


def run():
    cut(FOLDER)
    truth, runs = photographs(), []
    greys = {name: grey(picture) for name, picture in truth.items()}
    colours = mean_colours(FOLDER / "target")
    plain = {name: Image.fromarray(colours[numpy.asarray(picture)].round().astype("u1"))
             for name, picture in greys.items()}
    for seed in SEEDS:
        fit = learn(RECIPE, seed, FOLDER)
        coloured, seconds = {}, {}
        for name, picture in greys.items():
            picture.save(FOLDER / f"{name}-grey.png")
            out = FOLDER / f"{name}-{seed}.png"
            seconds[name] = applied(fit, FOLDER / f"{name}-grey.png", out)
            coloured[name] = Image.open(out).convert("RGB")
        runs.append({"seed": seed, "apply_seconds": seconds["china"], **fit.record(),
                     "held_out": judged(fit, FOLDER), "T(x)": record(coloured, truth)})
        if seed == SEEDS[0]:
            draw(dict(zip(WHATS, (greys, plain, coloured))), truth)
    return {"settings": {"threads": THREADS, "patch": PATCH, "strip": STRIP}, "runs": runs,
            "others": {"grey": record(greys, truth), WHATS[1]: record(plain, truth)}}


def table(result):
    runs, settings, rows = result["runs"], result["settings"], []
    for what in WHATS:
        values = [result["others"][what]] if what in result["others"] else [run[what] for run in runs]
        rows.append([what, *(common.text_of(one[name]["psnr"] for one in values)
                             for name in ("china", "flower")),
                     *(common.text_of(one[key] for one in values) for key in ("colours", "patches"))])
    size = f"{settings['patch']} x {settings['patch']}"
    figures = [["‖x − T(x)‖", common.text_of(run["held_out"]["l2"] for run in runs)],
               *([name, common.text_of(run[key] for run in runs)] for name, key in
                 (("steps", "steps"), ("processor s", "cpu_seconds"),
                  ("photograph s", "apply_seconds")))]
    return (common.markdown(["coloured", "china.jpg, PSNR, dB", "flower.jpg, PSNR, dB",
                             "energy distance of colours", f"of {size} patches"], rows) + "\n\n"
            + common.markdown(["crops of held-out strips", ""], figures)
            + f"\n\nAll but the steps and seconds on the strips of {settings['strip']} columns that "
            f"were held out. {len(runs)} seed(s), {settings['threads']} thread(s).")
