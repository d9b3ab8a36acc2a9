"""What baselines are made of: the climatology of some observations, and how long anomalies last."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import xarray as xr

from xsm.data.grid import time_dim
from xsm.evaluation.autocorrelation import FEWEST, learn_persistence
from xsm.evaluation.climatology import earlier_climatology, on_places

__all__ = ["Known", "known_before"]


@dataclass(frozen=True)
class Known:
    """The mean of each season and what :func:`learn_persistence` returns of the same data."""

    climatology: xr.DataArray | None
    persistence: xr.Dataset | None

    def on(self, cells: xr.DataArray) -> tuple[Known, str]:
        """Return the same on other places, NaN where nothing is known of one, and how they differ.

        Nothing is said of a model whose places are these.
        """
        climatology, said, persistence = self.climatology, "", self.persistence
        if climatology is not None:
            climatology, said = on_places(climatology, cells)
        if persistence is not None:
            seasonal = persistence["seasonal"]
            if seasonal.dims:
                seasonal = on_places(seasonal.astype(float), cells, "")[0] > 0
            mean = on_places(persistence["mean"], cells, "")[0]
            rho = on_places(persistence["rho"], cells, "lag")[0]
            persistence = xr.Dataset({"mean": mean, "seasonal": seasonal, "rho": rho})
        return Known(climatology, persistence), said

    def tell_missing(self) -> None:
        """Warn of what nothing is known of, with what to type."""
        said = []
        if self.climatology is None:
            said.append(
                "No climatology was scored: the data do not hold each day of a year (of monthly "
                "data, each month) before the first predicted step, or the model keeps none since "
                "it would have taken more than a quarter of memory_limit."
            )
        if self.persistence is None:
            said.append(
                f"Damped persistence is NaN: {FEWEST + 1} steps at least are needed before the "
                "first predicted one, or a model that has learnt from as many."
            )
        if said:
            how = "Pass a model that keeps what is missing, baselines=fitted."
            warnings.warn(" ".join([*said, how]), UserWarning, stacklevel=5)


def known_before(observed: xr.DataArray, predicted: xr.DataArray) -> Known:
    """Return what the observations before the first predicted step tell, lazily.

    Those at ascending times; see :func:`earlier_climatology`. Ten steps or fewer tell nothing of
    how long anomalies last.
    """
    time = time_dim(observed)
    before = int((observed[time].values < predicted[time].values.min()).sum())
    mean = earlier_climatology(observed, predicted)
    earlier = observed.isel({time: slice(0, before)})
    return Known(mean, learn_persistence(earlier, mean) if before > FEWEST else None)
