"""Pieces of a page in a notebook: sections that fold, tables, and the text without a browser.

A page needs nothing from elsewhere and runs no script. Its colours are variables, which follow
those of JupyterLab, of the PyData theme and of VS Code, in light and in dark, and elsewhere those
of the page around it. Where a notebook is not trusted and the style is left out, the plain text is
shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

__all__ = ["columns", "page", "paragraph", "section", "table"]


_DARK = (
    "html[theme='dark'] .xsm-repr, html[data-theme='dark'] .xsm-repr, "
    "body[data-theme='dark'] .xsm-repr, body.vscode-dark .xsm-repr, "
    "[data-jp-theme-light='false'] .xsm-repr"
)

_STYLE = f"""<style>
.xsm-repr {{
  --xsm-text: var(--jp-content-font-color0, var(--pst-color-text-base,
    var(--vscode-editor-foreground, currentColor)));
  --xsm-line: rgba(128, 128, 128, 0.45);
  --xsm-faint: rgba(128, 128, 128, 0.18);
  --xsm-first: #0072b2;
  --xsm-second: #b87400;
  --xsm-warn: #d55e00;
  background: var(--pst-color-background, transparent);  /* that theme puts light behind outputs */
  color: var(--xsm-text); font-size: 0.85em; line-height: 1.5; max-width: 62em;
}}
{_DARK} {{
  --xsm-first: #56b4e9;
  --xsm-second: #e69f00;
  --xsm-warn: #ff9046;
}}
.xsm-repr > .xsm-text {{display: none;}}
.xsm-repr > .xsm-body {{display: block !important;}}
.xsm-repr .xsm-head {{border-bottom: 1px solid var(--xsm-line); padding: 0.2em 0 0.4em 0;}}
.xsm-repr .xsm-kind {{opacity: 0.65;}}
.xsm-repr details {{margin: 0; padding: 0.2em 0;}}
.xsm-repr summary {{cursor: pointer; font-weight: 600;}}
.xsm-repr summary .xsm-count {{font-weight: 400; opacity: 0.65;}}
.xsm-repr .xsm-inside {{padding: 0.2em 0 0.4em 1.1em; overflow-x: auto;}}
.xsm-repr .xsm-table {{border-collapse: collapse; color: inherit; font-size: inherit; margin: 0;
  table-layout: auto;}}
.xsm-repr .xsm-table th, .xsm-repr .xsm-table td {{text-align: left; vertical-align: top; border: 0;
  padding: 0.15em 1.2em 0.15em 0; background: transparent; color: inherit; max-width: 46em;
  white-space: normal; overflow-wrap: break-word;}}
.xsm-repr .xsm-table tr {{background: transparent; border: 0;}}
.xsm-repr .xsm-table tbody th {{font-weight: 400; opacity: 0.65; white-space: nowrap;}}
.xsm-repr .xsm-table thead th {{font-weight: 600; border-bottom: 1px solid var(--xsm-line);
  white-space: nowrap;}}
.xsm-repr .xsm-table thead + tbody td {{border-bottom: 1px solid var(--xsm-faint);}}
.xsm-repr .xsm-note {{padding-left: 0.6em; margin: 0.3em 0; white-space: pre-wrap;}}
.xsm-repr .xsm-wrong {{border-left: 3px solid var(--xsm-warn);}}
.xsm-repr .xsm-curve {{display: block; max-width: 100%; height: auto;}}
.xsm-repr .xsm-curve text {{fill: currentColor; font-size: 11px;}}
</style>"""


def page(kind: str, name: str, body: str, text: str) -> str:
    """Return the page of an object.

    Parameters
    ----------
    kind : str
        What it is, as ``"xsm.FittedModel"``.
    name : str
        Its name; none where empty.
    body : str
        Sections, as HTML.
    text : str
        The object as plain text, for where HTML has no style.

    Returns
    -------
    str
        A ``div`` with its style.

    Examples
    --------
    >>> shown = page("xsm.Thing", "<a>", section("parts", "none"), "<xsm.Thing '<a>'>")
    >>> "<b>&lt;a&gt;</b>" in shown, shown.startswith("<div")
    (True, True)
    """
    titled = f" <b>{escape(name)}</b>" if name else ""
    return (
        f'<div class="xsm-repr">{_STYLE}<pre class="xsm-text">{escape(text)}</pre>'
        f'<div class="xsm-body" style="display:none"><div class="xsm-head">'
        f'<span class="xsm-kind">{escape(kind)}</span>{titled}</div>{body}</div></div>'
    )


def section(title: str, inside: str, *, count: int | None = None, opened: bool = True) -> str:
    """Return a section that folds.

    Parameters
    ----------
    title : str
        What is inside.
    inside : str
        HTML.
    count : int, optional
        How many there are.
    opened : bool, default: True
        Whether it begins unfolded.

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> section("notes", "none", count=0, opened=False)[:44]
    '<details><summary>notes <span class="xsm-cou'
    """
    number = "" if count is None else f' <span class="xsm-count">({count})</span>'
    return (
        f"<details{' open' if opened else ''}><summary>{escape(title)}{number}</summary>"
        f'<div class="xsm-inside">{inside}</div></details>'
    )


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of text whose cells stand below each other.

    >>> columns([("role", "units"), ("precipitation", "m")])
    ['role           units', 'precipitation  m']
    """
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    padded = ([c.ljust(w) for c, w in zip(row, widths, strict=True)] for row in rows)
    return ["  ".join(row).rstrip() for row in padded]


def table(rows: Sequence[Sequence[str]], head: Sequence[str] = ()) -> str:
    """Return a table.

    Parameters
    ----------
    rows : sequence of sequence of str
        Texts, which are escaped; without a head the first of each row is its title.
    head : sequence of str, optional
        Titles of the columns.

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> table([["units", "<m>"]])
    '<table class="xsm-table"><tbody><tr><th>units</th><td>&lt;m&gt;</td></tr></tbody></table>'
    """
    titles = "".join(f"<th>{escape(text)}</th>" for text in head)
    above = f"<thead><tr>{titles}</tr></thead>" if head else ""
    body = "".join(_row(row, titled=not head) for row in rows)
    return f'<table class="xsm-table">{above}<tbody>{body}</tbody></table>'


def _row(texts: Sequence[str], *, titled: bool) -> str:
    """Return a row of a table."""
    cells = [f"<td>{escape(text)}</td>" for text in texts]
    if titled:
        cells[0] = f"<th>{escape(texts[0])}</th>"
    return f"<tr>{''.join(cells)}</tr>"


def paragraph(text: str, title: str = "", *, wrong: bool = False) -> str:
    """Return a paragraph.

    Parameters
    ----------
    text : str
        What it says; it is escaped.
    title : str, default: ""
        What it is about.
    wrong : bool, default: False
        Whether it is marked as a problem.

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> paragraph("no units", "precipitation", wrong=True)
    '<div class="xsm-note xsm-wrong"><b>precipitation</b>: no units</div>'
    """
    about = f"<b>{escape(title)}</b>: " if title else ""
    return f'<div class="xsm-note{" xsm-wrong" if wrong else ""}">{about}{escape(text)}</div>'
