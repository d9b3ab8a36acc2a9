"""Forecasts: what a run through the record would say that knew nothing after the start."""

from __future__ import annotations

import warnings

import dask
import numpy as np
import pytest
import xarray as xr

import xsm
from tests.worlds import bucket_dataset
from xsm.exceptions import GridError, NotEnoughDataError, UnknownNameError

SHORT = {"sequence": 30, "warmup": 8, "epochs": 1, "iterations": 3, "batch_size": 8}
QUICK = {**SHORT, "hidden_size": 4, "progress": False, "precision": "float32"}
SEEN = {"data_integration": True}
KINDS = {
    "weather": {},
    "known": {"known_forcing": True},
    "seen": {**SEEN, "cuts": 14},
    "both": {**SEEN, "known_forcing": True, "cuts": 20},
    "late": {**SEEN, "latency": (3, 6), "lead": 2},
    "day": {"lead": 0, "cuts": 14},
    "pair": {**SEEN, "members": 2, "head": "gaussian", "cuts": 14, "known_forcing": True},
    "square": {"model": "cnn_lstm", **SEEN, "lead": 1, "cuts": 14},
    "map": {"model": "cnn_lstm", "patch": 5, **SEEN, "known_forcing": True, "lead": 1},
    "experts": {"model": "ismoe", **SEEN, "lead": 1, "known_forcing": True, "cuts": 14},
}
WEATHER = ("precipitation", "air_temperature")


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    """Two years of a bucket, most days not observed, with gaps of the weather in two cells."""
    ds = bucket_dataset(760).copy(deep=True)
    rng = np.random.default_rng(5)
    ds["soil_moisture"].values[rng.random(ds["soil_moisture"].shape) < 0.6] = np.nan
    ds["precipitation"].values[100:102, 0, 0] = np.nan
    ds["air_temperature"].values[645, 2, 3] = np.nan
    return ds


@pytest.fixture(scope="module")
def models(world) -> dict[str, xsm.FittedModel]:
    """One model of each kind, hardly trained."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        usual = {"model": "lstm", **QUICK}
        return {k: xsm.fit(world, **(usual | more)) for k, more in KINDS.items()}


@pytest.fixture(autouse=True)
def hardly_trained() -> object:
    """Pass over what a network that is hardly trained answers with."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*outside of what it can be")
        yield


def same(found: xr.Dataset, wanted: xr.Dataset) -> None:
    """Compare forecasts to 1e-6, missing ones included."""
    xr.testing.assert_allclose(found.compute(), wanted.compute(), rtol=0, atol=1e-6)


def blind(world: xr.Dataset, last: int) -> xr.Dataset:
    """Return the record without observations after a step."""
    other = world.copy(deep=True)
    other["soil_moisture"].values[last + 1 :] = np.nan
    return other


def of(fitted: xsm.FittedModel, ds: xr.Dataset, forecast: xr.Dataset) -> xr.Dataset:
    """Return what the ordinary prediction says of the days of a forecast."""
    valid = forecast["valid_time"]
    day = {"time": xr.DataArray(valid.values, coords={"lead": valid["lead"]}, dims="lead")}
    return fitted.predict(ds).drop_vars("lead").sel(day).drop_vars("time")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("last", [400, 643])
def test_with_known_weather_it_is_a_prediction_that_saw_nothing_later(
    kind, last, models, world
) -> None:
    fitted = models[kind]
    found = fitted.forecast(world, init=[world["time"].values[last]], lead=9, weather="known")
    one = found.isel(init=0, drop=True).drop_vars(
        ["valid_time", "observation_age"], errors="ignore"
    )
    same(one, of(fitted, blind(world, last), found.isel(init=0)))


