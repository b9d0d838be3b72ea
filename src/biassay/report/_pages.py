"""The two kinds of pages: the table of all claims, and the page of one assay."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import xarray as xr

from ..assay import Assay
from ..claims import Outcome, Verdict
from ..figures import Figure
from . import _words
from ._html import Html, fill, join, script_json
from ._interval import picture
from ._mathematics import to_html
from ._plotly import to_plotly
from ._style import theme_pairs


class Reportable(Protocol):
    """What a report needs of a finished run."""

    @property
    def name(self) -> str: ...
    @property
    def assay(self) -> Assay: ...
    @property
    def config(self) -> Any: ...
    @property
    def profile(self) -> str: ...
    @property
    def seconds(self) -> float: ...
    @property
    def cached(self) -> bool: ...
    @property
    def data(self) -> xr.Dataset: ...
    @property
    def verdicts(self) -> tuple[Verdict, ...]: ...
    @property
    def environment(self) -> Mapping[str, Any]: ...


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="assets/site.css">
{scripts}
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header class="site"><a href="index.html">biassay</a><span>the laboratory for the implicit bias of optimizers</span></header>
<main id="content">
{body}
</main>
<footer>Made by <code>biassay</code>. Nothing on these pages is loaded from the network.</footer>
</body>
</html>
"""  # noqa: E501

_SCRIPT = Html('<script src="assets/site.js" defer></script>')
_PLOTLY = Html('<script src="assets/plotly.min.js" defer></script>')


def file_name(name: str) -> str:
    """`name` as a safe file name: unchanged if it is one, else its letters and a digest that keeps it apart."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}", name) and name != "index":
        return name
    letters = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40] or "unnamed"
    return f"{letters}-{hashlib.blake2b(name.encode(), digest_size=4).hexdigest()}"


def index_page(results: Sequence[Reportable]) -> str:
    """The first page: every claim of every assay with its verdict."""
    verdicts = [verdict for result in results for verdict in result.verdicts]
    body = fill(
        """<h1>Which minimum did training choose?</h1>
<p class="lead">A network that fits its data perfectly could have done so in many ways; its optimizer picked one.
biassay runs published statements about that choice, each beside a control in which the statement must not hold, and
reports what was measured.</p>
{filters}
{table}
{legend}""",
        filters=_filters(verdicts),
        table=_claims_table(results) if results else Html("<p>No assay has been run yet.</p>"),
        legend=_legend(),
    )
    return framed("biassay: all claims", body, with_plotly=False)


def framed(title: str, body: Html, *, with_plotly: bool) -> str:
    """A page with what all pages have around it."""
    scripts = join([_PLOTLY, _SCRIPT], "\n") if with_plotly else _SCRIPT
    return fill(_PAGE, title=title, scripts=scripts, body=body)


def assay_page(result: Reportable, figures: Sequence[Figure], bibtex: Mapping[str, str]) -> str:
    """The page of one assay; its figures lie in `figures/<assay>/`."""
    assay = result.assay
    mathematics = fill('<div class="prose">{html}</div>', html=to_html(assay.mathematics))
    sections = [
        _heading(result, bool(figures)),
        section("claims", "Claims", join(_claim(result, verdict) for verdict in result.verdicts)),
        section(
            "figures",
            "Figures",
            join(figure_section(f"figures/{file_name(result.name)}", figure) for figure in figures),
        )
        if figures
        else Html(),
        section("mathematics", "Mathematics", mathematics),
        section("configuration", "Configuration", _configuration(result)),
        section("papers", "Papers", _papers(_keys(result), bibtex)),
        section("environment", "Environment", _environment(result)),
    ]
    if figures:
        themes = script_json(theme_pairs())
        sections.append(fill('<script type="application/json" id="themes">{themes}</script>', themes=themes))
    if not figures:
        return fill(_PAGE, title=f"{assay.name}: biassay", scripts=Html(), body=join(sections, "\n"))
    return framed(f"{assay.name}: biassay", join(sections, "\n"), with_plotly=True)


def section(anchor: str, title: str, body: Html) -> Html:
    """A part of a page, under its heading."""
    template = '<section aria-labelledby="{anchor}"><h2 id="{anchor}">{title}</h2>\n{body}</section>'
    return fill(template, anchor=anchor, title=title, body=body)


def outcome_badge(outcome: Outcome) -> Html:
    """The word of an outcome with its sign."""
    symbol, _ = _words.OUTCOMES[outcome]
    template = '<span class="badge {outcome}"><span aria-hidden="true">{symbol}</span> {outcome}</span>'
    return fill(template, outcome=outcome, symbol=symbol)


def _recorded(verdict: Verdict) -> Html:
    if verdict.as_recorded:
        return Html()
    return fill(' <span class="recorded">recorded at review: <b>{outcome}</b></span>', outcome=verdict.recorded)


def _legend() -> Html:
    rows = [
        fill("<div><dt>{badge}</dt><dd>{words}</dd></div>", badge=outcome_badge(outcome), words=words)
        for outcome, (_, words) in _words.OUTCOMES.items()
    ]
    return fill(
        """<section aria-labelledby="words"><h2 id="words">The four words</h2>
