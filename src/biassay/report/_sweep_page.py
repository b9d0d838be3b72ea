"""The page of a sweep: how often every claim came out as what, and its measure over the swept axes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..claims import Outcome
from ..figures import Figure
from . import _words
from ._files import write_text
from ._html import Html, fill, join, script_json
from ._matplotlib import save_figure
from ._pages import figure_section, file_name, framed, outcome_badge, section
from ._site import write_assets
from ._style import theme_pairs


@dataclass(frozen=True)
class SweptClaim:
    """A claim over a grid: at how many points it came out as what, and its figure."""

    name: str
    says: str
    counts: Mapping[Outcome, int]
    figure: Figure


def write_sweep_page(
    out: Path | str,
    *,
    id: str,
    name: str,
    sentence: str,
    axes: Mapping[str, Sequence[str]],
    points: int,
    claims: Sequence[SweptClaim],
    failures: Sequence[str],
) -> Path:
    """Writes `sweep-<id>.html` into the folder `out`, its figures into `sweeps/<id>/`, and returns the page's path.

    Args:
        out: the folder of the site, made if it is not there.
        id: of the sweep; name, sentence: of the assay.
        axes: swept field -> its values in words; points: of the grid.
        claims: in the order of the page.
        failures: a line for every point that failed.

    Raises:
        OSError: the folder cannot be written.
    """
    out = Path(out)
    write_assets(out / "assets", with_plotly=True)
    for claim in claims:
        save_figure(dataclasses.replace(claim.figure, name=file_name(claim.figure.name)), out / "sweeps" / id)
    lines = [
        fill("<br><b>{field}</b> = {values}", field=field, values=_listed(values)) for field, values in axes.items()
    ]
    body = [
        fill(
            """<h1>{name} over {fields}</h1>
<p class="lead">{sentence}</p>
<p class="note">{points} points; data in <code>sweeps/{id}.nc</code>{lines}</p>""",
            name=name,
            fields=", ".join(axes),
            sentence=sentence,
            points=points,
            lines=join(lines),
            id=id,
        ),
        section("claims", "Claims", _table(claims)),
        section("figures", "Figures", join(figure_section(f"sweeps/{id}", claim.figure) for claim in claims)),
    ]
    if failures:
        rows = join(fill("<li>{line}</li>", line=line) for line in failures)
        body.append(section("failures", "Points without a result", fill("<ul>{rows}</ul>", rows=rows)))
    themes = script_json(theme_pairs())
    body.append(fill('<script type="application/json" id="themes">{themes}</script>', themes=themes))
    path = out / f"sweep-{file_name(id)}.html"
    write_text(path, framed(f"{name}, a sweep: biassay", join(body, "\n"), with_plotly=True))
    return path


def _listed(values: Sequence[str]) -> str:
    """Values with commas between them, or semicolons where values are tuples."""
    return ("; " if any("," in value for value in values) else ", ").join(values)


def _table(claims: Sequence[SweptClaim]) -> Html:
    head = join(fill('<th scope="col">{name}</th>', name=outcome_badge(outcome)) for outcome in _words.OUTCOMES)
    rows = [
        fill(
            '<tr><th scope="row"><a href="#figure-{slug}">{name}</a><span>{says}</span></th>{cells}</tr>',
            slug=file_name(claim.figure.name),
            name=claim.name,
            says=claim.says,
            cells=join(
                fill(
                    '<td data-label="{outcome}"><div>{count}</div></td>',
                    outcome=outcome,
                    count=claim.counts.get(outcome, 0),
                )
                for outcome in _words.OUTCOMES
            ),
        )
        for claim in claims
    ]
    return fill(
        """<div class="wide"><table class="claims"><caption class="hidden">Outcomes of every claim</caption>
<thead><tr><th scope="col">Claim</th>{head}</tr></thead>
<tbody>{rows}</tbody></table></div>""",
        head=head,
        rows=join(rows, "\n"),
    )
