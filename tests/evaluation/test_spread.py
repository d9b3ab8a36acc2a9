"""Reliability against closed forms and another library; lazily, with gaps, by maps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import integrate, stats
from scores.probability import crps_for_ensemble

import xsm
from xsm.data.units import quantify
from xsm.evaluation.distribution import PROBABILITIES, Shape, crps_gaussian
from xsm.exceptions import MissingVariableError, NotEnoughDataError, UnitsError

TABLE = Shape(stats.t(4).ppf(PROBABILITIES))


def pair(z: np.ndarray, std: np.ndarray | float = 0.05) -> tuple[xr.Dataset, xr.Dataset]:
    """Return observations and a prediction with the given standardised errors."""
    coords = {"time": pd.date_range("2020", periods=z.shape[0]), "cell": range(z.shape[1])}
    units = {"units": "m3 m-3"}
    mean = xr.DataArray(np.full(z.shape, 0.3), coords, ("time", "cell"), attrs=units)
    spread = xr.full_like(mean, 1.0) * std
    observed = (mean + spread * z).assign_attrs(units, valid_min=-9.0, valid_max=9.0)
    predicted = xr.Dataset({"swvl1": mean, "swvl1_std": spread.assign_attrs(units)})
    return xr.Dataset({"swvl1": observed}), predicted


def with_table(predicted: xr.Dataset, shape: Shape) -> xr.Dataset:
    table = xr.DataArray(shape.quantiles, {"probability": PROBABILITIES}, "probability")
    return predicted.assign(swvl1_quantile=table)


@pytest.mark.parametrize("z", [-3.0, -0.4, 0.0, 1.7, 8.0])
@pytest.mark.parametrize(
    ("shape", "law", "close"), [(Shape(), stats.norm, 1e-7), (TABLE, stats.t(4), 0.02)]
)
def test_crps_is_the_integral_of_the_squared_error_of_the_distribution(shape, law, close, z):
    def integrand(x):  # Hersbach (2000): (F(x) - H(x - y))^2
        return (law.cdf(x) - (x >= z)) ** 2

    parts = [integrate.quad(integrand, a, b)[0] for a, b in ((-99, -9), (-9, z), (z, 9), (9, 99))]
    assert float(shape.crps(np.array(z))) == pytest.approx(sum(parts), abs=close)


def test_crps_of_a_table_of_gaussian_quantiles_is_the_closed_form():
    z = np.linspace(-9, 9, 400)
    table = Shape(stats.norm.ppf(PROBABILITIES))
    np.testing.assert_allclose(table.crps(z), crps_gaussian(z), atol=3e-3)
    inner = abs(z) < 2
    np.testing.assert_allclose(table.crps(z[inner]), crps_gaussian(z[inner]), atol=1e-4)


@pytest.mark.parametrize("shape", [Shape(), TABLE])
def test_cdf_and_quantiles_are_inverse(shape):
    p = np.array([0.005, 0.1, 0.5, 0.777, 0.995])
    np.testing.assert_allclose(shape.cdf(shape.quantile(p)), p)
    assert np.isnan(shape.cdf(np.array([np.nan]))).all()
    assert np.isnan(shape.crps(np.array([np.nan]))).all()


@pytest.mark.parametrize("shape", [Shape(), TABLE])
def test_a_right_prediction_covers_as_it_says_with_a_flat_pit(shape):
    errors = stats.norm if shape.quantiles is None else stats.t(4)
    ds, predicted = pair(errors.rvs(size=(2000, 20), random_state=0))
    predicted = predicted if shape.quantiles is None else with_table(predicted, shape)
    table = xsm.reliability(ds, predicted, levels=[0.1, 0.5, 0.9, 0.98])
    np.testing.assert_allclose(table["coverage"], table["level"], atol=0.01)
    np.testing.assert_allclose(table["pit"], 1.0, atol=0.1)  # 2000 in a bar: 1 +- 0.02
    assert float(table["pit"].mean()) == pytest.approx(1.0)
    assert float(table["sharpness"]) == pytest.approx(0.05)
    width = 2 * 0.05 * errors.ppf(0.95)
    assert float(table["width"].sel(level=0.9)) == pytest.approx(width, rel=1e-6)
    assert int(table["count"]) == 40_000


@pytest.mark.parametrize(("factor", "middle", "outside"), [(2.0, "<", ">"), (0.5, ">", "<")])
def test_too_narrow_is_a_u_and_too_wide_a_hump(factor, middle, outside):
    ds, predicted = pair(stats.norm(0, factor).rvs(size=(500, 10), random_state=0))
    table = xsm.reliability(ds, predicted, bins=10)
    ends = table["pit"].isel(pit_value=[0, -1])
    centre = table["pit"].isel(pit_value=[4, 5])
    assert (ends > centre).all() if factor > 1 else (ends < centre).all()
    expected = 2 * stats.norm.cdf(stats.norm.ppf(0.95) / factor) - 1
    assert float(table["coverage"].sel(level=0.9)) == pytest.approx(expected, abs=0.015)


def test_crps_is_in_units_and_the_mean_error_without_spread():
    z = stats.norm.rvs(size=(300, 4), random_state=0)
    ds, predicted = pair(z, 0.02)
    members = predicted["swvl1"] + 0.02 * xr.DataArray(
        stats.norm.ppf((np.arange(2000) + 0.5) / 2000), dims="member"
    )
    expected = crps_for_ensemble(members, ds["swvl1"], "member")
    assert float(xsm.reliability(ds, predicted)["crps"]) == pytest.approx(float(expected), rel=1e-3)
    narrow = predicted.assign(swvl1_std=predicted["swvl1_std"] * 1e-6)
    mae = float(abs(ds["swvl1"] - predicted["swvl1"]).mean())
    assert float(xsm.reliability(ds, narrow)["crps"]) == pytest.approx(mae, rel=1e-4)


def test_gaps_are_left_out_and_maps_are_by_cell():
    z = stats.norm.rvs(size=(400, 3), random_state=0)
    ds, predicted = pair(z)
    ds["swvl1"][:, 1] = np.nan
    predicted["swvl1"][5, 0] = np.nan
    predicted["swvl1_std"][7, 0] = 0.0  # sure, and wrong
    table = xsm.reliability(ds, predicted, dim="time")
    assert table["count"].values.tolist() == [399, 0, 400]
    for name in ("coverage", "crps", "sharpness", "width", "pit"):
        assert bool(table[name].isel(cell=1).isnull().all()), name
        assert bool(table[name].isel(cell=[0, 2]).notnull().all()), name
    assert table["coverage"].dims == ("level", "cell")
    assert table["pit"].dims == ("pit_value", "cell")
    whole = xsm.reliability(ds, predicted)
    weights = table["count"] / table["count"].sum()
    np.testing.assert_allclose((table["crps"].fillna(0) * weights).sum(), whole["crps"])


def test_other_labels_and_other_units_are_joined():
    z = stats.norm.rvs(size=(40, 3), random_state=0)
    ds, predicted = pair(z)
    part = predicted.isel(time=slice(10, None))
    percent = xr.Dataset({n: (100 * a).assign_attrs(units="%") for n, a in part.items()})
    expected = xsm.reliability(ds.isel(time=slice(10, None)), part)
    xr.testing.assert_allclose(xsm.reliability(ds, percent), expected)
    unnamed = percent.copy()
    unnamed["swvl1_std"] = percent["swvl1_std"].drop_attrs()  # in the units of the prediction
    xr.testing.assert_allclose(xsm.reliability(ds, unnamed), expected)
    found = xsm.reliability(quantify(ds), quantify(part), target="swvl1")
    xr.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    ("time", "cell", "dim"), [(1, -1, None), (7, 1, "time"), (-1, 1, None), (7, -1, "time")]
)
def test_lazy_is_eager_in_chunks(time, cell, dim):
    z = stats.norm.rvs(size=(30, 3), random_state=0)
    z[4, 1] = np.nan
    ds, predicted = pair(z)
    for forecast in (predicted, with_table(predicted, TABLE)):
        eager = xsm.reliability(ds, forecast, dim=dim)
        cut = {"time": time, "cell": cell}
        lazy = xsm.reliability(ds.chunk(cut), forecast.chunk(cut), dim=dim)
        xr.testing.assert_allclose(lazy.compute(), eager, rtol=1e-12)
        edges = xsm.intervals(forecast.chunk(cut)).compute()
        xr.testing.assert_allclose(edges, xsm.intervals(forecast), rtol=1e-12)


def test_nothing_is_computed_before_it_is_asked_for(raise_if_computed):
    ds, predicted = pair(np.zeros((30, 3)))
    table = xsm.reliability(ds.chunk(time=5), predicted.chunk(time=7), dim="time")
    assert all(v.chunks is not None for v in table.data_vars.values())


def test_intervals_of_quantities_are_quantities():
    _, predicted = pair(np.zeros((3, 2)))
    found = xsm.intervals(quantify(with_table(predicted, TABLE)))
    assert str(found["swvl1_upper"].pint.units) == "dimensionless"
    plain = xsm.intervals(with_table(predicted, TABLE))
    np.testing.assert_allclose(found["swvl1_upper"].pint.magnitude, plain["swvl1_upper"])


def test_one_level_may_be_a_number():
    ds, predicted = pair(np.zeros((30, 3)))
    xr.testing.assert_identical(xsm.intervals(predicted, 0.9), xsm.intervals(predicted, [0.9]))
    one = xsm.reliability(ds, predicted, levels=0.9)
    xr.testing.assert_identical(one, xsm.reliability(ds, predicted, levels=[0.9]))


def test_what_cannot_be_judged_is_refused():
    ds, predicted = pair(np.zeros((30, 3)))
    with pytest.raises(
        MissingVariableError, match=r"holds \['swvl1'\], and no swvl1_std.*members=5"
    ):
        xsm.reliability(ds, predicted.drop_vars("swvl1_std"))
    with pytest.raises(MissingVariableError, match=r"no <target>_std"):
        xsm.intervals(predicted.drop_vars("swvl1_std"))
    two = predicted.assign(a=predicted["swvl1"], a_std=predicted["swvl1_std"])
    with pytest.raises(MissingVariableError, match=r"spread of \['swvl1', 'a'\].*target='swvl1'"):
        xsm.intervals(two)
    with pytest.raises(NotEnoughDataError, match="no label in common"):
        xsm.reliability(ds, predicted.assign_coords(time=ds["time"] + np.timedelta64(99, "D")))
    with pytest.raises(NotEnoughDataError, match=r"bins=1 was given; at least 2"):
        xsm.reliability(ds, predicted, bins=1)
    with pytest.raises(NotEnoughDataError, match=r"known from 0\.005 to 0\.995.*up to 0\.99"):
        xsm.intervals(with_table(predicted, TABLE), [0.999])
    for wrong in ([1.0], [0.0], [0.5, 90], -0.5, np.nan):
        with pytest.raises(
            NotEnoughDataError, match=r"levels=\[.*\] was given; above 0 and below 1"
        ):
            xsm.intervals(predicted, wrong)
        with pytest.raises(
            NotEnoughDataError, match=r"levels=\[.*\] was given; above 0 and below 1"
        ):
            xsm.reliability(ds, predicted, levels=wrong)
    with pytest.raises(TypeError, match="predicted is of the type DataArray; a Dataset is needed"):
        xsm.intervals(predicted["swvl1"])
    with pytest.raises(TypeError, match="predicted is of the type DataArray; a Dataset is needed"):
        xsm.reliability(ds, predicted["swvl1"])
    with pytest.raises(TypeError, match="ds is of the type DataArray; a Dataset is needed"):
        xsm.reliability(ds["swvl1"], predicted)
    whole = with_table(predicted, TABLE)
    with pytest.raises(NotEnoughDataError, match=r"the prediction has 9 of them.*Keep it as it"):
        xsm.intervals(whole.isel(probability=slice(0, 9)))
    spread_out = whole.where(whole["time"] == whole["time"])  # the table gets a time of its own
    with pytest.raises(NotEnoughDataError, match=r"along `probability` alone.*Keep it as it was"):
        xsm.reliability(ds, spread_out)


def test_a_spread_without_units_is_in_those_of_its_prediction():
    rng = np.random.default_rng(0)
    ds, predicted = pair(rng.normal(size=(30, 3)))
    percent = xr.Dataset({n: (100 * a).assign_attrs(units="%") for n, a in predicted.items()})
    bare = percent.assign(swvl1_std=percent["swvl1_std"].drop_attrs())
    wanted = xsm.reliability(ds, predicted)
    xr.testing.assert_allclose(xsm.reliability(ds, bare), wanted)
    nothing = predicted.drop_attrs()
    with pytest.raises(UnitsError, match="has no units"):
        xsm.reliability(ds, nothing)


def test_a_spread_of_0_scores_the_absolute_error():
    rng = np.random.default_rng(1)
    ds, predicted = pair(rng.normal(size=(30, 3)))
    sure = predicted.assign(swvl1_std=0 * predicted["swvl1_std"])
    table = xsm.reliability(ds, sure, levels=[0.9])
    error = abs(ds["swvl1"] - predicted["swvl1"])
    np.testing.assert_allclose(table["crps"], error.mean())
    assert table["count"] == 90
    assert table["coverage"] == 0
    right = sure.assign(swvl1=ds["swvl1"])
    np.testing.assert_allclose(xsm.reliability(ds, right)["coverage"], 1)


def test_a_profile_is_judged_layer_by_layer():
    """Each layer's spread against its own observations, along a dimension in cm."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 2))
    dims, units = ("time", "depth"), {"units": "m3 m-3"}
    depth = ("depth", [5.0, 20.0], {"units": "cm", "positive": "down", "standard_name": "depth"})
    coords = {"time": pd.date_range("2020", periods=400), "depth": depth}
    std = np.array([0.01, 0.04])
    mean = xr.DataArray(np.full((400, 2), 0.3), coords, dims, attrs=units)
    ds = (mean + z * std).assign_attrs(units).to_dataset(name="soil_moisture")
    spread = xr.zeros_like(mean) + std
    given = {"soil_moisture": mean, "soil_moisture_std": spread.assign_attrs(units)}
    table = xsm.reliability(ds, xr.Dataset(given), dim="time", levels=[0.9])
    np.testing.assert_allclose(table["sharpness"], std)
    np.testing.assert_allclose(table["coverage"].squeeze(), 0.9, atol=0.04)


