"""Training a network on cells, in this process."""

from __future__ import annotations

from dataclasses import replace

import xarray as xr

from xsm.cells.features import Features
from xsm.cells.samples import make_samples
from xsm.losses import answered_steps
from xsm.nn.devices import choose_device, choose_precision, seeded
from xsm.training.checkpoint import Checkpoint
from xsm.training.job import Job, Trained, _warn
from xsm.training.loop import Alone, Ranks, train

__all__ = ["run_job"]


def run_job(
    job: Job,
    features: Features,
    scaling: xr.Dataset,
    *,
    ranks: Ranks | None = None,
) -> Trained:
    """Train in this process.

    Parameters
    ----------
    job : Job
        What is trained, and how.
    features : Features
        Canonical arrays with the target, lazy or not.
    scaling : xarray.Dataset
        Statistics of :func:`xsm.cells.scaling.fit_scaling`, on the same cells.
    ranks : Ranks, optional
        Processes that train together, each on its share of the blocks.

    Returns
    -------
    Trained
        Weights on the CPU, history, and what trained.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from xsm.models.lstm import LSTM
    >>> from xsm.cells.scaling import fit_scaling
    >>> days = {"time": pd.date_range("2020", periods=60)}
    >>> rain, soil = (xr.DataArray(np.sin(k * np.arange(60.0)), days, "time") for k in (1, 2))
    >>> features = Features({"precipitation": rain}, {}, soil, {}, "time", ())
    >>> recipe = Recipe("soil_moisture", ("precipitation",), (), 7, 1, "cell")
    >>> split, schedule = Split(slice(0, 40), slice(40, 60)), Schedule(epochs=2, iterations=3)
    >>> place = {"monitor": "total", "device": "cpu", "precision": "float32"}
    >>> job = Job(
    ...     LSTM,
    ...     {"hidden_size": 4},
    ...     recipe,
    ...     split,
    ...     LSTM.losses,
    ...     schedule,
    ...     **place,
    ...     seed=0,
    ...     progress=False,
    ...     limit=2**24,
    ... )
    >>> run_job(job, features, fit_scaling(features, split.training, scaling="cell")).samples
    '1 cells, 33 samples; 13 validate'
    """
    ranks = ranks or Alone()
    device = choose_device(job.device)
    size = -(-job.schedule.batch_size // ranks.size)
    checkpoint = None
    if job.checkpoint is not None:
        checkpoint = Checkpoint(job.checkpoint, job.identity(ranks.size))
    training, validation = make_samples(
        features,
        scaling,
        job.recipe,
        job.split,
        limit=job.limit,
        answered=answered_steps(job.losses),
        device=device,
    )
    with seeded(job.seed):
        model = job.model(job.sizes, **job.network).to(device)
        history = train(
            model,
            training,
            validation,
            losses=job.losses,
            schedule=replace(job.schedule, batch_size=size),
            seed=job.seed + 1_000_003 * ranks.rank,
            monitor=job.monitor,
            precision=choose_precision(job.precision, device),
            progress=job.progress,
            checkpoint=checkpoint,
            ranks=ranks,
        )
        if validation and not ranks.rank:
            _warn(model, validation, answered_steps(job.losses))
    said = training.describe() + (f"; {len(validation):,} validate" if validation else "")
    weights = {k: v.detach().cpu() for k, v in model.state_dict().items()}
    return Trained(weights, history, said)
