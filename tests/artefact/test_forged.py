"""Malicious stores raise an ArtefactError, and nothing that they hold is run.

They carry a digest that fits, made from its definition: it is not what refuses them.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr

import xsm
from tests.artefact.models import Echo, assert_same, forge, untrained
from xsm.artefact import open_artefact, restore
from xsm.artefact.values import parse, plain
from xsm.exceptions import ArtefactError, UnknownNameError
from xsm.nn import Sizes


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[xsm.FittedModel, Path]:
    fitted = untrained()
    path = tmp_path_factory.mktemp("saved") / "model.xsm"
    fitted.save(path)
    return fitted, path


@pytest.fixture
def copy(saved, tmp_path) -> Path:
    shutil.copytree(saved[1], tmp_path / "copy")
    return tmp_path / "copy"


Change = Callable[[dict[str, Any]], object]


def nodes(root: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata of all nodes."""
    return root["consolidated_metadata"]["metadata"]


def facts(root: dict[str, Any]) -> dict[str, Any]:
    """Return what is stored beside the arrays."""
    return root["attributes"]["xsm_artefact"]["facts"]


def node(path: str, **changes: object) -> Change:
    """Return a change of a node's metadata."""
    return lambda root: nodes(root)[path].update(changes)


def grid(*shape: int) -> dict[str, Any]:
    """Return a shape and the grid that fits it."""
    grid = {"name": "regular", "configuration": {"chunk_shape": list(shape)}}
    return {"shape": list(shape), "chunk_grid": grid}


BIAS = "weights/head.bias"
PICKLE = [{"name": "bytes"}, {"name": "numcodecs.pickle", "configuration": {"protocol": 5}}]
FORGED: list[tuple[Change, str]] = [
    (node(BIAS, codecs=PICKLE), r"has codecs=.*numcodecs.pickle.*Nothing was decoded"),
    (node(BIAS, codecs=[{"name": "gzip"}]), r"has codecs=.*gzip"),
    (node(BIAS, filters=[{"id": "pickle"}]), r"has filters=.*pickle.*artefacts have 'nothing'"),
    (node(BIAS, storage_transformers=[{"name": "os.system"}]), r"storage_transformers"),
    (node(BIAS, data_type="object"), r"declares 'object' of shape \[1\]"),
    (node(BIAS, data_type="|O"), r"declares '\|O'"),
    (node(BIAS, data_type={"name": "struct"}), r"no array of an artefact"),
    (node(BIAS, data_type={"name": "fixed_length_utf32", "configuration": {}}), "no array of"),
    (node(BIAS, data_type={"name": "numpy.datetime64", "configuration": {"unit": "x"}}), "no arr"),
    (node(BIAS, shape=[-1]), r"of shape \[-1\] on dimensions"),
    (node(BIAS, shape=[True]), r"of shape \[True\]"),
    (node(BIAS, shape=[1.0]), r"of shape \[1.0\]"),
    (node(BIAS, **grid(10**15)), r"shape \[1000000000000000\] .float32., larger than the memory"),
    (node(BIAS, **grid(0, 10**30)), r"larger than the memory of this machine"),
    (node(BIAS, **grid(*[1] * 40)), r"larger than the memory"),
    (node(BIAS, dimension_names=["a", "b"]), r"names the dimensions \['a', 'b'\] of an array of"),
    (node(BIAS, dimension_names=[None]), r"on dimensions \[None\]"),
    (node(BIAS, node_type="group"), r"has node_type='group'"),
    (node(BIAS, zarr_format=2), r"has zarr_format=2"),
    (node("weights", attributes=3), r"cannot be read as an artefact|no group"),
    (node("weights", codecs=[]), r"is no group as artefacts have them"),
    (lambda root: nodes(root).update({"../../evil": nodes(root)[BIAS]}), r"lies in no group"),
    (lambda root: nodes(root).update({"/etc/x": nodes(root)[BIAS]}), r"lies in no group"),
    (lambda root: nodes(root).update({"weights/../x": nodes(root)[BIAS]}), r"no name of a node"),
    (lambda root: nodes(root).update({"weights/a/b": nodes(root)[BIAS]}), r"no name of a node"),
    (lambda root: nodes(root).update({"weights/a b": nodes(root)[BIAS]}), r"no name of a node"),
    (lambda root: nodes(root).update({"weights/%61": nodes(root)[BIAS]}), r"no name of a node"),
    (lambda root: nodes(root).update({"weights/": nodes(root)[BIAS]}), r"no name of a node"),
    (lambda root: nodes(root).update({"more": nodes(root)["weights"]}), r"has the groups .*'more'"),
    (lambda root: root.update(extension={"must_understand": True}), r"holds more than an artefact"),
    (lambda root: root["attributes"].update(a=1), r"holds more than an artefact's"),
    (lambda root: facts(root)["model"].update(name="os.system"), r"none of .*'lstm'.*model=MyMod"),
    (lambda root: facts(root)["model"].update(name="../lstm"), r"which is none of"),
    (lambda root: facts(root)["model"].update(registered="yes"), r"which is none of"),
    (lambda root: facts(root)["model"]["hyperparameters"].update(x=1), r"hyper-parameters \['x'\]"),
    (lambda root: facts(root)["model"]["hyperparameters"].update(hidden_size=4), r"does not fit"),
    (
        lambda root: facts(root)["model"]["hyperparameters"].update(hidden_size=10**8),
        r"shape \(400000000, 3\), the weights have \(12, 3\)|does not fit",
    ),
    (
        lambda root: facts(root)["model"]["hyperparameters"].update(hidden_size=10**12),
        r"does not describe a model",
    ),
    (lambda root: facts(root)["model"]["hyperparameters"].update(dropout="x"), r"not describe"),
    (lambda root: facts(root)["model"]["sizes"].update(dynamic=-3), r"does not describe|not fit"),
    (
        lambda root: facts(root)["model"]["sizes"].update(dynamic="3"),
        r"stored Sizes lacks \[\]",
    ),
    (lambda root: facts(root)["model"]["sizes"].pop("window"), r"stored Sizes lacks \['window'\]"),
    (lambda root: facts(root)["recipe"].update(window=True), r"stored Recipe .* has \['window'\]"),
    (lambda root: facts(root)["recipe"].update(dynamic="tp"), r"Recipe .* has \['dynamic'\]"),
    (lambda root: facts(root)["recipe"].update(scaling="x"), r"Recipe .* has \['scaling'\]"),
    (lambda root: facts(root)["recipe"].update(new=1), r"Recipe .* has \['new'\] that are unknown"),
    (lambda root: facts(root)["variable"].update(units=3), r"stored Variable .* has \['units'\]"),
    (lambda root: facts(root)["variable"].update(depth=[1]), r"stored Variable .* has \['depth'\]"),
    (lambda root: facts(root).update(card=[1]), r"card is \[1\], names and values are needed"),
    (lambda root: facts(root).update(attrs={"__type__": "os.system"}), r"value cannot be read"),
    (lambda root: facts(root).update(model=None), r"does not describe a model"),
    (lambda root: facts(root).pop("model"), r"does not describe a model: KeyError"),
    (lambda root: nodes(root)["scaling"]["attributes"].pop("xsm_stacked"), r"not describe a model"),
    (
        lambda root: nodes(root)["scaling"]["attributes"].update(xsm_stacked={"x": ["q"]}),
        "not desc",
    ),
]


