"""The tables of the benchmarks, from records made up here, and the peers' own algebra."""

import pathlib
import re
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "benchmarks" / "peers")]

import colour  # noqa: E402
import common  # noqa: E402
import kernels  # noqa: E402
import sampling  # noqa: E402
import steps  # noqa: E402
from truth import default as truth_default  # noqa: E402
from truth import solvers as truth_solvers  # noqa: E402


def cells(table, first):
    """The row that begins with `first`, by the header's names."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")]
             for line in table.splitlines() if line.startswith("|")]
    return dict(zip(lines[0], next(line for line in lines if line[0] == first)))


def numbers(text):
    """'4.00 (3.00–5.00)' as the three numbers."""
    return [float(part) for part in re.findall(r"[\d.]+", text)]


def process(milliseconds, peak):
    return {"step": milliseconds / 1e3, "peak": peak, "products": [
        {"name": "1024 cubed", "times": 0, "flop": 2 * 1024 ** 3, "seconds": 0.02},
        {"name": "layer", "times": 3, "flop": 1e6, "seconds": 1e-3}]}


def steps_table(**sides):
    one = {"name": "a step", "network": "3 x 100", "threads": 1, **sides}
    return cells(steps.table({"settings": {"repetitions": 3, "compiled": 2}, "runs": [one],
                              "idle": {"monge": 120, "eager": 250}}), "a step")


def test_a_step_is_compared_with_both_peers_and_an_idle_process():
    ours = [process(ms, 150) for ms in (4, 4, 8)]
    eager = [process(ms, 300) for ms in (12, 16, 40)]
    row = steps_table(monge=ours, eager=eager, compiled=[process(ms, 400) for ms in (8, 8)])
    assert numbers(row["eager / monge"]) == [4, 3, 5]
    assert numbers(row["compiled / monge"]) == [2, 2, 2]  # of the first two
    assert numbers(row["monge / floor"])[0] == pytest.approx(4 / 3, abs=0.01)
    assert row["peak MB, monge (above idle)"] == "150 (30)"
    assert row["peak MB, eager (above idle)"] == "300 (50)"
    assert steps_table(monge=ours, eager=eager)["compiled / monge"] == "–"


@pytest.mark.parametrize("compiled", [True, False])
def test_the_sides_of_a_step_take_the_same_arguments(monkeypatch, compiled):
    monkeypatch.setattr(steps, "COMPILED", compiled)
    for setting in steps.SETTINGS.values():
        sides = steps.commands(setting)
        assert list(sides) == ["monge", "eager", "compiled"][: 2 + compiled]
        assert sides["monge"][1:] == sides["eager"][2:] == setting.arguments
        assert sides["eager"][1].exists()
        if compiled:
            assert sides["compiled"] == [*sides["eager"], "--compile"]


def test_a_kernel_is_compared_with_the_median_product_of_its_run():
    def rows(name, family, rates):
        return [{"name": name, "family_index": family, "per_family_instance_index": 0,
                 "cpu_time": 2000, "GFLOP/s": rate} for rate in rates]

    # Repetitions that took turns come in any order; the program's is that of the families.
    result = {"settings": {"repetitions": 3},
              "rows": rows("net: value", 1, [40, 60, 50]) + rows("cube", 0, [100, 80, 500])}
    table = kernels.table(result)
    assert numbers(cells(table, "net: value")["of a 1024³ product"]) == [0.5, 0.4, 0.6]
    assert cells(table, "net: value")["µs"] == "2 (2–2)"
    assert table.index("1024³ product |") < table.index("net: value")
    assert "of 3 repetitions" in table


def test_ratios_of_colour_and_sampling_have_intervals():
    same = [{"wall": 1, "cpu": 1}] * 3
    of = {"distinct_colours": 3, "over_codec": 1, "over_identity": 1, "within_demand": True,
          "agreement": {"largest_gap": 1},
          "runs": {"identity": same, "codec": same,
                   "monge": [{"wall": wall, "cpu": 1} for wall in (1, 2, 1)],
                   "eager": [{"evaluate": seconds} for seconds in (30, 40, 25)]}}
    settings = {"pixels": 1e7, "threads": 2, "repetitions": 3, "demand_seconds": 3}
    table = colour.table({"settings": settings, "formats": {"jpg": of}})
    assert numbers(cells(table, "jpg")["eager / monge"]) == [25, 20, 30]

    kinds = ("normal", "uniform", "integers", "permutation")
    runs = [{"numbers": {name: seconds for kind in kinds
                         for name, seconds in ((kind, 1e-9), (f"{kind}, ATen", aten * 1e-9))}}
            for aten in (3, 5, 4)]
    row = cells(sampling.numbers_table(runs), "normal")
    assert numbers(row["ATen / monge"]) == pytest.approx([4, 3, 5])


def test_the_interval_of_many_ratios_is_narrower_than_their_range():
    middle, low, high = numbers(common.interval([1 + i / 100 for i in range(101)]))
    assert middle == 1.5 and 1.3 < low < 1.5 < high < 1.7


def test_the_compiled_gradient_is_the_eager_one(monkeypatch):
    """A peer's gradient has two forms: that of autograd, and that which torch.compile can follow."""
    torch = pytest.importorskip("torch")
    from eager_w2gn import DenseICNN, objective

    torch.manual_seed(0)
    psi, omega = (DenseICNN(3, 2, [6, 5, 4]).double() for _ in range(2))
    x, y = torch.randn(7, 3).double(), torch.randn(7, 3).double()

    def derivatives():
        loss = objective(psi, omega, x, y)
        parameters = [*psi.parameters(), *omega.parameters()]
        return [loss, *torch.autograd.grad(loss, parameters, materialize_grads=True)]

    eager = derivatives()
    assert all(value.abs().max() > 0 for value in eager[:-1])
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    for one, other in zip(eager, derivatives(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_an_interrupted_benchmark_keeps_the_fits_of_its_own_program(monkeypatch, tmp_path):
    calls = []

    def monge(*arguments, threads, codes):
        calls.append(arguments)
        folder = tmp_path / "runs" / "a" / "fit"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "metrics.jsonl").write_text('{"step": 3, "seconds": 0.5}')
        (folder / "evaluation.json").write_text(f'{{"fit": {len(calls)}.0}}')
        return common.Finished(1.0, 2.0, 3.0, "text")

    monkeypatch.setattr(common, "OUT", tmp_path)
    monkeypatch.setattr(common, "monge", monge)

    def fits(program, resume="1", seed=0, threads=1):
        monkeypatch.setattr(common, "program", lambda: [program])
        monkeypatch.setattr(common, "commit", lambda: program)
        monkeypatch.setenv("BENCH_RESUME", resume)
        fit = common.fit("a/fit", ["--recipe", "otp"], {"seed": seed}, threads)
        assert fit.record() == {"steps": 3, "train_seconds": 0.5, "process_seconds": 1.0,
                                "cpu_seconds": 2.0, "fit": len(calls)}
        return len(calls)

    assert [fits("one"), fits("one"), fits("one", seed=1), fits("one", seed=1)] == [1, 1, 2, 2]
    assert fits("one", seed=1, threads=2) == 3
    assert [fits("two"), fits("two"), fits("two", resume="0")] == [4, 4, 5]
    assert [fits("two-dirty"), fits("two-dirty")] == [6, 7]


def test_an_interrupted_fit_leaves_no_record_of_the_one_before(monkeypatch, tmp_path):
    folder = tmp_path / "runs" / "fit"
    folder.mkdir(parents=True)
    (folder.parent / "fit.finished.json").write_text("{}")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(common, "OUT", tmp_path)
    monkeypatch.setattr(common, "monge", interrupted)
    monkeypatch.delenv("BENCH_RESUME", raising=False)
    with pytest.raises(KeyboardInterrupt):
        common.fit("fit", [], {})
    assert not (folder.parent / "fit.finished.json").exists()


@pytest.fixture
def cases(monkeypatch, tmp_path):
    """What `common.case` gives of a question put to a program, and how often it measured."""
    measured = []

    def measure():
        measured.append(0)
        return {"figure": len(measured), "pair": (1, 2)}

    def ask(question, program="one", resume="1", commit="a"):
        monkeypatch.setattr(common, "program", lambda: [program])
        monkeypatch.setattr(common, "commit", lambda: commit)
        monkeypatch.setenv("BENCH_RESUME", resume)
        return common.case("part", question, measure)

    monkeypatch.setattr(common, "RESULTS", tmp_path / "results")
    return ask


def test_a_benchmark_in_parts_measures_each_case_of_a_program_once(cases):
    def figure(*arguments, **more):
        return cases(*arguments, **more)["figures"]["figure"]

    assert [figure({"seed": seed}) for seed in (0, 1, 0, 1)] == [1, 2, 1, 2]
    assert figure({"seed": (0,)}) == figure({"seed": [0]}) == 3
    assert [figure({"seed": 0}, program="two"), figure({"seed": 0}, program="two")] == [4, 4]
    assert [figure({"seed": 1}, resume="0"), figure({"seed": 1})] == [5, 5]
    assert [figure({"seed": 1}, commit="a-dirty"), figure({"seed": 1})] == [6, 6]
    assert cases({"seed": 1})["figures"]["pair"] == [1, 2]
    lines = common.records(common.RESULTS / "part.jsonl")
    assert sorted(line["figures"]["figure"] for line in lines) == [3, 4, 6]


def test_a_benchmark_in_parts_begins_no_case_after_its_time(cases, monkeypatch):
    kept = cases({"seed": 0})
    monkeypatch.setenv("BENCH_MINUTES", "0")
    assert cases({"seed": 0}) == kept
    assert cases({"seed": 1}) is None


def test_cases_tell_where_they_were_measured(cases):
    lines = [cases({"seed": seed}, commit=commit) for seed, commit in enumerate("aab")]
    places = common.places(lines)
    assert " at a (" in places and ": 2; " in places and places.endswith(": 1.")
    assert ":" not in common.places(lines[2:])
    assert common.places([]) == "Nothing measured yet."


def truth_run(**more):
    return {"pair": "a", "dimension": 4, "solver": "MM-2", "budget": [60.0, 1], "seed": 0,
            "steps": 100, "seconds": 60.0, "ended_early": False, "l2_uvp": 1.0, "cosine": 0.9,
            "inverse_l2_uvp": None} | more


def test_ground_truth_has_a_column_for_each_budget(tmp_path, monkeypatch):
    settings = {"budgets": [[60.0, 1], [1200.0, 2]], "seeds": [0, 1, 2], "threads_at_once": 2,
                "samples": 131072, "held_out": 16384, "solvers": {"MM-2": {}}}
    rest = {"settings": settings, "places": "Measured here."}
    runs = [truth_run(budget=budget, seed=seed, l2_uvp=error + seed)
            for budget, error in [([60.0, 1], 4), ([1200.0, 2], 1)] for seed in range(3)]
    row = cells(truth_default.table({**rest, "runs": runs}), "4")
    assert numbers(row["forward, 60 s"]) == [5, 4, 6]
    assert numbers(row["forward, 1200 s, 2 threads"]) == [2, 1, 3]
    assert (row["best published"], row["inverse, at the end"]) == ("0.3", "–")

    row = cells(truth_default.table({**rest, "runs": runs[:5]}), "4")
    assert row["forward, 1200 s, 2 threads"] == "1.5 (1–2), 2 of 3 seeds"

    monkeypatch.setattr(truth_default.common, "OUT", tmp_path)
    truth_default.plot({**rest, "runs": runs})
    assert (tmp_path / "truth.default.svg").stat().st_size > 0
    truth_default.plot({**rest, "runs": []})

    runs = [truth_run(pair=pair, dimension=d, inverse_l2_uvp=2.0, ended_early=d == 8)
            for pair, d in (("a", 4), ("b", 8))]
    settings["seeds"] = [0]
    row = cells(truth_solvers.table({**rest, "runs": runs}), "MM-2 (1 ended by the guard)")
    assert numbers(row["D = 8, forward; inverse"]) == [1, 2]
    assert row["seconds"] == "60; 60"
