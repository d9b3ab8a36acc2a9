"""Groundwater storage as the rest of terrestrial water storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeGuard

import numpy as np
import xarray as xr

from xsm.data.grid import time_dim
from xsm.data.joins import snap
from xsm.data.provenance import recorded
from xsm.data.units import dequantify, quantify
from xsm.exceptions import MissingVariableError, NotEnoughDataError
from xsm.hydrology.groundwater.cells import check_cells, check_halves
from xsm.hydrology.groundwater.choice import Chosen, check_stated, choose, holds
from xsm.hydrology.groundwater.months import MONTH, baseline_months, by_month, month_text, months_of
from xsm.hydrology.groundwater.storage import Store, read_store

__all__ = ["groundwater_anomaly"]


Given: TypeAlias = xr.DataArray | xr.Dataset | None

_NAME = "groundwater_storage"
_GRACE = ("2004-01", "2009-12")


def groundwater_anomaly(
    tws: xr.DataArray | xr.Dataset,
    soil_moisture: xr.DataArray | xr.Dataset,
    snow: xr.DataArray | xr.Dataset | None = None,
    surface_water: xr.DataArray | xr.Dataset | None = None,
    *,
    baseline: Sequence[str] | slice | None = _GRACE,
    area: float | xr.DataArray | None = None,
    variables: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Return the anomaly of groundwater storage by months: what other stores leave of the total.

    Each store is an array, or a whole file of which its variables are found by their roles, as
    ``groundwater_anomaly(grace, gldas)``.

    Parameters
    ----------
    tws : DataArray or Dataset
        Terrestrial water storage (time, *space), as of GRACE: absolute, or an anomaly of a period.
        Units of depth (mm, cm, m), of mass (kg m-2) or of volume (km3, acre-feet).
    soil_moisture : DataArray or Dataset
        Water of the soil: one column, layers along a dimension of depth, or a Dataset of layers,
        which are summed, each depth once. Besides the units above m3 m-3, where the bounds of
        layers are known.
    snow : DataArray or Dataset, optional
        Snow water equivalent; by default that of the Dataset of ``soil_moisture``.
    surface_water : DataArray or Dataset, optional
        Water of lakes, reservoirs, wetlands and rivers, whose parts are summed; by default that of
        the Dataset of ``soil_moisture``, where it holds any. So is water on plants.
    baseline : (str, str) or slice or None, default: ("2004-01", "2009-12")
        First and last month of the period that the anomaly is relative to; by default that of the
        products of GRACE. None leaves values as they are: all inputs are anomalies of one period.
    area : float or DataArray, optional
        Area that volumes spread over: m2, or an array with units.
    variables : mapping of str to str, optional
        Role to variable name, where a store is not found or another variable is wanted:
        ``terrestrial_water_storage``, ``soil_moisture``, ``snow_water_equivalent``,
        ``surface_water_storage``, ``canopy_water``.

    Returns
    -------
    xarray.Dataset
        ``groundwater_storage`` (mm, positive where there is more) on the cells of ``tws``, with all
        coordinates of these, for the months that all inputs have, labelled by the times of ``tws``.
        Its attributes ``stores`` and ``left_aside`` say which variables of files are used and which
        are not. Where an input holds standard errors, ``groundwater_storage_std`` (mm) too, linked
        as ancillary variable. NaN where an input is NaN; a cell without any month of the baseline
        is NaN. Lazy where an input is, quantified where ``tws`` is.

    Raises
    ------
    MissingVariableError
        If a Dataset holds several variables, and one is needed, an input is none, or snow is found
        nowhere.
    UnitsError
        If units are missing or no amount of water, or a volume comes without ``area``.
    GridError
        If cells or dimensions differ between inputs (the message says how :func:`xsm.regrid` brings
        them together), layers overlap, or a series finer than months is irregular.
    NotEnoughDataError
        If inputs have no month in common, or do not reach over the baseline.

    Notes
    -----
    With the months t that all inputs have, and the mean over those of the baseline that are there
    in the cell::

        S_t = TWS_t - SM_t - SWE_t - SW_t
        G_t = S_t - mean(S over the baseline)

    (the residual of Rodell et al. 2009), so that it does not matter which period each input is
    relative to, and G is 0 on average over the baseline also where months are missing. Without
    missing months it is the same to take the anomaly of each store first. A month is a calendar
    month, whatever day it is labelled by; finer series are averaged, and months that they do not
    hold whole are NaN.

    Gain factors, masks and leakage of files of GRACE are left aside: where they are wanted, apply
    them first. Standard errors are read from variables of a Dataset that are named as their value,
    with ``_error``, ``_std``, ``_stderr``, ``_uncertainty`` or ``_sigma`` behind or in front (or
    ``uncertainty`` beside a single value of its dimensions). They are taken as independent between
    stores and layers and added in quadrature; within a month as one, so that they are averaged. The
    error of the baseline's mean is left out, as are stores without an error: the attribute
    ``comment`` names those that count.

    References
    ----------
    Rodell, M., Velicogna, I. and Famiglietti, J. S. (2009). Nature 460:999-1002.

    Examples
    --------
    >>> months = {"time": xr.date_range("2004-01", periods=72, freq="MS")}
    >>> mm = {"units": "mm"}
    >>> total = xr.DataArray(np.arange(72.0), months, "time", attrs={"units": "cm"})
    >>> soil, snow = (xr.DataArray(np.full(72, x), months, "time", attrs=mm) for x in (300, 20))
    >>> period = ("2004-01", "2008-12")
    >>> found = groundwater_anomaly(total, soil, snow, baseline=period)["groundwater_storage"]
    >>> found.diff("time").values[:2], abs(round(float(found.sel(time=slice(*period)).mean()), 6))
    (array([10., 10.]), 0.0)
    """
    stated = check_stated(variables, (tws, soil_moisture, snow, surface_water))
    given = {"tws": tws, "soil_moisture": soil_moisture, "snow": snow}
    given |= {} if surface_water is None else {"surface_water": surface_water}
    given |= _beside(given, soil_moisture, stated)
    plain = {what: _plain(data, what) for what, data in given.items()}
    chosen = {what: choose(ds, what, stated) for what, (ds, _) in plain.items()}
    stores = {
        what: read_store(one, what, area=area, layered=what == "soil_moisture")
        for what, one in chosen.items()
    }
    total = stores["tws"].depth
    source = {what: "soil_moisture" for what, data in given.items() if data is soil_moisture}
    monthly = _by_month(stores, source)
    storage = monthly["tws"].depth
    for what in list(monthly)[1:]:
        storage = storage - monthly[what].depth
    if baseline is not None:
        storage = storage - _baseline_mean(storage, baseline)
    errors = {what: store.error for what, store in monthly.items() if store.error is not None}
    result = _present(storage, errors, total, list(given), baseline)
    files = {w: one for w, one in chosen.items() if isinstance(given[w], xr.Dataset)}
    result[_NAME].attrs |= _said(files, source)
    title = "Anomaly of groundwater storage"
    result = recorded(result, "groundwater_anomaly", of=tws, title=title)
    return quantify(result) if plain["tws"][1] else result


