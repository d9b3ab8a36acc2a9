"""What the published forms and their extensions do on data that xsm did not make (marker data)."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
import xarray as xr

import xsm
from xsm.losses import RMSE, WaterBalance

pytestmark = pytest.mark.data

TRAIN, TEST = slice("1990", "1991"), slice("1992", "1992")
SCHEDULE = {"epochs": 15, "validate_every": 3, "patience": 5, "progress": False}
RUNOFF = {"surface_runoff": "runoff"}  # mHM has total runoff alone


@pytest.fixture(scope="module")
def mosel(data_dir: Path) -> xr.Dataset:
    ds = xr.open_dataset(data_dir / "mhm_mosel" / "mhm_mosel_daily_6km.nc").load()
    ds["theta"].attrs["layer_edges_m"] = [0.0, 0.1, 0.2, 0.3, 0.5]
    return ds


def judge(ds: xr.Dataset, seed: int, model: str, **settings: object) -> dict[str, float]:
    """Train on two years; return median-cell errors and the level consistency of the third."""
    train = ds.sel(time=TRAIN)
    fitted = train.physm.fit(model, seed=seed, variables=RUNOFF, **settings, **SCHEDULE)
    forecast = ds.sel(time=slice("1991-12-20", "1992")).physm.predict(fitted).sel(time=TEST)
    rmse = ds.physm.score(forecast, baselines=fitted)["rmse"].median(["y", "x"])
    audit = ds.physm.consistency(forecast, dim=["time", "y", "x"], trend="level", variables=RUNOFF)
    found = {str(source): float(rmse.sel(source=source)) for source in rmse["source"].values}
    return found | {
        "consistency": float(audit["consistency"]),
        "observed": float(audit["observed_consistency"]),
    }


def medians(ds: xr.Dataset, model: str, **settings: object) -> dict[str, float]:
    runs = [judge(ds, seed, model, **settings) for seed in range(3)]
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def test_level_physics_beats_climatology_and_is_nearer_to_the_observations(mosel):
    plain = medians(mosel, "lstm")
    guided = medians(mosel, "phy_lstm", losses=[RMSE(0.5), WaterBalance(0.5, trend="level")])
    published = medians(mosel, "phy_lstm")
    assert published["model"] < 0.9 * published["climatology"]
    assert guided["model"] < 0.9 * guided["climatology"]
    distance = [abs(run["consistency"] - run["observed"]) for run in (guided, plain)]
    assert distance[0] < distance[1]


def test_data_integration_beats_persistence_and_known_forcing_far_more(mosel):
    integrated = medians(mosel, "lstm", data_integration=True)
    assert integrated["model"] < integrated["persistence"]
    known = medians(mosel, "lstm", data_integration=True, known_forcing=True)
    assert known["model"] < 0.4 * known["persistence"]
    assert abs(known["consistency"] - known["observed"]) < 0.1


# One of the 412 observed SMAP cells does have fewer than 30 observations.
@pytest.mark.filterwarnings("ignore:1 of 412 observed cells have fewer than 30:UserWarning")
@pytest.mark.parametrize(
    "file",
    [
        "conus_land/conus_land.nc",
        "conus_smap_nldas/conus_smap_nldas.nc",
        "ameriflux_walnut_gulch/us_wkg_daily.nc",
        "caravan_era5land/caravan_era5land_3basins_daily.nc",
    ],
)
def test_each_product_fits_and_predicts_under_its_own_names(data_dir, file):
    ds = xr.open_dataset(data_dir / file).load()
    quick = {"epochs": 1, "iterations": 5, "hidden_size": 8, "progress": False}
    fitted = ds.physm.fit("lstm", **quick)
    forecast = ds.physm.predict(fitted)
    name = str(xsm.variables(ds)[fitted.recipe.target].name)
    assert forecast[name].attrs["units"] == ds[name].attrs["units"]
    assert bool(forecast[name].notnull().any())
