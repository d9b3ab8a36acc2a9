"""The synthetic land: its budget closes, its physics hold, its weather looks like weather."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from xsm.exceptions import NotEnoughDataError
from xsm.synthetic import land_world
from xsm.synthetic.columns import ALL_RAIN, LAYERS, SUBSTEPS, Forcing, _Columns, simulate
from xsm.synthetic.random_fields import correlated_noise, normal_cdf, persistent_noise
from xsm.synthetic.terrain import soil_from_texture
from xsm.synthetic.weather import extraterrestrial_radiation, potential_evaporation

THICKNESS = {"swvl1": 0.07, "swvl2": 0.21, "swvl3": 0.72, "swvl4": 1.89}  # m
WEATHER = ("t2m", "d2m", "tp", "ssrd", "strd", "u10", "v10", "sp")
DAILY = (*WEATHER, "e", "sro", "ro", "sd", *THICKNESS)
STATIC = ("sand", "silt", "clay", "bulk_density", "elevation")
LATER = {"time": slice(1, None)}


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    """Return two years of the usual grid."""
    return land_world(years=2)


@pytest.fixture(scope="module")
def land(world: xr.Dataset) -> xr.Dataset:
    """Return the cells on land in a row."""
    return world.stack(cell=("latitude", "longitude")).dropna("cell", subset=["elevation"])


def small(**options: int) -> xr.Dataset:
    """Return one year of a small world."""
    return land_world(**{"years": 1, "shape": (5, 7), **options})


def autocorrelation(x: xr.DataArray, lag: int) -> xr.DataArray:
    """Return the correlation of a series with itself some steps later."""
    early, late = x.isel(time=slice(None, -lag)), x.isel(time=slice(lag, None))
    return xr.corr(early.drop_vars("time"), late.drop_vars("time"), "time")


# the budget


def test_water_budget_closes_from_the_data_set_itself(land):
    stored = land["sd"] + sum(land[name] * depth for name, depth in THICKNESS.items())
    residual = stored.diff("time") - (land["tp"] + land["e"] - land["ro"]).isel(LATER)
    assert residual.notnull().all()
    assert float(abs(residual).max()) * 1000 < 1e-6  # mm


def test_budget_of_columns_closes_from_their_initial_state():
    soil = soil_from_texture(np.array([20.0, 60.0]), np.array([30.0, 10.0]))
    rng = np.random.default_rng(1)
    days = (400, 2)
    forcing = Forcing(
        precipitation=rng.gamma(0.2, 20.0, days),
        potential=rng.uniform(0.0, 6.0, days),
        temperature=rng.normal(275.0, 6.0, days),
        storm_hour=rng.uniform(0.0, 24.0, days),
        storm_hours=np.full(days, 4.0),
    )
    result = simulate(forcing, soil, np.array([0.3, 0.8]))
    out = result.evaporation + result.surface_runoff + result.subsurface_runoff
    stored = result.snow + result.water.sum(axis=1)
    gained = np.cumsum(forcing.precipitation - out, axis=0)
    np.testing.assert_allclose(stored - stored[0], gained - gained[0], atol=1e-6)
    thickness = 10.0 * np.diff([0.0, *(bottom for _, bottom in LAYERS)])
    before = thickness[:, None] * (
        soil.wilting_point + (soil.field_capacity - soil.wilting_point) * np.array([0.3, 0.8])
    )
    np.testing.assert_allclose(stored[0] - before.sum(axis=0), gained[0], atol=1e-6)


def test_surface_runoff_is_no_more_than_rain_and_melt(land):
    released = -land["sd"].diff("time")
    assert (land["sro"].isel(LATER) <= land["tp"].isel(LATER) + released + 1e-12).all()


def test_runoff_is_surface_and_subsurface_runoff(land):
    assert (land["ro"] >= land["sro"]).all()
    assert (land["sro"] >= 0).all()
    dry = (land["tp"] == 0) & (land["sd"] == 0) & (land["sd"].shift(time=1) == 0)
    assert (land["sro"].where(dry, 0) == 0).all()


# states and signs


def test_soil_water_is_between_zero_and_porosity(land):
    porosity = 1 - land["bulk_density"] / 2.65
    for name in THICKNESS:
        assert (land[name] > 0).all()
        assert (land[name] <= porosity + 1e-6).all()


def test_soil_is_neither_stuck_wet_nor_stuck_dry(land):
    porosity = 1 - land["bulk_density"] / 2.65
    assert float((land["swvl1"] > 0.98 * porosity).mean()) < 0.05
    assert float(land["swvl1"].std("time").min()) > 0.01
    assert 0.15 < float(land["swvl1"].mean()) < 0.35


def test_evaporation_is_negative_and_below_what_energy_allows(land):
    assert (land["e"] <= 0).all()
    potential = potential_evaporation(
        *(land[name].values.astype(float) for name in ("t2m", "ssrd", "strd", "sp"))
    )
    assert (-1000 * land["e"].values <= potential + 1e-3).all()


def test_snow_lies_only_where_it_freezes(land):
    assert (land["sd"] >= 0).all()
    warm = land["t2m"].min("time") > ALL_RAIN
    assert int(warm.sum()) > 0
    assert float(land["sd"].max("time").where(warm, drop=True).max()) == 0.0
    cold = land["t2m"].mean("time") < 278
    assert float(land["sd"].max("time").where(cold, drop=True).min()) > 0.02


def test_snow_melts_in_summer(land):
    summer = land["sd"].sel(time=land["time"].dt.month == 8)
    assert float((summer > 0.01).mean()) < 0.01


def test_top_layer_dries_on_every_day_without_rain_and_melt(land):
    quiet = (land["tp"] == 0) & (land["sd"] == 0) & (land["sd"].shift(time=1) == 0)
    change = land["swvl1"].diff("time").where(quiet)
    assert int(change.notnull().sum()) > 10_000
    assert float(change.max()) <= 0.0


def test_dry_down_slows_as_the_soil_dries(land):
    quiet = (land["tp"] == 0) & (land["sd"] == 0) & (land["sd"].shift(time=1) == 0)
    drying = -land["swvl1"].diff("time").where(quiet & (land["time"].dt.month == 7))
    before = land["swvl1"].shift(time=1)
    middle = before.where(drying.notnull()).median("time")
    wet, dry = drying.where(before > middle).mean(), drying.where(before < middle).mean()
    assert float(wet) > 2 * float(dry)


def test_top_layer_is_quick_and_deep_layer_slow(land):
    top, deep = (float(autocorrelation(land[n], 1).median()) for n in ("swvl1", "swvl4"))
    assert 0.8 < top < 0.96
    assert deep > 0.99


def test_soil_follows_the_level_of_the_inflow_rather_than_its_change(land):
    inflow = land["tp"] + land["e"] - land["sro"] - (land["sd"] - land["sd"].shift(time=1))
    moved = land["swvl1"].diff("time")

    def share(trend: xr.DataArray) -> float:
        product = trend * moved
        return float((product > 0).sum() / (product.notnull() & (product != 0)).sum())

    level, change = share(inflow), share(inflow.diff("time"))
    always_drying = float((moved < 0).sum() / (moved != 0).sum())
    assert level > always_drying + 0.05
    assert level > change + 0.15
    assert change > 0.5


# the weather


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("t2m", 235.0, 320.0),
        ("d2m", 225.0, 305.0),
        ("tp", 0.0, 0.4),
        ("ssrd", 1e6, 36e6),
        ("strd", 9e6, 48e6),
        ("u10", -20.0, 20.0),
        ("v10", -20.0, 20.0),
        ("sp", 60e3, 108e3),
    ],
)
def test_weather_is_in_the_range_of_weather(land, name, low, high):
    assert float(land[name].min()) >= low
    assert float(land[name].max()) <= high


def test_dew_point_is_below_temperature(land):
    assert (land["d2m"] <= land["t2m"]).all()


def test_rain_clouds_and_cold_go_together(land):
    dark = xr.corr(land["tp"], land["ssrd"], "time").median()
    humid = xr.corr(land["tp"], land["t2m"] - land["d2m"], "time").median()
    assert float(dark) < -0.15
    assert float(humid) < -0.15


def test_july_is_warm_and_january_is_cold(land):
    month = land["t2m"].groupby("time.month").mean()
    assert (month.sel(month=7) > month.sel(month=1) + 8).all()


def test_climate_gradients_are_believable(land):
    rain = land["tp"].sum("time") * 500  # mm a year
    assert float(rain.max()) > 2.5 * float(rain.min())
    assert 300 < float(rain.min()) < float(rain.max()) < 3000
    assert float(xr.corr(land["elevation"], land["t2m"].mean("time"))) < -0.7
    assert float(xr.corr(land["elevation"], land["sp"].mean("time"))) < -0.99


def test_rain_is_less_alike_farther_away(world):
    row = world["tp"].isel(longitude=slice(18, 32))
    near, middle, far = (
        float(xr.corr(row.isel(longitude=0), row.isel(longitude=i), "time").median())
        for i in (1, 5, 13)
    )
    assert near > 0.8
    assert near > middle + 0.1
    assert middle > far + 0.1


def test_rainy_days_come_in_spells(land):
    wet = (land["tp"] > 0.001).astype(float)
    after_wet = float((wet * wet.shift(time=1)).sum() / wet.shift(time=1).sum())
    assert after_wet > float(wet.mean()) + 0.1


# labels, sea, seeds


def test_variables_have_units_names_and_methods(world):
    assert set(world.data_vars) == {*DAILY, *STATIC}
    for name in DAILY:
        assert world[name].dims == ("time", "latitude", "longitude")
        assert {"units", "long_name", "cell_methods"} <= set(world[name].attrs)
    for name in STATIC:
        assert world[name].dims == ("latitude", "longitude")
    assert world["swvl3"].attrs["layer_top_cm"] == 28.0
    assert world["swvl3"].attrs["layer_bottom_cm"] == 100.0
    assert world["e"].attrs["units"] == "m"
    assert "simulated" in world.attrs["source"]
    assert world.attrs["license"] == "Apache-2.0"
    assert world.attrs["Conventions"] == "CF-1.8"


def test_time_is_daily_from_2018_and_latitude_descends(world):
    expected = np.arange("2018-01-01", "2020-01-01", dtype="datetime64[D]")
    np.testing.assert_array_equal(world["time"], expected)
    assert (np.diff(world["latitude"]) < 0).all()
    assert (np.diff(world["longitude"]) > 0).all()


def test_sea_is_the_same_everywhere(world):
    sea = world["elevation"].isnull()
    assert 0.1 < float(sea.mean()) < 0.2
    for name in (*DAILY, *STATIC):
        assert (world[name].isnull() == sea).all(), name


def test_texture_adds_up(land):
    total = land["sand"] + land["silt"] + land["clay"]
    np.testing.assert_allclose(total, 100.0, rtol=1e-5)
    assert float(land["silt"].min()) > 0


def test_one_seed_makes_one_world():
    xr.testing.assert_identical(small(), small())


def test_another_seed_makes_another_world():
    one, other = small(), small(seed=1)
    assert not one["tp"].equals(other["tp"])
    assert not one["sand"].equals(other["sand"])


def test_longer_world_begins_with_the_shorter_one():
    longer = small(years=2).isel(time=slice(0, 365))
    xr.testing.assert_allclose(longer, small(), rtol=1e-6)


def test_too_short_and_too_small_worlds_are_refused_at_once():
    with pytest.raises(NotEnoughDataError, match=r"years=0 .*at least 1; shape=\(1, 5\).*Type"):
        land_world(years=0, shape=(1, 5))


# the parts


def test_noise_has_the_covariance_it_states():
    fields = correlated_noise(np.random.default_rng(0), 6000, (1, 9), length=50.0, spacing=25.0)
    found = np.cov(fields[:, 0], rowvar=False)[0]
    np.testing.assert_allclose(found, np.exp(-0.5 * (np.arange(9) / 2.0) ** 2), atol=0.06)


def test_noise_persists_as_stated():
    x = persistent_noise(
        np.random.default_rng(0), 8000, (1, 1), length=1.0, spacing=1.0, persistence=0.7
    )[:, 0, 0]
    assert np.var(x) == pytest.approx(1.0, abs=0.1)
    assert np.corrcoef(x[2:], x[:-2])[0, 1] == pytest.approx(0.49, abs=0.05)


def test_normal_cdf_agrees_with_the_standard_library():
    from statistics import NormalDist

    x = np.linspace(-4, 4, 41)
    np.testing.assert_allclose(normal_cdf(x), [NormalDist().cdf(v) for v in x], atol=2e-4)


def test_texture_gives_the_order_of_soils():
    sand, loam, clay = (
        soil_from_texture(np.array(s), np.array(c)) for s, c in ((90, 4), (43, 18), (20, 50))
    )
    assert sand.porosity < loam.porosity < clay.porosity
    assert sand.k_sat > loam.k_sat > clay.k_sat
    assert sand.wilting_point < loam.wilting_point < clay.wilting_point
    assert loam.wilting_point < loam.field_capacity < loam.porosity


def test_extraterrestrial_radiation_is_symmetric_at_equinox():
    day = np.array([81.0])  # where the formula's declination is 0
    north, south = extraterrestrial_radiation(day, np.array([35.0, -35.0]))[0]
    assert north == pytest.approx(south, rel=0.01)


def test_drainage_follows_the_exact_solution_over_the_month():
    # the layers above are dry as bone: the last one drains alone, dS/dt = -K_s S^n / c, which has
    # a closed form that does not depend on the steps
    soil = soil_from_texture(np.array([43.0]), np.array([18.0]))
    columns = _Columns(soil, np.array([1.0]))
    columns.water[:3] = 1e-3
    columns.water[3] = 0.9 * columns.capacity[3]
    start, capacity = float(columns.water[3, 0]), float(columns.capacity[3, 0])
    n, k = float(soil.exponent[0]), float(soil.k_sat[0])
    for _ in range(30 * SUBSTEPS):
        columns.drain()
    expected = ((start / capacity) ** (1 - n) + (n - 1) * k * 30 / capacity) ** (1 / (1 - n))
    assert float(columns.water[3, 0]) / capacity == pytest.approx(expected, rel=1e-9)
    assert expected < 0.97 * start / capacity


def test_layer_above_a_full_layer_keeps_its_water():
    columns = _Columns(soil_from_texture(np.array([43.0]), np.array([18.0])), np.array([1.0]))
    columns.water[:] = columns.capacity
    before = columns.water.copy()
    out = columns.drain()
    assert (columns.water <= columns.capacity + 1e-12).all()
    assert (before - columns.water).sum() == pytest.approx(out.item())


def test_rain_on_a_full_column_runs_off():
    columns = _Columns(soil_from_texture(np.array([43.0]), np.array([18.0])), np.array([1.0]))
    columns.water[:] = columns.capacity
    assert columns.infiltrate(np.array([7.0])).item() == pytest.approx(7.0)


def test_drizzle_on_dry_soil_sinks_in_and_cloudburst_on_clay_runs_off():
    clay = soil_from_texture(np.array([20.0]), np.array([50.0]))
    drizzle, burst = (
        _Columns(clay, np.array([0.3])).infiltrate(np.array([rain])).item() / rain
        for rain in (0.5, 80.0)
    )
    assert drizzle < 0.05
    assert burst > 0.4
