"""The verb of the accessor that trains many times, see :mod:`xsm.api.accessor`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    from distributed import Client

    from xsm.api.validated import CrossValidation
    from xsm.estimators import Estimator
    from xsm.nn import Model

__all__ = ["Validating"]


class Validating:
    """A data set that is divided into folds."""

    _ds: xr.Dataset

    def cross_validate(
        self,
        model: str | type[Model] | type[Estimator] = "phy_lstm",
        *,
        folds: str | xr.DataArray = "regions",
        count: int | None = None,
        size: float | None = None,
        buffer: float = 0.0,
        test: slice | None = None,
        target: str | Sequence[str] | None = None,
        calibrate: str | None = None,
        variables: Mapping[str, str] | None = None,
        product: str | None = None,
        seed: int = 0,
        path: str | os.PathLike[str] | None = None,
        client: Client | None = None,
        **settings: Any,
    ) -> CrossValidation:
        """See :func:`xsm.cross_validate`."""
        from xsm.api.cross_validate import cross_validate

        return cross_validate(
            self._ds,
            model,
            folds=folds,
            count=count,
            size=size,
            buffer=buffer,
            test=test,
            target=target,
            calibrate=calibrate,
            variables=variables,
            product=product,
            seed=seed,
            path=path,
            client=client,
            **settings,
        )
