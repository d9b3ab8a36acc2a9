"""The table: look-up, errors, text and HTML."""

from __future__ import annotations

import pickle
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr

from xsm.data.naming import ROLES, find_variables
from xsm.exceptions import MissingVariableError, UnitsError


@pytest.fixture
def ds() -> xr.Dataset:
    days = np.arange("2020-01-01", "2020-01-03", dtype="M8[D]").astype("M8[ns]")
    fields = {
        "tp": ("time", [0.001, 0.002], {"units": "m", "cell_methods": "time: sum"}),
        "e": ("time", [1.0, 1.0]),
        "swvl1": ("time", [0.1, 0.2], {"units": "m3 m-3", "cell_methods": "time: point"}),
        "<b>ndvi</b>": ("time", [0.3, 0.4], {"units": "1"}),
    }
    return xr.Dataset(fields, {"time": days})


def test_look_up(ds):
    table = find_variables(ds)
    assert table.lookup("precipitation") == table.lookup("tp") == table["precipitation"]
    assert table.lookup("<b>ndvi</b>").how == "name"
    assert table.array(ds, "<b>ndvi</b>").values.tolist() == [0.3, 0.4]
    assert table.array(ds, "tp").name == "tp"
    assert table.array(ds, "precipitation").name == "precipitation"
    assert table.layers("runoff") == ()


def test_attributes_of_canonical_arrays(ds):
    table = find_variables(ds)
    assert table.array(ds, "precipitation").attrs == {
        "standard_name": "lwe_precipitation_rate",
        "long_name": "precipitation",
        "units": "mm day-1",
        "cell_methods": "time: mean",
    }
    assert table.array(ds, "soil_moisture").attrs["cell_methods"] == "time: point"
    assert ds["tp"].attrs["units"] == "m"


def test_all_that_is_missing_in_one_error(ds):
    ds = ds.rename(tp="total_precip", e="e")
    with pytest.raises(MissingVariableError, match="runoff: not found") as error:
        find_variables(ds).require("runoff", "precipitation", "evaporation", "swvl9", "swvl1")
    text = str(error.value)
    assert "Did you mean 'total_precip'" in text
    assert 'variables={"precipitation": "<its name>"}' in text
    assert "evaporation: 'e' has no units" in text
    assert "swvl9: no role and no variable. Did you mean 'swvl1'" in text
    assert "swvl1:" not in text


def test_faults_by_the_name_of_the_variable(ds):
    table = find_variables(ds)
    for name in ("e", "evaporation"):
        with pytest.raises(UnitsError, match="'e' has no units"):
            table.lookup(name)
    with pytest.raises(MissingVariableError, match="runoff: not found"):
        table["runoff"]
    with pytest.raises(MissingVariableError, match="no role and no variable"):
        table.lookup("swvl9")
    table.require("tp", "soil_moisture")


def test_a_part_without_the_variable(ds):
    with pytest.raises(MissingVariableError, match="The data hold no variable 'tp'"):
        find_variables(ds).array(ds.drop_vars("tp"), "precipitation")


def test_text(ds):
    text = repr(find_variables(ds))
    assert text.splitlines()[1].split() == [
        *("role", "variable", "found", "by", "units", "canonical", "sign", "depth")
    ]
    assert "! evaporation: 'e' has no units" in text
    assert "0-0.07 m" in text
    assert "not found: air_temperature" in text


def test_many_layers_are_one_line():
    depth = ("depth", np.arange(0.05, 2, 0.1), {"units": "m"})
    ds = xr.Dataset({"theta": ("depth", np.ones(20), {"units": "m3 m-3"})}, {"depth": depth})
    text = repr(find_variables(ds))
    assert text.count("theta") == 1
    assert "theta[depth: 20]" in text
    assert "0-2 m" in text


class Checker(HTMLParser):
    """Collect text; refuse tags that do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_html_is_escaped_and_closed(ds):
    ds = ds.assign(sd=("time", [1.0, 2.0], {"units": "<script>"}))
    checker = Checker()
    checker.feed(find_variables(ds)._repr_html_())
    assert checker.open == []
    assert "tp" in checker.texts
    assert any("<script>" in text for text in checker.texts)


def test_the_table_travels(ds):
    table = pickle.loads(pickle.dumps(find_variables(ds)))
    assert table["precipitation"].conversion.factor == 1000


def test_every_role_of_the_toml():
    from xsm.data.units import conversion

    kinds = {"water_flux", "energy_flux", "state", "static", "categorical"}
    for role in ROLES.values():
        assert role.kind in kinds
        assert conversion(role.units, role.units).identity
        assert set(role.layers) <= set(role.names)
        assert set(role.signs) <= set(role.aliases)
        assert role.positive in {"", "up", "down"}
        assert role.range is None or role.range[0] < role.range[1]
    water = ROLES["evaporation"]
    assert water.products("e") == ("era5_land",)
    assert water.product_sign("e") == -1
    assert water.product_sign("evspsbl") == 1