@pytest.mark.parametrize("units", ["degC", "K", None])
def test_a_spread_of_temperatures_has_no_offset(units):
    """Spread of 2 K about temperatures in degC, in units of either, or in those beside it."""
    z = np.random.default_rng(0).normal(size=(300, 1))
    ds, predicted = pair(z, 2.0)
    ds = ds.rename(swvl1="stl1")
    celsius = {"units": "degC", "standard_name": "soil_temperature"}
    ds["stl1"] = (ds["stl1"] + 10.0).drop_attrs().assign_attrs(celsius)
    mean = (predicted["swvl1"] + 10.0).drop_attrs().assign_attrs(units="degC")
    std = (
        predicted["swvl1_std"].drop_attrs().assign_attrs({} if units is None else {"units": units})
    )
    given = xr.Dataset({"stl1": mean, "stl1_std": std})
    table = xsm.reliability(ds, given, levels=[0.9], target="stl1")
    np.testing.assert_allclose(table["sharpness"], 2.0)
    np.testing.assert_allclose(table["coverage"].squeeze(), 0.9, atol=0.05)


def test_all_layers_are_judged_each_by_its_own_spread():
    """Errors of twice the spread lie inside the interval of one spread in 2 Phi(1/2) - 1."""
    rng = np.random.default_rng(0)
    time = xr.date_range("2001", periods=20000, freq="D", use_cftime=False)
    ds = xr.Dataset(coords={"time": time, "station": [0, 1]})
    predicted = ds.copy()
    for name, share in (("swvl1", 1), ("swvl2", 2)):
        truth = 0.3 + 0.01 * rng.standard_normal((20000, 2))
        guess = truth + share * 0.02 * rng.standard_normal(truth.shape)
        ds[name] = ("time", "station"), truth, {"units": "m3 m-3"}
        predicted[name] = ds[name].copy(data=guess)
        predicted[f"{name}_std"] = ds[name].copy(data=np.full_like(truth, 0.02))
    table = xsm.reliability(ds, predicted, levels=0.6827, dim=["time", "station"])
    np.testing.assert_allclose(table["coverage"].values.ravel(), [0.6827, 0.3829], atol=0.01)
    np.testing.assert_allclose(table["depth"], [0.035, 0.175])
    assert table["count"].values.tolist() == [40000, 40000]
    top = xsm.reliability(ds, predicted.drop_vars("swvl2_std"), levels=0.6827)
    np.testing.assert_allclose(top["coverage"], [0.6827], atol=0.01)
