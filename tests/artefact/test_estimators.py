"""Estimators on disk: the same bits back, readable by others, and nothing of a forged store run."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import xgboost
import zarr

import xsm
from tests.artefact.models import assert_same as assert_same_network
from tests.artefact.models import dataset, forge, untrained
from tests.artefact.test_forged import facts, nodes
from tests.estimators.test_estimators import SMALL, Neighbours
from tests.worlds import bucket
from xsm.exceptions import ArtefactError

NAMES = ["random_forest", "xgboost"]
QUICK = {"window": 4, "progress": False}


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    return dataset(bucket(steps=80))


@pytest.fixture(scope="module")
def saved(world, tmp_path_factory) -> dict[str, tuple[xsm.FittedModel, Path]]:
    found = {}
    for name in NAMES:
        fitted = world.physm.fit(name, **QUICK, **SMALL[name])
        path = tmp_path_factory.mktemp(name) / "model.xsm"
        fitted.save(path)
        found[name] = fitted, path
    return found


def assert_same(one: xsm.FittedModel, other: xsm.FittedModel) -> None:
    """Check that two fitted estimators are the same, to the bit."""
    assert one.token == other.token
    assert type(one.model) is type(other.model)
    assert one.model.sizes == other.model.sizes
    for name in ("name", "recipe", "variable", "parameters", "card", "fingerprint"):
        assert getattr(one, name) == getattr(other, name), name
    assert one.model.arrays.keys() == other.model.arrays.keys()
    for name, values in one.model.arrays.items():
        assert values.dtype == other.model.arrays[name].dtype
        np.testing.assert_array_equal(values, other.model.arrays[name])
    for name in ("scaling", "history"):
        xr.testing.assert_identical(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_saved_predicts_the_same_bits(saved, world, tmp_path, name):
    fitted, path = saved[name]
    again = xsm.load(path)
    assert_same(again, fitted)
    assert repr(again) == repr(fitted)
    xr.testing.assert_identical(world.physm.predict(again), world.physm.predict(fitted))
    lazy = world.chunk(time=30, lat=1)
    xr.testing.assert_identical(
        lazy.physm.predict(again).compute(), lazy.physm.predict(fitted).compute()
    )
    again.save(tmp_path / "b")
    for file in (p for p in path.rglob("*") if p.is_file()):
        assert file.read_bytes() == (tmp_path / "b" / file.relative_to(path)).read_bytes()
    again.save("memory://estimators/model.xsm", overwrite=True)
    assert_same(xsm.load("memory://estimators/model.xsm"), fitted)


def test_xgboost_reads_its_own_model_from_the_store(saved, world):
    fitted, path = saved["xgboost"]
    content = zarr.open(path / "weights/ubjson", mode="r")[:]
    booster = xgboost.Booster(model_file=bytearray(content.tobytes()))
    inputs = np.random.default_rng(0).random((50, 9), dtype=np.float32)
    expected = booster.inplace_predict(inputs)
    np.testing.assert_array_equal(fitted.model.predict_arrays(inputs)[:, 0], expected)


def test_a_class_of_the_users_own_is_passed(world, tmp_path):
    fitted = world.physm.fit(Neighbours, count=2, **QUICK)
    fitted.save(tmp_path / "a")
    again = xsm.load(tmp_path / "a", model=Neighbours)
    assert_same(again, fitted)
    assert again.model.count == 2
    assert again.model.arrays["note"][0] == "nearest"
    xr.testing.assert_identical(world.physm.predict(again), world.physm.predict(fitted))
    with pytest.raises(ArtefactError, match=r"'Neighbours', which is none of .*model=Neighbours\)"):
        xsm.load(tmp_path / "a")


def test_a_class_of_another_kind_is_refused(saved, tmp_path):
    with pytest.raises(ArtefactError, match=r"model=Neighbours was given, but .*'random_forest'"):
        xsm.load(saved["random_forest"][1], model=Neighbours)
    with pytest.raises(ArtefactError, match=r"model=LSTM was given, but .* 'xgboost'"):
        xsm.load(saved["xgboost"][1], model="lstm")
    network = untrained()
    network.save(tmp_path / "network")
    with pytest.raises(ArtefactError, match=r"model=XGBoost was given, but .* 'lstm'"):
        xsm.load(tmp_path / "network", model="xgboost")
    assert_same_network(xsm.load(tmp_path / "network"), network)


def test_what_only_a_pickle_could_store_is_refused(saved, tmp_path):
    fitted, _ = saved["random_forest"]
    model = Neighbours(fitted.model.sizes)
    model.arrays = {"inputs": np.array([{}], object)}
    broken = dataclasses.replace(saved["random_forest"][0], name="Neighbours")
    object.__setattr__(broken, "model", model)
    with pytest.raises(ArtefactError, match="dtype object cannot be stored without pickle"):
        broken.save(tmp_path / "a")


def rewrite(path: Path, name: str, change: Any) -> None:
    """Change an array of a store, of the same shape or another, with a digest that fits."""
    array = zarr.open(path / f"weights/{name}", mode="r")[:]
    array = np.ascontiguousarray(change(array))
    chunk = path / f"weights/{name}/c/{'/'.join('0' * array.ndim)}"
    chunk.write_bytes(array.tobytes())
    shape = list(array.shape)

    def declare(root: dict[str, Any]) -> None:
        node = nodes(root)[f"weights/{name}"]
        node["shape"] = shape
        node["chunk_grid"]["configuration"]["chunk_shape"] = shape

    forge(path, declare)


def put(at: Any, value: float) -> Any:
    """Return a change of one number."""

    def change(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        array[at] = value
        return array

    return change


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("feature", put(0, 9), "asks for an input that is none of the 9"),
        ("feature", put(0, -1), "asks for an input that is none of the 9"),
        ("children", put((0, 0), 10**6), "a child is none of"),
        ("children", put((0, 0), -(10**6)), "a child is none of"),
        ("children", put((3, 0), 3), "does not come after its parent, a walk might never end"),
        ("children", put((3, 1), 0), "does not come after its parent, a walk might never end"),
        ("root", put(0, 10**6), "a child is none of"),
        ("root", put(1, 0), "reached twice, or never"),
        ("root", lambda a: a[:0], "there is no tree"),
        ("value", put((0, 0), np.nan), "numbers are not finite"),
        ("value", lambda a: a[:-1], "a child is none of"),
        ("value", lambda a: np.repeat(a, 2, axis=1), "predicts 2 values, the model 1"),
        ("threshold", lambda a: a[:-1], "arrays of nodes differ in length"),
    ],
)
def test_a_forged_forest_is_refused(saved, tmp_path, name, change, text):
    path = tmp_path / "copy"
    shutil.copytree(saved["random_forest"][1], path)
    if name == "root" and text == "there is no tree":
        shutil.rmtree(path / "weights/root/c")

        def declare(root: dict[str, Any]) -> None:
            node = nodes(root)["weights/root"]
            node["shape"], node["chunk_grid"]["configuration"]["chunk_shape"] = [0], [1]

        forge(path, declare)
    else:
        rewrite(path, name, change)
    with pytest.raises(ArtefactError, match=text):
        xsm.load(path)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda a: a[:-1], "UBJSON is damaged at byte"),
        (lambda a: np.append(a, a[:1]), "something follows its end"),
        (lambda a: a[:1] * 0, "'.x00' is no type"),
        (lambda a: np.frombuffer(b"{}", "u1"), "lacks 'learner'"),
        (lambda a: np.frombuffer(b"{" * 99, "u1"), "UBJSON is damaged"),
        (lambda a: np.frombuffer(a.tobytes().replace(b"gbtree", b"gblins"), "u1"), "'gblins'"),
    ],
)
def test_a_malformed_model_of_xgboost_is_refused(saved, tmp_path, change, text):
    path = tmp_path / "copy"
    shutil.copytree(saved["xgboost"][1], path)
    rewrite(path, "ubjson", change)
    with pytest.raises(ArtefactError, match=text):
        xsm.load(path)


@pytest.mark.parametrize("name", NAMES)
def test_a_change_that_is_not_signed_is_found_by_the_digest(saved, tmp_path, name):
    path = tmp_path / "copy"
    shutil.copytree(saved[name][1], path)
    chunk = next(p for p in sorted((path / "weights").rglob("*/c/*")) if p.is_file())
    content = bytearray(chunk.read_bytes())
    content[-1] ^= 1
    chunk.write_bytes(content)
    with pytest.raises(ArtefactError, match="SHA-256 digest differs"):
        xsm.load(path)


@pytest.mark.parametrize("name", NAMES)
def test_facts_that_do_not_fit_are_refused(saved, tmp_path, name):
    def refused(change: Any, text: str) -> None:
        path = tmp_path / "copy"
        shutil.copytree(saved[name][1], path)
        forge(path, change)
        with pytest.raises(ArtefactError, match=text):
            xsm.load(path)
        shutil.rmtree(path)

    sizes = lambda **new: lambda root: facts(root)["model"]["sizes"].update(new)  # noqa: E731
    hyper = lambda **new: lambda root: facts(root)["model"]["hyperparameters"].update(new)  # noqa: E731
    refused(sizes(dynamic=500), "holds an estimator of Sizes.dynamic=500.*but its windows are")
    refused(sizes(window=3), "holds an estimator of Sizes")
    refused(sizes(target=2), "holds an estimator of Sizes.*target=2.*but its windows are")
    refused(sizes(target=-1), "holds an estimator of Sizes")
    refused(hyper(n_estimators=0), "does not describe a model: .*n_estimators=0")
    refused(hyper(trees=3), r"hyper-parameters \['trees'\], which it does not take")
    refused(lambda root: facts(root)["recipe"].update(window=9), "but its windows are")
    other = "xgboost" if name == "random_forest" else "random_forest"
    refused(
        lambda root: facts(root)["model"].update(name=other, hyperparameters={}),
        "stored as the bytes 'ubjson'|Trees are stored in",
    )
    refused(
        lambda root: facts(root)["model"].update(name="lstm", hyperparameters={}), "does not fit"
    )
