"""Smoothed sources, plans and the plan check from the command line."""

import json

import numpy
import pytest

from command_line import fit_arguments

SIZES = ["--set", "network.hidden=[16,16]", "--set", "evaluate.points=400"]
PERPENDICULAR = ["source.name=sheet", "target.name=sheet", "target.side=last"]
ONE_TO_MANY = ["source.name=sheet", "source.low=0", "target.name=sheet", "target.low=0",
               "target.offset=1", "target.mirrored=true"]
FALLING = ["smoothing.kind=variance_preserving", "smoothing.start_level=0.5",
           "smoothing.schedule=diffusion"]


def sets(settings):
    return [part for setting in settings for part in ("--set", setting)]


def fit(monge, recipe, settings, steps, *more):
    monge.works("fit", "--recipe", recipe, "--out", "run", "--force", *sets(settings), *more,
                "--set", f"train.max_steps={steps}")
    return json.loads((monge.folder / "run" / "evaluation.json").read_text())["plan_check"]


def test_otp_finds_the_plan_that_sends_one_point_to_two(monge):
    assert fit(monge, "otp", ONE_TO_MANY, 1, *SIZES)["verdict"] == "unconverged"
    check = fit(monge, "otp", ONE_TO_MANY, 800, *SIZES)
    assert check["verdict"] == "good", check
    assert check["d_cost"] < 0.05
    figures = json.loads((monge.folder / "run" / "evaluation.json").read_text())
    assert figures["share_above"] == pytest.approx(0.5, abs=0.05)
    assert figures["share_on_sheets"] > 0.9
    x = numpy.stack([numpy.full(4000, 0.5), numpy.zeros(4000)], 1)
    monge.save("x.npy", x.astype("f4"))
    for seed in (1, 1, 2):
        monge.works("apply", "run", "--in", "x.npy", "--out", f"{seed}.npy", "--seed", seed,
                    "--force")
    one, two = numpy.load(monge.folder / "1.npy"), numpy.load(monge.folder / "2.npy")
    # Half of one point's mass to either sheet: 4000 draws are within .04 of it but for one in 10^6.
    assert abs((one[:, 1] > 0).mean() - 0.5) < 0.05
    assert not numpy.array_equal(one, two)
    monge.works("apply", "run", "--in", "x.npy", "--out", "again.npy", "--seed", 1)
    assert numpy.array_equal(one, numpy.load(monge.folder / "again.npy"))


def test_the_check_tells_a_fake_solution(monge):
    check = fit(monge, "otm", PERPENDICULAR, 300, *SIZES)
    assert check["verdict"] == "fake", check
    assert "use otp" in check["reason"]
    assert check["source_dimension"] == pytest.approx(1, abs=0.2)
    text = monge.works("evaluate", "run")
    assert f"plan check: fake: {check['reason']}\n" in text
    assert json.loads(monge.works("evaluate", "run", "--json"))["plan_check"] == check
    page = (monge.folder / "run" / "report.html").read_text()
    assert "Plan check" in page and "the map does not reach the target" in page


@pytest.mark.parametrize("recipe", ["otm", "otm-s", "otp", "otp-max-min", "noised-not"])
def test_recipes_run_on_arrays(monge, recipe):
    monge.works("fit", "--recipe", recipe, "--source", "a.npy", "--target", "b.npy", "--out", "run",
                *SIZES, "--set", "train.max_steps=20")
    monge.works("apply", "run", "--in", "a.npy", "--out", "moved.npy")
    assert numpy.load(monge.folder / "moved.npy").shape == (300, 2)


@pytest.mark.parametrize("solver", ["dual", "w2gn", "saddle_point", "regularized_dual",
                                    "adversarial", "light_sb"])
def test_every_solver_takes_a_smoothed_source(monge, solver):
    arguments = ["--set", f"solver.name={solver}", *sets(FALLING), "--set", "evaluate.points=50",
                 "--set", "train.evaluate_every=10", "--set", "train.checkpoint_seconds=0"]
    network = [] if solver == "light_sb" else ["--set", "network.hidden=[8,8]"]
    start = ["fit", "--source", "a.npy", "--target", "b.npy", *arguments, *network]
    monge.works(*start, "--set", "train.max_steps=60", "--out", "whole")
    process = monge.start(*start, "--set", "train.max_steps=60", "--out", "run")
    monge.wait_for_lines(process, 3)
    process.kill()
    process.communicate()
    monge.works("fit", "--resume", "--out", "run")
    assert monge.lines() == monge.lines("whole")
    assert monge.map_bytes() == monge.map_bytes("whole")
    error = monge.refuses("apply", "run", "--in", "a.npy", "--out", "back.npy", "--inverse")
    assert "this map has no inverse" in error


