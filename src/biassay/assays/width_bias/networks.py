"""Networks of several widths that learn side by side from the same batches.

The parameters of a lane are a tuple of stacks, each of networks of one width one after another. As the networks share
nothing but the batch, the gradient of the sum of their losses is every network's own gradient; a network's step size is
a factor on its loss, which is the same thing for SGD with momentum and without weight decay: v <- beta v + s g,
w <- w - v. Networks of fewer than 16 units are filled up with neurons of zero weights. Their gradients are zero and
they stay so: the function, its path and every size measured here are those of the network without them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Scalar

from ...models import two_layer
from ...models.two_layer import TwoLayer
from ...probes import l1_path_norm, l2_path_norm, product_norm
from ...problem import Problem, cross_entropy

Networks: TypeAlias = tuple[TwoLayer, ...]
"""Stacks: W (net, H, d) and V (net, H, k), with a leading seed axis where there are several seeds."""

FILLED = 16
"""The least width of a stack."""


def stacked(networks: Sequence[TwoLayer]) -> Networks:
    """Networks in one order, each with leaves (seed, H, _), as stacks; neighbours of one width share a stack."""
    filled = [jax.tree.map(_filled, network) for network in networks]
    return tuple(
        jax.tree.map(lambda *leaves: np.stack(leaves, axis=1), *own)
        for _, own in groupby(filled, lambda network: network.W.shape[1])
    )


def _filled(leaf: Float[np.ndarray, "seed H _"]) -> Float[np.ndarray, "seed _ _"]:
    return np.pad(leaf, ((0, 0), (0, max(FILLED - leaf.shape[1], 0)), (0, 0)))


def predict(params: Networks, x: Float[Array, "b d"]) -> Float[Array, "b net k"]:
    """The logits of every network."""
    return jnp.concatenate([jax.vmap(two_layer.predict, (0, None), 1)(stack, x) for stack in params], axis=1)


def entropies(logits: Float[Array, "b net k"], labels: Int[Array, " b"]) -> Float[Array, "b net"]:
    """The cross-entropy of every network on every example, in nats."""
    return jax.vmap(cross_entropy, (1, None), 1)(logits, labels)


@dataclass(frozen=True)
class StepSizes:
    """The loss of networks trained together with SGD of step size 1: each network's own times its step size."""

    each: tuple[float, ...]

    def __call__(self, logits: Float[Array, "b net k"], labels: Int[Array, " b"]) -> Float[Array, " b"]:
        return entropies(logits, labels) @ jnp.asarray(self.each, logits.dtype)


# --- initialisations --------------------------------------------------------------------------------------------------


def scaled(rng: np.random.Generator, width: int, d: int, k: int) -> TwoLayer:
    """W ~ N(0, 2/d), V ~ N(0, 1/H): the outputs at the start have a size that does not depend on H."""
    drawn = unscaled(rng, width, d, k)
    return TwoLayer(drawn.W, drawn.V / width**0.5)


def unscaled(rng: np.random.Generator, width: int, d: int, k: int) -> TwoLayer:
    """W ~ N(0, 2/d), V ~ N(0, 1): the outputs at the start grow as sqrt(H)."""
    W = rng.normal(size=(width, d)) * (2 / d) ** 0.5
    return TwoLayer(jnp.asarray(W, jnp.float32), jnp.asarray(rng.normal(size=(width, k)), jnp.float32))


def antisymmetric(rng: np.random.Generator, width: int, d: int, k: int) -> TwoLayer:
    """Half the neurons of `unscaled`, each a second time with the sign of v turned: f = 0 with weights as large."""
    W, V = (leaf[: width // 2] for leaf in unscaled(rng, width, d, k))
    return TwoLayer(jnp.concatenate([W, W]), jnp.concatenate([V, -V]))


# --- probes -----------------------------------------------------------------------------------------------------------


def test_error(problem: Problem, params: Networks) -> Float[Array, " net"]:
    """Test error."""
    assert problem.test is not None
    return jnp.mean(jnp.argmax(predict(params, problem.test.x), -1) != problem.test.y[:, None], axis=0)


def train_error(problem: Problem, params: Networks) -> Float[Array, " net"]:
    """Training error, on the labels trained on."""
    return jnp.mean(jnp.argmax(predict(params, problem.x), -1) != problem.y[:, None], axis=0)


def train_loss(problem: Problem, params: Networks) -> Float[Array, " net"]:
    """Mean cross-entropy on the training set, in nats."""
    return jnp.mean(entropies(predict(params, problem.x), problem.y), axis=0)


def _of_each(probe: Callable[[Problem, TwoLayer], Scalar]) -> Callable[[Problem, Networks], Float[Array, " net"]]:
    """The probe of one network, for all of them."""

    def of_each(problem: Problem, params: Networks) -> Float[Array, " net"]:
        return jnp.concatenate([jax.vmap(lambda network: probe(problem, network))(stack) for stack in params])

    of_each.__doc__ = probe.__doc__
    return of_each


PROBES: dict[str, Callable[[Problem, Networks], Array]] = {
    "test": test_error,
    "train": train_error,
    "loss": train_loss,
    "product_norm": _of_each(product_norm),
    "l1_path": _of_each(l1_path_norm),
    "l2_path": _of_each(l2_path_norm),
}
"""What is recorded of every network."""
