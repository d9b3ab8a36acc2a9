"""From features to samples: the gate between labelled arrays and windows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
import xarray as xr

from xsm.blocks import plan_blocks, select
from xsm.exceptions import NotEnoughDataError
from xsm.features import Features, Recipe
from xsm.splits import Split
from xsm.streaming import Drawn, Stream, draw_evenly
from xsm.typing import Array, FloatArray
from xsm.windows import GATHERED, Windows, model_inputs, static_inputs

__all__ = ["fits", "make_samples", "make_windows", "read_block", "scaling_arrays"]

# Of a block that is read, a random quarter of the cells stays in the pool, so that as many bytes
# hold cells of four times as many blocks. Measured with a pool of a third of the data, RMSE of
# three seeds after 1,600 batches: 0.1742 from memory; 0.1795 and 0.1834 (chunks along space, along
# time) where blocks stay whole; 0.1767 and 0.1762 with a quarter.
_THIN = 4
_SLOTS, _SPARE = 32, 24  # blocks in the pool; what takes room while one is read and a run gathered
_VALIDATION = 131_072  # samples that validate: their RMSE is known to 0.2 %


def make_windows(
    features: Features,
    scaling: xr.Dataset,
    recipe: Recipe,
    times: slice,
    *,
    device: str | torch.device = "cpu",
) -> Windows:
    """Return the samples of one part of the features.

    Parameters
    ----------
    features : Features
        Canonical arrays with the target, in memory.
    scaling : xarray.Dataset
        Statistics of :func:`xsm.scaling.fit_scaling`, on the same cells.
    recipe : Recipe
        Window, lead, data integration.
    times : slice
        Steps whose inputs and targets belong to the part.
    device : str or torch.device, default: "cpu"
        Where the tensors lie.

    Returns
    -------
    Windows
        The samples.

    Raises
    ------
    NotEnoughDataError
        If there is not one whole sample.

    Examples
    --------
    >>> import pandas as pd
    >>> from xsm.scaling import fit_scaling
    >>> days = {"time": pd.date_range("2020", periods=40)}
    >>> rain, soil = (xr.DataArray(np.sin(k * np.arange(40.0)), days, "time") for k in (1, 2))
    >>> features = Features({"precipitation": rain}, {}, soil, {}, "time", ())
    >>> recipe = Recipe("soil_moisture", ("precipitation",), (), 7, 1, "cell")
    >>> scaling = fit_scaling(features, slice(None), scaling="cell")
    >>> len(make_windows(features, scaling, recipe, slice(None)))  # 40 - 7 + 1 - 1
    33
    """
    windows = _windows(features, scaling, recipe, times, device)
    if not len(windows):
        msg = (
            f"Not one whole sample: each takes {recipe.window} steps of {list(features.dynamic)} "
            f"without NaN and an observed {recipe.target!r} {recipe.lead} later, within "
            f"{len(range(features.steps)[times])} steps. Fill gaps of the inputs, leave out inputs "
            "with gaps (dynamic=[...]), or give a longer series."
        )
        raise NotEnoughDataError(msg)
    return windows


def fits(features: Features, limit: int) -> bool:
    """Tell whether features can be loaded and made into windows within a limit of memory.

    Parameters
    ----------
    features : Features
        Canonical arrays, lazy or not.
    limit : int
        Bytes.

    Returns
    -------
    bool
        True where the arrays, a copy of them and the windows take no more. Nothing is computed.

    Examples
    --------
    >>> import pandas as pd
    >>> days = {"time": pd.date_range("2020", periods=1000)}
    >>> soil = xr.DataArray(np.ones(1000), days, "time")
    >>> features = Features({"precipitation": soil}, {}, soil, {}, "time", ())
    >>> fits(features, 30_000), fits(features, 50_000)
    (False, True)
    """
    held, windows = _sizes(features)
    return (2 * held + windows) * features.observed.size <= limit


def make_samples(
    features: Features,
    scaling: xr.Dataset,
    recipe: Recipe,
    split: Split,
    *,
    limit: int,
    device: str | torch.device = "cpu",
) -> tuple[Windows | Stream, Windows | Drawn | None]:
    """Return the samples that train and those that validate, within a limit of memory.

    Parameters
    ----------
    features : Features
        Canonical arrays with the target, lazy or not.
    scaling : xarray.Dataset
        Statistics of :func:`xsm.scaling.fit_scaling`, on the same cells.
    recipe : Recipe
        Window, lead, data integration.
    split : Split
        Steps that train and that validate.
    limit : int
        Bytes that samples may take.
    device : str or torch.device, default: "cpu"
        Where the samples are wanted.

    Returns
    -------
    training : Windows or Stream
        Resident where :func:`fits` says so, else streamed.
    validation : Windows, Drawn or None
        All samples, or 131,072 that are drawn evenly where there are more (fewer where they would
        take more than a share of the limit); None where nothing validates.

    Raises
    ------
    NotEnoughDataError
        If there is not one whole sample.

    Examples
    --------
    >>> import pandas as pd
    >>> from xsm.scaling import fit_scaling
    >>> from xsm.splits import chronological
    >>> days = {"time": pd.date_range("2020", periods=1000)}
    >>> rain, soil = (xr.DataArray(np.sin(k * np.arange(1000.0)), days, "time") for k in (1, 2))
    >>> features = Features({"precipitation": rain}, {}, soil, {}, "time", ())
    >>> recipe = Recipe("soil_moisture", ("precipitation",), (), 7, 1, "cell")
    >>> split = chronological(1000, valid=0.2, window=7, lead=1)
    >>> scaling = fit_scaling(features, split.training, scaling="cell")
    >>> resident, _ = make_samples(features, scaling, recipe, split, limit=100_000)
    >>> streamed, _ = make_samples(features, scaling, recipe, split, limit=40_000)
    >>> len(resident), len(streamed.blocks)
    (793, 5)
    """
    if fits(features, limit):
        return _resident(features.load(), scaling, recipe, split, torch.device(device))
    return _streamed(features, scaling, recipe, split, limit, torch.device(device))


def _resident(
    features: Features, scaling: xr.Dataset, recipe: Recipe, split: Split, device: torch.device
) -> tuple[Windows | Stream, Windows | Drawn | None]:
    """Return samples that stay in memory: on the device, or on the host where it has no room."""
    needed = _sizes(features)[1] * features.observed.size
    room = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else needed
    on = device if needed <= 0.8 * room or device.type != "cuda" else torch.device("cpu")
    make = partial(make_windows, features, scaling, recipe)
    training: Windows | Stream = make(split.training, device=on)
    if on != device:  # a stream of one block: gathered on the host, sent from pinned memory
        windows = make(split.training)
        training = Stream(
            [lambda _: windows],
            slots=1,
            steps=features.steps,
            samples=len(windows),
            refill=False,
            device=device,
        )
    if not split.validates:
        return training, None
    later = make(split.validation, device=on)
    if on == device and len(later) <= _VALIDATION:
        return training, later
    share = min(1.0, _VALIDATION / len(later))
    return training, draw_evenly([lambda _: later], share=share, seed=0, device=device)


def _streamed(
    features: Features,
    scaling: xr.Dataset,
    recipe: Recipe,
    split: Split,
    limit: int,
    device: torch.device,
) -> tuple[Stream, Drawn | None]:
    """Return samples of which a pool of blocks is in memory."""
    held, windows = _sizes(features)
    land = max(float(scaling["trained_cell"].mean()), 0.05)
    size = limit / (_SLOTS + _SPARE)  # bytes of a block in the pool, where a quarter of it stays
    positions = max(1, int(_THIN * size / max(windows, held / 2)))
    sample = 4 * recipe.window * (len(features.dynamic) + 4)  # bytes, about
    plan = partial(plan_blocks, features, scaling, recipe, positions=positions)
    boxes = plan(times=split.training)
    _check_chunks(features, boxes, split.training)
    thin = 1 if len(boxes) <= _SLOTS / _THIN / land else _THIN
    read = partial(read_block, features, scaling, recipe)
    stream = Stream(
        [partial(read, box, thin) for box in boxes],
        slots=int(_SLOTS / _THIN * thin / land),
        steps=features.steps,
        samples=int(positions * land / thin),
        gathered=min(GATHERED, int(size / sample)),
        refill=thin > 1,
        device=device,
    )
    if not split.validates:
        return stream, None
    there = features.observed[{features.time: split.validation}].size * land
    share = min(1.0, min(_VALIDATION, 6 * size / sample) / there)
    later = [partial(read, box, 1) for box in plan(times=split.validation)]
    return stream, draw_evenly(later, share=share, seed=0, device=device)


def _check_chunks(
    features: Features, boxes: Sequence[Mapping[str, slice]], training: slice
) -> None:
    """Warn where each block of time makes the balance read all that was before it."""
    last = max(box[features.time].stop for box in boxes)
    first_ends = min(box[features.time].stop for box in boxes)
    if features.series and first_ends < last:
        warnings.warn(
            f"The data are streamed in blocks of {first_ends} of {training.stop} steps, since they "
            f"are chunked along {features.time!r}, and the water balance of the loss needs what "
            "was observed before: all earlier blocks are read again for each. Write the data with "
            f"all times of some cells in a chunk, ds.chunk({{{features.time!r}: -1, ...}})"
            ".to_zarr(...), or raise memory_limit.",
            UserWarning,
            stacklevel=2,
        )


def read_block(
    features: Features,
    scaling: xr.Dataset,
    recipe: Recipe,
    box: Mapping[str, slice],
    thin: int,
    random: torch.Generator | None,
) -> Windows:
    """Read one block and return its samples, of all cells or of some.

    Parameters
    ----------
    features : Features
        Canonical arrays with the target, lazy or not.
    scaling : xarray.Dataset
        Statistics of :func:`xsm.scaling.fit_scaling`, on the same cells.
    recipe : Recipe
        Window, lead, data integration.
    box : mapping of str to slice
        As of :func:`xsm.blocks.plan_blocks`.
    thin : int
        One in so many cells is kept.
    random : torch.Generator or None
        Which ones; None keeps all.

    Returns
    -------
    Windows
        The samples, on the CPU; there may be none.

    Examples
    --------
    >>> import pandas as pd
    >>> from xsm.scaling import fit_scaling
    >>> days = {"time": pd.date_range("2020", periods=60)}
    >>> rain, soil = (xr.DataArray(np.sin(k * np.arange(60.0)), days, "time") for k in (1, 2))
    >>> features = Features({"precipitation": rain}, {}, soil, {}, "time", ())
    >>> recipe = Recipe("soil_moisture", ("precipitation",), (), 7, 1, "cell")
    >>> scaling = fit_scaling(features, slice(None), scaling="cell")
    >>> windows = read_block(features, scaling, recipe, {"time": slice(20, 60)}, 1, None)
    >>> len(windows), windows.start  # 40 - 7 + 1 - 1
    (33, 20)
    """
    space = {d: box[d] for d in features.space}
    part = select(features, box).load()
    own = scaling.isel(space, missing_dims="ignore")
    cells = _cells(part, own)
    if random is not None and thin > 1:
        some = torch.randperm(len(cells), generator=random)[: -(-len(cells) // thin)]
        cells = cells[some.sort().values.numpy()]
    return _windows(part, own, recipe, slice(None), "cpu", box[features.time].start, cells)


def _sizes(features: Features) -> tuple[int, int]:
    """Return the bytes of a cell and step, as the arrays hold them and as windows do."""
    arrays = [*features.dynamic.values(), *features.series.values(), features.observed]
    return sum(a.dtype.itemsize for a in arrays), 4 * (len(arrays) + 2)


def _windows(
    features: Features,
    scaling: xr.Dataset,
    recipe: Recipe,
    times: slice,
    device: str | torch.device,
    start: int = 0,
    chosen: Array | None = None,
) -> Windows:
    """Return the samples of a part; ``start`` is the place of the features in a longer series."""
    keep = _cells(features, scaling) if chosen is None else chosen
    stats = scaling_arrays(scaling, keep)
    target = _flat(features.observed, features.time)[times][:, keep]
    observed = target if recipe.data_integration else None
    dynamic = [_flat(a, features.time)[times][:, keep] for a in features.dynamic.values()]
    maps = [a.values.reshape(-1)[keep] for a in features.static.values()]
    scaled = {"target": _scaled(target, stats)}
    for name, array in features.series.items():
        values = _flat(array, features.time)[times][:, keep]
        scaled[name] = _scaled(values, stats) if name == "previous" else values
    cells = {name: _spread(stats[name], len(keep)) for name in ("target_offset", "target_scale")}
    if recipe.data_integration:
        cells["base"] = _spread(stats["target_mean"], len(keep))
    return Windows(
        model_inputs(dynamic, observed, stats, shift=recipe.shift),
        static_inputs(maps, stats, len(keep)),
        scaled,
        cells,
        window=recipe.window,
        lead=recipe.lead,
        forcing=len(dynamic),
        start=start + (times.start or 0),
        device=device,
    )


def _flat(array: xr.DataArray, time: str) -> FloatArray:
    """Return an array as (time, cell)."""
    flat: FloatArray = array.values.reshape(array.sizes[time], -1)
    return flat


def _cells(features: Features, scaling: xr.Dataset) -> Array:
    """Return the flat positions of the cells that can be trained."""
    keep = scaling["trained_cell"].transpose(*features.space).values.reshape(-1).copy()
    for values in features.static.values():
        keep &= np.isfinite(values.values.reshape(-1))
    return np.flatnonzero(keep)


def scaling_arrays(scaling: xr.Dataset, keep: Array | None = None) -> dict[str, FloatArray]:
    """Return the statistics as arrays whose last axis is the flat cell, where they have cells.

    Parameters
    ----------
    scaling : xarray.Dataset
        Statistics of :func:`xsm.scaling.fit_scaling`.
    keep : ndarray, optional
        Flat positions of the wanted cells.

    Returns
    -------
    dict of str to ndarray
        float64; (dynamic, cell or 1), (static,), (cell or 1,).

    Examples
    --------
    >>> low = xr.DataArray([[0.1, 0.2]], dims=("y", "x"))
    >>> scaling_arrays(xr.Dataset({"target_offset": low}), np.array([1]))
    {'target_offset': array([0.2])}
    """
    found = {}
    for name in scaling.data_vars:
        values = scaling[name].values
        lead = values.shape[:1] if str(name).startswith("dynamic_") else ()
        if str(name).startswith("static_") or name == "trained_cell":
            found[str(name)] = values
            continue
        flat = values.reshape(*lead, -1)
        found[str(name)] = flat[..., keep] if keep is not None and flat.shape[-1] > 1 else flat
    return found


def _scaled(values: FloatArray, stats: Mapping[str, FloatArray]) -> FloatArray:
    """Scale target-like values, (time, cell)."""
    scaled: FloatArray = (values - stats["target_offset"]) / stats["target_scale"]
    return scaled


def _spread(values: FloatArray, cells: int) -> FloatArray:
    """Repeat one value for every cell where statistics are global."""
    return np.broadcast_to(values, (cells,))