@pytest.mark.parametrize("kind", ["seen", "late", "map", "pair"])
def test_a_past_year_is_a_member(kind, models, world) -> None:
    fitted, last = models[kind], 500
    label = world["time"].values[last]
    found = fitted.forecast(world, init=label, lead=12, weather="past")
    assert found["member"].values.tolist() == [2019]
    other = blind(world, last)
    start = last + 1 - 366  # the same day of the leap year before
    for name in WEATHER:
        other[name].values[last + 1 :] = world[name].values[start : start + 760 - last - 1]
    one = found.isel(init=0, member=0, drop=True)
    wanted = of(fitted, other, found.isel(init=0))
    same(one.drop_vars(["valid_time", "observation_age"]), wanted)


def test_names_and_attributes_are_those_of_cf(models, world) -> None:
    found = models["pair"].forecast(world, init=slice("2020-06-01", "2020-06-03"), lead=[1, 3, 7])
    assert found["soil_moisture"].dims == ("init", "lead", "lat", "lon")
    assert found["soil_moisture_std"].dims == ("init", "lead", "lat", "lon")
    assert found["init"].attrs["standard_name"] == "forecast_reference_time"
    assert found["lead"].attrs["standard_name"] == "forecast_period"
    assert found["valid_time"].attrs["standard_name"] == "time"
    days = found["lead"].values / np.timedelta64(1, "D")
    assert days.tolist() == [1, 3, 7]
    assert (found["valid_time"] == found["init"] + found["lead"]).all()
    assert found["soil_moisture"].attrs["units"] == world["soil_moisture"].attrs["units"]
    linked = found["soil_moisture"].attrs["ancillary_variables"].split()
    assert set(linked) == set(found.data_vars) - {"soil_moisture"}
    assert found.attrs["weather"] == "hidden"


def test_the_age_of_the_last_observation_is_counted(models, world) -> None:
    inits = world["time"].values[[300, 301, 302]]
    soil = world["soil_moisture"]
    for kind in ("seen", "both", "late", "map"):
        found = models[kind].forecast(world, init=inits, lead=3, weather="known")
        age = found["observation_age"]
        for i, row in enumerate((300, 301, 302)):
            there = np.isfinite(soil.values[: row + 1])[::-1]
            assert (age.isel(init=i).values == there.argmax(axis=0)).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunks", [{"time": 137, "lat": 2}, {"time": (1, 99, 400, 260)}])
def test_it_is_the_same_in_any_chunks_and_lazy(kind, chunks, models, world) -> None:
    fitted, inits = models[kind], world["time"].values[[90, 98, 99, 100, 136, 137, 600, 700]]
    for weather in ("known", "past") if kind != "late" else ("known",):
        some = inits if weather == "known" else inits[-2:]
        asked = {"init": some, "lead": 6, "weather": weather}
        lazy = world.chunk(chunks).physm.forecast(fitted, **asked)
        assert lazy["soil_moisture"].chunks is not None
        same(lazy, fitted.forecast(world, **asked))


@pytest.mark.parametrize("kind", ["seen", "both", "day", "pair", "square", "experts"])
def test_what_comes_after_the_start_changes_nothing(kind, models, world) -> None:
    fitted, last = models[kind], 640
    other = world.copy(deep=True)
    for name in (*WEATHER, "soil_moisture"):
        other[name].values[last + 1 :] = other[name].values[:last:-1] + 0.5
    for weather in (None, "past"):
        asked = {"init": world["time"].values[last], "lead": 14, "weather": weather}
        both = [fitted.forecast(ds, **asked) for ds in (world, other)]
        xr.testing.assert_identical(*both)
    other = blind(world, last)
    other["soil_moisture"].values[last + 1 :] = 0.9
    asked["weather"] = "known"
    both = [fitted.forecast(ds, **asked) for ds in (world, other)]
    xr.testing.assert_identical(*both)


@pytest.mark.parametrize("kind", ["seen", "both", "late", "map", "weather"])
def test_it_goes_on_from_a_state(kind, models, world) -> None:
    fitted = models[kind]
    state = fitted.state(world.isel(time=slice(500)))
    later = world.isel(time=slice(500, 520))
    asked = {"init": later["time"].values[[1, 4]], "lead": 6, "weather": "known"}
    same(fitted.forecast(later, state=state, **asked), fitted.forecast(world, **asked))


