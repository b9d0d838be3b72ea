"""Label noise for any optimizer and any training loop, as an Optax gradient transformation.

With the loss of an example a function l(h, y) of the output h whose slope in h is linear in the label, such as the
squared error, noise eps in the labels changes the gradient of a batch's mean loss by

    grad (1/B) sum_i l(h_i, y_i + eps_i) - grad (1/B) sum_i l(h_i, y_i) = -(l'' / B) J^T eps,

B examples, J the Jacobian of their outputs h, l'' the loss's curvature in the output. That is one vector-Jacobian
product of the model and needs neither labels nor loss, so that it can be added to gradients that are there.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any, Literal, NamedTuple

import jax
import optax
from jaxtyping import Array, Key, PyTree, UInt32


class LabelNoiseState(NamedTuple):
    """The data of the random key that the next noise is drawn with."""

    key: UInt32[Array, " words"]


def label_noise(
    predict: Callable[[PyTree, Any], Array],
    std: Any,
    *,
    seed: int = 0,
    law: Literal["gaussian", "sign"] = "gaussian",
    curvature: Any = 2.0,
) -> optax.GradientTransformationExtraArgs:
    """Adds to a batch's gradient what fresh noise in its labels would add, before any optimizer sees it.

    For a squared loss this is exactly the gradient at noisy labels (Blanc, Gupta, Valiant, Valiant, COLT 2020). For a
    loss whose curvature in the output is not constant, such as cross-entropy, it is not.

    The transformation's `update` takes the batch: `update(grads, state, params, inputs=x)`, where `grads` is the
    gradient of the batch's *mean* loss, and optionally a random `key`, which is used instead of the state's own. In
    `biassay.Optax` both are passed along, so that every seed of a simulation sees its own noise. Other optimizers of
    the same chain ignore them.

    Args:
        predict: (params, inputs) -> outputs whose first axis counts the examples.
        std: standard deviation of the noise, in the units of the labels.
        seed: where the noise begins, if no keys are passed.
        law: "gaussian", or "sign" for +-std with equal chance.
        curvature: second derivative of the loss in an output: 2 for (h - y)^2, 1 for half of it.

    Raises:
        ValueError: negative std, or an unknown law; in `update`, when params or inputs are missing.

    Example:
        >>> import jax, jax.numpy as jnp, optax
        >>> import biassay as ba
        >>> def predict(w, x):
        ...     return x @ w
        >>> optimizer = optax.chain(ba.dynamics.label_noise(predict, std=0.1), optax.adam(1e-3))
        >>> w, x, y = jnp.zeros(3), jnp.eye(3), jnp.ones(3)
        >>> state = optimizer.init(w)
        >>> grads = jax.grad(lambda w: jnp.mean((predict(w, x) - y) ** 2))(w)
        >>> updates, state = optimizer.update(grads, state, w, inputs=x)
        >>> w = optax.apply_updates(w, updates)
    """
    if isinstance(std, Real) and std < 0:
        raise ValueError(f"std must not be negative, got {std}")
    if law not in ("gaussian", "sign"):
        raise ValueError(f"law must be gaussian or sign, got {law!r}")
    draw = jax.random.normal if law == "gaussian" else jax.random.rademacher

    def init(params: PyTree) -> LabelNoiseState:
        return LabelNoiseState(jax.random.key_data(jax.random.key(seed)))

    def update(
        updates: PyTree,
        state: Any,
        params: PyTree | None = None,
        *,
        inputs: Any = None,
        key: Key[Array, ""] | None = None,
        **others: Any,
    ) -> tuple[PyTree, LabelNoiseState]:
        if params is None or inputs is None:
            raise ValueError("label_noise needs the batch: call update(grads, state, params, inputs=x)")
        following, own = jax.random.split(jax.random.wrap_key_data(state.key))
        outputs, pull_back = jax.vjp(lambda at: predict(at, inputs), params)
        eps = std * draw(own if key is None else key, outputs.shape, outputs.dtype)
        (noise,) = pull_back((-curvature / outputs.shape[0] * eps).astype(outputs.dtype))
        return jax.tree.map(lambda g, z: g + z, updates, noise), LabelNoiseState(jax.random.key_data(following))

    return optax.GradientTransformationExtraArgs(init, update)
