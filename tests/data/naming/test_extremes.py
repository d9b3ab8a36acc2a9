"""Extremes of the day are roles of their own, and of them come temperature and evaporation."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.exceptions import MissingVariableError
from xsm.physics.evaporation import hargreaves

DAYS = np.arange("2020-07-10", "2020-07-20", dtype="M8[D]").astype("M8[ns]")
HIGH, LOW = 27.0 + np.arange(10) / 10, 15.0 - np.arange(10) / 10
CF = {"standard_name": "air_temperature"}


def pair(
    high: str, low: str, said: dict[str, str], other: dict[str, str] | None = None, **at: float
) -> xr.Dataset:
    """Return extremes, degC, under two names; of one place where its coordinates are given."""
    mirrored = {k: v.replace("max", "min").replace("Max", "Min") for k, v in said.items()}
    fields = {
        high: ("time", HIGH.copy(), {"units": "degC", **said}),
        low: ("time", LOW.copy(), {"units": "degC", **(mirrored if other is None else other)}),
    }
    return xr.Dataset(fields, {"time": DAYS, **at})


@pytest.mark.parametrize(
    ("high", "low", "said"),
    [
        ("tasmax", "tasmin", {**CF, "cell_methods": "area: mean time: maximum (interval: 1 day)"}),
        ("tasmax", "tasmin", CF),
        (
            "tmax",
            "tmin",
            {"long_name": "daily maximum temperature", "cell_methods": "area: mean time: maximum"},
        ),
        ("tmax", "tmin", {}),
        ("tx", "tn", {**CF, "long_name": "maximum temperature"}),
        ("daily_maximum_temperature", "daily_minimum_temperature", {}),
        ("tmmx", "tmmn", {}),
        ("temperature_2m_max", "temperature_2m_min", {}),
        (
            "mx2t",
            "mn2t",
            {**CF, "long_name": "Maximum temperature at 2 metres since previous post-processing"},
        ),
        ("a", "b", {**CF, "cell_methods": "time: maximum within days time: mean over days"}),
        ("a", "b", {**CF, "long_name": "Daily Maximum Near-Surface Air Temperature"}),
    ],
)
def test_extremes_are_found_under_the_names_of_products(high, low, said):
    """CMIP6, Daymet, PRISM, E-OBS, gridMET, ERA5-Land of Earth Engine, ERA5, and CF alone.

    Headers of tasmax: ncdump in the CMIP6 errata of ESGF; of tmax: the attributes of Daymet V4 in
    hyriver/pydaymet; of mx2t: ECMWF's parameter database; of means over days: those of xclim.
    """
    table = xsm.variables(pair(high, low, said))
    assert table["temperature_max"].name == high
    assert table["temperature_min"].name == low
    assert table["air_temperature"].name == (high, low)  # neither is taken for the mean


def test_the_maximum_of_gridmet_is_no_mean_though_its_name_says_so():
    """Files of tmmx hold "air_temperature", whose long_name and description alone tell."""
    said = {"long_name": "tmmx", "description": "Daily Maximum Temperature", "units": "K"}
    ds = xr.Dataset({"air_temperature": ("time", HIGH + 273.15, said)}, {"time": DAYS})
    table = xsm.variables(ds)
    assert table["temperature_max"].name == "air_temperature"
    assert "air_temperature" not in table


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"cell_methods": "time: mean"},
        {"cell_methods": "area: maximum time: mean"},
        {"cell_methods": "time: mean within days time: minimum over days"},
        {"long_name": "mean of maximum and minimum temperature"},
    ],
)
def test_a_mean_stays_a_mean(said):
    ds = xr.Dataset({"tas": ("time", HIGH, {"units": "degC", **CF, **said})}, {"time": DAYS})
    ds = ds.assign(tasmax=ds["tas"].assign_attrs(cell_methods="time: maximum"))
    table = xsm.variables(ds)
    assert table["air_temperature"].name == "tas"
    assert table["temperature_max"].name == "tasmax"


def test_a_name_of_the_mean_with_another_method_is_an_extreme():
    """CMIP7 calls daily maxima tas too, and tells them by cell_methods."""
    said = {"units": "K", **CF, "cell_methods": "area: mean time: minimum"}
    table = xsm.variables(xr.Dataset({"tas": ("time", LOW, said)}, {"time": DAYS}))
    assert table.roles == ("temperature_min",)


def test_temperature_is_the_mean_and_evaporation_that_of_hargreaves():
    ds = pair("tmax", "tmin", {}, lat=45.0, lon=10.0)
    table = xsm.variables(ds)
    np.testing.assert_allclose(table.array(ds, "air_temperature"), (HIGH + LOW) / 2 + 273.15)
    days = ds["time"].dt.dayofyear.values
    wanted = hargreaves(LOW + 273.15, HIGH + 273.15, 45.0, days)
    found = table.array(ds, "potential_evaporation")
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    assert 4 < float(found.mean()) < 7  # FAO 56: 5 to 6 mm a day in July at 45 degrees north
    assert table.way("potential_evaporation").startswith("Hargreaves and Samani 1985, by latitude")
    assert table.way("air_temperature").startswith("mean of the extremes of the day")


def rows() -> xr.Dataset:
    """Return extremes at the equator and at 60 degrees north, in float32."""
    ds = pair("tmax", "tmin", {}).expand_dims(lat=[0.0, 60.0]).transpose("time", "lat")
    return ds.astype(np.float32)


def test_hargreaves_is_lazy(raise_if_computed):
    ds = rows().chunk(time=4)
    lazy = xsm.variables(ds).array(ds, "potential_evaporation")
    assert lazy.dims == ("time", "lat")
    assert lazy.dtype == np.float32
    assert lazy.chunks is not None


def test_each_row_has_its_own_latitude():
    ds = rows()
    found = xsm.variables(ds).array(ds, "potential_evaporation")
    for lat in (0.0, 60.0):
        one = hargreaves(LOW + 273.15, HIGH + 273.15, lat, ds["time"].dt.dayofyear.values)
        np.testing.assert_allclose(found.sel(lat=lat), one, rtol=1e-4)


def test_other_ways_come_first_and_without_a_latitude_there_is_none():
    ds = pair("tmax", "tmin", {}, lat=45.0, lon=10.0)
    sunny = ds.assign(rsds=("time", np.full(10, 250.0), {"units": "W m-2"}))
    table = xsm.variables(sunny)
    assert table.way("potential_evaporation").startswith("Makkink")
    assert np.isfinite(table.array(sunny, "potential_evaporation")).all()
    given = ds.assign(pet=("time", np.full(10, 3.0), {"units": "mm day-1"}))
    assert xsm.variables(given)["potential_evaporation"].name == "pet"
    nowhere = xsm.variables(ds.drop_vars("lat"))
    assert "potential_evaporation" not in nowhere
    with pytest.raises(
        MissingVariableError, match="temperature_max, temperature_min at a known latitude"
    ):
        nowhere.require("potential_evaporation")


def test_days_of_hourly_extremes_are_extremes():
    hours = np.arange("2020-07-10", "2020-07-12", dtype="M8[h]").astype("M8[ns]")
    values = 20.0 + np.arange(48) % 24
    fields = {n: ("time", values, {"units": "degC"}) for n in ("mx2t", "mn2t", "t2m")}
    daily = xsm.daily(xr.Dataset(fields, {"time": hours}), label="start")
    np.testing.assert_allclose(daily["mx2t"], 43.0)
    np.testing.assert_allclose(daily["mn2t"], 20.0)
    np.testing.assert_allclose(daily["t2m"], 31.5)


def test_swapped_extremes_are_refused_and_a_few_are_told():
    ds = pair("tmin", "tmax", {}, {})
    found = xsm.check(ds).findings[0]
    assert (found.kind, found.severity, found.variable) == ("order", "stop", "tmin")
    assert found.line == 'variables={"temperature_min": "tmax", "temperature_max": "tmin"}'
    assert not xsm.check(ds, {"temperature_min": "tmax", "temperature_max": "tmin"})
    ds = pair("tmax", "tmin", {})
    assert not xsm.check(ds)
    ds["tmin"][3] = 40.0
    found = xsm.check(ds).findings[0]
    assert (found.kind, found.severity) == ("order", "warn")
    assert "is above 'tmax' in 10.00% of the values" in found.words
    exec(found.line)
    assert not xsm.check(ds)


def test_extremes_in_other_units_and_fill_values_are_no_disorder():
    ds = pair("tmax", "tmin", {})
    ds["tmax"] = (ds["tmax"] + 273.15).assign_attrs(units="K")
    assert not xsm.check(ds)
    ds["tmax"][2] = -9999.0
    assert [f.kind for f in xsm.check(ds).wrong] == ["fill"]
