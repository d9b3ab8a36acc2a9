"""Which variables of a file are a store of water, which is its error, what is left aside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import xarray as xr

from xsm.data.attributes import two_units
from xsm.data.doubt import doubt_fills
from xsm.data.naming import ROLES, roles_of
from xsm.data.naming.layers import Bounds, depth_dim, dim_bounds, layer_bounds
from xsm.data.reading import Reading, read
from xsm.data.refused import check_numbers
from xsm.exceptions import MissingVariableError, UnitsError, UnknownNameError, did_you_mean

__all__ = ["Chosen", "check_stated", "choose", "holds", "layers_of"]


ROLE_OF = {
    "tws": "terrestrial_water_storage",
    "soil_moisture": "soil_moisture",
    "snow": "snow_water_equivalent",
    "surface_water": "surface_water_storage",
    "canopy_water": "canopy_water",
}
"""The role of each store."""

_SUMMED = {"soil_moisture", "surface_water"}
_COLUMN = "mass_content_of_water_in_soil"  # CF: of the whole soil, unlike those of layers
_ENDS = ("_error", " error", "_std", "_stderr", "_uncertainty", "_sigma")
_STARTS = ("std_", "stderr_", "error_", "uncertainty_", "sigma_")
_ALONE = ("error", "std", "uncertainty")
_BOUNDS = ("_bnds", "_bounds")


@dataclass(frozen=True)
class Chosen:
    """The variables of a store: with units as attributes, their errors, and what is left aside.

    Parameters
    ----------
    ds : Dataset
        The data.
    names : tuple of str
        Variables that make the store together.
    errors : mapping of str to str
        The variable with the standard error, by that of the value.
    left : tuple of str
        Variables that are not used.
    reach : str
        From where to where the layers of the soil reach, in words; empty where that is not known.
    """

    ds: xr.Dataset
    names: tuple[str, ...]
    errors: Mapping[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    reach: str = ""


def check_stated(variables: Mapping[str, str] | None, data: Iterable[object]) -> dict[str, str]:
    """Refuse roles that are no store, and variables that no data set holds, all in one error."""
    stated, roles = dict(variables or {}), tuple(ROLE_OF.values())
    there = [str(n) for ds in data if isinstance(ds, xr.Dataset) for n in ds.variables]
    wrong = [f"{r!r} is no store. {did_you_mean(r, roles)}" for r in stated if r not in roles]
    if wrong:
        raise UnknownNameError(" ".join(["variables=:", *wrong]))
    wrong = [
        f"{r}={n!r} is no variable of a Dataset that was given. {did_you_mean(n, there)}"
        for r, n in stated.items()
        if n not in there
    ]
    if wrong:
        raise MissingVariableError(" ".join(["variables=:", *wrong]))
    return stated


def choose(ds: xr.Dataset, what: str, variables: Mapping[str, str]) -> Chosen:
    """Choose the variables of a store: by role, else all where no role says what is what.

    ``variables`` are roles whose variable the user states; of several data sets each takes those
    of its own. Layers of soil and parts of surface water are several variables.
    """
    role = ROLE_OF[what]
    stated = {r: n for r, n in variables.items() if r == role and n in ds.variables}
    reading = read(ds, stated)
    free = [str(n) for n in reading.ds.data_vars if not _is_bounds(reading.ds, str(n))]
    names = _by_role(reading, role, what, free)
    if not names:
        helpers = {e for n in free if (e := _error_of(reading.ds, n, free)) is not None}
        names = [n for n in free if n not in helpers]
        _check_names(names, what, free)
    errors = {n: e for n in names if (e := _error_of(reading.ds, n, free)) is not None}
    left = [n for n in free if n not in names and n not in errors.values()]
    reach = _reach(reading.ds, names) if what == "soil_moisture" else ""
    return Chosen(_with_units(reading, names), tuple(names), errors, tuple(left), reach)


def holds(ds: object, what: str, variables: Mapping[str, str]) -> bool:
    """Tell whether data hold a store that no argument gives."""
    if not isinstance(ds, xr.Dataset):
        return False
    role = ROLE_OF[what]
    stated = variables.get(role) in ds.variables
    return stated or any(found.name == role for found in roles_of(ds).values())


def _by_role(reading: Reading, role: str, what: str, free: list[str]) -> list[str]:
    """Return the variables of a role; none where no variable has it."""
    roles = roles_of(reading.ds, reading.stated)
    mine = [n for n in free if n in roles and roles[n].name == role]
    chosen = reading.table.found.get(role, ())
    found = list(dict.fromkeys(v.name for v in chosen if isinstance(v.name, str)))
    if what == "soil_moisture":
        stated = [n for n in reading.stated.values() if n not in found]
        return stated or _column(reading.ds, mine) or found or mine
    if what in _SUMMED:
        return list(reading.stated.values()) or mine
    if not found and len(mine) > 1:
        reading.require(role)
    return found[:1] or mine[:1]


def layers_of(ds: xr.Dataset, name: str) -> tuple[str | None, list[tuple[int, Bounds]]]:
    """Return the dimension of a variable's layers, and their positions and bounds."""
    dim = depth_dim(ds, name)
    if dim is None:
        return None, [(0, layer_bounds(ds, name, ROLES["soil_moisture"]))]
    return dim, dim_bounds(ds, name, dim)