def test_today_takes_one_day(models, world) -> None:
    fitted = models["seen"]
    state = fitted.state(world.isel(time=slice(759)))
    today = fitted.forecast(world.isel(time=[759]), state=state, lead=5)
    same(today, fitted.forecast(world, lead=5))


def test_runs_of_a_product_are_weather(models, world) -> None:
    """Another product's names, units and order: kelvin, mm an hour, runs with members."""
    fitted, rows = models["both"], [400, 410, 643]
    inits = world["time"].values[rows]
    rng = np.random.default_rng(2)
    lead = np.arange(1, 8) * np.timedelta64(1, "D")
    shape = (len(rows), 2, 7)
    runs = {}
    for name in WEATHER:
        own = np.stack([world[name].values[r + 1 : r + 8] for r in rows])
        runs[name] = np.stack([own, own + rng.random((len(rows), 7, 3, 4))], axis=1)
    dims = ("forecast_reference_time", "number", "step", "lat", "lon")
    units = {n: world[n].attrs["units"] for n in WEATHER}
    coords = {"forecast_reference_time": inits, "step": lead, "lat": world["lat"]}
    given = xr.Dataset(
        {
            "tp": (dims, runs["precipitation"] / 24, {"units": "mm h-1"}),
            "t2m": (dims, runs["air_temperature"], {"units": units["air_temperature"]}),
        },
        {**coords, "lon": world["lon"], "number": [0, 1]},
    )
    assert shape == given["tp"].shape[:3]
    found = fitted.forecast(
        world, init=inits, lead=7, weather=given.isel(lat=slice(None, None, -1))
    )
    known = fitted.forecast(world, init=inits, lead=7, weather="known")
    same(found.sel(member=0, drop=True), known)
    assert float(abs(found["soil_moisture"].diff("member")).max()) > 1e-6
    lazy = fitted.forecast(world.chunk(time=100), init=inits, lead=7, weather=given.chunk(step=3))
    same(lazy, found)
    with pytest.raises(GridError, match="The weather holds no run of"):
        fitted.forecast(world, init="2020-01-01", lead=7, weather=given)
    with pytest.raises(NotEnoughDataError, match=r"The weather lacks .* which a forecast needs"):
        fitted.forecast(world, init=inits, lead=8, weather=given)


def test_weather_along_time_is_weather(models, world) -> None:
    fitted, asked = models["seen"], {"init": "2020-03-01", "lead": 7}
    later = world[list(WEATHER)].sel(time=slice("2020-03-01", "2020-03-20"))
    known = fitted.forecast(world, weather="known", **asked)
    same(fitted.forecast(world, weather=later, **asked), known)
    with pytest.raises(GridError, match=r"The weather lies on .*make the weather of these"):
        fitted.forecast(world, weather=later.isel(lat=[0]), **asked)
    hours = later.assign_coords(time=later["time"].values[0] + np.arange(20).astype("m8[h]"))
    with pytest.raises(GridError, match="its state would be of another time"):
        fitted.forecast(world, weather=hours, **asked)


def test_a_run_of_ecmwf_is_brought_to_days(models, world) -> None:
    """Names and attributes as cfgrib gives them of ECMWF's open data (ifs, oper, 0p25, fc)."""
    start, hours = np.datetime64("2020-03-02T00", "ns"), np.arange(6, 24 * 6 + 1, 6)
    days = world.sel(time=slice("2020-03-02", "2020-03-07"))
    rain = np.repeat(days["precipitation"].values / 4000, 4, axis=0).cumsum(axis=0)  # m
    heat = np.repeat(days["air_temperature"].values, 4, axis=0)
    kind = {"GRIB_typeOfLevel": "surface", "GRIB_gridType": "regular_ll"}
    dims = ("step", "lat", "lon")
    rained = {**kind, "GRIB_stepType": "accum", "GRIB_shortName": "tp", "units": "m"}
    warm = {**kind, "GRIB_stepType": "instant", "GRIB_shortName": "2t", "units": "K"}
    run = xr.Dataset(
        {"tp": (dims, rain, rained), "t2m": (dims, heat, warm)},
        {"time": start, "step": hours.astype("m8[h]").astype("m8[ns]")}
        | {"valid_time": ("step", start + hours.astype("m8[h]"))}
        | {d: world[d] for d in ("lat", "lon")},
    )
    asked = {"init": "2020-03-01", "lead": 6}
    with pytest.raises(GridError, match="hold sums since the start of a run"):
        models["both"].forecast(world, weather=run, **asked)
    weather = xsm.daily(xsm.flatten_steps(run), label="end")
    found = models["both"].forecast(world, weather=weather, **asked)
    same(found, models["both"].forecast(world, weather="known", **asked))


