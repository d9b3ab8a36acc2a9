"""Changes of the data, or of the process, that must not change an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from tests.hostile import states
from tests.hostile.changes import Invariance, Leaves
from tests.hostile.stores import encoded, stored

__all__ = ["INVARIANCES", "LAT", "LON"]

LAT, LON = "latitude", "longitude"


def _each(change: Callable[[xr.DataArray], Any], kinds: str = "f") -> Callable[..., xr.Dataset]:
    """Return a change of the values of each variable of some kinds."""

    def changed(ds: xr.Dataset) -> xr.Dataset:
        kept = {n: v for n, v in ds.data_vars.items() if v.dtype.kind in kinds}
        return ds.assign({n: v.copy(data=change(v)) for n, v in kept.items()})

    return changed


def _needs(ds: xr.Dataset, *dims: str) -> None:
    if not set(dims) <= set(ds.dims):
        raise Leaves


def _strided(v: xr.DataArray) -> Any:
    return np.repeat(v.values, 2, axis=-1)[..., ::2] if v.ndim else v.values


def _locked(v: xr.DataArray) -> Any:
    values = v.values.copy()
    values.setflags(write=False)
    return values


def _named(**names: str) -> Invariance:
    """Return a change of names, and back."""

    def change(ds: xr.Dataset) -> xr.Dataset:
        own = {a: b for a, b in names.items() if a in ds.variables or a in ds.dims}
        if not own:
            raise Leaves
        return ds.rename(own)

    def back(found: xr.Dataset) -> xr.Dataset:
        ends = {b: a for a, b in names.items()}
        own = {str(n): _renamed(str(n), ends) for n in (*found.variables, *found.dims)}
        return found.rename({a: b for a, b in own.items() if a != b and b not in found.variables})

    return Invariance(change, back)


def _named_by_standard(**names: str) -> Invariance:
    """Return a change of the names of variables whose standard_name says what they are."""
    way = _named(**names)

    def change(ds: xr.Dataset) -> xr.Dataset:
        own = {n: names[n] for n in names if "standard_name" in getattr(ds.get(n), "attrs", {})}
        if not own:
            raise Leaves
        return ds.rename(own)

    return Invariance(change, way.back)


def _renamed(name: str, names: Mapping[str, str]) -> str:
    """Return the old name of a variable, also of what lies beside it."""
    for new, old in names.items():
        if name == new or name.startswith(f"{new}_"):
            return old + name[len(new) :]
    return name


def _in_units(changes: Mapping[str, tuple[str, float, float]], **extra: Any) -> Invariance:
    """Return other units: by the old ones, new units, factor and offset."""

    def change(ds: xr.Dataset) -> xr.Dataset:
        found = {}
        for name, v in ds.data_vars.items():
            if v.attrs.get("units") in changes:
                units, factor, offset = changes[v.attrs["units"]]
                attrs = {k: w for k, w in v.attrs.items() if k not in {"cell_methods", "units"}}
                methods = {k: v.attrs[k] for k in ("cell_methods",) if k in v.attrs} and (
                    extra or {"cell_methods": v.attrs["cell_methods"]}
                )
                found[name] = (v * factor + offset).assign_attrs(attrs | methods | {"units": units})
        if not found:
            raise Leaves
        return ds.assign(found)

    return Invariance(change)


def _only_rates(ds: xr.Dataset, factor: float, units: str) -> xr.Dataset:
    """Return daily amounts in m as rates."""
    found = {}
    for name in {"tp", "e", "sro"} & set(ds.data_vars):
        attrs = {k: w for k, w in ds[name].attrs.items() if k != "standard_name"}
        attrs |= {"units": units, "cell_methods": "time: mean"}
        found[name] = (ds[name] * factor).assign_attrs(attrs)
    if not found or ds.sizes["time"] == 48:  # amounts of 3 hours
        raise Leaves
    return ds.assign(found)


def _stacked(ds: xr.Dataset) -> xr.Dataset:
    """Return cells along one dimension, each with its coordinates."""
    _needs(ds, LAT, LON)
    return ds.stack(cell=(LAT, LON)).reset_index("cell")


def _unstacked(found: xr.Dataset) -> xr.Dataset:
    """Return a grid, where an answer lies along cells."""
    if "cell" not in found.dims:
        return found
    found = found.drop_vars("cell", errors="ignore")
    return found.set_index(cell=[LAT, LON]).unstack("cell")


def _shuffled(ds: xr.Dataset) -> xr.Dataset:
    cells = _stacked(ds)
    return cells.isel(cell=np.random.default_rng(0).permutation(cells.sizes["cell"]))


def _stations(ds: xr.Dataset) -> xr.Dataset:
    cells = _stacked(ds)
    return cells.assign_coords(cell=[f"site {k}" for k in range(cells.sizes["cell"])])


def _objects(ds: xr.Dataset) -> xr.Dataset:
    cells = _stations(ds)
    return cells.assign_coords(cell=np.array(cells["cell"].values, dtype=object))


def _rows(order: Any) -> Callable[[xr.Dataset], xr.Dataset]:
    def changed(ds: xr.Dataset) -> xr.Dataset:
        _needs(ds, LAT)
        return ds.isel({LAT: order(ds.sizes[LAT])})

    return changed


def _eastward(ds: xr.Dataset) -> xr.Dataset:
    _needs(ds, LON)
    return ds.assign_coords({LON: (LON, ds[LON].values % 360, ds[LON].attrs)})


def _labels(ds: xr.Dataset) -> xr.Dataset:
    _needs(ds, LAT, LON)
    # not exact in float32
    tenths = {d: (d, ds[d].values.astype(np.float32), ds[d].attrs) for d in (LAT, LON)}
    return ds.assign_coords(tenths)


def _rounded(ds: xr.Dataset) -> xr.Dataset:
    """Return labels off by what decimal files round."""
    _needs(ds, LAT, LON)
    off = {d: (d, ds[d].values + 1e-9, ds[d].attrs) for d in (LAT, LON)}
    return ds.assign_coords(off)


def _chunks(**sizes: int | tuple[int, ...]) -> Callable[[xr.Dataset], xr.Dataset]:
    def changed(ds: xr.Dataset) -> xr.Dataset:
        return ds.chunk({d: n for d, n in sizes.items() if d in ds.dims})

    return changed


def _uneven(ds: xr.Dataset) -> xr.Dataset:
    _needs(ds, "time")
    n = ds.sizes["time"]
    return ds.chunk(time=(1, n // 3, n - 1 - n // 3))


def _more_coords(ds: xr.Dataset) -> xr.Dataset:
    _needs(ds, LAT, LON)
    area = np.arange(ds.sizes[LAT] * ds.sizes[LON]).reshape(ds.sizes[LAT], ds.sizes[LON])
    places = {"area_id": ((LAT, LON), area), "country": (LON, ["x"] * ds.sizes[LON])}
    return ds.assign_coords(places)


def _season(ds: xr.Dataset) -> xr.Dataset:
    _needs(ds, "time")
    return ds.assign_coords(season=ds["time"].dt.season, doy=ds["time"].dt.dayofyear)


_SCALARS: dict[str, Any] = {
    "height": 2.0,
    "number": 0,
    "surface": 0.0,
    "expver": "0001",
    "spatial_ref": 0,
    "heightAboveGround": 2.0,
}


def _more_variables(ds: xr.Dataset) -> xr.Dataset:
    first = next(iter(ds.dims))
    moments = np.datetime64("2020-01-01", "ns")
    return ds.assign(
        foo=(first, np.arange(ds.sizes[first])),
        remarks=(first, np.array(["text"] * ds.sizes[first])),
        made=(first, np.full(ds.sizes[first], moments)),
        crs=((), 0, {"grid_mapping_name": "latitude_longitude"}),
        ok=(first, np.ones(ds.sizes[first], bool)),
    )


_OWN = (
    *("row", "column", "source", "metric", "trend", "month", "level", "dynamic", "static"),
    *("member", "prediction", "extrapolation", "trained_cell", "expert", "season", "quantile"),
    *("count", "inflow", "network", "cell", "output", "item", "parameter", "lead"),
)


def _own_variables(ds: xr.Dataset) -> xr.Dataset:
    first = next(iter(ds.dims))
    free = [n for n in _OWN if n not in ds.variables and n not in ds.dims]
    return ds.assign({n: (first, np.arange(ds.sizes[first])) for n in free})


def _own_scalars(ds: xr.Dataset) -> xr.Dataset:
    free = [n for n in _OWN if n not in ds.variables and n not in ds.dims]
    return ds.assign_coords(dict.fromkeys(free, 1))


def _bare_attrs(ds: xr.Dataset) -> xr.Dataset:
    facts = {"units", "standard_name", "cell_methods", "accumulation", "positive", "bounds", "axis"}
    facts |= {"layer_top_cm", "layer_bottom_cm", "lead", "target", "ancillary_variables"}
    for v in ds.variables.values():
        v.attrs = {k: w for k, w in v.attrs.items() if k in facts}
    return ds.assign_attrs({})


def _cftime(ds: xr.Dataset) -> xr.Dataset:
    _needs(ds, "time")
    return ds.convert_calendar("standard", use_cftime=True)


def _resolution(unit: str) -> Callable[[xr.Dataset], xr.Dataset]:
    def changed(ds: xr.Dataset) -> xr.Dataset:
        _needs(ds, "time")
        times = ds["time"].values.astype(f"M8[{unit}]")
        return ds.assign_coords(time=("time", times, ds["time"].attrs))

    return changed


def _appended(ds: xr.Dataset) -> xr.Dataset:
    """Return more rows without values."""
    _needs(ds, LAT)
    step = float(ds[LAT][1] - ds[LAT][0])
    more = ds[LAT].values[-1] + step * np.arange(1, 3)
    found: xr.Dataset = ds.reindex({LAT: np.concatenate([ds[LAT].values, more])})
    found[LAT].attrs = ds[LAT].attrs
    return found


def _member(ds: xr.Dataset) -> xr.Dataset:
    moving = [n for n, v in ds.data_vars.items() if "time" in v.dims]
    if not moving:
        raise Leaves
    return ds.assign({n: ds[n].expand_dims(number=[0], axis=1) for n in moving})


def _quantified(ds: xr.Dataset) -> xr.Dataset:
    from xsm.data.units import quantify

    return quantify(ds)


def _bounds(ds: xr.Dataset) -> xr.Dataset:
    """Return the data with bounds of the cells, as CF has them."""
    _needs(ds, LAT, LON)
    for d in (LAT, LON):
        half = abs(float(ds[d][1] - ds[d][0])) / 2
        edges = np.stack([ds[d].values - half, ds[d].values + half], axis=1)
        ds = ds.assign_coords({f"{d}_bnds": ((d, "bnds"), edges)})
        ds[d].attrs["bounds"] = f"{d}_bnds"
    return ds


def _multi(ds: xr.Dataset) -> xr.Dataset:
    _needs(ds, LAT, LON)
    return ds.stack(cell=(LAT, LON))


def _same(ds: xr.Dataset) -> xr.Dataset:
    return ds


_RATE = 1000 / 86400


def _only_water(ds: xr.Dataset) -> xr.Dataset:
    """Return amounts of water in mm; the elevation stays in m."""
    names = {"tp", "e", "sro", "sd"} & set(ds.data_vars)
    if not names:
        raise Leaves
    return ds.assign({n: (ds[n] * 1000).assign_attrs(ds[n].attrs | {"units": "mm"}) for n in names})


_CF = {
    "tp": "rain_here",
    "t2m": "warmth",
    "sd": "white",
    "lwe_thickness": "mass",
    "swe": "snow_here",
}

INVARIANCES: Mapping[str, Invariance] = {
    "dimensions turned": Invariance(lambda ds: ds.transpose(*reversed(list(ds.dims)))),
    "time last": Invariance(lambda ds: ds.transpose(..., "time", missing_dims="ignore")),
    "south first": Invariance(_rows(lambda n: np.arange(n)[::-1])),
    "rows in another order": Invariance(_rows(np.random.default_rng(3).permutation)),
    "longitudes of 0 to 360": Invariance(_eastward),
    "longitudes of 0 to 360, sorted": Invariance(lambda ds: _eastward(ds).sortby(LON)),
    "float64 values": Invariance(_each(lambda v: v.values.astype(np.float64))),
    "float32 values": Invariance(_each(lambda v: v.values.astype(np.float32))),
    "float32 labels": Invariance(_labels),
    "labels off by rounding": Invariance(_rounded),
    "one chunk": Invariance(lambda ds: ds.chunk()),
    "chunks of cells": Invariance(_chunks(latitude=2, longitude=1)),
    "chunks of time": Invariance(_chunks(time=150)),
    "chunks of time and cells": Invariance(_chunks(time=250, latitude=2, longitude=2)),
    "uneven chunks": Invariance(_uneven),
    "Fortran order": Invariance(_each(lambda v: np.asfortranarray(v.values))),
    "big-endian values": Invariance(_each(lambda v: v.values.astype(v.dtype.newbyteorder(">")))),
    "strided values": Invariance(_each(_strided)),
    "read-only values": Invariance(_each(_locked)),
    "dimensions lat, lon": _named(latitude="lat", longitude="lon"),
    "dimensions y, x": _named(latitude="y", longitude="x"),
    "dimension valid_time": _named(time="valid_time"),
    "names by standard_name": _named_by_standard(**_CF),
    "water in mm": Invariance(_only_water),
    "fluxes in kg m-2 s-1": Invariance(lambda ds: _only_rates(ds, _RATE, "kg m-2 s-1")),
    "fluxes in m s-1": Invariance(lambda ds: _only_rates(ds, 1 / 86400, "m s-1")),
    "temperature in degC": _in_units({"K": ("degC", 1.0, -273.15)}),
    "soil moisture in %": _in_units({"m3 m-3": ("%", 100.0, 0.0)}),
    "texture as fractions": _in_units({"%": ("1", 0.01, 0.0)}),
    "density in kg m-3": _in_units({"g cm-3": ("kg m-3", 1000.0, 0.0)}),
    "radiation in W m-2": _in_units(
        {"J m-2": ("W m-2", 1 / 86400, 0.0)}, cell_methods="time: mean"
    ),
    "storage in cm": _in_units({"mm": ("cm", 0.1, 0.0)}),
    "cells along one dimension": Invariance(_stacked, _unstacked),
    "cells in another order": Invariance(_shuffled, _unstacked),
    "stations with names": Invariance(_stations, _unstacked),
    "stations with names, objects": Invariance(_objects, _unstacked),
    "cells of a MultiIndex": Invariance(
        _multi, lambda found: found.unstack("cell") if "cell" in found.dims else found
    ),
    "further coordinates": Invariance(_more_coords),
    "further coordinates of time": Invariance(_season),
    "scalar coordinates": Invariance(lambda ds: ds.assign_coords(_SCALARS)),
    "further variables": Invariance(_more_variables),
    "variables named as xsm's own": Invariance(_own_variables),
    "scalars named as xsm's own": Invariance(_own_scalars),
    "remarks dropped": Invariance(_bare_attrs),
    "encoding": Invariance(encoded),
    "cftime": Invariance(_cftime),
    "times in us": Invariance(_resolution("us")),
    "times in s": Invariance(_resolution("s")),
    "read from NetCDF": Invariance(stored("nc")),
    "read from Zarr 2": Invariance(stored("2")),
    "read from Zarr 3": Invariance(stored("3")),
    "rows without values": Invariance(_appended),
    "one member": Invariance(_member),
    "pint quantities": Invariance(_quantified),
    "bounds of cells": Invariance(_bounds),
    "torch's default float64": Invariance(_same, around=states.float64),
    "torch without gradients": Invariance(_same, around=states.no_grad),
    "torch's inference mode": Invariance(_same, around=states.inference),
    "global seeds": Invariance(_same, around=states.seeded),
    "time zone Tokyo": Invariance(_same, around=states.zone),
    "decimal comma": Invariance(_same, around=states.decimal_comma),
    "numpy raises": Invariance(_same, around=lambda: np.errstate(all="raise")),
    "options of pandas": Invariance(_same, around=states.pandas),
    "attributes are dropped": Invariance(_same, around=lambda: xr.set_options(keep_attrs=False)),
}
