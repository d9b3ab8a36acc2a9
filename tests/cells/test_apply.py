"""A fitted model remembers roles: data of other products, and of stations, go in by role."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.exceptions import MissingVariableError

QUICK = {"window": 4, "epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}
DAY = 86400.0

ERA5_LAND = {"P": ("tp", 1e-3, "m"), "T": ("t2m", 1, "K"), "S": ("ssrd", DAY, "J m-2")}
CMIP6 = {"P": ("pr", 1 / DAY, "kg m-2 s-1"), "T": ("tas", 1, "K"), "S": ("rsds", 1, "W m-2")}
GLDAS = {
    "P": ("Rainf_f_tavg", 1 / DAY, "kg m-2 s-1"),
    "T": ("Tair_f_inst", 1, "K"),
    "S": ("SWdown_f_tavg", 1, "W m-2"),
}
# Columns of FLUXNET2015, FULLSET daily (fluxnet.org, "FULLSET data product"): precipitation mm d-1,
# temperature degC, incoming shortwave W m-2.
FLUXNET = {"P": ("P_F", 1, "mm day-1"), "T": ("TA_F_MDS", 1, "K"), "S": ("SW_IN_F", 1, "W m-2")}
# GHCN-Daily has PRCP in mm and TAVG in degC (NCEI, GHCND readme); solar radiation as NLDAS's DSWRF.
GHCN = {"P": ("PRCP", 1, "mm day-1"), "T": ("TAVG", 1, "K"), "S": ("DSWRF", 1, "W m-2")}


def weather(names, soil=None, days=90):
    """Return the same weather of two stations under some names and units."""
    rng = np.random.default_rng(3)
    true = {"P": rng.gamma(0.4, 8.0, (days, 2)), "T": 280 + 9 * rng.random((days, 2))}
    true["S"] = 50 + 250 * rng.random((days, 2))
    level = 0.2 + 0.1 * np.sin(np.arange(days) / 9)[:, None] + 0.02 * rng.random((days, 2))
    ds = xr.Dataset(coords={"time": pd.date_range("2020", periods=days), "station": ["a", "b"]})
    for key, (name, factor, units) in names.items():
        ds[name] = ("time", "station"), true[key] * factor, {"units": units}
    if soil is not None:
        name, factor, units = soil
        ds[name] = ("time", "station"), level * factor, {"units": units}
    return ds


@pytest.fixture(scope="module")
def fitted():
    return weather(ERA5_LAND, ("swvl1", 1, "m3 m-3")).physm.fit("lstm", **QUICK)


@pytest.fixture(scope="module")
def answer(fitted):
    return fitted.predict(weather(ERA5_LAND))


@pytest.mark.parametrize("names", [CMIP6, GLDAS])
def test_other_products_go_in_by_role(fitted, answer, names):
    found = weather(names).physm.predict(fitted)
    assert list(found.data_vars) == list(answer.data_vars)  # no target here: named as in fit
    np.testing.assert_allclose(found["swvl1"], answer["swvl1"], rtol=1e-5)


@pytest.mark.parametrize("names", [FLUXNET, GHCN])
def test_names_that_are_not_known_are_told_in_the_call(fitted, answer, names):
    ds = weather(names).rename({names["T"][0]: "temp_of_mine", names["P"][0]: "rain_of_mine"})
    with pytest.raises(MissingVariableError, match="precipitation: not found") as told:
        ds.physm.predict(fitted)
    assert "air_temperature: not found" in str(told.value)
    assert "named in this call, variables={...}" in str(told.value)
    assert 'Type variables={"precipitation": "<its name>"}' in str(told.value)
    stated = {"precipitation": "rain_of_mine", "air_temperature": "temp_of_mine"}
    if names is FLUXNET:
        stated["shortwave_down"] = "SW_IN_F"
    found = ds.physm.predict(fitted, variables=stated)
    np.testing.assert_allclose(found["swvl1"], answer["swvl1"], rtol=1e-5)
    assert ds.physm.plan(fitted, variables=stated).windows == found["swvl1"].size
    array = ds["rain_of_mine"].physm
    same = array.predict(fitted, forcing=ds.drop_vars("rain_of_mine"), variables=stated)
    xr.testing.assert_identical(same, found)


def test_what_was_stated_in_fit_counts_only_where_the_names_are(answer):
    own = {"P": ("regen", 1, "mm day-1"), "T": ("temp", 1, "K"), "S": ("strahlung", 1, "W m-2")}
    stated = {"precipitation": "regen", "air_temperature": "temp", "shortwave_down": "strahlung"}
    soil = {"soil_moisture": "bodenfeuchte"}
    ds = weather(own, ("bodenfeuchte", 100, "%"))
    fitted = ds.physm.fit("lstm", variables=stated | soil, **QUICK)
    mine = fitted.predict(ds)
    assert mine["bodenfeuchte"].attrs["units"] == "%"
    known = fitted.predict(weather(ERA5_LAND, ("swvl1", 1, "m3 m-3")))
    assert known["swvl1"].attrs["units"] == "m3 m-3"
    np.testing.assert_allclose(known["swvl1"] * 100, mine["bodenfeuchte"], rtol=1e-5)
    half = ds.rename(regen="pluie")
    with pytest.raises(MissingVariableError, match=r"In fit these were \{'precipitation': 'regen'"):
        fitted.predict(half)
    again = fitted.predict(half, variables={"precipitation": "pluie"})
    np.testing.assert_array_equal(again["bodenfeuchte"], mine["bodenfeuchte"])


def test_a_name_of_fit_that_is_stated_for_another_role_is_free_again(fitted):
    ds = weather(ERA5_LAND, ("swvl1", 1, "m3 m-3"))
    swapped = ds.rename(tp="t2m", t2m="tp")
    told = {"precipitation": "tp", "air_temperature": "t2m"}
    own = ds.physm.fit("lstm", variables=told, **QUICK)
    stated = {"precipitation": "t2m", "air_temperature": "tp"}
    found = own.predict(swapped, variables=stated)
    np.testing.assert_array_equal(found["swvl1"], own.predict(ds)["swvl1"])


def test_inputs_without_a_role_keep_their_names():
    ds = weather(ERA5_LAND, ("swvl1", 1, "m3 m-3"))
    ds["my_index"] = ds["tp"].copy(data=np.random.default_rng(0).random(ds["tp"].shape))
    ds["my_index"].attrs = {"units": "1"}
    fitted = ds.physm.fit("lstm", dynamic=["precipitation", "my_index"], **QUICK)
    other = weather(CMIP6).assign(my_index=ds["my_index"])
    np.testing.assert_allclose(
        fitted.predict(other)["swvl1"], fitted.predict(ds)["swvl1"], rtol=1e-5
    )
    with pytest.raises(MissingVariableError, match="'my_index' had no role in fit") as told:
        fitted.predict(other.rename(my_index="theirs", pr="water"))
    assert "precipitation: not found" in str(told.value)  # all in one error
    typed = "ds = ds.rename({\"<its name>\": 'my_index'})"
    assert typed in str(told.value)


@pytest.mark.parametrize(
    ("soil", "unit"), [(("mrsos", 70.0, "kg m-2"), "kg m-2"), (("SM_of_mine", 100, "%"), "%")]
)
def test_a_prediction_has_the_name_and_the_units_of_the_data_at_hand(fitted, answer, soil, unit):
    ds = weather(CMIP6, soil)
    if soil[0] == "mrsos":
        ds["mrsos"].attrs |= {"layer_edges_m": [0.0, 0.07]}  # the layer that was trained on
    stated = {"soil_moisture": soil[0]}
    found = ds.physm.predict(fitted, variables=stated)
    assert found[soil[0]].attrs["units"] == unit
    np.testing.assert_allclose(found[soil[0]] / soil[1], answer["swvl1"], rtol=1e-5)
    scores = fitted.score(ds, variables=stated)
    same = fitted.score(weather(ERA5_LAND, ("swvl1", 1, "m3 m-3")))
    np.testing.assert_allclose(scores["rmse"], same["rmse"], rtol=1e-4, atol=1e-9)


@pytest.mark.filterwarnings("ignore:Weights and permutation importance:UserWarning")
def test_spreads_and_experts_take_names_too():
    stated = {"precipitation": "rain"}
    ds = weather(ERA5_LAND, ("swvl1", 1, "m3 m-3"), days=200)
    other = ds.rename(tp="rain")
    fitted = ds.physm.fit("lstm", head="gaussian", **QUICK)
    with pytest.raises(MissingVariableError, match="precipitation: not found"):
        fitted.calibrate(other)
    one, two = fitted.calibrate(ds), fitted.calibrate(other, variables=stated)
    xr.testing.assert_identical(one.calibration, two.calibration)
    groups = {"water": ["precipitation"], "heat": ["air_temperature", "shortwave_down"]}
    quick = {k: v for k, v in QUICK.items() if k != "hidden_size"}
    mixture = ds.physm.fit("ismoe", groups=groups, **quick)
    for verb in (mixture.experts, mixture.importance):
        xr.testing.assert_allclose(verb(other, variables=stated), verb(ds))


def test_a_saved_model_keeps_what_was_stated(tmp_path):
    ds = weather({**ERA5_LAND, "P": ("regen", 1, "mm day-1")}, ("swvl1", 1, "m3 m-3"))
    fitted = ds.physm.fit("lstm", variables={"precipitation": "regen"}, **QUICK)
    fitted.save(tmp_path / "soil.xsm")
    loaded = xsm.load(tmp_path / "soil.xsm")
    assert json.dumps(dict(loaded.recipe.variables)) == '{"precipitation": "regen"}'
    xr.testing.assert_identical(loaded.predict(weather(CMIP6)), fitted.predict(weather(CMIP6)))


FAULTY = {
    "packed": lambda soil: (soil * 1e4).astype("i2").assign_attrs(soil.attrs, scale_factor=1e-4),
    "along more": lambda soil: soil.expand_dims(quantity=3),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_a_faulty_target_is_told_where_the_prediction_has_the_names_of_training(fitted, fault):
    ds = weather(GLDAS, ("SoilMoi0_10cm_inst", 1, "m3 m-3"))
    ds["SoilMoi0_10cm_inst"] = FAULTY[fault](ds["SoilMoi0_10cm_inst"])
    said = r"hold the target, but it cannot be used.*units of training, 'swvl1' in 'm3 m-3'"
    with pytest.warns(UserWarning, match=said):
        found = fitted.predict(ds)
    assert next(iter(found.data_vars)) == "swvl1"
