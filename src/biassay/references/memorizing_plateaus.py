"""A 3-layer network that memorizes N numbers on a line, in O(N) operations after the sort.

After Yun, Sra and Jadbabaie (NeurIPS 2019, arXiv 1810.07770), with hard-tanh units T(z) = clip(z, -1, 1):

    f(c) = sum_k T(g_k(c)) - 1,    g_k(c) = beta_k + sum_j V_kj T_j(c),    T_j(c) = T(a_j c + b_j).

The sorted points fall into p segments of q points, q even. T_j is -1 to the left of segment j, +1 to its right and
rises linearly across it, so that g_k has a *plateau* P_0k left of everything, P_jk after segment j, and is linear in
t = T_j on segment j:

    g_k = (P_{j-1,k} (1 - t) + P_jk (1 + t)) / 2,    V_kj = (P_jk - P_{j-1,k}) / 2,    beta_k = P_0k + sum_j V_kj.

In every segment each node k *serves* one point, the one at t with label y: g_k = y there gives the next plateau,

    P_jk = (2 y - P_{j-1,k} (1 - t)) / (1 + t).

The plateaus flip sign in every segment, and they are so large that a node is saturated at all points it does not
serve. Even positions of a segment (counted from 0) are served by nodes that come from a negative plateau, odd ones by
nodes that come from a positive one: then the q - 1 saturated nodes add up to exactly +1 at every data point.

The code asks of a number no more than arithmetic and order: on arrays of `fractions.Fraction` the same lines are
exact.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float, Int, Shaped

Order: TypeAlias = Literal["balanced", "zigzag"]

_MOST_PASSES = 60
_TOO_CLOSE = "this precision cannot hold the weights that these points need: some are too close on the line"


class Segments(NamedTuple):
    """The first layer, and what it makes of the points.

    a, b: (p,) the units T_j(c) = T(a_j c + b_j).
    t: (p, q) the value of T_j at the points of its segment, from left to right.
    gap: (p, q) the distance in t to the nearer neighbour of each point in its segment.
    """

    a: Shaped[np.ndarray, " p"]
    b: Shaped[np.ndarray, " p"]
    t: Shaped[np.ndarray, "p q"]
    gap: Shaped[np.ndarray, "p q"]


class Plateaus(NamedTuple):
    """The second layer of `d_y` networks that share the first.

    P: (p + 1, d_y, q) the plateaus.
    served: (p, d_y, q) the position, in segment j, of the point that node k of an output serves.
    passes: how often the plateaus were computed until their scale was large enough.
    """

    P: Shaped[np.ndarray, "p+1 d_y q"]
    served: Int[np.ndarray, "p d_y q"]
    passes: int

    @property
    def V(self) -> Shaped[np.ndarray, "d_y q p"]:  # noqa: N802
        """The weights V_kj of every output."""
        return np.moveaxis((self.P[1:] - self.P[:-1]) / 2, 0, -1)

    @property
    def beta(self) -> Shaped[np.ndarray, "d_y q"]:
        """The biases beta_k = P_0k + sum_j V_kj, half the sum of the first plateau and the last."""
        return (self.P[0] + self.P[-1]) / 2


def nodes_per_segment(n: int, outputs: int = 1) -> int:
    """q = 2 ceil(sqrt(n / d_y) / 2), so that p = ceil(n / q) segments make balanced widths.

    Where that leaves too many places empty q is one even number lower or higher: 4 p q <= 4.3 n for every n >= 100.
    """
    root = 2 * int(np.ceil(np.sqrt(n / outputs) / 2))
    near = range(max(2, root - 2), root + 3, 2)
    return min(near, key=lambda q: (max(q * -(-n // q), 1.075 * n), abs(q - root)))


def hard_tanh(z: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    """T(z) = min(max(z, -1), 1)."""
    return np.clip(z, -1, 1)


def padded(c: Shaped[np.ndarray, " n"], y: Shaped[np.ndarray, "n d_y"], q: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted points and their labels, filled up to whole segments of `q` by points beyond the end with label 0.

    The added points are (c_max - c_min) / n apart.
    """
    n = len(c)
    extra = -n % q
    spacing = (c[-1] - c[0]) / n if n > 1 else c[0] - c[0] + 1
    beyond = c[-1] + spacing * np.arange(1, extra + 1).astype(c.dtype)
    return np.concatenate([c, beyond]), np.concatenate([y, 0 * y[:1].repeat(extra, axis=0)])


