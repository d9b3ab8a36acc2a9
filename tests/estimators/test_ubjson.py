"""The reader of UBJSON against the specification's own examples, and against documents that lie."""

import contextlib
import json
import struct

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from xsm.estimators.ubjson import read_ubjson
from xsm.exceptions import ArtefactError


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"Z", None),
        (b"T", True),
        (b"F", False),
        (b"i\xff", -1),
        (b"U\xff", 255),
        (b"I\x01\x00", 256),
        (b"l" + struct.pack(">i", -(2**31)), -(2**31)),
        (b"L" + struct.pack(">q", 2**62), 2**62),
        (b"d" + struct.pack(">f", 0.5), 0.5),
        (b"D" + struct.pack(">d", 1e300), 1e300),
        (b"Ca", "a"),
        ("Si\x03ü!".encode(), "ü!"),
        (b"[]", []),
        (b"{}", {}),
        (b"[i\x01Si\x01aZ]", [1, "a", None]),
        (b"[#i\x02TF", [True, False]),
        (b"[#i\x02[#i\x00{}", [[], {}]),
        (b"{i\x01a[i\x01]i\x01b{}}", {"a": [1], "b": {}}),
        (b"{#i\x01i\x01aT", {"a": True}),
        (b"{$i#i\x02i\x01a\x05i\x01b\x06", {"a": 5, "b": 6}),
        (b"[$S#i\x02i\x01ai\x01b", ["a", "b"]),
        (b"NNT", True),
    ],
)
def test_values(content, value):
    assert read_ubjson(content) == value


def test_typed_arrays():
    content = b"[$l#i\x03" + struct.pack(">3i", 1, -2, 3)
    np.testing.assert_array_equal(read_ubjson(content), np.array([1, -2, 3], np.int32))
    content = b"[$d#L" + struct.pack(">q", 2) + struct.pack(">2f", 0.25, -1)
    found = read_ubjson(content)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [0.25, -1])


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "1 bytes are announced, 0 follow"),
        (b"Tx", "something follows its end"),
        (b"q", "'q' is no type"),
        (b"l\x00", "4 bytes are announced, 1 follow"),
        (b"Si\x05abc", "5 bytes are announced, 3 follow"),
        (b"Si\xffabc", "a length is needed"),
        (b"SSi\x01a", "a length is needed"),
        (b"Si\x02\xff\xff", "codec can't decode"),
        (b"C\xff", "codec can't decode"),
        (b"[T", "1 bytes are announced, 0 follow"),
        (b"[$U#L" + b"\x7f" + b"\xff" * 7, "bytes are announced, 0 follow"),
        (b"[#L" + b"\x7f" + b"\xff" * 7, "1 bytes are announced, 0 follow"),
        (b"[$T#L" + b"\x7f" + b"\xff" * 7, "an array of constants takes no bytes"),
        (b"[$Ui\x01", "announces a type without a number"),
        (b"{i\x01aTi\x01aF}", "the key 'a' stands twice"),
        (b"[" * 1000, "nested deeper than 32"),
        (b"[$[#i\x01" * 1000, "nested deeper than 32"),
    ],
)
def test_documents_that_are_damaged_or_made_to_harm(content, text):
    with pytest.raises(ArtefactError, match=rf"UBJSON is damaged .*{text}.*another copy"):
        read_ubjson(content)


@given(st.binary(max_size=60))
def test_whatever_comes_it_is_read_or_refused(content):
    with contextlib.suppress(ArtefactError):
        read_ubjson(content)


def test_a_model_of_xgboost_reads_as_its_json_does():
    rng = np.random.default_rng(0)
    inputs = rng.random((80, 3), dtype=np.float32)
    data = xgboost.QuantileDMatrix(inputs, label=inputs[:, 0], nthread=1)
    booster = xgboost.train({"max_depth": 2, "nthread": 1}, data, 2)

    def same(one, other):
        if isinstance(other, dict):
            assert one.keys() == other.keys()
            for key in other:
                same(one[key], other[key])
        elif isinstance(other, list) and other and isinstance(other[0], dict):
            for a, b in zip(one, other, strict=True):
                same(a, b)
        elif isinstance(other, list):
            np.testing.assert_allclose(np.asarray(one, float), other, rtol=1e-6)
        else:
            assert one == other

    same(read_ubjson(bytes(booster.save_raw("ubj"))), json.loads(booster.save_raw("json")))
