"""What each expert of a mixture says, how much it counts, and how much is lost without it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import torch
import xarray as xr
from scipy.stats import rankdata

from xsm.artefact.learnt import Learnt
from xsm.cells.alignment import scaling_for
from xsm.cells.alike import alike_remark
from xsm.cells.apply import inputs_of, label, read_for, tell_faulty_target
from xsm.cells.features import Features
from xsm.cells.prediction import predict_lazily
from xsm.data.doubt import guards_of
from xsm.data.joins import at_labels, common, snap
from xsm.data.naming import ROLES
from xsm.data.reading import Reading
from xsm.estimators import Estimator
from xsm.exceptions import MissingVariableError, NotEnoughDataError, UnknownNameError, warn_outside
from xsm.hydrology.soil.layering import DEPTH
from xsm.nn import ExpertLSTM, Model, members_of
from xsm.physics.rounding import significant
from xsm.typing import Array

__all__ = ["By", "agreement", "expert_means", "importance", "predict_experts", "tell"]


By: TypeAlias = str | xr.DataArray | Sequence[str | xr.DataArray] | None
_ALIKE = 0.02  # shares below count as equal: which of two that hardly matter is first is chance
_AGREED = 0.5  # rank correlation of weight and permutation
_SEASONS = ("DJF", "MAM", "JJA", "SON")
_LEAST = 8  # steps: fewer cannot be moved along time by a quarter of them


def expert_means(
    fitted: Learnt, reading: Reading, *, batch_size: int | None, device: str
) -> tuple[dict[str, dict[str, xr.DataArray]], xr.Dataset]:
    """Return what each expert says, and the statistics on the cells of the data.

    By expert, ``mean`` (time, *space [, depth]) in canonical units and ``extrapolation``; lazy
    where the data are. A model without experts is refused.
    """
    place = fitted.model.choose_place(device)
    network = copy.deepcopy(fitted.model)
    mixtures = _mixtures(network, fitted.name)
    for mixture in mixtures:
        mixture.apart = True
    features = inputs_of(fitted, reading, with_target=fitted.recipe.data_integration)
    scaling = scaling_for(fitted.scaling, features, bounded=fitted.recipe.bounded)
    found = predict_lazily(
        network,
        fitted.recipe,
        scaling,
        features,
        token=f"{fitted.token}-apart",
        batch_size=batch_size,
        device=place,
        guards=guards_of(reading, features.here),
    )
    flag, names = found["extrapolation"], mixtures[0].groups
    return {k: {"mean": found[f"mean of {k}"], "extrapolation": flag} for k in names}, scaling


def predict_experts(
    fitted: Learnt,
    ds: xr.Dataset,
    *,
    batch_size: int | None,
    device: str,
    variables: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Predict the target by each expert of a mixture, see :meth:`xsm.FittedModel.experts`."""
    _mixtures(fitted.model, fitted.name)
    reading = read_for(fitted, ds, variables)
    tell_faulty_target(fitted, reading)
    means, scaling = expert_means(fitted, reading, batch_size=batch_size, device=device)
    made = [label(fitted, found, reading, scaling) for found in means.values()]
    beside = [n for n in made[0].data_vars if "ancillary_variables" not in made[0][n].attrs]
    parts = [part.drop_vars(beside) for part in made]
    joined = xr.concat(parts, xr.DataArray(list(means), dims="expert", name="expert"))
    for name in joined.data_vars:
        joined[name].attrs.pop("ancillary_variables")
    return joined.transpose(..., "expert")


