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
    "adapt_spread",
    "audit",
    "blend",
    "check",
    "consistency",
    "cross_validate",
    "daily",
    "downscale",
    "fit",
    "flatten_steps",
    "forecast",
    "groundwater_anomaly",
    "intervals",
    "monthly",
    "plan",
    "predict",
    "regrid",
    "reliability",
    "richards_residual",
    "score",
    "simulate_columns",
    "soil_parameters",
    "texture_class",
    "to_depths",
    "variables",
    "water_balance",
)
OF_DATA = {"ds", "tws", "predicted"}  # what functions call the data that a verb has
ARRAY_VERBS = (
    "adapt_spread",
    "audit",
    "blend",
    "check",
    "consistency",
    "fit",
    "forecast",
    "plan",
    "predict",
    "reliability",
    "score",
    "variables",
    "water_balance",
)


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


def test_every_function_of_data_is_a_verb() -> None:
    functions = {name for name in xsm.__all__ if inspect.isfunction(getattr(xsm, name))}
    of_data = {n for n in functions if OF_DATA & set(inspect.signature(getattr(xsm, n)).parameters)}
    assert of_data == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_method_and_function_are_the_same_call(verb: str) -> None:
    method = _parameters(getattr(type(xr.Dataset().physm), verb))
    assert [p for p in method if p.name != "fitted"] == _of_function(verb, "fitted")


@pytest.mark.parametrize("verb", ARRAY_VERBS)
def test_array_method_swaps_target_for_forcing(verb: str) -> None:
    method = {p.name: p for p in _parameters(getattr(type(xr.DataArray().physm), verb))}
    forcing = method.pop("forcing")
    assert forcing.default is None
    assert forcing.kind is inspect.Parameter.KEYWORD_ONLY
    method.pop("fitted", None)
    assert list(method.values()) == _of_function(verb, "fitted", "target")


def test_arrays_are_downscaled_as_their_own_target() -> None:
    assert _parameters(type(xr.DataArray().physm).downscale) == _of_function("downscale", "target")


def test_a_grid_gives_back_what_it_was_given() -> None:
    function = _parameters(xsm.regrid)
    for kind in (xr.Dataset, xr.DataArray):
        assert _parameters(type(kind().physm).regrid) == function


@pytest.mark.parametrize("verb", VERBS)
def test_returns_agree(verb: str) -> None:
    method = getattr(type(xr.Dataset().physm), verb)
    assert _returns(method) == _returns(getattr(xsm, verb))


@pytest.mark.parametrize("verb", VERBS)
def test_verbs_have_the_whole_docstring_less_the_data(verb: str) -> None:
    """What is left out is one entry of the parameters, and a section that would be empty."""
    function = inspect.getdoc(getattr(xsm, verb)).splitlines()
    method = inspect.getdoc(getattr(xr.Dataset().physm, verb)).splitlines()
    assert method[0] == function[0]
    lines = iter(function)
    assert all(line in lines for line in method if line)  # a part of it, in its order
    left = set(function) - set(method)
    entry = next(line for line in left if line.partition(" : ")[0] in OF_DATA)
    assert {line for line in left if line[:1] != " "} <= {entry, "Parameters", "----------"}
    at = function.index(entry)
    assert function[at + 1] in left


def test_arrays_document_forcing_and_no_target() -> None:
    text = inspect.getdoc(xr.DataArray(name="a").physm.score)
    assert "\nforcing : xarray.Dataset, optional\n" in text
    assert "\ntarget :" not in text
    assert "\nds :" not in text


def test_a_call_that_does_not_fit_says_how_to_get_help() -> None:
    with pytest.raises(TypeError, match=r"score\(\): missing .* 'predicted'.*help\(ds.physm.score"):
        xr.Dataset().physm.score()
    with pytest.raises(TypeError, match=r"score\(\): got an unexpected keyword argument 'target'"):
        xr.DataArray([1.0], name="a").physm.score(None, target="a")


def _methods(accessor: type) -> set[str]:
    """Return the public methods of an accessor."""
    return {n for n, _ in inspect.getmembers(accessor, inspect.isfunction) if n[0] != "_"}


def _of_function(verb: str, *without: str) -> list[inspect.Parameter]:
    """Return the parameters of a function but the data, and others."""
    every = list(inspect.signature(getattr(xsm, verb)).parameters.values())
    data = next((p for p in every if p.name == "ds"), every[0])
    return [p for p in every if p is not data and p.name not in without]


def _parameters(function: object) -> list[inspect.Parameter]:
    """Return all parameters but the first: names, kinds, defaults and annotations."""
    return list(inspect.signature(function).parameters.values())[1:]


def _returns(function: object) -> str:
    """Return the annotation of what comes back."""
    return str(inspect.signature(function).return_annotation)
