"""The table of variables as text and as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from xsm.data.naming.layers import describe
from xsm.data.naming.roles import METEOROLOGY, ROLES
from xsm.data.naming.variable import Variable
from xsm.markup import columns, page, paragraph, section
from xsm.markup import table as markup

__all__ = ["as_html", "as_text", "rows_of", "told_once", "unusable"]


Found: TypeAlias = Mapping[str, tuple[Variable, ...]]
Texts: TypeAlias = Mapping[str, str]

_MANY = 6  # layers of one variable that are shown one by one
_HEAD = ("role", "variable", "found by", "units", "canonical", "sign", "depth")
_CORE = (*METEOROLOGY, "evaporation", "surface_runoff", "snow_water_equivalent", "soil_moisture")


def as_text(found: Found, problems: Texts, faults: Texts, notes: Texts, products: str = "") -> str:
    """Return a line for each variable, then what is wrong, remarks, and what is missing."""
    lines = [f"<xsm.VariableTable> {products}".rstrip(), *columns([_HEAD, *rows_of(found)])]
    lines += [f"! {role}: {text}" for role, text in unusable(problems, faults).items()]
    lines += [f"* {role}: {text}" for role, text in notes.items()]
    missing = _missing(found, problems)
    return "\n".join([*lines, f"not found: {missing}"] if missing else lines)


def as_html(found: Found, problems: Texts, faults: Texts, notes: Texts, products: str = "") -> str:
    """Return a fragment for notebooks, in the colours of the page; all text is escaped."""
    body = section("found", markup(rows_of(found), _HEAD), count=len(found))
    for title, texts, wrong in (
        ("cannot be used", unusable(problems, faults), True),
        ("remarks", notes, False),
    ):
        if texts:
            inside = "".join(paragraph(t, role, wrong=wrong) for role, t in texts.items())
            body += section(title, inside, count=len(texts))
    missing = _missing(found, problems)
    if missing:
        body += section("not found", paragraph(missing), count=missing.count(",") + 1, opened=False)
    return page(
        "xsm.VariableTable", products, body, as_text(found, problems, faults, notes, products)
    )


def rows_of(found: Found) -> list[tuple[str, ...]]:
    """Return the cells of each variable, the role named once."""
    rows = []
    for role, layers in found.items():
        if len(layers) > _MANY and layers[0].dim is not None:
            rows.append(_together(role, layers))
        else:
            rows += [_row(role if i == 0 else "", v) for i, v in enumerate(layers)]
    return rows


def _together(role: str, layers: tuple[Variable, ...]) -> tuple[str, ...]:
    """Return the cells of one variable with many layers."""
    first, last = layers[0], layers[-1]
    row = list(_row(role, first))
    row[1] = f"{first.name}[{first.dim}: {len(layers)}]"
    if first.depth and last.depth:
        row[-1] = describe((first.depth[0], last.depth[1]))
    return tuple(row)


def _row(role: str, variable: Variable) -> tuple[str, ...]:
    """Return the cells of one variable."""
    about = ROLES[variable.role]
    name = variable.name if isinstance(variable.name, str) else ", ".join(variable.name)
    if variable.dim is not None:
        name = f"{name}[{variable.dim}={variable.index}]"
    turned = " (turned)" if variable.conversion.factor < 0 else ""
    unknown = variable.role == "soil_moisture" or variable.dim is not None
    depth = describe(variable.depth) or ("?" if unknown else "")
    return (role, name, variable.how, variable.units, about.units, about.sign + turned, depth)


def unusable(problems: Texts, faults: Texts) -> dict[str, str]:
    """Return the roles that cannot be used, then other variables of the data that cannot."""
    said = " ".join(problems.values())
    rest = {name: text for name, text in faults.items() if text not in said}
    return told_once({**problems, **rest})


def told_once(texts: Texts) -> dict[str, str]:
    """Return texts that differ by the variable alone once, under all their keys.

    The variable of a text is the first that it quotes. What says to type it, in double quotes, is
    said of each.
    """
    alike: dict[str, list[tuple[str, str]]] = {}
    for key, text in texts.items():
        name = [*text.split("'"), key][1]
        shape = text.replace(f"'{name}'", "''")
        alike.setdefault(shape, []).append((key, name))
    found = {}
    for (first, _), *more in alike.values():
        same = f" The same holds for {', '.join(repr(name) for _, name in more)}."
        found[", ".join([first, *(key for key, _ in more)])] = texts[first] + (same if more else "")
    return found


def _missing(found: Found, problems: Texts) -> str:
    """Return the roles of fit and of the water balance that were not found."""
    return ", ".join(r for r in _CORE if r not in found and r not in problems)
