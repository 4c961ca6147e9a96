"""The saddle-point solver from the command line: its parts, its maps, its checkpoints."""

import json

import numpy
import pytest

from command_line import fit_arguments

PARTS = {
    "strong": ["network.hidden=[8,8]"],
    "weak": ["network.hidden=[8,8]", "cost.name=weak_quadratic", "solver.noise_dimension=1"],
    "scheduled": ["network.hidden=[8,8]", "cost.name=weak_quadratic", "cost.gamma_steps=30",
                  "solver.noise_dimension=2"],
    "kernel": ["network.hidden=[8,8]", "cost.name=kernel_weak", "solver.noise_dimension=1"],
    "mm2": ["network.name=dense_icnn", "network.hidden=[8,8]"],
    "mmb": ["network.name=dense_icnn", "network.hidden=[8,8]", "solver.map=network",
            "solver.residual=true"],
    "icnn_ot": ["network.name=dense_icnn", "network.hidden=[8,8]", "solver.convexity=penalty",
                "solver.inner_steps=10"],
    "noised": ["network.name=noised_mlp", "network.hidden=[8,8]", "network.unit=target"],
    "enot": ["network.hidden=[8,8]", "network.activation=elu", "solver.map=gradient",
             "solver.inner_steps=1", "solver.expectile_weight=1", "solver.bidirectional=true"],
}


def settings(name, *more):
    chosen = ["solver.name=saddle_point", "solver.batch=16", "evaluate.points=50", *PARTS[name],
              *more]
    return [part for setting in chosen for part in ("--set", setting)]


def arguments(name, steps, out="run"):
    return ["fit", "--source", "a.npy", "--target", "b.npy", "--out", out, *settings(name),
            "--set", f"train.max_steps={steps}", "--set", "train.evaluate_every=10", "--set",
            "train.checkpoint_seconds=0"]


@pytest.mark.parametrize("name", PARTS)
def test_a_map_is_applied_and_a_run_goes_on(monge, name):
    monge.works(*arguments(name, 40, "whole"))
    figures = json.loads((monge.folder / "whole" / "evaluation.json").read_text())
    assert figures["solver"] == "saddle_point"
    assert ("conditional_variance_target" in figures) == (name in ("weak", "scheduled"))
    if name in ("weak", "scheduled"):
        assert 0 < figures["conditional_variance"] <= figures["conditional_variance_target"] <= 1
    for out in ("moved.npy", "again.npy"):
        monge.works("apply", "whole", "--in", "a.npy", "--out", out)
    moved = numpy.load(monge.folder / "moved.npy")
    assert moved.shape == (300, 2) and numpy.isfinite(moved).all()
    assert (numpy.load(monge.folder / "again.npy") == moved).all()
    inverse = ["apply", "whole", "--in", "b.npy", "--out", "back.npy", "--inverse"]
    if name in ("mm2", "mmb", "icnn_ot", "enot"):
        monge.works(*inverse)
    else:
        assert "no inverse" in monge.refuses(*inverse)
    # A config that was written gives the same run.
    monge.works("fit", "whole/config.toml", "--out", "copy")
    assert monge.map_bytes("copy") == monge.map_bytes("whole")


@pytest.mark.parametrize("name", ["weak", "scheduled", "kernel", "mm2", "enot", "noised"])
def test_a_stopped_run_reaches_the_same_numbers(monge, name):
    monge.works(*arguments(name, 60, "whole"))
    process = monge.start(*arguments(name, 60))
    monge.wait_for_lines(process, 3)
    process.kill()
    process.communicate()
    monge.works("fit", "--resume", "--out", "run")
    assert monge.lines() == monge.lines("whole")
    assert monge.tensors() == monge.tensors("whole")


def test_gamma_zero_is_the_strong_cost_bit_for_bit(monge):
    monge.works(*arguments("strong", 20, "strong"), "--set", "solver.noise_dimension=1")
    for name in ("weak_quadratic", "kernel_weak"):
        settings = [f"cost.name={name}", "cost.gamma=0", "solver.noise_dimension=1",
                    *(["cost.exponent=2"] if name == "kernel_weak" else [])]
        monge.works(*arguments("strong", 20, name),
                    *[part for setting in settings for part in ("--set", setting)])
        assert monge.tensors(name) == monge.tensors("strong")


