"""The margin panel, the first of an optimizer's bias card: which max-margin direction it chooses on separable data.

A margin ratio in the geometry G compares the margin attained with the largest there is,

    ratio_G(w) = (min_n <w, a_n> / |w|_G) / gamma_G,    gamma_G = max_{|w|_G <= 1} min_n <w, a_n>,    a_n = y_n x_n,

for G = L1, L2, Linf, and the spectral norm where the parameter is a matrix. It is at most 1, and 1 for the separator
of largest margin in G. Every ratio depends on the optimizer, the loss and the batch together.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr
from jaxtyping import Array, Float, PyTree, Scalar

from ...dynamics import AbstractDynamics, NormalisedSteepestDescent, Optax, SpectralDescent
from ...models.linear_classifier import Loss, linear_classifier
from ...problem import Problem
from ...references.margins import hard_margin
from ...references.norm_margins import l1_margin, linf_margin, spectral_margin
from ...simulation import PerSeed, simulate

VECTOR_NORMS = {"L1": 1.0, "L2": 2.0, "Linf": np.inf}
"""The geometries of every panel and their exponents."""

LARGEST_MARGIN = 300.0
"""Where a run on the logistic loss ends: gradients are some exp(-margin), and their squares underflow from 354 on."""

REFERENCE_GAIN = 0.01
"""What the reference rows add to the margin a step, in the long run: their step size is this over gamma_G."""
REFERENCE_STEPS = 50_000

_TIE = 1e-9
"""A lead within round-off."""


class Points(NamedTuple):
    """Separable points, one set a seed: vectors, or matrices with shape = (a, b)."""

    x: Float[np.ndarray, "seed n ..."]
    y: Float[np.ndarray, "seed n"]
    seed: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the parameter, that of a point."""
        return self.x.shape[2:]

    @property
    def geometries(self) -> tuple[str, ...]:
        """The norms in which margins are compared."""
        return (*VECTOR_NORMS, "spectral") if len(self.shape) == 2 else tuple(VECTOR_NORMS)

    def problem(self, loss: Loss) -> PerSeed[Problem]:
        """The problems, for `simulate`."""
        return PerSeed(linear_classifier(jnp.asarray(self.x), jnp.asarray(self.y), loss))


