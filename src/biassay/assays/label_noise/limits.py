"""The largest stable step size of a part, in the one line that refuses a larger one."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Context


def rounded_down(limit: float) -> str:
    """Three significant digits, never above `limit`: a step size that obeys what was printed is accepted."""
    return f"{float(Context(prec=3, rounding=ROUND_FLOOR).create_decimal_from_float(limit)):g}"
