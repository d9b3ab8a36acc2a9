"""Other grids: integrals on the sphere, longitudes of any convention, what is refused."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import xsm
from xsm.data.nesting.axes import cell_area, horizontal_axes
from xsm.data.units import quantify
from xsm.exceptions import GridError, UnknownNameError

MONTHS = xr.date_range("2003-01-01", periods=6, freq="MS")


def grid(lat: float, lon: float, start: float = -180.0, *, falls: bool = False) -> xr.Dataset:
    """Return the cells of a globe of these widths, in degrees."""
    y = np.arange(-90 + lat / 2, 90, lat)
    x = start + np.arange(lon / 2, 360, lon)
    return xr.Dataset(coords={"lat": y[::-1] if falls else y, "lon": x})


def noise(like: xr.Dataset, seed: int = 0, **settings: object) -> xr.DataArray:
    """Return noise of six months on a grid."""
    sizes = {"time": 6, **like.sizes}
    values = np.random.default_rng(seed).normal(3, 1, tuple(sizes.values()))
    array = xr.DataArray(values, {"time": MONTHS, **like.coords}, tuple(sizes), name="soil")
    return array.assign_attrs(units="mm", **settings)


def integral(array: xr.DataArray) -> xr.DataArray:
    """Return the integral over the sphere."""
    y, x = horizontal_axes(array)
    area = xr.DataArray(cell_area(y, x), dims=(y.dim, x.dim))
    return (array.astype(float) * area).sum((y.dim, x.dim))


@given(
    st.sampled_from([2.5, 4.0, 7.5, 10.0, 18.0]),
    st.sampled_from([3.0, 5.0, 7.2, 11.25, 45.0]),
    st.sampled_from([-180.0, 0.0, -20.5, 180.0]),
    st.booleans(),
)
def test_the_integral_over_the_sphere_is_kept(lat, lon, start, falls):
    field = noise(grid(6.0, 8.0, falls=not falls))
    found = xsm.regrid(field, grid(lat, lon, start, falls=falls))
    np.testing.assert_allclose(integral(found), integral(field), rtol=1e-10)
    constant = xsm.regrid(xr.full_like(field, 7.25), grid(lat, lon, start))
    np.testing.assert_allclose(constant, 7.25, rtol=1e-12)


@pytest.mark.parametrize("method", ["conservative", "nearest"])
def test_a_turn_of_longitude_changes_nothing(method):
    east, west = grid(10.0, 15.0, 0.0), grid(10.0, 15.0)
    field = noise(east)
    moved = field.assign_coords(lon=(field["lon"] + 180) % 360 - 180).sortby("lon")
    for like in (east, west, east.assign_coords(lon=east["lon"] - 720)):
        from_east = xsm.regrid(field, like, method=method)
        from_west = xsm.regrid(moved, like, method=method)
        xr.testing.assert_allclose(from_east, from_west, rtol=1e-12)
    xr.testing.assert_allclose(xsm.regrid(field, west, method=method), moved, rtol=1e-12)
    assert not xsm.regrid(field, west, method=method).isnull().any()


def test_a_cell_across_the_seam_has_the_mean_of_both_sides():
    field = noise(grid(30.0, 30.0, 0.0))
    like = xr.Dataset(coords={"lat": field["lat"], "lon": [-30.0, 0.0, 30.0]})  # edges at -15, 15
    found = xsm.regrid(field, like)
    both = (field.isel(lon=-1) + field.isel(lon=0)) / 2
    np.testing.assert_allclose(found.sel(lon=0.0), both)


def test_whole_factors_agree_with_weighted_means_of_xarray():
    field = noise(grid(5.0, 5.0))
    found = xsm.regrid(field, grid(15.0, 10.0))
    weight = np.diff(np.sin(np.deg2rad(np.arange(-90, 91, 5.0))))
    cells = xr.DataArray(weight, {"lat": field["lat"].values}, "lat") * xr.ones_like(field)
    total = (field * cells).coarsen(lat=3, lon=2).sum() / cells.coarsen(lat=3, lon=2).sum()
    np.testing.assert_allclose(found, total, rtol=1e-12)


def test_a_linear_field_on_a_projection_stays_linear():
    axes = {"y": np.arange(0.5, 12), "x": np.arange(0.5, 20)}
    plane = xr.DataArray(np.zeros((12, 20)), axes, ("y", "x"), name="plane")
    plane = plane + 2 * plane["x"] - 3 * plane["y"]
    like = xr.Dataset(coords={"y": [1.5, 4.5, 7.5], "x": [2.5, 7.5, 12.5, 17.5]})
    np.testing.assert_allclose(xsm.regrid(plane, like), -3 * like["y"] + 2 * like["x"])
    finer = xsm.regrid(plane, xr.Dataset(coords={"y": [0.25, 0.75], "x": [0.1, 0.3, 0.5]}))
    np.testing.assert_allclose(finer, float(plane[0, 0]))
    kilometres = plane.assign_coords(x=plane["x"] / 1000, y=plane["y"] / 1000)
    for axis in "xy":
        kilometres[axis].attrs["units"] = "km"
    np.testing.assert_allclose(xsm.regrid(kilometres, like), xsm.regrid(plane, like))


def test_missing_cells_take_no_part_and_the_share_decides():
    field = noise(grid(10.0, 10.0)).where(grid(10.0, 10.0)["lon"] > -165)  # two columns are missing
    like = grid(10.0, 40.0)  # the first cell: half of it has values
    found = xsm.regrid(field, like, share=0.5)
    mean = field.isel(lon=[2, 3]).mean("lon")
    np.testing.assert_allclose(found.isel(lon=0), mean)
    assert xsm.regrid(field, like, share=0.51).isel(lon=0).isnull().all()
    assert not xsm.regrid(field, like, share=1.0).isel(lon=slice(1, None)).isnull().any()
    region = field.sel(lon=slice(0, 90), lat=slice(-40, 40))
    part = xsm.regrid(region, grid(10.0, 10.0))
    assert int(part[0].notnull().sum()) == 8 * 9
    np.testing.assert_allclose(part.sel(region.coords, method="nearest"), region)


@pytest.mark.parametrize("method", ["conservative", "nearest"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_names_attributes_order_and_precision_stay(method, dtype):
    field = noise(grid(10.0, 10.0), standard_name="soil_moisture_content").astype(dtype)
    ds = field.expand_dims(depth=[0.1, 0.5]).transpose("lat", "depth", "lon", "time").to_dataset()
    ds = ds.assign(factor=("time", np.arange(6.0)), crs=0).assign_attrs(title="of a model")
    ds = ds.assign_coords(height=2.0, area=(("lat", "lon"), np.ones((18, 36))))
    like = grid(7.5, 9.0, 0.0).rename(lat="latitude", lon="longitude")
    like["latitude"].attrs = {"units": "degrees_north", "bounds": "latitude_bnds"}
    edges = np.linspace(-90, 90, 25)
    like["latitude_bnds"] = (("latitude", "v"), np.stack([edges[:-1], edges[1:]], 1))
    found = ds.physm.regrid(like, method=method)
    assert found["soil"].dims == ("latitude", "depth", "longitude", "time")
    assert found["soil"].dtype == dtype
    assert found["soil"].attrs == field.attrs
    assert found.attrs.items() >= ds.attrs.items()
    assert set(found.data_vars) == {"soil", "factor", "crs"}
    assert set(found.coords) == {*like.coords, "latitude_bnds", "time", "depth", "height"}
    np.testing.assert_array_equal(found["longitude"], like["longitude"])
    assert found["latitude"].attrs == like["latitude"].attrs
    alone = ds["soil"].physm.regrid(like, method=method)
    np.testing.assert_array_equal(alone, found["soil"])
    assert alone.name == "soil"
    assert xsm.regrid(ds["soil"].rename(None), like).name is None


@pytest.mark.parametrize("method", ["conservative", "nearest"])
def test_lazy_is_one_layer_that_keeps_the_chunks_of_time(method, raise_if_computed):
    field = noise(grid(10.0, 10.0)).astype("f4").where(grid(10.0, 10.0)["lat"] > -60)
    like = grid(7.0 + 0.2, 11.25, 0.0)
    lazy = field.chunk(time=(2, 3, 1))
    found = xsm.regrid(lazy, like, method=method)
    assert found.chunks == ((2, 3, 1), (25,), (32,))
    added = set(found.data.dask.layers) - set(lazy.data.dask.layers)
    assert len(added) == 1
    assert len(found.data.dask) == len(lazy.data.dask) + 3
    assert found.dtype == np.float32


@pytest.mark.parametrize("method", ["conservative", "nearest"])
@pytest.mark.parametrize("chunks", [{"time": 2}, {"lat": 7, "lon": 5}, {"time": 1, "lon": 1}])
def test_lazy_is_eager(method, chunks):
    field = noise(grid(10.0, 10.0)).astype("f4").where(grid(10.0, 10.0)["lat"] > -60)
    like = grid(7.2, 11.25, 0.0)
    lazy = xsm.regrid(field.chunk(chunks), like, method=method).compute()
    whole = xsm.regrid(field, like, method=method)
    # Sums begin elsewhere in each block of cells: the last digit of float32 may differ.
    xr.testing.assert_allclose(lazy, whole, rtol=2.5e-7, atol=0)
    assert lazy.equals(whole) or ("lon" in chunks and method == "conservative")
    assert lazy.dtype == whole.dtype
    xr.testing.assert_identical(lazy.copy(data=whole.values), whole)  # all but the values


@pytest.mark.parametrize("method", ["conservative", "nearest"])
@pytest.mark.parametrize("start", [-180.0, 0.0, -20.5])
def test_blocks_of_cells_need_those_that_they_cover_alone(method, start):
    field, like = noise(grid(2.0, 2.0)), grid(3.0, 4.5, start, falls=True)
    lazy, read = field.chunk(lat=30, lon=45), set()  # three by four blocks

    def noted(block, block_info):
        read.add(block_info[0]["chunk-location"])
        return block

    watched = lazy.data.map_blocks(noted, dtype=float, meta=np.empty((0, 0, 0)))
    found = xsm.regrid(lazy.copy(data=watched), like, method=method)
    corner = found.sel(lat=slice(-31, -89), lon=slice(start + 2, start + 80)).compute()
    assert 0 < len(read) <= 4  # its own, and those beside it where a block of the result reaches
    whole = xsm.regrid(field, like, method=method)
    xr.testing.assert_allclose(corner, whole.sel(corner.coords), rtol=1e-12)
    xr.testing.assert_allclose(found, whole, rtol=1e-12)


@pytest.mark.parametrize("method", ["conservative", "nearest"])
def test_a_cell_whose_centre_lies_beyond_the_edge(method):
    field = noise(grid(2.0, 2.0)).sel(lat=slice(0, 8), lon=slice(0, 8))
    like = xr.Dataset(coords={"lat": [4.0, 90.0], "lon": [14.0]})
    like["lon"].attrs["bounds"], like["lon_bnds"] = "lon_bnds", (("lon", "v"), [[7.0, 21.0]])
    settings = {"method": method, "share": 1e-3}
    lazy = xsm.regrid(field.chunk(lat=2, lon=2), like, **settings)
    xr.testing.assert_allclose(lazy, xsm.regrid(field, like, **settings))


def test_the_nearest_cell_keeps_whole_numbers_and_is_missing_beyond_the_edge():
    classes = xr.DataArray(
        np.arange(18 * 36).reshape(18, 36), grid(10.0, 10.0).coords, ("lat", "lon"), name="class"
    )
    found = xsm.regrid(classes, grid(5.0, 5.0, 0.0), method="nearest")
    assert found.dtype == classes.dtype
    np.testing.assert_array_equal(found.sel(lat=-87.5, lon=[2.5, 352.5]), [18, 17])
    part = xsm.regrid(classes.sel(lon=slice(-20, 20)), grid(10.0, 10.0), method="nearest")
    assert part.notnull().sum("lon").values.tolist() == [4] * 18
    dates = xr.DataArray(np.full((18, 36), np.datetime64("2003-01-01", "ns")), classes.coords)
    days = xsm.regrid(dates.isel(lon=slice(3)), grid(10.0, 10.0), method="nearest")
    assert int(days.notnull().sum()) == 18 * 3


def test_quantities_give_quantities():
    ds = quantify(noise(grid(10.0, 10.0)).to_dataset())
    found = xsm.regrid(ds, grid(20.0, 20.0))
    assert str(found["soil"].pint.units) == "millimeter"


def test_classes_are_taken_and_what_has_no_mean_is_left_out():
    ds = noise(grid(10.0, 10.0)).to_dataset().isel(time=0, drop=True)
    ds["flag"] = ds["soil"].astype(int).assign_attrs(flag_values=[1, 2, 3])
    ds["land_cover"] = ds["soil"].astype(int).drop_attrs()
    ds["cell_area"] = ds["soil"].assign_attrs(units="km2")
    ds["zonal"] = ("lat", np.ones(18))
    ds["lat_bnds"] = (("lat", "v"), np.ones((18, 2)) * [0, 10] + ds["lat"].values[:, None] - 5)
    like = grid(20.0, 20.0)
    with pytest.warns(UserWarning, match=r"'cell_area' \(in km2: .*'zonal' \(along") as said:
        found = xsm.regrid(ds, like)
    assert set(found.data_vars) == {"soil", "flag", "land_cover"}
    assert "'flag', 'land_cover' hold classes or flags" in str(said[0].message)
    near = xsm.regrid(ds[["flag"]], like, method="nearest")
    np.testing.assert_array_equal(found["flag"], near["flag"])
    assert str(said[0].filename) == __file__
    with pytest.warns(UserWarning, match="no numbers"), pytest.raises(GridError, match="cannot be"):
        xsm.regrid(ds["soil"].astype(str), like)


def test_what_is_no_grid_is_refused_with_what_to_type():
    field = noise(grid(10.0, 10.0))
    like = grid(20.0, 20.0)
    with pytest.raises(GridError, match=r"ds: A grid with two horizontal axes is needed; no dim"):
        xsm.regrid(field.mean("lon"), like)
    with pytest.raises(GridError, match=r"do not overlap: ds has lat 0 to 40.*lon -180 to 180"):
        xsm.regrid(field.sel(lat=slice(0, 40)), like.sel(lat=slice(-90, -40)))
    with pytest.raises(GridError, match=r"grid of latitude along 'lat', like on one of projected"):
        xsm.regrid(field, xr.Dataset(coords={"y": [0.0, 1.0], "x": [0.0, 1.0]}))
    with pytest.raises(UnknownNameError, match="bilinear"):
        xsm.regrid(field, like, method="bilinear")
    for share in (0, 1.5, "half"):
        with pytest.raises(GridError, match=r"share=.* was given; the least share"):
            xsm.regrid(field, like, share=share)


def test_regular_maps_of_latitude_and_longitude_become_axes():
    """As LIS and its kin write them: lat and lon (north_south, east_west), missing over the sea."""
    plain = noise(grid(10.0, 10.0))
    ds = plain.to_dataset().drop_vars(["lat", "lon"])
    ds = ds.rename(lat="north_south", lon="east_west")
    ones = xr.ones_like(ds["soil"][0], dtype=float).drop_vars("time").drop_attrs()
    sea = np.random.default_rng(0).random(ones.shape) < 0.3
    for name, dim in (("lat", "north_south"), ("lon", "east_west")):
        values = xr.DataArray(plain[name].values, dims=dim)
        ds[name] = (ones * values).where(~sea).astype("f4")
    like = grid(15.0, 12.0, 0.0)
    with pytest.raises(GridError, match="each varies along one of them alone") as error:
        xsm.regrid(ds, like)
    line = re.search(r"ds = (ds\.assign.*)\.$", str(error.value))
    made = eval(line[1], {"ds": ds})
    xr.testing.assert_allclose(xsm.regrid(made, like)["soil"], xsm.regrid(plain, like), rtol=1e-5)


def test_curvilinear_and_rotated_grids_are_refused():
    """Latitude and longitude by cell beside a rotated pole, as in files of CORDEX."""
    rotated = xr.Dataset(
        {"mrso": (("rlat", "rlon"), np.ones((3, 4)), {"units": "kg m-2"})},
        {"rlat": [0.0, 1.0, 2.0], "rlon": [0.0, 1.0, 2.0, 3.0]},
    )
    like = grid(10.0, 10.0)
    with pytest.raises(GridError, match=r"grid of rotated latitude along 'rlat', like on one of l"):
        xsm.regrid(rotated, like)
    corners = np.add.outer(np.arange(3.0), 0.3 * np.arange(4))
    for name, values in (("lat", corners), ("lon", corners - 2)):
        rotated = rotated.assign_coords({name: (("rlat", "rlon"), values)})
    with pytest.raises(GridError, match=r"curvilinear grid.*xesmf\.Regridder.*remapcon"):
        xsm.regrid(rotated, like)
    xr.testing.assert_allclose(
        xsm.regrid(rotated.drop_vars(["lat", "lon"]), rotated)["mrso"].variable,
        rotated["mrso"].variable,
    )


def test_places_are_told_to_select():
    field = noise(grid(10.0, 10.0, 0.0))
    like = xr.Dataset(coords={"lat": ("station", [12.0, -33.0]), "lon": ("station", [-71.0, 18.0])})
    with pytest.raises(GridError, match=r"like has places along 'station'") as error:
        xsm.regrid(field, like)
    assert "ds.sel(" in str(error.value)
    line = 'ds.sel(lat=like["lat"], lon=like["lon"] % 360, method="nearest")'
    found = eval(line, {"ds": field, "like": like})
    assert found["lon"].values.tolist() == [285.0, 15.0]


def test_no_warning_of_its_own():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xsm.regrid(xr.full_like(noise(grid(10.0, 10.0)), np.nan), grid(20.0, 20.0))
