"""The labelled residual of the Richardson-Richards equation, lazily, for any profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import xarray as xr

from xsm.data.doubt import doubt
from xsm.data.grid import step_days, time_dim
from xsm.data.joins import same_labels
from xsm.data.provenance import recorded
from xsm.data.reading import Reading, read
from xsm.data.refused import check_some
from xsm.exceptions import GridError, check_choice
from xsm.hydrology.needs import Wanted
from xsm.hydrology.soil.bounds import beyond_pores, tell_of_beyond
from xsm.hydrology.soil.chunks import ResidualPlan, residual_arrays
from xsm.hydrology.soil.hydraulics import HYDRAULIC, layer_parameters
from xsm.hydrology.soil.known import known_fluxes, known_sink, known_terms
from xsm.hydrology.soil.layered import layered_array
from xsm.hydrology.soil.layering import DEPTH
from xsm.hydrology.soil.profile import FACE_DIM, Profile, face_coordinate, read_profile

__all__ = [
    "Bottom",
    "Face",
    "Known",
    "known_of",
    "profile_series",
    "quiet_steps",
    "residual_of",
    "richards_arrays",
    "richards_residual",
    "soil_maps",
]


Face: TypeAlias = Literal["geometric", "arithmetic", "upstream"]
Bottom: TypeAlias = Literal["open", "free_drainage"]

_ROOTS = 0.961  # beta of Jackson et al. (1996) of crops; 0.966 is the mean of all biomes
_TEXT = {
    "residual": ("residual of the Richardson-Richards equation", "day-1"),
    "change": ("residual of a step as a share of the pores", "1"),
    "flux": ("soil water flux through the faces of the layers, positive downward", "m day-1"),
}


def richards_residual(
    ds: xr.Dataset,
    *,
    parameters: xr.Dataset | None = None,
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
    parameters : Dataset, optional
        Hydraulic parameters as of :func:`xsm.soil_parameters`; by default those that the data hold.
        A layer has those of the horizon that its centre lies in.
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
        Keep only steps in which at most that much water reached the soil since the step before,
        mm day-1: precipitation, less what snow keeps or plus what it releases where the data hold
        ``snow_water_equivalent``. Daily data do not resolve infiltration. Where soil moisture is a
        mean of its step (by ``cell_methods``), the step before must be quiet too.
    variables : mapping of str to str, optional
        Role to variable name, where xsm finds none or the wrong one.

    Returns
    -------
    xarray.Dataset
        ``residual`` (day-1, positive where water appears) and ``change``, the same over a step as
        a share of the pores, r dt / (theta_s - theta_r), on the dimensions of the soil moisture;
        ``flux`` (m day-1, positive downward) along ``depth_interface``. NaN at the first step,
        where a value of the layer or a neighbour is missing, where parameters are missing or
        impossible (theta_r >= theta_s, n <= 1, alpha or k_sat not positive), in the first and last
        layer unless a term closes them, and on steps that are not quiet. Lazy where the data are;
        quantified where the input is.

    Raises
    ------
    UnknownNameError
        If ``face``, a term or ``bottom`` does not exist.
    MissingVariableError, UnitsError
        If variables are missing or have no usable units; without parameters, the message says how
        to get them.
    GridError
        If depths or coordinates do not fit, no layer can be closed, or time is irregular.

    Warns
    -----
    UserWarning
        If values in memory lie beyond theta_r and theta_s, where the equation does not hold.

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
    Four layers of a land surface model do not follow the equation, the less so on wet days:

    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(latitude=[8], longitude=[20])
    >>> soil = xsm.soil_parameters(ds, method="texture_class")
    >>> all_days = xsm.richards_residual(ds, parameters=soil)["residual"]
    >>> quiet_days = xsm.richards_residual(ds, parameters=soil, quiet=0.1)["residual"]
    >>> bool(abs(quiet_days).mean() < abs(all_days).mean())
    True
    """
    check_choice("face", face, get_args(Face))
    check_choice("bottom", bottom, get_args(Bottom))
    reading = read(ds, variables)
    check_some(reading.ds)
    found = richards_arrays(
        reading,
        parameters=parameters,
        face=face,
        terms=terms,
        roots=roots,
        bottom=bottom,
        quiet=quiet,
    )
    title = "Residual of the Richardson-Richards equation"
    return reading.given_back(recorded(found, "richards_residual", of=ds, title=title))


