"""The mean of several models, weighted by how well they did on data of one's own."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import xarray as xr

from xsm.api.fitted import FittedModel
from xsm.cells.apply import predict_cells, read_for
from xsm.data.joins import common
from xsm.data.naming import stated
from xsm.data.provenance import recorded
from xsm.evaluation.metrics import scored_pair
from xsm.exceptions import NotEnoughDataError, UnknownNameError
from xsm.typing import Array, FloatArray

__all__ = ["Blend", "blend"]


@dataclass(frozen=True, eq=False)
class Blend:
    """Several models of one target, and the weight of each; :func:`xsm.blend` makes it.

    Parameters
    ----------
    models : tuple of FittedModel
        The models.
    weights : tuple of float
        Theirs, of a sum of 1, none negative.
    """

    models: tuple[FittedModel, ...]
    weights: tuple[float, ...]

    def predict(self, ds: xr.Dataset, *, variables: Mapping[str, str] | None = None) -> xr.Dataset:
        """Predict the target as the weighted mean of the models.

        Parameters
        ----------
        ds : xarray.Dataset
            Inputs of all models.
        variables : mapping of str to str, optional
            Role to variable name, as of :func:`xsm.predict`.

        Returns
        -------
        xarray.Dataset
            The target under its name and in its units, at the labels that all models predict; NaN
            where one of them has none. Lazy where the inputs are. ``lead`` is the shortest of the
            models', whose inputs the blend needs. What models answer beside their target is not in
            it: a blend of soil moisture has no account.
        """
        each = [model.predict(ds, variables=variables) for model in self.models]
        names = [n for n in map(str, each[0].data_vars) if _is_target(n, each)]
        parts = _same([one[names] for one in each])
        with xr.set_options(keep_attrs=True):
            found = sum(w * part for w, part in zip(self.weights[1:], parts[1:], strict=True))
            found = self.weights[0] * parts[0] + found
        leads = [one["lead"] for one in each if "lead" in one.coords]
        if len(leads) == len(each):
            found = found.assign_coords(lead=min(leads, key=lambda lead: lead.values[()]))
        found = found.astype(np.float32)
        said = " + ".join(
            f"{w:.3f} {m.name}" for w, m in zip(self.weights, self.models, strict=True)
        )
        title = f"{', '.join(names)} predicted by a blend"
        found.attrs = {"title": title, "target": each[0].attrs["target"], "model": said}
        return recorded(found, f"predict by a blend of {said}", of=ds)

    def __repr__(self) -> str:
        """Return models and weights as text."""
        rows = zip(self.weights, self.models, strict=True)
        return "\n".join(["<xsm.Blend>", *(f"  {w:.3f}  {m.name}" for w, m in rows)])


def blend(
    models: Sequence[FittedModel],
    ds: xr.Dataset,
    *,
    variables: Mapping[str, str] | None = None,
    product: str | None = None,
) -> Blend:
    """Weigh models of one target by their errors, so that the mean of them errs least.

    Parameters
    ----------
    models : sequence of FittedModel
        Two or more, of any kinds, of cells.
    ds : xarray.Dataset
        Inputs and observations that none of them was trained on: what validates.
    variables : mapping of str to str, optional
        Role to variable name, as of :func:`xsm.predict`.
    product : str, optional
        The product that the data are of, where it is not recognised.

    Returns
    -------
    Blend
        With ``weights`` and ``predict(ds)``.

    Raises
    ------
    UnknownNameError
        If there are fewer than two models, or their targets differ.
    NotEnoughDataError
        If there is no step that all predict and that was observed.

    Notes
    -----
    With the errors e_k of the models at all steps and cells where all predict, the weights
    minimise ``mean((sum_k w_k e_k)^2)`` with ``w_k >= 0`` and ``sum_k w_k = 1`` (Bates and Granger
    1969, with errors that are correlated and may have a mean): on ``ds`` the blend errs no more
    than the best of the models, elsewhere it mostly does not.

    References
    ----------
    Bates, J. M. and Granger, C. W. J. (1969). Oper. Res. Q. 20:451-468.

    Examples
    --------
    >>> import xsm
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    >>> short = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}
    >>> pair = [xsm.fit(ds, name, **short) for name in ("lstm", "phy_lstm")]
    >>> round(sum(xsm.blend(pair, ds).weights), 6)
    1.0
    """
    listed = tuple(models)
    targets = {(m.recipe.target, m.recipe.depths, m.recipe.layer) for m in listed}
    if len(listed) < 2 or len(targets) > 1:
        said = ", ".join(f"{m.name} of {m.recipe.target}" for m in listed)
        msg = (
            f"Models {said or 'none'} were given; two or more of one target and depth are needed: "
            "xsm.blend([fitted, other], ds)."
        )
        raise UnknownNameError(msg)
    ds, errors = stated(ds, product), []
    for model in listed:
        reading = read_for(model, ds, variables)
        found = predict_cells(model, reading, batch_size=None, device="auto")
        observed, mean = scored_pair(reading, found, model.recipe.target)
        errors.append(mean - observed)
    products, count = _products(errors)
    if not count:
        msg = (
            "There is no step that all models predict and that was observed. Pass data that hold "
            "the target, longer than the warm-up of each."
        )
        raise NotEnoughDataError(msg)
    return Blend(listed, tuple(map(float, least_error(products))))


def _products(errors: Sequence[xr.DataArray]) -> tuple[FloatArray, int]:
    """Return the mean products of errors where all are known, and how many these are."""
    same = _same([error.astype(np.float64) for error in errors])
    known = functools.reduce(operator.and_, (error.notnull() for error in same))
    pairs = list(combinations_with_replacement(range(len(same)), 2))
    sums = {f"{i} {j}": (same[i] * same[j]).where(known).sum() for i, j in pairs}
    found = xr.Dataset({**sums, "count": known.sum()}).reset_coords(drop=True).compute()
    products, count = np.zeros((len(same), len(same))), int(found["count"])
    for i, j in pairs:
        products[i, j] = products[j, i] = float(found[f"{i} {j}"]) / max(count, 1)
    return products, count


def _same(arrays: Sequence[Any]) -> list[Any]:
    """Return predictions, all arrays or all data sets, at the labels that all have; no leads."""
    bare = [array.drop_vars("lead", errors="ignore") for array in arrays]
    first, rest = common(bare[0], {f"model {k}": one for k, one in enumerate(bare[1:], 1)})
    return [first, *rest.values()]


def least_error(products: FloatArray) -> FloatArray:
    """Return weights, none negative, of a sum of 1, whose mean errs least.

    Parameters
    ----------
    products : ndarray (model, model)
        Mean products of the errors of each pair.

    Returns
    -------
    ndarray (model,)
        The best of all sets of models whose own best weights are positive.

    Examples
    --------
    >>> least_error(np.array([[1.0, 0.0], [0.0, 3.0]]))
    array([0.75, 0.25])
    """
    count = len(products)
    best = np.eye(count)[int(np.argmin(np.diag(products)))]
    for number in range(1, 2**count):
        some = np.flatnonzero([number >> k & 1 for k in range(count)])
        weights = np.zeros(count)
        weights[some] = _unbound(products[np.ix_(some, some)])
        if (weights >= 0).all() and _error(weights, products) < _error(best, products):
            best = weights
    return best


def _unbound(products: FloatArray) -> Array:
    """Return the weights of a sum of 1 that err least, of any sign."""
    found = np.linalg.lstsq(products, np.ones(len(products)), rcond=None)[0]
    total = found.sum()
    return np.asarray(found / total if total > 0 else np.full(len(found), -1.0))


def _error(weights: FloatArray, products: FloatArray) -> float:
    """Return the mean square error of a mean."""
    return float(weights @ products @ weights)


def _is_target(name: str, each: Sequence[xr.Dataset]) -> bool:
    """Tell whether all models answer a variable, and it is no flag."""
    return all(name in one and one[name].dtype.kind == "f" for one in each) and not name.endswith(
        ("_std", "_quantile")
    )
