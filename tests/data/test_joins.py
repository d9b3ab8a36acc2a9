"""Labels: those that differ by rounding meet, what is lost is told, nothing is repeated."""

import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from tests.worlds import bucket_dataset
from xsm.data.joins import at_labels, common, positions, same_labels, snap
from xsm.exceptions import GridError, NotEnoughDataError

TENTHS = np.round(44 - 0.1 * np.arange(8), 1)


def grid(latitude=TENTHS, longitude=(0.0, 1.0)) -> xr.DataArray:
    """Numbers that tell the row of the first grid."""
    values = np.arange(len(latitude) * len(longitude), dtype=float)
    places = {"latitude": list(latitude), "longitude": list(longitude)}
    shape = (len(latitude), len(longitude))
    return xr.DataArray(values.reshape(shape), places, ("latitude", "longitude"))


def test_labels_that_differ_by_rounding_are_taken_over():
    lat = np.arange(45.05, 40, -0.1)
    like = xr.DataArray(np.zeros((lat.size, 3)), {"lat": lat, "time": [1, 2, 3]}, ("lat", "time"))
    part = like.isel(lat=slice(5, 20)).astype("f4")
    rounded = part.assign_coords(lat=part.lat.astype("f4"))
    assert not set(rounded.lat.values) & set(lat)
    xr.testing.assert_identical(snap(rounded, like), part)
    assert snap(rounded.chunk(), like).chunks is not None
    apart = part.assign_coords(lat=part.lat + 0.03)
    xr.testing.assert_identical(snap(apart, like), apart)
    xr.testing.assert_identical(snap(part.drop_vars("lat"), like), part.drop_vars("lat"))
    lone = like.isel(lat=slice(0, 1))
    xr.testing.assert_identical(snap(rounded, lone), rounded)


def test_float32_labels_of_a_store_meet_those_of_a_file():
    """ERA5-Land: 0.1 degrees are float32 in Zarr copies and float64 in NetCDF of the CDS."""
    one = grid()
    other = one.assign_coords(latitude=one["latitude"].astype("f4"))
    truth, near = common(one, {"the prediction": other})
    assert truth.identical(one)
    assert near["the prediction"].identical(one)
    exact = same_labels([one, other, other])
    assert all(array.identical(one) for array in exact)


def test_longitudes_of_both_conventions_are_the_same_places():
    """ERA5 counts from 0 to 360, GLDAS from -180 to 180."""
    west = grid(longitude=(-0.5, 0.5, 1.5))
    east = west.assign_coords(longitude=[359.5, 0.5, 1.5])
    assert common(west, {"b": east})[1]["b"].identical(west)
    metres = west.assign_coords(longitude=("longitude", [-90.0, 0.0, 90.0], {"units": "m"}))
    turned = metres.assign_coords(longitude=metres["longitude"] % 360)
    assert snap(turned, metres).identical(turned)


def test_whole_numbers_meet_fractions_and_lone_labels_theirs():
    ints = xr.DataArray([1.0, 2.0], {"latitude": [44, 45]}, "latitude")
    floats = xr.DataArray([1.0, 2.0], {"latitude": [44.0, 45.0]}, "latitude")
    assert snap(floats, ints)["latitude"].dtype == np.int64
    one = grid(latitude=[0.1])
    rounded = one.assign_coords(latitude=one["latitude"].astype("f4"))
    assert snap(rounded, one).identical(one)


def test_the_order_is_that_of_the_first_and_values_go_with_their_labels():
    one = grid()
    turned = one.isel(latitude=slice(None, None, -1))
    truth, near = common(one, {"b": turned})
    assert (truth - near["b"]).sizes == one.sizes
    assert near["b"].identical(one)


def test_places_that_fall_out_are_counted_and_told():
    one = grid()
    moved = one.assign_coords(latitude=[*TENTHS[:6], 10.0, 11.0])
    with pytest.warns(UserWarning, match="4 of 16 places of the prediction are not among those"):
        truth, near = common(one, {"the prediction": moved})
    assert truth.sizes["latitude"] == near["the prediction"].sizes["latitude"] == 6


def test_more_than_half_is_refused_with_what_to_type():
    one = grid()
    moved = one.assign_coords(latitude=[*TENTHS[:3], 10.0, 11.0, 12.0, 13.0, 14.0])
    with pytest.raises(GridError, match=r"Only 6 of 16 places of it are.*predicted\.sel\(lat"):
        common(one, {"it": moved})
    with pytest.raises(NotEnoughDataError, match="no label in common"):
        common(one, {"it": one.assign_coords(latitude=one["latitude"] - 50)})


def test_a_selection_of_places_or_of_times_is_no_loss():
    one = grid().expand_dims(time=pd.date_range("2020", periods=9))
    part = one.isel(latitude=slice(2, 3), time=slice(7, None))
    later = part.assign_coords(time=part["time"] + np.timedelta64(1, "D"))
    truth, near = common(one, {"b": later})
    assert dict(truth.sizes) == {"time": 1, "latitude": 1, "longitude": 2}
    assert near["b"].sizes == truth.sizes