def richards_arrays(
    reading: Reading,
    *,
    parameters: xr.Dataset | None = None,
    face: Face = "geometric",
    terms: Sequence[str] | None = None,
    roots: float | Sequence[float] | None = None,
    bottom: Bottom = "open",
    quiet: float | None = None,
) -> xr.Dataset:
    """Return what :func:`richards_residual` does, without units of pint.

    Lazy where the data are.
    """
    used = known_terms(reading, terms)
    reading.require("soil_moisture", *used, *(["precipitation"] if quiet is not None else []))
    profile = read_profile(reading)
    known = known_of(reading, profile, used, roots, parameters)
    low, high = (known.parameters[name] for name in ("theta_r", "theta_s"))
    tell_of_beyond(beyond_pores(profile.array, low, high))
    found = residual_of(profile, known, face=face, free_drainage=bottom == "free_drainage")
    if quiet is not None:
        calm = quiet_steps(reading, quiet)
        kept = {name: _masked(found[name], calm) for name in ("residual", "change")}
        found = found.assign(kept)
    found.attrs = {"terms": list(used), "face": face, "bottom": bottom}
    found.attrs |= {} if quiet is None else {"quiet": float(quiet)}
    return found


@dataclass(frozen=True)
class Known:
    """What is known of a soil beside its water content.

    ``parameters`` as of :func:`layer_parameters`; ``sink``, the water taken up, day-1, with the
    profile's dimension of layers; ``fluxes``, m day-1, positive downward, along
    ``depth_interface``, NaN where not known.
    """

    parameters: Mapping[str, xr.DataArray]
    sink: xr.DataArray | None = None
    fluxes: xr.DataArray | None = None


def known_of(
    reading: Reading,
    profile: Profile,
    terms: Sequence[str],
    roots: float | Sequence[float] | None,
    parameters: xr.Dataset | None,
) -> Known:
    """Return parameters, sink and known fluxes of a profile, lazy where the data are.

    The values of the layers and of the terms are doubted first.
    """
    doubt(reading, [*reading.layers(), *terms])
    return Known(
        layer_parameters(reading, parameters, profile.centres, profile.dim),
        known_sink(reading, profile, terms, roots),
        known_fluxes(reading, profile, terms),
    )


def profile_series(wanted: Wanted) -> dict[str, xr.DataArray]:
    """Return the fluxes that a term on profiles needs at the time of the prediction, lazily.

    ``precipitation``, mm day-1 (time, *space), of the step (where soil moisture is a mean of its
    step, the larger one of this and the step before); ``sink``, day-1 (time, *space, depth): the
    uptake by roots where the data hold it, else evaporation, spread by the profile of roots of
    crops (Jackson et al. 1996), else 0.
    """
    reading, profile = wanted.reading, wanted.profile
    found = {}
    if "precipitation" in wanted.keys:
        rain = reading.array("precipitation").drop_attrs(deep=False)
        layers = reading.layers()
        if layers and "mean" in str(reading.ds[layers[0].name].attrs.get("cell_methods", "")):
            before = rain.shift({time_dim(rain): 1})
            rain = rain.where(rain >= before, before)
        found["precipitation"] = rain
    if "sink" in wanted.keys and profile is not None:
        known = [role for role in ("root_water_uptake", "evaporation") if role in reading][:1]
        sink = known_sink(reading, profile, known, _ROOTS)
        if sink is None:
            sink = xr.zeros_like(profile.array)
        found["sink"] = layered_array(replace(profile, array=sink)).rename("sink")
    return found


def soil_maps(wanted: Wanted) -> dict[str, xr.DataArray]:
    """Return hydraulic parameters (*space, depth) for each layer of a target, lazily.

    Those that are among the keys, for one layer those of the top. Canonical units; ``air_entry`` is
    0 where the data hold none. Missing ones are refused with what to type.
    """
    if not set(wanted.keys) & set(HYDRAULIC):
        return {}
    centres = wanted.centres or (0.0,)
    found = layer_parameters(wanted.reading, None, centres, DEPTH)
    layers = xr.DataArray(np.ones(len(centres)), dims=DEPTH)
    return {
        name: (array.drop_attrs(deep=False) * layers).transpose(..., DEPTH)
        for name, array in found.items()
        if name in wanted.keys
    }


def quiet_steps(reading: Reading, bound: float) -> xr.DataArray:
    """Tell in which steps little water reached the soil since the step before.

    At most ``bound`` mm day-1 of precipitation and of what snow releases of it, or keeps, where the
    data hold ``snow_water_equivalent``. False where one is missing. Where soil moisture is a mean
    of its step, the step before is quiet too.
    """
    water = reading.array("precipitation").drop_attrs(deep=False)
    time = time_dim(water)
    if "snow_water_equivalent" in reading:  # also where it is faulty, which is told
        snow = reading.array("snow_water_equivalent").drop_attrs(deep=False)
        water = water - (snow - snow.shift({time: 1})) / step_days(snow)
    calm = water <= bound
    methods = str(reading.ds[reading.layers()[0].name].attrs.get("cell_methods", ""))
    if "time: mean" in methods or f"{time}: mean" in methods:
        calm = calm & calm.shift({time: 1}, fill_value=False)
    return calm.rename("precipitation")


