"""Penalties that make weights sparse, with their proximal operators.

P(u) = sum_i p(|u_i|). Its proximal operator acts entry by entry:

    prox_t(w) = argmin_u t P(u) + |u - w|^2 / 2,     zero where |w_i| <= threshold(t).

    l1              p(r) = r                       soft thresholding
    l0              p(r) = 1 for r > 0             hard thresholding
    transformed l1  p(r) = (a + 1) r / (a + r)     between the two: l0 for a -> 0, l1 for a -> infinity
"""

from __future__ import annotations

from numbers import Real
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Scalar

LARGEST_SHAPE = 1e12
"""Beyond it the cube of a transformed l1's shape overflows in single precision."""


@runtime_checkable
class Penalty(Protocol):
    """What `relaxed_splitting` needs of a penalty; write these three methods for one of your own."""

    def value(self, u: Array) -> Scalar:
        """P(u), summed over all entries."""
        ...

    def prox(self, w: Array, t: Any) -> Array:
        """argmin_u t P(u) + |u - w|^2 / 2, of the shape of w."""
        ...

    def threshold(self, t: Any) -> Any:
        """The largest modulus of an entry that `prox` sets to zero."""
        ...


class L1(eqx.Module):
    """P(u) = sum_i |u_i|. Its proximal operator is soft thresholding, which shrinks what it keeps by t.

    Example:
        `L1().prox(jnp.array([3.0, -0.5]), 1.0)` is `[2.0, 0.0]`.
    """

    def value(self, u: Float[Array, "*shape"]) -> Scalar:
        """P(u), summed over all entries."""
        return jnp.sum(jnp.abs(u))

    def prox(self, w: Float[Array, "*shape"], t: Any) -> Float[Array, "*shape"]:
        """sign(w) max(|w| - t, 0)."""
        return jnp.sign(w) * jnp.maximum(jnp.abs(w) - t, 0)

    def threshold(self, t: Any) -> Any:
        """t."""
        return t

    def strength(self, threshold: Any) -> Any:
        """The t that has this threshold."""
        return threshold


class L0(eqx.Module):
    """P(u) = the number of entries that are not zero. Its proximal operator, hard thresholding, keeps or kills.

    Example:
        `L0().prox(jnp.array([3.0, -0.5]), 1.0)` is `[3.0, 0.0]`.
    """

    def value(self, u: Float[Array, "*shape"]) -> Scalar:
        """The number of entries that are not zero."""
        return jnp.sum(u != 0).astype(u.dtype)

    def prox(self, w: Float[Array, "*shape"], t: Any) -> Float[Array, "*shape"]:
        """w where |w| > sqrt(2 t), else 0."""
        return jnp.where(jnp.abs(w) > self.threshold(t), w, 0)

    def threshold(self, t: Any) -> Any:
        """sqrt(2 t)."""
        return (2 * t) ** 0.5

    def strength(self, threshold: Any) -> Any:
        """The t that has this threshold."""
        return threshold**2 / 2


class TransformedL1(eqx.Module):
    """P(u) = sum_i (a + 1)|u_i| / (a + |u_i|), a the shape: bounded by a + 1 an entry, and |u_i| at |u_i| = 1.

    The proximal operator is the closed form of Zhang and Xin, "Minimization of transformed l1 penalty: closed form
    representation and iterative thresholding algorithms", Commun. Math. Sci. 15, 2017. It is continuous up to
    t = a^2 / (2 (a + 1)) and jumps at its threshold beyond.

    Args:
        shape: a > 0.

    Raises:
        ValueError: a shape that is not positive, or so large that its cube overflows single precision.

    Example:
        `TransformedL1(0.5).prox(jnp.array([3.0, -0.3]), 0.2)` is about `[2.988, 0.0]`.
    """

    shape: Any = 1.0

    def __check_init__(self) -> None:
        if isinstance(self.shape, Real) and not 0 < float(self.shape) <= LARGEST_SHAPE:
            raise ValueError(
                f"shape must be positive and at most {LARGEST_SHAPE:g}, got {self.shape}: small is near l0, large near "
                "l1, so that L1() may be meant"
            )

    def value(self, u: Float[Array, "*shape"]) -> Scalar:
        """P(u), summed over all entries."""
        r = jnp.abs(u)
        return jnp.sum((self.shape + 1) * r / (self.shape + r))

    def prox(self, w: Float[Array, "*shape"], t: Any) -> Float[Array, "*shape"]:
        """sign(w) (2/3 (a + |w|) cos(phi / 3) - 2 a / 3 + |w| / 3) beyond the threshold, else 0.

        cos phi = 1 - 2 h with h = 27 t a (a + 1) / (4 (a + |w|)^3). As sin(phi / 2) = sqrt(h) and
        cos(phi / 3) = 1 - 2 sin^2(phi / 6), the value is |w| minus a shrinkage that loses no digits for small t.
        """
        a, r = self.shape, jnp.abs(w)
        h = jnp.minimum(27 * t * a * (a + 1) / (4 * (a + r) ** 3), 1)
        shrinkage = 4 / 3 * (a + r) * jnp.sin(jnp.arcsin(jnp.sqrt(h)) / 3) ** 2
        return jnp.where(r > self.threshold(t), jnp.sign(w) * (r - shrinkage), 0)

    def threshold(self, t: Any) -> Any:
        """t (a + 1) / a for t <= a^2 / (2 (a + 1)), else sqrt(2 t (a + 1)) - a / 2."""
        a = self.shape
        continuous = t <= a**2 / (2 * (a + 1))
        return jnp.where(continuous, t * (a + 1) / a, jnp.sqrt(2 * t * (a + 1)) - a / 2)

    def strength(self, threshold: Any) -> Any:
        """The t that has this threshold."""
        a = self.shape
        return jnp.where(threshold <= a / 2, threshold * a / (a + 1), (threshold + a / 2) ** 2 / (2 * (a + 1)))
