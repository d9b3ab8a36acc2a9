"""Labels that tell nothing, names that clash, true and false: refused before any work."""

import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.data.joins import assigned
from xsm.data.refused import check_input, check_numbers
from xsm.exceptions import GridError, UnitsError, UnknownNameError


@pytest.fixture(scope="module")
def land() -> xr.Dataset:
    ds = xsm.open_tutorial("land").isel(latitude=slice(4, 8), longitude=slice(18, 20))
    return ds.isel(time=slice(0, 60)).load()


def with_label(ds: xr.Dataset, dim: str, at: int, label: object) -> xr.Dataset:
    labels = ds[dim].values.copy()
    labels[at] = label
    return ds.assign_coords({dim: (dim, labels, ds[dim].attrs)})


VERBS = {
    "water_balance": xsm.water_balance,
    "to_depths": lambda ds: xsm.to_depths(ds, [(0.0, 0.1)]),
    "texture_class": xsm.texture_class,
    "check": xsm.check,
    "score": lambda ds: xsm.score(ds, ds["swvl1"], baselines=False),
    "monthly": xsm.monthly,
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_label_that_stands_twice_is_refused(land, verb):
    """Two files of one row, joined by ``xr.concat``."""
    twice = with_label(land, "latitude", 1, land["latitude"].values[0])
    with pytest.raises(GridError, match=r"43\.0 along 'latitude'.*drop_duplicates\('latitude'\)"):
        VERBS[verb](twice)


@pytest.mark.parametrize("verb", ["water_balance", "monthly", "score"])
def test_a_time_that_stands_twice_is_refused(land, verb):
    twice = with_label(land, "time", 1, land["time"].values[0])
    with pytest.raises(GridError, match=r"2018-01-01 .*along 'time'.*drop_duplicates\('time'\)"):
        VERBS[verb](twice)


def test_all_that_stands_twice_is_told_at_once(land):
    twice = with_label(land, "latitude", 1, land["latitude"].values[0])
    twice = with_label(twice, "longitude", 1, land["longitude"].values[0])
    with pytest.raises(GridError, match=r"43\.0 along 'lat.*; .* along 'lon.*\(\['latitude', 'lon"):
        check_input(twice)
    check_input(twice.drop_duplicates(["latitude", "longitude"]))  # what it says


@pytest.mark.parametrize("verb", VERBS)
def test_a_missing_label_is_refused(land, verb):
    with pytest.raises(GridError, match=r"'latitude' are missing at 1 of 4.*isel\(latitude="):
        VERBS[verb](with_label(land, "latitude", 1, np.nan))


def test_a_missing_time_is_refused_and_what_it_says_helps(land):
    ds = with_label(land, "time", 3, np.datetime64("NaT"))
    with pytest.raises(GridError, match=r"'time' are missing at 1 of 60"):
        xsm.score(land, ds["swvl1"], baselines=False)
    check_input(ds.isel(time=ds["time"].notnull().values))


def test_true_and_false_are_no_amounts(land):
    """A mask of rain, as by ``ds["tp"] > 0``."""
    with pytest.raises(UnitsError, match=r"'tp' holds true and false.*mm day-1 are needed"):
        xsm.water_balance(land.assign(tp=(land["tp"] > 0).assign_attrs(land["tp"].attrs)))
    check_numbers(xr.DataArray([True]), "snow_cover")
    with pytest.raises(UnitsError, match="numbers in K are needed"):
        check_numbers(xr.DataArray([True]), "t2m", "K")


@pytest.mark.parametrize("name", ["inflow", "inflow_trend", "count"])
def test_a_coordinate_that_is_named_as_a_result_is_refused(land, name):
    for verb in (VERBS["score"], xsm.consistency, xsm.water_balance):
        with pytest.raises(GridError, match=rf"\['{name}'\].*rename\({name}='{name}_of_data'\)"):
            verb(land.assign_coords({name: 1}))


def test_names_of_targets_are_names(land):
    for target in (5, ["swvl1"]):
        with pytest.raises(UnknownNameError, match="as the name of a variable; one name is needed"):
            xsm.water_balance(land, target=target)


def test_arrays_with_levels_of_an_index_are_assigned_without_a_warning():
    """xarray would take a level out of the index of the array, which it is about to refuse."""
    places = pd.MultiIndex.from_product([[1.0, 2.0], [5.0, 6.0]], names=["lat", "lon"])
    coords = xr.Coordinates.from_pandas_multiindex(places, "cell")
    ds = xr.Dataset({"a": ("cell", [1.0, 2.0, 3.0, 4.0])}, coords)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = assigned(ds, {"b": ds["a"] * 2})
        xr.testing.assert_identical(found["b"].drop_attrs(deep=False), (ds["a"] * 2).rename("b"))
    other = ds.isel(cell=[0, 1])["a"].unstack("cell")
    assert assigned(xr.Dataset(), {"a": other})["a"].identical(other)


def test_verbs_take_cells_of_an_index_of_several_levels(land):
    cells = land.stack(cell=("latitude", "longitude"))
    depths = xsm.to_depths(cells, [(0.0, 0.1)]).unstack("cell")
    xr.testing.assert_allclose(
        depths["soil_moisture"].transpose("time", "depth", "latitude", "longitude"),
        xsm.to_depths(land, [(0.0, 0.1)])["soil_moisture"],
    )
    monthly = xsm.monthly(cells)["t2m"].unstack("cell")
    expected = xsm.monthly(land)["t2m"]
    xr.testing.assert_allclose(monthly.transpose(*expected.dims), expected)
