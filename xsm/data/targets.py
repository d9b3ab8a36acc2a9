"""The target of a data set, observed and predicted, in canonical units."""

from __future__ import annotations

import math
from dataclasses import replace

import xarray as xr

from xsm.data.doubt import check_spread, doubted_prediction, doubted_spread
from xsm.data.naming import ROLES, Variable, VariableTable, roles_of
from xsm.data.reading import Reading
from xsm.data.refused import check_names, check_numbers
from xsm.data.units import Conversion, conversion, dequantify
from xsm.exceptions import MissingVariableError, UnitsError, UnknownNameError, did_you_mean

__all__ = [
    "bare_prediction",
    "check_prediction_of",
    "default_target",
    "observed_target",
    "predicted_spread",
    "predicted_target",
    "spread_of_layers",
    "target_of",
    "widest_spread",
]


_TARGETS = ("soil_moisture", "satellite_soil_moisture")


def default_target(table: VariableTable) -> str:
    """Return the role of the first target that the data hold.

    ``soil_moisture`` (its top layer), else ``satellite_soil_moisture``; refuse data with neither.
    """
    for role in _TARGETS:
        if role in table:
            return role
    table.require(_TARGETS[0])
    return _TARGETS[0]


def bare_prediction(predicted: xr.Dataset | xr.DataArray) -> xr.Dataset | xr.DataArray:
    """Strip pint units from a prediction, and refuse what is none; one without a name gets one."""
    if isinstance(predicted, xr.Dataset):
        return dequantify(predicted)[0]
    given: object = predicted
    if not isinstance(given, xr.DataArray):
        msg = (
            f"predicted is of the type {type(predicted).__name__}; a Dataset or DataArray with "
            "coordinates and units is needed. Type ds['swvl1'].copy(data=values), with the name of "
            "your target."
        )
        raise TypeError(msg)
    name = predicted.name if predicted.name is not None else "predicted"
    return dequantify(predicted.to_dataset(name=name))[0][name]


def check_prediction_of(
    reading: Reading, predicted: xr.DataArray, target: str, *, stated: bool
) -> None:
    """Refuse an array that is another variable than the target, by its name or standard name.

    Where the target is ``stated``, another layer and soil moisture of satellites are the same.
    """
    wanted, name = reading.lookup(target), str(predicted.name)
    known = [v for vs in reading.table.found.values() for v in vs if v.name == name]
    known += [reading.table.others[name]] if name in reading.table.others else []
    role = (
        known[0].role if known else getattr(roles_of(predicted.to_dataset()).get(name), "name", "")
    )
    alike = role in {"", wanted.role} or {role, wanted.role} <= {*_TARGETS}
    layer = bool(known) and wanted not in known and wanted.dim is None
    if alike and (stated or not layer):
        return
    own = f'target="{name if known else role}"'
    there = known or role in reading.table.found
    msg = (
        f"The prediction {name!r} is {role or 'another variable'}, and would be scored against "
        f"{str(wanted.name)!r}, {wanted.role}. "
        + (f"Type score(predicted, {own}). " if there else f"The data hold no {role}. ")
        + f"Where it is {wanted.role} under another name: "
        f"predicted.rename({str(wanted.name)!r}).drop_attrs().assign_attrs(units=...)."
    )
    raise UnknownNameError(msg)


def observed_target(reading: Reading, target: str) -> xr.DataArray:
    """Return the observed target in canonical units, lazily; NaN is missing."""
    reading.require(target)
    return reading.array(target).drop_vars("depth", errors="ignore")


def predicted_target(
    reading: Reading, predicted: xr.Dataset | xr.DataArray, target: str
) -> xr.DataArray:
    """Return a predicted target in canonical units, lazily.

    The prediction is of the name and the sign of the target that was read, in any units that
    convert; without units, or under another name in a Dataset, it is refused.
    """
    variable = reading.lookup(target)
    if isinstance(predicted, xr.Dataset):
        name = str(variable.name)
        if name not in predicted:
            hint = did_you_mean(name, map(str, predicted.data_vars))
            msg = f"The prediction holds no variable {name!r}. {hint} Rename it, or pass it alone."
            raise MissingVariableError(msg)
        predicted = predicted[name]
    units = predicted.attrs.get("units")
    if units is None:
        msg = (
            f"The prediction {predicted.name!r} has no units; the observations are in "
            f"{variable.units!r}. Set predicted.attrs['units']."
        )
        raise UnitsError(msg)
    check_names(predicted)
    change = _change(variable, str(units))
    return doubted_prediction(predicted, replace(variable, units=str(units), conversion=change))


def predicted_spread(
    reading: Reading, predicted: xr.Dataset, name: str, target: str
) -> xr.DataArray:
    """Return the standard deviation of a predicted target in canonical units, lazily.

    Without units it is in those of its prediction; an offset, as of degC, does not count.
    """
    variable, spread = reading.lookup(target), predicted[f"{name}_std"]
    units = _units_of_spread(predicted, name)
    if name in predicted:
        check_spread(predicted[name], spread)
    change = _change(variable, units)
    change = replace(change, factor=abs(change.factor), offset=0.0)
    role = ROLES.get(variable.role)
    check_numbers(spread, spread.name, "1" if role is None else role.units)
    return doubted_spread(change(spread.drop_attrs(deep=False)), role)


def spread_of_layers(
    reading: Reading, predicted: xr.Dataset, name: str, target: str
) -> xr.DataArray:
    """Return the same in units that convert layer by layer without an offset."""
    units = _units_of_spread(predicted, name)
    if not _change(reading.lookup(target), units).offset:
        return predicted[f"{name}_std"].assign_attrs(units=units)
    canonical = reading.units(target)
    return predicted_spread(reading, predicted, name, target).assign_attrs(units=canonical)


def target_of(predicted: xr.Dataset | xr.DataArray, table: VariableTable) -> str:
    """Return the target that a prediction says it is of, else that of the data by default."""
    return str(predicted.attrs.get("target") or default_target(table))


def widest_spread(reading: Reading, predicted: xr.Dataset, name: str, target: str) -> float:
    """Return the widest spread that can be one of a target, in the units of the spread."""
    variable = reading.lookup(target)
    role = ROLES.get(variable.role)
    if role is None or role.range is None:
        return math.inf
    low, high = role.range
    return (high - low) / abs(_change(variable, _units_of_spread(predicted, name)).factor)


def _units_of_spread(predicted: xr.Dataset, name: str) -> str:
    """Return the units of a spread: its own, else those of its prediction."""
    beside = predicted[name].attrs if name in predicted else {}
    units = predicted[f"{name}_std"].attrs.get("units", beside.get("units"))
    if units is None:
        msg = (
            f"Neither '{name}_std' nor {name!r} has units. Set them, for example "
            f'predicted["{name}_std"].attrs["units"] = "m3 m-3".'
        )
        raise UnitsError(msg)
    return str(units)


def _change(variable: Variable, units: str) -> Conversion:
    """Return the change from a prediction's units to canonical ones, by the observations' sign."""
    if units == variable.units:
        return variable.conversion
    role = ROLES.get(variable.role)
    if role is None:
        return conversion(units, variable.units)
    thickness = variable.depth[1] - variable.depth[0] if variable.depth else None
    try:
        change = conversion(units, role.units, water=role.water, thickness=thickness)
    except UnitsError:  # amounts of a step have the length of the observations' steps
        same = conversion(units, variable.units, water=role.water)
        return same.then(variable.conversion)
    return change.then(Conversion(math.copysign(1.0, variable.conversion.factor)))
