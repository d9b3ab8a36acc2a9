"""The labelled Richards residual: water at rest, conventions, chunks, what closes it, errors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import xsm
from tests.hydrology.soil.columns import (
    CLAY_LOAM,
    EDGES,
    LOAM,
    SHAPE,
    STEPS,
    UNITS,
    columns,
    conductivity,
    field,
    maps,
    moisture,
    residual,
    water,
)
from xsm.data.units import quantify

CENTRES = [0.1, 0.2, 0.3, 0.4, 0.5]
ERA5 = [0.0, 0.07, 0.28, 1.0, 2.89]


def expected(ds: xr.Dataset | None = None, edges=EDGES, **more) -> np.ndarray:
    theta = moisture(len(edges) - 1) if ds is None else ds["theta"].values
    return residual(theta, maps(), np.asarray(edges), **more)


@pytest.mark.parametrize("edges", [EDGES, ERA5, [0.0, 0.05, 0.3, 0.4, 1.5]])
def test_water_at_rest_has_no_residual(edges):
    middle = (np.asarray(edges)[1:] + np.asarray(edges)[:-1]) / 2
    theta = water(middle - 4.0, LOAM)[None, :, None, None] * np.ones((3, 1, *SHAPE))
    found = xsm.richards_residual(columns(theta, edges, LOAM))
    assert float(abs(found["residual"]).max()) < 1e-10
    assert float(abs(found["flux"]).max()) < 1e-10
    assert int(found["residual"].notnull().sum()) == 2 * (len(middle) - 2) * 12


def test_steady_flow_at_unit_gradient_has_no_residual_and_the_flux_is_the_conductivity():
    found = xsm.richards_residual(columns(np.full((3, 5, *SHAPE), 0.25)), bottom="free_drainage")
    flux = found["flux"].isel(time=slice(1, None), depth_interface=slice(1, None))
    assert float(abs(found["residual"]).max()) < 1e-10
    np.testing.assert_allclose(flux, flux * 0 + conductivity(0.25, maps()), rtol=1e-9)
    assert found["residual"].isel(depth=-1, time=1).notnull().all()  # free drainage closes it


@pytest.mark.parametrize("face", ["geometric", "arithmetic"])
@pytest.mark.parametrize("edges", [EDGES, ERA5])
def test_residual_is_the_finite_volume_equation_in_numpy(face, edges):
    found = xsm.richards_residual(columns(edges=edges), face=face)
    want = expected(edges=edges, means=face)
    np.testing.assert_allclose(found["residual"], want, rtol=1e-8, atol=1e-12)
    pores = maps()["theta_s"] - maps()["theta_r"]
    np.testing.assert_allclose(found["change"], want / pores, rtol=1e-8, atol=1e-12)
    assert found["residual"].attrs["units"] == "day-1"
    assert found["flux"].attrs["units"] == "m day-1"
    np.testing.assert_allclose(found["depth_interface"], edges)


def conventions() -> dict[str, xr.Dataset]:
    """Return the same columns under other names, units, orders and layers."""
    ds = columns()
    cm = ds.assign_coords(depth=(ds["depth"] * 100).assign_attrs(units="cm", positive="down"))
    cm = cm.drop_vars("depth_bnds")
    cm["theta"].attrs["layer_edges_m"] = EDGES
    small = ds.assign(
        theta=(100 * ds["theta"]).assign_attrs(units="%"),
        vg_alpha=(ds["vg_alpha"] / 100).assign_attrs(units="cm-1"),
        k_sat=(ds["k_sat"] * 100 / 24).assign_attrs(units="cm h-1"),
    )
    mass = ds.assign(theta=(100 * ds["theta"]).assign_attrs(units="kg m-2"))
    mass = mass.rename(theta="mrsol")
    each = ds.drop_dims("depth")
    for i, (top, bottom) in enumerate(itertools.pairwise(EDGES)):
        layer = ds["theta"].isel(depth=i, drop=True)
        each[f"soil_{i}"] = layer.assign_attrs(
            layer_top_cm=100 * top,
            layer_bottom_cm=100 * bottom,
            standard_name="volume_fraction_of_condensed_water_in_soil",
        )
    by_layer = ds.assign({n: ds[n].expand_dims(depth=5).assign_attrs(ds[n].attrs) for n in LOAM})
    return {
        "centimetres": cm,
        "percent and hours": small,
        "mass": mass,
        "one variable each": each,
        "parameters by layer": by_layer,
        "bottom first": ds.isel(depth=slice(None, None, -1)),
        "ascending, 0 to 360": ds.sortby("latitude").assign_coords(longitude=ds["longitude"] + 360),
        "other order": ds.transpose("longitude", "depth", "latitude", "time", "bnds"),
        "valid_time": ds.rename(time="valid_time"),
        "stations": ds.stack(station=("latitude", "longitude")).reset_index("station"),
        "quantified": quantify(ds),
        "hours": ds.assign_coords(time=ds["time"].values),
    }


@pytest.mark.parametrize("name", list(conventions()))
def test_conventions_do_not_matter(name):
    ds = conventions()[name]
    found = xsm.richards_residual(ds)
    if name == "quantified":
        assert str(found["residual"].pint.units) == "1 / day"
        found = found.pint.dequantify()
    found = found["residual"]
    if name == "stations":
        assert found.dims == ("time", "depth", "station")
        found = found.set_index(station=["latitude", "longitude"]).unstack("station")
    source = next((n for n in ("theta", "mrsol") if n in ds), None)
    if source and name != "stations":
        assert found.dims == ds[source].dims
        for dim in set(found.dims) & set(ds.coords):
            np.testing.assert_array_equal(found[dim].values, ds[dim].values)
    time = "valid_time" if name == "valid_time" else "time"
    found = found.sortby("depth").sortby("latitude", ascending=False)
    found = found.transpose(time, "depth", "latitude", "longitude")
    np.testing.assert_allclose(found, expected(), rtol=1e-6, atol=1e-10)


def test_float32_is_kept_and_near():
    ds = columns()
    found = xsm.richards_residual(ds.astype(np.float32))["residual"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected(), atol=2e-6)


def test_hours_have_shorter_steps():
    ds = columns()
    hours = ds.assign_coords(time=np.datetime64("2020-01-01", "ns") + np.arange(STEPS) * HOUR)
    found = xsm.richards_residual(hours)["residual"]
    np.testing.assert_allclose(found, expected(step_days=1 / 24), rtol=1e-6, atol=1e-9)


HOUR = np.timedelta64(3600 * 10**9, "ns")


def test_depths_alone_stand_for_the_ground_half_way_to_their_neighbours():
    ds = columns().drop_vars("depth_bnds")
    ds["depth"].attrs.pop("bounds")
    found = xsm.richards_residual(ds)
    np.testing.assert_allclose(found["depth_interface"], EDGES)
    np.testing.assert_allclose(found["residual"], expected(), rtol=1e-8, atol=1e-12)


def test_horizons_give_their_parameters_to_the_layers_whose_centres_they_hold():
    ds = columns()
    horizons = xr.Dataset(coords={"depth": ("depth", [0.15, 0.5], {"units": "m"})})
    for name in LOAM:
        values = np.array([LOAM[name], CLAY_LOAM[name]])
        horizons[name] = ("depth", values, {"units": UNITS[name], "layer_edges_m": [0, 0.3, 0.7]})
    found = xsm.richards_residual(ds, parameters=horizons)["residual"]
    by_layer = {n: np.array([LOAM[n]] * 3 + [CLAY_LOAM[n]] * 2)[:, None, None] for n in LOAM}
    np.testing.assert_allclose(found, residual(moisture(), by_layer, np.array(EDGES)), rtol=1e-8)


def test_era5_land_layers_take_texture():
    ds = xsm.open_tutorial("land").isel(latitude=[8, 9], longitude=[20, 21], time=slice(0, 30))
    soil = xsm.soil_parameters(ds, method="texture_class")
    found = xsm.richards_residual(ds, parameters=soil)
    theta = np.stack([ds[f"swvl{i}"].values for i in (1, 2, 3, 4)], axis=1)
    bare = {name: soil[name].values for name in LOAM}
    want = residual(theta, bare, np.array(ERA5))
    np.testing.assert_allclose(found["residual"], want, rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(found["depth_bnds"], np.stack([ERA5[:-1], ERA5[1:]], 1))


# What else is known


def test_a_sink_by_layer_is_used_where_the_data_hold_it():
    uptake = np.random.default_rng(3).uniform(0, 1, (STEPS, 5, *SHAPE))  # mm day-1 of 0.1 m
    ds = columns(uptake=uptake)
    found = xsm.richards_residual(ds)
    np.testing.assert_allclose(found["residual"], expected(sink=uptake / 100), rtol=1e-8)
    assert found.attrs["terms"] == "root_water_uptake"
    without = xsm.richards_residual(ds, terms=[])
    np.testing.assert_allclose(without["residual"], expected(), rtol=1e-8)


@pytest.mark.parametrize("roots", [0.961, [0.4, 0.2, 0.1, 0.05, 0.05]])
def test_evaporation_is_spread_over_the_roots(roots):
    ds = columns().assign(e=("time", np.linspace(0, 4, STEPS), {"units": "mm day-1"}))
    ds["e"].attrs["positive"] = "up"
    shares = roots
    if isinstance(roots, float):
        shares = -np.diff(roots ** (100 * np.array(EDGES)))
    sink = np.linspace(0, 4, STEPS)[:, None] * np.array(shares) / 100
    found = xsm.richards_residual(ds, terms=["evaporation"], roots=roots)
    want = expected(sink=sink[:, :, None, None])
    np.testing.assert_allclose(found["residual"], want, rtol=1e-8)


def test_water_as_mass_in_layers_of_any_thickness():
    ds = columns(edges=ERA5)
    size = xr.DataArray(np.diff(ERA5), dims="depth")
    mass = ds.assign(mrsol=(1000 * ds["theta"] * size).assign_attrs(units="kg m-2"))
    found = xsm.richards_residual(mass.drop_vars("theta"))["residual"]
    np.testing.assert_allclose(found, expected(edges=ERA5), rtol=1e-8, atol=1e-12)


def test_known_fluxes_close_every_layer():
    rng = np.random.default_rng(4)
    flux = rng.normal(0, 2, (STEPS, 6, *SHAPE))  # mm day-1
    gain = np.concatenate([np.zeros((1, 5, *SHAPE)), -np.diff(flux, axis=1)[1:]]) / 100
    ds = columns(0.25 + np.cumsum(gain, axis=0) / 10)
    ds["soil_water_flux"] = (
        ("time", "depth_interface", "latitude", "longitude"),
        flux / 10,
        {"units": "mm day-1"},
    )
    ds["depth_interface"] = ("depth_interface", np.array(EDGES) * 100, {"units": "cm"})
    found = xsm.richards_residual(ds, terms="soil_water_flux")
    assert float(abs(found["residual"]).max()) < 1e-12
    assert found["residual"].isel(time=slice(1, None)).notnull().all()
    np.testing.assert_allclose(found["flux"], flux / 1e4, atol=1e-15)


def test_infiltration_and_drainage_close_the_ends():
    ds = columns(edges=ERA5)
    ds["infiltration"] = ("time", np.full(STEPS, 2.0), {"units": "mm day-1"})
    ds["drainage"] = ("time", np.full(STEPS, 1.0), {"units": "mm day-1"})
    found = xsm.richards_residual(ds, terms=["infiltration", "drainage"])
    open_ended = xsm.richards_residual(ds)
    total = xr.DataArray(np.diff(ERA5), dims="depth")
    stored = (ds["theta"].diff("time") * total).sum("depth")
    balance = (found["residual"] * total).sum("depth", skipna=False).isel(time=slice(1, None))
    np.testing.assert_allclose(balance, stored - 0.001, atol=1e-14)
    inner = {"depth": slice(1, -1)}
    xr.testing.assert_equal(found["residual"][inner], open_ended["residual"][inner])


def test_quiet_days_are_those_without_rain_since_the_step_before():
    ds = columns()
    found = xsm.richards_residual(ds, quiet=1.0)["residual"].notnull().any(["latitude", "depth"])
    quiet = (ds["tp"] <= 1.0) & (np.arange(STEPS) > 0)
    np.testing.assert_array_equal(found.all("longitude"), quiet)
    ds["theta"].attrs["cell_methods"] = "depth: mean"  # as of to_depths
    again = xsm.richards_residual(ds, quiet=1.0)["residual"].notnull().any(["latitude", "depth"])
    np.testing.assert_array_equal(again, found)
    ds["theta"].attrs["cell_methods"] = "time: mean"
    found = xsm.richards_residual(ds, quiet=1.0)["residual"].notnull().any(["latitude", "depth"])
    before = np.r_[False, quiet.values[:-1]]
    np.testing.assert_array_equal(found.all("longitude"), quiet & before)


def test_melt_is_water_and_snow_that_stays_is_none():
    ds = columns()
    rain, snow = np.zeros(STEPS), np.zeros(STEPS)
    rain[3], snow[3:6] = 8.0, 8.0  # falls as snow on day 3 and melts on days 6 and 7
    snow[6] = 5.0
    ds["tp"] = ("time", rain, {"units": "mm day-1"})
    ds["sd"] = ("time", snow / 1000, {"units": "m"})
    kept = xsm.richards_residual(ds, quiet=1.0)["residual"].isel(depth=2, latitude=0, longitude=0)
    assert np.flatnonzero(kept.isnull()).tolist() == [0, 6, 7]


def test_missing_values_blank_their_neighbours_and_nothing_else():
    ds = columns()
    ds["theta"][4, 1, 0, 0] = np.nan
    ds["theta_r"][2, 3] = np.nan
    ds["vg_n"][1, 1] = 0.9  # impossible
    found = xsm.richards_residual(ds)["residual"].values
    want = expected()
    want[[4, 5], 1:3, 0, 0] = np.nan
    want[:, :, 2, 3] = want[:, :, 1, 1] = np.nan
    np.testing.assert_allclose(found, want, rtol=1e-8)


@pytest.mark.filterwarnings("ignore:.*lie beyond theta_r")
def test_water_beyond_its_bounds_stays_finite():
    ds = columns()
    ds["theta"][3] = 0.6
    ds["theta"][5] = 0.0
    found = xsm.richards_residual(ds)["residual"].isel(time=slice(1, None), depth=slice(1, 4))
    assert bool(np.isfinite(found).all())


# Laziness

chunks = st.fixed_dictionaries(
    {"time": st.integers(1, STEPS), "depth": st.integers(1, 5), "latitude": st.integers(1, 3)}
)


@settings(max_examples=8)
@given(chunks, st.booleans())
def test_lazy_is_eager_for_any_chunking(sizes, wide):
    ds = columns(uptake=np.full((STEPS, 5, *SHAPE), 0.2))
    ds["theta"][:, :, 0, 0] = np.nan
    whole = xsm.richards_residual(ds, quiet=1.0)
    lazy = ds.chunk(sizes | ({"longitude": 3} if wide else {}))
    found = xsm.richards_residual(lazy, quiet=1.0)
    assert found["residual"].chunks is not None
    xr.testing.assert_allclose(found.compute(), whole, rtol=1e-6, atol=1e-12)


def test_nothing_is_computed_before_it_is_asked_for(no_compute):
    ds = columns().assign(e=("time", -np.ones(STEPS), {"units": "mm day-1"})).chunk(time=5)
    with no_compute():
        lazy = xsm.richards_residual(ds, quiet=0.5, terms=["evaporation"], roots=0.961)
        one = xsm.richards_residual(ds.assign(maps_in_memory()))
    assert lazy["residual"].chunks is not None
    np.testing.assert_allclose(one["residual"], expected(), rtol=1e-8)


def maps_in_memory() -> dict[str, xr.DataArray]:
    return {name: field(values, UNITS[name]) for name, values in maps().items()}


def test_lazy_parameters_alone_make_it_lazy():
    ds = columns()
    found = xsm.richards_residual(ds.drop_vars(LOAM), parameters=ds[list(LOAM)].chunk(latitude=1))
    assert found["flux"].chunks is not None
    np.testing.assert_allclose(found["residual"], expected(), rtol=1e-8)
