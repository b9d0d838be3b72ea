"""Weight normalization around any Optax optimizer: the parameters stay plain weights, the optimizer sees polar ones.

A leaf w of the parameters (or each of its output units) is written with a magnitude g and a direction v,

    w = r v / |v|,        r = g  ("linear")   or   r = e^g  ("exponential").

With u = v / |v| the gradient G of the loss in w becomes, in the new coordinates,

    G_g = <u, G>  ("linear")   or   r <u, G>  ("exponential"),        G_v = (r / |v|) (G - u <u, G>).

Salimans and Kingma, NeurIPS 2016, arXiv 1602.07868.
"""

from __future__ import annotations

from numbers import Real
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer
from jaxtyping import Array, Float, PyTree


class Polar(NamedTuple):
    """Magnitudes g and directions v, two pytrees with the structure of the parameters.

    A v has the shape of its leaf; a g has one number, or one for every output unit and length 1 along the other axes.
    Both are in single precision where the leaf is in half precision. An empty leaf has the magnitude 0.
    """

    magnitude: PyTree
    direction: PyTree


class WeightNormalizationState(NamedTuple):
    """Where the parameters are in polar coordinates, and the inner optimizer's state there."""

    polar: Polar
    inner: Any


def weight_normalization(
    inner: optax.GradientTransformation,
    *,
    ratio: Any = 1.0,
    form: Literal["linear", "exponential"] = "linear",
    axis: int | tuple[int, ...] | None = None,
) -> optax.GradientTransformationExtraArgs:
    """Any Optax optimizer on the magnitude and the direction of the weights, for parameters that stay plain weights.

    The gradient is pulled back to g and v of w = r v / |v|, r = g or e^g (Salimans and Kingma 2016), `inner` acts on
    both, the magnitude's update is multiplied by `ratio` (the two speeds of Chou, Rauhut and Ward 2024), and what comes
    out is the update of w. So neither model nor loss need to know of it. At the start |v| = 1.

    Gradient flow in these coordinates, u = v / |v|, is

        g' = -ratio <u, G>  or  -ratio r <u, G>,        u' = -r (I - u u^T) G,

    and with the exponential form and ratio 1 it is plain flow at the speed r^2. An optimizer with finite steps lets |v|
    grow: v moves at right angles to itself.

    The state is the master copy: what else changes the parameters between two updates is undone by the next one. For
    parameters in half precision (float16, bfloat16) the state, the gradient and `inner` are in single precision, and
    only the update that is returned is rounded.

    Weight decay inside `inner` acts on g and v. An `inner` that evaluates the loss itself (a line search) would be
    given g and v in place of the parameters, and is not supported.

    Args:
        inner: the optimizer of g and v, e.g. `optax.sgd(0.1)`; its parameters are a `Polar`.
        ratio: the magnitude's step over the direction's; finite and not negative.
        form: "linear", r = g, in which g may become negative; or "exponential", r = e^g.
        axis: None for one magnitude a leaf; else the axis, or axes, of a leaf that count its output units, each with a
            magnitude of its own (-1 for the kernels of Flax, 0 for the weights of PyTorch and Equinox).

    Returns:
        An optimizer. A leaf of zeros, such as fresh biases, has no direction: pass it by, for example with
        `optax.partition({"polar": weight_normalization(...), "plain": optax.sgd(0.1)}, labels)`.

    Raises:
        ValueError: an unknown form, or a ratio that is negative or not finite; in `init`, a leaf without the `axis`, or
            a leaf or unit whose weights are all zero (inside a compiled `init`, which cannot look, its parameters
            become NaN).

    Example:
        >>> import jax, jax.numpy as jnp, optax
        >>> from biassay.dynamics import weight_normalization
        >>> optimizer = weight_normalization(optax.sgd(0.1), ratio=0.5)
        >>> w = jnp.array([3.0, 4.0])
        >>> state = optimizer.init(w)
        >>> updates, state = optimizer.update(jnp.array([0.0, 1.0]), state, w)
        >>> g = state.polar.magnitude  # |w| = 5 moved by 0.5 x 0.1 x <u, G> = 0.04
        >>> print(f"{float(g.squeeze()):.2f} {float(jnp.linalg.norm(w + updates)):.2f}")
        4.96 4.96
    """
    if form not in ("linear", "exponential"):
        raise ValueError(f"form must be linear or exponential, got {form!r}")
    # A ratio that is being traced, as in a sweep, cannot be looked at.
    known = isinstance(ratio, Real | np.ndarray | jax.Array) and not isinstance(ratio, Tracer)
    if known and not all(0 <= value < np.inf for value in np.asarray(ratio, float).ravel()):
        raise ValueError(f"ratio must be finite and not negative, got {ratio}")
    wrapped = optax.with_extra_args_support(inner)
    units = () if axis is None else (axis,) if isinstance(axis, int) else axis

    def total(x: Float[Array, "..."]) -> Float[Array, "..."]:
        """The sum over the whole leaf or over each unit, with as many axes as x."""
        return jnp.sum(x, axis=tuple(set(range(x.ndim)) - {a % x.ndim for a in units}), keepdims=True)

    def norm(v: Float[Array, "..."]) -> Float[Array, "..."]:
        # An empty leaf is left alone: it has nothing to divide.
        return jnp.sqrt(total(v**2)) if v.size else jnp.ones_like(total(v))

    def magnitude(w: Float[Array, "..."]) -> Float[Array, "..."]:
        r = norm(w)
        return jnp.zeros_like(r) if not w.size else r if form == "linear" else jnp.log(r)

    def radius(g: Float[Array, "..."]) -> Float[Array, "..."]:
        return g if form == "linear" else jnp.exp(g)

    def weights(polar: Polar) -> PyTree:
        return jax.tree.map(lambda g, v: radius(g) * v / norm(v), polar.magnitude, polar.direction)

    def init(params: PyTree) -> WeightNormalizationState:
        for path, w in jax.tree.leaves_with_path(params):
            name = f"the leaf {jax.tree_util.keystr(path)}" if path else "the parameter"
            for a in units:
                if not -jnp.ndim(w) <= a < jnp.ndim(w):
                    raise ValueError(f"{name} of shape {jnp.shape(w)} has no axis {a} to normalize the weights along")
            if not isinstance(w, Tracer) and (norm(_at_least_single(w)) == 0).any():
                raise ValueError(f"{name} is zero somewhere and has no direction there: pass it by (optax.partition)")
        params = jax.tree.map(_at_least_single, params)
        polar = Polar(jax.tree.map(magnitude, params), jax.tree.map(lambda w: w / norm(w), params))
        return WeightNormalizationState(polar, wrapped.init(polar))

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **others: Any
    ) -> tuple[PyTree, WeightNormalizationState]:
        polar: Polar = state.polar
        before = weights(polar) if params is None else params
        given = updates if params is None else params

        def in_magnitude(G: Array, g: Array, v: Array) -> Array:
            along = total(v / norm(v) * _at_least_single(G))
            return along if form == "linear" else radius(g) * along

        def in_direction(G: Array, g: Array, v: Array) -> Array:
            length, G = norm(v), _at_least_single(G)
            u = v / length
            return radius(g) / length * (G - u * total(u * G))

        gradient = Polar(*(jax.tree.map(part, updates, *polar) for part in (in_magnitude, in_direction)))
        steps: Any
        steps, inner_state = wrapped.update(gradient, state.inner, polar, **others)
        dg, dv = steps
        dg = jax.tree.map(lambda step: (ratio * step).astype(step.dtype), dg)
        polar = Polar(*map(optax.apply_updates, polar, (dg, dv)))
        moved = jax.tree.map(lambda w, b, p: (w - b).astype(p.dtype), weights(polar), before, given)
        return moved, WeightNormalizationState(polar, inner_state)

    return optax.GradientTransformationExtraArgs(init, update)


def _at_least_single(x: Any) -> Array:
    """x as an array, in single precision where it is in half: sums of squares overflow there, and norms lose digits."""
    x = jnp.asarray(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
