"""How the gallery's figures are drawn and kept."""

import common
import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot as plt  # noqa: E402

__all__ = ["plt", "save"]


def save(figure, name):
    """Writes build/bench/NAME.png, small enough for the repository."""
    common.OUT.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(common.OUT / f"{name}.png", dpi=90)
    plt.close(figure)
