"""The card of a model of cells, and in the words of estimators."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Mapping

from xsm.estimators import Estimator
from xsm.training.recipe import Recipe

__all__ = ["card_lines", "in_words_of"]


def card_lines(
    recipe: Recipe, members: Mapping[str, int], more: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Describe what a model of cells is given and what it predicts; titles to lines of a card.

    ``members`` are dimensions of an ensemble by their sizes; ``more`` are lines about the inputs.
    """
    said = ", ".join(f"{n} along {dim!r}" for dim, n in members.items())
    return {
        "target": recipe.target,
        **({"members": f"{said}: cells are places times members"} if members else {}),
        **({"shown": ", ".join(recipe.shown)} if recipe.shown else {}),
        **({"layers": _depths(recipe)} if recipe.depths else {}),
        "dynamic": ", ".join(recipe.dynamic)
        + (", observed target" if recipe.data_integration else ""),
        "static": ", ".join(recipe.static) or "none",
        **(
            {"input dropout": f"{recipe.input_dropout:g} of the inputs, told by masks"}
            if recipe.input_dropout
            else {}
        ),
        **(more or {}),
        **_run(recipe),
        ("lead" if recipe.sequence else "window, lead"): (
            f"{recipe.lead}" if recipe.sequence else f"{recipe.window}, {recipe.lead}"
        )
        + (" (forcing known)" if recipe.known_forcing else ""),
        **({"neighbours": f"{recipe.patch} x {recipe.patch} cells"} if recipe.patch > 1 else {}),
        "scaling": recipe.scaling
        + (", target by its bounds" if recipe.bounded else "")
        + (", offsets of cells" if recipe.cell_offset else ""),
    }


def _run(recipe: Recipe) -> dict[str, str]:
    """Describe the pieces of a record that trained."""
    if not recipe.sequence:
        return {}
    said = f"{recipe.sequence} steps, the first {recipe.warmup} not answered"
    if recipe.data_integration:
        first, last = recipe.latency
        age = f"{first} to {last} steps" if last > first else f"{first} step{'s' * (first > 1)}"
        said += f"; last observation at least {age} old"
    if recipe.cuts:
        said += f"; cut for {recipe.cuts} steps, the weather hidden after half of the cuts"
    return {"sequence": said}


def _depths(recipe: Recipe) -> str:
    """Describe the layers of a target."""
    return ", ".join("{:g}-{:g}".format(*depth) for depth in recipe.depths) + " m"


def in_words_of(cls: type[Estimator]) -> Callable[[Mapping[str, str]], dict[str, str]]:
    """Return what puts a card in the words of an estimator.

    What is minimised stands instead of the terms of a loss, what is counted instead of epochs, and
    the versions of what trained it are added.
    """

    def said(card: Mapping[str, str]) -> dict[str, str]:
        names = {"best epoch": cls.stage}
        found = {names.get(name, name): text for name, text in card.items()}
        modules = {n: importlib.import_module(n) for n in cls.requires}
        own = [f"{n} {getattr(m, '__version__', '?')}" for n, m in modules.items()]
        found["losses"] = cls.minimises
        found["versions"] = ", ".join([card["versions"], *own])
        return found

    return said
