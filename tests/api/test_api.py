"""The verbs, from a data set to a forecast and back, as a user calls them."""

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.data.units import quantify
from xsm.exceptions import (
    GridError,
    MissingVariableError,
    NotEnoughDataError,
    TrainingError,
    UnitsError,
    UnknownNameError,
)
from xsm.losses import RMSE, WaterBalance

QUICK = {"epochs": 1, "iterations": 3, "hidden_size": 4, "progress": False}
TRAIN = slice("2018", "2019")


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    whole = xsm.open_tutorial("land")
    wet = whole["swvl1"].notnull().all("time")
    rows = wet.all("longitude") if bool(wet.all("longitude").any()) else wet.sum("longitude") > 4
    at = int(np.flatnonzero(rows.values)[0])
    part = whole.isel(latitude=slice(at, at + 3))
    land = np.flatnonzero(part["swvl1"].notnull().all(["time", "latitude"]).values)
    return part.isel(longitude=land[:4]).load()


@pytest.fixture(scope="module")
def fitted(world) -> xsm.FittedModel:
    return world.sel(time=TRAIN).physm.fit("lstm", **QUICK)


def test_default_inputs_hold_no_answer(fitted):
    given = set(fitted.recipe.dynamic) | set(fitted.recipe.static)
    assert {"precipitation", "air_temperature"} <= given
    answers = {"soil_moisture", "evaporation", "surface_runoff", "runoff", "snow_water_equivalent"}
    assert not given & answers


@pytest.mark.parametrize("model", ["lstm", "phy_lstm", "phys_lstm"])
def test_each_model_fits_predicts_scores_and_audits(world, model):
    fitted = world.sel(time=TRAIN).physm.fit(model, **QUICK)
    forecast = world.sel(time="2020").physm.predict(fitted)
    table = world.physm.score(forecast, baselines=fitted)
    sources = ["model", "persistence", "damped_persistence", "climatology"]
    assert table["source"].values.tolist() == sources
    assert set(table.data_vars) >= {"r", "rmse", "r2", "kge", "ubrmse", "bias", "mae"}
    audit = world.physm.consistency(forecast)
    assert audit["trend"].values.tolist() == ["change", "level"]
    np.testing.assert_allclose(
        audit["excess"], audit["consistency"] - audit["observed_consistency"]
    )
    assert set(fitted.history.data_vars) == {"total", "rmse"} | (
        set()
        if model == "lstm"
        else {"water_balance_deep" if model == "phys_lstm" else "water_balance"}
    )


def test_the_observations_score_one_filtered_and_their_own_rate_unfiltered(world):
    for deep in (False, True):
        audit = world.physm.consistency(deep=deep)
        assert (audit["consistency_filtered"] == 1).all()
        xr.testing.assert_equal(
            audit["consistency"], audit["observed_consistency"].rename("consistency")
        )
        assert (audit["excess"] == 0).all()


def test_consistency_is_equation_19_by_hand(world):
    cell = world.isel(latitude=0, longitude=0)
    forecast = cell["swvl1"] + 0.01 * np.sin(np.arange(world.sizes["time"]))
    forecast = forecast.assign_attrs(units="m3 m-3").rename("swvl1")
    audit = cell.physm.consistency(forecast, terms=["precipitation"], trend="level")
    rain, soil = cell["tp"].values, cell["swvl1"].values
    product = np.sign(rain[1:]) * (soil[:-1] - forecast.values[1:])
    used = product != 0
    assert float(audit["consistency"]) == pytest.approx((product[used] < 0).mean(), abs=2e-3)
    assert int(audit["count"]) == used.sum()


def test_fit_and_predict_do_not_change_the_data(world):
    before = world.copy(deep=True)
    fitted = world.sel(time=TRAIN).physm.fit("lstm", **QUICK)
    world.physm.predict(fitted)
    xr.testing.assert_identical(world, before)


