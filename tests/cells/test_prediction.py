"""Lazy prediction equals eager for any chunking, needs nothing computed, and never leaks NaN."""

from dataclasses import replace

import dask
import dask.array as da
import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import xsm
from tests.worlds import bucket, recipe
from xsm.cells.prediction import predict_lazily
from xsm.cells.scaling import fit_scaling
from xsm.models.lstm import LSTM
from xsm.nn import Sizes

FORMS = [
    {},
    {"scaling": "global"},
    {"lead": 0},
    {"data_integration": True},
    {"data_integration": True, "known_forcing": True, "lead": 2},
]


def network(form, window=4):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        extra = 2 if form.get("data_integration") else 0
        return LSTM(Sizes(2 + extra, 1, window), hidden_size=8).eval()


def predict(features, form, statistics=None, name="mean", **changes):
    how = recipe(features, **form)
    if statistics is None:
        statistics = fit_scaling(bucket(steps=40), slice(None), scaling=how.scaling)
    options = {"token": "t", "batch_size": 64, "device": "cpu"} | changes
    return predict_lazily(network(form), how, statistics, features, **options)[name]


def flags(features, form, statistics):
    return predict(features, form, statistics, name="extrapolation")


def chunked(features, sizes, target_sizes=None):
    cut = lambda a, s: a.chunk({d: s[d] for d in a.dims if d in s})  # noqa: E731
    return replace(
        features,
        dynamic={k: cut(v, sizes) for k, v in features.dynamic.items()},
        static={k: cut(v, sizes) for k, v in features.static.items()},
        target=cut(features.target, target_sizes or sizes),
    )


def holed(steps=40):
    """Return features with a gap in time and a cell of sea."""
    features = bucket(steps=steps)
    rain = features.dynamic["precipitation"].copy(deep=True)
    rain[17, 0, 0] = np.nan
    rain[:, 2, 3] = np.nan
    return replace(features, dynamic=features.dynamic | {"precipitation": rain})


@pytest.mark.parametrize("form", FORMS)
def test_eager_is_the_network_on_each_window(form):
    features = bucket(steps=40)
    how = recipe(features, **form)
    found = predict(features, form)
    statistics = fit_scaling(features, slice(None), scaling=how.scaling)
    lat, lon, t = 1, 2, 20  # by hand, one cell, one window
    v = t + how.lead
    end = v if how.known_forcing else t
    rows = []
    for name, array in features.dynamic.items():
        row = array.isel(lat=lat, lon=lon).values[end - 3 : end + 1]
        pick = {"dynamic": name} | ({} if how.scaling == "global" else {"lat": 2 - lat, "lon": lon})
        offset, scale = (float(statistics[f"dynamic_{n}"].sel(pick)) for n in ("offset", "scale"))
        rows.append((row - offset) / scale)
    at = {} if how.scaling == "global" else {"lat": lat, "lon": lon}
    low, span = (float(statistics[f"target_{n}"].isel(at)) for n in ("offset", "scale"))
    base = 0.0
    if how.data_integration:
        observed = (features.target.isel(lat=lat, lon=lon).values[t - 3 : t + 1] - low) / span
        rows += [observed, np.ones(4)]
        base = observed[-1]
    hill = features.static["elevation"].isel(lat=lat, lon=lon)
    hill = (float(hill) - float(statistics.static_offset[0])) / float(statistics.static_scale[0])
    batch = {
        "dynamic": torch.tensor(np.stack(rows, -1)[None], dtype=torch.float32),
        "static": torch.tensor([[hill]], dtype=torch.float32),
    }
    with torch.no_grad():
        expected = (float(network(form)(batch)["mean"]) + base) * span + low
    got = found.sel(time=features.target.time[0] + np.timedelta64(v, "D")).isel(lat=lat, lon=lon)
    assert float(got) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_times_are_those_the_prediction_is_valid_at(form):
    features = bucket(steps=40)
    how = recipe(features, **form)
    found = predict(features, form)
    first = features.target.time.values[3] + np.timedelta64(how.lead, "D")
    last = features.target.time.values[-1] + np.timedelta64(how.lead - how.shift, "D")
    assert (found.time.values[[0, -1]] == [first, last]).all()
    assert found.sizes["time"] == 40 - 4 + 1 - how.shift
    assert found.notnull().all()


