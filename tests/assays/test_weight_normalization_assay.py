"""The assay weight-normalization: its oracles, each with a control that fails, and its claims."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy.integrate import solve_ivp

import small
from biassay import configs
from biassay.assays.weight_normalization import ASSAY, Config
from biassay.assays.weight_normalization.claims import (
    DESCENT,
    FLOWS,
    LIMITS,
    ONE,
    PLAIN,
    TENTH,
    crossing,
    error,
    steps_needed,
)
from biassay.assays.weight_normalization.descent import REACHED, descent
from biassay.assays.weight_normalization.figures import _rounded_up
from biassay.assays.weight_normalization.flows import COMPARABLE, DISTINCT, furthest_limits, integrated
from biassay.assays.weight_normalization.identity import AS_PLAIN
from biassay.assays.weight_normalization.polar import FORMS, Coordinates, flows, log_radius, minus_velocity, outputs
from biassay.assays.weight_normalization.systems import arms, draw_systems, exact_limits
from biassay.models.diagonal_linear import diagonal_linear
from biassay.report import to_matplotlib
from small import CONFIGS

SMALL = CONFIGS["weight-normalization"]
CLAIMS = {claim.name: claim for claim in ASSAY.claims}
OF_LIMITS = [claim.name for claim in LIMITS if claim.name != "mass-floor"]
OF_FLOWS = ["mass-floor", *(claim.name for claim in FLOWS)]

pytestmark = pytest.mark.xdist_group("weight-normalization")


@pytest.fixture(scope="module")
def data():
    return small.run("weight-normalization")


@pytest.fixture(scope="module")
def limits():
    """The exact limits at the default size on eight systems that judge nothing."""
    config = Config(seed=10_000)
    found = exact_limits(config, draw_systems(config.seed, config.seeds, config.d, config.m, config.sparsity))
    return xr.Dataset(
        {name: (axes, value) for name, (axes, value, _) in found.items()},
        coords={
            "arm": [name for name, _, _ in arms(config.ratios, config.exponential_eta)],
            "alpha": list(config.starts),
            "q": ("alpha", [config.q_at(a) for a in config.starts]),
        },
    )


# --- the flow ---------------------------------------------------------------------------------------------------------


def a_point(form, depth, eta, d=4, m=2):
    """Coordinates with a random direction, and a system."""
    rng = np.random.default_rng(10_000)
    A, y, log_u = rng.normal(size=(m, d)), rng.normal(size=m), rng.normal(size=2 * d) / 4
    if form != "plain":
        log_u -= np.log(np.linalg.norm(np.exp(log_u)))
    R = {"plain": 0.0, "linear": 0.8, "exponential": 0.3}[form]
    p = Coordinates(*(jnp.asarray(v) for v in (R, log_u, 0.0, FORMS[form], eta, float(depth), 5.0)))
    return p, jnp.asarray(A), jnp.asarray(y)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("depth", [2, 3])
def test_the_velocity_is_that_of_magnitude_and_direction(form, depth):
    """w' = u r' + r u' of the definition, with the gradient of the model by automatic differentiation."""
    eta = 0.3
    p, A, y = a_point(form, depth, eta)
    moved = jax.tree.map(lambda leaf: -5.0 * leaf, minus_velocity(p, A, y))  # its unit of time is 1 / 5
    r, u = np.exp(log_radius(p)), np.exp(p.log_u)
    w = r * u
    G = np.asarray(jax.grad(diagonal_linear(A, y, depth).risk)(jnp.asarray(w)))
    np.testing.assert_allclose(outputs(p, A), diagonal_linear(A, y, depth).predict(jnp.asarray(w), A), rtol=1e-12)

    def defined(eta):
        if form == "plain":
            return -G
        speed = eta * (u @ G) * (1 if form == "linear" else r**2)
        return -speed * u - r**2 * (G - u * (u @ G))

    growth = {"plain": 0.0, "linear": eta * moved.R / r**2, "exponential": eta * moved.R}[form]
    np.testing.assert_allclose(w * (growth + moved.log_u), defined(eta), rtol=1e-10)
    assert moved.clock == pytest.approx(1.0 if form == "plain" else r**2)
    assert moved.form == moved.eta == moved.depth == moved.rate == 0
    if form != "plain":
        assert np.abs(w * (growth + moved.log_u) - defined(2 * eta)).max() > 1e-3


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("form", "depth"), [("linear", 2), ("exponential", 2), ("linear", 3)])
def test_two_coordinates_take_one_path(form, depth):
    """x at t = 1 from (R, log u) and from (g, v), whose gradients are automatic; the slower g is g / sqrt(eta)."""
    eta, n = 0.3, 8
    _, A, y = a_point(form, depth, eta)
    lane = (np.array([value]) for value in (0.4, FORMS[form], eta, float(depth)))
    p = jax.tree.map(lambda leaf: leaf[0], flows(np.asarray(A)[None], np.asarray(y)[None], 1.0, *lane).begin.value)

    def weights(state, eta):
        g, v = jnp.sqrt(eta) * state[0], state[1:]
        return (g if form == "linear" else jnp.exp(g)) * v / jnp.linalg.norm(v)

    problem = diagonal_linear(A, y, depth)
    downhill = jax.jit(lambda state, eta: -jax.grad(lambda s: problem.risk(weights(s, eta)))(state))
    flat, unravel = jax.flatten_util.ravel_pytree(p)
    polar = jax.jit(lambda state: -p.rate * jax.flatten_util.ravel_pytree(minus_velocity(unravel(state), A, y))[0])

    def end(velocity, state):
        return solve_ivp(lambda t, s: np.asarray(velocity(s)), (0, 1), np.asarray(state), rtol=1e-10, atol=1e-12).y[
            :, -1
        ]

    def from_g(eta):
        r0 = 0.4 * n**0.5
        state = np.append((r0 if form == "linear" else np.log(r0)) / eta**0.5, np.full(n, n**-0.5))
        return np.asarray(problem.predict(weights(jnp.asarray(end(lambda s: downhill(s, eta), state)), eta), A))

    of_polar = np.asarray(outputs(unravel(jnp.asarray(end(polar, flat))), A))
    np.testing.assert_allclose(of_polar, from_g(eta), atol=1e-7)
    assert np.abs(of_polar - from_g(2 * eta)).max() > 1e-4