def test_a_29_february_is_met_by_1_march(models, world) -> None:
    rain = world["precipitation"].copy(data=np.zeros(world["precipitation"].shape))
    rain.loc[{"time": "2019-03-01"}] = 40.0
    dry = world.assign(precipitation=rain)
    base = world.assign(precipitation=rain * 0)
    for day, first in (("2020-02-28", 1), ("2020-02-29", 1), ("2020-02-27", 2)):
        asked = {"init": day, "lead": 4, "weather": "past"}
        moved = [models["known"].forecast(ds, **asked)["soil_moisture"] for ds in (dry, base)]
        change = abs(moved[0] - moved[1]).max(("lat", "lon")).squeeze()
        assert int((change > 0).argmax("lead")) + 1 == first, day


def test_starts_are_chosen_as_one_selects(models, world) -> None:
    def starts(init: object, **asked: object) -> list[str]:
        found = models["known"].forecast(world, init=init, lead=2, weather="known", **asked)
        return found["init"].dt.strftime("%Y-%m-%d").values.tolist()

    assert starts("2020-02-01") == ["2020-02-01"]
    assert len(starts("2020-02")) == 29
    assert starts(["2020-02-03", "2020-02-01"]) == ["2020-02-01", "2020-02-03"]
    assert starts(world["time"][[20, 21]]) == ["2019-01-21", "2019-01-22"]
    assert starts("MS")[:2] == ["2019-02-01", "2019-03-01"]
    every = starts("all")
    assert every[0] == "2019-01-08"
    assert every[-1] == "2021-01-27"
    with pytest.raises(GridError, match="is not among the 760 times"):
        starts("2025-01-01")
    with pytest.raises(GridError, match="selects none of the times"):
        starts(slice("2025", None))
    with pytest.raises(UnknownNameError, match="is no frequency"):
        starts("xyz")
    with pytest.raises(NotEnoughDataError, match="names no step that has its forecast"):
        models["known"].forecast(world.isel(time=slice(9)), init="all", lead=2, weather="known")


def test_what_cannot_be_is_refused(models, world) -> None:
    fitted = models["both"]
    with pytest.raises(UnknownNameError, match=r"this 'lstm' was trained with weather .*cuts=14"):
        models["known"].forecast(world)
    with pytest.raises(NotEnoughDataError, match="takes the weather of 14 steps after each init"):
        fitted.forecast(world, weather="known")
    with pytest.raises(UnknownNameError, match="steps that ascend are needed"):
        fitted.forecast(world, lead=[3, 1])
    with pytest.raises(UnknownNameError, match='chooses the years of weather="past"'):
        fitted.forecast(world, members=[2019])
    with pytest.raises(UnknownNameError, match="or a Dataset is needed"):
        fitted.forecast(world, weather="tomorrow")
    with pytest.raises(NotEnoughDataError, match="is of that very year: its weather was not known"):
        fitted.forecast(world, init="2020-05-01", weather="past", members=[2019, 2020])
    with pytest.raises(NotEnoughDataError, match="is of an earlier year"):
        fitted.forecast(world, init="2020-05-01", weather="past", members=[2019, 2021])
    with pytest.raises(NotEnoughDataError, match="that the data do not hold"):
        fitted.forecast(world, init="2020-05-01", weather="past", members=range(2018, 2020))
    with pytest.raises(UnknownNameError, match="years are needed"):
        fitted.forecast(world, init="2020-05-01", weather="past", members="2019")
    with pytest.raises(NotEnoughDataError, match="needs the weather of years before"):
        fitted.forecast(world, init="2019-05-01", weather="past")
    with pytest.raises(GridError, match="The model looks 2 steps ahead"):
        models["late"].forecast(world, init=world["time"].values[0], weather="known")
    windows = xsm.fit(
        world, "lstm", window=3, epochs=1, iterations=1, hidden_size=2, progress=False
    )
    with pytest.raises(UnknownNameError, match="was trained on windows of 3 steps"):
        windows.forecast(world)
    with pytest.raises(GridError, match="'member'"):
        fitted.forecast(world.rename(lat="member"), weather="past")
    with pytest.raises(UnknownNameError, match=r"cuts=-1 was given"):
        xsm.fit(world, "lstm", cuts=-1, **QUICK)
    with pytest.warns(UserWarning, match="was trained with cuts=14, and what lies further ahead"):
        models["seen"].forecast(world, lead=20)


