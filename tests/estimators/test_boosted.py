"""Models of xgboost, read without it: the same bits, and nothing that is not such a model."""

import json

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from xsm.estimators.boosted import read_boosted
from xsm.exceptions import ArtefactError


def boosted(outputs: int = 1, rounds: int = 30, **settings: object) -> xgboost.Booster:
    """Return a model of xgboost."""
    rng = np.random.default_rng(0)
    inputs = rng.random((500, 4), dtype=np.float32)
    target = np.sin(9 * inputs[:, :outputs]) + rng.random((500, outputs), dtype=np.float32)
    data = xgboost.QuantileDMatrix(inputs, label=target, nthread=1)
    return xgboost.train({"nthread": 1, **settings}, data, rounds)


def raw(booster: xgboost.Booster) -> bytes:
    return bytes(booster.save_raw("ubj"))


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"max_depth": 1},
        {"gamma": 0.5},
        {"subsample": 0.5, "colsample_bytree": 0.5, "seed": 3},
        {"grow_policy": "lossguide", "max_leaves": 9, "max_depth": 0},
        {"base_score": 0.25},
    ],
)
def test_what_is_read_predicts_the_same_bits(outputs, settings):
    booster = boosted(outputs, **settings)
    inputs = np.random.default_rng(1).random((777, 4), dtype=np.float32)
    found = read_boosted(raw(booster), features=4).predict(inputs)
    np.testing.assert_array_equal(found, booster.inplace_predict(inputs).reshape(777, outputs))


def test_inputs_on_a_threshold_go_the_same_way():
    booster = boosted()
    trees = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"]
    edges = np.unique([t for tree in trees for t in tree["split_conditions"]]).astype(np.float32)
    inputs = np.repeat(edges[:, None], 4, axis=1)
    found = read_boosted(raw(booster), features=4).predict(inputs)
    np.testing.assert_array_equal(found[:, 0], booster.inplace_predict(inputs))


def test_a_model_that_has_forgotten_rounds():
    booster = boosted()[:7]
    found = read_boosted(raw(booster), features=4)
    assert len(found.trees.root) == 7


def test_trees_that_are_cut_back():
    data = xgboost.DMatrix(np.eye(8, 4, dtype="f4"), label=np.arange(8.0), nthread=1)
    settings = {"tree_method": "exact", "gamma": 3.0, "max_depth": 5, "nthread": 1}
    booster = xgboost.train(settings, data, 5)
    inputs = np.eye(8, 4, dtype="f4")
    found = read_boosted(raw(booster), features=4).predict(inputs)
    np.testing.assert_array_equal(found[:, 0], booster.inplace_predict(inputs))


def changed(old: bytes, new: bytes) -> bytes:
    """Return a model with a change of its bytes."""
    content = raw(boosted(rounds=2, max_depth=1))
    assert len(old) == len(new)
    assert old in content
    return content.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (b"gbtree", b"gblins", r"of the kind \('gblins', 'reg:squarederror'\)"),
        (b"reg:squarederror", b"reg:something_el", "not a regression by trees"),
        (b"learner{", b"leraner{", "lacks 'learner'"),
        (b"left_children", b"lift_children", "no array 'left_children' of some numbers"),
        (b"split_indices", b"split_indexes", "no array 'split_indices' of 3 numbers"),
        (b"tree_info", b"tree_inof", "no array 'tree_info' of 2 numbers"),
        (b"base_score", b"base_scone", "lacks 'base_score'"),
        (b"num_target", b"nom_target", "lacks 'num_target'"),
    ],
)
def test_members_that_are_missing_or_others(old, new, text):
    with pytest.raises(ArtefactError, match=f"model of xgboost .*{text}.*take another copy"):
        read_boosted(changed(old, new), features=4)


def text(name: bytes, value: bytes) -> bytes:
    """Return a member that is a text."""
    size = (len(name)).to_bytes(8, "big"), (len(value)).to_bytes(8, "big")
    return b"L" + size[0] + name + b"SL" + size[1] + value


