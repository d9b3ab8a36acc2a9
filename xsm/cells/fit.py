"""Training of models that predict cells: networks, ensembles of them, and estimators."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import xarray as xr

from xsm.artefact.asked import Asked
from xsm.artefact.card import history_dataset, whole_card
from xsm.artefact.learnt import Learnt
from xsm.cells.alike import alike_remark
from xsm.cells.areas import described_areas, whole_areas
from xsm.cells.card import card_lines, in_words_of
from xsm.cells.collect import collect
from xsm.cells.estimation import Estimation, run_estimation
from xsm.cells.features import Features
from xsm.cells.gaps import gap_counts, sum_gaps, warn_of_gaps
from xsm.cells.identified import tell_unidentified, unidentified
from xsm.cells.offsets import OFFSET, folded, with_offsets
from xsm.cells.recipe import for_data, make_recipe
from xsm.cells.samples import fits
from xsm.cells.scaling import extremes, fit_scaling
from xsm.cells.sequences import as_sequence, check_sequence, log_of_rain
from xsm.cells.shown import all_shown, check_areas, check_days, known_pores
from xsm.cells.site import site_of
from xsm.cells.training import run_job, sizes_of
from xsm.data.doubt import doubt, guards_of
from xsm.data.fingerprint import data_token, fingerprint
from xsm.data.grid import step
from xsm.data.naming.dimensions import members
from xsm.data.reading import Reading, read
from xsm.estimators import Estimator
from xsm.evaluation.autocorrelation import FEWEST, learn_persistence
from xsm.evaluation.climatology import seasonal_mean
from xsm.exceptions import check_choice, warn_outside
from xsm.hydrology.laws import LAWS
from xsm.losses import Loss, answered_steps
from xsm.losses.pieces import over_pieces
from xsm.nn import ExpertLSTM, Model, Sizes, assemble, check_patch, check_terms, head_and_members
from xsm.nn.settings import usual_settings
from xsm.registry import model_name
from xsm.training.job import Job, Trained
from xsm.training.recipe import Recipe
from xsm.training.schedule import make_schedule
from xsm.training.splits import Split, chronological, in_pieces
from xsm.typing import Scaling

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Begun", "divide", "doubt_used", "fit_cells", "learnt_of", "look_again"]


_UNTAUGHT = (
    "No term of the loss trains the weights of the experts, which stay the same for all. Add "
    "xsm.losses.Absence() to losses=. 'expert_share' says how much each expert speaks."
)


@dataclass(frozen=True, eq=False)
class Begun:
    """What learns, and what it learns from: decided, collected, divided and scaled.

    ``network`` are its hyper-parameters; ``started`` is when that began.
    """

    cls: type[Model] | type[Estimator]
    reading: Reading
    recipe: Recipe
    network: Mapping[str, Any]
    features: Features
    split: Split
    scaling: xr.Dataset
    started: float


@usual_settings()
def fit_cells(ds: xr.Dataset, cls: type[Model] | type[Estimator], asked: Asked) -> Learnt:
    """Train a model that predicts each cell of a data set (time, *space), see :func:`xsm.fit`."""
    scaling = cls.scaling if asked.scaling is None else asked.scaling
    check_choice("scaling", scaling, ("cell", "global"))
    if issubclass(cls, Estimator):
        return _fit_estimator(ds, cls, asked)
    return _fit_network(ds, cls, asked)


def _fit_network(ds: xr.Dataset, cls: type[Model], asked: Asked) -> Learnt:
    """Train a network, or the members of an ensemble, here or on a cluster."""
    started = clock.perf_counter()
    check_sequence(cls, asked)
    head, members, own = head_and_members(asked.hyperparameters)
    logs, own = log_of_rain(own, asked.sequence)
    runs = asked.sequence is not None
    steps = {**asked.schedule, **({"sampling": "mixed"} if asked.data_integration or runs else {})}
    network, schedule = make_schedule(cls, steps, own, asked.precision, sequence=runs)
    reading = read(ds, asked.variables)
    asked, own_terms, shown = all_shown(cls, asked, reading.table, network)
    check_areas(network, own_terms, asked)
    losses = own_terms if asked.losses is None else asked.losses
    terms = check_terms(losses, head, published=asked.losses is None)
    room = asked.limit if asked.client is None else 0  # the workers read what they train on
    begun = _begin(reading, cls, asked, network, terms, room, started, logs=logs, shown=shown)
    schedule = whole_areas(schedule, begun.features, begun.scaling)
    sequence, warmup = begun.recipe.sequence, begun.recipe.warmup
    job = Job(
        cls,
        begun.network,
        over_pieces(terms, sequence, warmup) if sequence else terms,
        schedule,
        sizes_of(begun.recipe, gaussian=head == "gaussian"),
        begun.split,
        begun.recipe,
        **(asked.run | _precision(asked)),
        data="" if asked.checkpoint is None else data_token(begun.features.named()),
    )
    _tell_of_experts(cls, begun, job.sizes, terms)
    tell_unidentified(_unidentified(begun), shown)
    trained = [_train(job.member(k), begun, asked.client) for k in range(members)]
    made = assemble([job.rebuild(each.weights) for each in trained])
    settings = {**job.settings, "valid": asked.valid, "precision": asked.precision}
    settings |= {"monitor": asked.monitor, "head": head, "members": members}
    settings |= {"log_precipitation": logs} if sequence else {}
    return learnt_of(begun, made, trained, settings, asked.limit, terms)


def _tell_of_experts(cls: type[Model], begun: Begun, sizes: Sizes, terms: Sequence[Loss]) -> None:
    """Warn of experts whose weights are copies', or that no term of the loss trains."""
    if not issubclass(cls, ExpertLSTM):
        return
    settled = cls.settle(sizes, begun.network)
    copies = alike_remark(begun.features, dict(settled.get("groups", ())))
    taught = [
        "expert_absence" in {k for t in some for k in t.reads} for some in (cls.losses, terms)
    ]
    for said in (copies, _UNTAUGHT if taught == [True, False] else None):
        if said is not None:
            warn_outside(said)


