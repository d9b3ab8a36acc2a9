"""Random forest: the mean of many trees, each grown on a bootstrap of the windows.

Breiman, L. (2001). Random forests. Machine Learning 45:5-32. A baseline of Zhang et al. (2025),
J. Hydrol., 10.1016/j.jhydrol.2025.133086, who do not print their hyper-parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from xsm.estimators import Estimator, Training, feature_count
from xsm.estimators.nodes import Trees, one_tree
from xsm.exceptions import ArtefactError, TrainingError
from xsm.typing import Array, FloatArray

if TYPE_CHECKING:
    from xsm.nn import Sizes

__all__ = ["RandomForest"]


_CHUNK = 5  # trees at least that are grown between two looks at the RMSE
_SLICE = 16384  # windows evaluated at a time in training
_NODE, _GROWN = 24, 144  # bytes of a leaf and its parent: as kept here, as scikit-learn grows them


class RandomForest(Estimator):
    """Predict each cell's soil moisture as the mean of trees that are grown apart.

    Parameters
    ----------
    sizes : Sizes
        Sizes of inputs and outputs, derived from the data.
    n_estimators : int, default: 100
        Trees.
    max_features : float, int, str or None, default: 1/3
        Features that a split may choose from: a share, a number, ``"sqrt"``, ``"log2"``, or all.
    min_samples_leaf : int, default: 5
        Windows that a leaf holds at least.
    max_depth : int, optional
        Splits from the root to a leaf at most; by default no bound.
    max_samples : float, int or None, optional
        Windows drawn for each tree: a share, a number, or by default as many as there are. Less
        makes training on many windows faster, and the forest smaller.

    Notes
    -----
    A split makes the squared error smallest; the prediction is the mean over trees of the mean
    target in a leaf. A third of the features and leaves of 5 are the defaults for regression of
    Breiman's own program and of R's randomForest (Liaw and Wiener 2002, R News 2(3):18), 100 trees
    that of scikit-learn, which grows them. Its nodes are kept as arrays, 24 bytes a leaf, and
    evaluated by a compiled kernel: bit for bit what scikit-learn predicts in one thread.

    The history counts trees: RMSE, in the scaled target, of the mean of those grown so far. That
    of the training windows is of windows that a tree has seen, and so too good.

    Examples
    --------
    >>> from xsm.nn import Sizes
    >>> forest = RandomForest(Sizes(dynamic=3, static=2, window=7), n_estimators=10)
    >>> forest.hyperparameters()["min_samples_leaf"]
    5
    """

    stage = "trees"
    requires: ClassVar = {"sklearn": "xsm[trees]"}

    def __init__(
        self,
        sizes: Sizes,
        *,
        n_estimators: int = 100,
        max_features: float | int | str | None = 1 / 3,
        min_samples_leaf: int = 5,
        max_depth: int | None = None,
        max_samples: float | int | None = None,
    ) -> None:
        super().__init__(sizes)
        if n_estimators < 1 or min_samples_leaf < 1:
            msg = (
                f"n_estimators={n_estimators}, min_samples_leaf={min_samples_leaf} were given; a "
                "forest needs a tree, and a leaf a window: at least 1 of each."
            )
            raise TrainingError(msg)
        self.n_estimators, self.min_samples_leaf = n_estimators, min_samples_leaf
        self.settings: dict[str, Any] = {
            "max_features": max_features,
            "min_samples_leaf": min_samples_leaf,
            "max_depth": max_depth,
            "max_samples": max_samples,
        }

    @property
    def stages(self) -> int:
        """The number of trees."""
        return self.n_estimators

    def sample_bytes(self) -> int:
        """Return the bytes that training takes for each window, with the forest that grows.

        Returns
        -------
        int
            The windows; and leaves of ``min_samples_leaf`` of the 63 % of them that a tree sees.
        """
        leaves = 0.632 / self.min_samples_leaf
        share = self.settings["max_samples"]
        leaves *= share if isinstance(share, float) else 1.0
        nodes = leaves * (2 * self.n_estimators * (_NODE + 8 * self.sizes.target) + 8 * _GROWN)
        return super().sample_bytes() + int(nodes)

    def fit_arrays(
        self, inputs: FloatArray, target: FloatArray, training: Training
    ) -> Mapping[str, Array]:
        """Grow the trees, some at a time; all random numbers come from one source."""
        from sklearn.ensemble import RandomForestRegressor

        random = np.random.RandomState(training.seed % 2**32)
        later = training.validation or (inputs[:0], target[:0])
        sums = [np.zeros(t.shape) for t in (target, later[1])]
        parts: list[Trees] = []
        grown, chunk = 0, max(_CHUNK, training.threads, self.n_estimators // 20)
        while grown < self.n_estimators:
            count = min(chunk, self.n_estimators - grown)
            forest = RandomForestRegressor(
                count, n_jobs=training.threads, random_state=random, **self.settings
            )
            forest.fit(inputs, target[:, 0] if target.shape[1] == 1 else target)
            part = Trees.joined([_of_sklearn(tree.tree_) for tree in forest.estimators_])
            parts.append(part)
            grown += count
            for total, windows in zip(sums, (inputs, later[0]), strict=True):
                _add(part, windows, total)
            errors = [_rmse(s / grown, t) for s, t in zip(sums, (target, later[1]), strict=True)]
            training.log(grown, *errors)
        return Trees.joined(parts).arrays

    def predict_arrays(self, inputs: FloatArray) -> FloatArray:
        """Return the mean over the trees."""
        return self._trees.total(inputs) / len(self._trees.root)

    def check_arrays(self) -> None:
        """Refuse trees that are none, or not of these inputs and outputs."""
        if self._trees.value.shape[1] != self.sizes.target:
            msg = (
                f"The stored forest predicts {self._trees.value.shape[1]} values, the model "
                f"{self.sizes.target}. It was changed: take another copy."
            )
            raise ArtefactError(msg)
        self._trees.check(features=feature_count(self.sizes))

    @cached_property
    def _trees(self) -> Trees:
        """The trees."""
        return Trees.of(self.arrays)


def _of_sklearn(tree: Any) -> Trees:
    """Return a tree of scikit-learn."""
    value = tree.value[:, :, 0]  # (node, target)
    return one_tree(tree.children_left, tree.children_right, tree.feature, tree.threshold, value)


def _add(trees: Trees, inputs: FloatArray, sums: FloatArray) -> None:
    """Add the trees' predictions to sums."""
    for first in range(0, len(inputs), _SLICE):
        sums[first : first + _SLICE] += trees.total(inputs[first : first + _SLICE])


def _rmse(predicted: FloatArray, observed: FloatArray) -> float:
    """Return the root mean square error; NaN of nothing."""
    error = predicted - observed
    return float(np.sqrt(np.mean(error * error))) if error.size else float("nan")


MODEL = RandomForest
