"""The verbs: each takes one data set that is changed, and returns what is compared."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

import xsm
from tests.hostile import figures
from tests.hostile.changes import Leaves
from tests.hostile.worlds import INPUTS, QUICK, Line, ahead, blended, fitted, fitted_sequence, world

__all__ = ["VERBS", "Verb"]


@dataclass(frozen=True)
class Verb:
    """A verb, the world it is tried on, and a variable that it surely uses.

    ``learnt`` where it uses a model that knows its step, ``by_cell`` where that knows its cells
    too; ``takes`` are arguments that name something; ``loose`` is the relative difference that
    counts as rounding, ``few`` the share of values that rounding may move to another branch of a
    tree; ``slow`` ones are left to the whole matrix;
    ``joins`` takes of two data sets the labels that both have, ``extra`` any
    variables of any dimensions; ``moves`` only changes where values stand, as a selection does;
    ``dateless`` treats each step alike, whatever its label.
    """

    run: Callable[..., Any]
    key: str
    world: str = "land"
    learnt: bool = False
    takes: tuple[str, ...] = ()
    loose: float = 1e-4
    by_cell: bool = False
    few: float = 0.0
    slow: bool = False
    joins: bool = False
    extra: bool = False
    moves: bool = False
    dateless: bool = False


def _fit_line(ds: Any, **named: Any) -> xr.Dataset:
    """Return what a line says of the original land, and how its inputs were scaled."""
    model = xsm.fit(ds, Line, scaling="global", **_inputs(named), progress=False)
    found = xsm.predict(world("land"), model)  # of points nothing tells which cells trained
    return found.drop_vars("trained_cell", errors="ignore")


def _inputs(named: Mapping[str, Any]) -> dict[str, Any]:
    return {**INPUTS, **named}


def _fit_network(ds: Any, **named: Any) -> xr.Dataset:
    """Return the scales of a network's inputs: weights depend on the order of cells."""
    model = xsm.fit(ds, "phy_lstm", scaling="global", **QUICK, **_inputs(named))
    return _scales(model)


def _fit_sequence(ds: Any, **named: Any) -> xr.Dataset:
    model = xsm.fit(ds, "lstm", sequence=60, warmup=10, **QUICK, **_inputs(named))
    return _scales(model)


def _finetune(ds: Any, **named: Any) -> xr.Dataset:
    short = {"epochs": 1, "iterations": 2, "progress": False}
    return _scales(fitted().finetune(ds, **short, **named))


def _validated(ds: Any, folds: str, **named: Any) -> xr.Dataset:
    """Return what lines predict that have not seen it."""
    named = {"folds": folds, "count": 2, "progress": False, **_inputs(named)}
    return xsm.cross_validate(ds, Line, **named).predicted


def _blend(ds: Any, **named: Any) -> xr.Dataset:
    """Return the weights of a network of windows and of one that carries a state."""
    weights = xsm.blend([fitted(), fitted_sequence()], ds, **named).weights
    return _numbers(windows=weights[0], carried=weights[1])


def _scales(model: xsm.FittedModel) -> xr.Dataset:
    """Return the numbers of a scaling but those by cell, and whether the loss is a number."""
    scaling = model.scaling.drop_vars("cell_offset", errors="ignore")
    kept = {k: v for k, v in scaling.data_vars.items() if v.dtype.kind == "f"}
    known = np.isfinite(model.history.to_array()).all()
    return xr.Dataset(
        {**{k: v.where(np.isfinite(v)) for k, v in kept.items() if v.ndim < 2}, "known": known}
    )


def _state(ds: Any, **named: Any) -> xr.Dataset:
    found = fitted_sequence().state(ds, **named)
    found = found.where(found["steps"] > 0) if isinstance(found, xr.Dataset) else found
    return found.drop_vars([n for n in found.coords if found[n].dtype.kind in "mM"])


def _numbers(**values: Any) -> xr.Dataset:
    return xr.Dataset({name: ((), float(value)) for name, value in values.items()})


def _plan(ds: Any, **named: Any) -> xr.Dataset:
    found = xsm.plan(ds, fitted(), **named)
    cells = ds["swvl1"].size / ds.sizes["time"] if {"time", "swvl1"} <= {*ds.variables} else 12
    return _numbers(windows=found.windows / cells)


