"""Drawn files: whatever the encoding, the labels and the dimensions, values are right or refused.

A product, the length of its record and what is done to its file are drawn; it is written, read
back and prepared by its product's own line. What is read must equal the truth at its label and
place. The number of draws is the variable ``XSM_DRAWS`` of the environment.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.door.files import FILES, MONTHLY
from tests.door.reading import against_truth, prepared
from tests.door.truth import truth
from xsm.exceptions import GridError, MissingVariableError, NotEnoughDataError, UnitsError

DRAWS = int(os.environ.get("XSM_DRAWS", "40"))
SPELT = {
    "m": ["m", "metre", "m of water equivalent"],
    "K": ["K", "kelvin", "Kelvin"],
    "kg m-2 s-1": ["kg m-2 s-1", "kg/m2/s", "kg m**-2 s**-1", "mm s-1"],
    "kg m-2": ["kg m-2", "kg/m^2", "mm"],
    "W m-2": ["W m-2", "W/m2", "W m**-2", "Watt m-2"],
    "m3 m-3": ["m3 m-3", "m^3 m-3", "m3/m3", "m**3 m**-3", "cm3 cm-3"],
    "mm day-1": ["mm day-1", "mm/d", "mm d-1", "mm/day"],
}


def _dims(ds: xr.Dataset) -> tuple[str | None, str | None]:
    """Return the names of latitude and longitude."""
    have = lambda names: next((n for n in names.split() if n in ds.dims), None)  # noqa: E731
    return have("latitude lat y"), have("longitude lon x")


def turned(ds: xr.Dataset) -> xr.Dataset:
    """Return the data from north to south."""
    lat, _ = _dims(ds)
    return ds if lat is None else ds.isel({lat: slice(None, None, -1)})


def eastward(ds: xr.Dataset) -> xr.Dataset:
    """Return longitudes of 0 to 360 degrees."""
    _, lon = _dims(ds)
    if lon is None:
        return ds
    return ds.assign_coords({lon: (lon, ds[lon].values % 360, ds[lon].attrs)})


def other_order(ds: xr.Dataset) -> xr.Dataset:
    return ds.transpose(*reversed(list(ds.dims)))


def with_member(ds: xr.Dataset) -> xr.Dataset:
    return ds.expand_dims(number=1)


def with_unknown(ds: xr.Dataset) -> xr.Dataset:
    """Return the data twice, the second time wrong, along a dimension that nothing knows."""
    moving = [name for name, array in ds.data_vars.items() if array.ndim and not _is_map(ds, array)]
    twice = [ds[moving], ds[moving].map(lambda a: a * 2 if a.dtype.kind == "f" else a)]
    return ds.drop_vars(moving).merge(xr.concat(twice, "flavour"), join="exact", compat="override")


def _is_map(ds: xr.Dataset, array: xr.DataArray) -> bool:
    """Tell whether a variable does not lie along time: places of sensors stay as they are."""
    return not any(ds[dim].dtype.kind == "M" for dim in array.dims if dim in ds.coords)


def with_expver(ds: xr.Dataset) -> xr.Dataset:
    """Return final and preliminary data beside each other, as the old CDS gave them."""
    return xr.concat([ds, ds.where(False)], "expver").assign_coords(expver=[1, 5])


def without_names(ds: xr.Dataset) -> xr.Dataset:
    """Return the data without standard_name."""
    for array in ds.data_vars.values():
        array.attrs.pop("standard_name", None)
    return ds


def without_attrs(ds: xr.Dataset) -> xr.Dataset:
    """Return the data as arithmetic leaves them."""
    return ds.drop_attrs()


def spelt_otherwise(ds: xr.Dataset) -> xr.Dataset:
    """Return units in other spellings."""
    for k, array in enumerate(ds.data_vars.values()):
        others = SPELT.get(str(array.attrs.get("units")))
        if others:
            array.attrs["units"] = others[k % len(others)]
    return ds


def with_capital_units(ds: xr.Dataset) -> xr.Dataset:
    """Return units under ``Units``, as CSR has them."""
    for array in ds.data_vars.values():
        if "units" in array.attrs:
            array.attrs["Units"] = array.attrs.pop("units")
    return ds


def with_gap(ds: xr.Dataset) -> xr.Dataset:
    """Return the data without one time in the middle."""
    time = next(d for d in ds.dims if ds[d].dtype.kind == "M")
    return ds.drop_isel({time: ds.sizes[time] // 2})


def backwards(ds: xr.Dataset) -> xr.Dataset:
    time = next(d for d in ds.dims if ds[d].dtype.kind == "M")
    return ds.isel({time: slice(None, None, -1)})


def one_place(ds: xr.Dataset) -> xr.Dataset:
    return ds.isel({d: 0 for d in _dims(ds) if d is not None})


def one_time(ds: xr.Dataset) -> xr.Dataset:
    time = next(d for d in ds.dims if ds[d].dtype.kind == "M")
    return ds.isel({time: [0]})


def two_times(ds: xr.Dataset) -> xr.Dataset:
    time = next(d for d in ds.dims if ds[d].dtype.kind == "M")
    return ds.isel({time: slice(0, 2)})


def shifted_a_bit(ds: xr.Dataset) -> xr.Dataset:
    """Return labels that rounding of hours since 1900 in float32 moved by half a minute."""
    time = next(d for d in ds.dims if ds[d].dtype.kind == "M")
    return ds.assign_coords({time: ds[time] + np.timedelta64(30, "s")})


REFUSALS = (GridError, UnitsError, MissingVariableError, NotEnoughDataError)
CHANGES = [
    *(turned, eastward, other_order, with_member, with_unknown, with_expver, without_names),
    *(without_attrs, spelt_otherwise, with_capital_units, with_gap, backwards, one_place),
    *(one_time, two_times, shifted_a_bit),
]


def written(ds: xr.Dataset, path: Path, store: str, kind: str) -> xr.Dataset:
    """Write a file, packed or not, with missing values at one place, and open it."""
    encoding: dict[str, dict[str, Any]] = {}
    for name, array in ds.data_vars.items():
        if array.dtype.kind != "f" or array.ndim < 3 or not array.size:
            continue
        low, high = float(array.min()), float(array.max())
        scale = max(high - low, 1e-6) / 60000
        encoding[str(name)] = {
            "double": {"dtype": "f8"},
            "filled": {"dtype": "f4", "_FillValue": np.float32(-9999)},
            "packed": {
                "dtype": "i2",
                "scale_factor": scale,
                "add_offset": (low + high) / 2,
                "_FillValue": np.int16(-32767),
            },
        }[kind]
    if store == "zarr":
        ds.to_zarr(path / "a.zarr", mode="w", encoding=encoding, consolidated=False)
        return xr.open_zarr(path / "a.zarr", consolidated=False, chunks=None)
    ds.to_netcdf(path / "a.nc", encoding=encoding)
    return xr.open_dataset(path / "a.nc")


@settings(
    max_examples=DRAWS,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    name=st.sampled_from(sorted(FILES | MONTHLY)),
    seed=st.integers(0, 1000),
    days=st.integers(2, 7),
    start=st.sampled_from(["2020-02-27", "2019-12-30", "2021-07-15"]),
    changes=st.lists(st.sampled_from(CHANGES), max_size=3, unique=True),
    store=st.sampled_from(["memory", "nc", "zarr"]),
    kind=st.sampled_from(["double", "filled", "packed"]),
    chunks=st.sampled_from([None, {}, {"time": 5}, -1]),
)
def test_a_file_is_read_right_or_refused(
    tmp_path_factory, name, seed, days, start, changes, store, kind, chunks
):
    product, what, make = (FILES | MONTHLY)[name]
    if name in MONTHLY:
        true = truth(31 * days, start="2020-01-01", seed=seed)
        whole = true.starts.astype("M8[M]") < true.ends[-1].astype("M8[M]")
        hours = int(whole.sum())
        true = truth(hours // 24, start="2020-01-01", seed=seed)
        about = true.months()
    else:
        true = truth(days, start=start, seed=seed)
        about = true.over(24)
    ds = make(true)
    for change in changes:
        ds = change(ds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if store != "memory":
            ds = written(ds, tmp_path_factory.mktemp("drawn"), store, kind)
        if chunks is not None:
            ds = ds.chunk({d: n for d, n in chunks.items() if d in ds.dims} if chunks != -1 else -1)
        try:
            found = against_truth(prepared(ds, product, what), about, rtol=2e-3)
        except REFUSALS:
            event("refused")
            return
    event("read" if found else "nothing found")


def test_the_draws_are_not_all_refused():
    """Most changes alone leave the file readable; those that cannot be read are known."""
    refused = set()
    for change in CHANGES:
        ds = change(FILES["GLEAM"][2](truth(5)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                against_truth(ds, truth(5).over(24))
            except ValueError:
                refused.add(change.__name__)
    assert refused <= {"with_unknown", "with_expver", "without_attrs", "backwards"}


@pytest.mark.parametrize("name", FILES)
def test_values_that_are_wrong_are_told(name):
    """The comparison itself can fail: values that are a hundredth too high."""
    product, what, make = FILES[name]
    ds = make(truth())
    wrong = {
        n: a.copy(data=a.values * 1.01) for n, a in ds.data_vars.items() if a.dtype.kind == "f"
    }
    with pytest.raises(AssertionError, match=r"is wrong by up to"):
        against_truth(prepared(ds.assign(wrong), product, what), truth().over(24))
