"""Two noises with different fates: noise in the labels, and isotropic noise in the parameters (its control)."""

from __future__ import annotations

from numbers import Real
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree, Scalar

from ..problem import Batch, Problem
from ._base import AbstractDynamics, Noise, State
from ._sampling import Sampling, batch_indices, check_sampling


class LabelNoise(AbstractDynamics):
    """SGD whose targets get fresh noise at every step: w <- w - lr grad mean_batch l(f(w, x), y + eps).

    Blanc, Gupta, Valiant, Valiant, COLT 2020, arXiv 1904.09080.

    Args:
        lr: step size.
        std: standard deviation of eps, in the units of the targets.
        batch_size: examples a step, None for all of them.
        sampling: as in `SGD`.
        law: "gaussian", or "sign" for +-std with equal chance (bounded noise, as the theorem asks).

    Raises:
        ValueError: negative std, batch_size below 1, or an unknown sampling or law.
    """

    lr: Any
    std: Any
    batch_size: int | None = eqx.field(static=True, default=None)
    sampling: Sampling = eqx.field(static=True, default="independent")
    law: Literal["gaussian", "sign"] = eqx.field(static=True, default="gaussian")

    def __check_init__(self) -> None:
        check_sampling(self.batch_size, self.sampling)
        if self.law not in ("gaussian", "sign"):
            raise ValueError(f"law must be gaussian or sign, got {self.law!r}")
        if isinstance(self.std, Real) and self.std < 0:
            raise ValueError(f"std must not be negative, got {self.std}")

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        order, labels = jax.random.split(key)
        labels = jax.random.fold_in(labels, start // length)
        size = problem.size if self.batch_size is None else self.batch_size
        draw = jax.random.normal if self.law == "gaussian" else jax.random.rademacher
        eps = draw(labels, (length, size, *problem.y.shape[1:]), problem.y.dtype)
        if self.batch_size is None:
            return None, eps
        return batch_indices(order, start, length, problem.size, size, self.sampling), eps

    def step(self, problem: Problem, params: PyTree, state: State, noise: Noise) -> tuple[PyTree, State]:
        indices, eps = noise
        x, y = (problem.x, problem.y) if indices is None else problem.batch(indices)
        gradient = problem.gradient(params, Batch(x, y + self.std * eps))
        return jax.tree.map(lambda w, g: w - self.lr * g, params, gradient), state

    def time_step(self, state: State) -> Scalar | float:
        return self.lr


class IsotropicNoise(AbstractDynamics):
    """Gradient descent with isotropic Gaussian noise added to the parameters: w <- w - lr grad R(w) + std N(0, I).

    The control dynamics: noise of the same size that carries no information of the problem. Noise of standard
    deviation s in the *gradient* is std = lr * s.

    Args:
        lr: step size.
        std: standard deviation of the noise in one parameter and step.
        batch_size: examples a step, None for all of them.
        sampling: as in `SGD`.
        weight_decay: adds weight_decay * w to the gradient, or None.

    Raises:
        ValueError: negative std, batch_size below 1, or an unknown sampling.
    """

    lr: Any
    std: Any
    batch_size: int | None = eqx.field(static=True, default=None)
    sampling: Sampling = eqx.field(static=True, default="independent")
    weight_decay: Any = None

    def __check_init__(self) -> None:
        check_sampling(self.batch_size, self.sampling)
        if isinstance(self.std, Real) and self.std < 0:
            raise ValueError(f"std must not be negative, got {self.std}")

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        # Parameters may be large, so a window holds keys and a step draws its own Gaussians.
        order, gaussian = jax.random.split(key)
        keys = super().noise(problem, gaussian, start, length)
        if self.batch_size is None:
            return None, keys
        return batch_indices(order, start, length, problem.size, self.batch_size, self.sampling), keys

    def step(self, problem: Problem, params: PyTree, state: State, noise: Noise) -> tuple[PyTree, State]:
        indices, key = noise
        gradient = problem.gradient(params, None if indices is None else problem.batch(indices))
        if self.weight_decay is not None:
            gradient = jax.tree.map(lambda g, w: g + self.weight_decay * w, gradient, params)
        leaves, structure = jax.tree.flatten(params)
        keys = jax.random.split(key, len(leaves))
        xi = structure.unflatten(
            jax.random.normal(k, jnp.shape(w), jnp.result_type(w)) for k, w in zip(keys, leaves, strict=True)
        )
        return jax.tree.map(lambda w, g, z: w - self.lr * g + self.std * z, params, gradient, xi), state

    def time_step(self, state: State) -> Scalar | float:
        return self.lr
