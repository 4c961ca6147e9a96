"""Sharp photographs of blurred ones by strong NOT on unpaired crops, beside bicubic interpolation."""

import tomllib

import common
import numpy
from gallery.figure import columns_titled, plt, save
from gallery.restoration import (SEEDS, STRIP, THREADS, applied, columns, cut, distance, judged,
                                 learn, levels, photographs, psnr)
from PIL import Image

RECIPE = "super-resolution"
TIMES = tomllib.loads((common.ROOT / "recipes" / f"{RECIPE}.toml").read_text())["source"][
    "downscale"]
FOLDER = common.OUT / "runs" / "gallery" / RECIPE
SHOWN = 3  # squares of the figure
CAPTION = ("Squares of 64 pixels of held-out strips: what is given, enlarged by bicubic interpolation, by "
           "T, and the photograph.")


def resized(picture, times):
    return picture.resize([round(side * times) for side in picture.size], Image.Resampling.BICUBIC)


def given(name, picture):
    """The photograph that is to be enlarged: its path and itself."""
    path, small = FOLDER / f"{name}-small.png", resized(picture, 1 / TIMES)
    small.save(path)
    return path, small


def record(large, picture, small):
    """How near an enlarged photograph is to the true one, and reduced again to the given one."""
    return distance(large, picture) | {"reduced": psnr(levels(resized(large, 1 / TIMES)),
                                                       levels(small))}


def places(picture):
    """Left upper corners of the squares in held-out strips that have most detail."""
    pixels = levels(picture).mean(2)
    detail = [(numpy.abs(numpy.diff(pixels[top:top + STRIP, left:left + STRIP], axis=0)).mean(),
               top, left)
              for left in numpy.flatnonzero(columns(picture.width, "held-out"))[::STRIP]
              for top in range(0, picture.height - STRIP, STRIP)]
    return [place for _, *place in sorted(detail, reverse=True)]


def draw(pictures):
    """`pictures`: of each photograph the given one, bicubic, T(x) and the truth."""
    squares = [(name, *place) for name, line in pictures.items() for place in places(line[-1])[:2]]
    squares = squares[:SHOWN]
    titles = ("given", "bicubic", "T(x)", "true")
    figure, axes = plt.subplots(SHOWN, len(titles), figsize=(7.6, 1.95 * SHOWN))
    for line, (name, top, left) in zip(axes, squares):
        for axis, title, picture in zip(line, titles, pictures[name]):
            times = TIMES if title == "given" else 1
            axis.imshow(picture.crop([side // times for side in
                                      (left, top, left + STRIP, top + STRIP)]))
    columns_titled(axes, titles)
    save(figure, "gallery.super_resolution", colours=128)


def run():
    cut(FOLDER)
    truth, runs, shown = photographs(), [], {}
    bicubic = {}
    for seed in SEEDS:
        fit = learn(RECIPE, seed, FOLDER)
        made = {}
        for name, picture in truth.items():
            path, small = given(name, picture)
            out = FOLDER / f"{name}-{seed}.png"
            seconds = applied(fit, path, out)
            large, plain = Image.open(out).convert("RGB"), resized(small, TIMES)
            made[name] = record(large, picture, small) | {"seconds": seconds}
            bicubic[name] = record(plain, picture, small)
            if seed == SEEDS[0]:
                shown[name] = (small, plain, large, picture)
        runs.append({"seed": seed, "photographs": made, "held_out": judged(fit, FOLDER),
                     **fit.record()})
    draw(shown)
    return {"settings": {"threads": THREADS, "times": TIMES, "strip": STRIP}, "bicubic": bicubic,
            "runs": runs}


def table(result):
    runs, settings, rows = result["runs"], result["settings"], []
    measures = {"psnr": "PSNR, dB", "ssim": "SSIM", "reduced": "reduced again, dB"}
    for name, plain in result["bicubic"].items():
        for what, values in (("bicubic", [plain]),
                             ("T(x)", [run["photographs"][name] for run in runs])):
            rows.append([f"{name}.jpg", what, *(common.text_of(one[key] for one in values)
                                                for key in measures)])
    judged_on = {"bicubic": "offline_frechet_identity", "T(x)": "offline_frechet",
                 "two sets of sharp ones": "offline_frechet_floor"}
    figures = [[f"Fréchet distance, {what}", common.text_of(run["held_out"][key] for run in runs)]
               for what, key in judged_on.items()]
    figures += [["‖x − T(x)‖", common.text_of(run["held_out"]["l2"] for run in runs)],
                ["steps", common.text_of(run["steps"] for run in runs)],
                ["processor s", common.text_of(run["cpu_seconds"] for run in runs)],
                ["photograph s", common.text_of(run["photographs"]["china"]["seconds"]
                                                for run in runs)]]
    return (common.markdown(["photograph", "enlarged", *measures.values()], rows) + "\n\n"
            + common.markdown(["crops of held-out strips", ""], figures)
            + f"\n\nPhotographs reduced {settings['times']} times; all but the steps and seconds on the "
            f"strips of {settings['strip']} columns that were held out. "
            f"{len(runs)} seed(s), {settings['threads']} thread(s).")
