"""How a variable becomes coarser in time where no role says it: by its attributes, else not."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import xarray as xr

from xsm.data.intervals import method_of_time
from xsm.data.naming import ROLES
from xsm.data.naming.amounts import MEANS
from xsm.data.units import conversion
from xsm.exceptions import MissingVariableError, UnitsError, warn_outside

__all__ = ["CF", "WAYS", "candidates", "cell_method", "tell_left_out"]


WAYS = ("sum", "mean", "point", "max", "min")
"""What values can be for the time between two labels."""
CF = {"max": "maximum", "min": "minimum"}
"""Ways that CF calls otherwise."""
_GRIB = {"accum": "sum", "instant": "point", "max": "max", "min": "min"}
_STATED = {"step": "sum", "since_00": "sum", "rate": "mean", **dict.fromkeys(MEANS, "mean")}
_BARE = {"1", "%", "m3 m-3", "kg kg-1"}  # fit to any number without a dimension


def cell_method(array: xr.DataArray, time: str) -> str:
    """Return what the values of an array are over time: one of WAYS, another word of CF, or "".

    It is what ``accumulation`` states, else the last method along time in ``cell_methods``, else
    the step type of GRIB.
    """
    stated = array.attrs.get("accumulation")
    if stated is not None:
        return _STATED.get(str(stated), str(stated))
    method = method_of_time(array, time)
    if method:
        return {cf: way for way, cf in CF.items()}.get(method, method)
    kind = str(array.attrs.get("GRIB_stepType", ""))
    return "mean" if kind.startswith("avg") else _GRIB.get(kind, "")


def tell_left_out(
    ds: xr.Dataset,
    verb: str,
    unknown: Mapping[str, str],
    reasons: Mapping[str, str],
    needed: Collection[str],
) -> None:
    """Warn of variables that a verb leaves out; refuse where one of them is needed.

    ``unknown`` are those without a role and what their cell methods say, ``reasons`` are those
    that cannot be used, with what is wrong.
    """
    said = [f"{name!r} is left out: {text}" for name, text in reasons.items()]
    if unknown:
        said.append(_of_unknown(ds, verb, unknown))
    text = f"xsm.{verb}: " + "\n".join(said)
    if not {*needed}.isdisjoint({*unknown, *reasons}):
        raise (UnitsError if reasons else MissingVariableError)(text)
    if said:
        warn_outside(text)


def _of_unknown(ds: xr.Dataset, verb: str, unknown: Mapping[str, str]) -> str:
    """Say which variables without a role are left out, and what to type."""
    listed = ", ".join(f"{name!r} ({_told(ds[name], said)})" for name, said in unknown.items())
    first = next(iter(unknown))
    fitting = candidates(ds[first])
    role, also = "", ", ".join(map(repr, fitting[1:]))
    if fitting:
        role = (
            f'where one has a role, variables={{"{fitting[0]}": "{first}"}}'
            f"{f' (its units fit {also} too)' if also else ''}; "
        )
    return (
        f"{listed} left out: no role and no cell_methods say how {verb} values are made. Type what "
        f'holds, and call again: {role}else ds["{first}"].attrs["cell_methods"] = "time: sum" for '
        'amounts of each step, "time: mean" for means, "time: point" for states at the label, '
        '"time: maximum" or "time: minimum".'
    )


def _told(array: xr.DataArray, said: str) -> str:
    """Return the units of a variable, and a cell method that is of no use."""
    units = str(array.attrs.get("units", "no units"))
    return f"{units}, cell_methods {said!r}" if said else units


def candidates(array: xr.DataArray) -> list[str]:
    """Return the roles that units allow; none where there are no units."""
    found: list[str] = []
    units = array.attrs.get("units")
    for role in ROLES.values() if units is not None else ():
        if role.static or role.layered or role.units in _BARE:
            continue
        try:
            conversion(str(units), role.units, water=role.water, step_days=1.0)
        except UnitsError:
            continue
        found.append(role.name)
    return found
