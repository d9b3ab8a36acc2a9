"""Maps: cells where they are, in their units; facets; coasts; what is no map."""

from __future__ import annotations

from pathlib import Path

import cartopy
import cartopy.crs
import matplotlib.pyplot as plt
import numpy as np
import pytest
import shapefile
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes

from xsm.data.units import quantify
from xsm.exceptions import GridError, MissingVariableError, NotEnoughDataError
from xsm.plotting import plot_map
from xsm.plotting.geography import cell_edges, placed


def mesh(ax: Axes):
    return ax.collections[0]


def bar(ax: Axes) -> Axes:
    return ax.figure.axes[-1]


def test_cells_lie_where_their_coordinates_say(land):
    ax = land.physm.plot.map("swvl1", over="time")
    assert ax.get_xlim() == (4.5, 9.5)
    assert ax.get_ylim() == (49.5, 53.5)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("longitude [°E]", "latitude [°N]")
    corners = mesh(ax).get_coordinates()
    assert corners[0, 0].tolist() == [4.5, 53.5]  # the first row is the northern one
    shown = mesh(ax).get_array()
    np.testing.assert_allclose(shown.filled(np.nan), land["swvl1"].mean("time").values)
    assert shown.mask.sum() == 2
    assert bar(ax).get_ylabel() == "swvl1 [m³ m⁻³]"


def test_the_scale_spans_the_values(land):
    mean = land["swvl1"].mean("time")
    ax = land.physm.plot.map("swvl1", over="time")
    assert mesh(ax).norm.vmin == pytest.approx(float(mean.min()))
    assert mesh(ax).norm.vmax == pytest.approx(float(mean.max()))
    ax = land.physm.plot.map("swvl1", over="time", centre=0.3, vmax=0.4)
    assert (mesh(ax).norm.vmin, mesh(ax).norm.vmax) == pytest.approx((0.2, 0.4))
    ax = land.physm.plot.map("swvl1", over="time", robust=True)
    low, high = np.nanpercentile(mean, (2, 98))
    assert (mesh(ax).norm.vmin, mesh(ax).norm.vmax) == pytest.approx((low, high))


def test_facets_share_a_scale_and_name_their_values(land):
    axes = land.isel(time=slice(0, 7)).physm.plot.map("soil_moisture", col="time", col_wrap=3)
    assert axes.shape == (7,)
    assert axes[1].get_title() == "time = 2020-01-02"
    assert len({mesh(ax).norm for ax in axes}) == 1
    assert [ax.get_ylabel() != "" for ax in axes] == [k % 3 == 0 for k in range(7)]


def test_rows_and_columns(land):
    depth = xr.DataArray([0.05, 0.2], dims="depth", name="depth", attrs={"units": "m"})
    array = xr.concat([land["swvl1"].isel(time=slice(0, 3))] * 2, depth)
    axes = plot_map(array, row="depth", col="time")
    assert axes.shape == (6,)
    assert axes[5].get_title() == "depth = 0.2 m, time = 2020-01-03"


def test_axes_that_are_given_are_used_and_given_back(land):
    mine, other = plt.subplots(1, 2)[1]
    before = plt.get_fignums()
    assert land.physm.plot.map("swvl1", over="time", ax=other) is other
    assert plt.get_fignums() == before
    assert not mine.collections
    with pytest.raises(GridError, match=r"ax holds 1 axes; the figure has 3 panels"):
        land.isel(time=slice(0, 3)).physm.plot.map("swvl1", col="time", ax=mine)


def test_one_pixel_has_a_size(land):
    ax = land.isel(latitude=[1], longitude=[2]).physm.plot.map("swvl1", over="time")
    assert (ax.get_xlim(), ax.get_ylim()) == ((6.5, 7.5), (51.5, 52.5))


def test_longitudes_that_jump_go_on(land):
    west = land.assign_coords(longitude=[358.0, 359.0, 0.0, 1.0, 2.0])
    ax = west.physm.plot.map("swvl1", over="time")
    assert ax.get_xlim() == (357.5, 362.5)
    assert ax.xaxis.get_major_formatter()(361.0) == "1"
    other = land.assign_coords(longitude=[178.0, 179.0, -180.0, -179.0, -178.0])
    ax = other.physm.plot.map("swvl1", over="time")
    assert ax.get_xlim() == (177.5, 182.5)
    assert ax.xaxis.get_major_formatter()(181.0) == "-179"


def test_the_globe_from_0_to_360_stays_so():
    longitude = np.arange(0.0, 360.0, 30.0)
    field = xr.DataArray(
        np.zeros((3, 12)) + longitude, {"lat": [90.0, 0.0, -90.0], "lon": longitude}, ("lat", "lon")
    )
    ax = plot_map(field)
    assert (ax.get_xlim(), ax.get_ylim()) == ((-15.0, 345.0), (-90.0, 90.0))


