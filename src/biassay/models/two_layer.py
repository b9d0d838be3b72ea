"""The two-layer network without biases, f(x) = sum_j v_j relu(w_j . x): positively homogeneous in every neuron."""

from __future__ import annotations

from typing import NamedTuple

import jax
from jaxtyping import Array, Float


class TwoLayer(NamedTuple):
    """H neurons. W: incoming weights w_j as rows, (H, d). V: outgoing weights v_j as rows, (H, k).

    A scalar network has k = 1. To give the neurons biases, append a constant 1 to the inputs.
    """

    W: Float[Array, "H d"]
    V: Float[Array, "H k"]


def predict(params: TwoLayer, x: Float[Array, "b d"]) -> Float[Array, "b k"]:
    """f(x) = relu(x W^T) V for a batch of inputs as rows. relu'(0) = 0: a neuron of zero weights never moves."""
    return jax.nn.relu(x @ params.W.T) @ params.V


def predict_scalar(params: TwoLayer, x: Float[Array, "b d"]) -> Float[Array, " b"]:
    """The single output of a network with one, shape (b,)."""
    return predict(params, x)[:, 0]
