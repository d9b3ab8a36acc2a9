"""Products: recognised by their names, followed where files say otherwise, stated by the user."""

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.data.naming import PRODUCTS, ROLES, find_variables, products_of, stated
from xsm.data.units import conversion, is_amount
from xsm.exceptions import MissingVariableError, UnitsError, UnknownNameError

DAYS = xr.date_range("2003-01-01", periods=40)


def series(**columns: tuple[float, dict[str, str]]) -> xr.Dataset:
    """Return a data set of constant series, each with its attributes."""
    made = {name: ("time", np.full(40, value), attrs) for name, (value, attrs) in columns.items()}
    return xr.Dataset(made, {"time": DAYS})


def lis() -> xr.Dataset:
    """Return 5 mm a day, 1 of it snow, as NASA's LIS names it (LISF, LIS_histDataMod.F90)."""
    flux = "kg m-2 s-1"
    return series(
        Rainf_f_tavg=(5 / 86400, {"units": flux, "standard_name": "rainfall_flux"}),
        Snowf_tavg=(1 / 86400, {"units": flux, "standard_name": "snowfall_rate"}),
        Evap_tavg=(2 / 86400, {"units": flux, "standard_name": "total_evapotranspiration"}),
    )


def test_the_table_of_a_product_wins_over_the_standard_name_of_its_files():
    table = find_variables(lis())
    assert table.products == ("gldas",)
    assert table.array(lis(), "precipitation").values[0] == pytest.approx(5.0)
    assert "'Rainf_f_tavg' says standard_name 'rainfall_flux', but" in table.notes["precipitation"]
    assert "GLDAS-2, FLDAS, LIS" in repr(table).splitlines()[0]
    assert "GLDAS-2, FLDAS, LIS" in table._repr_html_()


def test_what_the_note_proposes_gives_the_file_its_way():
    stated_so = find_variables(lis(), {"rainfall": "Rainf_f_tavg"})
    assert stated_so.array(lis(), "rainfall").values[0] == pytest.approx(5.0)


def test_rain_of_gldas_whose_file_calls_it_precipitation_is_rain():
    """GLDAS_NOAH025_M: Rainf_tavg has standard_name precipitation_flux, beside Rainf_f_tavg."""
    flux = "kg m-2 s-1"
    ds = series(
        Rainf_f_tavg=(5 / 86400, {"units": flux, "standard_name": "total_precipitation_flux"}),
        Rainf_tavg=(4 / 86400, {"units": flux, "standard_name": "precipitation_flux"}),
        Snowf_tavg=(1 / 86400, {"units": flux, "standard_name": "snowfall_flux"}),
    )
    table = find_variables(ds)
    assert table["precipitation"].name == "Rainf_f_tavg"
    assert table["rainfall"].name == "Rainf_tavg"


def active(**attrs: str) -> xr.Dataset:
    """Return degrees of saturation as ESA CCI ACTIVE has them (product user guide v08.1)."""
    ds = series(sm=(60.0, {"units": "percent", **attrs}), sm_uncertainty=(4.0, {}))
    return ds.assign_attrs(title="ESA CCI Surface Soil Moisture ACTIVE Product")


def test_percent_of_saturation_is_no_volume():
    ds = active(long_name="Percent of Saturation Soil Moisture")
    table = find_variables(ds)
    assert table["soil_wetness"].name == "sm"
    assert "satellite_soil_moisture" not in table
    with pytest.raises(MissingVariableError, match=r"times porosity.* is soil moisture. Type"):
        table.array(ds, "satellite_soil_moisture")


def test_saturation_times_porosity_is_soil_moisture_as_the_message_says():
    ds, porosity = active(long_name="Percent of Saturation Soil Moisture"), 0.5
    with xr.set_options(keep_attrs=True):  # its long_name still says saturation
        ds["sm"] = (ds["sm"] / 100 * porosity).assign_attrs(units="m3 m-3")
    table = find_variables(ds, {"satellite_soil_moisture": "sm"})
    assert table.array(ds, "satellite_soil_moisture").values[0] == pytest.approx(0.3)


@pytest.mark.parametrize(
    "long_name",
    [
        "Relative surface soil moisture, degree of saturation",
        "Surface soil wetness",
        "Soil Water Index",
    ],
)
def test_wetness_by_other_words(long_name):
    """Surface soil moisture of ASCAT (H SAF H119), soil water index of CGLS."""
    ds = series(soil_moisture=(40.0, {"units": "%", "long_name": long_name}))
    assert find_variables(ds)["soil_wetness"].name == "soil_moisture"


