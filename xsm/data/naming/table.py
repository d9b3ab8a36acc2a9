"""The table that says which variable of a data set is what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import xarray as xr

from xsm.data.joins import same_labels
from xsm.data.naming.derived import RECIPES, in_words, made_of, ways_of
from xsm.data.naming.display import as_html, as_text, told_once
from xsm.data.naming.products import PRODUCTS
from xsm.data.naming.roles import ROLES
from xsm.data.naming.variable import Variable
from xsm.data.refused import check_numbers
from xsm.data.units import dequantify
from xsm.exceptions import (
    GridError,
    MissingVariableError,
    UnitsError,
    UnknownNameError,
    did_you_mean,
)

__all__ = ["VariableTable"]


_KEPT = ("cell_methods", "grid_mapping", "flag_values", "flag_meanings")


@dataclass(frozen=True, repr=False, eq=False)
class VariableTable:
    """Which variable of a data set is what; made by :func:`find_variables`, without computing.

    Parameters
    ----------
    found : dict of str to tuple of Variable
        Usable roles; several variables where a role has layers, from the top down.
    others : dict of str to Variable
        By name: variables that have a role but are not its choice, such as overlapping layers.
    problems : dict of str to str
        Roles that were found but cannot be used, and why.
    names : dict of str to str
        Units of every variable of the data set, empty where there are none.
    faults : dict of str to str
        By name: variables that cannot be used, and why.
    notes : dict of str to str
        Roles that can be used, with a remark.
    irregular : frozenset of str
        Roles and names whose only fault is that their amounts have no uniform time step, or a
        dimension that is neither time, layers, place nor member.
    unplaced : dict of str to str
        By name: variables without a role along such a dimension, and what to type.
    products : tuple of str
        Products that the data are of, see :func:`xsm.list_products`.
    """

    found: Mapping[str, tuple[Variable, ...]]
    others: Mapping[str, Variable] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    irregular: frozenset[str] = frozenset()
    unplaced: Mapping[str, str] = field(default_factory=dict)
    products: tuple[str, ...] = ()

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that can be used."""
        return tuple(self.found)

    def __contains__(self, role: object) -> bool:
        """Tell whether a role was found.

        A role with a problem counts too, so that using it raises its error, except for static maps,
        which are left aside.
        """
        return role in self.found or (role in self.problems and not ROLES[str(role)].static)

    def __getitem__(self, role: str) -> Variable:
        """Return the variable of a role; of layers, the one at the top."""
        if role not in self.found:
            self.require(role)
        return self.found[role][0]

    def layers(self, role: str = "soil_moisture") -> tuple[Variable, ...]:
        """Return the layers of a role, from the top down, without overlap.

        Parameters
        ----------
        role : str, default: "soil_moisture"
            A role.

        Returns
        -------
        tuple of Variable
            Sorted by depth; empty where the role is missing. ``depth`` is None where bounds are
            unknown.

        Raises
        ------
        UnknownNameError
            If it is no name.
        """
        _check_name(role)
        return tuple(self.found.get(role, ()))

    def require(self, *roles: str) -> None:
        """Raise one error with all that is missing or wrong among roles or variables.

        Parameters
        ----------
        *roles : str
            Roles, or names of variables.

        Raises
        ------
        MissingVariableError
            If some are missing.
        UnknownNameError
            If one is no name.
        UnitsError
            If all are there, but some cannot be used.
        GridError
            If that is only for want of a uniform time step, or for a dimension that is unknown.
        """
        for role in roles:
            _check_name(role)
        missing = [self._missing(r) for r in roles if not self._known(r)]
        texts = {r: self._wrong(r) for r in roles if self._known(r) and self._wrong(r)}
        wrong = [f"{names}: {text}" for names, text in told_once(texts).items()]
        lines = "\n".join(f"- {text}" for text in dict.fromkeys([*missing, *wrong]))
        if missing:
            msg = f"Variables are missing or cannot be used:\n{lines}"
            raise MissingVariableError(msg)
        if wrong:
            msg = f"Variables cannot be used:\n{lines}"
            faulty = {role for role in roles if self._wrong(role)}
            raise (GridError if faulty <= {*self.irregular, *self.unplaced} else UnitsError)(msg)

    def lookup(self, name: str) -> Variable:
        """Return a variable by its role or by its name in the data set.

        Parameters
        ----------
        name : str
            A role, or the name of a variable.

        Returns
        -------
        Variable
            With its role; a variable without one has its own name as role and is not converted.

        Raises
        ------
        MissingVariableError
            If there is no such role or variable.
        UnitsError
            If it was found but cannot be used.
        UnknownNameError
            If a name is none.
        """
        _check_name(name)
        if name in self.found:
            return self.found[name][0]
        for variables in self.found.values():
            for variable in variables:
                if variable.name == name:
                    return variable
        if name in self.others:
            return self.others[name]
        self.require(name)
        return Variable(name, name, "name", self.names[name])

    def array(self, ds: xr.Dataset, key: str | Variable) -> xr.DataArray:
        """Return a variable in canonical unit and sign, lazily.

        Parameters
        ----------
        ds : xarray.Dataset
            The data set, or a part of it; pint quantities are allowed.
        key : str or Variable
            A role, the name of a variable, or what :meth:`lookup` or :meth:`layers` gave.

        Returns
        -------
        DataArray
            Dimensions as in the data, without that of layers; canonical unit; named by the
            role, or by the key where that is a variable's name. Nothing is computed; NaN stays NaN.

        Raises
        ------
        MissingVariableError
            If the variable is not in the data.
        UnitsError
            If it cannot be used.
        GridError
            If the parts of a derived variable lie on different coordinates.
        """
        variable = self.lookup(key) if isinstance(key, str) else key
        names = (variable.name,) if isinstance(variable.name, str) else variable.name
        absent = [name for name in names if name not in ds.variables]
        if absent:
            hint = did_you_mean(absent[0], map(str, ds.variables))
            msg = f"The data hold no variable {absent[0]!r}. {hint}"
            raise MissingVariableError(msg)
        name = key if isinstance(key, str) else self._name(variable)
        if variable.how == "derived":
            return self._described(self._derive(ds, variable), variable, {}).rename(name)
        array = dequantify(ds[[variable.name]])[0][variable.name]
        attrs = array.attrs
        if variable.role in ROLES:
            check_numbers(array, variable.name, ROLES[variable.role].units)
        if variable.dim is not None:
            array = array.isel({variable.dim: variable.index}, drop=True)
        return self._described(variable.conversion(array), variable, attrs).rename(name)

    def way(self, role: str) -> str:
        """Return in words what a role is made of where the data do not hold it; else nothing."""
        held = self.found.get(role, ())
        names = held[0].name if held and held[0].how == "derived" else None
        ways = [parts for parts in ways_of(role) if names == part_names(self.found, parts)]
        return made_of(role, ways[0]) if names and ways else ""

    def __repr__(self) -> str:
        """Return the table as text."""
        return as_text(self.found, self.problems, self.faults, self.notes, self._title)

    def _repr_html_(self) -> str:
        """Return the table as HTML."""
        return as_html(self.found, self.problems, self.faults, self.notes, self._title)

    @property
    def _title(self) -> str:
        """Return what the products are called."""
        return ", ".join(PRODUCTS[name].title for name in self.products)

    def _name(self, variable: Variable) -> str:
        """Return the role where a variable is its choice, else the variable's own name."""
        if (
            not isinstance(variable.name, str)
            or self.found.get(variable.role, (None,))[0] == variable
        ):
            return variable.role
        return variable.name

    def _derive(self, ds: xr.Dataset, variable: Variable) -> xr.DataArray:
        """Compute a derived variable of its parts."""
        for role, parts, function in RECIPES:
            if role == variable.role and variable.name == part_names(self.found, parts):
                arrays = [self.array(ds, part) for part in parts]
                try:
                    return function(*same_labels(arrays))
                except ValueError as error:
                    msg = (
                        f"{role!r} is made of {variable.name}, which lie on different coordinates: "
                        f"{error}. Align them first, for example with ds.interp_like(other)."
                    )
                    raise GridError(msg) from error
        msg = f"{variable.role!r} cannot be made of {variable.name}; pass a variable of this table."
        raise MissingVariableError(msg)

    def _described(
        self, array: xr.DataArray, variable: Variable, attrs: Mapping[str, object]
    ) -> xr.DataArray:
        """Give an array the attributes of CF for its role."""
        role = ROLES.get(variable.role)
        if role is None:
            return _with_attrs(array, attrs)
        made = {"standard_name": role.output} if role.output else {}
        made |= {"long_name": role.long_name, "units": role.units}
        kept = {key: attrs[key] for key in _KEPT if key in attrs}
        if role.flux and "cell_methods" in kept:  # an amount of a step is now its mean rate
            kept["cell_methods"] = str(kept["cell_methods"]).replace("sum", "mean")
        return _with_attrs(array, {**made, **kept})

    def _known(self, name: str) -> bool:
        """Tell whether a role or a variable exists at all."""
        return (
            name in self.found
            or name in self.problems
            or (name in self.names and name not in ROLES)
        )

    def _wrong(self, name: str) -> str:
        """Return what is wrong with a role or a variable, or nothing."""
        return self.problems.get(name) or self.faults.get(name) or self.unplaced.get(name, "")

    def _missing(self, name: str) -> str:
        """Say that a role or a variable is missing, and what to type."""
        role, have = ROLES.get(name), sorted(self.names)
        if role is None:
            return f"{name}: no role and no variable. {did_you_mean(name, {*ROLES, *have})}"
        wet = self.found.get("soil_wetness")
        if wet is not None and name in {"soil_moisture", "satellite_soil_moisture"}:
            return f"{name}: not found. {_of_saturation(str(wet[0].name), wet[0].units, name)}"
        near = _near(role.names, have)
        shown = ", ".join(map(repr, role.names[:6]))
        hint = (
            f" Did you mean {near}?" if near else f" The data hold {', '.join(have) or 'nothing'}."
        )
        parts = in_words(name)
        made = f" It can be made of {parts}, where the data hold these." if parts else ""
        return (
            f"{name}: not found by standard_name or by a name such as {shown}.{hint} "
            f'Type variables={{"{name}": "<its name>"}}.{made}'
        )


