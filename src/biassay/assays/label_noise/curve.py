"""Interpolation on the line by a ReLU network: which of the curves through 12 points does label noise keep?

    f(x) = sum_j c_j relu(a_j x + b_j) + l x + d,        theta = (a, b, c, l, d),   j = 1, ..., m

with one linear and one constant unit. Unit j bends the curve at x = -b_j / a_j, where the slope jumps by c_j |a_j|.
SGD takes single examples with the loss (f - y)^2 and fresh noise in every label. For the last quarter of the steps the
noise is off, so that what is measured is the curve and not its fluctuations (`curve_shape.py`).

Every start is run in four arms (`ARMS`). Two of them train one layer only, for which the paper reports no effect. With
the outer weights (c, l, d) alone, f is linear in what is trained and reg is constant; with the inner weights (a, b)
alone, reg changes only where a unit switches on or off at a data point.

Blanc, Gupta, Valiant, Valiant, COLT 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int, Key, PyTree, Scalar

from ...dynamics import AbstractDynamics, LabelNoise
from ...errors import UserError
from ...problem import Problem, squared_error
from ...simulation import PerSeed, Simulation, simulate
from . import curve_shape
from .config import Config
from .limits import rounded_down

Variables: TypeAlias = dict[str, tuple[Any, ...]]

X = np.array([-1.0, -0.95, -0.9, -0.4, -0.35, -0.3, 0.25, 0.3, 0.35, 0.9, 0.95, 1.0])
Y = np.array([-0.55, -0.5, -0.45, 0.55, 0.5, 0.45, -0.55, -0.5, -0.45, 0.45, 0.5, 0.55])
"""Four groups of three points, those of a group on one line."""


class Arm(NamedTuple):
    """What is run from every start: whether the labels are noisy, and which layers are trained."""

    name: str
    noisy: bool
    inner: bool
    outer: bool


ARMS = (
    Arm("no noise", noisy=False, inner=True, outer=True),
    Arm("noise", noisy=True, inner=True, outer=True),
    Arm("noise, outer layer only", noisy=True, inner=False, outer=True),
    Arm("noise, inner layer only", noisy=True, inner=True, outer=False),
)

_FARTHEST_KINK = 1.3
_QUIET = 0.25
"""The share of the steps, at the end, that sees no noise."""
_RECORDS = 20
_GRID = np.linspace(-1, 1, 401)


class Curve(NamedTuple):
    """m units. a, b: slope and offset inside the unit, (m,); c: outer weight, (m,); linear, constant: l and d."""

    a: Array
    b: Array
    c: Array
    linear: Array
    constant: Array


def curve_network(params: Curve, x: Float[Array, " n"]) -> Float[Array, " n"]:
    """f(x) for a batch of inputs."""
    return jax.nn.relu(x[:, None] * params.a + params.b) @ params.c + params.linear * x + params.constant


def curve_gradient(params: Curve, x: Float[Array, " n"], y: Float[Array, " n"]) -> Curve:
    """The gradient of mean (f(x) - y)^2 in closed form."""
    z = x[:, None] * params.a + params.b
    hidden = jax.nn.relu(z)
    pull = 2 * (hidden @ params.c + params.linear * x + params.constant - y) / len(x)
    inside = pull[:, None] * jnp.where(z > 0, params.c, 0)
    return Curve(x @ inside, inside.sum(axis=0), pull @ hidden, pull @ x, pull.sum())


class PartlyTrained(AbstractDynamics):
    """Moves as `inner` does, but for the leaves of the parameters whose `trained` is false, which stay where they are.

    As `trained` is data, networks that train different layers are lanes of one program.
    """

    inner: AbstractDynamics
    trained: PyTree

    def init(self, problem: Problem, params: PyTree) -> Any:
        return self.inner.init(problem, params)

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Any:
        return self.inner.noise(problem, key, start, length)

    def step(self, problem: Problem, params: PyTree, state: Any, noise: Any) -> tuple[PyTree, Any]:
        moved, state = self.inner.step(problem, params, state, noise)
        return jax.tree.map(jnp.where, self.trained, moved, params), state

    def time_step(self, state: Any) -> Scalar | float:
        return self.inner.time_step(state)


def draw_starts(config: Config) -> Curve:
    """a, c ~ N(0, 1), kinks uniform on [-1.3, 1.3], l = d = 0, every start with its own generator.

    Every leaf has the leading axis (start,).
    """

    def one(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        a, c = rng.normal(size=(2, config.curve_units))
        kinks = rng.uniform(-_FARTHEST_KINK, _FARTHEST_KINK, config.curve_units)
        return a, -a * kinks, c, np.zeros(()), np.zeros(())

    drawn = [one(np.random.default_rng([config.seed + i, 2])) for i in range(config.curve_pairs)]
    return Curve(*(jnp.asarray(np.stack(leaf)) for leaf in zip(*drawn, strict=True)))


def weights(problem: Problem, params: Curve) -> Float[Array, " p"]:
    """All parameters: a, b, c, l, d."""
    return ravel_pytree(params)[0]


_PROBES = {"theta": weights}


def squared_gradients(theta: Float[np.ndarray, "*lanes p"], arm: Arm) -> Float[np.ndarray, "*lanes n"]:
    """|grad f(x_i)|^2 at every data point over the parameters that the arm trains; reg is the mean."""
    a, b, c = np.split(theta[..., :-2], 3, axis=-1)
    z = X[:, None] * a[..., None, :] + b[..., None, :]
    outer = np.sum(np.maximum(z, 0) ** 2, axis=-1) + X**2 + 1
    inner = np.sum((z > 0) * c[..., None, :] ** 2, axis=-1) * (X**2 + 1)
    return arm.outer * outer + arm.inner * inner


def recorded_steps(config: Config) -> tuple[list[int], list[int]]:
    """When the shape is recorded: with the noise on, and counted from when it goes off."""
    quiet = round(_QUIET * config.curve_steps)
    loud = config.curve_steps - quiet
    # As many in both phases, so that they share one compiled program.
    early = np.geomspace(loud / 1000, loud, _RECORDS).round().astype(int)
    late = np.linspace(0, quiet, _RECORDS + 1)[1:].round().astype(int)
    return early.tolist(), late.tolist()


def check_curve(config: Config) -> None:
    """SGD is stable on every single example, at every start.

    Raises:
        UserError: it need not be.
    """
    theta = np.asarray(jax.vmap(lambda params: ravel_pytree(params)[0])(draw_starts(config)))
    limit = 1 / float(np.max(squared_gradients(theta, ARMS[0])))
    if not config.curve_lr < limit:
        raise UserError(
            f"curve_lr must be below {rounded_down(limit)}, where single examples are stable, got {config.curve_lr:g}"
        )


def train(config: Config) -> Float[np.ndarray, "arm start step p"]:
    """Every arm from every start: the parameters at the start and at every record."""
    pairs = config.curve_pairs
    lanes = len(ARMS) * pairs
    start = jax.tree.map(lambda leaf: jnp.concatenate([leaf] * len(ARMS)), draw_starts(config))
    first = np.asarray(jax.vmap(lambda params: ravel_pytree(params)[0])(start))

    def per_lane(of_arm: Callable[[Arm], float]) -> Array:
        return jnp.repeat(jnp.asarray([of_arm(arm) for arm in ARMS]), pairs)

    inner, outer = per_lane(lambda arm: arm.inner), per_lane(lambda arm: arm.outer)
    trained = Curve(inner, inner, outer, outer, outer)
    problem = Problem(curve_network, jnp.asarray(X), jnp.asarray(Y), squared_error, curve_gradient)

    def phase(start: Curve, std: float, record: list[int], stream: int, label: str) -> Simulation:
        noise = LabelNoise(jnp.full(lanes, config.curve_lr), per_lane(lambda arm: arm.noisy * std), batch_size=1)
        return simulate(
            problem,
            PerSeed(PartlyTrained(noise, trained)),
            PerSeed(start),
            steps=record[-1],
            probes=_PROBES,
            record=record,
            seeds=lanes,
            seed=config.seed,
            stream=stream,
            label=label,
        )

    early, late = recorded_steps(config)
    noisy = phase(start, config.curve_std, early, 0, "curve, with noise")
    calm = phase(noisy.params, 0.0, late, 1, "curve, noise off")
    theta = np.concatenate([first[:, None], noisy.data["theta"].values, calm.data["theta"].values], axis=1)
    return theta.reshape(len(ARMS), pairs, *theta.shape[1:])


def _function(theta: Float[np.ndarray, " p"]) -> curve_shape.PiecewiseLinear:
    return curve_shape.from_units(*np.split(theta[:-2], 3), linear=theta[-2], constant=theta[-1])


def curve_coords(config: Config) -> dict[str, Any]:
    """The axes of the variables of `curve`."""
    early, late = recorded_steps(config)
    steps = [0, *early, *(early[-1] + step for step in late)]
    starts = np.arange(config.seed, config.seed + config.curve_pairs)
    return {
        "curve_arm": [arm.name for arm in ARMS],
        "curve_start": ("curve_start", starts, {"long_name": "start"}),
        "curve_step": ("curve_step", steps, {"long_name": "steps taken"}),
        "curve_x": ("curve_x", _GRID, {"long_name": "x"}),
        "curve_point": ("curve_point", X, {"long_name": "x of the data points"}),
    }


def curve(config: Config) -> Variables:
    """All arms, and the shape of their curves along the runs."""
    theta = train(config)
    lanes = theta.shape[:-1]
    functions = [_function(point) for point in theta.reshape(-1, theta.shape[-1])]

    def of_shape(measure: Callable[[curve_shape.PiecewiseLinear], float]) -> np.ndarray:
        return np.array([measure(f) for f in functions]).reshape(lanes)

    polyline = curve_shape.through(X, Y)
    errors = np.array([f(X) - Y for f in functions]).reshape(*lanes, len(X))
    drawn = np.array([_function(point)(_GRID) for point in theta[:, :, -1].reshape(-1, theta.shape[-1])])
    reg = np.stack([squared_gradients(theta[i], arm).mean(axis=-1) for i, arm in enumerate(ARMS)])
    own = ("curve_arm", "curve_start", "curve_step")
    return {
        "curve_length": (own, of_shape(curve_shape.length), "length of the curve on [−1, 1]"),
        "curve_variation": (own, of_shape(curve_shape.slope_variation), "total variation of the slope"),
        "curve_kinks": (own, of_shape(curve_shape.kinks), "kinks"),
        "curve_turns": (own, of_shape(curve_shape.convexity_changes), "changes of convexity"),
        "curve_error": (own, np.mean(errors**2, axis=-1), "training error"),
        "curve_reg": (own, reg, "reg over the trained parameters"),
        "curve_f": (("curve_arm", "curve_start", "curve_x"), drawn.reshape(*lanes[:2], -1), "f(x) at the end"),
        "curve_y": (("curve_point",), Y, "y of the data points"),
        "curve_polyline": ((), curve_shape.length(polyline), "length of the polyline through the points"),
        "curve_least_turns": ((), curve_shape.convexity_changes(polyline), "changes of convexity of the polyline"),
    }
