"""Predictions in other units than the observations are the same prediction."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.data.reading import read
from xsm.data.targets import (
    observed_target,
    predicted_spread,
    predicted_target,
    spread_of_layers,
)
from xsm.exceptions import UnitsError, UnknownNameError

DAYS = {"time": pd.date_range("2020-03-01", periods=30)}
VALUES = np.random.default_rng(0).uniform(1.0, 9.0, 30)


def series(values, units):
    return xr.DataArray(values, DAYS, "time", attrs={"units": units})


def spread_alone(spread):
    return spread.to_dataset(name="a_std")


@pytest.mark.parametrize(
    ("name", "own", "units", "factor", "offset"),
    [
        ("t2m", "K", "degC", 1.0, -273.15),
        ("t2m", "degC", "K", 1.0, 273.15),
        ("twsa", "cm", "mm", 10.0, 0.0),
        ("twsa", "cm", "kg m-2", 10.0, 0.0),
        ("swvl1", "m3 m-3", "%", 100.0, 0.0),
        ("swvl1", "%", "kg m-2", 0.7, 0.0),  # 70 mm of soil
        ("swvl1", "kg m-2", "m3 m-3", 1 / 70, 0.0),
        ("e", "m", "mm", 1000.0, 0.0),  # amounts of a day, negative where water evaporates
        ("e", "m", "mm day-1", 1000.0, 0.0),
        ("e", "m", "kg m-2 s-1", 1000 / 86400, 0.0),
        ("discharge", "m3 s-1", "l s-1", 1000.0, 0.0),  # no role
    ],
)
def test_other_units_are_the_same_prediction(name, own, units, factor, offset):
    sign = -1.0 if name == "e" else 1.0
    ds = series(sign * VALUES, own).to_dataset(name=name)
    guess = series(factor * (sign * VALUES) + offset, units).rename(name)
    truth = observed_target(read(ds), name)
    np.testing.assert_allclose(predicted_target(read(ds), guess, name), truth, rtol=1e-12)
    spread = predicted_spread(
        read(ds), spread_alone(series(1e-3 * factor * VALUES, units)), "a", name
    )
    wanted = predicted_spread(read(ds), spread_alone(series(1e-3 * VALUES, own)), "a", name)
    np.testing.assert_allclose(spread, wanted, rtol=1e-12)
    assert (spread > 0).all()
    ds[name].attrs.update(valid_min=-10.0, valid_max=10.0)  # no such weather is on earth
    table = xsm.score(ds, guess, target=name, baselines=False)
    assert float(table["rmse"].max()) < 1e-9


def test_units_of_something_else_are_refused():
    ds = series(VALUES, "K").to_dataset(name="t2m")
    with pytest.raises(UnitsError, match="'mm' do not convert to 'K'"):
        predicted_target(read(ds), series(VALUES, "mm"), "t2m")
    with pytest.raises(UnitsError, match="'mm' do not convert to 'K'"):
        predicted_spread(read(ds), spread_alone(series(VALUES, "mm")), "a", "t2m")


def test_a_spread_without_units_beside_a_prediction_without_them_is_refused():
    ds = series(VALUES, "K").to_dataset(name="t2m")
    bare = xr.Dataset({"t2m": ds["t2m"].drop_attrs(), "t2m_std": series(VALUES, "K").drop_attrs()})
    with pytest.raises(UnitsError, match=r"Neither 't2m_std' nor 't2m' has units\. Set them"):
        predicted_spread(read(ds), bare, "t2m", "t2m")


def test_a_spread_of_layers_in_degrees_is_one_in_kelvin():
    """An offset moves a temperature, not the spread around it."""
    ds = series(270 + VALUES, "K").to_dataset(name="stl1")
    both = {"stl1": series(VALUES - 3.15, "degC"), "stl1_std": series(VALUES, "degC")}
    found = spread_of_layers(read(ds), xr.Dataset(both), "stl1", "stl1")
    assert found.attrs["units"] == "K"
    np.testing.assert_allclose(found, VALUES)
    same = spread_of_layers(read(ds), xr.Dataset({"stl1_std": series(VALUES, "K")}), "stl1", "stl1")
    assert same.attrs["units"] == "K"


def flux(name, units="mm day-1", **attrs):
    return series(VALUES, units).assign_attrs(attrs).rename(name)


def test_another_variable_is_not_scored_as_the_target():
    """Units do not tell: evaporation would be scored as rain, a deeper layer as the surface."""
    wet = {n: series(VALUES / 30, "m3 m-3") for n in ("swvl1", "swvl2")}
    ds = xr.Dataset({**wet, "pr": flux("pr"), "evspsbl": flux("evspsbl")})
    with pytest.raises(UnknownNameError, match=r"'swvl2' is soil_moisture.*target=\"swvl2\""):
        ds.physm.score(ds["swvl2"], baselines=False)
    with pytest.raises(UnknownNameError, match=r"'evspsbl' is evaporation.*target=\"evspsbl\""):
        ds.physm.score(ds["evspsbl"], target="pr", baselines=False)
    named = flux("mine", standard_name="water_evapotranspiration_flux")
    with pytest.raises(UnknownNameError, match=r"'mine' is evaporation.*target=\"evaporation\""):
        ds.physm.score(named, target="pr", baselines=False)
    with pytest.raises(UnknownNameError, match=r"The data hold no evaporation\. .*rename\('pr'\)"):
        ds.drop_vars("evspsbl").physm.score(named, target="pr", baselines=False)


def test_what_is_typed_is_scored():
    wet = {n: series(VALUES / 30, "m3 m-3") for n in ("swvl1", "swvl2")}
    ds = xr.Dataset({**wet, "pr": flux("pr"), "evspsbl": flux("evspsbl")})
    right = (
        (ds["swvl2"], {"target": "swvl2"}),
        (ds["evspsbl"], {"target": "evspsbl"}),
        (ds["swvl2"], {"target": "swvl1"}),  # stated: the same role
        (ds["evspsbl"].rename("pr").drop_attrs().assign_attrs(units="mm day-1"), {"target": "pr"}),
        (ds["swvl1"].rename("my_model"), {}),
        (ds["swvl1"].rename("soil_moisture"), {}),
    )
    for predicted, options in right:
        assert float(ds.physm.score(predicted, baselines=False, **options)["rmse"][0]) < 1e-12
