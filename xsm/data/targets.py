"""The target of a data set, observed and predicted, in canonical units."""

from __future__ import annotations

import math
from collections.abc import Mapping

import xarray as xr

from xsm.data.naming import ROLES, Variable, VariableTable, find_variables
from xsm.data.units import Conversion, conversion
from xsm.exceptions import MissingVariableError, UnitsError, did_you_mean

__all__ = ["default_target", "observed_target", "predicted_spread", "predicted_target"]


_TARGETS = ("soil_moisture", "satellite_soil_moisture")


def default_target(table: VariableTable) -> str:
    """Return the role of the first target that the data hold.

    Parameters
    ----------
    table : VariableTable
        Which variable is what.

    Returns
    -------
    str
        ``soil_moisture`` (its top layer), else ``satellite_soil_moisture``.

    Raises
    ------
    MissingVariableError
        If there is neither.

    Examples
    --------
    >>> soil = xr.DataArray([20.0, 30.0], dims="time", attrs={"units": "%"})
    >>> days = xr.date_range("2020", periods=2)
    >>> ds = xr.Dataset({"swvl1": soil}, coords={"time": days})
    >>> default_target(find_variables(ds))
    'soil_moisture'
    """
    for role in _TARGETS:
        if role in table:
            return role
    table.require(_TARGETS[0])
    return _TARGETS[0]


def observed_target(
    ds: xr.Dataset, target: str, variables: Mapping[str, str] | None = None
) -> xr.DataArray:
    """Return the observed target in canonical units, lazily.

    Parameters
    ----------
    ds : xarray.Dataset
        The data.
    target : str
        Role or variable.
    variables : mapping of str to str, optional
        Role to variable name.

    Returns
    -------
    DataArray
        Canonical units; NaN is missing.

    Examples
    --------
    >>> soil = xr.DataArray([20.0, 30.0], dims="time", attrs={"units": "%"})
    >>> days = xr.date_range("2020", periods=2)
    >>> ds = xr.Dataset({"swvl1": soil}, coords={"time": days})
    >>> observed_target(ds, "swvl1").values
    array([0.2, 0.3])
    """
    table = find_variables(ds, variables)
    table.require(target)
    return table.array(ds, target).drop_vars("depth", errors="ignore")


def predicted_target(
    ds: xr.Dataset,
    predicted: xr.Dataset | xr.DataArray,
    target: str,
    variables: Mapping[str, str] | None = None,
) -> xr.DataArray:
    """Return a predicted target in canonical units, lazily.

    Parameters
    ----------
    ds : xarray.Dataset
        The data that hold the observed target, whose name and units the prediction has.
    predicted : Dataset or DataArray
        The prediction, in any units that convert, of the sign of the observations.
    target : str
        Role or variable of the observed target.
    variables : mapping of str to str, optional
        Role to variable name.

    Returns
    -------
    DataArray
        Canonical units.

    Raises
    ------
    MissingVariableError
        If the prediction holds no variable of the target's name.
    UnitsError
        If the prediction's units are missing, or do not convert to those of the observations.

    Examples
    --------
    >>> soil = xr.DataArray([20.0, 30.0], dims="time", attrs={"units": "%"})
    >>> days = xr.date_range("2020", periods=2)
    >>> ds = xr.Dataset({"swvl1": soil}, coords={"time": days})
    >>> guess = xr.DataArray([0.25, 0.25], ds.coords, "time", attrs={"units": "m3 m-3"})
    >>> predicted_target(ds, guess, "swvl1").values
    array([0.25, 0.25])
    """
    variable = find_variables(ds, variables).lookup(target)
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
    return _change(variable, str(units))(predicted.drop_attrs(deep=False))


def predicted_spread(
    ds: xr.Dataset,
    spread: xr.DataArray,
    target: str,
    variables: Mapping[str, str] | None = None,
) -> xr.DataArray:
    """Return the standard deviation of a predicted target in canonical units, lazily.

    Parameters
    ----------
    ds : xarray.Dataset
        The data that hold the observed target.
    spread : DataArray
        The standard deviation; of other units than the observations only with units.
    target : str
        Role or variable of the observed target.
    variables : mapping of str to str, optional
        Role to variable name.

    Returns
    -------
    DataArray
        Canonical units; an offset of units, as of degC, does not count.

    Raises
    ------
    UnitsError
        If its units do not convert to those of the observations.

    Examples
    --------
    >>> soil = xr.DataArray([20.0, 30.0], dims="time", attrs={"units": "%"})
    >>> days = xr.date_range("2020", periods=2)
    >>> ds = xr.Dataset({"swvl1": soil}, coords={"time": days})
    >>> predicted_spread(ds, soil / 10, "swvl1").values
    array([0.02, 0.03])
    """
    variable = find_variables(ds, variables).lookup(target)
    change = _change(variable, str(spread.attrs.get("units", variable.units)))
    return Conversion(abs(change.factor))(spread.drop_attrs(deep=False))


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
