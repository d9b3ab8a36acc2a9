"""Baselines under the verb: known answers, coasts, seams, laziness, and what they refuse."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.fields.fields import FACTOR, coarse_of, grid, months, truth
from xsm.data.reading import read
from xsm.exceptions import (
    GridError,
    MissingVariableError,
    NotEnoughDataError,
    UnitsError,
    UnknownNameError,
)
from xsm.fields.anchors import cell_regression, fit_anchors
from xsm.fields.baselines import BASELINES, LEARNING, learn_maps, score_fields
from xsm.fields.collect import collect_sources
from xsm.fields.sources import Sources


@pytest.fixture(scope="module")
def fine() -> xr.DataArray:
    return truth()


@pytest.fixture(scope="module")
def coarse(fine) -> xr.DataArray:
    return coarse_of(fine)


def sources_of(coarse: xr.DataArray, fine: xr.DataArray) -> Sources:
    reading = read(coarse.to_dataset())
    return collect_sources(reading, target="groundwater_storage", factor=FACTOR, truth=fine)


def mae(found: xr.Dataset, fine: xr.DataArray) -> float:
    return float(abs(found["gws"] - fine).mean())


def lazily(name, coarse, learn, no_compute) -> xr.Dataset:
    lazy = coarse.chunk(time=5, lon=3)
    if learn:  # what is learnt is computed
        return lazy.physm.downscale(FACTOR, model=name, **learn)
    with no_compute():
        found = lazy.physm.downscale(FACTOR, model=name)
    assert found["gws"].chunks is not None
    return found


@pytest.mark.parametrize("name", BASELINES)
def test_a_field_on_dataset_and_array_lazy_and_not(name, coarse, fine, no_compute):
    learn = {"truth": fine} if name in LEARNING else {}
    found = coarse.physm.downscale(FACTOR, model=name, **learn)
    same = coarse.to_dataset().assign(other=1.0).physm.downscale(FACTOR, model=name, **learn)
    xr.testing.assert_identical(found, same)
    xr.testing.assert_allclose(lazily(name, coarse, learn, no_compute).compute(), found)
    assert found["gws"].dims == coarse.dims
    assert found["gws"].attrs["units"] == "mm"
    np.testing.assert_allclose(found["lat"], grid()["lat"])


def test_nearest_repeats_and_bilinear_equals_xarrays(coarse):
    near = coarse.physm.downscale(FACTOR, model="nearest")["gws"]
    wanted = coarse.sel(lat=near.lat, lon=near.lon, method="nearest")
    np.testing.assert_allclose(near, wanted)
    line = coarse.physm.downscale(FACTOR, model="bilinear")["gws"]
    inner = coarse.interp(lat=line.lat, lon=line.lon).dropna("lat", how="all")
    inner = inner.dropna("lon", how="all")
    np.testing.assert_allclose(line.sel(lat=inner.lat, lon=inner.lon), inner)


@pytest.mark.parametrize("name", ["nearest", "conservative_bilinear"])
def test_coordinates_are_described_and_those_aside_kept(name):
    axes = {"time": months(3).time, "y": [0.0, 1.0], "x": [0.0, 1.0]}
    coarse = xr.DataArray(np.ones((3, 2, 2)), axes, name="gws", attrs={"units": "mm"})
    coarse = coarse.assign_coords(
        spatial_ref=xr.DataArray(0, attrs={"crs_wkt": "laea"}),
        season=("time", ["DJF", "DJF", "MAM"]),
        row=("y", [1, 2]),
    )
    for dim in "yx":
        coarse[dim].attrs = {"units": "km", "axis": dim.upper()}
    found = coarse.physm.downscale(2, model=name)
    assert {dim: found[dim].attrs for dim in "yx"} == {dim: coarse[dim].attrs for dim in "yx"}
    assert float(found["cell_area"].sum()) == 4e6
    assert found["spatial_ref"].attrs == {"crs_wkt": "laea"}
    assert found["season"].values.tolist() == ["DJF", "DJF", "MAM"]
    assert "row" not in found.coords


@pytest.mark.parametrize("name", ["nearest", "bilinear", "conservative_bilinear"])
def test_integers_are_downscaled_as_the_numbers_that_they_are(name, coarse):
    whole = coarse.round()
    found = whole.astype("i4").physm.downscale(FACTOR, model=name)
    xr.testing.assert_identical(found, whole.physm.downscale(FACTOR, model=name))
    lazy = whole.astype("i4").chunk(time=5).physm.downscale(FACTOR, model=name)
    assert lazy["gws"].dtype == lazy["gws"].compute().dtype == found["gws"].dtype == float


def test_conservative_bilinear_and_exact_reproduce_means_at_coasts(fine):
    sea = fine.where((fine.lat + 0.3 * fine.lon) % 3 > 1.1)
    coarse = coarse_of(sea)
    land = xr.where(sea[0].notnull(), 1.0, 0.0)
    area = land * np.cos(np.deg2rad(land.lat))
    settings = {"area": area}
    for name in ("nearest", "bilinear", "pattern"):
        extra = {"truth": sea} if name == "pattern" else {}
        found = coarse.physm.downscale(FACTOR, model=name, conserve="exact", **settings, **extra)
        gap = abs(coarse_of(found["gws"]) - coarse).max()
        assert float(gap) < 1e-5 * float(coarse.std())
    one = coarse.physm.downscale(FACTOR, model="conservative_bilinear", **settings)["gws"]
    two = coarse.physm.downscale(FACTOR, model="bilinear", conserve="exact", **settings)["gws"]
    xr.testing.assert_identical(one, two)
    assert one.isnull().equals(sea.isnull() | one.isnull())


def test_areas_are_in_their_units(coarse):
    plain = coarse.physm.downscale(FACTOR, model="conservative_bilinear")
    km2 = (plain["cell_area"] / 1e6).assign_attrs(units="km2")
    for area in (km2, km2[::-1], km2.assign_attrs(units="km**2").pint.quantify()):
        found = coarse.physm.downscale(FACTOR, model="conservative_bilinear", area=area)
        xr.testing.assert_allclose(found, plain, rtol=1e-12)
        assert found["cell_area"].attrs["units"] == "m2"


def test_areas_that_are_none_are_refused(coarse):
    def downscale(area):
        return coarse.physm.downscale(FACTOR, model="nearest", area=area)

    area = coarse.physm.downscale(FACTOR, model="nearest")["cell_area"]
    for wrong in (-area, 0 * area, area.where(area < 0), area.where(area.lat > 43, -1.0)):
        with pytest.raises(GridError, match=r"area= holds .* m2 on the fine grid; areas above 0"):
            downscale(wrong)
    with pytest.raises(UnitsError, match="area= has units 'degrees_north', which are no area"):
        downscale(area.assign_attrs(units="degrees_north"))
    with pytest.raises(GridError, match=r'given as ndarray; a DataArray.*{"lat": ..., "lon": ...}'):
        downscale(area.values)


def test_cell_regression_is_exact_where_cells_are_linear(coarse):
    fine = 3 * coarse.physm.downscale(FACTOR, model="nearest")["gws"] + 2
    found = coarse.physm.downscale(FACTOR, model="cell_regression", truth=fine)
    np.testing.assert_allclose(found["gws"], fine, rtol=1e-6, atol=1e-4)


def test_pattern_learns_the_mean_difference(coarse, fine):
    first = slice("2000", "2001")
    found = coarse.physm.downscale(FACTOR, model="pattern", truth=fine.sel(time=first))["gws"]
    plain = coarse.physm.downscale(FACTOR, model="bilinear")["gws"]
    wanted = (fine - plain).sel(time=first).mean("time")
    np.testing.assert_allclose((found - plain).isel(time=-1), wanted, atol=1e-5)


@pytest.mark.parametrize("name", ["pattern", "bilinear"])
def test_the_truth_tells_the_factor(name, coarse, fine):
    wide = fine.coarsen(lat=FACTOR).mean().assign_attrs(units="mm")
    found = coarse.physm.downscale(None, model=name, truth=wide)
    factor = {"lat": 1, "lon": FACTOR}
    xr.testing.assert_identical(found, coarse.physm.downscale(factor, model=name, truth=wide))
    with pytest.raises(GridError, match="No factor was given; pass factor=4, or truth="):
        coarse.physm.downscale(None, model=name)


def test_baselines_that_learn_beat_those_that_do_not(coarse, fine):
    train, test = slice("2000", "2001"), slice("2002", "2002")
    errors = {}
    for name in BASELINES:
        learn = {"truth": fine.sel(time=train)} if name in LEARNING else {}
        found = coarse.sel(time=slice("2000", "2002")).physm.downscale(FACTOR, model=name, **learn)
        errors[name] = mae(found.sel(time=test), fine.sel(time=test))
    assert errors["cell_regression"] < errors["pattern"] < errors["bilinear"]


def test_regression_equals_numpys(fine, coarse):
    x = np.random.default_rng(0).normal(size=(20, 2, 3))
    y = np.random.default_rng(1).normal(size=(20, 2, 3))
    y[3, 0, 0] = np.nan
    offset, slope = cell_regression(x, y)
    for i in range(2):
        for j in range(3):
            there = np.isfinite(y[:, i, j])
            wanted = np.polyfit(x[there, i, j], y[there, i, j], 1)
            np.testing.assert_allclose([slope[i, j], offset[i, j]], wanted)
    y[2:, 1, 1] = np.nan  # two pairs are no regression
    assert np.isnan(cell_regression(x, y)[1][1, 1])
    assert np.isnan(cell_regression(np.ones_like(x), y)[1]).all()


def test_anchors_leave_a_step_out_as_a_refit_would():
    random = np.random.default_rng(0)
    coarse = random.normal(size=(30, 1, 2))
    truth = random.normal(size=(30, 2, 4))
    truth[:, 0, 0] = np.nan
    weights, left = fit_anchors(coarse, truth, window=3, factor=(2, 2))
    assert np.isnan(weights[:, 0, 0]).all()
    assert np.isnan(left[:, 0, 0]).all()
    lags = np.stack([coarse[2 - k : 30 - k, 0, 1] for k in range(3)], axis=1)
    line = truth[2:, 1, 3]

    def solve(rows, ridge):  # the same problem, by its definition
        mean, spread = lags.mean(axis=0), lags.std(axis=0)
        z = (lags - mean) / spread
        design = np.column_stack([np.ones(len(z)), z])[rows]
        penalty = np.diag([0, 1e-9, ridge, ridge]) * len(z)
        beta = np.linalg.solve(design.T @ design + penalty, design.T @ line[rows])
        return np.column_stack([np.ones(len(z)), z]) @ beta

    every = np.arange(len(line))
    errors = []
    for ridge in (1e-3, 1e-2, 1e-1, 1.0):
        out = np.array([solve(np.delete(every, k), ridge)[k] for k in every])
        errors.append(np.abs(out - left[:, 1, 3]).max())
    assert min(errors) < 1e-6


def test_anchors_need_windows():
    weights, left = fit_anchors(np.ones((4, 1, 1)), np.ones((4, 2, 2)), window=3, factor=(2, 2))
    assert np.isnan(weights).all()
    assert np.isnan(left).all()


def test_what_is_refused(coarse, fine):
    with pytest.raises(MissingVariableError, match="'pattern' learns from a fine truth: pass"):
        coarse.physm.downscale(FACTOR, model="pattern")
    with pytest.raises(UnknownNameError, match=r"no way to downscale named 'bilinaer'.*'bilinear'"):
        coarse.physm.downscale(FACTOR, model="bilinaer")
    with pytest.raises(UnknownNameError, match="'lstm' predicts cells, it does not downscale"):
        coarse.physm.downscale(FACTOR, model="lstm")
    with pytest.raises(UnknownNameError, match="conserve='hard' was given"):
        coarse.physm.downscale(FACTOR, model="nearest", conserve="hard")
    later = fine.assign_coords(time=months().time + np.timedelta64(20_000, "D"))
    with pytest.raises(NotEnoughDataError, match=r"truth .* no time in common.*xsm.monthly"):
        coarse.physm.downscale(FACTOR, model="pattern", truth=later)
    with pytest.raises(NotEnoughDataError, match="No step of the truth was selected"):
        coarse.physm.downscale(FACTOR, model="pattern", truth=fine.isel(time=slice(0)))
    with pytest.raises(NotEnoughDataError, match="no time at which both the coarse data and truth"):
        coarse.physm.downscale(FACTOR, model="pattern", truth=fine.where(fine > 1e9))
    with pytest.raises(GridError, match=r"truth has cells of 0.5 along 'lat'.*Pass factor=2"):
        coarse.physm.downscale(4, model="pattern", truth=fine)
    shifted = fine.assign_coords(lon=fine.lon + 0.25)
    with pytest.raises(GridError, match=r"truth is misaligned along 'lon'.*off by \+0.50.*bounds"):
        coarse.physm.downscale(FACTOR, model="pattern", truth=shifted)
    far = fine.assign_coords(lon=fine.lon + 90.0)
    with pytest.raises(GridError, match=r"not overlap along 'lon'.*Pass data of the same region"):
        coarse.physm.downscale(FACTOR, model="cell_regression", truth=far)
    with pytest.raises(GridError, match=r"factor=2.5 was given; a whole number of at least 1"):
        coarse.physm.downscale(2.5, model="bilinear")
    both = coarse.to_dataset(name="a").assign(b=coarse)
    for name in both:
        both[name].attrs = {"units": "mm"}
    with pytest.raises(MissingVariableError, match=r"Which variable is to be downscaled.*'a', 'b'"):
        xsm.downscale(both, 2, model="nearest")
    twice = coarse.isel(time=[0, 1, 1, 2])
    for name in ("nearest", "convlstm_unet"):
        with pytest.raises(GridError, match=r"2000-02-01.* along 'time'.*drop_duplicates"):
            twice.physm.downscale(2, model=name)
    with pytest.raises(GridError, match=r"2000-02-01.* along 'time'.*drop_duplicates"):
        coarse.physm.downscale(2, model="pattern", truth=fine.isel(time=[0, 1, 1, 2]))
    with pytest.raises(
        GridError, match=r"target has the dimensions .*lacks \['lon'\].*expand_dims"
    ):
        xsm.downscale(coarse.to_dataset(name="gws").assign(gws=coarse.isel(lon=0, drop=True)), 2)
    deep = coarse.expand_dims(depth=[1.0, 2.0])
    with pytest.raises(GridError, match=r"'depth' \(2\), which is depth"):
        deep.physm.downscale(2, model="nearest")
    many = coarse.expand_dims(member=2)
    with pytest.raises(GridError, match=r"has dimensions \['member'\] besides time"):
        many.physm.downscale(2, model="nearest")


def test_quantities_stay_quantities(coarse):
    ds = coarse.to_dataset().pint.quantify()
    found = xsm.downscale(ds, 2, model="nearest")
    assert str(found["gws"].pint.units) in {"mm", "millimeter"}


@pytest.mark.parametrize("name", ["pattern", "cell_regression"])
def test_cells_without_a_truth_to_learn_from_are_scored_for_the_model(name, fine, coarse):
    # Wells stand in some cells alone, as those of the USGS in the GRACE downscaling of Miro and
    # Famiglietti (2018), Remote Sens. 10:143: a baseline that learns knows nothing of the others.
    here = fine.lat > float(fine.lat.mean())
    sources = sources_of(coarse, fine)
    maps = learn_maps(
        replace(sources, truth=sources.truth.where(xr.DataArray(here.values, dims="lat")))
    )
    guess = sources.truth + 1.0
    with pytest.warns(UserWarning, match=f"Not scored are .*'{name}' in .* no truth to learn"):
        table = score_fields(guess, sources, maps=maps, dim=None)
    alone = score_fields(guess, sources, maps=None, dim=None)
    lost = ~here.values
    assert lost.any()
    for source in ("model", "nearest", "bilinear"):
        xr.testing.assert_allclose(table.sel(source=source), alone.sel(source=source))
    count = table["count"].sel(source=name).transpose("lat", ...)
    assert (count.values[lost] == 0).all()
    assert (count.values[~lost] == fine.sizes["time"]).all()
    with pytest.warns(UserWarning, match='each cell by itself, dim="time"'):
        pooled = score_fields(guess, sources, maps=maps, dim=("time", "lat", "lon"))
    assert int(pooled["count"].sel(source="model")) == fine.size
    assert np.isnan(pooled["skill"].sel(source=name))


def test_a_coarse_hole_is_one_for_the_model_and_all_interpolations(fine, coarse):
    # GRACE has no field for eleven months between the missions (July 2017 to May 2018).
    months = np.arange(coarse.sizes["time"]) % 7 != 3
    sources = sources_of(coarse.where(xr.DataArray(months, dims="time")), fine)
    guess = sources.truth.where(xr.DataArray(months, dims="time")) + 1.0
    table = score_fields(guess, sources, maps=None, dim=None)  # warnings are errors
    assert (table["count"] == months.sum()).all()