def importance(
    fitted: Learnt,
    ds: xr.Dataset,
    *,
    by: By = None,
    repeats: int = 3,
    seed: int = 0,
    batch_size: int | None = None,
    device: str = "auto",
    variables: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Return the mean weight of each expert, and the loss of accuracy without its inputs.

    See :meth:`xsm.FittedModel.importance`. Lazy where the data are: ``1 + repeats * expert``
    predictions. Inputs are permuted by turning their series around, by the same number of steps, at
    least a quarter of the series, in all cells: each keeps its own memory and its neighbours, which
    a shuffle would destroy. The turn of the year moves with them.
    """
    place = fitted.model.choose_place(device)
    mixture, *others = _mixtures(fitted.model, fitted.name)
    reading = read_for(fitted, ds, variables)
    features = inputs_of(fitted, reading, with_target=True)
    moves = _moves(features.steps - fitted.recipe.window + 1, repeats, seed)

    def run(given: Features, member: int | None = None) -> Mapping[str, xr.DataArray]:
        return predict_lazily(
            fitted.model if member is None else members_of(fitted.model)[member],
            fitted.recipe,
            scaling_for(fitted.scaling, given, bounded=fitted.recipe.bounded),
            given,
            token=fitted.token if member is None else f"{fitted.token}-member-{member}",
            batch_size=batch_size,
            device=place,
        )

    found = run(features)
    observed = features.observed
    error = _square(found["mean"], observed)
    parts = _parts(by, reading.ds, found["mean"], features)
    whole = _mean(error, parts, features)
    weight = _mean(found["expert_weight"], parts, features)
    rows = []
    for members in mixture.groups.values():
        moved = [_mean(_permuted(run, features, members, m, error), parts, features) for m in moves]
        rows.append(_root(sum(moved[1:], moved[0]) / len(moved)))
    names = xr.DataArray(list(mixture.groups), dims="expert", name="expert")
    permuted: xr.DataArray = xr.concat(rows, names)
    result = _table(weight, permuted, _root(whole), moves, fitted)
    words = {"long_name": "mean share of the expert in the prediction", "units": "1"}
    result["share"] = _mean(found["expert_share"], parts, features).assign_attrs(words)
    if others:
        each = [
            _mean(run(features, k)["expert_weight"], parts, features)
            for k in range(len(others) + 1)
        ]
        words = {"long_name": "standard deviation of the weight over the members", "units": "1"}
        result["weight_std"] = xr.concat(each, "_member").std("_member").assign_attrs(words)
    if found["expert_weight"].chunks is None:
        copies = alike_remark(features, mixture.groups)
        tell(mixture, found, result["agreement"], copies)
    return result


def _mixtures(model: Model | Estimator, name: str) -> list[ExpertLSTM]:
    """Return the network of a model with experts, or each of an ensemble, and refuse others."""
    found = [member for member in members_of(model) if isinstance(member, ExpertLSTM)]
    if not found:
        msg = (
            f"The model {name!r} has no experts. Train one that has: "
            "ds.physm.fit('ismoe'), or 'mean_expert' for experts of equal weights."
        )
        raise UnknownNameError(msg)
    return found


def _moves(steps: int, repeats: int, seed: int) -> list[int]:
    """Return by how many steps inputs are moved along time: at least a quarter of the series."""
    if repeats < 1 or steps < _LEAST:
        msg = (
            f"repeats={repeats} and {max(steps, 0)} predicted steps were given; at least 1 and "
            f"{_LEAST} are needed to permute inputs along time. Pass repeats=3, or a longer series."
        )
        raise NotEnoughDataError(msg)
    quarter = steps // 4
    drawn = np.random.default_rng(seed).integers(quarter, steps - quarter, repeats)
    return [int(move) for move in drawn]


def _permuted(
    run: Callable[[Features], Mapping[str, xr.DataArray]],
    features: Features,
    members: Sequence[str],
    move: int,
    error: xr.DataArray,
) -> xr.DataArray:
    """Return the squared error where some inputs come from another time; NaN as in ``error``."""
    rolled = {name: features.dynamic[name].roll({features.time: move}) for name in members}
    found = run(replace(features, dynamic={**features.dynamic, **rolled}))
    return _square(found["mean"], features.observed).where(error.notnull())


def _square(mean: xr.DataArray, observed: xr.DataArray) -> xr.DataArray:
    """Return the squared error (time, *space), of all layers together, on the common steps."""
    other, near = common(observed, {"the prediction": mean})
    error = (near["the prediction"].astype(np.float64) - other) ** 2
    return error.mean(DEPTH) if DEPTH in error.dims else error


def _root(square: xr.DataArray) -> xr.DataArray:
    """Return the square root."""
    return square**0.5


def _parts(by: By, ds: xr.Dataset, mean: xr.DataArray, features: Features) -> list[xr.DataArray]:
    """Return for each division the membership (part, time or *space), 1 or 0."""
    wanted = [] if by is None else [by] if isinstance(by, str | xr.DataArray) else list(by)
    found = []
    for one in wanted:
        if isinstance(one, str) and one == "season":
            labels = mean[features.time].dt.season
            found.append(_membership(labels, "season", _SEASONS))
        else:
            found.append(_regions(one, ds, features))
    return found


def _regions(by: str | xr.DataArray, ds: xr.Dataset, features: Features) -> xr.DataArray:
    """Return the membership of cells in the regions of a map."""
    if isinstance(by, str) and by not in ds.variables:
        msg = (
            f"by={by!r} was given: pass 'season', a map of regions (a DataArray of labels or of "
            f"True and False on {list(features.space)}), or the name of one among "
            f"{sorted(map(str, ds.variables))}."
        )
        raise UnknownNameError(msg)
    labels = ds[by] if isinstance(by, str) else by
    if not set(labels.dims) <= set(features.space):
        msg = f"The map of regions lies on {labels.dims}; {list(features.space)} are needed."
        raise MissingVariableError(msg)
    if not (labels.notnull() & (labels != "")).any():
        msg = (
            f"The map of regions {labels.name!r} names none: it is empty on the cells of the data. "
            "A map on other coordinates has to be brought to theirs first: "
            "map.reindex_like(ds, method='nearest')."
        )
        raise MissingVariableError(msg)
    name = "region" if labels.name is None else str(labels.name)
    name = "region" if name in {*features.space, features.time, "expert", "season"} else name
    return _membership(labels, name, None)


def _membership(labels: xr.DataArray, name: str, values: Sequence[Hashable] | None) -> xr.DataArray:
    """Return 1 where a label is each of the values, which are found where they are not given."""
    held = labels.values
    if values is None:
        seen: Array = np.unique(held)
        values = [v for v in seen.tolist() if v == v and v != ""]  # noqa: PLR0124  # not NaN
    bare = labels.drop_vars([c for c in labels.coords if c not in labels.dims])
    parts = [bare.isin([value]).astype(np.float64) for value in values]
    return xr.concat(parts, xr.DataArray(list(values), dims=name, name=name))


def _mean(values: xr.DataArray, parts: Sequence[xr.DataArray], features: Features) -> xr.DataArray:
    """Return the mean of an array over time and space in each part; NaN counts for nothing."""
    dims = [d for d in values.dims if d in {features.time, *features.space}]
    there = values.notnull()
    near = [snap(part, values) for part in parts]
    labels = [{str(d): values.indexes[d] for d in p.dims if d in values.indexes} for p in near]
    on = [at_labels(p, at, fill_value=0.0) for p, at in zip(near, labels, strict=True)]
    total = xr.dot(values.fillna(0.0).astype(np.float64), *on, dim=dims)
    count = xr.dot(there.astype(np.float64), *on, dim=dims)
    return total / count.where(count > 0)


def _table(
    weight: xr.DataArray,
    permuted: xr.DataArray,
    whole: xr.DataArray,
    moves: Sequence[int],
    fitted: Learnt,
) -> xr.Dataset:
    """Put weights and losses side by side."""
    role = ROLES.get(fitted.recipe.target)
    units = {"units": fitted.variable.units if role is None else role.units}
    loss = significant(permuted - whole, whole)
    gain = loss.clip(min=0.0)
    share = gain / gain.sum("expert").where(gain.sum("expert") > 0)
    words = {
        "weight": (weight, {"long_name": "mean weight of the expert", "units": "1"}),
        "permutation": (loss, {"long_name": "rise of the RMSE with permuted inputs", **units}),
        "permutation_share": (share, {"long_name": "share of all rises", "units": "1"}),
        "rmse": (whole, {"long_name": "RMSE with true inputs", **units}),
        "agreement": (
            agreement(weight, share),
            {"long_name": "rank correlation of weight and permutation_share", "units": "1"},
        ),
    }
    arrays = {k: a.assign_attrs(attrs) for k, (a, attrs) in words.items()}
    return xr.Dataset(arrays, attrs={"model": fitted.name, "moved_by_steps": list(moves)})


def agreement(weight: xr.DataArray, share: xr.DataArray) -> xr.DataArray:
    """Return Spearman's correlation over the experts, NaN where either orders none."""
    whole = [part.chunk({"expert": -1} if part.chunks else {}) for part in (weight, share)]
    return xr.apply_ufunc(
        _spearman,
        *whole,
        input_core_dims=[["expert"], ["expert"]],
        dask="parallelized",
        output_dtypes=[np.float64],
    )


def _spearman(*parts: Array) -> Array:
    """Return the correlation of ranks (..., expert); shares below 0.02 count as equal."""
    known = [np.where(p < _ALIKE, 0.0, np.nan_to_num(p)) for p in parts]
    ranks = [rankdata(p, axis=-1) for p in known]
    one, other = (r - r.mean(axis=-1, keepdims=True) for r in ranks)
    size = np.sqrt((one**2).sum(-1) * (other**2).sum(-1))
    found: Array = (one * other).sum(-1) / np.where(size > 0, size, np.nan)
    return found


def tell(
    mixture: ExpertLSTM,
    found: Mapping[str, xr.DataArray],
    agreement: xr.DataArray,
    copies: str | None,
) -> None:
    """Tell of a collapse, of experts that never matter, of copies, and of weights that mislead."""
    names = ("expert_weight", "expert_share")
    said = mixture.remarks({n: torch.from_numpy(np.ascontiguousarray(found[n])) for n in names})
    said = (*said, *([copies] if copies else []))
    least = float(agreement.fillna(1.0).min())
    if mixture.router is not None and least < _AGREED:
        said += (
            "Weights and permutation importance order the experts differently: their rank "
            f"correlation falls to {least:.2f}. Where they disagree, believe 'permutation': see "
            "'agreement' for each part, and train longer, with xsm.losses.Absence() in losses=, as "
            "usual.",
        )
    for remark in said:
        warn_outside(remark)
