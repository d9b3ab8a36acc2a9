"""The gallery: each figure and each page of an object, with its code, drawn with the site.

What is drawn is made of simulated worlds with known errors, so that nothing long is trained.
"""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

FOLDER = "generated/gallery"

SETUP = """
import numpy as np
import xarray as xr
import xsm

world = xsm.open_tutorial("land")
ds = world.isel(latitude=slice(0, 24, 2), longitude=slice(0, 32, 2))
test = ds.sel(time="2020")
at = {"latitude": 42.0, "longitude": 14.0}
rng = np.random.default_rng(0)


def like(array, size, days):
    noise = xr.DataArray(rng.normal(size=array.shape), array.coords)
    return size * noise.rolling(time=days, min_periods=1).mean() * days**0.5


def predict(size):  # stands for fitted.predict(test): the truth with errors of a known size
    value = (test["swvl1"] + like(test["swvl1"], size, 9)).clip(0.02, 0.6)
    spread = (0 * value + 1.2 * size).assign_attrs(units="m3 m-3")
    return xr.Dataset({"swvl1": value.assign_attrs(test["swvl1"].attrs), "swvl1_std": spread})


forecast, other = predict(0.015), predict(0.025)
"""

FORECASTS = """
start = ds["time"].values[740:1080:7]
lead = np.arange(1, 15).astype("m8[D]").astype("m8[ns]")
soil = ds["swvl1"]
held = soil.sel(time=start).rename(time="init")  # stands for fitted.forecast(ds, init=start)
mean = soil.mean("time")
fade = xr.DataArray(0.95 ** np.arange(1, 15), {"lead": lead}, "lead")
width = 0.05 * (1 - fade**2) ** 0.5
members = xr.DataArray(rng.normal(size=(10, start.size, 14, 12, 16)),
                       dims=("member", "init", "lead", "latitude", "longitude"))
ahead = (mean + fade * (held - mean) + width * members).clip(0.02)
ahead = ahead.assign_attrs(units="m3 m-3").to_dataset(name="swvl1")
scores = ds.physm.score(ahead)
"""

EXPERTS = """
names = ["precipitation", "radiation", "temperature"]  # stands for a prediction of "ismoe"
season = np.cos(2 * np.pi * (test["time"].dt.dayofyear - 15) / 365)
north = (test["latitude"] - 41) / 3
parts = [season + 0 * test["swvl1"], -season + north + 0 * test["swvl1"], 0 * test["swvl1"]]
share = np.exp(xr.concat(parts, xr.Variable("expert", names)))
mixture = forecast.assign(expert_weight=share / share.sum("expert"))
"""

PROFILE = """
from xsm.synthetic import profile_world

column = profile_world(years=1, shape=(4, 5))
layers = column[["theta"]] + 0.01 * rng.normal(size=column["theta"].shape)
layers["theta"].attrs = column["theta"].attrs
"""

FIGURES: dict[str, tuple[str, str]] = {
    "map": (
        "Map a variable, a score or an audit",
        'ds.physm.plot.map("soil_moisture", over="time")',
    ),
    "series": (
        "Compare observed and predicted through time",
        'test.physm.plot.series({"model A": forecast, "model B": other}, at=at, level=0.9)',
    ),
    "improvement": (
        "See where one prediction beats another",
        'test.physm.plot.improvement(forecast, other, names=("model A", "model B"))',
    ),
    "zones": (
        "Compare scores by classes of cells",
        """
        high = (ds["elevation"] > 500).rename("above 500 m")
        test.physm.plot.zones({"model A": forecast, "model B": other}, high, metric="kge")
        """,
    ),
    "reliability": (
        "Check whether intervals cover what they say",
        'test.physm.plot.reliability({"model A": forecast, "model B": other})',
    ),
    "spectra": (
        "Compare the variation by period",
        'test.physm.plot.spectra({"model A": forecast, "model B": other})',
    ),
    "fan": (
        "Show a forecast with its intervals",
        "ds.physm.plot.fan(ahead, init=start[20], at=at)",
    ),
    "skill": ("Score forecasts by lead", 'scores.physm.plot.skill(metric="crps")'),
    "horizon": ("Map the lead at which skill ends", 'scores.physm.plot.horizon(metric="rmse")'),
    "profile": (
        "Show a profile and its errors",
        'column.physm.plot.profile(layers, at={"latitude": 43.5, "longitude": 10.5})',
    ),
    "expert_maps": ("Map the weights of experts", "mixture.physm.plot.expert_maps()"),
    "dominant_expert": (
        "Map the expert of largest weight",
        "mixture.physm.plot.dominant_expert()",
    ),
    "expert_seasons": ("Show weights by month", "mixture.physm.plot.expert_seasons()"),
    "expert_shares": ("Show weights through time", "mixture.physm.plot.expert_shares()"),
    "training": (
        "Follow the training",
        """
        short = {"epochs": 8, "iterations": 10, "hidden_size": 16, "validate_every": 1}
        fitted = ds.sel(time=slice("2018", "2019")).physm.fit("phy_lstm", progress=False, **short)
        fitted.plot.training()
        """,
    ),
}
"""Title and code by figure; what they need runs before the first that needs it."""

