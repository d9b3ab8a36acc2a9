"""Improvement maps, boxes by zone, reliability: against errors that are planted."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.plotting.conftest import UNITS, off_by
from xsm.data.units import quantify
from xsm.exceptions import GridError, MissingVariableError, NotEnoughDataError, UnknownNameError
from xsm.plotting import KOPPEN_GEIGER, plot_boxes, plot_reliability, read_zones


def alternating(ds: xr.Dataset, size: object) -> xr.Dataset:
    """Return a prediction with an error of known size and changing sign."""
    sign = xr.DataArray((-1.0) ** np.arange(ds.sizes["time"]), {"time": ds.time}, "time")
    return off_by(ds, sign * size)


def test_blue_is_where_the_prediction_is_better(land):
    north = land["latitude"] > 51.5
    better = alternating(land, xr.where(north, 0.01, 0.03))
    worse = alternating(land, 0.02)
    ax = land.physm.plot.improvement(better, worse, names=("new", "old"))
    shown = ax.collections[0].get_array().filled(np.nan)
    np.testing.assert_allclose(shown[:2][~np.isnan(shown[:2])], 0.01, rtol=1e-6)
    np.testing.assert_allclose(shown[2:][~np.isnan(shown[2:])], -0.01, rtol=1e-6)
    assert np.isnan(shown).sum() == 2
    norm = ax.collections[0].norm
    assert norm.vmin == pytest.approx(-norm.vmax)
    red, _, blue, _ = ax.collections[0].cmap(1.0)
    assert blue > red
    assert ax.get_title() == "new better than old on 50 % of cells"
    assert ax.figure.axes[-1].get_ylabel() == "reduction of rmse [m³ m⁻³]"


@pytest.mark.parametrize(("metric", "sign"), [("kge", 1), ("r2", 1), ("mae", 1), ("bias", 1)])
def test_more_is_better_whatever_the_score(land, metric, sign):
    good, bad = off_by(land, 0.001), off_by(land, -0.03)
    ax = land.physm.plot.improvement(good, bad, metric=metric)
    assert (sign * ax.collections[0].get_array().compressed() > 0).all()
    units = "[1]" if metric in {"kge", "r2"} else "[m³ m⁻³]"
    assert ax.figure.axes[-1].get_ylabel().endswith(units)


def test_both_are_scored_on_the_same_steps(land):
    whole, short = alternating(land, 0.01), alternating(land, 0.01).isel(time=slice(5, 20))
    ax = land.physm.plot.improvement(whole, short)
    np.testing.assert_allclose(ax.collections[0].get_array().compressed(), 0.0, atol=1e-12)


def test_a_single_series_is_no_map(land):
    one = land.isel(latitude=1, longitude=1)
    with pytest.raises(GridError, match=r"map of improvement needs cells.*ds.physm.score"):
        one.physm.plot.improvement(off_by(one, 0.1), off_by(one, 0.2))
    with pytest.raises(UnknownNameError, match=r"metric='rsme'.*rmse"):
        land.physm.plot.improvement(off_by(land, 0.1), off_by(land, 0.2), metric="rsme")


def test_boxes_hold_the_scores_of_their_zone(land):
    size = xr.where(land["basin"] == 1, 0.03, 0.01) + 0 * land["swvl1"].isel(time=0)
    guess = {"a": alternating(land, size), "b": alternating(land, 0.02)}
    names = {0: "low", 1: "high"}
    ax = land.physm.plot.zones(guess, "basin", metric="rmse", labels=names)
    assert [t.get_text() for t in ax.get_xticklabels()] == ["low\nn = 9", "high\nn = 9"]
    medians = [line for line in ax.lines if line.get_linewidth() == 1.4]
    found = [float(line.get_ydata()[0]) for line in medians]
    np.testing.assert_allclose(found, [0.01, 0.03, 0.02, 0.02], rtol=1e-6)
    assert ax.get_ylabel() == "rmse [m³ m⁻³]"
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["a", "b"]


def test_zones_without_values_are_left_out(land):
    by = land["basin"].where(land["latitude"] < 52.5, 7)
    nowhere = by.where(by == 7, np.nan).where(land["longitude"] < 5.5)
    zones = read_zones(by.where(nowhere.isnull(), 9), land, land["swvl1"])
    assert zones.names == ("0", "1", "7", "9")
    scores = land["swvl1"].mean("time").expand_dims(source=["a"]).rename("rmse")
    assert len(plot_boxes(scores.where(zones.array != 3), zones).get_xticklabels()) == 3


def test_flags_name_zones(land):
    by = land["basin"].assign_attrs(
        flag_values=np.array([0, 1], np.int8), flag_meanings="dry_land wet_land"
    )
    assert read_zones(by, land, land["swvl1"]).names == ("dry land", "wet land")
    assert read_zones(by == 1, land, land["swvl1"]).names == ("False", "True")
    words = xr.DataArray(np.full((4, 5), "loam"), dims=by.dims)
    assert read_zones(words, land, land["swvl1"]).names == ("loam",)


def test_koppen_and_geiger_by_the_numbers_of_the_maps():
    assert len(KOPPEN_GEIGER) == 30
    # the legend of Beck et al. (2018)
    assert [KOPPEN_GEIGER[k] for k in (1, 7, 14, 15, 26, 30)] == [
        *("Af", "BSk", "Cfa", "Cfb", "Dfb", "EF")
    ]


def test_maps_of_zones_that_do_not_fit(land):
    guess = off_by(land, 0.1)
    with pytest.raises(MissingVariableError, match=r"no variable 'basins'.*Did you mean 'basin'"):
        land.physm.plot.zones(guess, "basins")
    other = land["basin"].isel(latitude=slice(0, 2)).assign_coords(latitude=[1.0, 2.0])
    with pytest.raises(GridError, match=r"the same cells.*by.interp\(latitude=ds.latitude"):
        land.physm.plot.zones(guess, other)
    with pytest.raises(GridError, match=r"different values, .*1 to 40 classes are needed"):
        land.physm.plot.zones(guess, land["swvl1"].isel(time=0, drop=True))
    with pytest.raises(GridError, match=r"0 of them with a name"):
        land.physm.plot.zones(guess, 0 * land["basin"], labels="koppen_geiger")
    with pytest.raises(UnknownNameError, match=r"labels='koppen'"):
        land.physm.plot.zones(guess, "basin", labels="koppen")
    scores = land["swvl1"].mean("time").expand_dims(source=["a"]).where(False)
    with pytest.raises(NotEnoughDataError, match=r"No cell has both a score and a class"):
        plot_boxes(scores, read_zones("basin", land, scores))


def spread(ds: xr.Dataset, size: float) -> xr.Dataset:
    guess = off_by(ds, 0.0, model="lstm")
    rng = np.random.default_rng(1)
    noise = xr.DataArray(rng.normal(0, 0.02, guess["swvl1"].shape), guess["swvl1"].coords)
    made = (guess["swvl1"] + noise).assign_attrs(UNITS)
    return guess.assign(swvl1=made, swvl1_std=xr.full_like(made, size).assign_attrs(UNITS))


def test_reliability_is_on_the_line_where_the_spread_is_right(land):
    axes = land.physm.plot.reliability({"right": spread(land, 0.02), "half": spread(land, 0.01)})
    right, half = axes[0].lines[1:]
    assert right.get_label() == "right"
    np.testing.assert_allclose(right.get_ydata(), right.get_xdata(), atol=4)
    assert (half.get_ydata() < half.get_xdata() - 3).all()
    assert axes[0].get_xlim() == (0.0, 100.0)
    table = xsm.reliability(land, spread(land, 0.02))
    same = table.physm.plot.reliability()
    np.testing.assert_allclose(same[0].lines[1].get_ydata(), 100 * table["coverage"])
    heights = same[1].patches[0].get_data().values
    assert heights.mean() == pytest.approx(1.0)  # a density


def test_reliability_of_quantified_data(land):
    axes = quantify(land).physm.plot.reliability(quantify(spread(land, 0.02)))
    assert axes[0].get_ylabel() == "observed coverage [%]"


def test_what_is_no_reliability_is_told(land):
    with pytest.raises(MissingVariableError, match=r"coverage and pit are needed.*xsm.reliability"):
        plot_reliability(land)
    with pytest.raises(GridError, match=r"reliability of \['latitude', 'longitude'\]"):
        plot_reliability(xsm.reliability(land, spread(land, 0.02), dim="time"))


def test_scores_and_audits_say_what_they_are(land):
    table = land.physm.score(off_by(land, 0.01), baselines=False)
    assert table["rmse"].attrs == {"long_name": "root mean square error", "units": "m3 m-3"}
    assert table["r"].attrs["units"] == "1"
    assert "soil_moisture" in table.attrs["title"]
    found = xsm.reliability(land, spread(land, 0.02))
    assert found["crps"].attrs["units"] == "m3 m-3"
    assert all("long_name" in v.attrs and "units" in v.attrs for v in found.data_vars.values())
