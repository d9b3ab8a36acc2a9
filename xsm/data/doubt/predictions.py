"""The doubt of predictions and of their spread, of xsm or of anything else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from xsm.data.doubt.door import guard_of, guarded, judge_all
from xsm.data.doubt.fills import CODES, matches
from xsm.data.naming import ROLES, Role, Variable
from xsm.data.refused import check_numbers
from xsm.exceptions import GridError, UnitsError, warn_outside
from xsm.typing import Array

__all__ = ["check_spread", "doubted_prediction", "doubted_spread"]

_STOPS = {"fill", "infinite"}
_MOST = 0.5  # share of values beyond the range that is told


def doubted_prediction(array: xr.DataArray, variable: Variable) -> xr.DataArray:
    """Return a prediction in canonical units, its fill values and infinite ones refused.

    ``variable`` is the target of the observations, with units and conversion of the prediction. A
    column that its role cannot hold is told. Lazy ones are looked at when they are computed.
    """
    role, name = ROLES.get(variable.role), str(array.name)
    check_numbers(array, name, role.units if role is not None else "1")
    own = replace(variable, name=name, how="name", dim=None, index=None)
    made = own.conversion(array.drop_attrs(deep=False))
    if array.chunks is not None:
        said = f"the prediction of {variable.role}"
        return guarded(made, guard_of(array, own, said, quiet=True))
    for judged in judge_all(array.to_dataset(name=name), [own]):
        stops = [str(found) for found in judged.findings if found.kind in _STOPS]
        if stops:
            said = "\n".join(f"- of the prediction {name!r}: {each}" for each in stops)
            raise UnitsError(f"Values cannot be right:\n{said}")
        outside = judged.limits.outside(judged.rest)
        if role is not None and outside.size and outside.mean() > _MOST:
            warn_outside(
                f"{int(outside.sum()):,} of {outside.size:,} predicted values of {role.name} lie "
                f"outside of what it can be, {judged.limits} {own.units}. Look at the units of the "
                f"prediction: predicted[{name!r}].attrs['units']."
            )
    return made


def check_spread(mean: xr.DataArray, std: xr.DataArray) -> None:
    """Refuse a spread that lies along dimensions which its prediction lacks."""
    extra = [str(d) for d in std.dims if d not in mean.dims]
    if extra:
        msg = (
            f"The spread {std.name!r} lies along {list(map(str, std.dims))}, its prediction "
            f"{mean.name!r} along {list(map(str, mean.dims))}. Give both the same dimensions, as "
            f"by predicted[{str(std.name)!r}].rename(...)."
        )
        raise GridError(msg)


def doubted_spread(std: xr.DataArray, role: Role | None) -> xr.DataArray:
    """Return a standard deviation that can be one: finite, not negative, no wider than its role.

    It is in the units of the role. Lazy ones are looked at when they are computed.
    """
    check_numbers(std, std.name, role.units if role is not None else "1")
    widest = np.inf if role is None or role.range is None else role.range[1] - role.range[0]
    look = _Spread(str(std.name), float(widest))
    if std.chunks is None:
        look(std.values)
        return std
    data = std.data
    return std.copy(data=data.map_blocks(look, dtype=data.dtype, meta=data._meta))


class _Spread:
    """Looks at the values of a spread, refuses those that can be none; travels to workers."""

    def __init__(self, name: str, widest: float) -> None:
        self.name, self.widest = name, widest

    def __call__(self, values: Array) -> Array:
        """Return the values."""
        odd = values[(values < 0) | np.isinf(values) | (values > self.widest)]
        if np.isinf(self.widest) and not odd.size:
            odd = values[matches(values, [c for c in CODES if c > 0])]
        if odd.size:
            msg = (
                f"{odd.size:,} of {values.size:,} values of {self.name!r} can be no "
                f"standard deviation: {odd.min():.6g} to {odd.max():.6g}, where 0 to "
                f"{self.widest:g} can be. Where they stand for missing values, leave them "
                f"out, predicted[{self.name!r}] = predicted[{self.name!r}].where(...); else "
                "correct the units of the spread, or the values."
            )
            raise UnitsError(msg)
        return values
