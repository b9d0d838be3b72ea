"""Balancedness of a two-layer homogeneous network: what gradient flow conserves in every hidden unit.

Scaling the incoming weights of a ReLU unit by c > 0 and its outgoing weights by 1/c changes no output. That symmetry
gives one conserved quantity a unit (Du, Hu and Lee 2018): D_i = |w_i|^2 - |v_i|^2.
"""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..problem import Problem


def incoming_and_outgoing(params: Any) -> tuple[Float[Array, "H d"], Float[Array, "H k"]]:
    """The weights into and out of every hidden unit, one unit a row.

    `params` is a pair (W, V) of such arrays, as `biassay.models.two_layer.TwoLayer` is, where V of a single output may
    have the shape (H,); or a network with `layers`, two of which have a `weight`, as `equinox.nn.MLP` of depth 1 and
    `equinox.nn.Sequential` of a linear layer, an activation and a linear layer are. Those map x to `weight @ x + bias`,
    so that what leaves a unit is a column of the second weight, and a bias of the first layer is one more incoming
    weight. A bias of the output belongs to no unit and takes no part.

    Raises:
        ValueError: a network whose number of layers with a `weight` is not two, or weights of other shapes.
    """
    if hasattr(params, "layers"):
        layers = [layer for layer in params.layers if hasattr(layer, "weight")]
        if len(layers) != 2:
            raise ValueError(f"balancedness is read off a network of two layers, got {len(layers)}")
        first, second = layers
        W = first.weight if first.bias is None else jnp.column_stack([first.weight, first.bias])
        V = second.weight.T
    else:
        W, V = params
        V = V[:, None] if jnp.ndim(V) == 1 else V
    if jnp.ndim(W) != 2 or jnp.ndim(V) != 2 or len(W) != len(V):
        raise ValueError(
            f"balancedness needs weights (H, d) into and (H,) or (H, k) out of H units, got {jnp.shape(W)} and "
            f"{jnp.shape(V)}"
        )
    return W, V


def balancedness(problem: Problem, params: Any) -> Float[Array, " H"]:
    """D_i = |w_i|^2 - |v_i|^2 of every hidden unit.

    Conserved by gradient flow where the activation is positively homogeneous, such as ReLU, and a weight is used once.
    `params`: a pair (W, V) or an Equinox network, see `incoming_and_outgoing`.
    """
    W, V = incoming_and_outgoing(params)
    return jnp.sum(W**2, axis=1) - jnp.sum(V**2, axis=1)
