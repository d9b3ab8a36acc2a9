"""Groundwater as the rest of the stores: any units, any period, errors in quadrature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import xsm
from xsm.data.units import quantify
from xsm.exceptions import GridError, MissingVariableError, NotEnoughDataError, UnitsError

PERIOD = ("2004-01", "2005-12")
SPACE = {"lat": [1.0, 0.0], "lon": [10.0, 11.0, 12.0]}
AREA = 155067.931e6  # m2


def series(seed: int, months: int = 36, units: str = "mm", freq: str = "MS") -> xr.DataArray:
    """Return noise in mm on a small grid."""
    times = xr.date_range("2004-01-01", periods=months, freq=freq)
    values = np.random.default_rng(seed).normal(100, 30, (months, 2, 3))
    coords = {"time": times, **SPACE}
    return xr.DataArray(values, coords, ("time", *SPACE), attrs={"units": units})


@pytest.fixture
def stores() -> dict[str, xr.DataArray]:
    names = ("tws", "soil_moisture", "snow", "surface_water")
    return {name: series(seed) for seed, name in enumerate(names)}


def rest(stores: dict[str, xr.DataArray], period: tuple[str, str] = PERIOD) -> xr.DataArray:
    """Return the anomaly by hand: each store relative to its own mean."""
    parts = [a - a.sel(time=slice(*period)).mean("time") for a in stores.values()]
    return parts[0] - sum(parts[1:])


def found(stores: dict[str, xr.DataArray], **settings: object) -> xr.DataArray:
    settings = {"baseline": PERIOD} | settings
    return xsm.groundwater_anomaly(**stores, **settings)["groundwater_storage"]


def test_it_is_the_rest_of_the_anomalies_whatever_their_periods(stores):
    expected = rest(stores)
    xr.testing.assert_allclose(found(stores), expected)
    shifted = {name: a + 1000.0 * k for k, (name, a) in enumerate(stores.items())}
    shifted = {n: a.assign_attrs(units="mm") for n, a in shifted.items()}
    xr.testing.assert_allclose(found(shifted), expected)
    assert float(abs(found(stores).sel(time=slice(*PERIOD)).mean("time")).max()) < 1e-12


def test_without_baseline_values_stay_as_they_are(stores):
    plain = stores["tws"] - stores["soil_moisture"] - stores["snow"]
    del stores["surface_water"]
    xr.testing.assert_allclose(found(stores, baseline=None), plain)


@pytest.mark.parametrize("freq", ["MS", "D"])
def test_coordinates_of_the_total_are_kept_with_what_describes_them(stores, freq):
    count = 36 if freq == "MS" else 1096
    stores = {name: series(k, count, freq=freq) for k, name in enumerate(stores)}
    plain = found(stores)
    for array in stores.values():
        array["lat"].attrs, array["time"].attrs = {"units": "km"}, {"axis": "T"}
    names = ("spatial_ref", "height", "step")
    labels = {"spatial_ref": 0, "height": (("lat", "lon"), np.arange(6.0).reshape(2, 3))}
    labels |= {"step": ("time", np.arange(count))}
    stores = {n: a.assign_coords(labels) for n, a in stores.items()}
    anomaly = found(stores)
    for name in ("lat", "time"):
        assert anomaly[name].attrs == stores["tws"][name].attrs
    for name in names[:2]:
        np.testing.assert_array_equal(anomaly[name], stores["tws"][name])
    assert "step" not in anomaly.coords
    xr.testing.assert_equal(anomaly.drop_vars(names[:2]), plain)
    station = {n: a.isel(lat=0, lon=1) for n, a in stores.items()}
    assert float(found(station)["lon"]) == 11.0


@pytest.mark.parametrize(
    ("units", "factor"),
    [
        ("cm", 0.1),
        ("m", 1e-3),
        ("kg m-2", 1.0),
        ("m of water equivalent", 1e-3),
        ("km3", AREA * 1e-12),
        ("Gt", AREA * 1e-12),
        ("million acre-feet", AREA * 1e-3 / 1233.4818e6),  # 1 acre-foot is 1233.4818 m3
        ("MAF", AREA * 1e-3 / 1233.4818e6),
        ("thousand acre-feet", AREA * 1e-3 / 1233.4818e3),
    ],
)
@pytest.mark.parametrize("name", ["tws", "soil_moisture", "snow", "surface_water"])
def test_units_of_any_kind_are_the_same_water(stores, name, units, factor):
    expected = rest(stores)
    stores[name] = (stores[name] * factor).assign_attrs(units=units)
    xr.testing.assert_allclose(found(stores, area=AREA), expected, rtol=1e-4, atol=1e-2)


def test_area_by_cell_with_units(stores):
    expected = rest(stores)
    cells = xr.DataArray(np.array([[100.0, 200, 300]] * 2), SPACE, ("lat", "lon"))
    stores["snow"] = (stores["snow"] * cells * 1e-6).assign_attrs(units="km3")
    xr.testing.assert_allclose(found(stores, area=cells.assign_attrs(units="km2")), expected)


def test_layers_become_a_column(stores):
    expected = rest(stores)
    share = stores["soil_moisture"] / 1000.0  # m3 m-3 of a layer of 1 m, all the same
    edges = [0.0, 0.1, 0.4, 1.0]
    along = share.expand_dims(depth=3, axis=1).assign_attrs(units="m3 m-3", layer_edges_m=edges)
    separate = xr.Dataset(
        {
            f"swvl{i}": (share * 1.0 / 2.89).assign_attrs(units="m3 m-3")
            for i in (1, 2, 3, 4)  # ERA5-Land: 2.89 m in all
        }
    )
    masses = xr.Dataset(
        {
            "top_0_10cm": (100 * share).assign_attrs(units="kg m-2"),
            "low_10_100cm": (0.9 * share).assign_attrs(units="m"),
        }
    )
    mass_along = xr.concat([100 * share, 900 * share], "depth").assign_attrs(units="kg m-2")
    percent = (100 * along).assign_attrs(along.attrs | {"units": "%"})
    for soil in (along, separate, masses, mass_along, percent):
        xr.testing.assert_allclose(found(stores | {"soil_moisture": soil}), expected)


def test_a_missing_layer_is_a_missing_column(stores):
    soil = xr.concat([stores["soil_moisture"]] * 2, "depth").assign_attrs(units="mm")
    soil[1, 5, 0, 0] = np.nan
    gap = found(stores | {"soil_moisture": soil}).isnull()
    assert int(gap.sum()) == 1
    assert bool(gap[5, 0, 0])


def test_gaps_leave_the_baseline_at_zero_and_stay_in_their_cell(stores):
    stores["tws"][3:7, 1, 2] = np.nan
    stores["tws"][:24, 0, 0] = np.nan
    anomaly = found(stores)
    mean = anomaly.sel(time=slice(*PERIOD)).mean("time")
    assert float(abs(mean).max()) < 1e-12
    assert anomaly[:, 0, 0].isnull().all()  # nothing of the baseline
    assert int(anomaly[:, 1, 2].isnull().sum()) == 4
    assert int(anomaly.isnull().sum()) == 36 + 4


def test_months_match_whatever_day_they_are_labelled_by(stores):
    expected = rest(stores)
    middle = stores["tws"].assign_coords(time=stores["tws"]["time"] + np.timedelta64(14, "D"))
    dropped = stores["snow"].isel(time=slice(None, None, -1))  # descending
    got = found(stores | {"tws": middle, "snow": dropped})
    np.testing.assert_allclose(got, expected)
    np.testing.assert_array_equal(got["time"], middle["time"])
    standard = {n: a.convert_calendar("noleap", use_cftime=True) for n, a in stores.items()}
    np.testing.assert_allclose(found(standard), expected)


def test_fine_series_are_averaged_over_whole_months(stores):
    days = series(9, months=36 * 31, freq="D").sel(time=slice("2004-01-02", "2006-12-31"))
    soil = days.copy()
    soil.loc[{"time": "2005-03-10"}] = np.nan
    anomaly = found(stores | {"soil_moisture": soil})
    expected = rest(stores | {"soil_moisture": days.resample(time="MS").mean()}, PERIOD)
    gaps = ["2004-01", "2005-03"]  # begins on the second; lacks a day
    for month in gaps:
        assert anomaly.sel(time=month).isnull().all()
    later = {"time": slice("2005-05", None)}
    np.testing.assert_allclose(anomaly.diff("time").sel(later), expected.diff("time").sel(later))


def test_two_solutions_of_a_month_are_averaged(stores):
    odd = stores["tws"].isel(time=[*range(10), 9, *range(11, 36)])
    times = odd["time"].values.copy()
    times[10] += np.timedelta64(26, "D")
    odd = odd.assign_coords(time=times)
    odd[10] += 20.0
    got = found(stores | {"tws": odd})
    assert got.sizes["time"] == 35  # November 2004 is nowhere
    plain = found(stores | {"tws": stores["tws"].isel(time=[*range(10), *range(11, 36)])})
    wide = (got - plain).isel(time=9) - (got - plain).isel(time=0)
    np.testing.assert_allclose(wide, 10.0)


def test_errors_are_added_in_quadrature(stores):
    sizes = {"tws": 3.0, "snow": 4.0, "surface_water": 12.0}
    ends = {"tws": "_error", "snow": "_std", "surface_water": "_uncertainty"}
    given: dict[str, object] = dict(stores)
    for name, size in sizes.items():
        error = xr.full_like(stores[name], size / 10).assign_attrs(units="cm")
        given[name] = xr.Dataset({"x": stores[name], f"x{ends[name]}": error})
    result = xsm.groundwater_anomaly(**given, baseline=PERIOD)
    np.testing.assert_allclose(result["groundwater_storage_std"], 13.0)
    xr.testing.assert_allclose(result["groundwater_storage"], rest(stores))
    assert result["groundwater_storage"].attrs["ancillary_variables"] == "groundwater_storage_std"
    said = result["groundwater_storage_std"].attrs["comment"]
    assert said == "errors of tws, snow, surface_water in quadrature"
    assert "groundwater_storage_std" not in xsm.groundwater_anomaly(**stores, baseline=PERIOD)


def test_errors_of_layers_are_added_in_quadrature(stores):
    share = (stores["soil_moisture"] / 1000).assign_attrs(units="m3 m-3")
    error = xr.full_like(share, 0.03)
    separate = xr.Dataset({"a_0_10cm": share, "b_10_50cm": share, "a_0_10cm_error": error})
    separate["b_10_50cm_error"] = error / 3  # 3 mm and 4 mm
    along = xr.concat([share, share], "depth").assign_attrs(layer_edges_m=[0.0, 0.1, 0.5])
    spread = xr.concat([error, error / 3], "depth")
    for soil in (separate, xr.Dataset({"theta": along, "theta_error": spread})):
        result = xsm.groundwater_anomaly(**(stores | {"soil_moisture": soil}), baseline=PERIOD)
        np.testing.assert_allclose(result["groundwater_storage_std"], 5.0)
    whole = xr.full_like(along.isel(depth=0), 2.0).assign_attrs(units="mm")  # of the column
    soil = xr.Dataset({"theta": along, "theta_error": whole})
    result = xsm.groundwater_anomaly(**(stores | {"soil_moisture": soil}), baseline=PERIOD)
    np.testing.assert_allclose(result["groundwater_storage_std"], 2.0)
    # a product as it comes: the value, and "uncertainty" beside it
    jpl = xr.Dataset({"lwe_thickness": stores["tws"], "uncertainty": 0 * stores["tws"] + 2})
    result = xsm.groundwater_anomaly(**(stores | {"tws": jpl}), baseline=PERIOD)
    np.testing.assert_allclose(result["groundwater_storage_std"], 2.0)


@given(st.sampled_from([1, 5, 36, -1]), st.sampled_from([1, 2, -1]))
def test_lazy_is_eager_under_any_chunks(months, cells):
    given_ = {name: series(seed) for seed, name in enumerate(("tws", "soil_moisture", "snow"))}
    given_["snow"] = series(5, months=36 * 31, freq="D")
    given_["tws"] = xr.Dataset({"tws": given_["tws"], "tws_error": abs(given_["tws"])})
    steps = dict.fromkeys(given_, months) | {"snow": 31 * months if months > 0 else -1}
    lazy = {n: a.chunk(time=steps[n], lat=cells, lon=cells) for n, a in given_.items()}
    result = xsm.groundwater_anomaly(**lazy, baseline=PERIOD)
    assert all(v.chunks is not None for v in result.data_vars.values())
    xr.testing.assert_allclose(
        result.compute(), xsm.groundwater_anomaly(**given_, baseline=PERIOD), rtol=1e-12
    )


def test_nothing_is_computed_before_it_is_asked_for(stores, raise_if_computed):
    lazy = {name: a.chunk(time=5) for name, a in stores.items()}
    assert found(lazy).chunks is not None


def test_quantities_give_quantities(stores):
    given_ = {n: quantify(a.to_dataset(name=n))[n] for n, a in stores.items()}
    result = xsm.groundwater_anomaly(**given_, baseline=PERIOD)["groundwater_storage"]
    assert str(result.pint.units) == "millimeter"
    np.testing.assert_allclose(result.pint.magnitude, rest(stores))


def test_a_single_series_of_a_region():
    times = {"date": pd.date_range("2004-01-15", periods=24, freq="MS")}
    mm = {"units": "mm"}
    arrays = [xr.DataArray(np.full(24, v), times, "date", attrs=mm) for v in (5.0, 1.0, 1.0)]
    result = xsm.groundwater_anomaly(*arrays, baseline=("2004-02", "2005-06"))
    np.testing.assert_allclose(result["groundwater_storage"], 0.0)
    assert result["groundwater_storage"].attrs["comment"] == (
        "tws - soil_moisture - snow, relative to 2004-02 to 2005-06"
    )


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"snow": {"units": None}}, UnitsError, r"snow 'snow' has no units\. Where arithmetic"),
        ({"snow": {"units": "K"}}, UnitsError, r"units 'K', which are no amount of water"),
        ({"snow": {"units": "m3 m-3"}}, UnitsError, r"no amount of water.*volume \(km3\) is"),
        ({"snow": {"units": "blarg"}}, UnitsError, r"'blarg' cannot be read"),
        ({"tws": {"units": "km3"}}, UnitsError, r"'tws' is a volume \(km3\).*pass area="),
        ({"soil_moisture": {"units": "1"}}, GridError, r"bounds of 'soil_moisture'.*layer_edges_m"),
        (
            {"snow": {"standard_name": "surface_snow_thickness"}},
            UnitsError,
            "the depth of snow, not of its water",
        ),
    ],
)
def test_units_that_cannot_be_used(stores, change, error, text):
    for name, attrs in change.items():
        kept = {**stores[name].attrs, **attrs}
        stores[name].attrs = {k: v for k, v in kept.items() if v is not None}
    with pytest.raises(error, match=text):
        found(stores)


def test_an_area_without_units_is_refused(stores):
    stores["tws"].attrs["units"] = "km3"
    with pytest.raises(UnitsError, match=r"area= has no units.*number in m2"):
        found(stores, area=xr.DataArray(1.0))


def test_an_area_of_other_cells_is_refused(stores):
    stores["tws"].attrs["units"] = "km3"
    moved = xr.DataArray(np.ones((2, 3)), {"lat": [1.5, 0.0], "lon": SPACE["lon"]}, ("lat", "lon"))
    with pytest.raises(GridError, match=r"area= and 'tws' lie on different cells"):
        found(stores, area=moved.assign_attrs(units="km2"))


def test_an_area_without_coordinates_is_refused(stores):
    stores["tws"].attrs["units"] = "km3"
    with pytest.raises(GridError, match=r"an array of shape \(2, 3\) without coordinates"):
        found(stores, area=np.ones((2, 3)))


def test_inputs_that_are_none_or_empty_are_refused(stores):
    with pytest.raises(MissingVariableError, match=r"soil_moisture was given as NoneType"):
        found(stores | {"soil_moisture": None})
    with pytest.raises(NotEnoughDataError, match=r"snow is empty \({'time': 0, .*nothing was"):
        found(stores | {"snow": stores["snow"][:0]})


def test_several_variables_are_refused(stores):
    two = xr.Dataset({"a": stores["tws"], "b": stores["tws"]})
    with pytest.raises(MissingVariableError, match=r"tws was given as a Dataset of \['a', 'b'\]"):
        found(stores | {"tws": two})


def test_layers_that_overlap_or_are_not_known_are_refused(stores):
    soil = stores["soil_moisture"]
    two = xr.Dataset({"a_0_10cm": soil, "a_0_100cm": soil})
    with pytest.raises(GridError, match=r"'a_0_10cm' 0-0\.1 m and 'a_0_100cm' 0-1 m.*count twice"):
        found(stores | {"soil_moisture": two})
    with pytest.raises(GridError, match="bounds of 'b', a layer of soil_moisture, are not known"):
        found(stores | {"soil_moisture": xr.Dataset({"a_0_10cm": soil, "b": soil})})


def test_other_cells_are_refused(stores):
    moved = stores["snow"].assign_coords(lat=[1.01, 0.01])
    with pytest.raises(GridError, match=r"tws and snow lie on different grids.*regrid\(snow, tws"):
        found(stores | {"snow": moved})
    wells = {
        n: a.stack(well=("lat", "lon")).drop_vars(["well", "lat", "lon"]) for n, a in stores.items()
    }
    wells = {n: a.assign_coords(well=[*"abcdef"]) for n, a in wells.items()}
    wells["snow"] = wells["snow"].assign_coords(well=[*"abcdeg"])
    with pytest.raises(GridError, match=r"tws and snow lie on different cells.*tolerance"):
        found(wells)
    with pytest.raises(GridError, match="dimensions of space have to be the same"):
        found(stores | {"snow": stores["snow"].mean("lat", keep_attrs=True)})


def test_periods_that_do_not_fit_are_refused(stores):
    with pytest.raises(NotEnoughDataError, match=r"2004-01 to 2009-12 is not within.*2006-12"):
        xsm.groundwater_anomaly(**stores)
    with pytest.raises(NotEnoughDataError, match=r"baseline='2004' was given; the first and"):
        found(stores, baseline="2004")
    for wrong in ("2004-1", "2004/01", "2004-13", "2004-00", "200401", "2004-01-32", None):
        with pytest.raises(NotEnoughDataError, match=r"in this spelling: \(\"2004-01\", "):
            found(stores, baseline=(wrong, "2005-06"))
    with pytest.raises(NotEnoughDataError, match="baseline=5 was given; the first and the last"):
        found(stores, baseline=5)
    with pytest.raises(NotEnoughDataError, match="first and the last month"):
        found(stores, baseline=slice("2006", "2004"))
    later = stores["snow"].assign_coords(time=xr.date_range("2010", periods=36, freq="MS"))
    with pytest.raises(NotEnoughDataError, match=r"no month in common.*2010-01 to 2012-12"):
        found(stores | {"snow": later})


def test_irregular_days_are_refused(stores):
    days = series(9, months=36 * 31, freq="D").isel(time=[*range(40), *range(42, 900)])
    with pytest.raises(GridError, match="irregular"):
        found(stores | {"snow": days})


@pytest.mark.data
def test_the_published_series_of_california(data_dir: Path):
    file = next((data_dir / "grace_california_nasa").glob("*timeseries_all_california*.csv"))
    table = pd.read_csv(file, comment="#", parse_dates=["date"], index_col="date")
    ds = table.to_xarray()
    for array in ds.data_vars.values():
        array.attrs["units"] = "km3"
    names = ("total water storage", "soil moisture", "snow water equivalent", "reservoirs")
    stores = [ds[[name, f"{name} error"]] for name in names]
    result = xsm.groundwater_anomaly(*stores, area=AREA) / 6.4488  # mm for each km3, as published
    published = ds[["groundwater estimate", "groundwater estimate error"]]
    # all numbers are printed with three digits: five of them in each sum
    for ours, theirs in zip(result.data_vars, published.data_vars, strict=True):
        difference = abs(result[ours] - published[theirs])
        assert int(difference.notnull().sum()) == int(published[theirs].notnull().sum()) > 230
        assert float(difference.max()) < 0.003
