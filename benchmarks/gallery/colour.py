"""A photograph in the colours of others: one palette, their barycentre, strengths and spaces."""

import os
import shutil

import common
import matplotlib
import numpy
from gallery.energy import energy
from gallery.figure import plt, save
from PIL import Image

PHOTOS = common.ROOT / "data" / "photos"
PHOTO = PHOTOS / "china.jpg"
# The second palette is a photograph that Matplotlib brings (NASA and U.S. Navy, public domain).
PALETTES = {"flower": PHOTOS / "flower.jpg",
            "portrait": matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)}
SPACES = ["srgb", "linear", "lab", "oklab"]
SHARES = [0.25, 0.5, 0.75]  # of the second palette
STRENGTHS = [0.33, 0.67]
THREADS = int(os.environ.get("BENCH_THREADS", 1))
POINTS = 4000  # on which distances are taken
FRAMES = 5
FOLDER = common.OUT / "runs" / "gallery-colour"


def colours(path, points=POINTS):
    pixels = numpy.asarray(Image.open(path).convert("RGB")).reshape(-1, 3) / 255
    return pixels[numpy.random.default_rng(0).integers(len(pixels), size=points)]


def recoloured(name, palettes, *more):
    """monge colour with its map kept; the picture, the map, and the seconds of the whole command."""
    out, learned = FOLDER / f"{name}.png", FOLDER / f"{name}.safetensors"
    done = common.monge("colour", PHOTO, *palettes, "-o", out, "--save-map", learned, *more,
                        "--set", "train.max_seconds=0", "--force", threads=THREADS)
    return out, learned, done


def distances(picture):
    """To each palette in sRGB, in which everybody's figures are."""
    return {name: energy(colours(picture), colours(path)) for name, path in PALETTES.items()}


def record(what, picture, seconds=None):
    return {"what": what, "seconds": seconds, **distances(picture)}


def batch(learned):
    """Seconds for one photograph of a folder, beside those of one command a photograph."""
    frames, out = FOLDER / "frames", FOLDER / "moved"
    for folder in (frames, out):
        shutil.rmtree(folder, ignore_errors=True)
    frames.mkdir()
    for i in range(FRAMES):
        shutil.copy(PHOTO, frames / f"frame-{i}.jpg")
    together = common.monge("apply", learned, "--in", frames, "--out", out, threads=THREADS)
    alone = common.monge("apply", learned, "--in", PHOTO, "--out", FOLDER / "alone.jpg", "--force",
                         threads=THREADS)
    return {"frames": FRAMES, "together": together.wall / FRAMES, "alone": alone.wall}


def lut_gap(lut, picture):
    """Levels between the picture by the map and by its LUT of 33 points."""
    out = FOLDER / "lut.png"
    common.monge("apply", lut, "--in", PHOTO, "--out", out, "--force", threads=THREADS)
    a, b = (numpy.asarray(Image.open(path)).astype(int) for path in (picture, out))
    return {"mean": float(numpy.abs(a - b).mean()), "largest": int(numpy.abs(a - b).max())}


def run():
    FOLDER.mkdir(parents=True, exist_ok=True)
    first, second = PALETTES.values()
    runs, shown = [record("the photograph", PHOTO)], {}
    for name, path in PALETTES.items():
        lut = FOLDER / f"{name}.cube"
        picture, learned, done = recoloured(name, [path], "--lut", lut)
        shown[name] = picture
        runs.append(record(f"to {name}", picture, done.wall))
        if path == first:
            batches, gap = batch(learned), lut_gap(lut, picture)
            for strength in STRENGTHS:
                shown[strength] = FOLDER / f"strength-{strength}.png"
                common.monge("apply", learned, "--in", PHOTO, "--time", strength, "--out",
                             shown[strength], "--force", threads=THREADS)
                runs.append(record(f"to {name}, strength {strength}", shown[strength]))
    for share in SHARES:
        picture, _, done = recoloured(f"mean-{share}", [first, second], "--weights",
                                      f"{1 - share},{share}")
        shown[f"mean {share}"] = picture
        runs.append(record(f"barycentre, {1 - share:g} and {share:g}", picture, done.wall))
    for space in SPACES[1:]:
        picture, _, done = recoloured(space, [first], "--space", space)
        shown[space] = picture
        runs.append(record(f"to flower in {space}", picture, done.wall))
    draw(shown)
    return {"settings": {"threads": THREADS, "points": POINTS, "palettes": list(PALETTES)},
            "runs": runs, "batch": batches, "lut_gap": gap}


def draw(shown):
    first, second = PALETTES.values()
    rows = [[("photograph", PHOTO), ("palette: flower", first), ("palette: portrait", second),
             *((f"strength {strength}", shown[strength]) for strength in STRENGTHS)],
            [("to flower", shown["flower"]),
             *((f"{1 - share:g} flower, {share:g} portrait", shown[f"mean {share}"])
               for share in SHARES), ("to portrait", shown["portrait"])],
            [("sRGB", shown["flower"]), *((name, shown[name]) for name in SPACES[1:]),
             ("by the .cube", FOLDER / "lut.png")]]
    figure, axes = plt.subplots(3, 5, figsize=(10, 4.6))
    for line, pictures in zip(axes, rows):
        for axis, (title, path) in zip(line, pictures):
            small = Image.open(path).convert("RGB")
            small.thumbnail((320, 214))
            axis.imshow(small)
            axis.set_title(title, fontsize=8)
            axis.axis("off")
    save(figure, "gallery.colour", colours=None)


def table(result):
    names = result["settings"]["palettes"]
    rows = [[one["what"], *(f"{one[name]:.4f}" for name in names),
             f"{one['seconds']:.1f}" if one["seconds"] else "–"] for one in result["runs"]]
    header = ["china.jpg", *(f"energy distance to {name}" for name in names), "seconds"]
    batch_of, gap = result["batch"], result["lut_gap"]
    return common.markdown(header, rows) + (
        f"\n\nEnergy distance of {result['settings']['points']} pixels' colours in sRGB; a sample of a "
        "palette's own colours is about 0 from it. Seconds of the whole command, fit and picture, "
        f"{result['settings']['threads']} thread. A map once learned takes {batch_of['alone']:.2f} s "
        f"for a photograph and {batch_of['together']:.2f} s in a folder of {batch_of['frames']}; its "
        f".cube of 33 points differs from it by {gap['mean']:.2f} of 255 levels on average, at most "
        f"by {gap['largest']}.")
