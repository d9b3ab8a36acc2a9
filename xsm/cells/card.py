"""The card of a model of cells, and in the words of estimators."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xsm.artefact.card import made_of, outcome
from xsm.cells.estimation import Estimated
from xsm.cells.features import Features
from xsm.estimators import Estimator
from xsm.losses import Loss
from xsm.training.job import Trained
from xsm.training.recipe import Recipe
from xsm.training.splits import Split

__all__ = ["card_of", "make_card"]


def make_card(
    recipe: Recipe,
    features: Features,
    split: Split,
    trained: Trained | Estimated,
    losses: Sequence[Loss],
    settings: Mapping[str, Any],
    seconds: float,
) -> dict[str, str]:
    """Describe a fitted model in words.

    Parameters
    ----------
    recipe : Recipe
        Its inputs and output.
    features : Features
        What it was given.
    split : Split
        Steps that trained and validated.
    trained : Trained or Estimated
        What the training returned.
    losses : sequence of Loss
        Terms of the loss.
    settings : mapping of str to Any
        All settings of the training.
    seconds : float
        How long it took.

    Returns
    -------
    dict of str to str
        Lines of the card by their titles; ``print(fitted)`` shows them.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(4, 6), longitude=slice(20, 22))
    >>> fitted = xsm.fit(ds, "lstm", epochs=1, iterations=2, hidden_size=4, progress=False)
    >>> fitted.card["target"], fitted.card["losses"]
    ('soil_moisture', '1 rmse')
    """
    times = features.target[features.time].values if features.target is not None else np.array([])
    card = {
        "target": recipe.target,
        **({"layers": _depths(recipe)} if recipe.depths else {}),
        "dynamic": ", ".join(recipe.dynamic)
        + (", observed target" if recipe.data_integration else ""),
        "static": ", ".join(recipe.static) or "none",
        "window, lead": f"{recipe.window}, {recipe.lead}"
        + (" (forcing known)" if recipe.known_forcing else ""),
        **({"neighbours": f"{recipe.patch} x {recipe.patch} cells"} if recipe.patch > 1 else {}),
        "scaling": recipe.scaling + (", target by its bounds" if recipe.bounded else ""),
        **outcome(trained.history, trained.samples, times, split, losses),
        **made_of(settings, seconds),
    }
    return card_of(card, trained.model) if isinstance(trained, Estimated) else card


def _depths(recipe: Recipe) -> str:
    """Describe the layers of a target."""
    return ", ".join("{:g}-{:g}".format(*depth) for depth in recipe.depths) + " m"


def card_of(card: Mapping[str, str], estimator: Estimator) -> dict[str, str]:
    """Return a card in the words of estimators.

    Parameters
    ----------
    card : mapping of str to str
        That of :func:`xsm.api.fitted.make_card`.
    estimator : Estimator
        What it describes.

    Returns
    -------
    dict of str to str
        What is minimised instead of the terms of a loss, what is counted instead of epochs, and
        the versions of what trained it.

    Examples
    --------
    >>> from xsm.models.random_forest import RandomForest
    >>> forest = RandomForest(Sizes(dynamic=1, static=0, window=7))
    >>> card = {"losses": "", "best epoch": "9 of 9", "versions": "xsm 1"}
    >>> card_of(card, forest)["trees"]
    '9 of 9'
    """
    names = {"best epoch": estimator.stage}
    found = {names.get(name, name): text for name, text in card.items()}
    modules = {n: importlib.import_module(n) for n in estimator.requires}
    own = [f"{n} {getattr(m, '__version__', '?')}" for n, m in modules.items()]
    found["losses"] = estimator.minimises
    found["versions"] = ", ".join([card["versions"], *own])
    return found
