"""Monthly series train, predict and score as daily ones do: months are even steps."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.exceptions import GridError

TRAIN = 300


def labels(kind: str, periods: int):
    """Return months labelled at their start, end or middle, of one calendar or another."""
    calendar = "noleap" if kind == "noleap" else "standard"
    options = {"calendar": calendar, "use_cftime": kind == "noleap"}
    freq = "ME" if kind == "end" else "MS"
    dates = xr.date_range("1980-01-01", periods=periods + 1, freq=freq, **options)
    return dates[:-1] + (dates[1:] - dates[:-1]) / 2 if kind == "middle" else dates[:-1]


def world(kind: str = "start", periods: int = 420):
    """Return AR(1) soil moisture: a season, and anomalies of rain that fade by 0.7 a month."""
    rng, times = np.random.default_rng(0), labels(kind, periods)
    season = np.cos(2 * np.pi * (np.asarray(times.month) - 1) / 12)[:, None]
    anomaly = rng.standard_normal((periods, 4))
    soil = np.zeros((periods, 4))
    for t in range(1, periods):
        soil[t] = 0.7 * soil[t - 1] + anomaly[t - 1]  # known a month ahead
    made = {
        "precipitation": (8 + 3 * season + anomaly, "mm day-1"),
        "soil_moisture": (0.3 + 0.05 * season + 0.02 * soil, "m3 m-3"),
        "air_temperature": (283 + 10 * season + 0 * soil, "K"),
    }
    arrays = {k: (("time", "cell"), v.astype("f4"), {"units": u}) for k, (v, u) in made.items()}
    return xr.Dataset(arrays, {"time": times, "cell": np.arange(4)})


SETTINGS = {
    "window": 12,
    "epochs": 12,
    "iterations": 60,
    "hidden_size": 16,
    "dropout": 0.0,
    "scaling": "global",
    "data_integration": True,
    "progress": False,
    "seed": 0,
}


@pytest.fixture(scope="module")
def fitted():
    """An LSTM of months labelled by their start."""
    return world().isel(time=slice(0, TRAIN)).physm.fit("lstm", **SETTINGS)


def test_a_monthly_series_is_predicted_better_than_its_climatology(fitted):
    ds = world()
    later = ds.isel(time=slice(TRAIN - 12, None))
    predicted = fitted.predict(later)
    table = xsm.score(ds, predicted, baselines=fitted)["rmse"].mean("cell")
    model, persistence, climatology = table.sel(source=["model", "persistence", "climatology"])
    assert float(model) < 0.5 * float(climatology)
    assert float(model) < float(persistence)
    assert (xsm.score(ds, predicted, baselines=fitted)["count"] == 120).all()
    season = ds["soil_moisture"][:TRAIN].groupby("time.month").mean()
    truth = ds["soil_moisture"][TRAIN:]
    wrong = season.sel(month=truth["time.month"]) - truth
    np.testing.assert_allclose(climatology, ((wrong**2).mean("time") ** 0.5).mean(), rtol=1e-4)
    assert "season" not in predicted
    assert fitted.fingerprint["step"] == "1 month"


@pytest.mark.parametrize("kind", ["start", "end", "middle", "noleap"])
@pytest.mark.parametrize("chunks", [None, {"time": 7}, {"time": -1, "cell": 1}])
def test_a_prediction_is_labelled_by_the_month_it_is_valid_at(fitted, kind, chunks):
    ds = world(kind).isel(time=slice(TRAIN, TRAIN + 40))
    predicted = fitted.predict(ds if chunks is None else ds.chunk(chunks))["soil_moisture"]
    assert (predicted.indexes["time"] == labels(kind, 420)[TRAIN + 12 : TRAIN + 41]).all()
    same = world().isel(time=slice(TRAIN, TRAIN + 40))
    np.testing.assert_allclose(predicted, fitted.predict(same)["soil_moisture"], rtol=1e-5)


def test_months_of_cmip6(fitted, tmp_path):
    """Tables Amon and Lmon: calendar noleap, labels in the middle, time_bnds; pr in kg m-2 s-1."""
    edges, ds = labels("noleap", 421)[TRAIN:342], world("noleap").isel(time=slice(TRAIN, 341))
    ds = ds.assign_coords(time=edges[:-1] + (edges[1:] - edges[:-1]) / 2)
    ds["precipitation"] = (ds["precipitation"] / 86400).assign_attrs(units="kg m-2 s-1")
    ds["time_bnds"] = ("time", "bnds"), np.stack([edges[:-1], edges[1:]], axis=1)
    ds["time"].attrs["bounds"] = "time_bnds"
    found = fitted.predict(ds)
    same = fitted.predict(world().isel(time=slice(TRAIN, 341)))
    np.testing.assert_allclose(found["soil_moisture"], same["soil_moisture"], rtol=1e-4)
    assert str(found["time"].values[-1])[:10] == "2008-06-16"  # the middle of June
    assert "bounds" not in found["time"].attrs
    found.to_netcdf(tmp_path / "predicted.nc")


def test_months_are_streamed(tmp_path):
    ds = world(periods=150).isel(cell=np.arange(2000) % 4).assign_coords(cell=np.arange(2000))
    ds = ds.isel(time=slice(30, None))
    ds.chunk(time=-1, cell=250).to_zarr(tmp_path / "months.zarr", consolidated=False)
    stored = xr.open_zarr(tmp_path / "months.zarr", consolidated=False)
    settings = SETTINGS | {"epochs": 2, "iterations": 20, "data_integration": False}
    lazy = stored.physm.fit("lstm", memory_limit="16 MiB", **settings)
    held = ds.physm.fit("lstm", **settings)
    np.testing.assert_allclose(lazy.climatology, held.climatology, rtol=1e-5)
    one, other = (f.predict(ds.isel(cell=[0, 1]))["soil_moisture"] for f in (lazy, held))
    assert one.indexes["time"].equals(other.indexes["time"])
    assert float(abs(one - other).max()) < 0.05


def test_a_missing_month_is_a_gap(fitted):
    ds = world().isel(time=slice(TRAIN, TRAIN + 40))
    holed = ds.drop_isel(time=20)
    with pytest.raises(GridError, match=r'Type ds\.resample\(time="1MS"\)\.asfreq\(\)'):
        fitted.predict(holed)
    found = fitted.predict(holed.resample(time="1MS").asfreq())["soil_moisture"]
    whole = fitted.predict(ds)["soil_moisture"]
    touched = np.zeros(29, bool)
    touched[9:21] = True  # windows of 12 months that hold month 20, valid a month later
    assert found.isnull().all("cell").values.tolist() == touched.tolist()
    np.testing.assert_allclose(found[~touched], whole[~touched], rtol=1e-6)


def test_another_step_than_that_of_training_is_refused(fitted):
    days = xr.date_range("2020-01-01", periods=60)
    ds = world().isel(time=slice(0, 60)).assign_coords(time=days)
    with pytest.raises(GridError, match=r"trained at steps of 1 month, .* are at steps of 1 day"):
        fitted.predict(ds)


def test_plots_of_months(fitted):
    ds = world().isel(time=slice(TRAIN, None))
    panel = ds.physm.plot.spectra({"lstm": fitted.predict(ds)})
    assert "month" in panel.get_xlabel()
    assert ds.isel(cell=[0]).physm.plot.series(fitted.predict(ds.isel(cell=[0]))) is not None
