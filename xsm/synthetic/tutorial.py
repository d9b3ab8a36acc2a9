"""Named worlds to learn on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import xarray as xr

from xsm.exceptions import check_choice
from xsm.synthetic import land_world, profile_world

__all__ = ["open_tutorial"]


_WORLDS: dict[str, Callable[..., xr.Dataset]] = {"land": land_world, "profile": profile_world}


def open_tutorial(
    name: str = "land", *, chunks: int | str | Mapping[Any, Any] | None = None, seed: int = 0
) -> xr.Dataset:
    """Make a simulated data set to learn on, without any download.

    ``"land"`` is a land surface under ERA5-Land names, units and signs: three years of daily
    weather, snow, runoff and four soil layers on 24 x 32 cells, the sea NaN, statics of texture and
    elevation. Its water budget closes to rounding. ``"profile"`` is soil moisture at 0.1 to 0.5 m
    on 10 x 14 cells of such a land, two years, daily, simulated by the Richardson-Richards
    equation, with its texture, hydraulic parameters and the fluxes between its layers, which close
    it to rounding. Nothing in them was observed.

    Parameters
    ----------
    name : {"land", "profile"}, default: "land"
        The world.
    chunks : int, str or mapping, optional
        Chunks of dask arrays, as for ``Dataset.chunk``; ``{}`` makes one chunk a variable. By
        default the arrays are numpy's. The world is simulated either way, in seconds.
    seed : int, default: 0
        Seed of ground and weather: one seed, one world.

    Returns
    -------
    xarray.Dataset
        See :func:`xsm.synthetic.land_world` and :func:`xsm.synthetic.profile_world`. Dask-backed
        where ``chunks`` is given, else in memory.

    Raises
    ------
    UnknownNameError
        If there is no world of that name.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land")
    >>> dict(ds.sizes)
    {'time': 1096, 'latitude': 24, 'longitude': 32}
    """
    check_choice("name", name, _WORLDS)
    ds = _WORLDS[name](seed=seed)
    return ds if chunks is None else ds.chunk(chunks)
