"""The labelled residual of the Richardson-Richards equation, lazily, for any profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import xarray as xr

from xsm.exceptions import GridError, check_choice
from xsm.grid import step_days, time_dim
from xsm.naming import VariableTable, find_variables
from xsm.soil.blocks import ResidualPlan, residual_arrays
from xsm.soil.known import known_fluxes, known_sink, known_terms
from xsm.soil.parameters import PARAMETERS, parameters_at
from xsm.soil.profile import FACE_DIM, Profile, read_profile
from xsm.units import dequantify, quantify

__all__ = ["Bottom", "Face", "residual_of", "richards_residual"]

Face: TypeAlias = Literal["geometric", "arithmetic", "upstream"]
Bottom: TypeAlias = Literal["open", "free_drainage"]

_FACES = ("geometric", "arithmetic", "upstream")
_TEXT = {
    "residual": ("residual of the Richardson-Richards equation", "day-1"),
    "change": ("residual of a step as a share of the pores", "1"),
    "flux": ("soil water flux through the faces of the layers, positive downward", "m day-1"),
}


def richards_residual(  # noqa: PLR0913
    ds: xr.Dataset,
    *,
    parameters: xr.Dataset | str | None = None,
    face: Face = "geometric",
    terms: Sequence[str] | None = None,
    roots: float | Sequence[float] | None = None,
    bottom: Bottom = "open",
    quiet: float | None = None,
    variables: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Return how far a soil moisture profile is from the Richardson-Richards equation.

    Parameters
    ----------
    ds : xarray.Dataset
        Soil moisture by layers or depths (time, ...), at the end of each step, of any product; any
        further dimensions, any order, any chunks. Layers may differ in thickness.
    parameters : Dataset or str, optional
        Hydraulic parameters: a Dataset as of :func:`xsm.soil_parameters`, or a method of it; by
        default those that the data hold.
    face : {"geometric", "arithmetic", "upstream"}, default: "geometric"
        How the conductivity at a face follows from its two layers. On daily data arithmetic means
        give residuals that are larger by orders of magnitude.
    terms : sequence of str, optional
        What else of the data closes the equation, any of "root_water_uptake" (a sink by layer),
        "evaporation" (a sink, spread by ``roots``), "infiltration" and "drainage" (fluxes at the
        top and the bottom of the profile), "soil_water_flux" (at all faces, along a dimension of
        depths; in place of Darcy's). By default ``root_water_uptake`` where the data hold it, else
        none. The attributes record what was used.
    roots : float or sequence of float, optional
        For "evaporation": the share of the roots in each layer, or the beta of Jackson et al.
        (1996), 0.943 (crops, deserts: 0.961, 0.975) to 0.98, whose profile is 1 - beta^(depth/cm).
    bottom : {"open", "free_drainage"}, default: "open"
        Close the last layer by free drainage, a unit gradient.
    quiet : float, optional
        Keep only steps with at most that much precipitation since the step before, mm day-1: daily
        data do not resolve infiltration.
    variables : mapping of str to str, optional
        Role to variable name, where xsm finds none or the wrong one.

    Returns
    -------
    xarray.Dataset
        ``residual`` (day-1, positive where water appears) and ``change``, the same over a step as
        a share of the pores, r dt / (theta_s - theta_r), on the dimensions of the soil moisture;
        ``flux`` (m day-1, positive downward) along ``depth_interface``. NaN at the first step,
        where a value of the layer or a neighbour is missing, in the first and last layer unless a
        term closes them, and on steps that are not quiet. Lazy where the data are; quantified
        where the input is.

    Raises
    ------
    UnknownNameError
        If ``face``, a term, ``bottom`` or the method of ``parameters`` does not exist.
    MissingVariableError, UnitsError
        If variables are missing or have no usable units; all in one error.
    GridError
        If depths or coordinates do not fit, or time is irregular.

    Notes
    -----
    See :func:`xsm.physics.richards.richards_residual` for the equations and their sources. The
    discretisation of Zhang et al. (2025) is not published; this one is ours.

    References
    ----------
    Zhang et al. (2025). J. Hydrol., 10.1016/j.jhydrol.2025.133086. Jackson, R. B. et al. (1996).
    Oecologia 108:389-411.

    Examples
    --------
    The fluxes that a world was made with close its equation:

    >>> import xsm
    >>> ds = xsm.open_tutorial("profile").isel(latitude=slice(4, 6), longitude=slice(6, 8))
    >>> known = ["soil_water_flux", "root_water_uptake"]
    >>> closed = xsm.richards_residual(ds, terms=known)
    >>> bool(abs(closed["residual"]).max() < 1e-6)
    True
    """
    check_choice("face", face, _FACES)
    check_choice("bottom", bottom, ("open", "free_drainage"))
    ds, quantified = dequantify(ds)
    table = find_variables(ds, variables)
    used = known_terms(table, terms)
    table.require("soil_moisture", *used, *(["precipitation"] if quiet is not None else []))
    profile = read_profile(ds, table)
    found = residual_of(
        profile,
        parameters_at(ds, parameters, profile.centres, profile.dim, variables),
        sink=known_sink(ds, table, profile, used, roots),
        fluxes=known_fluxes(ds, table, profile, used),
        face=face,
        free_drainage=bottom == "free_drainage",
    )
    if quiet is not None:
        found = _quiet(ds, table, found, quiet)
    found.attrs = {"terms": list(used), "face": face, "bottom": bottom}
    return quantify(found) if quantified else found


