"""Networks on a single data point: how few kinds of units does label noise leave?

    h(x) = sum_j c_j act(w_j . x),        j = 1, ..., m,        one point x with target y.

Zero error is one equation for m (d + 1) weights, so that everything is left to choose. The paper: at a stable point the
units take at most two values of (activation, outer weight), or are zero. Which ones can be computed
(`references/one_point.py`): with tanh a single unit, with logistic units all equal or one against the others.

Every start is at zero error. It is followed by the drift equation up to the time `point_horizon`, which SGD does not
reach, and run by SGD with noisy labels up to the drift time (eta s)^2 steps. With the noise on SGD fluctuates about
zero error: its points are first taken back there, by the shortest step.

Blanc, Gupta, Valiant, Valiant, COLT 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from ...dynamics import LabelNoise
from ...errors import UserError
from ...problem import Problem, squared_error
from ...references.label_noise_drift import drift_time
from ...references.one_point import Activation, OnePoint, PointUnits
from ...simulation import PerSeed, simulate
from .config import Config
from .limits import rounded_down
from .networks import Network, logistic_network, tanh_network

Variables: TypeAlias = dict[str, tuple[Any, ...]]

POINT = np.array([1.0, 0.5, -0.5])
"""The data point x."""
_K = float(POINT @ POINT)


class Setting(NamedTuple):
    """An activation and a target."""

    name: str
    activation: Activation
    y: float

    @property
    def network(self) -> OnePoint:
        """What is known of it."""
        return OnePoint(self.activation, _K, self.y)


SETTINGS = (
    Setting("tanh, y = 1", "tanh", 1.0),
    Setting("logistic, y = 1", "logistic", 1.0),
    Setting("logistic, y = 3", "logistic", 3.0),
)

_DOUBLINGS = 10
"""SGD is recorded at the drift times tau / 2^10, ..., tau / 2, tau."""


def recorded_steps(config: Config) -> np.ndarray:
    """The steps at which SGD is recorded, each twice the one before to rounding."""
    return np.unique(np.round(config.point_steps / 2.0 ** np.arange(_DOUBLINGS, -1, -1)).astype(int))


def drift_times(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """The drift times of SGD's records; and those of the drift equation, which go on doubling up to the horizon."""
    sgd = np.array([drift_time(step, config.point_lr, config.point_std, 1) for step in recorded_steps(config)])
    later = sgd[-1] * 2.0 ** np.arange(1, np.ceil(np.log2(config.point_horizon / sgd[-1])))
    return sgd, np.concatenate([sgd, later, [config.point_horizon]])


