"""The same answers however Python is run, and whatever the process was set to before.

Each way below runs a short list of verbs on simulated data, in a process of its own; its numbers
are compared with those of a plain process. It is a leg of ``.ci/matrix``; to run it, or some ways::

    python -m tests.ways
    python -m tests.ways "no compiler" Tokyo

What differs is a fault: something of the process reached the numbers.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOLERANCE = 1e-5
"""Of the size of an answer: compiled loops add in another order, and networks train in float32."""
Answers = dict[str, dict[str, list[float]]]


@dataclass(frozen=True)
class Way:
    """How a process runs: options of Python, its environment, and what is set before xsm."""

    options: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    before: str = ""
    folder: str = "."


WAYS = {
    "plain": Way(),
    "warnings are errors": Way(("-X", "dev", "-bb", "-W", "error")),
    "no docstrings, no asserts": Way(("-OO",)),
    "no compiler": Way(environment={"NUMBA_DISABLE_JIT": "1"}),
    "Tokyo": Way(environment={"TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "2"}),
    "ASCII, nowhere to write": Way(
        environment={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        | dict.fromkeys(["HOME", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME"], "/dev/null/nowhere"),
        before="import os; os.umask(0o077)",
        folder="/proc",
    ),
    "decimal commas": Way(before="import locale; locale.setlocale(locale.LC_ALL, 'de_DE.UTF-8')"),
    "torch in double precision": Way(
        before="import torch; torch.set_default_dtype(torch.float64); torch.set_grad_enabled(False)"
        "; torch.use_deterministic_algorithms(True)"
    ),
    "torch without a device": Way(before="import torch; torch.set_default_device('meta')"),
    "numpy raises": Way(
        before="import numpy; numpy.seterr(divide='raise', over='raise', invalid='raise')"
    ),
    "attributes go": Way(
        before="import xarray; xarray.set_options(keep_attrs=False, arithmetic_join='exact')"
    ),
    "attributes stay": Way(
        before="import dask, xarray; xarray.set_options(keep_attrs=True, arithmetic_join='outer')"
        "; dask.config.set({'scheduler': 'synchronous', 'array.chunk-size': '1 KiB'})"
    ),
}


def answers() -> Answers:
    """Return what the verbs say of a simulated year, each variable in a few numbers."""
    import warnings

    import xarray as xr

    import xsm
    from xsm.synthetic import land_world

    for told in ("No climatology was scored", ".* lie beyond theta_r", ".* lie outside of what"):
        warnings.filterwarnings("ignore", told, UserWarning)  # true of half a year
    land = land_world(years=1, shape=(3, 4), seed=1).isel(time=slice(0, 150))
    quick = {"epochs": 2, "iterations": 3, "hidden_size": 8, "batch_size": 32, "progress": False}
    fitted = land.physm.fit("lstm", head="gaussian", **quick)
    trees = land.physm.fit("random_forest", n_estimators=3, progress=False)
    forecast = fitted.predict(land)
    lazy = fitted.predict(land.chunk(time=50, latitude=2, longitude=2))
    soil = xsm.soil_parameters(land, method="texture_class")
    column, flow = _column(), {"predicted": forecast}
    gridded = _monthly(land)
    found = {
        "fit": fitted.history,
        "predict": forecast,
        "predict, lazy": lazy,
        "predict, trees": trees.predict(land),
        "predict, saved": _saved(fitted).predict(land),
        "score": land.physm.score(**flow),
        "consistency": land.physm.consistency(**flow),
        "water_balance": land.physm.water_balance(),
        "reliability": xsm.reliability(land, forecast),
        "intervals": xsm.intervals(forecast),
        "parameters": soil,
        "texture": xsm.texture_class(land),
        "depths": xsm.to_depths(land, [(0.0, 0.2), (0.2, 1.0)]),
        "residual": xsm.richards_residual(land, parameters=soil),
        "columns": xsm.simulate_columns(column, parameters=soil.isel(latitude=-1, longitude=-1)),
        "daily": xsm.daily(_hourly()),
        "monthly": xsm.monthly(land[["tp", "swvl1", "sd"]]),
        "groundwater": xsm.groundwater_anomaly(
            gridded["tws"], gridded["soil"], snow=gridded["snow"], baseline=("2018", "2018")
        ),
        "regrid": land[["tp", "swvl1"]].physm.regrid(_coarse(land)),
        "downscale": xsm.downscale(gridded[["tws"]], factor=2, model="bilinear"),
        "downscale, trained": _fields(gridded).downscale(gridded[["tws"]]),
    }
    return {verb: dict(_numbers(_dataset(xr, value))) for verb, value in found.items()}


def _numbers(ds) -> Iterator[tuple[str, list[float]]]:
    """Yield each variable of numbers: share of values, mean, root mean square, weighted mean."""
    import numpy as np

    for name, array in sorted(ds.variables.items()):
        values = np.asarray(array.values)
        if values.dtype.kind in "mM":
            values = values.astype(values.dtype.str[:3] + "[ns]").astype("i8") / 864e11  # days
        if values.dtype.kind not in "biufc" or not values.size:
            continue
        flat = np.asarray(values, float).ravel()
        known = np.isfinite(flat)
        flat = np.where(known, flat, 0.0)
        places = np.linspace(0.0, 1.0, flat.size)
        means = flat.mean(), np.sqrt((flat**2).mean()), (flat * places).mean()
        yield str(name), [float(known.mean()), *map(float, means)]


def _dataset(xr, value):
    """Return what a verb said as a data set in memory."""
    ds = value.to_dataset(name="value") if isinstance(value, xr.DataArray) else value
    return ds.compute()


def _saved(fitted):
    """Return a model saved and loaded."""
    import xsm

    with tempfile.TemporaryDirectory() as place:
        fitted.save(Path(place) / "model.xsm")
        return xsm.load(Path(place) / "model.xsm")


def _column():
    """Return ten days of rain and demand, for one column."""
    import numpy as np
    import xarray as xr

    days = {"time": xr.date_range("2020-06-01", periods=10)}
    rain = 5.0 * (np.arange(10) % 3 == 0)
    flux = lambda values: ("time", values, {"units": "mm day-1"})  # noqa: E731
    fluxes = {"precipitation": flux(rain), "potential_evaporation": flux(np.full(10, 3.0))}
    return xr.Dataset(fluxes, days)


def _hourly():
    """Return two days of sums since 00 UTC."""
    import numpy as np
    import xarray as xr

    hours = np.arange("2020-01-01T01", "2020-01-03T01", dtype="M8[h]").astype("M8[ns]")
    rain = np.r_[np.arange(1, 25), np.arange(2, 50, 2)] / 1000
    return xr.Dataset({"tp": ("time", rain, {"units": "m"})}, {"time": hours})


def _monthly(land):
    """Return stores of water by month on a grid of 4 by 4 cells, from the land's statistics."""
    import numpy as np
    import xarray as xr

    axes = {"time": xr.date_range("2018-01", periods=24, freq="MS")}
    axes |= {"lat": np.arange(4.0), "lon": np.arange(4.0)}
    draw = np.random.default_rng(3).normal
    scale = float(land["swvl1"].std())
    store = lambda mean: xr.DataArray(  # noqa: E731
        mean + 1e3 * scale * draw(size=(24, 4, 4)).cumsum(axis=0), axes, attrs={"units": "mm"}
    )
    return xr.Dataset({"tws": store(0.0), "soil": store(300.0), "snow": store(90.0)})


