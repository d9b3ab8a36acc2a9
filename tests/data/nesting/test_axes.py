"""Axes: edges from centres or bounds, areas that add up to the Earth, what is refused."""

import re

import numpy as np
import pytest
import xarray as xr

from xsm.data.nesting import cell_area, horizontal_axes, make_nest, refine
from xsm.exceptions import GridError


def grid(lat, lon, names=("lat", "lon"), attrs=None) -> xr.DataArray:
    array = xr.DataArray(np.zeros((len(lat), len(lon))), dict(zip(names, (lat, lon), strict=True)))
    for name, given in (attrs or {}).items():
        array[name].attrs = given
    return array


@pytest.mark.parametrize("turn", [slice(None), slice(None, None, -1)])
def test_areas_of_the_globe_are_those_of_the_sphere(turn):
    lat, lon = np.arange(-89.75, 90, 0.5)[turn], np.arange(0.25, 360, 0.5)
    y, x = horizontal_axes(grid(lat, lon))
    area = cell_area(y, x)
    assert area.sum() == pytest.approx(4 * np.pi * 6_371_007.2**2, rel=1e-12)
    north = area[np.asarray(lat) > 0].sum()
    assert north == pytest.approx(area.sum() / 2, rel=1e-12)
    assert x.ring
    assert not y.ring


def test_a_band_has_the_area_that_archimedes_found():
    y, x = horizontal_axes(grid([15.0, 45.0, 75.0], np.arange(0.5, 360)))
    share = cell_area(y, x).sum(axis=1) / cell_area(y, x).sum()
    np.testing.assert_allclose(share, np.diff(np.sin(np.deg2rad([0, 30, 60, 90]))), rtol=1e-12)


def test_cells_centred_on_the_poles_end_there():
    y, _ = horizontal_axes(grid(np.linspace(90, -90, 181), [0.5, 1.5]))
    assert (y.edges[0], y.edges[-1]) == (90.0, -90.0)


def test_bounds_go_before_what_centres_suggest():
    ds = grid([1.0, 4.0], [0.0, 2.0]).to_dataset(name="a")
    ds["lat_bnds"] = (("lat", "bnds"), [[0.0, 2.0], [2.0, 6.0]])
    ds["edges"] = (("lon", "bnds"), [[1.0, -1.0], [3.0, 1.0]])
    ds["lon"].attrs["bounds"] = "edges"
    y, x = horizontal_axes(ds)
    assert y.edges.tolist() == [0, 2, 6]
    assert x.edges.tolist() == [-1, 1, 3]


def test_projected_grids_measure_metres():
    metres = grid([500.0, 1500.0], [0.0, 2000.0], ("y", "x"), {"y": {"units": "m"}})
    y, x = horizontal_axes(metres)
    assert (y.kind, x.kind) == ("projected", "projected")
    assert cell_area(y, x).tolist() == [[2e6, 2e6]] * 2


def test_axes_are_found_by_their_attributes_first():
    attrs = {"x": {"standard_name": "projection_y_coordinate"}, "b": {"axis": "X"}}
    y, x = horizontal_axes(grid([1.0, 2.0], [1.0, 2.0], ("x", "b"), attrs))
    assert (y.dim, x.dim) == ("x", "b")


def test_a_refined_globe_has_the_same_area():
    y, x = horizontal_axes(grid(np.arange(-87.5, 90, 5.0), np.arange(2.5, 360, 5)))
    fine = cell_area(refine(y, 4), refine(x, 2))
    whole = fine.reshape(y.size, 4, x.size, 2).sum(axis=(1, 3))
    np.testing.assert_allclose(whole, cell_area(y, x), rtol=1e-12)


def test_grids_that_are_none_are_refused():
    bare = xr.DataArray(np.zeros((2, 2)), dims=("station", "depth"))
    with pytest.raises(GridError, match=r"no dimension is the y axis .*'station': 2"):
        horizontal_axes(bare)
    with pytest.raises(GridError, match=r"'lat' is not monotonic; type ds.sortby\('lat'\)"):
        horizontal_axes(grid([1.0, 3.0, 2.0], [0.0, 1.0]))
    with pytest.raises(GridError, match=r"'lat' has one cell.*Give its bounds"):
        horizontal_axes(grid([1.0], [0.0, 1.0]))
    with pytest.raises(GridError, match=r"'lat' is empty: nothing was selected.*lat=slice\(high"):
        horizontal_axes(grid([], [0.0, 1.0]))


EAST = [177.75, 178.25, 178.75, 179.25, 179.75, -179.75]
ROLLED = [358.5, 359.5, 0.5, 1.5, 2.5]


