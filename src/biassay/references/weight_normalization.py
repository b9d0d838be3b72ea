r"""Where gradient flow on a diagonal linear network of depth two ends, plain and weight-normalized: exactly.

The network x = w_+ * w_+ - w_- * w_- is to solve A x = y, A of shape (m, d) with m <= d and full row rank. It starts at
w = alpha (1, ..., 1), with n = 2d weights and r0^2 = |w|^2 = n alpha^2. Below kappa = alpha^2 and k = log kappa.

Along the plain flow of |A x - y|^2 / 2 the change of log w_+- is +-A^T nu. So it ends at w_+-^2 = kappa exp(+-z), where
z = 2 A^T nu, that is, at

    x(k) = 2 kappa sinh(2 A^T nu),       A x = y,       with the mass S(k) = |w|^2 = sum_j 2 kappa cosh(2 A^T nu)_j,

where nu minimises the convex sum_j kappa cosh(2 A^T nu)_j - y . nu (Newton's method). Weight normalization w = r u,
with the magnitude's speed eta times the direction's, ends on the same path: where plain flow would have ended from

    log kappa = log(S / n) - (S - r0^2) / eta                               r = g      ("linear")
    log kappa = log alpha^2 + (1/eta - 1) log(r0^2 / S)                     r = e^g    ("exponential")

(the effective initialization; derived for the assay `weight-normalization`). As S(k) increases with 0 <= S' <= S, both
equations have one solution. It is found by following the path downwards from a kappa at which Newton's method starts
at nu = 0, and then by Newton's method in k inside the bracket that the path gives.

kappa may be 1e-74, or smaller than any float: only k + |z| is ever exponentiated. NumPy in float64, sharing no code
with the flows that it is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

Form: TypeAlias = Literal["linear", "exponential"]
Numbers: TypeAlias = ArrayLike | float | Sequence[float]

LOWEST = -700.0
"""The path ends at log kappa = -700: what lies below is the same solution to rounding."""

_TOLERANCE = 1e-12
_NEWTON_STEPS = 100
_ROOT_STEPS = 60
# The share of the trace that is added to the curvature: directions that only coordinates below rounding see stay put.
_RIDGE = 1e-15
_LARGEST = 1e100
# Above this ratio the mass is that of the start to so many digits that the equation for kappa is lost in rounding.
_LARGEST_RATIO = 1e6

Stack: TypeAlias = Float[np.ndarray, "..."]


class DiagonalLimit(NamedTuple):
    """The end of a flow, for every lane.

    x: the vector (*seeds, lane, d); mass: S = |w|^2 (*seeds, lane), of the 2d weights and so at least |x|_1;
    log_alpha: the logarithm of the initialization from which plain flow ends here; residual: |A x - y| / |y|.
    """

    x: Float[np.ndarray, "*seeds lane d"]
    mass: Float[np.ndarray, "*seeds lane"]
    log_alpha: Float[np.ndarray, "*seeds lane"]
    residual: Float[np.ndarray, "*seeds lane"]


def log_effective_initialization(
    alpha: Numbers, r: Numbers, n: int, eta: Numbers, form: Form = "linear"
) -> Float[np.ndarray, "..."]:
    """log alpha_eff: where plain flow must start to end where weight-normalized flow from alpha (1, ..., 1) does.

    alpha_eff = alpha (r / r0) exp(-(r^2 - r0^2) / (2 eta)) for the linear form, alpha (r / r0)^(1 - 1/eta) for the
    exponential one, whatever the depth L >= 2 of the network.

    Args:
        alpha: the initialization.
        r: |w| at the end of the weight-normalized flow.
        n: the number of weights, so that r0 = alpha sqrt(n).
        eta: the magnitude's speed over the direction's.
        form: "linear" (r = g) or "exponential" (r = e^g).

    Raises:
        ValueError: alpha, r or eta not positive, n not a positive integer, shapes that do not broadcast, or an unknown
            form.
    """
    alpha, r, eta = _together(alpha=alpha, r=r, eta=eta)
    _check_form(form)
    if not (isinstance(n, Integral) and n >= 1):
        raise ValueError(f"n, the number of weights, must be a positive integer, got {n}")
    r0 = alpha * np.sqrt(n)
    if form == "linear":
        return np.log(alpha) + np.log(r / r0) - (r - r0) * (r + r0) / (2 * eta)
    return np.log(alpha) + (1 - 1 / eta) * np.log(r / r0)


def plain_limit(A: Float[np.ndarray, "*seeds m d"], y: Float[np.ndarray, "*seeds m"], alpha: Numbers) -> DiagonalLimit:
    """The limit of plain gradient flow from w = alpha (1, ..., 1), for every system and every alpha.

    Args:
        A, y: the systems, A x = y; each A of full row rank.
        alpha: positive numbers (lane,), or one.

    Raises:
        ValueError: shapes that do not fit or are empty, an A that is not finite, has more equations than unknowns or
            depends linearly in its rows, y = 0 or not finite, or an alpha that is not positive.

    Example:
        >>> import numpy as np
        >>> A, y = np.array([[1.0, 0.5]]), np.array([1.0])
        >>> plain_limit(A, y, [10.0, 1e-6]).x.round(3) + 0.0  # large starts: least L2 norm; small ones: least L1 norm
        array([[0.8, 0.4],
               [1. , 0. ]])
    """
    (alpha,) = _lanes(alpha=alpha)
    start = 2 * np.log(alpha)
    return _limits(A, y, lambda k, S, n: (k - start, np.ones_like(S), np.zeros_like(S)))


def weight_normalized_limit(
    A: Float[np.ndarray, "*seeds m d"],
    y: Float[np.ndarray, "*seeds m"],
    alpha: Numbers,
    eta: Numbers = 1.0,
    form: Form = "linear",
) -> DiagonalLimit:
    """The limit of weight-normalized gradient flow from w = alpha (1, ..., 1), for every system and every lane.

    Args:
        A, y: the systems, A x = y; each A of full row rank.
        alpha, eta: positive numbers (lane,), or one for all lanes; eta, at most 1e6, is the magnitude's speed over the
            direction's.
        form: "linear" (r = g) or "exponential" (r = e^g).

    Raises:
        ValueError: shapes that do not fit or are empty, an A that is not finite, has more equations than unknowns or
            depends linearly in its rows, y = 0 or not finite, an alpha or eta that is not positive, an eta above 1e6,
            or an unknown form.

    Example:
        >>> import numpy as np
        >>> A, y = np.array([[1.0, 0.5]]), np.array([1.0])
        >>> found = weight_normalized_limit(A, y, 0.3, [1.0, 0.01])  # r0^2 = 0.36 is below |x|_1 = 1
        >>> found.x.round(3) + 0.0
        array([[0.857, 0.286],
               [1.   , 0.   ]])
    """
    alpha, eta = _lanes(alpha=alpha, eta=eta)
    _check_form(form)
    if (eta > _LARGEST_RATIO).any():
        raise ValueError(f"eta must be at most {_LARGEST_RATIO:g}, got {eta.max():g}")
    start = 2 * np.log(alpha)

    def linear(k: Stack, S: Stack, n: int) -> tuple[Stack, Stack, Stack]:
        return k - np.log(S / n) + (S - n * alpha**2) / eta, np.ones_like(S), 1 / eta - 1 / S

    def exponential(k: Stack, S: Stack, n: int) -> tuple[Stack, Stack, Stack]:
        slope = 1 / eta - 1
        return k - start + slope * (np.log(S / n) - start), np.ones_like(S), slope / S

    return _limits(A, y, linear if form == "linear" else exponential)


# --- the path of plain limits -----------------------------------------------------------------------------------------

# (k, S, n) -> the equation that k must solve along the path, increasing in k, and its derivatives in k and in S.
_Equation: TypeAlias = Callable[[Stack, Stack, int], tuple[Stack, Stack, Stack]]


class _Point(NamedTuple):
    """The plain limit at k: its dual variable nu (*lanes, m), x (*lanes, d), the masses w_+^2 + w_-^2 (*lanes, d)."""

    nu: Stack
    x: Stack
    masses: Stack

    @property
    def S(self) -> Stack:  # noqa: N802
        return self.masses.sum(axis=-1)


def _at(A: Stack, k: Stack, nu: Stack) -> _Point:
    """w_+-^2 = exp(k +- z): x their difference and the masses their sum, both without cancellation."""
    z = 2 * (nu[..., None, :] @ A)[..., 0, :]
    larger = np.exp(k[..., None] + np.abs(z))
    return _Point(nu, np.sign(z) * larger * -np.expm1(-2 * np.abs(z)), larger * (1 + np.exp(-2 * np.abs(z))))


def _curvature(A: Stack, point: _Point) -> Stack:
    """A diag(masses) A^T and, against its rounding, a ridge."""
    H = (A * point.masses[..., None, :]) @ np.swapaxes(A, -1, -2)
    return H + _RIDGE * np.trace(H, axis1=-2, axis2=-1)[..., None, None] * np.eye(A.shape[-2])


def _plain(A: Stack, y: Stack, k: Stack, nu: Stack) -> _Point:
    """Newton's method for A x = y at k, from nu; a step changes no exponent by more than 1."""
    close = _TOLERANCE * np.abs(y).max(axis=-1)
    for _ in range(_NEWTON_STEPS):
        point = _at(A, k, nu)
        short = (A @ point.x[..., None])[..., 0] - y
        step = np.linalg.solve(_curvature(A, point), short[..., None])[..., 0] / 2
        largest = np.abs(2 * (step[..., None, :] @ A)[..., 0, :]).max(axis=-1)
        nu = nu - step / np.maximum(1, largest)[..., None]
        if (np.abs(short).max(axis=-1) <= close).all():
            break
    return _at(A, k, nu)


