"""Sizes of a two-layer network that rescaling a neuron leaves unchanged.

The parameters have the fields W (H, d), the incoming weights w_j as rows, and V (H, k), the outgoing weights v_j, as
`biassay.models.two_layer.TwoLayer`. The network computes the same with (c w_j, v_j / c) in place of (w_j, v_j) for any
c > 0; so do these sums, while the Euclidean norm of all parameters changes. The product norm is what weight decay
penalises at its minimum over c: Neyshabur, Tomioka, Srebro 2014, arXiv 1412.6614.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import PyTree, Scalar

from ..problem import Problem


def product_norm(problem: Problem, params: PyTree) -> Scalar:
    """Product norm, the sum over neurons of ‖w_j‖ ‖v_j‖."""
    return jnp.sum(jnp.linalg.norm(params.W, axis=1) * jnp.linalg.norm(params.V, axis=1))


def l1_path_norm(problem: Problem, params: PyTree) -> Scalar:
    """L1 path norm, the sum over all paths from an input to an output of the absolute product of their weights."""
    return jnp.sum(jnp.sum(jnp.abs(params.W), axis=1) * jnp.sum(jnp.abs(params.V), axis=1))


def l2_path_norm(problem: Problem, params: PyTree) -> Scalar:
    """L2 path norm, the root of the sum over all paths of the squared product of their weights."""
    return jnp.sqrt(jnp.sum(jnp.sum(params.W**2, axis=1) * jnp.sum(params.V**2, axis=1)))
