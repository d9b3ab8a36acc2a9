"""Statistics of a model on the cells of other data, by the labels of their coordinates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from xsm.cells.features import Features
from xsm.cells.offsets import OFFSET
from xsm.cells.same_cells import at_cells
from xsm.cells.scaling import within_bounds
from xsm.cells.site import check_site
from xsm.data.joins import positions, snap
from xsm.data.naming.dimensions import members
from xsm.exceptions import GridError, warn_outside
from xsm.typing import Array

__all__ = ["align_scaling", "scaling_for"]


def scaling_for(scaling: xr.Dataset, features: Features, *, bounded: bool) -> xr.Dataset:
    """Return the statistics on the cells of what is to be predicted from.

    As of :func:`align_scaling`; a ``bounded`` target is scaled by the residual and the saturated
    water content of these cells. Data of another site than a model by cell knows are refused.
    """
    check_site(scaling, next(iter(features.dynamic.values())), features.space)
    aligned = align_scaling(scaling, next(iter(features.dynamic.values())), features.space)
    if not bounded:
        return aligned
    offset, scale = within_bounds(features)
    return aligned.assign(target_offset=offset, target_scale=scale)


def align_scaling(
    scaling: xr.Dataset, template: xr.DataArray, space: tuple[str, ...]
) -> xr.Dataset:
    """Return the statistics on the cells of other data, by the labels of their coordinates.

    Parameters
    ----------
    scaling : xarray.Dataset
        Statistics of :func:`fit_scaling`.
    template : xarray.DataArray
        An array on the cells that are wanted.
    space : tuple of str
        Names of the space dimensions of the template.

    Returns
    -------
    xarray.Dataset
        The statistics on these cells; NaN, and ``trained_cell`` False, on cells that were not
        trained. Global statistics are returned as they are, with the offsets of cells that have one
        (:mod:`xsm.cells.offsets`), and with ``trained_cell`` where the labels of some cells are not
        among those that were trained.

    Raises
    ------
    GridError
        If dimensions differ, or no cell is one of the trained ones.

    Examples
    --------
    >>> cells = {"cell": ["a", "b"]}
    >>> low = xr.DataArray([0.1, 0.2], cells, "cell")
    >>> found = xr.Dataset(
    ...     {"target_offset": low, "trained_cell": low > 0}, attrs={"scaling": "cell"}
    ... )
    >>> other = xr.DataArray([0, 0], {"cell": ["b", "a"]}, "cell")
    >>> aligned = align_scaling(found, other, ("cell",))
    >>> aligned["target_offset"].values, aligned["trained_cell"].values
    (array([0.2, 0.1]), array([ True,  True]))
    """
    if scaling.attrs["scaling"] == "global":
        cells = scaling["trained_cell"].dims
        bare = scaling.drop_vars("trained_cell").drop_dims(cells, errors="ignore")
        if OFFSET in scaling:
            own = at_cells(scaling[OFFSET], template, space, fill=0.0)
            if own is None:
                warn_outside(
                    f"The model has offsets of the cells along {cells}, and nothing tells which "
                    f"cells along {space} are these: all are predicted without. Give the data the "
                    "coordinates of the training data, or lay them along the same dimensions."
                )
            else:
                bare = bare.assign(target_offset=bare["target_offset"] + own)
        there = at_cells(scaling["trained_cell"], template, space, fill=False)
        return bare if there is None or there.all() else bare.assign(trained_cell=there)
    trained = scaling["trained_cell"]
    more = {d: n for d, n in members(template).items() if d not in trained.dims}
    if more:  # all members of a place are scaled alike where training had none
        placed = {n: a for n, a in scaling.items() if set(trained.dims) <= set(a.dims)}
        scaling = scaling.assign({n: a.expand_dims(more) for n, a in placed.items()})
        trained = scaling["trained_cell"]
    if set(trained.dims) != set(space):
        msg = (
            f"The model was trained by cell on dimensions {trained.dims}, the data have {space}. "
            f"Rename or stack them: ds.rename(...), or train with scaling='global'."
        )
        raise GridError(msg)
    at = {d: _positions(trained, template, d) for d in space}
    if any(not (place >= 0).any() for place in at.values()):
        msg = (
            f"The cells of the data are not those that the model was trained on (scaling='cell', "
            f"dimensions {space}): {_spans(trained, template, space)}. Select the same cells, "
            "bring coordinates to the same convention (for longitude: ds.assign_coords(...)), "
            "or train with scaling='global' to predict elsewhere."
        )
        raise GridError(msg)
    _tell_unknown(at, _spans(trained, template, space))
    labels = [c for c in scaling.coords if set(scaling[c].dims) & set(space)]
    found = scaling.drop_vars(labels).isel(at)
    known = xr.DataArray(data=True)
    for d, place in at.items():
        known = known & xr.DataArray(place >= 0, dims=d)
    held = [name for name in found.data_vars if set(space) <= set(found[name].dims)]
    found = found.assign({n: found[n].where(known) for n in held if n != "trained_cell"})
    found["trained_cell"] = found["trained_cell"] & known
    return found.transpose(..., *space)


def _tell_unknown(at: Mapping[str, Array], spans: str) -> None:
    """Warn of cells that were not trained, and refuse where these are more than half."""
    count = int(np.prod([place.size for place in at.values()]))
    known = int(np.prod([(place >= 0).sum() for place in at.values()]))
    if known == count:
        return
    said = (
        f"{count - known} of {count} cells of the data are not among those that the model was "
        f"trained on (scaling='cell'): {spans}."
    )
    how = "Select the same cells, or train with scaling='global' to predict elsewhere."
    if 2 * known < count:
        msg = f"{said} {how}"
        raise GridError(msg)
    warn_outside(f"{said} They are predicted as NaN. {how}")


def _positions(trained: xr.DataArray, template: xr.DataArray, dim: str) -> Array:
    """Return where each label of the data lies among the trained ones; -1 is nowhere."""
    if dim in trained.indexes and dim in template.indexes:
        return positions(snap(trained, template).indexes[dim], template.indexes[dim])
    same = trained.sizes[dim] == template.sizes[dim]
    return np.arange(template.sizes[dim]) if same else np.full(template.sizes[dim], -1)


def _spans(trained: xr.DataArray, data: xr.DataArray, space: tuple[str, ...]) -> str:
    """Describe the extent of trained and given cells along each dimension."""
    said = []
    for d in space:
        a, b = (np.asarray(x[d].values) for x in (trained, data))
        said.append(f"{d} trained {a[0]}..{a[-1]} ({a.size}), given {b[0]}..{b[-1]} ({b.size})")
    return "; ".join(said)
