"""What the user holds after training: a model with all it takes to be used."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr

from xsm.api.arguments import check_kind
from xsm.api.calibrate import calibrated
from xsm.api.correct import Correctable
from xsm.api.experts import WithExperts
from xsm.api.finetune import Transferable
from xsm.artefact.card import card_text
from xsm.artefact.learnt import Learnt
from xsm.artefact.page import model_html
from xsm.artefact.saving import save_fitted
from xsm.cells.apply import predict_cells, predict_new, read_for, state_of
from xsm.cells.forecast import Ahead, forecast_cells
from xsm.data.provenance import recorded
from xsm.evaluation.known import Known
from xsm.evaluation.metrics import score, scored_pair
from xsm.fields.apply import downscale_with, score_with
from xsm.fields.sources import Covariates
from xsm.plotting import FittedPlots
from xsm.training.schedule import given

__all__ = ["FittedModel"]


@dataclass(frozen=True, eq=False, repr=False)
class FittedModel(WithExperts, Transferable, Correctable):
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
    variable, attrs : Variable, dict
        The target as it was found in the training data, with its units, and its attributes.
    parameters, card : dict
        All settings of the training; what the model is and how it was made, as text.
    fingerprint : dict
        Names, sizes, step of time and a hash of the coordinates of the training data.
    layers : tuple of Variable
        The target's layers in the training data, where it has several.
    calibration : xarray.Dataset or None
        What :meth:`calibrate` has learnt of the spread.
    persistence : xarray.Dataset or None
        How long anomalies of the target last, of all data given to ``fit``: what damped persistence
        is made of; None where there is no climatology.
    correction : xarray.Dataset or None
        What :meth:`correct` has learnt of how long errors last.
    """

    @classmethod
    def of(cls, learnt: Learnt) -> FittedModel:
        """Return a record with the verbs; its content has its name already."""
        vars(made := object.__new__(cls)).update(vars(learnt))
        return made

    def predict(
        self,
        ds: xr.Dataset,
        *,
        state: xr.Dataset | None = None,
        batch_size: int | None = None,
        device: str = "auto",
        domain: xr.Dataset | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> xr.Dataset:
        """Predict the target for all whole windows of a data set, see :func:`xsm.predict`.

        Parameters
        ----------
        ds : xarray.Dataset
            Inputs under any product's names.
        state : xarray.Dataset, optional
            What :meth:`state` returned for the steps before.
        batch_size, device, domain, variables : optional
            As of :func:`xsm.predict`.

        Returns
        -------
        xarray.Dataset
            The target, lazy where the inputs are.
        """
        options: dict[str, Any] = {"batch_size": batch_size, "device": device, "state": state}
        found = predict_new(self, ds, variables, domain=domain, **options)
        return recorded(found, "predict", of=ds, by=self)

    def forecast(
        self,
        ds: xr.Dataset,
        *,
        init: Any = None,
        lead: int | Sequence[int] = 14,
        weather: str | xr.Dataset | None = None,
        members: Any = None,
        state: xr.Dataset | None = None,
        batch_size: int | None = None,
        device: str = "auto",
        variables: Mapping[str, str] | None = None,
    ) -> xr.Dataset:
        """Forecast the target by start and lead time, see :func:`xsm.forecast`.

        Parameters
        ----------
        ds : xarray.Dataset
            The record, under any product's names.
        init, lead, weather, members, state, batch_size, device, variables : optional
            As of :func:`xsm.forecast`.

        Returns
        -------
        xarray.Dataset
            The target (init, lead [, member], *space), lazy where the inputs are.
        """
        options: dict[str, Any] = {"batch_size": batch_size, "device": device, "state": state}
        wanted = Ahead(init, lead, weather, members)
        found = forecast_cells(self, ds, wanted, variables, **options)
        return recorded(found, "forecast", of=ds, by=self)

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
            For ``predict`` and ``forecast`` of data from ``next_time`` on; lazy too.
        """
        options: dict[str, Any] = {"batch_size": batch_size, "device": device, "state": state}
        found = state_of(self, read_for(self, ds, variables), **options)
        return recorded(found, "state", of=ds, by=self)

    @property
    def plot(self) -> FittedPlots:
        """Figures of the model: ``fitted.plot.training()``, see :mod:`xsm.plotting`."""
        return FittedPlots(self)

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
            Those that the model was trained with.
        area, device, variables : optional
            (y, x) areas of the fine cells, where to evaluate, and names in field or covariates.

        Returns
        -------
        xarray.Dataset
            The fine field and its spread, lazily.
        """
        found = downscale_with(
            self, ds, covariates=covariates, area=area, device=device, variables=variables
        )
        return recorded(found, "downscale", of=ds, by=self)

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
            found = score_with(self, ds, dim=dim, variables=variables, **fine)
            return recorded(found, "score", of=ds, by=self)
        reading, target = read_for(self, ds, variables), self.recipe.target
        predicted = predict_cells(self, reading, batch_size=None, device="auto")
        known = Known(self.climatology, self.persistence)
        pair = scored_pair(reading, predicted, target)
        found = score(reading, *pair, dim=dim, target=target, known=known)
        return recorded(found, "score", of=ds, by=self)

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

        Of several layers each gets a factor of its own; the shape of the errors is that of all.

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
        already: the quantiles are those of z. The conformal ones are those of abs(z) at the rank
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

        A Zarr v3 store without pickles. A folder is swapped in as a whole; of a URL the root is
        written last, so that an interrupted save is no artefact.

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
            If something is there, the place cannot be written to, or the model needs a pickle.
        """
        save_fitted(self, path_or_url, overwrite=overwrite, storage_options=storage_options)

    def __repr__(self) -> str:
        """Return the card as text."""
        return card_text(self.name, self.card)

    def _repr_html_(self) -> str:
        """Return the card and the history as collapsible HTML."""
        return model_html(self.name, self.card, self.history, repr(self))
