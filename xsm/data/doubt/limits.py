"""Between which values a variable is valid: by its own attributes, else by its role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from xsm.data.naming.roles import Role
from xsm.data.units import Conversion

__all__ = ["Limits", "codes_said", "limits_of"]


_ENDLESS = 1e10  # bounds beyond are placeholders, as the 1e15 of MERRA-2
_OF_TYPES = {127.0, 255.0, 32767.0, 32768.0, 65535.0, 2147483647.0, 2147483648.0}
_SLACK = {"mm day-1": 0.05, "mm": 0.1, "W m-2": 1.0, "%": 0.5}  # packing of files, in these units
_LIKE = 1e-5  # what float32 loses of bounds that are stated
_ROUNDING = 1e-3  # of the width of all other ranges
_CODES = ("_FillValue", "missing_value", "fmissing_value", "fill_value", "GRIB_missingValue")


@dataclass(frozen=True)
class Limits:
    """Bounds in the units of the data, and whether the data state them themselves.

    Values may lie beyond by ``slack``, what packing and rounding of files lose.
    """

    low: float = -np.inf
    high: float = np.inf
    stated: bool = False
    slack: float = 0.0

    def outside(self, values: Any) -> Any:
        """Tell which values lie beyond; NaN does not."""
        return (values < self.low - self.slack) | (values > self.high + self.slack)

    def __str__(self) -> str:
        """Return both ends, as far as they are known."""
        known = np.isfinite([self.low, self.high]).any()
        return f"{self.low:.4g} to {self.high:.4g}" if known else ""


def limits_of(array: xr.DataArray, role: Role | None, change: Conversion | None) -> Limits:
    """Return the bounds of a variable: those that it states, or those of its role.

    ``valid_range``, ``valid_min`` and ``valid_max`` are in the units of the data. Bounds that are
    placeholders (1e15, the ends of a type of integers) say nothing. Those of a role have a slack.
    """
    low, high, slack = -np.inf, np.inf, 0.0
    if role is not None and role.range is not None and change is not None:
        slack = min(_SLACK.get(role.units, np.inf), _ROUNDING * (role.range[1] - role.range[0]))
        back = change.inverse()
        low, high = sorted(back.factor * end + back.offset for end in role.range)
        slack *= abs(back.factor)
    said = [_stated(array, f"valid_{end}", at) for at, end in enumerate(("min", "max"))]
    if said == [None, None]:
        return Limits(low, high, slack=slack)
    low, high = (
        known if own is None else own for known, own in zip((low, high), said, strict=True)
    )
    return Limits(low, high, stated=True, slack=_LIKE * max(abs(low), abs(high), key=_known))


def _known(end: float) -> float:
    """Order finite bounds last."""
    return end if np.isfinite(end) else -1.0


def _stated(array: xr.DataArray, name: str, at: int) -> float | None:
    """Return a bound that the attributes state, in the units of the decoded values."""
    pair = np.asarray(array.attrs.get("valid_range", ()))
    given = array.attrs.get(name, pair[at] if pair.size == 2 else None)
    try:
        value = float(np.asarray(given).item())
    except (TypeError, ValueError):
        return None
    packed = np.asarray(given).dtype.kind in "iu" and isinstance(given, np.generic)
    scale = {
        key: array.encoding[key] for key in ("scale_factor", "add_offset") if key in array.encoding
    }
    if not abs(value) < _ENDLESS or (packed and abs(value) in _OF_TYPES):
        return None
    if packed and scale:  # CF: of the packed type
        value = value * float(scale.get("scale_factor", 1)) + float(scale.get("add_offset", 0))
    return value


def codes_said(attrs: Mapping[Any, Any]) -> tuple[float, ...]:
    """Return the fill values that attributes name."""
    codes = []
    for key in _CODES:
        try:
            codes.append(float(np.asarray(attrs[key]).item()))
        except (KeyError, TypeError, ValueError):
            continue
    return tuple(code for code in codes if np.isfinite(code) and code != 0)