def test_prediction_has_the_users_name_units_order_and_coordinates(world, fitted):
    percent = world.transpose("longitude", "time", "latitude")
    percent["swvl1"] = (100 * percent["swvl1"]).assign_attrs(world["swvl1"].attrs | {"units": "%"})
    found = percent.physm.predict(fitted)
    same = world.physm.predict(fitted)
    assert found["swvl1"].dims == ("longitude", "time", "latitude")
    assert found["swvl1"].attrs["units"] == "%"
    np.testing.assert_allclose(
        found["swvl1"].transpose(*same["swvl1"].dims), 100 * same["swvl1"], rtol=1e-5
    )
    for name in ("latitude", "longitude"):
        xr.testing.assert_identical(found[name].drop_vars(["lead", "depth"]), world[name])
    assert found["swvl1"].attrs["ancillary_variables"] == "extrapolation trained_cell"


def test_the_last_prediction_lies_one_step_beyond_the_data(world, fitted):
    found = world.physm.predict(fitted)
    assert found.sizes["time"] == world.sizes["time"] - 7 + 1
    assert found["time"].values[-1] == world["time"].values[-1] + np.timedelta64(1, "D")


def test_no_target_is_needed_to_predict(world, fitted):
    bare = world.drop_vars(["swvl1", "swvl2", "swvl3", "swvl4"])
    xr.testing.assert_equal(
        bare.physm.predict(fitted)["swvl1"], world.physm.predict(fitted)["swvl1"]
    )


@pytest.mark.parametrize("settings", [{}, {"data_integration": True, "known_forcing": True}])
def test_lazy_equals_eager_and_nothing_computes(world, no_compute, settings):
    fitted = world.sel(time=TRAIN).physm.fit("lstm", **settings, **QUICK)
    eager = world.physm.predict(fitted)
    lazy = world.chunk(time=100, latitude=2, longitude=3)
    with no_compute():
        forecast = lazy.physm.predict(fitted)
        audit = lazy.physm.consistency(forecast)
        table = lazy.physm.score(forecast, baselines=fitted)
    for found in (forecast["swvl1"], audit["consistency"], table["rmse"]):
        assert isinstance(found.data, da.Array)
    with dask.config.set(scheduler="threads"):
        xr.testing.assert_allclose(forecast.compute(), eager, atol=1e-6, rtol=0)
        xr.testing.assert_allclose(audit.compute(), world.physm.consistency(eager), atol=1e-6)
        xr.testing.assert_allclose(
            table.compute(), world.physm.score(eager, baselines=fitted), atol=1e-5
        )


def test_a_lazy_data_set_trains_to_the_same_model(world, fitted):
    other = world.chunk(time=100, latitude=1).sel(time=TRAIN).physm.fit("lstm", **QUICK)
    xr.testing.assert_allclose(other.scaling, fitted.scaling, rtol=1e-12)
    for name, weight in fitted.model.state_dict().items():
        # sums over cells in another order of memory differ in the last digit
        np.testing.assert_allclose(weight, other.model.state_dict()[name], atol=1e-6)


def test_descending_latitude_and_order_of_cells_do_not_matter(world, fitted):
    turned = world.sortby("latitude").isel(longitude=slice(None, None, -1))
    found = turned.physm.predict(fitted)["swvl1"]
    same = world.physm.predict(fitted)["swvl1"]
    xr.testing.assert_allclose(found.sel(same.drop_vars(["lead", "depth"]).coords), same, atol=1e-7)


def test_stations_and_a_single_series(world):
    stations = world.stack(station=("latitude", "longitude")).reset_index("station")
    stations = stations.transpose("station", ...)
    fitted = stations.sel(time=TRAIN).physm.fit("phy_lstm", **QUICK)
    found = stations.physm.predict(fitted)["swvl1"]
    assert found.dims == ("station", "time")
    assert found.notnull().all()
    stacked = world.stack(cell=("latitude", "longitude"))
    several = stacked.physm.predict(stacked.sel(time=TRAIN).physm.fit("phy_lstm", **QUICK))
    np.testing.assert_allclose(
        several["swvl1"].transpose("cell", "time"), found.transpose("station", "time"), atol=1e-5
    )
    series = world.isel(latitude=1, longitude=1)
    alone = series.sel(time=TRAIN).physm.fit("phy_lstm", **QUICK)
    assert series.physm.predict(alone)["swvl1"].dims == ("time",)
    assert series.physm.consistency(series.physm.predict(alone), trend="level")["count"].ndim == 0


