"""Central intervals of predictions: of their spread, of what calibration has learnt, of members."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from xsm.data.doubt import check_spread, doubted_spread
from xsm.data.lead import LEAD
from xsm.data.naming import Role, roles_of
from xsm.data.naming.dimensions import members
from xsm.data.provenance import recorded
from xsm.data.refused import check_dims, check_names, check_numbers
from xsm.data.units import conversion, dequantify, quantify
from xsm.evaluation.ensembles import member_quantiles
from xsm.evaluation.spread import ensemble_of, levels_of, shape_of, spread_of
from xsm.exceptions import UnitsError, check_dataset

__all__ = ["intervals"]


_LEVELS = (0.5, 0.9)
_LEVEL = {"long_name": "probability of the central interval", "units": "1"}


def intervals(
    predicted: xr.Dataset, levels: float | Sequence[float] = _LEVELS, *, target: str | None = None
) -> xr.Dataset:
    """Return central intervals of a prediction with a spread, lazily.

    Parameters
    ----------
    predicted : xarray.Dataset
        A prediction that holds ``<target>_std``, as of :func:`xsm.predict` with a Gaussian head or
        an ensemble; ``<target>_quantile`` is taken into account where calibration left one. Or
        members without it, whose quantiles are taken: the k-th of m is at k / (m + 1).
    levels : float or sequence of float, default: (0.5, 0.9)
        Probabilities that the truth lies inside, above 0 and below 1.
    target : str, optional
        Name of the predicted variable; by default the one that has a spread.

    Returns
    -------
    xarray.Dataset
        ``<target>_lower`` and ``<target>_upper`` (level, ...) in the units of the prediction. Lazy
        where it is, quantified where it is; NaN where it is NaN.

    Raises
    ------
    MissingVariableError
        If there is no spread, or several and no ``target``.
    NotEnoughDataError
        If a level is no probability, or above 0.99 of a distribution that was learnt from data.

    Notes
    -----
    ``mean + std q((1 - level) / 2)`` and ``mean + std q((1 + level) / 2)``, with the quantiles q of
    a standard Gaussian, or those that calibration has learnt.

    Examples
    --------
    >>> predicted = xr.Dataset({"theta": ("x", [0.3]), "theta_std": ("x", [0.1])})
    >>> found = intervals(predicted, [0.9])
    >>> found["theta_lower"].values.round(3), found["theta_upper"].values.round(3)
    (array([[0.136]]), array([[0.464]]))
    """
    check_dataset(predicted, "predicted")
    predicted, quantified = dequantify(predicted)
    every = [n for n in map(str, predicted.data_vars) if members(predicted[n])]
    alone = target or (every[0] if len(every) == 1 else "")
    ensemble = ensemble_of(predicted, alone)
    name = alone if ensemble else spread_of(predicted, target)
    mean = predicted[name]
    check_dims(mean.dims)
    check_names(mean, [f"{name}_{end}" for end in ("lower", "upper")])
    check_numbers(mean, mean.name)
    level = levels_of(levels)
    ends = {"lower": (1 - level) / 2, "upper": (1 + level) / 2}
    if ensemble:
        made = {e: member_quantiles(mean, ensemble, p) for e, p in ends.items()}
    else:
        std = predicted[f"{name}_std"]
        check_spread(mean, std)
        std = _as_role(std, mean, roles_of(predicted).get(name))
        made = {e: mean + std * _quantile(predicted, name, p) for e, p in ends.items()}
    found = {}
    for end, values in made.items():
        attrs = {k: v for k, v in mean.attrs.items() if k == "units"}
        attrs["long_name"] = f"{end} end of the central interval of {name}"
        whole = values.astype(mean.dtype if ensemble else std.dtype)
        found[f"{name}_{end}"] = whole.transpose("level", ...).assign_attrs(attrs)
    result = xr.Dataset(found).assign_coords(level=("level", level.values, _LEVEL))
    result = recorded(result, "intervals", of=predicted, title=f"Central intervals of {name}")
    return quantify(result) if quantified else result


def _quantile(predicted: xr.Dataset, name: str, probability: xr.DataArray) -> xr.DataArray:
    """Return the quantiles of a prediction in units of its spread (level [, lead])."""
    table = predicted.get(f"{name}_quantile")
    if table is None or LEAD not in table.dims:
        return probability.copy(data=shape_of(predicted, name).quantile(probability.values))
    each = [
        probability.copy(data=shape_of(part, name).quantile(probability.values))
        for part in (predicted.isel({LEAD: k}) for k in range(table.sizes[LEAD]))
    ]
    return xr.concat(each, LEAD).assign_coords({LEAD: predicted[LEAD].variable})


def _as_role(std: xr.DataArray, mean: xr.DataArray, role: Role | None) -> xr.DataArray:
    """Return a spread that can be one of its role, in the units of its prediction."""
    check_numbers(std, std.name, "1" if role is None else role.units)
    units = mean.attrs.get("units")
    if role is None or units is None:
        return doubted_spread(std, None)
    try:
        factor = abs(conversion(str(units), role.units, water=role.water, step_days=1.0).factor)
    except UnitsError:
        return doubted_spread(std, None)
    return (doubted_spread(std * factor, role) / factor).assign_attrs(std.attrs)