def segments(c: Shaped[np.ndarray, " n"], q: int) -> Segments:
    """The first layer for sorted distinct points, n a multiple of `q`.

    Segment j reaches from L_j to R_j, midpoints between neighbouring segments; at the two ends half a gap further out
    than the last point. T_j rises from -1 to 1 between them.

    Raises:
        ValueError: rounding leaves a unit unsaturated at a point of a neighbouring segment.
    """
    points = c.reshape(-1, q)
    middle = (points[:-1, -1] + points[1:, 0]) / 2
    L = np.concatenate([[c[0] - (c[1] - c[0]) / 2], middle])
    R = np.concatenate([middle, [c[-1] + (c[-1] - c[-2]) / 2]])
    a, b = 2 / (R - L), -(R + L) / (R - L)
    t = a[:, None] * points + b[:, None]
    # What a unit lacks of -1 or 1 in the next segment would be multiplied by the largest weights.
    if not ((a[:-1] * points[1:, 0] + b[:-1] >= 1).all() and (a[1:] * points[:-1, -1] + b[1:] <= -1).all()):
        raise ValueError(_TOO_CLOSE)
    steps = t[:, 1:] - t[:, :-1]
    gap = np.concatenate([steps[:, :1], np.minimum(steps[:, 1:], steps[:, :-1]), steps[:, -1:]], axis=1)
    return Segments(a, b, t, gap)


def plateaus(layer: Segments, y: Shaped[np.ndarray, "n d_y"], order: Order = "balanced") -> Plateaus:
    """The second layer that gives the points the labels `y`, which lie in [-1, 1].

    The scale of P_0 begins at 4 over the smallest gap in t, and grows until no plateau lies in (-1, 1), all flip sign
    in every segment and every node is saturated at the neighbours of the points it serves: |V_kj| gap >= 1 + |y|.

    order: which node serves which point of a segment. "zigzag" is the paper's (node k at position k, then q - 1 - k,
        then k, ...): |P| is multiplied by (1 - t) / (1 + t) in every segment and nothing holds it in place, a random
        walk in log |P|. Only the parity of the position matters, so that "balanced" gives the small plateaus of either
        sign to the small t, where they grow.

    Raises:
        ValueError: points are too close for the precision.
    """
    p, q = layer.t.shape
    if not layer.gap.min() > 0:
        raise ValueError(_TOO_CLOSE)
    labels = np.moveaxis(y.reshape(p, q, -1), 1, 2)
    scale = np.full(labels.shape[1], 4 / layer.gap.min(), dtype=layer.t.dtype)
    for passes in range(1, _MOST_PASSES + 1):
        # Weights beyond the largest float are refused by their size.
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            P, served, room = _one_pass(layer, labels, order, scale)
        if P.dtype != object and not np.isfinite(P).all():
            break
        small = ~(room >= 1)
        if not small.any():
            return Plateaus(P, served, passes)
        positive = small & (room > 0)
        scale[positive] = scale[positive] * 3 / (2 * room[positive])
        scale[small & ~positive] = scale[small & ~positive] * 2
    raise ValueError(_TOO_CLOSE)


class LineNetwork(NamedTuple):
    """f_o(c) = sum_k T(beta_ok + sum_j V_okj T(a_j c + b_j)) - 1 for the outputs o, with hard-tanh units.

    a, b: (p,); V: (d_y, q, p); beta: (d_y, q); passes: how often the plateaus were computed.
    """

    a: Shaped[np.ndarray, " p"]
    b: Shaped[np.ndarray, " p"]
    V: Shaped[np.ndarray, "d_y q p"]
    beta: Shaped[np.ndarray, "d_y q"]
    passes: int

    def __call__(self, c: Shaped[np.ndarray, " m"]) -> Shaped[np.ndarray, "m d_y"]:
        """f at the numbers c, exactly where the weights and c are rationals."""
        d_y, q, p = self.V.shape
        T = hard_tanh(c[:, None] * self.a + self.b)
        g = T @ self.V.reshape(d_y * q, p).T
        g += self.beta.reshape(-1)
        return hard_tanh(g).reshape(-1, d_y, q).sum(axis=2) - 1

    def __repr__(self) -> str:
        d_y, q, p = self.V.shape
        return f"LineNetwork(p={p}, q={q}, d_y={d_y}, dtype={self.V.dtype})"

    def rounding_error(self, reach: float | None = None) -> Float[np.ndarray, " d_y"]:
        """An estimate of each output's largest error at the points that is due to rounding, in O(N) operations.

        A node g_k adds up beta_k and the terms V_kj T_j, of which each plateau is what is left: the last digits of
        beta_k and all |V_kj| stay behind, eps (|beta_k| + sum_j |V_kj|) for the worst node, and the nodes that a point
        almost unsaturates add theirs: four times that.

        reach: with it, the same for T_j(c) = relu(z + 1) - relu(z - 1) - 1, z = a_j c + b_j, where c is a sum whose
            terms have absolute values of up to `reach` in all. Both ReLUs of a segment to the left have the size |z|,
            up to about p, and the terms of c and b_j may cancel.
        """
        sizes = np.abs(self.V)
        if reach is not None:
            sizes = sizes * (1 + self.a * reach + np.abs(self.b))
        return 4 * np.finfo(self.V.dtype).eps * (np.abs(self.beta) + sizes.sum(axis=2)).max(axis=1)


