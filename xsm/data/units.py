"""Units: the one factor and offset that convert them. Data are not wrapped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from xsm.data.attributes import with_units
from xsm.data.byte_order import native
from xsm.data.grid import time_dim
from xsm.data.refused import check_input, check_numbers
from xsm.data.spelling import by_day, cancelled, parse, per_month, unit_registry
from xsm.exceptions import UnitsError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Conversion", "conversion", "dequantify", "is_amount", "quantify"]


_WATER_DENSITY = 1000.0  # kg m-3; links mass and depth of water


@dataclass(frozen=True)
class Conversion:
    """A linear change of units: canonical = factor * given + offset.

    Parameters
    ----------
    factor : float, default: 1.0
        Canonical units for each given unit, computed in float64; negative where the sign turns.
    offset : float, default: 0.0
        In canonical units; only temperatures have one.
    months : int, default: 0
        1 where given is for the calendar month of its label and canonical for a day: each value is
        divided by the days of its month too; -1 where it is multiplied by them.

    Examples
    --------
    >>> change = Conversion(factor=1.0, offset=273.15)
    >>> change.inverse()
    Conversion(factor=1.0, offset=-273.15, months=0)
    """

    factor: float = 1.0
    offset: float = 0.0
    months: int = 0

    @property
    def identity(self) -> bool:
        """Whether nothing changes."""
        return self == Conversion()

    def inverse(self) -> Conversion:
        """Return the change back: given = (canonical - offset) / factor.

        Returns
        -------
        Conversion
            From canonical to given.
        """
        offset = -self.offset / self.factor + 0.0
        return Conversion(1.0 / self.factor, offset, -self.months)

    def then(self, other: Conversion) -> Conversion:
        """Return this change followed by another one.

        Parameters
        ----------
        other : Conversion
            The change that follows.

        Returns
        -------
        Conversion
            Both in one.
        """
        offset = self.offset * other.factor + other.offset
        return Conversion(self.factor * other.factor, offset, self.months + other.months)

    def __call__(self, x: xr.DataArray) -> xr.DataArray:
        """Convert an array.

        Parameters
        ----------
        x : DataArray
            Values in the given units, of any dimensions.

        Returns
        -------
        DataArray
            Values in canonical units with the same dimensions, coordinates and name, and no
            attributes; the array itself where nothing changes. Lazy arrays stay lazy, NaN stays
            NaN, float32 stays float32; integers of 8 to 32 bits become float32, others float64.
        """
        check_numbers(x, x.name)
        if self.identity:
            return x
        if x.dtype.kind != "f":
            x = x.astype(np.float32 if x.dtype.itemsize < 8 and x.dtype.kind in "iub" else float)
        if self.months:
            result = x * self._by_month(x).astype(x.dtype)
        else:
            result = x * self.factor if self.factor != 1.0 else x
        result = result + self.offset if self.offset else result
        result.attrs = {}
        return result

    def _by_month(self, x: xr.DataArray) -> xr.DataArray:
        """Return the factor of each step."""
        days = x[time_dim(x)].dt.days_in_month.drop_attrs()
        return self.factor * days.astype(float) ** -self.months


@lru_cache(maxsize=1024)  # a pure function: of a lazy prediction's graph, a sixth of the time
def conversion(
    given: str,
    wanted: str,
    *,
    water: bool = False,
    step_days: float | None = None,
    thickness: float | None = None,
) -> Conversion:
    """Return the change from given to wanted units.

    The helpers ``water``, ``step_days`` and ``thickness`` are used only where the dimensions
    of the units ask for them, so they may be passed for every variable of a kind.

    Parameters
    ----------
    given : str
        Units of the data, in the spelling of CF, pint, GRIB or of a product.
    wanted : str
        Units that are needed.
    water : bool, default: False
        The quantity is water: 1000 kg m-3 links its mass and its depth.
    step_days : float, optional
        Length of the time step in days, where given is an amount for each step and wanted is a
        rate.
    thickness : float, optional
        Thickness of a soil layer in m, where given is water in the layer (kg m-2 or mm) and wanted
        is m3 m-3.

    Returns
    -------
    Conversion
        Factor and offset in float64. What is for a month, as mm month-1, is converted by the days
        of the calendar month of each label.

    Raises
    ------
    UnitsError
        If units cannot be read, or one does not convert to the other with the helpers given.

    Examples
    --------
    >>> conversion("kg m-2 s-1", "mm day-1", water=True)
    Conversion(factor=86400.0, offset=0.0, months=0)
    >>> conversion("m", "mm day-1", water=True, step_days=1 / 24)
    Conversion(factor=24000.0, offset=0.0, months=0)
    >>> conversion("degC", "K")
    Conversion(factor=1.0, offset=273.15, months=0)
    >>> conversion("kg m-2", "m3 m-3", water=True, thickness=0.1)
    Conversion(factor=0.01, offset=0.0, months=0)
    """
    if thickness is not None and not thickness > 0:
        msg = f"thickness={thickness} was given; a layer's thickness in m, above 0, is needed."
        raise UnitsError(msg)
    source, target = parse(given), parse(wanted)
    months = per_month(target) - per_month(source)
    source, target = by_day(source), by_day(target)
    if source.dimensionality == target.dimensionality:
        _check_ratios(given, wanted, source)
        return replace(_linear(source, target), months=months)
    helpers: dict[str, Any] = {"water": water, "step_days": step_days, "thickness": thickness}
    link = _link(source, target, **helpers)
    if link is None:
        raise UnitsError(_mismatch(given, wanted, helpers))
    return Conversion(link, months=months)


@lru_cache(maxsize=1024)
def is_amount(given: str, rate: str) -> bool:
    """Tell whether units are an amount that becomes the rate when divided by a time.

    A UnitsError if units cannot be read, or given is neither the rate nor its amount; water links
    mass and depth.

    Examples
    --------
    >>> is_amount("m", "mm day-1"), is_amount("kg m-2 s-1", "mm day-1"), is_amount("J m-2", "W m-2")
    (True, False, True)
    """
    try:
        conversion(given, rate, water=True)
    except UnitsError:
        conversion(given, rate, water=True, step_days=1.0)
        return True
    return False


def dequantify(ds: xr.Dataset) -> tuple[xr.Dataset, bool]:
    """Return the data set with plain arrays, in native byte order, and units as attributes.

    Parameters
    ----------
    ds : xarray.Dataset
        Data, quantified by pint or not.

    Returns
    -------
    Dataset
        The same data with a ``units`` attribute in place of pint quantities, and of ``Units`` in
        any capitals; the data set itself where there are none and all numbers are native. Nothing
        is computed or loaded.
    bool
        Whether there were quantities.

    Raises
    ------
    TypeError
        If the data are no Dataset.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> plain = xr.Dataset({"tp": ("x", np.ones(2), {"units": "mm day-1"})})
    >>> back, quantified = dequantify(quantify(plain))
    >>> quantified, back["tp"].attrs["units"]
    (True, 'millimeter / day')
    """
    check_input(ds)
    ds = native(with_units(ds))
    found = {
        name: variable
        for name, variable in ds.variables.items()
        if _is_quantity(variable._data) and name not in ds.xindexes
    }
    if not found:
        return ds, False
    plain: dict[Any, Any] = {}
    for name, variable in found.items():
        quantity: Any = variable._data
        attrs = {**variable.attrs, "units": str(quantity.units)}
        plain[name] = (variable.dims, quantity.magnitude, attrs, variable.encoding)
    return ds.assign({n: v for n, v in plain.items() if n in ds.data_vars}).assign_coords(
        {n: v for n, v in plain.items() if n in ds.coords}
    ), True


def quantify(ds: xr.Dataset) -> xr.Dataset:
    """Return the data set with pint quantities in place of units as attributes.

    Parameters
    ----------
    ds : xarray.Dataset
        Data; variables without units, and all coordinates, stay as they are.

    Returns
    -------
    Dataset
        Data variables as quantities of pint-xarray's registry. Nothing is computed: arrays that
        are neither in memory nor dask arrays become dask arrays of one chunk.

    Raises
    ------
    UnitsError
        If units cannot be read.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> plain = xr.Dataset({"tp": ("x", np.ones(2), {"units": "m of water equivalent"})})
    >>> str(quantify(plain)["tp"].pint.units)
    'meter'
    """
    registry, made = unit_registry(), {}
    for name, array in ds.data_vars.items():
        units = array.attrs.get("units")
        if units is None or _is_quantity(array.variable._data):
            continue
        variable = array.variable
        if not variable._in_memory and variable.chunks is None:
            variable = variable.chunk()
        attrs = {key: value for key, value in variable.attrs.items() if key != "units"}
        quantity = registry.Quantity(variable.data, parse(str(units)))
        made[name] = (variable.dims, quantity, attrs, variable.encoding)
    return ds.assign(made)


def _is_quantity(data: object) -> bool:
    """Tell whether an array is a pint quantity, without loading it."""
    return hasattr(data, "magnitude") and hasattr(data, "units")


def _check_ratios(given: str, wanted: str, unit: Any) -> None:
    """Refuse a ratio of masses for one of volumes: both have no dimension."""
    kinds = [cancelled(text) for text in (given, wanted)] if unit.dimensionless else [""]
    if "" in kinds or kinds[0] == kinds[1]:
        return
    msg = (
        f"The units {given!r} do not convert to {wanted!r}: what cancels is a {kinds[0]} in the "
        f"one and a {kinds[1]} in the other."
    )
    if kinds == ["mass", "length"]:
        msg += (
            " Water by mass of dry soil needs the bulk density (kg m-3) over that of water, for "
            'example ds["swvl1"] = (ds["swvl1"] * ds["bulk_density"] / 1000)'
            '.assign_attrs(units="m3 m-3").'
        )
    raise UnitsError(msg)


def _multiplicative(unit: Any) -> bool:
    """Tell whether a unit has no offset, as degC has."""
    return bool(unit_registry().Quantity(1.0, unit)._is_multiplicative)


def _linear(source: Any, target: Any) -> Conversion:
    """Return factor and offset between units of one dimension."""
    registry = unit_registry()
    if _multiplicative(source) and _multiplicative(target):
        return Conversion(_rounded(registry.Quantity(1.0, source).to(target).magnitude))
    return _to_base(source).then(_to_base(target).inverse())


def _to_base(unit: Any) -> Conversion:
    """Return factor and offset from a unit to its base unit."""
    registry = unit_registry()
    zero, one = registry.Quantity(0.0, unit), registry.Quantity(1.0, unit)
    factor = (one - zero).to_base_units().magnitude  # a difference: the offset falls out
    return Conversion(_rounded(factor), _rounded(zero.to_base_units().magnitude))


def _rounded(value: float) -> float:
    """Drop the last binary digits of a round number: 86399.99999999999 is 86400."""
    short = float(f"{value:.12g}")
    return short if abs(short - value) <= 1e-15 * abs(value) else float(value)


def _link(
    source: Any, target: Any, *, water: bool, step_days: float | None, thickness: float | None
) -> float | None:
    """Return the factor between units that the helpers link, or None where they do not."""
    if not _multiplicative(source):
        return None
    registry = unit_registry()
    volume = 1.0 / registry.Quantity(_WATER_DENSITY, "kg/m**3")
    density = [volume, 1.0 / volume] if water else []
    other = []
    if step_days is not None:
        other.append(1.0 / registry.Quantity(step_days, "day"))
    if thickness is not None:
        other.append(1.0 / registry.Quantity(thickness, "m"))
    one = registry.Quantity(1.0, source)
    for link in [*density, *other, *(a * b for a in density for b in other)]:
        if (one * link).dimensionality == target.dimensionality:
            return _rounded((one * link).to(target).magnitude)
    return None


_HINTS = {
    "water": "pass water=True if it is water (1000 kg m-3 links mass and depth)",
    "step_days": "pass step_days= if it is an amount for each time step",
    "thickness": (
        "state the bounds in m if it is water in a layer of soil, for example "
        'ds["swvl1"].attrs["layer_edges_m"] = [0.0, 0.1]'
    ),
}
"""What to type for each helper."""


def _mismatch(given: str, wanted: str, helpers: Mapping[str, Any]) -> str:
    """Say why units do not convert, and which helpers would link them, if any do."""
    lacking = [name for name, value in helpers.items() if not value]
    source, target = by_day(parse(given)), by_day(parse(wanted))
    sets = (names for size in (1, 2) for names in combinations(lacking, size))
    works = (n for n in sets if _link(source, target, **{**helpers, **dict.fromkeys(n, 1.0)}))
    hints = [_HINTS[name] for name in next(works, ())]
    what = "; ".join([*hints, "or correct" if hints else "correct"])
    return (
        f"The units {given!r} do not convert to {wanted!r}. {what[0].upper()}{what[1:]} the units "
        "attribute of the data."
    )
