"""The contract of scikit-learn, as far as a transport between two sets has one."""

import pickle

import numpy
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import monge
from conftest import TINY

TINY_GAUSSIAN = monge.OptimalTransport("w2gn", target="gaussian", hidden=[8], max_steps=10,
                                       progress=False)
EXPECTED = {
    "check_dtype_object": "arrays of objects are refused, as the program refuses files of them",
    "check_fit_score_takes_y": "the second argument is a set of points, named target",
    "check_n_features_in_after_fitting": "calls score(X, y=...), whose second argument is target",
}


@parametrize_with_checks([TINY_GAUSSIAN], expected_failed_checks=lambda _: EXPECTED)
def test_contract(estimator, check):
    check(estimator)


def test_clones_with_its_options():
    ot = monge.OptimalTransport("light_sb", components=7, seed=3)
    copy = clone(ot)
    assert copy.get_params() == ot.get_params() and copy.components == 7
    assert repr(copy) == "OptimalTransport(components=7, seed=3, solver='light_sb')"
    with pytest.raises(ValueError, match="^unknown option 'componets'; did you mean 'components'"):
        ot.set_params(componets=3)
    with pytest.raises(ValueError, match="did you mean 'seed'"):
        ot.set_params(random_state=3)


def test_clones_and_pickles_with_costs_and_measures(clouds):
    ot = monge.OptimalTransport("saddle_point", cost=monge.Cost("weak_quadratic", gamma=0.5),
                                target=monge.measure(clouds[1]))
    for other in (clone(ot), pickle.loads(pickle.dumps(ot))):
        assert (other.cost.name, other.cost.options) == ("weak_quadratic", {"gamma": 0.5})
        assert (other.target.rows == ot.target.rows).all()
    assert clone(monge.OptimalTransport(target=monge.measure("moons"))).target.dimension == 2


def test_stands_before_a_classifier(clouds):
    """Domain adaptation: a classifier of the target's domain serves points of the source's."""
    labels = (clouds[0][:, 0] > 0).astype(int)
    pipeline = make_pipeline(StandardScaler(), monge.OptimalTransport(target=clouds[1], **TINY),
                             LogisticRegression()).fit(clouds[0], labels)
    assert pipeline.score(clouds[0], labels) > 0.9
    moved = pipeline[:-1].transform(clouds[0])
    assert numpy.abs(moved.mean(0) - clouds[1].mean(0)).max() < 0.3


def test_grid_search_prefers_more_training(clouds):
    source, target = clouds[0][:500], clouds[1][:500]
    ot = monge.OptimalTransport("w2gn", start="identity", hidden=[16], progress=False)
    search = GridSearchCV(ot, {"max_steps": [1, 300]}, cv=2).fit(source, target)
    assert search.best_params_ == {"max_steps": 300}
    assert search.best_score_ > -0.2


@pytest.mark.parametrize("described", [monge.OptimalTransport, monge.Solver])
def test_signature_and_text_come_from_the_declarations(described):
    import inspect
    parameters = inspect.signature(described).parameters
    assert {"batch", "cycle_weight", "holdout", "gamma", "smoothing_level"} <= set(parameters)
    assert "Adam's learning rate at its peak" in described.__doc__
    taken = set(dir(described)) & set(parameters)
    assert not taken, f"options that hide methods: {taken}"
