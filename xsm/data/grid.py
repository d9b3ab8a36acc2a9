"""Axes of a data set: which dimension is time, how long its step is, what is space."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from xsm.data.attributes import undecoded
from xsm.data.time_axis import Step, even_step
from xsm.exceptions import GridError

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "as_list",
    "axis_of",
    "is_dates",
    "oriented",
    "space_dims",
    "step",
    "step_days",
    "step_lengths",
    "time_dim",
    "without_scalars",
    "wraps",
]


def time_dim(data: xr.Dataset | xr.DataArray) -> str:
    """Return the name of the time dimension.

    It is the dimension whose coordinate holds dates (numpy or cftime), else one that is named
    ``time``.

    Parameters
    ----------
    data : xarray.Dataset or xarray.DataArray
        Data with one time dimension.

    Returns
    -------
    str
        The name of the dimension. Nothing is computed.

    Raises
    ------
    GridError
        If no dimension, or more than one, is time.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> days = np.arange("2020-01-01", "2020-01-04", dtype="M8[D]").astype("M8[ns]")
    >>> time_dim(xr.DataArray([1, 2, 3], coords={"valid_time": days}, dims="valid_time"))
    'valid_time'
    """
    indexes = data.indexes  # made anew at each look
    dims = [str(d) for d in data.dims if d in indexes and is_dates(indexes[d])]
    if len(dims) == 1:
        return dims[0]
    given = ", ".join(f"{d!r}: {n}" for d, n in data.sizes.items()) or "none"
    what = "no dimension with dates" if not dims else f"several dimensions with dates ({dims})"
    typed = undecoded(data)
    how = "give the dimension dates: ds = ds.assign_coords(time=<dates>), by its name."
    if dims:
        how = f"take one of the other: ds = ds.isel({dims[1]}=0, drop=True)."
    elif typed:
        how = f"decode it: {typed}."
    msg = (
        f"The data have {what} (dimensions: {given}). One time dimension with dates as its "
        f"coordinate is needed: {how}"
    )
    raise GridError(msg)


def is_dates(index: object) -> bool:
    """Tell whether a pandas index holds numpy or cftime dates."""
    dtype = getattr(index, "dtype", None)
    return getattr(dtype, "kind", "") == "M" or type(index).__name__ == "CFTimeIndex"


def step(data: xr.Dataset | xr.DataArray) -> Step:
    """Return the even step of time: a length, or calendar months; a day of a single time.

    Only the coordinate is read. Time that does not ascend in even steps is refused; the message
    names the first place and what to type.
    """
    dim = time_dim(data)
    return even_step(data.indexes[dim], dim)


def step_days(data: xr.Dataset | xr.DataArray) -> float:
    """Return the uniform time step in days; steps of calendar months are refused.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> hours = np.arange("2020-01-01T00", "2020-01-01T12", dtype="M8[h]").astype("M8[ns]")
    >>> step_days(xr.DataArray(np.zeros(12), coords={"time": hours}, dims="time")) * 24
    1.0
    """
    days = step_lengths(data)
    if isinstance(days, float):
        return days
    msg = (
        f"Time along {time_dim(data)!r} has steps of calendar months, {min(days):g} to "
        f"{max(days):g} days long, and equal ones are needed here. Give daily data, and take the "
        "monthly means of the result: xsm.monthly(...)."
    )
    raise GridError(msg)


def step_lengths(data: xr.Dataset | xr.DataArray) -> float | tuple[float, ...]:
    """Return the length of the step in days; of calendar months that of each."""
    return step(data).days(data.indexes[time_dim(data)])


def space_dims(array: xr.DataArray, *, without: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the dimensions that are space: all but time and the given ones.

    Parameters
    ----------
    array : xarray.DataArray
        An array with one time dimension.
    without : tuple of str
        Further dimensions that are not space, such as depth.

    Returns
    -------
    tuple of str
        Names in the order of the array; empty for a single series.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> days = np.arange("2020-01-01", "2020-01-04", dtype="M8[D]").astype("M8[ns]")
    >>> array = xr.DataArray(np.zeros((2, 3)), dims=("station", "time"), coords={"time": days})
    >>> space_dims(array)
    ('station',)
    """
    time = time_dim(array)
    return tuple(str(d) for d in array.dims if d != time and d not in without)


def as_list(dims: Hashable | Iterable[Hashable]) -> list[Hashable]:
    """Return one or several names of dimensions as a list.

    Parameters
    ----------
    dims : hashable or iterable of hashable
        One name (a string) or several.

    Returns
    -------
    list
        The names.

    Examples
    --------
    >>> as_list("time"), as_list(("lat", "lon"))
    (['time'], ['lat', 'lon'])
    """
    if isinstance(dims, str) or not isinstance(dims, Iterable):
        return [dims]
    return list(dims)