def _limits(A: Stack, y: Stack, equation: _Equation) -> DiagonalLimit:
    """The point of each system's path at which each lane's equation holds."""
    A, y = np.asarray(A, float), np.asarray(y, float)
    if A.ndim < 2 or A.shape[:-1] != y.shape:
        raise ValueError(f"A of shape (*seeds, m, d) needs y of shape (*seeds, m), got {A.shape} and {y.shape}")
    *seeds, m, d = A.shape
    if m > d:
        raise ValueError(f"A x = y must have no more equations than unknowns, got {m} and {d}")
    if not A.size:
        raise ValueError(f"A x = y needs one or more systems, equations and unknowns, got A of shape {A.shape}")
    if not np.isfinite(A).all():
        raise ValueError(f"A must be finite, got {int((~np.isfinite(A)).sum())} entries that are not")
    A, y, n = A.reshape(-1, m, d), y.reshape(-1, m), 2 * d
    ranks = np.linalg.matrix_rank(A)
    if (ranks < m).any():
        raise ValueError(
            f"A must have full row rank {m}, got {ranks.min()}: leave out equations that follow from others"
        )
    size = np.abs(y).max(axis=-1, keepdims=True)
    if not (np.isfinite(size) & (size > 0)).all():
        raise ValueError("y must be finite and not zero: at y = 0 the start is the limit")

    def value(k: float, S: Stack) -> Stack:
        """The lanes' equations at k, (seed, lane)."""
        return equation(np.full((1, 1), k), S[:, None], n)[0]

    # Above this k the least-norm solution is small beside kappa, and nu = 0 is a good start.
    k = float(np.log(10 * np.abs(np.linalg.pinv(A) @ y[..., None]).max()))
    point = _plain(A, y, np.full(len(A), k), np.zeros_like(y))
    while (value(k, point.S) < 0).any():
        k += 1
        point = _plain(A, y, np.full(len(A), k), np.zeros_like(y))
    path = [(k, point.nu, value(k, point.S) >= 0)]
    while path[-1][2].any() and k > LOWEST:
        k = max(k - 1, LOWEST)
        point = _plain(A, y, np.full(len(A), k), point.nu)
        path.append((k, point.nu, value(k, point.S) >= 0))
    ks, nus, above = (np.stack(part) for part in zip(*path, strict=True))
    last = above.sum(axis=0) - 1  # the lowest k of the path at which the equation is not negative, (seed, lane)
    high, low = ks[last], ks[np.minimum(last + 1, len(ks) - 1)]
    found = _refined(A, y, equation, high, low, nus[last, np.arange(len(A))[:, None]])
    return DiagonalLimit(*(part.reshape(*seeds, *part.shape[1:]) for part in found))


