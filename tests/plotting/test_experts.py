"""Weights of experts: who rules where and when."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from tests.plotting.conftest import mixture
from xsm.data.units import quantify
from xsm.exceptions import GridError, MissingVariableError


def test_maps_of_the_mean_weights(land):
    axes = mixture(land, "rain", "heat_flux", "snow").physm.plot.expert_maps()
    assert [ax.get_title() for ax in axes] == ["rain", "heat flux", "snow"]
    shown = [ax.collections[0].get_array().filled(np.nan) for ax in axes]
    np.testing.assert_allclose(shown[0][0, 1:], 0.7)
    np.testing.assert_allclose(np.nansum(shown, 0)[1:3], 1.0)
    assert axes[0].collections[0].norm.vmin == 0.0
    assert axes[0].figure.axes[-1].get_ylabel() == "mean weight [1]"


def test_the_dominant_expert(land):
    ax = mixture(land, "rain", "heat").physm.plot.dominant_expert()
    shown = ax.collections[0].get_array()
    assert (shown[:2].compressed() == 0).all()
    assert (shown[2:].compressed() == 1).all()
    assert shown.mask.sum() == 2
    bar = ax.figure.axes[-1]
    assert [t.get_text() for t in bar.get_yticklabels()] == ["rain", "heat"]


def test_seasons_by_region(land):
    predicted = mixture(land, "rain", "heat")
    axes = predicted.physm.plot.expert_seasons(by=land["basin"], labels={0: "north", 1: "south"})
    assert [ax.get_title() for ax in axes] == ["basin: north", "basin: south"]
    rain = axes[0].lines[0].get_ydata()
    np.testing.assert_allclose(rain[:2], 0.7)
    assert np.isnan(rain[2:]).all()  # the data end in February
    whole = predicted.physm.plot.expert_seasons()
    assert len(whole.lines) == 2


def test_seasons_follow_the_months():
    days = pd.date_range("2019", "2020-12-31")
    month = xr.DataArray(days.month / 12.0, {"time": days}, "time")
    weight = xr.concat([month, 1 - month], "expert").transpose("time", "expert")
    ax = weight.to_dataset(name="expert_weight").physm.plot.expert_seasons()
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.arange(1, 13) / 12)
    assert ax.get_xlabel() == "month"


def test_shares_fill_the_panel(land):
    predicted = mixture(land, "rain", "heat", "snow")
    axes = predicted.physm.plot.expert_shares(by=land["basin"])
    assert len(axes) == 2
    tops = [c.get_paths()[0].vertices[:, 1].max() for c in axes[0].collections]
    np.testing.assert_allclose(tops, [0.7, 0.85, 1.0])
    names = [t.get_text() for t in axes[0].get_legend().get_texts()]
    assert names == ["snow", "heat", "rain"]  # the order of the areas, from above


def test_many_experts_have_colours_of_their_own(land):
    names = [f"expert_{k}" for k in range(11)]
    ax = mixture(land, *names).physm.plot.expert_seasons()
    assert len({line.get_color() for line in ax.lines}) == 11


def test_quantified_and_lazy_weights(land):
    predicted = mixture(land, "rain", "heat")
    predicted["expert_weight"].attrs["units"] = "1"
    assert len(quantify(predicted).physm.plot.expert_maps()) == 2
    lazy = predicted.chunk(time=10)
    assert len(lazy.physm.plot.expert_shares().collections) == 2
    assert lazy["expert_weight"].chunks is not None


def test_what_has_no_experts_is_told(land):
    for kind in ("expert_maps", "dominant_expert", "expert_seasons", "expert_shares"):
        with pytest.raises(MissingVariableError, match=r"and no expert_weight along 'expert'"):
            getattr(land.physm.plot, kind)()
    predicted, rows = mixture(land, "rain", "heat"), land["basin"].isel(longitude=0, drop=True)
    with pytest.raises(GridError, match=r"map of regions lies on \['latitude'\]"):
        predicted.physm.plot.expert_shares(by=rows)
