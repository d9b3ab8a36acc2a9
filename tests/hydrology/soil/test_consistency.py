"""Audits by the Richards equation: by hand, against the observations, lazily, and errors."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import xsm
from tests.hydrology.soil.columns import (
    EDGES,
    LOAM,
    SHAPE,
    STEPS,
    columns,
    maps,
    moisture,
    residual,
    water,
)
from xsm.data.units import quantify
from xsm.exceptions import (
    GridError,
    MissingVariableError,
    NotEnoughDataError,
    UnitsError,
    UnknownNameError,
)

ALL = ["time", "latitude", "longitude"]


def guess(ds: xr.Dataset, noise: float = 0.01) -> xr.DataArray:
    """Return a noisy prediction of the profile."""
    rng = np.random.default_rng(7)
    wrong = ds["theta"] + noise * rng.standard_normal(ds["theta"].shape)
    return wrong.assign_attrs(units="m3 m-3")


def audit(ds: xr.Dataset, *args: object, **kwargs: object) -> xr.Dataset:
    return xsm.consistency(ds, *args, law="richards", **kwargs)


def test_scores_are_those_of_the_residual_by_hand():
    ds = columns()
    predicted = guess(ds)
    found = audit(ds, predicted, dim=ALL).isel(depth=slice(1, 4))
    own = residual(moisture(), maps(), np.array(EDGES))[1:, 1:4]
    model = xsm.richards_residual(ds.assign(theta=predicted))["residual"].values[1:, 1:4]
    over = (0, 2, 3)
    np.testing.assert_allclose(found["residual"], (model**2).mean(over) ** 0.5, rtol=1e-9)
    np.testing.assert_allclose(found["inconsistency"], abs(model).mean(over), rtol=1e-9)
    np.testing.assert_allclose(found["observed_inconsistency"], abs(own).mean(over), rtol=1e-7)
    excess = found["inconsistency"] - found["observed_inconsistency"]
    np.testing.assert_allclose(found["excess"], excess, rtol=1e-6)
    np.testing.assert_array_equal(found["count"], (STEPS - 1) * 12)
    assert {v.attrs["units"] for v in found.data_vars.values()} == {"day-1", "m3 m-3", "1"}


def test_noise_on_water_at_rest_is_all_excess():
    middle = (np.array(EDGES)[1:] + np.array(EDGES)[:-1]) / 2
    rest = water(middle - 3.0, LOAM)[None, :, None, None] * np.ones((STEPS, 1, *SHAPE))
    ds = columns(rest, soil=LOAM)
    found = audit(ds, guess(ds, 0.001), dim=ALL).isel(depth=slice(1, 4))
    assert float(found["observed_inconsistency"].max()) < 1e-10
    np.testing.assert_allclose(found["excess"], found["inconsistency"], rtol=1e-6)
    # mean of |a - b| of independent errors of 0.001; hardly any water flows at these heads
    np.testing.assert_allclose(found["inconsistency"], 0.001 * 2 / np.pi**0.5, rtol=0.2)


def test_the_observations_have_no_excess_and_time_is_what_is_averaged():
    found = audit(columns())
    assert found["inconsistency"].dims == ("depth", "latitude", "longitude")
    assert float(abs(found["excess"]).max()) == 0.0
    assert found["residual"].isel(depth=[0, -1]).isnull().all()
    assert found.attrs["law"] == "richards"


def test_inconsistency_is_of_a_step_whatever_its_length():
    ds = columns()
    hours = ds.assign_coords(time=ds["time"].values[0] + np.arange(STEPS) * np.timedelta64(1, "h"))
    found, daily = audit(hours, dim=ALL), audit(ds, dim=ALL)
    own = residual(moisture(), maps(), np.array(EDGES), step_days=1 / 24)[1:, 1:4] / 24
    np.testing.assert_allclose(found["inconsistency"][1:4], abs(own).mean((0, 2, 3)), rtol=1e-6)
    assert not np.allclose(found["inconsistency"][1:4], daily["inconsistency"][1:4])


@pytest.mark.filterwarnings("ignore:.*lie beyond theta_r")
def test_values_out_of_range_are_counted():
    ds = columns()
    predicted = guess(ds, 0.0).copy(deep=True)
    predicted[5, 2, 0, :2] = 0.6
    predicted[6, 2, 1, 1] = 0.01
    predicted[7, 2] = predicted[7, 2].where(predicted[7, 2] < 0)  # NaN does not count
    found = audit(ds, predicted, dim=ALL)["out_of_range"]
    np.testing.assert_allclose(found, [0, 0, 3 / (11 * 12), 0, 0], rtol=1e-12)


def test_only_common_times_and_cells_are_judged():
    ds = columns()
    part = guess(ds).isel(time=slice(4, 9), latitude=[1, 2])
    found = audit(ds, part, dim=ALL)
    same = audit(ds.isel(time=slice(4, 9), latitude=[1, 2]), part, dim=ALL)
    xr.testing.assert_allclose(found, same)
    np.testing.assert_array_equal(found["count"][1:4], 4 * 8)


def test_cells_without_observations_are_judged_alone():
    ds = columns()
    predicted = guess(ds)
    ds["theta"][:, :, 0] = np.nan
    found = audit(ds, predicted).isel(depth=slice(1, 4))
    assert found["inconsistency"].notnull().all()
    assert found["excess"].isel(latitude=0).isnull().all()
    assert found["excess"].isel(latitude=1).notnull().all()


def test_quiet_days_and_terms():
    ds = columns(uptake=np.full((STEPS, 5, *SHAPE), 0.5))
    found = audit(ds, dim=ALL, quiet=1.0)
    r = xsm.richards_residual(ds, quiet=1.0)["residual"]
    np.testing.assert_allclose(found["inconsistency"], abs(r).mean(ALL), rtol=1e-12)
    assert found.attrs["terms"] == "root_water_uptake"
    assert found.attrs["quiet"] == 1.0
    assert audit(ds, terms=[]).attrs["terms"] == ""


def test_evaporation_and_parameters_of_texture():
    ds = xsm.open_tutorial("land").isel(latitude=[8, 9], longitude=[20, 21])
    soil = xsm.soil_parameters(ds, method="texture_class")
    predicted = ds[[f"swvl{i}" for i in (1, 2, 3, 4)]] + 0.001
    for i in (1, 2, 3, 4):
        predicted[f"swvl{i}"].attrs = {"units": "m3 m-3"}
    found = ds.physm.consistency(
        predicted, law="richards", parameters=soil, terms=["evaporation"], roots=0.961, dim=ALL
    )
    assert found["excess"].isel(depth=[1, 2]).notnull().all()
    np.testing.assert_allclose(found["depth_bnds"].values[1], [0.07, 0.28])


@pytest.mark.parametrize("form", ["percent", "array", "quantified", "reordered", "accessor"])
def test_predictions_in_other_forms(form):
    ds = columns()
    plain = guess(ds)
    want = audit(ds, plain)
    given_as = {
        "percent": (100 * plain).assign_attrs(units="%").to_dataset(name="theta"),
        "array": plain.rename("anything"),
        "quantified": quantify(plain.to_dataset(name="theta")),
        "reordered": plain.transpose("longitude", "time", "depth", "latitude"),
        "accessor": plain,
    }[form]
    if form == "accessor":
        found = ds["theta"].physm.consistency(
            given_as, forcing=ds.drop_vars("theta"), law="richards"
        )
    else:
        found = audit(ds, given_as)
    xr.testing.assert_allclose(found, want, rtol=1e-9)


def test_a_target_names_the_variable():
    ds = columns()
    both = ds.assign(other=ds["theta"] + 0.02).rename(theta="soil_moisture")
    both["other"].attrs = {"units": "m3 m-3", "layer_edges_m": EDGES}
    found = audit(both, target="other")
    assert not np.allclose(found["residual"][1:4], audit(both)["residual"][1:4])
    xr.testing.assert_equal(audit(both, target="soil_moisture"), audit(both))


@settings(max_examples=6)
@given(st.integers(1, STEPS), st.integers(1, STEPS), st.integers(1, 5))
def test_lazy_is_eager_for_any_chunking(observed, predicted, depth):
    ds = columns(uptake=np.full((STEPS, 5, *SHAPE), 0.5))
    want = audit(ds, guess(ds), quiet=1.0)
    found = audit(ds.chunk(time=observed, depth=depth), guess(ds).chunk(time=predicted), quiet=1.0)
    assert found["excess"].chunks is not None
    xr.testing.assert_allclose(found.compute(), want, rtol=1e-9, atol=1e-12)


def test_nothing_is_computed_before_it_is_asked_for(no_compute):
    ds = columns()
    lazy, predicted = ds.chunk(time=4, latitude=1), guess(ds).chunk(time=5)
    with no_compute():
        found = audit(lazy, predicted, quiet=0.5, dim=ALL)
    assert all(array.chunks is not None for array in found.data_vars.values())


def test_single_precision_is_summed_in_double():
    ds = columns().astype(np.float32)
    found, want = audit(ds, dim=ALL), audit(columns(), dim=ALL)
    assert found["inconsistency"].dtype == np.float64
    np.testing.assert_allclose(found["inconsistency"], want["inconsistency"], rtol=1e-3)


def test_arguments_of_the_other_law_are_refused():
    ds = columns()
    with pytest.raises(UnknownNameError, match=r"deep, trend given with law='richards'.*Leave"):
        audit(ds, deep=True, trend="level")
    with pytest.raises(UnknownNameError, match=r"quiet given with law='water_balance'"):
        xsm.consistency(ds, quiet=0.1)
    with pytest.raises(UnknownNameError, match=r"law='richard' was given. Did you mean 'richards'"):
        xsm.consistency(ds, law="richard")


def test_predictions_that_do_not_fit():
    ds = columns()
    with pytest.raises(
        MissingVariableError, match=r"holds no variable 'theta'.*all layers are needed"
    ):
        audit(ds, guess(ds).to_dataset(name="thet"))
    with pytest.raises(UnitsError, match=r"The prediction 'theta' has no units.*Set predicted"):
        audit(ds, guess(ds).drop_attrs())
    with pytest.raises(
        GridError,
        match=r"has layers depth=\[0.1, 0.2, 0.3\], the data depth=\[0.1, 0.2, 0.3, 0.4, 0.5\]",
    ):
        audit(ds, guess(ds).isel(depth=[0, 1, 2]))
    with pytest.raises(NotEnoughDataError, match="no label in common"):
        audit(ds, guess(ds).assign_coords(latitude=[1.0, 2.0, 3.0]))
    land = xsm.open_tutorial("land").isel(latitude=[8], longitude=[20])
    with pytest.raises(MissingVariableError, match=r"One array was predicted.*Pass a Dataset"):
        audit(
            land,
            land["swvl1"],
            parameters=xsm.soil_parameters(land, method="texture_class"),
        )


def test_missing_parameters_say_what_to_type():
    with pytest.raises(MissingVariableError, match=r"parameters=xsm.soil_parameters\(ds\)"):
        audit(columns().drop_vars(LOAM))
