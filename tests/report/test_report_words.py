"""Numbers in words, mathematics in MathML, and HTML that escapes."""

from __future__ import annotations

import math

import pytest

from biassay.report import _words
from biassay.report._html import Html, fill, script_json
from biassay.report._mathematics import mathml, to_html
from biassay.report._pages import _reference


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (0.0, "0"),
        (0.98437, "0.9844"),
        (-1.5, "−1.5"),
        (1e-9, "10⁻⁹"),
        (-1e12, "−10¹²"),
        (2.5e-7, "2.5\u00a0×\u00a010⁻⁷"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (math.nan, "no finite value"),
    ],
)
def test_number(x: float, words: str) -> None:
    assert _words.number(x) == words


def test_region_and_interval() -> None:
    assert _words.region((-math.inf, 1e-3)) == "≤ 0.001"
    assert _words.region((0.99, math.inf)) == "≥ 0.99"
    assert _words.region((0.0, 0.0)) == "exactly 0"
    assert _words.region((0.2314, 0.2334)) == "0.2314 to 0.2334"
    assert _words.interval((math.nan, math.nan)) == ""
    assert _words.interval((-math.inf, 2)) == "[−∞, 2]"


def test_duration() -> None:
    assert [_words.duration(s) for s in (0.25, 12.3, 75, 7260)] == ["0.25 s", "12 s", "1 min 15 s", "2 h 1 min"]


def test_fill_escapes_all_but_html() -> None:
    assert fill("<p>{a}{b}</p>", a="<i>&\"'", b=Html("<b>")) == "<p>&lt;i&gt;&amp;&quot;&#x27;<b></p>"
    assert "</script>" not in script_json({"a": "</script><!--"})
    with pytest.raises(ValueError, match="JSON"):
        script_json(math.nan)


@pytest.mark.parametrize(
    "tex",
    [
        r"\frac{1}{2N} \sum_{(i,j) \in I} \bigl(A^*_{ij} - A_{ij}\bigr)^2 + \lambda \lVert\theta\rVert_F^2",
        r"\hat\theta = \operatorname*{arg\,min}_{\theta} \mathbb{E}\left[\ell(\theta; x)\right]",
        r"\theta_* = \arg\min_\theta \|\theta\|_2 \quad\text{subject to } X\theta = y, a < b",
        r"\begin{aligned} a &= b \\ c &= d \end{aligned}",
        r"f(x) = \begin{cases} x & x > 0 \\ 0 & \text{if } x < 0 \end{cases}",
        r"\begin{pmatrix} 1 & \epsilon^{-1} \\ \epsilon & 1 \end{pmatrix} \in \mathbb{R}^{2\times 2}",
        r"\nabla_\theta \mathcal{L}, \dot\theta, \bar x, \widehat{w}, \sqrt[3]{2}, \binom{n}{k}, W^\top, A \succeq 0",
    ],
)
def test_the_mathematics_of_the_field_is_set(tex: str) -> None:
    element = mathml(tex, display=True)
    assert element.startswith("<math")
    assert "&amp;" not in element


@pytest.mark.parametrize(
    "tex", [r"\unheard{x}", r"\frac{1", r"\begin{aligned} a", r"\text{<script>alert(1)</script>}{"]
)
def test_what_cannot_be_set_is_shown_as_source(tex: str) -> None:
    assert mathml(tex).startswith('<code class="tex">')


def test_mathematics_is_found_before_markdown() -> None:
    page = to_html("Here $a_1 * b_2 * c_3$ and *word*.\n\n$$\nx\n- y\n$$\n\nIt costs $5 and $6, `$x_1$`, \\$9.")
    assert page.count("<math") == 2
    assert page.count("<em>") == 1
    assert '<div class="equation"><math xmlns="http://www.w3.org/1998/Math/MathML" display="block">' in page
    assert "<li>" not in page
    assert "$5 and $6, <code>$x_1$</code>, $9" in page


def test_markdown_brings_in_nothing_from_outside() -> None:
    page = to_html("<img src=x onerror=alert(1)>\n\n![x](https://example.org/x.png) [y](javascript:alert(1))")
    assert "<img" not in page
    assert 'href="javascript' not in page


def test_headings_start_below_the_section() -> None:
    assert to_html("# One\n\n## Two") == "<h3>One</h3>\n<h4>Two</h4>\n"
    assert "<h3>" in to_html("### Three")


def test_a_reference_keeps_the_words_of_its_title() -> None:
    entry = "@misc{key, author = {Ann, A. and Bob, B.}, title = {Fire and Ice: Which?}, year = {2001},\n}"
    assert _reference("key", entry) == "Ann, A.; Bob, B. Fire and Ice: Which? 2001."
    assert _reference("key", "") == "key"
