"""How much noise the parameters bear: the standard deviation at which the training accuracy falls by a given amount.

    sigma:   noise N(0, sigma^2) on every parameter;
    sigma':  noise N(0, sigma'^2 w_j^2 + e^2) on parameter w_j, e = 1e-3 (`magnitude`).

Both are true standard deviations. The same draws serve every sigma, so that the fall is a function of sigma alone that
grows smoothly, and bisection finds where it reaches its target.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Key, PyTree, Scalar

E = 1e-3
"""e, the least deviation of the noise that goes with the parameters' magnitude."""
_DOUBLINGS = 10


class NoiseLevel(NamedTuple):
    """sigma; fall: the fall of the accuracy at sigma; met: whether the fall is within the tolerance of its target;
    low, high: the last bracket, sigma lies in it (high is infinite where the fall never reached its target); looks: how
    many values of sigma were tried.
    """

    sigma: float
    fall: float
    met: bool
    low: float
    high: float
    looks: int


def find_noise_level(
    fall: Callable[[float], float],
    *,
    target: float = 0.1,
    tolerance: float = 0.01,
    upper: float = 2.0,
    halvings: int = 15,
) -> NoiseLevel:
    """The sigma at which `fall(sigma)` is target +- tolerance, by bisection between 0 and `upper`.

    Where the fall at `upper` is too small, `upper` is doubled up to ten times. What is found last is returned whether
    it met the tolerance or not: of all sigmas tried the one whose fall is nearest to the target. Read `met`.

    Raises:
        ValueError: target, tolerance, upper or halvings not positive.

    Example:
        >>> found = find_noise_level(lambda sigma: sigma / 20)
        >>> round(found.sigma, 1), found.met
        (2.0, True)
    """
    for name, value in {"target": target, "tolerance": tolerance, "upper": upper, "halvings": halvings}.items():
        if not value > 0:
            raise ValueError(f"{name} must be positive, got {value}")
    tried: list[tuple[float, float]] = []

    def look(sigma: float) -> float:
        tried.append((sigma, float(fall(sigma))))
        return tried[-1][1]

    def result(low: float, high: float) -> NoiseLevel:
        sigma, reached = min(tried, key=lambda pair: abs(pair[1] - target))
        return NoiseLevel(sigma, reached, abs(reached - target) <= tolerance, low, high, len(tried))

    low, high = 0.0, upper
    reached = look(high)
    for _ in range(_DOUBLINGS):
        if reached >= target - tolerance:
            break
        low, high = high, 2 * high
        reached = look(high)
    if reached < target - tolerance:
        return result(high, float("inf"))
    for _ in range(halvings):
        if abs(reached - target) <= tolerance:
            break
        middle = (low + high) / 2
        reached = look(middle)
        low, high = (low, middle) if reached > target else (middle, high)
    return result(low, high)


def noise_level(
    accuracy: Callable[..., Scalar],
    params: PyTree,
    key: Key[Array, ""],
    *,
    data: tuple[PyTree, ...] = (),
    magnitude: bool = False,
    draws: int = 10,
    at_once: int | None = None,
    target: float = 0.1,
    tolerance: float = 0.01,
    upper: float = 2.0,
    halvings: int = 15,
) -> NoiseLevel:
    """sigma, or with `magnitude` sigma', of a network: its mean accuracy over the draws falls by target +- tolerance.

    Args:
        accuracy: (params, *data) -> training accuracy, by JAX. Repeated calls with the same function compile once.
        params: a pytree of floating arrays; all of them are perturbed, biases too.
        key: of the draws.
        data: arrays that `accuracy` needs besides, such as the training items of one of several networks.
        magnitude: whether the noise goes with the parameters' magnitude.
        draws: Monte Carlo draws of the noise.
        at_once: draws evaluated side by side, all of them by default; fewer take less memory. The draws themselves,
            `draws` times the parameters, are kept from the first sigma to the last.
        target, tolerance, upper, halvings: as in `find_noise_level`.

    Raises:
        ValueError: draws or at_once below 1, or a value that `find_noise_level` refuses.
    """
    if draws < 1 or (at_once is not None and at_once < 1):
        raise ValueError(f"draws and at_once must be at least 1, got {draws} and {at_once}")
    leaves = jax.tree.leaves(params)
    kind = jnp.result_type(*leaves)
    noise = _draws(jax.random.split(key, draws), sum(jnp.size(leaf) for leaf in leaves), kind)

    def mean_accuracy(sigma: float, magnitude: bool) -> float:
        level = jnp.asarray(sigma, kind), jnp.asarray(magnitude)
        return float(_mean_accuracy(accuracy, at_once or draws, params, data, noise, *level))

    # Without noise by the same program: another one would be compiled for this one value.
    before = mean_accuracy(0.0, magnitude=False)

    def fall(sigma: float) -> float:
        return before - mean_accuracy(sigma, magnitude)

    return find_noise_level(fall, target=target, tolerance=tolerance, upper=upper, halvings=halvings)


@partial(jax.jit, static_argnums=(1, 2))
def _draws(keys: Key[Array, " draws"], size: int, kind: jnp.dtype) -> Float[Array, "draws {size}"]:
    """Standard normal draws for all parameters as one vector: one draw for each of them would take as long to compile
    as there are shapes."""
    return jax.vmap(lambda key: jax.random.normal(key, (size,), kind))(keys)


@partial(jax.jit, static_argnums=(0, 1))
def _mean_accuracy(
    accuracy: Callable[..., Scalar],
    at_once: int,
    params: PyTree,
    data: tuple[PyTree, ...],
    noise: Float[Array, "draws size"],
    sigma: Float[Array, ""],
    magnitude: Bool[Array, ""],
) -> Scalar:
    """The mean accuracy over the draws. Compiled once for an accuracy: sigma, and which noise it is of, are data."""
    w, unravel = ravel_pytree(params)
    deviation = jnp.where(magnitude, jnp.sqrt((sigma * w) ** 2 + E**2), sigma)
    return jnp.mean(jax.lax.map(lambda z: accuracy(unravel(w + deviation * z), *data), noise, batch_size=at_once))