def test_flows_that_ended_are_at_their_limits(data):
    ended = data["flow_residual"] < COMPARABLE
    assert ended.sum() > 20
    assert (~ended).sum() > 5, "some are not finished, and are not compared"
    assert data["flow_gap"].where(ended).max() < 1e-5
    assert data["flow_gap_other"].where(ended).min() > DISTINCT / 2
    assert data["flow_gap"].where(~ended).max() > 1e-4
    assert data["flow_unit_error"].max() < 1e-8


def test_the_other_limit_is_the_furthest_one():
    """Three arms of one system: two of them coincide, and the third is the other for both."""
    x = np.array([0.0, 0.0, 3.0, 1.0])[None, :, None, None] * np.ones((1, 4, 2, 5))
    np.testing.assert_array_equal(furthest_limits(x)[0, :, 0, 0], [3.0, 3.0, 0.0, 3.0])
    np.testing.assert_array_equal(furthest_limits(0 * x), 0 * x)


@pytest.mark.nightly
def test_flows_are_not_compared_where_all_limits_coincide():
    """From far beyond the threshold every arm ends at the solution of least norm, to 1e-3."""
    claim = dataclasses.replace(CLAIMS["flow-reaches-its-limit"], min_seeds=1)
    config = dataclasses.replace(SMALL, flow_alpha=(0.2, 1.0), flow_eta=(1.0,))
    systems = draw_systems(config.seed, config.seeds, config.d, config.m, config.sparsity)
    with jax.enable_x64(True):
        found = integrated(config, systems)
    data = xr.Dataset({name: (axes, value) for name, (axes, value, _) in found.items()})
    assert np.isnan(data["flow_gap_other"].isel(flow_alpha=1)).all()
    assert data["flow_gap"].isel(flow_alpha=1).notnull().all()
    assert claim.judge(data).outcome == "holds", claim.judge(data)
    assert claim.judge(data.isel(flow_alpha=[1])).reason == "the control gave no finite value"
    wrong = data.assign(flow_gap=data["flow_gap_other"])
    assert claim.judge(wrong).outcome == "fails"


def test_the_identity_at_every_depth_and_setting(data):
    assert (data["identity_residual"] < 1e-9).all()
    assert (data["to_effective"] < 1e-7).all()
    others = data["to_plain"].drop_isel(setting=AS_PLAIN)
    assert (others > 1e-3).all()
    assert (data["effective_ratio"].isel(setting=AS_PLAIN) == 1).all()
    assert (data["drift_plain"].isel(setting=AS_PLAIN) < 1e-10).all(), "it conserves what plain flow conserves"
    assert (data["path_clock"].diff("path_time") > 0).all()


