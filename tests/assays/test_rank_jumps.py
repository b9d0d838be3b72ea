"""The assay rank-jumps, small; and that its measures can tell a jump from none."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import small
from biassay.assays.rank_jumps import ASSAY
from biassay.assays.rank_jumps.claims import earlier, gap, rate_contributions
from biassay.assays.rank_jumps.config import Config
from biassay.assays.rank_jumps.experiments import TIGHT, Setting, closure, passage
from biassay.assays.rank_jumps.runs import planted, second_direction, starts_inside
from small import CONFIGS

SMALL = CONFIGS["rank-jumps"]

pytestmark = pytest.mark.xdist_group("rank-jumps")


@pytest.fixture(scope="module")
def data():
    return small.run("rank-jumps")


def test_every_claim_is_measured(data):
    verdicts = {verdict.claim: verdict for verdict in ASSAY.judge(data)}
    assert set(verdicts) == {claim.name for claim in ASSAY.claims}
    for name in (
        "landscape-ratio",
        "landscape-gone",
        "width-reduction",
        "one-way-adversarial",
        "closure-theorem-regime",
        "closure-demo-regime",
    ):
        assert verdicts[name].outcome == "holds", (name, verdicts[name])
    # Six runs leave the mean's interval wider than the region.
    completion = verdicts["one-way-two-layers-completion"]
    assert abs(completion.value) <= 0.01 < completion.control
    assert verdicts["one-way-two-layers"].value == 1
    assert verdicts["one-way-two-layers"].control == 0


def test_without_a_rank_two_minimum_nothing_can_jump(data):
    """epsilon = 0.5 has none (tests/references/test_landscape.py)."""
    without = data.assign(exact_ratio=data.exact_ratio * np.nan)
    verdicts = {verdict.claim: verdict.outcome for verdict in ASSAY.judge(without)}
    for name in ("landscape-ratio", "jump-happens", "jump-constructive", "one-way", "offshoot-jumped"):
        assert verdicts[name] == "vacuous"


def test_data_can_be_stored_and_drawn(data, tmp_path):
    data.to_netcdf(tmp_path / "data.nc")
    with xr.open_dataset(tmp_path / "data.nc") as stored:
        xr.testing.assert_equal(stored.load(), data)
    assert all(variable.attrs.get("long_name") for variable in data.data_vars.values())
    assert len({figure.name for figure in ASSAY.figures(data)}) == 5


def test_passage():
    steps = np.array([10, 20, 30, 40])
    ratio = np.array([[0.2, 0.2, 0.2, 0.2], [0.2, 1e-5, 1e-9, 1e-12], [0.2, 1e-5, 0.3, 0.3], [1e-3, 5e-4, 2e-4, 0.2]])
    when, back = passage(steps, ratio)
    np.testing.assert_array_equal(when, [np.nan, 20, 20, np.nan])
    np.testing.assert_array_equal(back, [False, False, True, False])


def test_rate_of_a_known_process():
    rng = np.random.default_rng(0)
    when = rng.geometric(1e-3, 20_000).astype(float)
    when[when > 2000] = np.nan
    parts = rate_contributions(when, 2000)
    assert parts.mean() == pytest.approx(1e-3, rel=0.03)
    halves = [rate_contributions(half, 2000).mean() for half in np.split(when, 200)]
    assert parts.std() / 10 == pytest.approx(np.std(halves), rel=0.2), "their scatter is that of the rate"


def test_gap_between_the_sides_of_the_jump():
    ratio = xr.DataArray([[1e-9, 1e-9, 5e-3, 0.2, 0.2], [1e-9] * 5], dims=("checkpoint", "seed"))
    error = xr.DataArray([[[1.0, 2.0, 7.0, 9.0, 10.0], [1.0] * 5]], dims=("stage", "checkpoint", "seed"))
    data = xr.Dataset({"checkpoint_ratio": ratio, "test_error": error})
    np.testing.assert_array_equal(gap(data, 0), [7.0])


def test_tau_over_an_axis():
    steps = xr.DataArray([[np.nan, 500.0, 100.0], [100.0, 500.0, np.nan], [np.nan] * 3], dims=("seed", "eta"))
    np.testing.assert_allclose(earlier(steps.expand_dims({"lambda": 1}), "eta"), [1, -1, 0])


@pytest.mark.usefixtures("x64")
def test_starts():
    setting = Setting(SMALL)
    A = setting.rank_one(0.024)
    factors = planted(A, 0.02, 3, 0, 20)
    s2 = np.linalg.svd(factors[2] @ factors[1] @ factors[0], compute_uv=False)[:, 1]
    assert (s2 >= 0.01 - 1e-12).all()
    assert (s2 <= 0.02 + 1e-12).all()
    starts, inside = starts_inside(TIGHT, A, 3, 0.01, 0, 20)
    assert inside.all()
    assert all(bool(TIGHT.contains(tuple(W[k] for W in starts))) for k in range(20))
    _, none = starts_inside(TIGHT, A, 3, 1.0, 0, 5)
    assert not none.any()
    product = np.linalg.multi_dot(second_direction(A, 3)[::-1])
    np.testing.assert_allclose(np.linalg.svd(product, compute_uv=False), [1, 0], atol=1e-12)
    np.testing.assert_allclose(product @ A.T, 0, atol=1e-9)


@pytest.mark.usefixtures("x64")
def test_closure_counts_diverged_starts_and_can_fail():
    found = closure(Setting(replace(SMALL, closure_noise=1.0)))
    assert np.isnan(found["left_region"][1][0]).all()
    found = closure(Setting(SMALL))
    regimes = dict(zip(found["regime"][1], found["left_region"][1], strict=True))
    np.testing.assert_array_equal(regimes["demo regime"], 1)
    np.testing.assert_array_equal(regimes["theorem regime"], 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layers": 2}, "layers must be at least 3"),
        ({"epsilon": 0.0}, "epsilon must be positive"),
        ({"etas": ()}, "etas must name"),
        ({"etas": (0.5, 0.4)}, "etas must increase"),
        ({"etas": (0.5, 1.5)}, "etas must be below 1"),
        ({"lambdas": (-0.1,)}, "lambdas must be positive"),
        ({"seeds": 0}, "seeds must be at least 1"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"anneal_steps": (10,)}, "anneal_steps needs one number"),
        ({"closure_steps": 241}, "closure_steps must be at most 240"),
        ({"width": 1}, "width must be at least 2"),
        ({"seed": -1}, "seed must not be negative"),
    ],
)
def test_mistakes(change, words):
    with pytest.raises(ValueError, match=words):
        replace(Config(), **change)