def draw_starts(config: Config, setting: Setting) -> tuple[Network, PointUnits]:
    """Weights ~ N(0, 1), taken to zero error: as networks with the leading axis (start,), and as units on the point."""

    def one(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        return rng.normal(size=(config.point_units, len(POINT))), rng.normal(size=config.point_units)

    drawn = [one(np.random.default_rng([config.seed + i, 3])) for i in range(config.point_starts)]
    w, c = (np.stack(part) for part in zip(*drawn, strict=True))
    units = setting.network.to_zero_error(PointUnits(w @ POINT, c))
    w = w + (units.u - w @ POINT)[..., None] * POINT / _K
    return Network(jnp.asarray(w), jnp.asarray(units.c)), units


def check_one_point(config: Config) -> None:
    """SGD is stable at every start of every setting.

    Raises:
        UserError: it need not be.
    """
    for setting in SETTINGS:
        limit = 1 / float(np.max(setting.network.regularizer(draw_starts(config, setting)[1])))
        if not config.point_lr < limit:
            raise UserError(
                f"point_lr must be below {rounded_down(limit)}, where SGD on {setting.name} is stable, "
                f"got {config.point_lr:g}"
            )


def weights(problem: Problem, params: Network) -> Float[Array, " p"]:
    """All weights: w, c."""
    return ravel_pytree(params)[0]


_PROBES = {"theta": weights}


def tanh_gradient(params: Network, x: Float[Array, "b d"], y: Float[Array, " b"]) -> Network:
    """The gradient of mean (h(x) - y)^2 of a tanh network in closed form: tanh' = 1 - tanh^2."""
    return _gradient(jnp.tanh, lambda a: 1 - a**2, params, x, y)


def logistic_gradient(params: Network, x: Float[Array, "b d"], y: Float[Array, " b"]) -> Network:
    """The same of a logistic network: act' = act (1 - act)."""
    return _gradient(jax.nn.sigmoid, lambda a: a * (1 - a), params, x, y)


def _gradient(
    act: Callable[[Array], Array], slope: Callable[[Array], Array], params: Network, x: Array, y: Array
) -> Network:
    # Sums of products: XLA calls a library for a matrix product, which takes longer than so few numbers need.
    a = act(jnp.sum(x[:, None] * params.w, axis=-1))
    pull = 2 * (jnp.sum(a * params.c, axis=-1) - y) / len(y)
    inner = pull[:, None] * params.c * slope(a)
    return Network(jnp.sum(inner[..., None] * x[:, None], axis=0), jnp.sum(pull[:, None] * a, axis=0))


_NETWORKS = {"tanh": (tanh_network, tanh_gradient), "logistic": (logistic_network, logistic_gradient)}


def run_sgd(
    config: Config, lanes: list[tuple[Setting, float]], starts: dict[str, Network]
) -> dict[tuple[str, float], PointUnits]:
    """SGD with label noise of every (setting, std), from all starts of the setting; settings of one activation.

    Returns:
        (setting, std) -> the units at every record, (start, record, unit), as they are: off zero error.
    """
    count = config.point_starts
    network, gradient = _NETWORKS[lanes[0][0].activation]
    y = jnp.repeat(jnp.asarray([setting.y for setting, _ in lanes]), count)[:, None]
    std = jnp.repeat(jnp.asarray([std for _, std in lanes]), count)
    x = jnp.broadcast_to(jnp.asarray(POINT), (len(std), 1, len(POINT)))
    start = jax.tree.map(lambda *parts: jnp.concatenate(parts), *(starts[setting.name] for setting, _ in lanes))
    run = simulate(
        PerSeed(Problem(network, x, y, squared_error, gradient)),
        PerSeed(LabelNoise(jnp.full(len(std), config.point_lr), std)),
        PerSeed(start),
        steps=config.point_steps,
        probes=_PROBES,
        record=recorded_steps(config).tolist(),
        seeds=len(std),
        seed=config.seed,
        label=f"one point, {lanes[0][0].activation}",
    )
    theta = run.data["theta"].values.reshape(len(lanes), count, -1, start.w[0].size + start.c[0].size)
    w, c = np.split(theta, [start.w[0].size], axis=-1)
    u = w.reshape(*w.shape[:-1], *start.w.shape[1:]) @ POINT
    return {(setting.name, std): PointUnits(u[i], c[i]) for i, (setting, std) in enumerate(lanes)}


def point_coords(config: Config) -> dict[str, Any]:
    """The axes of the variables of `one_point`."""
    sgd, equation = drift_times(config)
    starts = np.arange(config.seed, config.seed + config.point_starts)
    return {
        "point_setting": [setting.name for setting in SETTINGS],
        "point_start": ("point_start", starts, {"long_name": "start"}),
        "point_tau": ("point_tau", equation, {"long_name": "drift time"}),
        "point_sgd_tau": ("point_sgd_tau", sgd, {"long_name": "drift time of SGD"}),
    }


def one_point(config: Config) -> Variables:
    """Every setting from every start: the drift equation, SGD, and for tanh SGD without noise."""
    std = config.point_std
    tanh, *logistic = SETTINGS
    drawn = {setting.name: draw_starts(config, setting) for setting in SETTINGS}
    starts = {name: network for name, (network, _) in drawn.items()}
    noisy = run_sgd(config, [(tanh, std), (tanh, 0.0)], starts)
    noisy |= run_sgd(config, [(setting, std) for setting in logistic], starts)

    def of_settings(find: Callable[[Setting], PointUnits]) -> dict[str, np.ndarray]:
        """The units of every setting, and what is measured of them."""
        found = {setting: find(setting) for setting in SETTINGS}
        return {
            "reg": np.stack([setting.network.regularizer(units) for setting, units in found.items()]),
            "slope": np.stack([setting.network.slope_left(units) for setting, units in found.items()]),
            "error": np.stack([np.abs(setting.network.error(units)) for setting, units in found.items()]),
            "a": np.stack([setting.network.act(units.u)[0] for setting, units in found.items()]),
            "c": np.stack([units.c for units in found.values()]),
        }

    def followed(setting: Setting) -> PointUnits:
        _, start = drawn[setting.name]
        paths = [setting.network.follow(PointUnits(u, c), drift_times(config)[1]) for u, c in zip(*start, strict=True)]
        return PointUnits(*(np.stack(part) for part in zip(*paths, strict=True)))

    equation = of_settings(followed)
    sgd = of_settings(lambda setting: setting.network.to_zero_error(noisy[setting.name, std]))
    start = drawn[tanh.name][1]
    quiet = PointUnits(*(part[:, -1] for part in noisy[tanh.name, 0.0]))
    moved = np.sqrt(np.sum((quiet.u - start.u) ** 2 / _K + (quiet.c - start.c) ** 2, axis=-1))
    own, unit = ("point_setting", "point_start"), ("point_setting", "point_start", "point_unit")
    alone = ("point_start", "point_unit")
    return {
        "point_reg": ((*own, "point_tau"), equation["reg"], "reg on the drift equation"),
        "point_slope": ((*own, "point_tau"), equation["slope"], "|P_N ∇reg| / |∇reg| on the drift equation"),
        "point_error": ((*own, "point_tau"), equation["error"], "|h − y| on the drift equation"),
        "point_a": (unit, equation["a"][:, :, -1], "activations at the end of the drift equation"),
        "point_c": (unit, equation["c"][:, :, -1], "outer weights at the end of the drift equation"),
        "point_sgd_reg": ((*own, "point_sgd_tau"), sgd["reg"], "reg of SGD"),
        "point_sgd_slope": ((*own, "point_sgd_tau"), sgd["slope"], "|P_N ∇reg| / |∇reg| of SGD"),
        "point_sgd_a": (unit, sgd["a"][:, :, -1], "activations at the end of SGD"),
        "point_sgd_c": (unit, sgd["c"][:, :, -1], "outer weights at the end of SGD"),
        "point_quiet_a": (alone, tanh.network.act(quiet.u)[0], "activations after SGD without noise, tanh"),
        "point_quiet_c": (alone, quiet.c, "outer weights after SGD without noise, tanh"),
        "point_quiet_reg": (("point_start",), tanh.network.regularizer(quiet), "reg after SGD without noise, tanh"),
        "point_quiet_moved": (("point_start",), moved, "distance that SGD without noise moves, tanh"),
        "point_least": (
            ("point_setting",),
            np.array([setting.network.least_regularizer(config.point_units).reg for setting in SETTINGS]),
            "least reg at zero error",
        ),
    }
