"""The code of tutorials runs on files with the structure of the products that they are about.

Only the cell that makes the data is replaced, and the schedule shortened; cells that compare with a
simulated truth are left out.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from tests.door.files import era5_land_daily, fluxnet_daily, smap_l3
from tests.door.truth import LAT, LON, truth

EXAMPLES = Path(__file__).parents[1] / "examples"
PLACE = {"latitude": LAT[0], "longitude": LON[0]}
TINY = {
    "groundwater": {"hidden": 2, "widths": (2, 4), "epochs": 1, "iterations": 1},
    "forecast": {"epochs": 1, "iterations": 1, "hidden_size": 4},
    "satellite_gaps": {"epochs": 1, "iterations": 1, "hidden_size": 4},
    "evaporation": {"epochs": 1, "iterations": 1, "hidden_size": 4},
}


def cells(name: str) -> list[str]:
    """Return the code of a tutorial, without what makes its data or knows its truth."""
    text = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    found = re.findall(r"^# %%(.*)\n((?:(?!# %%).*\n?)*)", text, re.MULTILINE)
    return [code for tags, code in found if not re.search(r"markdown|data|truth", tags)]


def run(name: str, data: dict[str, Any]) -> dict[str, Any]:
    """Run a tutorial on other data, with a schedule of one step; return its names."""
    import matplotlib.pyplot as plt

    names = {"xr": xr, "np": np, "xsm": xsm, **data}
    with xsm.set_options(progress=False):
        for code in cells(name):
            quick = re.sub(r"^short = .*", f"short = {TINY[name]}", code, flags=re.MULTILINE)
            tree = ast.parse(quick.replace("[0:330:7]", "[0:330:30]"))  # fewer starts
            exec(compile(tree, f"examples/{name}.py", "exec"), names)
            plt.close("all")
    return names


def daily_files(days: int, start: str) -> xr.Dataset:
    """Return daily ERA5-Land, and SMAP L3 on its cells, as their files have them."""
    hourly = truth(days, start=start)
    weather = era5_land_daily(hourly).rename(lat="latitude", lon="longitude")
    return weather.drop_vars("swvl1").merge(
        smap_l3(hourly).rename(lat="latitude", lon="longitude"), join="exact"
    )


def mascons(months: xr.DataArray, storage: xr.DataArray) -> xr.Dataset:
    """Return a file like JPL's GRACE and GRACE-FO mascons (GRCTellus RL06.3M.MSCNv04CRI).

    Names, units and extras are those of its public header: ``lwe_thickness`` and ``uncertainty`` in
    cm, bounds, ``land_mask``, ``scale_factor``, ``mascon_ID``, ``GAD``; stamps in the middle of the
    month; longitudes from 0 to 360.
    """
    shift = (np.arange(months.size) % 3 + 14).astype("m8[D]")
    label = months.values + shift.astype("m8[ns]")
    ones = xr.ones_like(storage[0], dtype=float)
    ds = xr.Dataset(
        {
            "lwe_thickness": (storage / 10).assign_attrs(
                units="cm", standard_name="Liquid_Water_Equivalent_Thickness"
            ),
            "uncertainty": (0 * storage + 2.0).assign_attrs(
                units="cm", standard_name="uncertainty"
            ),
            "land_mask": ones.assign_attrs(units="unitless"),
            "scale_factor": (1.2 * ones).assign_attrs(units="unitless"),
            "mascon_ID": ones.cumsum("lon").assign_attrs(units="unitless"),
        }
    ).assign_coords(time=label, lon=storage["lon"] % 360)
    ds["GAD"] = ("time", np.zeros(months.size), {"units": "cm"})
    half = np.timedelta64(15, "D")
    ds["time_bounds"] = (("time", "bounds"), np.stack([label - half, label + half], 1))
    ds["time"].attrs.update(standard_name="time", axis="T", bounds="time_bounds")
    return ds.sortby("lon")


@pytest.mark.filterwarnings("ignore:.*baseline:UserWarning")
def test_a_file_of_grace_becomes_a_map_of_groundwater_with_intervals() -> None:
    rng = np.random.default_rng(0)
    months = xr.date_range("2003-01-01", periods=36, freq="MS")
    coarse = {"time": months, "lat": [44.5, 45.5, 46.5, 47.5], "lon": [8.5, 9.5, 10.5, 11.5]}
    storage = xr.DataArray(50 * rng.normal(size=(36, 4, 4)), coarse)
    fine = {"time": months, "lat": np.arange(44.125, 48, 0.25), "lon": np.arange(8.125, 12, 0.25)}
    layer = {f"SoilMoi{n}cm_inst": d for n, d in {"0_10": 30, "10_40": 90, "40_100": 180}.items()}
    gldas = xr.Dataset(
        {n: (0 * storage + d).assign_attrs(units="kg m-2") for n, d in layer.items()}
    ).assign(SWE_inst=(0 * storage).assign_attrs(units="kg m-2"))
    field = xr.DataArray(50 * rng.normal(size=(36, 16, 16)), fine, attrs={"units": "mm"})
    rain = (abs(field) / 1e4).assign_attrs(units="m", GRIB_stepType="avgad")  # ERA5-Land
    data = {
        "grace": mascons(storage["time"], storage),
        "gldas": gldas,
        "weather": xr.Dataset({"tp": rain}),
        "maps": xr.Dataset({"elevation": abs(field[0].drop_vars("time")).assign_attrs(units="m")}),
        "wells": field.rename("groundwater_storage"),
    }
    names = run("groundwater", data)
    answer = names["answer"]
    assert answer.sizes == {"90 % interval": 3, "lat": 16, "lon": 16}
    lower, estimate, upper = (answer.isel({"90 % interval": k}) for k in range(3))
    assert bool(((lower < estimate) & (estimate < upper)).all())


def test_a_record_of_era5_land_becomes_a_forecast_of_two_weeks() -> None:
    hourly = truth(1096, start="2018-01-01")
    one = era5_land_daily(hourly).rename(lat="latitude", lon="longitude")
    shifted = [one.assign_coords(longitude=one["longitude"] + 2 * k) for k in range(8)]
    ds = xr.concat(shifted, "longitude")  # 48 cells, enough to calibrate
    names = run("forecast", {"ds": ds, "at": PLACE})
    assert names["fan"].sizes["lead"] == 14
    assert {"swvl1", "swvl1_std"} <= set(names["fan"].data_vars)
    assert list(names["table"].index[:2]) == ["no weather", "known weather"]


def test_a_record_of_smap_is_filled() -> None:
    ds = daily_files(1096, "2018-01-01").drop_vars("retrieval_qual_flag")
    seen = xr.DataArray(np.arange(1096) % 3 == 0, {"time": ds["time"]})
    ds["soil_moisture_am"] = ds["soil_moisture_am"].where(seen)
    names = run("satellite_gaps", {"ds": ds, "name": "soil_moisture_am", "at": PLACE})
    assert float(names["filled"].isel(time=slice(60, None)).notnull().mean()) > 0.99
    kept = names["filled"].where(seen, drop=True)
    xr.testing.assert_allclose(kept, ds["soil_moisture_am"].where(seen, drop=True))


@pytest.mark.filterwarnings("ignore:.*does not identify:UserWarning")
def test_a_file_of_fluxnet_becomes_evaporation() -> None:
    """Columns of the daily subset of FLUXNET2015: names and units of its table, LE as the truth."""
    tower = fluxnet_daily(truth(800, start="2018-01-01")).rename(TIMESTAMP="time")
    names = run("evaporation", {"ds": tower.assign_attrs(product="fluxnet"), "pd": pd})
    assert names["table"]["evaporation"].name == ("LE_F_MDS",)
    assert names["said"].sizes == {"time": 800}
    assert set(names["scores"](names["said"])) >= {"r of days", "bias (%)"}
    assert abs(float(names["account"]["residual"])) < 1e-3
