"""Days of files whose names xsm does not know, and what messages of ``daily`` tell to type."""

from __future__ import annotations

import ast
import re
import warnings

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.data.naming import products_of
from xsm.data.reduction import candidates, cell_method
from xsm.exceptions import GridError, MissingVariableError, UnitsError, UnknownNameError


def logger(days: int = 4) -> xr.Dataset:
    """Return 30 minutes of a data logger: rain 0.1 mm in each, sun from 6 to 18 UTC."""
    time = np.datetime64("2020-01-01") + np.arange(1, 48 * days + 1) * np.timedelta64(30, "m")
    hour = np.arange(1, 48 * days + 1) % 48 / 2
    sun = np.where((hour > 6) & (hour <= 18), 400.0, 0.0)
    fields = {
        "Rain_mm_Tot": (np.full(hour.size, 0.1), "mm"),
        "SlrW_Avg": (sun, "W/m^2"),
        "AirTC_Max": (hour, "degC"),
        "VWC_Avg": (np.linspace(0.3, 0.2, hour.size), "m^3/m^3"),
    }
    made = {name: ("time", values, {"units": units}) for name, (values, units) in fields.items()}
    return xr.Dataset(made, {"time": time.astype("M8[ns]")})


NAMES = {
    "precipitation": "Rain_mm_Tot",
    "shortwave_down": "SlrW_Avg",
    "air_temperature": "AirTC_Max",
    "soil_moisture": "VWC_Avg",
}


def test_names_of_a_logger_are_stated(raise_if_computed):
    """Names as the programs of Campbell Scientific's loggers (TOA5: Rain_mm_Tot, SlrW_Avg)."""
    ds = logger()
    found = xsm.daily(ds, variables=NAMES)
    np.testing.assert_allclose(found["Rain_mm_Tot"], 4.8)
    np.testing.assert_allclose(found["SlrW_Avg"], 200)
    np.testing.assert_allclose(found["VWC_Avg"], ds["VWC_Avg"][47::48])
    lazy = xsm.daily(ds.chunk(), variables=NAMES, accumulation={"Rain_mm_Tot": "step"})
    assert lazy["Rain_mm_Tot"].chunks is not None


def test_what_has_no_role_is_named_and_left_out():
    ds = logger().assign(tp=logger()["Rain_mm_Tot"])
    with pytest.warns(UserWarning, match=r"'Rain_mm_Tot' \(mm\), 'SlrW_Avg' \(W/m\^2\).* left out"):
        assert list(xsm.daily(ds)) == ["tp"]
    with pytest.warns(UserWarning, match=r"xsm.monthly: 'Rain_mm_Tot' \(mm\).* left out"):
        assert list(xsm.monthly(month(ds))) == ["tp"]
    for verb, data in ((xsm.daily, logger()), (xsm.monthly, month(logger()))):
        with pytest.raises(MissingVariableError, match=r"'VWC_Avg' \(m\^3/m\^3\) left out"):
            verb(data)


def month(ds: xr.Dataset) -> xr.Dataset:
    """Return the days of a month."""
    days = xr.date_range("2020-01-01", periods=31)
    return ds.isel(time=slice(0, 31)).assign_coords(time=days)


@pytest.mark.parametrize("verb", [xsm.daily, xsm.monthly])
def test_what_the_warning_tells_to_type_works(verb):
    ds = logger() if verb is xsm.daily else month(logger())
    ds = ds.assign(tp=ds["Rain_mm_Tot"])
    with pytest.warns(UserWarning, match="left out") as caught:
        verb(ds)
    text = str(caught[0].message)
    role = ast.literal_eval(re.search(r"variables=(\{.*?\})", text)[1])
    assert role == {"precipitation": "Rain_mm_Tot"}
    assert "'evaporation'" in text
    for typed in ("time: sum", "time: mean", "time: point", "time: maximum", "time: minimum"):
        assert f'"{typed}"' in text
        exec(re.search(r'ds\["Rain_mm_Tot"\]\.attrs\["cell_methods"\] = ', text)[0] + repr(typed))
        with warnings.catch_warnings(action="ignore"):
            assert "Rain_mm_Tot" in verb(ds)
    del ds["Rain_mm_Tot"].attrs["cell_methods"]
    for name in candidates(ds["Rain_mm_Tot"]):
        with warnings.catch_warnings(action="ignore"):
            assert "Rain_mm_Tot" in verb(ds, variables={name: "Rain_mm_Tot"})


