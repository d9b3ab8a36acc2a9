"""Going on from a fitted model of cells on other data, see :meth:`xsm.FittedModel.finetune`."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import xarray as xr

from xsm.artefact.asked import Asked, Tuning
from xsm.artefact.learnt import Learnt
from xsm.artefact.lineage import gone_on, observed_years, schedule_after, starts
from xsm.cells.areas import whole_areas
from xsm.cells.collect import collect
from xsm.cells.features import Features
from xsm.cells.fit import Begun, divide, doubt_used, learnt_of, look_again
from xsm.cells.gaps import gap_counts, sum_gaps, warn_of_gaps
from xsm.cells.offsets import OFFSET, folded, learn_offsets
from xsm.cells.recipe import for_data, holds_target, make_recipe, missing_inputs, require_inputs
from xsm.cells.samples import fits
from xsm.cells.scaling import fit_scaling
from xsm.cells.shown import all_shown, check_days
from xsm.cells.site import site_of
from xsm.cells.target_map import TargetMap, agreement, correlation, map_target, said_by
from xsm.cells.training import run_job, sizes_of
from xsm.data.fingerprint import data_token
from xsm.data.reading import Reading, read
from xsm.data.targets import default_target
from xsm.data.trained_step import check_trained_step
from xsm.exceptions import NotEnoughDataError, UnknownNameError, warn_outside
from xsm.losses import Loss, answered_steps
from xsm.losses.anchor import Anchor
from xsm.losses.pieces import over_pieces
from xsm.nn import Model, assemble, check_terms, members_of
from xsm.nn.settings import usual_settings
from xsm.training.job import Job
from xsm.training.recipe import Recipe
from xsm.training.splits import Split

__all__ = ["finetune_cells"]


_FEW = 10  # observed cells: with fewer, the last part of the record validates
_KEPT = ("dynamic_offset", "dynamic_scale", "static_offset", "static_scale")
_LIMITS = ("dynamic_min", "static_min", "dynamic_max", "static_max")


@dataclass(frozen=True, eq=False)
class _Held:
    """What trains and what validates: times, and cells that are left out, where cells are."""

    split: Split
    cells: xr.DataArray | None


@dataclass(frozen=True, eq=False)
class _Here:
    """The new data: what is read of them, and what trains and validates.

    A piece has so many ``steps``; ``line`` leads from the source to the new target, ``told`` is the
    source's own target, where the data hold it.
    """

    cls: type[Model]
    network: Mapping[str, Any]
    terms: tuple[Loss, ...]
    reading: Reading
    recipe: Recipe
    features: Features
    held: _Held
    steps: int
    scaling: xr.Dataset
    line: TargetMap | None
    told: xr.DataArray | None

    @property
    def later(self) -> xr.Dataset | None:
        """The statistics of the cells that validate; None where all train."""
        if self.held.cells is None:
            return None
        order = self.scaling["trained_cell"].dims
        return folded(self.scaling).assign(trained_cell=self.held.cells.transpose(*order))


@usual_settings()
def finetune_cells(source: Learnt, ds: xr.Dataset, asked: Asked, tuning: Tuning) -> Learnt:
    """Go on from a network of cells: its inputs' scales stay, the target gets one of its own."""
    started = clock.perf_counter()
    _check_source(source)
    here = _gather(source, ds, asked)
    years = _years(features := here.features, here.held)
    job = _job(source, here, asked, years)
    recipe, anchor = here.recipe, tuning.drawn_back(years)
    begins = starts(source, tuning, anchor)
    jobs = [replace(job.member(k), start=start) for k, start in enumerate(begins)]
    made = [run_job(each, features, folded(here.scaling), later=here.later) for each in jobs]
    model = assemble([each.rebuild(t.weights) for each, t in zip(jobs, made, strict=True)])
    settings = {**job.settings, "valid": asked.valid, "precision": asked.precision}
    settings |= {"monitor": asked.monitor, "head": source.parameters["head"], "members": len(jobs)}
    settings |= {"log_precipitation": bool(recipe.logs)} if recipe.sequence else {}
    begun = Begun(
        here.cls, here.reading, recipe, job.network, features, job.split, here.scaling, started
    )
    anchored = (*here.terms, Anchor(anchor)) if anchor else here.terms
    learnt = learnt_of(begun, model, made, settings, asked.limit, anchored)
    lines = _lines(source, learnt, here, asked.device)
    return gone_on(source, learnt, tuning, anchor, lines)


