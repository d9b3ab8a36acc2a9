"""The verb that trains: which kind of model, then cells or fields."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import xarray as xr

from xsm.api.arguments import check_alone, check_kind
from xsm.api.fitted import FittedModel
from xsm.artefact.asked import Asked
from xsm.artefact.learnt import Learnt
from xsm.cells.fit import fit_cells
from xsm.data.naming import stated
from xsm.data.nesting.nest import Factor
from xsm.estimators import Estimator
from xsm.exceptions import check_choice, check_whole
from xsm.fields.fit import fit_fields
from xsm.fields.sources import Covariates
from xsm.losses import Loss
from xsm.nn import Model
from xsm.registry import model_class, model_name
from xsm.training.schedule import given
from xsm.typing import Scaling

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["fit", "learn"]

_LOG = logging.getLogger(__name__)


def fit(
    ds: xr.Dataset,
    model: str | type[Model] | type[Estimator] = "phy_lstm",
    *,
    target: str | Sequence[str] | None = None,
    dynamic: Sequence[str] | None = None,
    static: Sequence[str] | None = None,
    data_integration: bool = False,
    known_forcing: bool = False,
    variables: Mapping[str, str] | None = None,
    product: str | None = None,
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
    memory_limit: str | int = "2 GiB",
    checkpoint: str | os.PathLike[str] | None = None,
    client: Client | None = None,
    sequence: int | None = None,
    warmup: int = 30,
    latency: tuple[int, int] = (1, 14),
    cuts: int = 0,
    input_dropout: float = 0.0,
    cell_offset: bool = False,
    factor: Factor | None = None,
    covariates: Covariates | None = None,
    truth: xr.Dataset | xr.DataArray | None = None,
    supervision: str | None = None,
    conserve: str | None = None,
    area: xr.DataArray | None = None,
    **hyperparameters: Any,
) -> FittedModel:
    """Train a model on a data set.

    The first part of the series trains, the last ``valid`` of it decides when to stop. Each of the
    model's published defaults holds where an argument is not given.

    Parameters
    ----------
    ds : xarray.Dataset
        Inputs and target (time, *space), lazy or not, of any product.
    model : str or subclass of Model or Estimator, default: "phy_lstm"
        A name of :func:`xsm.list_models`, or a user's class: a network, or an estimator
        (``"random_forest"``), which learns from flat windows on the CPU and refuses arguments about
        networks: ``losses``, ``epochs``, ``batch_size``, ``monitor``, ``checkpoint``, ``client``.
    target : str or sequence of str, optional
        Role or variable to predict; by default soil moisture of the top layer, else of a satellite.
        Of ``"water_budget"`` all that is shown to it, by default all that is there: soil moisture,
        evaporation, runoff, snow water equivalent, storages.
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
    product : str, optional
        The product that the data are of, where it is not recognised, see
        :func:`xsm.list_products`.
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
        Step of Adam; of estimators ``learning_rate`` and ``patience`` are hyper-parameters, where
        they have them.
    monitor : str, default: "total"
        Validation loss that decides: ``total`` or the name of a term.
    device : str, default: "auto"
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, or the first of these that is there.
    precision : {"auto", "float32", "bfloat16"}, default: "auto"
        Arithmetic of matrix products in training; ``"auto"`` is bfloat16 where the hardware
        multiplies in it. Weights, losses and prediction stay in float32.
    seed : int, default: 0
        Seed of every random choice.
    progress : bool, optional
        Show a bar; by default when a person watches.
    memory_limit : str or int, default: "2 GiB"
        Memory that samples may take. Data that fit are read once and stay in memory; larger data
        are streamed from the store, block by block, and drawn from a pool of blocks. Estimators
        train on a random subset of the windows where not all fit; the card says so.
    checkpoint : str or path, optional
        A file, or a URL that fsspec knows, where the state is noted after an epoch. Where it is
        there already, training goes on from it, and ends (on the CPU, in float32) with the same
        weights as if it had never stopped; with the file of a finished run it ends at once.
    client : distributed.Client, optional
        Train on all workers of this cluster, one rank a worker, each on its share of the cells;
        see :doc:`training on a cluster </training>`. ``memory_limit`` then holds for each.
    sequence : int, optional
        Steps of a piece of the record, such as 180: train a network that runs through the record
        and carries its state, many-to-many, instead of on windows. Every observed step of a piece
        after ``warmup`` is a target, and terms of the loss see whole pieces. Of all networks of
        cells, and classes with ``carry``, with ``scaling="global"``. The network has an input layer
        then, and the schedule is ``sequence_schedule`` of the model. The weather reaches to the
        time of the prediction with ``known_forcing`` or ``lead=0``, else to ``lead`` steps before.
        With ``data_integration`` the inputs get the cell's last observation, ``log(1 + age)`` and a
        mask; in training 0.3 of the observations are hidden from them, none where ``latency`` is
        of one age. A longer series than ``sequence`` steps has to train; what validates warms up
        within its own part.
    warmup : int, default: 30
        First steps of a piece that are not answered: the state begins at rest. Predictions of the
        first steps are NaN, and after a gap of the inputs.
    latency : (int, int), default: (1, 14)
        Of a sequence with data integration: how many steps before the prediction the last
        observation is at least, drawn for each batch; at least ``lead``. It is predicted with the
        smallest.
    cuts : int, default: 0
        Of a sequence: train for forecasts without weather, so many steps ahead, such as 14. Pieces
        are cut after 1 to 30 steps: for so many steps the observations stay those from before the
        cut, and after half of the cuts the weather is hidden too, of which a channel tells. What
        is predicted with known weather gets worse, so that none is the default.
    input_dropout : float, default: 0
        Share of the inputs that are hidden from each sample that trains, such as 0.2: each for
        itself, for the whole window or piece, of which the network is told by a mask. It then
        predicts data that lack some of its inputs. Of any network of cells.
    cell_offset : bool, default: False
        Give each trained cell an offset of its own, its mean from that of all cells, shrunk by how
        few and how variable its observations are (Robinson 1991). For predictions in cells that
        train: others have none, and the network does not learn how places differ. With
        ``scaling="global"``, as of sequences, and at least 10 cells.
    factor, covariates, truth, conserve, area : optional
        Of models that downscale, see :func:`xsm.downscale`.
    supervision : {"truth", "scale_transfer", "interpolation"}, optional
        Of models that downscale: learn from ``truth``; or learn to refine data that are coarser by
        the factor, and do the same one scale below (without covariates corrections are made smaller
        where the field is smoother there, docs/models/convlstm_unet.md); or stay at the
        interpolated field, which gives smoothness and no detail. By default the first that the data
        allow.
    **hyperparameters
        Hyper-parameters of the model (``hidden_size=64``), and ``iterations``, ``validate_every``,
        ``sampling`` and ``decay`` of the schedule. With data integration ``sampling`` is
        ``"mixed"`` where it is not given: measured on mHM Mosel, one day ahead, RMSE 0.0109
        instead of 0.0117 with batches of one time, beside 0.0116 of persistence.
        Any network takes ``head="gaussian"``: it predicts its spread too, trained by
        :class:`xsm.losses.BetaNLL` in the place of RMSE; and ``members=5``: so many networks of
        different seeds, whose disagreement adds to the spread. With ``sequence``,
        ``log_precipitation=False`` scales precipitation itself instead of ``log(1 + value)``.

    Returns
    -------
    FittedModel
        The model with its best weights, scaling, climatology and history. Training is eager.
        Where gaps (NaN) of inputs cost more than a tenth of the samples of data that fit in
        memory, a warning names them, what each costs, and what to type.

    Raises
    ------
    UnknownNameError
        If the model, a hyper-parameter, ``monitor`` or an option does not exist.
    MissingVariableError, UnitsError
        If the data lack what the model or a loss term needs; all in one error.
    GridError
        If time is irregular, or coordinates differ between variables.
    NotEnoughDataError
        If the series is too short, or the target missing everywhere.
    TrainingError
        If the loss is not finite, a term cannot be computed, or the checkpoint is of another run.

    References
    ----------
    Geng, Q. et al. (2024). Front. For. Glob. Change 7:1353011.
    Fang, K. and Shen, C. (2020). J. Hydrometeorol. 21:399-413.
    Robinson, G. K. (1991). Statist. Sci. 6:15-32.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    >>> fitted = xsm.fit(ds, "lstm", epochs=1, iterations=2, hidden_size=4, progress=False)
    >>> fitted.name
    'lstm'
    """
    asked = Asked(
        target=target,
        dynamic=dynamic,
        static=static,
        data_integration=data_integration,
        known_forcing=known_forcing,
        variables=variables,
        valid=valid,
        window=window,
        lead=lead,
        scaling=scaling,
        losses=losses,
        schedule=given(
            epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, patience=patience
        ),
        hyperparameters=hyperparameters,
        monitor=monitor,
        device=device,
        precision=precision,
        seed=seed,
        progress=progress,
        memory_limit=memory_limit,
        checkpoint=checkpoint,
        client=client,
        sequence=sequence,
        warmup=warmup,
        latency=latency,
        cuts=cuts,
        input_dropout=input_dropout,
        cell_offset=cell_offset,
        factor=factor,
        covariates=covariates,
        truth=truth,
        supervision=supervision,
        conserve=conserve,
        area=area,
    )
    return FittedModel.of(learn(ds, model, asked, product))


def learn(ds: xr.Dataset, model: object, asked: Asked, product: str | None) -> Learnt:
    """Check what was asked, and train the one or the other kind of model."""
    cls = model_class(model)
    whole = {"seed": asked.seed, "window": asked.window, "lead": asked.lead}
    stands = {n for n, v in whole.items() if v is None and n != "seed"}  # the model's own
    checked: dict[str, Any] = {n: check_whole(n, v) for n, v in whole.items() if n not in stands}
    asked = replace(asked, **checked)
    for name in ("data_integration", "known_forcing", "cell_offset"):
        check_choice(name, str(getattr(asked, name)), ("False", "True"))
    check_alone(asked)
    check_kind(model_name(cls), asked.of_fields, asked.of_cells, downscales=cls.downscales)
    order: Callable[[xr.Dataset, type[Any], Asked], Learnt] = (
        fit_fields if cls.downscales else fit_cells
    )
    learnt = order(stated(ds, product), cls, asked)
    _LOG.info("%s %s is trained", learnt.name, learnt.digest)
    return learnt