# --- the exact limits -------------------------------------------------------------------------------------------------


def test_the_ends_of_the_range(limits):
    """Below the threshold a small ratio finds the sparse solution, above none does, and larger ratios do worse."""
    assert (limits["residual"] < 1e-10).all()
    small_ratio = limits["error"].sel(arm="linear, η = 0.03")
    assert (small_ratio.isel(alpha=np.flatnonzero(limits["q"] < 0.85)) < 1e-3).all()
    assert (small_ratio.isel(alpha=np.flatnonzero(limits["q"] > 1.9)) > 0.2).all()
    linear = limits["error"].sel(arm=[f"linear, η = {eta:g}" for eta in (1.0, 0.3, 0.1, 0.03)])
    assert (linear.isel(alpha=np.flatnonzero(limits["q"] < 2)).median("seed").diff("arm") < 1e-12).all()


def test_the_effective_start_is_smaller_where_the_ratio_is_below_the_starts_mass(limits):
    """alpha_eff <= alpha where eta <= r0^2; and larger at eta = 1 from the tiniest start."""
    log_ratio = limits["log_alpha"] - np.log(limits["alpha"])
    mass = 200 * limits["alpha"] ** 2
    for eta in (1.0, 0.3, 0.1, 0.03):
        assert (log_ratio.sel(arm=f"linear, η = {eta:g}").where(mass >= eta, -1.0) < 1e-12).all()
    assert (log_ratio.sel(arm=ONE).isel(alpha=0) > 0.1).all()


def test_crossing():
    """An error that is 10^(4 log10 q - 1) crosses 1e-2 where log10 q = -1/4."""
    q = np.array([0.1, 0.3, 1.0, 3.0])
    errors = np.stack([10 ** (4 * np.log10(q) - 1), np.full(4, 1e-5), np.full(4, 0.5)])
    made = xr.Dataset({"error": (("arm", "seed", "alpha"), errors[None])}, {"arm": [TENTH], "q": ("alpha", q)})
    np.testing.assert_allclose(crossing(made, TENTH), [10**-0.25, np.nan, 0.1])


def test_a_system_is_the_same_whichever_others_are_drawn():
    many, one = draw_systems(10_000, 5, 20, 8, 3), draw_systems(10_003, 1, 20, 8, 3)
    for of_many, alone in zip(many, one, strict=True):
        np.testing.assert_array_equal(of_many[3], alone[0])
    assert (np.abs(many.x).sum(axis=1) == 3).all()
    np.testing.assert_allclose(np.einsum("smd,sd->sm", many.A, many.x), many.y)


# --- gradient descent -------------------------------------------------------------------------------------------------


def test_descent_is_the_two_lines_of_its_mathematics(data):
    """One lane again, in NumPy."""
    systems, lr, eta, alpha = draw_systems(SMALL.seed, 1, SMALL.d, SMALL.m, SMALL.sparsity), 0.04, 0.1, 0.07
    A, y, x = (part[0] for part in systems)
    n = 2 * SMALL.d

    def gradient(w):
        a = A.T @ (A @ (w[: SMALL.d] ** 2 - w[SMALL.d :] ** 2) - y)
        return 2 * w * np.concatenate([a, -a])

    w, g, v = np.full(n, alpha), alpha * n**0.5, np.full(n, n**-0.5)
    for _ in range(SMALL.descent_steps):
        w = w - lr * gradient(w)
        length = np.linalg.norm(v)
        u = v / length
        G = gradient(g * u)
        g, v = g - lr * eta * (u @ G), v - lr * g / length * (G - u * (u @ G))
    at = data.isel(descent_seed=0).sel(descent_alpha=alpha, descent_lr=lr, descent_depth=2)

    def relative(w):
        return np.linalg.norm(w[: SMALL.d] ** 2 - w[SMALL.d :] ** 2 - x) / np.linalg.norm(x)

    normalized = g * v / np.linalg.norm(v)
    assert float(at["descent_error"].sel(descent_arm=PLAIN)) == pytest.approx(relative(w), rel=1e-8)
    assert float(at["descent_error"].sel(descent_arm=TENTH)) == pytest.approx(relative(normalized), rel=1e-8)
    assert float(at["descent_length"].sel(descent_arm=TENTH)) == pytest.approx(np.linalg.norm(v), rel=1e-8)
    assert np.linalg.norm(v) > 1 + 1e-4, "the flow conserves it, steps of finite length do not"


