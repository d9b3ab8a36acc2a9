"""The accessor ``.physm``: one statement a method; what it does stands in :mod:`xsm.api`."""

from __future__ import annotations

import os
import weakref
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from xsm.exceptions import GridError, UnknownNameError
from xsm.typing import TERMS, Compat, Scaling, Trend

if TYPE_CHECKING:
    from distributed import Client

    from xsm.estimators import Estimator
    from xsm.fitted import FittedModel
    from xsm.losses import Loss
    from xsm.naming import VariableTable
    from xsm.nn import Model
    from xsm.planning import Plan

__all__ = ["PhysmArray", "PhysmDataset"]

_FITTED: dict[int, tuple[weakref.ref[Any], FittedModel]] = {}


def _remember(owner: xr.Dataset | xr.DataArray, fitted: FittedModel) -> FittedModel:
    """Keep a model for as long as the object lives; it never travels with the object."""
    key = id(owner)
    _FITTED[key] = (weakref.ref(owner, lambda _: _FITTED.pop(key, None)), fitted)
    return fitted


def _recall(owner: xr.Dataset | xr.DataArray) -> FittedModel | None:
    """Return the model last fitted through this very object."""
    return _FITTED[id(owner)][1] if id(owner) in _FITTED else None


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
        return _recall(self._ds)

    def variables(
        self,
        overrides: Mapping[str, str] | None = None,
    ) -> VariableTable:
        """See :func:`xsm.variables`."""
        from xsm import api

        return api.variables(self._ds, overrides)

    def fit(
        self,
        model: str | type[Model] | type[Estimator] = "phy_lstm",
        *,
        target: str | None = None,
        dynamic: Sequence[str] | None = None,
        static: Sequence[str] | None = None,
        data_integration: bool = False,
        known_forcing: bool = False,
        variables: Mapping[str, str] | None = None,
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
        **hyperparameters: Any,
    ) -> FittedModel:
        """Train a model on a data set, see :func:`xsm.fit`."""
        from xsm import api

        fitted = api.fit(
            self._ds,
            model,
            target=target,
            dynamic=dynamic,
            static=static,
            data_integration=data_integration,
            known_forcing=known_forcing,
            variables=variables,
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
            **hyperparameters,
        )
        return _remember(self._ds, fitted)

    def predict(
        self,
        fitted: FittedModel | None = None,
        *,
        batch_size: int | None = None,
        device: str = "auto",
    ) -> xr.Dataset:
        """See :func:`xsm.predict`."""
        from xsm import api

        return api.predict(self._ds, fitted or self.fitted, batch_size=batch_size, device=device)

    def plan(self, fitted: FittedModel | None = None, *, batch_size: int | None = None) -> Plan:
        """See :func:`xsm.plan`."""
        from xsm import planning

        return planning.plan(self._ds, fitted or self.fitted, batch_size=batch_size)

    def score(
        self,
        predicted: xr.Dataset | xr.DataArray,
        *,
        dim: Hashable | Iterable[Hashable] | None = None,
        baselines: bool | FittedModel = True,
        target: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> xr.Dataset:
        """See :func:`xsm.score`."""
        from xsm import assess

        return assess.score(
            self._ds,
            predicted,
            dim=dim,
            baselines=baselines,
            target=target,
            variables=variables,
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
        target: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> xr.Dataset:
        """See :func:`xsm.consistency`."""
        from xsm import assess

        return assess.consistency(
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
            target=target,
            variables=variables,
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
        variables: Mapping[str, str] | None = None,
    ) -> xr.Dataset:
        """Return the inflow and its trend, see :func:`xsm.water_balance`."""
        from xsm.balance import water_balance

        return water_balance(
            self._ds,
            deep=deep,
            terms=terms,
            trend=trend,
            threshold=threshold,
            compat=compat,
            target=target,
            variables=variables,
        )


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
        return _recall(self._array)

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
        **hyperparameters: Any,
    ) -> FittedModel:
        """Train a model on a data set, see :func:`xsm.fit`."""
        from xsm import api

        fitted = api.fit(
            _joined(self._array, forcing),
            model,
            target=str(self._array.name),
            dynamic=dynamic,
            static=static,
            data_integration=data_integration,
            known_forcing=known_forcing,
            variables=variables,
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
            **hyperparameters,
        )
        return _remember(self._array, fitted)

    def predict(
        self,
        fitted: FittedModel | None = None,
        *,
        forcing: xr.Dataset | None = None,
        batch_size: int | None = None,
        device: str = "auto",
    ) -> xr.Dataset:
        """See :func:`xsm.predict`."""
        from xsm import api

        return api.predict(
            _joined(self._array, forcing),
            fitted or self.fitted,
            batch_size=batch_size,
            device=device,
        )

    def score(
        self,
        predicted: xr.Dataset | xr.DataArray,
        *,
        forcing: xr.Dataset | None = None,
        dim: Hashable | Iterable[Hashable] | None = None,
        baselines: bool | FittedModel = True,
        variables: Mapping[str, str] | None = None,
    ) -> xr.Dataset:
        """See :func:`xsm.score`."""
        from xsm import assess

        return assess.score(
            _joined(self._array, forcing),
            predicted,
            target=str(self._array.name),
            dim=dim,
            baselines=baselines,
            variables=variables,
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
        variables: Mapping[str, str] | None = None,
    ) -> xr.Dataset:
        """See :func:`xsm.consistency`."""
        from xsm import assess

        return assess.consistency(
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
            variables=variables,
        )


def _joined(array: xr.DataArray, forcing: xr.Dataset | None) -> xr.Dataset:
    """Put the target beside the other variables, aligned exactly."""
    if array.name is None:
        msg = "The array has no name; give it one: array.rename('swvl1').physm."
        raise UnknownNameError(msg)
    own = array.to_dataset()
    try:
        return own if forcing is None else xr.merge([own, forcing], join="exact", compat="override")
    except ValueError as error:
        msg = (
            f"The array and forcing= lie on different coordinates: {error}. Select or interpolate "
            "one to the other first, for example forcing.sel(time=array.time)."
        )
        raise GridError(msg) from error
