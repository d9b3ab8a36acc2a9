"""The scan of the water balance against Eq. 10-13 in plain Python, symmetries and limits."""

import json
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.physics.reference import reference, world
from xsm.exceptions import GridError, UnknownNameError
from xsm.physics import water_balance
from xsm.physics.water_balance import OUTPUTS, inflow_trend, initial_state
from xsm.typing import TERMS

PLAIN = ("inflow", "trend")


def agree(found, expected, change, tolerance=1e-5):
    """Compare outputs; signs only where the compared change is not near zero."""
    clear = ~(np.abs(change) <= tolerance)
    for name, values in found.items():
        if name in ("trend", "filtered"):
            np.testing.assert_array_equal(values[clear], expected[name][clear], err_msg=name)
        else:
            np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-4, err_msg=name)


@pytest.mark.parametrize(("count", "deep"), [(1, False), (2, True), (3, False), (4, True)])
def test_equals_the_equations_for_all_terms(count, deep):
    arrays = world()
    kept = {*TERMS[:count], "observed", *(["deep_storage"] if deep else [])}
    arrays = {name: values for name, values in arrays.items() if name in kept}
    for trend in ("change", "level"):
        for threshold in (0.0, 1.0):
            found = inflow_trend(**arrays, outputs=OUTPUTS, trend=trend, threshold=threshold)
            expected = reference(arrays, trend, threshold)
            agree(found, expected, np.abs(expected["change"]) - threshold)


@pytest.mark.parametrize("trend", ["change", "level"])
def test_single_precision_and_another_step_and_sign_of_snow(trend):
    arrays = world(dtype=np.float32, seed=3)
    settings = {"trend": trend, "step_days": 0.25}
    found = inflow_trend(**arrays, outputs=OUTPUTS, reverse_snow=True, work="f8", **settings)
    expected = reference(arrays, snow_sign=-1.0, **settings)
    agree(found, expected, expected["change"])
    assert {values.dtype for values in found.values()} == {np.dtype("f4")}


@pytest.mark.parametrize("trend", ["change", "level"])
def test_without_observations_each_step_follows_the_one_before(trend):
    arrays = world(missing=0.1)
    del arrays["observed"]
    expected = reference(arrays, trend)
    agree(inflow_trend(**arrays, outputs=PLAIN, trend=trend), expected, expected["change"])


def test_without_gaps_it_is_the_published_form():
    arrays = world(gaps=0.0, missing=0.0, cells=2)
    found = inflow_trend(**arrays, outputs=OUTPUTS)
    moisture, inflow = arrays["observed"], found["inflow"]
    trend = np.sign(np.diff(inflow, axis=0))
    np.testing.assert_array_equal(found["trend"][1:], trend)
    kept = np.where(trend * -np.diff(moisture, axis=0) > 0, 0.0, trend)
    np.testing.assert_array_equal(found["filtered"][1:], kept)
    np.testing.assert_array_equal(found["previous"][1:], moisture[:-1])
    assert all(np.isnan(values[0]).all() for name, values in found.items())


@given(cuts=st.sets(st.integers(0, 30), max_size=6), seed=st.integers(0, 5))
def test_any_cut_along_time_is_bitwise_identical(cuts, seed):
    arrays = world(steps=30, cells=5, seed=seed)
    whole = inflow_trend(**arrays, outputs=OUTPUTS)
    state, parts = initial_state(5), []
    edges = [0, *sorted(cuts), 30]
    for lo, hi in pairwise(edges):
        part = {name: values[lo:hi] for name, values in arrays.items()}
        parts.append(inflow_trend(**part, outputs=OUTPUTS, state=state))
    for name in OUTPUTS:
        joined = np.concatenate([part[name] for part in parts])
        assert joined.tobytes() == whole[name].tobytes()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_tiles_and_threads_change_nothing(threads, monkeypatch):
    arrays = world(cells=50)
    whole = inflow_trend(**arrays, outputs=OUTPUTS, threads=1)
    monkeypatch.setattr(water_balance, "_TILE", 7)
    parts = inflow_trend(**arrays, outputs=OUTPUTS, threads=threads)
    for name in OUTPUTS:
        assert parts[name].tobytes() == whole[name].tobytes()


def test_large_input_is_split_over_threads_by_itself(monkeypatch):
    monkeypatch.setattr(water_balance, "_WORTH_A_THREAD", 100)
    arrays = world(cells=50)
    alone = inflow_trend(**arrays, outputs=OUTPUTS, threads=1)
    for name, values in inflow_trend(**arrays, outputs=OUTPUTS).items():
        assert values.tobytes() == alone[name].tobytes()


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_any_axis_and_given_output(axis):
    arrays = world(cells=6)
    flat = inflow_trend(**arrays, outputs=OUTPUTS)
    shaped = {
        name: np.ascontiguousarray(np.moveaxis(values.reshape(40, 2, 3), 0, axis))
        for name, values in arrays.items()
    }
    out = {"filtered": np.empty_like(shaped["observed"])}
    found = inflow_trend(**shaped, outputs=OUTPUTS, axis=axis, out=out)
    assert found["filtered"] is out["filtered"]
    for name in OUTPUTS:
        back = np.moveaxis(found[name], axis, 0).reshape(40, 6)
        assert back.tobytes() == flat[name].tobytes()


