"""The accessor ``.physm``: one statement a method; what it does stands in :mod:`xsm.api.fit`."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import xarray as xr

from xsm.api.memory import kept, recall, remember
from xsm.typing import TERMS, Compat, Scaling, States, Trend

if TYPE_CHECKING:
    from distributed import Client

    from xsm.api.fitted import FittedModel
    from xsm.api.plan import Plan
    from xsm.api.training_plan import TrainingPlan
    from xsm.data.doubt.report import Report
    from xsm.data.naming import VariableTable
    from xsm.data.nesting.nest import Factor
    from xsm.estimators import Estimator
    from xsm.fields.sources import Covariates
    from xsm.losses import Loss
    from xsm.nn import FieldModel, Model
    from xsm.plotting import DataPlots

__all__ = ["PhysmDataset"]


@xr.register_dataset_accessor("physm")
class PhysmDataset:
    """Physics-guided prediction on a Dataset: ``ds.physm.fit(...)`` is ``xsm.fit(ds, ...)``.

    Parameters
    ----------
    ds : xarray.Dataset
        The data set.
    """

    def __init__(self, ds: xr.Dataset) -> None:
        self._ds = ds

    @property
    def fitted(self) -> FittedModel | None:
        """The model last fitted through this very object; a selection of it starts empty."""
        return recall(self._ds)

    @property
    def plot(self) -> DataPlots:
        """Figures of the data: ``ds.physm.plot.map("swvl1")``, see :mod:`xsm.plotting`."""
        from xsm.plotting import DataPlots

        return DataPlots(self._ds)

    def variables(
        self, overrides: Mapping[str, str] | None = None, *, product: str | None = None
    ) -> VariableTable:
        """See :func:`xsm.variables`."""
        from xsm.api.variables import variables

        return variables(self._ds, overrides, product=product)

    def check(
        self, variables: Mapping[str, str] | None = None, *, product: str | None = None
    ) -> Report:
        """See :func:`xsm.check`."""
        from xsm.api.check import check

        return check(self._ds, variables, product=product)

    def fit(
        self,
        model: str | type[Model] | type[Estimator] = "phy_lstm",
        *,
        target: str | Sequence[str] | None = None,
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
            self._ds,
            model,
            target=target,
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
        return remember(self._ds, fitted)

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
        target: str | None = None,
        variables: Mapping[str, str] | None = None,
        product: str | None = None,
        **training: Any,
    ) -> xr.Dataset:
        """See :func:`xsm.downscale`; a model that is trained on the way is kept as ``fitted``."""
        from xsm.api.downscale import downscale_keeping

        found, fitted = downscale_keeping(
            self._ds,
            factor,
            model=model,
            covariates=covariates,
            truth=truth,
            supervision=supervision,
            conserve=conserve,
            area=area,
            target=target,
            variables=variables,
            product=product,
            training=training,
        )
        return found if fitted is None else kept(self._ds, fitted, found)

    def predict(
        self,
        fitted: FittedModel | None = None,
        *,
        state: xr.Dataset | None = None,
        batch_size: int | None = None,
        device: str = "auto",
        variables: Mapping[str, str] | None = None,
        product: str | None = None,
    ) -> xr.Dataset:
        """See :func:`xsm.predict`."""
        from xsm.api.predict import predict

        model = fitted or self.fitted
        return predict(
            self._ds,
            model,
            state=state,
            batch_size=batch_size,
            device=device,
            variables=variables,
            product=product,
        )

    def forecast(
        self,
        fitted: FittedModel | None = None,
        *,
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
            self._ds,
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

    def plan(
        self,
        fitted: FittedModel | str | type[Any] | None = None,
        *,
        batch_size: int | None = None,
        variables: Mapping[str, str] | None = None,
        product: str | None = None,
        **training: Any,
    ) -> Plan | TrainingPlan:
        """See :func:`xsm.plan`."""
        from xsm.api.plan import plan

        return plan(
            self._ds,
            fitted or self.fitted,
            batch_size=batch_size,
            variables=variables,
            product=product,
            **training,
        )

    def score(
        self,
        predicted: xr.Dataset | xr.DataArray,
        *,
        dim: Hashable | Iterable[Hashable] | None = None,
        baselines: bool | FittedModel = True,
        lead: int | None = None,
        target: str | None = None,
        variables: Mapping[str, str] | None = None,
        product: str | None = None,
    ) -> xr.Dataset:
        """See :func:`xsm.score`."""
        from xsm.api.score import score

        return score(
            self._ds,
            predicted,
            dim=dim,
            baselines=baselines,
            lead=lead,
            target=target,
            variables=variables,
            product=product,
        )

    def consistency(
        self,
        predicted: xr.Dataset | xr.DataArray | None = None,
        *,
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
        target: str | None = None,
        variables: Mapping[str, str] | None = None,
        product: str | None = None,
    ) -> xr.Dataset:
        """See :func:`xsm.consistency`."""
        from xsm.api.consistency import consistency

        return consistency(
            self._ds,
            predicted,
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
            target=target,
            variables=variables,
            product=product,
        )

    def water_balance(
        self,
        *,
        deep: bool = False,
        terms: Sequence[str] = TERMS,
        trend: Trend = "change",
        threshold: float = 0.0,
        compat: Compat | None = None,
        target: str | None = None,
        outputs: Sequence[str] | None = None,
        variables: Mapping[str, str] | None = None,
        product: str | None = None,
    ) -> xr.Dataset:
        """Return the inflow and its trend, see :func:`xsm.water_balance`."""
        from xsm.hydrology.balance import water_balance

        return water_balance(
            self._ds,
            deep=deep,
            terms=terms,
            trend=trend,
            threshold=threshold,
            compat=compat,
            target=target,
            outputs=outputs,
            variables=variables,
            product=product,
        )

    def regrid(
        self,
        like: xr.Dataset | xr.DataArray,
        *,
        method: Literal["conservative", "nearest"] = "conservative",
        share: float = 0.5,
    ) -> xr.Dataset:
        """See :func:`xsm.regrid`."""
        from xsm.data.regrid import regrid

        return regrid(self._ds, like, method=method, share=share)
