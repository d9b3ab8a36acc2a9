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
from tests.hostile.worlds import INPUTS, QUICK, Line, fitted, fitted_sequence, world
from xsm.typing import Array

__all__ = ["VERBS", "Verb"]


@dataclass(frozen=True)
class Verb:
    """A verb, the world it is tried on, and a variable that it surely uses.

    ``learnt`` where it uses a model that knows its step, ``by_cell`` where that knows its cells
    too; ``takes`` are arguments that name something; ``loose`` is the relative difference that
    counts as rounding.
    """

    run: Callable[..., Any]
    key: str
    world: str = "land"
    learnt: bool = False
    takes: tuple[str, ...] = ()
    loose: float = 1e-4
    by_cell: bool = False


def _fit_line(ds: Any, **named: Any) -> xr.Dataset:
    """Return what a line says of the original land, and how its inputs were scaled."""
    model = xsm.fit(ds, Line, scaling="global", **_inputs(named), progress=False)
    return xsm.predict(world("land"), model)


def _inputs(named: Mapping[str, Any]) -> dict[str, Any]:
    return {**INPUTS, **named}


def _fit_network(ds: Any, **named: Any) -> xr.Dataset:
    """Return the scales of a network's inputs: weights depend on the order of cells."""
    model = xsm.fit(ds, "phy_lstm", scaling="global", **QUICK, **_inputs(named))
    return _scales(model)


def _fit_sequence(ds: Any, **named: Any) -> xr.Dataset:
    model = xsm.fit(ds, "lstm", sequence=60, warmup=10, **QUICK, **_inputs(named))
    return _scales(model)


def _scales(model: xsm.FittedModel) -> xr.Dataset:
    """Return the numbers of a scaling, and whether the loss is a number."""
    kept = {k: v for k, v in model.scaling.data_vars.items() if v.dtype.kind == "f"}
    known = np.isfinite(model.history.to_array()).all()
    return xr.Dataset({**{k: v for k, v in kept.items() if v.ndim < 2}, "known": known})


def _state(ds: Any, **named: Any) -> xr.Dataset:
    found = fitted_sequence().state(ds, **named)
    return found.drop_vars([n for n, v in found.variables.items() if v.dtype.kind not in "fiub"])


def _numbers(**values: Any) -> xr.Dataset:
    return xr.Dataset({name: ((), float(value)) for name, value in values.items()})


def _plan(ds: Any, **named: Any) -> xr.Dataset:
    found = xsm.plan(ds, fitted(), **named)
    return _numbers(windows=found.windows)


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
    own = _only(ds, "tp", "swvl1")
    if isinstance(own, xr.Dataset) and "time" in own.dims:
        own = own.isel(time=slice(30, 33))
    return xsm.regrid(own, _COARSE, share=0.1)


def _classes(ds: Any, **named: Any) -> xr.Dataset:
    return xsm.texture_class(ds, **named).to_dataset(name="texture_class")


def _drawn(draw: Callable[[], Any]) -> xr.Dataset:
    """Return the numbers of a figure: extremes, means and counts, in any order."""
    import matplotlib.pyplot as plt

    try:
        axes = np.atleast_1d(np.asarray(draw(), dtype=object)).ravel()
        parts = [numbers for ax in axes for numbers in _shown(ax)]
    finally:
        plt.close("all")
    values = np.sort(np.concatenate([p[np.isfinite(p)].ravel() for p in parts] or [np.empty(0)]))
    return xr.Dataset({"drawn": ("number", values)}, {"number": np.arange(len(values))})


def _shown(ax: Any) -> list[Array]:
    """Return the heights of lines and bars, and the colours of maps."""
    lines = [np.asarray(line.get_ydata(), float) for line in ax.lines]
    maps = [m.get_array() for m in ax.collections if m.get_array() is not None]
    bars = [np.array([p.get_height() for p in ax.patches if hasattr(p, "get_height")], float)]
    return [*lines, *(np.ma.filled(m.astype(float), np.nan) for m in maps), *bars]


def _map(ds: Any) -> xr.Dataset:
    from xsm.plotting import map_variable

    own = ds.isel(time=0) if isinstance(ds, xr.Dataset) and ds.sizes.get("time") else ds
    return _drawn(lambda: map_variable(own, "swvl1", coastlines=False))


def _series(ds: Any, **named: Any) -> xr.Dataset:
    from xsm.plotting import plot_series

    return _drawn(lambda: plot_series(ds, world("prediction"), **named))


def _spectra(ds: Any, **named: Any) -> xr.Dataset:
    from xsm.plotting import plot_spectra

    return _drawn(lambda: plot_spectra(ds, world("prediction"), **named))


def _zones(ds: Any, **named: Any) -> xr.Dataset:
    from xsm.plotting import plot_zones

    by = xr.ones_like(world("land")["elevation"]).rename("zone")
    return _drawn(lambda: plot_zones(ds, world("prediction"), by, metric="rmse", **named))


def _improvement(ds: Any, **named: Any) -> xr.Dataset:
    from xsm.plotting import plot_improvement

    one, other = world("prediction"), world("prediction")
    other["swvl1"] = other["swvl1"] + np.float32(0.01)
    other["swvl1"].attrs |= {"units": "m3 m-3"}
    return _drawn(lambda: plot_improvement(ds, one, other, coastlines=False, **named))


def _weights(ds: Any) -> xr.Dataset:
    from xsm.plotting import plot_expert_shares

    return _drawn(lambda: plot_expert_shares(ds))


_DATA = ("variables", "product")
_ALL = ("variables", "product", "target")
_NAMES = ("variables",)

