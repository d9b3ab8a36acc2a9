"""What downscaling works on: target, covariates and truth on a coarse and a fine grid, lazily."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import xarray as xr

from xsm.data.grid import without_scalars
from xsm.data.naming.matching import check_overrides
from xsm.data.nesting import Nest, horizontal_axes
from xsm.data.reading import Reading, read
from xsm.data.units import dequantify
from xsm.exceptions import MissingVariableError
from xsm.typing import FloatArray

__all__ = ["Covariates", "Part", "Sources", "check_stated", "choose_target", "read_one"]


_TARGETS = ("groundwater_storage", "terrestrial_water_storage")


@dataclass(frozen=True, eq=False)
class Sources:
    """Canonical arrays of one data set on a coarse and a fine grid, lazy where the data are.

    Parameters
    ----------
    nest : Nest
        Both grids.
    time : str
        Name of the time dimension.
    coarse : dict of str to DataArray
        The target first, then covariates with time (time, y, x), on the coarse grid.
    fine : dict of str to DataArray
        Covariates with time (time, y, x), on the fine grid.
    static : dict of str to DataArray
        Covariates without time (y, x), on the fine grid.
    truth : DataArray or None
        (time, y, x) the target on the fine grid; NaN where missing.
    area : ndarray
        (y, x) areas of the fine cells; 0 where a cell is no part of the domain.
    """

    nest: Nest
    time: str
    coarse: dict[str, xr.DataArray]
    fine: dict[str, xr.DataArray]
    static: dict[str, xr.DataArray]
    truth: xr.DataArray | None
    area: FloatArray

    @property
    def target(self) -> xr.DataArray:
        """The coarse target."""
        return next(iter(self.coarse.values()))

    @property
    def steps(self) -> int:
        """Number of times."""
        return self.target.sizes[self.time]

    @property
    def arrays(self) -> list[xr.DataArray]:
        """All arrays."""
        more = [] if self.truth is None else [self.truth]
        return [*self.coarse.values(), *self.fine.values(), *self.static.values(), *more]

    def named(self) -> dict[str, xr.DataArray]:
        """Return all arrays, by kind and name."""
        kinds = {"coarse": self.coarse, "fine": self.fine, "static": self.static}
        named = {f"{kind} {n}": a for kind, held in kinds.items() for n, a in held.items()}
        own = {"target": self.target, "truth": self.truth}
        return named | {n: a for n, a in own.items() if a is not None}

    @property
    def nbytes(self) -> int:
        """Memory that they take in float32."""
        return 4 * sum(a.size for a in self.arrays)

    def load(self) -> Sources:
        """Return the same in memory, read in one pass."""
        names = [f"{k}" for k in range(len(self.arrays))]
        bare = {n: without_scalars(a).variable for n, a in zip(names, self.arrays, strict=True)}
        renamed = {n: _own_dims(v, n) for n, v in bare.items()}
        loaded = xr.Dataset(renamed).load()
        new = iter([a.copy(data=loaded[n].values) for n, a in zip(names, self.arrays, strict=True)])
        coarse = {name: next(new) for name in self.coarse}
        fine = {name: next(new) for name in self.fine}
        static = {name: next(new) for name in self.static}
        truth = None if self.truth is None else next(new)
        return Sources(self.nest, self.time, coarse, fine, static, truth, self.area)


def _own_dims(variable: xr.Variable, name: str) -> xr.Variable:
    """Give an array dimensions of its own, since coarse and fine ones have the same names."""
    return xr.Variable([f"{d}_{name}" for d in variable.dims], variable.data)


def read_one(ds: xr.Dataset, variables: Mapping[str, str] | None) -> Reading:
    """Find the variables of one of several data sets, of which ``variables`` names some of each."""
    plain, quantified = dequantify(ds)
    own = {role: name for role, name in (variables or {}).items() if name in plain.variables}
    return replace(read(plain, own), quantified=quantified)


def check_stated(variables: Mapping[str, str] | None, *parts: Part) -> None:
    """Refuse names that none of several data sets has, of which each holds some."""
    sets = [p for part in parts for p in (part if isinstance(part, Sequence) else [part])]
    names = {name for p in sets if isinstance(p, xr.Dataset) for name in p.variables}
    names |= {
        "covariate" if p.name is None else p.name for p in sets if isinstance(p, xr.DataArray)
    }
    check_overrides(xr.Dataset(dict.fromkeys(names, 0)), variables or {})


def choose_target(reading: Reading, target: str | None) -> str:
    """Return the role or the name of what is to be downscaled.

    By default groundwater storage, then terrestrial water storage, then the only variable on a
    grid; where there are several, they are named and refused.
    """
    if target is not None:
        table, variable = reading.table, reading.lookup(target)
        chosen = variable.role in table.roles and table[variable.role] == variable
        return variable.role if chosen else target
    for role in _TARGETS:
        if role in reading:
            return role
    dims = {axis.dim for axis in horizontal_axes(reading.ds)}
    names = [str(n) for n, a in reading.ds.data_vars.items() if dims <= set(a.dims)]
    if len(names) != 1:
        msg = (
            f"Which variable is to be downscaled? The data hold {names or 'none on the grid'}. "
            'Take one: ds["<name>"].physm.downscale(...), or pass target="<name>".'
        )
        raise MissingVariableError(msg)
    return names[0]


Covariates: TypeAlias = xr.Dataset | xr.DataArray | Sequence[xr.Dataset | xr.DataArray]
Part: TypeAlias = Covariates | None
