"""The verb that shows what looks wrong in a data set."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from xsm.data.doubt.report import Report, report_of
from xsm.data.naming import stated

__all__ = ["check"]


def check(
    ds: xr.Dataset, variables: Mapping[str, str] | None = None, *, product: str | None = None
) -> Report:
    """Show what looks wrong in the values of a data set, and what to type.

    Verbs look at the variables that they use in the same way: they refuse fill values that nothing
    declares and columns that cannot be in the units that they say, and warn of the rest once. This
    looks at all variables at once, and refuses nothing.

    Parameters
    ----------
    ds : xarray.Dataset
        Data of any product.
    variables : mapping of str to str, optional
        Role to variable name, where xsm finds none or the wrong one.
    product : str, optional
        The product that the data are of, where it is not recognised, see
        :func:`xsm.list_products`.

    Returns
    -------
    Report
        A table with a text and an HTML representation: of each variable with a role the least and
        the greatest value of a sample, the valid range, the share missing where a place has values
        at all, and what looks wrong. It is true where something does, and iterates over its
        ``findings``, the worst first: each has ``role``, ``variable``, ``kind``, ``severity``
        (``"stop"``, ``"warn"``, ``"note"``), ``words``, ``line`` to type, and ``share``. ``facts``
        are the convention of longitudes, what the labels of time suggest, and variables without a
        role.

    Raises
    ------
    UnknownNameError, MissingVariableError
        If ``variables`` names no role or no variable.
    TypeError
        If the data are no Dataset.

    Notes
    -----
    Arrays of up to 131,072 values in memory are looked at whole, larger ones at some thousand
    values from all over. Of dask arrays the first, the middle and the last block in time are read,
    others where these are empty, all variables at once; the sample is kept as long as the array
    lives. All values are looked at when ``fit``, ``predict``, ``score``, ``consistency`` or
    ``water_balance`` compute lazy data, in the same pass.

    The range of values is that of the role, or what the variable states in the units of the data:
    ``ds["swvl1"].attrs["valid_max"] = 0.9``, ``valid_min`` or ``valid_range``. So what is right can
    be said to be right.

    Examples
    --------
    >>> import numpy as np, xarray as xr, xsm
    >>> days = np.arange("2020-01-01", "2020-01-05", dtype="M8[D]").astype("M8[ns]")
    >>> ds = xr.Dataset(
    ...     {"SWC": ("time", [21.0, -9999.0, 23.0, 22.0], {"units": "%"})}, {"time": days}
    ... )
    >>> found = xsm.check(ds, {"soil_moisture": "SWC"})
    >>> bool(found), found.findings[0].kind, found.findings[0].severity
    (True, 'fill', 'stop')
    >>> print(found.findings[0].line)
    ds["SWC"] = ds["SWC"].where(ds["SWC"] > -9000)
    >>> exec(found.findings[0].line)
    >>> bool(xsm.check(ds, {"soil_moisture": "SWC"}))
    False
    """
    return report_of(stated(ds, product), variables)