@settings(max_examples=10, deadline=None)
@given(
    form=st.sampled_from(FORMS),
    time=st.integers(1, 40),
    other=st.integers(1, 40),
    lat=st.integers(1, 3),
    lon=st.integers(1, 4),
    batch_size=st.sampled_from([1, 7, 1000]),
)
def test_lazy_equals_eager_for_any_chunking(form, time, other, lat, lon, batch_size):
    features = holed()
    lazy = chunked(features, {"time": time, "lat": lat, "lon": lon}, {"time": other})
    eager = predict(features, form)
    found = predict(lazy, form, batch_size=batch_size)
    with dask.config.set(scheduler="synchronous"):
        np.testing.assert_allclose(found.values, eager.values, atol=1e-6, rtol=0)
    assert found.dims == eager.dims
    assert found.dtype == eager.dtype == np.float32


def test_nan_stays_in_its_own_windows_and_cell():
    features = bucket(steps=40)
    rain = features.dynamic["precipitation"].copy(deep=True)
    rain[10, 1, 1] = np.nan
    holes = predict(replace(features, dynamic=features.dynamic | {"precipitation": rain}), {})
    missing = holes.isnull()
    assert int(missing.sum()) == 4  # windows that end at 10 .. 13
    assert missing.isel(lat=1, lon=1, time=slice(7, 11)).all()
    assert bool(
        (holes.where(~missing) == predict(features, {}).where(~missing)).sum() == missing.size - 4
    )


def test_a_missing_observation_is_masked_not_propagated():
    features = bucket(steps=40)
    target = features.target.copy(deep=True)
    target[5:25, 0, 0] = np.nan
    form = {"data_integration": True}
    found = predict(replace(features, target=target), form)
    assert found.notnull().all()
    whole = predict(features, form)
    assert bool((found.isel(lat=1) == whole.isel(lat=1)).all())
    assert not bool((found.isel(lat=0, lon=0) == whole.isel(lat=0, lon=0)).all())


def test_nothing_is_computed_and_the_model_is_one_node(no_compute):
    features = chunked(bucket(steps=40), {"time": -1, "lat": 1, "lon": 1})
    with no_compute():
        found = predict(features, {})
    assert isinstance(found.data, da.Array)
    assert found.data.npartitions == 12
    nodes = [k for k in dict(found.data.dask) if str(k).endswith("-model")]
    assert len(nodes) == 1


