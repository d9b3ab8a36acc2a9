"""What the user holds after training: a model with all it takes to be used."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import xarray as xr

from xsm.arguments import check_kind, given
from xsm.calibration import METHODS, learn_calibration, standard_errors
from xsm.card import card_text
from xsm.display import model_html
from xsm.downscaling.applying import downscale_with, field_errors, score_with
from xsm.estimators import Estimator
from xsm.exceptions import UnknownNameError, check_choice
from xsm.explaining import By, expert_means, importance
from xsm.features import collect
from xsm.inference import choose_place, predict_lazily
from xsm.metrics import score
from xsm.naming import Variable
from xsm.nested_recipe import Covariates, NestedRecipe
from xsm.nn import Model, weight_bytes
from xsm.plotting import FittedPlots
from xsm.presenting import label_prediction
from xsm.recipe import Recipe
from xsm.saving import save_fitted
from xsm.scaling import scaling_for
from xsm.units import dequantify

__all__ = ["FittedModel"]


@dataclass(frozen=True, eq=False, repr=False)
class FittedModel:
    """A trained model, immutable, made by :func:`xsm.fit`.

    Parameters
    ----------
    name : str
        Name of the model.
    model : Model or Estimator
        The network with its best weights, or the estimator with what it has learnt.
    recipe : Recipe
        What goes in and what comes out.
    scaling : xarray.Dataset
        Offsets and scales by cell or for all cells; ``trained_cell`` marks what was trained.
    climatology : xarray.DataArray or None
        Mean target of each day of the year, canonical units, of all data given to ``fit``; None
        where it would have taken more than a quarter of ``memory_limit``.
    history : xarray.Dataset
        Each loss term along ``epoch``, for training and validation.
    variable : Variable
        The target as it was found in the training data, with its units.
    attrs : dict
        The target's attributes in the training data.
    parameters : dict
        All settings of the training.
    card : dict
        What the model is and how it was made, as text.
    fingerprint : dict
        Names, sizes and a hash of the coordinates of the training data.
    layers : tuple of Variable
        The target's layers in the training data, where it has several.
    calibration : xarray.Dataset or None
        What :meth:`calibrate` has learnt of the spread.
    """

    name: str
    model: Model | Estimator
    recipe: Recipe
    scaling: xr.Dataset
    climatology: xr.DataArray | None
    history: xr.Dataset
    variable: Variable
    attrs: Mapping[str, Any]
    parameters: Mapping[str, Any]
    card: Mapping[str, str]
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[Variable, ...] = ()
    calibration: xr.Dataset | None = None
    token: str = field(default="", init=False)

    def __post_init__(self) -> None:
        """Name the content once, for the graphs that hold the model."""
        from dask.base import tokenize

        made = self.model
        learnt = dict(made.arrays) if isinstance(made, Estimator) else weight_bytes(made)
        parts = (self.name, self.recipe, learnt, self.scaling)
        object.__setattr__(self, "token", tokenize(*parts))

    def predict(
        self, ds: xr.Dataset, *, batch_size: int | None = None, device: str = "auto"
    ) -> xr.Dataset:
        """Predict the target for all whole windows of a data set, see :func:`xsm.predict`.

        Parameters
        ----------
        ds : xarray.Dataset
            Inputs under any product's names.
        batch_size : int, optional
            Samples evaluated at a time.
        device : str, default: "auto"
            Where to evaluate.

        Returns
        -------
        xarray.Dataset
            The target, lazy where the inputs are.
        """
        recipe = self.recipe
        if isinstance(recipe, NestedRecipe):
            msg = f"{self.name!r} downscales fields: call fitted.downscale(ds, covariates=...)."
            raise UnknownNameError(msg)
        features = collect(ds, recipe, with_target=recipe.data_integration)
        scaling = scaling_for(self.scaling, features, bounded=recipe.bounded)
        found = predict_lazily(
            self.model,
            recipe,
            scaling,
            features,
            token=self.token,
            batch_size=batch_size,
            device=choose_place(self.model, device),
        )
        return self._present(found, ds, scaling)

    @property
    def plot(self) -> FittedPlots:
        """Figures of the model: ``fitted.plot.training()``, see :mod:`xsm.plotting`."""
        return FittedPlots(self)

    def experts(
        self, ds: xr.Dataset, *, batch_size: int | None = None, device: str = "auto"
    ) -> xr.Dataset:
        """Predict the target by each expert of a mixture, see :func:`xsm.explaining.expert_means`.

        Parameters
        ----------
        ds : xarray.Dataset
            Inputs under any product's names.
        batch_size : int, optional
            Samples evaluated at a time.
        device : str, default: "auto"
            Where to evaluate.

        Returns
        -------
        xarray.Dataset
            The target as of :meth:`predict`, with a dimension ``expert``; the sum of the experts,
            each times its ``expert_weight``, is the prediction. Experts are trained together, not
            each by itself. Lazy where the inputs are, NaN where the prediction is.
        """
        place = choose_place(self.model, device)
        means, scaling = expert_means(self, ds, batch_size=batch_size, device=place)
        made = [self._present(found, ds, scaling) for found in means.values()]
        beside = [n for n in made[0].data_vars if "ancillary_variables" not in made[0][n].attrs]
        parts = [part.drop_vars(beside) for part in made]
        joined = xr.concat(parts, xr.DataArray(list(means), dims="expert", name="expert"))
        for name in joined.data_vars:
            joined[name].attrs.pop("ancillary_variables")
        return joined.transpose(..., "expert")

    def importance(
        self,
        ds: xr.Dataset,
        *,
        by: By = None,
        repeats: int = 3,
        seed: int = 0,
        batch_size: int | None = None,
        device: str = "auto",
    ) -> xr.Dataset:
        """Show how much each expert counts, and how much is lost without its inputs.

        A weight is no importance by itself, see :func:`xsm.explaining.importance`.

        Parameters
        ----------
        ds : xarray.Dataset
            Inputs and target; better data that did not train.
        by : str, DataArray, or a sequence of these, optional
            Parts to tell apart: ``"season"`` (of the predicted time), a map of regions (labels, or
            True and False; NaN is left out), or the name of such a map in ``ds``.
        repeats : int, default: 3
            How often the inputs of each expert are permuted.
        seed : int, default: 0
            Seed of the permutations.
        batch_size : int, optional
            Samples evaluated at a time.
        device : str, default: "auto"
            Where to evaluate.

        Returns
        -------
        xarray.Dataset
            (expert [, season] [, region]): ``weight``, ``permutation`` (rise of the RMSE without
            the inputs), ``permutation_share`` and ``rmse``; lazy where the data are.
        """
        place = choose_place(self.model, device)
        return importance(
            self, ds, by=by, repeats=repeats, seed=seed, batch_size=batch_size, device=place
        )

    def _present(
        self, found: Mapping[str, xr.DataArray], ds: xr.Dataset, scaling: xr.Dataset
    ) -> xr.Dataset:
        """Give a prediction the names, the units and the order of dimensions of the user's data."""
        return label_prediction(
            found,
            ds,
            scaling,
            name=self.name,
            recipe=self.recipe,
            trained=self.layers or (self.variable,),
            attrs=self.attrs,
            calibration=self.calibration,
        )

    def downscale(
        self,
        ds: xr.Dataset,
        *,
        covariates: Covariates | None = None,
        area: xr.DataArray | None = None,
        device: str = "auto",
    ) -> xr.Dataset:
        """Downscale the field of any region and period, see :func:`xsm.downscale`.

        Parameters
        ----------
        ds : xarray.Dataset
            Holds the coarse field.
        covariates : Dataset, DataArray or sequence of them, optional
            Those that the model was trained with, under any product's names.
        area, device : optional
            (y, x) areas of the fine cells, and where to evaluate.

        Returns
        -------
        xarray.Dataset
            The fine field and its spread, lazily.
        """
        return downscale_with(self, ds, covariates=covariates, area=area, device=device)

    def score(
        self,
        ds: xr.Dataset,
        *,
        dim: Hashable | Iterable[Hashable] | None = None,
        covariates: Covariates | None = None,
        truth: xr.Dataset | xr.DataArray | None = None,
        area: xr.DataArray | None = None,
    ) -> xr.Dataset:
        """Predict a data set and score it beside what needs no model.

        Parameters
        ----------
        ds : xarray.Dataset
            Inputs and observations; of a model that downscales, the coarse field.
        dim : str or iterable of str, optional
            What a score is taken over; by default time.
        covariates, truth, area : optional
            Of a model that downscales, see :meth:`downscale`; ``truth`` is the fine field.

        Returns
        -------
        xarray.Dataset
            Scores along ``source``: model, persistence and training climatology, see
            :func:`xsm.score`, or model and baselines of :func:`xsm.downscale`, with ``skill``.
        """
        fields = isinstance(self.recipe, NestedRecipe)
        fine = given(covariates=covariates, truth=truth, area=area)
        check_kind(self.name, fine, {}, downscales=fields)
        if fields:
            return score_with(self, ds, dim=dim, **fine)
        return score(
            ds,
            self.predict(ds),
            dim=dim,
            target=self.recipe.target,
            lead=self.recipe.lead,
            climatology=self.climatology,
            variables=self.recipe.variables,
        )

    def calibrate(
        self,
        ds: xr.Dataset,
        *,
        method: str = "scale",
        covariates: Covariates | None = None,
        truth: xr.Dataset | xr.DataArray | None = None,
        area: xr.DataArray | None = None,
        batch_size: int | None = None,
        device: str = "auto",
    ) -> FittedModel:
        """Return a model whose spread fits what was observed.

        Parameters
        ----------
        ds : xarray.Dataset
            Inputs and observations that were not trained on. Intervals hold for their like.
        method : {"scale", "isotonic", "conformal"}, default: "scale"
            ``"scale"``: one factor for the spread, so that (observed - mean) / std has mean square
            1; for errors like a Gaussian's. ``"isotonic"``: the distribution function is mapped to
            the observed frequencies (Kuleshov et al. 2018); for any errors, skewed and biased
            too. ``"conformal"``: symmetric intervals that cover at least as often as they say
            (split-conformal, with errors divided by the spread; Lei et al. 2018).
        covariates, truth, area : optional
            Of a model that downscales, see :meth:`downscale`; ``truth`` is the fine field, NaN
            where the model was trained.
        batch_size, device : optional
            Samples evaluated at a time (of cells), and where; see :func:`xsm.predict`.

        Returns
        -------
        FittedModel
            The same network; ``<target>_std`` of its predictions is the recalibrated standard
            deviation, and after the last two methods ``<target>_quantile`` the quantiles of
            (value - mean) / std. :func:`xsm.intervals` reads both. A model that was calibrated
            before is calibrated anew. Data are read once, block by block.

        Raises
        ------
        UnknownNameError
            If there is no such method.
        MissingVariableError
            If the model predicts no spread, or the data hold no observations.
        NotEnoughDataError
            If there are fewer than 200 pairs.

        Notes
        -----
        With z = (observed - mean) / std, the isotonic map of the pairs (F(z_i), share of F(z_j) at
        or below it) is the empirical distribution function of z itself, since the pairs ascend
        already: the quantiles are those of z. The conformal ones are those of |z| at the rank
        ceil((n + 1) level) of n, with both signs. Both are tabled from 0.5 to 99.5 %.

        References
        ----------
        Kuleshov, V., Fenner, N. and Ermon, S. (2018). ICML, PMLR 80:2796-2804.
        Lei, J. et al. (2018). J. Am. Stat. Assoc. 113:1094-1111.
        """
        check_choice("method", method, METHODS)
        raw = replace(self, calibration=None)
        fields = isinstance(self.recipe, NestedRecipe)
        fine = given(covariates=covariates, truth=truth, area=area)
        check_kind(self.name, fine, given(batch_size=batch_size), downscales=fields)
        ds = dequantify(ds)[0]
        if fields:
            z = field_errors(raw, ds, device=device, **fine)
        else:
            predicted = raw.predict(ds, batch_size=batch_size, device=device)
            z = standard_errors(ds, predicted, self.recipe)
        learnt = learn_calibration(z, method)
        card = {**self.card, "calibration": f"{method}, {learnt.attrs['count']:,} pairs"}
        return replace(raw, calibration=learnt, card=card)

    def save(
        self,
        path_or_url: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the model to a folder or an object store, to be read by :func:`xsm.load`.

        The artefact is a Zarr v3 store without pickles. A folder is swapped in as a whole: a save
        that is killed, or finds the disk full, leaves what was there. Of a URL the root is written
        last, so that an interrupted upload is no artefact.

        Parameters
        ----------
        path_or_url : str or path
            A folder that does not exist yet, or a URL that fsspec knows (``s3://bucket/name``).
        overwrite : bool, default: False
            Replace an artefact that is there; nothing else is ever replaced.
        storage_options : mapping, optional
            Passed to the filesystem of a URL.

        Raises
        ------
        ArtefactError
            If something is there, the place cannot be written to, or the model holds what only a
            pickle could store.
        """
        save_fitted(self, path_or_url, overwrite=overwrite, storage_options=storage_options)

    def __repr__(self) -> str:
        """Return the card as text."""
        return card_text(self.name, self.card)

    def _repr_html_(self) -> str:
        """Return the card and the history as collapsible HTML."""
        return model_html(self.name, self.card, self.history, repr(self))
