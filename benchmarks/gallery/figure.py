"""How the gallery's figures are drawn and kept."""

import io

import common
import matplotlib
from PIL import Image

matplotlib.use("agg")
from matplotlib import pyplot as plt  # noqa: E402

__all__ = ["columns_titled", "plt", "save"]


def save(figure, name, colours=64):
    """Writes build/bench/NAME.png, in a palette of so many colours, small enough for the repository;
    in all of its own where it is None, as photographs need, whose skies a palette would band."""
    common.OUT.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=90)
    plt.close(figure)
    picture = Image.open(drawn).convert("RGB")
    if colours is not None:
        picture = picture.quantize(colours, dither=Image.Dither.NONE)
    picture.save(common.OUT / f"{name}.png", optimize=True)


def columns_titled(axes, titles, fontsize=9):
    """Of a grid of pictures: a title above each column, no ticks or frames anywhere."""
    for axis in axes.flat:
        axis.axis("off")
    for axis, title in zip(axes[0], titles):
        axis.set_title(title, fontsize=fontsize)
