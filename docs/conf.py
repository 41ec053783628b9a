"""Sphinx: how ``make docs`` makes a site of the README, the pages in docs/ and the docstrings of saetext.

The source is the checkout itself, so links between pages are the same on the site and in a browser of the
repository. Every warning is an error: a broken link, a page in no list, a docstring that does not parse, a
reference to a name that there is not.
"""

from __future__ import annotations

import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))

project = "saetext"
author = "The saetext contributors"
release = version = metadata.version("saetext")
root_doc = "README"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "site_api", "site_pages"]
include_patterns = [
    "*.md",
    "docs/*.md",
    "docs/decisions/*.md",
    "docs/notebooks/*.ipynb",
    "benchmarks/README.md",
    "examples/README.md",
]
exclude_patterns = [".*", "build", "dist", "demo", "node_modules"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
nb_execution_mode = "off"  # docs/notebooks/run.py has run them

nitpicky = True
myst_heading_anchors = 4
autodoc_typehints = "none"  # the docstrings have them, in words
autodoc_member_order = "bysource"
autoclass_content = "class"
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_preprocess_types = False
add_module_names = False
maximum_signature_line_length = 60
highlight_language = "text"

html_theme = "furo"
html_title = f"saetext {release}"
html_copy_source = False
html_static_path = ["site"]
html_css_files = ["tables.css"]
html_show_sphinx = False
html_theme_options = {"top_of_page_buttons": []}


def _index(app: Any, error: Exception | None) -> None:
    if error is None and app.builder.name == "html":
        shutil.copy(Path(app.outdir) / "README.html", Path(app.outdir) / "index.html")


def setup(app: Any) -> dict[str, bool]:
    """Make the README the first page under the name that servers look for."""
    app.connect("build-finished", _index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
