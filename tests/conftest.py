"""What all tests share: worlds, quiet figures, one thread, a scheduler that raises, real data."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing.forkserver
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NoReturn

import dask
import pytest
import xarray as xr
from hypothesis import HealthCheck, settings

from tests.kernels import keep_compiled
from xsm.synthetic import profile_world, tutorial

os.environ["MPLBACKEND"] = "Agg"
os.environ["SOURCE_DATE_EPOCH"] = "1767225600"  # the same history in all results

settings.register_profile(
    "dev", max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("dev"), max_examples=12, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_sessionstart() -> None:
    """Simulate a tutorial world once a process, doctests too, and compile kernels once."""
    keep_compiled()
    for name, make in tutorial._WORLDS.items():
        tutorial._WORLDS[name] = copies(make)


def copies(make: Callable[..., xr.Dataset]) -> Callable[..., xr.Dataset]:
    """Return a maker of worlds that keeps what it made and hands out copies, free to change."""
    kept = functools.cache(make)
    return lambda **options: kept(**options).copy(deep=True)


SMALL_PROFILE = copies(profile_world)


@pytest.fixture
def small_profile() -> xr.Dataset:
    """Return a year of simulated soil moisture at five depths on 4 x 6 cells, as the tutorial's."""
    return SMALL_PROFILE(years=1, shape=(4, 6), seed=2)


@pytest.fixture(autouse=True, scope="session")
def one_torch_thread() -> Iterator[None]:
    """Let torch take one thread: small networks are slower with two, and sums stay the same."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def forks() -> Iterator[None]:
    """Let dask fork its processes of one that has imported all, which takes each some seconds."""
    if not hasattr(os, "fork"):
        yield
        return
    multiprocessing.set_forkserver_preload(["tests.forked"])
    multiprocessing.forkserver.ensure_running()
    name = "distributed.worker.multiprocessing-method"
    with dask.config.set({"multiprocessing.context": "forkserver", name: "forkserver"}):
        yield


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Make every dask computation fail inside a block."""

    def refuse(*_: object, **__: object) -> NoReturn:
        pytest.fail("something was computed before it was asked for")

    with dask.config.set(scheduler=refuse):
        yield


@pytest.fixture
def raise_if_computed() -> Iterator[None]:
    """Make every dask computation fail inside the test: what passes is lazy."""
    with refusing():
        yield


@pytest.fixture
def no_compute() -> Callable[[], AbstractContextManager[None]]:
    """Return a block in which every dask computation fails; after it, results can be looked at."""
    return refusing


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of real data, for the tests marked ``data``."""
    folder = os.environ.get("XSM_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.fail("set XSM_DATA to the folder of real data, then run pytest -m data")
    return Path(folder)
