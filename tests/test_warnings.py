"""Warnings point at the line that the user wrote, whatever called xsm from there."""

from __future__ import annotations

import ast
import inspect
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.exceptions import warn_outside

PACKAGE = Path(xsm.__file__).parent


def lines(call: Callable[[], object]) -> list[tuple[str, str]]:
    """Return file and source of the lines that a call warns of."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        call()
    source = Path(__file__).read_text(encoding="utf-8").splitlines()
    assert {str(one.message) for one in told} == {"look"}
    return [(one.filename, source[one.lineno - 1].strip()) for one in told]


def inside(values: np.ndarray) -> np.ndarray:
    """Warn from a frame that is of xsm itself."""
    warn_outside("look")
    return values


INSIDE = type(inside)(inside.__code__, {"warn_outside": warn_outside, "__name__": "xsm.inside"})


def test_the_first_line_outside_of_xsm_is_told():
    assert lines(lambda: INSIDE(np.ones(1))) == [
        (__file__, "assert lines(lambda: INSIDE(np.ones(1))) == [")
    ]


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_of_lazy_data_it_is_the_line_that_computes(scheduler: str):
    lazy = xr.DataArray(da.ones(4, chunks=4).map_blocks(INSIDE, dtype=float, meta=np.ones(0)))

    def compute() -> None:
        with dask.config.set(scheduler=scheduler):
            lazy.compute()  # this line

    assert lines(compute) == [(__file__, "lazy.compute()  # this line")]


def test_threads_of_others_are_told_where_they_are():
    """The main thread waits, but not for dask: its line is not to blame."""
    with warnings.catch_warnings(record=True) as told, ThreadPoolExecutor(1) as pool:
        warnings.simplefilter("always")
        pool.submit(INSIDE, np.ones(1)).result()
    assert told[0].filename == inspect.getfile(inside)


def test_a_line_is_told_once_by_default():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        for _ in range(3):
            INSIDE(np.ones(1))
    assert len(told) == 1


def test_all_warnings_of_the_package_go_this_way():
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
    calls = [(p, n) for p, tree in trees.items() for n in ast.walk(tree) if isinstance(n, ast.Call)]
    warn = [p.name for p, call in calls if ast.unparse(call.func).startswith("warnings.warn")]
    assert warn == ["exceptions.py"]
