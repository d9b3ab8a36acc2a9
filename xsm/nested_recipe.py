"""What a downscaling model is given and what it predicts, for any product and region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import xarray as xr

from xsm.recipe import Recipe

__all__ = ["Covariates", "NestedRecipe"]

Covariates: TypeAlias = xr.Dataset | xr.DataArray | Sequence[xr.Dataset | xr.DataArray]


@dataclass(frozen=True)
class NestedRecipe(Recipe):
    """What a downscaling model is given and what it predicts.

    Parameters
    ----------
    target : str
        Role, or name of a variable that has none.
    dynamic, static : tuple of str
        Roles, or names, of the covariates with and without time.
    window, lead : int
        Steps of input; the lead is 0.
    scaling : {"global"}
        All cells are scaled alike.
    data_integration, known_forcing : bool
        False: they belong to models of points.
    variables : mapping of str to str
        Role to variable name, as the user stated it.
    depths, centres : tuple
        Empty: the target has one layer.
    patch : int
        1: patches of fields are the network's own.
    bounded : bool
        False.
    layer : tuple of float, optional
        None.
    factor : tuple of int
        Fine cells of a coarse one along y and x.
    supervision : {"truth", "scale_transfer", "interpolation"}
        What it learned from.
    anchored : bool
        Each fine cell with a truth has its own regression on the coarse window, which the network
        corrects; elsewhere it corrects the interpolation.

    Examples
    --------
    >>> recipe = NestedRecipe("groundwater_storage", (), (), 6, 0, "global", factor=(4, 4))
    >>> recipe.supervision
    'scale_transfer'
    """

    factor: tuple[int, int] = (4, 4)
    supervision: str = "scale_transfer"
    anchored: bool = False
