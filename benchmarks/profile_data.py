"""The residual of the Richards equation of profiles themselves: simulated, by others, measured.

    python benchmarks/profile_data.py --data DIR [--write docs/profile_data.md]

``DIR`` holds conus_profile, conus_land, richards_cmf_manhattan and solling_beech_slb1 as NetCDF.
The tables take the place of what follows the line ``<!-- tables -->``. Minutes on two cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import xsm
from xsm.physics.retention import Hydraulics, conductivity, water_content

DRY, WET = 0.1, 5.0  # mm day-1, since the step before
METRES = 0.010197  # of water in a hPa


@dataclass
class Case:
    """A profile with its parameters and rain, the terms that are known, and the layers to judge."""

    title: str
    ds: xr.Dataset
    layers: list[int]
    known: dict[str, Any] = field(default_factory=dict)

    @property
    def theta(self) -> xr.DataArray:
        """Soil moisture, m3 m-3."""
        table = xsm.variables(self.ds)
        return self.ds[table["soil_moisture"].name]

    @property
    def rain(self) -> xr.DataArray:
        """Precipitation, mm day-1."""
        return xsm.variables(self.ds).array(self.ds, "precipitation")

    def residual(self, **more: Any) -> xr.DataArray:
        """Return r dt of the layers to judge."""
        found = xsm.richards_residual(self.ds, **(self.known | more))["residual"]
        days = float((self.ds["time"][1] - self.ds["time"][0]) / np.timedelta64(1, "D"))
        return found.isel(depth=self.layers) * days


def conus(data: Path) -> Case:
    """Return the simulated cells of the United States, with the rain they were made with."""
    ds = xr.open_dataset(data / "conus_profile" / "conus_profile.nc").load()
    land = xr.open_dataset(data / "conus_land" / "conus_land.nc")
    return Case("conus_profile", ds.assign(tp=land["tp"].sel(time=ds["time"]).load()), [1, 2, 3])


def manhattan(data: Path) -> list[Case]:
    """Return the columns of cmf, one a soil."""
    ds = xr.open_dataset(data / "richards_cmf_manhattan" / "richards_cmf_manhattan.nc").load()
    known = {"terms": ["evaporation"], "roots": ds["root_fraction"].values}
    return [
        Case(f"cmf, {str(name).replace('_', ' ')}", ds.sel(soil=name), [1, 2, 3], known)
        for name in ds["soil"].values
    ]


def solling(data: Path) -> tuple[xr.Dataset, xr.Dataset]:
    """Return the measured heads (m) with parameters at their depths, and the data as they are."""
    raw = xr.open_dataset(data / "solling_beech_slb1" / "solling_slb1_daily.nc").load()
    depth = raw["psi_depth"].values
    at = [int(np.flatnonzero(d <= raw["soil_bottom"].values + 1e-6)[0]) for d in depth]
    earth = 1.0 - raw["gravel"].values[at]
    values = {
        "theta_r": (earth * raw["vg_theta_r"].values[at], "m3 m-3"),
        "theta_s": (earth * raw["vg_theta_s"].values[at], "m3 m-3"),
        "vg_alpha": (100 * raw["vg_alpha"].values[at], "m-1"),
        "vg_n": (raw["vg_n"].values[at], "1"),
        "k_sat": (raw["vg_ks"].values[at] / 100, "m day-1"),
    }
    ds = xr.Dataset({n: ("depth", v.astype(float), {"units": u}) for n, (v, u) in values.items()})
    ds = ds.assign_coords(depth=("depth", depth, {"units": "cm", "positive": "down"}))
    head = (METRES * raw["psi"]).rename(obs_time="time", psi_depth="depth").assign_coords(ds.coords)
    ds["head"] = head.astype(float)
    ds["precipitation"] = raw["pr"].sel(time=ds["time"])
    return ds, raw


def hydraulics(ds: xr.Dataset, scale: float = 1.0) -> Hydraulics:
    """Return the parameters for the array world."""
    names = ("theta_r", "theta_s", "vg_alpha", "vg_n", "k_sat")
    dry, wet, alpha, shape, k_sat = (ds[name].values for name in names)
    return Hydraulics(dry, wet, alpha, shape, scale * k_sat)


def solling_from_heads(ds: xr.Dataset, scale: float = 1.0) -> Case:
    """Return water contents that the retention curve gives at the measured heads."""
    theta = water_content(np.minimum(ds["head"].values, 0.0), hydraulics(ds))
    made = ds.assign(theta=(("time", "depth"), theta, {"units": "m3 m-3"}))
    made = made.assign(k_sat=(scale * ds["k_sat"]).assign_attrs(units="m day-1"))
    return Case("Solling, heads measured", made, [1, 2, 3])


def solling_measured(ds: xr.Dataset, raw: xr.Dataset, sensor: int, scale: float = 1.0) -> Case:
    """Return water measured at 0.2 m, between fluxes of the heads measured above and below."""
    head, depth = ds["head"].values, ds["depth"].values / 100
    rate = conductivity(np.minimum(head, 0.0), hydraulics(ds, scale))
    face = np.sqrt(rate[:, :-1] * rate[:, 1:])
    flux = -face * (np.diff(head, axis=1) / np.diff(depth) - 1.0)  # m day-1
    flux[1:] = 0.5 * (flux[1:] + flux[:-1])
    theta = raw["theta"].isel(theta_sensor=sensor).values.astype(float)[:, None]
    made = xr.Dataset(
        {
            "theta": (("time", "depth"), theta, {"units": "m3 m-3", "layer_edges_m": [0.15, 0.3]}),
            "soil_water_flux": (("time", "face"), 1000 * flux[:, :2], {"units": "mm day-1"}),
            "precipitation": ds["precipitation"],
        },
        {"face": ("face", [0.15, 0.3], {"units": "m", "axis": "Z"}), "depth": ("depth", [0.2])},
    )
    own = ds.isel(depth=1, drop=True)
    for name in ("theta_r", "theta_s", "vg_alpha", "vg_n", "k_sat"):
        made[name] = own[name]
    name = str(raw["theta_sensor"].values[sensor])
    return Case(
        f"Solling, water {name} and heads measured", made, [0], {"terms": "soil_water_flux"}
    )


def row(case: Case) -> Iterator[str]:
    """Return what a profile's own residual is, against the change of its water."""
    whole = case.residual()
    change = case.theta.transpose(*whole.dims).diff("time").isel(depth=case.layers)
    whole = whole.sel(time=change["time"])
    wet = case.rain.sel(time=change["time"]) > WET
    quiet = case.residual(quiet=DRY).sel(time=change["time"])
    for part in (whole, quiet, whole.where(wet)):
        moved = change.where(part.notnull())
        yield f"{float(part.notnull().sum() / whole.notnull().sum()):.2f}"
        yield f"{float(abs(part).mean()):.5f}"
        yield f"{float(abs(part).mean() / abs(moved).mean()):.2f}"
        yield f"{float(xr.corr(moved, moved - part)):.2f}"


