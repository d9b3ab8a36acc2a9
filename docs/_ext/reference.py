"""The API reference by task: every public name of xsm, from the package as it is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable
from types import ModuleType

import xsm
from xsm.api.accessor import PhysmDataset
from xsm.api.array_accessor import PhysmArray
from xsm.plotting.figures import FIGURES, DataPlots, FittedPlots
from xsm.registry import model_class

TASKS = {
    "Open and inspect data": ("open_tutorial", "variables", "check", "list_products"),
    "Prepare data": (
        "daily",
        "monthly",
        "flatten_steps",
        "regrid",
        "to_depths",
        "soil_parameters",
        "texture_class",
        "groundwater_anomaly",
    ),
    "Train a model": (
        "fit",
        "cross_validate",
        "CrossValidation",
        "list_models",
        "describe_model",
        "load",
    ),
    "Predict, forecast, downscale": ("predict", "forecast", "downscale", "blend", "plan"),
    "Evaluate": ("score", "reliability", "intervals", "adapt_spread", "consistency", "audit"),
    "Physics on data sets": ("water_balance", "richards_residual", "simulate_columns"),
}
"""Functions by what they are for; those of xsm that stand in none are listed last."""

OWN = ("losses", "nn", "estimators")  # what a model of one's own is made of
RECORD = ("name", "model", "recipe", "scaling", "climatology", "history", "variable", "attrs")
RECORD += ("parameters", "card", "fingerprint")  # fields, which the class describes


def pages() -> dict[str, str]:
    """Return the pages of the reference by the name of their file."""
    return {"index.rst": users(), "extend.rst": extend(), "physics.rst": physics()}


def users() -> str:
    """Return the page of what users call."""
    listed = {name for names in TASKS.values() for name in names}
    rest = sorted(
        n for n in xsm.__all__ if n not in listed and not inspect.isclass(getattr(xsm, n))
    )
    parts = [
        heading("API reference", "="),
        "Every public name, with units, signs, shapes, what missing values and laziness do, and an "
        "example that the tests run. ``ds.physm.fit(...)`` and ``xsm.fit(ds, ...)`` are one call.",
        ".. toctree::\n   :hidden:\n\n   extend\n   physics",
    ]
    for task, names in TASKS.items():
        parts += [heading(task, "-"), summary("xsm", [n for n in names if n in xsm.__all__])]
    parts += [
        heading("Use a fitted model", "-"),
        summary("xsm", ["FittedModel"], "autosummary/bare.rst"),
        summary("xsm", [f"FittedModel.{name}" for name in verbs(xsm.FittedModel)]),
        heading("Draw figures", "-"),
        "``ds.physm.plot`` draws data, predictions and scores; ``fitted.plot`` predicts first. The "
        ":doc:`gallery </gallery>` shows each figure.",
        figures(),
        module("xsm.plotting"),
        heading("Accessor of a Dataset", "-"),
        accessor("Dataset", PhysmDataset),
        heading("Accessor of a DataArray", "-"),
        "The (named) array is the target; other variables come with ``forcing=``.",
        accessor("DataArray", PhysmArray),
        heading("Options and the rest", "-"),
        summary("xsm", rest),
        heading("Errors", "-"),
        module("xsm.exceptions"),
    ]
    return "\n\n".join(parts) + "\n"


def extend() -> str:
    """Return the page of what a model of one's own is made of, and of the models."""
    parts = [
        heading("Reference: models, losses, networks", "="),
        "One class a file. ``fit`` takes the name of the file, or a class of your own "
        "(:doc:`how </howto/adding_a_model>`).",
        heading("Models", "-"),
    ]
    own = [name for name in xsm.list_models() if model_class(name).__module__.startswith("xsm.")]
    parts += [summary(f"xsm.models.{name}", [model_class(name).__name__]) for name in own]
    for name in OWN:
        parts += [heading(f"xsm.{name}", "-"), module(f"xsm.{name}")]
    parts += [heading("xsm.synthetic", "-"), module("xsm.synthetic")]
    return "\n\n".join(parts) + "\n"


def physics() -> str:
    """Return the page of the laws on arrays."""
    parts = [
        heading("Reference: physics on arrays", "="),
        "Laws on plain arrays, compiled when first called. Data sets take the functions of "
        ":doc:`xsm <index>`.",
    ]
    for info in pkgutil.iter_modules(importlib.import_module("xsm.physics").__path__):
        parts += [heading(info.name, "-"), module(f"xsm.physics.{info.name}")]
    return "\n\n".join(parts) + "\n"


def verbs(cls: type) -> list[str]:
    """Return public methods and properties, also those of the classes it is made of."""
    return [name for name in dir(cls) if not name.startswith("_") and name not in RECORD]


def figures() -> str:
    """Return the table of figures: the call on data, on a model, the function behind both."""
    rows = ["   * - figure", "     - of data", "     - of a model", "     - function"]
    for name, row in FIGURES.items():
        on = [f"``ds.physm.plot.{name}``" if hasattr(DataPlots, name) else ""]
        on += [f"``fitted.plot.{name}``" if hasattr(FittedPlots, name) else ""]
        rows += [f"   * - {row.about}", f"     - {on[0]}", f"     - {on[1]}"]
        rows += [f"     - :func:`~xsm.plotting.{row.draw.__name__}`"]
    return "\n".join([".. list-table::", "   :header-rows: 1", "", *rows])


def module(name: str) -> str:
    """Return the first line of a module, and a table of what it offers."""
    home = importlib.import_module(name)
    line = (inspect.getdoc(home) or "").partition("\n")[0]
    return f".. py:module:: {name}\n\n{line}\n\n{summary(name, home.__all__)}"


def summary(home: str, names: Iterable[str], template: str = "") -> str:
    """Return a table of names, but those of types, that leads to a page for each."""
    kept = [name for name in names if "." in name or shown(importlib.import_module(home), name)]
    listed = "\n".join(f"   {name}" for name in kept)
    form = f"   :template: {template}\n" if template else ""
    head = f".. currentmodule:: {home}\n\n.. autosummary::\n   :toctree: generated\n"
    return f"{head}{form}\n{listed}"


def shown(home: ModuleType, name: str) -> bool:
    """Return whether a name is a class, a function, compiled or not, or a constant."""
    value = getattr(home, name)
    constant = name.isupper() and isinstance(value, str | int | float | tuple | dict)
    return inspect.isclass(value) or is_function(value) or constant


def is_function(value: object) -> bool:
    """Return whether a value is a function, compiled or not."""
    return inspect.isfunction(value) or hasattr(value, "py_func")


def accessor(owner: str, cls: type) -> str:
    """Return a table of the methods and properties of an accessor."""
    text = ".. currentmodule:: xarray"
    public = {name: getattr(cls, name) for name in dir(cls) if not name.startswith("_")}
    for kind in ("method", "attribute"):
        names = [n for n, v in public.items() if inspect.isfunction(v) == (kind == "method")]
        listed = "\n".join(f"   {owner}.physm.{name}" for name in names)
        if names:
            text += (
                "\n\n.. autosummary::\n   :toctree: generated\n"
                f"   :template: autosummary/accessor_{kind}.rst\n\n{listed}"
            )
    return text


def heading(text: str, line: str) -> str:
    """Return a heading."""
    return f"{text}\n{line * len(text)}"
