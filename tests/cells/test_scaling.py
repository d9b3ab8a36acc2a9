"""Scaling statistics come from training steps only and never hide a cell."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from tests.worlds import bucket
from xsm.cells.alignment import align_scaling
from xsm.cells.scaling import fit_scaling
from xsm.exceptions import GridError, MissingVariableError, NotEnoughDataError

TRAINING = slice(0, 150)


def test_cell_statistics_are_each_cells_range_over_training_steps():
    features = bucket()
    later = features.target.time >= features.target.time[150]
    spoiled = replace(
        features,
        target=features.target + np.float32(9) * later,
        dynamic={k: v + np.float32(9) * later for k, v in features.dynamic.items()},
    )
    found = fit_scaling(spoiled, TRAINING, scaling="cell")
    xr.testing.assert_identical(found, fit_scaling(features, TRAINING, scaling="cell"))
    target = features.target[TRAINING]
    np.testing.assert_allclose(found.target_offset, target.values.min(0))
    np.testing.assert_allclose(found.target_scale, np.ptp(target.values, axis=0), rtol=1e-6)
    rain = features.dynamic["precipitation"][TRAINING].values
    np.testing.assert_allclose(found.dynamic_offset.sel(dynamic="precipitation"), rain.min(0))


def test_global_statistics_are_one_pair():
    features = bucket()
    found = fit_scaling(features, TRAINING, scaling="global")
    assert found.target_offset.ndim == found.target_scale.ndim == 0
    warm = features.dynamic["air_temperature"][TRAINING].values.astype(float)
    mean, scale = (
        found[f"dynamic_{n}"].sel(dynamic="air_temperature") for n in ("offset", "scale")
    )
    assert float(mean) == pytest.approx(warm.mean())
    assert float(scale) == pytest.approx(warm.std())


def test_logarithms_are_scaled_where_they_are_wanted():
    """log(1 + rain), of less than nothing as of nothing; other inputs as they are."""
    features = bucket()
    odd = replace(
        features,
        dynamic=features.dynamic | {"precipitation": features.dynamic["precipitation"] - 0.5},
    )
    found = fit_scaling(odd, TRAINING, scaling="global", logs=("precipitation",))
    rain = np.log1p(odd.dynamic["precipitation"][TRAINING].values.astype(float).clip(0))
    own = found.sel(dynamic="precipitation")
    np.testing.assert_allclose(own["dynamic_offset"], rain.mean(), rtol=1e-6)
    np.testing.assert_allclose(own["dynamic_scale"], rain.std(), rtol=1e-6)
    plain = fit_scaling(odd, TRAINING, scaling="global").sel(dynamic="air_temperature")
    xr.testing.assert_identical(found.sel(dynamic="air_temperature"), plain)


def test_statics_scale_over_cells_and_sea_does_not_count():
    features = bucket()
    sea = xr.zeros_like(features.static["elevation"], dtype=bool)
    sea[0, 0] = True
    wet = replace(
        features,
        target=features.target.where(~sea),
        static={"elevation": features.static["elevation"].where(~sea, 1e6)},
    )
    hill = features.static["elevation"].values[~sea.values]
    for scaling in ("cell", "global"):
        found = fit_scaling(wet, TRAINING, scaling=scaling)
        assert float(found.static_offset[0]) == pytest.approx(hill.mean())
        assert float(found.static_scale[0]) == pytest.approx(hill.std())
        assert not bool(found.trained_cell[0, 0])
        assert int(found.trained_cell.sum()) == 11


def test_a_constant_feature_becomes_zero():
    features = bucket()
    rain = features.dynamic["precipitation"].copy(deep=True)
    rain[:150, 0, 0] = 3.0
    features = replace(features, dynamic=features.dynamic | {"precipitation": rain})
    found = fit_scaling(features, TRAINING, scaling="cell")
    scaled = (rain[:, 0, 0] - found.dynamic_offset[0, 0, 0]) / found.dynamic_scale[0, 0, 0]
    assert (scaled == 0).all()


def test_a_few_cells_without_a_range_are_marked_and_counted():
    features = bucket(shape=(6, 10))
    target = features.target.copy(deep=True)
    target[29:150, 0, 0] = np.nan  # 29 observations
    target[:150, 0, 1] = 0.3  # constant
    with pytest.warns(UserWarning, match="2 of 60 observed cells have fewer than 30"):
        found = fit_scaling(replace(features, target=target), TRAINING, scaling="cell")
    assert not found.trained_cell[0, :2].any()
    assert found.target_scale[0, :2].isnull().all()
    assert int(found.trained_cell.sum()) == 58


def test_many_cells_without_a_range_are_refused_by_cell_but_not_globally():
    features = bucket()
    target = features.target.copy(deep=True)
    target[:150, 0, 0] = 0.3
    features = replace(features, target=target)
    with pytest.raises(NotEnoughDataError, match=r'1 of 12 observed cells.*Pass scaling="global"'):
        fit_scaling(features, TRAINING, scaling="cell")
    assert fit_scaling(features, TRAINING, scaling="global").trained_cell.all()


def test_a_target_that_is_missing_everywhere_is_refused():
    features = bucket()
    with pytest.raises(
        NotEnoughDataError, match=r"missing .NaN. everywhere in the 150 training steps"
    ):
        fit_scaling(replace(features, target=features.target * np.nan), TRAINING, scaling="cell")
    with pytest.raises(MissingVariableError, match="features hold no target"):
        fit_scaling(replace(features, target=None), TRAINING, scaling="cell")


def test_alignment_goes_by_labels_not_by_position():
    features = bucket()
    found = fit_scaling(features, TRAINING, scaling="cell")
    flipped = features.target.sortby("lat").isel(lon=slice(1, None))
    aligned = align_scaling(found, flipped, ("lat", "lon"))
    np.testing.assert_array_equal(
        aligned.target_offset, found.target_offset.sortby("lat").isel(lon=slice(1, None))
    )


def test_cells_that_were_not_trained_are_marked():
    features = bucket()
    found = fit_scaling(features, TRAINING, scaling="cell")
    wider = features.target.pad(lon=(0, 1)).assign_coords(lon=np.arange(5.0))
    with pytest.warns(UserWarning, match="3 of 15 cells of the data are not among those that"):
        aligned = align_scaling(found, wider, ("lat", "lon"))
    assert not aligned.trained_cell[:, 4].any()
    assert aligned.trained_cell[:, :4].all()
    assert aligned.target_offset[:, 4].isnull().all()


def test_other_cells_and_other_dimensions_are_refused():
    features = bucket()
    found = fit_scaling(features, TRAINING, scaling="cell")
    far = features.target.assign_coords(lon=features.target.lon + 180)
    with pytest.raises(GridError, match=r"lon trained 0\.0\.\.3\.0 \(4\), given 180\.0\.\.183\.0"):
        align_scaling(found, far, ("lat", "lon"))
    with pytest.raises(GridError, match=r"trained by cell on dimensions \('lat', 'lon'\)"):
        align_scaling(found, far.rename(lon="x"), ("lat", "x"))
    everywhere = fit_scaling(features, TRAINING, scaling="global")
    elsewhere = align_scaling(everywhere, far, ("lat", "lon"))["trained_cell"]
    assert not elsewhere.any()  # said, not refused
    assert "trained_cell" not in align_scaling(everywhere, features.target, ("lat", "lon"))
