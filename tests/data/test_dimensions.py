"""Arrays on dimensions of other names are refused with what to type, never broadcast."""

import re

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.exceptions import GridError

OTHER = {"latitude": "lat", "longitude": "lon"}


@pytest.fixture(scope="module")
def ds() -> xr.Dataset:
    cells = xsm.open_tutorial("land").isel(latitude=slice(0, 2), longitude=slice(20, 23))
    return cells.sel(time="2020").load()


@pytest.fixture(scope="module")
def guess(ds) -> xr.Dataset:
    return ds[["swvl1"]].assign(swvl1_std=0.01 + 0.0 * ds["swvl1"])


VERBS = {
    "consistency": xsm.consistency,
    "score": lambda ds, guess: xsm.score(ds, guess, baselines=False),
    "score beside baselines": lambda ds, guess: xsm.score(ds, guess, lead=1),
    "reliability": xsm.reliability,
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda p: p.rename(OTHER),
            "(time, lat, lon), the observations (time, latitude, longitude). Give both the same "
            "names: predicted.rename(lat='latitude', lon='longitude').",
        ),
        (lambda p: p.rename(time="valid_time"), "predicted.rename(valid_time='time')"),
        (lambda p: p.isel(time=5), "it has no time. To judge that part alone, type predicted.expa"),
        (
            lambda p: p.isel(latitude=0, longitude=0),
            "no latitude and no longitude. To judge that part alone, type predicted.expand_dims(["
            "'latitude', 'longitude'])",
        ),
        (lambda p: p.isel(time=5, drop=True), "it has no time. One value for each is needed"),
    ],
)
def test_predictions_on_other_dimensions_are_refused(ds, guess, verb, change, text):
    with pytest.raises(GridError, match=re.escape(text)):
        VERBS[verb](ds, change(guess))


def test_what_the_errors_say_helps(ds, guess):
    other = guess.rename(OTHER).rename(lat="latitude", lon="longitude")
    xr.testing.assert_equal(xsm.consistency(ds, other), xsm.consistency(ds, guess))
    day = guess.isel(time=5).expand_dims(["time"])
    assert (xsm.score(ds, day, baselines=False)["count"] == 1).all()


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.filterwarnings("ignore:No climatology")
def test_members_stay_along_a_dimension_of_their_own(ds, guess, verb):
    wide = guess.assign(swvl1=(guess["swvl1"] + 0.05).assign_attrs(units="m3 m-3"))
    both = xr.concat([guess, wide], "member")
    dim = {"dim": ["time", "latitude", "longitude"]} if verb == "reliability" else {}
    judge = getattr(xsm, verb.split()[0])
    more = {"baselines": verb != "score", "lead": 1} if "score" in verb else {}
    table = judge(ds, both, **dim, **more)
    for k, one in enumerate((guess, wide)):
        xr.testing.assert_allclose(table.isel(member=k), judge(ds, one, **dim, **more))


def test_dimensions_that_nothing_names_go_by_their_length(ds, guess):
    cells = ds.stack(cell=("latitude", "longitude")).reset_index("cell", drop=True)
    flat = guess.stack(station=("latitude", "longitude")).reset_index("station", drop=True)
    with pytest.raises(GridError, match=r"predicted.rename\(station='cell'\)"):
        xsm.score(cells, flat)
    with pytest.raises(GridError, match=r"\(time, station\).*has no cell. One value"):
        xsm.score(cells, flat.isel(station=slice(0, 4)))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("calendar", ["noleap", "360_day", "standard"])
def test_dates_of_another_calendar_are_refused(ds, guess, verb, calendar):
    other = ds.convert_calendar(calendar, use_cftime=True, align_on="date")
    with pytest.raises(GridError, match=f"observations of '{calendar}' .cftime.. Type") as caught:
        VERBS[verb](other, guess)
    typed = str(caught.value).split("Type ")[1].rstrip(".")
    same = eval(typed, {"predicted": guess})
    table = xsm.score(other, same, baselines=False)
    assert float(table["count"].min()) > 350
    assert float(table["rmse"].max()) == 0.0


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.filterwarnings("error", "ignore:No climatology")
def test_stacked_cells_are_judged_without_a_warning(ds, guess, verb, lazy):
    whole = VERBS[verb](ds, guess)
    cells = [data.stack(cell=("latitude", "longitude")) for data in (ds, guess)]
    table = VERBS[verb](*(data.chunk() if lazy else data for data in cells))
    if verb != "reliability":  # which is of all cells together
        table = table.compute().unstack("cell").transpose(*whole.dims)
    xr.testing.assert_allclose(table, whole)


def test_a_water_balance_of_two_grids_is_refused(ds):
    moved = ds.assign(swvl1=ds["swvl1"].rename(OTHER))
    text = (
        "'precipitation' has the dimensions (time, latitude, longitude), 'observed' has (time, "
        "lat, lon). Give all the same names, ds[name] = ds[name].rename(latitude='lat', "
        "longitude='lon'), here those of ['precipitation', 'evaporation', 'surface_runoff', 'snow']"
    )
    with pytest.raises(GridError, match=re.escape(text)):
        xsm.water_balance(moved, target="swvl1")


def test_one_rain_for_all_cells_is_allowed(ds):
    rain = ds["tp"].isel(latitude=0, longitude=0, drop=True)
    terms = ["precipitation"]
    one = xsm.water_balance(ds.assign(tp=rain), terms=terms)["inflow"]
    np.testing.assert_array_equal(
        one.isel(latitude=1, longitude=2),
        xsm.water_balance(ds, terms=terms)["inflow"].isel(latitude=0, longitude=0),
    )
