"""Training of models that downscale fields: networks, and ensembles of them."""

from __future__ import annotations

import time as clock
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import xarray as xr

from xsm.artefact.asked import Asked
from xsm.artefact.card import history_dataset, whole_card
from xsm.artefact.learnt import Learnt
from xsm.data.fingerprint import data_token
from xsm.data.trained_step import even_or_none
from xsm.exceptions import check_choice
from xsm.fields.collect import collect_sources
from xsm.fields.samples import make_fields, sizes_of
from xsm.fields.sources import check_stated, choose_target, read_one
from xsm.losses import Loss
from xsm.nn import FieldModel, Schedule, assemble, check_terms, head_and_members
from xsm.nn.devices import choose_device
from xsm.nn.settings import usual_settings
from xsm.registry import model_name
from xsm.training.job import Job, train_network
from xsm.training.recipe import NestedRecipe
from xsm.training.schedule import make_schedule
from xsm.training.start import Start

__all__ = ["Settled", "fit_fields", "train_fields"]


@usual_settings()
def fit_fields(ds: xr.Dataset, cls: type[FieldModel], asked: Asked) -> Learnt:
    """Train a network that downscales the coarse field that a data set holds, see :func:`xsm.fit`.

    None of ``supervision``, ``factor`` and ``window`` stands for what the data allow, for 4 where
    no truth tells, and for the network's own.
    """
    head, members, own = head_and_members(asked.hyperparameters, head=cls.default_head)
    size = own.pop("size", "auto")
    check_choice("size", size, ("auto", "published"))
    network, schedule = make_schedule(cls, dict(asked.schedule), own, asked.precision)
    if asked.conserve is not None:
        network["conserve"] = asked.conserve
    check_choice("conserve", network.get("conserve", "soft"), ("soft", "exact"))
    settled = Settled(network, schedule, head, (None,) * members, sized=size == "auto")
    return train_fields(ds, cls, asked, settled)


@dataclass(frozen=True, eq=False)
class Settled:
    """What network is trained and how; where each member starts, and the covariates' scales.

    With ``sized`` hyper-parameters that were not given are those of the network for the data.
    """

    network: dict[str, Any]
    schedule: Schedule
    head: str
    starts: Sequence[Start | None]
    wanted: tuple[tuple[str, ...], tuple[str, ...]] | None = None
    scaling: xr.Dataset | None = None
    sized: bool = False


def train_fields(ds: xr.Dataset, cls: type[FieldModel], asked: Asked, settled: Settled) -> Learnt:
    """Train networks on fields: collect them, scale them, and put together what was learnt."""
    started = clock.perf_counter()
    network, head = settled.network, settled.head
    supervision = asked.supervision or ("scale_transfer" if asked.truth is None else "truth")
    check_choice("supervision", supervision, ("truth", "scale_transfer", "interpolation"))
    window = cls.window if asked.window is None else asked.window
    check_stated(asked.variables, ds, asked.covariates, asked.truth)
    reading = read_one(ds, asked.variables)
    role = choose_target(reading, asked.one_target)
    native = collect_sources(
        reading,
        target=role,
        factor=4 if asked.factor is None and asked.truth is None else asked.factor,
        covariates=asked.covariates,
        truth=asked.truth if supervision == "truth" else None,
        area=asked.area,
        variables=asked.variables,
        wanted=settled.wanted,
        history=window - 1,
    )
    if settled.sized:
        known = native.target if native.truth is None else native.truth
        sized = cls.sized(known.size, choose_device(asked.device).type)
        network = {n: v for n, v in sized.items() if n in cls.hyperparameters()} | network
    options = {**cls.hyperparameters(), **network}
    recipe = NestedRecipe(
        role,
        tuple(native.fine),
        tuple(native.static),
        window,
        0,
        "global",
        variables=dict(asked.variables or {}),
        factor=native.nest.factor,
        supervision=supervision,
        anchored=bool(options.get("anchor", True)) and supervision == "truth",
    )
    samples = make_fields(native, recipe, options, asked, kept=settled.scaling)
    sources, split = samples.sources, samples.split
    job = Job(
        cls,
        network,
        _terms(cls, asked, head, samples.training.arrays),
        settled.schedule,
        sizes_of(sources, window, gaussian=head == "gaussian"),
        split,
        recipe,
        **asked.run,
        data="" if asked.checkpoint is None else data_token(sources.named()),
    )
    jobs = [replace(job.member(k), start=start) for k, start in enumerate(settled.starts)]
    trained = [train_network(each, samples.training, samples.validation) for each in jobs]
    made = cast("FieldModel", assemble([job.rebuild(each.weights) for each in trained]))
    settings = {**job.settings, "precision": asked.precision, "valid": asked.valid}
    settings |= {"monitor": asked.monitor, "head": head, "members": len(jobs)}
    variable = reading.lookup(role)
    return Learnt(
        name=model_name(cls),
        model=made,
        recipe=recipe,
        scaling=samples.scaling,
        climatology=None,
        history=history_dataset([each.history for each in trained]),
        variable=variable,
        attrs=dict(reading.ds[variable.name].attrs),
        parameters=settings,
        card=whole_card(
            _lines(recipe, made.conserve, samples.scaling),
            trained[0],
            native.target[native.time].values,
            split,
            job.losses,
            settings,
            clock.perf_counter() - started,
        ),
        fingerprint={
            "sizes": {str(d): n for d, n in native.target.sizes.items()},
            "step": even_or_none(native.target),
        },
    )


def _terms(
    cls: type[FieldModel], asked: Asked, head: str, keys: Collection[str]
) -> tuple[Loss, ...]:
    """Return the terms that were given, or those of the class whose variables are there."""
    if asked.losses is not None:
        return check_terms(tuple(asked.losses), head, published=False)
    lacking = {"infiltration", "previous"} - set(keys)
    own = [term for term in cls.losses if not lacking & set(term.needs)]
    return check_terms(own, head, published=True)


def _lines(recipe: NestedRecipe, conserve: str, scaling: xr.Dataset) -> dict[str, str]:
    """Describe what a model is given and what it predicts; titles to lines of a card."""
    said = ", each cell with a truth by its own regression" if recipe.anchored else ""
    if "detail" in scaling:
        said = f", corrections {float(scaling['detail']):.2f} times those that trained"
    return {
        "target": recipe.target,
        "factor": f"{recipe.factor[0]} x {recipe.factor[1]}",
        "supervision": recipe.supervision + said,
        "conserve": conserve,
        "dynamic": ", ".join(recipe.dynamic) or "none",
        "static": ", ".join(recipe.static) or "none",
        "window": str(recipe.window),
    }