<dl class="legend">{rows}</dl>
<p class="note">A verdict is about the configuration that was run, which each assay's page gives in full. Intervals
are 95% confidence intervals, or the range over seeds where the statement is about every seed. A seed that diverged is
counted, never dropped.</p></section>""",
        rows=join(rows),
    )


def _filters(verdicts: Sequence[Verdict]) -> Html:
    counts = Counter(verdict.outcome for verdict in verdicts)
    template = '<button type="button" data-outcome="{key}" aria-pressed="{on}">{label} <b>{count}</b></button>'
    buttons = [fill(template, key="", on="true", label="all claims", count=len(verdicts))]
    buttons += [fill(template, key=o, on="false", label=outcome_badge(o), count=counts[o]) for o in _words.OUTCOMES]
    return fill('<div class="filters" role="group" aria-label="Show claims by verdict">{b}</div>', b=join(buttons))


_COLUMNS = ("Claim", "Verdict", "Measured", "Claimed", "Seeds", "Control")


def _claims_table(results: Sequence[Reportable]) -> Html:
    head = join(fill('<th scope="col">{name}</th>', name=name) for name in _COLUMNS)
    return fill(
        """<div class="wide"><table class="claims"><caption class="hidden">All claims with their verdicts</caption>
<thead><tr>{head}</tr></thead>
{groups}
</table></div>""",
        head=head,
        groups=join((_group(result) for result in results), "\n"),
    )


def _group(result: Reportable) -> Html:
    page = f"{file_name(result.name)}.html"
    return fill(
        """<tbody><tr class="assay"><th colspan="6" scope="rowgroup"><a href="{page}">{name}</a>
<span>{sentence}</span></th></tr>
{rows}</tbody>""",
        page=page,
        name=result.name,
        sentence=result.assay.sentence,
        rows=join((_row(page, verdict) for verdict in result.verdicts), "\n"),
    )


def _row(page: str, verdict: Verdict) -> Html:
    measured = " ".join(filter(None, [_words.interval(verdict.interval), verdict.unit]))
    cells = [
        ("Verdict", join([outcome_badge(verdict.outcome), _recorded(verdict)])),
        ("Measured", _stack(_words.number(verdict.value), measured)),
        ("Claimed", _words.region(verdict.region)),
        ("Seeds", _stack(str(verdict.n), f"{verdict.diverged} diverged")),
        ("Control", _stack(_words.number(verdict.control), f"n\u00a0=\u00a0{verdict.n_control}")),
    ]
    return fill(
        """<tr data-outcome="{outcome}">
<th scope="row"><a href="{page}#{anchor}">{claim}</a><span>{says}</span></th>{cells}</tr>""",
        outcome=verdict.outcome,
        page=page,
        anchor=_anchor(verdict),
        claim=verdict.claim,
        says=verdict.says,
        cells=join(
            fill('<td data-label="{label}"><div>{cell}</div></td>', label=label, cell=cell) for label, cell in cells
        ),
    )


def _stack(first: str, second: str) -> Html:
    return fill('<span class="value">{first}</span> <small>{second}</small>', first=first, second=second)


def _anchor(verdict: Verdict) -> str:
    return f"claim-{file_name(verdict.claim)}"


def _heading(result: Reportable, with_figures: bool) -> Html:
    counts = Counter(verdict.outcome for verdict in result.verdicts)
    badges = [
        fill('<li>{badge} <span class="times">× {n}</span></li>', badge=outcome_badge(outcome), n=counts[outcome])
        for outcome in _words.OUTCOMES
        if counts[outcome]
    ]
    origin = "computed earlier, read from the store" if result.cached else "computed now"
    facts = f"profile {result.profile} · {_seed_count(result)} · {_words.duration(result.seconds)} · {origin}"
    anchors = ["claims", "figures", "mathematics", "configuration", "papers", "environment"]
    if not with_figures:
        anchors.remove("figures")
    return fill(
        """<h1>{name}</h1>
