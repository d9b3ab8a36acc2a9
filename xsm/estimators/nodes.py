"""Many regression trees in five arrays, and their sum over samples."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

from xsm.exceptions import ArtefactError
from xsm.typing import Array, FloatArray

__all__ = ["Trees", "one_tree"]


_DTYPES = {"feature": "i4", "threshold": "f4", "children": "i4", "value": "f8", "root": "i4"}
_LANES = 8  # samples that walk a tree side by side, so that their waits for memory overlap

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _compile(function: _Function) -> _Function:
    """Compile on the first call, without the lock of the interpreter."""
    return cast("_Function", njit(nogil=True)(function))


@dataclass(frozen=True, eq=False)
class Trees:
    """Regression trees that are added up.

    A sample walks each tree from its ``root`` (tree,): to the first of the ``children`` (node, 2)
    of a node where ``inputs[feature] <= threshold``, else to the second, until it comes to a leaf.
    A child, or a root, of 0 or more is the number of a node; below 0 it is a leaf, ``-1 - leaf``.
    Children come after their parents, so that every walk ends. ``value`` (leaf, width) is what is
    added at a leaf, in the precision of the sum.
    """

    feature: Array
    threshold: FloatArray
    children: Array
    value: FloatArray
    root: Array

    @classmethod
    def of(cls, arrays: Mapping[str, Array]) -> Trees:
        """Return the trees of stored arrays by name; :meth:`check` says whether they are trees.

        An ArtefactError if one is missing, or of another type or number of dimensions.
        """
        wrong = sorted(arrays.keys() ^ _DTYPES.keys())
        wrong += [n for n in _DTYPES if n in arrays and not _fits(n, arrays[n])]
        if wrong:
            msg = (
                f"Trees are stored in {sorted(_DTYPES)}; {wrong} are missing, too many, or of "
                f"another type or number of dimensions. {_TAKE}"
            )
            raise ArtefactError(msg)
        return cls(**arrays)

    @classmethod
    def joined(cls, parts: Sequence[Trees]) -> Trees:
        """Return all trees of several sets, in their order."""
        nodes = np.cumsum([0, *(len(p.feature) for p in parts)])
        leaves = np.cumsum([0, *(len(p.value) for p in parts)])
        moved = [
            {n: np.where(a >= 0, a + nodes[i], a - leaves[i]).astype(np.int32) for n, a in own}
            for i, p in enumerate(parts)
            for own in [(("children", p.children), ("root", p.root))]
        ]
        return cls(
            np.concatenate([p.feature for p in parts]),
            np.concatenate([p.threshold for p in parts]),
            np.concatenate([m["children"] for m in moved]),
            np.concatenate([p.value for p in parts]),
            np.concatenate([m["root"] for m in moved]),
        )

    @property
    def arrays(self) -> dict[str, Array]:
        """The five arrays by name."""
        return {name: getattr(self, name) for name in _DTYPES}

    def check(self, *, features: int) -> None:
        """Refuse what is no set of trees: every walk has to end, and to stay inside the arrays.

        An ArtefactError if an input, a node or a leaf is asked for that does not exist, a child
        comes before its parent, a node or leaf is reached twice or never, or a number is not
        finite.
        """
        nodes, leaves = len(self.feature), len(self.value)
        if not len(self.threshold) == len(self.children) == nodes or self.children.shape[1:] != (
            2,
        ):
            self._refuse("arrays of nodes differ in length")
        if not len(self.root):
            self._refuse("there is no tree")
        if nodes and not 0 <= self.feature.min() <= self.feature.max() < features:
            self._refuse(f"a node asks for an input that is none of the {features}")
        every = np.concatenate([self.root, self.children.ravel()]).astype(np.int64)
        if every.min() < -leaves or every.max() >= nodes:
            self._refuse(f"a child is none of {nodes} nodes and {leaves} leaves")
        behind = (self.children >= 0) & (self.children <= np.arange(nodes)[:, None])
        if behind.any():
            self._refuse("a child does not come after its parent, a walk might never end")
        reached = np.bincount(every + leaves, minlength=nodes + leaves)
        if (reached != 1).any():
            self._refuse("nodes or leaves are reached twice, or never")
        if not (np.isfinite(self.threshold).all() and np.isfinite(self.value).all()):
            self._refuse("numbers are not finite")

    @staticmethod
    def _refuse(what: str) -> None:
        """Say that the trees are none."""
        msg = f"The stored trees are no trees: {what}. {_TAKE}"
        raise ArtefactError(msg)

    @functools.cached_property
    def _packed(self) -> Array:
        """Nodes as rows of 16 bytes, so that a step takes one line of the cache: int32 (node, 4).

        Input, threshold (its bits), first and second child.
        """
        bits = self.threshold.view(np.int32)
        return np.column_stack([self.feature, bits, self.children])

    def total(
        self,
        inputs: FloatArray,
        *,
        output: Array | None = None,
        start: FloatArray | None = None,
    ) -> FloatArray:
        """Return the sum of all trees (sample, width), in their order and in ``value``'s precision.

        ``inputs`` (sample, feature) are finite float32, as many as :meth:`check` was told;
        ``output`` (tree,) is the first column that a tree adds to, by default 0; ``start`` (width,)
        what the trees are added to, by default 0.
        """
        start = np.zeros(self.value.shape[1]) if start is None else start
        to = np.zeros(len(self.root), np.int64) if output is None else output.astype(np.int64)
        sums = np.tile(start.astype(self.value.dtype), (len(inputs), 1))
        inputs = np.ascontiguousarray(inputs, np.float32)
        numbers = self._packed.view(np.float32)
        _walk(inputs, self._packed, numbers, self.root, to, self.value, sums)
        return sums


_TAKE = "They were changed, or are not to be trusted: take another copy."


def _fits(name: str, array: Array) -> bool:
    """Tell whether an array has the type and the number of dimensions that its name asks for."""
    return array.dtype == _DTYPES[name] and array.ndim == 1 + (name in {"children", "value"})


def one_tree(left: Any, right: Any, feature: Any, threshold: Any, value: Any) -> Trees:
    """Return a tree that is given by numbers of children, as scikit-learn and xgboost hold it.

    All arrays are (node,), ``value`` (node, width); the root is node 0, children are -1 at leaves,
    where feature and threshold are not read; a sample goes left where its input is at most the
    threshold. In breadth-first order, of the nodes that can be reached. Thresholds are rounded down
    to float32, which changes no comparison with float32 inputs. An ArtefactError if a child does
    not exist, is reached twice, or is alone.
    """
    left, right = (np.asarray(a, np.int64) for a in (left, right))
    order, number = np.empty(len(left), np.int64), np.zeros(len(left), np.int64)
    count = _number(left, right, order, number) if len(left) else -1
    if count < 0:
        msg = (
            "A stored tree is no tree: a child is missing, none of the nodes, or reached twice, so "
            f"that a walk might never end. {_TAKE}"
        )
        raise ArtefactError(msg)
    order = order[:count]
    inner = order[left[order] != -1]
    leaf = order[left[order] == -1]
    exact = np.asarray(threshold, np.float64)[inner]
    with np.errstate(over="ignore"):
        near = exact.astype(np.float32)
    below = np.nextafter(near, np.float32(-np.inf))
    return Trees(
        np.asarray(feature)[inner].astype(np.int32),
        np.where(near > exact, below, near),
        np.column_stack([number[left[inner]], number[right[inner]]]).astype(np.int32),
        np.ascontiguousarray(np.asarray(value)[leaf]),
        number[:1].astype(np.int32),
    )


@_compile
def _number(left: Any, right: Any, order: Any, number: Any) -> int:
    """Give nodes the numbers 0, 1, ... and leaves -1, -2, ...; return how many there are, or -1."""
    size = len(left)
    seen = np.zeros(size, np.bool_)
    order[0], seen[0] = 0, True
    reached, at, inner, leaves = 1, 0, 0, 0
    while at < reached:
        node = order[at]
        at += 1
        if left[node] == -1 and right[node] == -1:
            leaves += 1
            number[node] = -leaves
            continue
        number[node] = inner
        inner += 1
        for child in (left[node], right[node]):
            if child < 0 or child >= size or seen[child]:
                return -1
            seen[child] = True
            order[reached] = child
            reached += 1
    return reached


@_compile
def _walk(
    inputs: Any, packed: Any, numbers: Any, root: Any, output: Any, value: Any, sums: Any
) -> None:
    """Add the value of each sample's leaf of each tree: trees outside, so that one stays cached.

    Samples walk in groups of a fixed size, in which those that have arrived stand still. Without
    branches that depend on the data this is 1.6 (small trees) to 4 times (deep ones) as fast as one
    sample after the other (measured). The last sample fills up the last group.
    """
    count, width = len(inputs), value.shape[1]
    at = np.empty(_LANES, np.int64)
    for tree in range(len(root)):
        start, to = root[tree], output[tree]
        for first in range(0, count, _LANES):
            at[:] = start
            walking = start >= 0
            while walking:
                walking = False
                for lane in range(_LANES):
                    sample = min(first + lane, count - 1)
                    node = at[lane]
                    asked = max(node, 0)
                    right = inputs[sample, packed[asked, 0]] > numbers[asked, 1]
                    child = packed[asked, 2 + right]
                    node = child if node >= 0 else node
                    at[lane] = node
                    walking |= node >= 0
            for lane in range(min(_LANES, count - first)):
                for column in range(width):
                    sums[first + lane, to + column] += value[-1 - at[lane], column]
