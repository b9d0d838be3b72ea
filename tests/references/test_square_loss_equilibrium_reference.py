"""The equilibrium of rho and its path from the margins' moments, against minimisation and an ODE solver."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar

from biassay.references import (
    MarginMoments,
    loss_equilibrium,
    margin_moments,
    normalised_square_loss,
    rho_equilibrium,
    rho_from_moments,
)

MARGINS = 0.1 + 0.05 * np.random.default_rng(0).normal(size=(3, 40))


@pytest.mark.parametrize("decay", [0.0, 1e-3, 0.1])
def test_the_equilibrium_is_the_least_loss(decay):
    for m in MARGINS:
        of = margin_moments(m)
        direct: Any = minimize_scalar(lambda rho, m=m: np.mean((rho * m - 1) ** 2) + decay * rho**2)
        assert rho_equilibrium(of, decay) == pytest.approx(direct.x, rel=1e-6)
        assert loss_equilibrium(of, decay) == pytest.approx(direct.fun, rel=1e-12)
        assert normalised_square_loss(direct.x, of, decay) == pytest.approx(direct.fun, rel=1e-12)
        assert loss_equilibrium(of, decay + 0.01) != pytest.approx(direct.fun, rel=1e-3), "another decay"


def test_one_example_and_no_decay():
    """One margin has s = 0: L_eq = lambda / (lambda + mu^2) exactly. Without decay rho_eq M = mu."""
    one = margin_moments(np.array([0.3]))
    assert loss_equilibrium(one, 1e-3) == pytest.approx(1e-3 / (1e-3 + 0.09), rel=1e-13)
    assert rho_equilibrium(one, 0.0) == pytest.approx(1 / 0.3, rel=1e-13)
    many = margin_moments(MARGINS)
    np.testing.assert_allclose(rho_equilibrium(many, 0.0) * many.square, many.mean, rtol=1e-13)
    assert (np.abs(rho_equilibrium(many, 1e-3) * many.square / many.mean - 1) > 1e-3).all(), "with decay it is not"


def moving(t):
    """Moments of margins that grow, (2, t)."""
    mean = np.stack([0.1 - 0.09 * np.exp(-t / 30), 0.2 - 0.1 * np.exp(-t / 50)])
    return MarginMoments(mean, 1.2 * mean**2)


def solved(t, decay, start):
    """rho by an adaptive solver of the flow with the true moments at every time."""

    def velocity(t, rho):
        of = moving(np.array([t]))
        return 2 * of.mean[:, 0] - 2 * rho * (of.square[:, 0] + decay)

    return solve_ivp(velocity, (t[0], t[-1]), [start, start], t_eval=t, rtol=1e-11, atol=1e-12).y


def test_the_path_from_the_moments():
    """Of second order in the time between records, and exact for moments that stay."""
    errors = []
    for records in (51, 101, 201):
        t = np.linspace(0, 100, records)
        rebuilt = rho_from_moments(t, moving(t), 1e-3, np.ones(2))
        errors.append(np.abs(rebuilt - solved(t, 1e-3, 1.0)).max())
    assert 3.5 < errors[0] / errors[1] < 4.5
    assert 3.5 < errors[1] / errors[2] < 4.5

    still, times = MarginMoments(np.full(3, 0.2), np.full(3, 0.05)), np.array([0.0, 7.0, 100.0])
    rest = 0.2 / 0.051
    exact = rest + (1 - rest) * np.exp(-2 * 0.051 * times)
    np.testing.assert_allclose(rho_from_moments(times, still, 1e-3, np.array(1.0)), exact, rtol=1e-13)


def test_moments_out_of_order_give_another_path():
    t = np.linspace(0, 100, 101)
    of, truth = moving(t), solved(t, 1e-3, 1.0)
    order = np.random.default_rng(0).permutation(len(t))
    shuffled = rho_from_moments(t, of._replace(mean=of.mean[:, order]), 1e-3, np.ones(2))
    right = rho_from_moments(t, of, 1e-3, np.ones(2))
    assert np.abs(right / truth - 1).max() < 1e-3 < 0.1 < np.abs(shuffled / truth - 1).max()


def test_what_does_not_fit_is_refused():
    of = moving(np.arange(4.0))
    with pytest.raises(ValueError, match=r"moments of shapes \(2, 4\) and \(2, 4\) do not fit 3 times"):
        rho_from_moments(np.arange(3.0), of, 0.0, np.ones(2))
    with pytest.raises(ValueError, match="times of the moments must increase"):
        rho_from_moments(np.zeros(4), of, 0.0, np.ones(2))
