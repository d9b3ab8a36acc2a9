"""The accessor ``.physm`` of arrays; that of data sets stands in :mod:`xsm.api.accessor`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import xarray as xr

from xsm.api.memory import kept, recall, remember
from xsm.api.verbs import Verb
from xsm.data.joins import snap
from xsm.exceptions import GridError, UnknownNameError

if TYPE_CHECKING:
    from xsm.api.fitted import FittedModel
    from xsm.plotting import DataPlots

__all__ = ["PhysmArray"]


def _joined(array: xr.DataArray, forcing: xr.Dataset | None) -> xr.Dataset:
    """Put the target beside the other variables, aligned exactly."""
    if array.name is None:
        msg = "The array has no name; give it one: array.rename('swvl1').physm."
        raise UnknownNameError(msg)
    own = array.to_dataset()
    if forcing is None:
        return own
    try:
        return xr.merge([own, snap(forcing, array)], join="exact", compat="override")
    except ValueError as error:
        how = "Select one to the other first, for example forcing.sel(time=array.time)"
        if _other_grid(array, forcing):
            how = "Bring both to one grid: forcing = xsm.regrid(forcing, array)"
        msg = f"The array and forcing= lie on different coordinates: {error}. {how}."
        raise GridError(msg) from error


def _other_grid(array: xr.DataArray, forcing: xr.Dataset) -> bool:
    """Tell whether both lie on grids, and these differ."""
    from xsm.data.nesting.pairs import extent

    grids = extent(array), extent(forcing)
    return all(grids) and grids[0] != grids[1]


_of_array = partial(Verb, joined=_joined)


@xr.register_dataarray_accessor("physm")
class PhysmArray:
    """Physics-guided prediction of one named array; other variables come with ``forcing=``.

    Parameters
    ----------
    array : xarray.DataArray
        The target.
    """

    def __init__(self, array: xr.DataArray) -> None:
        self._data = array

    def __repr__(self) -> str:
        """Return what the array is, and what each verb would need; nothing is computed."""
        from xsm.api.overview import overview

        return repr(overview(self._data, dir(self)))

    def _repr_html_(self) -> str:
        """Return the same as HTML, in the colours of the page."""
        from xsm.api.overview import overview

        return overview(self._data, dir(self))._repr_html_()

    @property
    def fitted(self) -> FittedModel | None:
        """The model last fitted through this very object; a selection of it starts empty."""
        return recall(self._data)

    @property
    def plot(self) -> DataPlots:
        """Figures of the array: ``array.physm.plot.map()``, see :mod:`xsm.plotting`."""
        from xsm.plotting import DataPlots

        return DataPlots(_joined(self._data, None))

    # what the data are
    variables = _of_array("api.variables")
    check = _of_array("api.check")
    regrid = Verb("data.regrid")

    # models
    fit = _of_array("api.fit", after=remember)
    plan = _of_array("api.plan")
    predict = _of_array("api.predict")
    forecast = _of_array("api.forecast")
    downscale = _of_array("api.downscale", call="downscale_keeping", after=kept, alone=True)
    blend = _of_array("api.blend")

    # judgement
    score = _of_array("api.score")
    reliability = _of_array("evaluation.spread")
    adapt_spread = _of_array("evaluation.adaptive")
    consistency = _of_array("api.consistency")
    audit = _of_array("api.audit")

    # laws
    water_balance = _of_array("hydrology.balance")
