"""What every verb refuses before it works: times with a zone, what is no number, names of xsm."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
import xarray as xr

from xsm.data.byte_order import native
from xsm.exceptions import (
    GridError,
    NotEnoughDataError,
    UnitsError,
    UnknownNameError,
    check_dataset,
)

__all__ = [
    "OUTPUTS",
    "OWN_DIMS",
    "RESULTS",
    "check_dims",
    "check_input",
    "check_moving",
    "check_names",
    "check_numbers",
    "check_some",
    "check_target",
    "packed",
    "still_packed",
]


OWN_DIMS = frozenset(
    {"dynamic", "static", "source", "trend", "level", "pit_value", "probability", "feature"}
    | {"month", "dayofyear", "lag", "rank", "expert", "season"}
    | {"network_row", "recent_row", "seen_row", "question", "soil_layer"}
)
"""Dimensions that results and statistics of xsm have; no dimension of space may be one.

Those that are nowhere shown begin with an underscore.
"""

RESULTS = frozenset(
    {"inflow", "inflow_trend", "inflow_trend_filtered", "previous_observation"}  # water balance
    | {"consistency", "consistency_filtered", "observed_consistency", "excess", "always_drying"}
    | {"count", "count_filtered", "inconsistency", "observed_inconsistency", "out_of_range"}
    | {"residual", "flux", "change", "r", "rmse", "r2", "kge", "ubrmse", "bias", "mae", "skill"}
    | {"coverage", "width", "sharpness", "crps", "pit", "texture_class", "extrapolation"}
    | {"crps_skill", "spread_error", "acc", "rank_histogram", "dissimilarity", "applicable"}
    | {"theta_r", "theta_s", "vg_alpha", "vg_n", "k_sat", "air_entry", "trained_cell"}
    | {"soil_moisture", "evaporation", "surface_runoff", "drainage", "ponding"}
    | {"soil_water_flux", "root_water_uptake", "groundwater_storage", "expert_weight"}
    | {"expert_share"}
    | {"residual_rms", "share", "explained", "storage_change", "precipitation", "runoff"}
    | {"network", "recent", "seen", "age", "steps", "worst", "observation_age"}
    | {"terrestrial_water_storage", "unsaturated_storage", "snow_water_equivalent"}
    | {"groundwater_recharge", "soil_moisture_increment", "soil_moisture_of_layers"}
    | {"water_from_outside"}
)
"""Variables that results hold; no dimension and no coordinate of the data may be one."""

OUTPUTS = frozenset(
    {"extrapolation", "trained_cell", "expert_weight", "expert_share", "cell_area", "lead"}
    | {"init", "valid_time", "observation_age", "dissimilarity", "applicable"}
)
"""Variables and coordinates that predictions hold beside the target."""


def check_input(ds: xr.Dataset) -> None:
    """Refuse what is no Dataset, times with a zone, and labels that are missing or stand twice."""
    check_dataset(ds)
    _check_labels(ds)
    for dim, index in ds.indexes.items():
        zone = getattr(index.dtype, "tz", None)
        if zone is not None:
            msg = (
                f"Times along {dim!r} have the zone {zone}; plain times are needed, UTC where "
                f'days are those of UTC. Type ds = ds.assign_coords({dim}=ds.indexes["{dim}"]'
                '.tz_convert("UTC").tz_localize(None)).'
            )
            raise GridError(msg)


def _check_labels(ds: xr.Dataset) -> None:
    """Refuse labels that are missing or stand more than once: nothing can be told by them."""
    indexes = native(ds[[d for d in ds.dims if d in ds.indexes]]).indexes
    for dim, index in indexes.items():
        if dim in ds.dims and index.nlevels == 1 and index.hasnans:
            msg = (
                f"Labels along {dim!r} are missing at {int(index.isna().sum())} of {len(index)} "
                "places, so that nothing can be told by them. Leave these out: "
                f"ds = ds.isel({dim}=ds[{str(dim)!r}].notnull().values)."
            )
            raise GridError(msg)
    twice = {d: i[i.duplicated()] for d, i in indexes.items() if d in ds.dims and not i.is_unique}
    if twice:
        said = "; ".join(f"{found[0]} along {dim!r}" for dim, found in twice.items())
        dims = ", ".join(repr(dim) for dim in twice)
        msg = (
            f"Labels stand more than once: {said}. Keep the first of each: "
            f"ds = ds.drop_duplicates({dims if len(twice) == 1 else f'[{dims}]'}); or, where these "
            "are different places, give them labels of their own."
        )
        raise GridError(msg)


def check_numbers(array: xr.DataArray | xr.Variable, name: object, units: str = "1") -> None:
    """Refuse what holds no real numbers, and numbers that still have to be scaled.

    True and false are numbers of what is counted in 1, and of nothing that has other ``units``.
    """
    if array.dtype.kind == "b" and units != "1":
        msg = (
            f"{name!r} holds true and false, and numbers in {units} are needed. Give the values "
            f'that they were made of, or leave the variable out: ds = ds.drop_vars("{name}").'
        )
        raise UnitsError(msg)
    if array.dtype.kind not in "fiub":
        msg = (
            f"{name!r} holds {array.dtype}; real numbers are needed: "
            "ds[name].astype('float32') of each."
        )
        raise UnitsError(msg)
    if packed(array):
        raise UnitsError(still_packed(str(name)))


def packed(variable: xr.Variable | xr.DataArray) -> bool:
    """Tell whether values still have to be scaled: their attributes say so, and change them.

    What a mean makes of packed integers is a float with the same attributes.
    """
    pairs = (("scale_factor", 1), ("add_offset", 0))
    changed = any(np.any(np.asarray(variable.attrs.get(key, none)) != none) for key, none in pairs)
    return variable.dtype.kind in "iuf" and changed


def still_packed(name: str) -> str:
    """Say how to unpack a variable."""
    return (
        f"{name!r} holds packed integers, or what was made of them, as its scale_factor and "
        "add_offset say; values are needed. Type ds = xr.decode_cf(ds); or, where these are values "
        "already, delete both attributes."
    )


def check_moving(ds: xr.Dataset, dims: Iterable[str], roles: Collection[str]) -> None:
    """Refuse variables along some dimensions that a mean would make worse: packed ones of any kind.

    Those with a role have to be numbers; text beside the numbers, as flags are, is no fault.
    """
    for name, array in ds.data_vars.items():
        if not set(dims).isdisjoint(array.dims) and (name in roles or packed(array)):
            check_numbers(array, name)


def check_dims(dims: Iterable[object]) -> None:
    """Refuse dimensions of space that are named as those of results."""
    _check_taken(dims, OWN_DIMS, "dimensions")


def check_names(array: xr.DataArray, more: Collection[str] = ()) -> None:
    """Refuse an array with a dimension or a coordinate that is named as a variable of a result."""
    _check_taken([*array.dims, *array.coords], RESULTS | {*more}, "variables")


def _check_taken(given: Iterable[object], taken: Collection[str], what: str) -> None:
    """Refuse names that results have of their own."""
    odd = sorted(set(map(str, given)).intersection(taken))
    if odd:
        names = ", ".join(f"{d}='{d}_of_data'" for d in odd)
        msg = (
            f"The data have the dimensions or coordinates {odd}, which are names of {what} of "
            f"xsm's own results. Give them others: ds = ds.rename({names})."
        )
        raise GridError(msg)


def check_some(ds: xr.Dataset, *dims: str) -> None:
    """Refuse data without a step, or without a place, along some of their dimensions or any."""
    empty = [str(d) for d in dims or ds.dims if not ds.sizes[d]]
    if empty:
        msg = f"The data hold no step along {empty[0]!r}: nothing was selected."
        raise NotEnoughDataError(msg)


def check_target(name: object) -> None:
    """Refuse a target that is named as what lies beside it in a prediction."""
    if str(name) in OUTPUTS:
        msg = (
            f"The target is named {name!r}, which predictions hold beside the target. Give it "
            f"another name: ds = ds.rename({name}='{name}_of_data')."
        )
        raise UnknownNameError(msg)
