"""What the user holds after training: a model with all it takes to be used."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from xsm.api.arguments import check_kind
from xsm.api.calibrate import calibrated
from xsm.artefact.card import card_text
from xsm.artefact.learnt import Learnt
from xsm.artefact.page import model_html
from xsm.artefact.saving import save_fitted
from xsm.cells.apply import predict_cells, predict_new, read_for, state_of
from xsm.cells.experts import By, importance, predict_experts
from xsm.evaluation.known import Known
from xsm.evaluation.metrics import score, scored_pair
from xsm.fields.apply import downscale_with, score_with
from xsm.fields.sources import Covariates
from xsm.plotting import FittedPlots
from xsm.training.schedule import given

__all__ = ["FittedModel"]


@dataclass(frozen=True, eq=False, repr=False)
class FittedModel(Learnt):
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
        Names, sizes, step of time and a hash of the coordinates of the training data.
    layers : tuple of Variable
        The target's layers in the training data, where it has several.
    calibration : xarray.Dataset or None
        What :meth:`calibrate` has learnt of the spread.
    persistence : xarray.Dataset or None
        How long anomalies of the target last, of all data given to ``fit``: what damped persistence
        is made of; None where there is no climatology.
    """

    @classmethod
    def of(cls, learnt: Learnt) -> FittedModel:
        """Return a record with the verbs; its content has its name already."""
        made = object.__new__(cls)
        vars(made).update(vars(learnt))
        return made

    def predict(
        self,
        ds: xr.Dataset,
        *,
        state: xr.Dataset | None = None,
        batch_size: int | None = None,
        device: str = "auto",
        variables: Mapping[str, str] | None = None,
    ) -> xr.Dataset:
        """Predict the target for all whole windows of a data set, see :func:`xsm.predict`.

        Parameters
        ----------
        ds : xarray.Dataset
            Inputs under any product's names.
        state : xarray.Dataset, optional
            What :meth:`state` returned for the steps before.
        batch_size, device : optional
            Samples evaluated at a time, and where.
        variables : mapping of str to str, optional
            Role to variable name, as of :func:`xsm.predict`.

        Returns
        -------
        xarray.Dataset
            The target, lazy where the inputs are.
        """
        options: dict[str, Any] = {"batch_size": batch_size, "device": device, "state": state}
        return predict_new(self, ds, variables, **options)

    def state(
        self,
        ds: xr.Dataset,
        *,
        state: xr.Dataset | None = None,
        batch_size: int | None = None,
        device: str = "auto",
        variables: Mapping[str, str] | None = None,
    ) -> xr.Dataset:
        """Return what a network fit with ``sequence=`` carries after the last step.

        Parameters
        ----------
        ds, state, batch_size, device, variables
            As of :meth:`predict`.

        Returns
        -------
        xarray.Dataset
            For ``predict(later, state=...)``, which begins at ``next_time``; lazy too.
        """
        options: dict[str, Any] = {"batch_size": batch_size, "device": device, "state": state}
        return state_of(self, read_for(self, ds, variables), **options)

    @property
    def plot(self) -> FittedPlots:
        """Figures of the model: ``fitted.plot.training()``, see :mod:`xsm.plotting`."""
        return FittedPlots(self)

    def experts(
        self,
        ds: xr.Dataset,
        *,
        batch_size: int | None = None,
        device: str = "auto",
        variables: Mapping[str, str] | None = None,
    ) -> xr.Dataset:
        """Predict the target by each expert of a mixture.

        Parameters
        ----------
        ds : xarray.Dataset
            Inputs under any product's names.
        batch_size : int, optional
            Samples evaluated at a time.
        device : str, default: "auto"
            Where to evaluate.
        variables : mapping of str to str, optional
            Role to variable name, as of :func:`xsm.predict`.

        Returns
        -------
        xarray.Dataset
            The target as of :meth:`predict`, with a dimension ``expert``; the sum of the experts,
            each times its ``expert_weight``, is the prediction. Experts are trained together, not
            each by itself. Lazy where the inputs are, NaN where the prediction is.
        """
        return predict_experts(self, ds, batch_size=batch_size, device=device, variables=variables)

    def importance(
        self,
        ds: xr.Dataset,
        *,
        by: By = None,
        repeats: int = 3,
        seed: int = 0,
        batch_size: int | None = None,
        device: str = "auto",
        variables: Mapping[str, str] | None = None,
    ) -> xr.Dataset:
        """Show how much each expert counts, and how much is lost without its inputs.

        A weight is no importance by itself: an expert may speak for much of the prediction and say
        what others would say too. Where both disagree, believe the loss.

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
        variables : mapping of str to str, optional
            Role to variable name, as of :func:`xsm.predict`.

        Returns
        -------
        xarray.Dataset
            (expert [, season] [, region]): ``weight``, ``permutation`` (rise of the RMSE without
            the inputs), ``permutation_share`` and ``rmse``; lazy where the data are.
        """
        return importance(
            self,
            ds,
            by=by,
            repeats=repeats,
            seed=seed,
            batch_size=batch_size,
            device=device,
            variables=variables,
        )

    def downscale(
        self,
        ds: xr.Dataset,
        *,
        covariates: Covariates | None = None,
        area: xr.DataArray | None = None,
        device: str = "auto",
        variables: Mapping[str, str] | None = None,
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
        variables : mapping of str to str, optional
            Role to variable name, in the field or the covariates.

        Returns
        -------
        xarray.Dataset
            The fine field and its spread, lazily.
        """
        return downscale_with(
            self, ds, covariates=covariates, area=area, device=device, variables=variables
        )

    def score(
        self,
        ds: xr.Dataset,
        *,
        dim: Hashable | Iterable[Hashable] | None = None,
        covariates: Covariates | None = None,
        truth: xr.Dataset | xr.DataArray | None = None,
        area: xr.DataArray | None = None,
        variables: Mapping[str, str] | None = None,
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
        variables : mapping of str to str, optional
            Role to variable name, as of :func:`xsm.predict`.

        Returns
        -------
        xarray.Dataset
            Scores along ``source``: model, persistence, climatology of training, see
            :func:`xsm.score`, or model and baselines of :func:`xsm.downscale`, with ``skill``.
        """
        downscales = self.recipe.downscales
        fine = given(covariates=covariates, truth=truth, area=area)
        check_kind(self.name, fine, {}, downscales=downscales)
        if downscales:
            return score_with(self, ds, dim=dim, variables=variables, **fine)
        reading, target = read_for(self, ds, variables), self.recipe.target
        predicted = predict_cells(self, reading, batch_size=None, device="auto")
        known = Known(self.climatology, self.persistence)
        pair = scored_pair(reading, predicted, target)
        return score(reading, *pair, dim=dim, target=target, known=known)

    def calibrate(
        self,
        ds: xr.Dataset,
        *,
        method: str = "scale",
        forecast: xr.Dataset | None = None,
        halflife: float | None = None,
        covariates: Covariates | None = None,
        truth: xr.Dataset | xr.DataArray | None = None,
        area: xr.DataArray | None = None,
        batch_size: int | None = None,
        device: str = "auto",
        variables: Mapping[str, str] | None = None,
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
        forecast : xarray.Dataset, optional
            Forecasts of this model, not calibrated, whose valid times ``ds`` observed: each lead is
            then calibrated by itself, for forecasts of these leads.
        halflife : float, optional
            Age in days at which a pair counts half, of conformal intervals: recent errors tell more
            where the record drifts (Tibshirani et al. 2019).
        covariates, truth, area : optional
            Of a model that downscales, see :meth:`downscale`; ``truth`` is the fine field, NaN
            where the model was trained.
        batch_size, device, variables : optional
            As of :meth:`predict`.

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
        Tibshirani, R. J. et al. (2019). NeurIPS 32:2526-2536.
        Kuleshov, V., Fenner, N. and Ermon, S. (2018). ICML, PMLR 80:2796-2804.
        Lei, J. et al. (2018). J. Am. Stat. Assoc. 113:1094-1111.
        """
        fine = given(covariates=covariates, truth=truth, area=area)
        own = given(batch_size=batch_size, forecast=forecast, halflife=halflife)
        check_kind(self.name, fine, own, downscales=self.recipe.downscales)
        options = {"device": device, "variables": variables, **fine, **own}
        return calibrated(self, ds, method, **options)

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