def test_other_types_and_a_single_series():
    rain = np.array([0, 5, 1], dtype=">i2")
    found = inflow_trend(precipitation=rain, outputs=PLAIN)
    np.testing.assert_array_equal(found["trend"], [np.nan, 1, -1])
    assert found["trend"].dtype == np.float64
    assert inflow_trend(precipitation=rain[:0], outputs=PLAIN)["trend"].shape == (0,)


def test_deep_storage_alone_and_previous_alone():
    storage = np.array([10.0, 12.0, 11.0])
    found = inflow_trend(deep_storage=storage, outputs=PLAIN, trend="level")
    np.testing.assert_array_equal(found["inflow"], [np.nan, -2.0, 1.0])
    seen = np.array([np.nan, 1.0, np.nan, 2.0, 3.0])
    before = inflow_trend(observed=seen, outputs=["previous"])["previous"]
    np.testing.assert_array_equal(before, [np.nan, np.nan, 1.0, 1.0, 2.0])


@pytest.mark.parametrize("trend", ["change", "level"])
def test_observations_agree_with_the_filtered_trend(trend):
    arrays = world(steps=200)
    found = inflow_trend(**arrays, outputs=OUTPUTS, trend=trend)
    product = found["filtered"] * (found["previous"] - arrays["observed"])
    compared = product[~np.isnan(product) & (product != 0)]
    assert compared.size > 100
    assert (compared < 0).all()


def test_shift_in_time_scale_and_sign():
    arrays = world()
    fluxes = {name: arrays[name] for name in (*TERMS, "deep_storage")}
    seen = arrays["observed"]
    trend = inflow_trend(**arrays, outputs=OUTPUTS)["trend"]
    scaled = {name: 4.0 * values for name, values in fluxes.items()}
    turned = {name: -values for name, values in fluxes.items()}
    np.testing.assert_array_equal(
        inflow_trend(**scaled, observed=seen, outputs=OUTPUTS)["trend"], trend
    )
    np.testing.assert_array_equal(
        inflow_trend(**turned, observed=seen, outputs=OUTPUTS)["trend"], -trend
    )
    late = {name: np.vstack([np.full((3, 7), np.nan), v]) for name, v in arrays.items()}
    np.testing.assert_array_equal(inflow_trend(**late, outputs=OUTPUTS)["trend"][3:], trend)


def test_limits_without_rain_and_without_evaporation():
    arrays = world(missing=0.0)
    dry = inflow_trend(evaporation=np.abs(arrays["evaporation"]), outputs=PLAIN, trend="level")
    wet = inflow_trend(precipitation=arrays["precipitation"], outputs=PLAIN, trend="level")
    assert (dry["trend"] == -1).all()
    assert (wet["trend"] == 1).all()
    still = inflow_trend(precipitation=np.full((5, 2), 3.0), outputs=PLAIN)["trend"]
    np.testing.assert_array_equal(still[1:], np.zeros((4, 2)))


def test_compiled_equals_interpreted():
    code = (
        "import json; from tests.physics.reference import world; import numpy as np;"
        "from xsm.physics.water_balance import inflow_trend, OUTPUTS;"
        "found = inflow_trend(**world(steps=20, cells=4), outputs=OUTPUTS);"
        "print(json.dumps({k: np.nan_to_num(v, nan=-9).tolist() for k, v in found.items()}))"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    compiled = inflow_trend(**world(steps=20, cells=4), outputs=OUTPUTS)
    for name, values in json.loads(done.stdout).items():
        np.testing.assert_array_equal(values, np.nan_to_num(compiled[name], nan=-9))


RAIN = np.zeros((3, 2))


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"outputs": ["trent"]}, UnknownNameError, "no output 'trent'. Did you mean 'trend'"),
        ({"outputs": ["filtered"]}, UnknownNameError, "'filtered' needs observations: pass obs"),
        ({"trend": "levl"}, UnknownNameError, "no trend 'levl'. Did you mean 'level'"),
        ({"precipitation": None}, GridError, "No term of the balance was given"),
        (
            {"evaporation": np.zeros((3, 3))},
            GridError,
            r"need one shape with time on axis 0; .*3, 3",
        ),
        ({"axis": 2}, GridError, "need one shape with time on axis 2"),
        ({"out": {"trend": np.zeros(3)}}, GridError, r"out= holds .*'trend': \(3,\).* are needed"),
        ({"state": np.zeros((6, 3))}, GridError, r"shape \(6, 3\).*\(6, 2\).*initial_state\(2\)"),
    ],
)
def test_errors_say_what_is_needed(arguments, error, text):
    with pytest.raises(error, match=text):
        inflow_trend(**{"precipitation": RAIN, "outputs": PLAIN, **arguments})


def test_factors_make_inputs_canonical_in_the_pass():
    arrays = world(seed=5)
    given_units = {"precipitation": 1000.0, "evaporation": -86400.0, "observed": 0.01}
    other = {k: v / given_units.get(k, 1.0) for k, v in arrays.items()}
    found = inflow_trend(**other, outputs=OUTPUTS, factors=given_units)
    expected = inflow_trend(**arrays, outputs=OUTPUTS)
    for name in OUTPUTS:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, atol=1e-12)