def _beside(
    given: Mapping[str, Given], soil_moisture: Given, stated: Mapping[str, str]
) -> dict[str, Given]:
    """Return the stores that no argument gives and the file of the soil's water holds."""
    missing = [w for w in ("snow", "surface_water", "canopy_water") if given.get(w) is None]
    found = {what: soil_moisture for what in missing if holds(soil_moisture, what, stated)}
    if given["snow"] is None and "snow" not in found:
        tws = given["tws"]
        names = choose(dequantify(tws)[0], "tws", stated).names if _is_file(tws) else ()
        total = f"tws[{names[0]!r}]" if names else "tws"
        msg = (
            "snow was not given, and soil_moisture is no Dataset that holds the role "
            "'snow_water_equivalent'. Pass snow=, or name its variable in that Dataset: "
            'variables={"snow_water_equivalent": "<its name>"}. Where there is none: '
            f'snow=(0 * {total}).drop_attrs().assign_attrs(units="mm").'
        )
        raise MissingVariableError(msg)
    return found


def _is_file(data: object) -> TypeGuard[xr.Dataset]:
    """Tell whether an input is a data set."""
    return isinstance(data, xr.Dataset)


def _plain(data: object, what: str) -> tuple[xr.Dataset, bool]:
    """Return an input as a data set without pint quantities, and whether there were any."""
    if not isinstance(data, xr.DataArray | xr.Dataset):
        msg = f"{what} was given as {type(data).__name__}; a DataArray or a Dataset is needed."
        raise MissingVariableError(msg)
    if 0 in data.sizes.values():
        msg = f"{what} is empty ({dict(data.sizes)}): nothing was selected. Look at its time."
        raise NotEnoughDataError(msg)
    if isinstance(data, xr.Dataset):
        return dequantify(data)
    return dequantify(data.to_dataset(name=what if data.name is None else data.name))


