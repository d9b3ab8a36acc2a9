"""The same physical data under five conventions give the same masks and the same predictions."""

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.data.reading import read
from xsm.data.targets import predicted_target
from xsm.data.units import quantify

DAY = 86400.0
EDGES = [0.0, 0.07, 0.28, 1.0, 2.89]
INPUTS = {"dynamic": ["precipitation", "air_temperature"], "static": ["elevation"]}
QUICK = {"epochs": 2, "iterations": 10, "hidden_size": 8, "progress": False, "valid": 0.0}


def physical() -> dict[str, xr.DataArray]:
    """Return fluxes in mm day-1, states in mm and m3 m-3, upward evaporation."""
    ds = xsm.open_tutorial("land").isel(latitude=slice(4, 8), longitude=slice(18, 24))
    ds = ds.isel(time=slice(0, 400))
    bare = lambda name, factor=1.0: (ds[name] * factor).drop_attrs()  # noqa: E731
    layers = [bare(f"swvl{i}") for i in (1, 2, 3, 4)]
    return {
        "rain": bare("tp", 1000),
        "evaporation": bare("e", -1000),
        "runoff": bare("sro", 1000),
        "snow": bare("sd", 1000),
        "warmth": bare("t2m"),
        "hill": bare("elevation"),
        "theta": xr.concat(layers, "layer").transpose("time", "layer", ...),
    }


def with_units(arrays: dict[str, tuple[xr.DataArray, str]]) -> xr.Dataset:
    return xr.Dataset({name: a.assign_attrs(units=u) for name, (a, u) in arrays.items()})


def era5(w: dict[str, xr.DataArray]) -> xr.Dataset:
    own = {
        "tp": (w["rain"] / 1000, "m"),
        "e": (-w["evaporation"] / 1000, "m"),
        "sro": (w["runoff"] / 1000, "m"),
        "sd": (w["snow"] / 1000, "m of water equivalent"),
        "t2m": (w["warmth"], "K"),
        "elevation": (w["hill"], "m"),
    }
    return with_units(own | {f"swvl{i + 1}": (w["theta"][:, i], "m3 m-3") for i in range(4)})


def cmip6(w: dict[str, xr.DataArray]) -> xr.Dataset:
    depth = xr.DataArray(np.diff(EDGES), dims="depth")
    water = w["theta"].rename(layer="depth") * depth * 1000
    ds = with_units(
        {
            "pr": (w["rain"] / DAY, "kg m-2 s-1"),
            "evspsbl": (w["evaporation"] / DAY, "kg m-2 s-1"),
            "mrros": (w["runoff"] / DAY, "kg m-2 s-1"),
            "snw": (w["snow"], "kg m-2"),
            "mrsol": (water, "kg m-2"),
            "tas": (w["warmth"], "K"),
            "orog": (w["hill"], "m"),
        }
    )
    middle = xr.DataArray(
        (np.array(EDGES[1:]) + EDGES[:-1]) / 2,
        dims="depth",
        attrs={"units": "m", "positive": "down", "bounds": "depth_bnds"},
    )
    bounds = xr.DataArray(np.stack([EDGES[:-1], EDGES[1:]], 1), dims=("depth", "bnds"))
    return ds.assign_coords(depth=middle, depth_bnds=bounds)


def gldas(w: dict[str, xr.DataArray]) -> xr.Dataset:
    return with_units(
        {
            "Rainf_f_tavg": (w["rain"] / DAY, "kg m-2 s-1"),
            "Evap_tavg": (w["evaporation"] / DAY, "kg m-2 s-1"),
            "Qs_acc": (w["runoff"], "kg m-2"),
            "SWE_inst": (w["snow"], "kg m-2"),
            "SoilMoi0_10cm_inst": (w["theta"][:, 0] * 100, "kg m-2"),
            "Tair_f_inst": (w["warmth"], "K"),
            "elevation": (w["hill"], "m"),
        }
    )


def mhm(w: dict[str, xr.DataArray]) -> xr.Dataset:
    ds = with_units(
        {
            "pr": (w["rain"], "mm d-1"),
            "et": (w["evaporation"], "mm d-1"),
            "sro": (w["runoff"], "mm d-1"),
            "swe": (w["snow"], "mm"),
            "theta": (w["theta"], "m3 m-3"),
            "tas": (w["warmth"] - 273.15, "degC"),
            "dem": (w["hill"], "m"),
        }
    )
    ds["theta"].attrs["layer_edges_m"] = EDGES
    return ds


def quantified(w: dict[str, xr.DataArray]) -> xr.Dataset:
    return quantify(era5(w))


CONVENTIONS = {"cmip6": cmip6, "gldas": gldas, "mhm": mhm, "quantified": quantified}


@pytest.fixture(scope="module")
def world() -> dict[str, xr.DataArray]:
    return physical()


@pytest.fixture(scope="module")
def reference(world):
    ds = era5(world)
    fitted = ds.physm.fit("phy_lstm", **INPUTS, **QUICK)
    return ds, predicted_target(read(ds), ds.physm.predict(fitted), "soil_moisture")


def net_inflow(w: dict[str, xr.DataArray], deep: bool) -> xr.DataArray:
    """Return Eq. 10 and 11 in plain xarray."""
    inflow = w["rain"] - w["evaporation"] - w["runoff"] - w["snow"].diff("time")
    if deep:
        below = 1000 * (0.21 * w["theta"][:, 1] + 0.72 * w["theta"][:, 2])
        inflow = inflow - below.diff("time")
    return inflow.reindex(time=w["rain"].time)


@pytest.mark.parametrize("trend", ["change", "level"])
@pytest.mark.parametrize(
    ("name", "deep"),
    [(name, False) for name in ("era5", *CONVENTIONS)]
    + [(name, True) for name in ("era5", "cmip6", "mhm", "quantified")],  # GLDAS has other layers
)
def test_masks_are_the_same(world, name, trend, deep):
    ds = (CONVENTIONS | {"era5": era5})[name](world)
    balance = ds.physm.water_balance(trend=trend, deep=deep)
    inflow = net_inflow(world, deep)
    compared = inflow - inflow.shift(time=1) if trend == "change" else inflow
    clear = abs(compared) > 1e-5
    expected = np.sign(compared).where(clear)
    found = balance["inflow_trend"]
    if name == "quantified":
        found = found.pint.dequantify()
    found = found.transpose(*expected.dims).where(clear)
    # a step without an earlier observation has no pair, so no trend
    found, expected = found.isel(time=slice(2, None)), expected.isel(time=slice(2, None))
    np.testing.assert_array_equal(found, expected)
    assert int(clear.sum()) > 1000


@pytest.mark.parametrize("name", list(CONVENTIONS))
def test_fitted_predictions_are_the_same(world, reference, name):
    truth, expected = reference
    ds = CONVENTIONS[name](world)
    fitted = ds.physm.fit("phy_lstm", **INPUTS, **QUICK)
    found = ds.physm.predict(fitted)
    if name == "quantified":
        found = found.pint.dequantify()
    bare = ds.pint.dequantify() if name == "quantified" else ds
    got = predicted_target(read(bare), found, "soil_moisture")
    # 20 steps of training amplify differences of float32 rounding in the inputs a little
    np.testing.assert_allclose(got.transpose(*expected.dims), expected, atol=2e-5, rtol=0)
    # and the model of one product predicts from another
    other = predicted_target(read(truth), truth.physm.predict(fitted), "soil_moisture")
    np.testing.assert_allclose(other, expected, atol=2e-5, rtol=0)
