"""What is known of the water that moves: uptake by roots, and fluxes at the faces of the layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from xsm.data.naming import VariableTable
from xsm.data.naming.layers import depth_dim, dim_depths
from xsm.exceptions import GridError, UnknownNameError, did_you_mean
from xsm.hydrology.soil.profile import FACE_DIM, Profile, read_profile
from xsm.typing import FloatArray

__all__ = ["KNOWN", "known_fluxes", "known_sink", "known_terms", "root_shares"]


KNOWN = ("root_water_uptake", "evaporation", "infiltration", "drainage", "soil_water_flux")
"""Terms that can close the Richardson-Richards equation; each is a role."""

_NEAR = 1e-4  # m


def known_terms(table: VariableTable, terms: Sequence[str] | None) -> tuple[str, ...]:
    """Return the terms to use: as given, else the uptake of roots where the data hold it.

    Parameters
    ----------
    table : VariableTable
        Which variable is what.
    terms : sequence of str or None
        Any of :data:`KNOWN`.

    Returns
    -------
    tuple of str
        In the order of :data:`KNOWN`.

    Raises
    ------
    UnknownNameError
        If a term does not exist, or two say the same.

    Examples
    --------
    >>> import xsm
    >>> known_terms(xsm.variables(xsm.open_tutorial("land")), ["evaporation"])
    ('evaporation',)
    """
    if terms is None:
        return tuple(role for role in KNOWN[:1] if role in table)
    given = [terms] if isinstance(terms, str) else terms
    wrong = [
        f"term {t!r} does not exist. {did_you_mean(str(t), KNOWN)}" for t in given if t not in KNOWN
    ]
    if {"root_water_uptake", "evaporation"} <= set(given):
        wrong.append('"root_water_uptake" and "evaporation" are one sink; take one of them')
    if wrong:
        raise UnknownNameError(" ".join(wrong))
    return tuple(role for role in KNOWN if role in given)


def root_shares(edges: Sequence[float], beta: float) -> FloatArray:
    """Return the share of the roots between faces.

    Parameters
    ----------
    edges : sequence of float
        Depths of the faces, m.
    beta : float
        Of Jackson et al. (1996), between 0 and 1; nearer 1 is deeper.

    Returns
    -------
    ndarray
        Share of all roots in each layer, 1: beta^top - beta^bottom, depths in cm.

    References
    ----------
    Jackson, R. B. et al. (1996). Oecologia 108:389-411.

    Examples
    --------
    >>> root_shares([0.0, 0.3, 1.0], 0.961).round(2)
    array([0.7 , 0.28])
    """
    return -np.diff(beta ** (100.0 * np.asarray(edges, np.float64)))


def known_sink(
    ds: xr.Dataset,
    table: VariableTable,
    profile: Profile,
    terms: Sequence[str],
    roots: float | Sequence[float] | None,
) -> xr.DataArray | None:
    """Return the water taken up in each layer.

    Parameters
    ----------
    ds : xarray.Dataset
        The data.
    table : VariableTable
        Which variable is what.
    profile : Profile
        Layers of the soil moisture.
    terms : sequence of str
        Terms to use.
    roots : float, sequence of float or None
        Spread of the evaporation, see :func:`xsm.richards_residual`.

    Returns
    -------
    DataArray or None
        day-1, on the dimension of the profile's layers; None where no term is a sink.

    Raises
    ------
    GridError
        If layers differ, or roots are missing or do not fit.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land")
    >>> table = xsm.variables(ds)
    >>> known_sink(ds, table, read_profile(ds, table), ["evaporation"], 0.961).sizes["depth"]
    4
    """
    size = xr.DataArray(1000.0 * np.array(profile.thickness), dims=profile.dim)  # mm
    if "root_water_uptake" in terms:
        uptake = read_profile(ds, table, "root_water_uptake")
        if not _same(uptake.edges, profile.edges):
            msg = (
                f"root_water_uptake has layers with faces at {uptake.edges} m, soil_moisture at "
                f"{profile.edges} m. Bring both to the same: ds = xsm.to_depths(ds, [(0.0, 0.1), "
                "...])."
            )
            raise GridError(msg)
        array = uptake.array.drop_vars(
            [c for c in uptake.array.coords if uptake.dim in uptake.array[c].dims]
        )
        return array.rename({uptake.dim: profile.dim} if uptake.dim != profile.dim else {}) / size
    if "evaporation" not in terms:
        return None
    shares = _shares(profile, roots)
    sink = table.array(ds, "evaporation") * xr.DataArray(shares, dims=profile.dim)
    return (sink / size).rename("evaporation")


def _same(one: Sequence[float], other: Sequence[float]) -> bool:
    """Tell whether faces are the same."""
    return len(one) == len(other) and bool(np.allclose(one, other, atol=_NEAR))


def _shares(profile: Profile, roots: float | Sequence[float] | None) -> FloatArray:
    """Return the share of the roots in each layer, or say what to give."""
    layers = len(profile.centres)
    if isinstance(roots, float | int) and 0.0 < roots < 1.0:
        return root_shares(profile.edges, float(roots))
    shares = np.asarray([] if roots is None else roots, np.float64)
    if shares.shape != (layers,) or (shares < 0).any() or shares.sum() > 1.0 + 1e-6:
        msg = (
            f'roots={roots!r} was given; the term "evaporation" needs the share of the roots in '
            f"each of the {layers} layers, together at most 1, or one number, roots=0.961."
        )
        raise GridError(msg)
    return shares


def known_fluxes(
    ds: xr.Dataset, table: VariableTable, profile: Profile, terms: Sequence[str]
) -> xr.DataArray | None:
    """Return the fluxes that are known at the faces of the layers.

    Parameters
    ----------
    ds : xarray.Dataset
        The data.
    table : VariableTable
        Which variable is what.
    profile : Profile
        Layers of the soil moisture.
    terms : sequence of str
        Terms to use.

    Returns
    -------
    DataArray or None
        m day-1, positive downward, along ``depth_interface``, NaN where not known; None where no
        term is a flux.

    Raises
    ------
    GridError
        If the surface is not the top of the profile, or no known flux is at one of its faces.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land")
    >>> table = xsm.variables(ds)
    >>> known_fluxes(ds, table, read_profile(ds, table), [])
    """
    parts: dict[int, xr.DataArray] = {}
    if "soil_water_flux" in terms:
        parts |= _at_faces(ds, table, profile)
    if "infiltration" in terms:
        if profile.edges[0] > _NEAR:
            msg = (
                "infiltration enters at the surface, the profile begins at "
                f'{profile.edges[0]:g} m. Leave "infiltration" out of terms=.'
            )
            raise GridError(msg)
        parts[0] = table.array(ds, "infiltration")
    if "drainage" in terms:
        parts[len(profile.edges) - 1] = table.array(ds, "drainage")
    if not parts:
        return None
    like = next(iter(parts.values()))
    unknown = xr.full_like(like, np.nan, dtype=float)
    faces = [parts.get(k, unknown).drop_attrs() / 1000.0 for k in range(len(profile.edges))]
    return xr.concat(faces, FACE_DIM, coords="minimal", compat="override", join="exact").rename(
        "soil_water_flux"
    )


def _at_faces(ds: xr.Dataset, table: VariableTable, profile: Profile) -> dict[int, xr.DataArray]:
    """Return the known flux of each face that has one."""
    variable = table["soil_water_flux"]
    dim = depth_dim(ds, str(variable.name))
    depths = None if dim is None else dim_depths(ds, dim)
    if dim is None or depths is None:
        msg = (
            f"{variable.name!r} needs a dimension of depths with units of length, the faces of the "
            'layers: ds["depth_interface"].attrs["units"] = "m".'
        )
        raise GridError(msg)
    array = table.array(ds, variable)
    found = {}
    for k, edge in enumerate(profile.edges):
        at = np.flatnonzero(abs(depths - edge) < _NEAR)
        if at.size:
            found[k] = array.isel({dim: int(at[0])}, drop=True)
    if not found:
        msg = (
            f"{variable.name!r} is known at {depths.tolist()} m, the layers have faces at "
            f"{list(profile.edges)} m: none in common. Select layers between its depths."
        )
        raise GridError(msg)
    return found
