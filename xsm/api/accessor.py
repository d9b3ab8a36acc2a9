"""The accessor ``.physm`` of data sets: a line a verb; what it does stands in its module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xarray as xr

from xsm.api.memory import kept, recall, remember
from xsm.api.verbs import Verb

if TYPE_CHECKING:
    from xsm.api.fitted import FittedModel
    from xsm.plotting import DataPlots

__all__ = ["PhysmDataset"]


@xr.register_dataset_accessor("physm")
class PhysmDataset:
    """Physics-guided prediction on a Dataset: ``ds.physm.fit(...)`` is ``xsm.fit(ds, ...)``.

    Parameters
    ----------
    ds : xarray.Dataset
        The data set.
    """

    def __init__(self, ds: xr.Dataset) -> None:
        self._data = ds

    def __repr__(self) -> str:
        """Return what was found in the data, and what each verb would need; nothing is computed."""
        from xsm.api.overview import overview

        return repr(overview(self._data))

    def _repr_html_(self) -> str:
        """Return the same as HTML, in the colours of the page."""
        from xsm.api.overview import overview

        return overview(self._data)._repr_html_()

    @property
    def fitted(self) -> FittedModel | None:
        """The model last fitted through this very object; a selection of it starts empty."""
        return recall(self._data)

    @property
    def plot(self) -> DataPlots:
        """Figures of the data: ``ds.physm.plot.map("swvl1")``, see :mod:`xsm.plotting`."""
        from xsm.plotting import DataPlots

        return DataPlots(self._data)

    # what the data are
    variables = Verb("api.variables")
    check = Verb("api.check")
    daily = Verb("data.daily")
    monthly = Verb("data.monthly")
    flatten_steps = Verb("data.lead_times")
    regrid = Verb("data.regrid")

    # models
    fit = Verb("api.fit", after=remember)
    plan = Verb("api.plan")
    predict = Verb("api.predict")
    forecast = Verb("api.forecast")
    downscale = Verb("api.downscale", call="downscale_keeping", after=kept)
    blend = Verb("api.blend")
    cross_validate = Verb("api.cross_validate")

    # judgement
    score = Verb("api.score")
    reliability = Verb("evaluation.spread")
    intervals = Verb("evaluation.intervals")
    adapt_spread = Verb("evaluation.adaptive")
    consistency = Verb("api.consistency")
    audit = Verb("api.audit")

    # laws
    water_balance = Verb("hydrology.balance")
    richards_residual = Verb("hydrology.soil.richards")
    soil_parameters = Verb("hydrology.soil.parameters")
    texture_class = Verb("hydrology.soil.texture")
    to_depths = Verb("hydrology.soil.depths")
    simulate_columns = Verb("hydrology.soil.columns")
    groundwater_anomaly = Verb("hydrology.groundwater")
