"""The script that forecasts each morning: two days of new data give what the whole record does."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import xarray as xr

import xsm
from tests.worlds import bucket_dataset

SCRIPT = Path(__file__).parents[1] / "examples" / "forecast_today.py"
QUICK = {"sequence": 30, "warmup": 8, "epochs": 1, "iterations": 2, "batch_size": 8}
SMALL = {"hidden_size": 4, "progress": False, "cuts": 5, "data_integration": True}


def test_two_mornings(tmp_path, monkeypatch, capsys) -> None:
    world = bucket_dataset(126)
    ds = world.isel(time=slice(120))
    fitted = xsm.fit(ds, "lstm", **QUICK, **SMALL)
    fitted.save(tmp_path / "soil.xsm")

    def morning(days: xr.Dataset, *more: str) -> str:
        days.to_netcdf(tmp_path / "today.nc", engine="h5netcdf")
        given = ["soil.xsm", "today.nc", "state.nc", "forecasts"]
        given = [str(tmp_path / name) for name in given]
        monkeypatch.setattr("sys.argv", ["forecast_today.py", *given, "--lead", "5", *more])
        runpy.run_path(str(SCRIPT), run_name="__main__")
        return capsys.readouterr().out

    assert "forecast of 2019-04-28 for 5 days, 118 days new" in morning(ds.isel(time=slice(118)))
    assert "2019-04-29 for 5 days, 1 days new" in morning(ds.isel(time=slice(100, 119)))
    coming = world[["precipitation", "air_temperature"]].isel(time=slice(119, None))
    weather = str(tmp_path / "weather.nc")
    coming.to_netcdf(weather, engine="h5netcdf")
    assert "04-30 for 5 days, 1 days new" in morning(ds.isel(time=[119]), "--weather", weather)
    assert "no day is new: the state goes on with 2019-05-01" in morning(ds.isel(time=[119]))
    for last in (117, 118, 119):
        given = "known" if last == 119 else None
        whole = fitted.forecast(world, init=world["time"].values[last], lead=5, weather=given)
        day = whole["init"].dt.strftime("%Y-%m-%d").item()
        with xr.open_dataset(tmp_path / "forecasts" / f"{day}.nc", engine="h5netcdf") as found:
            xr.testing.assert_allclose(found["soil_moisture"], whole["soil_moisture"], atol=1e-6)
            assert found["valid_time"].attrs["standard_name"] == "time"
            ages = found["observation_age"], whole["observation_age"]
            assert float(abs(ages[0] - ages[1]).max()) == pytest.approx(0)