def _by_month(stores: Mapping[str, Store], source: Mapping[str, str]) -> dict[str, Store]:
    """Return the stores on the months that all have, on the same cells."""
    depths = {what: by_month(store.depth) for what, store in stores.items()}
    errors = {w: by_month(store.error) for w, store in stores.items() if store.error is not None}
    check_cells(depths, source)
    check_halves(depths)
    depths = {what: snap(array, depths["tws"]) for what, array in depths.items()}
    check_cells(errors | {"tws": depths["tws"]}, source)
    errors = {what: snap(array, depths["tws"]) for what, array in errors.items()}
    labels = [set(array[MONTH].values.tolist()) for array in depths.values()]
    common = sorted(set.intersection(*labels))
    if not common:
        spans = "; ".join(f"{what} {_span(array)}" for what, array in depths.items())
        msg = f"The inputs have no month in common: {spans}. Pass series that overlap in time."
        raise NotEnoughDataError(msg)
    keep = {MONTH: common}
    return {
        what: Store(array.sel(keep), errors[what].sel(keep) if what in errors else None)
        for what, array in depths.items()
    }


def _span(array: xr.DataArray) -> str:
    """Return the first and the last month of an array."""
    months = array[MONTH].values
    return f"{month_text(int(months.min()))} to {month_text(int(months.max()))}"


def _baseline_mean(storage: xr.DataArray, baseline: Sequence[str] | slice) -> xr.DataArray:
    """Return the mean of each cell over the months of the baseline that are there."""
    first, last = baseline_months(baseline)
    months = storage[MONTH].values
    if months.min() > first or months.max() < last:
        msg = (
            f"The baseline {month_text(first)} to {month_text(last)} is not within the months that "
            f"all inputs have, {_span(storage)}. Pass a period that is: baseline=(first, last), or "
            "baseline=None where all inputs are anomalies of one period."
        )
        raise NotEnoughDataError(msg)
    part = storage.sel({MONTH: slice(first, last)})
    count = part.notnull().sum(MONTH)
    return part.sum(MONTH) / count.where(count > 0)


def _present(
    storage: xr.DataArray,
    errors: Mapping[str, xr.DataArray],
    total: xr.DataArray,
    inputs: list[str],
    baseline: Sequence[str] | slice | None,
) -> xr.Dataset:
    """Label the result by the times of the total, and describe it."""
    period = "the period of the inputs"
    if baseline is not None:
        period = " to ".join(month_text(m) for m in baseline_months(baseline))
    attrs = {
        "long_name": "groundwater storage anomaly",
        "units": "mm",
        "cell_methods": f"{time_dim(total)}: mean",
        "comment": f"{' - '.join(inputs)}, relative to {period}",
    }
    found = {_NAME: _dated(storage, total).assign_attrs(attrs)}
    if errors:
        square = sum(error**2 for error in errors.values())
        spread = _dated(square**0.5, total)
        found[f"{_NAME}_std"] = spread.assign_attrs(
            long_name="standard error of the groundwater storage anomaly",
            units="mm",
            comment=f"errors of {', '.join(errors)} in quadrature",
        )
        found[_NAME].attrs["ancillary_variables"] = f"{_NAME}_std"
    return xr.Dataset(found)


def _said(files: Mapping[str, Chosen], source: Mapping[str, str]) -> dict[str, str]:
    """Return which variables of files are used, and which are left aside."""
    used = {n for one in files.values() for n in (*one.names, *one.errors.values())}
    left = {
        what: ", ".join(n for n in one.left if n not in used)
        for what, one in files.items()
        if source.get(what, what) == what
    }
    stores = (f"{what}: {', '.join(one.names)}{one.reach}" for what, one in files.items())
    aside = (f"{what}: {names}" for what, names in left.items() if names)
    said = {"stores": "; ".join(stores), "left_aside": "; ".join(aside)}
    return {key: text for key, text in said.items() if text}


def _dated(array: xr.DataArray, total: xr.DataArray) -> xr.DataArray:
    """Give an array the cells of the total and its times: the first of each month."""
    time = time_dim(total)
    months, at = np.unique(months_of(total), return_index=True)
    places = dict(zip(months.tolist(), at.tolist(), strict=True))
    order = [places[m] for m in array[MONTH].values.tolist()]
    of_steps = [c for c in total.coords if time in total[c].dims and c not in total.xindexes]
    like = total.drop_vars(of_steps).isel({time: order})
    renamed = array.drop_vars(MONTH).rename({MONTH: time}).assign_coords(like.coords)
    return renamed.transpose(*total.dims)
