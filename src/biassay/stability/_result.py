"""What the stability test says, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..errors import UserError

STABLE_BELOW = 1e-3
"""A point is called stable when |P_N grad reg| / |grad reg| is below this."""

Verdict: TypeAlias = Literal["stable", "unstable", "unclear"]


class NotCoveredError(UserError):
    """The theorem does not speak of this point or loss: not at zero error, on a kink, not a squared error."""


@dataclass(frozen=True)
class Stability:
    """Whether label noise would move a zero-error solution, and how fast. Symbols as in `biassay.stability`.

    Attributes:
        verdict: "stable" when `ratio` is below 1e-3, "unclear" when `error` could bring it there, else "unstable".
        ratio: |P_N grad reg| / |grad reg|, 0 where reg is constant. An inexact projection only makes it larger.
        error: estimate of what an inexact projection adds, |J P_N grad reg| / (sigma_min |grad reg|).
        drift: |P_N grad reg|.
        gradient: |grad reg|.
        reg: the regularizer.
        examples: n.
        rows: N, the examples times the entries of their outputs.
        parameters: p.
        method: "dense" or "matrix-free".
        rank: how many singular values of J count; None where J was never formed.
        largest: the largest singular value of J; without J an estimate from below, by a few Lanczos iterations.
        smallest: the smallest one that counts; without J the smallest one that the iteration met.
        residual_before: root mean square of h - y at the given parameters, in units of that of y, or of a tenth of
            the scale of the outputs, rms(J v) with v_j = z_j theta_j and normal z, where that is larger.
        residual: the same after the polish.
        moved: how far the polish moved the parameters, in units of their norm.
        kink: share of J that jumps within `kink_distance` of the point.
        kink_distance: length of the displacements tried for `kink`, in units of the norm of the parameters.
        drift_per_step: length of the mean step along the zero-error set. None where no step size was given, as all
            below.
        width: root mean square distance from the zero-error set that the noise keeps, s sqrt(c eta N / B).
        lr_limit: step size below which SGD without noise stays at zero error, to first order around the point: a
            sufficient bound (`biassay.references.stable_step`), from `largest`. Without J it is as good as that.
        escape_steps: eta^-1.6, the scale of the time after which an unstable point is left behind; None where stable.
        steps_to_move: steps in which the drift covers the distance asked for, at its present speed.
        steps_to_halve: steps in which reg would come half-way to its limit if it went on as it falls here:
            exponentially, at the rate that its slope and curvature along the drift have, or to 0 where that would put
            the limit below 0. An estimate of scale; None where stable.
        warnings: what to keep in mind, one sentence each.
    """

    verdict: Verdict
    ratio: float
    error: float
    drift: float
    gradient: float
    reg: float
    examples: int
    rows: int
    parameters: int
    method: Literal["dense", "matrix-free"]
    rank: int | None
    largest: float
    smallest: float
    residual_before: float
    residual: float
    moved: float
    kink: float
    kink_distance: float
    drift_per_step: float | None = None
    width: float | None = None
    lr_limit: float | None = None
    escape_steps: float | None = None
    steps_to_move: float | None = None
    steps_to_halve: float | None = None
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        rank = "J not formed" if self.rank is None else f"rank {self.rank}"
        lines = [
            f"{self.verdict} under label noise: |P_N grad reg| / |grad reg| = {self.ratio:.3g} "
            f"(stable below {STABLE_BELOW:g}; error {self.error:.1g})",
            f"  reg {self.reg:.4g}, |grad reg| {self.gradient:.4g}, |P_N grad reg| {self.drift:.4g}",
            f"  {self.examples} examples, {self.rows} rows of J, {self.parameters} parameters; {self.method}, {rank}, "
            f"singular values {self.largest:.3g} to {self.smallest:.3g}",
            f"  residual {self.residual_before:.1g}, {self.residual:.1g} after a polish that moved the parameters by "
            f"{self.moved:.1g} of their norm",
        ]
        if self.drift_per_step is not None:
            lines.append(f"  drift {self.drift_per_step:.3g} a step, while the noise keeps it {self.width:.2g} off")
            lines += [f"    {steps:.2g} steps {words}" for steps, words in self._times() if steps is not None]
        return "\n".join([*lines, *(f"  warning: {warning}" for warning in self.warnings)])

    def _times(self) -> tuple[tuple[float | None, str], ...]:
        return (
            (self.steps_to_move, "to drift as far as asked"),
            (self.steps_to_halve, "to halve what reg can still fall (estimate)"),
            (self.escape_steps, "as the scale on which an unstable point is left"),
        )