def test_any_order_and_number_of_dimensions():
    features = bucket(steps=40)
    whole = predict(features, {"scaling": "global"})
    stack = lambda a: a.stack(cell=("lat", "lon")).transpose(..., "cell")  # noqa: E731
    points = replace(
        features,
        dynamic={k: stack(v) for k, v in features.dynamic.items()},
        static={k: stack(v) for k, v in features.static.items()},
        target=stack(features.target),
        space=("cell",),
    )
    form = {"scaling": "global"}
    np.testing.assert_array_equal(predict(points, form), stack(whole))
    single = replace(
        features,
        dynamic={k: v[:, 1, 1] for k, v in features.dynamic.items()},
        static={k: v[1, 1] for k, v in features.static.items()},
        target=features.target[:, 1, 1],
        space=(),
    )
    np.testing.assert_allclose(predict(single, form), whole[:, 1, 1], atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_predictions_do_not_see_what_comes_later(form):
    """No observation after t = v - lead and, unless known, no weather after t reaches v."""
    features = bucket(steps=40)
    how = recipe(features, **form)
    cut = features.target.time.values[25]
    spoil = lambda a: a.where(a.time <= cut, a + 5)  # noqa: E731
    later = replace(
        features,
        target=spoil(features.target),
        dynamic={k: spoil(v) for k, v in features.dynamic.items()},
    )
    statistics = fit_scaling(features, slice(None), scaling=how.scaling)
    one, two = (predict(f, form, statistics) for f in (features, later))
    safe = cut + np.timedelta64(0 if how.known_forcing else how.lead, "D")
    step = np.timedelta64(1, "D")
    np.testing.assert_array_equal(one.sel(time=slice(None, safe)), two.sel(time=slice(None, safe)))
    assert not bool((one.sel(time=safe + step) == two.sel(time=safe + step)).any())


def test_what_was_not_seen_in_training_is_marked_in_its_windows_alone():
    features = bucket(steps=40)
    for form in FORMS[:3]:
        statistics = fit_scaling(features, slice(None), scaling=recipe(features, **form).scaling)
        seen = flags(features, form, statistics)
        assert seen.dtype == np.int8
        assert not seen.any()
        rain = features.dynamic["precipitation"].copy(deep=True)
        rain[20, 1, 2] = 1e4
        wet = replace(features, dynamic=features.dynamic | {"precipitation": rain})
        found = flags(wet, form, statistics)
        assert int(found.sum()) == 4
        assert found.isel(lat=1, lon=2, time=slice(17, 21)).all()
        xr.testing.assert_identical(
            flags(chunked(wet, {"time": 3, "lat": 2}), form, statistics).compute(), found
        )


def test_the_range_of_an_input_that_never_varied_is_a_point():
    features = bucket(steps=40)
    still = features.dynamic["air_temperature"] * 0 + 280
    features = replace(features, dynamic=features.dynamic | {"air_temperature": still})
    statistics = fit_scaling(features, slice(None), scaling="cell")
    assert not flags(features, {}, statistics).any()
    other = replace(features, dynamic=features.dynamic | {"air_temperature": still + 1})
    assert flags(other, {}, statistics).all()


def test_known_forcing_is_marked_where_it_is_used_and_observations_up_to_the_window():
    features = bucket(steps=40)
    form = FORMS[-1]  # lead 2, data integration, known forcing
    statistics = fit_scaling(features, slice(None), scaling="cell")
    warm = features.dynamic["air_temperature"].copy(deep=True)
    warm[20, 0, 0] = 500.0
    soil = features.target.copy(deep=True)
    soil[20, 2, 1] = 0.9
    wet = replace(features, dynamic=features.dynamic | {"air_temperature": warm}, target=soil)
    found = flags(wet, form, statistics)
    day = lambda k: features.target.time.values[k]  # noqa: E731
    marked = found.time.where(found[:, 0, 0] == 1, drop=True)
    assert (marked.values[[0, -1]] == [day(20), day(23)]).all()  # forcing up to the day itself
    marked = found.time.where(found[:, 2, 1] == 1, drop=True)
    assert (marked.values[[0, -1]] == [day(22), day(25)]).all()  # observed two days before
    assert int(found.sum()) == 8


def test_static_inputs_beyond_those_of_training_are_marked_and_gaps_are_not():
    features = bucket(steps=40)
    statistics = fit_scaling(features, slice(None), scaling="global")
    hill = features.static["elevation"].copy(deep=True)
    hill[1, 1] = 2.0
    found = flags(replace(features, static={"elevation": hill}), FORMS[1], statistics)
    assert found[:, 1, 1].all()
    assert int(found.sum()) == found.sizes["time"]
    missing = holed().dynamic["precipitation"] + 1e6
    gone = replace(features, dynamic=features.dynamic | {"precipitation": missing})
    found, values = flags(gone, FORMS[1], statistics), predict(gone, FORMS[1], statistics)
    assert ((found == 1) == values.notnull()).all()
    assert values.isnull().any()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_arrays_in_memory_are_divided_between_threads(threads):
    features = holed()
    with xsm.set_options(threads=threads):
        found = predict(features, {}, batch_size=5)
    xr.testing.assert_allclose(found, predict(features, {}), atol=1e-6, rtol=0)


def test_chunks_of_a_prediction_are_even_whatever_those_of_the_input():
    features = bucket(steps=40)
    uneven = (1, 9, 9, 9, 9, 3)
    lazy = chunked(features, {"time": uneven, "lat": 2})
    found = predict(lazy, {})
    assert found.chunks == ((9, 9, 9, 9, 1), (2, 1), (4,))
    np.testing.assert_allclose(found.compute(), predict(features, {}), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("time", "tasks"), [(-1, 1), (10, 4)])
def test_a_block_is_few_tasks_however_many_inputs(time, tasks):
    features = bucket(steps=40, shape=(10, 10))
    statistics = fit_scaling(features, slice(None), scaling="global")
    lazy = chunked(features, {"time": time, "lat": 1, "lon": 1})
    moving = {k: 2 * (v + 1) for k, v in lazy.dynamic.items()}
    lazy = replace(lazy, static=features.static, dynamic=moving)
    found = predict(lazy, {"scaling": "global"}, statistics)
    (best,) = dask.optimize(found.data)
    names = [key[0] for key in dict(best.dask) if isinstance(key, tuple)]
    made = [name for name in names if not name.startswith(("xarray-", "xsm-maps"))]
    assert len(made) <= tasks * found.data.npartitions  # scale, cut, predict, and an alias
