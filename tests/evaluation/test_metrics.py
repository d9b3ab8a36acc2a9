"""Scores are those of numpy, lazy or not."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xsm.evaluation.metrics import METRICS, score_sources
from xsm.exceptions import NotEnoughDataError


@pytest.fixture
def observed():
    rng = np.random.default_rng(0)
    days = pd.date_range("2019-03-01", periods=900)  # a leap year, and parts of two others
    values = rng.random((900, 2, 3)).astype(np.float32)
    values[rng.random(values.shape) < 0.2] = np.nan
    values[:, 1, 2] = np.nan
    return xr.DataArray(values, {"time": days, "x": [1, 2]}, ("time", "x", "y"), name="soil")


@pytest.fixture
def guess(observed):
    error = np.random.default_rng(1).normal(0.1, 0.2, observed.shape)
    return {"model": (0.8 * observed + error).isel(time=slice(5, None)), "zero": 0.0 * observed}


@pytest.mark.parametrize("dim", ["time", ("x", "y"), ("time", "x", "y")])
@pytest.mark.parametrize("chunks", [{"time": -1, "x": 1}, {"time": 90}, {"x": -1, "y": -1}])
def test_lazy_scores_are_those_of_data_in_memory(observed, guess, chunks, dim, no_compute):
    observed.x.attrs["units"] = "km"
    whole = score_sources(observed, guess, dim=dim)
    with no_compute():
        lazy = score_sources(
            observed.chunk(chunks), {k: v.chunk(time=300) for k, v in guess.items()}, dim=dim
        )
    for name in [*METRICS, "count"]:
        assert lazy[name].chunks is not None
        assert lazy[name].dtype == whole[name].dtype
        assert lazy[name].attrs == whole[name].attrs
    xr.testing.assert_allclose(lazy, whole, rtol=1e-9)
    if "time" in dim:
        assert lazy.get("x", observed.x).attrs == whole.get("x", observed.x).attrs
        assert "x" in dim or lazy.x.attrs == {"units": "km"}


@pytest.mark.parametrize("dim", ["time", ("time", "member"), ("x", "y")])
@pytest.mark.parametrize("chunks", [{"x": 1}, {"time": 90}, {"time": -1, "y": 2}])
@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value):RuntimeWarning")
def test_members_and_another_order_of_dimensions(observed, guess, chunks, dim):
    members = xr.concat([guess["model"], guess["model"] + 0.1], "member").transpose("y", ...)
    sources = {"model": members, "zero": guess["zero"].transpose("y", "x", "time")}
    whole = score_sources(observed, sources, dim=dim)
    over = {dim} if isinstance(dim, str) else set(dim)
    left = [d for d in ("time", "x", "y", "member") if d not in over]
    assert whole["rmse"].dims == ("source", *left)
    for given, kept in ((True, True), (True, False), (False, True)):  # lazy observations, sources
        lazy = score_sources(
            observed.chunk(chunks) if given else observed,
            {k: v.chunk(chunks) if kept else v for k, v in sources.items()},
            dim=dim,
        )
        assert lazy["rmse"].dims == whole["rmse"].dims
        xr.testing.assert_allclose(lazy.compute(), whole, rtol=1e-9)
    error = (sources["model"] - observed) ** 2
    np.testing.assert_allclose(
        whole["rmse"].sel(source="model"), (error.mean(dim) ** 0.5).transpose(*left), rtol=1e-6
    )


# numpy warns of the quotients of steps with one value, where dask computes them later
@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value):RuntimeWarning")
@pytest.mark.parametrize("chunks", [None, {"cell": 2, "time": -1}, {"cell": -1, "time": 90}])
def test_dimensions_and_coordinates_have_any_names(observed, guess, chunks):
    flat = observed.stack(cell=("x", "y")).reset_index("cell", drop=True)
    zones = ("cell", list("aabbcc"), {"long_name": "zone"})
    model = guess["model"].stack(cell=("x", "y")).reset_index("cell", drop=True)
    given = flat.chunk(chunks) if chunks else flat
    table = score_sources(given, {"model": model.assign_coords(zone=zones)}, dim="time")
    assert table.zone.values.tolist() == list("aabbcc")
    assert table.zone.attrs == {"long_name": "zone"}
    over_cells = score_sources(given, {"model": model}, dim="cell")
    wanted = score_sources(observed, {"model": guess["model"]}, dim=("x", "y"))
    xr.testing.assert_allclose(over_cells.compute(), wanted)


def test_scores_follow_their_definitions(observed, guess):
    table = score_sources(observed, guess, dim="time").sel(source="model", x=1).isel(y=0)
    truth, value = observed.sel(x=1).isel(y=0).values[5:], guess["model"].sel(x=1).isel(y=0).values
    there = np.isfinite(truth + value)
    truth, value = truth[there].astype(float), value[there].astype(float)
    error = value - truth
    r, spread = np.corrcoef(truth, value)[0, 1], value.std() / truth.std()
    wanted = {
        "r": r,
        "rmse": np.sqrt((error**2).mean()),
        "r2": 1 - (error**2).sum() / ((truth - truth.mean()) ** 2).sum(),
        "kge": 1 - np.hypot(np.hypot(r - 1, spread - 1), value.mean() / truth.mean() - 1),
        "ubrmse": error.std(),
        "bias": error.mean(),
        "mae": np.abs(error).mean(),
        "count": there.sum(),
    }
    for name, number in wanted.items():
        np.testing.assert_allclose(table[name], number, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("lazy", [False, True])
def test_the_order_of_times_changes_no_score(observed, lazy):
    """Climatology is of earlier years, persistence the day before, by the definition in pandas."""
    import xsm

    days = observed.indexes["time"]
    soil = observed.fillna(0.3).isel(x=0, y=0).assign_attrs(units="m3 m-3")
    soil = soil.assign_coords(time=days).to_dataset(name="swvl1")
    last = soil.sel(time=slice("2020-06-01", "2020-12-30"))
    series = soil["swvl1"].to_series().astype(float)
    mean = series[:"2020-05-31"].groupby(days[days < "2020-06-01"].day_of_year).mean()
    truth = series["2020-06-01":"2020-12-30"]
    rest = series[:"2020-05-31"] - series[:"2020-05-31"].mean()  # of less than three years
    pairs = np.corrcoef(rest[1:], rest[:-1])[0, 1]
    centre = series[:"2020-05-31"].mean()
    damped = (centre + pairs * (series - centre)).shift(1)
    wanted = {
        "model": 0.0,
        "persistence": ((series.shift(1) - series)["2020-06-01":"2020-12-30"] ** 2).mean() ** 0.5,
        "damped_persistence": ((damped - series)["2020-06-01":"2020-12-30"] ** 2).mean() ** 0.5,
        "climatology": ((mean[truth.index.day_of_year].values - truth) ** 2).mean() ** 0.5,
    }
    back, random = slice(None, None, -1), np.random.default_rng(0)
    for a in (slice(None), back, random.permutation(900)):
        for b in (slice(None), back, random.permutation(last.sizes["time"])):
            given = soil.isel(time=a).chunk() if lazy else soil.isel(time=a)
            found = xsm.score(given, last.isel(time=b), lead=1)["rmse"]
            assert found["source"].values.tolist() == list(wanted)
            np.testing.assert_allclose(found, list(wanted.values()), rtol=1e-5)


@pytest.mark.parametrize("empty", ["time", "x"])
def test_an_empty_selection_is_refused(observed, empty):
    import xsm

    ds = observed.assign_attrs(units="m3 m-3").to_dataset(name="swvl1")
    with pytest.raises(NotEnoughDataError, match=rf"prediction is empty.*'{empty}': 0"):
        xsm.score(ds, ds.isel({empty: slice(0, 0)}))


def test_lazy_scores_take_few_tasks_for_each_block(observed, guess):
    """Arithmetic on lazy arrays makes some hundred, and a scheduler takes a millisecond of each."""
    chunked = observed.chunk(time=-1, x=1, y=1)
    table = score_sources(chunked, {k: v.chunk(x=1, y=1) for k, v in guess.items()}, dim="time")
    assert len(dict(table.__dask_graph__())) < 60 * chunked.data.npartitions


def test_a_model_without_climatology_says_so():
    import xsm

    ds = xsm.open_tutorial("land").isel(latitude=slice(0, 3), longitude=slice(20, 23))
    fitted = xsm.fit(ds, "lstm", epochs=1, iterations=2, hidden_size=4, progress=False)
    object.__setattr__(fitted, "climatology", None)
    with pytest.warns(UserWarning, match="No climatology was scored.*the model keeps none"):
        fitted.score(ds)


def late(first, steps=60):
    """Return a cell by the day of its first observation, as revisits of satellites leave them."""
    days, rng = pd.date_range("2020-01-01", periods=steps), np.random.default_rng(0)
    seen = np.arange(steps)[:, None] >= np.array(first)
    values = np.where(seen, 0.2 + 0.1 * rng.random((steps, len(first))), np.nan)
    attrs = {"units": "m3 m-3"}
    return xr.DataArray(values, {"time": days}, ("time", "cell"), name="sm", attrs=attrs)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("lead", [1, 3])
def test_persistence_takes_no_step_from_the_model(lead, lazy):
    # SMAP L3 (nsidc.org, SPL3SMP) begins on 2015-03-31 and meets a cell every two to three days.
    soil = late([0, 1, 2, 30])
    soil[5:9, 0] = np.nan
    guess = (soil.ffill("time").bfill("time") + 0.01).assign_attrs(units="m3 m-3")
    ds = soil.to_dataset().chunk(time=20) if lazy else soil.to_dataset()
    named = guess.to_dataset(name="sm").assign_attrs(target="satellite_soil_moisture")
    stated = {"satellite_soil_moisture": "sm"}
    with pytest.warns(UserWarning, match="No climatology was scored"):
        table = ds.physm.score(named, lead=lead, variables=stated).compute()
    observed = soil.notnull().sum("time").values
    np.testing.assert_array_equal(table["count"].sel(source="model"), observed)
    np.testing.assert_allclose(table["bias"].sel(source="model"), 0.01)
    np.testing.assert_array_equal(table["count"].sel(source="persistence"), observed - lead)


def test_a_source_on_its_own_steps_keeps_its_scores():
    truth = xr.DataArray([1.0, 2.0, 3.0, 4.0], dims="time", coords={"time": np.arange(4)})
    hole = truth.where(truth > 2) + 2.0
    sources = {"model": truth + 1.0, "mine": hole, "whole": hole}
    table = score_sources(truth, sources, dim="time", own=("mine",), whole=("whole",))
    assert table["count"].values.tolist() == [4, 2, 0]
    np.testing.assert_array_equal(table["mae"], [1.0, 2.0, np.nan])


def of(observed, predicted):
    days = {"time": pd.date_range("2019", periods=len(observed))}
    pair = [xr.DataArray(values, days, "time") for values in (observed, predicted)]
    found = score_sources(pair[0], {"model": pair[1]}, dim="time").isel(source=0)
    return {name: float(found[name]) for name in METRICS}


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_a_series_that_rounding_alone_moves_has_no_correlation(kind, noise):
    """A lake, ice, a stuck sensor: 0.1 + 0.2, averaged and converted in float32."""
    rng = np.random.default_rng(0)
    still = ((0.1 + 0.2) * (1 + noise * rng.standard_normal(200))).astype(kind)
    moving = rng.random(200).astype(kind)
    found, other = of(still, moving), of(moving, still)
    assert np.isnan([found["r"], found["r2"], found["kge"], other["r"], other["kge"]]).all()
    assert found["rmse"] == pytest.approx(np.sqrt(np.mean((moving - still) ** 2)), rel=1e-5)
    assert other["r2"] < 0  # of a constant prediction it is defined


def test_a_small_change_of_a_large_number_is_one():
    """A pressure of 1e5 Pa that varies by 10 Pa, in float32."""
    pressure = (1e5 + 10 * np.sin(np.arange(300.0))).astype("f4")
    assert of(pressure, pressure)["r"] == pytest.approx(1)
    assert of(pressure, pressure)["r2"] == pytest.approx(1)


def test_observations_around_zero_have_no_kge():
    """KGE divides by the mean: of anomalies it is what rounding says."""
    anomaly = np.random.default_rng(0).standard_normal(300)
    anomaly -= anomaly.mean()
    found = of(anomaly, anomaly + 0.1)
    assert np.isnan(found["kge"])
    assert found["r"] == pytest.approx(1)


@pytest.mark.parametrize("chunks", [{}, {"time": 15}, {"time": 15, "x": 1}])
def test_places_without_values_make_no_noise(chunks):
    """Sea beside land, in chunks along time: dask's standard deviation warns of empty series."""
    random = np.random.default_rng(0)
    coords = {"time": pd.date_range("2020-01-01", periods=40)}
    observed = xr.DataArray(random.uniform(0.1, 0.4, (40, 3)), coords, ("time", "x"))
    observed = observed.where(xr.DataArray([True, False, True], dims="x"))
    predicted = observed + random.normal(0, 0.05, (40, 3))
    truth = score_sources(observed, {"model": predicted}, dim="time").isel(source=0)
    lazy = score_sources(observed.chunk(chunks), {"model": predicted.chunk(chunks)}, dim="time")
    xr.testing.assert_allclose(lazy.isel(source=0).compute(), truth)
    assert truth["r"].isnull().values.tolist() == [False, True, False]
