"""What a notebook shows of a fitted estimator: the curve of its quality, and its figures."""

import html
import math


def curve(history, width=320, height=90):
    """The quality over the steps on a logarithmic axis, as SVG."""
    points = [(entry["step"], math.log10(max(entry["quality"], 1e-12))) for entry in history]
    last = max(points[-1][0], 1)
    low, high = min(y for _, y in points), max(y for _, y in points)
    place = " ".join(f"{width * x / last:.1f},{height * (high - y) / ((high - low) or 1):.1f}"
                     for x, y in points)
    return (f'<svg width="{width}" height="{height}" viewBox="-2 -2 {width + 4} {height + 4}">'
            f'<polyline points="{place}" fill="none" stroke="currentColor"/></svg>')


def summary(estimator):
    last = estimator.history_[-1]
    rows = {"ended": estimator.outcome_.message, "steps": estimator.outcome_.steps,
            "seconds": f"{estimator.outcome_.seconds:.1f}",
            **{name: f"{value:.4g}" for name, value in last.items()
               if name not in ("step", "seconds")}}
    cells = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
                    for name, value in rows.items())
    return f"<div>{curve(estimator.history_)}<table>{cells}</table></div>"
