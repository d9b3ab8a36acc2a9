"""Match variables to roles: by override, product, ``standard_name`` and alias."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import xarray as xr

from xsm.data.naming.layers import depth_dim
from xsm.data.naming.points import with_depths
from xsm.data.naming.products import PRODUCTS, products_of
from xsm.data.naming.roles import ROLES, Role
from xsm.exceptions import MissingVariableError, UnknownNameError, did_you_mean

__all__ = ["Match", "check_overrides", "match", "roles_of"]


@dataclass(frozen=True)
class Match:
    """The variables of a role.

    Parameters
    ----------
    names : tuple of str
        The choice; several where the role has layers.
    how : str
        ``"override"``, ``"standard_name"`` or ``"alias"``.
    others : tuple of str
        Variables of the role that are not the choice.
    problem : str
        Why there is no choice, or empty.
    note : str
        Where the files say otherwise than the table, or empty.
    """

    names: tuple[str, ...]
    how: str
    others: tuple[str, ...] = ()
    problem: str = ""
    note: str = ""


def match(ds: xr.Dataset, chosen: Mapping[str, str]) -> dict[str, Match]:
    """Return the variables of each role.

    Parameters
    ----------
    ds : xarray.Dataset
        The data.
    chosen : mapping of str to str
        Role to variable, by the user.

    Returns
    -------
    dict of str to Match
        Roles for which anything was found. Coordinates and bounds never match.

    Examples
    --------
    >>> import xarray as xr
    >>> match(xr.Dataset({"tp": ("x", [1.0])}), {})["precipitation"]
    Match(names=('tp',), how='alias', others=(), problem='', note='')
    """
    products = products_of(ds)
    beside = {n for key in products for n in PRODUCTS[key].beside} - _NAMED
    free = [n for n in _candidates(ds) if n not in chosen.values() and n not in beside]
    own = _by_table(ds, free, products)
    by_name = _by_standard_name(ds, [name for name in free if name not in own])
    for name, (role, _) in own.items():
        if ds[name].attrs.get("standard_name") in role.standard_names:
            by_name.setdefault(role.name, []).append(name)
    matches: dict[str, Match] = {}
    claimed = {name for names in by_name.values() for name in names}
    for role in ROLES.values():
        mine = [n for n, (owner, _) in own.items() if owner is role]
        named = by_name.get(role.name, [])
        known = [
            n
            for n in (*role.names, *mine)
            if n in free
            and n not in claimed
            and _counts(ds, role, n)
            and (n in mine or n not in own)
        ]
        known = known or ([] if named else _by_depth(ds, role, {*free} - claimed))
        found = _choose(ds, role, named, list(dict.fromkeys(known)))
        if role.name in chosen:
            others = (*found.names, *found.others) if found else ()
            matches[role.name] = _override(role, chosen[role.name], others)
        elif found:
            said = " ".join(own[n][1] for n in found.names if n in own and own[n][1])
            matches[role.name] = replace(found, note=said)
        if found:
            claimed |= {*found.names, *found.others}
    return matches


def roles_of(ds: xr.Dataset, variables: Mapping[str, str] | None = None) -> dict[str, Role]:
    """Return the role of each variable that has one, by its name.

    Parameters
    ----------
    ds : xarray.Dataset
        The data.
    variables : mapping of str to str, optional
        Roles whose variable the user states.

    Returns
    -------
    dict of str to Role
        Also of variables that are not the choice of their role.

    Examples
    --------
    >>> import xarray as xr
    >>> roles_of(xr.Dataset({"tp": ("x", [1.0])}))["tp"].name
    'precipitation'
    """
    stated = check_overrides(ds, variables or {})
    known = {
        name: ROLES[role]
        for role, found in match(ds, {}).items()
        for name in (*found.names, *found.others)
    }
    return known | {name: ROLES[role] for role, name in stated.items()}


def check_overrides(ds: xr.Dataset, overrides: object) -> dict[str, str]:
    """Refuse overrides of unknown roles or variables, all in one error."""
    if not isinstance(overrides, Mapping):
        msg = (
            f"variables={overrides!r} was given; a mapping of roles to variables is needed. "
            'Type for example variables={"precipitation": "tp"}.'
        )
        raise TypeError(msg)
    have = [str(name) for name in ds.variables]
    roles = [
        f"{r!r} is no role. {did_you_mean(str(r), ROLES)}" for r in overrides if r not in ROLES
    ]
    names = [
        f"{r}={n!r} is no variable of the data. {did_you_mean(str(n), have)}"
        for r, n in overrides.items()
        if n not in have
    ]
    if roles:
        raise UnknownNameError(" ".join(["variables=:", *roles, *names]))
    if names:
        raise MissingVariableError(" ".join(["variables=:", *names]))
    return dict(overrides)


def _override(role: Role, name: str, others: tuple[str, ...]) -> Match:
    """Return the user's choice; layers that were found besides stay known by name."""
    return Match((name,), "override", others if role.layered else ())