def _coarse(land):
    """Return a grid of cells twice as large."""
    return land[["latitude", "longitude"]].isel(
        latitude=slice(0, None, 2), longitude=slice(0, None, 2)
    )


def _fields(gridded):
    """Return a network that downscales, trained for an instant."""
    small = {"patch": 2, "hidden": 2, "widths": (2, 2), "batch_size": 2}
    return gridded[["tws"]].physm.fit(
        "convlstm_unet", target="tws", factor=2, epochs=1, iterations=2, progress=False, **small
    )


def told(way: Way) -> tuple[Answers | None, str]:
    """Return the answers of a way, or none and what it printed instead."""
    from_here = {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
    code = f"{way.before}\nfrom tests.ways import say\nsay()"
    done = subprocess.run(
        [sys.executable, *way.options, "-c", code],
        env=os.environ | from_here | way.environment,
        cwd=ROOT / way.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return None, done.stderr.strip()
    return json.loads(done.stdout.splitlines()[-1]), done.stderr.strip()


def say() -> None:
    """Print the answers as one line of JSON."""
    sys.stdout.write(json.dumps(answers()) + "\n")


def differences(found: Answers, plain: Answers) -> list[str]:
    """Return what differs by more than the tolerance of its size."""
    lines = []
    for verb, variables in plain.items():
        if found[verb].keys() != variables.keys():
            lines.append(f"{verb}: other names")
            continue
        for name, numbers in variables.items():
            size = max(map(abs, numbers))
            off = [abs(a - b) for a, b in zip(found[verb][name], numbers, strict=True)]
            if not all(a <= TOLERANCE * size for a in off):  # NaN is off too
                lines.append(f"{verb}: {name} is off by {max(off):.2g}, its size is {size:.2g}")
    return lines


def compare(names: list[str], write: Callable[[str], object]) -> bool:
    """Run ways, write a line about each, and return whether all of them agree."""
    plain, agree = None, True
    for name in dict.fromkeys(["plain", *names]):
        began = time.monotonic()
        found, printed = told(WAYS[name])
        if found is None:
            lines = printed.splitlines()[-12:]
        else:
            plain = plain or found
            lines = differences(found, plain)
        passed_over = any("unsupported locale setting" in line for line in lines)
        said = "passed over" if passed_over else "differs" if lines else "same"
        write(f"{name}: {said} ({time.monotonic() - began:.0f} s)\n")
        write("".join(f"    {line}\n" for line in lines))
        agree &= not lines or passed_over
        if plain is None:
            return False
    return agree


if __name__ == "__main__":
    sys.exit(not compare(sys.argv[1:] or list(WAYS), sys.stdout.write))
