"""The verb that shows which variable is what."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from xsm.data.naming import VariableTable, find_variables, stated

__all__ = ["variables"]


def variables(
    ds: xr.Dataset, overrides: Mapping[str, str] | None = None, *, product: str | None = None
) -> VariableTable:
    """Show which variable of a data set plays which role, in what units and sign.

    Parameters
    ----------
    ds : xarray.Dataset
        Data of any product.
    overrides : mapping of str to str, optional
        Role to variable name, where xsm finds none or the wrong one.
    product : str, optional
        The product that the data are of, where it is not recognised, see
        :func:`xsm.list_products`.

    Returns
    -------
    VariableTable
        A table with a text and an HTML representation. Nothing is computed.

    Raises
    ------
    UnknownNameError, MissingVariableError
        If an override names no role or no variable.

    Examples
    --------
    >>> import xsm
    >>> table = xsm.variables(xsm.open_tutorial("land"))
    >>> table["precipitation"].name
    'tp'
    """
    return find_variables(stated(ds, product), overrides)
