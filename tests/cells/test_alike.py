"""Experts whose inputs are copies, and weights that do not say what is missed without them."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.stats import spearmanr

from tests.cells.test_experts import QUICK, planted
from xsm.cells import experts
from xsm.losses import RMSE, Mixture
from xsm.nn import members_of


@pytest.fixture(scope="module")
def small() -> xr.Dataset:
    return planted(steps=60, shape=(4, 6))


def test_copies_are_told_and_members_show_their_spread(small):
    twin = (2 * small["precipitation"] + 270).assign_attrs(units="K")
    ds = small.assign(air_temperature=twin)
    said = r"Inputs of different experts say the same: '(air|prec)[a-z_]*' and '[a-z_]*' \(r = 1\.0"
    with pytest.warns(UserWarning, match="say the same|never matter|collapsed") as told:
        fitted = ds.physm.fit("ismoe", window=8, members=2, **QUICK)
    assert any(re.match(said, str(warning.message)) for warning in told)
    with pytest.warns(UserWarning, match="say the same|order the experts differently") as told:
        table = fitted.importance(ds, repeats=1)
    assert any(re.match(said, str(warning.message)) for warning in told)
    apart = [
        replace(fitted, model=member).predict(ds)["expert_weight"].mean(("time", "lat", "lon"))
        for member in members_of(fitted.model)
    ]
    wanted = abs(apart[0] - apart[1]) / 2
    np.testing.assert_allclose(table["weight_std"], wanted, atol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "The weight of")
        groups = {"rain": ["precipitation", "air_temperature"], "light": ["shortwave_down"]}
        groups["wind"] = ["wind_speed"]
        ds.physm.fit("ismoe", window=8, groups=groups, **QUICK)


def test_weights_that_mislead_are_told(small):
    fitted = small.physm.fit("ismoe", window=8, **QUICK)
    names = xr.DataArray(["a", "b", "c", "d"], dims="expert", name="expert")
    weight = xr.DataArray([0.7, 0.2, 0.09, 0.01], {"expert": names}, "expert")
    shares = {"same": [0.8, 0.15, 0.05, 0.0], "turned": [0.0, 0.05, 0.15, 0.8]}
    shares["idle"] = [0.6, 0.38, 0.005, 0.015]  # two that do not matter, in any order
    found = {k: float(experts.agreement(weight, weight.copy(data=v))) for k, v in shares.items()}
    assert found["same"] == pytest.approx(1.0)
    assert found["turned"] == pytest.approx(-1.0)
    assert found["idle"] == pytest.approx(spearmanr([4, 3, 2, 1], [4, 3, 1.5, 1.5]).statistic)
    even = xr.full_like(weight, 1 / 3)[:3]
    shown = {"expert_weight": even, "expert_share": even}
    with pytest.warns(UserWarning, match=r"order the experts differently: .* falls to -1\.00"):
        experts.tell(fitted.model, shown, xr.DataArray(-1.0), None)


def test_weights_that_no_term_trains_are_told(small):
    with pytest.warns(UserWarning, match=r"No term of the loss trains the weights of the experts"):
        fitted = small.physm.fit("ismoe", window=8, losses=[RMSE(), Mixture()], **QUICK)
    found = fitted.predict(small)
    np.testing.assert_allclose(found["expert_weight"].min(), 1 / 3, rtol=1e-6)
    assert float(found["expert_share"].max()) > 0.34
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small.physm.fit("mean_expert", window=8, losses=[RMSE(0.5)], **QUICK)  # has no router