def _gather(source: Learnt, ds: xr.Dataset, asked: Asked) -> _Here:
    """Read the new data by the source's recipe, and scale them, each cell with its own offset."""
    cls = type(members_of(cast(Model, source.model))[0])
    network = {k: source.parameters.get(k, v) for k, v in cls.hyperparameters().items()}
    reading = read(ds, asked.variables, remembered=source.recipe.variables)
    asked = _targeted(source, reading, asked, cls)
    asked, own, shown = all_shown(cls, asked, reading.table, network)
    losses = own if asked.losses is None else asked.losses
    terms = check_terms(losses, source.parameters["head"], published=asked.losses is None)
    recipe = _recipe(reading, source, asked, terms, shown, cls)
    features = collect(reading, recipe, terms=terms)
    doubt_used(reading, recipe, terms, missing=features.missing)
    check_days(features, recipe)
    trained = source.fingerprint.get("step")
    check_trained_step(source.name, trained, next(iter(features.dynamic.values())), what="memory")
    site = site_of(features.observed, features.space)
    resident = fits(features, asked.limit)
    features = features.load() if resident else features
    held = _held(features, recipe, asked)
    steps = _piece(recipe, held.split)
    found = _statistics(reading, recipe, features, terms, held, resident=resident)
    line, told = _line(source, reading, features, recipe, held, asked.device)
    scaling = _scaling(source, found, line, features.missing)
    scaling = scaling.assign_attrs(site=site) if site else scaling
    recipe = replace(recipe, cell_offset=OFFSET in scaling)
    return _Here(cls, network, terms, reading, recipe, features, held, steps, scaling, line, told)


def _piece(recipe: Recipe, split: Split) -> int:
    """Return the steps of a piece: as many as the source's, or as the record has."""
    steps = min(recipe.sequence, split.training.stop - recipe.ahead)
    if recipe.sequence and steps <= recipe.warmup:
        msg = (
            f"{split.training.stop} steps train, and the first {recipe.warmup} of a piece are not "
            "answered (warmup of the source). Give a longer record: its weather counts, also "
            "where the target was not observed."
        )
        raise NotEnoughDataError(msg)
    return steps


def _job(source: Learnt, here: _Here, asked: Asked, years: float) -> Job:
    """Return the run that goes on."""
    recipe, split, terms = here.recipe, here.held.split, here.terms
    exact = recipe.sequence and asked.precision == "auto"  # 8 bits would lose what is added
    return Job(
        here.cls,
        for_data(here.cls, here.network, here.reading.table, recipe),
        over_pieces(terms, here.steps, recipe.warmup) if recipe.sequence else terms,
        whole_areas(schedule_after(source, asked, years), here.features, here.scaling),
        sizes_of(recipe, gaussian=source.parameters["head"] == "gaussian"),
        split,
        recipe,
        **asked.run | {"precision": "float32" if exact else asked.precision},
        data="" if asked.checkpoint is None else data_token(here.features.named()),
    )


def _check_source(source: Learnt) -> None:
    """Refuse models that cannot be taken elsewhere."""
    if not isinstance(source.model, Model):
        msg = (
            f"{source.name!r} is an estimator: it has no weights that could go on learning. "
            f"Train it on the new data, xsm.fit(ds, {source.name!r}), or fine-tune a network."
        )
        raise UnknownNameError(msg)
    if source.recipe.scaling == "cell":
        msg = (
            f'{source.name!r} was trained with scaling="cell": each cell was scaled by its own '
            "range, so that a number means another amount of water in each of them, and nothing "
            'in cells that it has not seen. Train the source with scaling="global" (the default '
            "of sequences), and fine-tune that."
        )
        raise UnknownNameError(msg)