def faces(case: Case) -> Iterator[str]:
    """Return mean |r| dt by the mean conductivity at faces, and without what is known."""
    for face in ("geometric", "arithmetic", "upstream"):
        yield f"{float(abs(case.residual(face=face)).mean()):.5f}"
    for quiet in (None, DRY):
        yield f"{float(abs(case.residual(terms=[], quiet=quiet)).mean()):.5f}"


def sampled(data: Path, hours: int) -> Iterator[str]:
    """Return the residual of columns of one physics, sampled at other steps, soil by soil."""
    for case in manhattan(data):
        ds = case.ds.sel(time=slice("2013", "2014"))
        soil = ds[["theta_r", "theta_s", "alpha", "n", "Ks"]]
        forcing = ds[["pr", "pet"]]
        first = forcing["time"].values[0]
        steps = first + np.arange(24 * forcing.sizes["time"]) * np.timedelta64(1, "h")
        forcing = forcing.reindex(time=steps, method="ffill")
        done = xsm.simulate_columns(
            forcing.assign(soil),
            edges=np.linspace(0.0, 2.0, 21),
            roots=case.known["roots"],
            face="geometric",
            every=hours,
        )
        done = done.assign(soil).assign(air_entry=((), 0.02, {"units": "m"}))
        done["precipitation"] = forcing["pr"].isel(time=slice(0, None, hours))
        same = Case("", done, [1, 2, 3])
        found = list(row(same))
        yield from (f"{float(abs(same.residual()).median()):.1e}", found[2], found[6], found[10])