def test_dataarray_verbs_are_those_of_the_dataset(world, fitted):
    forcing = world.drop_vars("swvl1")
    other = (
        world["swvl1"].sel(time=TRAIN).physm.fit("lstm", forcing=forcing.sel(time=TRAIN), **QUICK)
    )
    for name, weight in fitted.model.state_dict().items():
        assert (weight == other.model.state_dict()[name]).all()
    found = world["swvl1"].physm.predict(other, forcing=forcing)
    xr.testing.assert_identical(found, world.physm.predict(fitted))
    audit = world["swvl1"].physm.consistency(found, forcing=forcing)
    xr.testing.assert_equal(audit, world.physm.consistency(found))
    with pytest.raises(GridError, match="different coordinates"):
        world["swvl1"].physm.fit("lstm", forcing=forcing.isel(time=slice(5, None)), **QUICK)
    with pytest.raises(UnknownNameError, match="array has no name"):
        world["swvl1"].rename(None).physm.fit("lstm", forcing=forcing, **QUICK)


def test_the_object_remembers_its_model_and_a_selection_does_not(world):
    part = world.sel(time=TRAIN)
    fitted = part.physm.fit("lstm", **QUICK)
    assert part.physm.fitted is fitted
    xr.testing.assert_identical(part.physm.predict(), part.physm.predict(fitted))
    selection = part.isel(time=slice(0, 50))
    assert selection.physm.fitted is None
    with pytest.raises(
        MissingVariableError, match=r"No model was given.*ds.physm.predict\(fitted\)"
    ):
        selection.physm.predict()


def test_the_memory_does_not_travel_with_pickles_and_dies_with_the_object(world):
    import gc
    import pickle
    import weakref

    part = world.isel(time=slice(0, 100))
    size = len(pickle.dumps(part))
    alive = weakref.ref(part.physm.fit("lstm", **QUICK))
    assert len(pickle.dumps(part)) < size + 2000
    assert pickle.loads(pickle.dumps(part)).physm.fitted is None
    del part
    gc.collect()
    assert alive() is None


def test_users_losses_replace_the_published_ones(world):
    fitted = world.sel(time=TRAIN).physm.fit(
        "lstm",
        losses=[RMSE(0.3), WaterBalance(0.7, terms=("precipitation",), trend="level")],
        **QUICK,
    )
    assert set(fitted.history.data_vars) == {"total", "rmse", "water_balance"}
    assert "0.3 rmse + 0.7 water_balance (level)" in repr(fitted)


def test_climatology_comes_from_earlier_steps_or_is_left_out(world, fitted):
    forecast = world.sel(time="2020").physm.predict(fitted)
    assert "climatology" in world.physm.score(forecast)["source"]
    with pytest.warns(UserWarning, match="No climatology was scored.*baselines=fitted"):
        short = world.sel(time="2020").physm.score(forecast)
    assert short["source"].values.tolist() == ["model", "persistence", "damped_persistence"]
    assert short["count"].sel(source="damped_persistence").max() == 0
    assert world.physm.score(forecast, baselines=False)["source"].values.tolist() == ["model"]


