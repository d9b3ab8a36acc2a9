"""What is found in the sample of one variable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from xsm.data.doubt.columns import impossible_mean, other_units, says_saturation, too_small
from xsm.data.doubt.fills import Fills, find_fills
from xsm.data.doubt.finding import Finding, Severity
from xsm.data.doubt.limits import Limits, codes_said, limits_of
from xsm.data.doubt.sample import Sample, finite
from xsm.data.grid import time_dim
from xsm.data.naming import ROLES, Role, Variable
from xsm.data.naming.amounts import contradicted_sign, sawtooth
from xsm.data.units import is_amount
from xsm.exceptions import GridError, UnitsError
from xsm.typing import FloatArray

__all__ = ["Judged", "judge"]


_MOST = 0.5  # share of values beyond the range that makes a column impossible; also of missing ones
_FEWEST = 10  # values that are called constant
_FULL = 0.9  # more than soils hold
_SOIL = {"soil_moisture", "satellite_soil_moisture"}
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, eq=False)
class Judged:
    """A variable, its sample, and what was found in it; ``fills`` apart from all other values.

    ``endless`` counts infinite values, which are among neither.
    """

    variable: Variable
    sample: Sample
    array: xr.DataArray
    limits: Limits
    fills: Fills | None
    rest: FloatArray
    pores: str | None = None
    endless: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def role(self) -> Role | None:
        """Its role, where it has one."""
        return ROLES.get(self.variable.role)

    @property
    def values(self) -> xr.DataArray:
        """The sample of its layer."""
        return self.sample.of_layer(self.variable.index)

    @property
    def layer(self) -> str:
        """Which layer of a variable with several it is, in words."""
        dim, index = self.variable.dim, self.variable.index
        return "" if dim is None else f" ({dim}={index})"

    @property
    def units(self) -> str:
        """Units of the data, behind a space, where there are some that can be printed."""
        return f" {self.variable.units}" if self.variable.units not in {"", "1"} else ""

    @property
    def canonical(self) -> FloatArray:
        """All values but fills, in canonical units and sign."""
        change = self.variable.conversion
        return change.factor * self.rest + change.offset


def judge(
    ds: xr.Dataset, variable: Variable, sample: Sample, fills_of_product: Sequence[float] = ()
) -> Judged:
    """Return what looks wrong in a variable, the worst first."""
    array, role = ds[str(variable.name)], ROLES.get(variable.role)
    change = variable.conversion if role is not None else None
    limits = limits_of(array, role, change)
    looked = sample.of_layer(variable.index).values
    values, endless = finite(looked), int(np.isinf(looked).sum())
    fills = None
    if role is None or role.kind != "categorical":
        fills = find_fills(values, limits, (*codes_said(array.attrs), *fills_of_product))
    rest = values if fills is None else fills.rest
    judged = Judged(variable, sample, array, limits, fills, rest, pores_of(ds), endless)
    return replace(judged, findings=tuple(_findings(judged)))


def pores_of(ds: xr.Dataset) -> str | None:
    """Return the variable that holds the porosity, in m3 m-3, by its name."""
    names = ("theta_s", *ROLES["theta_s"].names)
    return next((n for n in names if n in ds and ds[n].attrs.get("units") == "m3 m-3"), None)


def _findings(judged: Judged) -> Iterator[Finding]:
    """Yield what looks wrong."""
    role, rest = judged.role, judged.rest
    if judged.endless:
        yield _infinite(judged)
    if judged.fills is not None:
        yield _fill(judged, judged.fills)
    if not rest.size and judged.fills is None and not judged.endless:
        words = f"{str(judged.variable.name)!r} holds no value{judged.layer}, as far as was looked."
        yield _of(judged, "missing", "note", words, "", 1.0)
    if role is None or role.kind == "categorical" or not rest.size:
        return
    column = [*_saturation(judged, role)] or [*_column(judged, role)] or [*_beyond(judged)]
    yield from column
    if not any(found.severity == "stop" for found in column):
        yield from _turned(judged, role)
        yield from _summed(judged, role)
    yield from _still(judged, role)


def _of(
    judged: Judged, kind: str, severity: Severity, words: str, line: str, share: float
) -> Finding:
    """Return a finding; braces in its words are those of the line alone."""
    name = str(judged.variable.name)
    return Finding(judged.variable.role, name, kind, severity, words, line, share)


def _infinite(judged: Judged) -> Finding:
    """Say that values are infinite, as after a division by zero."""
    name = str(judged.variable.name)
    words = (
        f"{judged.endless:,} of {judged.values.size:,} values of {name!r} that were looked at are "
        "infinite, as after a division by 0; numbers or NaN are needed.{typed}"
    )
    line = f'ds["{name}"] = ds["{name}"].where(abs(ds["{name}"]) < float("inf"))'
    return _of(judged, "infinite", "stop", words, line, judged.endless / judged.values.size)


def _fill(judged: Judged, fills: Fills) -> Finding:
    """Say which values stand for missing."""
    name, total = str(judged.variable.name), fills.count + fills.rest.size
    shown = ", ".join(f"{v:.8g}" for v in fills.values[:3])
    looked = "values" if judged.sample.whole and judged.variable.index is None else "sampled values"
    others = "nothing else is there"
    if fills.rest.size:
        others = f"all others lie from {fills.rest.min():.4g} to {fills.rest.max():.4g}"
    low = min(fills.values)
    bound, end = ("valid_min", low) if low < judged.limits.low else ("valid_max", max(fills.values))
    words = (
        f"{fills.count:,} of {total:,} {looked} of {name!r} are {shown}{judged.units}, which "
        f"nothing declares as missing; {others}.{{typed}} Only if these are no fill values, say "
        f'so: ds["{name}"].attrs["{bound}"] = {end!r}.'
    )
    return _of(judged, "fill", "stop", words, fills.line(name), fills.count / total)


def _saturation(judged: Judged, role: Role) -> Iterator[Finding]:
    """Find percent of saturation that is read as volume."""
    if role.name not in _SOIL:
        return
    name, canonical = str(judged.variable.name), judged.canonical
    most = float(canonical.max())
    line, meant = _volume(judged, name)
    if says_saturation(judged.array):
        told = judged.array.attrs.get("long_name", name)
        words = (
            f"{name!r} is read as volume of water in the soil, up to {most:.2f} m3 m-3, but calls "
            f"itself {told!r}. {meant} If it is volume, correct the name: "
            f'ds["{name}"].attrs["long_name"] = "volumetric soil moisture".'
        )
        yield _of(judged, "saturation", "stop", words, line, 1.0)
    elif most <= 1.01 and (canonical > _FULL).mean() > 0.05:
        words = (
            f"{name!r} is above {_FULL} m3 m-3 in {(canonical > _FULL).mean():.0%} of its values, "
            f"more than soils hold, as a degree of saturation is. {meant} If it is volume, say so: "
            f'ds["{name}"].attrs["valid_max"] = {float(judged.rest.max()):.4g}.'
        )
        if not judged.limits.stated:
            percent = judged.variable.conversion.factor != 1.0
            yield _of(judged, "saturation", "warn" if percent else "note", words, line, 1.0)


def _volume(judged: Judged, name: str) -> tuple[str, str]:
    """Return how a degree of saturation becomes volume, and what it means."""
    wetness = f'target="soil_wetness", variables={{"soil_wetness": "{name}"}}'
    if judged.pores is None:
        return "", (
            "Times the porosity of the soil, which these data do not hold, it would be volume. To "
            f"go on with the degree of saturation itself: fit(..., {wetness})."
        )
    share = f'ds["{name}"] * {judged.variable.conversion.factor:g} * ds["{judged.pores}"]'
    attrs = '.assign_attrs(units="m3 m-3", long_name="volumetric soil moisture")'
    return f'ds["{name}"] = ({share}){attrs}', "Times porosity it is volume.{typed}"


def _column(judged: Judged, role: Role) -> Iterator[Finding]:
    """Find a column in other units than it says."""
    if judged.limits.stated:
        return
    name, rest, canonical = str(judged.variable.name), judged.rest, judged.canonical
    share = float(judged.limits.outside(rest).mean())
    worst = share > _MOST or impossible_mean(canonical, role, _days(judged.values))
    if not worst and share <= 0.02 and not too_small(canonical, role, _days(judged.values)):
        return
    units = other_units(rest, judged.variable.units, role, judged.variable.conversion)
    if units is None and not worst:
        return
    ends = f"{rest.min():.4g} to {rest.max():.4g}"
    own = f"{canonical.min():.4g} to {canonical.max():.4g} {role.units}"
    said = "" if judged.variable.units == role.units else f", which is {own}"
    words = f"{name!r} holds {ends} in {judged.variable.units!r}{said}"
    if share > 0:
        low, high = role.range or (-np.inf, np.inf)
        words += f"; {share:.0%} lie outside of {low:g} to {high:g} {role.units}"
    words += "."
    if units is None:
        words += " No units that xsm knows make that plausible: correct the values or the units."
    else:
        words += f" As {units!r} they would be plausible.{{typed}}"
    low, high = float(rest.min()), float(rest.max())
    words += (
        f' If they are right, say so: ds["{name}"].attrs.update(valid_min={low:.6g}, '
        f"valid_max={high:.6g})."
    )
    line = "" if units is None else f'ds["{name}"].attrs["units"] = "{units}"'
    yield _of(judged, "units", "stop" if worst else "warn", words, line, max(share, 0.0))


def _beyond(judged: Judged) -> Iterator[Finding]:
    """Find values beyond the range of the role, or that the data state."""
    name, rest, limits = str(judged.variable.name), judged.rest, judged.limits
    odd = limits.outside(rest)
    if not odd.any():
        return
    whose = "its attributes state" if limits.stated else "such values have"
    x, conditions = f'ds["{name}"]', []
    if (rest < limits.low).any():
        conditions.append(f"{x} >= {limits.low:.6g}")
    if (rest > limits.high).any():
        conditions.append(f"{x} <= {limits.high:.6g}")
    said = conditions[0] if len(conditions) == 1 else " & ".join(f"({c})" for c in conditions)
    words = (
        f"{int(odd.sum()):,} of {rest.size:,} values of {name!r} lie outside of the range that "
        f"{whose}, {limits}{judged.units}: they reach from "
        f"{rest.min():.4g} to {rest.max():.4g}. To leave them out:{{typed}} If they are right, say "
        f"so: {x}.attrs.update(valid_min={float(rest.min()):.6g}, "
        f"valid_max={float(rest.max()):.6g})."
    )
    severity: Severity = "warn"
    if _centred(judged):
        severity, words = "note", f"{words} They spread around 0, as anomalies do."
    yield _of(judged, "range", severity, words, f"{x} = {x}.where({said})", float(odd.mean()))


def _centred(judged: Judged) -> bool:
    """Tell whether values of a store that cannot be negative are anomalies of it."""
    role, rest = judged.role, judged.rest
    store = role is not None and role.kind == "state" and role.units == "mm"
    return store and bool((rest < 0).mean() > 0.25 and abs(rest.mean()) < 0.25 * rest.std())


def _turned(judged: Judged, role: Role) -> Iterator[Finding]:
    """Find a flux whose sign its values contradict."""
    said = contradicted_sign(judged.rest, judged.array, judged.variable.conversion, role)
    if said:
        yield _of(judged, "sign", "warn", said, "", 1.0)


def _summed(judged: Judged, role: Role) -> Iterator[Finding]:
    """Find sums since 00 UTC that are taken for the amounts of steps."""
    name, values = str(judged.variable.name), judged.values
    try:
        amount = role.flux and is_amount(judged.variable.units, role.units)
        time = time_dim(values)
        steps = np.diff(np.asarray(values.indexes[time])).astype("m8[ns]")
    except (UnitsError, GridError):
        return
    if not amount or len(steps) < 24 or steps.min() >= _DAY or not sawtooth(values):
        return
    words = (
        f"{name!r} is read as the amount of each step, but grows through each UTC day and falls "
        "after 00 UTC, as sums since 00 UTC do.{typed} For daily totals call xsm.daily(ds) then."
    )
    line = f'ds["{name}"].attrs["accumulation"] = "since_00"'
    yield _of(judged, "sawtooth", "warn", words, line, 1.0)


def _still(judged: Judged, role: Role) -> Iterator[Finding]:
    """Find what does not vary, and what is mostly missing."""
    if role.static:
        return
    name, rest = str(judged.variable.name), judged.rest
    if rest.size >= _FEWEST and rest.min() == rest.max() != 0:
        words = (
            f"all {rest.size:,} values of {name!r} that were looked at are {rest[0]:.6g}"
            f"{judged.units}. What does not vary tells a model nothing: check it, or leave it out."
        )
        yield _of(judged, "constant", "note", words, "", 1.0)
    share = missing_share(judged)
    if share > _MOST:
        words = (
            f"{name!r} is missing in {share:.0%} of the steps of places that have values"
            f"{judged.layer}."
        )
        yield _of(judged, "missing", "note", words, "", share)


def missing_share(judged: Judged) -> float:
    """Return the share of missing values, of places that have some; fills are missing too."""
    values = np.asarray(judged.values.values, dtype=float)
    there = np.isfinite(values)
    if judged.fills is not None:
        there &= ~np.isin(values, judged.fills.values)
    if there.ndim < 2:
        return float(1 - there.mean()) if there.size else 0.0
    alive = there.any(axis=0)
    return float(1 - there[:, alive].mean()) if alive.any() else 1.0


def _days(values: xr.DataArray) -> float:
    """Return how many days a sample lasts; none where it has no time."""
    try:
        times = np.asarray(values.indexes[time_dim(values)])
    except GridError:
        return 0.0
    span = (times[-1] - times[0]) if len(times) > 1 else np.timedelta64(0, "D")
    return float(np.asarray(span).astype("m8[s]") / np.timedelta64(1, "D"))
