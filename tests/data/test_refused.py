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
    """Local time of stations, as pandas reads "2020-01-01T00:00+09:00"."""
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
    with pytest.raises(UnitsError, match=r"what was made of them.*delete both attributes"):
        check_numbers(packed.mean("x", keep_attrs=True), "swvl1")


def test_a_scale_of_one_packs_nothing():
    """rioxarray's open_rasterio gives bands of uint8 scale_factor 1.0 and add_offset 0.0."""
    attrs = {"scale_factor": 1.0, "add_offset": 0.0, "grid_mapping": "spatial_ref"}
    check_numbers(xr.DataArray(np.array([1, 2], "u1"), dims="x", attrs=attrs), "band")


def packed(array):
    """Return an array as a file holds it that was opened with mask_and_scale=False."""
    return (array / 1e-4).round().astype("i4").assign_attrs(array.attrs | {"scale_factor": 1e-4})


HOSTILE = {
    "packed": packed,
    "the mean of packed": lambda a: packed(a).astype("f4"),
    **{
        kind: lambda a, change=change: a.copy(data=change(a.values)) for kind, change in BAD.items()
    },
}
TWO = {"latitude": [44.1, 44.0], "longitude": [14.5, 14.6]}


@pytest.fixture(scope="module")
def made(land):
    """Return data and prediction of a model with a spread, and a network that carries a state."""
    fitted = xsm.fit(land, "lstm", head="gaussian", **FIT)
    runs = xsm.fit(land, "lstm", sequence=20, warmup=5, scaling="global", **FIT)
    return {
        "land": land,
        "prediction": fitted.predict(land),
        "fitted": fitted,
        "runs": runs,
        "state": runs.state(land.isel(time=slice(0, 40))),
    }


ENTRANCES = {  # what is made hostile, the variable, the verb
    "monthly": ("land", "tp", lambda m, x: xsm.monthly(x)),
    "regrid": ("land", "swvl1", lambda m, x: xsm.regrid(x, xr.Dataset(coords=TWO))),
    "to_depths": ("land", "swvl1", lambda m, x: xsm.to_depths(x, [(0, 0.1)])),
    "water_balance": ("land", "tp", lambda m, x: xsm.water_balance(x)),
    "predict": ("land", "t2m", lambda m, x: m["fitted"].predict(x)),
    "calibrate": ("land", "swvl1", lambda m, x: m["fitted"].calibrate(x)),
    "score": ("prediction", "swvl1", lambda m, x: xsm.score(m["land"], x)),
    "consistency": ("prediction", "swvl1", lambda m, x: xsm.consistency(m["land"], x)),
    "reliability": ("prediction", "swvl1_std", lambda m, x: xsm.reliability(m["land"], x)),
    "intervals": ("prediction", "swvl1_std", lambda m, x: xsm.intervals(x)),
    "intervals of": ("prediction", "swvl1", lambda m, x: xsm.intervals(x)),
    "texture_class": ("land", "sand", lambda m, x: xsm.texture_class(x)),
    "soil_parameters": ("land", "clay", lambda m, x: xsm.soil_parameters(x)),
    "state": (
        "state",
        "network",
        lambda m, x: m["runs"].predict(m["land"].isel(time=slice(40, None)), state=x),
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("entrance", ENTRANCES)
def test_what_is_no_number_enters_by_no_door(made, entrance, kind):
    given, name, verb = ENTRANCES[entrance]
    bad = made[given].assign({name: HOSTILE[kind](made[given][name])})
    with pytest.raises(UnitsError, match=rf"'{name}' holds .*(decode_cf|real numbers are needed)"):
        verb(made, bad)


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
    with pytest.raises(
        GridError, match=rf"\['{name}'\], which are names of dimensions of .*\({name}="
    ):
        check_dims([name, "x"])


def test_fit_and_score_refuse_such_a_dimension_before_any_work(land):
    odd = land.rename(latitude="trend", longitude="source")
    with pytest.raises(GridError, match=r"\['source', 'trend'\]"):
        xsm.fit(odd, "lstm", **FIT)
    with pytest.raises(GridError, match=r"\['source', 'trend'\]"):
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


SOIL = {
    "texture_class": xsm.texture_class,
    "rosetta": xsm.soil_parameters,
    "of the class": lambda ds: xsm.soil_parameters(ds, method="texture_class"),
    "fit": lambda ds: xsm.fit(ds, "lstm", static=["sand", "clay"], **FIT),
    "lazy": lambda ds: xsm.texture_class(ds.chunk()),
}


@pytest.mark.parametrize("verb", SOIL)
@pytest.mark.parametrize("units", [None, "%"])
def test_fractions_that_are_taken_for_percent_are_refused(land, units, verb):
    attrs = {} if units is None else {"units": units}
    shares = {n: (land[n] / 100).drop_attrs().assign_attrs(attrs) for n in ("sand", "clay")}
    with pytest.raises(UnitsError, match=r'ds\["sand"\]\.attrs\["units"\] = "1"') as told:
        SOIL[verb](land.drop_vars("silt", errors="ignore").assign(shares))
    assert 'ds["clay"].attrs["units"] = "1"' in str(told.value)


def test_percent_that_is_taken_for_fractions_is_refused(land):
    shares = {n: land[n].assign_attrs(units="1") for n in ("sand", "clay")}
    with pytest.raises(UnitsError, match=r'ds\["clay"\]\.attrs\["units"\] = "%"'):
        xsm.texture_class(land.assign(shares))


def test_one_share_of_the_others_is_refused_where_no_sum_tells():
    """Half of a station's shares given as fractions: silt would be what they leave of 100 %."""
    shares = xr.Dataset({"sand": ("x", [0.4, 0.5], {"units": "%"}), "clay": ("x", [20.0, 30.0])})
    shares["clay"].attrs["units"] = "%"
    with pytest.raises(UnitsError, match=r'ds\["sand"\]\.attrs\["units"\] = "1"'):
        xsm.texture_class(shares)
    said = shares.assign(sand=shares["sand"].assign_attrs(valid_min=0.4, valid_max=0.5))
    assert xsm.texture_class(said).notnull().all()  # a soil without sand, as its user says


def test_a_soil_that_has_hardly_any_clay_is_taken_by_its_sum():
    """A dune: 97.5 % sand, 2 % silt and 0.5 % clay."""
    percent = {"sand": [97.5, 97.4], "silt": [2.0, 2.0], "clay": [0.5, 0.6]}
    dune = xr.Dataset({n: ("x", v, {"units": "%"}) for n, v in percent.items()})
    with pytest.warns(UserWarning, match="'clay' holds"):
        assert xsm.texture_class(dune).values.tolist() == [1, 1]