@pytest.mark.parametrize(
    ("lon", "advice"),
    [
        (EAST, "ds.assign_coords(lon=ds.lon % 360)"),
        (ROLLED, "ds.assign_coords(lon=(ds.lon + 180) % 360 - 180)"),
        (np.roll(np.arange(0.5, 360), 180), "ds.assign_coords(lon=(ds.lon + 180) % 360 - 180)"),
        (sorted(EAST), "ds.assign_coords(lon=ds.lon % 360).sortby('lon')"),
        ([-179.75, 179.75], "ds.assign_coords(lon=ds.lon % 360)"),
        (sorted(ROLLED), "ds.assign_coords(lon=(ds.lon + 180) % 360 - 180).sortby('lon')"),
        (np.r_[-179.5:-174, 174.5:180], "ds.assign_coords(lon=ds.lon % 360).sortby('lon')"),
        (np.arange(0, 361), "ds.isel(lon=slice(-1))"),
    ],
)
def test_longitudes_that_a_seam_parts_are_refused_with_what_joins_them(lon, advice):
    ds = grid([1.0, 2.0], lon)
    with pytest.raises(GridError, match=rf"type {re.escape(advice)}\."):
        horizontal_axes(ds)
    widths = abs(np.diff(horizontal_axes(eval(advice))[1].edges))
    assert widths.max() <= 1
    np.testing.assert_allclose(widths, widths[0])


def test_longitudes_with_a_gap_need_bounds():
    with pytest.raises(GridError, match="Select a region without gaps, or give the bounds"):
        horizontal_axes(grid([1.0, 2.0], [0.0, 1, 2, 3, 20, 21, 22]))


def test_lengths_of_all_units_are_read_and_others_refused():
    def area(units):
        return cell_area(*horizontal_axes(grid([0.0, 1.0], [0.0, 1.0], ("y", "x"), attrs(units))))

    def attrs(units):
        return {"y": {"units": units}, "x": {"units": units}}

    for units, metres in {"km": 1000, "kilometre": 1000, "kilometer": 1000, "cm": 0.01}.items():
        np.testing.assert_allclose(area(units), metres**2)
    for units in ("1000 m", "rad", "1"):
        with pytest.raises(GridError, match=f"'y' has units '{units}', which are neither a length"):
            area(units)


def test_bounds_with_gaps_are_refused():
    ds = grid([1.0, 4.0], [0.0, 2.0]).to_dataset(name="a")
    ds["lat_bnds"] = (("lat", "bnds"), [[0.0, 2.0], [3.0, 6.0]])
    with pytest.raises(GridError, match=r"'lat_bnds' of 'lat' leave gaps or overlap.*drop_vars"):
        horizontal_axes(ds)


@pytest.mark.parametrize(
    ("lat", "lon"),
    [
        ([[10.0, 11.0], [11.0, 12.0]], [[199.0, 200.0], [200.0, 201.0]]),  # rows moved by 10
        ([[-0.5, 0.5], [0.5, 1.5]], [[199.6, 200.6], [200.6, 201.6]]),  # edges for middles
        ([[0.0, 1.0], [1.0, 2.0]], [[19.0, 20.0], [20.0, 21.0]]),  # other columns
    ],
)
def test_bounds_of_other_cells_are_refused(lat, lon):
    """CF: a coordinate lies within its bounds; longitudes of both conventions are one."""
    ds = grid([0.5, 1.5], [-160.5, -159.5]).to_dataset(name="a")
    right = ds.assign(lon_bnds=(("lon", "v"), [[199.0, 200.0], [200.0, 201.0]]))
    assert horizontal_axes(right)[1].edges.tolist() == [199, 200, 201]
    wrong = ds.assign(lat_bnds=(("lat", "v"), lat), lon_bnds=(("lon", "v"), lon))
    with pytest.raises(GridError, match=r"does not lie in its bounds .*drop_vars\('l.._bnds'\)"):
        horizontal_axes(wrong)


def test_factors_are_whole_numbers_for_each_axis():
    coarse = grid([1.0, 3.0], [1.0, 3.0])
    assert make_nest(coarse, {"lat": 2, "lon": 3}).shape == (4, 6)
    for wrong in (0, 2.5, True, {"lat": 2}, {"lat": 2, "lon": 2, "time": 1}):
        with pytest.raises(GridError, match="a whole number of at least 1 is needed"):
            make_nest(coarse, wrong)
    with pytest.raises(GridError, match="No factor was given; pass factor=4"):
        make_nest(coarse, None)
