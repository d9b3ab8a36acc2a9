"""What the user holds after training: a model with all it takes to be used."""

from __future__ import annotations

import html
import os
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import xarray as xr

from xsm.arguments import check_kind, given
from xsm.calibration import METHODS, learn_calibration
from xsm.downscaling.applying import downscale_with, field_errors, score_with
from xsm.estimators import Estimator
from xsm.exceptions import UnknownNameError, check_choice
from xsm.features import collect
from xsm.inference import choose_place, predict_lazily
from xsm.metrics import score
from xsm.naming import Variable
from xsm.nested_recipe import Covariates, NestedRecipe
from xsm.nn import Model
from xsm.presenting import label
from xsm.recipe import Recipe
from xsm.saving import load_parts, save_fitted
from xsm.scaling import align_scaling, within_bounds
from xsm.spread import errors_of
from xsm.typing import Array

__all__ = ["FittedModel", "load"]


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

        parts = (self.name, self.recipe, _learnt(self.model), self.scaling)
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
        template = next(iter(features.dynamic.values()))
        scaling = align_scaling(self.scaling, template, features.space)
        if recipe.bounded:
            offset, scale = within_bounds(features)
            scaling = scaling.assign(target_offset=offset, target_scale=scale)
        found = predict_lazily(
            self.model,
            recipe,
            scaling,
            features,
            token=self.token,
            batch_size=batch_size,
            device=choose_place(self.model, device),
        )
        return label(
            found,
            ds,
            recipe,
            name=self.name,
            trained=self.layers or (self.variable,),
            attrs=self.attrs,
            scaling=scaling,
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
        """Downscale the field of a data set, of any region and period, see :func:`xsm.downscale`.

        Parameters
        ----------
        ds : xarray.Dataset
            Holds the coarse field.
        covariates : Dataset, DataArray or sequence of them, optional
            Those that the model was trained with, under any product's names.
        area : DataArray, optional
            (y, x) areas of the fine cells.
        device : str, default: "auto"
            Where to evaluate.

        Returns
        -------
        xarray.Dataset
            The fine field and its standard deviation, lazy where the inputs are.
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
            Dimensions that a score is taken over; by default time.
        covariates, area : optional
            Of a model that downscales, see :meth:`downscale`.
        truth : Dataset or DataArray, optional
            Of a model that downscales: the field on the fine grid.

        Returns
        -------
        xarray.Dataset
            Scores along ``source``, see :func:`xsm.score`: the model, persistence and the training
            climatology, or the model and every baseline of :func:`xsm.downscale`, with ``skill``.
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
            Inputs and observations that the model was not trained on. All steps and cells count
            alike; intervals hold for what is exchangeable with these.
        method : {"scale", "isotonic", "conformal"}, default: "scale"
            ``"scale"``: one factor for the spread, so that (observed - mean) / std has mean square
            1; for errors like a Gaussian's. ``"isotonic"``: the distribution function is mapped to
            the observed frequencies (Kuleshov et al. 2018); for any errors, skewed and biased
            too. ``"conformal"``: symmetric intervals that cover at least as often as they say
            (split-conformal, with errors divided by the spread; Lei et al. 2018).
        covariates, area : optional
            Of a model that downscales, see :meth:`downscale`.
        truth : Dataset or DataArray, optional
            Of a model that downscales: the field on the fine grid, NaN where it trained.
        batch_size : int, optional
            Samples evaluated at a time.
        device : str, default: "auto"
            Where to evaluate.

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
        if fields:
            z = field_errors(raw, ds, device=device, **fine)
        else:
            predicted = raw.predict(ds, batch_size=batch_size, device=device)
            z = errors_of(ds, predicted, self.recipe)
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
        width = max(map(len, self.card))
        lines = [f"  {key:<{width}}  {value}" for key, value in self.card.items()]
        return "\n".join([f"<xsm.FittedModel {self.name!r}>", *lines])

    def _repr_html_(self) -> str:
        """Return the card and the history as collapsible HTML."""
        cell = "text-align:left;vertical-align:top;padding:1px 1em 1px 0"
        rows = "".join(
            f"<tr><th style='{cell};white-space:nowrap'>{html.escape(key)}</th>"
            f"<td style='{cell}'>{html.escape(value)}</td></tr>"
            for key, value in self.card.items()
        )
        return (
            "<div style='font-size:0.85em'>xsm.FittedModel "
            f"<b>{html.escape(self.name)}</b><table style='margin:0.3em 0'>{rows}</table>"
            f"<details><summary>history</summary>{self.history._repr_html_()}</details></div>"
        )


def load(
    path_or_url: str | os.PathLike[str],
    *,
    model: str | type[Model] | type[Estimator] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> FittedModel:
    """Read a model that :meth:`FittedModel.save` wrote.

    Nothing in the artefact is run, whoever made it. Its metadata must be those that xsm writes, and
    its content is compared with the SHA-256 digest taken when it was saved.

    Parameters
    ----------
    path_or_url : str or path
        What it was saved to.
    model : str or subclass of Model or Estimator, optional
        The class, where it is a user's own and not one of :func:`xsm.list_models`.
    storage_options : mapping, optional
        Passed to the filesystem of a URL.

    Returns
    -------
    FittedModel
        On the CPU; it predicts bit for bit what the saved one did.

    Raises
    ------
    ArtefactError
        If there is no artefact, it is incomplete, changed, of another schema, or of another class.

    Examples
    --------
    >>> import tempfile, xsm
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(4, 6), longitude=slice(20, 22))
    >>> fitted = xsm.fit(ds, "lstm", epochs=1, iterations=2, hidden_size=4, progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fitted.save(f"{folder}/model.xsm")
    ...     again = xsm.load(f"{folder}/model.xsm")
    >>> again.predict(ds).identical(fitted.predict(ds))
    True
    """
    return FittedModel(**load_parts(path_or_url, model=model, storage_options=storage_options))


def _learnt(model: Model | Estimator) -> dict[str, Array]:
    """Return all that a model has learnt."""
    if isinstance(model, Estimator):
        return dict(model.arrays)
    state = {k: v.detach().cpu().reshape(-1) for k, v in model.state_dict().items()}
    return {k: v.view(torch.uint8).numpy() for k, v in state.items()}  # bfloat16 too