def without_scalars(array: xr.DataArray) -> xr.DataArray:
    """Drop the coordinates that are no index: scalars, and maps of latitude and longitude.

    Parameters
    ----------
    array : xarray.DataArray
        An array.

    Returns
    -------
    xarray.DataArray
        The array with its indexes alone, also those of several levels. Nothing is computed.

    Examples
    --------
    >>> import xarray as xr
    >>> array = xr.DataArray([1, 2], {"x": [0, 1], "height": 2.0}, "x")
    >>> list(without_scalars(array).coords)
    ['x']
    """
    return array.drop_vars([c for c in array.coords if c not in array.xindexes])


def axis_of(data: xr.Dataset | xr.DataArray, dim: str) -> str:
    """Return which horizontal axis a dimension is.

    Parameters
    ----------
    data : xarray.Dataset or xarray.DataArray
        The data.
    dim : str
        A dimension.

    Returns
    -------
    str
        ``"X"`` (longitude, easting), ``"Y"`` (latitude, northing), by the attributes of CF, else by
        its name; empty where it is neither. Only attributes are read.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> array = xr.DataArray(np.zeros((2, 3, 4)), dims=("time", "rlat", "easting"))
    >>> [axis_of(array, dim) for dim in array.dims]
    ['', 'Y', 'X']
    """
    attrs = data[dim].attrs if dim in data.coords else {}
    if attrs.get("axis") in {"X", "Y"}:
        return str(attrs["axis"])
    words = (str(attrs.get("standard_name", "")), str(attrs.get("units", "")), str(dim).lower())
    for axis, names in _AXES.items():
        if any(word in names for word in words):
            return axis
    return ""


_AXES = {
    "X": {
        *("longitude", "grid_longitude", "projection_x_coordinate", "degrees_east", "degree_east"),
        *("lon", "long", "rlon", "x", "xc", "easting", "nav_lon"),
    },
    "Y": {
        *("latitude", "grid_latitude", "projection_y_coordinate", "degrees_north", "degree_north"),
        *("lat", "rlat", "y", "yc", "northing", "nav_lat"),
    },
}


def oriented(ds: xr.Dataset) -> xr.Dataset:
    """Return data with north at the top and west at the left, as maps are.

    Parameters
    ----------
    ds : xarray.Dataset
        Data on any grid.

    Returns
    -------
    xarray.Dataset
        With northings that descend and eastings that ascend, where these are coordinates of one
        dimension; else as it is. Lazy where the data are.

    Raises
    ------
    GridError
        If a coordinate neither ascends nor descends.

    Examples
    --------
    >>> import xarray as xr
    >>> oriented(xr.Dataset(coords={"lat": [1.0, 2.0], "lon": [5.0, 4.0]}))["lat"].values
    array([2., 1.])
    """
    turn = {}
    for dim in map(str, ds.dims):
        axis = axis_of(ds, dim)
        known = axis and dim in ds.indexes and ds.sizes[dim] > 1 and ds[dim].dtype.kind in "iuf"
        if known and _ascends(ds[dim], axis) == (axis == "Y"):
            turn[dim] = slice(None, None, -1)
    return ds.isel(turn)


def _ascends(coordinate: xr.DataArray, axis: str) -> bool:
    """Tell the direction of a coordinate; longitudes may go on beyond 180 or 360 degrees."""
    steps = np.diff(coordinate.values.astype(float))
    if axis == "X" and coordinate.attrs.get("units") not in {"m", "km"}:
        steps = (steps + 180.0) % 360.0 - 180.0
    if (steps > 0).all() or (steps < 0).all():
        return bool(steps[0] > 0)
    msg = (
        f"{coordinate.name!r} goes to and fro, so that cells side by side are no neighbours. Order "
        f"it: ds.sortby({str(coordinate.name)!r})."
    )
    raise GridError(msg)


def wraps(data: xr.Dataset | xr.DataArray, dim: str) -> bool:
    """Tell whether a dimension is longitude and goes around the globe.

    Parameters
    ----------
    data : xarray.Dataset or xarray.DataArray
        The data.
    dim : str
        A dimension.

    Returns
    -------
    bool
        True where its coordinate is in degrees of longitude, in equal steps that make 360 degrees.
        Only the coordinate is read.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> longitude = np.arange(-180.0, 180.0, 2.5)
    >>> wraps(xr.DataArray(longitude, {"lon": longitude}, "lon"), "lon")
    True
    """
    if dim not in data.indexes or data.sizes[dim] < 2:
        return False
    coordinate = data[dim]
    metric = coordinate.attrs.get("units") in {"m", "km"}
    if axis_of(data, dim) != "X" or metric or coordinate.dtype.kind not in "iuf":
        return False
    steps = np.diff(np.asarray(coordinate.values, dtype=float))
    even = bool(np.allclose(steps, steps[0], rtol=1e-3))
    return even and bool(np.isclose(abs(steps[0]) * data.sizes[dim], 360.0, rtol=1e-3))
