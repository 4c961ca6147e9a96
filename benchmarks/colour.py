"""A photograph of 10 megapixels recoloured file to file, beside eager PyTorch pixel by pixel."""

import json
import os
import statistics
import sys
import time

import common
import numpy
from PIL import Image
from safetensors.numpy import save_file

SIZE = (3872, 2584)  # 10.0 megapixels
CONTRAST = 0.85
THREADS = 2
STRIDE = 10  # the peer takes minutes for all pixels, in proportion to their number
REPETITIONS = int(os.environ.get("BENCH_REPETITIONS", 3))
DEMAND = 3.0  # seconds over decoding and encoding
FIT = {"solver.name": "w2gn", "network.rank": 1, "network.hidden": [128, 128, 64],
       "train.max_steps": 100}
FOLDER = common.OUT / "runs" / "colour"


def distinct(path):
    pixels = numpy.asarray(Image.open(path).convert("RGB")).reshape(-1, 3).astype("uint32")
    seen = numpy.zeros(1 << 24, bool)
    seen[pixels[:, 0] << 16 | pixels[:, 1] << 8 | pixels[:, 2]] = True
    return int(seen.sum())


def make_picture():
    """Both bundled photographs enlarged and blended by a ramp, in less contrast, so that about
    300 000 colours are distinct. The PNG holds the same pixels as the JPEG."""
    photos = [numpy.asarray(Image.open(common.ROOT / "data" / "photos" / name).convert("RGB")
                            .resize(SIZE, Image.Resampling.BICUBIC), dtype="float32")
              for name in ("china.jpg", "flower.jpg")]
    ramp = 0.5 + 0.5 * numpy.tanh(numpy.linspace(-4, 4, SIZE[0], dtype="float32"))[:, None]
    blend = photos[0] * (1 - ramp) + photos[1] * ramp
    picture = Image.fromarray((128 + CONTRAST * (blend - 128)).round().astype("uint8"))
    paths = {"jpg": FOLDER / "big.jpg", "png": FOLDER / "big.png"}
    picture.save(paths["jpg"], quality=90)
    Image.open(paths["jpg"]).save(paths["png"])
    return paths


def make_identity():
    path = FOLDER / "identity.safetensors"
    save_file({"map.matrix": numpy.eye(3), "map.offset": numpy.zeros(3)}, path,
              {"format": "monge-map", "version": "1",
               "map": json.dumps({"kind": "affine", "dimension": 3})})
    return path


def apply(chosen_map, source, target):
    done = common.monge("apply", chosen_map, "--in", source, "--out", target, "--force",
                        threads=THREADS)
    return {"wall": done.wall, "cpu": done.cpu}


def peer(chosen_map, source, target):
    """Eager PyTorch on every STRIDE-th pixel; `evaluate` is scaled to all of them."""
    script = common.ROOT / "benchmarks" / "peers" / "recolour.py"
    done = common.process([sys.executable, script, chosen_map, source, target, THREADS, STRIDE],
                          THREADS)
    parts = json.loads(done.text)
    return {"measured": parts, "evaluate": parts["evaluate"] * STRIDE}


def codec(source, target):
    """Decoding and encoding alone, by Pillow."""
    wall, cpu = time.perf_counter(), time.process_time()
    picture = Image.open(source).convert("RGB")
    picture.save(target, quality=90)
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}


def agreement(chosen_map, source):
    """Levels between Monge's picture and the peer's; the output is PNG, so that only the map and
    its rounding can differ."""
    ours, theirs = FOLDER / "ours.png", FOLDER / "theirs.npy"
    apply(chosen_map, source, ours)
    peer(chosen_map, source, theirs)
    a = numpy.asarray(Image.open(ours)).reshape(-1, 3)[::STRIDE].astype(int)
    gaps = numpy.abs(a - numpy.load(theirs))
    return {"largest_gap": int(gaps.max()), "share_of_different_levels": float((gaps > 0).mean())}


def repetitions(chosen_map, identity, source):
    kind = source.suffix
    out = {name: FOLDER / f"out-{name}{kind}" for name in ("monge", "identity", "codec")}
    runs = {name: [] for name in (*out, "eager")}
    for _ in range(REPETITIONS):  # interleaved, so that a change of load meets all alike
        runs["monge"].append(apply(chosen_map, source, out["monge"]))
        runs["identity"].append(apply(identity, source, out["identity"]))
        runs["codec"].append(codec(source, out["codec"]))
        runs["eager"].append(peer(chosen_map, source, FOLDER / "eager.npy"))
    return runs


def median(runs, key="wall"):
    return statistics.median(run[key] for run in runs)


def run():
    FOLDER.mkdir(parents=True, exist_ok=True)
    photos = common.ROOT / "data" / "photos"
    fit = common.fit("colour/map", ["--recipe", "colour", "--source", photos / "china.jpg",
                                    "--target", photos / "flower.jpg"], FIT)
    chosen_map, identity = fit.folder / "map.safetensors", make_identity()
    formats = {}
    for kind, path in make_picture().items():
        runs = repetitions(chosen_map, identity, path)
        over = median(runs["monge"]) - median(runs["codec"])
        formats[kind] = {"distinct_colours": distinct(path), "runs": runs,
                         "over_identity": median(runs["monge"]) - median(runs["identity"]),
                         "over_codec": over, "within_demand": over <= DEMAND,
                         "agreement": agreement(chosen_map, path)}
    return {"settings": {"pixels": SIZE[0] * SIZE[1], "threads": THREADS,
                         "repetitions": REPETITIONS, "fit": FIT, "demand_seconds": DEMAND},
            "formats": formats}


def table(result):
    def seconds(runs, key="wall"):
        return common.text_of(run[key] for run in runs)

    rows = []
    for kind, of in result["formats"].items():
        runs = of["runs"]
        rows.append([kind, of["distinct_colours"], seconds(runs["monge"]),
                     seconds(runs["monge"], "cpu"), seconds(runs["codec"]),
                     seconds(runs["identity"]), f"{of['over_codec']:.2f}",
                     f"{of['over_identity']:.2f}", seconds(runs["eager"], "evaluate"),
                     common.interval([eager["evaluate"] / ours["wall"] for ours, eager
                                      in zip(runs["monge"], runs["eager"])], 1),
                     f"{of['agreement']['largest_gap']}"])
    header = ["format", "distinct colours", "monge apply, s", "processor s",
              "decode and encode by Pillow, s", "monge apply of the identity, s",
              "over Pillow, s", "over the identity, s", "map in eager PyTorch, s",
              "eager / monge", "largest gap, levels"]
    settings = result["settings"]
    failed = [kind for kind, of in result["formats"].items() if not of["within_demand"]]
    text = common.markdown(header, rows) + (
        f"\n\n{settings['pixels'] / 1e6:.1f} megapixels, DenseICNN [1; 128, 128, 64], "
        f"{settings['threads']} threads each, median (range) of {settings['repetitions']} "
        "interleaved repetitions of whole processes, start included, and ratios of neighbours with "
        f"{common.interval_name(settings['repetitions'])}; PyTorch is timed on every "
        f"{STRIDE}th pixel without its start and codec, and scaled.")
    if failed:
        text += (f"\n\nMore than {settings['demand_seconds']:g} s over decoding and encoding: "
                 f"{', '.join(failed)}.")
    return text
