"""Speed of every registered model: its training step and its prediction against a plain loop.

Training: samples per second of xsm's loop, and of a plain loop of the same network on the same
batches, with torch's own Adam, at the better of one and two threads of torch; of an estimator the
seconds of ``fit`` on windows in memory and of its library on the same numbers. Prediction: cells
and steps per second of ``predict`` on arrays in memory, and of the bare network over the same
samples, whose gathering is not counted (of pieces of a record all steps count); of an estimator
its library on the same windows. All in turns, medians over rounds; a ratio is xsm over the rival,
above 1 where xsm is faster.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/models.py [--write]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
import xarray as xr
from results import by_columns, with_earlier

import xsm
from xsm.losses import total_loss
from xsm.nn import Model, Schedule
from xsm.registry import list_models, model_class
from xsm.training import job, loop
from xsm.training.adam import Adam

TABLE = Path(__file__).parents[1] / "docs" / "benchmarks" / "models.md"
KINDS = ("float32", "bfloat16")
ESTIMATORS = ("random_forest", "xgboost")
_SLICES = 40  # of samples that the bare network is timed on, at most
Candidate = Callable[[int], None]


@dataclass(frozen=True)
class Captured:
    """What a fit was about to train."""

    model: Model
    samples: Any
    losses: Sequence[Any]
    schedule: Schedule
    precision: str


class CapturedError(Exception):
    """Ends a fit whose parts are in hand."""


def captured(ds: xr.Dataset, name: str, **given: Any) -> Captured:
    """Return the network and the samples of a fit, which is not run."""
    found: list[Captured] = []

    def take(model: Model, training: Any, _: Any, **named: Any) -> None:
        found.append(
            Captured(model, training, named["losses"], named["schedule"], named["precision"])
        )
        raise CapturedError

    with mock.patch.object(job, "train", take):
        try:
            xsm.fit(ds, name, progress=False, **given)
        except CapturedError:
            return found[0]
    msg = f"{name} is not trained by the loop."
    raise ValueError(msg)


def batches(made: Captured, count: int, epoch: int) -> Any:
    """Return so many batches of an epoch."""
    schedule = replace(made.schedule, iterations=count)
    return itertools.islice(made.samples.batches(epoch, schedule, 0), count)


def own_steps(made: Captured) -> Candidate:
    """Return xsm's loop."""
    adam, epochs = Adam(made.model.parameters(), 1e-3), itertools.count(1)

    def run(count: int) -> None:
        epoch = next(epochs)
        made.model.train()
        given = made.losses, made.precision, made.schedule
        step = loop._step(made.model, made.samples, loop.Alone(), *given)
        step.begin(0, epoch)
        torch.set_num_threads(1)
        loop.train_epoch(step, batches(made, count, epoch), adam)
        step.close()

    return run


def plain_steps(made: Captured, threads: int = 1) -> Candidate:
    """Return a plain loop of the same network on the same batches."""
    adam, epochs = torch.optim.Adam(made.model.parameters(), 1e-3), itertools.count(1)
    half = made.precision == "bfloat16"

    def run(count: int) -> None:
        made.model.train()
        torch.set_num_threads(threads)
        for batch in batches(made, count, next(epochs)):
            kind = batch["dynamic"].device.type
            with torch.autocast(kind, torch.bfloat16, enabled=half):
                output = made.model.evaluate(batch)
            adam.zero_grad()
            total_loss(made.losses, output, batch)[0].backward()
            adam.step()

    return run


