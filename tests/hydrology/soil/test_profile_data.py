"""What profiles that xsm did not make say of the Richards equation (marker data)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import xarray as xr

import xsm

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Return the benchmark that makes the tables of docs/profile_data.md."""
    path = Path(__file__).parents[3] / "benchmarks" / "profile_data.py"
    spec = importlib.util.spec_from_file_location("profile_data", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its data classes look for their annotations
    spec.loader.exec_module(module)
    return module


def figures(script: ModuleType, case: object) -> np.ndarray:
    """Return share, mean |r| dt, the same by mean |dtheta|, and r, on all, quiet and wet days."""
    return np.array([float(cell) for cell in script.row(case)]).reshape(3, 4)


def test_conus_closes_with_its_own_fluxes_and_quiet_days_follow_the_law(data_dir, script):
    case = script.conus(data_dir)
    closed = case.residual(terms=["soil_water_flux", "root_water_uptake"])
    assert float(abs(closed).mean()) < 1e-5  # stored with 4 to 5 digits
    every, quiet, wet = figures(script, case)
    assert quiet[1] < 0.25 * every[1] < every[1] < 0.25 * wet[1]
    assert quiet[3] > 0.7 > 0.3 > every[3]
    without = float(abs(case.residual(terms=[], quiet=0.1)).mean())
    assert without > 2.5 * quiet[1]


def test_conus_is_judged_lazily_as_eagerly(data_dir, script):
    ds = script.conus(data_dir).ds
    dims = ["time", "latitude", "longitude"]
    eager = xsm.consistency(ds, law="richards", quiet=0.1, dim=dims)
    lazy = xsm.consistency(ds.chunk(time=100, latitude=5), law="richards", quiet=0.1, dim=dims)
    xr.testing.assert_allclose(lazy.compute(), eager, rtol=1e-6)


def test_cmf_columns_need_the_geometric_mean(data_dir, script):
    for case in script.manhattan(data_dir):
        geometric, arithmetic = (
            float(abs(case.residual(face=face)).mean()) for face in ("geometric", "arithmetic")
        )
        assert arithmetic > 10 * geometric


def test_the_same_columns_close_the_finer_the_sampling(data_dir, script):
    hours = {step: [float(x) for x in script.sampled(data_dir, step)] for step in (3, 24)}
    for soil in (1, 2):  # silt and clay loam: mean |r| dt by mean |dtheta|
        fine, coarse = hours[3][4 * soil + 1], hours[24][4 * soil + 1]
        assert fine < 0.1
        assert coarse > 6 * fine


def test_solling_does_not_follow_the_law_with_tabulated_parameters(data_dir, script):
    heads, raw = script.solling(data_dir)
    by_heads = figures(script, script.solling_from_heads(heads))
    probes = figures(script, script.solling_measured(heads, raw, 0))
    assert by_heads[0, 2] > 5
    assert probes[0, 2] > 5
    assert abs(by_heads[:, 3]).max() < 0.2  # no correlation, on quiet days neither
    less = figures(script, script.solling_from_heads(heads, 0.1))
    assert less[0, 2] < 2
    assert abs(less[:, 3]).max() < 0.2


def test_quiet_days_tell_a_profile_from_its_mean_and_others_do_not(data_dir, script):
    case = script.conus(data_dir)
    flat = script.trivial(case)["its mean of all days"]
    _, _, every, _, quiet = (float(cell) for cell in script.judged(case, flat))
    assert every < 0 < quiet
