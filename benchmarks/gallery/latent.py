"""Images out of noise and digits to digits in the latent space of an autoencoder (W2GN, ICNN-OT)."""

import os
import sys
from pathlib import Path

import common
import numpy
import torch
from gallery import digits, domain_adaptation
from gallery.figure import plt, save

SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 3))))
THREADS = 1
RECIPES = common.ROOT / "recipes"
FOLDER = common.OUT / "runs" / "gallery" / "latent"
MNIST = Path(os.environ.get("GALLERY_MNIST", common.ROOT / "data" / "mnist"))
FASHION = Path(os.environ.get("GALLERY_FASHION", "/usr/share/datasets/fashion-mnist"))
GENERATED = {"Dec(Enc(X))": "offline_frechet_reconstruction", "Dec(Z)": "offline_frechet_identity",
             "Dec(T(Z)), W2GN": "offline_frechet"}
PAPER = {"Dec(Enc(X))": "7.5", "Dec(Z)": "31.81", "Dec(T(Z)), W2GN": "17.21"}
BECAME = "1 → 9, 2 → 8, 4 → 9"  # the examples of Makkuva et al. 2020, section 4.4
SOLVERS = {"ICNN-OT": {}, "dual": {"solver.name": "dual", "network.name": "dense_icnn",
                                   "train.max_steps": 1000}}
LOW, HIGH = range(5), range(5, 10)
SHOWN = 10
CAPTION = ("Pairs of rows: what the decoder makes of noise, and of the same noise moved by W2GN. Below: "
           "digits 0 to 4 that no map has seen, what ICNN-OT makes of them, and the nearest real digit.")


def images_of(folder):
    """The largest part of MNIST, or of a set in its format, that a folder holds."""
    for part in ("train", "t10k", "sample"):
        path = folder / f"{part}-images-idx3-ubyte.gz"
        if path.exists():
            return path
    print(f"bench: {folder} is missing: the bundled sample of bags and shoes stands in",
          file=sys.stderr)
    return images_of(common.ROOT / "data" / "fashion-mnist")


def generate(dataset, folder, dimension, seed):
    """Images of a data set out of noise of so many numbers."""
    name = f"gallery/latent/{dataset}-{dimension}-{seed}"
    fit = common.fit(name, ["--recipe", "latent-generate", "--target", images_of(folder)],
                     {"seed": seed, "source.dimension": dimension, "latent.dimension": dimension},
                     THREADS)
    return {"kind": "generated", "data": dataset, "dimension": dimension, "seed": seed,
            "autoencoder_seconds": autoencoder_seconds(fit), **fit.record()}


def autoencoder_seconds(fit):
    return common.metrics(fit.folder / "autoencoder")[-1]["seconds"]


def split_digits():
    """Of four fifths of the digits those below 5 and above 4, in files; the other fifth is kept."""
    whole = digits.from_idx(MNIST)
    FOLDER.mkdir(parents=True, exist_ok=True)
    levels = (whole.images * 255).round().byte().numpy()
    count = 4 * len(levels) // 5
    for name, wanted in (("low", LOW), ("high", HIGH)):
        kept = numpy.isin(whole.labels[:count], wanted)
        numpy.save(FOLDER / f"{name}.npy", levels[:count][kept])
    rest = levels[count:], whole.labels[count:]
    known = digits.Digits(whole.name, whole.images[:count], whole.labels[:count])
    return known, *rest


def scaled(levels):
    return torch.from_numpy(levels.astype("float32") / 255)


def guesses(classifier, levels):
    with torch.no_grad():
        return torch.cat([classifier(part).argmax(1) for part in scaled(levels).split(1000)]).numpy()


def nearest(levels, reference):
    """The nearest reference picture of each, and the root mean squared distance of a pixel."""
    flat = scaled(levels).flatten(1)
    gaps, at = torch.cdist(flat, scaled(reference).flatten(1)).min(1)
    return reference[at.numpy()], float(gaps.square().mean().div(flat.shape[1]).sqrt())


def judged(levels, labels, classifier, high):
    """What figures say of pictures that should be digits 5 to 9."""
    guess = guesses(classifier, levels)
    became = {str(low): int(numpy.bincount(guess[labels == low], minlength=10).argmax())
              for low in sorted(set(labels.tolist()))}
    return {"share_high": 100 * float(numpy.isin(guess, HIGH).mean()), "became": became,
            "nearest": nearest(levels, high)[1]}


