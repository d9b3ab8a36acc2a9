"""Hydraulic parameters of the soil: as in the data, or from texture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias, get_args

import numpy as np
import xarray as xr

from xsm.data.naming import ROLES, VariableTable
from xsm.data.provenance import recorded
from xsm.data.reading import Reading, read
from xsm.exceptions import check_choice, warn_outside
from xsm.hydrology.soil.carsel_parrish import PARAMETERS, class_parameters
from xsm.hydrology.soil.layering import carried_bounds, role_array, same_layers
from xsm.hydrology.soil.rosetta import is_installed, rosetta_parameters
from xsm.hydrology.soil.texture import SHARES, by_block, shares_of

__all__ = ["soil_parameters"]


Method: TypeAlias = Literal["dataset", "rosetta", "texture_class"]

_TEXTURE = (*SHARES, "bulk_density")
_OPTIONAL = ("air_entry",)  # suction below which the soil stays saturated
_REFERENCES = {
    "dataset": "as given",
    "rosetta": (
        "Rosetta 3: Schaap et al. 2001, J. Hydrol. 251:163; Zhang and Schaap 2017, J. Hydrol. "
        "547:39"
    ),
    "texture_class": (
        "Carsel and Parrish 1988, Water Resour. Res. 24:755; Soil Survey Manual 2017, USDA "
        "Handbook 18"
    ),
}


def soil_parameters(
    ds: xr.Dataset,
    *,
    method: Method | None = None,
    variables: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Return the hydraulic parameters of van Genuchten and Mualem, lazily.

    Parameters
    ----------
    ds : xarray.Dataset
        Parameters, or sand, silt, clay and bulk density, under any names and units that
        ``ds.physm.variables()`` finds, by cell or by layer (a dimension of depth, or one variable
        for each layer).
    method : {"dataset", "rosetta", "texture_class"}, optional
        ``"dataset"``: the five parameters of the data, converted. ``"rosetta"``: predicted from
        texture and, where it is there, bulk density (needs ``pip install "xsm[soil]"``).
        ``"texture_class"``: the published means of the soil's class of texture. By default the
        first of these three that the data and the installation allow.
    variables : mapping of str to str, optional
        Role to variable name, where a variable is not found or another one is wanted.

    Returns
    -------
    xarray.Dataset
        ``theta_r`` and ``theta_s`` (residual and saturated water content, m3 m-3), ``vg_alpha``
        (m-1), ``vg_n`` (1) and ``k_sat`` (m day-1), by cell or by layer as the data are, and
        ``air_entry`` (m) where the method is ``"dataset"`` and the data hold it. NaN where
        an input is NaN (bulk density excepted). Lazy where any input is; quantified where the
        input is. The attributes state the method, why it was chosen, and the source.

    Raises
    ------
    UnknownNameError
        If the method does not exist.
    MissingVariableError, UnitsError
        If variables are missing or have no usable units; and, when lazy data are computed, if a
        share is negative or sand, silt and clay miss 100 % by more than 1 %.
    GridError
        If coordinates or layers differ.
    ImportError
        If ``method="rosetta"`` and ``rosetta-soil`` is not installed.

    Warns
    -----
    UserWarning
        If parameters of the data cannot be used and another method is chosen; if sums miss 100 %
        by more than 0.15 %; if Rosetta has no bulk density for some cells.

    Notes
    -----
    The parameters belong to ::

        Se(h) = (1 + (alpha |h|)^n)^-m,   m = 1 - 1/n,   theta = theta_r + (theta_s - theta_r) Se
        K     = k_sat Se^L (1 - (1 - Se^(1/m))^m)^2

    with pressure head h < 0. For ``"texture_class"`` L is 1/2 (Mualem 1976). Rosetta's
    conductivity is the measured one at saturation, not a matching point. Its networks return
    means over an ensemble, of theta_r and theta_s and of the logarithms of alpha, n and k_sat.
    A complete set is taken from one source: parameters of the data and of a pedotransfer function
    are never mixed. Both texture methods describe fine earth: stones are not accounted for.

    References
    ----------
    van Genuchten, M. Th. (1980). Soil Sci. Soc. Am. J. 44:892. Mualem, Y. (1976). Water Resour.
    Res. 12:513. Carsel, R. F. and Parrish, R. S. (1988). Water Resour. Res. 24:755. Schaap, M. G.
    et al. (2001). J. Hydrol. 251:163. Zhang, Y. and Schaap, M. G. (2017). J. Hydrol. 547:39.

    Examples
    --------
    >>> percent = {"units": "%"}
    >>> ds = xr.Dataset({"sand": ("x", [40.0], percent), "clay": ("x", [20.0], percent)})
    >>> found = soil_parameters(ds, method="texture_class")
    >>> found["vg_alpha"].item(), found["vg_alpha"].attrs["units"]  # loam: 0.036 cm-1
    (3.6, 'm-1')
    """
    if method is not None:
        check_choice("method", method, get_args(Method))
    reading = read(ds, variables)
    table = reading.table
    chosen, why = (method, "as asked for") if method else _choose(table)
    arrays = _of_dataset(reading) if chosen == "dataset" else _of_texture(reading, chosen)
    made = {name: _described(array) for name, array in arrays.items()}
    roles = PARAMETERS if chosen == "dataset" else [r for r in _TEXTURE if r in table.found]
    result = xr.Dataset(made).assign_coords(carried_bounds(reading, roles))
    result.attrs = {"method": chosen, "comment": why, "references": _REFERENCES[chosen]}
    title = "Hydraulic parameters of the soil"
    return reading.given_back(recorded(result, "soil_parameters", of=ds, title=title))


