"""The accessor ``.physm`` of arrays; that of data sets stands in :mod:`xsm.api.accessor`."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import xarray as xr

from xsm.api.memory import kept, recall, remember
from xsm.data.joins import snap
from xsm.exceptions import GridError, UnknownNameError
from xsm.typing import Compat, Scaling, States, Trend

if TYPE_CHECKING:
    from distributed import Client

    from xsm.api.fitted import FittedModel
    from xsm.api.plan import Plan
    from xsm.api.training_plan import TrainingPlan
    from xsm.data.nesting.nest import Factor
    from xsm.estimators import Estimator
    from xsm.fields.sources import Covariates
    from xsm.losses import Loss
    from xsm.nn import FieldModel, Model
    from xsm.plotting import DataPlots

__all__ = ["PhysmArray"]


@xr.register_dataarray_accessor("physm")
class PhysmArray:
    """Physics-guided prediction of one named array; other variables come with ``forcing=``.

    Parameters
    ----------
    array : xarray.DataArray
        The target.
    """

    def __init__(self, array: xr.DataArray) -> None:
        self._array = array

    @property
    def fitted(self) -> FittedModel | None:
        """The model last fitted through this very object; a selection of it starts empty."""
        return recall(self._array)

    @property
    def plot(self) -> DataPlots:
        """Figures of the array: ``array.physm.plot.map()``, see :mod:`xsm.plotting`."""
        from xsm.plotting import DataPlots

        return DataPlots(_joined(self._array, None))

    def fit(
        self,
        model: str | type[Model] | type[Estimator] = "phy_lstm",
        *,
        forcing: xr.Dataset | None = None,
        dynamic: Sequence[str] | None = None,
        static: Sequence[str] | None = None,
        data_integration: bool = False,
        known_forcing: bool = False,
        variables: Mapping[str, str] | None = None,
        product: str | None = None,
        valid: float = 0.25,
        window: int | None = None,
        lead: int | None = None,
        scaling: Scaling | None = None,
        losses: Sequence[Loss] | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        patience: int | None = None,
        monitor: str = "total",
        device: str = "auto",
        precision: str = "auto",
        seed: int = 0,
        progress: bool | None = None,
        memory_limit: str | int = "2 GiB",
        checkpoint: str | os.PathLike[str] | None = None,
        client: Client | None = None,
        sequence: int | None = None,
        warmup: int = 30,
        latency: tuple[int, int] = (1, 14),
        cuts: int = 0,
        factor: Factor | None = None,
        covariates: Covariates | None = None,
        truth: xr.Dataset | xr.DataArray | None = None,
        supervision: str | None = None,
        conserve: str | None = None,
        area: xr.DataArray | None = None,
        **hyperparameters: Any,
    ) -> FittedModel:
        """Train a model on a data set, see :func:`xsm.fit`."""
        from xsm.api.fit import fit

        fitted = fit(
            _joined(self._array, forcing),
            model,
            target=str(self._array.name),
            dynamic=dynamic,
            static=static,
            data_integration=data_integration,
            known_forcing=known_forcing,
            variables=variables,
            product=product,
            valid=valid,
            window=window,
            lead=lead,
            scaling=scaling,
            losses=losses,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            patience=patience,
            monitor=monitor,
            device=device,
            precision=precision,
            seed=seed,
            progress=progress,
            memory_limit=memory_limit,
            checkpoint=checkpoint,
            client=client,
            sequence=sequence,
            warmup=warmup,
            latency=latency,
            cuts=cuts,
            factor=factor,
            covariates=covariates,
            truth=truth,
            supervision=supervision,
            conserve=conserve,
            area=area,
            **hyperparameters,
        )
        return remember(self._array, fitted)

    def downscale(
        self,
        factor: Factor = 4,
        *,
        model: str | type[FieldModel] | FittedModel = "convlstm_unet",
        covariates: Covariates | None = None,
        truth: xr.Dataset | xr.DataArray | None = None,
        supervision: str | None = None,
        conserve: str = "soft",
        area: xr.DataArray | None = None,
        variables: Mapping[str, str] | None = None,
        product: str | None = None,
        **training: Any,
    ) -> xr.Dataset:
        """See :func:`xsm.downscale`; a model that is trained on the way is kept as ``fitted``."""
        from xsm.api.downscale import downscale_keeping

        found, fitted = downscale_keeping(
            _joined(self._array, None),
            factor,
            model=model,
            covariates=covariates,
            truth=truth,
            supervision=supervision,
            conserve=conserve,
            area=area,
            target=str(self._array.name),
            variables=variables,
            product=product,
            training=training,
        )
        return found if fitted is None else kept(self._array, fitted, found)

    def predict(
        self,
        fitted: FittedModel | None = None,
        *,
        forcing: xr.Dataset | None = None,
        state: xr.Dataset | None = None,
        batch_size: int | None = None,
        device: str = "auto",
        variables: Mapping[str, str] | None = None,
        product: str | None = None,
    ) -> xr.Dataset:
        """See :func:`xsm.predict`."""
        from xsm.api.predict import predict

        return predict(
            _joined(self._array, forcing),
            fitted or self.fitted,
            state=state,
            batch_size=batch_size,
            device=device,
            variables=variables,
            product=product,
        )

    def plan(
        self,
        fitted: FittedModel | str | type[Any] | None = None,
        *,
        forcing: xr.Dataset | None = None,
        batch_size: int | None = None,
        variables: Mapping[str, str] | None = None,
        product: str | None = None,
        **training: Any,
    ) -> Plan | TrainingPlan:
        """See :func:`xsm.plan`."""
        from xsm.api.plan import plan

        model = fitted or self.fitted
        named = model is None or hasattr(model, "recipe")
        return plan(
            _joined(self._array, forcing),
            model,
            batch_size=batch_size,
            variables=variables,
            product=product,
            **training if named else {"target": str(self._array.name), **training},
        )

    def forecast(
        self,
        fitted: FittedModel | None = None,
        *,
        forcing: xr.Dataset | None = None,
        init: Any = None,
        lead: int | Sequence[int] = 14,
        weather: str | xr.Dataset | None = None,
        members: Any = None,
        state: xr.Dataset | None = None,
        batch_size: int | None = None,
        device: str = "auto",
        variables: Mapping[str, str] | None = None,
        product: str | None = None,
    ) -> xr.Dataset:
        """See :func:`xsm.forecast`."""
        from xsm.api.forecast import forecast

        return forecast(
            _joined(self._array, forcing),
            fitted or self.fitted,
            init=init,
            lead=lead,
            weather=weather,
            members=members,
            state=state,
            batch_size=batch_size,
            device=device,
            variables=variables,
            product=product,
        )

    def score(
        self,
        predicted: xr.Dataset | xr.DataArray,
        *,
        forcing: xr.Dataset | None = None,
        dim: Hashable | Iterable[Hashable] | None = None,
        baselines: bool | FittedModel = True,
        lead: int | None = None,
        variables: Mapping[str, str] | None = None,
        product: str | None = None,
    ) -> xr.Dataset:
        """See :func:`xsm.score`."""
        from xsm.api.score import score

        return score(
            _joined(self._array, forcing),
            predicted,
            target=str(self._array.name),
            dim=dim,
            baselines=baselines,
            lead=lead,
            variables=variables,
            product=product,
        )

    def consistency(
        self,
        predicted: xr.Dataset | xr.DataArray | None = None,
        *,
        forcing: xr.Dataset | None = None,
        law: str = "water_balance",
        dim: Hashable | Iterable[Hashable] | None = None,
        deep: bool = False,
        terms: Sequence[str] | None = None,
        trend: Trend | None = None,
        compat: Compat | None = None,
        parameters: xr.Dataset | None = None,
        roots: float | Sequence[float] | None = None,
        quiet: float | None = None,
        states: States | None = None,
        variables: Mapping[str, str] | None = None,
        product: str | None = None,
    ) -> xr.Dataset:
        """See :func:`xsm.consistency`."""
        from xsm.api.consistency import consistency

        return consistency(
            _joined(self._array, forcing),
            predicted,
            target=str(self._array.name),
            law=law,
            dim=dim,
            deep=deep,
            terms=terms,
            trend=trend,
            compat=compat,
            parameters=parameters,
            roots=roots,
            quiet=quiet,
            states=states,
            variables=variables,
            product=product,
        )

    def regrid(
        self,
        like: xr.Dataset | xr.DataArray,
        *,
        method: Literal["conservative", "nearest"] = "conservative",
        share: float = 0.5,
    ) -> xr.DataArray:
        """See :func:`xsm.regrid`."""
        from xsm.data.regrid import regrid

        return regrid(self._array, like, method=method, share=share)


def _joined(array: xr.DataArray, forcing: xr.Dataset | None) -> xr.Dataset:
    """Put the target beside the other variables, aligned exactly."""
    if array.name is None:
        msg = "The array has no name; give it one: array.rename('swvl1').physm."
        raise UnknownNameError(msg)
    own = array.to_dataset()
    if forcing is None:
        return own
    try:
        return xr.merge([own, snap(forcing, array)], join="exact", compat="override")
    except ValueError as error:
        how = "Select one to the other first, for example forcing.sel(time=array.time)"
        if _other_grid(array, forcing):
            how = "Bring both to one grid: forcing = xsm.regrid(forcing, array)"
        msg = f"The array and forcing= lie on different coordinates: {error}. {how}."
        raise GridError(msg) from error


def _other_grid(array: xr.DataArray, forcing: xr.Dataset) -> bool:
    """Tell whether both lie on grids, and these differ."""
    from xsm.data.nesting.pairs import extent

    grids = extent(array), extent(forcing)
    return all(grids) and grids[0] != grids[1]