def _targeted(source: Learnt, reading: Reading, asked: Asked, cls: type[Model]) -> Asked:
    """Return what is asked, by default of the source's own target where the data hold it."""
    own = source.recipe.target
    if asked.target is not None or cls.observes:
        return asked
    if holds_target(reading.table, source.recipe):
        return replace(asked, target=own)
    found = reading.lookup(default_target(reading.table))
    warn_outside(
        f"The source predicts {own}, which the data do not hold at that depth. It goes on with "
        f"{found.name!r}, their {found.role}; to say so, pass target={found.name!r}."
    )
    return asked


def _recipe(
    reading: Reading,
    source: Learnt,
    asked: Asked,
    terms: Sequence[Loss],
    shown: tuple[str, ...],
    cls: type[Model],
) -> Recipe:
    """Return the source's recipe with the new target."""
    before = source.recipe
    require_inputs(reading, replace(before, data_integration=False))
    away = missing_inputs(reading, before)
    wanted = replace(
        asked,
        dynamic=[n for n in before.dynamic if n not in away],
        static=[n for n in before.static if n not in away],
        data_integration=before.data_integration,
        known_forcing=before.known_forcing,
        cell_offset=False,
    )
    made = make_recipe(
        reading,
        wanted,
        window=before.window,
        lead=before.lead,
        scaling=before.scaling,
        terms=terms,
        layered=bool(before.depths) or bool(cls.observes),
        bounded=before.bounded,
        patch=before.patch,
        forcing=cls.forcing,
    )
    if made.layers != before.layers and not cls.observes:
        msg = (
            f"The source predicts {before.layers} layers of {before.target!r}, the data hold "
            f"{made.layers} of {made.target!r}; as many are needed. Select them, or bring the "
            "data to the source's depths: xsm.to_depths(ds, [...])."
        )
        raise NotEnoughDataError(msg)
    return replace(
        before,
        target=made.target,
        depths=made.depths,
        centres=made.centres,
        layer=made.layer,
        cell_offset=asked.cell_offset and not (made.bounded or made.plain),
        variables=made.variables,
        plain=made.plain,
        shown=shown,
    )