def move(seed, known, levels, labels):
    """The held-out digits 0 to 4 by each solver in one latent space, and what they are judged by."""
    torch.manual_seed(seed)
    classifier, accuracy = domain_adaptation.train_network(known, seed)
    high, low = numpy.load(FOLDER / "high.npy"), numpy.isin(labels, LOW)
    numpy.save(FOLDER / "held-out.npy", levels[low])
    rows = [{"method": "as they are", **judged(levels[low], labels[low], classifier, high)},
            {"method": "real 5 to 9", **judged(levels[~low], labels[~low], classifier, high)}]
    autoencoder = {}
    for method, options in SOLVERS.items():
        fit = common.fit(f"gallery/latent/{method}-{seed}",
                         ["--recipe", "latent-digits", "--source", FOLDER / "low.npy",
                          "--target", FOLDER / "high.npy"],
                         {"seed": seed, "source.name": "images", "target.name": "images"} |
                         options | autoencoder, THREADS)
        if not autoencoder:
            seconds = autoencoder_seconds(fit)
            autoencoder = {"latent.file": str(fit.folder)}
            rows.append({"method": "reconstructed 5 to 9", **judged(
                applied(fit.folder / "autoencoder.safetensors", levels[~low], seed),
                labels[~low], classifier, high)})
        moved = applied(fit.folder, levels[low], seed)
        numpy.save(fit.folder / "moved.npy", moved)
        rows.append({"method": method, **judged(moved, labels[low], classifier, high),
                     "autoencoder_seconds": seconds, **fit.record()})
    return [{"kind": "moved", "seed": seed, "classifier_accuracy": accuracy, **row} for row in rows]


def applied(run, levels, seed):
    into, out = FOLDER / f"in-{seed}.npy", FOLDER / f"out-{seed}.npy"
    numpy.save(into, levels)
    common.monge("apply", run, "--in", into, "--out", out, "--force", threads=THREADS)
    return numpy.load(out)


def strip(images):
    """Images [n, 1, h, w] side by side."""
    return numpy.concatenate([one[0] for one in images], 1)


def noise_pictures(run, dimension):
    """What is decoded of noise, before and after the map."""
    noise = numpy.random.default_rng(0).normal(size=(SHOWN, dimension)).astype("float32")
    numpy.save(FOLDER / "noise.npy", noise)
    strips = []
    for time in (0, 1):
        common.monge("apply", run, "--in", FOLDER / "noise.npy", "--time", time, "--out",
                     FOLDER / "made.npy", "--force", threads=THREADS)
        strips.append(strip(127.5 * (numpy.load(FOLDER / "made.npy") + 1)))
    return strips


def digit_pictures(levels, labels):
    """Held-out digits, two of each kind, what becomes of them, and the nearest real digits."""
    low = numpy.isin(labels, LOW)
    chosen = numpy.concatenate([numpy.flatnonzero(labels[low] == digit)[:2] for digit in LOW])
    moved = numpy.load(common.OUT / "runs" / "gallery" / "latent" / f"ICNN-OT-{SEEDS[0]}" /
                       "moved.npy")[chosen]
    real, _ = nearest(moved, numpy.load(FOLDER / "high.npy"))
    return [strip(levels[low][chosen]), strip(moved), strip(real)]


def draw(levels, labels):
    """As figure 3 of W2GN and figures 5 c and d of ICNN-OT."""
    panels = {}
    for dataset in ("MNIST", "Fashion-MNIST"):
        for dimension in (128, 16):
            run = FOLDER / f"{dataset}-{dimension}-{SEEDS[0]}"
            panels[f"{dataset}, k = {dimension}: Dec(Z), below it Dec(T(Z))"] = noise_pictures(
                run, dimension)
    panels["digits 0 to 4, what becomes of them, and the nearest real digit"] = digit_pictures(
        levels, labels)
    heights = [len(strips) for strips in panels.values()]
    figure, axes = plt.subplots(len(panels), 1, figsize=(6, 0.75 * sum(heights)),
                                height_ratios=heights)
    for axis, (title, strips) in zip(axes, panels.items()):
        axis.imshow(numpy.concatenate(strips), cmap="gray_r", vmin=0, vmax=255)
        axis.set_title(title, fontsize=8)
        axis.axis("off")
    save(figure, "gallery.latent")


