"""Verbs doubt what they use: codes and impossible columns stop them, the rest is warned of once."""

import warnings

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.data.doubt.worlds import broken, grid, station, typed
from xsm.exceptions import UnitsError

QUICK = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}


def raised(call) -> str:
    with pytest.raises(UnitsError, match="Values cannot be right") as error:
        call()
    return str(error.value)


def told(call) -> list[str]:
    """Return the warnings of a call."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        call()
    return [str(w.message) for w in seen]


def lines(text: str) -> list[str]:
    """Return what a message proposes to type."""
    return [part.partition(". Only")[0] for part in text.split("Type ")[1:]]


VERBS = {
    "fit": lambda ds: ds.physm.fit("lstm", data_integration=True, **QUICK),
    "score": lambda ds: ds.physm.score(ds["SWC_F_MDS_1"].shift(time=1), baselines=False),
    "consistency": lambda ds: ds.physm.consistency(terms=["precipitation"]),
    "water_balance": lambda ds: ds.physm.water_balance(terms=["precipitation"]),
    "monthly": xsm.monthly,
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("chunks", [None, {"time": 300}])
def test_codes_stop_each_verb_and_what_it_says_lets_it_run(verb, chunks):
    """FLUXNET2015 read from csv without na_values: soil moisture of -99.99 m3 m-3 was scored."""
    ds = broken(broken(station(), "SWC_F_MDS_1", -9999.0), "P_F", -9999.0, where=10)
    call = VERBS[verb]
    data = ds if chunks is None else ds.chunk(chunks)
    said = raised(lambda: call(data))
    mended = data
    for line in lines(said):
        mended = typed(mended, line)
    found = call(mended)
    if isinstance(found, xr.Dataset):
        assert found.compute().sizes


def test_all_that_stops_is_in_one_error():
    ds = broken(broken(station(), "SWC_F_MDS_1", -9999.0), "P_F", -9999.0, where=10)
    ds = ds.rename(TA_F="tair")
    ds["tair"].attrs["units"] = "K"
    said = raised(lambda: VERBS["fit"](ds))
    assert [role in said for role in ("precipitation:", "air_temperature:", "soil_moisture:")] == [
        True
    ] * 3


def test_codes_of_a_variable_that_is_not_used_stop_nothing():
    ds = broken(station(), "LW_IN_F", -9999.0)
    assert ds.physm.fit("lstm", dynamic=["precipitation"], **QUICK).recipe.dynamic


def test_predictions_refuse_codes_in_memory_and_lazily():
    fitted = VERBS["fit"](station())
    ds = broken(station(), "TA_F", -9999.0)
    for data in (ds, ds.chunk(time=300)):
        raised(lambda data=data: data.physm.predict(fitted))


def test_daily_refuses_to_average_codes():
    hours = xr.date_range("2020-01-01T01:00", periods=240, freq="h")
    warm = 10 + np.sin(np.arange(240) / 4)
    warm[30:40] = -9999
    ds = xr.Dataset({"TA": ("time", warm, {"units": "degC"})}, {"time": hours})
    said = raised(lambda: xsm.daily(ds))
    assert "10 of 240 values of 'TA' are -9999" in said
    mended = typed(ds, lines(said)[0])
    assert float(xsm.daily(mended)["TA"].min()) > 8


def test_downscaling_refuses_codes_of_field_and_truth():
    axes = {
        "time": xr.date_range("2020", periods=12, freq="MS"),
        "lat": [5.0, 15.0, 25.0],
        "lon": [5.0, 15.0],
    }
    gws = xr.DataArray(np.random.default_rng(0).normal(size=(12, 3, 2)), axes, name="gws")
    ds = gws.assign_attrs(units="cm").to_dataset()
    assert xsm.downscale(ds, 2, model="bilinear")["gws"].sizes["lat"] == 6
    ds["gws"][2:4, 0, 0] = -99999.0  # the fill value of JPL's mascons
    assert 'ds["gws"] > -90000' in raised(lambda: xsm.downscale(ds, 2, model="bilinear"))


@pytest.mark.parametrize("verb", ["richards_residual", "consistency"])
def test_codes_in_a_profile_stop_its_law(verb, small_profile):
    ds = small_profile.isel(latitude=slice(0, 1), longitude=slice(0, 2))
    ds["theta"][30, 2] = -9999.0
    law = {"law": "richards"} if verb == "consistency" else {}
    assert "of 'theta' are -9999" in raised(lambda: getattr(xsm, verb)(ds, **law))


def test_the_rest_is_warned_of_once_a_call():
    ds = broken(station(), "SWC_F_MDS_1", -8.0, where=slice(5, 8))
    for call in (VERBS["consistency"], VERBS["water_balance"], VERBS["score"]):
        (said,) = told(lambda call=call: call(ds))
        assert "3 of 900 values of 'SWC_F_MDS_1' lie outside of the range" in said
        assert not told(
            lambda call=call, said=said: call(
                typed(ds, said.partition("Type ")[2].partition(". If")[0])
            )
        )


def test_a_fit_warns_of_inputs_that_do_not_vary():
    ds = broken(station(), "WS_F", 2.0, where=slice(None))
    (said,) = told(lambda: VERBS["fit"](ds))
    assert "wind_speed: all 900 values of 'WS_F' that were looked at are 2 m s-1" in said
    assert not told(lambda: VERBS["water_balance"](ds))


@pytest.mark.parametrize("chunks", [None, {"time": 1}, {"time": -1, "latitude": 2}])
def test_a_wrong_sign_is_told_of_lazy_data_as_of_data_in_memory(chunks):
    """ARCO-ERA5 keeps ECMWF's sign; a copy with the sign of CMIP under the same name does not."""
    ds = grid()
    terms = {"terms": ["precipitation", "evaporation"]}
    data = ds if chunks is None else ds.chunk(chunks)
    right = xsm.water_balance(data, **terms)["inflow"].mean()
    turned = data.assign(total_evaporation=(-data["total_evaporation"]).assign_attrs(units="m"))
    (said,) = told(lambda: xsm.water_balance(turned, **terms))
    assert "100% of the values of 'total_evaporation' are negative where upward + is meant" in said
    line = said.partition("say so: ")[2].partition(";")[0]
    mended = typed(turned, line)
    assert not told(lambda: xsm.water_balance(mended, **terms))
    found = xsm.water_balance(mended, **terms)["inflow"].mean()
    assert float(found) == pytest.approx(float(right), rel=1e-5)


