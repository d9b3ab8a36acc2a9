"""From a data set to what a model is given: inputs, target, trends; canonical, aligned, lazy."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field, replace
from typing import Any

import dask
import xarray as xr
from dask.system import CPU_COUNT

from xsm.data.culling import own_tasks
from xsm.data.grid import without_scalars
from xsm.exceptions import MissingVariableError

__all__ = ["Features"]


@dataclass(frozen=True)
class Features:
    """Canonical arrays of one data set, all on (time, *space), lazy where the data are.

    Parameters
    ----------
    dynamic : dict of str to DataArray
        Inputs (time, *space).
    static : dict of str to DataArray
        Inputs (*space).
    target : DataArray or None
        Observations (time, *space [, depth]), m3 m-3 for soil moisture; NaN is missing.
    series : dict of str to DataArray
        What the loss terms need at the time of the prediction (time, *space).
    time : str
        Name of the time dimension.
    space : tuple of str
        Names of the other dimensions, without depth.
    soil : dict of str to DataArray
        Hydraulic parameters (*space, depth), and areas (*space), where loss terms need them.
    wrap : bool
        The last dimension of space goes around the globe.
    missing : tuple of str
        Inputs that the data lack, which stand here as 0 and are hidden from the model.
    """

    dynamic: dict[str, xr.DataArray]
    static: dict[str, xr.DataArray]
    target: xr.DataArray | None
    series: dict[str, xr.DataArray]
    time: str
    space: tuple[str, ...]
    soil: dict[str, xr.DataArray] = field(default_factory=dict)
    wrap: bool = False
    missing: tuple[str, ...] = ()

    @property
    def observed(self) -> xr.DataArray:
        """The target, where it was collected."""
        if self.target is None:
            msg = "These features hold no target; collect(..., with_target=True) takes it."
            raise MissingVariableError(msg)
        return self.target

    @property
    def here(self) -> tuple[str, ...]:
        """Dynamic inputs that the data hold."""
        return tuple(name for name in self.dynamic if name not in self.missing)

    @property
    def steps(self) -> int:
        """Number of time steps."""
        return next(iter(self.dynamic.values())).sizes[self.time]

    def load(self, *, block: bool = False) -> Features:
        """Return the same features in memory, read in one pass.

        Parameters
        ----------
        block : bool, default: False
            One of many blocks that are read one after another: this process reads it, also where
            a dask client is active, but for data that its workers hold.
        """
        loaded = own_tasks(self._as_dataset()) if block else self._as_dataset()
        loaded.load(**_block_options(loaded) if block else {})
        return Features(
            _of_kind(loaded, "dynamic"),
            _of_kind(loaded, "static"),
            None if self.target is None else loaded["target"].rename(self.target.name),
            _of_kind(loaded, "series"),
            self.time,
            self.space,
            _of_kind(loaded, "soil"),
            self.wrap,
            self.missing,
        )

    def with_maps(self) -> Features:
        """Return the same features with all that does not vary in time in memory, read once."""
        maps = replace(self, dynamic={}, target=None, series={}).load(block=True)
        return replace(self, static=maps.static, soil=maps.soil)

    @property
    def on_workers(self) -> bool:
        """Whether workers of a dask cluster hold parts of the data, as after ``persist``."""
        return _on_workers(self._as_dataset())

    def named(self) -> dict[str, xr.DataArray]:
        """Return all arrays, by kind and name."""
        parts = {f"dynamic {k}": v for k, v in self.dynamic.items()}
        parts |= {f"static {k}": v for k, v in self.static.items()}
        parts |= {f"series {k}": v for k, v in self.series.items()}
        parts |= {f"soil {k}": v for k, v in self.soil.items()}
        if self.target is not None:
            parts["target"] = self.target
        return parts

    def _as_dataset(self) -> xr.Dataset:
        """Return all arrays as variables of one data set."""
        return xr.Dataset({k: without_scalars(v) for k, v in self.named().items()})


def _block_options(lazy: xr.Dataset) -> dict[str, Any]:
    """Return how dask reads a block right after another one that shares chunks with it.

    Graphs of two blocks name tasks alike that were fused differently. A scheduler of
    ``distributed`` that has not yet forgotten the one fails on the other with a KeyError, once in
    some hundred blocks (https://github.com/dask/dask/issues/9888).

    Beside the main thread, dask takes four threads more than there are cores where nobody says how
    many, and they are kept from those that train.
    """
    scheduler = dask.base.get_scheduler()
    own = hasattr(scheduler, "__self__")  # a method of a client
    if own and _on_workers(lazy):
        return {"optimize_graph": False}
    options: dict[str, Any] = {"scheduler": "threads"} if own else {}
    threaded = own or scheduler in (None, dask.threaded.get)
    if threaded and threading.current_thread() is not threading.main_thread():
        options["num_workers"] = dask.config.get("num_workers", None) or CPU_COUNT
    return options


def _on_workers(lazy: xr.Dataset) -> bool:
    """Return whether workers of a dask cluster hold parts of the data."""
    if "distributed" not in sys.modules:
        return False
    from distributed import futures_of

    return bool(futures_of(lazy))


def _of_kind(loaded: xr.Dataset, kind: str) -> dict[str, xr.DataArray]:
    """Return the loaded arrays whose name begins with a kind, by the rest of their name."""
    own = [name for name in map(str, loaded.data_vars) if name.startswith(f"{kind} ")]
    return {name.removeprefix(f"{kind} "): loaded[name] for name in own}