def _masked(array: xr.DataArray, calm: xr.DataArray) -> xr.DataArray:
    """Return the array on quiet steps, NaN on others."""
    array, calm = _aligned([array, calm])
    return array.where(calm).transpose(*array.dims)


def residual_of(
    profile: Profile, known: Known, *, face: Face = "geometric", free_drainage: bool = False
) -> xr.Dataset:
    """Return ``residual``, ``change`` and ``flux`` of a profile with given parameters, lazily.

    See :func:`xsm.richards_residual`. Other coordinates, and profiles without a layer that can be
    closed, are refused.
    """
    _check_layers(profile, known.fluxes, free_drainage=free_drainage)
    time = time_dim(profile.array)
    space = [str(d) for d in profile.array.dims if d not in {time, profile.dim}]
    given = {"theta": profile.array, "sink": known.sink, "fluxes": known.fluxes}
    given |= {name: known.parameters[name] for name in HYDRAULIC}
    named = {name: array for name, array in given.items() if array is not None}
    exact = dict(zip(named, _aligned(list(named.values())), strict=True))
    theta = exact["theta"]
    dims = dict.fromkeys(named, (profile.dim, *space))
    dims |= {"theta": (time, profile.dim, *space), "sink": (time, profile.dim, *space)}
    dims |= {"fluxes": (time, FACE_DIM, *space)}
    plan = ResidualPlan(
        centres=profile.centres,
        thickness=profile.thickness,
        step_days=step_days(theta),
        face=face,
        free_drainage=free_drainage,
        sink=known.sink is not None,
        fluxes=known.fluxes is not None,
    )
    arrays = [_laid(array, theta, dims[name], profile) for name, array in exact.items()]
    residual, flux = residual_arrays(plan, arrays)
    pores = exact["theta_s"] - exact["theta_r"]
    return _labelled(profile, residual, flux, pores / plan.step_days)


def _check_layers(profile: Profile, fluxes: xr.DataArray | None, *, free_drainage: bool) -> None:
    """Refuse a profile of which no layer can be closed."""
    if len(profile.centres) >= 3 or fluxes is not None:
        return
    if len(profile.centres) == 2 and free_drainage:
        return
    msg = (
        f"The soil moisture has {len(profile.centres)} layer(s); an equation needs one with "
        "neighbours above and below, so 3 layers, or fluxes that are known at the top and the "
        'bottom: terms=["infiltration", "drainage"], bottom="free_drainage".'
    )
    raise GridError(msg)


def _aligned(arrays: Sequence[xr.DataArray]) -> list[xr.DataArray]:
    """Return the arrays on the same coordinates, not broadcast; refuse others."""
    try:
        return same_labels(arrays)
    except ValueError as error:
        names = list(dict.fromkeys(str(array.name) for array in arrays))
        msg = (
            f"The variables {names} lie on different coordinates: {error}. All need the same "
            "times, the same depths and the same grid, for example by ds.interp_like(other)."
        )
        raise GridError(msg) from error


def _laid(array: xr.DataArray, theta: xr.DataArray, dims: Sequence[str], profile: Profile) -> Any:
    """Return data on dimensions in order, as wide as the profile but for one layer of a map."""
    unknown = [str(d) for d in array.dims if d not in dims]
    if unknown:
        msg = (
            f"{array.name!r} varies along {unknown}, the soil moisture along {list(theta.dims)}. "
            f"Select one, for example .isel({unknown[0]}=0)."
        )
        raise GridError(msg)
    missing = {d: theta.sizes[d] for d in dims if d not in array.dims}
    if profile.dim in missing:
        missing[profile.dim] = 1
    wide = array.expand_dims(missing) if missing else array
    return wide.transpose(*dims).data


def _labelled(profile: Profile, residual: Any, flux: Any, scale: xr.DataArray) -> xr.Dataset:
    """Return residual and flux with the labels of the profile, layers in the order of the data."""
    theta = profile.array
    time = time_dim(theta)
    space = [str(d) for d in theta.dims if d not in {time, profile.dim}]
    r = xr.DataArray(residual, theta.coords, (time, profile.dim, *space))
    change = (r / scale).transpose(*r.dims).astype(r.dtype)
    layered = {"residual": r, "change": change}
    kept = {k: v for k, v in theta.coords.items() if profile.dim not in v.dims}
    faces = xr.DataArray(flux, kept, (time, FACE_DIM, *space))
    order = [FACE_DIM if d == profile.dim else d for d in theta.dims]
    made = {name: profile.in_order_of_data(a).transpose(*theta.dims) for name, a in layered.items()}
    found = xr.Dataset({**made, "flux": faces.transpose(*order)})
    found = found.assign_coords({FACE_DIM: face_coordinate(profile.edges), **profile.coords})
    for name, (text, units) in _TEXT.items():
        found[name].attrs = {"long_name": text, "units": units}
    return found