def numbers(name: bytes, kind: bytes, values: object) -> bytes:
    """Return a member that is an array of numbers."""
    array = np.asarray(values, {b"l": ">i4", b"d": ">f4", b"U": "u1"}[kind])
    head = b"L" + len(name).to_bytes(8, "big") + name
    return head + b"[$" + kind + b"#L" + len(array).to_bytes(8, "big") + array.tobytes()


@pytest.mark.parametrize(
    ("name", "kind", "old", "new", "message"),
    [
        (b"left_children", b"l", [1, -1, -1], [7, -1, -1], "a child is missing, none of"),
        (b"left_children", b"l", [1, -1, -1], [0, -1, -1], "a walk might never end"),
        (b"right_children", b"l", [2, -1, -1], [1, -1, -1], "reached twice"),
        (b"right_children", b"l", [2, -1, -1], [-1, -1, -1], "a child is missing"),
        (b"split_type", b"U", [0, 0, 0], [1, 0, 0], "splits by categories"),
    ],
)
def test_links_that_lead_astray(name, kind, old, new, message):
    with pytest.raises(ArtefactError, match=message):
        read_boosted(changed(numbers(name, kind, old), numbers(name, kind, new)), features=4)


def test_other_inputs_than_there_are():
    content = raw(boosted(rounds=2, max_depth=1))
    with pytest.raises(ArtefactError, match="takes 4 inputs, 5 are given"):
        read_boosted(content, features=5)
    content = content.replace(text(b"num_feature", b"4"), text(b"num_feature", b"1"))
    indices = numbers(b"split_indices", b"l", [0, 0, 0])
    assert indices in content
    read_boosted(content, features=1)
    forged = content.replace(indices, numbers(b"split_indices", b"l", [1, 0, 0]))
    with pytest.raises(ArtefactError, match="an input that is none of the 1"):
        read_boosted(forged, features=1)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("x" * 12, "base_score='xxxxxxxxxxxx', no number"),
        ('{"a": 1.0}', "no number"),
        ("[" * 9 + "]" * 9, "for 1 outputs"),
        ("[1.0, 2.0]", "for 1 outputs"),
        ("NaN", "for 1 outputs"),
        ("1e999", "for 1 outputs"),
    ],
)
def test_a_base_that_is_none(value, message):
    content = raw(boosted(rounds=2, base_score=0.5))
    assert text(b"base_score", b"[5E-1]") in content
    forged = content.replace(text(b"base_score", b"[5E-1]"), text(b"base_score", value.encode()))
    with pytest.raises(ArtefactError, match=message):
        read_boosted(forged, features=4)


@pytest.mark.parametrize("value", [b"-1", b"1x", b"9" * 40, "²".encode()])
def test_numbers_that_are_none(value):
    content = raw(boosted(rounds=2))
    forged = content.replace(text(b"num_feature", b"4"), text(b"num_feature", value))
    with pytest.raises(ArtefactError, match="has num_feature="):
        read_boosted(forged, features=4)


def test_trees_without_a_number_of_their_output():
    content = raw(boosted(2, rounds=1, max_depth=1))
    forged = content.replace(text(b"num_target", b"2"), text(b"num_target", b"1"))
    base = json.loads(boosted(2, rounds=1, max_depth=1).save_raw("json"))
    score = base["learner"]["learner_model_param"]["base_score"].encode()
    forged = forged.replace(text(b"base_score", score), text(b"base_score", b"1"))
    with pytest.raises(ArtefactError, match="2 trees for 1 outputs that are not numbered"):
        read_boosted(forged, features=4)


def test_every_byte_that_is_cut_off_is_missed():
    content = raw(boosted(rounds=1, max_depth=1))
    for end in range(0, len(content), 37):
        with pytest.raises(ArtefactError, match="UBJSON is damaged"):
            read_boosted(content[:end], features=4)


SMALL = raw(boosted(rounds=1, max_depth=2))


@given(st.integers(0, len(SMALL) - 1), st.integers(0, 255))
def test_a_byte_that_is_changed_is_refused_or_walked_safely(at, value):
    content = SMALL[:at] + bytes([value]) + SMALL[at + 1 :]
    try:
        found = read_boosted(content, features=4)
    except ArtefactError:
        return
    assert found.predict(np.zeros((3, 4), "f4")).shape == (3, len(found.base))
