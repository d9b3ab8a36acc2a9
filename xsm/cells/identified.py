"""What of an account the observations that are shown do not tell, in words."""

from __future__ import annotations

from collections.abc import Sequence

from xsm.exceptions import warn_outside
from xsm.training.recipe import Recipe

__all__ = ["tell_unidentified", "unidentified"]


_STORAGES = {"terrestrial_water_storage", "groundwater_storage"}


def unidentified(recipe: Recipe, layers: Sequence[float]) -> tuple[str, ...]:
    """Return what is answered and not identified by what is shown; ``layers`` end at so many m."""
    shown, found = set(recipe.shown), []
    if not shown & {"evaporation", "runoff"}:
        found.append("how the water that leaves divides into evaporation and runoff")
    if shown & _STORAGES:
        found.append("levels of storages, which are compared as anomalies")
    if "soil_moisture" not in shown:
        found.append("levels of soil moisture")
    else:
        own = recipe.depths or ((recipe.layer,) if recipe.layer else ())
        lowest = max((lower for _, lower in own), default=0.0)
        if any(bottom > lowest + 1e-6 for bottom in layers):
            found.append(f"levels of soil moisture below {lowest:g} m")
    return tuple(found)


def tell_unidentified(missing: Sequence[str], shown: Sequence[str]) -> None:
    """Warn where an account divides what leaves it by a prior alone."""
    if missing and missing[0].startswith("how"):
        warn_outside(
            f"What is shown ({', '.join(shown)}) does not identify {'; '.join(missing)}: these "
            "follow from priors (the climate, by Budyko's curve). Show evaporation or runoff where "
            'they are known, target=["soil_moisture", "evaporation"]; train members=5, whose '
            "spread says how far such answers disagree."
        )