def _reach(ds: xr.Dataset, names: list[str]) -> str:
    """Return from where to where layers reach."""
    bounds = [b for n in names for _, b in layers_of(ds, n)[1]]
    known = [b for b in bounds if b is not None]
    if not known or len(known) < len(bounds):
        return ""
    return f" ({min(b[0] for b in known):g} to {max(b[1] for b in known):g} m)"


def _column(ds: xr.Dataset, names: list[str]) -> list[str]:
    """Return the variable with the water of the whole soil, beside which layers count twice."""
    whole = [n for n in names if ds[n].attrs.get("standard_name") == _COLUMN]
    stated = [n for n in whole if depth_dim(ds, n) is None and "layer_edges_m" not in ds[n].attrs]
    return stated[:1] if len(stated) == 1 else []


def _with_units(reading: Reading, names: list[str]) -> xr.Dataset:
    """Return data whose chosen variables state their units; refuse those that cannot be read."""
    ds, table = reading.ds, reading.table
    known = {v.name: v for vs in table.found.values() for v in vs} | dict(table.others)
    for name in names:
        check_numbers(ds[name], name)
        said = two_units(name, ds[name].attrs)
        if said:
            raise UnitsError(said)
        if "units" not in ds[name].attrs and name in known and known[name].units:
            ds = ds.assign({name: ds[name].assign_attrs(units=known[name].units)})
    doubt_fills(ds, dict.fromkeys(names, ROLES["terrestrial_water_storage"]))  # any store of water
    return ds


def _error_of(ds: xr.Dataset, value: str, free: list[str]) -> str | None:
    """Return the name of a variable's error, where there is one.

    One that is called ``uncertainty`` belongs to the only other variable of its dimensions.
    """
    names = [*(f"{value}{end}" for end in _ENDS), *(f"{start}{value}" for start in _STARTS)]
    found = [name for name in names if name in free]
    mine = [n for n in free if set(ds[n].dims) == set(ds[value].dims)]
    alone = [n for n in _ALONE if n in mine]
    if not found and value not in _ALONE and len(mine) == 2:
        found = alone
    return found[0] if found else None


def _is_bounds(ds: xr.Dataset, name: str) -> bool:
    """Tell whether a variable holds the bounds of a coordinate, or no numbers."""
    stated = {v.attrs.get("bounds", v.encoding.get("bounds")) for v in ds.variables.values()}
    return name in stated or name.endswith(_BOUNDS) or ds[name].dtype.kind not in "fiu"


def _check_names(names: list[str], what: str, free: list[str]) -> None:
    """Refuse no variable, and several where one is needed."""
    if len(names) == 1 or (names and what == "soil_moisture"):
        return
    role = ROLE_OF[what]
    msg = (
        f"{what} was given as a Dataset of {free}; one variable is needed, with its error where "
        f'it is known, and none has the role {role!r}. Name it: variables={{"{role}": "<its name>"'
        f'}}; or pass it alone: {what}=ds["<its name>"].'
    )
    raise MissingVariableError(msg)
