"""Labelled columns: budgets, steady states, conventions, chunks and errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from tests.hydrology.soil.columns import CLAY_LOAM, LOAM, UNITS, conductivity, head
from xsm.data.reading import read
from xsm.data.units import quantify
from xsm.exceptions import GridError, MissingVariableError, UnitsError, UnknownNameError
from xsm.hydrology.soil.hydraulics import layer_parameters

FACES = [0.0, 0.05, 0.15, 0.25, 0.4, 0.6, 1.0]


def weather(days: int = 60, cells: int = 3, seed: int = 0) -> xr.Dataset:
    """Return rain and demand (time, cell) with parameters that differ, daily."""
    rng = np.random.default_rng(seed)
    rain = rng.gamma(0.2, 25.0, (days, cells)) * (rng.random((days, cells)) < 0.5)
    demand = rng.uniform(1.0, 5.0, (days, cells))
    mix = np.linspace(0, 1, cells)
    coords = {"time": pd.date_range("2021-04-01", periods=days), "cell": np.arange(cells)}
    dims = ("time", "cell")
    ds = xr.Dataset(
        {
            "precipitation": (dims, rain, {"units": "mm day-1"}),
            "potential_evaporation": (dims, demand, {"units": "mm day-1"}),
        },
        coords,
    )
    soil = {
        n: ("cell", mix * LOAM[n] + (1 - mix) * CLAY_LOAM[n], {"units": UNITS[n]}) for n in LOAM
    }
    return ds.assign(soil)


@pytest.fixture(scope="module")
def done() -> tuple[xr.Dataset, xr.Dataset]:
    ds = weather()
    return ds, xsm.simulate_columns(ds, edges=FACES, max_ponding=5.0, cover=0.6)


def test_each_column_closes(done):
    ds, found = done
    size = 1000 * xr.DataArray(np.diff(FACES), dims="depth")
    water = (found["soil_moisture"] * size).sum("depth", skipna=False) + found["ponding"]
    rate = ds["precipitation"] - found["evaporation"] - found["surface_runoff"] - found["drainage"]
    rest = water.diff("time") - rate.isel(time=slice(1, None))
    assert float(abs(rest).max()) < 1e-9 * float(water.max())
    assert int(rest.notnull().sum()) == 59 * 3


def test_each_layer_closes_and_so_does_the_residual(done):
    ds, found = done
    soil = ds[list(LOAM)].assign(air_entry=0.02)
    soil["air_entry"].attrs["units"] = "m"
    terms = ["soil_water_flux", "root_water_uptake"]
    closed = xsm.richards_residual(found, parameters=soil, terms=terms)
    assert float(abs(closed["residual"]).max()) < 1e-12
    assert closed["residual"].isel(time=slice(1, None)).notnull().all()


def test_evaporation_is_no_more_than_the_demand(done):
    ds, found = done
    assert bool((found["evaporation"] <= ds["potential_evaporation"] + 1e-9).all())
    assert bool((found["surface_runoff"] >= 0).all())
    assert bool((found["ponding"] <= 5.0 + 1e-9).all())


def test_constant_rain_ends_in_flow_at_unit_gradient():
    """K(theta) equals the rain and all of it drains."""
    ds = weather(400, 1)
    ds["precipitation"][:] = 2.0
    ds["potential_evaporation"][:] = 0.0
    for name, value in LOAM.items():
        ds[name][:] = value
    last = xsm.simulate_columns(ds, edges=FACES, air_entry=0.0, initial=-0.8).isel(time=-1, cell=0)
    np.testing.assert_allclose(last["drainage"], 2.0, rtol=1e-3)
    np.testing.assert_allclose(conductivity(last["soil_moisture"], LOAM), 0.002, rtol=1e-3)


def test_a_closed_column_without_weather_comes_to_rest():
    """The head falls by as much as the height rises."""
    ds = weather(3000, 1).assign_coords(time=pd.date_range("2000", periods=3000))
    for name in ("precipitation", "potential_evaporation"):
        ds[name][:] = 0.0
    for name, value in LOAM.items():
        ds[name][:] = value
    short = [0.0, 0.1, 0.2, 0.3]
    found = xsm.simulate_columns(ds, edges=short, bottom="closed", initial=-0.5, air_entry=0.0)
    h = head(found["soil_moisture"].isel(time=-1, cell=0).values, LOAM)
    np.testing.assert_allclose(np.diff(h), 0.1, atol=1e-3)
    total = found["soil_moisture"].sum("depth")
    np.testing.assert_allclose(total.squeeze(), total.values[0, 0], rtol=1e-10)


def test_layers_that_come_back_are_means_of_the_solvers(done):
    ds, fine = done
    found = xsm.simulate_columns(ds, edges=FACES, layers=[0.0, 0.15, 0.4], max_ponding=5, cover=0.6)
    size = np.diff(FACES)
    means = [
        (fine["soil_moisture"].isel(depth=part) * xr.DataArray(size[part], dims="depth")).sum(
            "depth"
        )
        / size[part].sum()
        for part in (slice(0, 2), slice(2, 4))
    ]
    np.testing.assert_allclose(found["soil_moisture"].isel(depth=0), means[0], rtol=1e-12)
    np.testing.assert_allclose(found["soil_moisture"].isel(depth=1), means[1], rtol=1e-12)
    np.testing.assert_allclose(found["depth_bnds"], [[0.0, 0.15], [0.15, 0.4]])
    np.testing.assert_array_equal(found["drainage"], fine["drainage"])
    flux = fine["soil_water_flux"].sel(depth_interface=[0.0, 0.15, 0.4])
    np.testing.assert_array_equal(found["soil_water_flux"], flux)


def test_units_order_and_signs_do_not_matter(done):
    ds, want = done
    other = ds.transpose("cell", "time").assign_coords(cell=[30, 20, 10])
    other = other.rename(precipitation="tp", potential_evaporation="pev")
    other["tp"] = (other["tp"] / 1000).assign_attrs(units="m")
    other["pev"] = (-other["pev"] / 1000).assign_attrs(units="m")  # ERA5-Land: negative
    other["vg_alpha"] = (other["vg_alpha"] / 100).assign_attrs(units="cm-1")
    found = xsm.simulate_columns(quantify(other), edges=FACES, max_ponding=5.0, cover=0.6)
    assert str(found["drainage"].pint.units) == "millimeter / day"
    found = found.pint.dequantify()
    for name, array in want.data_vars.items():
        same = found[name].transpose(*array.dims)
        np.testing.assert_allclose(same, array, rtol=1e-6, atol=1e-6)


def test_hourly_forcing_becomes_days():
    ds = weather(5, 1)
    hours = np.datetime64("2021-04-01", "ns") + np.arange(120) * np.timedelta64(3600 * 10**9, "ns")
    hourly = ds.reindex(time=hours, method="ffill").assign(ds[list(LOAM)])
    daily = xsm.simulate_columns(ds, edges=FACES)
    found = xsm.simulate_columns(hourly, edges=FACES, every=24)
    np.testing.assert_array_equal(found["time"], ds["time"])
    np.testing.assert_allclose(found["soil_moisture"], daily["soil_moisture"], atol=2e-3)
    total = found["evaporation"] + found["surface_runoff"] + found["drainage"]
    assert bool(np.isfinite(total).all())


def test_lazy_is_eager_and_nothing_is_computed(done, no_compute):
    ds, want = done
    lazy = ds.chunk(time=-1, cell=2)
    with no_compute():
        found = xsm.simulate_columns(lazy, edges=FACES, max_ponding=5.0, cover=0.6)
    assert found["soil_moisture"].chunks is not None
    xr.testing.assert_allclose(found.compute(), want, rtol=1e-12)


def test_a_column_with_a_gap_is_blank_and_its_neighbours_are_not(done):
    ds, want = done
    gappy = ds.copy(deep=True)
    gappy["precipitation"][20, 1] = np.nan
    found = xsm.simulate_columns(gappy, edges=FACES, max_ponding=5.0, cover=0.6)
    assert found["soil_moisture"].isel(cell=1, time=slice(20, None)).isnull().all()
    xr.testing.assert_equal(found.isel(cell=[0, 2]), want.isel(cell=[0, 2]))


def test_a_column_that_cannot_be_solved_is_blank_with_a_warning():
    ds = weather(10)
    ds["theta_s"][1] = 0.01  # below theta_r
    with pytest.warns(UserWarning, match=r"1 columns could not be solved.*Look at their param"):
        found = xsm.simulate_columns(ds, edges=FACES)
    blank = found["soil_moisture"].isnull().all(["time", "depth"])
    np.testing.assert_array_equal(blank, [False, True, False])


def test_air_entry_is_that_of_the_parameters_where_they_have_it():
    ds = weather(20, 2)
    plain = xsm.simulate_columns(ds, edges=FACES)
    ds["air_entry"] = ("cell", [0.02, 0.1], {"units": "m"})
    own = xsm.simulate_columns(ds, edges=FACES)
    xr.testing.assert_equal(own.isel(cell=0), plain.isel(cell=0))
    assert not own.isel(cell=1).equals(plain.isel(cell=1))


def test_missing_inputs_and_parameters():
    ds = weather(5)
    bare = ds.drop_vars(["precipitation", "potential_evaporation"])
    with pytest.raises(
        MissingVariableError, match=r"precipitation: not.*\n.*potential_evaporation"
    ):
        xsm.simulate_columns(bare)
    with pytest.raises(MissingVariableError, match=r"k_sat[\s\S]*xsm.soil_parameters\(ds\)"):
        xsm.simulate_columns(ds.drop_vars("k_sat"))
    ds["potential_evaporation"].attrs.pop("units")
    with pytest.raises(UnitsError, match="'potential_evaporation' has no units"):
        xsm.simulate_columns(ds)


@pytest.mark.parametrize("edges", [[0.1, 0.2], [0.0, 0.2, 0.2], [0.0], [[0.0, 0.1]]])
def test_faces_that_are_none(edges):
    with pytest.raises(GridError, match=r"depths that ascend from 0.0 in m are needed"):
        xsm.simulate_columns(weather(5), edges=edges)


@pytest.mark.parametrize("layers", [[0.0, 0.1], [0.0], [0.15, 0.05]])
def test_layers_that_are_none(layers):
    with pytest.raises(GridError, match="ascending depths among edges="):
        xsm.simulate_columns(weather(5), edges=FACES, layers=layers)


@pytest.mark.parametrize("roots", [1.2, [0.5, 0.5], [1.0] * 6])
def test_roots_that_are_none(roots):
    with pytest.raises(GridError, match=r"roots=.* was given; a number between 0 and 1"):
        xsm.simulate_columns(weather(5), edges=FACES, roots=roots)


def test_times_that_do_not_fit():
    ds = weather(10)
    with pytest.raises(GridError, match=r"every=4 does not divide the 10 steps.*slice\(8\)"):
        xsm.simulate_columns(ds, every=4)
    with pytest.raises(
        GridError, match=r"cut into 2 chunks along 'time'.*ds.chunk\({'time': -1}\)"
    ):
        xsm.simulate_columns(ds.chunk(time=5))
    with pytest.raises(GridError, match="is irregular"):
        xsm.simulate_columns(ds.isel(time=[0, 1, 3]))


def test_choices_that_do_not_exist():
    with pytest.raises(UnknownNameError, match="bottom='free' was given"):
        xsm.simulate_columns(weather(5), bottom="free")
    with pytest.raises(UnknownNameError, match="face='mean' was given"):
        xsm.simulate_columns(weather(5), face="mean")


def test_numbers_that_are_impossible():
    wanted = (
        r"cover=2 was given; a share from 0 to 1.*max_ponding=-5 was given; 0 or more, in mm.*"
        r"air_entry=-0\.1 was given; 0 or more, in m,.*longest_step=0\.0 was given; more than 0"
    )
    odd = {"cover": 2, "max_ponding": -5, "air_entry": -0.1, "longest_step": 0.0}
    with pytest.raises(GridError, match=wanted):
        xsm.simulate_columns(weather(5), **odd)
    for name, value in odd.items():
        with pytest.raises(GridError, match=f"^{name}={value} was given"):
            xsm.simulate_columns(weather(5), **{name: value})
    with pytest.raises(GridError, match=r"^max_ponding=nan was given"):
        xsm.simulate_columns(weather(5), max_ponding=np.nan)
    with pytest.raises(GridError, match=r"^cover=-0\.5 was given"):
        xsm.simulate_columns(weather(5), cover=xr.DataArray([0.5, -0.5], dims="x"))


def test_a_lazy_cover_that_is_no_share_gives_no_column():
    ds = weather(5, cells=2)
    cover = xr.DataArray([0.5, 1.5], dims="cell")
    found = xsm.simulate_columns(ds, cover=cover.chunk(), edges=FACES)
    first = xsm.simulate_columns(ds, cover=0.5, edges=FACES).isel(cell=0)
    xr.testing.assert_allclose(found.isel(cell=0).compute(), first)
    assert found["soil_moisture"].isel(cell=1).isnull().all()


def test_parameters_of_other_cells_are_told():
    ds = weather(5)
    soil = ds[list(LOAM)]
    moved = soil.assign_coords(cell=[0.2, 1.2, 2.2])
    wanted = (
        r"theta_r, .*k_sat along cell \(3 from 0\.2 to 2\.2, not 3 from 0 to 2\).*"
        r"xsm\.soil_parameters\(ds\).*reindex_like\(ds, method=\"nearest\""
    )
    with pytest.raises(GridError, match=wanted):
        xsm.simulate_columns(ds, parameters=moved, edges=FACES)
    for start in (xr.DataArray([-1.0, -2.0], {"cell": [0, 1]}, "cell"), np.full(2, -1.0)):
        with pytest.raises(GridError, match=r"are initial along cell \(2 from 0 to 1, not 3"):
            xsm.simulate_columns(ds, initial=xr.DataArray(start, dims="cell"))
    advised = moved.reindex_like(ds, method="nearest", tolerance=0.3)
    done = (xsm.simulate_columns(ds, parameters=p, edges=FACES) for p in (soil, advised))
    xr.testing.assert_identical(*done)


def test_one_time_tells_no_step():
    with pytest.raises(GridError, match=r"One time along 'time' does not tell"):
        xsm.simulate_columns(weather(1))


def test_parameters_of_stacked_cells_are_read_without_a_warning():
    soil = weather(5)[list(LOAM)].expand_dims(y=[1.0, 2.0]).stack(place=("y", "cell"))
    found = layer_parameters(read(soil), soil, [0.1, 0.2], "layer")  # warnings are errors
    assert {found[name].dims for name in LOAM} == {("place",)}
    np.testing.assert_array_equal(found["vg_n"], soil["vg_n"])
