"""Two-layer networks on a single data point: the least regularizer of label noise, and the way down to it.

For one point x with k = |x|^2 and h = sum_j c_j act(w_j . x), only u_j = w_j . x and c_j matter: what w_j has across x
never moves. With a_j = act(u_j) and a_j' = act'(u_j),

    reg = |grad h|^2 = sum_j (a_j^2 + k c_j^2 a_j'^2).

**The least.** Unit j adds p_j = c_j a_j to the output. Let s = k p^2. The least of its part of reg at fixed p is

    tanh:      phi(p) = 2 sqrt(s (1 + s)) - 2 s      at a^2 = sqrt(s / (1 + s)),      concave in |p|,
    logistic:  phi(p) = s / (1 + s)                  at a = s / (1 + s),              phi' takes a value at most twice,

so that the least reg at zero error is the least of sum_j phi(p_j) under sum_j p_j = y. At a minimum of it the p_j take
at most two values: n units share one, and the others share another (for tanh: zero).

**The way.** Along h = y, in the orthonormal coordinates z = (u / sqrt(k), c), with g = grad h,

    dz / d tau = -(I - g g^T / |g|^2) grad reg.

Logistic units relax algebraically in tau, at rates that differ by many orders of magnitude: the equation is stiff, and
SciPy's LSODA follows it. NumPy in float64, sharing no code with the training that it is compared with.

Blanc, Gupta, Valiant, Valiant, COLT 2020; the formulas for phi are derived here.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar
from scipy.special import expit

Activation: TypeAlias = Literal["tanh", "logistic"]
PerNetwork: TypeAlias = Float[np.ndarray, "*batch"] | np.floating
"""One number a network; without leading axes NumPy makes it a scalar."""

_ON_THE_SET = 1e-8
_NEWTON_STEPS = 50
_GRID = 2001


class PointUnits(NamedTuple):
    """m units on the point. u: w_j . x; c: their outer weights; both (..., m)."""

    u: Float[np.ndarray, "*batch m"]
    c: Float[np.ndarray, "*batch m"]


class LeastRegularizer(NamedTuple):
    """reg: the least regularizer at zero error; p: what each unit adds to the output there, (m,), largest first."""

    reg: float
    p: Float[np.ndarray, " m"]


class OnePoint(NamedTuple):
    """A two-layer network of tanh or logistic units on one point.

    activation: "tanh" or "logistic"; k: |x|^2; y: the target.
    """

    activation: Activation
    k: float
    y: float

    def act(self, u: Float[np.ndarray, "*batch"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """act(u), act'(u), act''(u)."""
        if self.activation == "tanh":
            a = np.tanh(u)
            slope = 1 - a**2
            return a, slope, -2 * a * slope
        a = expit(u)
        slope = a * expit(-u)
        return a, slope, slope * (1 - 2 * a)

    def error(self, units: PointUnits) -> PerNetwork:
        """h - y."""
        return np.sum(units.c * self.act(units.u)[0], axis=-1) - self.y

    def regularizer(self, units: PointUnits) -> PerNetwork:
        """reg = |grad h|^2 over all weights."""
        a, slope, _ = self.act(units.u)
        return np.sum(a**2 + self.k * (units.c * slope) ** 2, axis=-1)

    def gradients(self, units: PointUnits) -> tuple[Float[np.ndarray, "*batch q"], Float[np.ndarray, "*batch q"]]:
        """grad h and grad reg in the coordinates (u / sqrt(k), c), q = 2 m."""
        a, slope, bend = self.act(units.u)
        c, k = units.c, self.k
        output = np.concatenate([k**0.5 * c * slope, a], axis=-1)
        inner = 2 * a * slope + 2 * k * c**2 * slope * bend
        return output, np.concatenate([k**0.5 * inner, 2 * k * c * slope**2], axis=-1)

    def drift(self, units: PointUnits) -> Float[np.ndarray, "*batch q"]:
        """-P_N grad reg, in the coordinates (u / sqrt(k), c), q = 2 m."""
        g, r = self.gradients(units)
        return g * (np.sum(g * r, axis=-1) / np.sum(g * g, axis=-1))[..., None] - r

    def slope_left(self, units: PointUnits) -> PerNetwork:
        """|P_N grad reg| / |grad reg|: 0 at a stable point."""
        return np.linalg.norm(self.drift(units), axis=-1) / np.linalg.norm(self.gradients(units)[1], axis=-1)

    def to_zero_error(self, units: PointUnits) -> PointUnits:
        """Newton's method along grad h, by the shortest steps; NaN where it does not get to zero error."""
        root_k = self.k**0.5
        z = np.concatenate([units.u / root_k, units.c], axis=-1)
        with np.errstate(all="ignore"):
            for _ in range(_NEWTON_STEPS):
                here = self._units(z)
                g, _ = self.gradients(here)
                z = z - g * (self.error(here) / np.sum(g * g, axis=-1))[..., None]
            reached = np.abs(self.error(self._units(z))) < _ON_THE_SET
        return self._units(np.where(reached[..., None], z, np.nan))

    def follow(
        self, units: PointUnits, taus: Float[np.ndarray, " t"], *, rtol: float = 1e-9, atol: float = 1e-12
    ) -> PointUnits:
        """The drift equation from `units` (m,), at the drift times `taus`: units of shape (t, m).

        NaN from where the solver gives up.

        Raises:
            ValueError: `units` are not at zero error, or `taus` not positive and increasing.
        """
        error = abs(float(self.error(units)))
        if not error < _ON_THE_SET:
            raise ValueError(f"the drift equation starts at zero error, got |h - y| = {error:g}: use to_zero_error")
        if not (np.diff(taus, prepend=0) > 0).all():
            raise ValueError("taus must be positive and increasing")
        found = solve_ivp(
            lambda tau, z: self.drift(self._units(z)),
            (0, taus[-1]),
            np.concatenate([units.u / self.k**0.5, units.c]),
            method="LSODA",
            t_eval=taus,
            rtol=rtol,
            atol=atol,
        )
        path = np.full((len(taus), 2 * len(units.c)), np.nan)
        path[: found.y.shape[1]] = found.y.T
        return self._units(path)

    def cost(self, p: PerNetwork) -> PerNetwork:
        """phi(p): the least part of reg of a unit that adds p to the output."""
        s = self.k * p**2
        return 2 * np.sqrt(s * (1 + s)) - 2 * s if self.activation == "tanh" else s / (1 + s)

    def least_regularizer(self, units: int) -> LeastRegularizer:
        """The least reg at zero error over all weights of `units` units; an infimum where units must add nothing.

        Searched over n units that add p each while the others share the rest, for every n, on a grid of p and then by
        Brent's method around its best point.

        Raises:
            ValueError: `units` below 1.
        """
        if units < 1:
            raise ValueError(f"units must be at least 1, got {units}")
        y = abs(self.y)

        def rest(p: PerNetwork, n: int) -> PerNetwork:
            return np.maximum(y - n * p, 0) / max(units - n, 1)

        def total(p: PerNetwork, n: int) -> PerNetwork:
            return n * self.cost(p) + (units - n) * self.cost(rest(p, n))

        equal = np.array(y / units)
        found = [(float(total(equal, units)), float(equal), units)]
        for n in range(1, units):
            grid = np.linspace(y / units, y / n, _GRID)
            best = int(np.argmin(total(grid, n)))
            found.append((float(total(grid[best], n)), float(grid[best]), n))
            ends = grid[max(best - 1, 0)], grid[min(best + 1, _GRID - 1)]
            fine = minimize_scalar(
                lambda p, n=n: float(total(np.array(p), n)), bounds=ends, method="bounded", options={"xatol": 1e-12}
            )
            found.append((float(fine.fun), float(fine.x), n))
        reg, p, n = min(found)
        shares = np.repeat([p, float(rest(np.array(p), n))], [n, units - n])
        return LeastRegularizer(reg, np.sign(self.y) * shares)

    def _units(self, z: np.ndarray) -> PointUnits:
        u, c = np.split(z, 2, axis=-1)
        return PointUnits(self.k**0.5 * u, c)
