"""A small convolutional network on the digits, trained towards sparse kernels by `relaxed_splitting`.

Our own experiment, not the paper's. SGD with momentum inside, the penalty on the kernels only, no normalisation; the
network that counts is u, which has the exact zeros. lambda = 0 is dense training. The control is the dense network with
its smallest weights set to zero afterwards, as many as u has, without further training.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PyTree, Scalar

from ...data import digits
from ...dynamics import Optax, relaxed_splitting, sparse_params
from ...models import small_cnn
from ...probes import test_accuracy
from ...problem import Batch, Problem, cross_entropy
from ...simulation import PerSeed, simulate
from .config import Config
from .neuron import Variables
from .predictions import PENALTIES, penalty_named

NETWORKS = ("u", "w", "pruned")
"""What is tested: the sparse weights, the weights that are trained, and the dense network pruned afterwards."""
_SPLIT, _INIT, _BATCHES = 300, 301, 302
_SIDE = 8
"""Pixels along a digit's side."""


class OneOf(eqx.Module):
    """The penalty number `which` of `PENALTIES`. A number may differ from lane to lane: one program serves all three,
    at the price of computing three thresholdings, which are cheap beside a network's gradient."""

    which: Any
    shape: float = eqx.field(static=True, default=1.0)

    def _chosen(self, method: str, *args: Any) -> Any:
        values = [getattr(penalty_named(name, self.shape), method)(*args) for name in PENALTIES]
        return jnp.select([self.which == number for number in range(len(PENALTIES))], values)

    def value(self, u: Array) -> Scalar:
        """P(u)."""
        return self._chosen("value", u)

    def prox(self, w: Array, t: Any) -> Array:
        """argmin_u t P(u) + |u - w|^2 / 2."""
        return self._chosen("prox", w, t)

    def threshold(self, t: Any) -> Any:
        """The largest modulus that becomes zero."""
        return self._chosen("threshold", t)


def kernels_only(params: small_cnn.SmallCNN) -> PyTree:
    """The mask: true on the kernels and the head's weights, false on the biases."""
    return jax.tree.map(lambda leaf: leaf.ndim == 2, params)


@cache
def _rule(lr: float, momentum: float, beta: float, shape: float, batch: int) -> Any:
    """(penalty, lam) -> dynamics; the same function for the same numbers, so that it compiles once."""

    def rule(penalty: Scalar, lam: Scalar) -> Optax:
        inner = optax.sgd(lr, momentum=momentum)
        split = relaxed_splitting(inner, penalty=OneOf(penalty, shape), lam=lam, beta=beta, mask=kernels_only)
        return Optax(split, batch_size=batch)

    return rule


def _problems(config: Config) -> PerSeed[Problem]:
    """Every seed's split of the digits."""
    roots = jax.vmap(jax.random.key)(jnp.arange(config.seed, config.seed + config.cnn_seeds))
    keys = jax.vmap(jax.random.fold_in, (0, None))(roots, _SPLIT)
    data = jax.jit(jax.vmap(lambda key: digits.split(key, config.train, config.test)))(keys)
    test = Batch(digits.normalise(data.test_x), data.test_y)
    return PerSeed(Problem(small_cnn.predict, digits.normalise(data.x), data.y, cross_entropy, test=test))


def _starts(config: Config) -> PerSeed[small_cnn.SmallCNN]:
    """Every seed's initial network: weights N(0, 2 / fan_in), biases 0.

    Drawn by NumPy, as the normal numbers of JAX would be compiled for every layer's shape.
    """
    shapes = jax.eval_shape(lambda: small_cnn.init(jax.random.key(0), config.channels, _SIDE, digits.CLASSES))

    def one(rng: np.random.Generator) -> small_cnn.SmallCNN:
        def leaf(shape: Any) -> np.ndarray:
            scale = (2 / shape.shape[0]) ** 0.5 if len(shape.shape) == 2 else 0.0
            return np.asarray(scale * rng.normal(size=shape.shape), np.float32)

        return jax.tree.map(leaf, shapes)

    drawn = [one(np.random.default_rng([config.seed + i, _INIT])) for i in range(config.cnn_seeds)]
    return PerSeed(jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *drawn))