def trivial(case: Case) -> dict[str, xr.DataArray]:
    """Return profiles that anyone could predict, and the truth with noise."""
    theta = case.theta
    noise = np.random.default_rng(0).standard_normal(theta.shape)
    smooth = theta.rolling(time=30, center=True, min_periods=15).mean()
    return {
        "the profile itself": theta,
        "itself with noise of 0.001": theta + 0.001 * noise,
        "itself with noise of 0.01": theta + 0.01 * noise,
        "its mean of 30 days": smooth.where(theta.notnull()),
        "its mean of all days": theta.mean("time").broadcast_like(theta).where(theta.notnull()),
        "itself, drier by 0.05": theta - 0.05,
    }


def judged(case: Case, guess: xr.DataArray) -> Iterator[str]:
    """Return inconsistency and excess of a prediction, on all and on quiet days, and its error."""
    dims = [d for d in case.theta.dims if d != "depth"]
    guess = guess.transpose(*case.theta.dims).assign_attrs(units="m3 m-3")
    wrong = (guess - case.theta).isel(depth=case.layers)
    yield f"{float((wrong**2).mean()) ** 0.5:.4f}"
    for quiet in (None, DRY):
        found = xsm.consistency(
            case.ds, guess, law="richards", dim=dims, quiet=quiet, **case.known
        ).isel(depth=case.layers)
        yield f"{float(found['inconsistency'].mean()):.5f}"
        yield f"{float(found['excess'].mean()):+.5f}"


def table(title: str, head: str, rows: dict[str, Iterator[str]], text: str = "") -> str:
    """Return a table in Markdown."""
    names = head.split("|")
    lines = [f"## {title}", "", f"| | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    return "\n".join([*lines, "", *([text, ""] if text else [])])


def tables(data: Path) -> str:
    """Return all tables."""
    world = Case("tutorial `profile`", xsm.open_tutorial("profile"), [1, 2, 3])
    land, columns = conus(data), manhattan(data)
    heads, raw = solling(data)
    measured = [solling_measured(heads, raw, i) for i in (0, 1)]
    by_heads = solling_from_heads(heads)
    smaller = solling_from_heads(heads, 0.1)
    smaller.title += ", k_sat / 10"
    parts = "share|mean abs r dt|by mean abs dθ|r"
    head = "|".join(
        f"{which}: {name}" for which in ("all", "quiet", "wet") for name in parts.split("|")
    )
    cases = [world, land, *columns, by_heads, smaller, *measured]
    own = {case.title: row(case) for case in cases}
    means = {case.title: faces(case) for case in (world, land, *columns)}
    steps = {f"{hours} h": sampled(data, hours) for hours in (1, 3, 6, 12, 24)}
    soils = ("sandy loam", "silt loam", "clay loam")
    what = ("median abs r dt", "mean by mean abs dθ", "quiet steps", "wet steps")
    sampling = "|".join(f"{soil}: {name}" for soil in soils for name in what)
    found = [
        table("The residual of profiles themselves", head, own),
        table("Face averages, and nothing known", _FACES, means),
        table("One physics, sampled at other steps", sampling, steps),
    ]
    for case in (world, land, by_heads):
        rows = {name: judged(case, guess) for name, guess in trivial(case).items()}
        found.append(
            table(f"What the law says of trivial predictions: {case.title}", _JUDGED, rows)
        )
    return "\n".join(found)


_FACES = "geometric|arithmetic|upstream|geometric, no terms|the same, quiet days"
_JUDGED = "RMSE|inconsistency|excess|quiet days: inconsistency|quiet days: excess"


def main() -> None:
    """Print the tables, or write them into a page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    found = tables(given.data)
    if given.write is None:
        print(found)
        return
    kept = given.write.read_text(encoding="utf-8").partition("<!-- tables -->")[0]
    given.write.write_text(f"{kept}<!-- tables -->\n\n{found}", encoding="utf-8")


if __name__ == "__main__":
    main()
