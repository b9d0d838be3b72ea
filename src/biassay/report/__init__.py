"""Reports: datasets and verdicts become figures, and figures become a static site that asks nothing of the network."""

from ._matplotlib import save_figure, to_matplotlib
from ._plotly import to_plotly
from ._site import Reportable, write_site
from ._sweep_page import SweptClaim, write_sweep_page
from ._words import duration

__all__ = [
    "Reportable",
    "SweptClaim",
    "duration",
    "save_figure",
    "to_matplotlib",
    "to_plotly",
    "write_site",
    "write_sweep_page",
]
