"""Training of models that predict cells: networks, ensembles of them, and estimators."""

from __future__ import annotations

import os
import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import xarray as xr

from xsm.artefact.card import history_dataset
from xsm.artefact.learnt import Learnt
from xsm.cells.card import make_card
from xsm.cells.collect import collect
from xsm.cells.estimation import Estimated, Estimation, run_estimation
from xsm.cells.features import Features
from xsm.cells.recipe import for_data, make_recipe
from xsm.cells.samples import fits
from xsm.cells.scaling import fit_scaling
from xsm.cells.training import run_job
from xsm.data.fingerprint import data_token, fingerprint
from xsm.data.naming import find_variables
from xsm.data.units import dequantify
from xsm.estimators import Estimator
from xsm.evaluation.climatology import seasonal_mean
from xsm.exceptions import check_choice
from xsm.losses import Loss, WaterBalance
from xsm.nn import Model, Schedule, assemble, check_patch, check_terms, head_and_members
from xsm.options import get_options, parse_limit
from xsm.registry import model_name
from xsm.training.job import Job, Trained
from xsm.training.schedule import given, make_schedule
from xsm.training.splits import chronological
from xsm.typing import Scaling

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["fit_cells"]


def fit_cells(
    ds: xr.Dataset,
    cls: type[Model] | type[Estimator],
    *,
    target: str | None = None,
    dynamic: Sequence[str] | None = None,
    static: Sequence[str] | None = None,
    data_integration: bool = False,
    known_forcing: bool = False,
    variables: Mapping[str, str] | None = None,
    valid: float = 0.25,
    window: int | None = None,
    lead: int | None = None,
    scaling: Scaling | None = None,
    losses: Sequence[Loss] | None = None,
    monitor: str = "total",
    device: str = "auto",
    precision: str = "auto",
    seed: int = 0,
    progress: bool | None = None,
    memory_limit: str | int = "2 GiB",
    checkpoint: str | os.PathLike[str] | None = None,
    client: Client | None = None,
    steps: Mapping[str, Any] | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
) -> Learnt:
    """Train a model that predicts each cell, see :func:`xsm.fit`.

    Parameters
    ----------
    ds : xarray.Dataset
        Inputs and target (time, *space).
    cls : subclass of Model or Estimator
        What is trained.
    target, dynamic, static, data_integration, known_forcing, variables : optional
        See :func:`xsm.fit`.
    valid, window, lead, scaling, losses, monitor, device, precision, seed : optional
        See :func:`xsm.fit`.
    progress, memory_limit, checkpoint, client : optional
        See :func:`xsm.fit`.
    steps, hyperparameters : mapping of str to Any, optional
        Of the schedule, and of the model.

    Returns
    -------
    Learnt
        The model with what it has learnt.

    Examples
    --------
    >>> import xsm
    >>> from xsm.registry import model_class
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    >>> quick = {"epochs": 1, "iterations": 2, "hidden_size": 4}
    >>> fit_cells(ds, model_class("lstm"), hyperparameters=quick, progress=False).name
    'lstm'
    """
    started = clock.perf_counter()
    steps, hyperparameters = dict(steps or {}), dict(hyperparameters or {})
    scaling = cls.scaling if scaling is None else scaling
    check_choice("scaling", scaling, ("cell", "global"))
    if issubclass(cls, Estimator):
        about = given(losses=losses, checkpoint=checkpoint, client=client)
        about |= {"monitor": monitor, "device": device, "precision": precision}
        network = cls.check_fit(about, {**steps, **hyperparameters})
        schedule, terms = Schedule(), tuple[Loss, ...]()  # of networks
    else:
        head, members, own = head_and_members(hyperparameters)
        steps |= {"sampling": "mixed"} if data_integration else {}
        network, schedule = make_schedule(cls, steps, own, precision)
        terms = check_terms(
            cls.losses if losses is None else losses, head, published=losses is None
        )
    options = {**cls.hyperparameters(), **network}
    ds = dequantify(ds)[0]
    table = find_variables(ds, variables)
    balances = [term for term in terms if isinstance(term, WaterBalance)]
    recipe = make_recipe(
        ds,
        table,
        target=target,
        dynamic=dynamic,
        static=static,
        window=cls.window if window is None else window,
        lead=cls.lead if lead is None else lead,
        scaling=scaling,
        data_integration=data_integration,
        known_forcing=known_forcing,
        variables=variables,
        balances=balances,
        layered=bool(options.get("layered", cls.layered)),
        bounded=cls.bounded,
        patch=check_patch(options.get("patch", 1)),
    )
    network = for_data(cls, network, table, recipe)
    features = collect(ds, recipe, balances=balances, needs={k for t in terms for k in t.needs})
    split = chronological(features.steps, valid=valid, window=recipe.window, lead=recipe.lead)
    limit = parse_limit(memory_limit)
    if client is None and fits(features, limit // 2 if issubclass(cls, Estimator) else limit):
        features = features.load()
    statistics = fit_scaling(features, split.training, scaling=scaling, bounded=recipe.bounded)
    shown = get_options()["progress"] if progress is None else progress
    settings = {**cls.hyperparameters(), **network, "seed": seed, "valid": valid}
    trained: list[Trained] | list[Estimated]
    if issubclass(cls, Estimator):
        estimation = Estimation(cls, network, recipe, split, seed, shown, limit)
        trained = [run_estimation(estimation, features, statistics)]
        made: Model | Estimator = trained[0].model
    else:
        job = Job(
            cls,
            network,
            recipe,
            split,
            terms,
            schedule,
            monitor=monitor,
            device=device,
            precision=precision,
            seed=seed,
            progress=shown,
            limit=limit,
            checkpoint=None if checkpoint is None else os.fspath(checkpoint),
            data="" if checkpoint is None else data_token(features.named()),
            head=head,
        )
        trained = [_train(job.member(k), features, statistics, client) for k in range(members)]
        made = assemble([job.rebuild(each.weights) for each in trained])
        settings = {
            **asdict(schedule),
            **settings,
            **job.network,
            "precision": precision,
            "monitor": monitor,
            "head": head,
            "members": members,
        }
    seconds = clock.perf_counter() - started
    return Learnt(
        name=model_name(cls),
        model=made,
        recipe=recipe,
        scaling=statistics,
        climatology=_climatology(features, limit),
        history=history_dataset([each.history for each in trained]),
        variable=table.lookup(recipe.target),
        attrs=dict(ds[table.lookup(recipe.target).name].attrs),
        parameters=settings,
        card=make_card(recipe, features, split, trained[0], terms, settings, seconds),
        fingerprint=fingerprint(
            {**features.dynamic, **features.static, recipe.target: features.observed}, table
        ),
        layers=table.layers(recipe.target) if recipe.depths else (),
    )


def _train(job: Job, features: Features, statistics: xr.Dataset, client: Client | None) -> Trained:
    """Train a network here, or on a cluster."""
    if client is None:
        return run_job(job, features, statistics)
    from xsm.cells.cluster import train_on_cluster

    return train_on_cluster(client, job, features, statistics)


def _climatology(features: Features, limit: int) -> xr.DataArray | None:
    """Return the mean of each season, unless it would take much of the memory."""
    steps, size = features.steps, features.observed.size
    if 8 * 366 * size // steps > limit // 4:
        return None
    return seasonal_mean(features.observed, features.time).compute()
