"""The page of a fitted model: its card, how it was trained, and its loss by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np
import xarray as xr

from xsm.markup import page, section, table
from xsm.typing import FloatArray

__all__ = ["model_html"]


_TRAINING = ("training", "validation", "losses", "best epoch", "calibration", "seconds")
_SETTINGS = ("settings", "versions")
_WIDE, _HIGH, _LEFT, _TOP = 380, 120, 52, 18  # of the curve and its margins, pixels
_SAMPLES = 300  # points of a curve


def model_html(name: str, card: Mapping[str, str], history: xr.Dataset, text: str) -> str:
    """Return the page of a fitted model: the card in sections that fold, a curve, the history.

    ``card`` by title, ``history`` the loss terms by epoch, ``text`` the same as plain text.
    """
    groups = {
        "inputs and output": [k for k in card if k not in {*_TRAINING, *_SETTINGS}],
        "training": [k for k in _TRAINING if k in card],
        "settings and versions": [k for k in _SETTINGS if k in card],
    }
    body = "".join(
        section(title, table([(k, card[k]) for k in keys]), opened="settings" not in title)
        for title, keys in groups.items()
        if keys
    )
    if history.data_vars:
        inside = _curve(history) + history._repr_html_()
        body += section(
            "history of the loss", inside, count=history.sizes.get("epoch"), opened=False
        )
    return page("xsm.FittedModel", name, body, text)


def _curve(history: xr.Dataset) -> str:
    """Return the total loss by epoch as a drawing; none where there are fewer than two epochs."""
    if "total" not in history or not {"part", "epoch"} <= set(history["total"].dims):
        return ""
    total = history["total"]
    total = total.mean("member") if "member" in total.dims else total
    values = total.transpose("part", "epoch").values
    finite = values[np.isfinite(values)]
    if total.sizes["epoch"] < 2 or not finite.size:
        return ""
    epochs = total["epoch"].values.astype(float)
    low, high = float(finite.min()), float(finite.max())
    lines = [
        _line(epochs, row, (low, high), str(part), place)
        for place, (part, row) in enumerate(zip(total["part"].values, values, strict=True))
        if np.isfinite(row).any()
    ]
    ends = (
        f'<text x="{_LEFT - 4}" y="{_TOP + 4}" text-anchor="end">{high:.3g}</text>'
        f'<text x="{_LEFT - 4}" y="{_TOP + _HIGH}" text-anchor="end">{low:.3g}</text>'
        f'<text x="{_LEFT}" y="{_TOP + _HIGH + 14}">epoch {epochs[0]:g}</text>'
        f'<text x="{_LEFT + _WIDE}" y="{_TOP + _HIGH + 14}" text-anchor="end">{epochs[-1]:g}</text>'
    )
    wide, tall = _LEFT + _WIDE + 8, _TOP + _HIGH + 20
    return (
        f'<svg class="xsm-curve" width="{wide}" height="{tall}" viewBox="0 0 {wide} {tall}" '
        f'role="img" aria-label="total loss by epoch">{ends}{"".join(lines)}</svg>'
    )


def _line(
    epochs: FloatArray, values: FloatArray, limits: tuple[float, float], part: str, place: int
) -> str:
    """Return the curve of one part, with its name."""
    known = np.flatnonzero(np.isfinite(values))
    known = known[:: max(1, known.size // _SAMPLES)]
    span = max(epochs[-1] - epochs[0], 1e-12), max(limits[1] - limits[0], 1e-300)
    x = _LEFT + _WIDE * (epochs[known] - epochs[0]) / span[0]
    y = _TOP + _HIGH * (limits[1] - values[known]) / span[1]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    colour = "var(--xsm-first)" if place == 0 else "var(--xsm-second)"
    named = (
        f'<text x="{_LEFT + 90 * place + 100}" y="11" style="fill:{colour}">{escape(part)}</text>'
    )
    return (
        f'<polyline points="{points}" style="fill:none;stroke:{colour};stroke-width:1.5"/>{named}'
    )