def _choose(table: VariableTable) -> tuple[Method, str]:
    """Return the first method that can be used, and why."""
    missing = [name for name in PARAMETERS if name not in table.found]
    if not missing:
        return "dataset", "the data hold all parameters"
    if sum(name in table.found for name in SHARES) < 2:
        table.require(*missing, *SHARES)
    unusable = {name: table.problems[name] for name in missing if name in table.problems}
    why = f"the data hold no {', '.join(missing)}"
    method: Method = "rosetta" if is_installed() else "texture_class"
    if method == "texture_class":
        why += "; rosetta-soil is not installed"
    if unusable:
        text = "; ".join(f"{name}: {problem}" for name, problem in unusable.items())
        warn_outside(
            f"Parameters of the data cannot be used, so method={method!r} is tried: {text}"
        )
    return method, why


def _of_dataset(reading: Reading) -> dict[str, xr.DataArray]:
    """Return the parameters that the data hold."""
    table = reading.table
    optional = [name for name in _OPTIONAL if name in table.found or name in table.problems]
    table.require(*PARAMETERS, *optional)
    same_layers(table, [*PARAMETERS, *optional])
    return {name: role_array(reading, name) for name in (*PARAMETERS, *optional)}


def _of_texture(reading: Reading, method: Method) -> dict[str, xr.DataArray]:
    """Return the parameters that follow from texture."""
    table = reading.table
    used = SHARES if method == "texture_class" else _TEXTURE
    same_layers(table, [role for role in used if role in table.found])
    arrays = shares_of(reading)
    function = class_parameters
    if method == "rosetta":
        _require_rosetta()
        function = rosetta_parameters
        if "bulk_density" in {*table.found, *table.problems}:  # what is faulty is told
            table.require("bulk_density")
            arrays.append(role_array(reading, "bulk_density"))
    stacked = by_block(function, arrays, np.dtype(float), outputs=len(PARAMETERS))
    edges = next((a.attrs for a in arrays if "layer_edges_m" in a.attrs), {})
    return {
        name: stacked.isel(_parameter=i).assign_attrs(edges).rename(name)
        for i, name in enumerate(PARAMETERS)
    }


def _require_rosetta() -> None:
    """Refuse to go on without the package."""
    if not is_installed():
        msg = (
            'method="rosetta" needs the package rosetta-soil, which is not installed. Type '
            'pip install "xsm[soil]", or pass method="texture_class".'
        )
        raise ImportError(msg)


def _described(array: xr.DataArray) -> xr.DataArray:
    """Return a parameter with the attributes of CF, and its layers."""
    role = ROLES[str(array.name)]
    kept = {key: array.attrs[key] for key in ("layer_edges_m",) if key in array.attrs}
    named = {"standard_name": role.output} if role.output else {}
    made = array.copy(deep=False)
    made.attrs = {**named, "long_name": role.long_name, "units": role.units, **kept}
    return made
