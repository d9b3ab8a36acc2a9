"""Pages for notebooks: what an object is, in the manner of xarray's."""

from xsm.display.markup import page, paragraph, section, table
from xsm.display.model import model_html

__all__ = ["model_html", "page", "paragraph", "section", "table"]
