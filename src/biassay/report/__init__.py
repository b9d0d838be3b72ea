"""Reports: datasets and verdicts become figures, and figures become a static site that asks nothing of the network."""

from ._matplotlib import save_figure, to_matplotlib
from ._plotly import to_plotly
from ._site import Reportable, write_site

__all__ = ["Reportable", "save_figure", "to_matplotlib", "to_plotly", "write_site"]
