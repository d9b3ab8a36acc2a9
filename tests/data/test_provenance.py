"""Results say where they come from, and files hold what they say."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.data.provenance import recorded

QUICK = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}


@dataclass
class Model:
    name: str = "lstm"
    digest: str = "0123456789ab"


def series(**attrs: object) -> xr.Dataset:
    days = xr.date_range("2020-01-01", periods=60)
    values = np.linspace(0.1, 0.4, 60)
    ds = xr.Dataset({"swvl1": ("time", values, {"units": "m3 m-3"})}, {"time": days}, attrs)
    ds["time"].attrs["standard_name"] = "time"
    return ds


def test_the_history_of_the_data_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    ds = series(history="2026-01-01 downloaded\n", title="Mine", Conventions="CF-1.7 ACDD-1.3")
    found = recorded(ds, "daily", of=ds, title="Daily values")
    first, second = found.attrs["history"].splitlines()
    assert first == "2026-01-01 downloaded"
    assert second == f"1970-01-02T00:00:00Z xsm {xsm.__version__}: daily"
    assert found.attrs["title"] == "Mine"
    assert found.attrs["Conventions"] == "CF-1.7 ACDD-1.3"
    assert found.attrs["xsm_version"] == xsm.__version__
    assert ds.attrs["history"].count("\n") == 1  # the data stay as they are


def test_what_says_nothing_is_given_a_title_conventions_and_the_time() -> None:
    found = recorded(series(), "predict", title="A title", by=Model())
    assert found.attrs["title"] == "A title"
    assert found.attrs["Conventions"] == "CF-1.8"
    assert found.attrs["model"] == "lstm"
    assert found.attrs["model_fingerprint"] == "0123456789ab"
    assert re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ xsm \S+: predict by lstm", found.history)


def test_attributes_name_nothing_that_is_not_there() -> None:
    ds = series()
    ds["std"] = ds["swvl1"].assign_attrs(cell_methods="time: mean", bounds="time_bnds")
    ds["swvl1"].attrs |= {
        "ancillary_variables": "gone std",
        "cell_measures": "area: cell_area",
        "cell_methods": "area: mean time: mean (interval: 1 hour)",
        "grid_mapping": "crs",
    }
    found = recorded(ds, "test")
    assert found["swvl1"].attrs["ancillary_variables"] == "std"
    assert found["swvl1"].attrs["cell_methods"] == "area: mean time: mean (interval: 1 hour)"
    assert not {"cell_measures", "grid_mapping"} & set(found["swvl1"].attrs)
    assert found["std"].attrs["cell_methods"] == "time: mean"
    assert "bounds" not in found["std"].attrs
    assert "cell_methods" not in recorded(ds.mean("time", keep_attrs=True), "test")["std"].attrs
    assert ds["swvl1"].attrs["grid_mapping"] == "crs"


def test_links_that_hold_stay() -> None:
    ds = series().assign_coords(crs=0, cell_area=("time", np.ones(60)))
    ds["swvl1"].attrs |= {"grid_mapping": "crs: time", "cell_measures": "area: cell_area"}
    assert recorded(ds, "test")["swvl1"].attrs == ds["swvl1"].attrs


@pytest.mark.parametrize("engine", ["netcdf4", "h5netcdf"])
def test_attributes_come_back_from_files_as_they_were(tmp_path, engine: str) -> None:
    ds = series(terms=["precipitation", "evaporation"], one=("snow",), none=None, deep=True)
    ds.attrs |= {"empty": [], "roles": {"precipitation": "tp"}}
    ds["swvl1"].attrs["layers"] = ["0 to 7 cm"]
    found = recorded(ds, "test")
    assert found.attrs["terms"] == "precipitation, evaporation"
    assert found.attrs["roles"] == "precipitation: tp"
    assert (found.attrs["one"], found.attrs["none"], found.attrs["deep"]) == ("snow", "", 1)
    found.to_netcdf(tmp_path / "found.nc", engine=engine)
    with xr.open_dataset(tmp_path / "found.nc", engine=engine) as back:
        assert back.attrs == found.attrs
        assert back["swvl1"].attrs == found["swvl1"].attrs


def test_texts_are_stored_without_a_warning(tmp_path) -> None:
    """Texts of fixed length have no specification in Zarr 3, of which zarr warns."""
    scores = xsm.score(series(), series()["swvl1"], baselines=False)
    scores.to_zarr(tmp_path / "scores.zarr", consolidated=False)
    back = xr.open_zarr(tmp_path / "scores.zarr", consolidated=False)
    assert back["source"].values.tolist() == ["model"]
    assert float(back["rmse"].sel(source="model")) == 0


def test_nothing_is_computed(no_compute) -> None:
    with no_compute():
        recorded(series().chunk(time=10), "test")


def test_the_fingerprint_is_of_what_was_learnt_and_stays_when_stored(tmp_path) -> None:
    ds = xsm.open_tutorial("land").isel(latitude=slice(0, 2), longitude=slice(20, 22))
    one, same = (xsm.fit(ds, "lstm", **QUICK) for _ in range(2))
    other = xsm.fit(ds, "lstm", seed=1, **QUICK)
    one.save(tmp_path / "one.xsm")
    assert one.digest == same.digest == xsm.load(tmp_path / "one.xsm").digest
    assert one.digest != other.digest
    attrs = one.predict(ds).attrs
    assert (attrs["model"], attrs["model_fingerprint"]) == ("lstm", one.digest)