def _candidates(ds: xr.Dataset) -> list[str]:
    """Return the data variables that are no bounds and no grid mapping."""
    helpers: set[str] = set()
    for variable in ds.variables.values():
        for key in ("bounds", "grid_mapping", "climatology"):
            helpers.add(str(variable.attrs.get(key, variable.encoding.get(key))))
    return [str(name) for name in ds.data_vars if str(name) not in helpers]


def _by_standard_name(ds: xr.Dataset, free: list[str]) -> dict[str, list[str]]:
    """Return the variables that their ``standard_name`` gives to a role."""
    import cf_xarray  # noqa: F401  # registers .cf

    found: dict[str, list[str]] = {}
    for standard_name, names in ds.cf.standard_names.items():
        roles = [role for role in ROLES.values() if standard_name in role.standard_names]
        for name in names:
            if roles and name in free:
                owner = next((role for role in roles if name in role.names), roles[0])
                found.setdefault(owner.name, []).append(str(name))
    return found


def _by_depth(ds: xr.Dataset, role: Role, free: set[str]) -> list[str]:
    """Return the variables whose name is one of the role with the depth of a sensor behind."""
    depths = with_depths(ds) if role.stems else {}
    return [name for name, at in depths.items() if name in free and at[0] in role.stems]


def _by_table(
    ds: xr.Dataset, free: list[str], products: tuple[str, ...]
) -> dict[str, tuple[Role, str]]:
    """Return the role of each name that words of its ``long_name``, or the data's products, tell.

    With what to note where the file's ``standard_name`` is that of another role.
    """
    found: dict[str, tuple[Role, str]] = {}
    for key in products:
        for role in ROLES.values():
            for name in (n for n in PRODUCTS[key].names.get(role.name, ()) if n in free):
                if _counts(ds, role, name) and name not in found:
                    found[name] = (role, _otherwise(ds, role, name, PRODUCTS[key].title))
    for role in (role for role in ROLES.values() if role.said):
        for name in free:
            owner = found[name][0] if name in found else _alone(ds, name)
            if owner in _SAID_OVER and _says(ds[name], role.said):
                found[name] = (role, f"{name!r} is that by its long_name.")
    extremes = {name: extreme for name in free if (extreme := _extreme(ds[name]))}
    return found | {name: (extreme, "") for name, extreme in extremes.items()}


_NAMED = {
    name for product in PRODUCTS.values() for names in product.names.values() for name in names
}
_SAID_OVER = (ROLES["soil_moisture"], ROLES["satellite_soil_moisture"])


_MEAN = ROLES["air_temperature"]
_EXTREMES = {role.extreme: role for role in ROLES.values() if role.extreme}
_METHOD = re.compile(r"(?:^|\s)(?!area|lat|lon)\w+: (\w+)")
_WORD = re.compile(r"\b(max|min)(?:imum|imal)?\b|\btmm([xn])\b", re.IGNORECASE)


