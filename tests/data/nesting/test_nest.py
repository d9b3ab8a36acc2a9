"""Nests: fine grids in any order are found by their edges, others refused with what to pass."""

import numpy as np
import pytest
import xarray as xr

from xsm.data.nesting import coarsen, interpolate, make_nest, spread, to_grid
from xsm.exceptions import GridError


def globe(step: float, *, first: float = 0.0, down: bool = False) -> xr.DataArray:
    lat = np.arange(-90 + step / 2, 90, step)
    lon = np.arange(first + step / 2, first + 360, step)
    array = xr.DataArray(np.zeros((len(lat), len(lon))), {"lat": lat, "lon": lon})
    return array.isel(lat=slice(None, None, -1)) if down else array


def wavy(array: xr.DataArray) -> xr.DataArray:
    return array + np.cos(np.deg2rad(array.lon)) * np.cos(np.deg2rad(array.lat)) + array.lat / 90


def noisy(array: xr.DataArray, seed: int = 0) -> xr.DataArray:
    return array.copy(data=np.random.default_rng(seed).normal(size=array.shape))


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("first", [0.0, -180.0])
def test_fine_grids_of_any_order_are_placed_alike(down, first):
    nest = make_nest(globe(10), 4)
    fine = wavy(globe(2.5, first=first, down=down))
    placed = nest.place(fine, "truth")
    xr.testing.assert_allclose(placed, wavy(globe(2.5)))
    assert nest.holds(fine)


def test_a_part_of_the_fine_grid_leaves_nan_elsewhere():
    nest = make_nest(globe(10), 2)
    placed = nest.place(wavy(globe(5)).sel(lat=slice(0, 90)), "truth")
    assert placed.sizes["lat"] == 36
    assert placed.sel(lat=slice(-90, 0)).isnull().all()
    assert placed.sel(lat=slice(0, 90)).notnull().all()


def test_projected_and_uneven_factors():
    coarse = xr.DataArray(np.zeros((2, 3)), {"y": [30.0, 10.0], "x": [5.0, 15.0, 25.0]})
    nest = make_nest(coarse, {"y": 4, "x": 2})
    assert nest.fine[0].centres.tolist()[:2] == [37.5, 32.5]
    assert nest.shape == (8, 6)
    fine = noisy(xr.DataArray(np.zeros((8, 6)), {a.dim: a.centres for a in nest.fine}))
    xr.testing.assert_identical(nest.place(fine, "truth"), fine)
    assert make_nest(coarse, None, fine).factor == (4, 2)


def test_misaligned_wrong_and_distant_grids_are_refused():
    nest = make_nest(globe(10), 4)
    with pytest.raises(GridError, match=r"truth has cells of 5 along 'lat'.*Pass factor=2"):
        nest.place(globe(5), "truth")
    with pytest.raises(GridError, match=r"cells of 3 along 'lat'.*Pass another grid"):
        nest.place(globe(3), "truth")
    moved = globe(2.5).assign_coords(lon=globe(2.5).lon + 1.25)
    with pytest.raises(GridError, match=r"misaligned along 'lon'.*off by [+-]0.50.*regrid"):
        nest.place(moved, "truth")
    assert not nest.holds(moved)
    small = make_nest(globe(10).sel(lat=slice(0, 90)), 4)
    with pytest.raises(GridError, match=r"do not overlap along 'lat'.*same region"):
        small.place(globe(2.5).sel(lat=slice(-90, -40)), "truth")


def test_means_of_blocks_are_weighted_by_area_and_leave_nan_out():
    nest = make_nest(globe(10), 5)
    fine = noisy(globe(2)).where(noisy(globe(2), 1) > -0.5)
    fine[:10, :20] = np.nan
    found = coarsen(fine, nest)
    weights = np.cos(np.deg2rad(fine.lat)) * np.sin(np.deg2rad(1)) * 2  # exact bands of the sphere
    together = (fine * weights).coarsen(lat=5, lon=5).sum()
    share = (fine.notnull() * weights).coarsen(lat=5, lon=5).sum()
    np.testing.assert_allclose(found, (together / share.where(share > 0)).values, rtol=1e-10)
    assert found[:2, :4].isnull().all()


