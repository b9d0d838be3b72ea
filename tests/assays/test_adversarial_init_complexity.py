"""The complexity of the minima of the assay `adversarial-init`: by hand, on made-up data, and of the small run."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy import stats

from biassay.assays.adversarial_init import ASSAY
from biassay.assays.adversarial_init.claims_complexity import (
    JUDGED,
    NOT_MINIMA,
    excess,
    kendall,
    permuted,
    ranked,
    ranked_without_decay,
)
from biassay.assays.adversarial_init.complexity_of_minima import NAMES, Measures, dense_layers, measures_of
from biassay.assays.adversarial_init.figures_complexity import figures_complexity
from biassay.complexity import EQUATIONS
from biassay.figures import Points
from biassay.models import mlp
from small import run as small_run

pytestmark = pytest.mark.xdist_group("adversarial-init")

# --- one network by hand ----------------------------------------------------------------------------------------------

M = 40
X = np.random.default_rng(0).uniform(0.5, 1.5, (M, 2)) * np.eye(2)[np.arange(M) % 2]
Y = np.arange(M) % 2
NETWORK = (
    mlp.Layer(jnp.array([[3.0, 1.0], [0.0, 2.0]]), jnp.array([0.25, 0.5])),
    mlp.Layer(jnp.array([[2.0, -1.0], [-1.0, 2.0]]), jnp.array([0.5, -0.5])),
)
START = jax.tree.map(lambda leaf: 0.5 * leaf + 0.125, NETWORK)


def _measured(network: mlp.MLP = NETWORK, labels: np.ndarray = Y, seed: int = 0) -> Measures:
    return measures_of(mlp.predict, network, START, dense_layers, X, labels, jax.random.key(seed))


@pytest.fixture(scope="module")
def found() -> Measures:
    return _measured()


def test_the_norms_of_a_small_network_are_those_of_the_formulas(found):
    """The weights (in, out) of the network are transposed into (out, in); biases are no weights."""
    W = [np.array([[3.0, 1.0], [0.0, 2.0]]), np.array([[2.0, -1.0], [-1.0, 2.0]])]
    moved = [0.5 * w - 0.125 for w in W]
    # The squared singular values of the first sum to 14 and multiply to 36; the second has the eigenvalues 1 and 3.
    F, s = [14.0, 10.0], [7 + math.sqrt(13), 9.0]
    outputs = np.maximum(X @ W[0] + [0.25, 0.5], 0) @ W[1] + [0.5, -0.5]
    g = np.sort(outputs[np.arange(M), Y] - outputs[np.arange(M), 1 - Y])[M // 10 - 1]
    ones = np.ones(2)
    path = (np.maximum(ones @ W[0] ** 2 + [0.0625, 0.25], 0) @ W[1] ** 2 + 0.25).sum()
    expected = {
        "PARAMS": math.sqrt(8 / M),
        "PARAM_NORM": math.sqrt(24 / M),
        "FRO_DIST": math.sqrt(sum((w**2).sum() for w in moved) / M),
        "DIST_SPEC_INIT": math.sqrt(sum(np.linalg.norm(w, 2) ** 2 for w in moved) / M),
        "INVERSE_MARGIN": 1 / (g * math.sqrt(M)),
        "LOG_PROD_OF_SPEC_OVER_MARGIN": (math.log(s[0] * s[1] / g**2) - math.log(M)) / 2,
        "LOG_PROD_OF_FRO_OVER_MARGIN": (math.log(F[0] * F[1] / g**2) - math.log(M)) / 2,
        "PATH_NORM_OVER_MARGIN": math.sqrt(path / g**2 / M),
        "PRODUCT_FRO": math.sqrt(F[0] * F[1]) / g,
        "PRODUCT_PATH_2": math.sqrt(path) / g,
        "PRODUCT_SCHATTEN_1": math.sqrt(14 + 2 * 6) * 4 / g,
        "PRODUCT_L1_INF": 3 * 3 / g,  # over a unit's incoming weights: over its outgoing ones it would be 4 * 3
    }
    assert found.g == pytest.approx(g, rel=1e-12)
    assert {name: found.values[name] for name in expected} == pytest.approx(expected, rel=1e-12), "double precision"
    assert tuple(found.values) == NAMES
    assert all(math.isfinite(value) for name, value in found.values.items() if name != "PACBAYES_MAG_ORIG")


def test_sigma_is_of_all_parameters_and_so_is_their_size(found):
    """The fall of the train accuracy at sigma, a true standard deviation, by the same draws in NumPy."""
    assert found.sigma is not None
    assert found.sigma.met
    sigma = found.sigma.sigma
    w = np.concatenate([np.ravel(np.asarray(leaf, float)) for leaf in jax.tree.leaves(NETWORK)])
    assert w.size == 12
    bound = w @ w / (4 * sigma**2) + math.log(M / sigma) + 10
    assert found.values["PACBAYES_ORIG"] == pytest.approx(math.sqrt(bound / M), rel=1e-6)
    assert found.values["PACBAYES_FLATNESS"] == pytest.approx(1 / (sigma * math.sqrt(M)), rel=1e-6)

    with jax.enable_x64(True):
        draws = jax.vmap(lambda key: jax.random.normal(key, w.shape))(jax.random.split(jax.random.key(0), 10))

    def fall(biases: float) -> float:
        z = w + sigma * np.asarray(draws)
        first, bias, second, shift = z[:, :4].reshape(-1, 2, 2), z[:, 4:6], z[:, 6:10].reshape(-1, 2, 2), z[:, 10:]
        bias, shift = w[4:6] + biases * (bias - w[4:6]), w[10:] + biases * (shift - w[10:])
        outputs = np.maximum(X @ first + bias[:, None], 0) @ second + shift[:, None]
        return 1 - float((outputs.argmax(-1) == Y).mean())

    assert found.sigma.fall == pytest.approx(fall(biases=1), abs=1e-12)
    assert found.sigma.fall != pytest.approx(fall(biases=0), abs=1e-12)


def test_the_same_key_gives_the_same_draws():
    assert _measured().sigma == _measured().sigma
    assert _measured(seed=1).sigma != _measured(seed=0).sigma


def test_a_network_that_does_not_interpolate_has_no_margin_measures():
    wrong = _measured(labels=1 - Y)
    assert math.isnan(wrong.g)
    assert wrong.sigma is wrong.magnitude_sigma is None
    finite = {name for name, value in wrong.values.items() if math.isfinite(value)}
    assert finite >= {"PARAM_NORM", "LOG_PROD_OF_SPEC", "FRO_DIST", "PATH_NORM"}
    assert not any("MARGIN" in name or name.startswith(("PRODUCT", "PACBAYES")) for name in finite)


def test_of_a_diverged_network_nothing_is_measured():
    broken = _measured((NETWORK[0]._replace(bias=jnp.array([jnp.nan, 0.0])), NETWORK[1]))
    assert all(math.isnan(value) for value in broken.values.values())


def test_of_a_network_decayed_to_zero_nothing_is_measured():
    dead = _measured((NETWORK[0], NETWORK[1]._replace(weight=jnp.zeros_like(NETWORK[1].weight))))
    assert all(math.isnan(value) for value in dead.values.values())


# --- rankings ---------------------------------------------------------------------------------------------------------


def test_kendall_is_that_of_scipy_with_ties_too():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, (2, 30, 12)).astype(float)
    expected = [float(np.asarray(stats.kendalltau(x, y))[0]) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(kendall(a, b), expected, atol=1e-12)
    order = np.arange(9.0)
    assert kendall(order, order) == 1
    assert kendall(order, -order) == -1
    assert np.isnan(kendall(order, np.ones(9)))


# --- the claims on made-up data ---------------------------------------------------------------------------------------

SETUPS = ("C", "C true", "S0", "S2", "NC1", "NC2", "S1", *(f"S3[{name}]" for name in ("M", "L2", "DA", "DA+M", "M+L2")))


def _made_up(complexity: dict[str, float], error: dict[str, float] | None = None) -> xr.Dataset:
    """Every measure of a set-up is exp(its complexity), +-1% over 8 seeds; test errors follow it if not given."""
    rng = np.random.default_rng(0)
    logs = np.array([complexity.get(name, -0.1 * index) for index, name in enumerate(SETUPS)])
    errors = np.array([(error or complexity).get(name, -0.1 * index) for index, name in enumerate(SETUPS)])
    logs = logs + 0.01 * rng.uniform(-1, 1, (8, len(SETUPS)))
    values = [logs if name.startswith("LOG_") else np.exp(logs) for name in NAMES]
    margin = np.where(np.isin(SETUPS, ("C", "S1")), np.nan, 1.0)
    return xr.Dataset(
        {
            "complexity": (("seed", "setup", "measure"), np.stack(values, -1)),
            "test": (("seed", "setup"), np.broadcast_to(0.5 - 0.1 * errors, logs.shape)),
            "margin": (("seed", "setup"), np.broadcast_to(margin, logs.shape).copy()),
        },
        {
            "seed": np.arange(8),
            "setup": list(SETUPS),
            "measure": list(NAMES),
            "equation": ("measure", [EQUATIONS.get(name, 0) for name in NAMES]),
        },
    )


def _judge(name: str, data: xr.Dataset) -> str:
    return next(claim for claim in ASSAY.claims if claim.name == name).judge(data).outcome


def test_most_complex_holds_fails_and_is_vacuous_where_it_should():
    memorised = {"S0": 0.0, "S2": 1.0, "NC2": -0.5, "S3[M+L2]": -1.0}
    data = _made_up(memorised)
    assert _judge("most-complex", data) == "holds"
    np.testing.assert_allclose(np.asarray(excess("S2")(data)), math.e, rtol=0.03)
    swapped = _made_up(memorised | {"S2": -0.5, "NC2": 1.0})
    assert _judge("most-complex", swapped) == "vacuous", "the control is the largest"
    neither = _made_up(memorised | {"S2": -0.5})
    assert _judge("most-complex", neither) == "fails"
    assert _judge("most-complex", _made_up(memorised | {"NC2": 1.0})) == "vacuous"
    assert _judge("most-complex", _made_up(memorised | {"S3[M+L2]": 1.5})) == "fails"


def test_one_measure_or_one_seed_that_disagrees_is_enough_to_fail():
    memorised = {"S0": 0.0, "S2": 1.0, "NC2": -0.5, "S3[M+L2]": -1.0}
    for name in JUDGED.values():
        data = _made_up(memorised)
        data.complexity.loc[{"setup": "S2", "measure": name, "seed": 3}] = -2.0 if name.startswith("LOG_") else 0.1
        assert _judge("most-complex", data) == "fails"


def test_only_interpolating_minima_are_judged():
    data = _made_up({"S0": 0.0, "S2": 1.0, "NC2": -0.5})
    assert _judge("rank-agrees-path", data) == "holds", "C and S1 have no margin and are no minima"
    data.margin.loc[{"setup": "S2", "seed": 5}] = np.nan
    assert _judge("most-complex", data) == "vacuous"
    assert _judge("rank-agrees-path", data) == "vacuous"


def test_a_ranking_holds_in_order_fails_in_reverse_and_decides_nothing_where_there_is_none():
    order = {name: 0.2 * index for index, name in enumerate(SETUPS)}
    reverse = {name: -value for name, value in order.items()}
    agree = _made_up(order)
    for words in JUDGED:
        assert _judge(f"rank-agrees-{words.lower()}", agree) == "holds"
        assert _judge(f"rank-agrees-{words.lower()}", _made_up(order, reverse)) == "fails"
    np.testing.assert_allclose(ranked(agree, "PARAM_NORM"), 1)
    assert np.abs(permuted(agree, "PARAM_NORM")).max() < 0.1
    assert _judge("rank-agrees-path", agree.isel(seed=slice(7))) == "unclear", "8 seeds are needed"


def test_set_ups_without_weight_decay_are_ranked_by_themselves():
    """Here decay ranks the set-ups rightly, and among the others the measure ranks them wrongly."""
    decayed = [name for name in SETUPS if "L2" in name]
    complexity = {name: float(index) - 99 * (name in decayed) for index, name in enumerate(SETUPS)}
    error = {name: -float(index) - 99 * (name in decayed) for index, name in enumerate(SETUPS)}
    data = _made_up(complexity, error)
    np.testing.assert_allclose(ranked_without_decay(data, "PARAM_NORM"), -1)
    assert (ranked(data, "PARAM_NORM") > -0.5).all()


def test_the_figures_show_the_controls_and_both_families():
    complexity, ranks = figures_complexity(_made_up({"S0": 0.0, "S2": 1.0, "NC2": 0.9, "S3[M+L2]": -1.0}))
    bad, matched = (series for series in complexity.panels[0].series[:2] if isinstance(series, Points))
    assert (bad.label, matched.label) == ("adversarial start (S2)", "norm-matched start (NC2)")
    np.testing.assert_allclose(np.asarray(matched.y), math.exp(0.9), rtol=0.03)
    series = [panel.series[0] for panel in ranks.panels]
    first, second = (np.size(points.x) for points in series if isinstance(points, Points))
    assert (first, first + second) == (len(EQUATIONS), len(NAMES))


# --- the small run ----------------------------------------------------------------------------------------------------


def test_every_minimum_of_the_small_run_is_measured():
    data = small_run("adversarial-init")
    assert data.complexity.dims == ("seed", "setup", "measure")
    assert dict(zip(data.measure.values, data.equation.values, strict=True))["PACBAYES_ORIG"] == 49
    minima = [name for name in data.setup.values if name not in NOT_MINIMA]
    assert len(minima) == 20
    interpolating = data.margin.sel(setup=minima).notnull()
    np.testing.assert_array_equal(data.without_margin.sel(setup=minima), (~interpolating).sum("seed"))
    assert interpolating.sel(setup=["S0", "S2", "NC2", "S3[M+L2]"]).all()
    measured = data.complexity.sel(setup=["S0", "S2", "NC2"]).drop_sel(measure="PACBAYES_MAG_ORIG")
    assert np.isfinite(measured).all()
    assert (data.without_margin.sel(setup="C") == 2).all()


def test_distances_of_the_small_run_are_from_the_random_initialisation():
    """d_init counts biases too, which FRO_DIST does not; S2 is much nearer to its own start."""
    data = small_run("adversarial-init").sel(setup=["S0", "S2"])
    distance = data.complexity.sel(measure="FRO_DIST", drop=True) * math.sqrt(40)
    assert (distance <= data.d_init * (1 + 1e-5)).all()
    assert (distance > 0.9 * data.d_init).all()
    assert (data.d_adv.sel(setup="S2") < 0.5 * distance.sel(setup="S2")).all()
