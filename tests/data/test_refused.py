"""What every verb refuses before it works."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.data.refused import OUTPUTS, OWN_DIMS, check_dims, check_numbers, check_target
from xsm.exceptions import GridError, UnitsError, UnknownNameError


@pytest.fixture(scope="module")
def land() -> xr.Dataset:
    ds = xsm.open_tutorial("land").isel(latitude=slice(0, 2), longitude=slice(18, 20))
    return ds.isel(time=slice(0, 60)).load()


FIT = {"epochs": 1, "iterations": 1, "hidden_size": 4, "progress": False}
VERBS = {
    "fit": lambda ds: xsm.fit(ds, "lstm", **FIT),
    "score": lambda ds: xsm.score(ds, ds["swvl1"], baselines=False),
    "monthly": xsm.monthly,
    "daily": xsm.daily,
    "water_balance": xsm.water_balance,
    "consistency": xsm.consistency,
}


@pytest.mark.parametrize("verb", VERBS)
def test_times_with_a_zone_are_refused_by_each_verb(land, verb):
    """Local time of stations, as pandas reads "2020-01-01T00:00+09:00" of AsiaFlux."""
    zone = pd.DatetimeIndex(land["time"].values, tz="Asia/Tokyo")
    with pytest.raises(GridError, match=r"have the zone Asia/Tokyo.*tz_localize\(None\)"):
        VERBS[verb](land.assign_coords(time=zone))


BAD = {
    "text": lambda v: v.astype("U5"),
    "objects": lambda v: v.astype(object),
    "dates": lambda v: np.full(v.shape, np.datetime64("2020-01-01", "ns")),
    "durations": lambda v: np.full(v.shape, np.timedelta64(1, "h").astype("m8[ns]")),
    "complex": lambda v: v + 1j,
}


@pytest.mark.parametrize("units", ["m", "mm day-1"])
@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_number_is_refused_in_any_units(land, kind, units):
    tp = land["tp"]
    attrs = {**tp.attrs, "units": units, "accumulation": "step"}
    bad = land.assign(tp=(tp.dims, BAD[kind](tp.values), attrs))
    with pytest.raises(UnitsError, match=r"'tp' holds .*real numbers are needed"):
        xsm.water_balance(bad, terms=["precipitation"])


def test_integers_that_were_not_unpacked_are_refused():
    packed = xr.DataArray(np.array([1, 2], "i2"), dims="x", attrs={"scale_factor": 0.01})
    with pytest.raises(UnitsError, match=r"packed integers.*xr\.decode_cf"):
        check_numbers(packed, "swvl1")
    check_numbers(packed.drop_attrs(), "land_cover")


def test_a_series_of_stores_is_no_grid():
    t = pd.date_range("2004-01", periods=72, freq="MS")
    rng = np.random.default_rng(0)
    tws, soil, snow = (
        xr.DataArray(rng.normal(size=72) * 50, {"time": t}, "time", attrs={"units": "mm"}, name=n)
        for n in ("tws", "soil", "swe")
    )
    found = xsm.groundwater_anomaly(tws, soil, snow)["groundwater_storage"]
    left = (tws - soil - snow).values
    np.testing.assert_allclose(found.diff("time"), np.diff(left))
    packed = (soil / 0.01).round().astype("i2").assign_attrs(units="mm", scale_factor=0.01)
    with pytest.raises(UnitsError, match="'soil' holds packed integers"):
        xsm.groundwater_anomaly(tws, packed, snow)


@pytest.mark.parametrize("name", sorted(OWN_DIMS))
def test_dimensions_of_results_are_no_dimensions_of_space(name):
    with pytest.raises(GridError, match=rf"dimensions \['{name}'\].*ds\.rename\({name}="):
        check_dims([name, "x"])


def test_fit_and_score_refuse_such_a_dimension_before_any_work(land):
    odd = land.rename(latitude="row", longitude="source")
    with pytest.raises(GridError, match=r"\['row', 'source'\]"):
        xsm.fit(odd, "lstm", **FIT)
    with pytest.raises(GridError, match=r"\['row', 'source'\]"):
        xsm.score(odd, odd["swvl1"], baselines=False)


@pytest.mark.parametrize("name", sorted(OUTPUTS))
def test_a_target_is_not_named_as_what_lies_beside_it(land, name):
    with pytest.raises(UnknownNameError, match=rf"named '{name}'.*ds\.rename"):
        check_target(name)
    if name == "extrapolation":
        with pytest.raises(UnknownNameError, match=f"named '{name}'"):
            xsm.fit(land.rename(swvl1=name), "lstm", **FIT)


def test_two_grids_are_refused_as_by_the_water_balance(land):
    two = land.assign(swvl1=land["swvl1"].rename(latitude="lat", longitude="lon"))
    with pytest.raises(GridError, match=r"rename\(lat='latitude', lon='longitude'\)"):
        xsm.fit(two, "lstm", **FIT)


def test_fractions_without_units_are_told_by_verbs_of_the_soil(land):
    """GLDAS and GSDE give shares of sand and clay as fractions."""
    shares = (land[["sand", "clay"]] / 100).map(lambda a: a.drop_attrs())
    for verb in (xsm.texture_class, xsm.soil_parameters):
        with pytest.warns(UserWarning, match=r'ds\["sand"\]\.attrs\["units"\] = "1"'):
            verb(shares)
