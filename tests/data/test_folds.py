"""Folds: planted clusters are found, buffers and blocks have their lengths, years are years."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xsm.data.folds import make_folds, only
from xsm.exceptions import GridError, NotEnoughDataError, UnknownNameError


def world(lat=(40.0, 41.0), lon=(5.0, 6.0, 20.0, 21.0), start="2019-01-01", days=800):
    coords = {"time": pd.date_range(start, periods=days), "lat": list(lat), "lon": list(lon)}
    shape = tuple(len(v) for v in coords.values())
    rng = np.random.default_rng(0)
    return xr.Dataset({"soil": (tuple(coords), rng.random(shape))}, coords)


def divide(folds, ds=None, seen=None, **options):
    ds = world() if ds is None else ds
    observed = ds["soil"].notnull().any("time") if seen is None else seen
    return make_folds(folds, ds, observed, "time", **options)


def test_two_groups_of_cells_are_two_regions():
    found = divide("regions", count=2)
    assert found.names == ("region 1", "region 2")
    assert (found.labels.isel(lon=slice(0, 2)) == "region 1").all()  # from west to east
    assert (found.labels.isel(lon=slice(2, 4)) == "region 2").all()
    assert not (found.held("region 1") & found.kept("region 1")).any()


def test_regions_do_not_depend_on_the_convention_of_longitude():
    east = divide("regions", count=2)
    west = divide("regions", ds=world(lon=(-5.0, 1.0, 100.0, 101.0)), count=2)
    assert (east.labels.values == west.labels.values).all()


def test_regions_do_not_depend_on_the_order_of_the_cells():
    random = np.random.default_rng(3)
    ds = world(lat=random.uniform(-40, 40, 9), lon=random.uniform(-60, 60, 11), days=2)
    order = {"lat": random.permutation(9), "lon": random.permutation(11)}
    there = divide("regions", ds=ds, count=7).labels.isel(order)
    assert (there.values == divide("regions", ds=ds.isel(order), count=7).labels.values).all()


def test_cells_without_an_observation_are_in_no_fold():
    ds = world()
    ds["soil"][:, 0, 0] = np.nan
    found = divide("regions", ds=ds, count=2)
    assert found.labels.values[0, 0] == ""
    for name in found.names:
        assert not (found.held(name) | found.kept(name)).values[0, 0]


def test_a_map_is_taken_as_it_is():
    ds = world()
    climate = xr.DataArray([[1.0, 1.0, 2.0, 3.0]] * 2, {k: ds[k] for k in ("lat", "lon")})
    found = divide(climate, ds=ds)
    assert found.names == ("1", "2", "3")
    assert int(found.held("1").sum()) == 4
    named = divide("climate", ds=ds.assign(climate=climate))
    assert (named.labels.values == found.labels.values).all()


def test_a_map_of_text_turned_around_is_brought_to_the_order_of_the_data():
    """Names of ISO 3166-1 alpha-3, a map (lon, lat)."""
    ds = world()
    lands = xr.DataArray([["FRA", "FRA"]] * 2 + [["UKR", "UKR"]] * 2, dims=("lon", "lat"))
    found = divide(lands.assign_coords(lat=ds["lat"], lon=ds["lon"]), ds=ds)
    assert found.names == ("FRA", "UKR")
    assert found.labels.values.tolist() == [["FRA", "FRA", "UKR", "UKR"]] * 2


def test_a_buffer_keeps_neighbours_out():
    ds = world(lat=(0.0,), lon=tuple(np.arange(10.0)))
    left = xr.DataArray([["a"] * 5 + ["b"] * 5], {k: ds[k] for k in ("lat", "lon")})
    for buffer, kept in ((0.0, 5), (100.0, 5), (112.0, 4), (230.0, 3)):  # a degree is 111.2 km
        found = divide(left, ds=ds, buffer=buffer)
        assert int(found.kept("a").sum()) == kept
    with pytest.raises(NotEnoughDataError, match="buffer=2000 km leaves no cell to train on"):
        divide(left, ds=ds, buffer=2000.0).kept("a")


def test_blocks_hold_together_and_folds_are_even():
    ds = world(lat=np.arange(0.5, 12), lon=np.arange(0.5, 12))
    found = divide("blocks", ds=ds, size=4 * 111.195, count=3)
    corners = found.labels.isel(lat=slice(0, None, 4), lon=slice(0, None, 4))
    for i in range(3):
        block = found.labels.isel(lat=slice(4 * i, 4 * i + 4), lon=slice(0, 4)).values
        assert (block == corners.values[i, 0]).mean() > 0.9  # meridians come closer
    sizes = [int(found.held(n).sum()) for n in found.names]
    assert sum(sizes) == 144
    assert max(sizes) < 2 * min(sizes)


def test_blocks_of_a_plane_are_squares():
    """A national grid: eastings and northings in metres (OSGB36, EPSG:27700)."""
    axis = {"units": "m"}
    cells = np.arange(500.0, 8000.0, 1000.0)
    coords = {"northing": ("northing", cells, axis), "easting": ("easting", cells, axis)}
    seen = xr.DataArray(np.ones((8, 8), bool), coords, ("northing", "easting"))
    found = divide("blocks", seen=seen, size=4.0, count=4)
    assert [int(found.held(n).sum()) for n in found.names] == [16] * 4
    assert len(set(found.labels.values[:4, :4].ravel())) == 1


def test_years_are_years():
    found = divide("years")
    assert found.names == ("2019", "2020", "2021")
    assert found.of_time
    assert int(found.held("2020").sum()) == 366
    runs = divide("years", ds=world(days=1700), count=2)
    assert runs.names == ("2019-2021", "2022-2023")


def test_years_of_a_model_calendar():
    """CMIP6: 360 days a year (HadGEM3-GC31-LL, calendar "360_day")."""
    times = xr.date_range("2019-01-01", periods=720, calendar="360_day", use_cftime=True)
    ds = xr.Dataset({"soil": ("time", np.ones(720))}, {"time": times})
    found = divide("years", ds=ds)
    assert [int(found.held(n).sum()) for n in found.names] == [360, 360]


def test_what_a_fold_may_see_of_years_has_no_end_without_values():
    ds = world()
    found = divide("years", ds=ds)
    middle = found.training(ds, "2020")
    assert middle.sizes["time"] == 800
    assert middle["soil"].sel(time="2020").isnull().all()
    assert middle["soil"].sel(time="2021").notnull().all()
    assert found.training(ds, "2021").time.values[-1] == np.datetime64("2020-12-31")
    assert found.training(ds, "2019").time.values[0] == np.datetime64("2020-01-01")


def test_only_leaves_nothing_else():
    ds = world().assign(
        cover=(("lat", "lon"), np.ones((2, 4), int)), name=(("lon",), list("abcd")), co2=400.0
    )
    ds["cover"].attrs["units"] = "1"
    where = xr.zeros_like(ds["cover"], bool)
    where[0, 1] = True
    found = only(ds.chunk(time=100), where)
    assert found["soil"].chunks is not None
    assert int(found["soil"].notnull().sum()) == 800
    assert found["cover"].values[0].tolist()[1] == 1.0
    assert found["cover"].attrs == {"units": "1"}
    assert int(found["cover"].notnull().sum()) == 1
    assert found["name"].values.tolist() == list("abcd")
    assert float(found["co2"]) == 400.0


@pytest.mark.parametrize(
    ("folds", "options", "error", "said"),
    [
        ("region", {}, UnknownNameError, "folds='region' was given. Did you mean 'regions'"),
        ("years", {"buffer": 10.0}, UnknownNameError, r"buffer=10.0 was given with folds='years'"),
        ("regions", {"size": 10.0}, UnknownNameError, r"size=10.0 was given with folds='regions'"),
        ("regions", {"count": 1}, NotEnoughDataError, "count=1 was given; 2 or more are needed"),
        ("regions", {"count": 9}, NotEnoughDataError, "at most the 8 cells with observations"),
        ("regions", {"buffer": -1.0}, NotEnoughDataError, r"buffer=-1.0 was given; km are needed"),
        (
            "blocks",
            {},
            NotEnoughDataError,
            r"size=None was given; blocks need .* for example size=",
        ),
        ("blocks", {"size": 9e3}, NotEnoughDataError, "at most the 1 blocks of 9000 km"),
        ("years", {"count": 4}, NotEnoughDataError, "at most the 3 years of the data"),
        (3, {}, TypeError, "folds=3 is of the type int; one of"),
    ],
)
def test_what_makes_no_folds_is_told(folds, options, error, said):
    with pytest.raises(error, match=said):
        divide(folds, **options)


def test_maps_that_make_no_folds_are_told():
    ds = world()
    one = xr.DataArray(np.ones((2, 4)), {k: ds[k] for k in ("lat", "lon")})
    with pytest.raises(NotEnoughDataError, match=r"one class on the cells .* \['1'\]; two or more"):
        divide(one, ds=ds)
    with pytest.raises(NotEnoughDataError, match="8 of 8 cells with observations have no class"):
        divide(one * np.nan, ds=ds)
    with pytest.raises(GridError, match=r"map of folds lies on \['lat'\]; \['lat', 'lon'\]"):
        divide(one.isel(lon=0, drop=True), ds=ds)
    with pytest.raises(GridError, match=r"other labels than the data along \['lon'\]"):
        divide(one.assign_coords(lon=one["lon"] + 0.5), ds=ds)
    with pytest.raises(NotEnoughDataError, match="the data hold one year, 2019; two or more"):
        divide("years", ds=ds.isel(time=slice(0, 300)))
    single = ds.isel(lat=0, lon=0, drop=True)
    with pytest.raises(GridError, match="divides cells, and the data are of one place"):
        divide("regions", ds=single)
