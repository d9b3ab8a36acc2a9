"""The table of roles, read from ``variables.toml``, with the names of ``products.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from xsm.data.naming.products import PRODUCTS

__all__ = ["METEOROLOGY", "ROLES", "STATIC", "Role"]


@dataclass(frozen=True)
class Role:
    """What a variable can be: canonical unit, sign, and the names it goes by.

    Parameters
    ----------
    name : str
        The role.
    long_name, units, kind : str
        Words, canonical unit, and kind: ``water_flux``, ``energy_flux``, ``state``, ``static`` or
        ``categorical``.
    water : bool
        1000 kg m-3 links mass and depth.
    layered : bool
        Layers of soil are allowed.
    faces : bool
        Values at the faces between layers are allowed.
    needs_units : bool
        Units must be stated although the canonical unit is 1 or %, or the role is a map.
    positive : str
        ``"up"``, ``"down"`` or empty: direction of positive values.
    sign : str
        The same in words.
    range : tuple of float, optional
        Valid range in canonical units.
    usual : tuple of float, optional
        Means of a record of a place on land, in canonical units.
    default_for : str
        ``"meteorology"``, ``"static"`` or empty.
    output : str
        ``standard_name`` of the canonical array, or empty.
    standard_names : tuple of str
        Names of CF that identify the role.
    aliases : dict of str to tuple of str
        Names by product, best first.
    signs : dict of str to int
        -1 for products of the other sign.
    layers : dict of str to tuple of float
        Top and bottom in m by alias.
    stems : tuple of str
        Names that count where the depth of a sensor follows, as ``sm_5cm``.
    unless : dict of str to str
        Alias that does not count where another variable is in the data set.
    said : tuple of str
        Words of a ``long_name`` that tell the role, whatever role the name has.
    extreme : str
        ``"max"`` or ``"min"`` where it is that of each day, which ``cell_methods`` tell.
    """

    name: str
    long_name: str
    units: str
    kind: str
    water: bool = False
    layered: bool = False
    faces: bool = False
    needs_units: bool = False
    positive: str = ""
    sign: str = ""
    range: tuple[float, float] | None = None
    usual: tuple[float, float] | None = None
    default_for: str = ""
    output: str = ""
    standard_names: tuple[str, ...] = ()
    aliases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    signs: dict[str, int] = field(default_factory=dict)
    layers: dict[str, tuple[float, float]] = field(default_factory=dict)
    stems: tuple[str, ...] = ()
    unless: dict[str, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    extreme: str = ""

    @property
    def flux(self) -> bool:
        """Whether amounts for each time step become rates."""
        return self.kind in {"water_flux", "energy_flux"}

    @property
    def static(self) -> bool:
        """Whether it is a map that does not change."""
        return self.kind in {"static", "categorical"}

    @property
    def names(self) -> tuple[str, ...]:
        """All aliases, each once."""
        return tuple(dict.fromkeys(n for names in self.aliases.values() for n in names))

    def products(self, name: str) -> tuple[str, ...]:
        """Return the products that use a name for this role.

        Parameters
        ----------
        name : str
            Name of a variable.

        Returns
        -------
        tuple of str
            Names of products; empty where the name is no alias.
        """
        return tuple(product for product, names in self.aliases.items() if name in names)

    def product_sign(self, name: str, among: tuple[str, ...] = ()) -> int:
        """Return the sign of a variable of this name.

        Parameters
        ----------
        name : str
            Name of a variable.
        among : tuple of str, optional
            Products that the data are of.

        Returns
        -------
        int
            -1 where every product that uses the name has the other sign, else 1. Where products of
            the data use it, only those count.
        """
        products = self.products(name)
        mine = [product for product in products if product in among]
        signs = {self.signs.get(product, 1) for product in mine or products}
        return -1 if signs == {-1} else 1


def _read() -> dict[str, Role]:
    """Read the table."""
    text = files("xsm.data.naming").joinpath("variables.toml").read_text(encoding="utf-8")
    return {name: _role(name, entry) for name, entry in tomllib.loads(text).items()}


def _role(name: str, entry: dict[str, Any]) -> Role:
    """Make a role of its entry and of the products that have it; its own name is an alias."""
    having = {key: product for key, product in PRODUCTS.items() if name in product.names}
    aliases = {key: product.names[name] for key, product in having.items()}
    ends = {key: entry.pop(key, None) for key in ("range", "usual")}
    return Role(
        name=name,
        aliases={"role": (name,), **aliases},
        signs={key: p.signs[name] for key, p in having.items() if name in p.signs},
        layers={
            alias: p.layers[alias]
            for p in having.values()
            for alias in p.names[name]
            if alias in p.layers
        },
        range=_pair(ends["range"]),
        usual=_pair(ends["usual"]),
        standard_names=tuple(entry.pop("standard_names")),
        stems=tuple(entry.pop("stems", ())),
        said=tuple(entry.pop("said", ())),
        **entry,
    )


def _pair(ends: list[float] | None) -> tuple[float, float] | None:
    """Return both ends of a range, where there is one."""
    return None if ends is None else (float(ends[0]), float(ends[1]))


ROLES = _read()
METEOROLOGY = tuple(r.name for r in ROLES.values() if r.default_for == "meteorology")
"""Roles used as default dynamic input."""
STATIC = tuple(r.name for r in ROLES.values() if r.default_for == "static")
"""Roles used as default static input."""