VERBS: Mapping[str, Verb] = {
    "fit a line": Verb(_fit_line, "tp", takes=_ALL, loose=1e-3),
    "fit a network": Verb(_fit_network, "tp", takes=_ALL, loose=1e-3),
    "fit a sequence": Verb(_fit_sequence, "tp", takes=_ALL, loose=1e-3),
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
        lambda ds, **n: xsm.predict(ds, fitted("trees"), **n), "tp", "land", True, _DATA
    ),
    "predict a sequence": Verb(
        lambda ds, **n: xsm.predict(ds, fitted_sequence(), **n), "tp", "land", True, _DATA
    ),
    "state": Verb(_state, "tp", learnt=True, takes=_NAMES),
    "experts": Verb(
        lambda ds, **n: fitted("mixture").experts(ds, **n), "tp", learnt=True, takes=_NAMES
    ),
    "importance": Verb(_importance, "swvl1", learnt=True, takes=_NAMES, loose=1e-3),
    "fitted.score": Verb(
        lambda ds, **n: fitted().score(ds, **n), "swvl1", learnt=True, takes=_NAMES, loose=1e-3
    ),
    "calibrate": Verb(_calibrate, "swvl1", learnt=True, takes=_NAMES, loose=1e-3),
    "score": Verb(
        lambda ds, **n: xsm.score(ds, world("prediction"), **n), "swvl1", takes=_ALL, loose=1e-3
    ),
    "score beside a model": Verb(
        lambda ds, **n: xsm.score(ds, world("prediction"), baselines=fitted(), **n),
        "swvl1",
        takes=_ALL,
        loose=1e-3,
    ),
    "score, its prediction": Verb(
        lambda ds: xsm.score(world("land"), ds), "swvl1", "prediction", loose=1e-3
    ),
    "score of an array": Verb(
        lambda ds: world("land").physm.score(_only(ds, "swvl1")), "swvl1", "prediction", loose=1e-3
    ),
    "reliability": Verb(
        lambda ds, **n: xsm.reliability(ds, world("prediction"), **n),
        "swvl1",
        takes=("variables", "target"),
        loose=1e-3,
    ),
    "reliability, its prediction": Verb(
        lambda ds: xsm.reliability(world("land"), ds), "swvl1_std", "prediction", loose=1e-3
    ),
    "intervals": Verb(lambda ds, **n: xsm.intervals(ds, **n), "swvl1_std", "prediction"),
    "consistency": Verb(lambda ds, **n: xsm.consistency(ds, **n), "tp", takes=_ALL, loose=1e-3),
    "consistency, its prediction": Verb(
        lambda ds: xsm.consistency(world("land"), ds), "swvl1", "prediction", loose=1e-3
    ),
    "water_balance": Verb(lambda ds, **n: xsm.water_balance(ds, **n), "tp", takes=_ALL),
    "plan": Verb(_plan, "tp", learnt=True, takes=_DATA),
    "check": Verb(_check, "tp", takes=_DATA),
    "variables": Verb(_variables, "tp"),
    "monthly": Verb(lambda ds, **n: xsm.monthly(ds, **n), "tp", takes=_DATA),
    "daily": Verb(lambda ds, **n: xsm.daily(ds, **n), "tp", "hours", takes=_DATA),
    "flatten_steps": Verb(lambda ds: xsm.flatten_steps(ds), "t2m", "steps"),
    "to_depths": Verb(
        lambda ds, **n: xsm.to_depths(ds, [(0.0, 0.1), (0.1, 0.5)], **n), "swvl1", takes=_NAMES
    ),
    "to_depths of a profile": Verb(
        lambda ds, **n: xsm.to_depths(ds, [(0.05, 0.2)], **n), "theta", "profile", takes=_NAMES
    ),
    "texture_class": Verb(_classes, "sand", takes=_NAMES),
    "soil_parameters": Verb(lambda ds, **n: xsm.soil_parameters(ds, **n), "sand", takes=_NAMES),
    "richards_residual": Verb(
        lambda ds, **n: xsm.richards_residual(ds, **n),
        "theta",
        "profile",
        takes=_NAMES,
        loose=1e-2,
    ),
    "consistency of a profile": Verb(
        lambda ds, **n: xsm.consistency(ds, law="richards", **n),
        "theta",
        "profile",
        takes=_DATA,
        loose=1e-2,
    ),
    "simulate_columns": Verb(
        lambda ds, **n: xsm.simulate_columns(ds, edges=(0.0, 0.1, 0.2, 0.4, 0.8, 1.5), **n),
        "tp",
        "profile",
        takes=_NAMES,
        loose=1e-2,
    ),
    "regrid": Verb(_regrid, "tp"),
    "regrid, its grid": Verb(_regrid_like, "swvl1"),
    "groundwater_anomaly": Verb(_groundwater, "lwe_thickness", "stores"),
    "groundwater_anomaly, its soil": Verb(_groundwater_of, "soil", "stores"),
    "downscale bilinear": Verb(partial(_downscale, model="bilinear"), "gws", "stores", takes=_ALL),
    "downscale conservative": Verb(
        partial(_downscale, model="conservative_bilinear"), "gws", "stores", takes=_ALL
    ),
    "downscale, its covariates": Verb(_covariates, "pr", "stores", learnt=True, loose=1e-3),
    "downscale by a network": Verb(_fields, "gws", "stores", learnt=True, loose=1e-3),
    "plot.map": Verb(_map, "swvl1"),
    "plot.series": Verb(_series, "swvl1", takes=_NAMES),
    "plot.spectra": Verb(_spectra, "swvl1", takes=_NAMES, loose=1e-3),
    "plot.zones": Verb(_zones, "swvl1", takes=_NAMES),
    "plot.improvement": Verb(_improvement, "swvl1", takes=_NAMES),
    "plot.expert_shares": Verb(_weights, "expert_weight", "mixture"),
}
