"""An explicit 3-layer ReLU network that fits any N distinct points with about 4 N hidden weights, without training.

The construction of `memorizing_plateaus` along one random direction u: c = u . x. A hard-tanh unit is two ReLUs,
T(z) = relu(z + 1) - relu(z - 1) - 1, so that p and q hard-tanh units become hidden widths (2 p, 2 q), and for outputs
of dimension d_y the second layers stand side by side: (2 p, 2 q d_y), both about 2 sqrt(N d_y).

Use `float64`: the weights grow like one over the smallest gap between the projected points, and in `float32` most
outputs are wrong. A network whose weights the precision cannot hold is refused when it is built.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, DTypeLike

from ..errors import UserError
from ._direction import Direction, directions, project
from .memorizing_plateaus import LineNetwork, Order, memorize_line

if TYPE_CHECKING:
    import equinox as eqx

MOST_ROUNDING = 5e-2
"""The largest estimated rounding error, over the size of the labels (at least 1), of a network that is not refused.

The error itself is a few times smaller: about 1e-2 at most.
"""
_LARGEST_LABEL = 1e150
_BLOCK = 20_000
_BLOCK_ENTRIES = 2 * 10**7


class ReluLayer(NamedTuple):
    """An affine map x -> W x + b. weight: (out, in), bias: (out,)."""

    weight: Float[np.ndarray, "fan_out fan_in"]
    bias: Float[np.ndarray, " fan_out"]


class MemorizingNetwork(NamedTuple):
    """A network with f(x_i) = y_i, in hard-tanh form: f(x) = factor (sum_k T(beta_k + V_k . T(a u.x + b)) - 1).

    Call it on x of shape (m, d_x) for outputs (m,) or (m, d_y), as the labels were given; it takes blocks of 20 000
    points and needs a quarter of the products of the ReLU form.

    Args:
        u: the direction (d_x,), of length 1.
        line: the network on the line, with weights a, b (p,), V (d_y, q, p), beta (d_y, q).
        factor: (d_y,) the size of labels beyond 1, else 1; it belongs to the last layer.
        scalar: whether the labels had the shape (N,).
        points: N, the distinct points.
        gap: the smallest distance between neighbours along u, over the range of u . x.
        reach: the largest sum of |u_d x_d| over a point's coordinates.
    """

    u: Float[np.ndarray, " d_x"]
    line: LineNetwork
    factor: Float[np.ndarray, " d_y"]
    scalar: bool
    points: int
    gap: float
    reach: float

    def __call__(self, x: ArrayLike) -> Float[np.ndarray, "m *d_y"]:
        """The outputs at new inputs.

        Raises:
            ValueError: x has not the shape (m, d_x), or is not numeric.
        """
        x = _numbers("x", x)
        if x.ndim != 2 or x.shape[1] != len(self.u):
            raise ValueError(f"x must have the shape (m, {len(self.u)}), got {x.shape}")
        d_y, q, p = self.line.V.shape
        rows = max(1, min(_BLOCK, _BLOCK_ENTRIES // max(p, d_y * q)))
        f = np.empty((len(x), d_y), self.u.dtype)
        for start in range(0, len(x), rows):
            block = slice(start, start + rows)
            f[block] = self.factor * self.line(project(x[block], self.u[:, None])[0])
        return f[:, 0] if self.scalar else f

    def __repr__(self) -> str:
        return (
            f"MemorizingNetwork(points={self.points}, inputs={len(self.u)}, outputs={len(self.factor)}, "
            f"widths={self.widths}, hidden_weights={self.hidden_weights}, dtype={self.u.dtype}, "
            f"rounding_error={self.rounding_error:.1e})"
        )

    @property
    def rounding_error(self) -> float:
        """An estimate of the largest error at the points, in the units of the labels; see `LineNetwork.rounding_error`.

        It costs O(N) operations, where an evaluation at all points costs O(N p q). In `float64` a point has the very
        projection the network was built for; `float32` rounds that too, and the estimate is that of the ReLU form.
        """
        exact = self.u.dtype == np.float64
        return float((self.factor * self.line.rounding_error(None if exact else self.reach)).max())

    @property
    def relu_rounding_error(self) -> float:
        """The same for the ReLU network, which `relu_layers`, `to_equinox` and `state_dict` give: larger."""
        return float((self.factor * self.line.rounding_error(self.reach)).max())

    @property
    def widths(self) -> tuple[int, int]:
        """(2 p, 2 q d_y), the ReLUs of the two hidden layers."""
        d_y, q, p = self.line.V.shape
        return 2 * p, 2 * q * d_y

    @property
    def hidden_weights(self) -> int:
        """The weights between the two hidden layers of the ReLU network, 4 p q d_y."""
        return self.widths[0] * self.widths[1]

    @property
    def largest_weight(self) -> float:
        """The largest weight or bias of the ReLU network."""
        return max(float(np.abs(part).max()) for layer in self.relu_layers() for part in layer)

    @property
    def passes(self) -> int:
        """How often the second layer was computed until its scale was large enough."""
        return self.line.passes

    def astype(self, dtype: DTypeLike) -> MemorizingNetwork:
        """The same network with rounded weights, evaluated in that precision."""
        a, b, V, beta = (part.astype(dtype) for part in (self.line.a, self.line.b, self.line.V, self.line.beta))
        line = LineNetwork(a, b, V, beta, self.line.passes)
        return self._replace(u=self.u.astype(dtype), line=line, factor=self.factor.astype(dtype))

    def relu_layers(self) -> tuple[ReluLayer, ReluLayer, ReluLayer]:
        """The three affine maps x -> W_3 relu(W_2 relu(W_1 x + b_1) + b_2) + b_3.

        W_1 = [a u^T; a u^T], W_2 = [[V, -V]; [V, -V]] for each output, W_3 = factor [1; -1].

        The same function with larger rounding errors (`relu_rounding_error`). To the right of its segment a hard-tanh
        unit is the difference of two ReLUs of the size of |a u.x + b|, up to about p, whose last digits V multiplies;
        and a matrix product with a u^T need not give the very u.x the network was built for. Inputs far from 0, such
        as a column of large constants, add their own last digits to that. The hard-tanh form is the accurate one.
        """
        (a, b, V, beta, _), d_y = self.line, len(self.factor)
        q = V.shape[1]
        slopes = a[:, None] * self.u
        first = ReluLayer(np.concatenate([slopes, slopes]), np.concatenate([b + 1, b - 1]))
        shifted = beta - V.sum(axis=2)
        unit = np.concatenate([V, -V], axis=2)
        second = ReluLayer(
            np.concatenate([unit, unit], axis=1).reshape(2 * q * d_y, -1),
            np.concatenate([shifted + 1, shifted - 1], axis=1).reshape(-1),
        )
        signs = np.repeat(np.array([1, -1], V.dtype), q)
        third = ReluLayer(np.kron(np.diag(self.factor), signs), -self.factor * (q + 1))
        return first, second, third

    def to_equinox(self) -> eqx.nn.MLP:
        """The ReLU network as an `equinox.nn.MLP`, a function of one input (d_x,).

        That class has one width for all hidden layers, so that the narrower one is filled up with idle units, whose
        weights are all zero. Its rounding errors are those of the ReLU form, larger than those of the hard-tanh form
        that a call evaluates: see `relu_layers` for why and `relu_rounding_error` for how much.

        Raises:
            ValueError: a `float64` network while JAX works in single precision.
        """
        import equinox as eqx
        import jax
        import jax.numpy as jnp

        dtype = self.u.dtype
        if dtype == np.float64 and not jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
            raise ValueError("the network needs float64: work inside `with jax.enable_x64(True):`")
        outputs = "scalar" if self.scalar else len(self.factor)
        width = max(self.widths)
        mlp = eqx.nn.MLP(len(self.u), outputs, width, 2, dtype=dtype, key=jax.random.key(0))

        def filled(layer: ReluLayer, like: eqx.nn.Linear) -> list[Any]:
            padding = [(0, to - own) for to, own in zip(like.weight.shape, layer.weight.shape, strict=True)]
            return [jnp.asarray(np.pad(layer.weight, padding)), jnp.asarray(np.pad(layer.bias, padding[:1]))]

        pairs = zip(self.relu_layers(), mlp.layers, strict=True)
        new = [part for layer, like in pairs for part in filled(layer, like)]
        return eqx.tree_at(lambda net: [part for layer in net.layers for part in (layer.weight, layer.bias)], mlp, new)

    def state_dict(self) -> dict[str, Any]:
        """The weights for `torch.nn.Sequential(Linear(d_x, w_1), ReLU(), Linear(w_1, w_2), ReLU(), Linear(w_2, d_y))`.

        w_1, w_2 are `widths`; the module must be in the network's precision (`.double()`). Its rounding errors are
        those of the ReLU form: see `relu_layers` for why and `relu_rounding_error` for how much.

        Raises:
            UserError: PyTorch is not installed.
        """
        try:
            import torch
        except ImportError:
            raise UserError("state_dict needs PyTorch: pip install biassay[torch]") from None
        return {
            f"{2 * i}.{name}": torch.from_numpy(np.ascontiguousarray(part))
            for i, layer in enumerate(self.relu_layers())
            for name, part in layer._asdict().items()
        }


def memorize(
    x: ArrayLike,
    y: ArrayLike,
    *,
    order: Order = "balanced",
    projections: int = 16,
    seed: int = 0,
    dtype: DTypeLike = np.float64,
    check: bool = True,
) -> MemorizingNetwork:
    """A network with f(x_i) = y_i for all i, built in O(N log N) operations.

    It has at most 4.3 N d_y hidden weights for N >= 100. Equal points with equal labels count once. Labels beyond
    [-1, 1] are divided by their largest size, which the last layer multiplies back.

    Points in tight clusters need weights that `float64` cannot hold. The error is estimated; above a twentieth of the
    labels' size other directions are tried, among them ones in which an outlier does not set the range, and then the
    points are refused.

    Args:
        x: inputs (N, d_x).
        y: real labels (N,) or (N, d_y); for classes -1 and +1, one column a class.
        order: which node serves which point, "balanced" or the paper's "zigzag", whose weights grow until `float64`
            fails at N of about 1e4 to 1e5; see `memorizing_plateaus.plateaus`.
        projections: random directions tried, of which the one with the largest smallest gap is taken.
        seed: of the random directions, 0 or more.
        dtype: precision that the weights are rounded to at the end and the network works in.
        check: False takes the first direction whatever its rounding error, for a network that is meant to fail.

    Raises:
        ValueError: empty, not finite or not numeric data, shapes that do not fit, an unknown option, equal points with
            different labels (the first such pair is named), or different points so close that the weights do not fit
            the precision (the closest pair is named).
    """
    if order not in ("balanced", "zigzag"):
        raise ValueError(f"order must be balanced or zigzag, got {order!r}")
    for name, number, least in (("projections", projections, 1), ("seed", seed, 0)):
        if not isinstance(number, int | np.integer) or number < least:
            raise ValueError(f"{name} must be an integer of at least {least}, got {number!r}")
    precision = _precision(dtype)
    x, y = _numbers("x", x), _numbers("y", y).astype(float)
    if x.ndim == 1 and x.size:
        raise ValueError(f"x must have the shape (N, d_x), got {x.shape}: N points of one coordinate are x[:, None]")
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"x must have the shape (N, d_x) with N and d_x at least 1, got {x.shape}")
    if y.ndim not in (1, 2) or len(y) != len(x) or y[0].size == 0:
        raise ValueError(f"y must have the shape ({len(x)},) or ({len(x)}, d_y), got {y.shape}")
    if np.abs(y).max() > _LARGEST_LABEL:
        raise ValueError(f"y must have entries of at most {_LARGEST_LABEL:g}, got {np.abs(y).max():.1e}")
    labels = y.reshape(len(y), -1)
    factor = np.maximum(1.0, np.abs(labels).max(axis=0))
    refused = ""
    for along in directions(x, labels, projections, np.random.default_rng(seed)):
        u, c, kept = along
        try:
            line = memorize_line(c[kept], labels[kept] / factor, order)
        except ValueError:
            refused = refused or _refusal(along, precision)
            continue
        gap = along.closest()[2] if len(kept) > 1 else 1.0
        reach = float(project(np.abs(x), np.abs(u)[:, None]).max())
        network = MemorizingNetwork(u, line, factor, y.ndim == 1, len(kept), gap, reach).astype(precision)
        worst = float(network.line.rounding_error(None if precision == np.float64 else reach).max())
        if worst <= MOST_ROUNDING or not check:
            return network
        refused = refused or _refusal(along, precision, worst)
    raise ValueError(refused)


def _refusal(along: Direction, precision: np.dtype, worst: float = np.inf) -> str:
    i, j, gap = along.closest()
    return (
        f"{precision} cannot hold the weights that these points need: the closest, {i} and {j}, are {gap:.1e} of the "
        f"range apart along the direction, and rounding would spoil the labels by {worst:.0e} of their size; "
        + ("use float64, " if precision != np.float64 else "")
        + "scale the coordinates, move close points apart or take fewer points"
    )


def _precision(dtype: DTypeLike) -> np.dtype:
    try:
        precision = np.dtype(dtype)
    except TypeError:
        raise ValueError(f"dtype must be float32 or float64, got {dtype!r}") from None
    if precision not in (np.float32, np.float64):
        raise ValueError(f"dtype must be float32 or float64, got {precision}")
    return precision


def _numbers(name: str, values: ArrayLike) -> np.ndarray:
    """The values as a finite real array."""
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{name} must be an array of numbers, got rows of different lengths") from None
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be an array of real numbers, got dtype {array.dtype}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)][0]} among its entries")
    return array