@pytest.mark.parametrize("solver", ["dual", "w2gn"])
def test_a_target_in_a_lower_span_is_reached_exactly(monge, solver):
    random = numpy.random.default_rng(1)
    basis = numpy.linalg.qr(random.normal(size=(3, 3)))[0]
    line = random.normal(size=(200, 2)) * [2, 0.5]
    flat = numpy.concatenate([line, numpy.full((200, 1), 4)], 1) @ basis.T
    monge.save("flat.npy", flat.astype("f4"))
    monge.save("full.npy", random.normal(size=(300, 3)).astype("f4"))
    monge.fits("--set", f"solver.name={solver}", source="full.npy", target="flat.npy")
    monge.works("apply", "run", "--in", "full.npy", "--out", "moved.npy")
    moved = numpy.load(monge.folder / "moved.npy") @ basis
    assert numpy.allclose(moved[:, 2], 4, atol=1e-4)
    assert moved[:, :2].std(0).min() > 0.1
    # Between measures of one span the map has its inverse.
    monge.save("other.npy", (flat + 3 * basis[:, 2]).astype("f4"))
    monge.fits("--set", f"solver.name={solver}", source="other.npy", target="flat.npy",
               out="parallel")
    monge.works("apply", "parallel", "--in", "flat.npy", "--out", "back.npy", "--inverse")
    back = numpy.load(monge.folder / "back.npy") @ basis
    assert numpy.allclose(back[:, 2], 7, atol=1e-4)
    monge.refuses("apply", "run", "--in", "flat.npy", "--out", "none.npy", "--inverse")


@pytest.mark.parametrize(("start", "in_span"), [("affine", True), ("identity", False)])
def test_max_min_transport_takes_the_coordinates_of_the_dual(monge, start, in_span):
    random = numpy.random.default_rng(1)
    line = numpy.stack([random.normal(size=300), numpy.full(300, 2.0)], 1)
    monge.save("line.npy", line.astype("f4"))
    monge.fits("--set", "solver.name=saddle_point", "--set", f"solver.start={start}",
               source="a.npy", target="line.npy")
    monge.works("apply", "run", "--in", "a.npy", "--out", "moved.npy")
    off = abs(numpy.load(monge.folder / "moved.npy")[:, 1] - 2).max()
    assert (off < 1e-4) == in_span


@pytest.mark.parametrize(("settings", "words"), [
    (["smoothing.kind=gauss"], "smoothing.kind: expected none | gaussian"),
    (["smoothing.levl=1"], "smoothing: unknown key 'levl'; did you mean 'level'?"),
    (["smoothing.kind=gaussian", "smoothing.level=0"], "smoothing.level: expected above 0, got 0"),
    (["smoothing.kind=gaussian", "smoothing.start_level=1e-3"],
     "smoothing.start_level: expected 0 or at least level = 0.01, got 0.001"),
    (["smoothing.kind=variance_preserving", "smoothing.level=1"], "expected levels below 1, got 1"),
    (["smoothing.kind=gaussian", "smoothing.level=inf"],
     "smoothing.level: expected a finite number, above 0, got inf"),
    (["smoothing.level=0.5"],
     "smoothing.kind: expected gaussian or variance_preserving for smoothing.level, got none"),
    (["smoothing.kind=gaussian", "smoothing.start_level=1", "smoothing.steps=100000"],
     "smoothing.steps: expected at most train.max_steps = "),
])
def test_levels_that_cannot_be_are_refused(monge, settings, words):
    assert words in monge.refuses(*fit_arguments(*sets(settings)))


def test_a_seed_needs_a_map_with_noise(monge):
    monge.fits()
    error = monge.refuses("apply", "run", "--in", "a.npy", "--out", "c.npy", "--seed", "1")
    assert "--seed expected a map with noise" in error
