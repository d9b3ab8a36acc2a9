"""From data sets to sources: covariates and truth onto the grids and times of the target."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from xsm.data.doubt import doubt
from xsm.data.grid import oriented, time_dim, without_scalars
from xsm.data.joins import at_labels, positions
from xsm.data.nesting import Nest, coarsen, horizontal_axes, make_nest, to_grid
from xsm.data.nesting.nest import Factor
from xsm.data.reading import Reading
from xsm.data.refused import check_dims, check_some, check_target
from xsm.data.units import conversion, dequantify
from xsm.exceptions import GridError, MissingVariableError, NotEnoughDataError, UnitsError
from xsm.fields.sources import Covariates, Sources, read_one
from xsm.typing import FloatArray

__all__ = ["collect_sources"]


def collect_sources(
    reading: Reading,
    *,
    target: str,
    factor: Factor | None,
    covariates: Covariates | None = None,
    truth: xr.Dataset | xr.DataArray | None = None,
    area: xr.DataArray | None = None,
    wanted: tuple[tuple[str, ...], tuple[str, ...]] | None = None,
    variables: Mapping[str, str] | None = None,
    history: int = 0,
) -> Sources:
    """Put target, covariates and truth on the coarse and the fine grid, without computing.

    ``reading`` is of the coarse target (time, y, x), ``variables`` also names those of covariates
    and truth; ``wanted`` are the covariates with and without time that are needed, by default all
    there are. Covariates on the fine grid stay as they are, others are remapped conservatively.
    North comes at the top and west at the left, whichever way the data lie, since a network sees
    planes as pictures; all on the times that target and covariates have in common; with a truth,
    from ``history`` steps before its first to its last, NaN where it has none between.
    """
    check_some(reading.ds)
    doubt(reading, [target])
    reading = reading.part(oriented(reading.ds))
    nest = make_nest(reading.ds, factor, truth)
    check_dims(nest.dims)
    check_target(reading.lookup(target).name)
    coarse = _in_order(reading.array(target), nest, "the target")
    time = time_dim(coarse)
    moving, still = _covariates(covariates, target, nest, time, variables)
    if wanted is not None:
        moving, still = _wanted(moving, wanted[0]), _wanted(still, wanted[1])
    fine_truth = None if truth is None else _truth(truth, target, coarse, nest, time, variables)
    times = coarse.indexes[time]
    for array in moving.values():
        times = _common(times, array.indexes[time], "covariates")
    if fine_truth is not None:
        both = _common(times, fine_truth.indexes[time], "truth")
        first, last = positions(times, both[[0, -1]])
        times = times[max(0, first - history) : last + 1]
        fine_truth = at_labels(fine_truth, {time: times})
    pick = {time: times}
    moving = {n: a.sel(pick) for n, a in moving.items()}
    lone = {target: coarse.sel(pick)}
    return Sources(
        nest,
        time,
        lone | {n: coarsen(a, nest) for n, a in moving.items()},
        moving,
        still,
        fine_truth,
        nest.area if area is None else _areas(area, nest),
    )


def _areas(area: object, nest: Nest) -> FloatArray:
    """Return the areas of the fine cells in m2, 0 where a cell is left out."""
    if not isinstance(area, xr.DataArray):
        msg = (
            f"area= was given as {type(area).__name__}; a DataArray on the fine grid is needed, "
            "with its coordinates: xr.DataArray(area, {"
            f'"{nest.y.dim}": ..., "{nest.x.dim}": ...}}).'
        )
        raise GridError(msg)
    plain = dequantify(area.to_dataset(name="area"))[0]["area"]
    units = str(plain.attrs.get("units", "m2"))
    try:
        metres = conversion(units, "m2").factor
    except UnitsError as error:
        msg = f'area= has units {units!r}, which are no area. Type area.attrs["units"] = "m2".'
        raise UnitsError(msg) from error
    placed: FloatArray = metres * nest.place(plain, "area").transpose(*nest.dims).values
    if not (placed > 0).any() or (placed < 0).any():
        low, high = np.fmin.reduce(placed, None), np.fmax.reduce(placed, None)
        msg = (
            f"area= holds {low:g} to {high:g} m2 on the fine grid; areas above 0 are needed, NaN "
            "or 0 where a cell is left out. Leave area= out for those of the grid."
        )
        raise GridError(msg)
    return np.where(placed > 0, placed, 0.0)


def _in_order(array: xr.DataArray, nest: Nest, what: str) -> xr.DataArray:
    """Return an array as (time, y, x)."""
    time = time_dim(array)
    extra = [str(d) for d in array.dims if d not in {time, *nest.dims}]
    if extra:
        msg = f"{what} has dimensions {extra} besides time, y and x; select one, with .isel(...)."
        raise GridError(msg)
    lost = [d for d in nest.dims if d not in array.dims]
    if lost:
        msg = (
            f"{what} has the dimensions {list(map(str, array.dims))} and lacks {lost}; a map for "
            "each time is needed. Where all cells have the same values, say so: "
            f"ds[name].expand_dims({lost[0]}=ds[{lost[0]!r}])."
        )
        raise GridError(msg)
    return without_scalars(array).transpose(time, *nest.dims)


def _covariates(
    covariates: Covariates | None,
    target: str,
    nest: Nest,
    time: str,
    variables: Mapping[str, str] | None,
) -> tuple[dict[str, xr.DataArray], dict[str, xr.DataArray]]:
    """Return the covariates with and without time, by role or name, on the fine grid."""
    moving: dict[str, xr.DataArray] = {}
    still: dict[str, xr.DataArray] = {}
    if covariates is None:
        return moving, still
    parts = [covariates] if isinstance(covariates, xr.Dataset | xr.DataArray) else covariates
    for key, array in _every(parts, variables):
        if key == target:
            continue
        placed = _fine(array, nest, key)
        if any(d not in nest.dims for d in placed.dims):
            placed = placed.rename({time_dim(placed): time} if time not in placed.dims else {})
            moving[key] = _in_order(placed, nest, key)
        else:
            still[key] = without_scalars(placed).transpose(*nest.dims)
    return moving, still


def _every(
    parts: Iterable[xr.Dataset | xr.DataArray], variables: Mapping[str, str] | None
) -> Iterator[tuple[str, xr.DataArray]]:
    """Yield the covariates of several data sets, each of which has a grid of its own."""
    for part in parts:
        yield from _named(read_one(_dataset(part, "covariate"), variables)).items()


def _dataset(data: xr.Dataset | xr.DataArray, name: str) -> xr.Dataset:
    """Return a Dataset, of an array one with its name."""
    if isinstance(data, xr.DataArray):
        return data.to_dataset(name=name if data.name is None else data.name)
    return data


def _named(reading: Reading) -> dict[str, xr.DataArray]:
    """Return the variables on a grid in canonical units, by role, else by name."""
    dims = {axis.dim for axis in horizontal_axes(reading.ds)}
    roles = {reading.lookup(role).name: role for role in reading.table.roles}
    found = {}
    for name, array in reading.ds.data_vars.items():
        if dims <= set(array.dims) and array.dtype.kind in "fiub":
            key = roles.get(str(name), str(name))
            found[key] = reading.array(key)
    doubt(reading, found)
    return found


def _fine(array: xr.DataArray, nest: Nest, what: str) -> xr.DataArray:
    """Bring a covariate to the fine grid."""
    if nest.holds(array):
        return nest.place(array, what)
    return to_grid(array, *nest.fine, what=what)


def _wanted(found: Mapping[str, xr.DataArray], names: tuple[str, ...]) -> dict[str, xr.DataArray]:
    """Return the covariates that a model needs."""
    missing = [name for name in names if name not in found]
    if missing:
        msg = (
            f"The model needs the covariates {missing}; given are {sorted(found) or 'none'}. Pass "
            "covariates= with variables of these roles or names, or state variables={role: name}."
        )
        raise MissingVariableError(msg)
    return {name: found[name] for name in names}


def _truth(
    truth: xr.Dataset | xr.DataArray,
    target: str,
    coarse: xr.DataArray,
    nest: Nest,
    time: str,
    variables: Mapping[str, str] | None,
) -> xr.DataArray:
    """Return the truth on the fine grid, in the canonical units of the target."""
    reading = read_one(_dataset(truth, str(coarse.name)), variables)
    given = reading.ds.data_vars
    key = target
    if key not in reading and key not in reading.ds and len(given) == 1:
        key = str(next(iter(given)))
    reading.require(key)
    doubt(reading, [key])
    placed = nest.place(reading.array(key), "truth")
    return _in_order(placed.rename({time_dim(placed): time}), nest, "truth")


def _common(index: Any, there: Any, what: str) -> Any:
    """Return the times that two series have both, in order."""
    if not len(there):
        msg = f"No step of the {what} was selected. Give those of the target's times."
        raise NotEnoughDataError(msg)
    both = index.intersection(there)
    if not len(both):
        msg = (
            f"The target ({index[0]!s:.16} to {index[-1]!s:.16}, {len(index)} steps) and "
            f"{what} ({there[0]!s:.16} to {there[-1]!s:.16}, {len(there)} steps) have no "
            "time in common. If both are monthly, or one is daily, type xsm.monthly(...) "
            "for both: it labels months by their first day."
        )
        raise NotEnoughDataError(msg)
    return both