def _quiet(ds: xr.Dataset, table: VariableTable, found: xr.Dataset, bound: float) -> xr.Dataset:
    """Keep the steps with little rain."""
    calm = table.array(ds, "precipitation").drop_attrs() <= bound
    dims = found["residual"].dims
    names = ("residual", "change")
    return found.assign({name: found[name].where(calm).transpose(*dims) for name in names})


def residual_of(
    profile: Profile,
    parameters: Mapping[str, xr.DataArray],
    *,
    sink: xr.DataArray | None = None,
    fluxes: xr.DataArray | None = None,
    face: Face = "geometric",
    free_drainage: bool = False,
) -> xr.Dataset:
    """Return the residual of a profile with given parameters, for audits and training.

    Parameters
    ----------
    profile : Profile
        Soil moisture by layers, m3 m-3.
    parameters : mapping of str to DataArray
        As of :func:`xsm.soil.parameters.parameters_at`.
    sink : DataArray, optional
        Water taken up, day-1, with the profile's dimension of layers.
    fluxes : DataArray, optional
        Known fluxes, m day-1, positive downward, along ``depth_interface``; NaN where not known.
    face : {"geometric", "arithmetic", "upstream"}, default: "geometric"
        How the conductivity at a face follows from its two layers.
    free_drainage : bool, default: False
        Close the last layer by free drainage.

    Returns
    -------
    xarray.Dataset
        ``residual``, ``change`` and ``flux``, see :func:`xsm.richards_residual`.

    Raises
    ------
    GridError
        If the arrays lie on different coordinates.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(8, 9), longitude=slice(20, 21))
    >>> profile = read_profile(ds, xsm.variables(ds))
    >>> loam = parameters_at(ds, "texture_class", profile.centres, profile.dim)
    >>> residual_of(profile, loam)["residual"].sizes["depth"]
    4
    """
    theta = profile.array
    time = time_dim(theta)
    space = [str(d) for d in theta.dims if d not in {time, profile.dim}]
    names = [*PARAMETERS, "air_entry"]
    together = _aligned(theta, [sink, fluxes, *(parameters[name] for name in names)])
    series = [_laid(a, theta, (time, profile.dim, *space)) for a in together[:1]]
    series += [_laid(together[1], theta, (time, profile.dim, *space))] if sink is not None else []
    series += [_laid(together[2], theta, (time, FACE_DIM, *space))] if fluxes is not None else []
    soil = [_laid(a, theta, (profile.dim, *space)) for a in together[3:]]
    plan = ResidualPlan(
        centres=profile.centres,
        thickness=profile.thickness,
        step_days=step_days(theta),
        face=face,
        free_drainage=free_drainage,
        sink=sink is not None,
        fluxes=fluxes is not None,
    )
    residual, flux = residual_arrays(plan, [*series, *soil])
    return _labelled(profile, residual, flux, plan, together[3], together[4])


def _aligned(theta: xr.DataArray, others: Sequence[xr.DataArray | None]) -> list[Any]:
    """Return the arrays on the same coordinates, None where there is none."""
    given = [array for array in others if array is not None]
    try:
        exact = list(xr.align(theta, *given, join="exact", copy=False))
    except ValueError as error:
        names = [str(array.name) for array in (theta, *given)]
        msg = (
            f"The variables {names} lie on different coordinates: {error}. All need the same times, "
            "the same depths and the same grid, for example by ds.interp_like(other)."
        )
        raise GridError(msg) from error
    found: list[Any] = [exact.pop(0)]
    for array in others:
        found.append(None if array is None else exact.pop(0))
    return found


def _laid(array: xr.DataArray, theta: xr.DataArray, dims: Sequence[str]) -> Any:
    """Return the data of an array on dimensions in order; those of space as wide as the profile."""
    unknown = [str(d) for d in array.dims if d not in dims]
    if unknown:
        msg = (
            f"{array.name!r} varies along {unknown}, the soil moisture along {list(theta.dims)}. "
            f"Select one, for example .isel({unknown[0]}=0)."
        )
        raise GridError(msg)
    missing = {d: theta.sizes[d] for d in dims if d not in array.dims and d in theta.sizes}
    layer = dims[0] if dims[0] not in array.dims and len(dims) == theta.ndim - 1 else None
    sizes = {d: 1 if d == layer else n for d, n in missing.items()}
    wide = array.expand_dims(sizes) if sizes else array
    return wide.transpose(*dims).data


def _labelled(
    profile: Profile,
    residual: Any,
    flux: Any,
    plan: ResidualPlan,
    dry: xr.DataArray,
    wet: xr.DataArray,
) -> xr.Dataset:
    """Return residual and flux with the labels of the profile."""
    theta = profile.array
    time = time_dim(theta)
    space = [str(d) for d in theta.dims if d not in {time, profile.dim}]
    coords = dict(theta.coords)
    r = xr.DataArray(residual, coords, (time, profile.dim, *space)).transpose(*theta.dims)
    change = (r * plan.step_days / (wet - dry)).transpose(*theta.dims).astype(r.dtype)
    kept = {k: v for k, v in theta.coords.items() if profile.dim not in v.dims}
    faces = xr.DataArray(flux, dims=(time, FACE_DIM, *space)).assign_coords(kept)
    order = [FACE_DIM if d == profile.dim else d for d in theta.dims]
    found = xr.Dataset({"residual": r, "change": change, "flux": faces.transpose(*order)})
    found = found.assign_coords({FACE_DIM: (FACE_DIM, list(profile.edges))})
    found[FACE_DIM].attrs = {"standard_name": "depth", "units": "m", "positive": "down"}
    for name, (text, units) in _TEXT.items():
        found[name].attrs = {"long_name": text, "units": units}
    return found
