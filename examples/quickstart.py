"""From a land-surface data set to physics-guided forecasts and an audit, in one script.

Makes the tutorial world (a simulated land surface under ERA5-Land names), writes it to a Zarr
store, trains five models on two years of it, and predicts, scores and audits the third year lazily
from the store. The schedule of the published forms is shortened: minutes instead of hours.

    python examples/quickstart.py [--out DIR] [--epochs N]
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
import xarray as xr

import xsm

mpl.use("Agg")
import matplotlib.pyplot as plt

TRAIN, TEST = slice("2018", "2019"), slice("2020", "2020")
INTEGRATED = "PHY-LSTM + data integration + known forcing"
MEMORY = "PHY-LSTM with memory + known forcing"
RUNS: dict[str, dict[str, Any]] = {
    "LSTM": {"model": "lstm"},
    "PHY-LSTM": {"model": "phy_lstm"},
    "PHYs-LSTM": {"model": "phys_lstm"},
    INTEGRATED: {"model": "phy_lstm", "data_integration": True, "known_forcing": True},
    MEMORY: {"model": "phy_lstm", "sequence": 180, "known_forcing": True},
}


def main() -> None:
    """Run the whole story."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, default=Path("quickstart-results"))
    parser.add_argument("--epochs", type=int, default=24, help="published: at most 1000")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()

    # means over sea cells, which hold nothing, are computed by dask with this warning
    warnings.filterwarnings("ignore", "invalid value encountered in divide")
    store = options.out / "land.zarr"
    xsm.open_tutorial("land").chunk(time=365, latitude=12, longitude=16).to_zarr(
        store, mode="w", consolidated=False
    )
    ds = xr.open_zarr(store, consolidated=False)  # lazy from here on
    print(ds.physm.variables(), "\n")

    test = ds.sel(time=TEST)
    print(f"Windows: {options.epochs} epochs of 100 batches (published: 1000 of 300).")
    scores, audits, forecasts = {}, {}, {}
    windows = {"iterations": 100, "validate_every": 4, "patience": 3}
    for label, settings in RUNS.items():
        schedule = {} if label == MEMORY else windows  # that of records is short by itself
        fitted = ds.sel(time=TRAIN).physm.fit(**settings, **schedule, epochs=options.epochs)
        # a week of 2019 fills the first window, so that the forecasts begin on 1 January; what
        # remembers runs through all days before
        past = "2018" if label == MEMORY else "2019-12-25"
        forecasts[label] = ds.sel(time=slice(past, "2020")).physm.predict(fitted)
        forecasts[label] = forecasts[label].sel(time=slice("2020", None))
        name = label.partition(" ")[0].lower()
        name += {INTEGRATED: "-integrated", MEMORY: "-memory"}.get(label, "")
        forecasts[label].to_zarr(options.out / f"{name}.zarr", mode="w", consolidated=False)
        forecasts[label] = xr.open_zarr(options.out / f"{name}.zarr", consolidated=False)
        scores[label] = ds.physm.score(forecasts[label], baselines=fitted).compute()
        audits[label] = ds.physm.consistency(forecasts[label]).compute()
        best = fitted.card["best epoch"]
        print(f"trained {label} in {fitted.card['seconds']} s, best epoch {best}", flush=True)

    print(f"\n{test.sizes['time']} days of 2020, one day ahead; medians over cells\n")
    print(table(scores, audits))
    print(
        "\nOne day ahead the published form, which sees no observed soil moisture, loses to"
        "\npersistence; with data integration and known forcing it wins. With memory the network"
        "\nruns through the record, and knows the weather alone. The excess of consistency over"
        "\nthat of the observations is the better the nearer it is to 0."
    )
    figure(ds, scores, forecasts, options.out / "quickstart.png")
    print(
        f"\nFigure: {options.out / 'quickstart.png'}   total {time.perf_counter() - started:.0f} s"
    )


def table(scores: dict[str, xr.Dataset], audits: dict[str, xr.Dataset]) -> str:
    """Return the scores of all models and baselines as text."""
    head = ("R", "RMSE", "R2", "KGE", "change", "excess", "level", "excess", "filtered")
    lines = [f"{'':44}" + "".join(f"{name:>9}" for name in head)]
    for label, score in scores.items():
        values = [
            float(score[name].sel(source="model").median()) for name in ("r", "rmse", "r2", "kge")
        ]
        audit = audits[label].median(["latitude", "longitude"])
        for trend in ("change", "level"):
            values += [float(audit[name].sel(trend=trend)) for name in ("consistency", "excess")]
        values.append(float(audit["consistency_filtered"].sel(trend="change")))
        lines.append(f"{label:44}" + "".join(f"{value:9.3f}" for value in values))
    for source in ("persistence", "damped_persistence", "climatology"):
        score = next(iter(scores.values())).sel(source=source)
        values = [float(score[name].median()) for name in ("r", "rmse", "r2", "kge")]
        lines.append(f"{source:44}" + "".join(f"{value:9.3f}" for value in values))
    own = next(iter(audits.values())).median(["latitude", "longitude"])["observed_consistency"]
    change, level = (float(own.sel(trend=trend)) for trend in ("change", "level"))
    lines.append(
        f"{'observations themselves':44}{'':36}{change:9.3f}{0:9.3f}{level:9.3f}{0:9.3f}{1:9.3f}"
    )
    return "\n".join(lines)


def figure(
    ds: xr.Dataset, scores: dict[str, xr.Dataset], forecasts: dict[str, xr.Dataset], path: Path
) -> None:
    """Draw where each model improves on the LSTM, and a year at three cells."""
    fig, axes = plt.subplot_mosaic(
        [["PHY-LSTM", MEMORY, INTEGRATED], ["wet"] * 3, ["middle"] * 3, ["dry"] * 3],
        figsize=(12, 11),
        layout="constrained",
    )
    base = scores["LSTM"]["rmse"].sel(source="model")
    for label in ("PHY-LSTM", MEMORY, INTEGRATED):
        gain = 100 * (1 - scores[label]["rmse"].sel(source="model") / base)
        limit = 20 if label == "PHY-LSTM" else 100
        gain.plot(
            ax=axes[label],
            cmap="RdBu",
            vmin=-limit,
            vmax=limit,
            cbar_kwargs={"label": "RMSE against LSTM (%, blue: better)", "shrink": 0.8},
        )
        axes[label].set(
            title=label.replace(" + ", "\n+ ", 1), xlabel="longitude (°)", ylabel="latitude (°)"
        )
    observed = ds["swvl1"].sel(time=TEST).compute()
    mean = observed.mean("time").stack(cell=("latitude", "longitude")).dropna("cell")
    order = mean.sortby(mean).cell.values
    for place, share in (("dry", 0.05), ("middle", 0.5), ("wet", 0.95)):
        latitude, longitude = order[int(share * (len(order) - 1))]
        at = {"latitude": latitude, "longitude": longitude}
        observed.sel(at).plot(ax=axes[place], color="black", lw=1.5, label="simulated truth")
        for label, colour in (
            ("LSTM", "#0072B2"),
            (MEMORY, "#E69F00"),
            (INTEGRATED, "#009E73"),
        ):
            forecasts[label]["swvl1"].sel(at).plot(ax=axes[place], color=colour, lw=1, label=label)
        axes[place].set(
            title=f"{place} cell, {latitude:.2f}° N, {longitude:.2f}° E",
            xlabel="",
            ylabel="soil moisture 0-7 cm\n(m³ m⁻³)",
        )
        axes[place].margins(x=0)
    fig.legend(*axes["wet"].get_legend_handles_labels(), ncols=4, loc="outside lower center")
    fig.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
