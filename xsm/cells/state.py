"""The state that a network carries, as a data set, and whether data go on from it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from xsm.artefact.learnt import Learnt
from xsm.cells.features import Features
from xsm.cells.runner import state_rows
from xsm.data.grid import step
from xsm.data.joins import positions, snap
from xsm.data.refused import check_numbers
from xsm.exceptions import GridError, UnknownNameError
from xsm.nn import Model, weight_bytes

__all__ = ["name_of", "on_cells", "require_sequence", "state_array", "state_dataset"]


def name_of(fitted: Learnt) -> str:
    """Return a digest of weights, scaling and recipe: a state belongs to these alone."""
    digest = hashlib.sha256()
    parts = {**weight_bytes(_network(fitted))}
    kept = (n for n in fitted.scaling.data_vars if n != "trained_cell")
    parts |= {f"scaling {n}": np.asarray(fitted.scaling[n].values, np.float64) for n in kept}
    for name in sorted(parts):
        digest.update(name.encode() + np.ascontiguousarray(parts[name]).tobytes())
    recipe = fitted.recipe
    facts = (recipe.sequence, recipe.lead, recipe.known_forcing, recipe.latency, recipe.logs)
    digest.update(repr(facts).encode())
    return digest.hexdigest()[:32]


def require_sequence(fitted: Learnt, what: str) -> None:
    """Refuse models that carry no state."""
    if not fitted.recipe.sequence:
        msg = (
            f"{what} is of models that run through the record; {fitted.name!r} was trained on "
            'windows. Train one: ds.physm.fit("phy_lstm", sequence=180).'
        )
        raise UnknownNameError(msg)


def state_dataset(found: Any, fitted: Learnt, features: Features) -> xr.Dataset:
    """Return a state (row, *space) as a data set, with the time of the last step."""
    template = next(iter(features.dynamic.values()))
    coords = template.isel({features.time: -1}).drop_vars(features.time).coords
    index = template.indexes[features.time]
    variables, at = {}, 0
    for name, count in state_rows(_network(fitted), fitted.recipe).items():
        if count:
            values = found[at : at + count] if name != "steps" else found[at]
            dims = features.space if name == "steps" else (f"{name}_row", *features.space)
            variables[name] = xr.DataArray(values, dims=dims, attrs=_WORDS[name])
        at += count
    last = template[features.time][-1].variable
    following = template[features.time][-1:].copy(data=step(template).after(index, 1)[-1:])
    times = {features.time: last, "next_time": following[0].variable}
    attrs = {"title": f"state of {fitted.name} after its last input", "model": fitted.name}
    made = xr.Dataset(variables, coords=coords, attrs=attrs | {"digest": name_of(fitted)})
    made = made.assign_coords(times)
    made["next_time"].attrs["long_name"] = "first time of the data that go on from here"
    return made


def state_array(state: object, fitted: Learnt, features: Features) -> xr.DataArray:
    """Return a state as (row, *space); one of another model, time or place is refused."""
    require_sequence(fitted, "state=")
    rows = state_rows(_network(fitted), fitted.recipe)
    names = [name for name, count in rows.items() if count]
    if not isinstance(state, xr.Dataset) or not {"digest", "model"} <= set(state.attrs):
        msg = (
            f"state={type(state).__name__} was given; a Dataset with {names} and a digest "
            "is needed, as fitted.state(ds) returns it."
        )
        raise UnknownNameError(msg)
    if state.attrs["digest"] != name_of(fitted):
        msg = (
            f"The state is of another model ({state.attrs['model']!r}, digest "
            f"{state.attrs['digest']!r}) than this {fitted.name!r}: its weights or its scaling "
            "differ. Take the state of this one: fitted.state(ds)."
        )
        raise UnknownNameError(msg)
    template = next(iter(features.dynamic.values()))
    begins, wanted = template[features.time].values[0], state["next_time"].values[()]
    if begins != wanted:
        msg = (
            f"The state goes on with {wanted}, the data begin at {begins}. Select the data from "
            f"there: ds.sel({features.time}=slice(state.next_time.values, None))."
        )
        raise GridError(msg)
    parts = []
    for name in names:
        check_numbers(state[name], name)
        part = (
            state[name]
            .reset_coords(drop=True)
            .rename({f"{name}_row": "_row"} if name != "steps" else {})
        )
        parts.append(part if name != "steps" else part.expand_dims("_row"))
    joined = xr.concat(parts, "_row")
    here = on_cells(joined, template, features.space, what="state")
    return here.transpose("_row", *features.space)


def on_cells(
    array: xr.DataArray, template: xr.DataArray, space: Sequence[str], *, what: str
) -> xr.DataArray:
    """Return an array on the cells of the data, by label but for rounding; refuse one without."""
    near, at = snap(array, template), {}
    for d in space:
        wanted, size = template.indexes.get(d), template.sizes[d]
        if d in near.indexes and wanted is not None and not near.indexes[d].equals(wanted):
            at[d] = positions(near.indexes[d], wanted)
        else:
            at[d] = np.arange(size) if near.sizes.get(d) == size else np.array([-1])
    if not set(space) <= set(near.dims) or any((k < 0).any() for k in at.values()):
        sizes = {d: template.sizes[d] for d in space}
        msg = (
            f"The {what} lies on {dict(array.sizes)}, the data on {sizes}, or at other "
            "coordinates. "
            f"Select cells that both have: ds.sel(...), or make the {what} of these."
        )
        raise GridError(msg)
    moved = {d: k for d, k in at.items() if not np.array_equal(k, np.arange(near.sizes[d]))}
    return near.isel(moved)


def _network(fitted: Learnt) -> Model:
    """Return the network of a model that carries a state."""
    made = fitted.model
    assert isinstance(made, Model)  # estimators train on windows alone
    return made


_WORDS = {
    "network": {"long_name": "hidden and cell state of the network", "units": "1"},
    "steps": {"long_name": "steps since the network began at rest", "units": "1"},
    "recent": {"long_name": "scaled observations that are not given yet", "units": "1"},
    "seen": {"long_name": "last scaled observation that was given", "units": "1"},
    "age": {"long_name": "steps since that observation was first given", "units": "1"},
}
