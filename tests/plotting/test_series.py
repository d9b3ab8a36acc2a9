"""Series, profiles, spectra, training: lines against what went in."""

from __future__ import annotations

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

import xsm
from tests.plotting.conftest import UNITS, off_by
from xsm.exceptions import GridError, MissingVariableError, NotEnoughDataError, UnknownNameError
from xsm.plotting import plot_training
from xsm.plotting.pairing import named_predictions
from xsm.plotting.series import dates_of
from xsm.plotting.spectra import spectrum_of_space, spectrum_of_time


def test_a_series_is_the_nearest_cell(land):
    at = {"latitude": 51.9, "longitude": 7.2}
    ax = land.physm.plot.series(off_by(land, 0.1, model="lstm"), at=at)
    truth, guess = ax.lines
    expected = land["swvl1"].sel(latitude=52, longitude=7)
    np.testing.assert_allclose(truth.get_ydata(), expected)
    np.testing.assert_allclose(guess.get_ydata(), expected + 0.1)
    assert [line.get_label() for line in ax.lines] == ["observed", "lstm"]
    assert ax.get_ylabel() == "soil moisture [m³ m⁻³]"
    assert ax.get_title("left") == "latitude = 52 °N, longitude = 7 °E"
    assert ax.get_xlim() == tuple(mdates.date2num(land["time"].values[[0, -1]]))


def test_observations_that_are_all_missing_are_told(land):
    guess = off_by(land, 0.1, model="lstm")
    lost = land.assign(swvl1=land["swvl1"].where(False).assign_attrs(UNITS))
    at = {"latitude": 52.0, "longitude": 7.0}
    with pytest.warns(UserWarning, match="All values of the observations are missing"):
        lost.physm.plot.series(guess, at=at)


def test_the_band_holds_the_share_that_it_says(land):
    guess = off_by(land, 0.1)
    std = xr.full_like(guess["swvl1"], 0.02).assign_attrs(UNITS)
    one = {"latitude": 52.0, "longitude": 7.0}
    ax = land.physm.plot.series(guess.assign(swvl1_std=std), at=one, level=0.5)
    edges = ax.collections[0].get_paths()[0].vertices[:, 1]
    mean = guess["swvl1"].sel(one)
    half = stats.norm.ppf(0.75) * 0.02
    assert edges.min() == pytest.approx(float(mean.min()) - half)
    assert edges.max() == pytest.approx(float(mean.max()) + half)
    assert not land.physm.plot.series(guess.assign(swvl1_std=std), at=one, level=None).collections


def test_places_and_predictions_in_panels(land):
    at = {"latitude": [52, 51], "longitude": [6, 8]}
    given = {"A": off_by(land, 0.1), "B": off_by(land, 0.2)["swvl1"]}
    axes = land.physm.plot.series(given, at=at)
    assert axes.shape == (2,)
    expected = land["swvl1"].sel(latitude=51, longitude=8)
    np.testing.assert_allclose(axes[1].lines[2].get_ydata(), expected + 0.2)
    assert axes[0].get_ylabel() == "[m³ m⁻³]"
    assert axes[0].get_title("left").startswith("soil moisture; latitude = 52")


def test_regions_are_means_weighted_by_area(land):
    axes = land.physm.plot.series(off_by(land, 0.1), by="basin", labels={0: "north", 1: "south"})
    area = np.cos(np.deg2rad(land["latitude"]))
    for ax, lats in zip(axes, (slice(0, 2), slice(2, 4)), strict=True):
        part = land["swvl1"].isel(latitude=lats)
        expected = part.weighted(area).mean(["latitude", "longitude"])
        np.testing.assert_allclose(ax.lines[0].get_ydata(), expected)
    assert axes[1].get_title("left") == "basin: south"


def test_observations_with_gaps_are_points(land):
    gappy = land.assign(swvl1=land["swvl1"].where(land["time"].dt.day % 3 == 0))
    one = {"latitude": 52.0, "longitude": 7.0}
    truth, guess = gappy.physm.plot.series(off_by(land, 0.1), at=one).lines
    assert (truth.get_linestyle(), truth.get_marker()) == ("None", ".")
    assert guess.get_linestyle() == "-"