def test_labels_that_stand_twice_and_sizes_without_labels_are_refused():
    one = grid()
    twice = one.assign_coords(latitude=[44.0, *TENTHS[:7]])
    with pytest.raises(GridError, match=r"44\.0 stands more than once.*drop_duplicates"):
        common(one, {"b": twice})
    bare = one.isel(latitude=slice(0, 5)).drop_vars("latitude")
    with pytest.raises(GridError, match=r"Sizes along 'latitude' differ, \[5, 8\]"):
        common(one, {"b": bare})


def test_missing_labels_are_like_nothing():
    one = grid(latitude=[1.0, np.nan, 3.0])
    other = grid(latitude=[1.0, 2.0, 3.0])
    assert snap(one, other)["latitude"].isnull().sum() == 1


def test_places_by_label():
    index = pd.Index(["a", "b"])
    assert positions(index, pd.Index(["b", "c"])).tolist() == [1, -1]
    known = xr.DataArray([1.0, 2.0], {"station": index}, "station")
    found = at_labels(known, {"station": ["b", "c"]})
    np.testing.assert_array_equal(found, [2.0, np.nan])


def test_a_row_is_no_longitude():
    rows = xr.DataArray([1.0, 2.0], {"row": [-90.0, 0.0]}, "row")
    turned = rows.assign_coords(row=[270.0, 0.0])
    assert snap(turned, rows).identical(turned)


def test_labels_that_are_all_missing_meet_none():
    one = grid()
    lost = one.assign_coords(latitude=np.full(len(TENTHS), np.nan))
    assert snap(lost, one).identical(lost)
    assert snap(one, lost).identical(one)


def test_a_single_place_and_what_does_not_vary_there():
    one = grid(latitude=[44.0])
    level = xr.DataArray([3.0, 4.0], {"longitude": [0.0, 1.0]}, "longitude")
    truth, near = common(one, {"level": level})
    assert truth.identical(one)
    assert near["level"].identical(level)


def test_the_same_labels_twice_in_both_are_the_same_places():
    one = grid(latitude=[44.0, 44.0, 43.0])
    truth, near = common(one, {"the prediction": one + 1})
    assert truth.identical(one)
    assert near["the prediction"].identical(one + 1)


def test_the_message_says_where_both_lie():
    one = grid()
    moved = one.assign_coords(latitude=[*TENTHS[:2], *np.arange(10.0, 16.0)])
    said = r"latitude 44.0..43.3 \(8\) and 44.0..15.0 \(8\)"
    with pytest.raises(GridError, match=said):
        common(one, {"the prediction": moved})


HOURS, DAYS = (pd.date_range("2020-01-01", "2020-03-01", freq=freq) for freq in ("h", "D"))
MONTHS = pd.date_range("2020-01-01", "2020-12-01", freq="MS")


def along(times) -> xr.DataArray:
    """Return a series."""
    return xr.DataArray(np.arange(float(len(times))), {"time": times}, "time")


@pytest.mark.parametrize(
    ("observed", "predicted", "line"),
    [
        (HOURS, DAYS, "xsm.daily(ds)"),
        (DAYS, HOURS, "xsm.daily(predicted)"),
        (pd.date_range("2020", "2021"), MONTHS, "xsm.monthly(ds)"),
        (HOURS, HOURS[::3], 'ds.resample(time="3h").mean()'),
        (DAYS.delete([4, 9]), DAYS[::8], 'ds.resample(time="192h").mean()'),
    ],
)
def test_other_steps_of_time_are_told_with_what_to_type(observed, predicted, line):
    """Daily means meet one hour in 24: they are not the same quantity."""
    with pytest.warns(UserWarning, match=f"steps of.*{re.escape(line)}"):
        truth, near = common(along(observed), {"the prediction": along(predicted)})
    assert truth.sizes == near["the prediction"].sizes


def test_gaps_and_choices_of_times_are_no_other_step():
    chosen = np.sort(np.random.default_rng(0).permutation(len(DAYS))[:25])
    for some in (DAYS[chosen], DAYS.delete([4, 9, 10]), DAYS[20:], DAYS[:2], DAYS[[0, 50]]):
        assert common(along(DAYS), {"the prediction": along(some)})[0].sizes["time"] == len(some)


def test_a_daily_prediction_of_hourly_data_is_told_what_to_type():
    """Daily means meet one hour in 24; of daily data each step is judged."""
    hours = bucket_dataset(steps=24 * 12, shape=(1, 1))
    hours["time"] = pd.date_range("2020-01-01", periods=24 * 12, freq="h")
    hours["precipitation"].attrs["cell_methods"] = "time: mean"
    predicted = hours["soil_moisture"].resample(time="1D").mean().assign_attrs(units="m3 m-3")
    terms = ["precipitation"]
    with pytest.warns(
        UserWarning, match=r"steps of 1 day, the observations of 1 hour.*daily\(ds\)"
    ):
        xsm.consistency(hours, predicted, terms=terms, trend="level")
