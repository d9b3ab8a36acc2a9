"""The figure of the README and of the home page, and its caption, from the tables of docs/.

    python benchmarks/headline.py

The first two panels show figures that ``real_data.py`` and ``memory_science.py`` wrote into
docs/real_data.md and docs/carried_state.md; nothing is typed here. The third is drawn by
``ds.physm.plot.fan`` on the tutorial world, with a network that trains for a minute.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import xarray as xr

import xsm

DOCS = Path(__file__).parents[1] / "docs"
OUT = DOCS / "figures"
GREY, BLUE, ORANGE, GREEN = "#8c8c8c", "#0072B2", "#E69F00", "#009E73"


def table(page: str, title: str) -> dict[str, dict[str, float]]:
    """Return the rows of the table below a heading by name, then by column."""
    text = (DOCS / page).read_text(encoding="utf-8").split(f"\n## {title}", maxsplit=1)[1]
    lines = [line for line in text.split("\n## ")[0].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    head = [name.lower() for name in cells[0]]
    number = re.compile(r"-?\d+\.\d+")
    return {
        row[0]: {h: float(c) for h, c in zip(head, row, strict=True) if number.fullmatch(c)}
        for row in cells[2:]
    }


def errors() -> dict[str, tuple[float, str]]:
    """Return the RMSE on SMAP by what is known, with the colour of its kind."""
    windows = table("real_data.md", "SMAP L3")
    carried = table("carried_state.md", "SMAP L3")
    known = "data integration + known forcing"
    rows = {
        "climatology": (windows["climatology"], GREY),
        "persistence": (windows["persistence"], GREY),
        "damped persistence": (windows["damped_persistence"], GREY),
        "weather up to the day before, a week": (windows["LSTM"], ORANGE),
        "the same + water balance in the loss": (windows["PHY-LSTM, level"], ORANGE),
        "weather of the day, whole record": (carried["weather of the day"], BLUE),
        "the same + offsets of cells": (carried["weather of the day, offsets of cells"], BLUE),
        "window + last observation": (windows[f"LSTM + {known}"], ORANGE),
        "the same + water balance": (windows[f"PHY-LSTM, level + {known}"], ORANGE),
        "record + last observation": (
            carried["observation of the day before, known weather"],
            BLUE,
        ),
    }
    return {name: (row["rmse"], colour) for name, (row, colour) in rows.items()}


def agreement() -> dict[str, tuple[float, str]]:
    """Return the share of days that follow the inflow of water, on mHM Mosel."""
    found = table("real_data.md", "mHM Mosel")
    known = "data integration + known forcing"
    rows = {
        "always drying": ("always drying", GREY),
        "LSTM": ("LSTM", ORANGE),
        "PHY-LSTM": ("PHY-LSTM, level", ORANGE),
        "LSTM + last observation": (f"LSTM + {known}", GREEN),
        "PHY-LSTM + last observation": (f"PHY-LSTM, level + {known}", GREEN),
        "the truth itself": ("observations themselves", "black"),
    }
    return {name: (found[key]["level"], colour) for name, (key, colour) in rows.items()}


def bars(ax: plt.Axes, rows: dict[str, tuple[float, str]], label: str) -> None:
    """Draw rows as bars with their values."""
    values = [value for value, _ in rows.values()]
    drawn = ax.barh(list(rows), values, color=[colour for _, colour in rows.values()])
    ax.bar_label(drawn, [f"{value:.3f}" for value in values], padding=3, fontsize=8)
    ax.invert_yaxis()
    ax.set(xlabel=label, xlim=(0, 1.18 * max(values)))
    ax.tick_params(labelsize=8.5)
    ax.spines[["top", "right"]].set_visible(False)


def forecast() -> tuple[xr.Dataset, xr.Dataset]:
    """Return the tutorial world, and a forecast of two weeks without any weather."""
    ds = xsm.open_tutorial("land").isel(latitude=slice(2, 14, 2), longitude=slice(14, 30, 2))
    fitted = ds.sel(time=slice("2018", "2019")).physm.fit(
        "lstm",
        target="swvl1",
        sequence=180,
        data_integration=True,
        latency=(1, 1),
        cuts=14,
        head="gaussian",
        hidden_size=64,
        epochs=20,
        iterations=20,
        progress=False,
    )
    return ds, fitted.forecast(ds, init="2020-07-20", lead=14)


def fan(ax: plt.Axes, ds: xr.Dataset, ahead: xr.Dataset) -> None:
    """Draw a forecast with its 50 and 90 % intervals."""
    ds.physm.plot.fan(ahead, at={"latitude": 42.0, "longitude": 15.0}, ax=ax)
    ax.set_title("", loc="left")
    ax.tick_params(labelsize=8.5)


def caption() -> str:
    """Return what the figure shows, with its numbers."""
    rmse, level = errors(), agreement()
    return (
        "*First panel: soil moisture of SMAP one day ahead, on days that nothing was trained on "
        "(grey: baselines, orange: a window of a week, blue: the whole record). With the weather "
        "of the day known, the network on the whole record has an RMSE of "
        f"{rmse['weather of the day, whole record'][0]:.3f} without, "
        f"{rmse['the same + offsets of cells'][0]:.3f} with an offset of each cell, and "
        f"{rmse['record + last observation'][0]:.3f} m³ m⁻³ with the last observation, which alone "
        f"has {rmse['persistence'][0]:.3f}. Second: the water balance in the loss changes little "
        f"({level['LSTM'][0]:.2f} to {level['PHY-LSTM'][0]:.2f}), observations much "
        f"({level['LSTM + last observation'][0]:.2f}); the truth has "
        f"{level['the truth itself'][0]:.2f}. Third: two weeks ahead without any weather, with 50 "
        "and 90 % intervals (tutorial world).*\n"
    )


def main() -> None:
    """Draw and write both."""
    ahead = forecast()
    fitting: dict[str, Any] = {"layout": "constrained"}
    wide = plt.subplots(1, 3, figsize=(13.5, 3.8), width_ratios=(0.75, 0.75, 1.5), **fitting)
    narrow = plt.subplots(3, 1, figsize=(5, 9.5), height_ratios=(1.1, 0.8, 1), **fitting)
    for name, (fig, axes) in {"headline": wide, "headline_narrow": narrow}.items():
        bars(axes[0], errors(), "RMSE (m³ m⁻³), SMAP, a day ahead")
        bars(axes[1], agreement(), "share of days that follow the\nwater balance, mHM Mosel")
        fan(axes[2], *ahead)
        fig.savefig(OUT / f"{name}.png", dpi=110)
    (OUT / "headline.txt").write_text(caption(), encoding="utf-8")
    print(caption())


if __name__ == "__main__":
    main()
