"""Forecasts go to other packages as they are, which find the same scores."""

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.evaluation.test_forecasts import UNITS, best, world
from xsm.evaluation.leads import as_forecast, on_time

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of packages, in their imports
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def both(members):
    """Return a forecast as xsm scores it, the same array, and the truth at its valid times."""
    ds, forecast = world(members)
    truth = ds["swvl1"].sel(time=forecast["valid_time"]).drop_vars("time").drop_attrs()
    return ds, forecast, truth


@pytest.mark.parametrize("members", [0, 12])
def test_scores_finds_the_same(members):
    from scores.continuous import rmse
    from scores.probability import crps_for_ensemble

    ds, forecast, truth = both(members)
    table = xsm.score(ds, forecast).sel(source="model")
    values = forecast["swvl1"]
    mean = values.mean("member") if members else values
    xr.testing.assert_allclose(
        rmse(mean, truth, reduce_dims="init").transpose("lead", "cell").drop_attrs(),
        table["rmse"].drop_vars("source").drop_attrs(),
    )
    if members:
        crps = crps_for_ensemble(
            values, truth, ensemble_member_dim="member", method="ecdf", reduce_dims="init"
        )
        np.testing.assert_allclose(crps.transpose("lead", "cell"), table["crps"])


def test_xskillscore_finds_the_same():
    import xskillscore

    ds, forecast, truth = both(12)
    table = xsm.score(ds, forecast).sel(source="model")
    values = forecast["swvl1"]
    crps = xskillscore.crps_ensemble(truth, values, member_dim="member", dim="init")
    np.testing.assert_allclose(crps.transpose("lead", "cell"), table["crps"])
    rmse = xskillscore.rmse(truth, values.mean("member"), dim="init")
    np.testing.assert_allclose(rmse.transpose("lead", "cell"), table["rmse"])
    ranks = xskillscore.rank_histogram(truth, values, dim=["init", "cell"], member_dim="member")
    mine = xsm.reliability(ds, forecast)
    share = mine["rank_histogram"] * mine["count"] / 13
    np.testing.assert_allclose(share.transpose("lead", "rank"), ranks.transpose("lead", "rank"))


def test_xskillscore_finds_the_same_of_a_gaussian():
    import xskillscore

    ds, forecast, truth = both(0)
    crps = xskillscore.crps_gaussian(truth, forecast["swvl1"], forecast["swvl1_std"], dim="init")
    mine = xsm.score(ds, forecast)["crps"].sel(source="model")
    np.testing.assert_allclose(crps.transpose("lead", "cell"), mine)


def test_names_are_those_of_climpred():
    """Its page on set-up (climpred.readthedocs.io) asks for init, lead, member, valid_time.

    Lead is a length of time, or a number with units of time in its attributes.
    """
    _, forecast = world(5)
    assert set(forecast.dims) == {"init", "lead", "member", "cell"}
    assert forecast["lead"].dtype.kind == "m"
    assert forecast["valid_time"].dims == ("init", "lead")
    one = on_time(as_forecast(forecast).isel(lead=1), "time")
    np.testing.assert_array_equal(one["time"], forecast["valid_time"][:, 1])


def test_what_is_calibrated_covers_by_lead():
    """A spread that is half of what it should be a day ahead, and twice that at three days."""
    from xsm.evaluation.calibration import add_spread, learn_calibration
    from xsm.evaluation.leads import joined
    from xsm.evaluation.spread import standardised

    ds, forecast = world()
    factor = xr.DataArray([0.5, 2.0], dims="lead")
    off = forecast.assign(swvl1_std=(forecast["swvl1_std"] * factor).assign_attrs(UNITS))

    def learn(part):
        part = on_time(part, "time")
        soil = ds["swvl1"].sel(time=part["time"])
        z, _ = standardised(soil, part["swvl1"], part["swvl1_std"])
        return learn_calibration(z, "conformal")

    learnt = joined(off.isel(init=slice(0, 200)), learn)
    np.testing.assert_allclose(learnt["scale"], [2, 0.5], rtol=0.12)
    mean, std = off[["swvl1"]], off["swvl1_std"]
    right = add_spread(mean, "swvl1", std, learnt).isel(init=slice(200, None))
    cover = xsm.reliability(ds, right, levels=[0.5, 0.9])["coverage"]
    np.testing.assert_allclose(cover, [[0.5, 0.9]] * 2, atol=0.08)
    inside = xsm.intervals(right, [0.9])
    truth = ds["swvl1"].sel(time=right["valid_time"])
    found = ((truth >= inside["swvl1_lower"]) & (truth <= inside["swvl1_upper"])).mean(
        ["init", "cell"]
    )
    np.testing.assert_allclose(found.values.ravel(), cover.sel(level=0.9), atol=1e-9)
    width = inside["swvl1_upper"] - inside["swvl1_lower"]
    np.testing.assert_allclose(
        width.mean("init").squeeze(), 3.29 * best(np.array([[1], [3]])), rtol=0.12
    )


def test_one_lead_of_a_calibration_serves_a_prediction_and_no_other():
    from xsm.evaluation.calibration import add_spread
    from xsm.exceptions import NotEnoughDataError

    _, forecast = world()
    learnt = xr.Dataset({"scale": ("lead", [2.0, 3.0])}, {"lead": forecast["lead"]})
    learnt.attrs["method"] = "scale"
    one = forecast.isel(lead=1)
    found = add_spread(one[["swvl1"]], "swvl1", one["swvl1_std"], learnt)
    np.testing.assert_allclose(found["swvl1_std"], 3 * one["swvl1_std"])
    other = one.assign_coords(lead=np.timedelta64(2, "D").astype("m8[ns]"))
    with pytest.raises(NotEnoughDataError, match=r"2 leads, 1 days.*these are of others"):
        add_spread(other[["swvl1"]], "swvl1", other["swvl1_std"], learnt)


def test_recent_errors_count_where_the_record_drifts():
    """Errors grow by a tenth a year, over thirty years; intervals are learnt each new year."""
    from xsm.evaluation.calibration import learn_calibration
    from xsm.evaluation.distribution import Shape

    rng = np.random.default_rng(0)
    growth = 1.1 ** np.arange(30.0)
    z = rng.normal(size=(30, 365)) * growth[:, None]
    cover = {}
    for halflife in (np.inf, 1.0):
        inside = []
        for year in range(10, 30):
            past = xr.DataArray(z[:year].ravel(), dims="time")
            age = np.repeat(year - 1 - np.arange(year), 365)
            weight = xr.DataArray(0.5 ** (age / halflife), dims="time")
            learnt = learn_calibration(past, "conformal", weight=weight)
            reach = learnt["scale"] * Shape(learnt["quantile"].values).quantile(0.95)
            inside.append((np.abs(z[year]) <= float(reach)).mean())
        cover[halflife] = np.mean(inside)
    assert cover[np.inf] < 0.78
    assert 0.82 < cover[1.0] < 0.92  # the year to come is a tenth wider
