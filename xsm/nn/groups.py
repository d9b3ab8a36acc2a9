"""Which inputs each expert of a mixture sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from xsm.exceptions import UnknownNameError, did_you_mean
from xsm.nn.base import Sizes

__all__ = ["GROUPS", "Groups", "channel_names", "resolve_groups"]


Groups: TypeAlias = Mapping[str, Sequence[str] | str] | Sequence[tuple[str, Sequence[str] | str]]

GROUPS: Mapping[str, tuple[str, ...]] = {
    "precipitation": ("precipitation", "rainfall"),
    "temperature": ("air_temperature",),
    "radiation": ("shortwave_down", "longwave_down"),
    "humidity_pressure": (
        "specific_humidity",
        "relative_humidity",
        "dew_point_temperature",
        "surface_pressure",
    ),
    "wind": ("wind_speed", "eastward_wind", "northward_wind"),
    "snow": ("snowfall", "snow_water_equivalent", "snow_cover"),
    "evaporation": ("evaporation", "potential_evaporation"),
    "soil": ("soil_temperature", "soil_moisture", "satellite_soil_moisture", "soil_wetness"),
    "lake": (
        "lake_temperature",
        "lake_mixed_layer_depth",
        "lake_ice_depth",
        "lake_ice_temperature",
    ),
}
"""Experts by default, and the roles that each sees where the data hold them."""


def channel_names(sizes: Sizes) -> tuple[str, ...]:
    """Return the names of a network's dynamic inputs, without those of data integration.

    Parameters
    ----------
    sizes : Sizes
        Sizes of inputs and outputs.

    Returns
    -------
    tuple of str
        ``sizes.names``; where there are none, ``input_0``, ``input_1`` and so on.

    Examples
    --------
    >>> channel_names(Sizes(dynamic=2, static=0, window=3))
    ('input_0', 'input_1')
    """
    return sizes.names or tuple(f"input_{k}" for k in range(sizes.dynamic))


def resolve_groups(names: Sequence[str], groups: Groups | None) -> dict[str, tuple[str, ...]]:
    """Return the inputs of each expert.

    Parameters
    ----------
    names : sequence of str
        The dynamic inputs that there are, by role, or by name where they have none.
    groups : mapping of str to sequence of str, pairs of these, or None
        Inputs by the name of the expert; an input may belong to several. None takes those of
        :data:`GROUPS` that there are; an input that is in none of them gets an expert of its own.

    Returns
    -------
    dict of str to tuple of str
        At least one input for each expert, and at least one expert for each input.

    Raises
    ------
    UnknownNameError
        If ``groups`` is no mapping, a group is empty or names what is no dynamic input, or an
        input is in no group; all in one error, with the near misses.

    Examples
    --------
    >>> resolve_groups(["precipitation", "shortwave_down", "longwave_down", "canopy"], None)
    {'precipitation': ('precipitation',), 'radiation': ('shortwave_down', 'longwave_down'),
     'canopy': ('canopy',)}
    """
    if groups is None:
        kept = {k: tuple(n for n in v if n in names) for k, v in GROUPS.items()}
        known = {n for members in kept.values() for n in members}
        own = {n: (n,) for n in names if n not in known}
        return {k: v for k, v in kept.items() if v} | own
    try:
        pairs = dict(groups)
        found = {str(k): (v,) if isinstance(v, str) else tuple(v) for k, v in pairs.items()}
    except (TypeError, ValueError) as error:
        msg = (
            f"groups={groups!r:.100} was given; the inputs of each expert are needed by its name, "
            'such as groups={"water": ["precipitation"], "heat": ["air_temperature"]}.'
        )
        raise UnknownNameError(msg) from error
    problems = [f"the group {name!r} is empty" for name, members in found.items() if not members]
    problems += [
        f"{member!r} (in {name!r}) is no dynamic input. {did_you_mean(member, names)}"
        for name, members in found.items()
        for member in members
        if member not in names
    ]
    if left := [n for n in names if all(n not in members for members in found.values())]:
        problems.append(f"{left} are in no group: add them to one, or leave them out of dynamic=")
    if problems:
        msg = (
            f"groups={found!r:.300} does not fit: {'; '.join(problems)}. Name inputs among "
            f"{list(names)}; static maps are shared by all experts."
        )
        raise UnknownNameError(msg)
    return found
