"""USPS to MNIST in a classifier's features: 1-NN accuracy by transport (W2GN, C.7)."""

import os

import common
import numpy
import torch
from gallery import digits
from gallery.figure import plt, save
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

SEEDS = list(range(int(os.environ.get("BENCH_SEEDS", 3))))  # of the classifiers
EPOCHS = 12
BATCH = 64
CHECKED = 0.2  # of the target's pictures, on which the classifier is checked
THREADS = 1
RECIPE = common.ROOT / "recipes" / "domain-adaptation.toml"
SOLVERS = {"LSOT": ([], {"solver.name": "regularized_dual", "train.max_steps": 400}),
           "W2GN": ([RECIPE], {"network.rank": int(os.environ.get("BENCH_RANK", 1))}),
           "dual": ([], {"solver.name": "dual", "train.max_steps": 1000})}
PAPER = {"no transport": "76.0 ± 0.8", "discrete OT": "75.9 ± 0.4", "LSOT": "77.92",
         "W2GN": "81.2 ± 1.0"}
EXACT = common.MONGE.parent / "benchmarks" / "monge_bench_discrete"
FOLDER = common.OUT / "runs" / "gallery" / "domain-adaptation"


def lenet():
    """LeNet-5; the part before the last layer gives the 84 features."""
    features = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU())
    return nn.Sequential(features, nn.Linear(84, 10))


def train_classifier(target, seed):
    """The features of train_network(), and its accuracy."""
    network, accuracy = train_network(target, seed)
    return network[0], accuracy


def train_network(target, seed):
    """A LeNet of the target's pictures but the last CHECKED, on which its accuracy is taken, %."""
    torch.manual_seed(seed)
    order = torch.randperm(len(target.images))
    count = round((1 - CHECKED) * len(order))
    labels = torch.from_numpy(target.labels)
    network = lenet()
    optimiser = torch.optim.Adam(network.parameters())
    steps = EPOCHS * -(-count // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
    for _ in range(EPOCHS):
        for part in order[:count][torch.randperm(count)].split(BATCH):
            loss = nn.functional.cross_entropy(network(target.images[part]), labels[part])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    with torch.no_grad():
        guesses = network.eval()(target.images[order[count:]]).argmax(1)
    return network, 100 * (guesses == labels[order[count:]]).double().mean().item()


def extract(network, images):
    with torch.no_grad():
        return torch.cat([network(part) for part in images.split(1000)]).numpy()


def one_nn_accuracy(points, labels, reference, reference_labels):
    """The share of points, in %, whose nearest reference point has their label."""
    for name, rows, given in (("points", points, labels),
                              ("reference points", reference, reference_labels)):
        if len(rows) != len(given):
            raise ValueError(f"1-NN: expected one label for each of the {len(rows)} {name}, "
                             f"got {len(given)} labels")
    nearest = KNeighborsClassifier(1, algorithm="brute").fit(reference, reference_labels)
    return 100 * nearest.score(points, labels)


def label_shift(source_labels, target_labels):
    """Half of the summed differences of the classes' shares, %: the least part of the source that
    a map onto the target sends to another label."""
    shares = [numpy.bincount(labels, minlength=10) / len(labels)
              for labels in (source_labels, target_labels)]
    return 50 * float(numpy.abs(shares[0] - shares[1]).sum())


def matched(source, target, folder, seed):
    """The exact plan between as many points of both sides: a permutation, and so its own
    barycentric projection. Where the source has more points, the rest stays away."""
    rng = numpy.random.default_rng(seed)
    count = min(len(source), len(target))
    kept = numpy.sort(rng.choice(len(source), count, replace=False))
    numpy.save(folder / "x.npy", source[kept])
    numpy.save(folder / "y.npy", target[rng.choice(len(target), count, replace=False)])
    done = common.process([EXACT, "displaced", folder / "x.npy", folder / "y.npy", 1, seed,
                           folder / "discrete.npy"], THREADS)
    return kept, numpy.load(folder / "discrete.npy"), done


def learned(method, folder, seed):
    """The source's features through the map that a solver has learned."""
    recipe, options = SOLVERS[method]
    sides = ["--source", folder / "source.npy", "--target", folder / "target.npy"]
    fit = common.fit(f"gallery/domain-adaptation/{seed}/{method}", [*recipe, *sides],
                     {"seed": seed} | options, THREADS)
    out = folder / f"{method}.npy"
    common.monge("apply", fit.folder, "--in", folder / "source.npy", "--out", out, "--force",
                 threads=THREADS)
    return numpy.load(out), fit


def prepare(source, target, seed):
    """A classifier's features of both domains, in files."""
    folder = FOLDER / str(seed)
    folder.mkdir(parents=True, exist_ok=True)
    network, accuracy = train_classifier(target, seed)
    for name, domain in (("source", source), ("target", target)):
        numpy.save(folder / f"{name}.npy", extract(network, domain.images))
    return accuracy


def measure(method, source, target, seed):
    folder = FOLDER / str(seed)
    x, y = (numpy.load(folder / f"{name}.npy") for name in ("source", "target"))
    labels, seconds, more = source.labels, 0.0, {}
    if method == "discrete OT":
        kept, points, done = matched(x, y, folder, seed)
        labels, seconds = labels[kept], done.cpu
    elif method == "no transport":
        points = x
    else:
        points, fit = learned(method, folder, seed)
        seconds, more = fit.finished.cpu, {"fit": fit.record()}
    return {"method": method, "seed": seed, "seconds": seconds, **more,
            "accuracy": one_nn_accuracy(points, labels, y, target.labels)}


def draw(source, target):
    """The principal components of the target's features, as in figure 18 of the paper."""
    folder = FOLDER / str(SEEDS[0])
    panels = {"target features": ("target", target.labels),
              "source features": ("source", source.labels),
              "source features, transported by W2GN": ("W2GN", source.labels)}
    pca = PCA(2).fit(numpy.load(folder / "target.npy"))
    figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.6), sharex=True, sharey=True)
    for axis, (title, (name, labels)) in zip(axes, panels.items()):
        shown = numpy.random.default_rng(0).permutation(len(labels))[:1500]
        at = pca.transform(numpy.load(folder / f"{name}.npy")[shown])
        axis.scatter(*at.T, c=labels[shown], cmap="tab10", s=2)
        axis.set(title=title, xlabel="component 1")
    axes[0].set_ylabel("component 2")
    save(figure, "gallery.domain_adaptation")


