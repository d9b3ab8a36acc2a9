"""How the site is built: ``sphinx-build -W --keep-going docs BUILD`` with the extra ``docs``.

Nothing is fetched: links to other packages come from a list in ``_ext/objects.txt``, mathematics
from an installed package, notebooks are run on simulated worlds. Notebooks of ``examples/`` are
copied to the pages and executed; the reference, the gallery and the tables of benchmarks and of
hyper-parameters are written from the package and its files.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path

import sphinx_autosummary_accessors
from sphinx.application import Sphinx

import xsm

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))
import objects  # noqa: E402 (of the folder above)

os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")

project = "xsm"
author = "The xsm developers"
copyright = author
release = version = xsm.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_autosummary_accessors",
    "myst_nb",
    "sphinx_copybutton",
    "sphinx_design",
    "generated_pages",
    "sphinx-mathjax-offline",
]
templates_path = ["_templates", sphinx_autosummary_accessors.templates_path]
exclude_patterns = [
    "_build",
    "_ext",
    "_templates",
    "**.ipynb_checkpoints",
    "jupyter_execute",
    "papers/*_table.md",
]

# Pages and notebooks
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "attrs_inline"]
myst_heading_anchors = 3
nb_execution_mode = os.environ.get("XSM_NOTEBOOKS", "force")  # "cache" or "off" while writing
nb_execution_cache_path = os.environ.get("JUPYTERCACHE", "")  # what jcache has run already
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_merge_streams = True
nb_execution_in_temp = True

# API
autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's sections name the types
autodoc_member_order = "groupwise"
numpydoc_show_class_members = False
numpydoc_xref_param_type = True  # types in the sections lead to their pages
numpydoc_xref_ignore = "all"  # words that are no types
numpydoc_xref_aliases = {
    "Dataset": "xarray.Dataset",
    "DataArray": "xarray.DataArray",
    "ndarray": "numpy.ndarray",
    "Generator": "numpy.random.Generator",
    "Tensor": "torch.Tensor",
    "Client": "distributed.Client",
    "Axes": "matplotlib.axes.Axes",
    "Figure": "matplotlib.figure.Figure",
    "FittedModel": "xsm.FittedModel",
    "Loss": "xsm.losses.Loss",
    "Estimator": "xsm.estimators.Estimator",
    "Model": "xsm.nn.Model",
}
intersphinx_mapping = objects.mapping()
nitpicky = True  # a name that leads nowhere is a warning, and warnings are errors

# Look
html_theme = "pydata_sphinx_theme"
html_title = "xsm"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "xsm"},
    "navbar_align": "left",
    "header_links_before_dropdown": 8,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_context = {"default_mode": "auto"}  # else the first page complains of having none
html_sidebars = {"index": [], "gallery": [], "getting_started/**": ["sidebar-nav-bs"]}
copybutton_exclude = ".linenos, .gp, .go"


def plain_stars(app: Sphinx, what: str, name: str, value: object, *rest: list[str]) -> None:
    """Escape the star of ``(time, *space)``, which reStructuredText takes for emphasis."""
    lines = rest[-1]
    lines[:] = [re.sub(r"(?<![*\\`\w])\*(?=\w+[ ,)\]])(?!\w+\*)", r"\\*", line) for line in lines]


def linked_types(app: Sphinx, what: str, name: str, value: object, *rest: list[str]) -> None:
    """Lead full names of types, which numpydoc leaves as they are, to their pages."""
    lines = rest[-1]
    names = "|".join(re.escape(name) for name in objects.names())
    type_of = re.compile(rf"(?<![`\w.<~])({names})(?![\w.`>(])")
    alone = re.compile(rf"\s*(?:{names})(?: or (?:{names}|None))*\s*")
    for at, line in enumerate(lines):
        if re.match(r"\s*\*\*.+\*\* : ", line) or alone.fullmatch(line):
            lines[at] = type_of.sub(r":obj:`\1`", line)


def pages_of_the_root(app: Sphinx, page: str, text: list[str]) -> None:
    """Lead links to files above ``docs/`` to the pages that hold them."""
    text[0] = re.sub(r"\]\((?:\.\./)+(CONTRIBUTING|CHANGELOG)\.md", _page, text[0])


def _page(found: re.Match[str]) -> str:
    """Return the start of a link to the page that holds a file of the root."""
    return f"](/{found[1].lower()}.md"


def setup(app: Sphinx) -> None:
    """Register what is done while the site is built."""
    # sections list what is there: a pattern may match no page yet (its type cannot be suppressed)
    toctrees = logging.getLogger("sphinx.sphinx.directives.other")
    toctrees.addFilter(lambda record: "toctree glob pattern" not in str(record.msg))
    app.connect("autodoc-process-docstring", plain_stars, priority=900)
    app.connect("autodoc-process-docstring", linked_types, priority=901)
    app.connect("source-read", pages_of_the_root)
