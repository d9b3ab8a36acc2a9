"""The contract that every registered estimator keeps, and a user's own."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from xsm.estimators import Estimator, Training, feature_count, flatten
from xsm.exceptions import ArtefactError, TrainingError, UnknownNameError
from xsm.nn import Sizes
from xsm.registry import describe_model, list_models, model_class, model_name
from xsm.typing import Array, FloatArray

SIZES = Sizes(dynamic=4, static=3, window=6)
SMALL: dict[str, dict[str, Any]] = {
    "random_forest": {"n_estimators": 7, "min_samples_leaf": 2},
    "xgboost": {"n_estimators": 9, "max_depth": 3, "learning_rate": 0.3},
}


class Neighbours(Estimator):
    """A user's own: the mean of the windows that are nearest.

    Parameters
    ----------
    sizes : Sizes
        Sizes of inputs and outputs.
    count : int, default: 3
        How many.
    """

    def __init__(self, sizes: Sizes, *, count: int = 3) -> None:
        super().__init__(sizes)
        self.count = count

    def fit_arrays(
        self, inputs: FloatArray, target: FloatArray, training: Training
    ) -> Mapping[str, Array]:
        """Remember all windows."""
        return {"inputs": inputs.copy(), "target": target.copy(), "note": np.array(["nearest"])}

    def predict_arrays(self, inputs: FloatArray) -> FloatArray:
        """Return the mean of the nearest."""
        away = ((inputs[:, None] - self.arrays["inputs"]) ** 2).sum(-1)  # (sample, known)
        nearest = np.argsort(away, axis=1, kind="stable")[:, : self.count]
        return self.arrays["target"][nearest].mean(1)


REGISTERED = [name for name in list_models() if issubclass(model_class(name), Estimator)]


@pytest.fixture(params=[*REGISTERED, Neighbours])
def cls(request: pytest.FixtureRequest) -> type[Estimator]:
    return model_class(request.param)


def windows(count: int = 200, outputs: int = 1, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Return flat windows and a target that follows from them."""
    rng = np.random.default_rng(seed)
    inputs = rng.random((count, feature_count(SIZES)), dtype=np.float32)
    target = np.stack([inputs[:, k] + np.sin(5 * inputs[:, k + 1]) for k in range(outputs)], 1)
    return inputs, target.astype(np.float32)


def make(
    cls: type[Estimator], seed: int = 0, outputs: int = 1, threads: int = 1, **hyper: Any
) -> Estimator:
    """Return an estimator that was trained on some windows."""
    sizes = Sizes(SIZES.dynamic, SIZES.static, SIZES.window, outputs)
    estimator = cls(sizes, **SMALL.get(model_name(cls), {}) | hyper)
    context = Training(windows(60, outputs, seed=9), seed, threads, lambda *_: None)
    estimator.load_arrays(estimator.fit_arrays(*windows(outputs=outputs), context))
    return estimator


def make_batch(count: int = 12) -> dict[str, torch.Tensor]:
    """Return windows as a network is given them."""
    inputs = torch.from_numpy(windows(count, seed=1)[0])
    cut = SIZES.window * SIZES.dynamic
    dynamic = inputs[:, :cut].reshape(count, SIZES.window, SIZES.dynamic)
    return {"dynamic": dynamic, "static": inputs[:, cut:]}


def test_windows_are_flattened_step_by_step_then_the_static_ones():
    batch = make_batch()
    flat = flatten(batch)
    for step in range(SIZES.window):
        for channel in range(SIZES.dynamic):
            expected = batch["dynamic"][:, step, channel]
            np.testing.assert_array_equal(flat[:, step * SIZES.dynamic + channel], expected)
    np.testing.assert_array_equal(flat[:, -SIZES.static :], batch["static"])
    turned = batch["dynamic"].transpose(0, 1).contiguous().transpose(0, 1)  # as predictors have it
    np.testing.assert_array_equal(flatten({**batch, "dynamic": turned}), flat)


@pytest.mark.parametrize("outputs", [1, 3])
def test_shapes(cls, outputs):
    found = make(cls, outputs=outputs).evaluate(make_batch())["mean"]
    assert found.shape == (12, outputs)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_samples_do_not_see_each_other(cls):
    estimator, batch = make(cls), make_batch()
    whole = estimator.evaluate(batch)["mean"]
    alone = estimator.evaluate({k: v[3:4] for k, v in batch.items()})["mean"]
    np.testing.assert_array_equal(whole[3:4], alone)