def test_steps_are_counted_where_the_residual_was_reached(data):
    path, steps = data["descent_path"], data["descent_steps"]
    reached = (path < REACHED).any("descent_step")
    assert 0 < reached.sum() < reached.size
    np.testing.assert_array_equal(np.isfinite(steps), reached)
    first = path["descent_step"].where(path < REACHED).min("descent_step")
    np.testing.assert_array_equal(steps.transpose(*first.dims), first)
    left = data["descent_left"].fillna(np.inf)
    assert (left <= steps.fillna(np.inf)).all()
    assert (left < steps).any()


def test_speed_counts_a_run_that_never_arrives_as_slower_than_one_that_does(data):
    """Made-up counts of steps: who is first; pairs of which neither arrived, ties, and what was not run."""

    def made(left=(100, 700), **counts):
        """left: steps of plain descent and of ratio 0.1 to leave the start."""
        names = {"plain": PLAIN, "one": ONE, "tenth": TENTH}
        values, leaving = np.full((2, 16, 3, 2, 2, 1), np.nan)
        for k, name in enumerate(names):
            values[:, k] = np.asarray(counts.get(name, np.nan))
        leaving[:, 0], leaving[:, 2] = left
        own = ("descent_seed", "descent_arm", "descent_alpha", "descent_lr", "descent_depth")
        return xr.Dataset(
            {"descent_steps": (own, values), "descent_left": (own, leaving)},
            {
                "descent_arm": list(names.values()),
                "descent_alpha": [1e-3, 0.07],
                "descent_lr": [0.01, 0.04],
                "descent_depth": [2],
            },
        )

    practical = CLAIMS["speed-practical"]
    assert practical.judge(made(plain=500, one=400)).outcome == "holds"
    assert practical.judge(made(one=400)).outcome == "holds"
    for counts in ({"plain": 400, "one": 500}, {"plain": 400}):
        assert practical.judge(made(**counts)).outcome == "fails", counts
    for counts in ({}, {"plain": 400, "one": 400}):
        verdict = practical.judge(made(**counts))
        assert (verdict.outcome, verdict.diverged) == ("unclear", 16), counts
    one_tie = made(plain=500, one=400)
    one_tie["descent_steps"][0, 1] = 500
    assert practical.judge(one_tie).reason == "1 of 16 seeds diverged"
    short = practical.judge(made(left=(np.nan, np.nan), plain=500, one=400))
    assert short.reason == "the control gave no finite value", "neither left its start"
    assert practical.judge(made(left=(700, 100), plain=500, one=400)).outcome == "vacuous", (
        "the control is fast as well"
    )
    assert practical.judge(made(plain=500, one=400).assign_coords(descent_alpha=[1e-3, 0.5])).outcome == "unclear"

    own = CLAIMS["speed-practical-own-step"]
    lrs = made(plain=[[[500], [400]]], one=[[[450], [450]]])
    fast_at_its_own = made(left=([[900], [700]], [[600], [800]]), one=100, plain=500)
    assert own.judge(fast_at_its_own).outcome == "vacuous"
    assert practical.judge(fast_at_its_own).outcome == "holds", "at the one step size its control is slower"
    assert own.judge(lrs).outcome == "fails"
    np.testing.assert_array_equal(steps_needed(lrs, PLAIN, 0.07, own_step=True), np.full(16, 400.0))


# --- claims and config ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OF_LIMITS)
def test_a_claim_of_the_limits_holds_and_not_of_its_control(name, limits):
    claim = CLAIMS[name]
    assert claim.judge(limits).outcome == "holds", claim.judge(limits)
    assert dataclasses.replace(claim, measure=claim.control).judge(limits).outcome == "fails"
    assert dataclasses.replace(claim, control=claim.measure, control_region=None).judge(limits).outcome == "vacuous"


@pytest.mark.parametrize("name", OF_FLOWS)
def test_a_claim_of_the_flows_holds_but_for_its_number_of_systems(name, data):
    claim = dataclasses.replace(CLAIMS[name], min_seeds=1)
    assert claim.judge(data).outcome == "holds", claim.judge(data)
    assert dataclasses.replace(claim, measure=claim.control).judge(data).outcome == "fails"
    assert dataclasses.replace(claim, control=claim.measure, control_region=None).judge(data).outcome == "vacuous"


def test_every_claim_is_in_one_of_the_tests_above():
    assert {*OF_LIMITS, *OF_FLOWS, *(claim.name for claim in DESCENT)} == set(CLAIMS)