def test_other_calendars_have_dates(land):
    time = xr.date_range("2020-02-20", periods=60, calendar="noleap", use_cftime=True)
    other = land.assign_coords(time=time).isel(latitude=1, longitude=1)
    ax = other.physm.plot.series(off_by(other, 0.1))
    assert ax.get_xlabel() == "time (noleap)"
    drawn = mdates.num2date(ax.lines[0].get_xdata(orig=False))
    assert [d.strftime("%F") for d in drawn] == [d.strftime("%Y-%m-%d") for d in time]
    ax.figure.canvas.draw()
    assert "Apr" in [t.get_text() for t in ax.get_xticklabels()]


@pytest.mark.parametrize("calendar", ["360_day", "all_leap", "julian"])
def test_months_of_other_calendars_lie_at_their_places(calendar):
    time = xr.date_range("1899-12-01", "1901-03-30", freq="12h", calendar=calendar, use_cftime=True)
    found, label = dates_of(xr.DataArray(time, dims="time"))
    assert label == f"time ({calendar})"
    assert (np.diff(found) > np.timedelta64(0, "ns")).all()
    months = [f"{d.year}-{d.month:02d}" for d in time]
    np.testing.assert_array_equal(found.astype("M8[M]"), np.array(months, "M8[M]"))


def test_a_profile_of_another_calendar(soil, wetter):
    time = xr.date_range("2018-01-01", periods=120, calendar="noleap", use_cftime=True)
    ax = soil.assign_coords(time=time).isel(latitude=0, longitude=0).physm.plot.profile()
    assert ax.get_xlabel() == "time (noleap)"
    first = mdates.date2num(np.datetime64("2017-12-31T12"))
    np.testing.assert_allclose(ax.get_xlim()[0], first + 0.5)
    ends = ax.collections[0].get_coordinates()[0, :2, 0]
    np.testing.assert_array_equal(ends, [first, first + 1])


@pytest.mark.parametrize("level", [90, 0.0, 1.0, -0.5, np.nan])
def test_a_level_is_a_probability(land, level):
    with pytest.raises(NotEnoughDataError, match=rf"level={level} was given; .*between 0 and 1"):
        land.physm.plot.series(off_by(land, 0.1), level=level)


def test_predictions_of_other_dimensions_are_told(land):
    guess = off_by(land, 0.1)
    other = guess.rename(latitude="lat", longitude="lon")
    wanted = (
        r"observations have \{'time': 60, 'latitude': 4, 'longitude': 5\}\. 'B' has "
        r"\{'time': 60, 'lat': 4, 'lon': 5\}: type \.rename\(lat='latitude', lon='longitude'\)\."
    )
    with pytest.raises(GridError, match=wanted):
        land.physm.plot.series({"A": guess, "B": other})
    with pytest.raises(GridError, match=r"'reference' has .*type \.rename\(lat='latitude'"):
        land.physm.plot.improvement(guess, other)
    with pytest.raises(GridError, match=r"bring it to the same dimensions"):
        land.physm.plot.series(guess.isel(latitude=0))


def test_too_many_or_no_series_are_told(land):
    with pytest.raises(GridError, match=r'hold 20 series .*at=\{"latitude": ..., "longitude": ...'):
        land.physm.plot.series(off_by(land, 0.1))
    with pytest.raises(GridError, match=r"at= names 'lat', which is no dimension"):
        land.physm.plot.series(off_by(land, 0.1), at={"lat": 52})
    with pytest.raises(GridError, match=r"at= has \{'latitude': 2, 'longitude': 3\} values"):
        land.physm.plot.series(off_by(land, 0.1), at={"latitude": [1, 2], "longitude": [1, 2, 3]})
    later = off_by(land, 0.1).assign_coords(time=land["time"] + pd.Timedelta(days=900))
    with pytest.raises(NotEnoughDataError, match=r"have no label in common"):
        land.physm.plot.series(later)
    with pytest.raises(NotEnoughDataError, match=r"No prediction was given.*by name"):
        named_predictions({})


LAYERS = ["swvl1", "swvl2", "swvl3", "swvl4"]
EDGES = [0, 0.07, 0.28, 1.0, 2.89]


@pytest.fixture(scope="module")
def soil() -> xr.Dataset:
    world = xsm.open_tutorial("land").isel(latitude=slice(8, 10), longitude=slice(20, 22))
    return world.isel(time=slice(0, 120)).astype(float)


@pytest.fixture(scope="module")
def loam(soil) -> xr.Dataset:
    return xsm.soil_parameters(soil, method="texture_class")