def test_spread_and_coarsen_are_inverse():
    nest = make_nest(globe(10), {"lat": 2, "lon": 3})
    coarse = noisy(globe(10)).where(noisy(globe(10), 1) > -0.5)
    xr.testing.assert_allclose(coarsen(spread(coarse, nest), nest), coarse)


def test_bilinear_is_exact_on_planes_and_closes_the_globe():
    nest = make_nest(globe(10), 4)
    plane = globe(10) + globe(10).lat
    inner = interpolate(plane, nest).sel(lat=slice(-85, 85))
    np.testing.assert_allclose(inner, np.broadcast_to(inner.lat.values[:, None], inner.shape))
    coarse = noisy(globe(10))
    there = interpolate(coarse, nest)
    turned = interpolate(coarse.roll(lon=18, roll_coords=False), nest)
    np.testing.assert_allclose(turned, there.roll(lon=72, roll_coords=False))


def test_bilinear_leaves_missing_neighbours_out():
    coarse = xr.DataArray([[1.0, np.nan], [1.0, 1.0]], {"y": [1.0, 3.0], "x": [1.0, 3.0]})
    found = interpolate(coarse, make_nest(coarse, 4))
    assert found[:4, 4:].isnull().all()
    assert (found.where(found.notnull(), 1.0) == 1.0).all()


@pytest.mark.parametrize("steps", [(2.0, 3.0), (3.0, 2.0), (2.5, 1.25), (4.0, 10.0)])
@pytest.mark.parametrize("first", [0.0, -180.0, -91.0])
def test_conservative_remapping_conserves_the_integral(steps, first):
    source, target = noisy(globe(steps[0], first=first, down=True)), make_nest(globe(steps[1]), 1)
    found = to_grid(source, *target.fine, what="rain")
    own = make_nest(source, 1).area
    assert float((found * target.area).sum()) == pytest.approx(
        float((source * own).sum()), rel=1e-9
    )


def test_conservative_remapping_of_nested_grids_is_the_block_mean():
    nest = make_nest(globe(10), 4)
    fine = noisy(globe(2.5)).where(noisy(globe(2.5), 1) > 0)
    found = to_grid(fine, nest.y, nest.x, what="rain")
    np.testing.assert_allclose(found, coarsen(fine, nest), rtol=1e-9)
    back = to_grid(found, *nest.fine, what="rain")
    np.testing.assert_allclose(back, spread(found, nest), rtol=1e-9)


def test_conservative_remapping_by_hand_with_a_missing_cell():
    source = xr.DataArray([[1.0, np.nan, 4.0]] * 2, {"y": [1.0, 3.0], "x": [1.0, 3.0, 5.0]})
    target = make_nest(xr.DataArray(np.zeros((2, 2)), {"y": [1.0, 3.0], "x": [1.5, 4.5]}), 1)
    found = to_grid(source, target.y, target.x, what="rain")  # cells 0-3 and 3-6
    assert found.values[0].tolist() == [1.0, 4.0]


def test_conservative_remapping_refuses_other_kinds_and_places():
    metres = xr.DataArray(np.zeros((2, 2)), {"y": [1.0, 3.0], "x": [1.0, 3.0]})
    with pytest.raises(GridError, match=r"rain lies on a grid of projected along 'y'.*Reproject"):
        to_grid(metres, *make_nest(globe(10), 1).fine, what="rain")
    far = make_nest(metres.assign_coords(y=[101.0, 103.0]), 1)
    with pytest.raises(GridError, match="rain does not overlap the target along 'y'"):
        to_grid(metres, far.y, far.x, what="rain")


def test_all_ways_are_lazy_and_equal(raise_if_computed):
    coarse = noisy(globe(10)).expand_dims(time=5).chunk(time=2, lat=4, lon=5)
    nest = make_nest(coarse, 4)
    fine = interpolate(coarse, nest)
    made = [fine, spread(coarse, nest), coarsen(fine, nest), to_grid(coarse, *nest.fine, what="a")]
    assert all(array.chunks is not None for array in made)


def test_lazy_planes_equal_those_in_memory():
    coarse = noisy(globe(10)).expand_dims(time=3)
    nest = make_nest(coarse, 4)
    lazy = coarse.chunk(time=1, lat=4, lon=5)
    for function in (interpolate, spread):
        xr.testing.assert_allclose(function(lazy, nest).compute(), function(coarse, nest))
