"""Whole files as they are downloaded: stores by role, what is left aside, other grids."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.exceptions import GridError, MissingVariableError, UnitsError, UnknownNameError

MONTHS = xr.date_range("2004-01-01", periods=72, freq="MS")
LAT, LON = np.arange(-75.0, 90, 30), np.arange(15.0, 360, 30)
NOISE = np.random.default_rng(0).normal(0, 30, (72, 6, 12))
NOISE = NOISE - NOISE.mean(0)  # mm: what is left for groundwater


def field(values: object, units: str, **attrs: object) -> tuple[object, ...]:
    full = np.broadcast_to(np.asarray(values), NOISE.shape).copy()
    return (("time", "lat", "lon"), full, {"units": units, **attrs})


def season(size: float) -> np.ndarray:
    return size * np.cos(2 * np.pi * np.arange(72) / 12)[:, None, None] * np.ones((6, 12))


def model(*, west: bool = False) -> xr.Dataset:
    """Return GLDAS-2.1 Noah, monthly: 10 mm of season in the soil, one mm in the canopy.

    Names, units and standard names as ncdump shows them, RootMoist beside the layers that it sums.
    """
    wet = {"standard_name": "soil_moisture_content"}
    layers = zip(("0_10", "10_40", "40_100", "100_200"), (0.1, 0.3, 0.3, 0.3), strict=True)
    ds = xr.Dataset(
        {
            **{
                f"SoilMoi{name}cm_inst": field(100 + season(10 * share), "kg m-2", **wet)
                for name, share in layers
            },
            "RootMoist_inst": field(300 + season(7.0), "kg m-2", **wet),
            "SWE_inst": field(
                20 + season(-5.0), "kg m-2", standard_name="liquid_water_content_of_surface_snow"
            ),
            "CanopInt_inst": field(1 + season(1.0), "kg m-2", standard_name="canopy_water_amount"),
            "Rainf_f_tavg": field(1e-5, "kg m-2 s-1", standard_name="rainfall_flux"),
            "SoilTMP0_10cm_inst": field(280.0, "K"),
        },
        {"time": MONTHS, "lat": LAT, "lon": LON},
    )
    return ds.assign_coords(lon=(ds["lon"] + 180) % 360 - 180).sortby("lon") if west else ds


WATER = NOISE + season(10.0 - 5 + 1)  # soil, snow, canopy and groundwater


def jpl(tmp_path: Path) -> xr.Dataset:
    """Return a file of JPL's mascons.

    GRCTellus.JPL.200204_202501.GLO.RL06.3M.MSCNv04CRI.nc, from the CDL of a public THREDDS server.
    """
    days = (MONTHS - np.datetime64("2002-01-01")) / np.timedelta64(1, "D") + 14.5
    about = {"standard_name": "Liquid_Water_Equivalent_Thickness", "grid_mapping": "WGS84"}
    maps = (("lat", "lon"), np.ones((6, 12)), {"units": "unitless"})
    ds = xr.Dataset(
        {
            "lwe_thickness": field(WATER / 10, "cm", **about),
            "uncertainty": field(2.0, "cm", standard_name="uncertainty", grid_mapping="WGS84"),
            "lat_bounds": (("lat", "bounds"), np.stack([LAT - 15, LAT + 15], 1)),
            "lon_bounds": (("lon", "bounds"), np.stack([LON - 15, LON + 15], 1)),
            "time_bounds": (("time", "bounds"), np.stack([days - 15, days + 15], 1)),
            "land_mask": maps,
            "scale_factor": maps,
            "mascon_ID": maps,
            "GAD": ("time", np.zeros(72), {"units": "cm"}),
            "WGS84": ((), b"", {"grid_mapping_name": "latitude_longitude"}),
        },
        {"time": ("time", days, {"units": "days since 2002-01-01", "bounds": "time_bounds"})},
    )
    axes = {"lat": ("latitude", "degrees_north", "Y"), "lon": ("longitude", "degrees_east", "X")}
    for dim, values in (("lat", LAT), ("lon", LON)):
        name, units, axis = axes[dim]
        attrs = {"standard_name": name, "units": units, "axis": axis, "bounds": f"{dim}_bounds"}
        ds = ds.assign_coords({dim: (dim, values, attrs)})
    for name in ("lwe_thickness", "uncertainty"):
        ds[name].encoding["_FillValue"] = -99999.0
    ds.to_netcdf(tmp_path / "jpl.nc")
    return xr.open_dataset(tmp_path / "jpl.nc")


def gsfc() -> xr.Dataset:
    """Return a file of GSFC's mascons on half a degree.

    gsfc.glb_.200204_202410_rl06v2.0_obp-ice6gd_halfdegree.nc, as pypism/pism-terra reads it.
    """
    ds = xr.Dataset(
        {
            "lwe_thickness": field(WATER / 10, "cm", long_name="Liquid_Water_Equivalent_Thickness"),
            "land_mask": (("lat", "lon"), np.ones((6, 12)), {"units": "binary"}),
            "lat_bounds": (("lat", "bounds"), np.stack([LAT - 15, LAT + 15], 1)),
            "lon_bounds": (("lon", "bounds"), np.stack([LON - 15, LON + 15], 1)),
            "time_bounds": (("time", "bounds"), np.zeros((72, 2))),
        },
        {"time": MONTHS + np.timedelta64(15, "D"), "lat": LAT, "lon": LON},
    )
    for name in ("lat", "lon", "time"):
        ds[name].attrs["bounds"] = f"{name}_bounds"
    return ds


def gravis() -> xr.Dataset:
    """Return a file of GFZ GravIS, terrestrial water storage (its README)."""
    return xr.Dataset(
        {
            "tws": field(WATER / 1000, "m", long_name="gravity-based TWS"),
            "std_tws": field(0.02, "m", long_name="gravity-based TWS standard deviations"),
            "leakage": field(0.5, "m", long_name="leakage"),
            "model_atmosphere": field(0.1, "m", long_name="atmosphere"),
        },
        {"time": MONTHS + np.timedelta64(15, "D"), "lat": LAT, "lon": LON},
    )


def storage(*args: object, **settings: object) -> xr.Dataset:
    return xsm.groundwater_anomaly(*args, **{"baseline": ("2004", "2009"), **settings})


FILES = {"jpl": jpl, "gsfc": lambda _: gsfc(), "gravis": lambda _: gravis()}


@pytest.mark.parametrize(("name", "error"), [("jpl", 20.0), ("gsfc", None), ("gravis", 20.0)])
@pytest.mark.parametrize("lazy", [False, True])
def test_whole_files_give_the_rest_of_their_stores(tmp_path, name, error, lazy):
    grace, land = FILES[name](tmp_path), model()
    if lazy:
        grace, land = grace.chunk(time=12), land.chunk(time=24)
    found = storage(grace, land)
    np.testing.assert_allclose(found["groundwater_storage"], NOISE, atol=1e-9)
    assert (found["groundwater_storage"].chunks is not None) == lazy
    if error is None:
        assert list(found.data_vars) == ["groundwater_storage"]
    else:
        np.testing.assert_allclose(found["groundwater_storage_std"], error)


def test_what_is_used_and_what_is_left_aside_is_said(tmp_path):
    attrs = storage(jpl(tmp_path), model())["groundwater_storage"].attrs
    assert attrs["stores"] == (
        "tws: lwe_thickness; soil_moisture: SoilMoi0_10cm_inst, SoilMoi10_40cm_inst, "
        "SoilMoi40_100cm_inst, SoilMoi100_200cm_inst (0 to 2 m); snow: SWE_inst; "
        "canopy_water: CanopInt_inst"
    )
    assert attrs["left_aside"] == (
        "tws: land_mask, scale_factor, mascon_ID, GAD; "
        "soil_moisture: RootMoist_inst, Rainf_f_tavg, SoilTMP0_10cm_inst"
    )
    assert attrs["comment"].startswith("tws - soil_moisture - snow - canopy_water, relative")
    plain = storage(gsfc()["lwe_thickness"], gsfc()["lwe_thickness"], gsfc()["lwe_thickness"])
    assert not {"stores", "left_aside"} & set(plain["groundwater_storage"].attrs)


def typed(message: str, **given: xr.Dataset | xr.DataArray) -> dict[str, object]:
    """Return the inputs after the lines that a message says to type."""
    lines = re.search(r"what comes back: (.*)\.$", message)[1]
    space = {"xsm": xsm, **given}
    exec(lines, space)
    return {name: space[name] for name in given}


@pytest.mark.parametrize("name", list(FILES))
def test_other_longitudes_come_together_by_the_call_of_the_message(tmp_path, name):
    grace, land = FILES[name](tmp_path), model(west=True)
    said = r"two conventions, -180 to 180 and 0 to 360\. Bring .*soil_moisture = xsm\.regrid"
    with pytest.raises(GridError, match=said) as error:
        storage(grace, land)
    again = typed(str(error.value), tws=grace, soil_moisture=land)
    found = storage(*again.values())["groundwater_storage"]
    np.testing.assert_allclose(found, NOISE, atol=1e-9)
    assert not found.isnull().any()
    with pytest.raises(GridError, match="different grids") as error:
        storage(grace, land, land["SWE_inst"])
    again = typed(str(error.value), tws=grace, soil_moisture=land, snow=land["SWE_inst"])
    np.testing.assert_allclose(storage(*again.values())["groundwater_storage"], NOISE, atol=1e-9)


@pytest.mark.parametrize("factor", [2, 3])
def test_a_finer_grid_comes_to_that_of_the_total_by_the_call_of_the_message(tmp_path, factor):
    fine = {
        "lat": np.linspace(-90, 90, 12 * factor + 1)[1::2],
        "lon": np.linspace(-180, 180, 24 * factor + 1)[1::2],
    }
    land = xsm.regrid(model(), xr.Dataset(coords=fine))
    land["SWE_inst"] = land["SWE_inst"].transpose("time", "lon", "lat")
    grace = jpl(tmp_path)
    with pytest.raises(GridError, match=f"in steps of {30 / factor:g} and lon -180 to") as error:
        storage(grace, land)
    again = typed(str(error.value), tws=grace, soil_moisture=land)
    np.testing.assert_allclose(storage(*again.values())["groundwater_storage"], NOISE, atol=1e-9)


def test_latitudes_that_descend_or_have_other_names_come_together(tmp_path):
    land = model().isel(lat=slice(None, None, -1)).rename(lat="latitude", lon="longitude")
    grace = jpl(tmp_path)
    with pytest.raises(GridError, match="different grids: tws has lat") as error:
        storage(grace, land)
    again = typed(str(error.value), tws=grace, soil_moisture=land)
    np.testing.assert_allclose(storage(*again.values())["groundwater_storage"], NOISE, atol=1e-9)


def test_stores_of_g3p_in_a_file_each():
    """G3P: one file for each store, value and uncertainty in mm (README of the data)."""

    def one(name: str, values: object, error: str) -> xr.Dataset:
        ds = {name: field(values, "mm"), error: field(5.0, "mm")}
        return xr.Dataset(ds, {"time": MONTHS, "lat": LAT, "lon": LON})

    for end in ("{}_uncertainty", "uncertainty"):
        files = [
            one(name, values, end.format(name))
            for name, values in {
                "tws": NOISE + season(9.0),
                "rzsm": season(5.0),
                "swe": season(3.0),
                "sws": season(1.0),
            }.items()
        ]
        found = storage(*files)
        np.testing.assert_allclose(found["groundwater_storage"], NOISE, atol=1e-9)
        np.testing.assert_allclose(found["groundwater_storage_std"], 10.0)


def test_stores_of_watergap_are_found_with_all_its_surface_water():
    """WaterGAP 2.2d, ISIMIP names: soilmoist, swe, canopystor and six stores of surface water."""
    surface = ("riverstor", "loclakestor", "glolakestor", "locwetlandstor", "glowetlandstor")
    parts = {name: field(season(1.0), "kg m-2") for name in (*surface, "reservoirstor")}
    stores = {"soilmoist": season(4.0), "swe": season(2.0), "canopystor": season(0.5)}
    ds = xr.Dataset(
        {n: field(v, "kg m-2") for n, v in stores.items()} | parts,
        {"time": MONTHS, "lat": LAT, "lon": LON},
    )
    ds["groundwstor"] = ds["swe"]
    total = xr.DataArray(NOISE + season(12.5), ds.coords, ("time", "lat", "lon"))
    found = storage(total.assign_attrs(units="mm"), ds)["groundwater_storage"]
    np.testing.assert_allclose(found, NOISE, atol=1e-9)
    assert found.attrs["left_aside"] == "soil_moisture: groundwstor"


def test_stores_of_pcr_globwb_are_found():
    """PCR-GLOBWB 2 (UU-Hydro/PCR-GLOBWB_model, model/variable_list.py), in m."""
    stores = {
        "total_thickness_of_water_storage": NOISE + season(11.0),
        "upper_soil_storage": season(1.0),
        "lower_soil_storage": season(2.0),
        "snow_water_equivalent": season(3.0),
        "interception_storage": season(0.5),
        "surface_water_storage": season(4.0),
        "top_water_layer": season(0.5),
    }
    ds = xr.Dataset(
        {n: field(v / 1000, "m") for n, v in stores.items()},
        {"time": MONTHS, "lat": LAT, "lon": LON},
    )
    found = storage(ds, ds)["groundwater_storage"]
    np.testing.assert_allclose(found, NOISE, atol=1e-9)


def test_a_whole_column_is_taken_instead_of_its_top_layer():
    """CMIP6: mrso is the water of all soil, mrsos that of its upper 10 cm."""
    all_soil = {"standard_name": "mass_content_of_water_in_soil"}
    top = {"standard_name": "mass_content_of_water_in_soil_layer"}
    ds = xr.Dataset(
        {
            "mrsos": field(season(1.0), "kg m-2", **top),
            "mrso": field(season(10.0), "kg m-2", **all_soil),
            "snw": field(season(0.0), "kg m-2", standard_name="surface_snow_amount"),
        },
        {"time": MONTHS, "lat": LAT, "lon": LON},
    )
    total = xr.DataArray(NOISE + season(10.0), ds.coords, ("time", "lat", "lon"))
    found = storage(total.assign_attrs(units="mm"), ds)["groundwater_storage"]
    np.testing.assert_allclose(found, NOISE, atol=1e-9)
    assert found.attrs["left_aside"] == "soil_moisture: mrsos"


def test_names_of_ones_own_are_stated_by_role(tmp_path):
    land = model()[["RootMoist_inst", "SWE_inst"]].drop_attrs()
    land = land.rename(RootMoist_inst="wet", SWE_inst="white")
    for name in land:
        land[name].attrs["units"] = "mm"
    grace = gravis().rename(tws="mass", std_tws="std_mass")
    mine = {
        "terrestrial_water_storage": "mass",
        "soil_moisture": "wet",
        "snow_water_equivalent": "white",
    }
    found = storage(grace, land, variables=mine)
    truth = NOISE + season(6.0 - 7 + 5)
    np.testing.assert_allclose(found["groundwater_storage"], truth, atol=1e-9)
    np.testing.assert_allclose(found["groundwater_storage_std"], 20.0)
    with pytest.raises(UnknownNameError, match=r"variables=: 'snow' is no store\. .*snow_water"):
        storage(grace, land, variables={"snow": "white"})
    with pytest.raises(MissingVariableError, match=r"soil_moisture='wett' is no variable.*'wet'"):
        storage(grace, land, variables=mine | {"soil_moisture": "wett"})
    with pytest.raises(MissingVariableError, match=r"none has the role 'terrestrial_water"):
        storage(grace, land, variables={"soil_moisture": "wet", "snow_water_equivalent": "white"})


def test_snow_that_is_nowhere_is_asked_for_with_a_call_that_works(tmp_path):
    land = model().drop_vars("SWE_inst")
    for grace in (jpl(tmp_path), gravis()["tws"]):
        with pytest.raises(MissingVariableError, match="snow was not given, and soil_mois") as said:
            storage(grace, land)
        line = re.search(r"snow=(\(0.*)\.$", str(said.value))[1]
        found = storage(grace, land, eval(line, {"tws": grace}))["groundwater_storage"]
        np.testing.assert_allclose(found, NOISE + season(-5.0), atol=1e-9)


def test_units_that_arithmetic_dropped_come_back_by_what_the_message_says(tmp_path):
    grace, land = jpl(tmp_path), model()
    with xr.set_options(keep_attrs=False):
        scaled = grace["lwe_thickness"] * grace["scale_factor"]
    with pytest.raises(UnitsError, match=r"Where arithmetic dropped them, give them") as said:
        storage(scaled, land)
    line = re.search(r"tws = (tws\.assign_attrs\(.*?\));", str(said.value))[1]
    line = line.replace("<the variable before it>", 'grace["lwe_thickness"]')
    scaled = eval(line, {"tws": scaled, "grace": grace})
    np.testing.assert_allclose(storage(scaled, land)["groundwater_storage"], NOISE, atol=1e-9)


def test_packed_numbers_are_refused():
    land = model()
    packed = land["SWE_inst"].astype("i2").assign_attrs(scale_factor=0.1)
    land["SWE_inst"] = packed
    with pytest.raises(UnitsError, match=r"'SWE_inst' holds packed integers"):
        storage(gravis(), land)


def test_two_units_that_differ_are_refused_until_one_is_taken_out():
    """As CSR's mascons with units typed beside their Units."""
    grace = gsfc()["lwe_thickness"].assign_attrs(units="mm", Units="cm")
    with pytest.raises(UnitsError, match=r"units='mm' and Units='cm', which differ") as error:
        storage(grace, model())
    line = re.search(r"or (ds\[.*\]\.attrs\[\"units\"\] = 'cm')\.$", str(error.value))[1]
    ds = grace.to_dataset()
    exec(line, {"ds": ds})
    np.testing.assert_allclose(storage(ds, model())["groundwater_storage"], NOISE, atol=1e-9)


