"""The verb that audits by a law."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence

import xarray as xr

from xsm.data.provenance import recorded
from xsm.data.reading import read
from xsm.data.targets import bare_prediction
from xsm.exceptions import UnknownNameError, check_choice
from xsm.hydrology.laws import LAWS, Law
from xsm.typing import Compat, States, Trend

__all__ = ["consistency"]


def _check_arguments(law: Law, given: Iterable[str]) -> None:
    """Refuse arguments of another law, which would change nothing."""
    odd = [name for name in given if name not in law.arguments]
    if odd:
        other = next(name for name, known in LAWS.items() if odd[0] in known.arguments)
        msg = (
            f"{', '.join(odd)} given with law={law.name!r}, which takes "
            f"{', '.join(law.arguments) or 'none'}. Leave them out, or type law={other!r}."
        )
        raise UnknownNameError(msg)


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
    states: States | None = None,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    product: str | None = None,
) -> xr.Dataset:
    """Audit data against physics: the water balance, flow between layers, or the whole budget.

    Parameters
    ----------
    ds : xarray.Dataset
        Observed soil moisture; fluxes; for ``"richards"`` all layers, and parameters.
    predicted : Dataset or DataArray, optional
        What to audit, predicted by xsm or by anything else, with units; by default the
        observations themselves.
    law : {"water_balance", "richards", "budget"}, default: "water_balance"
        Whether soil moisture moves with the trend of the inflow, see :func:`xsm.water_balance`; how
        far it is from the Richardson-Richards equation, see :func:`xsm.richards_residual`; or what
        precipitation less evaporation less runoff less the gain of all stores leaves over.
    dim : str or iterable of str, optional
        Dimensions that a score is taken over; by default time, which leaves a map.
    deep : bool, default: False
        Subtract the change of the water below the target's layer (Eq. 11); water balance only.
    terms : sequence of str, optional
        Terms of the inflow, by default precipitation, evaporation, surface_runoff, snow; or what
        closes the Richardson-Richards equation, by default root_water_uptake where it is there; or
        the stores of the budget, by default terrestrial_water_storage, else the snow, soil,
        groundwater, surface and canopy water that are there.
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
    states : {"end", "mean"}, optional
        What the stores of a step are: those of its end, or the mean over it; by default what
        ``cell_methods`` of a store say, else the end; ``law="budget"`` only.
    target : str, optional
        Role or variable of the observations; by default what the prediction says.
    variables : mapping of str to str, optional
        Role to variable name, where xsm finds none or the wrong one.
    product : str, optional
        The product that the data are of, where it is not recognised, see
        :func:`xsm.list_products`.

    Returns
    -------
    xarray.Dataset
        Of the water balance: ``consistency`` (unfiltered), ``consistency_filtered`` (as published;
        1 for the observations by construction), ``observed_consistency``, ``excess = consistency -
        observed_consistency`` (nearer 0 is better), ``always_drying`` (what always falling soil
        moisture would score on the steps of ``count``, those that are judged), ``count``,
        ``count_filtered``. Of the Richardson-Richards equation,
        by layer: ``residual`` (root mean square, day-1), ``inconsistency`` (mean of r dt without
        its sign, m3 m-3), ``observed_inconsistency``, ``excess`` (their difference on common steps;
        nearer 0 is better), ``out_of_range`` (share beyond theta_r and theta_s), ``count``. Of
        the budget: ``residual`` (mean, mm day-1), ``residual_rms``, ``share`` (mean of the residual
        without its sign, of the precipitation), ``explained`` (1 less the residual's mean square
        over the variance of the gain of the stores), the mean terms, ``count``; with ``dim=[]`` all
        of each step, for seasons: ``.groupby("time.season").mean()``. Lazy
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

    Budget: all water of a cell is asked for. What is not in the data, as irrigation or flow between
    cells, is in the residual; fluxes that a prediction holds take the place of the data's.

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
    check_choice("law", law, tuple(LAWS))
    given: dict[str, object] = {"deep": deep or None, "trend": trend, "compat": compat}
    given |= {"parameters": parameters, "roots": roots, "quiet": quiet, "states": states}
    own = {name: value for name, value in given.items() if value is not None}
    _check_arguments(LAWS[law], own)
    reading = read(ds, variables, product)
    predicted = None if predicted is None else bare_prediction(predicted)
    found = LAWS[law].audit(reading, predicted, dim=dim, target=target, terms=terms, **own)
    return recorded(found, f"consistency with {law}", of=reading.ds)
