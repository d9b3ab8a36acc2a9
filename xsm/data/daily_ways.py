"""What each variable becomes in a day: by its role, its attributes, or what the user states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, TypeAlias, get_args

import xarray as xr

from xsm.data.doubt.sample import take
from xsm.data.naming import ROLES, Accumulation, Role, accumulation_of
from xsm.data.naming.amounts import MEANS, UntoldError, sawtooth
from xsm.data.reduction import WAYS, cell_method
from xsm.data.units import is_amount
from xsm.exceptions import (
    GridError,
    MissingVariableError,
    UnitsError,
    check_choice,
    did_you_mean,
    warn_outside,
)

__all__ = ["Day", "States", "Way", "Ways", "ways_of"]


States: TypeAlias = Literal["end", "mean"]
Way: TypeAlias = Literal["sum", "mean", "max", "min", "end"]
Stated: TypeAlias = Accumulation | Mapping[str, Accumulation] | None

_DAYS = timedelta(days=3)  # of lazy amounts that are looked at
_STORES = {
    role.name
    for role in ROLES.values()
    if role.layered
    or role.name
    in {
        "snow_water_equivalent",
        "snow_cover",
        "groundwater_storage",
        "terrestrial_water_storage",
        "satellite_soil_moisture",
    }
}
"""States that the water balance differences, or that belong to the ground: ``states=`` rules."""


@dataclass(frozen=True)
class Day:
    """How a variable becomes daily, whether the day's value is an amount, or a mean of which."""

    way: Way
    amount: bool = False
    mean_of: str = ""


_EXTREMES = {"max": Day("max"), "min": Day("min")}


@dataclass(frozen=True)
class Ways:
    """The variables along time: how they become daily, or why they do not.

    ``unknown`` are those of which nothing says what they are, with a cell method of no use;
    ``reasons`` those that cannot be used, with what is wrong.
    """

    known: dict[str, Day] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def add(self, ds: xr.Dataset, time: str, name: str, day: Day | None) -> None:
        """Add a variable to those that it belongs to."""
        if day is None:
            self.unknown[name] = cell_method(ds[name], time)
        else:
            self.known[name] = day


def ways_of(
    ds: xr.Dataset, time: str, roles: Mapping[str, Role], accumulation: Stated, states: States
) -> Ways:
    """Return how each variable along time becomes daily; refuse fluxes, all in one error."""
    moving = _moving(ds, time)
    stated = _stated(ds, time, accumulation, [name for name in moving if name not in roles])
    ways, wrong, untold = Ways(), [], []
    for name in moving:
        try:
            ways.add(ds, time, name, _way(ds, time, name, roles.get(name), stated, states))
        except UntoldError:
            untold.append(name)
        except (UnitsError, GridError) as error:
            wrong.append(str(error))
    told = _looked_at(ds[untold], time) if untold else {}
    for name, meaning in told.items():
        ways.add(ds, time, name, _day(meaning))
        untold.remove(name)
    if untold:
        wrong.append(_untold(untold, alone=not any(day.amount for day in ways.known.values())))
    if wrong:
        raise UnitsError("\n".join(wrong))
    return ways


def _stated(
    ds: xr.Dataset, time: str, accumulation: Stated, unknown: Sequence[str]
) -> Mapping[str, str]:
    """Return what the user states, by variable; of those without a role, of amounts alone."""
    if accumulation is None:
        return {}
    if isinstance(accumulation, str):
        check_choice("accumulation", accumulation, get_args(Accumulation))
        sums = {name for name in unknown if _sums(ds[name], time)}
        likely = [name for name in unknown if name not in sums and _may_sum(ds[name], time)]
        _warn_of(ds, accumulation, likely)
        unlike = {*unknown} - sums - {*likely}
        return {str(name): accumulation for name in ds.data_vars if name not in unlike}
    for name, meaning in accumulation.items():
        check_choice(f"accumulation[{name!r}]", meaning, get_args(Accumulation))
        if name not in ds.data_vars:
            hint = did_you_mean(name, map(str, ds.data_vars))
            msg = f"accumulation= names {name!r}, which is no variable of the data. {hint}"
            raise MissingVariableError(msg)
    return accumulation


def _moving(ds: xr.Dataset, time: str) -> list[str]:
    """Return the variables along time, without the bounds of time."""
    bounds = {v.attrs.get("bounds", v.encoding.get("bounds")) for v in ds.coords.values()}
    return [str(n) for n, a in ds.data_vars.items() if time in a.dims and n not in bounds]