<p class="lead">{sentence}</p>
<ul class="summary" aria-label="Verdicts">{badges}</ul>
<p class="note">{facts}</p>
<nav class="contents" aria-label="On this page">{links}</nav>""",
        name=result.name,
        sentence=result.assay.sentence,
        badges=join(badges),
        facts=facts,
        links=join((fill('<a href="#{anchor}">{anchor}</a>', anchor=anchor) for anchor in anchors), " "),
    )


def _seed_count(result: Reportable) -> str:
    count = getattr(result.config, "seeds", None)
    return "1 seed" if count == 1 else f"{count} seeds"


def _claim(result: Reportable, verdict: Verdict) -> Html:
    premise = next((c.premise_says for c in result.assay.claims if c.name == verdict.claim), "")
    keys = _split(verdict.cite)
    cites = join((fill('<a href="#paper-{slug}">{key}</a>', slug=file_name(key), key=key) for key in keys), ", ")
    unit = verdict.unit
    facts: list[tuple[str, str | Html]] = [
        ("Measured", _measured(verdict)),
        ("Claimed", _words.with_unit(_words.region(verdict.region), unit)),
        ("Control", _control(verdict)),
        ("Source", fill("{cites}; {provenance}", cites=cites, provenance=_words.PROVENANCES[verdict.provenance])),
    ]
    if premise:
        facts.insert(0, ("Premise", premise))
    return fill(
        """<article class="claim" id="{anchor}">
<h3>{badge} {claim}{recorded}</h3>
<p class="says">{says}</p>
<p class="reason">Because {reason}.</p>
<div class="evidence">{picture}<dl>{facts}</dl></div>
</article>
""",
        anchor=_anchor(verdict),
        badge=outcome_badge(verdict.outcome),
        claim=verdict.claim,
        recorded=_recorded(verdict),
        says=verdict.says,
        reason=verdict.reason,
        picture=picture(verdict),
        facts=join(fill("<div><dt>{term}</dt><dd>{words}</dd></div>", term=term, words=words) for term, words in facts),
    )


def _measured(verdict: Verdict) -> Html:
    return fill(
        '<span class="value">{value}</span> {interval} <small>{statistic}; {seeds}</small>',
        value=_words.with_unit(_words.number(verdict.value), verdict.unit),
        interval=_words.interval(verdict.interval),
        statistic=_words.STATISTICS[verdict.statistic],
        seeds=_words.seeds(verdict),
    )


def _control(verdict: Verdict) -> Html:
    return fill(
        '<span class="value">{value}</span> {interval} <small>{says}; n = {n}</small>',
        value=_words.with_unit(_words.number(verdict.control), verdict.unit),
        interval=_words.interval(verdict.control_interval),
        says=verdict.control_says,
        n=verdict.n_control,
    )


def figure_section(folder: str, figure: Figure) -> Html:
    """A figure, interactive and to download from the folder."""
    stem = f"{folder}/{file_name(figure.name)}"
    plots = [_panel(panel.title, plot) for panel, plot in zip(figure.panels, to_plotly(figure), strict=True)]
    return fill(
        """<figure id="figure-{slug}">
<h3>{title}</h3>
<div class="plots {columns}" role="group" aria-label="Interactive figure: {title}. {caption}">{plots}</div>
<img class="static" src="{png}" alt="{title}. {caption}">
<figcaption>{caption} <span class="downloads">Download: <a href="{png}" download>PNG</a> <a href="{svg}" download>SVG</a></span></figcaption>
</figure>
""",  # noqa: E501
        slug=file_name(figure.name),
        title=figure.title,
        columns="single" if min(figure.columns, len(figure.panels)) == 1 else "several",
        plots=join(plots),
        png=f"{stem}.png",
        svg=f"{stem}.svg",
        caption=figure.caption,
    )


def _panel(title: str, plot: dict[str, Any]) -> Html:
    """A panel whose title is text of the page, which breaks its lines where the screen ends."""
    layout = {key: value for key, value in plot["layout"].items() if key != "title"}
    layout["margin"] = layout["margin"] | {"t": 8}
    return fill(
        """<div class="panel"><h4>{title}</h4>