def _held(features: Features, recipe: Recipe, asked: Asked) -> _Held:
    """Leave cells out at random; where there are few, the last part of the record."""
    steps = features.steps
    if not 0 <= asked.valid < 1:
        msg = f"valid={asked.valid} was given; a share of the cells from 0 to below 1 is needed."
        raise NotEnoughDataError(msg)
    over = [d for d in features.observed.dims if d not in features.space]
    seen = features.observed.notnull().any(over).transpose(*features.space).compute()
    cells = np.flatnonzero(seen.values)
    if len(cells) < _FEW or not asked.valid or "area" in features.soil:  # areas stay whole
        few = recipe.sequence and replace(recipe, sequence=min(recipe.sequence, steps // 2))
        return _Held(divide(steps, asked.valid, few or recipe), None)
    count = max(1, round(asked.valid * len(cells)))
    chosen = np.random.default_rng(asked.seed).permutation(cells)[:count]
    left = np.zeros(seen.size, bool)
    left[chosen] = True
    whole = slice(0, steps)
    return _Held(Split(whole, whole), seen.copy(data=left.reshape(seen.shape)))


def _training(array: xr.DataArray, features: Features, held: _Held) -> xr.DataArray:
    """Return an array like the target, NaN where it does not train."""
    place = xr.DataArray(np.arange(features.steps), dims=features.time)
    kept = array.where(place < held.split.training.stop)
    return kept if held.cells is None else kept.where(~held.cells)


def _years(features: Features, held: _Held) -> float:
    """Return for how many years something was observed that trains."""
    over = [d for d in features.observed.dims if d != features.time]
    seen = _training(features.observed, features, held).notnull().any(over)
    return observed_years(features.observed, int(seen.sum()))


def _statistics(
    reading: Reading,
    recipe: Recipe,
    features: Features,
    terms: Sequence[Loss],
    held: _Held,
    *,
    resident: bool,
) -> xr.Dataset:
    """Return the statistics of the new data where they train, and warn of gaps."""
    training = held.split.training
    span = min(recipe.sequence, features.steps) or recipe.window + answered_steps(terms) - 1
    counts = gap_counts(features, recipe, training, span=span, complete=False)
    found = fit_scaling(
        replace(features, target=_training(features.observed, features, held)),
        training,
        scaling=recipe.scaling,
        bounded=recipe.bounded,
        logs=recipe.logs,
        plain=recipe.plain,
        beside=counts,
    )
    look_again(reading, recipe, features, None if resident else found)
    warn_of_gaps(reading, sum_gaps(counts, features, found), recipe)
    return found


def _line(
    source: Learnt,
    reading: Reading,
    features: Features,
    recipe: Recipe,
    held: _Held,
    device: str,
) -> tuple[TargetMap | None, xr.DataArray | None]:
    """Return the new target's line on the source, None where both are physical.

    Then the source's own target, where the data hold it beside the new one.
    """
    old = source.recipe
    told = None
    other = old.target != recipe.target
    if other and not old.depths and holds_target(reading.table, old):
        own = collect(reading, replace(old, variables=recipe.variables)).observed
        told = own if own.dims == features.observed.dims else None
    if recipe.plain or recipe.bounded:
        return None, told
    said = said_by(source, features, device=device)
    observed = _training(features.observed, features, held)
    line = map_target(agreement(said, observed, features.space), repr(recipe.target))
    rest = observed - line.offset - line.slope * said
    cells = learn_offsets(rest, features.time) if recipe.cell_offset else None
    return replace(line, cells=cells), told


def _scaling(
    source: Learnt, found: xr.Dataset, line: TargetMap | None, missing: Sequence[str]
) -> xr.Dataset:
    """Return the statistics: the source's of inputs, and all that either was trained within."""
    before = source.scaling
    kept = {name: before[name] for name in _KEPT}
    limits = {}
    for name in _LIMITS:  # of an input that is missing the source's
        widest = np.fmin if name.endswith("min") else np.fmax
        there = ~found[name][name.partition("_")[0]].isin(missing)
        limits[name] = xr.apply_ufunc(widest, before[name], found[name].where(there))
    scale = {} if line is None else {n: a.variable for n, a in line.scale(before).items()}
    return found.assign({**kept, **limits, **scale})  # as variables: indexes stay


def _lines(source: Learnt, learnt: Learnt, here: _Here, device: str) -> dict[str, str]:
    """Return lines of the card about the new data.

    Where they hold the source's own target too, they say how well it is known before and after.
    """
    features, cells = here.features, here.held.cells
    lines = {} if here.line is None else {"target's line": str(here.line)}
    lines |= {"hidden": ", ".join(features.missing)} if features.missing else {}
    lines |= {} if cells is None else {"validation": f"{int(cells.sum())} cells left out"}
    if cells is not None and not bool(learnt.history["total"].notnull().any("epoch").all()):
        lines["validation"] += ", none of which holds a whole sample: all epochs were trained"
    if here.told is None:
        return lines
    known = replace(features, target=here.told)
    said = (said_by(m, known, device=device) for m in (source, learnt))
    pairs = [agreement(each, here.told, features.space) for each in said]
    before, after = (float(correlation(p)) for p in pairs)
    name = source.recipe.target
    return {**lines, f"r with {name}": f"{before:.3f} before, {after:.3f} after"}
