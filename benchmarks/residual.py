"""Size of the Richardson-Richards residual of data that obey the equation, by resolution and rain.

The truth is made twice: columns of cmf 2.0.2 (Kraft et al. 2011) from the data folder, daily, and
columns of xsm's own solver under the same rain and soils, whose fluxes at all faces are known. The
layers from 10 to 50 cm count. Sizes are means of |r| dt, relative to the mean |change of theta|; a
day is quiet where no rain above 0.5 mm fell on it or the day before, and a layer is unsaturated
where neither it nor a neighbour is filled above 0.98.

    python benchmarks/residual.py --data DIR
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xsm.physics.columns import Columns, simulate
from xsm.physics.darcy import FACES
from xsm.physics.retention import Hydraulics
from xsm.physics.richards import richards_residual

SIZE = np.full(20, 0.1)
GRID = {"centres": np.arange(20) * 0.1 + 0.05, "thickness": SIZE}
LIMITS = (0.0, -0.1, -5.0, -160.0)  # heads of root stress, m
INNER = slice(1, 5)  # 10 to 50 cm
FILE = "richards_cmf_manhattan/richards_cmf_manhattan.nc"


def main() -> None:
    """Compute all figures, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--years", type=int, default=8)
    args = parser.parse_args()
    data = xr.open_dataset(args.data / FILE).isel(time=slice(0, 365 * args.years)).load()
    names = [str(name) for name in data["soil"].values]
    report = {"cmf": cmf(data), "xsm": own(data)}
    print(json.dumps({"soils": names, **report}, indent=1))


def given(data: xr.Dataset, name: str) -> Any:
    """Return a variable in double precision, soils last."""
    return data[name].values.astype(float)[None]


def conserved(data: xr.Dataset) -> tuple[Any, Hydraulics]:
    """Return the water that cmf's columns conserve, W theta_s, and its soil.

    W = (theta - theta_r) / (theta_s - theta_r) is cmf's state; its storage is W theta_s per volume.
    """
    dry, wet = given(data, "theta_r"), given(data, "theta_s")
    theta = data["theta"].values.transpose(1, 2, 0).astype(float)
    alpha, n, k_sat = 100.0 * given(data, "alpha"), given(data, "n"), given(data, "Ks")
    return (theta - dry) / (wet - dry) * wet, Hydraulics(0.0 * dry, wet, alpha, n, k_sat)


def as_stored(data: xr.Dataset) -> tuple[Any, Hydraulics]:
    """Return theta as the file holds it, and the soil as it states it."""
    theta = data["theta"].values.transpose(1, 2, 0).astype(float)
    parameters = [given(data, name) for name in ("theta_r", "theta_s", "alpha", "n", "Ks")]
    parameters[2] = 100.0 * parameters[2]
    return theta, Hydraulics(*parameters)


def cmf(data: xr.Dataset) -> dict[str, Any]:
    """Return the residual of cmf's columns."""
    rain = data["pr"].values[:, None].astype(float) * np.ones(3)
    found: dict[str, Any] = {}
    for label, (theta, soil) in {
        "as stored": as_stored(data),
        "as conserved": conserved(data),
    }.items():
        sink = uptake(data, theta, soil)
        found[label] = {face: sizes(theta, soil, rain, face=face, sink=sink) for face in FACES} | {
            "geometric, without sink": sizes(theta, soil, rain)
        }
    return found


def uptake(data: xr.Dataset, theta: Any, soil: Hydraulics) -> Any:
    """Return evaporation shared by roots where they are not dry, day-1: an estimate."""
    share = data["root_fraction"].values[:, None] * np.clip(theta / soil.theta_s - 0.2, 0, 0.3)
    share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-9)
    return share * data["et"].values.T[:, None].astype(float) / 100.0


