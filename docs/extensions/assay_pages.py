"""One page per assay, written from the assay itself: its sentence, mathematics, claims, configuration and papers.

The pages go to `docs/generated/`. A file is touched only when its text changes, so that a second build is quick.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any

from plain_docstrings import escaped, listed
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

from biassay.assay import Assay
from biassay.assays import CATALOGUE, load
from biassay.citations import bibtex
from biassay.claims import Claim
from biassay.report import _words


def plain(text: str) -> str:
    """`text` as Markdown that shows every character as it was typed, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>|$#~])", r"\\\1", " ".join(text.split()))


def nested(text: str, level: int) -> str:
    """Markdown whose highest headings are moved to `level`."""
    found = [len(marks) for marks in re.findall(r"^(#+) ", text, re.MULTILINE)]
    shift = level - min(found, default=level)
    return re.sub(r"^(#+) ", lambda heading: "#" * (len(heading[1]) + shift) + " ", text.strip(), flags=re.MULTILINE)


def claim_text(claim: Claim) -> str:
    """One claim as an entry of a definition list."""
    agrees = plain(_words.with_unit(_words.region(claim.region), claim.unit))
    lines = [
        f"`{claim.name}`",
        f": {plain(claim.says)}",
        "",
        f"  - Region: {agrees}. Measured: {_words.STATISTICS[claim.statistic]}.",
        f"  - Control: {plain(claim.control_says)}.",
    ]
    if claim.premise_says:
        lines.append(f"  - Premise: {plain(claim.premise_says)}.")
    if claim.recorded is not None:
        lines.append(f"  - Recorded verdict: **{claim.recorded}**.")
    lines.append(f"  - Source: {plain(claim.cite)} ({claim.provenance}).")
    return "\n".join(lines) + "\n"


def table(rows: list[list[str]]) -> str:
    """Rows of Markdown cells, the first one the header, as a table."""
    cells = [("  - " if i else "* - ") + cell for row in rows for i, cell in enumerate(row)]
    return "```{list-table}\n:header-rows: 1\n\n" + "\n".join(cells) + "\n```\n"


def config_text(assay: Assay) -> str:
    """The fields of the configuration: what the docstring says of them, and their values in every profile."""
    kind = type(assay.profiles["quick"])
    beside = ModuleAnalyzer.for_module(kind.__module__).find_attr_docs()
    rows = [["field", *assay.profiles, "meaning"]]
    for field in dataclasses.fields(kind):
        values = [f"`{getattr(config, field.name)}`" for config in assay.profiles.values()]
        rows.append([f"`{field.name}`", *values, plain(" ".join(beside.get((kind.__name__, field.name), [])))])
    if not any(row[-1] for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    said = [text for text in map(listed, inspect.getdoc(kind).split("\n\n")) if text.startswith("- ")]
    return "\n\n".join([*map(escaped, said), table(rows)])


def page(assay: Assay) -> str:
    """The whole page, in Markdown."""
    return f"""# {assay.name}

{plain(assay.sentence)}

```sh
biassay run {assay.name}
```

## The mathematics

{nested(assay.mathematics, 3)}

## The claims

{"".join(claim_text(claim) + chr(10) for claim in assay.claims)}
## The configuration

Every field can be set: `biassay run {assay.name} --set field=value`, or `ba.run("{assay.name}", field=value)`.

{config_text(assay)}
## The papers

```bibtex
{bibtex(assay.papers)}
```
"""


def catalogue() -> str:
    """Every assay with the sentence it tests and how long it takes, as a table."""
    rows = [["assay", "what it tests", "claims", "quick profile"]]
    for name, entry in CATALOGUE.items():
        link, claims = f"[{name}](generated/assays/{name}.md)", str(len(entry.claims))
        rows.append([link, plain(entry.sentence), claims, f"{entry.seconds:.0f} s"])
    return table(rows)


def _write(app: Sphinx) -> None:
    folder = Path(app.srcdir) / "generated" / "assays"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {folder / f"{name}.md": page(load(name)) for name in CATALOGUE}
    for file, text in {**wanted, folder.parent / "catalogue.md": catalogue()}.items():
        if not file.exists() or file.read_text("utf-8") != text:
            file.write_text(text, "utf-8")
    for stale in set(folder.glob("*.md")) - set(wanted):
        stale.unlink()


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True}
