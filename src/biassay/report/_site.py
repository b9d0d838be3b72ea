"""The site: pages, figures, one style sheet, one script and one copy of Plotly, all in one folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from ._files import write_text
from ._matplotlib import save_figure
from ._pages import Reportable, assay_page, file_name, index_page

__all__ = ["Reportable", "write_site"]


def write_site(out: Path | str, results: Sequence[Reportable], bibtex: Mapping[str, str]) -> Path:
    """Writes the site of `results` into the folder `out` and returns the path of its `index.html`.

    `figures/<assay>/` gets every figure as PNG and SVG, `<assay>.html` is the page of an assay, `assets/` holds what
    the pages share. Files are replaced one by one and whole, the first page last: stopped midway, every file that was
    there is still complete. The pages make no request to the network.

    Args:
        out: the folder, made if it is not there.
        results: finished runs in the order of the table.
        bibtex: key -> entry; a key without an entry is shown as the key.

    Raises:
        OSError: the folder cannot be created or written.
    """
    out = Path(out)
    drawn = [(result, result.assay.figures(result.data)) for result in results]
    write_assets(out / "assets", with_plotly=any(figures for _, figures in drawn))
    for result, figures in drawn:
        for figure in figures:
            safe = dataclasses.replace(figure, name=file_name(figure.name))
            save_figure(safe, out / "figures" / file_name(result.name))
        write_text(out / f"{file_name(result.name)}.html", assay_page(result, figures, bibtex))
    index = out / "index.html"
    write_text(index, index_page(results))
    return index


def write_assets(folder: Path, with_plotly: bool) -> None:
    """Writes what the pages share."""
    source = resources.files("biassay.report")
    for name in ("site.css", "site.js"):
        write_text(folder / name, source.joinpath(name).read_text(encoding="utf-8"))
    if with_plotly:
        from plotly.offline import get_plotlyjs

        write_text(folder / "plotly.min.js", get_plotlyjs())