def test_lazy_sums_since_00_utc_that_are_stated_to_be_steps_are_told():
    hours = xr.date_range("2020-01-01T01:00", periods=24 * 20, freq="h")
    rain = np.tile(np.arange(1, 25) * 1e-4, 20)[:, None] * np.ones(3)
    tp = (("time", "cell"), rain, {"units": "m", "accumulation": "step"})
    soil = (("time", "cell"), 0.3 + 0 * rain, {"units": "m3 m-3"})
    ds = xr.Dataset({"tp": tp, "swvl1": soil}, {"time": hours}).chunk(time=48)
    (said,) = told(lambda: xsm.water_balance(ds, terms=["precipitation"]))
    assert "grows through each UTC day and falls after 00 UTC" in said
    mended = xsm.daily(typed(ds, said.partition("Type ")[2].partition(". For")[0]))
    assert float(mended["tp"].mean()) == pytest.approx(24e-4)


RIGHT = {
    "dew": ("et", "mm day-1", lambda x: 2 * x - 0.4),
    "nights": ("SW_IN_F", "W m-2", lambda x: 400 * np.maximum(x, 0) - 0.5),
    "no snow": ("swe", "mm", lambda x: 0 * x),
    "polar cold": ("TA_F", "degC", lambda x: 30 * x - 55),
    "frozen ground": ("SWC_F_MDS_1", "%", lambda x: np.where(x < 0, 0.0, 30 * x)),
    "storage below its mean": ("tws", "cm", lambda x: 40 * x - 20),
    "packing": ("P_F", "mm day-1", lambda x: np.maximum(30 * x, -0.01)),
    "mountains": ("PA_F", "hPa", lambda x: 500 + 5 * x),
    "saturated air": ("RH", "%", lambda x: 100 + 3 * x),
}


@pytest.mark.parametrize("what", RIGHT)
def test_what_is_right_is_not_doubted(what):
    name, units, values = RIGHT[what]
    ds = station().drop_vars(name, errors="ignore")
    ds[name] = ("time", values(np.sin(np.arange(900) / 58)), {"units": units})
    assert not xsm.check(ds)


def test_masked_sea_and_constant_maps_are_right():
    ds = grid().chunk(time=20, latitude=2, longitude=2)
    sea = xr.DataArray(np.arange(8) < 5, dims="latitude")
    ds = ds.where(~sea)
    ds["elevation"] = xr.zeros_like(ds["2m_temperature"][0], dtype="f4").assign_attrs(units="m")
    found = xsm.check(ds)
    assert not found
    assert not [f for f in found if f.kind == "missing"]
