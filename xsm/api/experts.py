"""What a trained mixture of experts can be asked."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from xsm.artefact.learnt import Learnt
from xsm.cells.experts import By, importance, predict_experts
from xsm.data.provenance import recorded

__all__ = ["WithExperts"]


class WithExperts(Learnt):
    """A trained model, with the verbs of those that hold experts."""

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
            each times its ``expert_share``, is the prediction. Experts are trained together, not
            each by itself. Lazy where the inputs are, NaN where the prediction is.
        """
        found = predict_experts(self, ds, batch_size=batch_size, device=device, variables=variables)
        return recorded(found, "experts", of=ds, by=self)

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

        Weights are learnt to say what is lost; here it is measured. Where both disagree, believe
        the loss.

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
            (expert [, season] [, region]): ``weight``, ``share`` (of the expert in the prediction),
            ``permutation`` (rise of the RMSE without the inputs), ``permutation_share``, ``rmse``,
            ``agreement`` (rank correlation of weight and permutation_share), of an ensemble
            ``weight_std``; lazy where the data are.
        """
        found = importance(
            self,
            ds,
            by=by,
            repeats=repeats,
            seed=seed,
            batch_size=batch_size,
            device=device,
            variables=variables,
        )
        title = "Importance of the experts of a mixture"
        return recorded(found, "importance", of=ds, title=title, by=self)
