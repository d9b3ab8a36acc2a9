"""The compliance checker finds nothing in any result but the defaults of xarray.

It is that of IOOS (``compliance-checker``), with the rules of CF 1.8, on files as ``to_netcdf``
writes them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from compliance_checker.runner import CheckSuite

import xsm

QUICK = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}
# xarray writes whole numbers and times as 64 bits, which CF allows from 1.9 on
DEFAULTS = (
    "failed because the datatype is int64",
    # a boundary variable has one dimension more than its coordinate (CF 7.1), so one for a scalar
    "depth_bnds specified by depth should have at least two dimensions",
)
# a dimension of texts, as `source`, which the checker cannot subtract
UNREADABLE = {"check_coordinate_variables_strict_monotonicity"}
# (init, lead, ...) is how centres and cfgrib lay forecasts out, and experts come last: CF
# recommends, but does not ask, that dimensions other than time and place come first
LAID_OUT = "spatio-temporal dimensions are not in the recommended order"


@functools.cache
def land() -> xr.Dataset:
    ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    return ds.isel(time=slice(0, 800)).assign_attrs(history="simulated")


@functools.cache
def model(**options: object) -> xsm.FittedModel:
    return xsm.fit(land(), "lstm", **{**QUICK, "head": "gaussian", **options})


@functools.cache
def carrying() -> xsm.FittedModel:
    return model(sequence=60, cuts=3)


def layered() -> xsm.FittedModel:
    return xsm.fit(land(), "ismoe", layered=True, **{**QUICK, "channels": 4})


def account() -> xr.Dataset:
    """Return soil moisture, fluxes and stores of the account of water."""
    return xsm.fit(land(), "water_budget", sequence=60, **QUICK).predict(land())


@functools.cache
def soil() -> xr.Dataset:
    return xsm.soil_parameters(land(), method="texture_class")


@functools.cache
def predicted() -> xr.Dataset:
    return xsm.predict(land(), model())


@functools.cache
def mixture() -> xsm.FittedModel:
    return xsm.fit(land(), "ismoe", **{**QUICK, "channels": 4})


def hindcast() -> xr.Dataset:
    starts = ["2019-06-01", "2019-07-01"]
    return xsm.forecast(land(), carrying(), init=starts, weather="known", lead=2)


def adapted() -> xr.Dataset:
    young = model(sequence=60, head="gaussian")
    starts = land()["time"].values[70:90]
    return xsm.adapt_spread(land(), young.forecast(land(), init=starts, weather="known", lead=2))


def hourly() -> xr.Dataset:
    hours = xr.date_range("2020-01-01", periods=96, freq="h")
    attrs = {"units": "K", "standard_name": "air_temperature"}
    ds = xr.Dataset({"t2m": ("time", np.full(96, 280.0), attrs)}, {"time": hours})
    ds["time"].attrs["standard_name"] = "time"
    return ds


def storage() -> xr.Dataset:
    months = xr.date_range("2004-01", periods=72, freq="MS")
    total = land()["swvl1"].isel(time=slice(0, 72)).drop_vars("time") * 1000
    named = {
        "lwe_thickness": total,
        "lwe_thickness_error": 0 * total + 5,
    }
    ds = xr.Dataset(named).drop_attrs(deep=False).assign_coords(time=months)
    for name in ("latitude", "longitude", "time"):
        ds[name].attrs = dict(land()[name].attrs)
    for name in named:
        ds[name].attrs = {"units": "mm"}
    return ds


def groundwater() -> xr.Dataset:
    tws = storage()
    parts = [(0.5 * tws["lwe_thickness"]).assign_attrs(units="mm") for _ in range(2)]
    return xsm.groundwater_anomaly(tws, *parts)


def coarse() -> xr.Dataset:
    return groundwater().isel(time=slice(0, 6))


RESULTS: dict[str, Callable[[], xr.Dataset]] = {
    "predict": predicted,
    "calibrated": lambda: model().calibrate(land(), method="isotonic").predict(land()),
    "layers": lambda: layered().predict(land()),
    "forecast": lambda: carrying().forecast(land(), lead=3),
    "state": lambda: carrying().state(land()),
    "score": lambda: xsm.score(land(), predicted(), baselines=model()),
    "score of a forecast": lambda: xsm.score(land(), hindcast()),
    "score of a model": lambda: model().score(land()),
    "reliability": lambda: xsm.reliability(land(), predicted()),
    "intervals": lambda: xsm.intervals(predicted()),
    "adapted": adapted,
    "water_balance": lambda: xsm.water_balance(land()),
    "consistency": lambda: xsm.consistency(land(), predicted()),
    "richards": lambda: xsm.consistency(land(), law="richards", parameters=soil()),
    "budget": lambda: xsm.consistency(land(), law="budget", terms=["snow_water_equivalent"]),
    "richards_residual": lambda: xsm.richards_residual(land(), parameters=soil()),
    "soil_parameters": soil,
    "to_depths": lambda: xsm.to_depths(land(), [(0.0, 0.1), (0.1, 0.5)]),
    "daily": lambda: xsm.daily(hourly()),
    "monthly": lambda: xsm.monthly(land()),
    "regrid": lambda: xsm.regrid(
        land().isel(time=slice(0, 3)), land().isel(latitude=slice(0, 4, 2))
    ),
    "audit": lambda: xsm.audit(model(), land().isel(time=slice(0, 60))),
    "blend": lambda: xsm.blend([model(), model(seed=1)], land()).predict(land()),
    "account": account,
    "experts": lambda: mixture().experts(land()),
    "importance": lambda: mixture().importance(land(), repeats=1),
    "mixture": lambda: mixture().predict(land()),
    "groundwater_anomaly": groundwater,
    "downscale": lambda: xsm.downscale(coarse(), 2, model="bilinear"),
}


@pytest.fixture(scope="module")
def suite() -> CheckSuite:
    CheckSuite.load_all_available_checkers()
    return CheckSuite()


def faults(suite: CheckSuite, path: Path) -> list[str]:
    """Return what the checker says of a file."""
    with suite.load_dataset(str(path)) as opened:
        (groups, errors) = suite.run_all(opened, ["cf:1.8"], skip_checks=[])["cf:1.8"]
    assert set(errors) <= UNREADABLE
    said = [(group, text) for group in groups for text in group.msgs or ()]
    return [f"{group.name}: {text}" for group, text in said if group.value[0] < group.value[1]]


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.filterwarnings("ignore::UserWarning:compliance_checker")
@pytest.mark.filterwarnings("ignore:Weights and permutation importance order:UserWarning")
def test_the_checker_finds_nothing(name: str, suite: CheckSuite, tmp_path: Path) -> None:
    found = RESULTS[name]()
    for attr in ("Conventions", "title", "history", "xsm_version"):
        assert found.attrs[attr], attr
    found.to_netcdf(tmp_path / "found.nc")
    found.to_zarr(tmp_path / "found.zarr", consolidated=False)  # warnings are errors
    allowed = (*DEFAULTS, *([LAID_OUT] if {"init", "expert"} & set(found.dims) else []))
    told = faults(suite, tmp_path / "found.nc")
    assert [text for text in told if not any(known in text for known in allowed)] == []


def test_a_prediction_of_one_layer_says_how_deep_it_is(tmp_path: Path) -> None:
    """CF: a scalar coordinate and its bounds; of an account, whose fluxes have no depth, none."""
    predicted().to_netcdf(tmp_path / "found.nc")
    with xr.open_dataset(tmp_path / "found.nc", decode_coords="all") as found:
        depth = found["swvl1"].coords["depth"]
        assert depth.attrs["standard_name"] == "depth"
        assert (depth.attrs["units"], depth.attrs["positive"]) == ("m", "down")
        assert float(depth) == pytest.approx(0.035)
        bounds = depth.attrs.get("bounds", depth.encoding.get("bounds"))
        np.testing.assert_allclose(found[bounds], [0.0, 0.07])
    assert "depth" not in account().coords


def test_the_checker_sees_what_is_wrong(suite: CheckSuite, tmp_path: Path) -> None:
    wrong = predicted().drop_vars("extrapolation")
    wrong.attrs.pop("history")
    wrong.to_netcdf(tmp_path / "wrong.nc")
    told = faults(suite, tmp_path / "wrong.nc")
    assert any("extrapolation is not a variable in this dataset" in text for text in told)
    assert any("history should exist" in text for text in told)
