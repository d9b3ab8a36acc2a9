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
from xsm.explaining import By, expert_means, importance
from xsm.features import collect
from xsm.inference import predict_lazily
from xsm.metrics import score
from xsm.naming import Variable
from xsm.nn import Model
from xsm.presenting import as_given, present
from xsm.recipe import Recipe
from xsm.saving import load_parts, save_fitted
from xsm.scaling import align_scaling, within_bounds

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
    layers : tuple of Variable
        The target's layers in the training data, where it has several.
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
    layers: tuple[Variable, ...] = ()
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
            device=str(choose_device(device)),
        )
        return self._present(found, ds, scaling)

    def experts(
        self, ds: xr.Dataset, *, batch_size: int | None = None, device: str = "auto"
    ) -> xr.Dataset:
        """Predict the target by each expert alone, of a model that has some (``ismoe``).

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
            The target as :meth:`predict` returns it, with a dimension ``expert``; the sum of the
            experts, each times its ``expert_weight``, is the prediction. Experts are trained
            together, not each by itself. Lazy where the inputs are, NaN where the prediction is.

        Raises
        ------
        UnknownNameError
            If the model has no experts.
        """
        place = str(choose_device(device))
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

        Returns
        -------
        xarray.Dataset
            (expert [, season] [, region]): ``weight``, the mean ``expert_weight``;
            ``permutation``, by how much the RMSE rises, in canonical units, where the inputs of
            the expert come from another time, for all experts and the router, and
            ``permutation_share``, its share of the positive rises; ``rmse`` with true inputs. NaN
            where a part has no prediction, or no observation. Lazy where the data are: ``1 +
            repeats * expert`` predictions.

        Raises
        ------
        UnknownNameError
            If the model has no experts, or a part is not known.
        MissingVariableError
            If a map of regions lies on other dimensions, or the data lack the target.
        NotEnoughDataError
            If there are too few steps to permute, or ``repeats`` is below 1.

        Warns
        -----
        UserWarning
            Of data in memory, if the router has collapsed, or an expert never matters.

        Notes
        -----
        Inputs are permuted by turning their series around, by the same number of steps, at least a
        quarter of the series, in all cells: each keeps its own memory and its neighbours, which a
        shuffle would destroy. The turn of the year moves with them.
        """
        return importance(
            self,
            ds,
            by=by,
            repeats=repeats,
            seed=seed,
            batch_size=batch_size,
            device=str(choose_device(device)),
        )

    def _present(
        self, found: Mapping[str, xr.DataArray], ds: xr.Dataset, scaling: xr.Dataset
    ) -> xr.Dataset:
        """Give a prediction the names, the units and the order of dimensions of the user's data."""
        outputs = {**found}
        mean, extrapolation = outputs.pop("mean"), outputs.pop("extrapolation")
        flag = extrapolation.assign_attrs(_FLAG)
        made, order = present(mean, ds, self.recipe, self.layers or (self.variable,), self.attrs)
        parts = {str(name): made[name] for name in made.data_vars}
        beside = {"extrapolation": flag.transpose(*order, ...)}
        beside |= {name: array.transpose(*order, ...) for name, array in outputs.items()}
        if "trained_cell" in scaling and scaling["trained_cell"].dims:
            beside["trained_cell"] = scaling["trained_cell"].assign_attrs(
                long_name="cell had enough observations to be trained", units="1"
            )
        result = xr.Dataset(parts | beside)
        result = result.assign_coords({k: v for k, v in made.coords.items() if k not in result})
        result = as_given(result, ds) if self.recipe.patch > 1 else result
        for own in made.data_vars:
            result[own].attrs["ancillary_variables"] = " ".join(beside)
        names = ", ".join(map(str, made.data_vars))
        result.attrs = {
            "Conventions": "CF-1.11",
            "title": f"{names} predicted by {self.name}",
            "model": self.name,
            "target": self.recipe.target,
            "window": self.recipe.window,
            "lead": self.recipe.lead,
        }
        return result

    def score(
        self, ds: xr.Dataset, *, dim: Hashable | Iterable[Hashable] | None = None
    ) -> xr.Dataset:
        """Predict a data set and score it beside persistence and the training climatology.

        Parameters
        ----------
        ds : xarray.Dataset
            Inputs and observations.
        dim : str or iterable of str, optional
            Dimensions that a score is taken over; by default time.

        Returns
        -------
        xarray.Dataset
            Scores along ``source`` (model, persistence, climatology), see :func:`xsm.score`.
        """
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