@pytest.fixture(scope="module")
def wetter(soil) -> xr.Dataset:
    layers = {n: (soil[n] + 0.01).assign_attrs(soil[n].attrs) for n in LAYERS}
    return xr.Dataset(layers).isel(time=slice(10, 100))


def test_a_profile_shows_observed_predicted_error_and_residual(soil, wetter, loam):
    at = {"latitude": 41.9, "longitude": 15.1}
    axes = soil.physm.plot.profile(wetter, at=at, parameters=loam)
    titles = ["observed", "predicted", "predicted minus observed"]
    assert [ax.get_title("left") for ax in axes[:3]] == titles
    cell = soil[LAYERS].sel(at, method="nearest").isel(time=slice(10, 100))
    found = [ax.collections[0].get_array() for ax in axes]
    np.testing.assert_allclose(found[0], cell.to_dataarray("depth"))
    np.testing.assert_allclose(found[1] - found[0], 0.01, rtol=1e-5)
    np.testing.assert_allclose(found[2], 0.01, rtol=1e-5)
    shifted = soil.isel(time=slice(10, 100)).assign(wetter.data_vars)
    residual = xsm.richards_residual(shifted, parameters=loam)["residual"]
    expected = residual.sel(at, method="nearest").transpose("depth", "time")
    np.testing.assert_allclose(found[3].filled(np.nan), expected)
    assert np.isfinite(expected).any()
    assert axes[3].figure.axes[-1].get_ylabel() == "[day⁻¹]"
    for ax in axes:
        assert ax.get_ylim() == (2.89, 0.0)
        assert ax.get_ylabel() == "depth [m]"
        np.testing.assert_allclose(ax.collections[0].get_coordinates()[:, 0, 1], EDGES)


def test_layers_are_told_apart(soil, wetter):
    north = (soil["latitude"] > 41.9) & (soil["longitude"] > 0)
    axes = soil.physm.plot.series(wetter, by=north.rename("north"))
    titles = [ax.get_title("left") for ax in axes]
    assert titles[2] == "depth = 0.175 m, north: False"
    assert len(set(titles)) == 8
    with pytest.raises(GridError, match=r"scores hold 4 layers; one is drawn.*target='swvl1'"):
        soil.physm.plot.zones(wetter, north.rename("north"))
    ax = soil.physm.plot.zones(wetter, north.rename("north"), target="swvl1", metric="bias")
    assert len(ax.get_xticklabels()) == 2


def test_what_is_no_profile_is_told(land, soil, wetter):
    with pytest.raises(GridError, match=r"profiles of \{'latitude': 2.*at=\{\"latitude\": ..."):
        soil.physm.plot.profile(wetter)
    with pytest.raises(GridError, match=r"needs several layers.*plot.series"):
        land.physm.plot.profile()
    with pytest.raises(UnknownNameError, match=r"show='errors'.*Did you mean 'error'"):
        soil.physm.plot.profile(wetter, show=["errors"])
    with pytest.raises(UnknownNameError, match=r"show='error' needs a prediction"):
        soil.physm.plot.profile(show=["error"])


def test_a_wave_has_its_peak_at_its_period():
    time = np.arange(400)
    wave = np.sin(2 * np.pi * time / 8)[:, None] + np.zeros(3)
    frequency, density = spectrum_of_time(wave, 2.0)
    assert frequency[density.argmax()] == pytest.approx(1 / 16)
    assert density.sum() * frequency[0] == pytest.approx(0.5, rel=1e-3)  # the variance of a sine


@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_spectra_add_up_to_the_variance(gaps):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 2.0, (500, 200))
    noise[rng.random(noise.shape) < gaps] = np.nan
    frequency, density = spectrum_of_time(noise, 1.0)
    assert density.sum() * frequency[0] == pytest.approx(4.0, rel=0.03)
    assert np.log(density[:50].mean() / density[-50:].mean()) == pytest.approx(0, abs=0.05)


def test_spectra_of_space_add_up_to_the_variance():
    rng = np.random.default_rng(0)
    x = np.arange(48)
    phase = rng.uniform(0, 2 * np.pi, (30, 1, 1))
    waves = np.sin(2 * np.pi * (x[:, None] + 0 * x) / 8 + phase)
    where, density = spectrum_of_space(waves, (5.0, 5.0))
    assert where[density.argmax()] == pytest.approx(1 / 40)
    assert density.sum() * where[0] == pytest.approx(0.5, rel=0.01)
    turned = spectrum_of_space(waves.transpose(0, 2, 1), (5.0, 5.0))[1]
    np.testing.assert_allclose(density, turned, rtol=1e-9)  # no direction is special