def test_scores_agree_with_numpy(world, fitted):
    forecast = world.sel(time="2020").physm.predict(fitted)
    earlier = world.isel(time=slice(700, None))  # too short for a climatology: all of 2020 counts
    with pytest.warns(UserWarning, match="No climatology was scored"):
        table = earlier.physm.score(forecast).isel(latitude=1, longitude=2)
    both = xr.merge([forecast["swvl1"].rename("p"), world["swvl1"].rename("o")], join="inner")
    p, o = (both[k].isel(latitude=1, longitude=2).values.astype(float) for k in "po")
    model = table.sel(source="model")
    assert float(model["rmse"]) == pytest.approx(np.sqrt(np.mean((p - o) ** 2)), rel=1e-5)
    assert float(model["r"]) == pytest.approx(np.corrcoef(p, o)[0, 1], rel=1e-5)
    assert float(model["r2"]) == pytest.approx(
        1 - np.var(p - o) / np.var(o) - np.mean(p - o) ** 2 / np.var(o), rel=1e-4
    )
    yesterday = world["swvl1"].shift(time=1).sel(time=both["time"]).isel(latitude=1, longitude=2)
    expected = np.sqrt(np.mean((yesterday.values - o) ** 2))
    assert float(table["rmse"].sel(source="persistence")) == pytest.approx(expected, rel=1e-5)


def test_errors_of_fit(world):
    fit = world.physm.fit
    with pytest.raises(UnknownNameError, match="no model 'phylstm'"):
        fit("phylstm")
    with pytest.raises(UnknownNameError, match="no hyper-parameter 'hidden'"):
        fit("lstm", hidden=3)
    with pytest.raises(UnknownNameError, match=r"scaling='cells' was given\. Did you mean 'cell'"):
        fit("lstm", scaling="cells")
    with pytest.raises(UnknownNameError, match="precision='float16'"):
        fit("lstm", precision="float16")
    with pytest.raises(UnknownNameError, match="sampling='times'"):
        fit("lstm", sampling="times")
    with pytest.raises(NotEnoughDataError, match="8 steps: 6 steps to train and 2 to validate"):
        world.isel(time=slice(0, 8)).physm.fit("lstm")
    with pytest.raises(NotEnoughDataError, match="window=0, lead=1 were given"):
        fit("lstm", window=0)
    with pytest.raises(NotEnoughDataError, match="data_integration=True was given with lead=0"):
        fit("lstm", lead=0, data_integration=True)
    with pytest.raises(
        NotEnoughDataError, match=r"memory_limit='1 kB' is too little.*Pass 16 MiB or more"
    ):
        fit("lstm", memory_limit="1 kB")
    with pytest.raises(MissingVariableError, match="swvl9"):
        fit("lstm", target="swvl9")
    with pytest.raises(MissingVariableError, match="No meteorology was found"):
        world[["swvl1"]].physm.fit("lstm")
    with pytest.raises(GridError, match=r"static=\['precipitation'\] vary along 'time'"):
        fit("lstm", static=["tp"])
    with pytest.raises(GridError, match="is irregular"):
        world.isel(time=[0, 1, 2, *range(4, 90)]).physm.fit("lstm")
    with pytest.raises(TrainingError, match="No loss term"):
        fit("lstm", losses=[], **QUICK)


def test_errors_about_the_target(world):
    nowhere = world.assign(swvl1=world["swvl1"] * np.nan)
    nowhere["swvl1"].attrs = world["swvl1"].attrs
    with pytest.raises(NotEnoughDataError, match=r"missing .NaN. everywhere"):
        nowhere.physm.fit("lstm", **QUICK)
    unitless = world.copy()
    unitless["tp"] = world["tp"].drop_attrs()
    with pytest.raises(UnitsError, match="tp"):
        unitless.physm.fit("lstm", **QUICK)
    with pytest.raises(MissingVariableError, match="evaporation"):
        world.drop_vars("e").physm.fit("phy_lstm", **QUICK)
    unitless["e"] = world["e"].drop_attrs()
    with pytest.raises(UnitsError, match=r"'tp' has no units[\s\S]*'e' has no units"):
        unitless.physm.fit("phy_lstm", **QUICK)


def test_an_empty_selection_is_refused(world, fitted):
    for empty in (world.isel(time=slice(0, 0)), world.isel(latitude=slice(0, 0))):
        with pytest.raises(NotEnoughDataError, match="data are empty along"):
            empty.physm.fit("lstm", **QUICK)
        with pytest.raises(NotEnoughDataError, match="data are empty along"):
            empty.physm.predict(fitted)


