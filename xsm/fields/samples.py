"""Training of networks that downscale: sources to fields, the common loop, what is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from xsm.data.fingerprint import data_token
from xsm.data.nesting import interpolate
from xsm.exceptions import NotEnoughDataError
from xsm.fields.collect import check_steps
from xsm.fields.frame import Frame
from xsm.fields.loss_series import loss_series
from xsm.fields.patches import Fields
from xsm.fields.regional import fit_regional
from xsm.fields.scaling import field_statistics, frame_of, stacked
from xsm.fields.sources import Sources
from xsm.fields.supervision import _supervised, _with_maps
from xsm.losses import Loss
from xsm.nn import FieldEnsemble, FieldModel, Schedule, Sizes, check_terms
from xsm.nn.devices import choose_device, choose_precision, seeded
from xsm.training.checkpoint import Checkpoint
from xsm.training.history import History
from xsm.training.identity import described_model, described_schedule, described_terms
from xsm.training.loop import train
from xsm.training.recipe import NestedRecipe
from xsm.training.splits import Split, chronological
from xsm.typing import Array, FloatArray

__all__ = ["FieldJob", "FieldsTrained", "train_fields"]


_LAYERS = 3  # channels of the base: interpolated, anchor minus interpolated, whether there is one


@dataclass(frozen=True)
class FieldJob:
    """What is trained, and how.

    Parameters
    ----------
    model : subclass of FieldModel
        The network's class.
    network : mapping of str to Any
        Its hyper-parameters.
    recipe : NestedRecipe
        What goes in and what comes out.
    losses : tuple of Loss or None
        Terms of the loss; None takes those of the class whose variables are there.
    schedule : Schedule
        Epochs, batches, patience.
    valid : float
        Share of the steps, at the end, that validates.
    monitor : str
        Validation loss that decides.
    device, precision : str
        Where and in what arithmetic, also ``"auto"``.
    seed : int
        Seed of every random choice.
    progress : bool or None
        Show a bar.
    limit : int
        Bytes that the fields may take.
    checkpoint : str or None
        Where the state is noted; of further members with ``.member1`` and so on behind.
    head : {"point", "gaussian"}
        Whether the network predicts its spread.
    members : int
        Networks of an ensemble; 1 is a network alone.
    """

    model: type[FieldModel]
    network: Mapping[str, Any]
    recipe: NestedRecipe
    losses: tuple[Loss, ...] | None
    schedule: Schedule
    valid: float
    monitor: str
    device: str
    precision: str
    seed: int
    progress: bool | None
    limit: int
    checkpoint: str | None = None
    head: str = "gaussian"
    members: int = 1

    def member(self, number: int) -> FieldJob:
        """Return the job of a member of an ensemble: another seed, another checkpoint."""
        if not number:
            return self
        noted = None if self.checkpoint is None else f"{self.checkpoint}.member{number}"
        return replace(self, seed=self.seed + 7_919 * number, checkpoint=noted)


@dataclass(frozen=True)
class FieldsTrained:
    """What training returns.

    Parameters
    ----------
    model : FieldModel
        The network with its best weights, or the ensemble, on the CPU.
    scaling : xarray.Dataset
        Statistics, and maps by fine cell where there was a truth.
    histories : tuple of History
        Loss terms by epoch, of each member.
    losses : tuple of Loss
        The terms that were used.
    split : Split
        Steps that trained and that validated.
    samples : str
        What trained and what validated, in words.
    """

    model: FieldModel
    scaling: xr.Dataset
    histories: tuple[History, ...]
    losses: tuple[Loss, ...]
    split: Split
    samples: str


def train_fields(job: FieldJob, native: Sources) -> FieldsTrained:
    """Train a network on fields.

    Parameters
    ----------
    job : FieldJob
        What is trained, and how.
    native : Sources
        On the grids of the prediction, with a truth where that supervises; lazy or not.

    Returns
    -------
    FieldsTrained
        The network and all it takes to use it.

    Raises
    ------
    MissingVariableError
        If ``supervision="truth"`` and there is none.
    NotEnoughDataError
        If the fields take more than the memory limit, or hold no whole window with a target.

    Examples
    --------
    >>> import numpy as np
    >>> from xsm.fields.collect import collect_sources
    >>> axes = {"time": xr.date_range("2000", periods=12, freq="MS")}
    >>> axes |= {"y": np.arange(4.0), "x": np.arange(4.0)}
    >>> values = np.random.default_rng(0).normal(size=(12, 4, 4))
    >>> gws = xr.DataArray(values, axes, name="gws", attrs={"units": "mm"})
    >>> sources = collect_sources(gws.to_dataset(), target="groundwater_storage", factor=2)
    >>> from xsm.registry import model_class
    >>> recipe = NestedRecipe("groundwater_storage", (), (), 6, 0, "global", factor=(2, 2))
    >>> network, quick = {"hidden": 2, "widths": (2, 4)}, Schedule(epochs=1, iterations=1)
    >>> rest = {"valid": 0.0, "monitor": "total", "device": "cpu", "precision": "float32"}
    >>> rest |= {"seed": 0, "progress": False, "limit": 2**24}
    >>> job = FieldJob(model_class("convlstm_unet"), network, recipe, None, quick, **rest)
    >>> train_fields(job, sources).samples
    '7 fields, 7 patches of 2 x 2 coarse cells'
    """
    check_steps(native.target.indexes[native.time], native.time)
    sources = _supervised(native, job.recipe.supervision)
    if sources.nbytes > job.limit:
        msg = (
            f"The fields take {sources.nbytes / 2**30:.1f} GiB, memory_limit allows "
            f"{job.limit / 2**30:.1f}. Train on a region or a period (the network predicts any "
            "other), or pass a larger memory_limit."
        )
        raise NotEnoughDataError(msg)
    sources = sources.load()
    if sources.truth is None:
        sources = replace(sources, truth=interpolate(sources.target, sources.nest))
    window = job.recipe.window
    split = chronological(sources.steps, valid=job.valid, window=window, lead=0)
    scaling = field_statistics(sources, split.training)
    scaling, left_out = _with_maps(scaling, sources, split.training, job.recipe)
    frame = frame_of(scaling, sources.nest, sources.area, window=window)
    fine = stacked(sources.fine, (sources.steps, *sources.nest.shape), 1)
    arrays = _arrays(sources, frame, fine, left_out, split.training)
    if job.recipe.supervision == "truth":
        ends = np.arange(max(0, split.training.indices(sources.steps)[1] - window + 1))
        told = fit_regional(arrays, frame.memory(fine), steps=ends, factor=sources.nest.factor)
        if told is not None:
            scaling["regional"] = "term", told
            arrays["regional"] = replace(frame, regional=told).guessed(arrays, fine)
    training, validation = _fields(arrays, job, sources, split, frame)
    losses = _losses(job, arrays)
    sizes = Sizes(
        len(sources.coarse) + 1,
        _LAYERS + len(sources.fine) + len(sources.static),
        window,
        gaussian=job.head == "gaussian",
    )
    data = "" if job.checkpoint is None else data_token(_named(sources))
    found = [
        _train(job.member(k), sizes, training, validation, losses, data) for k in range(job.members)
    ]
    if split.validates:  # what is known of cells, of all steps
        scaling, _ = _with_maps(scaling, sources, slice(None), job.recipe)
    said = training.describe() + (f"; {len(validation):,} validate" if validation else "")
    models, histories = zip(*found, strict=True)
    return FieldsTrained(_joined(models), scaling, histories, losses, split, said)


def _train(
    job: FieldJob,
    sizes: Sizes,
    training: Fields,
    validation: Fields | None,
    losses: tuple[Loss, ...],
    data: str,
) -> tuple[FieldModel, History]:
    """Train a network."""
    device, checkpoint = choose_device(job.device), None
    if job.checkpoint is not None:
        checkpoint = Checkpoint(job.checkpoint, _identity(job, losses, data))
    with seeded(job.seed):
        model = job.model(sizes, **job.network).to(device)
        history = train(
            model,
            training,
            validation,
            losses=losses,
            schedule=job.schedule,
            seed=job.seed,
            monitor=job.monitor,
            precision=choose_precision(job.precision, device),
            progress=job.progress,
            checkpoint=checkpoint,
        )
    return model.cpu().eval(), history


def _named(sources: Sources) -> dict[str, xr.DataArray]:
    """Return all fields that train and validate."""
    kinds = {"coarse": sources.coarse, "fine": sources.fine, "static": sources.static}
    named = {f"{kind} {n}": a for kind, held in kinds.items() for n, a in held.items()}
    own = {"target": sources.target, "truth": sources.truth}
    return named | {n: a for n, a in own.items() if a is not None}


def _joined(models: Sequence[FieldModel]) -> FieldModel:
    """Return one network that predicts as several do together."""
    return models[0] if len(models) == 1 else FieldEnsemble(models).eval()


def _arrays(
    sources: Sources,
    frame: Frame,
    fine: FloatArray,
    left_out: FloatArray | None,
    training: slice,
) -> dict[str, Array]:
    """Return all that the network and its loss are given, scaled."""
    coarse = stacked(sources.coarse, sources.target.shape, 1)
    static = stacked(sources.static, sources.nest.shape, 0)
    anchored = None
    if left_out is not None:
        anchored = frame.anchored(coarse[:, 0])
        anchored[: len(left_out)] = left_out
    arrays = frame.inputs(coarse, fine, static, anchored)
    return arrays | loss_series(sources, frame, training)


def _fields(
    arrays: Mapping[str, Array], job: FieldJob, sources: Sources, split: Split, frame: Frame
) -> tuple[Fields, Fields | None]:
    """Return what trains and what validates."""
    ends = np.arange(frame.window - 1, sources.steps)
    steps = np.arange(len(ends))
    model = job.model.hyperparameters() | dict(job.network)
    side = int(model["patch"])
    ring = sources.nest.x.ring
    settings: dict[str, Any] = {
        "window": frame.window,
        "patch": (min(side, sources.nest.y.size), min(side, sources.nest.x.size)),
        "ring": ring,
        "base_scale": float(frame.statistics["base_scale"]),
        "device": choose_device(job.device),
    }
    hide = float(model["hide"]) if job.recipe.anchored else 0.0
    training = Fields(arrays, steps[ends < split.training.stop], hide=hide, **settings)
    begin = split.validation.start + frame.window - 1
    validation = Fields(arrays, steps[ends >= begin], **settings) if split.validates else None
    for what, found in (("train", training), ("validate", validation)):
        if found is not None and not len(found):
            msg = (
                f"No patch has a target to {what} with: the truth, or all covariates together, are "
                "missing at every whole window. Look at .isnull() of each."
            )
            raise NotEnoughDataError(msg)
    return training, validation


def _losses(job: FieldJob, arrays: Mapping[str, Array]) -> tuple[Loss, ...]:
    """Return the terms: those given, or those of the class whose variables are there."""
    if job.losses is not None:
        return check_terms(job.losses, job.head, published=False)
    lacking = {"infiltration", "previous"} - set(arrays)
    own = [term for term in job.model.losses if not lacking & set(term.needs)]
    return check_terms(own, job.head, published=True)


def _identity(job: FieldJob, losses: Sequence[Loss], data: str) -> dict[str, str]:
    """Return what a run is, so that a checkpoint of another run is refused."""
    return {
        "model": described_model(job.model, job.network),
        "recipe": repr(job.recipe),
        "losses": described_terms(losses),
        "schedule": described_schedule(job.schedule),
        "monitor": job.monitor,
        "precision": job.precision,
        "seed": str(job.seed),
        "valid": str(job.valid),
        "data": data,
        "head": job.head,
    }
