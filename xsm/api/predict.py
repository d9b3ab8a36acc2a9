"""The verb that predicts, and where it gets its model from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import xarray as xr

from xsm.api.fitted import FittedModel
from xsm.data.naming import stated
from xsm.data.units import dequantify, quantify
from xsm.exceptions import MissingVariableError, UnknownNameError

__all__ = ["needed_model", "predict"]


def predict(
    ds: xr.Dataset,
    fitted: FittedModel | None = None,
    *,
    state: xr.Dataset | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    domain: xr.Dataset | None = None,
    variables: Mapping[str, str] | None = None,
    product: str | None = None,
) -> xr.Dataset:
    """Predict the target of a fitted model for all whole windows of a data set.

    Parameters
    ----------
    ds : xarray.Dataset
        Inputs (time, *space) under any product's names, found by role; those that had no role in
        training under the same names. The target is needed only with data integration.
    fitted : FittedModel, optional
        The model; ``ds.physm.predict()`` takes the one last fitted through this very object.
    state : xarray.Dataset, optional
        Of a model fit with ``sequence=``: what ``fitted.state(before)`` returned for the data that
        end one step before these, to go on from. Without it the network begins at rest: its first
        ``warmup`` predictions are NaN, and so are those after a gap of the inputs.
    batch_size : int, optional
        Samples evaluated at a time; memory grows with it. By default 1024 on the CPU, where larger
        ones leave the cache, and 65,536 elsewhere.
    device : str, default: "auto"
        Where to evaluate; one block at a time on a device, on the CPU one on each thread.
    domain : xarray.Dataset, optional
        What ``xsm.cross_validate(...).domain()`` has learnt, of the same inputs: the prediction
        gets ``dissimilarity`` (*space), how unlike a place is to those of training, by the inputs
        of a year or more, and ``applicable``, 1 where it is at most that of left-out places.
    variables : mapping of str to str, optional
        Role to variable name of ``ds``, where xsm finds none or the wrong one. What was stated in
        training counts where ``ds`` has these names.
    product : str, optional
        The product that the data are of, where it is not recognised, see
        :func:`xsm.list_products`.

    Returns
    -------
    xarray.Dataset
        The target under its name and in its units of ``ds`` (else of the training data), float32,
        labelled by the time that it is valid at: ``lead`` steps after each window's end, so that
        the last lies ``lead`` steps beyond the input (with ``known_forcing``, at its end). NaN
        where a needed input of the cell's own window is NaN, or the cell was not trained. Lazy
        where the inputs are, for any chunking. Beside it ``extrapolation`` (int8): 1 where an input
        of the window, or a static one, lies beyond the range that the model has seen in training,
        by more than a quarter of that range, 0 elsewhere and where there is no prediction;
        ``trained_cell`` where cells have a scaling of their own, or some had no training data; and
        of models with a spread ``<target>_std``, see :func:`xsm.intervals`.
        Values that the target cannot have, as negative soil moisture, are left as they are.

    Raises
    ------
    MissingVariableError
        If there is no model, or the data lack an input.
    UnitsError, GridError
        If units are unusable, or cells or site are not those of a model that was trained by cell.

    Warns
    -----
    UserWarning
        Once, where values are computed that the target's role cannot have (``range`` in the table
        of variables: soil moisture from 0 to 1). Networks are linear at their end, as published,
        and may leave it where the weather is unlike that of training. Look at ``extrapolation``;
        train a model that is bounded by its soil, ``"pgdl_cnn_lstm"``; or clip by a word of your
        own, ``forecast["swvl1"].clip(0, 1)``.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    >>> fitted = xsm.fit(ds, "lstm", epochs=1, iterations=2, hidden_size=4, progress=False)
    >>> forecast = xsm.predict(ds, fitted)
    >>> forecast["swvl1"].attrs["units"], ds.sizes["time"] - forecast.sizes["time"]
    ('m3 m-3', 6)
    >>> str(forecast["time"].values[-1])[:10]  # one day beyond the data
    '2021-01-01'
    """
    model = needed_model(fitted, "predict")
    ds, quantified = dequantify(ds)
    options: dict[str, Any] = {"state": state, "batch_size": batch_size, "device": device}
    found = model.predict(stated(ds, product), domain=domain, variables=variables, **options)
    return quantify(found) if quantified else found


def needed_model(fitted: object, verb: str) -> FittedModel:
    """Return the model that a verb was given, and say where to get one.

    Parameters
    ----------
    fitted : FittedModel
        What was given.
    verb : str
        The verb's name.

    Returns
    -------
    FittedModel
        The same.

    Raises
    ------
    MissingVariableError
        If there is none.
    UnknownNameError
        If it is something else, such as the path of one.

    Examples
    --------
    >>> needed_model("soil.xsm", "predict")
    Traceback (most recent call last):
    xsm.exceptions.UnknownNameError: 'soil.xsm' is no fitted model. ... xsm.load('soil.xsm') ...
    """
    if isinstance(fitted, FittedModel):
        return fitted
    if fitted is None:
        msg = (
            "No model was given, and none was fitted through this very object (a selection of it "
            f"is another object). Pass one: ds.physm.{verb}(fitted), with "
            "fitted = ds.physm.fit(...)."
        )
        raise MissingVariableError(msg)
    path = os.fspath(fitted) if isinstance(fitted, str | os.PathLike) else "soil.xsm"
    msg = (
        f"{fitted!r} is no fitted model. Pass what ds.physm.fit(...) returned, or what "
        f"xsm.load({path!r}) reads: ds.physm.{verb}(fitted)."
    )
    raise UnknownNameError(msg)