def test_several_totals_are_asked_for_by_name():
    grace = gsfc().rename(lwe_thickness="mass").drop_vars("land_mask")
    for name in ("mass", "other"):
        about = {"standard_name": "lwe_thickness_of_land_water_storage_anomaly"}
        grace[name] = grace["mass"].assign_attrs(about)
    grace["other"] = 2 * grace["other"]
    with pytest.raises((MissingVariableError, UnitsError), match="several variables fit") as error:
        storage(grace, model())
    stated = re.search(r"variables=(\{.*?\})", str(error.value))[1]
    found = storage(grace, model(), variables=eval(stated))
    np.testing.assert_allclose(found["groundwater_storage"], NOISE, atol=1e-9)


@pytest.mark.parametrize("half", ["west", "east"])
def test_half_a_globe_that_labels_of_the_other_convention_lost_is_refused(half):
    """What reindex(method="nearest") leaves of -180..180 on 0..360; here for both halves."""
    months = xr.date_range("2004-01-01", periods=72, freq="MS")
    lat, lon = np.arange(-82.5, 90, 15), np.arange(7.5, 360, 15)
    where = {"time": months, "lat": lat, "lon": lon}
    tws = xr.DataArray(np.ones((72, 12, 24)), where, attrs={"units": "cm"})
    soil = (10 * tws).assign_attrs(units="mm")
    other = soil.assign_coords(lon=(lon + 180) % 360 - 180).sortby("lon")
    lost = other.reindex_like(tws, method="nearest", tolerance=1e-4)
    if half == "east":
        lost = soil.where(soil["lon"] > 180)
    snow = (0 * soil).assign_attrs(units="mm")
    with pytest.raises(GridError, match=rf"no value at all {half} of 0 degrees.*xsm.regrid"):
        xsm.groundwater_anomaly(tws, lost, snow)
    whole = xsm.groundwater_anomaly(tws, xsm.regrid(other, tws), snow)["groundwater_storage"]
    assert whole.notnull().all()
    sea = soil.where(soil["lat"] > 0)  # a land mask is right
    assert xsm.groundwater_anomaly(tws, sea, snow)["groundwater_storage"].notnull().any()
