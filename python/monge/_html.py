"""What a notebook shows of what was fitted: the curve of its quality, a picture, its figures."""

import base64
import html
import math
import pathlib
import tempfile

import torch

from monge import _core

_POINTS, _IMAGES = 200, 8  # in a picture


def curve(history, width=320, height=90):
    """The quality over the steps on a logarithmic axis, as SVG."""
    points = [(entry["step"], math.log10(max(entry["quality"], 1e-12))) for entry in history]
    last = max(points[-1][0], 1)
    low, high = min(y for _, y in points), max(y for _, y in points)
    place = " ".join(f"{width * x / last:.1f},{height * (high - y) / ((high - low) or 1):.1f}"
                     for x, y in points)
    return (f'<svg width="{width}" height="{height}" viewBox="-2 -2 {width + 4} {height + 4}">'
            f'<polyline points="{place}" fill="none" stroke="currentColor"/></svg>')


def scatter(mapped, target, side=220):
    """T(x) in colour over the target's points, [n, 2] each, as SVG."""
    both = torch.cat([target, mapped])
    low, extent = both.amin(0), float((both.amax(0) - both.amin(0)).max()) or 1.0
    circles = "".join(
        f'<circle cx="{side * x / extent:.1f}" cy="{side * (1 - y / extent):.1f}" r="1.6" '
        f'fill="{colour}" fill-opacity="0.6"/>'
        for points, colour in ((target, "gray"), (mapped, "#d62728"))
        for x, y in (points - low).tolist())
    return (f'<svg width="{side}" height="{side}" viewBox="-2 -2 {side + 4} {side + 4}">'
            f'<title>the target (grey) and T(x) (red)</title>{circles}</svg>')


def grid(x, mapped, shape):
    """Images T(x), below x where those are images of the same shape, as a PNG."""
    rows = torch.cat([x, mapped]) if x.shape == mapped.shape else mapped
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "grid.png")
        _core.write_grid(path, rows.reshape(-1, *shape).clamp(-1, 1), len(mapped))
        data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="x and T(x)" src="data:image/png;base64,{data}"/>'


def picture(solution, source, target):
    """Of held-out points of the plane or images, moved; nothing of other points."""
    shape = tuple(target.shape)
    if len(shape) == 3 and shape[0] in (1, 3):
        x = source.sample(_IMAGES)
        return grid(x, solution.map(x), shape)
    if shape == (2,):
        return scatter(solution.map(source.sample(_POINTS)), target.sample(_POINTS))
    return ""


def summary(outcome, history, shown="", autoencoder=()):
    """The curve, a picture and the last figures of a training; also of its autoencoder's."""
    rows = {"ended": outcome.message, "steps": outcome.steps, "seconds": f"{outcome.seconds:.1f}"}
    if history:
        rows |= {name: f"{value:.4g}" for name, value in history[-1].items()
                 if name not in ("step", "seconds")}
    if autoencoder:
        rows["autoencoder: unexplained variance, %"] = f"{autoencoder[-1]['quality']:.4g}"
    cells = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
                    for name, value in rows.items())
    drawn = curve(history) if history else ""
    return f"<div>{drawn}{shown}<table>{cells}</table></div>"