@pytest.mark.parametrize(("change", "text"), FORGED, ids=[text for _, text in FORGED])
def test_forged_metadata_are_refused(copy, change, text):
    forge(copy, change)
    with pytest.raises(ArtefactError, match=text):
        xsm.load(copy)


def test_a_forgery_without_changes_is_the_artefact(saved, copy):
    forge(copy, lambda root: None)
    assert_same(xsm.load(copy), saved[0])


def test_all_arrays_together_have_to_fit_the_memory(copy):
    share = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 8
    paths = ("history/epoch", "scaling/latitude", "scaling/lat", "scaling/lon")

    def change(root: dict[str, Any]) -> None:
        for path in {path for path in paths if path in nodes(root)}:
            nodes(root)[path].update(grid(share // 2))

    forge(copy, change)
    with pytest.raises(ArtefactError, match="bytes, more than this machine's memory"):
        xsm.load(copy)


def test_groups_that_a_model_needs(copy):
    def change(root: dict[str, Any]) -> None:
        for path in [path for path in nodes(root) if path.startswith("history")]:
            del nodes(root)[path]

    shutil.rmtree(copy / "history")
    forge(copy, change)
    with pytest.raises(ArtefactError, match=r"has the groups .*; a model has .*history"):
        xsm.load(copy)


def test_text_and_truth_values_must_be_such(copy):
    chunk = copy / "scaling/trained_cell/c/0/0"
    chunk.write_bytes(b"\x07" * len(chunk.read_bytes()))
    forge(copy, lambda root: None)
    with pytest.raises(ArtefactError, match="trained_cell holds bytes that are no bool"):
        xsm.load(copy)
    chunk.write_bytes(b"\x01" * len(chunk.read_bytes()))
    text = copy / "history/part/c/0"
    text.write_bytes(b"\xff" * len(text.read_bytes()))
    forge(copy, lambda root: None)
    with pytest.raises(ArtefactError, match="part holds bytes that are no str"):
        xsm.load(copy)


@pytest.mark.parametrize(
    "value",
    [
        {"__type__": "numpy", "dtype": "O", "shape": [1], "value": [1]},
        {"__type__": "numpy", "dtype": "U1000000000", "shape": [1], "value": ["a"]},
        {"__type__": "numpy", "dtype": "float64", "shape": [10**12], "value": [1]},
        {"__type__": "numpy", "dtype": "str", "shape": [1], "value": [3]},
        {"__type__": "numpy", "dtype": "datetime64[evil]", "shape": [1], "value": [3]},
        {"__type__": "numpy", "dtype": "int8", "shape": [1], "value": [300]},
        {"__type__": "float", "value": "1e5"},
        {"__type__": ["a"]},
        {"__type__": "dict", "value": [[[], 1]]},
    ],
)
def test_forged_values_are_refused(value):
    with pytest.raises(ArtefactError, match=r"A stored value cannot be read: .*is damaged"):
        restore(value)


# --- nothing runs


class Payload:
    """What a pickle of it runs when it is loaded: creates a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Path]:
    """Return a file that appears if anything of a store is run, and check that it does not."""
    file = tmp_path / "was_run"
    pickle.loads(pickle.dumps(Payload(file)))
    assert file.exists()
    file.unlink()
    yield file
    assert not file.exists()


def test_a_pickle_in_a_chunk_is_not_run(copy, target):
    chunk = copy / BIAS / "c/0"
    payload = pickle.dumps(Payload(target))
    chunk.write_bytes(payload)
    forge(copy, node(BIAS, **grid(len(payload)), data_type="object", codecs=PICKLE))
    with pytest.raises(ArtefactError, match="declares 'object'"):
        xsm.load(copy)
    raw = {"data_type": "uint8", "codecs": [{"name": "bytes"}], "fill_value": 0}
    forge(copy, node(BIAS, **grid(len(payload)), **raw))
    with pytest.raises(ArtefactError, match="does not fit its hyper-parameters"):
        xsm.load(copy)


def test_a_store_of_pickled_objects_is_not_run(copy, target):
    shutil.rmtree(copy / BIAS)
    group = zarr.open_group(copy.parent / "v2", mode="w", zarr_format=2)
    codec = numcodecs.Pickle()
    array = np.array([Payload(target)], dtype=object)
    (copy.parent / "v2/objects").mkdir()
    meta = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "fill_value": None}
    meta |= {"order": "C", "compressor": None, "filters": [codec.get_config()]}
    (copy.parent / "v2/objects/.zarray").write_text(json.dumps(meta))
    (copy.parent / "v2/objects/0").write_bytes(codec.encode(array))
    assert group is not None
    with pytest.raises(ArtefactError, match="There is no artefact"):
        xsm.load(copy.parent / "v2")
    shutil.copytree(copy.parent / "v2/objects", copy / BIAS)
    with pytest.raises(ArtefactError, match="lacks 2 of its files"):
        xsm.load(copy)


def test_modules_that_a_store_names_are_not_imported(copy, target, monkeypatch):
    module = copy.parent / "evil_module.py"
    module.write_text(f"import pathlib; pathlib.Path({str(target)!r}).touch()\nMODEL = None")
    monkeypatch.syspath_prepend(str(copy.parent))
    for name in ("evil_module", "evil_module.MODEL", "..evil_module"):
        forge(copy, lambda root, name=name: facts(root)["model"].update(name=name))
        with pytest.raises(ArtefactError, match="which is none of"):
            xsm.load(copy)


def test_hyperparameters_cannot_ask_for_more_memory_than_there_is(copy, tmp_path):
    fitted = untrained(name="Echo", model=Echo(Sizes(2, 1, 4)), parameters={})
    fitted.save(tmp_path / "own")
    change = lambda root: facts(root)["model"]["sizes"].update(dynamic=10**13)  # noqa: E731
    forge(tmp_path / "own", change)
    with pytest.raises(ArtefactError, match="does not fit its hyper-parameters"):
        xsm.load(tmp_path / "own", model=Echo)


def test_numbers_that_json_does_not_know_are_no_content():
    with pytest.raises(ArtefactError, match=r"readable JSON \(NaN is no number of JSON\)"):
        parse(b'{"epochs": NaN}', "zarr.json")
    with pytest.raises(ArtefactError, match=r"readable JSON \(a key stands twice\)"):
        parse(b'{"epochs": 1, "epochs": 2}', "zarr.json")


def test_text_is_not_restored_as_a_number():
    stored = plain(np.arange(3.0), "scale")
    with pytest.raises(ArtefactError, match="object is no number"):
        restore({**stored, "dtype": "object"})


def test_an_unknown_name_for_model_is_the_users_error(copy):
    with pytest.raises(UnknownNameError, match="Did you mean 'lstm'"):
        xsm.load(copy, model="lstn")


def test_opening_reads_no_array(copy):
    for chunk in copy.glob("*/*/c"):
        for file in [chunk] if chunk.is_file() else [p for p in chunk.rglob("*") if p.is_file()]:
            file.write_bytes(bytes(file.stat().st_size))
    assert open_artefact(copy).arrays["weights"]["head.bias"].shape == (1,)
