"""What is predicted of the neuron's limit before it is trained: the bias of first order, and which entries survive.

w* of shape (d,), |w*| = 1, has s entries that are not zero. t = lambda / beta is the strength of the thresholding.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from ...dynamics import L0, L1, Penalty, TransformedL1

PENALTIES = ("l1", "l0", "transformed l1")
SAFE, OPEN, LOST = 1, 0, -1


def penalty_named(name: str, shape: float) -> L1 | L0 | TransformedL1:
    """The penalty of this name, the transformed one of this shape."""
    return {"l1": L1(), "l0": L0(), "transformed l1": TransformedL1(shape)}[name]


def first_order_angle(
    penalty: Penalty, truths: Float[np.ndarray, "seed d"], lam: Any, k: int
) -> Float[np.ndarray, "*shape seed"]:
    """lambda k |P_perp P'(w*)|, the angle between w and w* to first order in lambda, for lambda of shape (*shape, 1).

    In the limit grad L(w) = -lambda P'(u) on the support, and the Hessian of L across w* is 1/k: the part of P' across
    w*, P_perp P', turns w by k times lambda times its size. beta does not matter. On the support P' is sign(w*_i) for
    l1, which gives lambda k sqrt(s - |w*|_1^2); sign(w*_i) a (a + 1) / (a + |w*_i|)^2 for transformed l1; 0 for l0.
    """
    slope = np.where(truths != 0, jax.vmap(jax.grad(penalty.value))(jnp.asarray(truths)), 0)
    along = (slope * truths).sum(axis=1, keepdims=True)
    return lam * k * np.linalg.norm(slope - along * truths, axis=1)


def support_rule(
    smallest: Float[np.ndarray, "*#shape"], threshold: Float[np.ndarray, "*#shape"], k: int, beta: Any
) -> Int[np.ndarray, "*shape"]:
    """To leading order `SAFE` where the support is found from every start, `LOST` where it is not, else `OPEN`.

    What the order leaves out: the bias of the entries that are kept, of size lambda k, and starts opposite the truth.

    smallest: min |w*_i| over the support. An entry with u_i = 0 is pulled down to w*_i / (1 + k beta), the balance of
    the spring with the risk's curvature 1/k across w*. It comes back if that lies above the threshold; one that is
    never below the threshold cannot get lost; in between the start decides (hysteresis).
    """
    found = np.where(smallest > (1 + k * beta) * threshold, SAFE, OPEN)
    return np.where(smallest < threshold, LOST, found)
