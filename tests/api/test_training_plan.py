"""A plan of a training: what it counts and measures, for each kind of model; what it refuses."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr

import xsm
from tests.fields.fields import coarse_of, truth
from xsm.estimators import Estimator
from xsm.exceptions import UnknownNameError
from xsm.training.rehearsal import kept_bytes

QUICK = {"epochs": 4, "iterations": 5, "hidden_size": 4}


@pytest.fixture(autouse=True)
def short(monkeypatch):
    for place in ("training.rehearsal", "cells.estimation", "api.training_plan"):
        monkeypatch.setattr(f"xsm.{place}._SECONDS", 0.02)


@pytest.fixture(scope="module")
def land() -> xr.Dataset:
    where = {"latitude": slice(0, 4), "longitude": slice(20, 24), "time": slice(0, 200)}
    return xsm.open_tutorial("land").isel(where).load()


def test_steps_and_samples_are_those_of_the_fit(land):
    found = land.physm.plan("lstm", members=2, **QUICK)
    fitted = land.physm.fit("lstm", progress=False, **QUICK)
    assert (found.steps, found.members, found.model) == (20, 2, "lstm")
    assert found.samples.split(",")[0] in str(fitted)  # 16 cells
    assert found.seconds == pytest.approx(found.prepare + 2 * (20 * found.step + found.validation))
    assert land.physm.fitted is fitted  # nothing was trained by the plan
    assert "20, " in repr(found)
    assert "2 members" in repr(found)
    for title, text in found._rows():
        assert f"<th>{title}</th><td>{text}</td>" in found._repr_html_()


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("phy_lstm", {"sequence": 40, "warmup": 10, "hidden_size": 4}),
        ("cnn_lstm", {"head": "gaussian", "hidden_size": 4}),
        ("random_forest", {"n_estimators": 4}),
    ],
)
def test_every_kind_of_model_has_a_plan(land, name, more):
    found = land["swvl1"].physm.plan(name, forcing=land.drop_vars("swvl1"), **more)
    assert found.step > 0
    assert found.memory > 0
    assert found.seconds >= found.step


def test_what_downscales_has_a_plan_and_a_smaller_size():
    gws, more = coarse_of(truth()), {"factor": 2, "epochs": 1, "iterations": 2}
    found = gws.physm.plan("convlstm_unet", size="published", **more)
    assert found.faster['size="auto"'] > 1.15  # a sixteenth of the products
    assert 'size="auto"' in repr(found)
    assert "fields" in found.samples
    assert found.prediction > 0
    assert "then to downscale" in repr(found)


class Slow(Estimator):
    """Takes what ``cost`` says by a clock; the first fit of a process takes a second more."""

    clock, done = 0.0, 0  # s, fits

    @staticmethod
    def cost(count):
        return 2e-5 * count

    def fit_arrays(self, inputs, target, training):
        Slow.clock += self.cost(len(inputs)) + (0.0 if Slow.done else 1.0)
        Slow.done += 1
        return {"level": target.mean(0)}

    def predict_arrays(self, inputs):
        return np.broadcast_to(self.arrays["level"], (len(inputs), self.sizes.target))


@pytest.mark.parametrize(
    "cost",
    [
        lambda n: 2e-5 * n,
        lambda n: 2.0 + 1e-5 * n,  # trees whose every round costs something
        lambda n: 1e-5 * n**1.15,  # sorts, and what no longer fits into the cache
        lambda n: 0.5,
    ],
)
@pytest.mark.parametrize("first", [100, 2000, 10_000])
def test_the_plan_of_an_estimator_grows_with_its_windows(land, monkeypatch, cost, first):
    # the first of all fits is slow, and tells nothing of the others
    by_the_clock = SimpleNamespace(perf_counter=lambda: Slow.clock)
    monkeypatch.setattr("xsm.cells.estimation.time", by_the_clock)
    monkeypatch.setattr("xsm.cells.estimation._PARTS", (4, first, 4))
    monkeypatch.setattr(Slow, "cost", staticmethod(cost))
    monkeypatch.setattr(Slow, "done", 0)
    found = land.physm.plan(Slow)
    count = int(found.samples.split(" ")[0].replace(",", ""))
    assert 2000 < count < 10_000
    assert found.step == pytest.approx(cost(count))


def test_a_plan_sees_what_a_step_keeps():
    # the hidden layer's input (3 floats a sample), its ReLU's and the head's (16) are kept
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = torch.nn.Linear(3, 16), torch.nn.Linear(16, 1)

        def evaluate(self, batch):
            return {"mean": self.two(torch.relu(self.one(batch["dynamic"])))}

    batch = {"dynamic": torch.zeros(100, 3)}
    weights = 4 * (16 + 16 * 3)  # of both layers, kept too
    assert 4 * 100 * (3 + 16) <= kept_bytes(Net(), batch) <= 4 * 100 * (3 + 2 * 16) + weights


def test_refused_with_what_to_type(land):
    fitted = land.physm.fit("lstm", progress=False, **QUICK)
    with pytest.raises(UnknownNameError, match=r"epochs is of a training.*plan\(\"lstm\", ...\)"):
        land.physm.plan(fitted, epochs=3)
    with pytest.raises(UnknownNameError, match=r"client= was given.*Leave it out"):
        land.physm.plan("lstm", client=object())
    with pytest.raises(UnknownNameError, match="no hyper-parameter 'hiden_size'"):
        land.physm.plan("lstm", hiden_size=3)