def test_many_leads_cost_little_more_than_one(models, world) -> None:
    """What is run: one pass through the record, and the leads of each start; counted in steps."""
    steps = []
    fitted, run = models["both"], type(models["both"].model).run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            type(fitted.model),
            "run",
            lambda self, batch, state: (
                steps.append(batch["dynamic"][..., 0].numel()),
                run(self, batch, state),
            )[1],
        )
        with dask.config.set(scheduler="synchronous"):
            for lead in (1, 14):
                fitted.forecast(world.isel(lat=[0]), lead=lead)
                steps.append(-1)
    first = sum(steps[: steps.index(-1)])
    assert sum(s for s in steps if s > 0) - first < 1.05 * first


@pytest.mark.parametrize("calendar", ["standard", "noleap"])
def test_months_are_steps(calendar) -> None:
    months = bucket_dataset(120)
    dates = xr.date_range("2001-01", periods=120, freq="MS", calendar=calendar)
    months = months.assign_coords(time=dates)
    own = {**QUICK, "known_forcing": True, "lead": 1, "data_integration": True}
    fitted = xsm.fit(months, "lstm", **own)
    init = months["time"].values[99]
    found = fitted.forecast(months, init=init, lead=4, weather="known")
    assert found["lead"].attrs["units"] == "months"
    assert found["lead"].values.tolist() == [1, 2, 3, 4]
    assert (found["valid_time"].isel(init=0).values == months["time"].values[100:104]).all()
    wanted = fitted.predict(blind(months, 99)).isel(time=slice(100, 104))["soil_moisture"]
    one = found["soil_moisture"].isel(init=0)
    np.testing.assert_allclose(one.values, wanted.values, atol=1e-6)
    past = fitted.forecast(months, init=init, lead=4, weather="past", members=[2005, 2008])
    other = blind(months, 99)
    for name in WEATHER:
        other[name].values[100:104] = months[name].values[52:56]  # May 2005
    wanted = fitted.predict(other).isel(time=slice(100, 104))["soil_moisture"]
    one = past["soil_moisture"].sel(member=2005).isel(init=0)
    np.testing.assert_allclose(one.values, wanted.values, atol=1e-6)


@pytest.mark.usefixtures("forks")
def test_it_is_sent_to_other_processes(models, world) -> None:
    asked = {"init": world["time"].values[[300, 643]], "lead": 4, "weather": "known"}
    lazy = models["both"].forecast(world.chunk(time=400, lat=2), **asked)
    with dask.config.set(scheduler="processes", num_workers=1):
        found = lazy.compute()
    same(found, models["both"].forecast(world, **asked))


def test_cells_of_two_coordinates_stay_cells(models, world) -> None:
    stacked = world.stack(cell=("lat", "lon"))
    asked = {"init": world["time"].values[300], "lead": 3, "weather": "known"}
    found = models["both"].forecast(stacked, **asked).unstack("cell")
    same(found.transpose("init", "lead", ...), models["both"].forecast(world, **asked))
