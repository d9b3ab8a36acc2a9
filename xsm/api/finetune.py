"""Going on from a fitted model on other data."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Self

import xarray as xr

from xsm.api.arguments import check_kind
from xsm.artefact.asked import Asked, Tuning
from xsm.artefact.learnt import Learnt
from xsm.cells.finetune import finetune_cells
from xsm.data.naming import stated
from xsm.exceptions import TrainingError, check_choice, check_whole
from xsm.fields.finetune import finetune_fields
from xsm.fields.sources import Covariates
from xsm.losses import Loss
from xsm.training.schedule import given

__all__ = ["Transferable"]


class Transferable(Learnt):
    """A trained model that can go on from what it has learnt."""

    def finetune(
        self,
        ds: xr.Dataset,
        *,
        target: str | Sequence[str] | None = None,
        freeze: str | Sequence[str] | None = None,
        anchor: float | None = None,
        head_first: int = 0,
        cell_offset: bool = True,
        valid: float = 0.0,
        losses: Sequence[Loss] | None = None,
        epochs: int | None = None,
        iterations: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        patience: int | None = None,
        monitor: str = "total",
        variables: Mapping[str, str] | None = None,
        product: str | None = None,
        covariates: Covariates | None = None,
        truth: xr.Dataset | xr.DataArray | None = None,
        area: xr.DataArray | None = None,
        device: str = "auto",
        precision: str = "auto",
        seed: int = 0,
        progress: bool | None = None,
        memory_limit: str | int = "2 GiB",
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Go on from this network on other data: another product, region, or observations.

        Inputs are found by role and brought to canonical units, whatever their names, and scaled as
        this model scales them. The target gets a scale of its own: the line of least squares from
        what this model says to what was observed, so that training begins with that line.

        Parameters
        ----------
        ds : xarray.Dataset
            Inputs and the new target (time, *space), NaN where it was not observed. All observed
            steps train; select the period, and keep the weather before it.
        target : str or sequence of str, optional
            Role or variable to predict; by default this model's own where the data hold it.
        freeze : str or sequence of str, optional
            Parts that stay as they are: modules of the network by name, ``"head"``,
            ``"recurrent"``, ``"input"``, or ``"all but head"``.
        anchor : float, optional
            Weight of half the squared distance of all weights from this model's (Li et al. 2018);
            0 for none. By default 0.0001 divided by the square of the years that the target is
            known for, counted by observed steps: the fewer, the more this model counts.
        head_first : int, default: 0
            First epochs in which the head alone learns.
        cell_offset : bool, default: True
            Give each observed cell an offset of its own, the mean of what the line leaves there in
            training, shrunk by how few and how variable they are (Robinson 1991); other cells have
            none. Nothing happens with fewer than 10 observed cells, and in models that downscale.
        valid : float, default: 0
            Share of the observed cells, drawn at random, that decides when to stop and does not
            train, for predictions in other cells; with fewer than 10, share of the time steps at
            the end. 0 trains all cells for all ``epochs``.
        losses : sequence of Loss, optional
            Terms of the loss; by default the published ones of the model.
        epochs, iterations, batch_size, patience : int, optional
            By default those of this model's training.
        learning_rate : float, optional
            By default that of this model's training, times the years that the target is known for
            where these are less than one.
        monitor : str, default: "total"
            Validation loss that decides.
        variables, product : optional
            As of :func:`xsm.fit`.
        covariates, truth, area : optional
            Of models that downscale, as of :func:`xsm.downscale`.
        device, precision, seed, progress, memory_limit, checkpoint : optional
            As of :func:`xsm.fit`.

        Returns
        -------
        FittedModel
            The network that went on. Its card says what came from where, its ``fingerprint`` holds
            the ``lineage``: models, data and dates, oldest first; it is saved with the model. Where
            the data hold this model's own target too, the card says how far it was forgotten.

        Raises
        ------
        UnknownNameError
            If this model is an estimator, or was trained with ``scaling="cell"``.
        TrainingError
            If the network has no such part, or nothing is left to train.
        MissingVariableError, UnitsError, GridError
            As of :func:`xsm.fit`. An input that the data lack is hidden from a model that was
            trained with ``input_dropout``, and refused by others.
        NotEnoughDataError
            If too few observations come with a whole window or warm-up of weather.

        References
        ----------
        Robinson, G. K. (1991). That BLUP is a good thing: the estimation of random effects.
        Statist. Sci. 6:15-32.
        Li, X., Grandvalet, Y. and Davoine, F. (2018). Explicit inductive bias for transfer learning
        with convolutional networks. ICML, PMLR 80:2825-2834.

        Examples
        --------
        >>> import xsm
        >>> ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
        >>> short = {"epochs": 3, "iterations": 30, "progress": False}
        >>> fitted = xsm.fit(ds, "lstm", scaling="global", hidden_size=16, **short)
        >>> tuned = fitted.finetune(ds, target="swvl2", freeze="recurrent", **short)
        >>> tuned.fingerprint["lineage"][0]["target"], tuned.recipe.target
        ('soil_moisture', 'swvl2')
        """
        check_whole("head_first", head_first, 0)
        check_choice("cell_offset", str(cell_offset), ("False", "True"))
        if anchor is not None and not anchor >= 0:
            msg = f"anchor={anchor!r} was given; a weight from 0 is needed, such as 0.001."
            raise TrainingError(msg)
        asked = Asked(
            target=target,
            variables=variables,
            valid=valid,
            cell_offset=cell_offset,
            losses=losses,
            schedule=given(
                epochs=epochs,
                iterations=iterations,
                batch_size=batch_size,
                learning_rate=learning_rate,
                patience=patience,
            ),
            monitor=monitor,
            device=device,
            precision=precision,
            seed=check_whole("seed", seed),
            progress=progress,
            memory_limit=memory_limit,
            checkpoint=checkpoint,
            covariates=covariates,
            truth=truth,
            area=area,
        )
        downscales = self.recipe.downscales
        check_kind(self.name, asked.of_fields, {}, downscales=downscales)
        order = finetune_fields if downscales else finetune_cells
        found = order(self, stated(ds, product), asked, Tuning(freeze, anchor, head_first))
        vars(made := object.__new__(type(self))).update(vars(found))
        return made
