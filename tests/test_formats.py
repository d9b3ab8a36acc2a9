"""What users hold: Zarr of both versions, NetCDF, packed or not, icechunk; and where they write."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import xsm

QUICK = {"epochs": 1, "iterations": 3, "hidden_size": 4, "progress": False}
CHUNKS = {"time": 30, "latitude": 2, "longitude": 2}


@pytest.fixture(scope="module")
def land() -> xr.Dataset:
    where = {"time": slice(0, 100), "latitude": slice(0, 3), "longitude": slice(20, 24)}
    whole = xsm.open_tutorial("land").isel(where).load()
    return whole[["tp", "t2m", "ssrd", "swvl1", "elevation"]].drop_encoding()


@pytest.fixture(scope="module")
def fitted(land) -> xsm.FittedModel:
    return land.physm.fit("lstm", **QUICK)


def agree(opened: xr.Dataset, fitted: xsm.FittedModel, expected: xr.Dataset, atol: float) -> None:
    """Compare what is predicted lazily from a store with what is predicted from it eagerly."""
    lazy = opened.physm.predict(fitted)
    assert lazy["swvl1"].chunks is not None
    eager = opened.load().physm.predict(fitted)
    xr.testing.assert_allclose(lazy.compute(), eager, atol=1e-6, rtol=0)
    xr.testing.assert_allclose(eager["swvl1"], expected["swvl1"], atol=atol, rtol=0)


@pytest.mark.parametrize("consolidated", [True, False])
@pytest.mark.parametrize("version", [2, 3])
def test_zarr(land, fitted, tmp_path, version, consolidated):
    store = tmp_path / "land.zarr"
    with warnings.catch_warnings():
        # Zarr says that its version 3 has no consolidated metadata yet; xarray writes them
        warnings.filterwarnings("ignore", "Consolidated metadata")
        land.chunk(CHUNKS).to_zarr(store, zarr_format=version, consolidated=consolidated)
    with xr.open_zarr(store, consolidated=consolidated) as opened:
        agree(opened, fitted, land.physm.predict(fitted), 1e-6)


@pytest.mark.parametrize("packed", [False, True])
def test_netcdf_through_h5netcdf(land, fitted, tmp_path, packed):
    pytest.importorskip("h5netcdf")
    encoding = {}
    if packed:  # 16 bits over each variable's range, as archives pack
        for name in ("tp", "t2m", "ssrd"):
            low, high = float(land[name].min()), float(land[name].max())
            scale = {"scale_factor": (high - low) / 65000, "add_offset": (high + low) / 2}
            encoding[name] = {"dtype": "int16", "_FillValue": -32768, **scale}
    land.to_netcdf(tmp_path / "land.nc", engine="h5netcdf", encoding=encoding)
    with xr.open_dataset(tmp_path / "land.nc", engine="h5netcdf", chunks=CHUNKS) as opened:
        agree(opened, fitted, land.physm.predict(fitted), 2e-3 if packed else 1e-6)


def test_icechunk(land, fitted, tmp_path):
    icechunk = pytest.importorskip("icechunk")

    storage = icechunk.local_filesystem_storage(str(tmp_path / "land.icechunk"))
    repository = icechunk.Repository.create(storage)
    session = repository.writable_session("main")
    land.to_zarr(session.store, zarr_format=3, consolidated=False)
    session.commit("tutorial land")
    store = repository.readonly_session("main").store
    with xr.open_zarr(store, consolidated=False) as opened:
        agree(opened, fitted, land.physm.predict(fitted), 1e-6)


@pytest.mark.parametrize("url", ["memory://forecasts/land.zarr", "local"])
def test_forecasts_go_to_any_store_region_by_region(land, fitted, tmp_path, url):
    lazy = land.chunk(CHUNKS).physm.predict(fitted)
    store = str(tmp_path / "forecast.zarr") if url == "local" else url
    lazy.to_zarr(store, compute=False, consolidated=False)
    names = ["swvl1", "extrapolation"]
    for begin in (0, 60):
        at = {"time": slice(begin, begin + 60)}
        part = lazy[names].isel(at).drop_vars(["latitude", "longitude", "lead", "depth"])
        at["time"] = slice(begin, begin + part.sizes["time"])
        part.to_zarr(store, region=at, consolidated=False)
    with xr.open_zarr(store, consolidated=False) as found:
        xr.testing.assert_allclose(found[names], land.physm.predict(fitted)[names], atol=1e-6)
        assert found["extrapolation"].dtype == np.int8
        assert found["extrapolation"].attrs["flag_meanings"].startswith("inside_training_range")
    if url == "local":
        assert Path(store).is_dir()


def test_a_selection_that_cuts_chunks_is_written_too(land, fitted, tmp_path):
    part = land.chunk(CHUNKS).isel(time=slice(13, None))
    part.physm.predict(fitted).to_zarr(tmp_path / "forecast.zarr", consolidated=False)
    with xr.open_zarr(tmp_path / "forecast.zarr", consolidated=False) as found:
        expected = land.isel(time=slice(13, None)).physm.predict(fitted)
        xr.testing.assert_allclose(found.compute(), expected, atol=1e-6)
