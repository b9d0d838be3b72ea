"""How the documentation is built: `sphinx-build -W --keep-going -n docs docs/_build`.

Nothing of it is fetched, neither when it is built nor when it is read.
"""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "biassay"
author = "the biassay authors"
copyright = "the biassay authors, Apache License 2.0"
version = release = version_of("biassay")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "plain_docstrings",
    "mathml",
    "assay_pages",
    "module_pages",
    "command_help",
]
exclude_patterns = ["_build", "generated/catalogue.md", "generated/modules"]
default_role = "code"
nitpicky = True
# The types of other packages are named, not linked: a link would need their inventories from the network. So are the
# types that only a private module has.
nitpick_ignore_regex = [("py:.*", r"(?!biassay).*|biassay.*\._.*")]
nitpick_ignore = [("py:class", "biassay.configs.Config")]  # a type variable

myst_enable_extensions = ["dollarmath", "deflist", "attrs_inline"]
myst_heading_anchors = 3
myst_dmath_double_inline = True

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = "biassay"
html_math_renderer = "mathml"
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
