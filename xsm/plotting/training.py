"""What happened in training: each term of the loss by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xsm.exceptions import MissingVariableError
from xsm.plotting.canvas import OBSERVED, colours_of, given_back, panels, plain_log
from xsm.typing import Array

if TYPE_CHECKING:
    from xsm.plotting.canvas import AxesLike

__all__ = ["plot_training"]


def plot_training(history: xr.Dataset, *, ax: AxesLike | None = None) -> Any:
    """Draw each term of the loss by epoch, for training and validation.

    Parameters
    ----------
    history : xarray.Dataset
        ``fitted.history``: terms, not weighted, on (part, epoch), or (member, part, epoch).
    ax : Axes or array of Axes, optional
        Draw into these, one for each term.

    Returns
    -------
    Axes or ndarray of Axes
        The total first; a dotted line where the best weights were kept. The loss is of the scaled
        target, so without units. Logarithmic where a term stays above 0 and falls to less than a
        fifth. Of an ensemble a thin line for each member.

    Raises
    ------
    MissingVariableError
        If the data are no history.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> history = xr.Dataset(
    ...     {"total": (("part", "epoch"), [[0.3, 0.2], [0.4, 0.3]])},
    ...     {"part": ["training", "validation"], "epoch": [1, 2]},
    ...     {"best_epoch": 2},
    ... )
    >>> ax = plot_training(history, ax=Figure().subplots())
    >>> ax.get_title(), ax.get_ylabel()
    ('total', 'loss of the scaled target [1]')
    """
    if not {"part", "epoch"} <= set(history.dims) or not history.data_vars:
        msg = f"The data have {dict(history.sizes)}; part and epoch are needed: fitted.history."
        raise MissingVariableError(msg)
    names = sorted(map(str, history.data_vars), key=lambda n: n != "total")
    axes = panels(len(names), ax=ax, columns=3, size=(4.0, 3.0), share="x")
    best = np.unique(np.atleast_1d(history.attrs.get("best_epoch", [])))
    for at, (panel, name) in enumerate(zip(axes, names, strict=True)):
        _draw(panel, history[name].compute())
        for k, epoch in enumerate(best):
            words = {} if k else {"label": "best weights"}
            panel.axvline(epoch, color=OBSERVED, linestyle=":", linewidth=1, **words)
        panel.set_title(name.replace("_", " "), fontsize="medium")
        panel.set_xlabel("epoch" if at + 3 >= len(names) else "")
        panel.set_ylabel("" if at % 3 else "loss of the scaled target [1]")
        panel.grid(alpha=0.3)
    _whole_epochs(axes[0], history["epoch"].values)
    axes[0].legend(frameon=False, fontsize="small")
    return given_back(axes)


def _draw(panel: Any, term: xr.DataArray) -> None:
    """Draw one term of the loss."""
    if _falls(term.values):
        panel.set_yscale("log")
        plain_log(panel.yaxis)
    epochs = term["epoch"].values
    marker = "o" if epochs.size < 15 else ""
    for part, colour in zip(term["part"].values, colours_of(term.sizes["part"]), strict=True):
        curve = term.sel(part=part)
        if not bool(curve.notnull().any()):
            continue
        lines = curve.transpose("epoch", ...).values.reshape(epochs.size, -1)
        width = 1.5 if lines.shape[1] == 1 else 0.8
        drawn = panel.plot(epochs, lines, color=colour, linewidth=width, marker=marker, ms=3)
        drawn[0].set_label(str(part))


def _falls(values: Array) -> bool:
    """Tell whether a term stays positive and falls by much."""
    finite = values[np.isfinite(values)]
    return bool(finite.size and finite.min() > 0 and finite.max() > 5 * finite.min())


def _whole_epochs(panel: Any, epochs: Array) -> None:
    """Let ticks be whole epochs."""
    from matplotlib.ticker import MaxNLocator

    panel.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if epochs.size == 1:
        panel.set_xlim(epochs[0] - 1, epochs[0] + 1)