def test_findings_that_are_not_there_are_not_found(limits, data):
    """Made-up errors: robustness that never ends, a mass below the start's, flows that stopped too early."""
    endless = limits.assign(error=xr.where(limits["arm"] == TENTH, 1e-6, limits["error"]))
    assert CLAIMS["robustness-ends"].judge(endless).outcome == "unclear"
    assert CLAIMS["nothing-helps-beyond"].judge(endless).outcome in ("fails", "unclear")
    denser = limits.assign(least_l1_error=limits["least_l1_error"] + 0.1)
    assert {CLAIMS[name].judge(denser).outcome for name in OF_LIMITS} == {"vacuous"}
    lighter = data.assign(mass_above=data["mass_above"] - 0.2)
    assert dataclasses.replace(CLAIMS["mass-floor"], min_seeds=1).judge(lighter).outcome == "fails"
    unfinished = data.assign(identity_residual=data["identity_residual"] + 1e-6)
    assert CLAIMS["effective-init"].judge(unfinished).outcome == "vacuous"


def test_any_start_and_ratio_can_be_named():
    """On either side of the threshold; what the claims look at runs beside it."""
    read = configs.replace(Config(), configs.read(Config(), {"alpha": "0.5", "q": "50", "eta": "2, 0.02"}))
    assert read.ratios == (2.0, 1.0, 0.1, 0.02)
    assert {0.5, 0.07, 1e-3, read.alpha_at(50.0)} <= {*read.starts}
    assert len(read.starts) == 2 + 2 + 7, "q = 0.4, 0.6, ..., 5.0 are among them, and q = 10 is 0.5"
    config = dataclasses.replace(read, d=20, m=12, sparsity=2, alpha=(5.0,), q=(0.01,), seed=10_000, seeds=2)
    found = exact_limits(config, draw_systems(10_000, 2, 20, 12, 2))
    assert found["residual"][1].max() < 1e-9
    assert np.isfinite(found["error"][1]).all()


def test_starts_that_a_user_names_do_not_enter_a_claim(limits):
    """Errors there may be anything: the judged ones are found among them."""
    named = limits.isel(alpha=[0, 1, 1, -1, -1]).copy(deep=True)
    named = named.assign_coords(
        alpha=[1e-12, 0.0123, 0.0456, 0.444, 44.0], q=("alpha", [4e-23, 0.011, 0.45, 2.7, 77440.0])
    )
    named["error"][:] = np.array([0.5, 0.9, 0.9, 1e-9, 1e-9])
    named["mass_above"][:] = -0.5
    both = xr.concat([limits, named], "alpha", data_vars="minimal", coords="minimal", compat="override").sortby("alpha")
    for name in OF_LIMITS:
        assert CLAIMS[name].judge(both) == CLAIMS[name].judge(limits), name
    flow = {"identity_mass_above": (["seed", "identity_depth", "setting"], np.ones((8, 1, 1)))}
    floor = CLAIMS["mass-floor"]
    assert floor.judge(both.assign(flow)) == floor.judge(limits.assign(flow))
    assert floor.judge(limits.assign(flow)).outcome == "holds"


def test_controls_are_none_where_the_small_ratio_does_not_find_the_sparse_solution(limits):
    lost = limits.assign(error=limits["error"].where(limits["arm"] != TENTH, limits["error"] + 2e-3))
    for name in ("ratio-matters", "robustness-ends", "nothing-helps-beyond"):
        assert CLAIMS[name].judge(lost).reason == "the control gave no finite value", name


def test_nothing_helps_is_about_every_ratio(limits):
    claim = CLAIMS["nothing-helps-beyond"]
    for arm in limits["arm"].values[1:]:
        helped = limits.assign(error=limits["error"].where((limits["arm"] != arm) | (limits["q"] < 1.9), 0.1))
        assert claim.judge(helped).outcome == "fails", arm