def _refined(A: Stack, y: Stack, equation: _Equation, high: Stack, low: Stack, nu: Stack) -> DiagonalLimit:
    """Newton's method in k from the upper ends of the brackets, which are halved where it would leave them."""
    A, n = A[:, None], 2 * A.shape[-1]
    y = np.broadcast_to(y[:, None], nu.shape)
    k, at_end = high, high == low
    for _ in range(_ROOT_STEPS):
        point = _plain(A, y, k, nu)
        nu, S = point.nu, point.S
        value, by_k, by_S = equation(k, S, n)
        high, low = np.where(value >= 0, k, high), np.where(value < 0, k, low)
        # Along the path dS/dk = S - y^T (A diag(masses) A^T)^{-1} y.
        turned = np.linalg.solve(_curvature(A, point), y[..., None])[..., 0]
        wanted = k - value / (by_k + by_S * (S - (y * turned).sum(axis=-1)))
        after = np.where((wanted >= low) & (wanted <= high), wanted, (low + high) / 2)
        moved, k = np.abs(after - k), after
        if (moved <= 1e-14 * np.maximum(1, np.abs(k))).all():
            break
    point = _plain(A, y, k, nu)
    # Below the end of the path x and S no longer change, and the equation says what k is.
    log_kappa = np.where(at_end, k - equation(k, point.S, n)[0], k)
    short = np.linalg.norm((A @ point.x[..., None])[..., 0] - y, axis=-1) / np.linalg.norm(y, axis=-1)
    return DiagonalLimit(point.x, point.S, log_kappa / 2, short)


def _positive(**named: Numbers) -> list[Stack]:
    arrays = {name: np.asarray(value, float) for name, value in named.items()}
    for name, value in arrays.items():
        if not ((value > 0) & (value < _LARGEST)).all():
            raise ValueError(f"{name} must be positive and below {_LARGEST:g}, got {named[name]}")
    return list(arrays.values())


def _lanes(**named: Numbers) -> list[Float[np.ndarray, " lane"]]:
    arrays = _together(**named)
    if arrays[0].ndim > 1:
        raise ValueError(f"{' and '.join(named)} must be numbers or have shape (lane,)")
    if not arrays[0].size:
        raise ValueError(f"{' and '.join(named)} must be numbers, or one or more of them, got none")
    return [np.atleast_1d(value) for value in arrays]


def _together(**named: Numbers) -> list[Stack]:
    arrays = _positive(**named)
    try:
        return list(np.broadcast_arrays(*arrays))
    except ValueError:
        shapes = " and ".join(str(value.shape) for value in arrays)
        raise ValueError(f"{', '.join(named)} must have shapes that fit together, got {shapes}") from None


def _check_form(form: str) -> None:
    if form not in ("linear", "exponential"):
        raise ValueError(f"form must be linear or exponential, got {form!r}")
