"""The table of products, read from ``products.toml``; which of them a data set is of."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files

import xarray as xr

from xsm.exceptions import UnknownNameError, did_you_mean

__all__ = [
    "PRODUCTS",
    "Product",
    "agreed",
    "label_of_products",
    "list_products",
    "products_of",
    "stated",
    "using",
]


@dataclass(frozen=True)
class Product:
    """How the files of a product name things, and what they leave out; see ``products.toml``."""

    title: str = ""
    source: str = ""
    told: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    known_by: tuple[str, ...] = ()
    unstated: bool = False
    amounts: str = ""
    monthly: str = ""
    label: str = ""
    fills: tuple[float, ...] = ()
    flags: tuple[str, ...] = ()
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    signs: Mapping[str, int] = field(default_factory=dict)
    layers: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def known(self) -> frozenset[str]:
        """All names of its files that are listed."""
        return frozenset(self.beside).union(*self.names.values())

    def units_for(self, role: str, name: str) -> str | None:
        """Return the units of its files, where these give a role that name."""
        return self.units.get(role) if name in self.names.get(role, ()) else None

    @property
    def own(self) -> tuple[str, ...]:
        """Names by which it is recognised: by default those that no other product has.

        Neither names of roles, which a user may give, nor those of two letters.
        """
        alone = (
            name
            for name in sorted(self.known)
            if _SHARED[name] == 1 and name not in self.names and len(name) > _SHORT
        )
        return self.known_by or tuple(alone)


def _read() -> dict[str, Product]:
    """Read the table."""
    text = files("xsm.data.naming").joinpath("products.toml").read_text(encoding="utf-8")
    return {name: _product(entry) for name, entry in tomllib.loads(text).items()}


def _product(entry: dict[str, object]) -> Product:
    """Make a product of its entry; lists become tuples."""
    made = {
        key: {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
        if isinstance(value, dict)
        else (tuple(value) if isinstance(value, list) else value)
        for key, value in entry.items()
    }
    return Product(**made)  # type: ignore[arg-type]


PRODUCTS = _read()
_WHERE = ("title", "id", "source", "product", "short_name", "ShortName", "summary", "project")
_SHARED = Counter(name for p in PRODUCTS.values() if p.title for name in p.known)
_ENOUGH = 2  # of its own names
_SHORT = 2  # letters of names that anybody may give


def list_products() -> dict[str, str]:
    """Return the products whose names, units and signs are known.

    Returns
    -------
    dict of str to str
        What ``product=`` accepts, and what it is called.

    Notes
    -----
    A product is recognised by the title of the data or by two names that no other product has;
    ``ds.physm.variables()`` tells which. Names and units of each are in
    ``xsm/data/naming/products.toml``, with their sources.

    Examples
    --------
    >>> list_products()["fluxnet"]
    'FLUXNET2015, ICOS, AmeriFlux'
    """
    return {name: product.title for name, product in _TITLED.items()}


def stated(ds: xr.Dataset, product: str | None) -> xr.Dataset:
    """Return the data with the product that the user states, in ``attrs["product"]``."""
    if product is None:
        return ds
    if product not in _TITLED:
        msg = f"product={product!r} is not known. {did_you_mean(str(product), _TITLED)}"
        raise UnknownNameError(msg)
    return ds.assign_attrs(product=product)


def products_of(ds: xr.Dataset) -> tuple[str, ...]:
    """Return the products that the data are of: the stated one, else those that are recognised.

    A product is recognised by words of the title of the data and one of its names, or by two names
    that no other product has; that with most names comes first. Only names are read.
    """
    said = ds.attrs.get("product")
    if said in _TITLED:
        return (str(said),)
    have = {str(name) for name in ds.data_vars}
    words = " ".join(str(ds.attrs.get(key, "")) for key in _WHERE).lower()
    count = {name: len(_TITLED[name].known & have) for name in _TITLED}
    found = [n for n in _TITLED if count[n] and (_told(n, words) or len(_OWN[n] & have) >= _ENOUGH)]
    return tuple(sorted(found, key=lambda name: -count[name]))


def label_of_products(ds: xr.Dataset) -> str:
    """Return where a flux at steps below a day is labelled: "start", "end", or nothing.

    By the products that the data are of, where these agree. Middles show in the labels.
    """
    labels = {PRODUCTS[product].label for product in products_of(ds)}
    return labels.pop() if labels in ({"start"}, {"end"}) else ""


def using(ds: xr.Dataset, name: str, products: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of some products that a variable is of, where the data or its units tell."""
    units = ds[name].attrs.get("units")
    mine = set(products_of(ds)).intersection(products) or {
        product
        for product in products
        if product in PRODUCTS and units in PRODUCTS[product].units.values()
    }
    return tuple(product for product in products if not mine or product in mine)


def agreed(products: tuple[str, ...], what: str) -> str | None:
    """Return what amounts mean in all of some products, or in their ``monthly`` files."""
    said = {getattr(PRODUCTS[key], what) if key in PRODUCTS else "" for key in products}
    return said.pop() or None if len(said) == 1 else None


def _told(name: str, words: str) -> bool:
    """Tell whether the title of the data names a product."""
    return any(word in words for word in PRODUCTS[name].told)


_TITLED = {name: product for name, product in PRODUCTS.items() if product.title}
_OWN = {name: frozenset(product.own) for name, product in _TITLED.items()}
