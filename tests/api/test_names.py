"""Names that xsm makes meet those of the user: nothing is lost, or it is refused before any work.

Each verb runs once; whatever its result holds that its data do not (dimensions, coordinates,
variables) is then given to a dimension, to a coordinate and to the target of the data.
"""

import re
import warnings

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.conftest import SMALL_PROFILE
from xsm.data.refused import OUTPUTS, OWN_DIMS
from xsm.exceptions import GridError, UnitsError, UnknownNameError

FIT = {"epochs": 1, "iterations": 1, "hidden_size": 4, "progress": False}
REFUSED = (GridError, UnknownNameError, UnitsError)


@pytest.fixture(scope="module")
def land() -> xr.Dataset:
    ds = xsm.open_tutorial("land").isel(latitude=slice(0, 2), longitude=slice(18, 20))
    return ds.isel(time=slice(0, 40)).load()


@pytest.fixture(scope="module")
def profile() -> xr.Dataset:
    ds = SMALL_PROFILE(years=1, shape=(4, 6), seed=2)
    return ds.isel(latitude=slice(0, 2), longitude=slice(1, 3), time=slice(0, 12))


def guess(ds, name="swvl1"):
    """Return yesterday's soil moisture as a prediction, with a spread."""
    soil = ds[name].shift(time=1).assign_attrs(ds[name].attrs)
    return xr.Dataset({name: soil, f"{name}_std": xr.full_like(soil, 0.02)})


def fitted(ds, name="swvl1"):
    return xsm.fit(ds, "lstm", head="gaussian", **FIT).predict(ds)


def forecast(ds):
    """Forecast two days from the tenth day before the last, with known weather."""
    own = {"sequence": 15, "warmup": 2, "data_integration": True, "head": "gaussian", **FIT}
    known = {"init": ds["time"].values[[30]], "lead": 2, "weather": "known"}
    return xsm.fit(ds, "lstm", **own).forecast(ds, **known)


def columns(ds):
    """Simulate three days of water in columns of soil."""
    sky = ds[["tp", "theta_r", "theta_s", "vg_alpha", "vg_n", "k_sat"]].isel(time=slice(0, 3))
    sky = sky.isel(depth=0, drop=True) if "depth" in sky.dims else sky
    pev = xr.full_like(sky["tp"], 1.0).assign_attrs(units="mm day-1", standard_name="")
    return xsm.simulate_columns(sky.assign(pev=pev))


VERBS = {
    "water_balance": xsm.water_balance,
    "consistency": lambda ds: xsm.consistency(ds, guess(ds)),
    "score": lambda ds: xsm.score(ds, guess(ds), lead=1),
    "score of blocks": lambda ds: xsm.score(ds.chunk(), guess(ds).chunk(), lead=1),
    "reliability": lambda ds: xsm.reliability(ds, guess(ds), dim="time"),
    "intervals": lambda ds: xsm.intervals(guess(ds)),
    "forecast": forecast,
    "monthly": xsm.monthly,
    "texture_class": lambda ds: xsm.texture_class(ds).to_dataset(),
    "soil_parameters": xsm.soil_parameters,
    "parameters of blocks": lambda ds: xsm.soil_parameters(ds.chunk()),
    "to_depths": lambda ds: xsm.to_depths(ds, [(0, 0.1)]),
    "downscale": lambda ds: xsm.downscale(ds[["swvl1"]], 2, model="bilinear", target="swvl1"),
    "predict": fitted,
}
PROFILES = {
    "richards": xsm.richards_residual,
    "audit": lambda ds: xsm.consistency(ds, law="richards"),
    "columns": columns,
}


@pytest.fixture(scope="module")
def results(land, profile):
    """Return what each verb makes of the data as they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {name: verb(land).compute() for name, verb in VERBS.items()}
        return found | {name: verb(profile).compute() for name, verb in PROFILES.items()}


def made(result: xr.Dataset, ds: xr.Dataset) -> list[str]:
    """Return the names of a result that its data do not have."""
    return sorted(map(str, {*result.dims, *result.variables} - {*ds.dims, *ds.variables}))


def told(error: Exception, name: str) -> bool:
    """Tell whether an error names what clashes and says what to type."""
    return name in str(error) and bool(
        re.search(r"ds\.|ds\[|drop=True|rename|Type ds = ", str(error))
    )


def tried(run, ds):
    """Return what a verb makes of some data, or its refusal."""
    try:
        return run(ds).compute()
    except REFUSED as error:
        return error


def same(result: xr.Dataset, wanted: xr.Dataset) -> None:
    """Compare the variables of two results."""
    assert set(wanted.data_vars) <= {*map(str, result.variables)}
    for name in wanted.data_vars:
        dims = wanted[name].dims
        if wanted[name].dtype.kind in "fiub":
            np.testing.assert_allclose(result[name].transpose(*dims), wanted[name], rtol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", ["dimension", "coordinate"])
@pytest.mark.parametrize("verb", [*VERBS, *PROFILES])
def test_a_dimension_or_coordinate_of_the_data_is_named_as_what_a_verb_makes(
    land, profile, results, verb, way
):
    ds, run = (land, VERBS[verb]) if verb in VERBS else (profile, PROFILES[verb])
    names = made(results[verb], ds)
    internal = {"dimension": ["row", "item", "metric", "parameter", "output", "moment"]}
    for name in [*names, *internal.get(way, [])]:
        if way == "dimension":
            other = ds.rename(latitude=name)
        else:
            other = ds.assign_coords({name: ("latitude", np.arange(float(ds.sizes["latitude"])))})
        found = tried(run, other)
        if isinstance(found, Exception):
            assert told(found, name), (verb, name, found)
            continue
        same(found.rename({name: "latitude"} if way == "dimension" else {}), results[verb])


@pytest.mark.filterwarnings("ignore")
def test_each_dimension_that_results_hold_is_known_or_one_of_the_data(land, profile, results):
    known = OWN_DIMS | {
        "init",
        "lead",
        "member",
        "time",
        "depth",
        "depth_interface",
        "bnds",
        "latitude",
        "longitude",
    }
    for verb, result in results.items():
        assert set(map(str, result.dims)) <= known, verb
        assert not any(str(d).startswith("_") for d in (*result.dims, *result.variables)), verb


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(OUTPUTS))
def test_a_target_named_as_what_lies_beside_it_is_refused(land, name):
    renamed = land.rename(swvl1=name)
    with pytest.raises(UnknownNameError, match=f"named '{name}'.*ds.rename"):
        fitted(renamed)
    with pytest.raises(UnknownNameError, match=f"named '{name}'.*ds.rename"):
        xsm.downscale(renamed[[name]], 2, model="bilinear", target=name)