def caravan() -> xr.Dataset:
    """Return a basin of Caravan: units are in global attributes alone (Kratzert et al. 2023)."""
    return series(
        total_precipitation_sum=(3.0, {}),
        temperature_2m_mean=(10.0, {}),
        surface_pressure_mean=(95.0, {}),
        dewpoint_temperature_2m_mean=(5.0, {}),
        volumetric_soil_water_layer_1_mean=(0.3, {}),
        potential_evaporation_sum=(2.5, {}),
    )


def test_units_that_a_product_leaves_out_are_those_of_its_table():
    ds = caravan()
    table = find_variables(ds)
    read = {role: table.array(ds, role).values[0] for role in table.roles}
    assert read["precipitation"] == pytest.approx(3.0)
    assert read["air_temperature"] == pytest.approx(283.15)
    assert read["surface_pressure"] == pytest.approx(95000.0)
    assert read["potential_evaporation"] == pytest.approx(2.5)
    # ECMWF 2016, IFS documentation part IV, Eq. 7.4 and 7.5: 8.72 hPa of vapour
    assert read["specific_humidity"] == pytest.approx(
        0.622 * 872.0 / (95000.0 - 0.378 * 872.0), 2e-3
    )
    assert (
        "as in files of Caravan they are taken: total_precipitation_sum in mm"
        in table.notes["units"]
    )


def test_metres_of_earth_engine_through_xee():
    """Xee leaves units out; ERA5-Land is in m and negative where water evaporates."""
    ds = series(
        total_precipitation_sum=(0.005, {}),
        total_evaporation_sum=(-0.002, {}),
        surface_runoff_sum=(0.001, {}),
        potential_evaporation_sum=(-0.004, {}),
    )
    table = find_variables(ds)
    read = {role: table.array(ds, role).values[0] for role in table.roles}
    truth = {"precipitation": 5, "evaporation": 2, "surface_runoff": 1, "potential_evaporation": 4}
    assert read == pytest.approx(truth)


def tower() -> xr.Dataset:
    """Return a tower of FLUXNET2015, daily (Pastorello et al. 2020, table of variables)."""
    return series(
        P_F=(3.0, {}),
        TA_F=(20.0, {}),
        PA_F=(100.0, {}),
        VPD_F=(10.0, {}),
        LE_F_MDS=(100.0, {}),
        SWC_F_MDS_1=(25.0, {}),
    )


def test_humidity_and_evaporation_of_a_tower():
    """Saturation at 20 degC is 23.38 hPa; 100 W m-2 evaporate 8.64 / 2.45 mm (FAO 56)."""
    table = find_variables(tower())
    assert table.array(tower(), "evaporation").values[0] == pytest.approx(8.64 / 2.45)
    vapour = 1338.0  # Pa, 23.38 - 10 hPa
    truth = 0.622 * vapour / (1e5 - 0.378 * vapour)
    assert table.array(tower(), "specific_humidity").values[0] == pytest.approx(truth, rel=5e-3)
    assert table.array(tower(), "soil_moisture").values[0] == pytest.approx(0.25)


def test_arco_era5_is_turned_lazily_too():
    """Names of google-research/arco-era5: evaporation is negative, in m of the past hour."""
    hours = xr.date_range("2020-01-01T01:00", periods=48, freq="h")
    names = {"total_precipitation": 5, "evaporation": -2, "surface_runoff": 1, "snow_depth": 0}
    ds = xr.Dataset(
        {n: ("time", np.full(48, v / 24000), {"units": "m"}) for n, v in names.items()}
        | {"2m_temperature": ("time", np.full(48, 285.0), {"units": "K"})},
        {"time": hours},
    ).chunk(time=24)
    table = find_variables(ds)
    assert table.products[0] == "era5"
    assert table.array(ds, "evaporation").values[0] == pytest.approx(2.0)
    assert table.array(ds, "precipitation").values[0] == pytest.approx(5.0)


