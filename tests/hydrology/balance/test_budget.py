"""The audit of the whole budget, on accounts that close by construction."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.exceptions import GridError, MissingVariableError, UnknownNameError


def _closed(steps: int = 60) -> xr.Dataset:
    """Return fluxes and stores of two cells: what comes in and does not leave is stored."""
    rng = np.random.default_rng(0)
    rain, evaporation, runoff = rng.gamma(0.5, 6.0, (3, steps, 2)) * [[[3]], [[1]], [[1]]] / 3
    kept = np.cumsum(rain - evaporation - runoff, axis=0)
    days = np.datetime64("2020-01-01", "ns") + np.arange(steps) * np.timedelta64(1, "D")
    dims, flux = ("time", "cell"), {"units": "mm d-1"}
    top, below = 0.2 + 0.2 * kept / 700, 0.3 + 0.5 * kept / 2000
    return xr.Dataset(
        {
            "precipitation": (dims, rain, flux),
            "evaporation": (dims, evaporation, flux),
            "runoff": (dims, runoff, flux),
            "snow_water_equivalent": (dims, 100 + 0.3 * kept, {"units": "mm"}),
            "swvl1": (dims, top, {"units": "m3 m-3", "layer_edges_m": [0.0, 0.7]}),
            "swvl2": (dims, below, {"units": "m3 m-3", "layer_edges_m": [0.7, 2.7]}),
        },
        {"time": days, "cell": [0, 1]},
    )


def test_an_account_that_closes_leaves_nothing() -> None:
    audit = xsm.consistency(_closed(), law="budget")
    np.testing.assert_allclose(audit["residual_rms"], 0, atol=1e-10)
    np.testing.assert_allclose(audit["explained"], 1)
    assert audit["count"].values.tolist() == [59, 59]
    assert audit.attrs["terms"].endswith(", snow_water_equivalent, soil_moisture")
    assert audit["residual"].attrs["units"] == "mm day-1"


def test_rain_that_is_five_percent_too_high_is_what_is_left() -> None:
    ds = _closed()
    rain = ds["precipitation"]
    audit = xsm.consistency(ds.assign(precipitation=rain * 1.05), law="budget")
    expected = rain.isel(time=slice(1, None)).mean("time") * 0.05
    np.testing.assert_allclose(audit["residual"], expected)
    np.testing.assert_allclose(audit["share"], 0.05 / 1.05)


def test_means_of_stores_are_exact_where_fluxes_are_constant_in_a_step() -> None:
    ds = _closed()
    total = ds["snow_water_equivalent"] + 700 * ds["swvl1"] + 2000 * ds["swvl2"]
    net = ds["precipitation"] - ds["evaporation"] - ds["runoff"]
    mean = (total - net / 2).assign_attrs(units="mm", cell_methods="time: mean")
    given = ds[["precipitation", "evaporation", "runoff"]].assign(terrestrial_water_storage=mean)
    audit = xsm.consistency(given, law="budget")
    assert audit.attrs["states"] == "mean"
    np.testing.assert_allclose(audit["residual_rms"], 0, atol=1e-10)
    assert (xsm.consistency(given, law="budget", states="end")["residual_rms"] > 0.1).all()


def test_months_count_their_own_days() -> None:
    months = np.arange("2020-01", "2021-03", dtype="M8[M]").astype("M8[ns]")
    days = np.diff(np.append(months, np.datetime64("2021-03", "ns"))) / np.timedelta64(1, "D")
    rain = np.random.default_rng(0).gamma(2.0, 1.0, len(months))
    attrs = {"units": "mm d-1"}
    ds = xr.Dataset(
        {
            "precipitation": ("time", rain, attrs),
            "evaporation": ("time", rain / 2, attrs),
            "runoff": ("time", rain / 4, attrs),
            "tws": ("time", np.cumsum(rain * days) / 4, {"units": "mm"}),
        },
        {"time": months},
    )
    audit = xsm.consistency(ds, law="budget", variables={"terrestrial_water_storage": "tws"})
    np.testing.assert_allclose(audit["residual_rms"], 0, atol=1e-10)


def test_a_predicted_flux_takes_the_place_of_that_of_the_data() -> None:
    ds = _closed()
    guess = ds[["evaporation"]] * 0 + 1.0
    guess["evaporation"].attrs["units"] = "mm d-1"
    series = xsm.consistency(ds, guess, law="budget", dim=[])
    np.testing.assert_allclose(series["residual"][1:], ds["evaporation"][1:] - 1.0, atol=1e-10)
    assert series["residual"].dims == ("time", "cell")
    assert series["residual"][0].isnull().all()


def test_what_runs_off_in_parts_is_summed() -> None:
    ds = _closed()
    parts = {"surface_runoff": 0.4 * ds["runoff"], "subsurface_runoff": 0.6 * ds["runoff"]}
    parts = {name: array.assign_attrs(units="mm d-1") for name, array in parts.items()}
    audit = xsm.consistency(ds.drop_vars("runoff").assign(parts), law="budget")
    np.testing.assert_allclose(audit["residual_rms"], 0, atol=1e-10)


def test_a_gap_takes_two_accounts_and_no_more() -> None:
    ds = _closed()
    ds["swvl1"][20, 0] = np.nan
    audit = xsm.consistency(ds, law="budget")
    assert audit["count"].values.tolist() == [57, 59]
    np.testing.assert_allclose(audit["residual_rms"], 0, atol=1e-10)


def test_lazy_data_give_the_same_lazily() -> None:
    ds = _closed()
    lazy = xsm.consistency(ds.chunk({"time": 7, "cell": 1}), law="budget")
    assert all(array.chunks for array in lazy.values())
    xr.testing.assert_allclose(lazy.compute(), xsm.consistency(ds, law="budget"))


def test_what_makes_no_account_is_refused() -> None:
    ds = _closed()
    with pytest.raises(MissingVariableError, match="runoff"):
        xsm.consistency(ds.drop_vars("runoff"), law="budget")
    with pytest.raises(MissingVariableError, match="terrestrial_water_storage"):
        xsm.consistency(ds[["precipitation", "evaporation", "runoff"]], law="budget")
    with pytest.raises(UnknownNameError, match="The term 'rain' does not exist"):
        xsm.consistency(ds, law="budget", terms=["rain"])
    with pytest.raises(UnknownNameError, match="target='swvl1' given with law"):
        xsm.consistency(ds, law="budget", target="swvl1")
    with pytest.raises(UnknownNameError, match="states"):
        xsm.consistency(ds, law="budget", states="start")  # type: ignore[arg-type]
    with pytest.raises(MissingVariableError, match="none of which is a term"):
        xsm.consistency(ds, xr.Dataset({"a": 1}), law="budget")
    ds["swvl2"].attrs["layer_edges_m"] = [0.9, 2.9]
    with pytest.raises(GridError, match="gap or overlap: swvl1 0-0"):
        xsm.consistency(ds, law="budget")