def _way(
    ds: xr.Dataset,
    time: str,
    name: str,
    role: Role | None,
    stated: Mapping[str, str],
    states: States,
) -> Day | None:
    """Return how a variable becomes daily; None where nothing says it."""
    array = ds[name]
    if array.dtype.kind not in "fiub":
        return Day("end")
    said = cell_method(array, time)
    if role is None:
        amount = name in stated or said == "sum"
    else:
        amount = role.flux and _is_amount(name, array, role)
    return _amount(ds, name, role, stated) if amount else _state(role, said, states)


def _is_amount(name: str, array: xr.DataArray, role: Role) -> bool:
    """Tell whether a flux is an amount; refuse one whose units are missing or do not fit."""
    units = array.attrs.get("units")
    if units is None:
        msg = (
            f"{name!r} has no units, so it cannot be told whether it is an amount or a rate. Give "
            f'those that its documentation says: ds["{name}"].attrs["units"] = "...".'
        )
        raise UnitsError(msg)
    try:
        return is_amount(str(units), role.units)
    except UnitsError as error:
        msg = f"{name!r} is found as {role.name!r}. {error}"
        raise UnitsError(msg) from error


def _state(role: Role | None, said: str, states: States) -> Day | None:
    """Return how a state or a rate becomes daily; None of one without a role or a method."""
    said = said or ("" if role is None else role.extreme)
    if said in _EXTREMES:
        return _EXTREMES[said]
    if role is None and said not in WAYS:
        return None
    store = role is None or role.name in _STORES
    return Day("mean" if said == "mean" or not store else states)


def _amount(ds: xr.Dataset, name: str, role: Role | None, stated: Mapping[str, str]) -> Day:
    """Return how an amount becomes daily."""
    return _day(stated.get(name) or accumulation_of(ds, name, role))


def _day(meaning: str) -> Day:
    """Return how amounts of a meaning become daily."""
    ways: dict[str, Way] = {"since_00": "end", "step": "sum"}
    return Day(ways.get(meaning, "mean"), meaning in ways, meaning if meaning in MEANS else "")


def _looked_at(ds: xr.Dataset, time: str) -> dict[str, str]:
    """Return what lazy amounts of steps below a day are, by some blocks of the first three days.

    Of those whose blocks hold some amount.
    """
    index = ds.indexes[time]
    first = ds.isel({time: slice(0, int((index < index[0] + _DAYS).sum()))}).chunk({time: -1})
    samples = take(first, dict.fromkeys(map(str, ds.data_vars)))
    found = {name: sample.of_layer(None) for name, sample in samples.items()}
    return {
        name: "since_00" if sawtooth(values) else "step"
        for name, values in found.items()
        if (abs(values) > 0).any()
    }


def _untold(names: Sequence[str], *, alone: bool) -> str:
    """Say how to state what amounts are; one word for all only where it is of these alone."""
    shown = ", ".join(map(repr, names))
    each = '{"' + '": "since_00", "'.join(names) + '": "since_00"}'
    given = '"since_00"' if alone else each
    return (
        f"What the amounts of {shown} are cannot be told without reading the data. Type "
        f"xsm.daily(ds, accumulation={given}) where they are sums since 00 UTC, as those of hourly "
        'ERA5-Land, and "step" in place of "since_00" where each is the amount of its own step.'
    )


def _sums(array: xr.DataArray, time: str) -> bool:
    """Tell whether the attributes of a variable without a role say that it is a sum over time."""
    return "accumulation" in array.attrs or cell_method(array, time) == "sum"


def _may_sum(array: xr.DataArray, time: str) -> bool:
    """Tell whether units are those of amounts, and no attribute says that values are states."""
    units = array.attrs.get("units")
    if units is None or cell_method(array, time):
        return False
    for rate in ("mm day-1", "W m-2"):
        with suppress(UnitsError):
            return is_amount(str(units), rate)
    return False


def _warn_of(ds: xr.Dataset, accumulation: str, names: Sequence[str]) -> None:
    """Warn of variables that are taken for amounts by their units alone."""
    if not names:
        return
    listed = ", ".join(f"{name!r} ({ds[name].attrs['units']})" for name in names)
    warn_outside(
        f"accumulation={accumulation!r} is taken to hold for {listed} too, of which only the units "
        f'are known. Where one is a state, say so: ds["{names[0]}"].attrs["cell_methods"] = '
        '"time: point"; where it is an amount, "time: sum" silences this.'
    )
