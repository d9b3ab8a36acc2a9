"""Whatever a user has set in torch, fits, files and predictions are the same; so is the setting."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import xsm
from xsm.nn.settings import usual_settings


@contextlib.contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    yield
    assert torch.get_default_dtype() is dtype
    torch.set_default_dtype(before)


@contextlib.contextmanager
def default_device(name):
    torch.set_default_device(name)
    yield
    assert torch.empty(0).device.type == name
    torch.set_default_device(None)


@contextlib.contextmanager
def gradients(on):
    with torch.set_grad_enabled(on):
        yield
        assert torch.is_grad_enabled() is on


@contextlib.contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@contextlib.contextmanager
def global_seeds():
    with torch.random.fork_rng():
        torch.manual_seed(77)
        np.random.seed(77)  # noqa: NPY002
        yield


SETTINGS = {
    "float64": lambda: default_dtype(torch.float64),
    "float16": lambda: default_dtype(torch.float16),
    "no gradients": lambda: gradients(on=False),
    "inference": torch.inference_mode,
    "meta": lambda: default_device("meta"),
    "meta in a block": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "deterministic": deterministic,
    "seeds": global_seeds,
}
SMALL = {"epochs": 1, "iterations": 3, "progress": False}
MODELS = {
    "lstm": {"head": "gaussian", "hidden_size": 8, "scaling": "global", "members": 2},
    "cnn_lstm": {"patch": 3},
    "random_forest": {"n_estimators": 3},
}


def fit(land, name):
    small = {} if name == "random_forest" else SMALL
    return land.physm.fit(name, **small, **MODELS[name])


@pytest.fixture(scope="module")
def land():
    part = {"latitude": slice(0, 3), "longitude": slice(18, 21), "time": slice(0, 120)}
    return xsm.open_tutorial("land").isel(part)


@pytest.fixture(scope="module")
def made(land, tmp_path_factory):
    """Return models and what they predict, fitted in a fresh process, and where they are saved."""
    found = {}
    for name in MODELS:
        fitted, place = fit(land, name), tmp_path_factory.mktemp(name) / "model.xsm"
        fitted.save(place)
        found[name] = fitted, fitted.predict(land).compute(), place
    return found


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_answers_do_not_depend_on_what_a_user_has_set(land, made, setting, name):
    fitted, told, place = made[name]
    with setting():
        assert fitted.predict(land).identical(told)
        assert xsm.load(place).predict(land).identical(told)
        again = fit(land, name)
    assert again.predict(land).identical(told)
    assert again.token == fitted.token


@pytest.fixture(scope="module")
def coarse():
    axes = {"time": pd.date_range("2004-01", periods=30, freq="MS")}
    axes |= {"lat": np.arange(4.0), "lon": np.arange(4.0)}
    values = np.random.default_rng(0).normal(size=(30, 4, 4)).cumsum(axis=0)
    return xr.DataArray(values, axes, ("time", "lat", "lon"), name="gws", attrs={"units": "mm"})


def refined(coarse):
    """Fit a network and return what it makes of the data that it was fitted to."""
    small = {"model": "convlstm_unet", "patch": 2, "hidden": 2, "widths": (2, 2), "batch_size": 2}
    fitted = coarse.physm.fit(factor=2, epochs=1, iterations=1, progress=False, **small)
    return fitted.downscale(coarse.to_dataset()).compute()


@pytest.fixture(scope="module")
def fine(coarse):
    """What the usual settings give."""
    return refined(coarse)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_fields_do_not_either(coarse, fine, setting):
    with setting():
        assert refined(coarse).identical(fine)


def test_what_is_trained_in_inference_mode_can_be_trained_on(land):
    with torch.inference_mode():
        fitted = fit(land, "lstm")
    weight = next(fitted.model.parameters())
    weight.sum().backward()
    assert weight.grad is not None


def test_blocks_in_threads_leave_no_trace():
    def block(_):
        with usual_settings():
            return torch.ones(1).dtype

    with default_dtype(torch.float64), ThreadPoolExecutor(4) as pool:
        assert set(pool.map(block, range(200))) == {torch.float32}


def test_settings_come_back_after_an_error():
    with contextlib.suppress(ArithmeticError), default_dtype(torch.float64), usual_settings():
        raise ArithmeticError
    assert torch.get_default_dtype() is torch.float64
    torch.set_default_dtype(torch.float32)