def in_turns(candidates: dict[str, Candidate], count: int, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each candidate in each round."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds + 1):  # the first round warms up
        for name, run in candidates.items():
            started = time.perf_counter()
            run(count)
            if number:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def ratio(seconds: dict[str, list[float]], own: str, others: Sequence[str]) -> float:
    """Return the median within rounds of the best rival's seconds over xsm's."""
    best = min(others, key=lambda name: statistics.median(seconds[name]))
    pairs = zip(seconds[best], seconds[own], strict=True)
    return statistics.median(a / b for a, b in pairs)


def of_network(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of a network."""
    ds, given = world(name)
    row: dict[str, Any] = {"model": name}
    for kind in KINDS:
        made = captured(ds, name, precision=kind, **given)
        todo = {"xsm": own_steps(made)}
        todo |= {f"plain {n}": plain_steps(made, n) for n in (1, 2)}
        seconds = in_turns(todo, args.steps, args.rounds)
        rate = args.steps * made.schedule.batch_size / statistics.median(seconds["xsm"])
        row[f"{kind}, samples/s"] = rate
        row[f"{kind}, ratio"] = ratio(seconds, "xsm", ["plain 1", "plain 2"])
    return row | of_prediction(name, ds, given, args)


def of_prediction(
    name: str, ds: xr.Dataset, given: dict[str, Any], args: argparse.Namespace
) -> dict[str, Any]:
    """Return values per second of a prediction, and its ratio to the bare network."""
    fitted = xsm.fit(ds, name, epochs=1, iterations=1, progress=False, **given)
    downscales = model_class(name).downscales
    ask = (lambda: fitted.downscale(ds)) if downscales else (lambda: fitted.predict(ds))
    there = ask()[str(fitted.variable.name)].notnull()
    there = there.any("depth") if "depth" in there.dims else there
    count = int(there.sum())
    made = captured(ds, name, valid=0.0, **given)
    examples = list(itertools.islice(made.samples.slices(4096), _SLICES))
    sizes = [batch["target"] for batch in examples]
    each = 2 if made.model.sizes.sequence else 1  # samples, or samples and steps; layers count once
    values = sum(t.numel() if downscales else t.shape[:each].numel() for t in sizes)

    def bare(threads: int) -> Candidate:
        def run(_: int) -> None:
            torch.set_num_threads(threads)
            made.model.eval()
            with torch.inference_mode():
                for batch in examples:
                    made.model.evaluate(batch)

        return run

    todo: dict[str, Candidate] = {"xsm": lambda _: ask() and None, "1": bare(1), "2": bare(2)}
    seconds = in_turns(todo, 1, args.rounds)
    own = {"xsm": [s / count for s in seconds["xsm"]]}
    rates = own | {n: [s / values for s in seconds[n]] for n in ("1", "2")}
    return {
        "predict, values/s": 1 / statistics.median(own["xsm"]),
        "predict, ratio": ratio(rates, "xsm", ["1", "2"]),
    }


def of_estimator(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of an estimator, beside its library on the same numbers."""
    from xsm.cells import estimation

    ds, given = world(name)
    held: list[Any] = []
    real = estimation._arrays

    def take(estimator: Any, drawn: Any, context: Any) -> Any:
        held[:] = [drawn.inputs, drawn.target]
        return real(estimator, drawn, context)

    with mock.patch.object(estimation, "_arrays", take):
        fitted = xsm.fit(ds, name, progress=False, **given)
    inputs, target = held[0], np.squeeze(held[1])
    library = library_of(name, fitted)
    model = library()
    todo: dict[str, Candidate] = {
        "xsm": lambda _: xsm.fit(ds, name, progress=False, **given) and None,
        "library": lambda _: library().fit(inputs, target) and None,
    }
    seconds = in_turns(todo, 1, args.rounds)
    model.fit(inputs, target)
    asked: dict[str, Candidate] = {
        "xsm": lambda _: fitted.predict(ds) and None,
        "library": lambda _: model.predict(inputs) is None,
    }
    later = in_turns(asked, 1, args.rounds)
    count = int(fitted.predict(ds)[str(fitted.variable.name)].notnull().sum())
    rates = {"xsm": [s / count for s in later["xsm"]]}
    rates |= {"library": [s / len(inputs) for s in later["library"]]}
    return {
        "model": name,
        "float32, samples/s": len(inputs) / statistics.median(seconds["xsm"]),
        "float32, ratio": ratio(seconds, "xsm", ["library"]),
        "predict, values/s": 1 / statistics.median(rates["xsm"]),
        "predict, ratio": ratio(rates, "xsm", ["library"]),
    }


def library_of(name: str, fitted: xsm.FittedModel) -> Callable[[], Any]:
    """Return how a user of the library would make the same estimator."""
    from sklearn.ensemble import RandomForestRegressor
    from xgboost import XGBRegressor

    own = ("max_features", "min_samples_leaf")
    if name == "xgboost":
        own = ("learning_rate", "subsample", "colsample_bytree")
    said = {key: fitted.parameters[key] for key in ("n_estimators", "max_depth", *own)}
    said |= {"n_jobs": os.cpu_count(), "random_state": 0}
    return lambda: (XGBRegressor if name == "xgboost" else RandomForestRegressor)(**said)


def world(name: str) -> tuple[xr.Dataset, dict[str, Any]]:
    """Return data that a model can be trained on, and the arguments that it needs."""
    cls = model_class(name)
    ds = xsm.open_tutorial("land").isel(latitude=slice(0, 12), longitude=slice(10, 26))
    if cls.downscales:
        axes = {"time": xr.date_range("2000", periods=36, freq="MS")}
        axes |= {"lat": np.arange(16) + 0.5, "lon": np.arange(16) + 0.5}
        values = np.random.default_rng(0).normal(size=(36, 16, 16))
        gws = xr.DataArray(values, axes, name="gws", attrs={"units": "mm"})
        return gws.to_dataset(), {"factor": 4, "supervision": "interpolation"}
    if getattr(cls, "observes", ()):
        return ds, {"sequence": 120}
    if name == "pgdl_cnn_lstm":  # needs layers and their soil
        return xsm.open_tutorial("profile"), {}
    if name in ESTIMATORS:
        return ds, {"n_estimators": 20 if name == "random_forest" else 100}
    return ds, {}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--models", nargs="+", default=list_models())
    parser.add_argument("--write", action="store_true", help=f"write {TABLE.name}")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for name in args.models:
        network = issubclass(model_class(name), Model)
        try:
            rows.append((of_network if network else of_estimator)(name, args))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            rows.append({"model": name, "not measured": f"{type(error).__name__}: {error}"[:200]})
        rows[-1]["rounds"] = args.rounds
        print(json.dumps(rows[-1]), flush=True)
    if args.write:
        rows = with_earlier(TABLE.with_suffix(".json"), rows, "model")
        TABLE.write_text(page(rows), "utf-8")
        report = {"models": by_columns(rows, "model")}
        TABLE.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def page(rows: list[dict[str, Any]]) -> str:
    """Return the figures as a page."""
    keys = ["model", *(f"{k}, {what}" for k in KINDS for what in ("samples/s", "ratio"))]
    keys += ["predict, values/s", "predict, ratio", "rounds"]
    able, load = torch.cpu.get_capabilities(), ", ".join(f"{x:.0f}" for x in os.getloadavg())
    text = (__doc__ or "").split("\n\n    OMP")[0].splitlines()[2:]
    lines = [
        "# Models",
        "",
        *text,
        "",
        f"{os.cpu_count()} cores ({able['cpu_name']}), torch {torch.__version__}, xsm "
        f"{xsm.__version__}; load of the machine {load}.",
        "",
        "    OMP_WAIT_POLICY=PASSIVE python benchmarks/models.py --write",
        "",
        f"| {' | '.join(keys)} |",
        "|---" + "|---:" * (len(keys) - 1) + "|",
        *(f"| {' | '.join(shown(row.get(key)) for key in keys)} |" for row in rows),
    ]
    left = [row for row in rows if row.get("not measured")]
    lines += [f"\n{row['model']}: {row['not measured']}" for row in left]
    return "\n".join(lines) + "\n"


def shown(value: object) -> str:
    """Return a figure as text."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if value > 100 else f"{value:.2f}"
    return str(value)


if __name__ == "__main__":
    main()
