"""Every solver of the quadratic cost on ground-truth pairs, in equal times, from samples only."""

import common
from truth import budgets, figures, footer, names, of, result_of, words

ICNN = {"solver.name": "saddle_point", "network.name": "dense_icnn"}
FREE = {"solver.name": "saddle_point", "network.name": "mlp", "network.hidden": [128, 128, 128]}
# One row of the table each: what `monge fit --source --target` is given besides.
SOLVERS = {
    "dual (default)": {},
    "amortised dual": {"solver.name": "dual", "solver.amortise": "objective"},
    "MM-1": {"solver.name": "dual", "solver.conjugate_tolerance": 1e-3,
             "solver.conjugate_evaluations": 100},
    "W2GN": {"solver.name": "w2gn"},
    "MM-2": ICNN,
    "ICNN-OT": ICNN | {"solver.convexity": "penalty", "solver.inner_steps": 10},
    "MM-B": ICNN | {"solver.map": "network", "solver.residual": True},
    "MM:R": FREE | {"solver.map": "network", "solver.residual": True},
    "ENOT": FREE | {"network.activation": "elu", "solver.map": "gradient",
                    "solver.map_activation": "elu", "solver.bidirectional": True,
                    "solver.expectile_weight": 1.0, "solver.inner_steps": 1, "solver.batch": 1024,
                    "solver.beta1": 0.9},
    "LSOT": {"solver.name": "regularized_dual", "network.hidden": [128, 128, 128]},
    "W2GAN": {"solver.name": "adversarial", "network.hidden": [128, 128, 128]},
    "LightSB": {"solver.name": "light_sb", "solver.map": "barycentric"},
    "affine map": {"solver.name": "w2gn", "solver.network_share": 0, "train.max_steps": 1,
                   "solver.learning_rate": 1e-12},
}


def run():
    wanted = words("BENCH_SOLVERS", ",".join(SOLVERS))
    return result_of("truth.solvers", {name: SOLVERS[name] for name in wanted}, budgets("60"))


def table(result):
    runs, seeds, rows = result["runs"], result["settings"]["seeds"], []
    pairs = names(runs, "pair")
    for side in result["settings"]["solvers"]:
        own = [of(runs, solver=side, pair=pair) for pair in pairs]
        rows.append([side + common.early_text(of(runs, solver=side)),
                     *("; ".join(figures(part, key, seeds) for key in ("l2_uvp", "inverse_l2_uvp"))
                       for part in own),
                     *("; ".join(figures(part, key, seeds) for part in own)
                       for key in ("seconds", "steps"))])
    header = ["solver", *(f"D = {of(runs, pair=pair)[0]['dimension']}, forward; inverse"
                          for pair in pairs), "seconds", "steps"]
    return f"{common.markdown(header, rows)}\n\n{footer(result)}"