def test_a_start_that_is_named_twice_runs_once():
    config = Config(alpha=(0.1,), q=(0.4,))
    assert sum(abs(a - 0.1) < 1e-9 for a in config.starts) == 1
    assert config.q_at(config.alpha_at(3.0)) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"alpha": ()}, r"alpha needs one or more values, got \(\)"),
        ({"alpha": (0.1, 0.0)}, r"alpha must be positive and below 1e100, got \(0\.1, 0\.0\)"),
        ({"q": (-1.0,)}, "q must be positive"),
        ({"eta": (0.1, 0.1)}, "eta must not name a value twice"),
        ({"exponential_eta": (1e90,)}, r"exponential_eta must be at most 1e6, for the exact limits, got \(1e\+90,\)"),
        ({"exponential_eta": (0.0,)}, "exponential_eta must be positive"),
        ({"horizon": 0.0}, r"horizon must be positive and below 1e100, got 0\.0"),
        ({"flow_depth": (1,)}, r"flow_depth must be at least 2, got \(1,\)"),
        ({"identity_depth": (2,)}, "identity_alpha needs one value for each of the 1 depths"),
        ({"sparsity": 101}, r"sparsity must lie in 1\.\.d=100, got 101"),
        ({"m": 100}, "m must be at least 1 and below d=100, got 100"),
        ({"identity_m": 20}, "identity_m must be at least 1 and below identity_d=20, got 20"),
        ({"descent_seeds": 0}, "descent_seeds must be at least 1, got 0"),
    ],
)
def test_config_errors(change, words):
    with pytest.raises(ValueError, match=words):
        Config(**change)


def test_shapes_and_words(data):
    assert data["error"].dims == ("seed", "arm", "alpha")
    assert data["flow_error"].dims == ("seed", "flow_arm", "flow_alpha", "flow_depth")
    assert data["drift"].shape == (2, 2, 5)
    assert data["descent_path"].shape[:-1] == (2, 3, 2, 2, 1)
    assert all(variable.attrs["long_name"] for variable in data.data_vars.values())
    assert error(data, PLAIN, "q", 0.4).shape == (2,)


def test_residuals_are_rounded_up():
    for value, told in ((4.1e-10, "5e-10"), (4.9e-10, "5e-10"), (9.2e-10, "1e-09"), (1.0e-9, "1e-09"), (0.0, "0e+00")):
        assert _rounded_up(value) == told


def test_figures_of_other_choices_can_be_drawn(data):
    """Without the exponential form, without depth 2, and with one start of descent."""
    bare = data.isel(arm=[i for i, name in enumerate(data["arm"].values) if not str(name).startswith("exp")])
    bare = bare.assign_coords(flow_depth=[3]).isel(descent_alpha=[0], descent_arm=[0, 1])
    figures = ASSAY.figures(bare)
    assert [len(figure.panels) for figure in figures] == [1, 2, 2, 1, 2, 2]
    assert all(to_matplotlib(figure).axes for figure in figures)


# --- trial numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.nightly
def test_the_trial_numbers_of_descent():
    """Medians over 16 fresh systems after 20,000 steps of 0.01, within a factor of 2 (plain) or 3 (normalized)."""
    config = Config(
        descent_alpha=(1e-3, 0.03, 0.1, 0.2), descent_lr=(0.01,), descent_depth=(2, 3), seed=20_000, descent_seeds=16
    )
    with jax.enable_x64(True):
        found = descent(config)["descent_error"][1]
    medians = np.median(found, axis=0)[:, :, 0]  # (arm, alpha, depth)
    trial = {
        (0, 1, 0): (0.094, 2), (0, 2, 0): (0.31, 2),
        (2, 0, 0): (1.0, 1.1), (2, 1, 0): (2.5e-4, 3), (2, 2, 0): (4.2e-4, 3),
        (0, 1, 1): (0.0041, 3), (0, 2, 1): (0.025, 2), (0, 3, 1): (0.128, 2),
        (1, 1, 1): (8.4e-4, 3), (1, 2, 1): (2.2e-3, 3),
    }  # fmt: skip
    for place, (told, factor) in trial.items():
        assert 1 / factor < medians[place] / told < factor, (place, told, medians[place])


@pytest.mark.nightly
def test_the_trial_numbers_of_the_flow():
    """Medians over 8 fresh systems at the trial's time of 3000: within a factor of 1.5, of 3 at the ratio 0.1."""
    config = Config(flow_alpha=(0.01, 0.07, 0.1), seed=20_000, horizon=15_000.0)
    systems = draw_systems(config.seed, config.seeds, config.d, config.m, config.sparsity)
    with jax.enable_x64(True):
        found = integrated(config, systems)
    medians = np.median(found["flow_error"][1], axis=0)[..., 0]
    trial = [[0.038, 0.264, 0.357], [0.047, 0.072, 0.111], [2.2e-5, 3.2e-5, 5.8e-5]]
    for row, told, factor in zip(medians, trial, (1.5, 1.5, 3.0), strict=True):
        assert (np.abs(np.log(row / told)) < np.log(factor)).all(), (row, told)
