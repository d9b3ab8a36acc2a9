"""What a cross-validation has found: predictions of what was left out, scores, and the models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from xsm.api.fitted import FittedModel
from xsm.cells.domain import learn_domain
from xsm.data.folds import Folds
from xsm.data.reading import Reading
from xsm.exceptions import UnknownNameError
from xsm.markup import page, section, table

__all__ = ["CrossValidation"]


_SHOWN = ("r", "rmse", "bias")


@dataclass(frozen=True, eq=False, repr=False)
class CrossValidation:
    """What :func:`xsm.cross_validate` has found.

    Parameters
    ----------
    predicted : xarray.Dataset
        Each place, or step, as the model predicts it that has not seen it, as of
        :func:`xsm.predict`; ``fold`` is a coordinate. Lazy where the data are.
    scores : xarray.Dataset
        Scores over time of each cell, along ``source``, as of :func:`xsm.score`, with the
        coordinate ``fold``; of years along a dimension ``fold``.
    models : mapping of str to FittedModel
        The model of each fold, by the name of what it has not seen.
    reading, folds : Reading, Folds
        The data and their division.
    seed : int
        Seed of what is drawn.
    """

    predicted: xr.Dataset
    scores: xr.Dataset
    models: Mapping[str, FittedModel]
    reading: Reading
    folds: Folds
    seed: int = 0

    def by_fold(self) -> xr.Dataset:
        """Return the median over cells of each score (fold, source), and the sum of ``count``.

        Lazy where the data are; NaN where nothing could be scored.
        """
        if self.folds.of_time:
            parts = [self.scores.sel(fold=name, drop=True) for name in self.folds.names]
        else:
            bare = self.scores.drop_vars("fold")
            parts = [bare.where(self.folds.held(name)) for name in self.folds.names]
        made = [_middle(part) for part in parts]
        names = xr.DataArray(list(self.folds.names), dims="fold", name="fold")
        return xr.concat(made, names).assign_attrs(self.scores.attrs)

    def domain(self, *, importance: bool = True) -> xr.Dataset:
        """Learn how unlike to the training places a place may be.

        Parameters
        ----------
        importance : bool, default: True
            Weight the inputs by how much the error of left-out places rises where an input is that
            of another place; without it (and for models that see neighbours) all count alike.

        Returns
        -------
        xarray.Dataset
            For ``predict(..., domain=)``, and to be kept in a file: ``training`` (place, feature),
            scaled and weighted, ``offset``, ``scale``, ``weight`` (feature), ``importance``
            (input), ``mean_distance``, ``threshold``, and ``dissimilarity`` (place) of the places
            when they were left out; ``cell`` is their number in the flat map of cells. Places that
            lack an input are left out. Data are read.

        Raises
        ------
        UnknownNameError
            If years were left out, not places.
        NotEnoughDataError
            If the data hold less than a year, or all places are alike.

        Notes
        -----
        The index of a place is the distance to the nearest training place, divided by the mean
        distance between training places (Meyer and Pebesma 2021). Each feature is divided by its
        spread over the places and multiplied by the weight of its input. Of a dynamic input the
        features are its mean, its spread, and twice its mean product with the cosine and the sine
        of the year; the four count as one. ``threshold`` is the largest index of left-out places
        that is no outlier (the upper whisker of their box plot). Deviations from the paper: places,
        not days, are points, since a record is predicted as a whole; weights come from a
        permutation over places.

        References
        ----------
        Meyer, H. and Pebesma, E. (2021). Methods Ecol. Evol. 12:1620-1633.
        """
        if self.folds.of_time:
            msg = (
                "Years were left out: they tell nothing of places without data. Leave places out: "
                "xsm.cross_validate(ds, model, folds='regions')."
            )
            raise UnknownNameError(msg)
        return learn_domain(
            self.models, self.reading, self.folds, importance=importance, seed=self.seed
        )

    def __repr__(self) -> str:
        """Return medians by fold as text; of lazy scores nothing is computed."""
        rows = self._rows()
        width = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        lines = ["  ".join(t.ljust(w) for t, w in zip(row, width, strict=True)) for row in rows]
        return "\n".join([f"<xsm.CrossValidation of {self._title()}>", *(f"  {x}" for x in lines)])

    def _repr_html_(self) -> str:
        """Return medians by fold as HTML."""
        rows = [(row[0], " ".join(row[1:])) for row in self._rows()]
        body = section("median scores of what was left out", table(rows))
        return page("xsm.CrossValidation", f"of {self._title()}", body, repr(self))

    def _title(self) -> str:
        """Say what was validated."""
        return f"{next(iter(self.models.values())).name}, {len(self.models)} folds"

    def _rows(self) -> list[tuple[str, ...]]:
        """Return the cells of the table."""
        if self.scores["count"].chunks is not None:
            return [("scores are lazy:", "cv.by_fold().compute()")]
        found = self.by_fold()
        sources = [str(s) for s in found["source"].values if s in ("model", "persistence")]
        rows: list[tuple[str, ...]] = [
            ("fold", *(f"{name} of {s}" for s in sources for name in _SHOWN))
        ]
        for name in self.folds.names:
            own = found.sel(fold=name)
            values = [float(own[n].sel(source=s)) for s in sources for n in _SHOWN]
            rows.append((name, *(f"{v:.3f}" for v in values)))
        return rows


def _middle(scores: xr.Dataset) -> xr.Dataset:
    """Return medians over all cells, and how many values there were."""
    space = [d for d in scores["count"].dims if d != "source"]
    if not space:
        return scores
    parts = {}
    for name, array in scores.data_vars.items():
        whole = array.chunk(dict.fromkeys(space, -1)) if array.chunks is not None else array
        count = name == "count"
        parts[name] = whole.sum(space).astype(np.int64) if count else whole.median(space)
        parts[name] = parts[name].assign_attrs(array.attrs)
    return xr.Dataset(parts)