<div class="plot"><script type="application/json">{json}</script></div></div>
""",
        title=title,
        json=script_json(plot | {"layout": layout}),
    )


def _settings(config: Any) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}


def _changed(result: Reportable) -> dict[str, Any]:
    """The fields of the configuration that differ from the profile's."""
    profile = _settings(result.assay.profiles[result.profile])
    return {name: value for name, value in _settings(result.config).items() if profile.get(name) != value}


def _plain(value: Any) -> str:
    """A setting as it is typed on the command line: the items of a tuple separated by commas."""
    return ",".join(map(_plain, value)) if isinstance(value, tuple) else str(value)


def rerun_command(result: Reportable) -> str:
    """The command that repeats the run: the profile and every setting that differs from it."""
    words = ["biassay", "run", result.name, "--profile", result.profile]
    for name, value in _changed(result).items():
        words += [f"--{name}", _plain(value)] if name in ("seeds", "seed") else ["--set", f"{name}={_plain(value)}"]
    return shlex.join(words)


def _configuration(result: Reportable) -> Html:
    changed = _changed(result)
    rows = [
        fill(
            '<tr><th scope="row"><code>{name}</code></th><td>{value}{note}</td></tr>',
            name=name,
            value=_plain(value).replace(",", ", "),
            note=Html(" <small>changed from the profile</small>") if name in changed else "",
        )
        for name, value in _settings(result.config).items()
    ]
    return fill(
        """<p>To run it again:</p>
<pre class="command"><code>{command}</code></pre>
{table}""",
        command=rerun_command(result),
        table=_facts("Configuration", rows),
    )


def _split(cite: str) -> list[str]:
    return [key.strip() for key in cite.split(",") if key.strip()]


def _keys(result: Reportable) -> list[str]:
    cited = [key for verdict in result.verdicts for key in _split(verdict.cite)]
    return list(dict.fromkeys([*result.assay.papers, *cited]))


def _papers(keys: Sequence[str], bibtex: Mapping[str, str]) -> Html:
    entries = [
        fill(
            '<div class="paper" id="paper-{slug}"><p>{reference}</p>{entry}</div>',
            slug=file_name(key),
            reference=_reference(key, bibtex.get(key, "")),
            entry=fill("<pre><code>{entry}</code></pre>", entry=bibtex[key].strip()) if key in bibtex else "",
        )
        for key in keys
    ]
    return join(entries, "\n")


def _reference(key: str, entry: str) -> str:
    """Authors, title and year of a BibTeX entry as a sentence; the bare key if it has none."""
    fields = {
        name.lower(): re.sub(r"[{}]|\s+(?=\s)", "", braced or quoted or bare)
        for name, braced, quoted, bare in re.findall(
            r'(\w+)\s*=\s*(?:\{((?:[^{}]|\{[^{}]*\})*)\}|"([^"]*)"|(\d+))', entry
        )
    }
    if fields.get("author"):
        fields["author"] = fields["author"].replace(" and others", " et al").replace(" and ", "; ")
    known = [fields[name] for name in ("author", "title", "year") if fields.get(name)]
    return " ".join(part if part.endswith(("?", "!", ".")) else f"{part}." for part in known) or key


def _environment(result: Reportable) -> Html:
    rows = [
        fill('<tr><th scope="row">{name}</th><td>{value}</td></tr>', name=name, value=_readable(value))
        for name, value in result.environment.items()
    ]
    return _facts("Environment", rows)


def _facts(caption: str, rows: Sequence[Html]) -> Html:
    return fill(
        """<div class="wide"><table class="facts"><caption class="hidden">{caption}</caption>
<tbody>{rows}</tbody></table></div>""",
        caption=caption,
        rows=join(rows),
    )


def _readable(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_readable(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_readable, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
