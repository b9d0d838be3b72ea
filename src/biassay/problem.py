"""Problem: what is minimised. It knows nothing of how it is trained.

The conventions of the whole package, written once:

- the empirical risk is the *mean* over the examples of a loss l, and l carries the factor 1/2 where its name says so
  (a problem may name another aggregate, such as the logarithm of the sum of exponentials);
- weight decay `wd` adds `wd * w` to the gradient: the penalty is (wd/2)|w|^2, outside the risk;
- the first axis of `x` and `y` counts the examples; `predict` maps a batch of inputs to a batch of outputs;
- batch statistics, the running means and variances of batch normalisation, are no parameters: a problem knows where
  they start, a dynamics carries them, and everything that is measured sees the network in evaluation mode;
- a paper's own convention is mapped to this one in its assay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num, PyTree


class Batch(NamedTuple):
    """Examples: `x` (b, ...) and targets `y` (b, ...)."""

    x: Array
    y: Array


class Problem(eqx.Module):
    """Minimise R(theta) = mean_i l(f(theta, x_i), y_i), or another aggregate of the losses.

    Args:
        network: (params, x of shape (b, ...)) -> outputs of shape (b, ...). With batch statistics (params, statistics,
            x) -> outputs, in evaluation mode.
        x: inputs, shape (n, ...): an array, or what makes them when it is indexed by an array of integers, such as
            `biassay.data.confusion.ConfusionSet`. What asks for all inputs at once (`risk`, `gradient`) needs an array.
        y: targets, shape (n, ...).
        loss: (outputs, targets) -> one loss per example, shape (b,).
        gradient_rule: (params, x, y) -> gradient of the batch's risk in closed form, used instead of automatic
            differentiation where it is faster. A test must hold it against automatic differentiation.
        test: examples held out for the probes, never trained on, or None.
        aggregate: losses of shape (b,) -> the batch's risk; the mean, unless another is named.
        statistics: batch statistics to start from, a pytree of arrays, for a network that has them.
        training: (params, statistics, x) -> (outputs, statistics) of such a network in training mode.

    Raises:
        ValueError: one of `statistics` and `training` without the other, or a `gradient_rule` beside them.
    """

    network: Callable[..., Array] = eqx.field(static=True)
    x: Any
    y: Array
    loss: Callable[[Array, Array], Array] = eqx.field(static=True)
    gradient_rule: Callable[[PyTree, Array, Array], PyTree] | None = eqx.field(static=True, default=None)
    test: Batch | None = None
    aggregate: Callable[[Array], Array] = eqx.field(static=True, default=jnp.mean)
    statistics: PyTree = None
    training: Callable[..., tuple[Array, PyTree]] | None = eqx.field(static=True, default=None)

    def __check_init__(self) -> None:
        if (self.statistics is None) != (self.training is None):
            raise ValueError("statistics and training go together: give both, or none for a network without them")
        if self.training is not None and self.gradient_rule is not None:
            raise ValueError("a gradient_rule is for networks without batch statistics: leave it out")

    @property
    def size(self) -> int:
        """Number of examples n."""
        return self.y.shape[0]

    def batch(self, indices: Int[Array, " b"]) -> Batch:
        """The examples with these indices."""
        return Batch(self.x[indices], self.y[indices])

    def predict(self, params: PyTree, x: Array) -> Array:
        """Outputs of the network, in evaluation mode."""
        return self.network(params, x) if self.statistics is None else self.network(params, self.statistics, x)

    def risk(self, params: PyTree, batch: Batch | None = None) -> Float[Array, ""]:
        """Mean loss (or the problem's other aggregate) over `batch`, by default over all examples."""
        x, y = batch or (self.x, self.y)
        return self.aggregate(self.loss(self.predict(params, x), y))

    def gradient(self, params: PyTree, batch: Batch | None = None) -> PyTree:
        """Gradient of `risk` in the parameters, in evaluation mode."""
        if self.gradient_rule is not None:
            return self.gradient_rule(params, *(batch or (self.x, self.y)))
        return jax.grad(self.risk)(params, batch)

    def training_gradient(
        self, params: PyTree, statistics: PyTree, batch: Batch | None = None
    ) -> tuple[PyTree, PyTree]:
        """Gradient of the batch's risk in training mode, and the batch statistics after it.

        Without batch statistics that is `gradient`, and None.
        """
        training = self.training
        if training is None:
            return self.gradient(params, batch), None
        x, y = batch or (self.x, self.y)

        def risk(params: PyTree) -> tuple[Array, PyTree]:
            outputs, after = training(params, statistics, x)
            return self.aggregate(self.loss(outputs, y)), after

        return jax.grad(risk, has_aux=True)(params)


def squared_error(outputs: Float[Array, "b ..."], targets: Float[Array, "b ..."]) -> Float[Array, " b"]:
    """l = |f - y|^2, summed over the output's entries. Raises ValueError where f and y differ in shape."""
    _check_shapes(outputs, targets)
    return jnp.sum((outputs - targets) ** 2, axis=tuple(range(1, outputs.ndim)))


def half_squared_error(outputs: Float[Array, "b ..."], targets: Float[Array, "b ..."]) -> Float[Array, " b"]:
    """l = |f - y|^2 / 2, summed over the output's entries."""
    return squared_error(outputs, targets) / 2


def cross_entropy(logits: Float[Array, "b k"], labels: Int[Array, " b"]) -> Float[Array, " b"]:
    """l = -log softmax(f)_y in nats, for integer labels y in 0..k-1."""
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)[:, 0]


def logistic(outputs: Float[Array, " b"], labels: Num[Array, " b"]) -> Float[Array, " b"]:
    """l = log(1 + exp(-y f)), for labels y in {-1, +1}. Raises ValueError where f and y differ in shape."""
    _check_shapes(outputs, labels)
    return jax.nn.softplus(-labels * outputs)


def negative_margin(outputs: Float[Array, " b"], labels: Num[Array, " b"]) -> Float[Array, " b"]:
    """l = -y f, for labels y in {-1, +1}.

    With `aggregate=jax.nn.logsumexp` the risk is log sum_i exp(-y_i f_i), the logarithm of the exponential loss: its
    gradient is that loss's gradient divided by the loss, and does not vanish as the margins grow. Raises ValueError
    where f and y differ in shape.
    """
    _check_shapes(outputs, labels)
    return -labels * outputs


def _check_shapes(outputs: Array, targets: Array) -> None:
    """Shapes (b, 1) and (b,) would broadcast to (b, b) in silence."""
    if outputs.shape != targets.shape:
        raise ValueError(f"outputs of shape {outputs.shape} and targets of shape {targets.shape} must have one shape")
