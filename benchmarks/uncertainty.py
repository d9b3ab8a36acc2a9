"""Spreads of predictions on the tutorial world: coverage, width and CRPS before and after.

    python benchmarks/uncertainty.py [--epochs 15] [--cells 6] [--write docs/uncertainty.md]

Trains on 2018 and the first half of 2019 and tests on 2020, one day ahead. Calibration is learnt
twice: on the second half of 2019, as one would, and on half of the blocks (30 days of one cell) of
2020, drawn at random, to be tested on the other half: there the data are exchangeable.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import xsm

METHODS = (None, "scale", "isotonic", "conformal")
FORMS: dict[str, dict[str, Any]] = {
    "lstm": {"model": "lstm", "head": "gaussian"},
    "phy_lstm": {"model": "phy_lstm", "head": "gaussian"},
    "lstm, data integration": {"model": "lstm", "head": "gaussian", "data_integration": True},
    "lstm, 5 members": {"model": "lstm", "head": "gaussian", "members": 5},
    "lstm, 5 members of values": {"model": "lstm", "members": 5},
}
TITLE = (
    "| model | calibrated | 50 % cover | 90 % cover | std | CRPS |\n|---|---|---:|---:|---:|---:|"
)


def blocks(ds: xr.Dataset, seed: int = 0) -> xr.DataArray:
    """Draw half of the blocks of 30 days of one cell."""
    steps, *space = ds["swvl1"].shape
    drawn = np.random.default_rng(seed).random((-(-steps // 30), *space)) < 0.5
    return xr.DataArray(drawn.repeat(30, axis=0)[:steps], dims=ds["swvl1"].dims)


def rows(name: str, fitted: xsm.FittedModel, learn: xr.Dataset, test: xr.Dataset) -> list[str]:
    """Judge a model as it is and after each recalibration."""
    found = []
    for method in METHODS:
        model = fitted if method is None else fitted.calibrate(learn, method=method)
        table = xsm.reliability(test, model.predict(test), levels=[0.5, 0.9])
        cover = " | ".join(f"{100 * c:.1f}" for c in table["coverage"].values)
        numbers = f"{float(table['sharpness']):.4f} | {float(table['crps']):.4f}"
        found.append(f"| {name} | {method or 'no'} | {cover} | {numbers} |")
    return found


def main() -> None:
    """Train, judge, and print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--cells", type=int, default=12, help="rows of the world, from the south")
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    ds = xsm.open_tutorial("land").isel(latitude=slice(0, given.cells), longitude=slice(8, 32))
    ds = ds.load()
    train, later, test = (
        ds.sel(time=slice(*part))
        for part in (("2018", "2019-06"), ("2019-07", "2019-12"), ("2020", "2020"))
    )
    drawn = blocks(test)
    half, rest = (test.assign(swvl1=test["swvl1"].where(m)) for m in (drawn, ~drawn))
    tables: dict[str, list[str]] = {"later": [], "exchangeable": []}
    for name, form in FORMS.items():
        fitted = train.physm.fit(**form, epochs=given.epochs, validate_every=3, progress=False)
        found = {"later": rows(name, fitted, later, test)}
        if "integration" not in name:  # its observations are inputs too: no halves
            found["exchangeable"] = rows(name, fitted, half, rest)
        for part, lines in found.items():
            tables[part] += lines
            print(part, *lines, sep="\n", flush=True)
    if given.write:
        page = given.write.read_text(encoding="utf-8")
        for name, lines in tables.items():
            start, end = f"<!-- {name} -->", f"<!-- end {name} -->"
            before, rest_of = page.split(start)
            after = rest_of.split(end)[1]
            page = f"{before}{start}\n{TITLE}\n" + "\n".join(lines) + f"\n{end}{after}"
        given.write.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