def _check_name(given: object) -> None:
    """Refuse what is no name of a variable or role."""
    if not isinstance(given, str):
        msg = (
            f"{given!r} was given as the name of a variable; one name is needed, such as "
            "target='soil_moisture'."
        )
        raise UnknownNameError(msg)


def _of_saturation(name: str, units: str, role: str) -> str:
    """Say how soil moisture is made of a degree of saturation."""
    share = "" if units == "1" else " / 100"
    return (
        f"The data hold {name!r}, the degree of saturation (soil_wetness): times porosity, which "
        f'the file does not hold, it is soil moisture. Type ds["{name}"] = (ds["{name}"]{share} * '
        f'porosity).assign_attrs(units="m3 m-3") and variables={{"{role}": "{name}"}}, or predict '
        'it as it is, target="soil_wetness".'
    )


def _near(wanted: Iterable[str], have: Iterable[str]) -> str:
    """Return the variables whose names are near to an alias."""
    import difflib

    choices = list(have)
    found = [
        n for w in wanted if len(w) > 2 for n in difflib.get_close_matches(w, choices, 1, 0.75)
    ]
    return ", ".join(map(repr, dict.fromkeys(found)))


def part_names(
    found: Mapping[str, tuple[Variable, ...]], parts: Iterable[str]
) -> tuple[str, ...] | None:
    """Return the names of the variables of roles, or None where one is missing.

    Parameters
    ----------
    found : dict of str to tuple of Variable
        Usable roles.
    parts : iterable of str
        Roles.

    Returns
    -------
    tuple of str or None
        One name a role; a derived part gives the names of its own parts.
    """
    names: list[str] = []
    for part in parts:
        if part not in found:
            return None
        name = found[part][0].name
        names.extend([name] if isinstance(name, str) else name)
    return tuple(names)


def _with_attrs(array: xr.DataArray, attrs: Mapping[str, object]) -> xr.DataArray:
    """Return the array with other attributes; its values are shared, not copied."""
    found = array.copy(deep=False)
    found.attrs = dict(attrs)
    return found
