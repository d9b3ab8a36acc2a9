"""What an accessor shows of itself: the variables found, and what each verb would need."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import xarray as xr

from xsm.api.memory import recall
from xsm.api.variables import variables
from xsm.data.grid import time_dim
from xsm.data.naming import VariableTable
from xsm.data.naming.dimensions import members
from xsm.data.naming.display import rows_of, unusable
from xsm.data.naming.roles import METEOROLOGY
from xsm.data.nesting.pairs import extent
from xsm.data.time_axis import steps_between
from xsm.data.units import dequantify
from xsm.exceptions import GridError, MissingVariableError, UnitsError, UnknownNameError
from xsm.markup import columns, page, paragraph, section, table

__all__ = ["Overview", "overview"]

_HEAD = ("role", "variable", "units", "found by")
_WATER = ("precipitation", "evaporation", "surface_runoff", "snow_water_equivalent")
_SOIL = ("theta_r", "theta_s", "vg_alpha", "vg_n", "k_sat")
_SHARES = ("sand", "silt", "clay")
_TARGETS = ("soil_moisture", "satellite_soil_moisture")
_STORES = (
    *("terrestrial_water_storage", "snow_water_equivalent", "soil_moisture"),
    *("groundwater_storage", "surface_water_storage", "canopy_water"),
)
_STORAGES = ("groundwater_storage", "terrestrial_water_storage")
_MODEL = "a model: fitted = ds.physm.fit(...)"
_PARAMETERS = "parameters=, as of soil_parameters"


@dataclass(frozen=True)
class _Seen:
    """What needs look at: the data, without quantities, and their variables."""

    ds: xr.Dataset
    found: VariableTable
    model: str
    array: bool

    def lacks(self, *roles: str) -> list[str]:
        """Return the roles that are not there."""
        return [role for role in roles if role not in self.found.found]

    def lacks_all(self, roles: Sequence[str], number: int = 1) -> list[str]:
        """Return a text where fewer of some roles than a number are there."""
        if len(roles) - len(self.lacks(*roles)) >= number:
            return []
        return [" or ".join(roles) if number == 1 else f"{number} of {', '.join(roles)}"]


def _needs_model(seen: _Seen) -> list[str]:
    return [] if seen.model else [_MODEL]


def _layers(seen: _Seen) -> list[str]:
    layers = [v for found in seen.found.found.values() for v in found]
    return [] if any(v.depth for v in layers) else ["layers whose depth is known"]


def _profile(seen: _Seen) -> list[str]:
    known = len(seen.found.layers())
    lacks = [] if known > 1 else ["two layers of soil_moisture"]
    return [*lacks, *([_PARAMETERS] if seen.lacks(*_SOIL) else [])]


def _soil(seen: _Seen) -> list[str]:
    return seen.lacks_all(_SHARES, 2) if seen.lacks(*_SOIL) else []


def _columns(seen: _Seen) -> list[str]:
    lacks = seen.lacks("precipitation", "potential_evaporation")
    return [*lacks, *([_PARAMETERS] if seen.lacks(*_SOIL) else [])]


def _grid(seen: _Seen) -> list[str]:
    return [] if extent(seen.ds) else ["a regular grid"]


def _field(seen: _Seen) -> list[str]:
    if lacks := _grid(seen):
        return lacks
    return (
        []
        if seen.array or not seen.lacks_all(_STORAGES)
        else ['target="<name>", of what is on the grid']
    )


def _spread(seen: _Seen) -> list[str]:
    names = set(map(str, seen.ds.data_vars))
    spread = any(f"{name}_std" in names for name in names)
    ensemble = any(members(a) for a in seen.ds.data_vars.values())
    return [] if spread or ensemble else ["<name>_std of a prediction, or members"]


def _below(seen: _Seen, limit: timedelta, words: str) -> list[str]:
    try:
        time = time_dim(seen.ds)
        steps = steps_between(np.asarray(seen.ds.indexes[time]), time)
    except (GridError, KeyError):
        return ["a dimension of time"]
    short = len(steps) and steps.min() < np.timedelta64(limit)
    return [] if short else [words]


_VERBS: dict[str, Callable[[_Seen], list[str]]] = {
    "check, variables": lambda seen: [],
    "daily": lambda seen: _below(seen, timedelta(days=1), "steps of less than a day"),
    "monthly": lambda seen: _below(seen, timedelta(days=28), "steps of less than a month"),
    "regrid": _grid,
    'fit("phy_lstm")': lambda seen: [*seen.lacks_all(_TARGETS), *seen.lacks(*_WATER)],
    'fit("lstm")': lambda seen: [*seen.lacks_all(_TARGETS), *_weather(seen)],
    'cross_validate("lstm")': lambda seen: [*seen.lacks_all(_TARGETS), *_weather(seen)],
    "predict, forecast, plan, audit": _needs_model,
    "blend": lambda seen: [*seen.lacks_all(_TARGETS), "two or more fitted models"],
    "score, reliability": lambda seen: [*seen.lacks_all(_TARGETS), "a prediction"],
    "intervals": _spread,
    "adapt_spread": lambda seen: [*seen.lacks_all(_TARGETS), "forecasts with a spread"],
    "water_balance": lambda seen: seen.lacks(*_WATER),
    "consistency": lambda seen: [*seen.lacks_all(_TARGETS), *seen.lacks(*_WATER)],
    'consistency(law="budget")': lambda seen: [
        *seen.lacks("precipitation", "evaporation", "runoff"),
        *(["a store, as terrestrial_water_storage"] if seen.lacks_all(_STORES) else []),
    ],
    'richards_residual, consistency(law="richards")': _profile,
    "soil_parameters": _soil,
    "texture_class": lambda seen: seen.lacks_all(_SHARES, 2),
    "to_depths": _layers,
    "simulate_columns": _columns,
    "groundwater_anomaly": lambda seen: [
        *seen.lacks("terrestrial_water_storage"),
        "soil_moisture=, as of GLDAS",
    ],
    "downscale": _field,
}


def _weather(seen: _Seen) -> list[str]:
    there = any(role in seen.found.found for role in METEOROLOGY)
    return [] if there else ["weather, as precipitation"]


def _has(there: Collection[str], verb: str) -> bool:
    """Tell whether an accessor that has such names has a verb."""
    return not there or any(name in there for name in re.findall(r"\w+(?=[,(]|$)", verb))


@dataclass(frozen=True, repr=False)
class Overview:
    """What is in data, and which verbs it serves; its text and HTML forms say it.

    ``rows`` are the variables: role, name, units, and how each was found; ``verbs`` what each verb
    lacks, nothing where it can be called; ``faults`` what cannot be used, by role.
    """

    kind: str
    rows: tuple[tuple[str, ...], ...]
    verbs: dict[str, tuple[str, ...]]
    faults: dict[str, str]
    model: str = ""

    def _status(self) -> Iterator[tuple[str, str]]:
        """Return a line a verb."""
        for verb, lacks in self.verbs.items():
            yield verb, f"needs {'; '.join(lacks)}" if lacks else "available"

    def __repr__(self) -> str:
        """Return the tables as text."""
        lines = [f"<xsm: {self.kind}>", *columns([_HEAD, *self.rows])]
        lines = lines if self.rows else [lines[0], "no variable has a role: see variables="]
        lines += [f"! {role}: {text}" for role, text in self.faults.items()]
        lines += ["", *columns(list(self._status()))]
        return "\n".join([*lines, f"fitted: {self.model or 'none'}"])

    def _repr_html_(self) -> str:
        """Return the tables as HTML, in the colours of the page."""
        found = table(self.rows, _HEAD) if self.rows else paragraph("No variable has a role.")
        body = section("found", found, count=len({row[0] for row in self.rows if row[0]}))
        if self.faults:
            told = self.faults.items()
            inside = "".join(paragraph(text, role, wrong=True) for role, text in told)
            body += section("cannot be used", inside, count=len(self.faults))
        ready = [(verb, text) for verb, text in self._status() if text == "available"]
        rest = [(verb, text.removeprefix("needs ")) for verb, text in self._status()]
        rest = [row for row in rest if row[1] != "available"]
        body += section("available", paragraph(", ".join(verb for verb, _ in ready)))
        body += section("needs more", table(rest, ("verb", "needs")), count=len(rest))
        return page(f"xsm: {self.kind}", f"fitted: {self.model or 'none'}", body, repr(self))


def overview(data: xr.Dataset | xr.DataArray, there: Collection[str] = ()) -> Overview:
    """Return what an accessor shows of data; nothing is computed, and nothing raised.

    ``there`` are the names that it has; by default all verbs are shown.
    """
    kind, array = f"verbs of a {type(data).__name__}", isinstance(data, xr.DataArray)
    fitted = recall(data)
    model = fitted.name if fitted is not None else ""
    if isinstance(data, xr.DataArray):
        name = "array" if data.name is None else data.name
        kind, data = f"{kind}, other variables with forcing=", data.to_dataset(name=name)
    with warnings.catch_warnings():  # what finding the variables warns of is told by check
        warnings.simplefilter("ignore", UserWarning)
        plain = dequantify(data[[name for name in data if isinstance(name, str)]])[0]
        try:
            found = variables(plain)
        except (GridError, MissingVariableError, UnitsError, UnknownNameError) as error:
            return Overview(kind, (), {}, {"data": str(error)}, model)
        seen = _Seen(plain, found, model, array)
        verbs = {verb: tuple(needs(seen)) for verb, needs in _VERBS.items() if _has(there, verb)}
    rows = tuple((r[0], r[1], r[3], r[2]) for r in rows_of(found.found))
    return Overview(kind, rows, verbs, unusable(found.problems, found.faults), model)
