"""Two-layer networks of smooth units, h(x) = sum_j c_j act(w_j . x), for the parts drift, escape and one point.

theta = (w, c) is trained as a whole. tanh and the logistic function have bounded derivatives of every order, as the
theorem asks.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class Network(NamedTuple):
    """m units. w: incoming weights as rows, (m, d). c: outgoing weights, (m,)."""

    w: Float[Array, "m d"]
    c: Float[Array, " m"]


def tanh_network(params: Network, x: Float[Array, "b d"]) -> Float[Array, " b"]:
    """h(x) = sum_j c_j tanh(w_j . x) for a batch of inputs as rows."""
    return jnp.tanh(x @ params.w.T) @ params.c


def logistic_network(params: Network, x: Float[Array, "b d"]) -> Float[Array, " b"]:
    """h(x) = sum_j c_j / (1 + exp(-w_j . x)) for a batch of inputs as rows."""
    return jax.nn.sigmoid(x @ params.w.T) @ params.c