def memorize_line(
    c: Shaped[np.ndarray, " n"], y: Shaped[np.ndarray, "n d_y"], order: Order = "balanced"
) -> LineNetwork:
    """The network with f(c_i) = y_i for distinct numbers c_i, in any order, and labels y_i in [-1, 1].

    Floating arrays give it to round-off; arrays of `fractions.Fraction` (of dtype object) exactly.

    Points that are close for the precision make weights whose rounding spoils the outputs: see
    `LineNetwork.rounding_error`.

    Raises:
        ValueError: points are too close for the precision to hold the weights at all.
    """
    at = np.argsort(c)
    q = nodes_per_segment(*y.shape)
    points, labels = padded(c[at], y[at], q)
    layer = segments(points, q)
    found = plateaus(layer, labels, order)
    return LineNetwork(layer.a, layer.b, np.ascontiguousarray(found.V), found.beta, found.passes)


def _one_pass(
    layer: Segments, labels: Shaped[np.ndarray, "p d_y q"], order: Order, scale: Shaped[np.ndarray, " d_y"]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """P and served for one scale, and each output's room: below 1 something is not saturated, 0 a sign did not flip."""
    p, outputs, q = labels.shape
    t, gap, row = layer.t, layer.gap, np.arange(outputs)[:, None]
    P = np.empty_like(t, shape=(p + 1, outputs, q))
    served = np.empty((p, outputs, q), int)
    sign = np.where(np.arange(q) % 2 == 0, -1, 1).astype(t.dtype)
    P[0] = sign * scale[:, None] * (1 + t[0])
    room = np.abs(P[0]).min(axis=1)
    for j in range(p):
        served[j] = at = _positions(P[j], j, order)
        own, label = t[j][at], labels[j][row, at]
        P[j + 1] = (2 * label - P[j] * (1 - own)) / (1 + own)
        saturated = np.abs(P[j + 1] - P[j]) / 2 * gap[j][at] / (1 + np.abs(label))
        size = np.abs(P[j + 1])
        worst = np.minimum(saturated, size).min(axis=1)
        flipped = ((P[j + 1] > 0) != (P[j] > 0)).all(axis=1)
        room = np.where(flipped, np.minimum(room, worst), 0)
    return P, served, room


def _positions(P: Shaped[np.ndarray, "d_y q"], segment: int, order: Order) -> Int[np.ndarray, "d_y q"]:
    """The position in the segment that each node serves: even ones for P < 0, odd ones for P > 0.

    When a sign did not flip the two classes are unequal: the lower half of the plateaus counts as negative, and the
    pass goes on to its end, where the scale is refused.
    """
    outputs, q = P.shape
    at = np.empty((outputs, q), int)
    if order == "zigzag":
        at[:] = np.arange(q) if segment % 2 == 0 else np.arange(q)[::-1]
        return at
    ascending = np.asarray(np.argsort(P, axis=1))
    nearest_first = np.concatenate([ascending[:, : q // 2][:, ::-1], ascending[:, q // 2 :]], axis=1)
    positions = np.concatenate([np.arange(0, q, 2), np.arange(1, q, 2)])
    np.put_along_axis(at, nearest_first, np.broadcast_to(positions, (outputs, q)), axis=1)
    return at
