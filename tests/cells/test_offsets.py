"""Offsets of cells: those built into the data are found, and belong to their cells only."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.cells.test_finetune import RUN, SEEN, STILL, other, source, stated
from tests.worlds import bucket_dataset
from xsm.cells.offsets import learn_offsets
from xsm.exceptions import UnknownNameError

pytestmark = pytest.mark.filterwarnings("ignore:The source tells little:UserWarning")


def noisy(spread: float, noise: float, steps: int, memory: float = 0.0) -> tuple[np.ndarray, ...]:
    """Return offsets of 2,000 cells, and series about them with a first-order memory."""
    rng = np.random.default_rng(3)
    offsets = spread * rng.standard_normal(2000)
    rest = noise * rng.standard_normal((steps, 2000))
    for t in range(1, steps):
        rest[t] = memory * rest[t - 1] + (1 - memory**2) ** 0.5 * rest[t]
    return offsets, offsets + rest


def series(values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values, dims=("time", "cell"))


def test_a_mean_counts_by_what_chance_adds_to_it():
    """Of independent residuals t2 / (t2 + s2 / n), the known optimum; so it errs least."""
    offsets, values = noisy(0.02, 0.05, 10)
    found = learn_offsets(series(values), "time")
    best = 0.02**2 / (0.02**2 + 0.05**2 / 10)
    assert found is not None
    share = np.polyfit(values.mean(0), found, 1)[0]
    assert share == pytest.approx(best, abs=0.04)
    error = [np.mean((e - offsets) ** 2) for e in (found.values, values.mean(0), 0.0)]
    assert error[0] < 0.8 * min(error[1:])
    assert error[0] == pytest.approx(0.02**2 * (1 - best), rel=0.1)


def test_neighbours_in_time_that_are_alike_count_for_less():
    """n (1 - r) / (1 + r) of them, for a memory of r and many steps."""
    _, values = noisy(0.02, 0.05, 200, memory=0.8)
    found = learn_offsets(series(values), "time")
    assert found is not None
    share = np.polyfit(values.mean(0), found, 1)[0]
    assert share == pytest.approx(0.02**2 / (0.02**2 + 0.05**2 / 200 * 1.8 / 0.2), abs=0.05)


def test_cells_that_do_not_differ_have_none():
    _, values = noisy(0.0, 0.05, 50)
    found = learn_offsets(series(values), "time")
    assert found is not None
    assert abs(found).max() < 0.005  # a tenth of the noise


def test_gaps_cells_without_any_and_few_cells():
    offsets, values = noisy(0.05, 0.01, 40)
    values[np.random.default_rng(0).random(values.shape) < 0.7] = np.nan
    values[:, 5] = np.nan
    found = learn_offsets(series(values), "time")
    assert found is not None
    assert float(found[5]) == 0.0
    kept = np.delete(np.arange(2000), 5)
    np.testing.assert_allclose(found[kept], offsets[kept], atol=0.03)
    chunked = learn_offsets(series(values).chunk(time=7, cell=300), "time")
    xr.testing.assert_allclose(chunked, found)
    assert learn_offsets(series(values[:, 6:15]), "time") is None  # nine
    assert learn_offsets(series(values)[:, 0], "time") is None


@pytest.fixture(scope="module")
def grid() -> xr.Dataset:
    ds = bucket_dataset(160, (4, 4)).rename(lat="latitude", lon="longitude")
    places = {"latitude": 40.0 + np.arange(4.0), "longitude": -100.0 + np.arange(4.0)}
    return ds.assign_coords(places)


@pytest.fixture(scope="module")
def apart(grid) -> xr.DataArray:
    shape = {d: grid[d] for d in ("latitude", "longitude")}
    return xr.DataArray(np.linspace(-0.05, 0.05, 16).reshape(4, 4), shape)


@pytest.fixture(scope="module")
def seen(grid, apart) -> xr.Dataset:
    """A satellite that lies off by another amount in each cell."""
    new = other(grid)
    surface = (new["surface_sm"] + apart).transpose(*new["surface_sm"].dims)
    return new.assign(surface_sm=surface.assign_attrs(units="m3 m-3"))


@pytest.fixture(scope="module")
def tuned(grid, seen) -> xsm.FittedModel:
    return source(grid, epochs=8, iterations=20, **RUN).finetune(seen, **stated(seen), **STILL)


def predict(fitted, ds):
    return fitted.predict(ds, variables=SEEN)["surface_sm"]


def test_each_cell_lies_where_it_was_observed(tuned, seen, grid):
    found = predict(tuned, seen)
    rest = (found - seen["surface_sm"]).mean("time")
    assert float(abs(rest).max()) < 0.005  # they were up to 0.05 apart
    without = source(grid, epochs=8, iterations=20, **RUN).finetune(
        seen, cell_offset=False, **stated(seen), **STILL
    )
    rest = (predict(without, seen) - seen["surface_sm"]).mean("time")
    assert float(abs(rest).max()) > 0.03
    assert "cells differ by 0.03" in tuned.card["target's line"]  # of 0.031, shrunk


def test_cells_keep_theirs_in_any_selection_order_and_form(tuned, seen, tmp_path):
    whole = predict(tuned, seen)
    near = {"rtol": 0, "atol": 1e-6}
    turned = seen.isel(latitude=slice(None, None, -1))
    np.testing.assert_allclose(predict(tuned, turned)[:, ::-1], whole, **near)
    np.testing.assert_allclose(
        predict(tuned, seen.isel(latitude=[2], longitude=[1, 3])),
        whole[:, [2]][..., [1, 3]],
        **near,
    )
    np.testing.assert_allclose(
        predict(tuned, seen.isel(latitude=1, longitude=2)), whole[:, 1, 2], **near
    )
    east = seen.assign_coords(longitude=seen["longitude"] + 360.0)
    np.testing.assert_allclose(predict(tuned, east), whole, **near)
    rounded = seen.assign_coords(latitude=seen["latitude"].astype("float32") + np.float32(1e-5))
    np.testing.assert_allclose(predict(tuned, rounded), whole, **near)
    named = seen.rename(latitude="lat", longitude="x")
    np.testing.assert_allclose(predict(tuned, named), whole, **near)
    twice = seen.expand_dims(number=[0, 1])
    found = predict(tuned, twice).transpose("number", "time", ...)
    np.testing.assert_allclose(found[1], whole, **near)
    points = seen.stack(point=("latitude", "longitude"))
    found = predict(tuned, points).transpose("time", "point")
    np.testing.assert_allclose(found, whole.values.reshape(len(found), -1), **near)
    lazy = predict(tuned, seen.chunk(latitude=1, longitude=3))
    np.testing.assert_allclose(lazy.compute(scheduler="synchronous"), whole, **near)
    tuned.save(tmp_path / "model")
    np.testing.assert_array_equal(predict(xsm.load(tmp_path / "model"), seen), whole)


def test_other_cells_have_none(tuned, seen):
    """At other places the prediction is that of the line, the same in every cell of one weather."""
    alike = seen.map(lambda a: a.isel(latitude=0, longitude=0), keep_attrs=True).drop_vars(
        ["latitude", "longitude"]
    )
    spread = {"latitude": 3, "longitude": 3}
    alike = alike.expand_dims(spread).transpose("time", ...)
    here = alike.assign_coords({d: seen[d][:3].values for d in spread})
    away = alike.assign_coords(latitude=[10.0, 11.0, 12.0], longitude=[20.0, 21.0, 22.0])
    there = predict(tuned, away)
    assert float(there.std(["latitude", "longitude"]).max()) < 1e-6
    lifted = (predict(tuned, here) - there.values).mean("time")
    np.testing.assert_allclose(lifted, tuned.scaling["cell_offset"][:3, :3], atol=1e-6)


def test_where_nothing_tells_the_cells_a_warning_says_so(tuned, seen):
    bare = seen.isel(latitude=slice(3)).drop_vars(["latitude", "longitude"])
    bare = bare.rename(latitude="y", longitude="x")
    with pytest.warns(UserWarning, match=r"The model has offsets of the cells along \('lat"):
        predict(tuned, bare)


def test_cells_left_out_have_none(grid, seen):
    fitted = source(grid, **RUN).finetune(seen, valid=0.25, **stated(seen), **STILL)
    offsets, left = fitted.scaling["cell_offset"], ~fitted.scaling["trained_cell"]
    assert int((offsets == 0).sum()) == int(left.sum()) or int((offsets == 0).sum()) == 4


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("lstm", {"scaling": "global"}),
        ("lstm", {**RUN, "data_integration": True, "head": "gaussian", "members": 2}),
        ("ismoe", {"channels": 4, "patch": 1}),
        ("cnn_lstm", {"channels": 4}),
    ],
    ids=["windows", "observations", "experts", "neighbours"],
)
def test_every_kind_of_network_has_them(grid, seen, model, options):
    """A shift of one cell by 0.2, known in training, comes back out of it."""
    up = xr.zeros_like(seen["surface_sm"])
    up[{"latitude": 1, "longitude": 1}] = 0.2
    moved = seen.assign(surface_sm=(seen["surface_sm"] + up).assign_attrs(units="m3 m-3"))
    first = source(grid, model, **options)
    fitted = first.finetune(moved, **stated(moved), **STILL)
    found, plain = (predict(m, moved) for m in (
        fitted, first.finetune(moved, cell_offset=False, **stated(moved), **STILL)))  # fmt: skip
    rest, was = ((a - moved["surface_sm"]).mean("time")[1, 1] for a in (found, plain))
    if "data_integration" in options:  # it begins at what was observed there
        assert abs(float(rest) - float(was)) < 0.01
    else:
        assert abs(float(rest)) < 0.25 * abs(float(was))


@pytest.fixture(scope="module")
def uneven(grid, apart) -> xr.Dataset:
    """Soil moisture that lies off by another amount in each cell, whatever its maps say."""
    soil = (grid["soil_moisture"] + apart + 0.06).transpose(*grid["soil_moisture"].dims)
    return grid.assign(soil_moisture=soil.assign_attrs(units="m3 m-3"))


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("lstm", RUN),
        ("lstm", {"scaling": "global"}),
        ("random_forest", {"scaling": "global", "n_estimators": 5}),
    ],
    ids=["sequence", "windows", "trees"],
)
def test_a_network_is_trained_on_what_cells_have_in_common(uneven, model, options):
    """Before it has learnt anything it says the mean of each cell, not that of all."""
    short = {} if model == "random_forest" else STILL
    common = {"target": "soil_moisture", "static": [], "valid": 0.25, "progress": False}
    for offset, share in ((True, (0.7, 1.0)), (False, (-0.3, 0.3))):  # shrunk by a short record
        fitted = xsm.fit(uneven, model, cell_offset=offset, **{**common, **short, **options})
        found = fitted.predict(uneven)["soil_moisture"].mean("time")
        assert ("offsets of cells" in fitted.card["scaling"]) is offset
        seen = uneven["soil_moisture"].mean("time")
        slope = np.polyfit(seen.values.ravel(), found.values.ravel(), 1)[0]
        assert share[0] < slope < share[1] + 0.02


def test_where_cells_have_scales_of_their_own_offsets_are_refused(grid):
    land = xsm.open_tutorial("land").isel(latitude=slice(4), longitude=slice(20, 24))
    with pytest.raises(UnknownNameError, match=r"cell_offset=True was given, and each cell"):
        xsm.fit(grid, "lstm", target="soil_moisture", scaling="cell", cell_offset=True)
    rain = {"dynamic": ["precipitation"], "static": [], "target": "soil_moisture"}
    makes = {**rain, "sequence": 60, "layers": (0.1, 1.0), "cell_offset": True}
    with pytest.raises(UnknownNameError, match=r"of this model keeps its physical scale. Leave it"):
        xsm.fit(land, "water_budget", **makes)


def test_where_cells_are_too_few_a_warning_says_that_there_are_none(grid):
    few = grid.isel(latitude=slice(3), longitude=slice(3))
    asked = {"target": "soil_moisture", "cell_offset": True, **RUN, **STILL}
    with pytest.warns(UserWarning, match=r"cell_offset=True was given, and fewer than 10 cells"):
        fitted = xsm.fit(few, "lstm", **asked)
    assert fitted.card["scaling"] == "global"
    new = other(few)
    tuned = fitted.finetune(new, **stated(new), **STILL)  # by default: no warning
    assert "offsets" not in tuned.card["scaling"]
    assert "cell_offset" not in tuned.scaling


def test_it_is_true_or_false(grid):
    with pytest.raises(UnknownNameError, match="cell_offset"):
        xsm.fit(grid, "lstm", target="soil_moisture", cell_offset="yes", **RUN)
    fitted = source(grid, **RUN)
    with pytest.raises(UnknownNameError, match="cell_offset"):
        fitted.finetune(grid, cell_offset="no", **STILL)
