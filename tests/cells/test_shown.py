"""A model that is shown several quantities: from a data set to an account, and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.cells.recipe import for_data
from xsm.exceptions import (
    GridError,
    MissingVariableError,
    NotEnoughDataError,
    UnknownNameError,
)

SMALL = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False, "valid": 0.4}
PIECE = {"sequence": 60, "warmup": 10, "batch_size": 8}


@pytest.fixture(scope="module")
def ds() -> xr.Dataset:
    whole = xsm.open_tutorial("land").isel(latitude=slice(0, 3), longitude=slice(20, 23))
    made = whole.isel(time=slice(0, 160))
    depths = {"swvl1": 70, "swvl2": 210, "swvl3": 720, "swvl4": 1890}
    water = sum(made[name] * mm for name, mm in depths.items())
    water = (water + 1000 * made["sd"]).astype(np.float32).assign_attrs(units="mm")
    return made.assign(terrestrial_water_storage=water)


def fit(ds: xr.Dataset, **options: object) -> xsm.FittedModel:
    return xsm.fit(ds, "water_budget", **{**SMALL, **PIECE, **options})


@pytest.fixture(scope="module")
def fitted(ds: xr.Dataset) -> xsm.FittedModel:
    return fit(ds)


def test_all_that_is_there_is_shown_and_the_card_says_so(fitted):
    roles = "soil_moisture, evaporation, runoff, snow_water_equivalent, terrestrial_water_storage"
    assert fitted.card["shown"] == roles
    assert fitted.recipe.plain[:3] == fitted.recipe.dynamic[:1] + fitted.recipe.plain[1:3]
    assert fitted.parameters["layers"] == (0.07, 0.28, 1.0, 2.89)
    names = set(fitted.history.data_vars)
    assert {"runoff", "terrestrial_water_storage", "precipitation_bias"} <= names


def test_the_answer_is_named_and_measured_as_the_data_are_and_its_account_closes(ds, fitted):
    found = fitted.predict(ds)
    assert {"swvl1", "swvl4", "tp", "e", "ro", "sd", "terrestrial_water_storage"} <= set(found)
    assert found["e"].attrs["units"] == "m"
    assert float(found["e"].max()) <= 0.0  # ERA5-Land's evaporation is negative
    assert found["tp"].attrs["standard_name"] == "lwe_thickness_of_precipitation_amount"  # m
    assert found["e"].attrs["standard_name"] == "lwe_thickness_of_water_evaporation_amount"
    assert "standard_name" not in found["ro"].attrs  # CF has none of amounts in m
    assert "use its anomalies" in found["terrestrial_water_storage"].attrs["comment"]
    assert found["groundwater_storage"].attrs["units"] == "mm"
    steps = xsm.consistency(ds, found, law="budget", dim=[])["residual"]
    assert int(steps.notnull().sum()) == 9 * (160 - 10 - 1)
    assert float(abs(steps).mean()) < 1e-4
    assert float(abs(steps).max()) < 1e-3


def test_the_account_is_in_canonical_units_where_the_data_have_none(ds, fitted):
    found = fitted.predict(ds.drop_vars(["e", "ro", "sd"]))
    assert found["evaporation"].attrs["units"] == "mm day-1"
    assert found["evaporation"].attrs["standard_name"] == "lwe_water_evaporation_rate"
    assert float(found["evaporation"].min()) >= 0.0


def test_all_quantities_are_forecast(ds, fitted):
    """With known weather they are those of the run through the record."""
    found = fitted.forecast(ds, init=ds["time"].values[[100, 120]], lead=4, weather="known")
    whole = fitted.predict(ds).drop_vars("lead")
    assert {"swvl1", "swvl4", "tp", "e", "ro", "sd", "groundwater_storage"} <= set(found)
    for name, values in found.items():
        if "init" in values.dims:
            wanted = whole[name].sel(time=found["valid_time"])
            np.testing.assert_allclose(
                values, wanted.transpose(*values.dims), rtol=1e-5, atol=1e-5, err_msg=str(name)
            )
    with pytest.raises(UnknownNameError, match="keeps an account of its weather"):
        fit(ds, cuts=7)


def test_chunks_and_states_change_nothing(ds, fitted, tmp_path):
    whole = fitted.predict(ds)
    lazy = fitted.predict(ds.chunk(time=37, latitude=2))
    assert lazy["e"].chunks is not None
    xr.testing.assert_allclose(lazy.compute(), whole, rtol=1e-6, atol=1e-4)
    fitted.save(tmp_path / "account.xsm")
    again = xsm.load(tmp_path / "account.xsm")
    xr.testing.assert_identical(again.predict(ds), whole)
    first, rest = ds.isel(time=slice(0, 90)), ds.isel(time=slice(90, None))
    on = again.predict(rest, state=again.state(first))
    xr.testing.assert_allclose(on, whole.isel(time=slice(90, None)), rtol=1e-6, atol=1e-4)


def test_streamed_data_train_the_same_kind_of_model(ds, monkeypatch):
    monkeypatch.setattr("xsm.cells.samples.fits", lambda features, limit: False)
    streamed = fit(ds.chunk(time=-1, latitude=1), valid=0)
    assert np.isfinite(streamed.history["total"].sel(part="training")).all()
    assert streamed.predict(ds)["e"].notnull().any()


def test_members_say_how_far_they_disagree(ds):
    found = fit(ds, members=2).predict(ds)
    assert found["e"].attrs["ancillary_variables"] == "e_std"
    assert found["e_std"].attrs == {
        "long_name": "standard deviation of e over members",
        "units": "m",
    }
    assert float(found["e_std"].min()) >= 0.0
    steps = xsm.consistency(ds, found, law="budget", dim=[])["residual"]
    assert float(abs(steps).max()) < 1e-3


def test_one_layer_is_shown_and_all_are_answered(ds):
    found = fit(ds, target=["soil_moisture", "e"], layered=False, layers=(0.07, 0.28, 1.0))
    assert found.card["shown"] == "soil_moisture, evaporation"
    made = found.predict(ds)
    assert "swvl2" not in made
    layers = made["soil_moisture_of_layers"]
    assert layers["soil_layer"].values.tolist() == ["0-0.07 m", "0.07-0.28 m", "0.28-1 m"]
    np.testing.assert_allclose(layers.isel(soil_layer=0), made["swvl1"], rtol=1e-6)


def test_a_flux_alone_can_be_shown(ds):
    found = fit(ds, target="evaporation")
    assert found.card["shown"] == "evaporation"
    made = found.predict(ds)
    assert next(iter(made.data_vars)) == "e"
    assert float(made["e"].max()) <= 0.0


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"target": ["swvl1", "t2m"]}, MissingVariableError, r"of which \['t2m'\] is nothing"),
        ({"target": []}, MissingVariableError, "or nothing is there"),
        ({"sequence": None, "warmup": 30}, UnknownNameError, "pass sequence=365"),
        ({"lead": 1}, NotEnoughDataError, "of the day of its weather. Pass lead=0"),
    ],
)
def test_what_cannot_be_is_refused(ds, options, error, text):
    with pytest.raises(error, match=text):
        fit(ds, **options)


def test_steps_that_are_no_days_are_refused(ds):
    other = ds.isel(time=slice(None, None, 2)).drop_vars("terrestrial_water_storage")
    with pytest.raises(GridError, match=r"steps of 2 days.*xsm\.daily\(ds\)"):
        fit(other, sequence=30)


def test_other_models_have_one_target(ds):
    with pytest.raises(UnknownNameError, match="one name is needed"):
        xsm.fit(ds, "lstm", target=["swvl1", "e"], **SMALL)


def test_observations_of_the_day_before_are_integrated(ds):
    known = {"data_integration": True, "known_forcing": True, "lead": 1, "latency": (1, 1)}
    fitted = fit(ds, **known)
    found = fitted.predict(ds)
    moved = found["soil_moisture_increment"]
    assert moved.attrs["units"] == "mm day-1"
    assert float(abs(moved).max()) > 0.0
    steps = xsm.consistency(ds, found, law="budget", dim=[])["residual"]
    assert float(abs(steps + moved).max()) < 1e-3
    first, rest = ds.isel(time=slice(0, 90)), ds.isel(time=slice(90, None))
    on = fitted.predict(rest, state=fitted.state(first))
    xr.testing.assert_allclose(on, found.isel(time=slice(90, None)), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize(
    ("dropped", "layers"),
    [((), (0.07, 0.28, 1.0, 2.89)), ((3, 4), (0.07, 0.28, 1.0)), ((1,), (0.1, 0.4, 1.0))],
)
def test_layers_are_those_of_the_data_and_reach_a_metre(ds, fitted, dropped, layers):
    table = xsm.variables(ds.drop_vars([f"swvl{k}" for k in dropped]))
    recipe = replace(fitted.recipe, target="evaporation", depths=(), layer=None)
    found = for_data(type(fitted.model), {}, table, recipe)
    assert found["layers"] == layers
    assert for_data(type(fitted.model), {"layers": [0.5]}, table, recipe)["layers"] == (0.5,)


def test_what_nothing_tells_is_told(ds, fitted):
    assert fitted.card["not identified"] == "levels of storages, which are compared as anomalies"
    shown = ["swvl1", "terrestrial_water_storage"]
    text = (
        r"does not identify how the water.*levels of storages.*levels of soil moisture below 0.07"
    )
    with pytest.warns(UserWarning, match=text):
        found = fit(ds, target=shown, layered=False)
    assert "budyko" in found.history
    with pytest.warns(UserWarning, match="how the water that leaves divides.*members=5"):
        fit(ds, target="swvl1")
    assert "levels of soil moisture" in fit(ds, target="evaporation").card["not identified"]


def test_the_card_says_what_potential_evaporation_is_made_of(ds, fitted):
    said = (
        "Priestley and Taylor 1972, albedo 0.23, of shortwave_down, longwave_down, air_temperature"
    )
    assert fitted.card["potential evaporation"].startswith(said)
    bare = ds.drop_vars(["strd", "ssrd"])
    with pytest.raises(
        MissingVariableError, match=r"potential_evaporation: not found.*made of net_"
    ):
        fit(bare)
    given = bare.assign(pet=(abs(ds["t2m"] - 270) / 5).assign_attrs(units="mm day-1"))
    own = {"potential_evaporation": "pet"}
    assert "potential evaporation" not in fit(given, variables=own).card


def test_extremes_of_temperature_are_enough_weather(ds):
    """Rain, the least and the greatest temperature of the day: what most stations measure."""
    spread = 5.0
    extremes = {"tmax": ds["t2m"] + spread, "tmin": ds["t2m"] - spread}
    extremes = {name: array.assign_attrs(units="K") for name, array in extremes.items()}
    bare = ds.drop_vars(["strd", "ssrd", "t2m", "d2m", "sp", "u10", "v10"], errors="ignore")
    bare = bare.assign(extremes)
    found = fit(bare)
    assert found.card["potential evaporation"].startswith("Hargreaves and Samani 1985")
    assert found.card["air temperature"].startswith("mean of the extremes of the day")
    assert found.recipe.dynamic == ("precipitation", "air_temperature", "potential_evaporation")
    steps = xsm.consistency(bare, found.predict(bare), law="budget", dim=[])["residual"]
    assert float(abs(steps).max()) < 1e-3


def test_water_from_outside_is_named_and_the_account_closes_with_it(ds):
    with pytest.warns(UserWarning, match="does not identify"):
        found = fit(ds, target="swvl1", outside=True)
    made = found.predict(ds)
    beyond = made["water_from_outside"]
    assert beyond.attrs["units"] == "mm day-1"
    assert float(abs(beyond).max()) > 0.0
    left = xsm.consistency(ds, made, law="budget", dim=[])["residual"]
    assert float(abs(left + beyond).max()) < 1e-3
    assert "0.3 water_from_outside" in found.card["losses"]


def test_pores_of_the_data_are_those_of_the_account(ds):
    soil = xsm.soil_parameters(ds, method="texture_class")[["theta_s"]]
    known = ds.merge(soil)
    found = fit(known)
    assert found.recipe.pores == (0.07, 0.28, 1.0, 2.89)
    assert found.recipe.static[-1] == "pores_4"
    assert found.parameters["pores"] == tuple(range(len(found.recipe.static)))[-4:]
    most = found.predict(known)["swvl1"].max("time")
    assert bool((most <= soil["theta_s"] + 1e-5).all())
    assert fit(known, pores=()).recipe.pores == ()
    with pytest.raises(MissingVariableError, match="theta_s: not found"):
        found.predict(ds)
    assert "share" in xsm.audit(found, known)
    horizons = soil["theta_s"].expand_dims(horizon=2).assign_attrs(units="m3 m-3")
    with pytest.warns(UserWarning, match=r"pores of the soil are learnt.*layer_edges_m"):
        assert fit(ds.assign(theta_s=horizons)).recipe.pores == ()
