"""Net inflow and trend of a data set: which variables, which layers, with labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import get_args

import xarray as xr

from xsm.data.dimensions import check_same_names
from xsm.data.doubt import doubt, guards_of
from xsm.data.grid import step_lengths, time_dim
from xsm.data.intervals import intervals_of
from xsm.data.joins import same_labels
from xsm.data.naming import VariableTable
from xsm.data.provenance import recorded
from xsm.data.reading import Reading, read
from xsm.exceptions import (
    GridError,
    MissingVariableError,
    UnitsError,
    UnknownNameError,
    did_you_mean,
)
from xsm.hydrology.balance.chunks import Plan, scan_arrays
from xsm.hydrology.balance.layers import check_water, deep_layers, describe_layer, own_layer
from xsm.hydrology.needs import Balance, Term, Wanted
from xsm.typing import TERMS, Compat, Trend

__all__ = [
    "balance_roles",
    "balance_series",
    "inflow_arrays",
    "lengths_of",
    "previous_observation",
    "require_roles",
    "roles_of_terms",
    "water_balance",
]


_ROLES = {**{term: term for term in TERMS}, "snow": "snow_water_equivalent"}
_NAMES = {
    "inflow": "inflow",
    "inflow_trend": "trend",
    "inflow_trend_filtered": "filtered",
    "previous_observation": "previous",
}
_LONG = {
    "inflow": "net inflow of water to the surface layer",
    "inflow_trend": "sign of the {} inflow of water to the surface layer",
    "inflow_trend_filtered": "sign of the {} inflow, 0 where the observation disagrees",
    "previous_observation": "last soil moisture observed before the step",
}

_GUIDES = {"inflow_trend_filtered", "previous_observation"}  # what observations make of it


def water_balance(  # noqa: PLR0913
    ds: xr.Dataset,
    *,
    deep: bool = False,
    terms: Sequence[str] = TERMS,
    trend: Trend = "change",
    threshold: float = 0.0,
    compat: Compat | None = None,
    target: str | None = None,
    outputs: Sequence[str] | None = None,
    variables: Mapping[str, str] | None = None,
    product: str | None = None,
) -> xr.Dataset:
    """Return the net inflow to the surface layer, its trend, and the trend that observations share.

    Soil moisture of the surface layer should rise where the trend is 1 and fall where it is -1.

    Parameters
    ----------
    ds : xarray.Dataset
        Fluxes, snow and soil moisture (time, ...) of any product, under any names that
        ``ds.physm.variables()`` finds; any further dimensions, any order, any chunks.
    deep : bool, default: False
        Subtract the change of water in the soil layers below the target's, to 1 m (A1-A4 of the
        paper; without it B1-B4). The target has to be the top layer.
    terms : sequence of str
        Terms of the balance, any of "precipitation", "evaporation", "surface_runoff", "snow". The
        first 1, 2, 3 and 4 are A1-A4 and B1-B4.
    trend : {"change", "level"}, default: "change"
        Sign of the change of the inflow since the step before, or of the inflow itself.
    threshold : float, default: 0.0
        The trend is 0 where the absolute value is not above it, mm day-1.
    compat : {"geng2024_code"}, optional
        Reproduce what the authors' released code does otherwise than their paper, see Notes.
    target : str, optional
        Role or variable of the observed soil moisture; by default ``soil_moisture`` (its top
        layer), else ``satellite_soil_moisture``, else none.
    outputs : sequence of str, optional
        Which of the variables below are made; by default all that the data allow. Of data in
        memory each takes as much as a term.
    variables : mapping of str to str, optional
        Role to variable name, where a variable is not found or another one is wanted.
    product : str, optional
        The product that the data are of, where it is not recognised, see
        :func:`xsm.list_products`.

    Returns
    -------
    xarray.Dataset
        ``inflow`` (mm day-1, positive into the layer), ``inflow_trend`` (-1, 0, 1) and, where
        there is a target, ``inflow_trend_filtered`` and ``previous_observation`` (m3 m-3), on the
        dimensions and coordinates of the target (else of the first term). NaN where a term or its
        step before is missing and, with a target, at steps without an observation or without an
        earlier one. Lazy where any input is; quantified where the input is. The attributes record
        the terms, the layers used, and the settings.

    Raises
    ------
    UnknownNameError, TypeError
        If a term, the trend, ``compat`` or an output does not exist, or ``ds`` is no Dataset.
    MissingVariableError, UnitsError
        If variables are missing or have no usable units; all in one error.
    GridError
        If dimensions or coordinates differ, time is irregular, or ``deep`` does not fit the layers.

    Notes
    -----
    With precipitation P, evaporation E, surface runoff R, snow water equivalent S, water in the
    deeper layers D, the length L of the step in days (of monthly data that of each calendar month),
    soil moisture SM::

        W_t = P_t - E_t - R_t + (S_{t-1} - S_t) / L                  (Eq. 10; snow melt is inflow)
        W_t = W_t - (D_t - D_{t-1}) / L                              (Eq. 11, deep=True)
        T_t = sign(W_t - W_{t-1})  or, trend="level", sign(W_t)      (Eq. 12)
        T_t = 0 where T_t (SM_{t-1} - SM_t) > 0                      (Eq. 13, filtered)

    Additions to the paper: ``trend="level"``, and gaps. Where observations have gaps, the pair is
    the last observation and this one, W_t the mean inflow after the last observation up to this
    step, and W_{t-1} that mean of the last observation (at the first observation, the inflow of its
    step). ``inflow`` is always that of the single step. A layer that reaches below 1 m counts with
    its part above. The arithmetic is double precision; the results have the precision of the data.

    ``compat="geng2024_code"``: (1) snow counts as ``S_t - S_{t-1}``; (2) total runoff takes the
    place of surface runoff; (3) without ``deep``, the change of the target's own layer is
    subtracted, so that W is missing around gaps of the target. Not reproduced: the code multiplies
    the change of snow, like the precipitation, by 24, which belongs to the units of its files;
    takes W as 0 at the first step, and T as 0 where it is missing; sets the filtered T to 0 where
    the observation does not change at all; and with a threshold other than 0 gives -1 wherever
    the change is below it.

    References
    ----------
    Geng, Q., Yan, S., Li, Q. and Zhang, C. (2024). Front. For. Glob. Change 7:1353011. Code:
    https://github.com/2023ATAI/PHY-LSTM

    Examples
    --------
    >>> import numpy as np
    >>> days = np.arange("2020-06-01", "2020-06-05", dtype="M8[D]").astype("M8[ns]")
    >>> rain = ("time", [0.0, 5.0, 1.0, 2.0], {"units": "mm day-1"})
    >>> soil = ("time", [0.20, 0.25, 0.26, 0.27], {"units": "m3 m-3"})
    >>> ds = xr.Dataset({"precipitation": rain, "soil_moisture": soil}, {"time": days})
    >>> balance = water_balance(ds, terms=["precipitation"])
    >>> balance["inflow_trend"].values, balance["inflow_trend_filtered"].values
    (array([nan,  1., -1.,  1.]), array([nan,  1.,  0.,  1.]))
    """
    reading = read(ds, variables, product)
    found = inflow_arrays(
        reading,
        deep=deep,
        terms=terms,
        trend=trend,
        threshold=threshold,
        compat=compat,
        target=target,
        outputs=outputs,
    )
    title = "Inflow of water into the soil, and its trend"
    return reading.given_back(recorded(found, "water_balance", of=ds, title=title))


def inflow_arrays(  # noqa: PLR0913
    reading: Reading,
    *,
    outputs: Sequence[str] | None = None,
    deep: bool = False,
    terms: Sequence[str] = TERMS,
    trend: Trend = "change",
    threshold: float = 0.0,
    compat: Compat | None = None,
    target: str | None = None,
    free: bool = False,
) -> xr.Dataset:
    """Return chosen ``outputs`` of :func:`water_balance`, for training and audits, lazily.

    By default all that the data allow; only what is chosen is computed, in one pass. Without units
    of pint; all else as there. With ``free`` the trend is that of each step's inflow, whatever was
    observed.
    """
    _check(terms, trend, compat, outputs)
    table = reading.table
    observed = _target(table, target)
    roles = balance_roles(terms, compat)
    needed = [*roles.values(), *([observed] if observed else [])]
    guided = deep or compat or not _GUIDES.isdisjoint(outputs or ())
    require_roles(table, [*needed, *(["soil_moisture"] if guided and not observed else [])])
    doubt(reading, needed)
    guards = guards_of(reading, needed)
    held = {term: reading.scaled(role) for term, role in roles.items()}
    if observed:
        held["observed"] = reading.scaled(observed)
    storage = deep_layers(table, observed) if deep else own_layer(table, observed) if compat else {}
    if observed:
        check_water(table, observed)
    held |= {f"layer {v.name} {v.index}": reading.scaled(v) for v in storage}
    reference = "observed" if observed else next(iter(held))
    arrays = _aligned({name: array for name, (array, _) in held.items()}, reference)
    like = arrays[reference]
    if free:
        arrays.pop("observed", None)
    if outputs is None:
        outputs = list(_NAMES) if observed else list(_NAMES)[:2]
    looks = {k: guards.get(roles.get(k, observed or "")) for k in arrays}
    plan = Plan(
        names=tuple(k for k in arrays if not k.startswith("layer ")),
        factors=tuple(held[k][1] for k in arrays),
        weights=tuple(storage.values()),
        outputs=tuple(_NAMES[name] for name in outputs),
        trend=trend,
        threshold=float(threshold),
        step_days=lengths_of(reading, like),
        reverse_snow=compat is not None,
        axis=like.dims.index(time_dim(like)),
        guards=tuple(look and replace(look, factor=held[k][1]) for k, look in looks.items()),
    )
    results = scan_arrays(plan, [a.data for a in arrays.values()])
    units = like.attrs.get("units", "1")
    made = {
        name: _labelled(like, name, data, trend, units)
        for name, data in zip(outputs, results, strict=True)
    }
    recorded = {
        "terms": [term for term in TERMS if term in terms],
        "trend": trend,
        "threshold": float(threshold),
        "deep": int(deep),
        **({"target": observed} if observed else {}),
        **({"compat": compat} if compat else {}),
        **({"layers": [describe_layer(v) for v in storage]} if storage else {}),
    }
    return xr.Dataset(made, attrs=recorded)


def lengths_of(reading: Reading, array: xr.DataArray) -> float | tuple[float, ...]:
    """Return the length of the step in days; of months whose bounds are known that of these."""
    lengths = step_lengths(array)
    known = intervals_of(reading.ds, reading.time)
    if isinstance(lengths, float) or known is None or len(known.days) != len(lengths):
        return lengths
    return tuple(known.days.tolist()) if known.months else lengths


def previous_observation(observed: xr.DataArray) -> xr.DataArray:
    """Return the last value observed strictly before each step; NaN is a gap, and before the first.

    Of the same labels; lazy where the input is, for any chunks.
    """
    axis = observed.dims.index(time_dim(observed))
    plan = Plan(names=("observed",), outputs=("previous",), axis=axis)
    return observed.copy(data=scan_arrays(plan, [observed.data])[0])


def _check(
    terms: Sequence[str], trend: str, compat: str | None, outputs: Sequence[str] | None
) -> None:
    """Raise one error for all names that do not exist."""
    given = [*(("term", term, TERMS) for term in terms), ("trend", trend, get_args(Trend))]
    if compat is not None:
        given.append(("compat", compat, get_args(Compat)))
    given += [("output", name, tuple(_NAMES)) for name in outputs or ()]
    wrong = [
        f"{kind} {name!r} does not exist. {did_you_mean(str(name), known)}"
        for kind, name, known in given
        if name not in known
    ]
    if outputs is not None and not outputs:
        wrong.append(f"outputs is empty. {did_you_mean('', _NAMES)}")
    if not terms:
        wrong.append(f"terms is empty. {did_you_mean('', TERMS)}")
    if wrong:
        raise UnknownNameError(" ".join(wrong))


def _target(table: VariableTable, target: str | None) -> str | None:
    """Return the target as stated, else the first role of soil moisture that is there."""
    roles = ("soil_moisture", "satellite_soil_moisture")
    return target or next((role for role in roles if role in table), None)


def balance_roles(terms: Sequence[str], compat: Compat | None = None) -> dict[str, str]:
    """Return the role of the variable that each term takes, in the order of the equation.

    The released code (``compat``) takes total runoff.
    """
    roles = {term: _ROLES[term] for term in TERMS if term in terms}
    if compat and "surface_runoff" in roles:
        roles["surface_runoff"] = "runoff"
    return roles


def roles_of_terms(terms: Sequence[Term]) -> list[str]:
    """Return the roles of the variables that loss terms of a water balance take."""
    balances = [term for term in terms if isinstance(term, Balance)]
    return [role for b in balances for role in balance_roles(b.terms, b.compat).values()]


def balance_series(wanted: Wanted) -> dict[str, xr.DataArray]:
    """Return the trends and the previous observation that loss terms need, lazily.

    Each term's filtered trend under its ``trend_key``, and ``previous``; nothing without terms. A
    term that compares predictions with each other gets the trend of the inflow alone.
    """
    series: dict[str, xr.DataArray] = {}
    for term in wanted.terms:
        if not isinstance(term, Balance):
            continue
        free = getattr(term, "previous", "observed") == "predicted"
        balance = inflow_arrays(
            wanted.reading,
            outputs=("inflow_trend",)
            if free
            else ("inflow_trend_filtered", "previous_observation"),
            deep=term.deep,
            terms=term.terms,
            trend=term.trend,
            threshold=term.threshold,
            compat=term.compat,
            target=wanted.target,
            free=free,
        )
        if free:
            series[term.trend_key] = balance["inflow_trend"]
            continue
        series[term.trend_key] = balance["inflow_trend_filtered"]
        series["previous"] = balance["previous_observation"]
    return series


def require_roles(table: VariableTable, roles: Sequence[str]) -> None:
    """Raise one error for all that is missing; say so where only total runoff is there."""
    try:
        table.require(*roles)
    except (MissingVariableError, UnitsError) as error:
        absent = "surface_runoff" in roles and "surface_runoff" not in table
        if not absent or "runoff" not in table.roles:
            raise
        name = table["runoff"].name
        msg = (
            f"{error}\n  There is total runoff, {name!r}, which holds drainage too. To take it for "
            f'surface runoff, type variables={{"surface_runoff": "{name}"}}.'
        )
        raise type(error)(msg) from error


def _aligned(arrays: Mapping[str, xr.DataArray], reference: str) -> dict[str, xr.DataArray]:
    """Return the arrays on the same coordinates and dimensions, in the order of the reference."""
    ordered = {reference: arrays[reference], **arrays}
    check_same_names(arrays, reference)
    time = time_dim(arrays[reference])
    still = [name for name, array in arrays.items() if time not in array.dims]
    if still:
        msg = f"{still} do not vary along {time!r}; every term of the balance needs to."
        raise GridError(msg)
    try:
        exact = same_labels(list(ordered.values()))
    except ValueError as error:
        msg = (
            f"The variables {list(arrays)} lie on different coordinates: {error}. All need the "
            "same times and the same grid, for example by ds.interp_like(other)."
        )
        raise GridError(msg) from error
    alike = len({array.dims for array in exact}) == 1  # and labels are the same
    together = dict(zip(ordered, exact if alike else xr.broadcast(*exact), strict=True))
    return {name: together[name] for name in arrays}


def _labelled(
    like: xr.DataArray, name: str, data: object, trend: Trend, units: str
) -> xr.DataArray:
    """Return an output with the labels of the reference and attributes of CF."""
    what = "change of the net" if trend == "change" else "net"
    units = {"inflow": "mm day-1", "previous_observation": units}.get(name, "1")
    attrs = {"long_name": _LONG[name].format(what), "units": units}
    coords = {k: v for k, v in like.coords.items() if k != "depth" or k in like.dims}
    return xr.DataArray(data, coords, like.dims, name=name, attrs=attrs)
