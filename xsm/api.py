"""The verbs: the order of the steps of each, nothing else."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import xarray as xr

from xsm.batches import make_windows
from xsm.exceptions import MissingVariableError, NotEnoughDataError, check_choice
from xsm.features import Features, collect, make_recipe
from xsm.fitted import FittedModel, history_dataset, make_card
from xsm.losses import Loss, WaterBalance
from xsm.metrics import day_of_year_mean
from xsm.naming import VariableTable, find_variables
from xsm.nn import Model, Sizes
from xsm.options import get_options
from xsm.registry import model_class, model_name
from xsm.scaling import fit_scaling
from xsm.splits import chronological
from xsm.training import choose_device, seeded, train
from xsm.typing import Scaling
from xsm.units import dequantify, quantify

__all__ = ["fit", "predict", "variables"]


def variables(ds: xr.Dataset, overrides: Mapping[str, str] | None = None) -> VariableTable:
    """Show which variable of a data set plays which role, in what units and sign.

    Parameters
    ----------
    ds : xarray.Dataset
        Data of any product.
    overrides : mapping of str to str, optional
        Role to variable name, where xsm finds none or the wrong one.

    Returns
    -------
    VariableTable
        A table with a text and an HTML representation. Nothing is computed.

    Raises
    ------
    UnknownNameError, MissingVariableError
        If an override names no role or no variable.

    Examples
    --------
    >>> import xsm
    >>> table = xsm.variables(xsm.open_tutorial("land"))
    >>> table["precipitation"].name
    'tp'
    """
    return find_variables(ds, overrides)


def fit(
    ds: xr.Dataset,
    model: str | type[Model] = "phy_lstm",
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
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    patience: int | None = None,
    monitor: str = "total",
    device: str = "auto",
    precision: str = "auto",
    seed: int = 0,
    progress: bool | None = None,
    memory_limit: str = "2 GiB",
    **hyperparameters: Any,
) -> FittedModel:
    """Train a model on a data set.

    The first part of the series trains, the last ``valid`` of it decides when to stop. Each of the
    model's published defaults holds where an argument is not given.

    Parameters
    ----------
    ds : xarray.Dataset
        Inputs and target (time, *space), lazy or not, of any product.
    model : str or subclass of Model, default: "phy_lstm"
        A name of :func:`xsm.list_models`, or a user's class.
    target : str, optional
        Role or variable to predict; by default soil moisture of the top layer, else of a satellite.
    dynamic, static : sequence of str, optional
        Roles or variables that are inputs; by default the meteorology and the soil and terrain maps
        that are there: nothing that holds the answer.
    data_integration : bool, default: False
        Let the window hold the observed target up to its end, with a mask where it is missing, and
        predict the change since the last observation (Fang and Shen 2020). Needs ``lead >= 1``.
    known_forcing : bool, default: False
        Let the weather reach to the time of the prediction: a hindcast, a gap to fill, or a
        weather forecast appended to the data. The target still ends ``lead`` steps before.
    variables : mapping of str to str, optional
        Role to variable name, where xsm finds none or the wrong one.
    valid : float, default: 0.25
        Share of the time steps, at the end, that validates; 0 trains for all ``epochs``.
    window, lead : int, optional
        Steps of input, and steps from the window's end to the prediction.
    scaling : {"cell", "global"}, optional
        Scale each cell by its own range, or all by one.
    losses : sequence of Loss, optional
        Terms of the loss instead of the published ones, such as
        ``[RMSE(0.5), WaterBalance(0.5, trend="level")]`` of :mod:`xsm.losses`.
    epochs, batch_size, patience : int, optional
        The schedule, see :class:`xsm.nn.Schedule`.
    learning_rate : float, optional
        Step of Adam.
    monitor : str, default: "total"
        Validation loss that decides: ``total`` or the name of a term.
    device : str, default: "auto"
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, or the first of these that is there.
    precision : {"auto", "float32", "bfloat16"}, default: "auto"
        Arithmetic of matrix products in training; ``"auto"`` is float32.
    seed : int, default: 0
        Seed of every random choice.
    progress : bool, optional
        Show a bar; by default when a person watches.
    memory_limit : str, default: "2 GiB"
        Refuse training data that would take more, held compact.
    **hyperparameters
        Hyper-parameters of the model (``hidden_size=64``), and ``iterations``, ``validate_every``
        and ``sampling`` of the schedule. With data integration ``sampling`` is ``"mixed"`` where
        it is not given: measured on mHM Mosel, one day ahead, RMSE 0.0109 instead of 0.0117 with
        batches of one time, beside 0.0116 of persistence.

    Returns
    -------
    FittedModel
        The model with its best weights, scaling, climatology and history. Training is eager: the
        variables that it needs are read once.

    Raises
    ------
    UnknownNameError
        If the model, a hyper-parameter, ``monitor`` or an option does not exist.
    MissingVariableError, UnitsError
        If the data lack what the model or a loss term needs; all in one error.
    GridError
        If time is irregular, or coordinates differ between variables.
    NotEnoughDataError
        If the series is too short, the target missing everywhere, or memory exceeded.
    TrainingError
        If the loss is not finite, or a term cannot be computed.

    References
    ----------
    Geng, Q. et al. (2024). Front. For. Glob. Change 7:1353011.
    Fang, K. and Shen, C. (2020). J. Hydrometeorol. 21:399-413.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    >>> fitted = xsm.fit(ds, "lstm", epochs=1, iterations=2, hidden_size=4, progress=False)
    >>> fitted.name
    'lstm'
    """
    started = clock.perf_counter()
    cls = model_class(model)
    network, steps = cls.check_hyperparameters(hyperparameters)
    chosen: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size}
    chosen |= {"learning_rate": learning_rate, "patience": patience}
    chosen |= {"sampling": "mixed"} if data_integration else {}
    steps = {k: v for k, v in chosen.items() if v is not None} | steps
    schedule = replace(cls.schedule, **steps)
    scaling = cls.scaling if scaling is None else scaling
    check_choice("scaling", scaling, ("cell", "global"))
    check_choice("precision", precision, ("auto", "float32", "bfloat16"))
    check_choice("sampling", schedule.sampling, ("time", "mixed"))
    ds, _ = dequantify(ds)
    table = find_variables(ds, variables)
    terms = tuple(cls.losses if losses is None else losses)
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
    )
    features = collect(ds, recipe, balances=balances)
    split = chronological(features.steps, valid=valid, window=recipe.window, lead=recipe.lead)
    _check_memory(features, memory_limit)
    features = features.load()
    statistics = fit_scaling(features, split.training, scaling=scaling)
    place = choose_device(device)
    parts = [split.training, split.validation] if valid else [split.training]
    windows = [make_windows(features, statistics, recipe, part, device=place) for part in parts]
    with seeded(seed):
        sizes = Sizes(windows[0].inputs.shape[-1], len(recipe.static), recipe.window)
        net = cls(sizes, **network).to(place)
        history = train(
            net,
            windows[0],
            windows[1] if valid else None,
            losses=terms,
            schedule=schedule,
            monitor=monitor,
            precision="float32" if precision == "auto" else precision,
            progress=get_options()["progress"] if progress is None else progress,
        )
    settings = {**asdict(schedule), **cls.hyperparameters(), **network, "seed": seed}
    settings |= {"precision": precision, "valid": valid, "monitor": monitor}
    seconds = clock.perf_counter() - started
    found = table.lookup(recipe.target)
    return FittedModel(
        name=model_name(cls),
        model=net.cpu(),
        recipe=recipe,
        scaling=statistics,
        climatology=day_of_year_mean(features.observed, features.time),
        history=history_dataset(history),
        variable=found,
        attrs=dict(ds[found.name].attrs),
        parameters=settings,
        card=make_card(recipe, features, split, windows[0], history, terms, settings, seconds),
    )


def _check_memory(features: Features, limit: str) -> None:
    """Refuse training data that would not fit, before they are read."""
    from dask.utils import format_bytes, parse_bytes

    arrays = [*features.dynamic.values(), *features.series.values(), features.target]
    needed = sum(4 * a.size for a in arrays if a is not None)
    if needed > parse_bytes(limit):
        msg = (
            f"The training data take {format_bytes(needed)} in memory, above memory_limit="
            f"{limit!r}. Select a period or a region (ds.sel(...), ds.isel(lat=slice(None, None, "
            "4))), name fewer inputs (dynamic=[...]), or raise memory_limit."
        )
        raise NotEnoughDataError(msg)


def predict(
    ds: xr.Dataset,
    fitted: FittedModel | None = None,
    *,
    batch_size: int | None = None,
    device: str = "auto",
) -> xr.Dataset:
    """Predict the target of a fitted model for all whole windows of a data set.

    Parameters
    ----------
    ds : xarray.Dataset
        Inputs (time, *space) under any product's names; the target is needed only with data
        integration.
    fitted : FittedModel, optional
        The model; ``ds.physm.predict()`` takes the one last fitted through this very object.
    batch_size : int, optional
        Samples evaluated at a time; memory grows with it. By default 1024 on the CPU, where larger
        ones leave the cache, and 65,536 elsewhere.
    device : str, default: "auto"
        Where to evaluate; one block at a time on a device, on the CPU one on each thread.

    Returns
    -------
    xarray.Dataset
        The target under its name and in its units of ``ds`` (else of the training data), float32,
        labelled by the time that it is valid at: ``lead`` steps after each window's end, so that
        the last lies ``lead`` steps beyond the input (with ``known_forcing``, at its end). NaN
        where a needed input of the cell's own window is NaN, or the cell was not trained. Lazy
        where the inputs are, for any chunking. Beside it ``extrapolation`` (int8): 1 where an input
        of the window, or a static one, lies outside the range that the model has seen in training,
        0 elsewhere and where there is no prediction; and ``trained_cell`` where cells have a
        scaling of their own.

    Raises
    ------
    MissingVariableError
        If there is no model, or the data lack an input.
    UnitsError, GridError
        If units are unusable, or the cells are not those of a model that was trained by cell.

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
    if fitted is None:
        msg = (
            "No model was given, and none was fitted through this very object (a selection of it "
            "is another object). Pass one: ds.physm.predict(fitted), with "
            "fitted = ds.physm.fit(...)."
        )
        raise MissingVariableError(msg)
    ds, quantified = dequantify(ds)
    found = fitted.predict(ds, batch_size=batch_size, device=device)
    return quantify(found) if quantified else found
