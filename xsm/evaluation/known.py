"""What baselines are made of: the climatology of some observations, and how long anomalies last."""

from __future__ import annotations

from dataclasses import dataclass

import xarray as xr

from xsm.data.grid import time_dim
from xsm.evaluation.autocorrelation import FEWEST, learn_persistence
from xsm.evaluation.climatology import earlier_climatology, on_places
from xsm.exceptions import warn_outside

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
            along = {"mean": "", "std": "", "rho": "lag"}
            found = {n: on_places(persistence[n], cells, dim)[0] for n, dim in along.items()}
            persistence = xr.Dataset({"seasonal": seasonal, **found})
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
            warn_outside(" ".join([*said, how]))


def known_before(observed: xr.DataArray, before: int) -> Known:
    """Return what the first observations tell, so many steps at ascending times, lazily.

    See :func:`earlier_climatology`. Ten steps or fewer tell nothing of how long anomalies last.
    """
    earlier = observed.isel({time_dim(observed): slice(0, before)})
    mean = earlier_climatology(earlier)
    return Known(mean, learn_persistence(earlier, mean) if before > FEWEST else None)