@pytest.mark.parametrize(
    ("methods", "wanted"),
    [
        ("time: sum", 4.75),
        ("time: sum (interval: 30 minutes)", 4.75),
        ("area: mean time: mean", 4.75 / 48),
        ("time: area: maximum", 0.3),
        ("time: minimum (interval: 1 min comment: of raw values)", 0.0),
        ("time: point", 0.05),
    ],
)
def test_cell_methods_say_what_a_day_is(methods, wanted):
    """Forms of appendix E and section 7.3 of the conventions of CF 1.11."""
    rain = logger()["Rain_mm_Tot"]
    values = rain.values.reshape(-1, 48).copy()
    values[:, 3:5], values[:, 46], values[:, 47] = [0.3, 0.0], 0.0, 0.05
    ds = rain.copy(data=values.ravel()).assign_attrs(cell_methods=methods).to_dataset()
    np.testing.assert_allclose(xsm.daily(ds)["Rain_mm_Tot"], wanted)


def test_step_types_of_grib_say_what_a_day_is():
    """GRIB_stepType as cfgrib writes it: max of the gusts of ERA5 (i10fg), instant, avg."""
    gust = logger()["AirTC_Max"].rename("i10fg")
    for kind, way in (
        ("max", "maximum"),
        ("min", "minimum"),
        ("avg", "mean"),
        ("instant", "point"),
    ):
        ds = gust.assign_attrs(units="m s**-1", GRIB_stepType=kind).to_dataset()
        assert cell_method(ds["i10fg"], "time") == {"maximum": "max", "minimum": "min"}.get(
            way, way
        )
        assert xsm.daily(ds)["i10fg"].attrs["cell_methods"] == f"time: {way}"
    ds = gust.assign_attrs(units="m s**-1", GRIB_stepType="max").to_dataset()
    np.testing.assert_allclose(xsm.daily(ds)["i10fg"], 23.5)


def test_methods_that_make_no_day_are_left_out():
    ds = logger()[["Rain_mm_Tot"]].assign(tp=logger()["Rain_mm_Tot"])
    ds["Rain_mm_Tot"].attrs["cell_methods"] = "time: variance"
    with pytest.warns(UserWarning, match=r"'Rain_mm_Tot' \(mm, cell_methods 'variance'\) left out"):
        assert list(xsm.daily(ds)) == ["tp"]


def test_an_unknown_meaning_makes_no_day():
    ds = logger()[["Rain_mm_Tot"]]
    ds["Rain_mm_Tot"].attrs["accumulation"] = "stp"
    with pytest.raises(MissingVariableError, match=r"'Rain_mm_Tot' \(mm, .*'stp'\) left out"):
        xsm.daily(ds)


def test_maxima_of_a_role_stay_maxima():
    """mx2t of ERA5-Land and tasmax of CMIP6 share the standard name of the mean."""
    ds = logger()[["AirTC_Max"]]
    ds["AirTC_Max"].attrs |= {"standard_name": "air_temperature", "cell_methods": "time: maximum"}
    np.testing.assert_allclose(xsm.daily(ds)["AirTC_Max"], 23.5)


def test_amounts_of_a_variable_that_is_not_there_are_not_stated():
    said = r"accumulation= names 'Rain', which is no variable of the data\. Choose from"
    with pytest.raises(MissingVariableError, match=said):
        xsm.daily(logger(), accumulation={"Rain": "step"})


@pytest.mark.parametrize("name", ["tp", "battery"])
def test_packed_integers_are_refused(name):
    ds = logger()[["SlrW_Avg", "Rain_mm_Tot"]].rename(Rain_mm_Tot=name, SlrW_Avg="ssrd")
    ds[name] = ("time", np.ones(ds.sizes["time"], "i2"), {"units": "mm", "scale_factor": 0.1})
    for verb, data in ((xsm.daily, ds), (xsm.monthly, month(ds))):
        with pytest.raises(UnitsError, match=rf"'{name}' holds packed integers.*decode_cf"):
            verb(data)
        if name == "tp":
            xr.decode_cf(data).load().pipe(verb)


def test_units_that_do_not_fit_are_named_together():
    ds = logger().rename(Rain_mm_Tot="tp", SlrW_Avg="e")
    with pytest.raises(UnitsError, match=r"'e' is found as 'evaporation'") as error:
        xsm.daily(ds.assign(sro=ds["tp"].drop_attrs()), variables={"soil_moisture": "VWC_Avg"})
    assert "'sro' has no units, so it cannot be told whether it is an amount" in str(error.value)


