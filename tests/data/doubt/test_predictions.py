"""Predictions and spreads of anything are doubted before they are judged."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.exceptions import GridError, NotEnoughDataError, UnitsError

VOLUME = {"units": "m3 m-3"}


def soil(seed: int = 0) -> xr.Dataset:
    """Observations of 40 days at three places, and rain."""
    random = np.random.default_rng(seed)
    coords = {"time": pd.date_range("2020-01-01", periods=40), "station": ["a", "b", "c"]}
    theta = random.uniform(0.1, 0.4, (40, 3))
    rain = random.gamma(0.5, 4.0, (40, 3))
    dims = ("time", "station")
    return xr.Dataset({"swvl1": (dims, theta, VOLUME), "pr": (dims, rain, {"units": "mm"})}, coords)


def guess(ds: xr.Dataset, spread: float = 0.02) -> xr.Dataset:
    mean = (ds["swvl1"] + 0.01).assign_attrs(VOLUME)
    return xr.Dataset({"swvl1": mean, "swvl1_std": xr.full_like(mean, spread)})


JUDGES = {
    "score": lambda ds, p: xsm.score(ds, p, baselines=False),
    "reliability": xsm.reliability,
    "consistency": lambda ds, p: xsm.consistency(ds, p, terms=["precipitation"]),
}


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize(
    ("value", "said"),
    [(-9999.0, "are -9999"), (1e20, r"are 1e\+20"), (np.inf, "infinite"), (-np.inf, "infinite")],
)
def test_fill_values_and_infinite_ones_of_a_prediction_are_refused(judge, value, said, lazy):
    ds = soil()
    bad = guess(ds)
    bad["swvl1"][3:9, 1] = value
    with pytest.raises(UnitsError, match=said):
        JUDGES[judge](ds, bad.chunk(time=20) if lazy else bad).compute()


@pytest.mark.parametrize("judge", JUDGES)
def test_a_prediction_in_other_units_than_it_says_is_told(judge):
    """In percent, as by hand, while its attribute is still that of the fraction."""
    ds = soil()
    percent = guess(ds)
    percent["swvl1"] = (100 * percent["swvl1"]).assign_attrs(VOLUME)
    with pytest.warns(UserWarning, match="120 of 120 predicted values of soil_moisture lie outs"):
        JUDGES[judge](ds, percent)


@pytest.mark.parametrize("lazy", [False, True])
def test_observations_are_doubted_by_who_judges_a_spread(lazy):
    ds = soil()
    bad = ds.copy(deep=True)
    bad["swvl1"][3:9, 1] = -9999.0
    bad = bad.chunk(time=20) if lazy else bad
    with pytest.raises(UnitsError, match="are -9999"):
        xsm.reliability(bad, guess(ds)).compute()


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("value", [-0.01, -9999.0, 1e20, np.inf, 65535.0])
def test_a_spread_is_neither_negative_nor_wider_than_its_role(value, lazy):
    ds = soil()
    bad = guess(ds)
    bad["swvl1_std"][3:9, 1] = value
    bad = bad.chunk(time=20) if lazy else bad
    for verb in (lambda: xsm.reliability(ds, bad), lambda: xsm.intervals(bad)):
        with pytest.raises(UnitsError, match=r"6 of \d+ values of 'swvl1_std' can be no standard"):
            verb().compute()


def test_a_spread_without_a_role_is_no_fill_value():
    bad = xr.Dataset({"level": ("x", [1.0, 2.0]), "level_std": ("x", [0.1, 9999.0])})
    with pytest.raises(UnitsError, match="1 of 2 values of 'level_std' can be no standard dev"):
        xsm.intervals(bad)


def test_a_spread_lies_along_its_prediction():
    ds = soil()
    other = guess(ds)
    other["swvl1_std"] = other["swvl1_std"].rename(station="site")
    for verb in (lambda: xsm.reliability(ds, other), lambda: xsm.intervals(other)):
        with pytest.raises(GridError, match=r"spread 'swvl1_std' lies along .*'site'"):
            verb()


def test_a_spread_in_percent_of_the_soil_is_no_percent_too_wide():
    """The width of a role is in its own units: 30 % are .3 m3 m-3."""
    ds = soil()
    percent = {name: (100 * a).assign_attrs(units="%") for name, a in guess(ds, 0.3).items()}
    wide = xr.Dataset(percent)
    found = xsm.intervals(wide)
    half = found["swvl1_upper"].sel(level=0.9) - wide["swvl1"]
    np.testing.assert_allclose(half, 30 * 1.6448536, rtol=1e-5)


def test_dates_of_a_prediction_are_needed():
    ds = soil()
    bare = guess(ds).drop_vars("time")
    with pytest.raises(GridError, match=r"no dates along 'time'.*assign_coords\(time="):
        xsm.score(ds, bare, baselines=False)


def test_a_prediction_of_true_and_false_is_none():
    ds = soil()
    flags = guess(ds).assign(swvl1=(guess(ds)["swvl1"] > 0.2).assign_attrs(VOLUME))
    with pytest.raises(UnitsError, match=r"'swvl1' holds true and false.*m3 m-3 are needed"):
        xsm.score(ds, flags, baselines=False)


def test_nothing_selected_cannot_be_scored():
    ds = soil()
    with pytest.raises(
        NotEnoughDataError, match=r"The data are empty.*nothing was selected that can be scored"
    ):
        xsm.score(ds.isel(time=slice(0, 0)), guess(ds), baselines=False)