def test_spectra_name_scales_and_units(land):
    ax = land.physm.plot.spectra({"rough": off_by(land, 0.1)})
    truth, guess = ax.lines
    np.testing.assert_allclose(truth.get_ydata(), guess.get_ydata(), rtol=1e-6)
    assert ax.get_xlabel() == "frequency [day⁻¹]"
    assert ax.get_ylabel() == "variance density of soil moisture [(m³ m⁻³)² day]"
    assert ax.child_axes[0].get_xlabel() == "period [day]"


def test_spectra_of_maps_are_of_kilometres():
    rng = np.random.default_rng(0)
    coords = {"time": pd.date_range("2020", periods=4), "lat": np.arange(20) / 4 + 58.75}
    coords["lon"] = np.arange(30) / 4.0
    field = xr.DataArray(rng.random((4, 20, 30)), coords, ("time", "lat", "lon"), attrs=UNITS)
    ds = xr.Dataset({"swvl1": field})
    ax = ds.physm.plot.spectra(off_by(ds, 0.1), over="space")
    assert ax.get_xlabel() == "wavenumber [km⁻¹]"
    assert ax.lines[0].get_xdata()[0] == pytest.approx(1 / (30 * 0.25 * 111.195 * 0.5), rel=0.05)
    plain = ds.rename(lat="row", lon="column").drop_vars(["row", "column"])
    assert plain.physm.plot.spectra(off_by(plain, 0.1), over="space").get_xlabel() == (
        "wavenumber [cell⁻¹]"
    )


def test_what_has_no_spectrum_is_told(land):
    with pytest.raises(NotEnoughDataError, match=r"No series has 8 values"):
        land.isel(time=slice(0, 5)).physm.plot.spectra(off_by(land, 0.1))
    with pytest.raises(NotEnoughDataError, match=r"Fields of 4 x 5 cells; .* needs 8 rows"):
        land.physm.plot.spectra(off_by(land, 0.1), over="space")
    one = land.isel(latitude=1)
    with pytest.raises(GridError, match=r"Spectra of space need maps"):
        one.physm.plot.spectra(off_by(one, 0.1), over="space")
    with pytest.raises(UnknownNameError, match=r"over='frequency'"):
        land.physm.plot.spectra(off_by(land, 0.1), over="frequency")


def history(**attrs: object) -> xr.Dataset:
    epoch = np.arange(1, 21)
    falls = np.stack([10.0 / epoch**2, 12.0 / epoch**2])
    flat = np.stack([-1.0 - 0 * epoch, np.nan * epoch])
    both = {"gaussian": (("part", "epoch"), flat), "total": (("part", "epoch"), falls)}
    return xr.Dataset(both, {"part": ["training", "validation"], "epoch": epoch}, attrs)


def test_training_draws_each_term():
    axes = plot_training(history(best_epoch=20))
    assert [ax.get_title() for ax in axes] == ["total", "gaussian"]
    assert [ax.get_yscale() for ax in axes] == ["log", "linear"]
    training, validation, best = axes[0].lines
    np.testing.assert_allclose(training.get_ydata(), history()["total"].sel(part="training"))
    np.testing.assert_allclose(validation.get_ydata(), history()["total"].sel(part="validation"))
    assert best.get_xdata() == [20, 20]
    assert [line.get_label() for line in axes[1].lines[:1]] == ["training"]
    assert len(axes[1].lines) == 2  # no validation was logged
    assert axes[0].get_ylabel() == "loss of the scaled target [1]"


def test_training_of_an_ensemble_and_of_one_epoch():
    several = xr.concat([history()] * 3, "member").assign_attrs(best_epoch=[20, 10, 20])
    axes = plot_training(several)
    assert len(axes[0].lines) == 3 + 3 + 2
    axes = plot_training(history().isel(epoch=[0]))
    assert axes[0].get_xlim() == (0.0, 2.0)


def test_what_is_no_history_is_told(land):
    with pytest.raises(MissingVariableError, match=r"part and epoch are needed: fitted.history"):
        plot_training(land)
