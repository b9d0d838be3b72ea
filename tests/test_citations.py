"""The bibliography: every key well formed, every claim's source in it."""

from __future__ import annotations

import re

import pytest

from biassay import assays
from biassay.citations import BIBTEX, bibtex
from biassay.errors import UserError


@pytest.mark.parametrize("key", list(BIBTEX))
def test_entries_are_well_formed(key: str) -> None:
    entry = BIBTEX[key]
    assert re.match(rf"@\w+\{{{key},\n", entry)
    assert entry.endswith("\n}")
    assert entry.count("{") == entry.count("}")
    assert "title" in entry


def test_entries_come_once_and_in_order() -> None:
    text = bibtex(["wang2024jumps", "lecture_sgd", "wang2024jumps"])
    assert re.findall(r"^@\w+\{(\w+),", text, re.MULTILINE) == ["wang2024jumps", "lecture_sgd"]


def test_an_unknown_key_offers_the_nearest() -> None:
    with pytest.raises(UserError, match="there is no paper 'wang2023jumps': did you mean 'wang2024jumps'"):
        bibtex(["wang2023jumps"])


@pytest.mark.parametrize("name", list(assays.CATALOGUE))
def test_the_sources_of_an_assay_are_in_the_bibliography(name: str) -> None:
    assay = assays.load(name)
    cited = {key.strip() for claim in assay.claims for key in claim.cite.split(",")}
    assert cited <= set(assay.papers) <= set(BIBTEX)