def _extreme(array: xr.DataArray) -> Role | None:
    """Return the role of extremes of air temperature: by ``cell_methods``, its name, or words.

    Files of gridMET call the maximum ``air_temperature``; its ``long_name`` says "tmmx".
    """
    name, attrs = str(array.name), array.attrs
    own = next((role for role in _EXTREMES.values() if name in role.names), None)
    if own is None and name not in _MEAN.names and attrs.get("standard_name") != _MEAN.output:
        return None
    methods = _METHOD.findall(str(attrs.get("cell_methods", "")))  # the first is that within days
    if methods or own is not None:
        return _EXTREMES.get(methods[0].removesuffix("imum"), own) if methods else own
    words = f"{attrs.get('long_name', '')} {attrs.get('description', '')}"
    told = {{"x": "max", "n": "min"}.get(b.lower(), a.lower()) for a, b in _WORD.findall(words)}
    return _EXTREMES[told.pop()] if len(told) == 1 else None


def _says(array: xr.DataArray, words: tuple[str, ...]) -> bool:
    """Tell whether a ``long_name`` has some words, of a variable whose units are no volume."""
    long_name = str(array.attrs.get("long_name", "")).lower()
    units = str(array.attrs.get("units", ""))
    return any(each in long_name for each in words) and "m" not in units.lower().replace("dim", "")


def _alone(ds: xr.Dataset, name: str) -> Role | None:
    """Return the role that a name or its ``standard_name`` has by itself."""
    said = ds[name].attrs.get("standard_name")
    roles = [r for r in ROLES.values() if name in r.names or said in r.standard_names]
    return roles[0] if roles else None


def _otherwise(ds: xr.Dataset, role: Role, name: str, title: str) -> str:
    """Say that the file's ``standard_name`` is that of another role than the product's table."""
    said = ds[name].attrs.get("standard_name")
    other = [r.name for r in ROLES.values() if said in r.standard_names]
    if not other or role.name in other:
        return ""
    return (
        f"{name!r} says standard_name {said!r}, but is {role.name} in files of {title}, and is "
        f'taken for that. Where the file is right, type variables={{"{other[0]}": "{name}"}}.'
    )


def _counts(ds: xr.Dataset, role: Role, name: str) -> bool:
    """Tell whether an alias counts beside the other variables."""
    return role.unless.get(name) not in ds.data_vars


def _choose(ds: xr.Dataset, role: Role, named: list[str], known: list[str]) -> Match | None:
    """Choose among the variables of a role: by ``standard_name`` first, then by alias."""
    if named:
        aliases = [name for name in role.names if name in named]
        how, names = "standard_name", aliases or named
    elif known:
        how, names = "alias", known
    else:
        return None
    if role.layered:
        names = _one_product(ds, role, names, [*named, *known])
    others = [n for n in (*named, *known) if n not in names]
    if role.layered:
        return Match(tuple(names), how, tuple(others))
    return _best(role, names, others, how)


def _one_product(ds: xr.Dataset, role: Role, names: list[str], found: list[str]) -> list[str]:
    """Return the layers of the product that has most of them; a depth dimension alone is all.

    All layers of the product that were found count, also those that lack the ``standard_name``.
    """
    deep = [name for name in names if depth_dim(ds, name) is not None]
    if deep:
        return deep[:1]
    product = max(role.aliases, key=lambda p: len({*names} & {*role.aliases[p]}))
    if not {*names} & {*role.aliases[product]}:
        return names
    return [n for n in role.aliases[product] if n in found and depth_dim(ds, n) is None]


def _best(role: Role, names: list[str], others: list[str], how: str) -> Match:
    """Return the one variable of a role, or the problem that there are several."""
    first = names[0]
    alone = len(names) == 1 or first == role.name
    together = any(set(names) <= set(listed) for listed in role.aliases.values())
    if alone or together:
        return Match((first,), how, (*names[1:], *others))
    shown = ", ".join(map(repr, names))
    problem = (
        f'several variables fit: {shown}. Type variables={{"{role.name}": "{first}"}}, '
        "or drop the others."
    )
    return Match((), how, (*names, *others), problem)
