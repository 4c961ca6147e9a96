"""Labelled pictures of digits: MNIST and USPS where they are, scikit-learn's digits where not."""

import gzip
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import common
import numpy
import torch

SIDE = 28
USPS = common.ROOT.parent / "shared" / "data" / "usps" / "usps.npz"  # read where it is
MNIST = common.ROOT / "data" / "mnist"


@dataclass
class Digits:
    """Pictures [n, 1, 28, 28], float32 in [0, 1], and a label for each, int64 [n]."""

    name: str
    images: torch.Tensor
    labels: numpy.ndarray

    def __post_init__(self):
        if self.labels.shape != (len(self.images),):
            sys.exit(f"bench: {self.name}: expected one label for each of the {len(self.images)} "
                     f"pictures, got labels of shape {list(self.labels.shape)}")


def scaled(images, side=SIDE):
    """Grey levels [n, h, w] to [n, 1, side, side] in [0, 1], bilinearly."""
    pictures = torch.from_numpy(numpy.asarray(images, "float32"))[:, None]
    pictures = torch.nn.functional.interpolate(pictures, (side, side), mode="bilinear",
                                               antialias=True)
    return pictures / pictures.max()


def from_npz(path):
    """All arrays `*images` [n, h, w] of a file, one after the other, with their `*labels`."""
    try:
        with numpy.load(path) as arrays:
            parts = sorted(name.removesuffix("images") for name in arrays
                           if name.endswith("images"))
            images = numpy.concatenate([arrays[f"{part}images"] for part in parts])
            labels = numpy.concatenate([arrays[f"{part}labels"] for part in parts])
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"bench: {path}: expected arrays 'images' [n, h, w] and 'labels' [n]: {error}")
    return Digits(Path(path).name, scaled(images), labels.astype("int64"))


def from_idx(folder):
    """The largest part of MNIST, or of a set in its format, that a folder holds."""
    for part in ("train", "t10k"):
        images = Path(folder) / f"{part}-images-idx3-ubyte.gz"
        labels = Path(folder) / f"{part}-labels-idx1-ubyte.gz"
        if images.exists() and labels.exists():
            return Digits(images.name, scaled(idx(images, 16).reshape(-1, SIDE, SIDE)),
                          idx(labels, 8).astype("int64"))
    sys.exit(f"bench: {folder}: expected train-images-idx3-ubyte.gz or t10k-images-idx3-ubyte.gz "
             "with its labels, got neither")


def idx(path, header):
    """The bytes of an IDX file after its header."""
    with gzip.open(path) as file:
        return numpy.frombuffer(file.read(), "uint8", offset=header)


def bundled():
    """scikit-learn's digits, halved: the first half smaller, off the centre and fainter."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    half = len(images) // 2
    small = torch.nn.functional.pad(scaled(images[:half], 20), (7, 1, 2, 6))
    return (Digits("scikit-learn's digits, moved", 0.7 * small, labels[:half]),
            Digits("scikit-learn's digits", scaled(images[half:]), labels[half:]))


def domains():
    """Source and target: GALLERY_USPS, an npz file, and GALLERY_MNIST, a folder of IDX files; without
    them USPS beside the checkout, where it is, and the bundled part of MNIST."""
    usps = os.environ.get("GALLERY_USPS", USPS)
    if "GALLERY_USPS" in os.environ or Path(usps).exists():
        return from_npz(usps), from_idx(os.environ.get("GALLERY_MNIST", MNIST))
    print(f"bench: {usps} is missing and GALLERY_USPS names no other: scikit-learn's digits stand in",
          file=sys.stderr)
    return bundled()
