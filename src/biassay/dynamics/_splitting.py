"""Sparse training by relaxed variable splitting: thresholding and gradient descent in turns."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, Key, PyTree, Scalar

from ..problem import Problem
from ._base import AbstractDynamics, Noise
from ._penalties import Penalty

Mask: TypeAlias = Any  # a pytree of booleans, a function of the parameters that returns one, or None


class SplittingState(NamedTuple):
    """inner: the state of the optimizer inside; sparse: u, the exactly sparse copy of the parameters."""

    inner: Any
    sparse: PyTree


def relaxed_splitting(
    inner: optax.GradientTransformation,
    *,
    penalty: Penalty,
    lam: Any,
    beta: Any,
    mask: Mask = None,
    normalise: Any = False,
) -> optax.GradientTransformationExtraArgs:
    """Any Optax optimizer, trained towards sparse weights by relaxed variable splitting (RVSM).

    Dinh and Xin, arXiv 1812.05719. The penalty is put on a copy u of the weights w, which a spring holds together:

        L_beta(u, w) = L(w) + lam P(u) + (beta / 2) |w - u|^2.

    Every step minimises it in u, which is a thresholding, and then takes a gradient step in w:

        u <- prox_{lam/beta}(w) = argmin_u (lam / beta) P(u) + |u - w|^2 / 2
        w <- w - inner(grad L(w) + beta (w - u)),      and where normalise is set, w <- w / |w|.

    The exact zeros are in u, never in w: train w, and use `sparse_params(state)`, which is u of the last w. An entry
    ends at zero where |w_i| <= `penalty.threshold(lam / beta)`: choose lam as beta * penalty.strength(threshold). As
    the weights outside are pulled towards zero with the force beta, beta says how fast. Momentum is harmless; an
    optimizer that divides by the gradient's size, such as Adam, divides the spring's force as well, so that small
    weights vanish whether they matter or not unless beta is small.

    Args:
        inner: e.g. `optax.sgd(0.1, momentum=0.9)`.
        penalty: `L1()`, `L0()`, `TransformedL1(shape)` or another `Penalty`.
        lam: weight of the penalty, at least 0.
        beta: stiffness of the spring, positive.
        mask: which leaves become sparse: a pytree of booleans like the parameters (or a prefix of it), a function of
            the parameters that returns one, or None for all leaves. On the others u is w.
        normalise: whether each of these leaves is brought to Euclidean norm 1 after the step, as in the paper for its
            one vector of weights.

    Returns:
        A gradient transformation whose state is a `SplittingState`. `update` needs the parameters, and what it returns
        must reach them unchanged: chain clipping and the like inside, not outside.

    Raises:
        ValueError: lam below 0 or infinite, beta not positive or infinite, a penalty without prox or that is a class;
            in `init`, a mask that does not fit the parameters; and in `update`, no parameters given.

    Example:
        >>> import jax, jax.numpy as jnp, optax
        >>> from biassay.dynamics import L0, relaxed_splitting, sparse_params
        >>> target = jnp.array([3.0, 0.0, 0.1])
        >>> optimizer = relaxed_splitting(optax.sgd(0.1), penalty=L0(), lam=0.5, beta=1.0)
        >>> w = jnp.ones(3)
        >>> state = optimizer.init(w)
        >>> for _ in range(200):
        ...     update, state = optimizer.update(w - target, state, w)
        ...     w = optax.apply_updates(w, update)
        >>> print(sparse_params(state) != 0)
        [ True False False]
    """
    _check(penalty, lam, beta)
    inner = optax.with_extra_args_support(inner)

    def init(params: PyTree) -> SplittingState:
        return SplittingState(inner.init(params), sparsify(params, penalty=penalty, lam=lam, beta=beta, mask=mask))

    def update(
        updates: PyTree, state: Any, params: PyTree | None = None, **extra: Any
    ) -> tuple[PyTree, SplittingState]:
        if params is None:
            raise ValueError("relaxed_splitting needs the parameters: call update(gradient, state, params)")
        pulled = jax.tree.map(lambda g, w, u: (g + beta * (w - u)).astype(g.dtype), updates, params, state.sparse)
        updates, inner_state = inner.update(pulled, state.inner, params, **extra)
        moved = optax.apply_updates(params, updates)
        if normalise is not False:
            moved = _where(mask, lambda w: _unit(w, normalise), moved)
            updates = jax.tree.map(jnp.subtract, moved, params)
        sparse = sparsify(moved, penalty=penalty, lam=lam, beta=beta, mask=mask)
        return updates, SplittingState(inner_state, sparse)

    return optax.GradientTransformationExtraArgs(init, update)


def sparsify(params: PyTree, *, penalty: Penalty, lam: Any, beta: Any, mask: Mask = None) -> PyTree:
    """u = prox_{lam/beta}(params) on the leaves of the mask, in their precision; the other leaves as they are."""
    return _where(mask, lambda w: penalty.prox(w, lam / beta).astype(w.dtype), params)


def _check(penalty: Any, lam: Any, beta: Any) -> None:
    """Raises ValueError for what is out of range, where it is a number and not a traced one."""
    if isinstance(lam, Real) and not 0 <= float(lam) < math.inf:
        raise ValueError(f"lam must be at least 0 and finite, got {lam}")
    if isinstance(beta, Real) and not 0 < float(beta) < math.inf:
        raise ValueError(
            f"beta must be positive and finite, got {beta}: it is the stiffness of the spring between w and u"
        )
    if isinstance(penalty, type) or not isinstance(penalty, Penalty):
        raise ValueError(f"penalty must have value, prox and threshold, as L1() has, got {penalty!r}")


def sparse_params(state: PyTree) -> PyTree:
    """The exactly sparse parameters u in the state of an optimizer that contains `relaxed_splitting`.

    To leave some leaves dense use its `mask`: under `optax.masked` or `optax.partition` u has holes there.

    Raises:
        ValueError: the state contains none, or several.
    """
    leaves = jax.tree.leaves(state, is_leaf=lambda node: isinstance(node, SplittingState))
    found = [leaf for leaf in leaves if isinstance(leaf, SplittingState)]
    if len(found) != 1:
        raise ValueError(f"the state of one relaxed_splitting is needed, found {len(found)}")
    return found[0].sparse


def _where(mask: Mask, function: Callable[[Array], Array], params: PyTree) -> PyTree:
    """`function` of the leaves that the mask chooses; the others as they are."""
    if mask is None:
        return jax.tree.map(function, params)
    chosen = mask(params) if callable(mask) else mask
    try:
        jax.tree.broadcast(chosen, params)
    except ValueError as error:
        raise ValueError("the mask must be a pytree of booleans like the parameters, or a prefix of it") from error
    return jax.tree.map(lambda yes, part: jax.tree.map(function, part) if yes else part, chosen, params)


def _unit(w: Array, normalise: Any) -> Array:
    """w / |w| where `normalise` is true and w is not 0."""
    size = jnp.sqrt(jnp.sum(w**2))
    return jnp.where(jnp.logical_and(normalise, size > 0), w / jnp.where(size > 0, size, 1), w)


class LagrangianState(NamedTuple):
    """splitting: the state of `relaxed_splitting`; lagrangian: L_beta(u, w) now; rise: its largest increase in one
    step so far, -inf before the first."""

    splitting: Any
    lagrangian: Scalar
    rise: Scalar


class RelaxedSplitting(AbstractDynamics):
    """Gradient descent with relaxed variable splitting, `relaxed_splitting(optax.sgd(lr), ...)`, on all parameters.

    Dinh and Xin, arXiv 1812.05719. The state holds the sparse u = prox_{lam/beta}(w) and watches the Lagrangian
    L_beta(u, w) = R(w) + lam P(u) + (beta / 2)|w - u|^2 at every step, recorded or not; that costs one evaluation of
    the risk a step.

    Args:
        lr: step size eta.
        penalty: `L1()`, `L0()`, `TransformedL1(shape)` or another `Penalty`.
        lam: weight of the penalty.
        beta: stiffness of the spring between w and u.
        normalise: whether every leaf is brought to norm 1 after each step; a number that may be swept, 0 for no.

    Raises:
        ValueError: lam or beta out of the range of `relaxed_splitting`, or a penalty that is none.
    """

    lr: Any
    penalty: Penalty
    lam: Any
    beta: Any
    normalise: Any = False

    def __check_init__(self) -> None:
        _check(self.penalty, self.lam, self.beta)

    def _optimizer(self) -> optax.GradientTransformationExtraArgs:
        return relaxed_splitting(
            optax.sgd(self.lr), penalty=self.penalty, lam=self.lam, beta=self.beta, normalise=self.normalise
        )

    def _lagrangian(self, problem: Problem, w: PyTree, u: PyTree) -> Scalar:
        penalty = jax.tree.reduce(jnp.add, jax.tree.map(self.penalty.value, u))
        apart = jax.tree.reduce(jnp.add, jax.tree.map(lambda x, y: jnp.sum((x - y) ** 2), w, u))
        return problem.risk(w) + self.lam * penalty + self.beta / 2 * apart

    def init(self, problem: Problem, params: PyTree) -> LagrangianState:
        splitting = self._optimizer().init(params)
        lagrangian = self._lagrangian(problem, params, sparse_params(splitting))
        return LagrangianState(splitting, lagrangian, jnp.full_like(lagrangian, -jnp.inf))

    def noise(self, problem: Problem, key: Key[Array, ""], start: Int[Array, ""], length: int) -> Noise:
        return None

    def step(
        self, problem: Problem, params: PyTree, state: LagrangianState, noise: Noise
    ) -> tuple[PyTree, LagrangianState]:
        updates, splitting = self._optimizer().update(problem.gradient(params), state.splitting, params)
        params = optax.apply_updates(params, updates)
        lagrangian = self._lagrangian(problem, params, sparse_params(splitting))
        return params, LagrangianState(splitting, lagrangian, jnp.maximum(state.rise, lagrangian - state.lagrangian))

    def time_step(self, state: LagrangianState) -> Scalar | float:
        return self.lr