def test_roles_and_names_are_checked():
    for verb in (xsm.daily, xsm.monthly):
        with pytest.raises(UnknownNameError, match="'rain' is no role"):
            verb(logger(), variables={"rain": "Rain_mm_Tot"})
        with pytest.raises(MissingVariableError, match=r"'Rain' is no variable.*'Rain_mm_Tot'"):
            verb(logger(), variables={"precipitation": "Rain"})


@pytest.mark.parametrize("beside", [{}, {"Qs_acc": "kg m-2"}])
def test_lazy_amounts_are_stated_as_told(beside):
    ds = logger()[["Rain_mm_Tot"]].rename(Rain_mm_Tot="tp")
    ds = ds.assign(dict.fromkeys(("e", *beside), ds["tp"]))
    ds = ds.map(lambda a: a.assign_attrs(units=beside.get(a.name, "mm"), positive="up")).chunk()
    no_rain_yet = ds.map(lambda a: (0 * a).assign_attrs(a.attrs))
    with pytest.raises(UnitsError, match=r"amounts of 'tp', 'e' are cannot be told") as error:
        xsm.daily(no_rain_yet)
    typed = re.search(r"xsm\.daily\(ds, accumulation=(.*?)\) where", str(error.value))[1]
    found = xsm.daily(ds, accumulation=ast.literal_eval(typed))
    np.testing.assert_allclose(found["tp"], 0.1)  # the value at 00 UTC, as is stated
    found = xsm.daily(ds, accumulation=ast.literal_eval(typed.replace("since_00", "step")))
    np.testing.assert_allclose(found["tp"], 4.8)
    if beside:
        np.testing.assert_allclose(found["Qs_acc"], 4.8)  # GLDAS says itself that they are steps


@pytest.mark.parametrize(("first", "step"), [("00:30", 1), ("01:30", 3), ("03:00", 6)])
def test_labels_at_half_steps_are_middles(first, step):
    """MERRA-2's tavg1_2d_lnd_Nx is labelled 00:30, 01:30, ... (file specification, section 4).

    SMAP L4's gph: 01:30, 04:30, ... (Reichle et al. 2022, product specification).
    """
    count = 24 // step
    time = np.datetime64(f"2020-01-01T{first}") + np.arange(2 * count) * np.timedelta64(step, "h")
    day = np.arange(2 * count) // count
    rain = ("time", (day + 1.0) / 86400, {"units": "kg m-2 s-1"})
    store = ("time", np.arange(2.0 * count), {"units": "kg m-2"})
    amount = ("time", (day + 1.0) * step, {"units": "mm", "accumulation": "step"})
    names = {"PRECTOTLAND": rain, "SNOMAS": store, "rain_mm": amount}
    ds = xr.Dataset(names, {"time": time.astype("M8[ns]")})
    ds["rain_mm"].attrs["cell_methods"] = "time: sum"
    found = xsm.daily(ds)
    np.testing.assert_allclose(86400 * found["PRECTOTLAND"], [1, 2])
    np.testing.assert_allclose(found["rain_mm"], [24, 48])
    np.testing.assert_allclose(found["SNOMAS"], [count - 1, 2 * count - 1])
    np.testing.assert_array_equal(found["time"], np.array(["2020-01-01", "2020-01-02"], "M8[ns]"))
    for label in ("end", "start"):
        with pytest.warns(UserWarning, match=f"middle of steps of .*label='{label}' is not used"):
            xr.testing.assert_identical(xsm.daily(ds, label=label), found)
    xr.testing.assert_identical(xsm.daily(ds.chunk(time=5), label="middle").compute(), found)


def test_the_product_tells_the_label():
    """FLUXNET2015 names half hours by TIMESTAMP_START (Pastorello et al. 2020, table 3)."""
    half_hours = xr.date_range("2020-01-01", periods=96, freq="30min")
    day = np.arange(96) // 48 + 1.0
    made = {"P_F": (day, "mm"), "TA_F": (day, "degC"), "SW_IN_F": (day, "W m-2")}
    made |= {"LE_F_MDS": (day, "W m-2"), "VPD_F": (day, "hPa"), "SWC_F_MDS_1": (day, "%")}
    ds = xr.Dataset({k: ("TIMESTAMP", v, {"units": u}) for k, (v, u) in made.items()})
    ds = ds.assign_coords(TIMESTAMP=half_hours)
    found = xsm.daily(ds, states="mean")
    assert products_of(ds) == ("fluxnet",)
    np.testing.assert_allclose(found["P_F"], [48, 96])
    np.testing.assert_allclose(found["TA_F"], [1, 2])
    assert xsm.daily(ds, label="end", states="mean").sizes["TIMESTAMP"] == 1


