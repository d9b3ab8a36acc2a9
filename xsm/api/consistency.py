"""The verb that audits by a law."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence

import xarray as xr

from xsm.data.grid import time_dim
from xsm.data.naming import find_variables
from xsm.data.targets import default_target, observed_target, predicted_target
from xsm.data.units import dequantify
from xsm.exceptions import UnknownNameError, check_choice
from xsm.hydrology.balance.consistency import water_balance_consistency
from xsm.hydrology.soil import richards_consistency
from xsm.typing import TERMS, Compat, Trend

__all__ = ["consistency"]


_LAWS = {
    "water_balance": ("deep", "trend", "compat"),
    "richards": ("parameters", "roots", "quiet"),
}
"""Laws, and the arguments that belong to each alone."""


def _check_arguments(law: str, given: Sequence[str]) -> None:
    """Refuse arguments of the other law, which would change nothing."""
    odd = [name for name in given if name not in _LAWS[law]]
    if odd:
        other = next(name for name, known in _LAWS.items() if odd[0] in known)
        msg = (
            f"{', '.join(odd)} given with law={law!r}, which takes {', '.join(_LAWS[law])}. Leave "
            f"them out, or type law={other!r}."
        )
        raise UnknownNameError(msg)


def _of_target(
    ds: xr.Dataset, target: str | None, variables: Mapping[str, str] | None
) -> Mapping[str, str] | None:
    """Return the overrides with a target that names the variable of soil moisture."""
    layers = find_variables(ds, variables).layers("soil_moisture")
    if target in {None, "soil_moisture", *(v.name for v in layers)}:
        return variables
    return {"soil_moisture": str(target), **(variables or {})}


def _bare(predicted: xr.Dataset | xr.DataArray) -> xr.Dataset | xr.DataArray:
    """Strip pint units from a prediction, and refuse what is none."""
    if isinstance(predicted, xr.Dataset):
        return dequantify(predicted)[0]
    given: object = predicted
    if not isinstance(given, xr.DataArray):
        msg = (
            f"predicted is of the type {type(predicted).__name__}; a Dataset or DataArray with "
            "coordinates and units is needed. Type ds['swvl1'].copy(data=values), with the name of "
            "your target."
        )
        raise TypeError(msg)
    name = predicted.name if predicted.name is not None else "predicted"
    return dequantify(predicted.to_dataset(name=name))[0][name]


def consistency(
    ds: xr.Dataset,
    predicted: xr.Dataset | xr.DataArray | None = None,
    *,
    law: str = "water_balance",
    dim: Hashable | Iterable[Hashable] | None = None,
    deep: bool = False,
    terms: Sequence[str] | None = None,
    trend: Trend | None = None,
    compat: Compat | None = None,
    parameters: xr.Dataset | None = None,
    roots: float | Sequence[float] | None = None,
    quiet: float | None = None,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Audit soil moisture against physics: the water balance, or flow between layers of soil.

    Parameters
    ----------
    ds : xarray.Dataset
        Observed soil moisture; fluxes; for ``"richards"`` all layers, and parameters.
    predicted : Dataset or DataArray, optional
        What to audit, predicted by xsm or by anything else, with units; by default the
        observations themselves.
    law : {"water_balance", "richards"}, default: "water_balance"
        Whether soil moisture moves with the trend of the inflow, see :func:`xsm.water_balance`, or
        how far it is from the Richardson-Richards equation, see :func:`xsm.richards_residual`.
    dim : str or iterable of str, optional
        Dimensions that a score is taken over; by default time, which leaves a map.
    deep : bool, default: False
        Subtract the change of the water below the target's layer (Eq. 11); water balance only.
    terms : sequence of str, optional
        Terms of the inflow, by default precipitation, evaporation, surface_runoff, snow; or what
        closes the Richardson-Richards equation, by default root_water_uptake where it is there.
    trend : {"change", "level"}, optional
        One trend; by default both, along a dimension ``trend``; water balance only.
    compat : {"geng2024_code"}, optional
        Reproduce the authors' released code, see :func:`xsm.water_balance`.
    parameters : Dataset, optional
        Hydraulic parameters as of :func:`xsm.soil_parameters`, by default those that the data hold;
        this and the next two for ``law="richards"`` only.
    roots : float or sequence of float, optional
        Spread of the term "evaporation" over the layers.
    quiet : float, optional
        Judge only steps in which at most that much water reached the soil, mm day-1: daily data do
        not resolve infiltration.
    target : str, optional
        Role or variable of the observations; by default what the prediction says.
    variables : mapping of str to str, optional
        Role to variable name, where xsm finds none or the wrong one.

    Returns
    -------
    xarray.Dataset
        Of the water balance: ``consistency`` (unfiltered), ``consistency_filtered`` (as published;
        1 for the observations by construction), ``observed_consistency``, ``excess = consistency -
        observed_consistency`` (nearer 0 is better), ``always_drying`` (what always falling soil
        moisture would score), ``count``, ``count_filtered``. Of the Richardson-Richards equation,
        by layer: ``residual`` (root mean square, day-1), ``inconsistency`` (mean of r dt without
        its sign, m3 m-3), ``observed_inconsistency``, ``excess`` (their difference on common steps;
        nearer 0 is better), ``out_of_range`` (share beyond theta_r and theta_s), ``count``. Lazy
        where the data are; NaN where nothing can be compared.

    Raises
    ------
    UnknownNameError
        If the law, a term or the trend does not exist, or an argument is for the other law.
    MissingVariableError, UnitsError
        If the data lack a term or parameters; all in one error.
    GridError
        If depths, coordinates or times do not fit, or the prediction lacks a dimension.
    NotEnoughDataError
        If predictions and observations have no label in common.
    TypeError
        If data or prediction are of another type.

    Notes
    -----
    Water balance: a step is consistent where ``T (SM_prev - SM) < 0`` (Geng et al. 2024, Eq. 19);
    zero products are left out of numerator and denominator.

    References
    ----------
    Geng, Q. et al. (2024). Front. For. Glob. Change 7:1353011.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    >>> audit = xsm.consistency(ds, trend="level")
    >>> float(audit["consistency_filtered"].min())
    1.0
    """
    check_choice("law", law, tuple(_LAWS))
    given: dict[str, object] = {"deep": deep or None, "trend": trend, "compat": compat}
    given |= {"parameters": parameters, "roots": roots, "quiet": quiet}
    _check_arguments(law, [name for name, value in given.items() if value is not None])
    ds, _ = dequantify(ds)
    predicted = None if predicted is None else _bare(predicted)
    if law == "richards":
        return richards_consistency(
            ds,
            predicted,
            dim=dim,
            parameters=parameters,
            terms=terms,
            roots=roots,
            quiet=quiet,
            variables=_of_target(ds, target, variables),
        )
    said = None if predicted is None else predicted.attrs.get("target")
    target = target or str(said or default_target(find_variables(ds, variables)))
    observed = observed_target(ds, target, variables)
    return water_balance_consistency(
        ds,
        observed,
        observed if predicted is None else predicted_target(ds, predicted, target, variables),
        dim=time_dim(ds) if dim is None else dim,
        target=target,
        deep=deep,
        terms=TERMS if terms is None else tuple(terms),
        trend=trend,
        compat=compat,
        variables=variables,
    )
