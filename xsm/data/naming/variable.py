"""A variable of a data set and what it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from xsm.data.units import Conversion

__all__ = ["Variable"]


@dataclass(frozen=True)
class Variable:
    """A variable of a data set and what it is.

    Parameters
    ----------
    role : str
        What it is; its own name where it has no role.
    name : str or tuple of str
        Its name in the data set; several where it is derived.
    how : str
        How it was found: ``"override"``, ``"standard_name"``, ``"alias"``, ``"derived"`` or,
        without a role, ``"name"``.
    units : str
        Units of the data; canonical for derived ones, empty where there are none.
    conversion : Conversion
        To canonical unit and sign.
    depth : tuple of float, optional
        Top and bottom in m, positive down, of a layer of soil whose bounds are known.
    dim : str, optional
        Dimension of layers, where one variable holds several.
    index : int, optional
        Position along it.
    at : float, optional
        Depth in m of a sensor, whose layer is assumed to lie halfway to its neighbours.
    """

    role: str
    name: str | tuple[str, ...]
    how: str
    units: str
    conversion: Conversion = field(default_factory=Conversion)
    depth: tuple[float, float] | None = None
    dim: str | None = None
    index: int | None = None
    at: float | None = None