def own(data: xr.Dataset) -> dict[str, Any]:
    """Return the residual of xsm's columns, hourly, in six hours and daily."""
    _, soil = conserved(data)
    rain = np.repeat(data["pr"].values[1:, None].astype(float) / 1000.0, 3, axis=1)
    demand = np.repeat(data["pet"].values[1:, None].astype(float) / 1000.0, 3, axis=1)
    hourly = simulate(
        soil,
        thickness=SIZE,
        rain=np.repeat(rain, 24, axis=0),
        plant_demand=np.repeat(demand, 24, axis=0),
        roots=data["root_fraction"].values[:, None].astype(float),
        initial=-1.0,
        limits=LIMITS,
        face="geometric",
        step_days=1 / 24,
        max_ponding=10.0,
    )
    found = {}
    for label, hours in {"hourly": 1, "6-hourly": 6, "daily": 24}.items():
        theta, flux, sink = sums(hourly, hours)
        wet = 1000.0 * np.repeat(rain, 24 // hours, axis=0)
        options = {"step_days": hours / 24, "sink": sink}
        found[label] = {
            "darcy": sizes(theta, soil, wet, truth=flux, **options),
            "known fluxes": sizes(theta, soil, wet, fluxes=flux, **options)["all"],
            "terms": terms(theta, flux, sink, hours / 24),
        }
    return found


def sums(done: Columns, hours: int) -> tuple[Any, Any, Any]:
    """Return water at the end of each step, mean fluxes (m day-1) and sinks (day-1)."""

    def mean(amounts: Any) -> Any:
        return amounts.reshape(-1, hours, *amounts.shape[1:]).sum(axis=1) * 24 / hours

    return done.theta[hours - 1 :: hours], mean(done.flux), mean(done.uptake) / SIZE[:, None]


def terms(theta: Any, flux: Any, sink: Any, days: float) -> dict[str, list[float]]:
    """Return the mean absolute terms of the equation, times the step, by soil."""
    inner = {
        "storage": np.diff(theta, axis=0)[:, INNER],
        "divergence": (np.diff(flux, axis=1) / SIZE[:, None] * days)[1:, INNER],
        "sink": sink[1:, INNER] * days,
    }
    return {name: np.abs(a).mean(axis=(0, 1)).round(5).tolist() for name, a in inner.items()}


def sizes(
    theta: Any,
    soil: Hydraulics,
    rain: Any,
    *,
    truth: Any = None,
    step_days: float = 1.0,
    **options: Any,
) -> dict[str, Any]:
    """Return mean |r| dt over mean |change|, of all, quiet and wet steps, by soil."""
    residual, flux = richards_residual(theta, soil, step_days=step_days, **options, **GRID)
    days = max(round(1.0 / step_days), 1)
    before = np.concatenate([np.full((days, rain.shape[1]), 9.0), rain])[: rain.shape[0]]
    quiet = ((rain <= 0.5) & (before <= 0.5))[1:, None, :]
    full = saturated(theta / soil.theta_s)[:, INNER]
    error = np.abs(residual[1:, INNER]) * step_days
    change = np.abs(np.diff(theta, axis=0)[:, INNER])
    masks = {
        "all": quiet | True,
        "quiet": quiet,
        "wet": ~quiet,
        "unsaturated": ~full,
        "quiet, unsaturated": quiet & ~full,
    }
    found: dict[str, Any] = {}
    for name, mask in masks.items():
        use = np.broadcast_to(mask, error.shape)
        ratio = np.where(use, error, 0).sum((0, 1)) / np.where(use, change, 0).sum((0, 1))
        found[name] = ratio.round(3).tolist()
        if truth is not None and "unsaturated" not in name:
            found[f"flux r, {name}"] = agreement(flux, truth, mask)
    found["share of quiet"] = round(float(quiet.mean()), 3)
    found["share of saturated"] = full.mean(axis=(0, 1)).round(4).tolist()
    return found


def saturated(wetness: Any) -> Any:
    """Return where a layer or a neighbour is nearly full at either end of a step."""
    near = (wetness[1:] > 0.98) | (wetness[:-1] > 0.98)
    spread = near.copy()
    spread[:, 1:] |= near[:, :-1]
    spread[:, :-1] |= near[:, 1:]
    return spread


def agreement(flux: Any, truth: Any, mask: Any) -> list[float]:
    """Return the correlation of Darcy's fluxes with the true ones at the inner faces, by soil."""
    faces = slice(INNER.start, INNER.stop + 1)
    use = np.broadcast_to(mask, flux[1:, faces].shape)
    return [
        round(
            float(
                np.corrcoef(flux[1:, faces, k][use[..., k]], truth[1:, faces, k][use[..., k]])[0, 1]
            ),
            3,
        )
        for k in range(flux.shape[2])
    ]


if __name__ == "__main__":
    main()