def _check(ds: Any, **named: Any) -> xr.Dataset:
    found = xsm.check(ds, **named)
    wrong = sorted(f"{f.role} {f.kind}" for f in found.wrong)
    for text in wrong:
        warnings.warn(f"check: {text}", UserWarning, stacklevel=2)
    return _numbers(wrong=len(wrong))


def _variables(ds: Any, **named: Any) -> xr.Dataset:
    found = xsm.variables(ds, **({"overrides": named["variables"]} if named else {}))
    for role, text in found.problems.items():
        warnings.warn(f"variables: {role}: {text}", UserWarning, stacklevel=2)
    for line in repr(found).splitlines():
        if line.startswith("not found"):
            warnings.warn(f"variables: {line}", UserWarning, stacklevel=2)
    return _numbers(**{role: len(vs) for role, vs in sorted(found.found.items())})


def _calibrate(ds: Any, **named: Any) -> xr.Dataset:
    found = fitted().calibrate(ds, **named).calibration
    return found if found.data_vars else _numbers(**found.attrs)


def _importance(ds: Any, **named: Any) -> xr.Dataset:
    """Return weights and errors: permutations are draws by position."""
    return fitted("mixture").importance(ds, repeats=1, **named)[["weight", "rmse"]]


def _groundwater(ds: xr.Dataset, **named: Any) -> xr.Dataset:
    return _storage(_only(ds, "lwe_thickness"), world("stores"), **named)


def _groundwater_of(ds: xr.Dataset, **named: Any) -> xr.Dataset:
    return _storage(world("stores")["lwe_thickness"], _only(ds, "soil"), **named)


def _only(ds: Any, *names: str) -> Any:
    """Return the named variables of a data set, and anything else as it is."""
    if not isinstance(ds, xr.Dataset):
        return ds
    kept = [n for n in names if n in ds]
    return ds[kept[0]] if len(kept) == len(names) == 1 else ds[kept]


def _file(ds: Any, name: str) -> Any:
    """Return a data set of one variable, and anything else as it is."""
    return ds[[name]] if isinstance(ds, xr.Dataset) and name in ds else ds


def _storage(tws: Any, soil: Any, **named: Any) -> xr.Dataset:
    if isinstance(soil, xr.Dataset) and "soil" in soil:
        soil = soil["soil"]
    snow = world("stores")["swe"]
    return xsm.groundwater_anomaly(tws, soil, snow, baseline=("2005-01", "2008-12"), **named)


def _downscale(ds: Any, model: str, **named: Any) -> xr.Dataset:
    return xsm.downscale(_gws(ds), 2, model=model, **({"target": "gws"} | named))


def _given(predicted: Any) -> Any:
    """Return a prediction; without one, the data themselves are judged."""
    if predicted is None:
        raise Leaves
    return predicted


def _gws(ds: Any) -> Any:
    """Return a data set without the storages beside groundwater."""
    if not isinstance(ds, xr.Dataset):
        return ds
    return ds.drop_vars(["lwe_thickness", "soil", "swe"], errors="ignore")


def _fields(ds: Any) -> xr.Dataset:
    return fitted("field").downscale(_file(ds, "gws"), covariates=world("stores")["pr"])


def _covariates(ds: Any) -> xr.Dataset:
    return fitted("field").downscale(world("stores")[["gws"]], covariates=_only(ds, "pr"))


def _regrid_like(ds: Any) -> xr.Dataset:
    return xsm.regrid(world("land")[["tp"]].isel(time=slice(30, 33)), ds)


_COARSE = xr.Dataset(
    coords={
        "latitude": ("latitude", [42.75, 42.25], {"units": "degrees_north"}),
        "longitude": ("longitude", [-0.125, 0.125], {"units": "degrees_east"}),
    }
)


def _regrid(ds: Any) -> xr.Dataset:
    own = ds
    if isinstance(ds, xr.Dataset):
        kept = [n for n in ("tp", "rain_here", "swvl1") if n in ds]
        own = ds[kept] if kept else ds
    return xsm.regrid(own, _COARSE, share=0.1)