def run():
    torch.set_num_threads(THREADS)
    source, target = digits.domains()
    accuracies = [prepare(source, target, seed) for seed in SEEDS]
    workers = int(os.environ.get("BENCH_WORKERS", os.cpu_count()))
    methods = ["no transport", "discrete OT", *SOLVERS]
    jobs = [lambda method=method, seed=seed: measure(method, source, target, seed)
            for method in methods for seed in SEEDS]
    runs = common.in_parallel(jobs, workers)
    draw(source, target)
    return {"settings": {"source": source.name, "source_pictures": len(source.labels),
                         "target": target.name, "target_pictures": len(target.labels),
                         "label_shift": label_shift(source.labels, target.labels),
                         "epochs": EPOCHS, "threads": THREADS, "runs_at_once": workers,
                         "solvers": {name: options for name, (_, options) in SOLVERS.items()}},
            "classifier_accuracies": accuracies, "runs": runs}


def mean_of(values):
    return f"{numpy.mean(values):.1f} ± {numpy.std(values):.1f}"


def table(result):
    rows = []
    for method in dict.fromkeys(one["method"] for one in result["runs"]):
        runs = [one for one in result["runs"] if one["method"] == method]
        seconds = [one["seconds"] for one in runs if one["seconds"]]
        rows.append([method, *(f"{one['accuracy']:.1f}" for one in runs),
                     mean_of([one["accuracy"] for one in runs]), PAPER.get(method, "–"),
                     common.text_of(seconds) if seconds else "–"])
    header = ["1-NN accuracy, %", *(f"repeat {1 + i}" for i in range(len(runs))), "mean ± deviation",
              "the paper", "processor s"]
    settings = result["settings"]
    return common.markdown(header, rows) + (
        f"\n\nSource: {settings['source_pictures']} pictures of {settings['source']}; target: "
        f"{settings['target_pictures']} of {settings['target']}. One classifier a repeat, "
        f"{mean_of(result['classifier_accuracies'])} % right on the fifth of the target's pictures "
        "that it was not trained on. A map that reaches the target exactly sends "
        f"{settings['label_shift']:.1f} % of the source or more to another label, for so much the "
        "classes' shares differ. W2GN has rank "
        f"{settings['solvers']['W2GN']['network.rank']}. Processor seconds of whole "
        f"processes, {settings['threads']} thread, median (range).")
