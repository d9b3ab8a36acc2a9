"""Training of models that downscale fields: networks, and ensembles of them."""

from __future__ import annotations

import os
import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import xarray as xr

from xsm.artefact.card import history_dataset, made_of, outcome
from xsm.artefact.learnt import Learnt
from xsm.data.naming import VariableTable, find_variables
from xsm.data.nesting.nest import Factor
from xsm.data.units import dequantify
from xsm.exceptions import check_choice
from xsm.fields.collect import collect_sources
from xsm.fields.samples import FieldJob, FieldsTrained, train_fields
from xsm.fields.sources import Covariates, Sources, choose_target, known_names
from xsm.losses import Loss
from xsm.nn import FieldModel, head_and_members
from xsm.options import get_options, parse_limit
from xsm.registry import model_name
from xsm.training.recipe import NestedRecipe
from xsm.training.schedule import check_schedule

__all__ = ["fit_fields"]


def fit_fields(
    ds: xr.Dataset,
    cls: type[FieldModel],
    *,
    factor: Factor | None = None,
    covariates: Covariates | None = None,
    truth: xr.Dataset | xr.DataArray | None = None,
    supervision: str | None = None,
    conserve: str | None = None,
    area: xr.DataArray | None = None,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    valid: float = 0.25,
    window: int | None = None,
    losses: Sequence[Loss] | None = None,
    monitor: str = "total",
    device: str = "auto",
    precision: str = "auto",
    seed: int = 0,
    progress: bool | None = None,
    memory_limit: str | int = "2 GiB",
    checkpoint: str | os.PathLike[str] | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
) -> Learnt:
    """Train a network that downscales, see :func:`xsm.fit`.

    Parameters
    ----------
    ds : xarray.Dataset
        Holds the coarse field.
    cls : subclass of FieldModel
        The network.
    factor, covariates, truth, supervision, conserve, area, target, variables : optional
        See :func:`xsm.fit`.
    valid, window, losses, monitor, device, precision, seed : optional
        See :func:`xsm.fit`.
    progress, memory_limit, checkpoint : optional
        See :func:`xsm.fit`.
    hyperparameters : mapping of str to Any, optional
        Of the network and the schedule.

    Returns
    -------
    Learnt
        The model with its best weights.

    Raises
    ------
    UnknownNameError
        If a choice does not exist.

    Examples
    --------
    >>> from xsm.registry import model_class
    >>> fit_fields(xr.Dataset(), model_class("convlstm_unet"), supervision="hope")
    Traceback (most recent call last):
    xsm.exceptions.UnknownNameError: supervision='hope' was given. Choose from ...
    """
    started = clock.perf_counter()
    head, members, own = head_and_members(hyperparameters or {}, head=cls.default_head)
    network, steps = cls.check_hyperparameters(own)
    if conserve is not None:
        network["conserve"] = conserve
    check_choice("conserve", network.get("conserve", "soft"), ("soft", "exact"))
    supervision = supervision or ("scale_transfer" if truth is None else "truth")
    check_choice("supervision", supervision, ("truth", "scale_transfer", "interpolation"))
    check_choice("precision", precision, ("auto", "float32", "bfloat16"))
    if factor is None and truth is None:
        factor = 4
    window = cls.window if window is None else window
    ds, _ = dequantify(ds)
    table = find_variables(ds, known_names(ds, variables))
    role = choose_target(ds, table, target)
    sources = collect_sources(
        ds,
        target=role,
        factor=factor,
        covariates=covariates,
        truth=truth if supervision == "truth" else None,
        area=area,
        variables=variables,
        history=window - 1,
    )
    anchor = network.get("anchor", cls.hyperparameters().get("anchor", True))
    recipe = NestedRecipe(
        role,
        tuple(sources.fine),
        tuple(sources.static),
        window,
        0,
        "global",
        variables=dict(variables or {}),
        factor=sources.nest.factor,
        supervision=supervision,
        anchored=bool(anchor) and supervision == "truth",
    )
    job = FieldJob(
        cls,
        network,
        recipe,
        None if losses is None else tuple(losses),
        check_schedule(replace(cls.schedule, **steps)),
        valid=valid,
        monitor=monitor,
        device=device,
        precision=precision,
        seed=seed,
        progress=get_options()["progress"] if progress is None else progress,
        limit=parse_limit(memory_limit),
        checkpoint=None if checkpoint is None else os.fspath(checkpoint),
        head=head,
        members=members,
    )
    trained = train_fields(job, sources)
    return _fitted(job, trained, sources, ds, table, clock.perf_counter() - started)


def _fitted(
    job: FieldJob,
    trained: FieldsTrained,
    sources: Sources,
    ds: xr.Dataset,
    table: VariableTable,
    seconds: float,
) -> Learnt:
    """Put together what the user holds."""
    recipe, cls = job.recipe, job.model
    settings = {**asdict(job.schedule), **cls.hyperparameters(), **job.network, "seed": job.seed}
    settings |= {"precision": job.precision, "valid": job.valid, "monitor": job.monitor}
    settings |= {"head": job.head, "members": job.members}
    variable = table.lookup(recipe.target)
    times = sources.target[sources.time].values
    card = {
        "target": recipe.target,
        "factor": f"{recipe.factor[0]} x {recipe.factor[1]}",
        "supervision": recipe.supervision
        + (", each cell with a truth by its own regression" if recipe.anchored else ""),
        "conserve": trained.model.conserve,
        "dynamic": ", ".join(recipe.dynamic) or "none",
        "static": ", ".join(recipe.static) or "none",
        "window": str(recipe.window),
        **outcome(trained.histories[0], trained.samples, times, trained.split, trained.losses),
        **made_of(settings, seconds),
    }
    sizes = {str(d): n for d, n in sources.target.sizes.items()}
    return Learnt(
        name=model_name(cls),
        model=trained.model,
        recipe=recipe,
        scaling=trained.scaling,
        climatology=None,
        history=history_dataset(trained.histories),
        variable=variable,
        attrs=dict(ds[str(variable.name)].attrs),
        parameters=settings,
        card=card,
        fingerprint={"sizes": sizes},
    )