def test_bounds_of_time_tell_the_label():
    """Hours labelled by their start, as CMIP6's E1hr does not but time_bnds would say."""
    hours = xr.date_range("2020-01-01", periods=49, freq="h")
    ds = xr.Dataset({"pr": ("time", np.arange(48) // 24 + 1.0, {"units": "mm h-1"})})
    ds = ds.assign_coords(time=hours[:-1])
    ds["time_bnds"] = ("time", "bnds"), np.stack([hours[:-1], hours[1:]], axis=1)
    ds["time"].attrs["bounds"] = "time_bnds"
    np.testing.assert_allclose(xsm.daily(ds)["pr"], [1, 2])
    assert list(xsm.daily(ds)) == ["pr"]
    assert xsm.daily(ds.drop_vars("time_bnds")).sizes["time"] == 1


def test_the_other_label_is_told_only_where_it_makes_days():
    ds = logger(1)[["SlrW_Avg"]].rename(SlrW_Avg="ssrd")
    early = ds.assign_coords(time=ds["time"] - np.timedelta64(30, "m"))
    with pytest.raises(GridError, match='State label="start" if'):
        xsm.daily(early)
    assert xsm.daily(early, label="start").sizes["time"] == 1
    with pytest.raises(GridError, match='State label="end" if'):
        xsm.daily(ds, label="start")
    with pytest.raises(GridError, match="Give all steps of whole days"):
        xsm.daily(ds.isel(time=slice(0, 20)))


def midnights(**attrs: str) -> xr.Dataset:
    """Return 00 UTC of 30 days from 2 May 2020; 50 mm fell on 10 May."""
    times = xr.date_range("2020-05-02", periods=30)
    rain = np.where(times == np.datetime64("2020-05-11"), 0.05, 0.0)
    fields = {
        "tp": ("time", rain, {"units": "m", **attrs}),
        "t2m": ("time", np.full(30, 285.0), {"units": "K", "GRIB_stepType": "instant"}),
        "swvl1": ("time", np.linspace(0.3, 0.2, 30), {"units": "m3 m-3"}),
    }
    return xr.Dataset(fields, {"time": times})


def test_fields_of_00_utc_are_the_day_before():
    """Downloads of 00:00 alone: "ERA5-Land: data documentation", daily accumulations, ECMWF."""
    ds = midnights(GRIB_stepType="accum")
    for verb in (xsm.daily, lambda ds: xsm.variables(ds).require("precipitation")):
        with pytest.raises(UnitsError, match="given at 00 UTC alone") as error:
            verb(ds)
    assert 'type xsm.daily(ds, accumulation="since_00")' in str(error.value)
    with pytest.warns(UserWarning, match="'t2m' is left out: one value a day, at 00 UTC"):
        found = xsm.daily(ds, accumulation="since_00")
    rain = xsm.variables(found).array(found, "precipitation")
    assert str(rain.idxmax().values)[:10] == "2020-05-10"
    assert float(rain.max()) == pytest.approx(50)
    np.testing.assert_array_equal(found["swvl1"], ds["swvl1"])
    exec(re.search(r'ds\["tp"\].attrs\["accumulation"\] = "step"', str(error.value))[0])
    assert str(xsm.variables(ds).array(ds, "precipitation").idxmax().values)[:10] == "2020-05-11"


def test_fields_of_00_utc_that_say_so():
    ds = midnights(accumulation="since_00")[["tp"]]
    with pytest.raises(UnitsError, match=r"Type xsm\.daily\(ds\) for daily totals"):
        xsm.variables(ds).require("precipitation")
    assert str(xsm.daily(ds.chunk())["tp"].idxmax().values)[:10] == "2020-05-10"
    late = ds.assign_coords(time=ds["time"] + np.timedelta64(6, "h"))
    with pytest.raises(GridError, match="Sums since 00 UTC once a day, at 2020-05-02 06:00:00"):
        xsm.daily(late)


def test_means_of_amounts_for_some_hours_stay_so():
    ds = logger()[["Rain_mm_Tot"]].rename(Rain_mm_Tot="tp")
    found = xsm.daily(ds, accumulation="3_hourly_mean_rate")
    np.testing.assert_allclose(xsm.variables(found).array(found, "precipitation"), 0.8)
