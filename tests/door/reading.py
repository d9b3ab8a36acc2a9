"""Read a file as its product's line in the table says, and hold what is read against the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

import xsm
from tests.door.truth import LAT, LON, Truth
from xsm.data.naming import PRODUCTS
from xsm.data.reading import read

__all__ = ["against_truth", "prepared"]

_SAME = {"runoff": "surface_runoff", "satellite_soil_moisture": "soil_moisture"}


def prepared(ds: xr.Dataset, product: str, kind: str) -> xr.Dataset:
    """Return the data after the lines that the table of products has for this kind of file."""
    names: dict[str, Any] = {"ds": ds, "xsm": xsm}
    exec(PRODUCTS[product].files[kind], names)
    made: xr.Dataset = names["ds"]
    return made


def against_truth(ds: xr.Dataset, true: Truth, *, rtol: float = 1e-4) -> set[str]:
    """Return the roles that were read, after comparing each value with the truth of its interval.

    Values are held against the truth at the place and the interval that their labels name; a NaN
    counts as refused, so that only its place is looked at. What is not read raises.
    """
    reading = read(ds)
    roles = [r for r in reading.table.roles if _SAME.get(r, r) in true.values]
    reading.require(*roles)
    for role in roles:
        values = reading.array(role)
        if not values.size:
            continue
        expected = _truth_at(values, reading.time, true.values[_SAME.get(role, role)], true)
        found = values.transpose(*expected.dims).values.astype(float)
        span = float(np.ptp(true.values[_SAME.get(role, role)]))  # packed in 60,000 steps
        close = np.isclose(found, expected.values, rtol=rtol, atol=2e-5 * span) | np.isnan(found)
        worst = np.abs(found - expected.values).max()
        assert close.all(), f"{role} is wrong by up to {worst:.4g}: {found.ravel()[:3]}"
        assert np.isfinite(found).any(), f"{role} is NaN everywhere"
    return set(roles)


def _truth_at(values: xr.DataArray, time: str, true: Any, about: Truth) -> xr.DataArray:
    """Return the truth at the labels of an array."""
    labels = np.asarray([np.datetime64(str(t)[:19]) for t in values[time].values], "M8[ns]")
    which = np.searchsorted(about.starts, labels, side="right") - 1
    assert (which >= 0).all(), f"{labels[which < 0]} lies before the data"
    assert (labels < about.ends[which]).all(), f"{labels} lies in no interval"
    found = xr.DataArray(true[which], dims=(time, "_lat", "_lon"))
    for dim, axis, names in (("_lat", LAT, "latitude lat y"), ("_lon", LON, "longitude lon x")):
        name = next((n for n in names.split() if n in values.coords), None)
        at = axis[0] if name is None else values[name].values.ravel()
        near = np.abs((axis - np.atleast_1d(at)[:, None] + 180) % 360 - 180)
        found = found.isel({dim: near.argmin(axis=1)})
        alone = name is None or name not in values.dims
        found = found.isel({dim: 0}) if alone else found.rename({dim: name})
    extra = {d: values.sizes[d] for d in values.dims if d not in found.dims}
    return found.expand_dims(extra)