@lru_cache(maxsize=8)
def draw_points(seed: int, seeds: int, n: int, shape: tuple[int, ...]) -> Points:
    """n points x ~ N(0, I) a seed, labelled by the sign of <x, w_t> with w_t ~ N(0, I)."""

    def one(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        d = int(np.prod(shape))
        teacher, x = rng.normal(size=d), rng.normal(size=(n, d))
        return x.reshape(n, *shape), np.sign(x @ teacher)

    x, y = zip(*[one(np.random.default_rng(seed + i)) for i in range(seeds)], strict=True)
    return Points(np.stack(x), np.stack(y), seed)


@lru_cache(maxsize=64)
def _largest_margins(x: bytes, y: bytes, n: int, shape: tuple[int, ...]) -> tuple[float, ...]:
    """gamma_G of one set of points, known by their numbers."""
    flat, labels = np.frombuffer(x).reshape(n, -1), np.frombuffer(y)
    found = (l1_margin(flat, labels).margin, hard_margin(flat, labels).margin, linf_margin(flat, labels).margin)
    return (*found, spectral_margin(flat, labels, cast(tuple[int, int], shape)).margin) if len(shape) == 2 else found


def maximum_margins(points: Points) -> Float[np.ndarray, "seed norm"]:
    """gamma_G of every set of points for every one of their geometries; solved for once."""
    pairs = zip(np.asarray(points.x, float), np.asarray(points.y, float), strict=True)
    return np.array([_largest_margins(x.tobytes(), y.tobytes(), len(y), points.shape) for x, y in pairs])


def geometry_norms(w: Float[np.ndarray, "..."], shape: tuple[int, ...]) -> Float[np.ndarray, "... norm"]:
    """|w|_G for every geometry, w of shape (..., *shape)."""
    flat = w.reshape(*w.shape[: w.ndim - len(shape)], -1)
    norms = [np.linalg.norm(flat, order, axis=-1) for order in VECTOR_NORMS.values()]
    if len(shape) == 2:
        finite = np.where(np.isfinite(w).all(axis=(-2, -1), keepdims=True), w, 0.0)
        norms.append(np.linalg.norm(finite, 2, axis=(-2, -1)))
    return np.stack(norms, axis=-1)


def margin_ratios(
    margin: Float[np.ndarray, "seed ..."], norms: Float[np.ndarray, "seed ... norm"], points: Points
) -> Float[np.ndarray, "seed ... norm"]:
    """(margin / |w|_G) / gamma_G; NaN for w = 0."""
    largest = maximum_margins(points).reshape(len(norms), *[1] * (norms.ndim - 2), -1)
    return margin[..., None] / np.where(norms > 0, norms, np.nan) / largest


def smallest_margin(problem: Problem, params: PyTree) -> Scalar:
    """Margin min_n y_n f(w, x_n)."""
    return jnp.min(problem.y * problem.predict(params, problem.x))


def largest_gradient(problem: Problem, params: PyTree) -> Scalar:
    """Largest entry of the full gradient in modulus."""
    return jnp.max(jnp.stack([jnp.max(jnp.abs(g)) for g in jax.tree.leaves(problem.gradient(params))]))


def separator(problem: Problem, params: Array) -> Array:
    """The weights w."""
    return params


_PROBES = {"margin": smallest_margin, "gradient": largest_gradient, "w": separator}


def train(
    points: Points,
    dynamics: AbstractDynamics | PerSeed[AbstractDynamics],
    *,
    loss: Loss = "log_sum_exp",
    steps: int = 200_000,
    record: int | Sequence[int] = 40,
    label: str = "",
) -> xr.Dataset:
    """Trains from zero on every seed's points: `margin`, `gradient` (seed, step) and `w` (seed, step, ...).

    A run on the logistic loss ends at the first record at which some seed's margin has passed `LARGEST_MARGIN`.
    """
    run = simulate(
        points.problem(loss),
        dynamics,
        jnp.zeros(points.shape),
        steps=steps,
        probes=_PROBES,
        record=record,
        seeds=len(points.y),
        seed=points.seed,
        until=(lambda last: bool(np.max(last["margin"]) > LARGEST_MARGIN)) if loss == "logistic" else None,
        label=label,
    )
    return run.data.drop_vars(["time", "diverged"])


def follow(points: Points, dynamics: AbstractDynamics | PerSeed[AbstractDynamics], **options: Any) -> xr.Dataset:
    """`train`, and the margins compared along the way; takes the options of `train`.

    Returns:
        `margin`, `gradient` (seed, step), `ratio` (seed, step, norm) and `void` (seed): whether the last gradient is
        too small for its square to be a normal number, or something is not finite. A void row's ratios are numbers
        about floating-point arithmetic, not about the optimizer.
    """
    data = train(points, dynamics, **options)
    w = data["w"].values
    ratio = margin_ratios(data["margin"].values, geometry_norms(w, points.shape), points)
    last = data["gradient"].isel(step=-1).values
    finite = np.isfinite(w[:, -1]).all(axis=tuple(range(1, w.ndim - 1)))
    void = ~(finite & (last**2 >= np.finfo(last.dtype).tiny))
    return (
        data.drop_vars("w")
        .assign_coords(norm=list(points.geometries))
        .assign(
            ratio=(("seed", "step", "norm"), ratio, {"long_name": "margin over the largest margin in a norm"}),
            void=("seed", void, {"long_name": "gradients too small to be squared, or not finite"}),
        )
    )


def nearest(ratio: xr.DataArray, void: xr.DataArray) -> xr.Dataset:
    """The geometry with the largest ratio (..., norm), and its lead over the second.

    "none", with a lead of NaN, where the run is `void` (...), a ratio is NaN, nothing is separated (no positive
    ratio), or the first is not ahead of the second by more than round-off.
    """
    values = ratio.transpose(..., "norm")
    ordered = np.sort(values.values, axis=-1)
    best = values["norm"].values.astype(object)[np.argmax(values.values, axis=-1)]
    axes = values.dims[:-1]
    lead = ordered[..., -1] - ordered[..., -2]
    known = np.isfinite(ordered).all(axis=-1) & (ordered[..., -1] > 0) & (lead > _TIE)
    known &= ~void.transpose(*axes).values
    return xr.Dataset(
        {
            "nearest": (axes, np.where(known, best, "none").astype(str), {"long_name": "geometry of largest ratio"}),
            "lead": (axes, np.where(known, lead, np.nan), {"long_name": "its lead over the second"}),
        }
    )


def steepest(norm: str, lr: Any) -> AbstractDynamics:
    """Normalised steepest descent in the geometry `norm`."""
    return SpectralDescent(lr) if norm == "spectral" else NormalisedSteepestDescent(lr, VECTOR_NORMS[norm])


def reference_rows(points: Points, steps: int = REFERENCE_STEPS) -> xr.DataArray:
    """The final ratios (reference, seed, norm) of normalised steepest descent in each geometry, on log-sum-exp."""
    largest = maximum_margins(points)

    def final(index: int, norm: str) -> xr.DataArray:
        dynamics = PerSeed(steepest(norm, jnp.asarray(REFERENCE_GAIN / largest[:, index])))
        row = follow(points, dynamics, steps=steps, record=1, label=f"steepest descent, {norm}")
        return row["ratio"].isel(step=-1, drop=True)

    rows = xr.concat([final(index, norm) for index, norm in enumerate(points.geometries)], "reference")
    rows.attrs["long_name"] = "ratios of normalised steepest descent in each norm"
    return rows.assign_coords(reference=list(points.geometries))


def margin_panel(
    optimizer: optax.GradientTransformation | AbstractDynamics,
    *,
    loss: Loss = "log_sum_exp",
    steps: int = 200_000,
    batch_size: int | None = None,
    seeds: int = 5,
    seed: int = 0,
    n: int = 30,
    d: int = 60,
    shape: tuple[int, int] | None = None,
    described: str = "",
) -> xr.Dataset:
    """Which max-margin direction any Optax optimizer, or any dynamics, chooses; trained from zero in double precision.

    Args:
        optimizer: e.g. `optax.adam(1e-3, eps=0.0)`. Its eps and schedule are part of its geometry: Optax's defaults
            are made for gradients that do not vanish.
        loss: "log_sum_exp" (log sum_n exp(-<w, a_n>), whose gradient stays of order one: the verdict) or "logistic"
            (its mean, what users train; after as many steps a much smaller margin is reached).
        steps: steps to take. On the logistic loss the run ends once a margin of 300 is reached.
        batch_size: examples a step, None for all of them. Only for Optax and the logistic loss: the log-sum-exp of a
            batch is no part of a sum over the examples.
        seeds, seed: how many data sets, and the first one's seed.
        n, d: points and parameters.
        shape: the parameter as a matrix (a, b) with a b = d, for optimizers that treat matrices otherwise (Muon), and
            for the spectral geometry.
        described: what the attribute `optimizer` says, e.g. "adam, lr 1e-3, eps 0".

    Returns:
        `ratio` (seed, step, norm) along the run, `margin` and `gradient` (seed, step), `void` (seed), `nearest` and
        `lead` (seed): the geometry with the largest final ratio and how far it is ahead; `maximum_margin` (seed, norm);
        `reference` (reference, seed, norm): the ratios of normalised steepest descent in every norm, what a ratio
        in the right geometry looks like.

    Raises:
        ValueError: `optimizer` is neither a transformation nor a dynamics, or asks for more than gradients (a line
            search does); a number below 1; `shape` is not a matrix of d entries; `batch_size` is given where it means
            nothing.
    """
    for number, at_least in (("steps", steps), ("seeds", seeds), ("n", n), ("d", d)):
        if at_least < 1:
            raise ValueError(f"{number} must be at least 1, got {at_least}")
    parameter = (d,) if shape is None else tuple(shape)
    if shape is not None and (len(parameter) != 2 or min(parameter) < 1 or parameter[0] * parameter[1] != d):
        raise ValueError(f"shape must be a matrix of d={d} entries, got {shape}")
    if not isinstance(optimizer, AbstractDynamics):
        _check_transformation(optimizer, parameter)
    if batch_size is not None and (loss != "logistic" or isinstance(optimizer, AbstractDynamics)):
        raise ValueError("batch_size needs loss='logistic' and an Optax transformation")
    with jax.enable_x64(True):
        points = draw_points(seed, seeds, n, parameter)
        dynamics = optimizer if isinstance(optimizer, AbstractDynamics) else Optax(optimizer, batch_size)
        panel = follow(points, dynamics, loss=loss, steps=steps, label="margin panel")
        panel = panel.merge(nearest(panel["ratio"].isel(step=-1, drop=True), panel["void"]))
        words = {"long_name": "largest margin of unit norm"}
        panel = panel.assign(maximum_margin=(("seed", "norm"), maximum_margins(points), words))
        panel = panel.assign(reference_ratio=_cached_references(seed, seeds, n, points.shape))
    batch = "full" if batch_size is None else str(batch_size)
    name = described or type(optimizer).__name__
    return panel.assign_attrs(optimizer=name, loss=loss, batch=batch, steps=int(panel["step"][-1]))


def _check_transformation(optimizer: object, shape: tuple[int, ...]) -> None:
    """Refuses what is no Optax transformation of gradients alone."""
    if not isinstance(optimizer, optax.GradientTransformation):
        hint = f"; call it: {getattr(optimizer, '__name__', 'optimizer')}(1e-3)" if callable(optimizer) else ""
        raise ValueError(
            f"optimizer must be an Optax transformation, such as optax.adam(1e-3), or a dynamics, got {optimizer!r:.60}"
            + hint
        )
    w = jnp.zeros(shape)
    try:
        jax.eval_shape(lambda g: optimizer.update(g, optimizer.init(w), w), w)
    except TypeError as error:
        if "required keyword" not in str(error):
            raise
        raise ValueError(f"optimizer must need gradients only, as a line search does not: {error}") from error


@lru_cache(maxsize=8)
def _cached_references(seed: int, seeds: int, n: int, shape: tuple[int, ...]) -> xr.DataArray:
    return reference_rows(draw_points(seed, seeds, n, shape))
