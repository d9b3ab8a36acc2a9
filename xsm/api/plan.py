"""What a prediction or a training will take, before it begins."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import xarray as xr

from xsm.api.fitted import FittedModel
from xsm.api.predict import needed_model
from xsm.api.training_plan import TrainingPlan, plan_training
from xsm.cells.apply import predict_cells, read_for
from xsm.cells.collect import collect
from xsm.cells.features import Features
from xsm.cells.recipe import missing_inputs
from xsm.data.naming import stated
from xsm.data.reading import Reading
from xsm.exceptions import UnknownNameError
from xsm.markup import page, paragraph, section, table
from xsm.training.recipe import Recipe
from xsm.training.schedule import given

__all__ = ["Plan", "plan"]


# Bytes of the inputs of a block. Below the first the scheduler takes longer than the network of a
# small model; above the second several blocks at a time may not fit a laptop.
_SMALL = 16 * 2**20
_LARGE = 256 * 2**20
_NETWORK_BATCH = 1024


@dataclass(frozen=True)
class Plan:
    """What a prediction will take; its text and HTML forms say it in words.

    Parameters
    ----------
    blocks : int
        Blocks that are predicted; 0 for arrays in memory.
    tasks : int
        Tasks of the graph of the forecast, before dask joins those that follow each other.
    windows : int
        Predictions, whole windows or not.
    read : int
        Bytes of the inputs, as they are in memory, each read once.
    task_memory : int
        Bytes that the largest block takes at a time: its inputs, the same scaled, a batch of
        windows, the output; without what the network itself takes for a batch.
    halo : float
        Steps that blocks take from the chunks after theirs, as a share of all steps; 0 for
        one chunk along time.
    chunks : mapping of str to int
        Longest chunk along each dimension now; empty for arrays in memory.
    better : mapping of str to int
        Chunks that would serve better; empty where the present ones are good.
    reason : str
        Why.
    """

    blocks: int
    tasks: int
    windows: int
    read: int
    task_memory: int
    halo: float
    chunks: Mapping[Hashable, int] = field(default_factory=dict)
    better: Mapping[Hashable, int] = field(default_factory=dict)
    reason: str = ""

    def __repr__(self) -> str:
        """Return the plan as text."""
        rows = self._rows()
        width = max(len(title) for title, _ in rows)
        lines = [f"  {title:<{width}}  {text}" for title, text in rows]
        return "\n".join(["<xsm.Plan of a prediction>", *lines, f"  {self._advice()}"])

    def _repr_html_(self) -> str:
        """Return the plan as HTML, in the colours of the page."""
        body = section("what it takes", table(self._rows()))
        body += section("chunks", paragraph(self._advice(), wrong=bool(self.better)))
        return page("xsm.Plan", "of a prediction", body, repr(self))

    def _rows(self) -> list[tuple[str, str]]:
        """Return titles and figures."""
        from dask.utils import format_bytes

        chunks = ", ".join(f"{d}: {n:,}" for d, n in self.chunks.items())
        return [
            ("predictions", f"{self.windows:,}"),
            ("blocks", f"{self.blocks:,} ({chunks})" if self.blocks else "none: arrays in memory"),
            ("tasks", f"{self.tasks:,}"),
            ("bytes to read", format_bytes(self.read)),
            ("memory of a task", format_bytes(self.task_memory)),
            ("halo along time", f"{self.halo:.1%}"),
        ]

    def _advice(self) -> str:
        """Return what to type for better chunks."""
        if not self.better:
            return self.reason
        sizes = ", ".join(f"{str(d)!r}: {n}" for d, n in self.better.items())
        return f"better: ds.chunk({{{sizes}}}): {self.reason}"


def plan(
    ds: xr.Dataset,
    fitted: FittedModel | str | type[Any] | None = None,
    *,
    target: str | Sequence[str] | None = None,
    batch_size: int | None = None,
    variables: Mapping[str, str] | None = None,
    product: str | None = None,
    **training: Any,
) -> Plan | TrainingPlan:
    """Say what a prediction or a training will take, and what would serve better.

    Of a training some steps are measured on this machine; nothing is trained.

    Parameters
    ----------
    ds : xarray.Dataset
        What :func:`xsm.predict` or :func:`xsm.fit` would be given.
    fitted : FittedModel, str or class, optional
        A fitted model, to plan a prediction; ``ds.physm.plan()`` takes the one last fitted through
        this very object. Or a name or a class, to plan its training.
    target : str or sequence of str, optional
        Of a training, as of :func:`xsm.fit`.
    batch_size : int, optional
        Samples evaluated at a time; of a training samples in a batch.
    variables : mapping of str to str, optional
        Role to variable name, as of :func:`xsm.predict`.
    product : str, optional
        The product that the data are of, where it is not recognised, see
        :func:`xsm.list_products`.
    **training
        Of a training: all other arguments of :func:`xsm.fit`, such as ``sequence`` or ``factor``.

    Returns
    -------
    Plan or TrainingPlan
        Of a prediction: number of blocks and tasks, bytes to be read, memory of a task, and better
        chunks where there are any. Nothing is computed; missing values count as others. Of a
        training: samples, the seconds of a step, of preparation and validation and of all together
        (``seconds``), memory, and what would be faster. Data are read as ``fit`` does.

    Raises
    ------
    MissingVariableError
        If there is no model, or the data lack an input.
    UnitsError, GridError
        As :func:`xsm.predict`; of a training also the others of :func:`xsm.fit`.
    UnknownNameError
        If arguments of a training are given for a prediction, or ``client`` for a training.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    >>> fitted = xsm.fit(ds, "lstm", epochs=1, iterations=2, hidden_size=4, progress=False)
    >>> found = xsm.plan(ds.chunk(time=100, latitude=2), fitted)
    >>> found.blocks, dict(found.better)  # 22 small blocks; one for all would do
    (22, {'time': -1, 'latitude': 4, 'longitude': 4})
    >>> xsm.plan(ds, "lstm", epochs=10, iterations=2, hidden_size=4).steps
    20
    """
    path = isinstance(fitted, str) and not fitted.isidentifier()
    if fitted is not None and not isinstance(fitted, FittedModel) and not path:
        said = {"target": target, "batch_size": batch_size, "variables": variables}
        return plan_training(ds, fitted, product, {**given(**said), **training})
    if training:
        msg = (
            f"{', '.join(training)} is of a training, and the plan is of a prediction. Leave it "
            'out, or name a model: ds.physm.plan("lstm", ...).'
        )
        raise UnknownNameError(msg)
    fitted = needed_model(fitted, "plan")
    recipe = fitted.recipe
    reading = read_for(fitted, stated(ds, product), variables)
    ds = reading.ds
    features = collect(reading, recipe, with_target=recipe.data_integration)
    forecast = predict_cells(fitted, reading, batch_size=batch_size, device="auto", doubting=False)
    batch = batch_size or _NETWORK_BATCH
    sizes = dict(next(iter(features.dynamic.values())).sizes)
    chunks = _chunks(features)
    halo = recipe.window - 1 + recipe.shift
    whole = chunks.get(features.time, sizes[features.time]) >= sizes[features.time]
    graph = forecast.__dask_graph__()
    better, reason = _better(features, chunks, halo) if chunks else ({}, "Nothing is lazy.")
    return Plan(
        blocks=math.prod(-(-sizes[d] // chunks[d]) for d in sizes) if chunks else 0,
        tasks=sum(len(layer) for layer in graph.layers.values()) if graph is not None else 0,
        windows=forecast["extrapolation"].size,
        read=_size_of_inputs(reading, recipe),
        task_memory=_memory(features, chunks or sizes, halo, batch * recipe.window),
        halo=0.0 if whole else halo / chunks[features.time],
        chunks=chunks,
        better=better,
        reason=reason,
    )


def _moving(features: Features) -> list[xr.DataArray]:
    """Return the arrays along time."""
    target = [] if features.target is None else [features.target]
    return [*features.dynamic.values(), *target]


def _chunks(features: Features) -> dict[Hashable, int]:
    """Return the longest chunk along each dimension, in the finest chunks of all arrays."""
    lazy = [a for a in _moving(features) if a.chunks is not None]
    if not lazy:
        return {}
    return {d: min(max(a.chunksizes[d]) for a in lazy) for d in lazy[0].dims}


def _size_of_inputs(reading: Reading, recipe: Recipe) -> int:
    """Return the bytes of the variables that the model needs, of the layers that it needs."""
    ds, total = reading.ds, 0
    extra = (recipe.target,) if recipe.data_integration else ()
    away = missing_inputs(reading, recipe)
    for key in (k for k in (*recipe.dynamic, *recipe.static, *extra) if k not in away):
        variable = reading.lookup(key)
        names = (variable.name,) if isinstance(variable.name, str) else variable.name
        total += sum(
            ds[n].nbytes // (1 if variable.dim is None else ds[n].sizes[variable.dim])
            for n in names
        )
    return total


def _step_bytes(features: Features) -> int:
    """Return the bytes of one step of one cell: as read, and scaled in float32."""
    moving = _moving(features)
    return sum(a.dtype.itemsize for a in moving) + 4 * (len(moving) + 1)


def _memory(
    features: Features, chunks: Mapping[Hashable, int], halo: int, window_steps: int
) -> int:
    """Return the bytes of the largest block and of a batch of windows."""
    inputs = len(_moving(features)) + len(features.static)
    cells = math.prod(n for d, n in chunks.items() if d != features.time)
    block = (chunks[features.time] + halo) * cells * (_step_bytes(features) + 2 * 4)
    return block + 4 * window_steps * inputs


def _better(
    features: Features, chunks: dict[Hashable, int], halo: int
) -> tuple[dict[Hashable, int], str]:
    """Return better chunks and why; multiples of the present ones, so that each is read once."""
    time, step = features.time, _step_bytes(features)
    sizes = dict(_moving(features)[0].sizes)
    space = [d for d in sizes if d != time]
    found, reasons = dict(chunks), []
    if chunks[time] < sizes[time]:
        fit = max(_LARGE // _size(step, chunks), 1) * chunks[time]
        found[time] = min(fit, sizes[time])
        if found[time] > chunks[time]:
            share = halo / chunks[time]
            reasons.append(f"blocks need {halo} steps of the chunk after theirs ({share:.0%})")
    for d in reversed(space):
        if _size(step, found) < _SMALL and found[d] < sizes[d]:
            found[d] = min(found[d] * -(-_SMALL // _size(step, found)), sizes[d])
            reasons.append(f"blocks along {str(d)!r} are small")
    for d in space:
        if _size(step, found) > _LARGE and found[d] > 1:
            found[d] = max(found[d] // -(-_size(step, found) // _LARGE), 1)
            reasons.append(f"blocks along {str(d)!r} take much memory")
    if found == chunks:
        return {}, "The chunks are good."
    found = {d: -1 if d == time and n == sizes[d] else n for d, n in found.items()}
    return found, "; ".join(reasons) + "."


def _size(step: int, chunks: Mapping[Hashable, int]) -> int:
    """Return the bytes of a block."""
    return step * math.prod(chunks.values())
