"""What the user holds after training: a model with all it takes to be used."""

from __future__ import annotations

import html
import os
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import xarray as xr

from xsm.devices import choose_device
from xsm.downscaling.applying import downscale_with, score_with
from xsm.exceptions import UnknownNameError
from xsm.features import Recipe, collect
from xsm.inference import predict_lazily
from xsm.metrics import score
from xsm.naming import Variable, find_variables
from xsm.nested_recipe import Covariates, NestedRecipe
from xsm.nn import Model
from xsm.saving import load_parts, save_fitted
from xsm.scaling import align_scaling

__all__ = ["FittedModel", "load"]

_FLAG = {
    "long_name": "an input of the window lies outside the range seen in training",
    "flag_values": np.array([0, 1], np.int8),
    "flag_meanings": "inside_training_range outside_training_range",
}


@dataclass(frozen=True, eq=False, repr=False)
class FittedModel:
    """A trained model, immutable, made by :func:`xsm.fit`.

    Parameters
    ----------
    name : str
        Name of the model.
    model : Model
        The network with its best weights.
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
    """

    name: str
    model: Model
    recipe: Recipe
    scaling: xr.Dataset
    climatology: xr.DataArray | None
    history: xr.Dataset
    variable: Variable
    attrs: Mapping[str, Any]
    parameters: Mapping[str, Any]
    card: Mapping[str, str]
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    token: str = field(default="", init=False)

    def __post_init__(self) -> None:
        """Name the content once, for the graphs that hold the model."""
        from dask.base import tokenize

        state = {k: v.detach().cpu().reshape(-1) for k, v in self.model.state_dict().items()}
        weights = {k: v.view(torch.uint8).numpy() for k, v in state.items()}  # bfloat16 too
        parts = (self.name, self.recipe, weights, self.scaling)
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
        found = predict_lazily(
            self.model,
            recipe,
            scaling,
            features,
            token=self.token,
            batch_size=batch_size,
            device=str(choose_device(device)),
        )
        return self._present(found["mean"], found["extrapolation"], ds, scaling)

    def _present(
        self, mean: xr.DataArray, extrapolation: xr.DataArray, ds: xr.Dataset, scaling: xr.Dataset
    ) -> xr.Dataset:
        """Give a prediction the name, the units and the order of dimensions of the user's data."""
        table = find_variables(ds, self.recipe.variables)
        variable, attrs = self.variable, dict(self.attrs)
        order: tuple[Hashable, ...] = mean.dims
        if self.recipe.target in table:
            variable = table.lookup(self.recipe.target)
            own = ds[variable.name] if isinstance(variable.name, str) else mean
            attrs = {k: v for k, v in own.attrs.items() if k not in {"bounds", "grid_mapping"}}
            order = tuple(d for d in own.dims if d in mean.dims)
        elif isinstance(self.variable.name, str) and self.variable.name in ds:
            order = tuple(d for d in ds[self.variable.name].dims if d in mean.dims)
        given = variable.conversion.inverse()(mean).transpose(*order, ...)
        name = str(variable.name)
        attrs["units"] = variable.units
        result = xr.Dataset({name: given, "extrapolation": extrapolation.transpose(*order, ...)})
        result["extrapolation"].attrs = dict(_FLAG)
        attrs["ancillary_variables"] = "extrapolation"
        if "trained_cell" in scaling and scaling["trained_cell"].dims:
            result["trained_cell"] = scaling["trained_cell"].assign_attrs(
                long_name="cell had enough observations to be trained", units="1"
            )
            attrs["ancillary_variables"] = "extrapolation trained_cell"
        result[name].attrs = attrs
        result.attrs = {
            "Conventions": "CF-1.11",
            "title": f"{name} predicted by {self.name}",
            "model": self.name,
            "target": self.recipe.target,
            "window": self.recipe.window,
            "lead": self.recipe.lead,
        }
        return result

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
        if isinstance(self.recipe, NestedRecipe):
            return score_with(self, ds, dim=dim, covariates=covariates, truth=truth, area=area)
        return score(
            ds,
            self.predict(ds),
            dim=dim,
            target=self.recipe.target,
            lead=self.recipe.lead,
            climatology=self.climatology,
            variables=self.recipe.variables,
        )

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
    model: str | type[Model] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> FittedModel:
    """Read a model that :meth:`FittedModel.save` wrote.

    Nothing in the artefact is run, whoever made it. Its metadata must be those that xsm writes, and
    its content is compared with the SHA-256 digest taken when it was saved.

    Parameters
    ----------
    path_or_url : str or path
        What it was saved to.
    model : str or subclass of Model, optional
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
