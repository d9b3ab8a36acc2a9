"""What a fit does on its way."""

from __future__ import annotations

import sys

import pytest

import xsm
from xsm.api.fit import fit  # and with it, before they are watched, all modules that find any
from xsm.data.naming import find_variables

QUICK = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}


@pytest.fixture
def found(monkeypatch) -> list[int]:
    """Return a list that grows with each data set whose variables are looked for."""
    calls: list[int] = []

    def counted(ds, *more):
        calls.append(id(ds))
        return find_variables(ds, *more)

    for module in [m for n, m in sys.modules.items() if n.startswith("xsm.")]:
        if getattr(module, "find_variables", None) is find_variables:
            monkeypatch.setattr(module, "find_variables", counted)
    return calls


@pytest.mark.parametrize("name", ["phy_lstm", "lstm", "random_forest"])
def test_variables_are_found_once(name, found):
    ds = xsm.open_tutorial("land").isel(latitude=slice(2), longitude=slice(20, 22))
    ds = ds.isel(time=slice(200))
    quick = {"n_estimators": 2, "progress": False} if name == "random_forest" else QUICK
    fitted = fit(ds, name, window=4, **quick)
    assert len(found) == 1
    fitted.predict(ds)
    assert len(found) == 2
    fitted.score(ds)
    assert len(found) == 3