def kernels(params: small_cnn.SmallCNN) -> list[np.ndarray]:
    """The leaves that may become sparse, (..., rows, columns)."""
    return [np.asarray(layer.weight) for layer in (*params.convolutions, params.head)]


def zeros(params: small_cnn.SmallCNN) -> np.ndarray:
    """The number of exact zeros in the kernels, over all leading axes."""
    return np.sum([(kernel == 0).sum(axis=(-2, -1)) for kernel in kernels(params)], axis=0)


def pruned(dense: small_cnn.SmallCNN, counts: Int[np.ndarray, "seed penalty lam"]) -> small_cnn.SmallCNN:
    """`dense` (seed, ...) with the counts[seed, penalty, lam] smallest weights of all its kernels set to zero."""
    sizes = np.concatenate([np.abs(kernel).reshape(len(kernel), -1) for kernel in kernels(dense)], axis=1)
    # The largest modulus that goes; where none goes, one that none has.
    last = np.take_along_axis(np.sort(sizes, axis=1)[:, None], np.maximum(counts - 1, 0), axis=2)
    cut = np.where(counts > 0, last, -1)

    def cut_off(leaf: np.ndarray) -> np.ndarray:
        wide = np.broadcast_to(leaf[:, None, None], (*counts.shape, *leaf.shape[1:]))
        return np.where(np.abs(wide) <= cut[..., None, None], np.float32(0), wide) if leaf.ndim == 3 else wide

    return jax.tree.map(cut_off, dense)


@jax.jit
def _accuracies(problem: PerSeed[Problem], params: PyTree) -> Float[Array, "seed net"]:
    """Test accuracy of the networks (seed, net, ...), one after another: all at once would fill the memory."""

    def of_seed(args: tuple[Problem, PyTree]) -> Array:
        return jax.lax.map(lambda net: test_accuracy(args[0], net), args[1])

    return jax.lax.map(of_seed, (problem.value, params))


def digits_cnn(config: Config) -> Variables:
    """Every penalty at every lambda, from the same starts and with the same batches, in single precision."""
    with jax.enable_x64(False):
        return _trained(config)


def _trained(config: Config) -> Variables:
    problem = _problems(config)
    lams = (0.0, *sorted(config.cnn_lams))
    run = simulate(
        problem,
        _rule(config.cnn_lr, config.momentum, config.cnn_beta, config.shape, config.batch),
        _starts(config),
        steps=config.epochs * (config.train // config.batch),
        record=1,
        seeds=config.cnn_seeds,
        seed=config.seed,
        stream=_BATCHES,
        sweep={"penalty": range(len(PENALTIES)), "lam": lams},
        label="digits, all penalties",
    )
    u, w = (jax.tree.map(np.asarray, params) for params in (sparse_params(run.state), run.params))
    gone = zeros(u)
    # Without a penalty the three are one: the dense network.
    dense = jax.tree.map(lambda leaf: leaf[:, 0, 0], w)
    shape = (config.cnn_seeds, len(PENALTIES), len(lams), len(NETWORKS))
    nets = jax.tree.map(lambda *leaves: np.stack(leaves, axis=3), u, w, pruned(dense, gone))
    flat = jax.tree.map(lambda leaf: leaf.reshape(shape[0], -1, *leaf.shape[4:]), nets)
    # Counts of digits in single precision, as exact fractions.
    accuracy = np.round(np.asarray(_accuracies(problem, flat), float) * config.test) / config.test
    size = sum(kernel[0].size for kernel in kernels(dense))
    axes = ("cnn_seed", "penalty", "cnn_lam")
    return {
        "cnn_accuracy": ((*axes, "network"), accuracy.reshape(shape), "test accuracy on the digits"),
        "cnn_zeros": (axes, gone / size, "share of exact zeros in the kernels of u"),
        "cnn_zeros_w": (axes, zeros(w) / size, "share of exact zeros in the kernels of w"),
        "cnn_weights": ((), size, "weights in the kernels"),
    }
