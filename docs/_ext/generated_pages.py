"""Pages written when the site is built: tutorials, gallery, API, defaults of models, benchmarks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import reference
from gallery import write_gallery
from objects import write_inventories
from sphinx.application import Sphinx
from sphinx.config import Config

import xsm
from xsm.data.naming import PRODUCTS, ROLES, Product
from xsm.estimators import Estimator
from xsm.registry import model_class

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
TASKS = ("audit", "forecast", "satellite_gaps", "profiles", "groundwater", "evaporation")
TASKS += ("new_region", "experts", "pangeo")
"""Tutorials in the order of the page; notebooks that are none of them follow as background."""


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for its sources."""
    app.connect("config-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_pages(app: Sphinx, config: Config) -> None:
    """Write all pages that are not kept in the repository."""
    for path in sorted((ROOT / "examples").glob("*.ipynb")):
        write(DOCS / "notebooks" / path.name, path.read_text(encoding="utf-8"))
    write(DOCS / "notebooks" / "index.md", tutorials())
    write(DOCS / "gallery.md", write_gallery(DOCS))
    for name, text in reference.pages().items():
        write(DOCS / "api" / name, text)
    write_inventories(DOCS)
    for name in xsm.list_models():
        write(DOCS / "generated" / f"{name}.txt", defaults(name))
    write(DOCS / "generated" / "benchmarks.txt", benchmarks())
    write(DOCS / "generated" / "roles.txt", roles())
    write(DOCS / "generated" / "products.txt", products())


def write(path: Path, text: str) -> None:
    """Write a file unless it holds this text already, so that Sphinx reads it again only then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def tutorials() -> str:
    """Return the page that lists the notebooks: tutorials by task, then background."""
    names = sorted(path.stem for path in (ROOT / "examples").glob("*.ipynb"))
    tasks = [name for name in TASKS if name in names]
    others = [name for name in names if name not in TASKS]
    about = (
        "Each tutorial does one task from data to result, on simulated worlds that come with xsm, "
        "and names the line to replace for data of your own. They were run when this site was "
        "built, each in less than two minutes on two cores; short schedules are marked in the "
        "code. Take them from `examples/` in the repository: each is there as a notebook without "
        "outputs and as a plain script."
    )
    tree = ["```{toctree}", ":maxdepth: 1", ""]
    parts = ["# Tutorials by task", "", about, "", *tree, *tasks, "```", ""]
    parts += ["## Background", "", *tree, *others, "```", ""]
    return "\n".join(parts)


def roles() -> str:
    """Return the table of roles: canonical unit, sign, and names in the data of products."""
    lines = ["| role | unit | sign | used by default | names |", "|---|---|---|---|---|"]
    for role in ROLES.values():
        names = ", ".join(f"`{name}`" for name in role.names if name != role.name)
        cells = [f"`{role.name}`", role.units, role.sign, role.default_for, names]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def products() -> str:
    """Return the table of products: how each is recognised, and what prepares its files."""
    lines = [
        "| product | stated as | recognised by | file | line before `fit` |",
        "|---|---|---|---|---|",
    ]
    for key, product in PRODUCTS.items():
        for k, (kind, line) in enumerate(product.files.items()):
            first = ("", "", "") if k else (product.title, f'`"{key}"`', recognised(product))
            lines.append(f"| {' | '.join([*first, kind, f'`{line}`' if line else 'none'])} |")
    return "\n".join([*lines, ""])


def recognised(product: Product) -> str:
    """Return by what a product is known: words of its title, or two names of its own."""
    words = " or ".join(f'"{word}"' for word in product.told)
    own = sorted(product.own, key=lambda n: not any(n in v for v in product.names.values()))
    names = ", ".join(f"`{name}`" for name in own[:6])
    return f"{f'{words} in its title, or ' if words else ''}two names such as {names}"


def defaults(name: str) -> str:
    """Return the defaults of a model as a table."""
    cls = model_class(name)
    rows = {f"`{key}`": code(value) for key, value in cls.hyperparameters().items()}
    for key in ("window", "lead", "scaling"):
        if hasattr(cls, key):
            rows[f"`{key}`"] = code(getattr(cls, key))
    if issubclass(cls, Estimator):
        rows["minimises"] = cls.minimises
    else:
        rows["losses"] = "<br>".join(code(term) for term in cls.losses)
        rows["schedule"] = code(cls.schedule)
    lines = [f"| {key} | {value} |" for key, value in rows.items()]
    return "\n".join(["| what | default |", "|---|---|", *lines, ""])


def code(value: object) -> str:
    """Return a value as code in a table."""
    return f"`{value!r}`"


def benchmarks() -> str:
    """Return the figures of all benchmarks, from the files that their scripts write."""
    parts = []
    for path in sorted((DOCS / "benchmarks").glob("*.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        report.pop("machine", None)  # stands in the words about it
        title, about = introduction(path.with_suffix(".md").read_text(encoding="utf-8"))
        parts += [f"## {title}", "", about, "", *nested(report), ""]
    return "\n".join(parts)


def introduction(page: str) -> tuple[str, str]:
    """Return the title of a page, and its words up to the first table."""
    title, _, rest = page.removeprefix("# ").partition("\n")
    return title, rest.partition("\n|")[0].strip()


def nested(report: dict[str, Any]) -> list[str]:
    """Return a report as tables: plain entries, then each group of entries."""
    plain = {key: value for key, value in report.items() if not isinstance(value, dict)}
    lines = table({key: {"": value} for key, value in plain.items()}) if plain else []
    for key, group in report.items():
        if isinstance(group, dict):
            columns = all(isinstance(value, dict) for value in group.values())
            lines += ["", f"**{key}**", ""]
            lines += table(turned(group) if columns else {k: {"": v} for k, v in group.items()})
    return lines


def turned(columns: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return rows of a table that is given by columns."""
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    return {n: {k: column.get(n, "") for k, column in columns.items()} for n in names}


def table(rows: dict[str, dict[str, Any]]) -> list[str]:
    """Return lines of a table in markdown."""
    columns = list(next(iter(rows.values())))
    lines = [f"| | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    return lines + [
        f"| {name} | {' | '.join(map(form, row.values()))} |" for name, row in rows.items()
    ]


def form(value: object) -> str:
    """Return a value as text, numbers with four digits that count."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.4g}"
