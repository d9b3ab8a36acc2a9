"""Models that are no networks: flat windows in, arrays learnt, predictions out."""

from xsm.estimators.base import Estimator, Log, Training, feature_count, flatten

__all__ = ["Estimator", "Log", "Training", "feature_count", "flatten"]