def test_a_series_shorter_than_a_window_is_refused(world, fitted):
    window = fitted.recipe.window
    short = world.isel(time=slice(0, window - 1))
    for given in (short, short.chunk(time=2)):
        with pytest.raises(NotEnoughDataError, match=f"{window - 1} steps; one window takes 7"):
            given.physm.predict(fitted)
    one = world.isel(time=slice(0, window)).physm.predict(fitted)
    assert one["swvl1"].sizes["time"] == 1


def test_different_grids_are_refused(world):
    shifted = world["t2m"].assign_coords(latitude=world["latitude"] + 0.05)
    mixed = world.drop_vars("t2m")
    other = xr.merge([mixed, shifted.rename("t2m")], join="outer")
    assert other.sizes["latitude"] == 6  # xarray fills with NaN: not one whole sample then
    with pytest.raises(NotEnoughDataError, match=r"Not one whole sample|everywhere"):
        other.physm.fit("lstm", **QUICK)


def test_errors_of_score_and_consistency(world, fitted):
    forecast = world.physm.predict(fitted)
    with pytest.raises(UnknownNameError, match="law='richard' was given"):
        world.physm.consistency(forecast, law="richard")
    with pytest.raises(MissingVariableError, match=r"holds no variable 'swvl1'.*'soil'"):
        world.physm.score(forecast.rename(swvl1="soil"), baselines=False)
    with pytest.raises(UnitsError, match=r"has no units.*Set predicted.attrs\['units'\]"):
        world.physm.score(forecast["swvl1"].drop_attrs(), baselines=False)
    late = forecast.assign_coords(time=forecast["time"] + np.timedelta64(9999, "D"))
    with pytest.raises(NotEnoughDataError, match="no label in common"):
        world.physm.score(late, baselines=False)
    with pytest.raises(NotEnoughDataError, match="no label in common"):
        world.physm.consistency(late)


@pytest.mark.parametrize("verb", ["score", "consistency"])
def test_arguments_of_other_types_are_refused(world, verb):
    call = getattr(xsm, verb)
    with pytest.raises(
        TypeError, match=r"ds is of the type DataArray.*ds\.to_dataset\(name='swvl1"
    ):
        call(world["swvl1"], world[["swvl1"]])
    with pytest.raises(
        TypeError, match=r"ds is of the type ndarray; a Dataset is needed\. Type xr"
    ):
        call(world["swvl1"].values, world[["swvl1"]])
    with pytest.raises(TypeError, match=r"predicted is of the type ndarray.*copy\(data=values\)"):
        call(world, world["swvl1"].values)


def test_a_balance_of_an_array_and_odd_baselines_are_refused(world):
    with pytest.raises(TypeError, match="ds is of the type DataArray; a Dataset is needed"):
        xsm.water_balance(world["swvl1"])
    with pytest.raises(TypeError, match="baselines='nope' was given; True, False or a fitted"):
        world.physm.score(world[["swvl1"]], baselines="nope")


def test_longitudes_in_another_convention_are_named(world, fitted):
    other = world.assign_coords(longitude=world["longitude"] + 180)
    with pytest.raises(GridError, match=r"longitude trained .* given .*ds.assign_coords"):
        other.physm.predict(fitted)
    free = world.sel(time=TRAIN).physm.fit("lstm", scaling="global", **QUICK)
    assert other.physm.predict(free)["swvl1"].notnull().all()


def test_quantified_data_give_quantified_predictions(world, fitted):
    quantified = quantify(world.chunk(latitude=1))
    found = quantified.physm.predict(fitted)
    assert found["swvl1"].pint.units is not None
    np.testing.assert_allclose(
        found["swvl1"].pint.dequantify().values, world.physm.predict(fitted)["swvl1"], atol=1e-6
    )


def test_reprs_tell_what_the_model_is(fitted):
    text = repr(fitted)
    for part in ("<xsm.FittedModel 'lstm'>", "precipitation", "2018-01-01", "best epoch", "1 rmse"):
        assert part in text
    page = fitted._repr_html_()
    assert page.startswith("<div")
    assert "history" in page