def _precision(asked: Asked) -> dict[str, str]:
    """Return the arithmetic of a sequence: a state of 8 bits would lose what is added to it."""
    exact = asked.sequence is not None and asked.precision == "auto"
    return {"precision": "float32" if exact else asked.precision}


def _fit_estimator(ds: xr.Dataset, cls: type[Estimator], asked: Asked) -> Learnt:
    """Train an estimator; half of the limit is for data that are read."""
    started = clock.perf_counter()
    own = cls.check_fit(asked.of_networks, {**asked.schedule, **asked.hyperparameters})
    reading = read(ds, asked.variables)
    begun = _begin(reading, cls, asked, own, (), asked.limit // 2, started)
    recipe, split, network = begun.recipe, begun.split, begun.network
    seen = asked.shown, asked.limit, asked.rehearse
    job = Estimation(cls, network, recipe, split, asked.seed, *seen)
    trained = run_estimation(job, begun.features, folded(begun.scaling))
    settings = {**cls.hyperparameters(), **network, "seed": asked.seed, "valid": asked.valid}
    made = job.rebuild(trained.weights)
    return learnt_of(begun, made, [trained], settings, asked.limit, words=in_words_of(cls))


def _begin(
    reading: Reading,
    cls: type[Model] | type[Estimator],
    asked: Asked,
    network: Mapping[str, Any],
    terms: Sequence[Loss],
    room: int,
    started: float,
    *,
    logs: bool = False,
    shown: tuple[str, ...] = (),
) -> Begun:
    """Decide what goes in and what comes out, and collect it; in memory where there is room."""
    options = {**cls.hyperparameters(), **network}
    runs = asked.sequence is not None
    window = 1 if runs else (cls.window if asked.window is None else asked.window)
    usual: Scaling = "global" if runs else cls.scaling
    recipe = make_recipe(
        reading,
        asked,
        window=window,
        lead=cls.lead if asked.lead is None else asked.lead,
        scaling=usual if asked.scaling is None else asked.scaling,
        terms=terms,
        layered=bool(options.get("layered", cls.layered)),
        bounded=cls.bounded,
        patch=check_patch(options.get("patch", 1)),
        forcing=cls.forcing if issubclass(cls, Model) else (),
    )
    recipe = replace(as_sequence(recipe, asked, logs=logs), shown=shown)
    reading, recipe = known_pores(cls, reading, recipe, network)
    doubt_used(reading, recipe, terms)
    features = collect(reading, recipe, terms=terms)
    check_days(features, recipe)
    split = divide(features.steps, asked.valid, recipe)
    site = site_of(features.observed, features.space)
    resident = fits(features, room)
    features = features.load() if resident else features
    span = recipe.sequence or recipe.window + answered_steps(terms) - 1
    complete = issubclass(cls, Estimator)
    counts = gap_counts(features, recipe, split.training, span=span, complete=complete)
    scaling = fit_scaling(
        features,
        split.training,
        scaling=recipe.scaling,
        bounded=recipe.bounded,
        logs=recipe.logs,
        plain=recipe.plain,
        beside=counts,
    )
    look_again(reading, recipe, features, scaling if not resident else None)
    if recipe.cell_offset:
        scaling = with_offsets(scaling, features, split.training)
        recipe = replace(recipe, cell_offset=OFFSET in scaling)
    scaling = scaling.assign_attrs(site=site) if site else scaling
    warn_of_gaps(reading, sum_gaps(counts, features, scaling), recipe)
    settled = for_data(cls, network, reading.table, recipe)
    return Begun(cls, reading, recipe, settled, features, split, scaling, started)


def divide(steps: int, valid: float, recipe: Recipe) -> Split:
    """Divide the series into what trains and what validates."""
    if not recipe.sequence:
        return chronological(steps, valid=valid, window=recipe.window, lead=recipe.lead)
    sequence, warmup, ahead = recipe.sequence, recipe.warmup, recipe.ahead
    return in_pieces(steps, valid=valid, sequence=sequence, warmup=warmup, ahead=ahead)


def doubt_used(
    reading: Reading, recipe: Recipe, terms: Sequence[Loss], *, missing: Sequence[str] = ()
) -> None:
    """Doubt the values of all that is used: inputs, target, and what laws take."""
    fluxes = [role for law in LAWS.values() for role in law.roles(terms)]
    target = reading.layers(recipe.target) if recipe.depths else (recipe.target,)
    inputs = [name for name in (*recipe.dynamic, *recipe.static) if name not in missing]
    doubt(reading, (*inputs, *target, *fluxes), inputs=recipe.dynamic)


def look_again(
    reading: Reading, recipe: Recipe, features: Features, scaling: xr.Dataset | None
) -> None:
    """Look at all values that were read: themselves, or where they are not kept, their extremes."""
    guards = guards_of(reading, [*features.here, *([] if recipe.depths else [recipe.target])])
    for name, guard in guards.items():
        array = features.dynamic.get(name, features.observed)
        guard(array.values if scaling is None else extremes(scaling, recipe, name))


def _train(job: Job, begun: Begun, client: Client | None) -> Trained:
    """Train a network here, or on a cluster."""
    if client is None:
        return run_job(job, begun.features, folded(begun.scaling))
    from xsm.cells.cluster import train_on_cluster

    return train_on_cluster(client, job, begun.features, folded(begun.scaling))


def learnt_of(
    begun: Begun,
    made: Model | Estimator,
    trained: Sequence[Trained],
    settings: Mapping[str, Any],
    limit: int,
    terms: Sequence[Loss] = (),
    words: Callable[[dict[str, str]], dict[str, str]] = dict,
) -> Learnt:
    """Put together what the user holds; ``words`` are those of the card."""
    reading, recipe, features = begun.reading, begun.recipe, begun.features
    variable = reading.lookup(recipe.target)
    card = whole_card(
        card_lines(recipe, members(next(iter(features.dynamic.values()))), _made(begun)),
        trained[0],
        features.observed[features.time].values,
        begun.split,
        terms,
        settings,
        clock.perf_counter() - begun.started,
    )
    named = {**features.dynamic, **features.static, recipe.target: features.observed}
    named = {name: array for name, array in named.items() if name not in features.missing}
    own = reading.ds[variable.name].dims  # inputs may have members where the target has none
    observed = features.observed.isel(
        {d: 0 for d in members(features.observed) if d not in own}, drop=True
    )
    climatology = _climatology(observed, features.time, limit)
    known = climatology is not None and features.steps > FEWEST
    return Learnt(
        name=model_name(begun.cls),
        model=made,
        recipe=recipe,
        scaling=begun.scaling,
        climatology=climatology,
        history=history_dataset([each.history for each in trained]),
        variable=variable,
        attrs=dict(reading.ds[variable.name].attrs),
        parameters=settings,
        card=words(card),
        fingerprint={
            **fingerprint(named, reading.table),
            "step": str(step(features.observed)),
        },
        layers=reading.layers(recipe.target) if recipe.depths else (),
        persistence=learn_persistence(observed, climatology).compute() if known else None,
    )


def _unidentified(begun: Begun) -> tuple[str, ...]:
    """Return what of an account is not identified; nothing of other models."""
    recipe = begun.recipe
    return unidentified(recipe, begun.network.get("layers", ())) if recipe.shown else ()


def _made(begun: Begun) -> dict[str, str]:
    """Return the lines of a card on what was estimated, areas, and what is not identified."""
    table, inputs = begun.reading.table, begun.recipe.dynamic
    made = ("air_temperature", "potential_evaporation")
    ways = {name.replace("_", " "): table.way(name) for name in made if name in inputs}
    areas = described_areas(begun.features, begun.scaling, begun.network.get("footprint", ""))
    lines = {**ways, "footprint": areas, "not identified": "; ".join(_unidentified(begun))}
    return {title: line for title, line in lines.items() if line}


def _climatology(observed: xr.DataArray, time: str, limit: int) -> xr.DataArray | None:
    """Return the mean of each season, unless it would take much of the memory."""
    seasons = 12 if step(observed).months else 366
    if 8 * seasons * observed.size // observed.sizes[time] > limit // 4:
        return None
    return seasonal_mean(observed, time).compute()
