"""Wind speed and humidity made of other variables: constants and hand calculation."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from xsm.data.naming import Variable, find_variables
from xsm.data.naming.derived import saturation_vapour_pressure, specific_humidity
from xsm.exceptions import GridError, MissingVariableError


def air(**variables: tuple[float, str]) -> xr.Dataset:
    return xr.Dataset({n: ("x", np.array([v]), {"units": u}) for n, (v, u) in variables.items()})


def test_vapour_pressure_of_the_tables():
    """Over water: 611.2 Pa at 0 degC, 2339 Pa at 20 degC, 4247 Pa at 30 degC (WMO 2008)."""
    found = saturation_vapour_pressure(xr.DataArray([273.15, 293.15, 303.15]))
    np.testing.assert_allclose(found, [611.2, 2339, 4247], rtol=2e-3)


def test_specific_humidity_from_mixing_ratio():
    """For w = eps e / (p - e), q = w / (1 + w)."""
    e, p = np.array([500.0, 2000.0]), 1e5
    ratio = 0.621981 * e / (p - e)
    found = specific_humidity(xr.DataArray(e), xr.DataArray(p))
    np.testing.assert_allclose(found, ratio / (1 + ratio), rtol=1e-5)


def test_wind_speed():
    ds = air(u10=(3, "m s-1"), v10=(-14.4, "km h-1"))
    table = find_variables(ds)
    assert table["wind_speed"] == Variable("wind_speed", ("u10", "v10"), "derived", "m s-1")
    assert float(table.array(ds, "wind_speed")[0]) == pytest.approx(5)
    assert table.array(ds, "wind_speed").attrs["standard_name"] == "wind_speed"
    measured = ds.assign(si10=("x", [6.0], {"units": "m s-1"}))
    assert find_variables(measured)["wind_speed"].how == "alias"


def test_dew_point_equals_saturated_relative_humidity():
    damp = air(d2m=(10, "degC"), sp=(900, "hPa"))
    full = air(rh=(100, "%"), tair=(283.15, "K"), ps=(90, "kPa"))
    one, two = (find_variables(ds).array(ds, "specific_humidity") for ds in (damp, full))
    np.testing.assert_allclose(one, two, rtol=1e-12)
    np.testing.assert_allclose(one, 0.622 * 1228 / (90_000 - 0.378 * 1228), rtol=2e-3)


def test_total_runoff():
    ds = air(Qs_tavg=(1e-5, "kg m-2 s-1"), Qsb_tavg=(2e-5, "kg m-2 s-1"))
    assert float(find_variables(ds).array(ds, "runoff")[0]) == pytest.approx(2.592)


def test_derived_is_lazy(raise_if_computed):
    ds = air(u10=(3, "m s-1"), v10=(4, "m s-1"), d2m=(280, "K"), sp=(9e4, "Pa")).chunk()
    table = find_variables(ds)
    assert table.array(ds, "wind_speed").chunks == ((1,),)
    assert table.array(ds, "specific_humidity").chunks == ((1,),)


def test_parts_on_other_coordinates():
    wind = xr.DataArray([1.0, 2.0], dims="x", attrs={"units": "m s-1"})
    ds = xr.Dataset({"u10": wind, "v10": wind})
    table = find_variables(ds)
    broken = {"u10": wind.assign_coords(x=[0, 1]), "v10": wind.assign_coords(x=[0, 2])}

    class Split(dict):  # data from two grids, as a mapping: a Dataset would align them itself
        variables = broken

        def __getitem__(self, names):
            return xr.Dataset({n: broken[n] for n in names})

    with pytest.raises(GridError, match=r"'wind_speed' is made of .* different coordinates"):
        table.array(Split(), "wind_speed")


def test_parts_must_be_of_this_table():
    ds = air(u10=(3, "m s-1"), v10=(4, "m s-1"))
    foreign = Variable("wind_speed", ("v10", "u10"), "derived", "m s-1")
    with pytest.raises(MissingVariableError, match="pass a variable of this table"):
        find_variables(ds).array(ds, foreign)


WEIGHT = 0.1888 / (0.1888 + 0.0674)  # s and g, kPa K-1, at 25 degC and 101.3 kPa (FAO 56, annex 2)
ENERGY = 28.356  # W m-2 of a mm day-1, 2.45 MJ kg-1 (FAO 56, table 3)
BLACK = 448.07  # W m-2, sigma T^4 at 25 degC
DAY = {"tair": (25, "degC"), "SWdown": (200 / 0.77, "W m-2"), "LWdown": (BLACK, "W m-2")}


@pytest.mark.parametrize(
    ("variables", "wanted", "names"),
    [
        ({"rn": (ENERGY, "W m-2")}, 1.0, ("rn",)),
        (DAY, 1.26 * WEIGHT * 200 / ENERGY, ("SWdown", "LWdown", "tair")),
        (
            {**DAY, "ps": (101.325, "kPa")},
            1.26 * WEIGHT * 200 / ENERGY,
            ("SWdown", "LWdown", "tair", "ps"),
        ),
        (
            {k: v for k, v in DAY.items() if k != "LWdown"},
            0.65 * WEIGHT * 200 / 0.77 / ENERGY,
            ("SWdown", "tair"),
        ),
        ({**DAY, "LWdown": (100, "W m-2")}, 0.0, ("SWdown", "LWdown", "tair")),  # there is no dew
    ],
)
def test_potential_evaporation_of_what_is_there(variables, wanted, names):
    ds = air(**variables)
    if "rn" in ds:
        ds["rn"].attrs["standard_name"] = "surface_net_downward_radiative_flux"
    table = find_variables(ds)
    assert table["potential_evaporation"].name == names
    assert float(table.array(ds, "potential_evaporation")[0]) == pytest.approx(wanted, rel=5e-3)
    known = find_variables(ds.assign(pet=("x", [3.0], {"units": "mm day-1"})))
    assert known["potential_evaporation"].how == "alias"


def test_faulty_parts_of_an_estimate_are_told_by_themselves():
    ds = air(**{**DAY, "SWdown": (200, "furlong")})
    table = find_variables(ds)
    assert "shortwave_down" in table.problems
    assert "potential_evaporation" not in table.problems