def run():
    torch.set_num_threads(THREADS)
    known, levels, labels = split_digits()
    workers = int(os.environ.get("BENCH_WORKERS", os.cpu_count()))
    jobs = [lambda seed=seed: move(seed, known, levels, labels) for seed in SEEDS]
    moved = sum(common.in_parallel(jobs, workers), [])
    jobs = [lambda dataset=dataset, folder=folder, dimension=dimension, seed=seed:
            [generate(dataset, folder, dimension, seed)]
            for dimension in (128, 16) for seed in SEEDS
            for dataset, folder in (("MNIST", MNIST), ("Fashion-MNIST", FASHION))]
    generated = sum(common.in_parallel(jobs, workers), [])
    draw(levels, labels)
    return {"settings": {"mnist": images_of(MNIST).name, "fashion": images_of(FASHION).name,
                         "digits": len(known.labels), "held_out": len(labels),
                         "threads": THREADS, "runs_at_once": workers},
            "runs": moved + generated}


def mean_of(values, digits_=1):
    return f"{numpy.mean(values):.{digits_}f} ± {numpy.std(values):.{digits_}f}"


def generated_table(runs):
    rows = []
    sets = dict.fromkeys((one["data"], one["dimension"]) for one in runs)
    chosen = {each: [one for one in runs if (one["data"], one["dimension"]) == each]
              for each in sets}
    for name, key in GENERATED.items():
        rows.append([name, *(mean_of([one[key] for one in part], 2) for part in chosen.values()),
                     PAPER[name]])
    rows.append(["two sets of real images", *(mean_of([one["offline_frechet_floor"]
                                                       for one in part], 2)
                                              for part in chosen.values()), "–"])
    rows.append(["processor s", *(common.text_of([one["cpu_seconds"] for one in part])
                                  for part in chosen.values()), "–"])
    header = ["Fréchet distance", *(f"{data}, k = {dimension}" for data, dimension in sets),
              "the paper: FID on faces"]
    return common.markdown(header, rows)


def moved_table(runs):
    rows = []
    for method in dict.fromkeys(one["method"] for one in runs):
        part = [one for one in runs if one["method"] == method]
        became = ", ".join(f"{low} → {high}" for low, high in part[0]["became"].items())
        learned = "latent_transport_cost" in part[0]
        rows.append([method, mean_of([one["share_high"] for one in part]),
                     mean_of([one["nearest"] for one in part], 3), became,
                     mean_of([one["latent_transport_cost"] / one["latent_optimal_cost"]
                              for one in part], 2) if learned else "–",
                     common.text_of([one["cpu_seconds"] for one in part]) if learned else "–"])
    rows.append(["ICNN-OT in the paper, by its picture", "–", "–", BECAME, "–", "–"])
    return common.markdown(["digits", "seen as 5 to 9, %", "to the nearest real one",
                            "most often (seed 0)", "cost over optimal", "processor s"], rows)


def table(result):
    runs, settings = result["runs"], result["settings"]
    generated = [one for one in runs if one["kind"] == "generated"]
    moved = [one for one in runs if one["kind"] == "moved"]
    accuracy = mean_of([one["classifier_accuracy"] for one in moved])
    return (generated_table(generated) + "\n\n" + moved_table(moved) +
            f"\n\nImages: {settings['mnist']} of MNIST, {settings['fashion']} of Fashion-MNIST. "
            f"Distances in the offline features on {generated[0]['points']:.0f} and "
            f"{generated[-1]['points']:.0f} images. Digits: maps learned on {settings['digits']}, "
            f"figures on {settings['held_out']} others; the classifier that sees them is "
            f"{accuracy} % right; the distance is the root mean square of a pixel's, in [0, 1]. Mean "
            f"± deviation over {len(set(one['seed'] for one in runs))} seeds. Processor seconds of "
            f"whole processes, {settings['threads']} thread, the autoencoder's training (except "
            "for dual) and evaluation included.")
