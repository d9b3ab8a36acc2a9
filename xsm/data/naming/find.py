"""Find which variable of a data set has which role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import xarray as xr

from xsm.data.attributes import two_units
from xsm.data.intervals import with_bounds_read
from xsm.data.locations import latitude_of
from xsm.data.naming.amounts import check_sign, flux_conversion
from xsm.data.naming.assumed import assumed, sensors_at
from xsm.data.naming.derived import ESTIMATED, PLACED, RECIPES
from xsm.data.naming.dimensions import unplaced
from xsm.data.naming.held import in_memory, sample
from xsm.data.naming.layers import Bounds, depth_dim, dim_bounds, layer_bounds
from xsm.data.naming.matching import Match, check_overrides, match
from xsm.data.naming.products import products_of
from xsm.data.naming.roles import ROLES, Role
from xsm.data.naming.stated_units import contradicted, own_units, without_units
from xsm.data.naming.table import VariableTable, part_names
from xsm.data.naming.variable import Variable
from xsm.data.refused import packed, still_packed
from xsm.data.units import Conversion, conversion, dequantify
from xsm.exceptions import GridError, UnitsError

__all__ = ["find_variables"]


def find_variables(ds: xr.Dataset, overrides: Mapping[str, str] | None = None) -> VariableTable:
    """Find which variable of a data set is what, without computing anything.

    A role is found by override, then by the names of a product that the data are of (stated in
    ``attrs["product"]``, or recognised), then by ``standard_name``, then by a known name. Where
    several variables share a ``standard_name``, those of a known name come first, in the order of
    the table; where several known names are there, the role's own name comes first, then names
    of one product in the order of the table; otherwise the role is ambiguous and needs an override.
    Layers of one product stay together, with those of other names that a ``standard_name`` and
    bounds make known where the product has none. A role whose top layer cannot be used is refused.

    Parameters
    ----------
    ds : xarray.Dataset
        Data of any product; pint quantities are allowed.
    overrides : mapping of str to str, optional
        Role to the name of a variable.

    Returns
    -------
    VariableTable
        What was found, with units, sign and depth. Only coordinates and bounds of time and depth
        are read, and a small sample of fluxes that are in memory, to check their sign and
        accumulation.

    Raises
    ------
    UnknownNameError
        If an override names no role.
    MissingVariableError
        If an override names no variable.
    TypeError
        If the data are no Dataset, or the overrides no mapping.

    Warns
    -----
    UserWarning
        If values in memory contradict the sign of their product.

    Notes
    -----
    Attributes of the data steer what cannot be seen: ``accumulation`` (of a variable or of
    the data set: ``"step"``, ``"since_00"``, ``"rate"``, ``"daily_mean_rate"``,
    ``"3_hourly_mean_rate"``, ``"hourly_mean_rate"``), ``positive`` (``"up"`` or ``"down"``: where
    positive values of a flux point), ``layer_edges_m`` (bounds of the layers of a variable, from
    the surface down).

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> days = np.arange("2020-01-01", "2020-01-03", dtype="M8[D]").astype("M8[ns]")
    >>> ds = xr.Dataset({"tp": ("time", [0.001, 0.002], {"units": "m"})}, {"time": days})
    >>> table = find_variables(ds)
    >>> table["precipitation"].how
    'alias'
    >>> table.array(ds, "precipitation").values
    array([1., 2.])
    """
    ds = with_bounds_read(dequantify(ds)[0])
    chosen = check_overrides(ds, overrides or {})
    finder = _Finder(ds, chosen)
    for name, found in match(ds, chosen).items():
        finder.add(ROLES[name], found)
    finder.derive()
    names = {str(n): str(v.attrs.get("units", "")) for n, v in ds.variables.items()}
    known = {*finder.faults, *finder.others, *(v.name for vs in finder.found.values() for v in vs)}
    plain = {str(n): unplaced(ds, str(n), deep=True) for n in ds.data_vars if n not in known}
    return VariableTable(
        {role: finder.found[role] for role in ROLES if role in finder.found},
        finder.others,
        finder.problems,
        names,
        finder.faults,
        finder.notes,
        frozenset(finder.irregular),
        {name: said for name, said in plain.items() if said},
        finder.products,
    )


class _Finder:
    """Collect what was found, role by role."""

    def __init__(self, ds: xr.Dataset, chosen: Mapping[str, str]) -> None:
        """Start with nothing found; the user has chosen variables of some roles."""
        self.ds, self.chosen = ds, set(chosen.values())
        self.products = products_of(ds)
        self.found: dict[str, tuple[Variable, ...]] = {}
        self.others: dict[str, Variable] = {}
        self.problems: dict[str, str] = {}
        self.faults = {str(n): still_packed(str(n)) for n, v in ds.variables.items() if packed(v)}
        two = {str(n): two_units(str(n), v.attrs) for n, v in ds.variables.items()}
        self.faults |= {name: said for name, said in two.items() if said}
        self.notes: dict[str, str] = {}
        self.irregular: set[str] = set()

    def add(self, role: Role, found: Match) -> None:
        """Resolve units, signs and layers of the variables of a role."""
        if found.problem:
            self.problems[role.name] = found.problem
        if found.note:
            self.notes[role.name] = found.note
        resolved = [v for n in (*found.names, *found.others) for v in self._try(role, n, found.how)]
        kept = _chosen(role, found, resolved)
        usable = [v for v in kept if v.name not in self.faults]
        if kept and kept[0] not in usable:
            self._refuse(role, str(kept[0].name), usable)
            usable = []
        elif kept:
            self.found[role.name] = tuple(usable)
            self._note_layers(role, usable, _in_question(kept, resolved))
        for variable in resolved:
            if variable not in usable and variable.name not in self.faults:
                self.others.setdefault(str(variable.name), variable)

    def _note_layers(self, role: Role, usable: list[Variable], asked: list[Variable]) -> None:
        """Note layers of unknown bounds, and what was assumed of the others."""
        unclear = [v for v in asked if v.depth is None]
        said = ""
        if role.name == "soil_moisture" and unclear:
            said = _unknown_bounds(self.ds, unclear[0])
        elif role.layered and not role.static:
            said = assumed(self.ds, usable)
        if said:
            self._note(role, said)

    def _refuse(self, role: Role, top: str, below: list[Variable]) -> None:
        """Note that a role cannot be used, for its top layer is faulty."""
        self.problems[role.name] = self.faults[top] + _go_on(role, below)
        self.irregular |= {role.name} if top in self.irregular else set()

    def _try(self, role: Role, name: str, how: str) -> list[Variable]:
        """Return the layers that a variable of the data holds; faulty ones keep their place."""
        layers = [Variable(role.name, name, how, "", depth=role.layers.get(name))]
        try:
            layers = self._layers(role, name, how)
            if name in self.faults:
                return layers
            if not role.faces:  # they are held against the layers that they part
                self._place(name, deep=role.layered)
            units = self._units(role, name)
            return [
                replace(v, units=units, conversion=self._convert(role, name, units, v.depth))
                for v in layers
            ]
        except (UnitsError, GridError) as error:
            self.faults[name] = str(error)
            self.irregular |= {name} if isinstance(error, GridError) else set()
            return layers

    def _place(self, name: str, *, deep: bool) -> None:
        """Refuse a variable along a dimension that is neither time, layers, place nor member."""
        said = unplaced(self.ds, name, deep=deep)
        if said:
            raise GridError(said)

    def derive(self) -> None:
        """Add what can be made of other variables."""
        for role, parts, way in RECIPES:
            names = part_names(self.found, parts)
            if names is None or (way in PLACED and latitude_of(self.ds[names[0]]) is None):
                continue
            if role not in self.found and role not in self.problems:
                self.found[role] = (Variable(role, names, "derived", ROLES[role].units),)
        for role, parts, _ in RECIPES:
            faulty = [p for p in parts if p in self.problems and role not in ESTIMATED]
            there = all(part in self.found or part in faulty for part in parts)
            if faulty and there and role not in self.found and role not in self.problems:
                why = "; ".join(f"{part}: {self.problems[part]}" for part in faulty)
                self.problems[role] = f"made of {', '.join(parts)}, of which some are faulty. {why}"
                self.irregular |= {role} if set(faulty) <= self.irregular else set()

    def _layers(self, role: Role, name: str, how: str) -> list[Variable]:
        """Return the places that a variable of the data holds, one for each layer."""
        if how == "standard_name" and not self._named(role, name):
            how = "alias"
        dim = depth_dim(self.ds, name) if role.layered else None
        if dim is not None:
            bounds = dim_bounds(self.ds, name, dim)
            at = sensors_at(self.ds, name, dim)
            return [
                Variable(role.name, name, how, "", depth=b, dim=dim, index=i, at=at.get(i))
                for i, b in bounds
            ]
        depth = layer_bounds(self.ds, name, role) if role.layered else None
        at = sensors_at(self.ds, name, None) if depth and role.layered else {}
        return [Variable(role.name, name, how, "", depth=depth, at=at.get(0))]

    def _named(self, role: Role, name: str) -> bool:
        """Tell whether a variable has a ``standard_name`` of the role."""
        return self.ds[name].attrs.get("standard_name") in role.standard_names

    def _units(self, role: Role, name: str) -> str:
        """Return the units of a variable; those of maps and of pure numbers may be missing."""
        units = self.ds[name].attrs.get("units")
        if units is not None:
            self._believe(role, name, str(units))
            return str(units)
        free = (role.static or role.units in {"1", "%"}) and not role.needs_units
        if free:
            self._note(role, f"{name!r} has no units; {role.units!r} is assumed.")
            return role.units
        found = own_units(self.ds, self.products, role, name)
        if found is None:
            raise UnitsError(without_units(self.ds, self.products, role, name))
        units, title = found
        had = self.notes.get("units", f"the data have none; as in files of {title} they are taken:")
        self.notes["units"] = f"{had}{',' if 'units' in self.notes else ''} {name} in {units}"
        return units

    def _believe(self, role: Role, name: str, units: str) -> None:
        """Refuse units that values in memory and the product contradict, unless the user states."""
        array = self.ds[name]
        real = array.dtype.kind in "fiu"
        if name not in self.chosen and self.products and real and in_memory(array):
            said = contradicted(sample(array), self.products, role, name, units)
            if said:
                raise UnitsError(said)

    def _note(self, role: Role, text: str) -> None:
        """Note a remark beside those that a role has."""
        had = self.notes.get(role.name)
        self.notes[role.name] = f"{had} {text}" if had else text

    def _convert(self, role: Role, name: str, units: str, depth: Bounds) -> Conversion:
        """Return the change of a variable to canonical unit and sign."""
        if role.kind == "categorical":
            return Conversion()
        array = self.ds[name]
        try:
            change = self._change(role, name, units, depth)
        except (UnitsError, GridError) as error:
            msg = f"found as {name!r} in {units!r}, {role.units!r} is needed. {error}"
            raise type(error)(msg) from error
        change = change.then(Conversion(float(_sign(array, role, self.products))))
        check_sign(array, change, role)
        return change

    def _change(self, role: Role, name: str, units: str, depth: Bounds) -> Conversion:
        """Return the change of units without the sign."""
        if role.flux:
            return flux_conversion(self.ds, name, role, units)
        thickness = depth[1] - depth[0] if depth else None
        if role.layered and role.water and thickness is None and _is_column(units, role):
            msg = (
                f"{units!r} is water in a layer whose bounds are unknown. Give them in m: "
                f'ds["{name}"].attrs["layer_edges_m"] = [0.0, 0.1].'
            )
            raise UnitsError(msg)
        return conversion(units, role.units, water=role.water, thickness=thickness)


def _is_column(units: str, role: Role) -> bool:
    """Tell whether units are an amount of water in a layer."""
    try:
        conversion(units, role.units, water=True)
    except UnitsError:
        conversion(units, role.units, water=True, thickness=1.0)
        return True
    return False


def _sign(array: xr.DataArray, role: Role, products: tuple[str, ...]) -> int:
    """Return the sign by the attribute ``positive``, else by the product."""
    stated = array.attrs.get("positive")
    if not role.positive or stated is None:
        return role.product_sign(str(array.name), products)
    if stated not in {"up", "down"}:
        msg = (
            f'positive={stated!r} is stated for {array.name!r}; "up" or "down" is needed. '
            f'Type ds["{array.name}"].attrs["positive"] = "{role.positive}".'
        )
        raise UnitsError(msg)
    return 1 if stated == role.positive else -1


def _chosen(role: Role, found: Match, resolved: list[Variable]) -> list[Variable]:
    """Return the layers of a role from the top down, usable or not.

    Beside the match count layers of other names: those below an override, else those that their
    ``standard_name`` and their bounds make known.
    """
    below = found.how == "override"
    mine = [v for v in resolved if v.name in found.names]
    beside = [v for v in resolved if v not in mine and (below or v.name not in role.names)]
    return _without_overlap(mine, beside, above=not below)


def _without_overlap(
    mine: list[Variable], beside: list[Variable], *, above: bool
) -> list[Variable]:
    """Return layers from the top down that do not overlap; the thinner one where two would.

    Layers ``beside`` count only where the others are not, and ``above`` them only where allowed.
    """
    if not any(v.depth for v in mine):
        return mine
    first = _by_depth(mine)
    kept: list[tuple[tuple[float, float], Variable]] = []
    for bounds, variable in [*first, *_by_depth(beside)]:
        if (above or bounds >= first[0][0]) and not any(_overlap(bounds, b) for b, _ in kept):
            kept.append((bounds, variable))
    return [variable for _, variable in sorted(kept, key=lambda item: item[0])]


def _in_question(kept: list[Variable], resolved: list[Variable]) -> list[Variable]:
    """Return the layers, with all that were found where none of them begins at the surface."""
    at_surface = kept[0].how == "override" or (kept[0].depth and kept[0].depth[0] <= 0)
    return kept if at_surface else [*kept, *resolved]


def _overlap(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Tell whether two layers share more than an edge."""
    return max(a[0], b[0]) < min(a[1], b[1]) - 1e-6  # rounding of edges


def _by_depth(variables: list[Variable]) -> list[tuple[tuple[float, float], Variable]]:
    """Return the variables of known depth from the top down."""
    known = [(v.depth, v) for v in variables if v.depth is not None]
    return sorted(known, key=lambda item: item[0])


def _go_on(role: Role, below: list[Variable]) -> str:
    """Say how to go on with a layer below a faulty one, where there is one."""
    if not below:
        return ""
    name = below[0].name
    target = "" if role.static else f', or target="{name}"'
    return (
        " It is the top layer. To go on with the next one, name it: "
        f'variables={{"{role.name}": "{name}"}}{target}.'
    )


def _unknown_bounds(ds: xr.Dataset, variable: Variable) -> str:
    """Say how to give the bounds of layers."""
    count = 1 if variable.dim is None else ds.sizes[variable.dim]
    edges = ", ".join(["0.0", "0.1", "..."][: count + 1])
    return (
        f"the bounds of the layers of {variable.name!r} are unknown. Give {count + 1} edges in m: "
        f'ds["{variable.name}"].attrs["layer_edges_m"] = [{edges}].'
    )