def test_a_list_of_cells_is_drawn_where_they_lie(land):
    cells = land[["swvl1"]].mean("time").stack(cell=("latitude", "longitude")).reset_index("cell")
    ax = cells.physm.plot.map()
    points = mesh(ax).get_offsets()
    assert points.shape == (20, 2)
    assert points[0].tolist() == [5.0, 53.0]


def test_plain_grids_have_cells(land):
    ax = plot_map(xr.DataArray(np.eye(3), dims=("row", "column"), name="eye"))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("column [cell]", "row [cell]")


def test_metres_are_shown_as_kilometres():
    x = xr.DataArray([4.0e6, 4.1e6], dims="x", attrs={"units": "m"})
    field = xr.DataArray(np.eye(2), {"x": x, "y": x.rename(x="y")}, ("y", "x"), name="height")
    ax = field.physm.plot.map()
    assert ax.get_xlabel() == "x [km]"
    assert ax.xaxis.get_major_formatter()(4.05e6) == "4050"
    assert ax.get_aspect() == 1


@pytest.mark.parametrize("kind", ["float32", "float64", "int16"])
def test_types_of_numbers(kind):
    assert plot_map(xr.DataArray(np.eye(3, dtype=kind), dims=("y", "x"))).collections


def test_quantified_data_keep_their_units(land):
    ax = quantify(land[["swvl1"]]).physm.plot.map(over="time")
    assert "[" in bar(ax).get_ylabel()


def test_what_is_no_map_is_told(land):
    with pytest.raises(GridError, match=r"has \{'time': 60\} beside .*over='time'.*col='time'"):
        land.physm.plot.map("swvl1")
    twice = xr.concat([land["swvl1"]] * 2, "time")
    with pytest.raises(GridError, match=r"120 panels along \['time'\].*at most 60.*isel\(time="):
        plot_map(twice, col="time")
    with pytest.raises(GridError, match=r"There is no dimension 'depth'; 'swvl1' has"):
        land.physm.plot.map("swvl1", col="depth")
    with pytest.raises(GridError, match=r"A map needs two dimensions.*isel\(latitude=\[0\]\)"):
        land.isel(latitude=0).physm.plot.map("swvl1", over="time")
    with pytest.raises(
        MissingVariableError, match=r"'swvl' is none of the 2.*Did you mean 'swvl1'"
    ):
        land.physm.plot.map("swvl")
    with pytest.raises(NotEnoughDataError, match=r"all values are missing"):
        land.where(land["swvl1"] > 9).physm.plot.map("swvl1", over="time")
    with pytest.raises(NotEnoughDataError, match=r"limits 2 and .* type vmin= below vmax="):
        land.physm.plot.map("swvl1", over="time", vmin=2.0)


def test_coasts_are_drawn_where_they_are_there(land, tmp_path, monkeypatch):
    monkeypatch.setitem(cartopy.config, "pre_existing_data_dir", tmp_path)
    monkeypatch.setitem(cartopy.config, "data_dir", tmp_path)
    with pytest.raises(MissingVariableError, match=r"cartopy.feature.download physical"):
        land.physm.plot.map("swvl1", over="time", coastlines=True)
    folder = Path(tmp_path, "shapefiles", "natural_earth", "physical")
    folder.mkdir(parents=True)
    with shapefile.Writer(str(folder / "ne_110m_coastline"), shapeType=3) as file:
        file.field("name", "C")
        file.line([[[5.0, 50.0], [6.0, 51.0]]])
        file.record("coast")
    ax = land.physm.plot.map("swvl1", over="time")
    assert len(ax.collections) == 2
    drawn = ax.collections[1].get_segments()
    assert [line[0].tolist() for line in drawn] == [[-355.0, 50.0], [5.0, 50.0], [365.0, 50.0]]
    assert ax.get_xlim() == (4.5, 9.5)
    assert len(land.physm.plot.map("swvl1", over="time", coastlines=False).collections) == 1
    robinson = cartopy.crs.Robinson()
    ax = land.physm.plot.map("swvl1", over="time", projection=robinson, coastlines=True)
    assert ax.projection == robinson
    assert len(ax.lines) == 1


def test_a_projection_places_cells_by_their_degrees(land):
    crs = cartopy.crs.LambertAzimuthalEqualArea(7, 51.5)
    ax = land.physm.plot.map("swvl1", over="time", projection=crs, coastlines=False)
    west, east, south, north = ax.get_extent()
    assert west < 0 < east
    assert north - south == pytest.approx(4 * 111.2e3, rel=0.1)


@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=8), st.booleans())
def test_edges_lie_between_centres(steps, down):
    centres = np.cumsum(steps) * (-1 if down else 1)
    edges = cell_edges(centres)
    assert edges.size == centres.size + 1
    np.testing.assert_allclose(edges[1:-1], (centres[1:] + centres[:-1]) / 2)
    assert ((edges[:-1] - centres) * (edges[1:] - centres) < 0).all()


def test_longitudes_without_a_jump_stay(land):
    np.testing.assert_array_equal(placed(land["swvl1"], "longitude"), land["longitude"])
