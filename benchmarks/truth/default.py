"""The default solver on ground-truth pairs, in budgets of time, from samples only."""

import common
import numpy
from truth import PUBLISHED, budgets, figures, footer, names, of, result_of

SOLVERS = {"dual (default)": {}}
BUDGETS = budgets("60,240,1200x2")


def run():
    result = result_of("truth.default", SOLVERS, BUDGETS)
    plot(result)
    return result


def plot(result):
    """Accuracy against processor time, one panel a pair: build/bench/truth.default.svg."""
    import matplotlib
    matplotlib.use("svg")
    import matplotlib.pyplot as pyplot

    runs, every = result["runs"], names(result["runs"], "pair")
    if not runs:
        return
    figure, panels = pyplot.subplots(1, len(every), figsize=(4 * len(every), 3.6), squeeze=False)
    for panel, pair in zip(panels[0], every):
        rows = {seconds * threads: [run["l2_uvp"] for run in of(runs, pair=pair,
                                                                budget=[seconds, threads])]
                for seconds, threads in result["settings"]["budgets"]}
        rows = {time: row for time, row in rows.items() if row}
        times = list(rows)
        panel.plot(times, [numpy.median(row) for row in rows.values()], marker="o",
                   label=next(iter(SOLVERS)))
        panel.fill_between(times, [min(row) for row in rows.values()],
                           [max(row) for row in rows.values()], alpha=0.2)
        dimension = of(runs, pair=pair)[0]["dimension"]
        if dimension in PUBLISHED:
            panel.axhline(PUBLISHED[dimension], color="grey", linestyle=":", label="best published")
        panel.set(xscale="log", yscale="log", xlabel="seconds of training, of all threads",
                  title=f"D = {dimension}")
    panels[0][0].set_ylabel("L2-UVP, %")
    panels[0][-1].legend(fontsize=7)
    figure.tight_layout()
    common.OUT.mkdir(parents=True, exist_ok=True)
    figure.savefig(common.OUT / "truth.default.svg")


def table(result):
    runs, rows = result["runs"], []
    times, seeds = (result["settings"][key] for key in ("budgets", "seeds"))
    for pair in names(runs, "pair"):
        by_budget = [of(runs, pair=pair, budget=budget) for budget in times]
        longest = [part for part in by_budget if part][-1]
        dimension = longest[0]["dimension"]
        rows.append([dimension, *(figures(part, "l2_uvp", seeds) for part in by_budget),
                     PUBLISHED.get(dimension, "–"),
                     *(figures(longest, key, seeds)
                       for key in ("inverse_l2_uvp", "cosine", "steps"))])
    header = ["D", *(f"forward, {seconds:g} s" + (f", {threads} threads" if threads > 1 else "")
                     for seconds, threads in times),
              "best published", "inverse, at the end", "cosine", "steps"]
    return f"{common.markdown(header, rows)}\n\n{footer(result)}"
