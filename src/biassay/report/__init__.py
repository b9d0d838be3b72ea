"""Reports: datasets and verdicts become figures, and figures become a static site that asks nothing of the network."""

from ._matplotlib import save_figure
from ._plotly import to_plotly
from ._site import Result, write_site

__all__ = ["Result", "save_figure", "to_plotly", "write_site"]
