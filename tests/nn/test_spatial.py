"""Networks that look at neighbours: the same answer in training, in memory, and in any chunks."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import xsm
from tests.worlds import bucket
from xsm.cells.blocks import shards
from xsm.cells.features import Features
from xsm.cells.inputs import neighbour_table
from xsm.cells.prediction import predict_lazily
from xsm.cells.reading import make_windows, read_block
from xsm.cells.samples import make_samples
from xsm.cells.scaling import fit_scaling
from xsm.exceptions import GridError
from xsm.models.cnn_lstm import CNNLSTM
from xsm.models.pgdl_cnn_lstm import PGDLCNNLSTM
from xsm.nn import Sizes
from xsm.nn.spatial import PatchEncoder
from xsm.training.recipe import Recipe
from xsm.training.splits import chronological

WINDOW, PATCH = 3, 3


def layered(steps=30, shape=(5, 6), *, layers=2, holes=True):
    """Return the bucket with layers, a cell of sea and a gap."""
    features = bucket(steps, shape)
    rng = np.random.default_rng(1)
    upper = features.observed
    parts = [upper * (1 - 0.2 * k) + 0.01 * rng.standard_normal(upper.shape) for k in range(layers)]
    target = xr.concat(parts, "depth").transpose(..., "depth")
    target = target.assign_coords(depth=0.1 + 0.1 * np.arange(layers))
    dynamic = dict(features.dynamic)
    if holes:
        rain = dynamic["precipitation"].copy()
        rain[:, 2, 2], rain[11, 4, 1] = np.nan, np.nan
        dynamic["precipitation"] = rain
        target = target.where(xr.DataArray(rain.notnull().any("time")))
    return replace(features, dynamic=dynamic, target=target)


def spec(features, **changes):
    depths = tuple(
        (0.05 + 0.1 * k, 0.15 + 0.1 * k) for k in range(features.observed.sizes["depth"])
    )
    given = {"window": WINDOW, "lead": 0, "scaling": "global", "depths": depths, "patch": PATCH}
    given["centres"] = tuple(sum(depth) / 2 for depth in depths)
    return Recipe(
        "soil_moisture", tuple(features.dynamic), tuple(features.static), **given | changes
    )


def network(recipe, seed=0, **hyperparameters):
    extra = 2 * recipe.layers * recipe.data_integration
    sizes = Sizes(len(recipe.dynamic) + extra, len(recipe.static), recipe.window, recipe.layers)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        sized = {"patch": recipe.patch, "channels": 8, "hidden_size": 8} | hyperparameters
        return CNNLSTM(sizes, **sized).eval()


def predict(features, recipe, statistics, **changes):
    options = {"token": "t", "batch_size": 16, "device": "cpu"} | changes
    found = predict_lazily(network(recipe), recipe, statistics, features, **options)
    return found["mean"]


def cut(features, **sizes):
    chunk = lambda a: a.chunk({d: sizes[d] for d in a.dims if d in sizes})  # noqa: E731
    return replace(
        features,
        dynamic={k: chunk(v) for k, v in features.dynamic.items()},
        static={k: chunk(v) for k, v in features.static.items()},
        target=chunk(features.target),
    )


FORMS = [{}, {"lead": 1, "data_integration": True}, {"lead": 1, "known_forcing": True}]


@pytest.mark.parametrize("form", FORMS)
def test_what_trains_is_what_predicts(form):
    features = layered()
    recipe = spec(features, **form)
    statistics = fit_scaling(features, slice(None), scaling="global")
    windows = make_windows(features, statistics, recipe, slice(None))
    mean = predict(features, recipe, statistics).transpose("time", "lat", "lon", "depth").values
    model = network(recipe)
    batch = windows.batch(torch.arange(len(windows)))
    with torch.no_grad():
        trained = model.evaluate(batch)["mean"] * batch["target_scale"] + batch["target_offset"]
    at = windows.samples.numpy()
    keep = np.flatnonzero(statistics["trained_cell"].values.reshape(-1))
    first = WINDOW - 1 + recipe.lead
    found = mean.reshape(len(mean), -1, 2)[at // windows.count - first, keep[at % windows.count]]
    np.testing.assert_allclose(found, trained.numpy(), atol=1e-6)


@functools.cache
def of_memory(form):
    """Return features, recipe and statistics of a form, and what is predicted in memory."""
    features = layered()
    recipe = spec(features, patch=5, **FORMS[form])
    statistics = fit_scaling(features, slice(None), scaling="global")
    return features, recipe, statistics, predict(features, recipe, statistics)


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 6), st.sampled_from(range(len(FORMS))))
def test_any_chunks_give_what_memory_gives(time, lat, lon, form):
    features, recipe, statistics, whole = of_memory(form)
    lazy = predict(cut(features, time=time, lat=lat, lon=lon), recipe, statistics)
    assert lazy.chunks is not None
    xr.testing.assert_allclose(lazy.compute(), whole, atol=1e-6, rtol=0)


def globe(features):
    """Return the features on longitudes that go around."""
    count = features.observed.sizes["lon"]
    around = {"lon": np.arange(count) * 360.0 / count}
    assign = lambda parts: {k: v.assign_coords(around) for k, v in parts.items()}  # noqa: E731
    target = features.observed.assign_coords(around)
    dynamic, static = assign(features.dynamic), assign(features.static)
    return replace(features, dynamic=dynamic, static=static, target=target, wrap=True)


def rolled(features, columns):
    """Return the features with the columns turned, labels left in place."""
    roll = lambda parts: {k: v.roll(lon=columns) for k, v in parts.items()}  # noqa: E731
    target = features.observed.roll(lon=columns)
    return replace(
        features, dynamic=roll(features.dynamic), static=roll(features.static), target=target
    )


@pytest.mark.parametrize("chunks", [None, {"time": 7, "lat": 2, "lon": 4}])
def test_turning_the_globe_turns_the_result(chunks):
    features = globe(layered())
    recipe = spec(features, patch=5)
    statistics = fit_scaling(features, slice(None), scaling="global")
    whole = predict(features, recipe, statistics)
    turned = rolled(features, 2)
    turned = turned if chunks is None else cut(turned, **chunks)
    found = predict(turned, recipe, statistics).compute()
    np.testing.assert_allclose(found.values, whole.roll(lon=2).values, atol=1e-6)
    flat = predict(replace(features, wrap=False), recipe, statistics)
    assert not np.allclose(flat.values[:, :, 0], whole.values[:, :, 0], equal_nan=True)


def test_a_missing_neighbour_is_masked_and_only_near_cells_notice():
    features = layered(holes=False)
    recipe = spec(features)
    statistics = fit_scaling(features, slice(None), scaling="global")
    whole = predict(features, recipe, statistics)
    rain = features.dynamic["precipitation"].copy()
    rain[:, 0, 0] = np.nan
    holed = replace(features, dynamic={**features.dynamic, "precipitation": rain})
    found = predict(holed, recipe, statistics)
    assert found[:, 0, 0].isnull().all()
    assert found.isnull().sum() == found[:, 0, 0].size
    changed = (abs(found - whole) > 1e-6).any(["time", "depth"]).values
    assert changed[:2, :2].ravel()[1:].all()
    assert changed.sum() == 3
    warm = features.dynamic["air_temperature"].copy()
    warm[:, 0, 0] = 1e6  # what stands beside the missing value does not matter
    other = replace(holed, dynamic={"precipitation": rain, "air_temperature": warm})
    xr.testing.assert_equal(predict(other, recipe, statistics), found)


def test_a_block_with_its_neighbours_gives_the_samples_of_the_whole():
    features = globe(layered())
    recipe = spec(features, patch=5)
    statistics = fit_scaling(features, slice(None), scaling="global")
    whole = make_windows(features, statistics, recipe, slice(None), answered=2)
    box = {"time": slice(4, 30), "lat": slice(1, 4), "lon": slice(4, 6)}
    part = read_block(features, statistics, recipe, box, 1, None, answered=2)
    model, totals = network(recipe), {}
    for windows in (whole, part):
        batch = windows.batch(torch.arange(len(windows)))
        with torch.no_grad():
            output = model.evaluate(batch)
        keys = batch["target"][:, -1].numpy().round(6).tolist()
        values = output["mean"].flatten(1)
        totals[windows is whole] = dict(zip(map(tuple, keys), values, strict=True))
    assert len(totals[False]) > 60
    for key, value in totals[False].items():
        torch.testing.assert_close(value, totals[True][key], atol=1e-6, rtol=0)


def test_shares_of_the_cells_keep_their_neighbours():
    features = layered()
    recipe = spec(features, patch=5)
    statistics = fit_scaling(features, slice(None), scaling="global")
    whole = make_windows(features, statistics, recipe, slice(None))
    parts = [
        make_windows(part, own, recipe, slice(None))
        for part, own in shards(features, statistics, 2, reach=2)
    ]
    assert sum(map(len, parts)) == len(whole)
    model = network(recipe)
    with torch.no_grad():
        one, *_ = (model.evaluate(w.batch(torch.arange(len(w))))["mean"].sum(0) for w in [whole])
        both = sum(model.evaluate(w.batch(torch.arange(len(w))))["mean"].sum(0) for w in parts)
    torch.testing.assert_close(one, both, atol=1e-3, rtol=1e-5)


def test_streamed_samples_of_squares_are_those_of_memory():
    features = cut(layered(steps=400, shape=(6, 8)), time=-1, lat=2, lon=3)
    recipe = spec(features)
    split = chronological(400, valid=0.2, window=WINDOW, lead=0)
    statistics = fit_scaling(features, split.training, scaling="global")
    stream, later = make_samples(features, statistics, recipe, split, limit=100_000, answered=2)
    assert len(stream.blocks) > 3
    drawn = sum(len(block(None)) for block in stream.blocks)
    resident = make_windows(features.load(), statistics, recipe, split.training, answered=2)
    assert drawn == len(resident)
    assert later.batch["dynamic"].shape[1:] == (WINDOW + 1, 9, 3)
    stream.close()


def test_the_squares_of_a_grid_by_hand():
    table = neighbour_table((3, 4), 3)
    assert table[5].tolist() == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    assert table[0].tolist() == [12, 12, 12, 12, 0, 1, 12, 4, 5]
    assert neighbour_table((3, 4), 3, wrap=True)[4].tolist() == [3, 0, 1, 7, 4, 5, 11, 8, 9]


@pytest.mark.parametrize("patch", [1, 3, 5, 7])
def test_the_encoder_is_a_convolution(patch):
    torch.manual_seed(0)
    encoder = PatchEncoder(3, patch, 8).double()
    squares = torch.rand(11, patch * patch, 3, dtype=torch.float64)
    if patch == 1:
        expected = torch.relu(encoder.layers[0](squares[:, 0]))
        torch.testing.assert_close(encoder(squares[:, 0]), expected)
        return
    image = squares.view(11, patch, patch, 3).permute(0, 3, 1, 2)
    for layer in encoder.layers:
        kernel = layer.weight.view(layer.out_features, -1, 3, 3)
        image = torch.relu(torch.nn.functional.conv2d(image, kernel, layer.bias))
    torch.testing.assert_close(encoder(squares), image.flatten(1))


@pytest.mark.parametrize("patch", [2, 0, -1])
def test_a_square_has_a_middle(patch):
    with pytest.raises(GridError, match=f"patch={patch} was given; an odd number of cells"):
        PatchEncoder(3, patch, 8)


def test_bounds_hold_in_float32_whatever_the_network_says():
    features = layered(layers=2)
    theta_r = xr.full_like(features.static["elevation"], 0.1).expand_dims(depth=2, axis=-1)
    theta_s = theta_r + 1.0 / 3.0  # no number of float32
    soil = {"theta_r": theta_r, "theta_s": theta_s}
    inside = features.observed.clip(0.11, 0.4)
    features = replace(features, target=inside, soil=soil)
    recipe = spec(features, bounded=True)
    statistics = fit_scaling(features, slice(None), scaling="global", bounded=True)
    sizes = Sizes(2, 1, WINDOW, 2)
    for bias in (-1e4, 0.0, 1e4):
        model = PGDLCNNLSTM(sizes, patch=PATCH, channels=4, hidden_size=4).eval()
        torch.nn.init.constant_(model.head.bias, bias)
        found = predict_lazily(
            model, recipe, statistics, features, token=str(bias), batch_size=16, device="cpu"
        )["mean"].astype(np.float64)
        assert bool((found >= 0.1).where(found.notnull(), True).all())
        assert bool((found <= theta_s.values.max()).where(found.notnull(), True).all())


def test_observations_beyond_the_bounds_are_told():
    features = layered()
    theta_r = xr.full_like(features.static["elevation"], 0.19).expand_dims(depth=2, axis=-1)
    soil = {"theta_r": theta_r, "theta_s": theta_r + 0.1}
    with pytest.warns(UserWarning, match=r"of 58 series hold observations outside of theta_r"):
        fit_scaling(replace(features, soil=soil), slice(None), scaling="global", bounded=True)


def test_features_of_a_part_do_not_wrap():
    features = globe(layered())
    assert isinstance(features, Features)
    part = shards(features, fit_scaling(features, slice(None), scaling="global"), 2)[0][0]
    assert part.wrap == (part.observed.sizes["lon"] == 6)


def test_neighbours_are_those_on_the_earth_however_longitudes_are_counted():
    """Across the seam of 0 or 180 degrees cells go on; labels to and fro are refused."""
    ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(18, 22)).load()
    quick = {"epochs": 1, "iterations": 3, "progress": False, "precision": "float32"}
    base = ds.assign_coords(longitude=("longitude", [-0.5, -0.25, 0.0, 0.25], ds.longitude.attrs))
    fitted = base.physm.fit("cnn_lstm", scaling="global", **quick)
    wanted = fitted.predict(base).swvl1
    rolled = base.assign_coords(longitude=base.longitude % 360)  # 359.5, 359.75, 0, 0.25
    np.testing.assert_array_equal(fitted.predict(rolled).swvl1.values, wanted.values)
    np.testing.assert_array_equal(
        fitted.predict(base.isel(longitude=slice(None, None, -1))).swvl1.values[..., ::-1], wanted
    )
    torn = rolled.sortby("longitude")
    torn = torn.assign_coords(longitude=(torn.longitude + 180) % 360 - 180)  # 0, .25, -.5, -.25
    for call in (fitted.predict, lambda data: data.physm.fit("cnn_lstm", **quick)):
        with pytest.raises(GridError, match=r"goes to and fro.*ds.sortby\('longitude'\)"):
            call(torn)