def test_gleam_is_recognised_by_names_of_other_terms():
    """GLEAM v4: E, Eb, Ei, Et in mm day-1, SMs m3 m-3 of 0-10 cm (Miralles et al. 2025)."""
    mm = {"units": "mm.day-1"}
    ds = series(E=(2.0, mm), Eb=(0.5, mm), Ei=(0.2, mm), SMs=(0.2, {"units": "m3.m-3"}))
    table = find_variables(ds)
    assert table.products == ("gleam",)
    assert table.array(ds, "evaporation").values[0] == pytest.approx(2.0)
    assert table["soil_moisture"].depth == (0.0, 0.1)


def test_a_name_alone_is_no_product():
    assert products_of(series(tp=(0.001, {"units": "m"}), theta=(0.2, {}))) == ()
    with pytest.raises(UnitsError, match=r"Files of ERA5-Land have 'm'; if that is still so, type"):
        find_variables(series(tp=(0.001, {}))).require("precipitation")


def test_units_that_nothing_tells_are_asked_for_not_proposed():
    ds = series(precipitation=(3.0, {}))
    with pytest.raises(UnitsError, match=r'in, and type it, .*= "\.\.\.", for example "mm day-1"'):
        find_variables(ds).require("precipitation")


def test_a_product_that_is_stated_has_its_units():
    ds = stated(series(tp=(0.001, {})), "era5_land")
    assert find_variables(ds).array(ds, "precipitation").values[0] == pytest.approx(1.0)


def test_a_product_that_is_unknown_is_refused():
    with pytest.raises(UnknownNameError, match=r"product='fluxnt' is not known.*'fluxnet'"):
        stated(series(tp=(0.001, {})), "fluxnt")


def test_units_spelt_otherwise_are_read():
    """CSR RL06.3 mascons say Units."""
    ds = series(lwe_thickness=(1.5, {"Units": "cm"}))
    assert find_variables(ds).array(ds, "terrestrial_water_storage").values[0] == pytest.approx(
        15.0
    )


@pytest.mark.parametrize("key", [key for key, product in PRODUCTS.items() if product.title])
def test_the_table_is_consistent(key):
    product = PRODUCTS[key]
    assert product.source
    assert set(product.names) <= set(ROLES)
    assert set(product.units) <= set(product.names)
    assert set(product.signs) <= set(product.names)
    assert set(product.layers) <= product.known
    assert set(product.flags) <= product.known | {"Quality_Flag"}
    assert product.label in {"", "start", "middle", "end"}
    for role, units in product.units.items():
        about = ROLES[role]
        if not is_amount(units, about.units):
            conversion(units, about.units, water=about.water, thickness=1.0)
    assert xsm.list_products()[key] == product.title


def test_names_of_roles_are_those_of_no_product():
    """A user's own data set: no sign is turned, no unit assumed."""
    mm = {"units": "mm day-1"}
    ds = series(evaporation=(2.0, mm), surface_runoff=(1.0, mm), soil_moisture=(0.2, {}))
    ds["elevation"] = ((), 10.0)
    assert products_of(ds) == ()
    assert find_variables(ds).array(ds, "evaporation").values[0] == pytest.approx(2.0)
    with pytest.raises(UnitsError, match=r"'soil_moisture' has no units. Look up"):
        find_variables(ds).require("soil_moisture")


def test_columns_of_two_letters_are_those_of_no_product():
    assert products_of(series(P=(1.0, {}), TA=(10.0, {}), RH=(50.0, {}), WS=(2.0, {}))) == ()


def test_units_that_the_values_of_a_product_contradict_are_refused_and_the_message_mends_them():
    ds = caravan()
    ds["temperature_2m_mean"].attrs["units"] = "K"
    table = find_variables(ds)
    with pytest.raises(UnitsError, match=r"are what is usual in 'degC'. Type") as told:
        table.array(ds, "air_temperature")
    line = str(told.value).partition("Type ")[2].partition(";")[0]
    exec(line, {"ds": ds})
    assert find_variables(ds).array(ds, "air_temperature").values[0] == pytest.approx(283.15)


def test_units_that_a_user_insists_on_are_taken():
    ds = series(total_precipitation_sum=(0.004, {"units": "mm day-1"}), runoff_sum=(0.0, {}))
    ds = ds.assign(surface_runoff_sum=ds["runoff_sum"])
    with pytest.raises(UnitsError, match=r"files of ERA5-Land of Earth Engine have 'm', and the"):
        find_variables(ds).require("precipitation")
    insisted = find_variables(ds, {"precipitation": "total_precipitation_sum"})
    assert insisted.array(ds, "precipitation").values[0] == pytest.approx(0.004)
