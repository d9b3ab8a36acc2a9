"""XGBoost: trees grown one after the other, each on what those before have left unexplained.

Chen, T. and Guestrin, C. (2016). XGBoost: a scalable tree boosting system. KDD '16:785-794. A
baseline of Zhang et al. (2025), J. Hydrol., 10.1016/j.jhydrol.2025.133086, who do not print their
hyper-parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from xsm.estimators import Estimator, Log, Training, feature_count
from xsm.estimators.boosted import Boosted, read_boosted
from xsm.exceptions import ArtefactError, TrainingError
from xsm.typing import Array, FloatArray

if TYPE_CHECKING:
    from xsm.nn import Sizes

__all__ = ["XGBoost"]


_COMPARED = 1000  # windows on which the model as read has to predict what xgboost does


class XGBoost(Estimator):
    """Predict each cell's soil moisture as a sum of small trees, grown to correct each other.

    Parameters
    ----------
    sizes : Sizes
        Sizes of inputs and outputs, derived from the data.
    n_estimators : int, default: 1000
        Rounds at most; a round grows a tree for each output.
    learning_rate : float, default: 0.1
        Share of each tree that is added.
    max_depth : int, default: 6
        Splits from the root to a leaf at most.
    min_child_weight : float, default: 1.0
        Windows that a leaf holds at least.
    gamma : float, default: 0.0
        Gain that a split needs at least.
    subsample : float, default: 1.0
        Share of the windows that a round sees.
    colsample_bytree : float, default: 1.0
        Share of the features that a tree sees.
    reg_lambda, reg_alpha : float, default: 1.0, 0.0
        Penalties on the squares, and on the sizes, of the leaves' values.
    patience : int, default: 50
        Rounds without improvement of the validation RMSE after which training stops. The rounds
        after the best one are cut. With ``valid=0`` all rounds are made and kept.

    Notes
    -----
    Each round adds, in the scaled target, ``learning_rate`` times the tree that makes squared
    error and penalties smallest to second order (Chen and Guestrin 2016, Eq. 2-7), on histograms
    of 256 bins. Depth, weights and penalties are xgboost's own defaults; instead of 100 rounds at
    0.3, rounds of 0.1 go on as long as validation improves.

    The model is kept in xgboost's own format (UBJSON) and evaluated by a compiled kernel: bit for
    bit what xgboost predicts. The history counts rounds.

    Examples
    --------
    >>> from xsm.nn import Sizes
    >>> boosted = XGBoost(Sizes(dynamic=3, static=2, window=7), max_depth=4)
    >>> boosted.hyperparameters()["learning_rate"]
    0.1
    """

    stage = "rounds"
    requires: ClassVar = {"xgboost": "xsm[trees]"}

    def __init__(  # noqa: PLR0913
        self,
        sizes: Sizes,
        *,
        n_estimators: int = 1000,
        learning_rate: float = 0.1,
        max_depth: int = 6,
        min_child_weight: float = 1.0,
        gamma: float = 0.0,
        subsample: float = 1.0,
        colsample_bytree: float = 1.0,
        reg_lambda: float = 1.0,
        reg_alpha: float = 0.0,
        patience: int = 50,
    ) -> None:
        super().__init__(sizes)
        if n_estimators < 1 or patience < 1:
            msg = (
                f"n_estimators={n_estimators}, patience={patience} were given; at least 1 of each "
                "is needed."
            )
            raise TrainingError(msg)
        self.n_estimators, self.patience = n_estimators, patience
        self.settings: dict[str, Any] = {
            "learning_rate": learning_rate,
            "max_depth": max_depth,
            "min_child_weight": min_child_weight,
            "gamma": gamma,
            "subsample": subsample,
            "colsample_bytree": colsample_bytree,
            "reg_lambda": reg_lambda,
            "reg_alpha": reg_alpha,
        }

    @property
    def stages(self) -> int:
        """Rounds at most."""
        return self.n_estimators

    @property
    def kept(self) -> int:
        """Rounds up to the best one."""
        return len(self._boosted.output) // self.sizes.target

    def fit_arrays(
        self, inputs: FloatArray, target: FloatArray, training: Training
    ) -> Mapping[str, Array]:
        """Grow trees until validation gets no better."""
        import xgboost

        fixed = {
            "objective": "reg:squarederror",
            "tree_method": "hist",
            "device": "cpu",
            "nthread": training.threads,
            "seed": training.seed % 2**31,
        }
        train = xgboost.QuantileDMatrix(inputs, label=target, nthread=training.threads)
        evaluated = [(train, "training")]
        callbacks = [_following(training.log)]
        if training.validation is not None:
            later = xgboost.QuantileDMatrix(
                training.validation[0],
                label=training.validation[1],
                ref=train,
                nthread=training.threads,
            )
            evaluated.append((later, "validation"))
            callbacks.append(
                xgboost.callback.EarlyStopping(
                    rounds=self.patience, data_name="validation", metric_name="rmse", save_best=True
                )
            )
        booster = xgboost.train(
            {**self.settings, **fixed},
            train,
            self.n_estimators,
            evals=evaluated,
            callbacks=callbacks,
            verbose_eval=False,
        )
        content = bytes(booster.save_raw("ubj"))
        self._check_same(content, booster.inplace_predict(inputs[:_COMPARED]), inputs[:_COMPARED])
        return {"ubjson": np.frombuffer(content, np.uint8)}

    def _check_same(self, content: bytes, wanted: FloatArray, inputs: FloatArray) -> None:
        """Refuse a version of xgboost whose models mean something else."""
        found = read_boosted(content, features=feature_count(self.sizes)).predict(inputs)
        wanted = wanted.reshape(found.shape)
        if not np.allclose(found, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max(initial=1.0)):
            import xgboost

            msg = (
                f"Models of xgboost {xgboost.__version__} are not understood: predictions differ "
                f"by up to {np.abs(found - wanted).max():.3g}. Install another version of xgboost; "
                "constraints.txt of xsm names one that works."
            )
            raise TrainingError(msg)

    def predict_arrays(self, inputs: FloatArray) -> FloatArray:
        """Return the sum of the trees."""
        return self._boosted.predict(inputs)

    def check_arrays(self) -> None:
        """Refuse what is no model of xgboost, or not one of these inputs and outputs."""
        if len(self._boosted.base) != self.sizes.target:
            msg = (
                f"The stored model of xgboost predicts {len(self._boosted.base)} values, "
                f"{self.sizes.target} are needed. It was changed: take another copy."
            )
            raise ArtefactError(msg)

    @cached_property
    def _boosted(self) -> Boosted:
        """The trees as read."""
        if self.arrays.keys() != {"ubjson"} or self.arrays["ubjson"].dtype != np.uint8:
            msg = (
                f"A model of xgboost is stored as the bytes 'ubjson'; {sorted(self.arrays)} were "
                "found. It was changed: take another copy."
            )
            raise ArtefactError(msg)
        content = self.arrays["ubjson"].tobytes()
        return read_boosted(content, features=feature_count(self.sizes))


def _following(log: Log) -> Any:
    """Return what tells the errors of each round."""
    import xgboost

    class Following(xgboost.callback.TrainingCallback):
        """Log what xgboost has evaluated."""

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            """Log the latest errors, and go on."""
            latest = {name: own["rmse"][-1] for name, own in evals_log.items()}
            log(epoch + 1, latest["training"], latest.get("validation", float("nan")))
            return False

    return Following()


MODEL = XGBoost
