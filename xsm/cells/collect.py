"""From a data set to features: canonical, aligned, lazy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from xsm.cells.features import Features
from xsm.cells.recipe import missing_inputs, require_target
from xsm.data.dimensions import check_same_names
from xsm.data.grid import axis_of, oriented, step, time_dim, wraps
from xsm.data.joins import same_labels
from xsm.data.naming.layers import depth_dim
from xsm.data.reading import Reading
from xsm.data.refused import check_dims, check_names, check_target
from xsm.exceptions import GridError, NotEnoughDataError, UnitsError
from xsm.hydrology.laws import LAWS
from xsm.hydrology.needs import Term, Wanted
from xsm.hydrology.soil.layered import layered_array
from xsm.hydrology.soil.layering import DEPTH
from xsm.hydrology.soil.profile import read_profile
from xsm.training.recipe import Recipe

__all__ = ["collect"]


def collect(
    reading: Reading,
    recipe: Recipe,
    *,
    terms: Sequence[Term] = (),
    with_target: bool = True,
) -> Features:
    """Return the canonical arrays that a recipe names, aligned and broadcast, lazily.

    Arrays on (time, *space); NaN stays NaN. With them come the target and what the laws
    give to the loss ``terms``: trends, parameters of the soil and its fluxes. All that
    is missing is refused in one error; so are irregular times, coordinates that differ, and data
    without one whole window.
    """
    reading = reading.part(oriented(reading.ds)) if recipe.patch > 1 else reading
    missing = missing_inputs(reading, recipe)
    inputs = [n for n in (*recipe.dynamic, *recipe.static) if n not in missing]
    names = [*inputs, *([recipe.target] if with_target else [])]
    reading.require(*names)
    _check_depth(reading, names)
    if with_target:
        require_target(reading.table, recipe)
    names = names[: len(names) - (with_target and bool(recipe.depths))]
    arrays = {name: reading.array(name).drop_vars(DEPTH, errors="ignore") for name in names}
    first = arrays[inputs[0]]
    time = time_dim(first)
    arrays |= _standing_for(missing, first, recipe)
    profile = read_profile(reading, recipe.target) if with_target and recipe.depths else None
    keys = {key for term in terms for key in term.needs}
    keys |= {"theta_r", "theta_s"} if recipe.bounded else set()
    wanted = Wanted(reading, terms, keys, recipe.target, profile, recipe.centres)
    series = {key: array for law in LAWS.values() for key, array in law.series(wanted).items()}
    check_same_names({**arrays}, inputs[0])
    check_dims({d for array in arrays.values() for d in array.dims} - {time, DEPTH})
    if recipe.target in reading.table.roles:
        name = reading.lookup(recipe.target).name
        check_target(name)
        check_names(first, [f"{name}_std", f"{name}_quantile"])
    _check_static(arrays, recipe, time)
    soil = {key: array for law in LAWS.values() for key, array in law.maps(wanted).items()}
    layers = {f"soil {name}": array for name, array in soil.items()}
    if profile is not None:
        layers["target"] = layered_array(profile)
    _check_numbers({**arrays, **series, **layers})
    _check_size({**arrays, **layers})
    _check_length(first.sizes[time], recipe)
    together = _together([*arrays.values(), *series.values(), *layers.values()], time)
    space = _space(together[0], time, recipe)
    order = (time, *space, ...)
    named = zip([*arrays, *series, *layers], together, strict=True)
    arrays = {name: array.transpose(*order) for name, array in named}
    still = {k: arrays[k].isel({time: 0}, drop=True) for k in (*recipe.static, *layers)}
    target = arrays["target" if recipe.depths else recipe.target] if with_target else None
    return Features(
        dynamic={name: arrays[name] for name in recipe.dynamic},
        static={name: still[name] for name in recipe.static},
        target=target,
        series={name: arrays[name] for name in series},
        time=time,
        space=space,
        soil={name: still[f"soil {name}"] for name in soil},
        wrap=bool(space) and wraps(first, space[-1]),
        missing=missing,
    )


def _standing_for(
    missing: Sequence[str], like: xr.DataArray, recipe: Recipe
) -> dict[str, xr.DataArray]:
    """Return zeros that stand for inputs which the data lack, (time, *space) or (*space)."""
    if not missing:
        return {}
    zeros = xr.zeros_like(like, np.float32)
    still = zeros.isel({time_dim(like): 0}, drop=True)
    return {name: still if name in recipe.static else zeros for name in missing}


def _check_depth(reading: Reading, names: Sequence[str]) -> None:
    """Refuse variables without a role along depth: their layers are no cells."""
    for variable in map(reading.lookup, names):
        name = str(variable.name)
        dim = depth_dim(reading.ds, name) if variable.how == "name" else None
        if dim is not None:
            msg = (
                f"{name!r} lies along {dim!r} ({reading.ds.sizes[dim]}), which is depth; layers "
                f'are no cells. Take one: ds["{name}"] = ds["{name}"].isel({dim}=0, drop=True); or '
                f'say what it is: variables={{"soil_moisture": "{name}"}}.'
            )
            raise GridError(msg)


def _space(array: xr.DataArray, time: str, recipe: Recipe) -> tuple[str, ...]:
    """Return the dimensions of space; for neighbours two, rows and columns."""
    space = [str(d) for d in array.dims if d != time]
    if recipe.patch == 1:
        return tuple(space)
    if len(space) != 2:
        msg = (
            f"The model looks at squares of {recipe.patch} x {recipe.patch} cells, the data have "
            f"the dimensions {space} beside {time!r}; two are needed. Select or unstack them, or "
            "train with patch=1."
        )
        raise GridError(msg)
    return tuple(sorted(space, key=lambda dim: {"X": 1, "Y": -1}.get(axis_of(array, dim), 0)))


def _check_static(arrays: dict[str, xr.DataArray], recipe: Recipe, time: str) -> None:
    """Refuse inputs on the wrong side of time."""
    moving = [name for name in recipe.static if time in arrays[name].dims]
    still = [name for name in recipe.dynamic if time not in arrays[name].dims]
    if moving or still:
        msg = (
            f"static={moving} vary along {time!r}, dynamic={still} do not. "
            "Name them on the other side."
        )
        raise GridError(msg)


def _check_numbers(arrays: dict[str, xr.DataArray]) -> None:
    """Refuse what holds no real numbers."""
    others = {
        name: str(array.dtype) for name, array in arrays.items() if array.dtype.kind not in _REAL
    }
    if others:
        said = ", ".join(f"{name!r} holds {kind}" for name, kind in others.items())
        msg = f"{said}; real numbers are needed: ds[name].astype('float32') of each."
        raise UnitsError(msg)


def _check_size(arrays: dict[str, xr.DataArray]) -> None:
    """Refuse an empty selection."""
    empty = {f"{d}" for a in arrays.values() for d, size in a.sizes.items() if not size}
    if empty:
        msg = (
            f"The data are empty along {sorted(empty)}: nothing was selected. Check the bounds of "
            "ds.sel(...); slices follow the order of the coordinate, so descending latitude needs "
            "slice(50, 40)."
        )
        raise NotEnoughDataError(msg)


def _check_length(steps: int, recipe: Recipe) -> None:
    """Refuse a series without one whole window."""
    needed = recipe.window + recipe.shift
    if steps < needed:
        ahead = f" and the forcing up to {recipe.shift} steps ahead" if recipe.shift else ""
        msg = (
            f"The data hold {steps} steps; one window takes {needed}: {recipe.window} of the past"
            f"{ahead}. Select a longer period: the first prediction is of the step "
            f"{recipe.window - 1 + recipe.lead} after its first."
        )
        raise NotEnoughDataError(msg)


def _together(arrays: list[xr.DataArray], time: str) -> list[xr.DataArray]:
    """Align exactly, broadcast, and put time first."""
    try:
        aligned = same_labels(arrays)
    except ValueError as error:
        msg = (
            f"The variables lie on different coordinates: {error}. All need the same grid and the "
            "same times: select or interpolate them first, for example with "
            "ds.interp_like(other)."
        )
        raise GridError(msg) from error
    step(next(a for a in aligned if time in a.dims))
    broad = xr.broadcast(*aligned, exclude=[DEPTH])
    return [a.transpose(time, ..., *({DEPTH} & set(a.dims))) for a in broad]


_REAL = "fiub"  # kinds of dtype