def test_learns_its_windows(cls):
    one = {"random_forest": {"n_estimators": 30, "min_samples_leaf": 1, "max_features": None}}
    one |= {"xgboost": {"n_estimators": 300}, "Neighbours": {"count": 1}}
    estimator = make(cls, **one[model_name(cls)])
    inputs, target = windows()
    error = estimator.predict_arrays(inputs) - target
    assert float(np.sqrt(np.mean(error**2))) < 0.4 * float(target.std())


def test_a_seed_decides_all(cls):
    given = {"xgboost": {"subsample": 0.5}}.get(model_name(cls), {})
    one, same, other = (make(cls, seed, **given).arrays for seed in (1, 1, 2))
    assert one.keys() == same.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, same[name])
    if cls is not Neighbours:  # which leaves nothing to chance
        assert any(not np.array_equal(values, other[name]) for name, values in one.items())


def test_windows_and_targets_are_left_as_they_are(cls):
    inputs, target = windows()
    estimator = cls(SIZES, **SMALL.get(model_name(cls), {}))
    inputs.setflags(write=False)
    target.setflags(write=False)
    estimator.load_arrays(
        estimator.fit_arrays(inputs, target, Training(None, 0, 1, lambda *_: None))
    )
    np.testing.assert_array_equal(inputs, windows()[0])


def test_base_is_added_to_the_prediction(cls):
    estimator, batch = make(cls), make_batch()
    without = estimator.evaluate(batch)["mean"]
    found = estimator.evaluate({**batch, "base": torch.full((12, 1), 0.25)})["mean"]
    np.testing.assert_array_equal(found, without + np.float32(0.25))


def test_what_was_learnt_is_all_there_is(cls):
    estimator, batch = make(cls), make_batch()
    other = cls(estimator.sizes, **SMALL.get(model_name(cls), {}))
    other.load_arrays({name: values.copy() for name, values in estimator.arrays.items()})
    wanted = estimator.evaluate(batch)["mean"]
    np.testing.assert_array_equal(other.evaluate(batch)["mean"], wanted)
    with pytest.raises(ValueError, match="read-only"):
        next(iter(other.arrays.values())).fill(0)


def test_travels_to_other_processes_without_what_can_be_derived(cls):
    estimator, batch = make(cls), make_batch()
    wanted = estimator.evaluate(batch)["mean"]
    content = pickle.dumps(estimator)
    assert len(content) < 3000 + sum(a.nbytes for a in estimator.arrays.values())
    np.testing.assert_array_equal(pickle.loads(content).evaluate(batch)["mean"], wanted)


def test_several_threads_at_a_time(cls):
    estimator = pickle.loads(pickle.dumps(make(cls)))  # derives its trees in all threads at once
    batches = [make_batch(k) for k in range(1, 40)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda batch: estimator.evaluate(batch)["mean"], batches))
    for batch, values in zip(batches, found, strict=True):
        np.testing.assert_array_equal(values, estimator.evaluate(batch)["mean"])


def test_prediction_starts_no_threads_of_its_own(cls):
    estimator, batch = make(cls), make_batch(2000 if cls is not Neighbours else 20)
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():  # not Linux
        return
    before = len(list(tasks.iterdir()))
    estimator.evaluate(batch)
    assert len(list(tasks.iterdir())) <= before


def test_name_and_description(cls):
    assert model_class(cls) is cls
    text = describe_model(cls)
    assert "Defaults: window=7, lead=1, scaling='global'\nMinimises: squared error" in text
    assert "Schedule" not in text
    for name in cls.hyperparameters():
        assert f"{name} :" in text or f"{name}, " in text or f", {name} :" in text
    if cls is not Neighbours:
        assert model_class(model_name(cls)) is cls
        assert "Zhang et al. (2025)" in text


def test_arrays_of_another_model_are_refused(cls):
    if cls is Neighbours:
        return
    estimator = cls(SIZES)
    text = r"Trees are stored in \['children'|stored as the bytes 'ubjson'; \['inputs'\] were found"
    with pytest.raises(ArtefactError, match=text):
        estimator.load_arrays({"inputs": np.zeros(3)})
    text = "stored model of xgboost predicts 2 values, 1 are needed|forest predicts 2 values, the"
    with pytest.raises(ArtefactError, match=text):
        estimator.load_arrays(make(cls, outputs=2).arrays)
    wide = cls(Sizes(1, 0, 6))
    with pytest.raises(ArtefactError, match=r"none of the 6|takes 27 inputs, 6 are given"):
        wide.load_arrays(make(cls).arrays)


