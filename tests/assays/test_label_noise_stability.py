"""The part `stability` of the assay label-noise: its oracles, each with a control that fails, and its claims."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
import xarray as xr

import small
from biassay.assays.label_noise import stable_points
from biassay.assays.label_noise.claims_stability import CLAIMS
from biassay.assays.label_noise.config import Config
from biassay.assays.label_noise.figures_stability import figures
from biassay.problem import squared_error

SMALL = small.CONFIGS["label-noise"]
LEAST_REG = 2 * 3.75**0.5 - 3

pytestmark = pytest.mark.xdist_group("label-noise")


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return small.run("label-noise")


def outcomes(data: xr.Dataset) -> dict[str, str]:
    """claim -> outcome, for as many networks as there are."""
    return {claim.name: dataclasses.replace(claim, min_seeds=1).judge(data).outcome for claim in CLAIMS}


def upside_down(data: xr.Dataset) -> xr.Dataset:
    """The ends in the places of the starts."""
    return data.assign(stability_ratio=data["stability_ratio"].copy(data=data["stability_ratio"].values[:, ::-1]))


def test_every_claim_holds(data):
    assert outcomes(data) == {"probe-random": "holds", "probe-end": "holds", "probe-refuses": "holds"}


@pytest.mark.parametrize(
    ("claim", "swapped"),
    [
        ("probe-random", upside_down),
        ("probe-end", upside_down),
        ("probe-refuses", lambda d: d.assign(stability_refused_off=d.stability_refused_on)),
    ],
)
def test_a_control_in_place_of_the_result_does_not_hold(data, claim, swapped):
    assert outcomes(swapped(data))[claim] in ("fails", "vacuous")


def test_the_end_is_the_known_minimum(data):
    """One active unit: reg = 2 sqrt(s (1 + s)) - 2 s with s = |x|^2 y^2 = 1.5; and reg only falls on the way."""
    assert np.sum(stable_points.X**2) == 1.5
    reg = data["stability_reg"].values
    np.testing.assert_allclose(reg[:, -1], LEAST_REG, rtol=1e-9)
    assert (reg[:, 0] > 2 * LEAST_REG).all(), "the start is not there"
    assert (np.diff(reg, axis=1) < 1e-9).all()


def test_stable_is_called_where_the_ratio_is_small(data):
    stable, ratio = data["stability_stable"].values, data["stability_ratio"].values
    np.testing.assert_array_equal(stable, ratio < 1e-3)
    assert stable[:, -1].all()
    assert not stable[:, 0].any()


def test_the_linear_model_has_exactly_no_drift(data):
    assert (data["stability_linear"] == 0).all()
    assert (data["stability_ratio"] > 0).all(), "the network whose outer layer it is has some"


@pytest.mark.usefixtures("x64")
def test_a_refusal_is_no_number():
    """What the test refuses is None, so that a network that never got to zero error would count as diverged."""
    problem, points, off = stable_points.paths(dataclasses.replace(SMALL, seeds=1, stability_time=1.0))
    start, away = (jax.tree.map(lambda leaf, at=at: leaf[at], tree) for tree, at in ((points, (0, 0)), (off, 0)))
    told = stable_points.ask(problem, start)
    assert told is not None
    assert told.residual < 1e-10
    assert stable_points.ask(problem, away) is None
    assert problem.loss is squared_error
    distance = np.sqrt(sum(float(np.sum((a - b) ** 2)) for a, b in zip(start, away, strict=True)))
    assert distance == pytest.approx(0.3 * np.sqrt(sum(float(np.sum(leaf**2)) for leaf in start)))


def test_the_figure_has_every_network(data):
    (figure,) = figures(data)
    assert sum("network" in str(series.label) for series in figure.panels[1].series) == 1
    assert len(figure.panels[1].series) == 3 + 2


@pytest.mark.parametrize(
    ("given", "match"), [({"stability_time": 0.5}, "stability_time must"), ({"seeds": 0}, "seeds")]
)
def test_a_config_out_of_range_is_refused(given, match):
    with pytest.raises(ValueError, match=match):
        Config(**given)
