"""Damaged and foreign stores raise an ArtefactError that says what was found."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import xsm
from tests.artefact.models import assert_same, forge, untrained
from xsm.exceptions import ArtefactError


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


def files(path: Path) -> list[Path]:
    """Return all files of a store."""
    return sorted(p for p in path.rglob("*") if p.is_file())


def outcome(path: Path, fitted: xsm.FittedModel) -> bool:
    """Load: True where it is refused as it should be, False where the same model was loaded."""
    try:
        found = xsm.load(path)
    except ArtefactError:
        return True
    assert_same(fitted, found)
    return False


# --- damage


def test_every_file_cut_off_anywhere_is_refused(saved, copy):
    fitted, _ = saved
    generator = random.Random(0)
    for file in files(copy):
        content = file.read_bytes()
        lengths = {0, len(content) - 1, generator.randrange(len(content))}
        for length in lengths - {len(content)}:
            file.write_bytes(content[:length])
            assert outcome(copy, fitted), (file, length)
        file.write_bytes(content + b"\0")
        assert outcome(copy, fitted), file
        file.write_bytes(content)
    assert not outcome(copy, fitted)


def test_every_file_that_is_missing_is_named(saved, copy):
    for file in files(copy):
        content = file.read_bytes()
        file.unlink()
        name = file.relative_to(copy).as_posix()
        match = "no artefact of xsm" if name == "zarr.json" else f"lacks 1 of its files .{name}"
        with pytest.raises(ArtefactError, match=match):
            xsm.load(copy)
        file.write_bytes(content)


def test_a_chunk_that_is_short_says_so(copy):
    file = copy / "weights/head.bias/c/0"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ArtefactError, match="has 3 bytes, its metadata declare 4: it was cut"):
        xsm.load(copy)
    file.write_bytes(b"12345")
    with pytest.raises(ArtefactError, match="has 5 bytes, 4 at most are expected"):
        xsm.load(copy)


def test_a_bit_that_flipped_in_an_array_is_seen(copy):
    file = copy / "scaling/target_scale/c/0/0"
    content = bytearray(file.read_bytes())
    content[5] ^= 1
    file.write_bytes(content)
    with pytest.raises(ArtefactError, match="not what was saved: its SHA-256 digest differs"):
        xsm.load(copy)


@settings(max_examples=60)
@given(data=st.data())
def test_no_flip_anywhere_loads_another_model(saved, tmp_path_factory, data):
    fitted, path = saved
    copied = tmp_path_factory.getbasetemp() / "flipped"
    if not copied.exists():
        shutil.copytree(path, copied)
    file = data.draw(st.sampled_from(files(copied)))
    content = bytearray(file.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    value = data.draw(st.integers(0, 255))
    before = bytes(content)
    content[position] = value
    file.write_bytes(content)
    try:
        outcome(copied, fitted)
    finally:
        file.write_bytes(before)


def test_every_byte_of_a_small_file_may_flip(saved, copy):
    fitted, _ = saved
    for name in ("weights/head.bias/c/0", "weights/zarr.json"):
        file = copy / name
        content = file.read_bytes()
        for position in range(len(content)):
            flipped = bytearray(content)
            flipped[position] ^= 1 << position % 8
            file.write_bytes(flipped)
            outcome(copy, fitted)
        file.write_bytes(content)


def test_blanks_and_the_order_of_keys_do_not_matter(saved, copy):
    fitted, _ = saved
    for file in files(copy):
        if file.name == "zarr.json":
            node = json.loads(file.read_text())
            file.write_text(json.dumps(dict(reversed(node.items())), indent=7))
    assert not outcome(copy, fitted)


def test_a_value_that_was_edited_is_seen(copy):
    text = (copy / "zarr.json").read_text()
    (copy / "zarr.json").write_text(text.replace('"window": 4', '"window": 5'))
    with pytest.raises(ArtefactError, match="SHA-256 digest differs"):
        xsm.load(copy)


def test_an_array_that_does_not_belong_there_is_refused(copy):
    shutil.copytree(copy / "weights/head.bias", copy / "weights/other")
    with pytest.raises(ArtefactError, match=r"holds 2 files that are no part of it \(weights/oth"):
        xsm.load(copy)


def test_a_node_that_contradicts_the_root_is_refused(copy):
    file = copy / "weights/head.bias/zarr.json"
    file.write_text(file.read_text().replace("float32", "float16"))
    with pytest.raises(ArtefactError, match=r"head.bias/zarr.json and the root of .* contradict"):
        xsm.load(copy)


# --- what is none


def test_what_is_no_artefact_is_named(tmp_path):
    ds = xr.Dataset({"a": ("x", np.arange(3.0))})
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("text")
    ds.to_netcdf(tmp_path / "a.nc", engine="netcdf4")
    ds.to_zarr(tmp_path / "v3", zarr_format=3, consolidated=False)
    ds.to_zarr(tmp_path / "v2", zarr_format=2)
    zarr.open_array(tmp_path / "array", mode="w", shape=(2,), dtype="f4")
    for name in ("nothing", "empty", "file", "a.nc", "v3", "v2", "array"):
        with pytest.raises(ArtefactError, match=r"There is no artefact of xsm at .*Pass the path"):
            xsm.load(tmp_path / name)


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"a": NaN}', b'{"a": 1, "a": 1}', b'"\\ud800"'),
        *(b"[" * 100_000, b"9" * 5000, b'{"attributes": {"xsm_artefact": 3}}'),
    ],
)
def test_a_root_that_is_no_metadata(copy, text):
    (copy / "zarr.json").write_bytes(text)
    with pytest.raises(ArtefactError, match=r"is no readable JSON|no artefact of xsm"):
        xsm.load(copy)


def test_metadata_beyond_all_bounds_are_not_read(copy):
    with (copy / "zarr.json").open("r+b") as file:
        file.truncate(1 << 40)  # sparse
    with pytest.raises(ArtefactError, match="has 1,099,511,627,776 bytes, 16,777,216 at most"):
        xsm.load(copy)


def test_links_and_pipes_are_not_followed(copy, tmp_path):
    file = copy / "weights/head.bias/c/0"
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtefactError, match=r"cannot be read|failed"):
        xsm.load(copy)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(ArtefactError, match="is no plain file; artefacts hold nothing else"):
        xsm.load(copy)
    file.unlink()
    file.parent.rmdir()
    file.parent.symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(ArtefactError, match="lacks 1 of its files"):
        xsm.load(copy)


# --- schema


@pytest.mark.parametrize(
    ("schema", "writer", "text"),
    [
        (2, "9.1", r"has schema 2, written by xsm 9.1; .*Upgrade to read it: pip install --upg"),
        (0, "0.0.3", r"has schema 0, written by xsm 0.0.3; .*pip install 'xsm==0.0.3'"),
        (0, "0'; rm -r ~ #", r"written by xsm an unknown version"),
        (True, "1.0", r"has schema True"),
        ("1", None, r"has schema '1'"),
    ],
)
def test_another_schema_says_which_version_reads_it(copy, schema, writer, text):
    def change(root: dict[str, Any]) -> None:
        mark = root["attributes"]["xsm_artefact"]
        mark["schema"], mark["written_by"] = schema, {"xsm": writer}

    forge(copy, change)
    with pytest.raises(ArtefactError, match=text):
        xsm.load(copy)
