"""Trees by hand, against scikit-learn's walk, and what is no tree."""

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.tree import DecisionTreeRegressor

from xsm.estimators.nodes import Trees, one_tree
from xsm.exceptions import ArtefactError


def stump() -> Trees:
    """Return 1 where input 1 is at most 0.5, else 3."""
    return one_tree([1, -1, -1], [2, -1, -1], [1, 0, 0], [0.5, 0, 0], [[0.0], [1.0], [3.0]])


def grown(seed: int, depth: int | None, outputs: int = 1) -> tuple[DecisionTreeRegressor, Trees]:
    """Return a tree of scikit-learn, and the same one."""
    rng = np.random.default_rng(seed)
    inputs = rng.random((300, 4)).astype(np.float32)
    target = np.sin(7 * inputs[:, :outputs]) + rng.random((300, outputs))
    tree = DecisionTreeRegressor(max_depth=depth, random_state=0).fit(inputs, target)
    own = tree.tree_
    given = (own.children_left, own.children_right, own.feature, own.threshold, own.value[:, :, 0])
    return tree, one_tree(*given)


def test_a_stump_by_hand():
    inputs = np.array([[9, 0.4], [9, 0.5], [9, np.nextafter(np.float32(0.5), 1)], [0, 7]], "f4")
    np.testing.assert_array_equal(stump().total(inputs), [[1], [1], [3], [3]])
    both = Trees.joined([stump(), one_tree([-1], [-1], [0], [0], [[0.25]])])
    both.check(features=2)
    np.testing.assert_array_equal(both.total(inputs), [[1.25], [1.25], [3.25], [3.25]])


def test_two_levels_by_hand():
    tree = one_tree(
        [1, -1, 3, -1, -1], [2, -1, 4, -1, -1], [0, 0, 1, 0, 0], [0.0] * 5, np.arange(5.0)[:, None]
    )
    inputs = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], "f4")
    np.testing.assert_array_equal(tree.total(inputs).ravel(), [1, 1, 3, 4])


@pytest.mark.parametrize("depth", [1, 3, None])
@pytest.mark.parametrize("outputs", [1, 3])
def test_a_tree_of_scikit_learn_predicts_the_same_bits(depth, outputs):
    tree, own = grown(0, depth, outputs)
    own.check(features=4)
    inputs = np.random.default_rng(1).random((1001, 4)).astype(np.float32)
    expected = tree.predict(inputs).reshape(len(inputs), outputs)
    np.testing.assert_array_equal(own.total(inputs), expected)


@given(arrays(np.float32, (20, 1), elements=st.floats(-1e6, 1e6, width=32)), st.floats(-1e6, 1e6))
def test_thresholds_of_doubles_divide_floats_the_same_way(inputs, threshold):
    tree = one_tree([1, -1, -1], [2, -1, -1], [0, 0, 0], [threshold, 0, 0], [[0.0], [0.0], [1.0]])
    expected = inputs.astype(np.float64) > threshold
    np.testing.assert_array_equal(tree.total(inputs), expected)


def test_outputs_and_a_start():
    three = Trees.joined([stump(), stump(), stump()])
    inputs = np.zeros((1, 2), "f4")
    found = three.total(inputs, output=np.array([0, 1, 1]), start=np.array([10.0, 20.0]))
    np.testing.assert_array_equal(found, [[11, 22]])


def test_no_samples_and_many_samples():
    assert stump().total(np.zeros((0, 2), "f4")).shape == (0, 1)
    for count in (1, 7, 8, 9, 63):
        inputs = np.random.default_rng(count).random((count, 2)).astype("f4")
        np.testing.assert_array_equal(
            stump().total(inputs)[:, 0], np.where(inputs[:, 1] > 0.5, 3, 1)
        )


def test_order_of_memory_does_not_matter():
    inputs = np.random.default_rng(0).random((20, 2))
    np.testing.assert_array_equal(
        stump().total(np.asfortranarray(inputs)), stump().total(inputs.astype("f4"))
    )


def changed(name: str, at: object, value: object) -> Trees:
    """Return two trees with a change."""
    trees = Trees.joined([grown(0, 2)[1], grown(1, 2)[1]])
    array = getattr(trees, name).copy()
    array[at] = value
    return dataclasses.replace(trees, **{name: array})


@pytest.mark.parametrize(
    ("name", "at", "value", "text"),
    [
        ("feature", 0, 4, "an input that is none of the 4"),
        ("feature", 5, -1, "an input that is none of the 4"),
        ("children", (0, 0), 6, "a child is none of 6 nodes and 8 leaves"),
        ("children", (0, 0), -9, "a child is none of 6 nodes and 8 leaves"),
        ("children", (0, 0), -(2**31), "a child is none of"),
        ("root", 0, 99, "a child is none of"),
        ("children", (2, 1), 0, "does not come after its parent, a walk might never end"),
        ("children", (0, 0), 0, "does not come after its parent"),
        ("children", (0, 1), 1, "reached twice, or never"),
        ("root", 1, 0, "reached twice, or never"),
        ("threshold", 0, np.nan, "not finite"),
        ("value", (0, 0), np.inf, "not finite"),
    ],
)
def test_what_is_no_tree_is_refused(name, at, value, text):
    with pytest.raises(ArtefactError, match=f"no trees: .*{text}.*take another copy"):
        changed(name, at, value).check(features=4)


def test_arrays_that_do_not_fit_each_other():
    trees = stump()
    with pytest.raises(ArtefactError, match="arrays of nodes differ in length"):
        dataclasses.replace(trees, threshold=np.zeros(2, "f4")).check(features=2)
    with pytest.raises(ArtefactError, match="there is no tree"):
        dataclasses.replace(trees, root=trees.root[:0]).check(features=2)
    stored = trees.arrays
    assert Trees.of(stored).root is trees.root
    for wrong in (
        {k: v for k, v in stored.items() if k != "root"},
        stored | {"more": trees.root},
        stored | {"feature": trees.feature.astype("i8")},
        stored | {"value": trees.value[:, 0]},
    ):
        with pytest.raises(ArtefactError, match=re.escape("Trees are stored in ['children', ")):
            Trees.of(wrong)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([0, -1], [1, -1]),  # its own child
        ([1, 0, -1], [2, 2, -1]),  # a circle
        ([1, -1, -1], [1, -1, -1]),  # a child twice
        ([1, -1], [2, -1]),  # a child that is not there
        ([1, -1], [-1, -1]),  # a child alone
        ([-7], [-1]),
        ([], []),
    ],
)
def test_links_that_are_no_tree(left, right):
    size = len(left)
    with pytest.raises(ArtefactError, match="A stored tree is no tree: a child is missing"):
        one_tree(left, right, [0] * size, [0.0] * size, np.zeros((size, 1)))


def test_nodes_that_cannot_be_reached_are_left_out():
    tree = one_tree(
        [2, 5, -1, -1, -1, -1], [3, 1, -1, -1, -1, -1], [0] * 6, [0.0] * 6, np.arange(6.0)[:, None]
    )
    assert (len(tree.feature), tree.value.ravel().tolist()) == (1, [2.0, 3.0])