def test_a_schedule_of_gamma_changes_the_map(monge):
    monge.works(*arguments("weak", 20, "constant"))
    monge.works(*arguments("weak", 20, "rising"), "--set", "cost.gamma_steps=10")
    assert monge.tensors("constant") != monge.tensors("rising")
    assert "gamma_steps = 10" in (monge.folder / "rising" / "config.toml").read_text()


def test_noise_from_a_file(monge):
    monge.works(*arguments("scheduled", 40))

    def moved(noise, out):
        monge.save(f"{out}-z.npy", numpy.asarray(noise, "f4"))
        monge.works("apply", "run", "--in", "a.npy", "--out", f"{out}.npy", "--noise",
                    f"{out}-z.npy")
        return numpy.load(monge.folder / f"{out}.npy")

    one = moved([[0.3, -1]], "one")
    assert (moved([[0.3, -1]] * 300, "every") == one).all()
    assert (moved([[1.3, -1]], "other") != one).any()
    numpy.savetxt(monge.folder / "a.csv", numpy.load(monge.folder / "a.npy"), delimiter=",")
    monge.works("apply", "run", "--in", "a.csv", "--out", "csv.npy", "--noise", "every-z.npy")
    assert numpy.allclose(numpy.load(monge.folder / "csv.npy"), one, atol=1e-5)
    apply = ["apply", "run", "--in", "a.npy", "--out", "no.npy", "--noise"]
    monge.save("short.npy", numpy.zeros((7, 2), "f4"))
    assert "1 row or 300" in monge.refuses(*apply, "short.npy")
    monge.save("wide.npy", numpy.zeros((300, 3), "f4"))
    assert "dimension 2" in monge.refuses(*apply, "wide.npy")
    assert "got one of them" in monge.refuses(*apply, "one-z.npy", "--seed", 1)
    assert "--noise" in monge.refuses(*apply, "one-z.npy", "--time", 0.5)
    monge.works(*arguments("strong", 1, "plain"))
    assert "has none" in monge.refuses("apply", "plain", *apply[2:], "one-z.npy")


@pytest.mark.parametrize("name, setting, words", [
    ("strong", "solver.convexity=penalty", "solver.convexity"),
    ("strong", "solver.bidirectional=true", "solver.bidirectional"),
    ("noised", "network.sigma_min=200", "at most sigma_max = 100"),
    ("noised", "network.embedding=7", "an even count"), ("noised", "network.unit=x", "target"),
    ("noised", "solver.noise_dimension=1", "noised_mlp"),
    ("noised", "cost.name=weak_quadratic", "a strong one"),
    ("mm2", "cost.name=weak_quadratic", "weak"),
    ("weak", "solver.noise_dimension=0", "noise_dimension"),
    ("weak", "solver.noise_samples=1", "noise_samples"),
    ("kernel", "solver.noise_samples=1", "noise_samples"),
    ("kernel", "solver.noise_dimension=0", "noise_dimension"),
    ("kernel", "cost.exponent=0", "above 0 to 2"), ("kernel", "cost.exponent=2.5", "above 0 to 2"),
    ("kernel", "cost.gamma_steps=-1", "at least 0"), ("kernel", "cost.gamma=-0.1", "0 to 1"),
    ("mm2", "cost.name=kernel_weak", "weak"), ("enot", "cost.name=kernel_weak", "cost"),
    ("weak", "cost.gamma=1.5", "0 to 1"), ("strong", "solver.average=1", "average"),
    ("strong", "solver.name=w2gn", "dense_icnn"), ("weak", "cost.gama=1", "'gamma'")])
def test_parts_that_do_not_fit(fitted, name, setting, words):
    command = [*fit_arguments(out="new")[:5], "--out", "new", *settings(name, setting)]
    if setting == "solver.name=w2gn":
        command += ["--set", "network.name=mlp"]
    assert words in fitted.refuses(*command)


def test_a_checkpoint_of_another_solver_is_refused(monge):
    monge.fits(steps=1)
    monge.works(*arguments("strong", 1, "other"))
    (monge.folder / "run" / "checkpoint.safetensors").write_bytes(
        (monge.folder / "other" / "checkpoint.safetensors").read_bytes())
    refused = monge.refuses("fit", "--resume", "--out", "run")
    assert "'dual'" in refused and "'saddle_point'" in refused
