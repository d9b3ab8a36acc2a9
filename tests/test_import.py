"""Import is light; the accessor says what the functions do."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import pytest
import xarray as xr

import xsm

HEAVY = {"torch", "numba", "matplotlib", "pint", "pint_xarray", "scores", "cf_xarray", "dask"}

PROBE = """
import json, sys, time
import xarray
before, started = set(sys.modules), time.perf_counter()
import xsm
seconds = time.perf_counter() - started
added = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps({"added": sorted(added), "seconds": seconds}))
"""

VERBS = (
    "check",
    "consistency",
    "downscale",
    "fit",
    "forecast",
    "plan",
    "predict",
    "regrid",
    "score",
    "variables",
    "water_balance",
)
ARRAY_VERBS = ("consistency", "fit", "forecast", "plan", "predict", "score")


def test_import_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    print(f"import xsm adds {1000 * found['seconds']:.1f} ms to import xarray")  # noqa: T201
    assert "xsm" in found["added"]
    assert not HEAVY & set(found["added"])


def test_verbs_of_data_do_without_torch() -> None:
    verbs = ("check", "consistency", "daily", "reliability", "score", "water_balance")
    code = f"import sys, xsm; [getattr(xsm, n) for n in {verbs}]; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_public_name_resolves() -> None:
    for name in xsm.__all__:
        assert callable(getattr(xsm, name)), name
    assert set(xsm.__all__) < set(dir(xsm))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'xsm' has no attribute 'downscal'"):
        _ = xsm.downscal


def test_the_accessor_is_registered() -> None:
    ds = xr.Dataset({"a": ("x", [1.0])})
    assert ds.physm.fitted is None
    assert ds["a"].physm.fitted is None


def test_every_verb_is_on_the_accessor() -> None:
    on_dataset = _methods(type(xr.Dataset().physm))
    on_array = _methods(type(xr.DataArray(name="a").physm))
    assert on_dataset == set(VERBS)
    assert on_array == {*ARRAY_VERBS, "downscale", "regrid"}


@pytest.mark.parametrize("verb", VERBS)
def test_method_and_function_are_the_same_call(verb: str) -> None:
    function = _parameters(getattr(xsm, verb))
    method = _parameters(getattr(type(xr.Dataset().physm), verb))
    assert method == function


@pytest.mark.parametrize("verb", ARRAY_VERBS)
def test_array_method_swaps_target_for_forcing(verb: str) -> None:
    function = {p.name: p for p in _parameters(getattr(xsm, verb))}
    method = {p.name: p for p in _parameters(getattr(type(xr.DataArray().physm), verb))}
    forcing = method.pop("forcing")
    assert forcing.default is None
    assert forcing.kind is inspect.Parameter.KEYWORD_ONLY
    function.pop("target", None)
    assert method == function


def test_arrays_are_downscaled_as_their_own_target() -> None:
    function = [p for p in _parameters(xsm.downscale) if p.name != "target"]
    assert _parameters(type(xr.DataArray().physm).downscale) == function


def test_a_grid_gives_back_what_it_was_given() -> None:
    function = _parameters(xsm.regrid)
    for kind in (xr.Dataset, xr.DataArray):
        method = getattr(type(kind().physm), "regrid")  # noqa: B009
        assert _parameters(method) == function
        assert _returns(method) == f"xr.{kind.__name__}"


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "regrid"])
def test_returns_agree(verb: str) -> None:
    method = getattr(type(xr.Dataset().physm), verb)
    assert _returns(method) == _returns(getattr(xsm, verb))


def _methods(accessor: type) -> set[str]:
    """Return the public methods of an accessor."""
    return {n for n, _ in inspect.getmembers(accessor, inspect.isfunction) if n[0] != "_"}


def _parameters(function: object) -> list[inspect.Parameter]:
    """Return all parameters but the first: names, kinds, defaults and annotations."""
    return list(inspect.signature(function).parameters.values())[1:]


def _returns(function: object) -> str:
    """Return the annotation of what comes back."""
    return str(inspect.signature(function).return_annotation)
