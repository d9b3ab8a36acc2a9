"""The labelled water balance: terms, layers, gaps, chunks, labels and errors."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from tests.physics.reference import reference, world
from xsm.data.reading import read
from xsm.exceptions import GridError, MissingVariableError, UnitsError, UnknownNameError
from xsm.hydrology.balance import inflow_arrays, previous_observation
from xsm.hydrology.balance.water_balance import _aligned
from xsm.typing import TERMS

SHAPE = (40, 5, 6)
EDGES = {"swvl1": 0.07, "swvl2": 0.21, "swvl3": 0.72}
DAYS = pd.date_range("2020-03-01", periods=SHAPE[0])
OUTPUTS = {
    "inflow": "inflow",
    "inflow_trend": "trend",
    "inflow_trend_filtered": "filtered",
    "previous_observation": "previous",
}


def land(dtype=np.float64, seed=0):
    """Return a data set under ERA5-Land names, in m and with its signs, gaps in the top layer."""
    flat = world(cells=30, seed=seed, dtype=dtype)
    rng = np.random.default_rng(seed)
    coords = {"time": DAYS, "latitude": np.arange(5)[::-1] * 0.1, "longitude": np.arange(6) * 0.1}
    dims = ("time", "latitude", "longitude")
    wrap = lambda a, units: (dims, np.asarray(a, dtype).reshape(SHAPE), {"units": units})  # noqa: E731
    return xr.Dataset(
        {
            "tp": wrap(flat["precipitation"] / 1000, "m"),
            "e": wrap(-flat["evaporation"] / 1000, "m"),
            "sro": wrap(flat["surface_runoff"] / 1000, "m"),
            "ro": wrap(flat["surface_runoff"] / 500, "m"),
            "sd": wrap(flat["snow"] / 1000, "m of water equivalent"),
            "swvl1": wrap(flat["observed"], "m3 m-3"),
            "swvl2": wrap(rng.uniform(0.20, 0.25, SHAPE), "m3 m-3"),
            "swvl3": wrap(rng.uniform(0.20, 0.25, SHAPE), "m3 m-3"),
            "swvl4": wrap(rng.uniform(0.20, 0.25, SHAPE), "m3 m-3"),
        },
        coords,
    ).assign_coords(height=("latitude", np.arange(5.0)))


def arrays(ds, terms=TERMS, *, deep=False, gaps=True):
    """Return the arrays of the reference, (time, cell), converted by hand."""
    flat = lambda name: ds[name].transpose("time", ...).values.reshape(SHAPE[0], -1)  # noqa: E731
    wide = lambda name: flat(name).astype(float)  # noqa: E731
    found = {
        "precipitation": 1000 * wide("tp"),
        "evaporation": -1000 * wide("e"),
        "surface_runoff": 1000 * wide("sro"),
        "snow": 1000 * wide("sd"),
    }
    found = {name: values for name, values in found.items() if name in terms}
    if deep:
        found["deep_storage"] = 210 * wide("swvl2") + 720 * wide("swvl3")
    return {**found, **({"observed": wide("swvl1")} if gaps else {})}


def agree(balance, expected):
    """Compare with the reference, signs where the compared change is not near zero."""
    clear = ~(np.abs(expected["change"]) <= 1e-5)
    for name, key in OUTPUTS.items():
        if name not in balance:
            continue
        values = balance[name].transpose("time", ...).values.reshape(SHAPE[0], -1)
        if "trend" in name:
            np.testing.assert_array_equal(values[clear], expected[key][clear], err_msg=name)
        else:
            np.testing.assert_allclose(values, expected[key], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("trend", ["change", "level"])
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("count", [2, 4])
def test_equals_the_equations(count, deep, trend):
    ds, terms = land(), TERMS[:count]
    balance = xsm.water_balance(ds, terms=terms, deep=deep, trend=trend)
    assert list(balance) == list(OUTPUTS)
    agree(balance, reference(arrays(ds, terms, deep=deep), trend))


def test_single_precision_of_the_data():
    ds = land(np.float32, seed=4)
    balance = xsm.water_balance(ds, deep=True)
    assert balance["inflow"].dtype == np.float32
    agree(balance, reference(arrays(ds, deep=True)))


def test_terms_in_any_order_and_any_subset():
    ds = land()
    balance = xsm.water_balance(ds, terms=["snow", "precipitation"], threshold=2.0)
    expected = reference(arrays(ds, ("precipitation", "snow")), threshold=2.0)
    expected["change"] = np.abs(expected["change"]) - 2.0
    agree(balance, expected)
    assert balance.attrs["terms"] == "precipitation, snow"


def test_without_soil_moisture_there_is_a_trend_by_step():
    ds = land().drop_vars(EDGES).drop_vars("swvl4")
    balance = xsm.water_balance(ds)
    assert list(balance) == ["inflow", "inflow_trend"]
    agree(balance, reference(arrays(land(), gaps=False)))


@pytest.mark.parametrize("time", [1, 7, -1])
@pytest.mark.parametrize("space", [{"latitude": (2, 3), "longitude": (1, 4, 1)}, {}])
def test_chunks_change_nothing(time, space, raise_if_computed):
    ds = land()
    eager = xsm.water_balance(ds, deep=True)
    other = {"time": 11, "longitude": 2}
    lazy = ds.chunk({"time": time, **space})
    lazy["sd"], lazy["swvl2"] = ds["sd"].chunk(other), ds["swvl2"]
    balance = xsm.water_balance(lazy, deep=True)
    assert all(array.chunks is not None for array in balance.values())
    assert balance["inflow"].data._meta.shape == (0, 0, 0)
    xr.testing.assert_identical(balance.compute(scheduler="synchronous"), eager)
    part = balance["inflow_trend"].isel(time=slice(20, 23), latitude=1)
    xr.testing.assert_identical(
        part.compute(scheduler="threads"),
        eager["inflow_trend"].isel(time=slice(20, 23), latitude=1),
    )


def test_the_graph_grows_with_the_blocks_only():
    ds = land()
    few = xsm.water_balance(ds.chunk(time=10, latitude=5))["inflow_trend"]
    many = xsm.water_balance(ds.chunk(time=5, latitude=5))["inflow_trend"]
    assert len(many.__dask_graph__()) <= 2.1 * len(few.__dask_graph__())


@pytest.mark.parametrize(
    "order", [("longitude", "time", "latitude"), ("latitude", "longitude", "time")]
)
@pytest.mark.parametrize("chunks", [None, {"time": 7, "latitude": 2}])
def test_any_order_of_dimensions(order, chunks):
    ds = land()
    turned = ds.transpose(*order)
    turned["tp"] = ds["tp"]
    balance = xsm.water_balance(turned if chunks is None else turned.chunk(chunks), deep=True)
    assert balance["inflow_trend"].dims == order
    expected = xsm.water_balance(ds, deep=True)
    back = balance.compute().transpose(*expected["inflow"].dims)
    xr.testing.assert_identical(back, expected)


@pytest.mark.parametrize("chunks", [None, {"time": 7}])
def test_points_stations_and_a_single_series(chunks):
    ds = land()
    whole = xsm.water_balance(ds)
    points = ds.stack(point=("latitude", "longitude"))
    single = ds.isel(latitude=1, longitude=2)
    stations = points.drop_vars(["point", "latitude", "longitude"]).rename(point="station")
    given = [points, single, stations.transpose("station", "time")]
    points, single, stations = given if chunks is None else [d.chunk(chunks) for d in given]
    xr.testing.assert_identical(
        xsm.water_balance(points).compute(), whole.stack(point=("latitude", "longitude"))
    )
    xr.testing.assert_identical(
        xsm.water_balance(single).compute(), whole.isel(latitude=1, longitude=2)
    )
    found = xsm.water_balance(stations)["inflow_trend"]
    assert found.dims == ("station", "time")
    np.testing.assert_array_equal(found.values.T.reshape(SHAPE), whole["inflow_trend"].values)


def test_labels_attributes_and_what_was_used():
    ds = land()
    balance = xsm.water_balance(ds, deep=True, trend="level")
    labels = balance.coords.to_dataset().drop_attrs(deep=False)
    xr.testing.assert_identical(labels, ds.coords.to_dataset())
    assert balance.attrs["layers"] == "swvl2 0.07-0.28 m, swvl3 0.28-1 m"
    assert balance.attrs["deep"] == 1
    assert balance.attrs["target"] == "soil_moisture"
    assert balance["inflow"].attrs["units"] == "mm day-1"
    assert balance["previous_observation"].attrs["units"] == "m3 m-3"
    assert "change" not in balance["inflow_trend"].attrs["long_name"]


def test_a_layer_below_one_metre_counts_with_its_part_above():
    ds = land()
    ds["swvl3"].attrs["layer_edges_m"] = [0.28, 1.5]
    ds = ds.drop_vars("swvl4")
    agree(xsm.water_balance(ds, deep=True), reference(arrays(ds, deep=True)))


def test_quantified_input_gives_quantified_output_and_stays_lazy(raise_if_computed):
    from xsm.data.units import dequantify, quantify

    ds = land()
    found = xsm.water_balance(quantify(ds.chunk(time=7)))
    assert str(found["inflow"].data.units) == "millimeter / day"
    plain, _ = dequantify(found)
    expected = xsm.water_balance(ds)
    for name in expected:
        np.testing.assert_array_equal(
            plain[name].compute(scheduler="synchronous").values, expected[name].values
        )


@pytest.mark.parametrize("deep", [False, True])
def test_the_released_code_is_reproduced(deep):
    ds = land().fillna(land().mean())
    balance = xsm.water_balance(ds, deep=deep, compat="geng2024_code")
    tp, e, ro, sd = (1000 * ds[name].values for name in ("tp", "e", "ro", "sd"))
    water = 70 * ds["swvl1"] if not deep else 210 * ds["swvl2"] + 720 * ds["swvl3"]
    dw = (tp + e - ro)[1:] + np.diff(sd, axis=0) - np.diff(water.values, axis=0)
    np.testing.assert_allclose(balance["inflow"].values[1:], dw, atol=1e-9)
    assert balance.attrs["compat"] == "geng2024_code"


def test_satellite_target():
    ds = land().drop_vars([*EDGES, "swvl4"])
    ds["smap_sm"] = land()["swvl1"]
    balance = xsm.water_balance(ds, variables={"satellite_soil_moisture": "smap_sm"})
    assert balance.attrs["target"] == "satellite_soil_moisture"
    agree(balance, reference(arrays(land())))


def test_a_target_by_name_and_chosen_outputs():
    ds = land()
    found = inflow_arrays(read(ds), outputs=["previous_observation"], target="swvl2")
    assert list(found) == ["previous_observation"]
    np.testing.assert_array_equal(found["previous_observation"][1:], ds["swvl2"][:-1])


@pytest.mark.parametrize("chunks", [None, {"time": 1}, {"time": 7, "latitude": 2}])
def test_previous_observation(chunks):
    observed = land()["swvl1"].rename("seen")
    expected = observed.to_series().groupby(["latitude", "longitude"]).ffill()
    expected = expected.to_xarray().transpose(*observed.dims).reindex_like(observed).shift(time=1)
    found = previous_observation(observed if chunks is None else observed.chunk(chunks))
    assert found.name == "seen"
    np.testing.assert_array_equal(found.values, expected.values)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"terms": ["rain", "snw"]}, "term 'rain' does not exist.*term 'snw'.*Did you mean 'snow'"),
        ({"terms": []}, "terms is empty. Choose from 'evaporation'"),
        (
            {"trend": "levels", "compat": "geng"},
            "Did you mean 'level'.*Choose from 'geng2024_code'",
        ),
    ],
)
def test_unknown_names_in_one_error(arguments, text):
    with pytest.raises(UnknownNameError, match=text):
        xsm.water_balance(land(), **arguments)


def test_missing_variables_in_one_error():
    ds = land().drop_vars(["tp", "sd"])
    with pytest.raises(MissingVariableError, match=r"(?s)precipitation: .*snow_water_equivalent: "):
        xsm.water_balance(ds)


def test_total_runoff_is_not_taken_silently():
    ds = land().drop_vars("sro")
    text = r"(?s)surface_runoff: .*total runoff, 'ro'.*variables=\{\"surface_runoff\": \"ro\"\}"
    with pytest.raises(MissingVariableError, match=text):
        xsm.water_balance(ds)
    chosen = xsm.water_balance(ds, variables={"surface_runoff": "ro"})
    expected = arrays(land())
    expected["surface_runoff"] = 2 * expected["surface_runoff"]
    agree(chosen, reference(expected))
    with pytest.raises(MissingVariableError, match="surface_runoff: not found"):
        xsm.water_balance(ds.drop_vars("ro"))


@pytest.mark.parametrize("target", ["swvl2", "tp"])
def test_deep_needs_the_top_layer(target):
    text = f"needs the top layer as target; given is '{target}', .* is 'swvl1'. Pass target="
    with pytest.raises(GridError, match=text):
        xsm.water_balance(land(), deep=True, target=target)


def test_deep_needs_layers_with_known_depth():
    ds = land().drop_vars(["swvl2", "swvl3", "swvl4"])
    with pytest.raises(GridError, match=r"needs soil moisture below 'swvl1'.* 0-0.07 m"):
        xsm.water_balance(ds, deep=True)
    with pytest.raises(MissingVariableError, match="soil_moisture: not found"):
        xsm.water_balance(ds.drop_vars("swvl1"), deep=True)
    unknown = ds.drop_vars("swvl1").assign(soil_moisture=ds["swvl1"])
    with pytest.raises(GridError, match=r"depth of 'soil_moisture' is not known.*layer_edges_m"):
        xsm.water_balance(unknown, compat="geng2024_code")


def test_other_coordinates_name_the_dimension():
    rain, soil = land()["tp"], land()["swvl1"]
    moved = rain.assign_coords(latitude=rain["latitude"] + 0.01)
    with pytest.raises(GridError, match=r"different coordinates: .*latitude.*interp_like"):
        _aligned({"precipitation": moved, "observed": soil}, "observed")


def test_terms_vary_in_time_and_time_is_regular():
    ds = land()
    with pytest.raises(GridError, match=r"\['evaporation'\] do not vary along 'time'"):
        xsm.water_balance(ds.assign(e=ds["e"].isel(time=0).assign_attrs(units="mm day-1")))
    rates = ds[["swvl1"]].assign(pr=ds["tp"].assign_attrs(units="mm day-1")).isel(time=[0, 1, 3])
    with pytest.raises(GridError, match="Time along 'time' is irregular"):
        xsm.water_balance(rates, terms=["precipitation"])


@pytest.mark.data
@pytest.mark.parametrize(
    ("deep", "trend", "share"),
    [
        (False, "change", 0.56),
        (True, "change", 0.50),
        (False, "level", 0.95),
        (True, "level", 0.94),
    ],
)
def test_published_shares_of_the_truth_on_mhm(data_dir, deep, trend, share):
    ds = xr.open_dataset(data_dir / "mhm_mosel" / "mhm_mosel_daily_6km.nc")
    ds["theta"].attrs["layer_edges_m"] = [0.0, 0.1, 0.2, 0.3, 0.5]
    runoff = {"surface_runoff": "runoff"}
    balance = xsm.water_balance(ds, deep=deep, trend=trend, variables=runoff)
    seen = ds["theta"].isel(layer4=0)
    product = balance["inflow_trend"] * (balance["previous_observation"] - seen)
    counted = product.notnull() & (product != 0)
    assert float((product < 0).sum() / counted.sum()) == pytest.approx(share, abs=0.005)


def test_a_target_that_is_no_water_is_refused():
    ds = xsm.open_tutorial("land").isel(latitude=slice(0, 2), longitude=slice(18, 20))
    for verb in (ds.physm.water_balance, ds.physm.consistency):
        with pytest.raises(UnitsError, match=r"target='t2m' is the air_temperature \(K\)"):
            verb(target="t2m")
    assert "inflow" in ds.physm.water_balance(target="swvl2")


def test_always_drying_is_counted_on_the_steps_that_are_judged():
    """Soil that stays on wet days and falls on dry ones is judged on the dry ones alone."""
    days = pd.date_range("2020-01-01", periods=20)
    rain = np.where(np.arange(20) % 2 == 0, 10.0, 0.0)
    soil = 0.4 - 0.01 * ((np.arange(20) + 1) // 2)  # falls on odd, dry, days
    flux = {"units": "mm/day"}
    ds = xr.Dataset(
        {
            "tp": ("time", rain, flux),
            "evspsbl": ("time", np.full(20, 1.0), flux),
            "swvl1": ("time", soil, {"units": "m3 m-3"}),
        },
        {"time": days},
    )
    found = ds.physm.consistency(terms=["precipitation", "evaporation"], trend="level")
    assert int(found["count"]) == 10
    assert float(found["observed_consistency"]) == 1.0
    assert float(found["always_drying"]) == 1.0  # of all 20 days half are dry
