"""What is known of the water that moves: uptake by roots, and fluxes at the faces of the layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from xsm.data.naming.layers import depth_dim, dim_depths
from xsm.data.reading import Reading
from xsm.exceptions import GridError, UnknownNameError, did_you_mean
from xsm.hydrology.soil.profile import FACE_DIM, Profile, read_profile
from xsm.typing import FloatArray

__all__ = ["KNOWN", "known_fluxes", "known_sink", "known_terms", "root_shares"]


KNOWN = ("root_water_uptake", "evaporation", "infiltration", "drainage", "soil_water_flux")
"""Terms that can close the Richardson-Richards equation; each is a role."""

_NEAR = 1e-4  # m


def known_terms(reading: Reading, terms: Sequence[str] | None) -> tuple[str, ...]:
    """Return the terms to use, in the order of :data:`KNOWN`.

    As given, else the uptake of roots where the data hold it. Unknown terms, and two that say the
    same, are refused.
    """
    if terms is None:
        return tuple(role for role in KNOWN[:1] if role in reading)
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
    """Return the share of all roots in each layer between faces (m): beta^top - beta^bottom, in cm.

    ``beta`` of Jackson, R. B. et al. (1996), Oecologia 108:389-411, between 0 and 1; nearer 1 is
    deeper.
    """
    return -np.diff(beta ** (100.0 * np.asarray(edges, np.float64)))


def known_sink(
    reading: Reading,
    profile: Profile,
    terms: Sequence[str],
    roots: float | Sequence[float] | None,
) -> xr.DataArray | None:
    """Return the water taken up in each layer, day-1, on the profile's dimension of layers, lazily.

    None where no term is a sink; ``roots`` spread the evaporation, see
    :func:`xsm.richards_residual`. Layers that differ and roots that do not fit are refused.
    """
    size = xr.DataArray(1000.0 * np.array(profile.thickness), dims=profile.dim)  # mm
    if "root_water_uptake" in terms:
        uptake = read_profile(reading, "root_water_uptake")
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
    sink = reading.array("evaporation") * xr.DataArray(shares, dims=profile.dim)
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


def known_fluxes(reading: Reading, profile: Profile, terms: Sequence[str]) -> xr.DataArray | None:
    """Return the fluxes known at the faces of the layers, m day-1, positive downward, lazily.

    Along ``depth_interface``, NaN where not known; None where no term is a flux. A profile that
    does not begin at the surface, or has no face with a known flux, is refused.
    """
    parts: dict[int, xr.DataArray] = {}
    if "soil_water_flux" in terms:
        parts |= _at_faces(reading, profile)
    if "infiltration" in terms:
        if profile.edges[0] > _NEAR:
            msg = (
                "infiltration enters at the surface, the profile begins at "
                f'{profile.edges[0]:g} m. Leave "infiltration" out of terms=.'
            )
            raise GridError(msg)
        parts[0] = reading.array("infiltration")
    if "drainage" in terms:
        parts[len(profile.edges) - 1] = reading.array("drainage")
    if not parts:
        return None
    like = next(iter(parts.values()))
    unknown = xr.full_like(like, np.nan, dtype=float)
    faces = [parts.get(k, unknown).drop_attrs() / 1000.0 for k in range(len(profile.edges))]
    return xr.concat(faces, FACE_DIM, coords="minimal", compat="override", join="exact").rename(
        "soil_water_flux"
    )


def _at_faces(reading: Reading, profile: Profile) -> dict[int, xr.DataArray]:
    """Return the known flux of each face that has one."""
    variable = reading.table["soil_water_flux"]
    dim = depth_dim(reading.ds, str(variable.name))
    depths = None if dim is None else dim_depths(reading.ds, dim)
    if dim is None or depths is None:
        msg = (
            f"{variable.name!r} needs a dimension of depths with units of length, the faces of the "
            'layers: ds["depth_interface"].attrs["units"] = "m".'
        )
        raise GridError(msg)
    array = reading.array(variable)
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
