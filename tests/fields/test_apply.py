"""Downscaling with a fitted model: what its data may be called."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xsm.exceptions import MissingVariableError, UnknownNameError


def test_a_downscaling_takes_names_after_fit():
    axes = {"time": pd.date_range("2000", periods=12, freq="MS")}
    axes |= {"lat": np.arange(4.0), "lon": np.arange(4.0)}
    rng = np.random.default_rng(0)
    gws = xr.Dataset({"gws": (tuple(axes), rng.normal(size=(12, 4, 4)), {"units": "mm"})}, axes)
    rain = gws["gws"].copy(data=rng.random((12, 4, 4))).assign_attrs(units="mm day-1")
    cov, small = (
        rain.to_dataset(name="regen"),
        {"hidden": 2, "widths": (2, 4), "epochs": 1, "valid": 0.0},
    )
    stated = {"precipitation": "regen"}
    fitted = gws.physm.fit(
        "convlstm_unet",
        factor=2,
        covariates=cov,
        variables=stated,
        iterations=1,
        progress=False,
        **small,
    )
    mine = fitted.downscale(gws, covariates=cov)
    other = {"covariates": cov.rename(regen="pluie"), "variables": {"precipitation": "pluie"}}
    xr.testing.assert_identical(fitted.downscale(gws, **other), mine)
    xr.testing.assert_identical(gws.physm.downscale(2, model=fitted, **other), mine)
    with pytest.raises(MissingVariableError, match=r"needs the covariates \['precipitation'\]"):
        fitted.downscale(gws, covariates=other["covariates"])
    typo = {"precipitation": "pluies"}
    for call in (
        lambda: fitted.downscale(gws, covariates=other["covariates"], variables=typo),
        lambda: gws.physm.downscale(2, model="nearest", variables=typo),
        lambda: gws.physm.fit("convlstm_unet", factor=2, variables=typo, **small),
    ):
        with pytest.raises(MissingVariableError, match="'pluies' is no variable of the data"):
            call()
    truth = mine[["gws"]]
    scores = fitted.score(gws, truth=truth, **other)
    assert float(scores["rmse"].sel(source="model").max()) < 1e-5
    with pytest.raises(UnknownNameError, match="'regn' is no role"):
        fitted.score(gws, truth=truth, covariates=cov, variables={"regn": "regen"})