def test_windows_of_another_size_are_refused(cls):
    batch = make_batch()
    with pytest.raises(ArtefactError, match=r"takes windows of 27 features .* 26 were given"):
        make(cls).evaluate({**batch, "static": batch["static"][:, 1:]})


def test_predictions_of_another_shape_are_refused():
    class Flat(Neighbours):
        """Forgets the last dimension."""

        def predict_arrays(self, inputs: FloatArray) -> FloatArray:
            """Return too few dimensions."""
            return super().predict_arrays(inputs)[:, 0]

    text = r"Flat.predict_arrays returned an array of shape \(12,\); \(sample, target\) is needed"
    with pytest.raises(TrainingError, match=text):
        make(Flat).evaluate(make_batch())


def test_unknown_hyperparameters_name_the_near_misses():
    with pytest.raises(UnknownNameError, match=r"no hyper-parameter 'max_dept'.*'max_depth'"):
        model_class("random_forest").check_hyperparameters({"max_dept": 8})
    with pytest.raises(UnknownNameError, match=r"RandomForest has no hyper-parameter 'epochs'"):
        model_class("random_forest").check_fit({}, {"epochs": 8})
    assert model_class("xgboost").check_hyperparameters({"patience": 5}) == {"patience": 5}


@pytest.mark.parametrize(
    "about",
    [
        {"losses": []},
        {"device": "cuda"},
        {"precision": "bfloat16"},
        {"monitor": "rmse"},
        {"checkpoint": "run.ckpt"},
        {"client": object()},
    ],
)
def test_arguments_about_networks_are_refused(cls, about):
    (name,) = about
    with pytest.raises(UnknownNameError, match=rf"{name}=.* was given, which is for networks"):
        cls.check_fit(about, {})


def test_what_networks_have_as_a_default_is_taken(cls):
    about = {"device": "cpu", "precision": "float32", "monitor": "total"}
    assert cls.check_fit(about, {}) == {}


def test_hyperparameters_without_sense_are_refused():
    with pytest.raises(TrainingError, match="n_estimators=0, min_samples_leaf=5 were given"):
        model_class("random_forest")(SIZES, n_estimators=0)
    with pytest.raises(TrainingError, match="n_estimators=1000, patience=0 were given"):
        model_class("xgboost")(SIZES, patience=0)


PROBE = """
import sys
{block}
import numpy as np
from xsm.models.{name} import MODEL

class Sizes:
    dynamic, static, window, target = 4, 3, 6, 1

estimator = MODEL(Sizes())
try:
    MODEL.check_fit({{}}, {{}})
except ValueError as error:
    print(error)
with np.load({path!r}) as arrays:
    estimator.load_arrays(dict(arrays))
batch = {{"dynamic": np.zeros((2, 6, 4), "f4"), "static": np.zeros((2, 3), "f4")}}
print(estimator.evaluate(batch)["mean"].shape, "torch" in sys.modules, "xarray" in sys.modules)
"""


@pytest.mark.parametrize("name", REGISTERED)
def test_predicts_without_the_package_that_trained_it_and_says_what_training_needs(name, tmp_path):
    np.savez(tmp_path / "arrays.npz", **make(model_class(name)).arrays)
    package = next(iter(model_class(name).requires))
    block = f"sys.modules[{package!r}] = None"
    code = PROBE.format(block=block, name=name, path=str(tmp_path / "arrays.npz"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    said, shape = done.stdout.strip().splitlines()
    text = f'is trained by {package}, which is not installed: pip install "xsm[trees]"'
    assert text in said
    assert shape.startswith("(2, 1) False")


@pytest.mark.parametrize("name", REGISTERED)
def test_a_package_that_is_missing_is_named(name, monkeypatch):
    cls = model_class(name)
    monkeypatch.setattr(cls, "requires", {"no_such_package": "xsm[trees]"})
    with pytest.raises(TrainingError, match=r'no_such_package, .*pip install "xsm\[trees\]"'):
        cls.check_installed()
