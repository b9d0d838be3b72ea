"""Markdown with `$...$` and `$$...$$` as HTML with MathML: no script, no font and no network behind it."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from ._html import Html

_MATHML = "{http://www.w3.org/1998/Math/MathML}"
_ELEMENTS = re.compile(
    "math|menclose|mfrac|m[inos]|mmultiscripts|mover|mpadded|mphantom|mprescripts|mroot|mrow|mspace|msqrt|mstyle|"
    "msub|msup|msubsup|mtable|mtd|mtext|mtr|munder|munderover|none"
)
_ATTRIBUTES = re.compile(
    "accent|accentunder|align|column(align|lines|spacing)|depth|display|displaystyle|fence|form|height|largeop|"
    "linebreak|linethickness|lspace|mathvariant|maxsize|minsize|movablelimits|notation|row(lines|spacing)|rspace|"
    "scriptlevel|separator|stretchy|symmetric|voffset|width"
)
_PARTS = dict.fromkeys(("mfrac", "mover", "mroot", "msub", "msup", "munder"), 2) | {"msubsup": 3, "munderover": 3}
_EXTREMIZER = r"\\operatorname\*?\{arg(?:\\[,;: ])?\s*(min|max)\}|\\arg\s*\\(min|max)"
_INLINE = re.compile(r"\$\$(.+?)\$\$|\$(?![\s$])((?:\\.|[^\\$`])*?)(?<!\s)\$(?!\d)", re.DOTALL)
_HIGHEST_HEADING = 3


def to_html(text: str) -> Html:
    """`text` as HTML whose headings start at h3; raw HTML and images are shown as they were typed.

    Mathematics that cannot be set is shown as its source in `<code class="tex">`.
    """
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    markdown.inline.ruler.before("escape", "mathematics", _inline)
    markdown.block.ruler.before("fence", "mathematics", _block, {"alt": ["paragraph", "blockquote", "list"]})
    markdown.add_render_rule("mathematics", _render)
    tokens = markdown.parse(text)
    headings = [token for token in tokens if token.type in ("heading_open", "heading_close")]
    highest = min((int(token.tag[1]) for token in headings), default=1)
    for token in headings:
        token.tag = f"h{min(int(token.tag[1]) - highest + _HIGHEST_HEADING, 6)}"
    return Html(markdown.renderer.render(tokens, markdown.options, {}))


def mathml(tex: str, display: bool = False) -> Html:
    """`tex` as a MathML element, or its source as code if it cannot be set or would be more than mathematics."""
    source = html.escape(tex.strip())
    try:
        element = convert(_amsmath(tex), display="block" if display else "inline")
        tree = ElementTree.fromstring(element)
    except Exception:  # the converter raises whatever it stumbles over
        return Html(f'<code class="tex">{source}</code>')
    return Html(element if all(map(_is_known, tree.iter())) else f'<code class="tex">{source}</code>')


def _is_known(node: ElementTree.Element) -> bool:
    """Whether the node is an element of mathematics with all its parts, and no command was left over in its text."""
    tag = node.tag.removeprefix(_MATHML)
    return (
        _ELEMENTS.fullmatch(tag) is not None
        and all(map(_ATTRIBUTES.fullmatch, node.attrib))
        and len(node) == _PARTS.get(tag, len(node))
        and "\\" not in (node.text or "")
    )


def _amsmath(tex: str) -> str:
    """`tex` in the converter's words: tables of equations without numbers, operators by name, text with entities."""
    tex = re.sub(r"(\\(?:begin|end)\{)(?:aligned|align\*?|gathered)\}", r"\1split}", tex.strip())
    tex = re.sub(_EXTREMIZER, r"\\operatorname{arg}\\\1\2", tex)
    tex = tex.replace(r"\operatorname*", r"\operatorname")
    tex = re.sub(r"\\[lr]?Vert(?![A-Za-z])", r"\\|", tex)
    tex = re.sub(r"\\[lr]?vert(?![A-Za-z])", "|", tex)
    return re.sub(r"\\text\{[^{}]*\}", lambda found: html.escape(found[0], quote=False), tex)


def _inline(state: StateInline, silent: bool) -> bool:
    """`$...$` and, within a paragraph, `$$...$$`; a dollar with a space or a digit around it stays a dollar."""
    found = _INLINE.match(state.src, state.pos)
    if found is None:
        return False
    if not silent:
        token = state.push("mathematics", "math", 0)
        token.content = found[1] or found[2]
        token.block = found[1] is not None
    state.pos = found.end()
    return True


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A displayed equation: lines from one that begins with `$$` to one that ends with `$$`."""
    first = state.getLines(start, start + 1, state.blkIndent, False).strip()
    if not first.startswith("$$"):
        return False
    for stop in range(start, end):
        lines = state.getLines(start, stop + 1, state.blkIndent, False).strip()
        if len(lines) > 4 and lines.endswith("$$"):
            break
    else:
        return False
    if not silent:
        token = state.push("mathematics", "math", 0)
        token.content, token.block = lines[2:-2], True
        state.line = stop + 1
    return True


def _render(_: RendererHTML, tokens: Sequence[Token], i: int, options: Any, env: Any) -> str:
    inner = mathml(tokens[i].content, tokens[i].block)
    return f'<div class="equation">{inner}</div>' if tokens[i].block and tokens[i].level == 0 else inner
