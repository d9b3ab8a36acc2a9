"""What a training will take on this machine, measured before it begins."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from xsm.api.fit import learn
from xsm.artefact.asked import Asked
from xsm.data.naming import stated
from xsm.exceptions import UnknownNameError
from xsm.fields.apply import downscale_with
from xsm.fields.sources import read_one
from xsm.markup import page, paragraph, section, table
from xsm.registry import model_class, model_name
from xsm.training.bar import in_words
from xsm.training.rehearsal import Pace, RehearsedError

__all__ = ["TrainingPlan", "plan_training"]


_SECONDS = 0.5  # of a prediction of a few times, at least
_WORTH = 1.15  # times as fast, from which another choice is worth a word


@dataclass(frozen=True)
class TrainingPlan:
    """What a training will take on this machine; its text and HTML forms say it in words.

    Parameters
    ----------
    model : str
        What is trained.
    samples : str
        What trains and what validates.
    steps : int
        Steps of all epochs, at most; 1 of an estimator.
    step : float
        Seconds of a step; of an estimator of all, extrapolated from fits on subsets.
    prepare : float
        Seconds to read, scale and cut the data.
    validation : float
        Seconds of all validations together.
    prediction : float
        Seconds to downscale the same data afterwards, from that of a few times; 0 of models of
        cells, see the plan of a prediction.
    members : int
        Networks that are trained, one after another.
    memory : int
        Bytes of samples, weights, their moments, and what a step keeps.
    precision, device : str
        Arithmetic of matrix products, and where.
    faster : mapping of str to float
        What to type instead, and how many times as fast a step is then.
    """

    model: str
    samples: str
    steps: int
    step: float
    prepare: float
    validation: float
    prediction: float
    members: int
    memory: int
    precision: str
    device: str
    faster: Mapping[str, float]

    @property
    def seconds(self) -> float:
        """Seconds of the whole training; fewer where it stops early."""
        return self.prepare + self.members * (self.steps * self.step + self.validation)

    def __repr__(self) -> str:
        """Return the plan as text."""
        rows = self._rows()
        width = max(len(title) for title, _ in rows)
        lines = [f"  {title:<{width}}  {text}" for title, text in rows]
        return "\n".join([f"<xsm.TrainingPlan of {self.model}>", *lines, f"  {self._advice()}"])

    def _repr_html_(self) -> str:
        """Return the plan as HTML, in the colours of the page."""
        body = section("what it takes", table(self._rows()))
        body += section("faster", paragraph(self._advice()))
        return page("xsm.TrainingPlan", f"of {self.model}", body, repr(self))

    def _rows(self) -> list[tuple[str, str]]:
        """Return titles and figures."""
        from dask.utils import format_bytes

        members = f", {self.members} members" if self.members > 1 else ""
        later = [("then to downscale", in_words(self.prediction))] if self.prediction else []
        return [
            ("samples", self.samples),
            ("steps", f"{self.steps:,}, {in_words(self.step)} each{members}"),
            ("preparation", in_words(self.prepare)),
            ("validation", in_words(self.validation)),
            ("together", f"at most {in_words(self.seconds)}; less where it stops early"),
            *later,
            ("memory", format_bytes(self.memory)),
            ("arithmetic", f"{self.precision} on {self.device}"),
        ]

    def _advice(self) -> str:
        """Return what to type to be faster."""
        said = [f"{what}: {times:.1f} times as fast" for what, times in self.faster.items()]
        return f"faster: {'; '.join(said)}." if said else "No other choice was found to be faster."


def plan_training(
    ds: xr.Dataset, model: object, product: str | None, training: Mapping[str, Any]
) -> TrainingPlan:
    """Measure some steps of what :func:`xsm.fit` would do with these arguments."""
    if training.get("client") is not None:
        msg = (
            "client= was given: a training on a cluster is not planned. Leave it out, for what one "
            "worker takes with all of the data."
        )
        raise UnknownNameError(msg)
    quiet = {"checkpoint": None, "progress": False}
    asked = Asked.of({**training, **quiet}, rehearse=True)
    prepare, pace = _rehearsed(ds, model, asked, product)
    rivals = dict(pace.alternatives or {})
    if asked.hyperparameters.get("size") == "published":
        smaller = Asked.of({**training, **quiet, "size": "auto"}, rehearse=True)
        rivals['size="auto"'] = _rehearsed(ds, model, smaller, product)[1].stage
    faster = {name: pace.stage / seconds for name, seconds in rivals.items()}
    downscales = model_class(model).downscales
    return TrainingPlan(
        model=model_name(model_class(model)),
        samples=pace.samples,
        steps=pace.stages,
        step=pace.stage,
        prepare=prepare,
        validation=pace.validations * pace.validation,
        prediction=_prediction(ds, model, {**training, **quiet}, product) if downscales else 0.0,
        members=int(asked.hyperparameters.get("members", 1)),
        memory=pace.memory,
        precision=pace.precision,
        device=pace.device,
        faster={name: times for name, times in faster.items() if times > _WORTH},
    )


def _rehearsed(
    ds: xr.Dataset, model: object, asked: Asked, product: str | None
) -> tuple[float, Pace]:
    """Return the seconds of the preparation, and the pace; every way to train ends in it."""
    started = time.perf_counter()
    try:
        learn(ds, model, asked, product)
    except RehearsedError as measured:
        pace = measured.pace
    return max(0.0, time.perf_counter() - started - pace.spent), pace


def _prediction(
    ds: xr.Dataset, model: object, training: Mapping[str, Any], product: str | None
) -> float:
    """Return the seconds to downscale all times, from those of a few by a network of one step."""
    hasty = {**training, "epochs": 1, "iterations": 1, "valid": 0.0}
    fitted = learn(ds, model, Asked.of(hasty), product)
    named = training.get("variables")
    also = {"covariates": training.get("covariates"), "area": training.get("area")}
    device, plain = training.get("device") or "auto", stated(ds, product)
    along = read_one(plain, named).time
    steps = max(1, ds.sizes[along] - fitted.recipe.window + 1)

    def seconds(count: int) -> float:
        part = plain.isel({along: slice(-(fitted.recipe.window - 1 + count), None)})
        started = time.perf_counter()
        downscale_with(fitted, part, device=device, variables=named, **also).compute()
        return time.perf_counter() - started

    seconds(1)  # warms up
    count, taken = 1, seconds(1)
    while taken < _SECONDS and count < steps:
        count = min(steps, 4 * count)
        taken = seconds(count)
    return taken * steps / count