BEFORE = {"map": SETUP, "fan": FORECASTS, "profile": PROFILE, "expert_maps": EXPERTS}

REPRS: dict[str, tuple[str, str]] = {
    "variables": ("What xsm found in a data set", "ds.physm.variables()"),
    "check": ("What looks wrong in it", "ds.physm.check()"),
    "fitted": ("A fitted model", "fitted"),
    "plan": ("What a prediction will cost", "test.chunk(time=-1).physm.plan(fitted)"),
}


def write_gallery(docs: Path) -> str:
    """Draw all figures into the source of the site; return the page."""
    import matplotlib as mpl

    (docs / FOLDER).mkdir(parents=True, exist_ok=True)
    mpl.use("Agg")  # of this process; notebooks run in others
    names: dict[str, Any] = {}
    cards, parts = [], []
    for kind, (title, code) in FIGURES.items():
        before = BEFORE.get(kind, "")
        _run(before, names)
        _draw(dedent(code).strip(), names, docs / FOLDER / f"{kind}.png")
        cards.append(_card(kind, title))
        parts.append(_section(kind, title, code, before))
    for kind, (title, code) in REPRS.items():
        cards.append(_card(kind, title, picture=False))
        parts.append(_page_of(kind, title, code, eval(code, names)))
    return "\n".join([HEAD, "::::{grid} 1 2 3 3", ":gutter: 2", "", *cards, "::::", "", *parts])


HEAD = """# Gallery

Each figure of `ds.physm.plot` and `fitted.plot`, and each object with a page of its own, with the
code that draws it. The predictions here are the truth with errors of a known size; with a model of
your own, use `fitted.predict(test)`. Figures return matplotlib's axes.
"""


def _run(code: str, names: dict[str, Any]) -> None:
    """Run code in the names of the page."""
    exec(compile(code, "gallery", "exec"), names)


def _draw(code: str, names: dict[str, Any], path: Path) -> None:
    """Run code and keep the figure that it drew last."""
    import matplotlib.pyplot as plt

    _run(code, names)
    plt.gcf().savefig(path, dpi=96, bbox_inches="tight")
    plt.close("all")


def _card(kind: str, title: str, *, picture: bool = True) -> str:
    """Return a card that leads to the section below."""
    image = f":img-top: {FOLDER}/{kind}.png\n:img-alt: {title}\n" if picture else ""
    return (
        f":::{{grid-item-card}} {title}\n:link: gallery-{kind}\n:link-type: ref\n"
        f":class-card: gallery\n{image}`{kind}`\n:::\n"
    )


def _section(kind: str, title: str, code: str, before: str) -> str:
    """Return the section of a figure: what comes before, its code, the figure."""
    needed = f"{before.strip()}\n\n" if before else ""
    return (
        f"(gallery-{kind})=\n## {title}\n\n```python\n{needed}{dedent(code).strip()}\n```\n\n"
        f"```{{image}} {FOLDER}/{kind}.png\n:alt: {title}\n```\n"
    )


def _page_of(kind: str, title: str, code: str, value: Any) -> str:
    """Return the section of an object that has a page of its own."""
    shown = value._repr_html_()
    return (
        f"(gallery-{kind})=\n## {title}\n\n```python\n{code}\n```\n\n"
        f"````{{raw}} html\n{shown}\n````\n"
    )
