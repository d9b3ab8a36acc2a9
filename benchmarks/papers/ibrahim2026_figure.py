"""The figure of ``ibrahim2026.py``, and the variance of fields by scale that it shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

Array = Any


def variance_by_scale(field: xr.DataArray, truth: xr.DataArray) -> dict[str, dict[str, float]]:
    """Return variance and correlation with the truth at wavelengths of 2, 4 and 8 cells.

    Means of squares of 1, 2 and 4 cells, and how they depart from the mean of the 2 x 2 of them
    that belong together: a spectrum that holes do not trouble. Only where all four are whole.
    """
    fine, wanted = xr.align(field, truth, join="inner")
    there = (fine.notnull() & wanted.notnull()).values
    pair = [np.where(there, a.values, np.nan) for a in (fine.transpose(*wanted.dims), wanted)]
    found: dict[str, dict[str, float]] = {"variance": {}, "truth": {}, "r": {}}
    for wavelength in (2, 4, 8):
        parts = [departures(values) for values in pair]
        square = [float(np.nanmean(part**2)) for part in parts]
        cross = float(np.nanmean(parts[0] * parts[1]))
        found["variance"][str(wavelength)], found["truth"][str(wavelength)] = square
        found["r"][str(wavelength)] = cross / max(np.sqrt(square[0] * square[1]), 1e-30)
        pair = [coarser(values).mean(axis=(2, 4)) for values in pair]
    return found


def coarser(values: Array) -> Array:
    """Return the 2 x 2 squares (time, y, 2, x, 2); what is left over at the edges drops out."""
    steps, rows, columns = values.shape
    even = values[:, : rows // 2 * 2, : columns // 2 * 2]
    return even.reshape(steps, rows // 2, 2, columns // 2, 2)


def departures(values: Array) -> Array:
    """Return what is left in each square of 2 x 2 without its mean."""
    parts = coarser(values)
    return parts - parts.mean(axis=(2, 4), keepdims=True)


def draw(case: Any, found: xr.Dataset, row: dict[str, Any], path: Path) -> None:
    """Draw one month of the test, the variance by scale, and the coverage."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    name, area = str(case.coarse.name), case.area
    test = case.truth.sel(time=case.test)
    month = test["time"].values[3]
    flat = case.coarse.physm.downscale(4, model="bilinear", area=area)[name]
    near = case.coarse.physm.downscale(4, model="nearest", area=area)[name]
    land = test.sel(time=month).notnull()
    maps = {
        "coarse": near.sel(time=month).where(land),
        "bilinear": flat.sel(time=month).where(land),
        "network": found[name].sel(time=month),
        "truth": test.sel(time=month),
        "standard deviation": found[f"{name}_std"].sel(time=month),
    }
    figure, axes = plt.subplots(2, 4, figsize=(9.5, 5.2), layout="constrained")
    reach = float(abs(maps["truth"]).max())
    for axis, (title, values) in zip(axes.flat, maps.items(), strict=False):
        field = title != "standard deviation"
        limits = {"vmin": -reach, "vmax": reach, "cmap": "RdBu"} if field else {"cmap": "viridis"}
        drawn = axis.imshow(values.transpose("y", "x").values, interpolation="nearest", **limits)
        axis.set_title(f"{title}, mm", fontsize=9)
        axis.set_xticks([])
        axis.set_yticks([])
        figure.colorbar(drawn, ax=axis, shrink=0.8)
    spectra(axes[1, 1], axes[1, 2], flat.sel(time=case.test), test, row["spectrum"])
    covered(axes[1, 3], row)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=100, pil_kwargs={"optimize": True})
    plt.close(figure)


def spectra(power: Any, agreement: Any, flat: xr.DataArray, truth: xr.DataArray, own: Any) -> None:
    """Draw variance and correlation by wavelength."""
    plain = variance_by_scale(flat.drop_vars("cell_area"), truth)
    waves = [6 * int(k) for k in own["truth"]]
    power.loglog(waves, list(own["truth"].values()), "k-", lw=3, label="truth")
    for label, part in (("bilinear", plain), ("network", own)):
        power.loglog(waves, list(part["variance"].values()), "o-", ms=3, label=label)
        agreement.semilogx(waves, list(part["r"].values()), "o-", ms=3, label=label)
    power.set_title("variance, mm²", fontsize=9)
    agreement.set_title("correlation with the truth", fontsize=9)
    agreement.set_prop_cycle(None)
    power.legend(fontsize=7)
    for axis in (power, agreement):
        axis.set_xlabel("wavelength, km", fontsize=8)
        axis.set_xticks(waves, [str(w) for w in waves], fontsize=7)
        axis.tick_params(labelsize=7)
        axis.minorticks_off()


def covered(axis: Any, row: dict[str, Any]) -> None:
    """Draw the coverage before and after calibration, with its bounds."""
    for at, kind in enumerate(("coverage", "calibrated")):
        for level in ("50%", "90%"):
            value, (low, high) = row[f"{kind}_{level}"], row[f"{kind}_{level}_bounds"]
            axis.errorbar(
                at, value, [[value - low], [high - value]], fmt="o", color="C0", capsize=3
            )
    for level in (0.5, 0.9):
        axis.axhline(level, color="0.6", lw=0.8)
    axis.set_xlim(-0.5, 1.5)
    axis.set_ylim(0, 1)
    axis.set_xticks([0, 1], ["as trained", "calibrated"], fontsize=7)
    axis.set_title("coverage of 50 and 90 %", fontsize=9)
    axis.tick_params(labelsize=7)