def _forecast(ds: Any, **named: Any) -> xr.Dataset:
    known = {"init": "all", "lead": 3, "weather": "known"}
    return xsm.forecast(ds, fitted_sequence(), **known, **named)


def _classes(ds: Any, **named: Any) -> xr.Dataset:
    return xsm.texture_class(ds, **named).to_dataset(name="texture_class")


_DATA = ("variables", "product")
_ALL = ("variables", "product", "target")
_NAMES = ("variables",)
_LEARNT: dict[str, Any] = {"learnt": True, "takes": _NAMES, "loose": 1e-3}
_JUDGED: dict[str, Any] = {"loose": 1e-3, "joins": True}

VERBS: Mapping[str, Verb] = {
    "fit a line": Verb(_fit_line, "tp", takes=_ALL, loose=1e-3),
    "fit a network": Verb(_fit_network, "tp", takes=_ALL, loose=1e-3, slow=True),
    "fit a sequence": Verb(_fit_sequence, "tp", takes=_ALL, loose=1e-3, slow=True),
    "predict": Verb(lambda ds, **n: xsm.predict(ds, fitted(), **n), "tp", "land", True, _DATA),
    "predict by cell": Verb(
        lambda ds, **n: xsm.predict(ds, fitted("cell"), **n),
        "tp",
        "land",
        True,
        _DATA,
        by_cell=True,
    ),
    "predict by trees": Verb(
        lambda ds, **n: xsm.predict(ds, fitted("trees"), **n),
        "tp",
        "land",
        True,
        _DATA,
        few=0.005,
        slow=True,
    ),
    "predict a sequence": Verb(
        lambda ds, **n: xsm.predict(ds, fitted_sequence(), **n), "tp", "land", True, _DATA
    ),
    "forecast": Verb(_forecast, "tp", "land", True, _DATA),
    "state": Verb(_state, "tp", learnt=True, takes=_NAMES),
    "experts": Verb(
        lambda ds, **n: fitted("mixture").experts(ds, **n),
        "tp",
        learnt=True,
        takes=_NAMES,
        slow=True,
    ),
    "importance": Verb(_importance, "swvl1", learnt=True, takes=_NAMES, loose=1e-3, slow=True),
    "fitted.score": Verb(lambda ds, **n: fitted().score(ds, **n), "swvl1", **_LEARNT),
    "correct": Verb(lambda ds, **n: fitted().correct(ds, **n).correction, "swvl1", **_LEARNT),
    "calibrate": Verb(_calibrate, "swvl1", **_LEARNT),
    "score": Verb(
        lambda ds, **n: xsm.score(ds, world("prediction"), **n), "swvl1", takes=_ALL, **_JUDGED
    ),
    "score beside a model": Verb(
        lambda ds, **n: xsm.score(ds, world("prediction"), baselines=fitted(), **n),
        "swvl1",
        takes=_ALL,
        **_JUDGED,
    ),
    "score, its prediction": Verb(
        lambda ds: xsm.score(world("land"), ds), "swvl1", "prediction", extra=True, **_JUDGED
    ),
    "score of an array": Verb(
        lambda ds: world("land").physm.score(_only(ds, "swvl1")),
        "swvl1",
        "prediction",
        extra=True,
        **_JUDGED,
    ),
    "reliability": Verb(
        lambda ds, **n: xsm.reliability(ds, world("prediction"), **n),
        "swvl1",
        takes=("variables", "target"),
        **_JUDGED,
    ),
    "reliability, its prediction": Verb(
        lambda ds: xsm.reliability(world("land"), ds),
        "swvl1_std",
        "prediction",
        extra=True,
        **_JUDGED,
    ),
    "adapt_spread": Verb(
        lambda ds, **n: xsm.adapt_spread(ds, ahead(), **n),
        "swvl1",
        takes=("variables", "target"),
        **_JUDGED,
    ),
    "intervals": Verb(xsm.intervals, "swvl1_std", "prediction", extra=True, dateless=True),
    "consistency": Verb(xsm.consistency, "tp", takes=_ALL, loose=1e-3),
    "consistency, its prediction": Verb(
        lambda ds: xsm.consistency(world("land"), _given(ds)),
        "swvl1",
        "prediction",
        loose=1e-3,
        joins=True,
        extra=True,
    ),
    "water_balance": Verb(xsm.water_balance, "tp", takes=_ALL),
    "audit": Verb(lambda ds, **n: xsm.audit(fitted(), ds, **n), "tp", learnt=True, takes=_DATA),
    "blend": Verb(_blend, "swvl1", learnt=True, takes=_DATA, loose=1e-3),
    "predict by a blend": Verb(
        lambda ds, **n: blended().predict(ds, **n), "tp", learnt=True, takes=_NAMES
    ),
    "cross_validate of regions": Verb(
        partial(_validated, folds="regions"), "tp", takes=_ALL, loose=1e-3, slow=True
    ),
    "cross_validate of years": Verb(
        partial(_validated, folds="years"), "swvl2", takes=_ALL, loose=1e-3, slow=True
    ),
    "finetune": Verb(_finetune, "swvl1", learnt=True, takes=_ALL, loose=1e-3, slow=True),
    "plan": Verb(_plan, "tp", learnt=True, takes=_DATA),
    "check": Verb(_check, "tp", takes=_DATA),
    "variables": Verb(_variables, "tp"),
    "monthly": Verb(xsm.monthly, "tp", takes=_DATA, extra=True),
    "daily": Verb(xsm.daily, "tp", "hours", takes=_DATA, extra=True),
    "flatten_steps": Verb(xsm.flatten_steps, "t2m", "steps", extra=True, moves=True),
    "to_depths": Verb(
        lambda ds, **n: xsm.to_depths(ds, [(0.0, 0.1), (0.1, 0.5)], **n),
        "swvl1",
        takes=_NAMES,
        dateless=True,
    ),
    "to_depths of a profile": Verb(
        lambda ds, **n: xsm.to_depths(ds, [(0.05, 0.2)], **n),
        "theta",
        "profile",
        takes=_NAMES,
        dateless=True,
        extra=True,
    ),
    "texture_class": Verb(_classes, "sand", takes=_NAMES),
    "soil_parameters": Verb(xsm.soil_parameters, "sand", takes=_NAMES),
    "richards_residual": Verb(
        xsm.richards_residual, "theta", "profile", takes=_NAMES, loose=1e-2, slow=True
    ),
    "consistency of a profile": Verb(
        lambda ds, **n: xsm.consistency(ds, law="richards", **n),
        "theta",
        "profile",
        takes=_DATA,
        loose=1e-2,
        slow=True,
    ),
    "simulate_columns": Verb(
        lambda ds, **n: xsm.simulate_columns(ds, edges=(0.0, 0.1, 0.2, 0.4, 0.8, 1.5), **n),
        "tp",
        "profile",
        takes=_NAMES,
        loose=1e-2,
        slow=True,
    ),
    "regrid": Verb(_regrid, "tp", extra=True, dateless=True),
    "regrid, its grid": Verb(_regrid_like, "swvl1", extra=True),
    "groundwater_anomaly": Verb(_groundwater, "lwe_thickness", "stores"),
    "groundwater_anomaly, its soil": Verb(_groundwater_of, "soil", "stores"),
    "downscale bilinear": Verb(partial(_downscale, model="bilinear"), "gws", "stores", takes=_ALL),
    "downscale conservative": Verb(
        partial(_downscale, model="conservative_bilinear"), "gws", "stores", takes=_ALL
    ),
    "downscale, its covariates": Verb(
        _covariates, "pr", "stores", learnt=True, loose=1e-3, slow=True
    ),
    "downscale by a network": Verb(
        _fields, "gws", "stores", learnt=True, loose=1e-3, slow=True, extra=True
    ),
    "plot.map": Verb(figures.map_of, "swvl1", slow=True, moves=True),
    "plot.series": Verb(figures.series, "swvl1", takes=_NAMES, slow=True, joins=True),
    "plot.spectra": Verb(figures.spectra, "swvl1", takes=_NAMES, loose=1e-3, slow=True, joins=True),
    "plot.zones": Verb(figures.zones, "swvl1", takes=_NAMES, slow=True, joins=True),
    "plot.improvement": Verb(figures.improvement, "swvl1", takes=_NAMES, slow=True, joins=True),
    "plot.expert_shares": Verb(figures.weights, "expert_weight", "mixture", slow=True, extra=True),
}
