"""Mathematics as MathML, set when the pages are built: no script and no font is loaded when they are read."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

from biassay.report._mathematics import mathml

logger = logging.getLogger(__name__)


def _set(node: nodes.Element, display: bool) -> str:
    element = mathml(node.astext(), display)
    if not element.startswith("<math"):
        logger.warning("cannot set the formula %s", node.astext(), location=node)
    return element


def _inline(translator: HTML5Translator, node: nodes.Element) -> None:
    translator.body.append(_set(node, display=False))
    raise nodes.SkipNode


def _block(translator: HTML5Translator, node: nodes.Element) -> None:
    translator.body.append(f'<div class="equation">{_set(node, display=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True}
