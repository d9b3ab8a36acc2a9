"""Figures of forecasts show what was known at the start, and where skill ends."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

import xsm
from tests.plotting.conftest import UNITS, forecasts, off_by
from xsm.exceptions import GridError, MissingVariableError, UnknownNameError

pytestmark = pytest.mark.filterwarnings("ignore:No climatology")  # of sixty days

AT = {"latitude": 52.0, "longitude": 7.0}


def test_a_fan_tells_known_from_later_and_holds_its_intervals(land):
    forecast = forecasts(land)
    start = forecast["init"].values[3]
    ax = land.physm.plot.fan(forecast, init=start, at=AT, before=5, levels=[0.9])
    lines = {line.get_label(): line for line in ax.lines}
    assert lines["observed"].get_xdata().max() == start
    assert len(lines["observed"].get_xdata()) == 5
    np.testing.assert_array_equal(
        lines["observed later"].get_xdata(), start + forecast["lead"].values
    )
    mean = forecast["swvl1"].sel(init=start, **AT)
    np.testing.assert_allclose(lines["forecast"].get_ydata(), mean)
    (band,) = ax.collections
    ends = band.get_paths()[0].vertices[:, 1]
    np.testing.assert_allclose(ends.max() - mean.max(), 1.645 * 0.04, rtol=1e-3)


def test_a_fan_of_one_place_finds_the_observations_there(land):
    forecast = forecasts(land)
    axes = [
        land.physm.plot.fan(one, at=at, ax=Figure().subplots())
        for one, at in ((forecast, AT), (forecast.sel(AT), None))
    ]
    for one, other in zip(*(ax.lines for ax in axes), strict=True):
        np.testing.assert_array_equal(one.get_ydata(), other.get_ydata())


def test_a_fan_of_members_draws_each(land):
    wide = forecasts(land)[["swvl1"]].expand_dims(member=4)
    noise = xr.DataArray([-0.02, -0.01, 0.01, 0.02], dims="member")
    given = (wide["swvl1"] + noise).assign_attrs(UNITS).to_dataset(name="swvl1")
    ax = land.physm.plot.fan(given, at=AT, ax=Figure().subplots())
    assert len(ax.lines) == 4 + 4  # the mean, what was observed twice, the start
    assert ax.get_title("left").startswith("init = 2020-02-18, latitude = 52")


def test_what_is_no_fan_is_told(land):
    forecast = forecasts(land)
    with pytest.raises(GridError, match=r'several series .*at=\{"latitude": '):
        land.physm.plot.fan(forecast)
    with pytest.raises(GridError, match="none of the 10 starts of the forecast, 2020-01-31 to"):
        land.physm.plot.fan(forecast, init="2021-01-01", at=AT)
    with pytest.raises(GridError, match=r"forecast by init and lead is drawn.*plot\.series"):
        land.physm.plot.fan(off_by(land, 0.1), at=AT)


def test_skill_ends_where_the_error_passes_that_of_the_baseline(land):
    """0.01 and 0.03 are below the spread of noise that nothing foretells, 0.09 above."""
    table = xsm.score(land, forecasts(land))
    ax = table.physm.plot.horizon(metric="rmse", ax=Figure().subplots())
    found = np.ma.filled(ax.collections[0].get_array().astype(float), np.nan).ravel()
    assert np.isnan(found).sum() == 2  # the sea
    assert np.nanmedian(found) == 2
    lines = table.physm.plot.skill(metric="rmse", ax=Figure().subplots()).lines
    np.testing.assert_allclose(lines[0].get_ydata(), [0.01, 0.03, 0.09], rtol=1e-5)
    assert lines[0].get_xdata().tolist() == [1, 2, 3]


def test_several_models_share_the_baselines(land):
    table = xsm.score(land, forecasts(land))
    ax = xsm.plotting.plot_skill({"a": table, "b": table}, metric="mae", ax=Figure().subplots())
    names = [line.get_label() for line in ax.lines]
    assert names[:2] == ["a", "b"]
    assert "damped persistence" in names


def test_what_is_no_score_by_lead_is_told(land):
    table = xsm.score(land, forecasts(land))
    with pytest.raises(MissingVariableError, match=r"scores by source and lead .*xsm\.score\(ds,"):
        land.physm.plot.skill()
    with pytest.raises(UnknownNameError, match=r"metric='crsp' was given.*crps"):
        table.physm.plot.skill(metric="crsp")
    with pytest.raises(UnknownNameError, match="metric='r' was given"):
        table.physm.plot.horizon(metric="r")
    with pytest.raises(UnknownNameError, match=r"no source 'damped'.*damped_persistence"):
        table.physm.plot.horizon(against="damped")
