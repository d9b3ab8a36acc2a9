"""The verb that scores a model where it has seen nothing: regions, climates, blocks, years."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import xarray as xr

from xsm.api.fit import fit
from xsm.api.fitted import FittedModel
from xsm.api.folder import FoldFolder
from xsm.api.left_out import joined, scored
from xsm.api.validated import CrossValidation
from xsm.data.folds import Folds, make_folds
from xsm.data.grid import time_dim
from xsm.data.reading import Reading, read
from xsm.data.targets import default_target
from xsm.exceptions import GridError, NotEnoughDataError, UnknownNameError, check_dataset
from xsm.hydrology.soil.layering import DEPTH
from xsm.registry import model_class, model_name

if TYPE_CHECKING:
    from distributed import Client

    from xsm.estimators import Estimator
    from xsm.nn import Model

__all__ = ["cross_validate"]


def cross_validate(
    ds: xr.Dataset,
    model: str | type[Model] | type[Estimator] = "phy_lstm",
    *,
    folds: str | xr.DataArray = "regions",
    count: int | None = None,
    size: float | None = None,
    buffer: float = 0.0,
    test: slice | None = None,
    target: str | Sequence[str] | None = None,
    calibrate: str | None = None,
    variables: Mapping[str, str] | None = None,
    product: str | None = None,
    seed: int = 0,
    path: str | os.PathLike[str] | None = None,
    client: Client | None = None,
    **settings: Any,
) -> CrossValidation:
    """Train a model once for each fold, and predict and score what that fold has not seen.

    What is left out is NaN in all variables before anything is learnt: it changes neither weights
    nor scaling, climatology, persistence or calibration.

    Parameters
    ----------
    ds : xarray.Dataset
        Inputs and target (time, *space), lazy or not.
    model : str or subclass of Model or Estimator, default: "phy_lstm"
        As of :func:`xsm.fit`; any model of cells.
    folds : str or DataArray, default: "regions"
        ``"regions"``: clusters of cells by where they lie (k-means); ``"blocks"``: squares of
        ``size`` km, dealt at random; ``"years"``: calendar years; or a map of classes (*space),
        such as climates, or the name of one in ``ds``: each class is left out once.
    count : int, optional
        Number of folds, of regions and blocks 5 by default; of years each is one, or runs of years.
    size : float, optional
        Side of a block, km. Choose it larger than the distance over which errors are alike.
    buffer : float, default: 0
        Cells within so many km of those left out do not train either.
    test : slice, optional
        Dates that are predicted and scored, such as ``slice("2020", None)``; only what lies before
        them trains, so that places and days are new. Of folds of places; by default all days.
    target : str or sequence of str, optional
        As of :func:`xsm.fit`.
    calibrate : {"scale", "isotonic", "conformal"}, optional
        Calibrate the spread of each model on the last ``valid`` of its training data.
    variables, product : optional
        As of :func:`xsm.fit`.
    seed : int, default: 0
        Seed of folds and fits.
    path : str or path, optional
        A folder, or a URL that fsspec knows, where each model is saved once its fold is done. With
        the same question finished folds are read from it; with another one it is refused.
    client : distributed.Client, optional
        Train folds at the same time, each as a task of this cluster.
    **settings
        Arguments of :func:`xsm.fit`, with its hyper-parameters. ``scaling`` is ``"global"`` where
        places are left out: a range by cell is not known of a cell without data.

    Returns
    -------
    CrossValidation
        ``predicted`` (each place or step by the model that has not seen it, with a coordinate
        ``fold``), ``scores`` of each cell, ``by_fold()``, ``models`` by fold, and ``domain()``, how
        unlike a place may be. Predictions are lazy where the data are; places without an
        observation are in no fold and NaN. In left-out places the climatology and what anomalies
        die down to are the mean of the training cells, since nothing else is known of them; both
        persistences take the place's last observation, and so does ``data_integration=True``.

    Raises
    ------
    UnknownNameError
        If there are no such folds or settings, or ``path`` holds another question.
    GridError
        If cells have no coordinates, or a map lies on other cells.
    NotEnoughDataError
        If there are too few folds, cells or years, a map lacks classes, a buffer leaves nothing, or
        no step is in ``test``.

    References
    ----------
    Roberts, D. R. et al. (2017). Ecography 40:913-929.
    Meyer, H. and Pebesma, E. (2021). Methods Ecol. Evol. 12:1620-1633.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    >>> small = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}
    >>> found = xsm.cross_validate(ds, "lstm", folds="regions", count=2, **small)
    >>> list(found.models), found.by_fold()["rmse"].dims
    (['region 1', 'region 2'], ('fold', 'source'))
    """
    check_dataset(ds)
    cls = model_class(model)
    reading = read(ds, variables, product)
    _check(cls, settings, calibrate)
    observed = _observed(reading, target)
    division = make_folds(
        folds, reading.ds, observed, reading.time, count=count, size=size, buffer=buffer, seed=seed
    )
    settings = {**settings, "target": target, "variables": variables, "seed": seed}
    if not division.of_time:
        settings["scaling"] = _global(settings.get("scaling"))
    training = _before(reading, test, division)
    jobs = {n: _Job(cls, settings, calibrate, division, n) for n in division.names}
    folder = None
    if path is not None:
        folder = FoldFolder(path, cls, {**settings, "calibrate": calibrate}, division)
        folder.ask(training)
    models = _models(jobs, training, folder, client)
    predicted = joined(models, reading, division, test, variables)
    scores = scored(models, reading, division, predicted, variables)
    return CrossValidation(predicted, scores, models, reading, division, seed)


def _check(cls: type[Any], settings: Mapping[str, Any], calibrate: str | None) -> None:
    """Refuse models that downscale, and settings that are of one fit alone."""
    if cls.downscales:
        msg = (
            f"{model_name(cls)!r} downscales fields; cross_validate is of models of cells. Hold "
            "out fine cells: fitted.score(ds, truth=...)."
        )
        raise UnknownNameError(msg)
    if settings.get("checkpoint") is not None:
        msg = (
            f"checkpoint={settings['checkpoint']!r} was given, which is of one fit. Finished folds "
            "are kept by path=."
        )
        raise UnknownNameError(msg)
    if calibrate is not None and not settings.get("valid", 0.25):
        msg = (
            f"calibrate={calibrate!r} was given with valid=0: a spread is calibrated on the part "
            "of the training data that validates. Pass valid=0.25, or leave calibrate= out."
        )
        raise NotEnoughDataError(msg)


def _global(scaling: object) -> str:
    """Return the scaling of models that meet new places, and refuse that by cell."""
    if scaling == "cell":
        msg = (
            "scaling='cell' was given, and places are left out: the range of a cell without data "
            "is not known. Leave it out (scaling='global'), or pass folds='years'."
        )
        raise GridError(msg)
    return "global" if scaling is None else str(scaling)


def _observed(reading: Reading, target: str | Sequence[str] | None) -> xr.DataArray:
    """Return where there is an observation of any target (*space), True or False."""
    names: Any = default_target(reading.table) if target is None else target
    names = list(names) if isinstance(names, Sequence) and not isinstance(names, str) else [names]
    reading.require(*names)
    found = []
    for name in names:
        for layer in reading.layers(name) or (reading.lookup(name),):
            array = reading.array(layer)
            over = [d for d in array.dims if d in (reading.time, DEPTH)]
            found.append(array.notnull().any(over).drop_vars(DEPTH, errors="ignore"))
    seen = reduce(lambda one, other: one | other, found).compute()
    if not seen.any():
        msg = f"The target {names} is missing (NaN) everywhere. Choose another target= or period."
        raise NotEnoughDataError(msg)
    return seen


def _before(reading: Reading, test: slice | None, division: Folds) -> xr.Dataset:
    """Return the steps that may train."""
    ds, time = reading.ds, reading.time
    if test is None:
        return ds
    if division.of_time:
        msg = f"test={test} was given with folds='years', which say which days are left out."
        raise UnknownNameError(msg)
    chosen = ds[time].sel({time: test})
    first = int((ds[time] < chosen.min()).sum()) if chosen.size else 0
    if not first:
        ends = [str(t)[:10] for t in ds[time].values[[0, -1]]]
        msg = (
            f"test={test} holds {chosen.size} steps and leaves {first} before them to train; the "
            f"data go from {ends[0]} to {ends[1]}. Pass a part at their end."
        )
        raise NotEnoughDataError(msg)
    return ds.isel({time: slice(0, first)})


class _Job:
    """One fold's training: called with the data, here or on a worker."""

    def __init__(
        self,
        cls: type[Any],
        settings: Mapping[str, Any],
        calibrate: str | None,
        division: Folds,
        name: str,
    ) -> None:
        self.cls, self.settings, self.calibrate = cls, dict(settings), calibrate
        self.division, self.name = division, name

    def __call__(self, ds: xr.Dataset) -> FittedModel:
        """Train on what the fold may see."""
        part = self.division.training(ds, self.name)
        fitted = fit(part, self.cls, **self.settings)
        if self.calibrate is None:
            return fitted
        time, valid = time_dim(part), float(self.settings.get("valid", 0.25))
        steps = part.sizes[time]
        last = part.isel({time: slice(steps - round(steps * valid), steps)})
        variables = self.settings.get("variables")
        return fitted.calibrate(last, method=self.calibrate, variables=variables)

    def on_worker(self, ds: xr.Dataset) -> FittedModel:
        """Train on a worker of a cluster, which reads what it trains on itself."""
        import dask

        with dask.config.set(scheduler="threads"):
            return self(ds)


def _models(
    jobs: Mapping[str, _Job], ds: xr.Dataset, folder: FoldFolder | None, client: Client | None
) -> dict[str, FittedModel]:
    """Return the model of each fold: read where it is done, else trained, and kept."""
    found = {} if folder is None else folder.load()
    left = {name: job for name, job in jobs.items() if name not in found}

    def keep(name: str, fitted: FittedModel) -> None:
        found[name] = fitted
        if folder is not None:
            folder.save(name, fitted)

    if client is None:
        for name, job in left.items():
            keep(name, job(ds))
    elif left:
        from distributed import as_completed

        there = client.scatter(ds, broadcast=True, hash=False)
        futures = {client.submit(job.on_worker, there, pure=False): n for n, job in left.items()}
        for future in as_completed(list(futures)):
            keep(futures[future], future.result())
    return {name: found[name] for name in jobs}
