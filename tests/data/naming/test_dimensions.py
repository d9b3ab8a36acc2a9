"""Each dimension of a variable has a role; one that has none is refused, with what to type."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import xsm
from xsm.exceptions import GridError

DAYS = pd.date_range("2020-01-01", periods=40)
PROFILE = np.array([0.15, 0.25, 0.35, 0.45])
QUICK = {"epochs": 1, "iterations": 2, "window": 5, "scaling": "global", "progress": False}


def typed(ds: xr.Dataset, error: object, part: int = 0) -> xr.Dataset:
    """Type one of the lines ``ds = ...`` or ``ds[...] = ...`` that a message says."""
    lines = re.findall(r"(ds(?:\[\"\w+\"\])? = ds\S.*?\))(?:[.;](?:\s|$)| or)", str(error))
    names = {"ds": ds.copy(), "xsm": xsm, "np": np}
    exec(lines[part], names)
    return names["ds"]


def rain(*dims: str, sizes: tuple[int, ...] = (), **coords) -> xr.Dataset:
    """Return 1 and 3 mm a day along further dimensions."""
    sizes = sizes or (3,) * len(dims)
    values = np.ones((len(DAYS), *sizes))
    values[1::2] = 3.0
    return xr.Dataset({"tp": (("time", *dims), values, {"units": "mm"})}, {"time": DAYS, **coords})


@pytest.mark.parametrize(
    "dims",
    [
        *(("y", "x"), ("lat", "lon"), ("latitude", "longitude"), ("rlat", "rlon"), ("j", "i")),
        *(("south_north", "west_east"), ("north_south", "east_west"), ("lsmlat", "lsmlon")),
        *(("nlat", "nlon"), ("yc", "xc"), ("northing", "easting"), ("grid_yt", "grid_xt")),
        *(("cell",), ("ncells",), ("nCells",), ("gridcell",), ("station",), ("stationid",)),
        *(("site",), ("basin",), ("gauge_id",), ("point",), ("values",), ("feature_id",)),
        *(("well",), ("catchment",), ("pixel",), ("location",), ("ncol",), ("lndgrid",)),
    ],
)
def test_dimensions_of_places_are_known_by_name(dims):
    ds = rain(*dims)
    assert ds.physm.variables().array(ds, "precipitation").dims == ("time", *dims)


@pytest.mark.parametrize(
    "coordinate",
    [
        {"lat": ("id", [1.0, 2, 3])},
        {"site_name": ("id", ["a", "b", "c"])},
        {"where": ("id", [1.0, 2, 3], {"standard_name": "projection_x_coordinate"})},
        {"where": ("id", ["a", "b", "c"], {"cf_role": "timeseries_id"})},
        {"where": ("id", [1.0, 2, 3], {"units": "degrees_east"})},
    ],
)
def test_dimensions_of_places_are_known_by_their_coordinates(coordinate):
    ds = rain("id", **coordinate)
    assert "precipitation" in ds.physm.variables().roles
    assert "precipitation" not in ds.drop_vars(list(coordinate)).physm.variables().roles


def test_axes_in_the_plane_of_a_projection_are_known():
    ds = rain("u", "v", u=("u", [0.0, 1, 2], {"units": "km"}), v=("v", [0.0, 1, 2], {"units": "m"}))
    assert "precipitation" not in ds.physm.variables().roles
    ds["tp"].attrs["grid_mapping"] = "crs"
    assert "precipitation" in ds.physm.variables().roles


def test_cells_of_several_levels_and_members_are_known():
    stacked = rain("lat", "lon").assign_coords(lat=[1, 2, 3], lon=[4, 5, 6])
    stacked = stacked.stack(sea=("lat", "lon"))
    for ds in (stacked, rain("member", "cell"), rain("number", "y", "x"), rain("realization")):
        assert "precipitation" in ds.physm.variables().roles


@pytest.mark.parametrize("lazy", [False, True])
def test_an_unknown_dimension_is_refused_by_every_verb(lazy, no_compute):
    ds = rain("foo", sizes=(4,))
    ds["swvl1"] = (("time", "foo"), np.full((40, 4), 0.3), {"units": "m3 m-3"})
    ds["mine"] = ds["tp"]
    ds = ds.chunk(time=10) if lazy else ds
    verbs = {
        "array": lambda ds: ds.physm.variables().array(ds, "precipitation"),
        "by name": lambda ds: ds.physm.variables().lookup("mine"),
        "fit": lambda ds: ds.physm.fit("lstm", **QUICK),
        "input": lambda ds: ds[["mine"]].physm.fit("lstm", dynamic=["mine"], target="mine"),
        "score": lambda ds: xsm.score(ds, ds[["swvl1"]]),
        "balance": lambda ds: ds.physm.water_balance(terms=["precipitation"]),
        "consistency": lambda ds: xsm.consistency(ds, terms=("precipitation",)),
    }
    for verb in verbs.values():
        with (
            no_compute(),
            pytest.raises(GridError, match=r"along 'foo' \(4\).*it is not taken for space"),
        ):
            verb(ds)
    assert "! precipitation, soil_moisture: 'tp' lies along 'foo' (4)" in str(ds.physm.variables())


def test_what_the_message_says_helps():
    ds = rain("foo", "station", sizes=(4, 2))
    with pytest.raises(GridError, match=r"ds\.rename\(foo=\"cell\"\)") as error:
        ds.physm.variables().require("precipitation")
    array = xsm.variables(place := typed(ds, error.value)).array(place, "precipitation")
    assert array.dims == ("time", "cell", "station")
    one = typed(ds, error.value, 2)
    assert one.physm.variables().array(one, "precipitation").dims == ("time", "station")
    soil = ds.rename(tp="swvl").assign(swvl=ds["tp"].assign_attrs(units="m3 m-3"))[["swvl"]]
    soil["swvl"].attrs["standard_name"] = "volume_fraction_of_condensed_water_in_soil"
    with pytest.raises(GridError, match="layers of soil, from the top") as error:
        soil.physm.variables().require("soil_moisture")
    layers = typed(soil, error.value, 1)
    assert len(layers.physm.variables().layers()) == 4


@pytest.mark.parametrize("dim", ["band", "surface"])
def test_bands_and_lone_dimensions_are_selected(dim):
    ds = rain(dim, "y", "x", sizes=(1, 2, 2))
    with pytest.raises(GridError, match="which is no place") as error:
        ds.physm.variables().require("precipitation")
    one = typed(ds, error.value)
    assert one.physm.variables().array(one, "precipitation").dims == ("time", "y", "x")


def test_layers_of_what_has_none_are_refused():
    ds = rain("lev", "cell")
    with pytest.raises(GridError, match=r"'lev' \(3\), which is depth.* has no layers") as error:
        ds.physm.variables().require("precipitation")
    one = typed(ds, error.value)
    assert one.physm.variables().array(one, "precipitation").dims == ("time", "cell")


def test_layers_of_what_has_no_role_are_no_cells():
    ds = rain("cell").rename(tp="mine")
    ds["own"] = (("time", "depth", "cell"), np.full((40, 2, 3), 0.3), {"units": "m3 m-3"})
    ds["own"][::3] = 0.2
    with pytest.raises(GridError, match=r"'own' lies along 'depth'.*layers are no cells") as error:
        ds.physm.fit("lstm", dynamic=["mine"], target="own", **QUICK)
    fitted = typed(ds, error.value).physm.fit("lstm", dynamic=["mine"], target="own", **QUICK)
    assert fitted.predict(typed(ds, error.value))["own"].sizes["cell"] == 3


# CLM: levsoi (ncdump of clm2.h0). National Water Model, LDASOUT: NCAR/rechunk_retro_nwm_v21#6.
# LIS: LISF, testcases (SoilMoist_profiles). EC-Earth: ece2cmor3#433. JULES: soil. CMIP6: sdepth.
# VIC 5, image driver: OUT_SOIL_MOIST (time, nlayer, lat, lon), UW-Hydro/VIC OutputVarList.
@pytest.mark.parametrize(
    ("dim", "labels"),
    [
        ("levsoi", ([0.007, 0.028, 0.062, 0.12], {"units": "m"})),
        ("levgrnd", ([0.007, 0.028, 0.062, 0.12], {"units": "m"})),
        ("soil_layers_stag", None),
        ("SoilMoist_profiles", None),
        ("solth", ([1.0, 2, 3, 4], {"long_name": "soil layer"})),
        ("soil", None),
        ("sdepth", ([0.05, 0.2, 0.6, 1.5], {"units": "m", "axis": "Z"})),
        ("nlayer", None),
    ],
)
def test_soil_dimensions_of_models_are_depth(dim, labels):
    values = np.tile(PROFILE[None, :, None], (40, 1, 3))
    values[::3] -= 0.01
    ds = rain("gridcell")
    ds["wet"] = (("time", dim, "gridcell"), values, {"units": "m3 m-3"})
    ds = ds if labels is None else ds.assign_coords({dim: (dim, *labels)})
    stated = {"soil_moisture": "wet"}
    table = ds.physm.variables(stated)
    top = table.array(ds, "soil_moisture")
    assert top.dims == ("time", "gridcell")
    np.testing.assert_allclose(top[:3, 0], [0.14, 0.15, 0.15])
    if labels is None or "units" not in labels[1]:
        assert "Give 5 edges in m" in table.notes["soil_moisture"]
    elif dim.startswith("lev"):  # midpoints of layers without gaps
        assert [v.depth for v in table.layers()][:2] == [(0.0, 0.014), (0.014, 0.042)]
    fitted = ds.physm.fit("lstm", variables=stated, **QUICK)
    assert "3 cells" in str(fitted)  # and not 12


@pytest.mark.parametrize("lazy", [False, True])
def test_expver_is_joined_by_the_line_of_the_message(lazy):
    """ERA5-Land over the last three months, (time, expver, latitude, longitude).

    Header: monocongo/climate_indices#543; final data (1) go first, NaN where there are none yet.
    """
    old, new = np.where(np.arange(40) < 25, 2.0, np.nan), np.where(np.arange(40) < 25, np.nan, 5.0)
    new[20] = 9.0  # both are there: the final value counts
    values = np.broadcast_to(np.stack([old, new], 1)[..., None, None], (40, 2, 1, 1))
    dims = ("time", "expver", "latitude", "longitude")
    coords = {"time": DAYS, "expver": np.array([1, 5], "i4"), "latitude": [5.0], "longitude": [9.0]}
    ds = xr.Dataset({"tp": (dims, values, {"units": "mm"})}, coords)
    ds = ds.chunk(time=10) if lazy else ds
    with pytest.raises(GridError, match=r"'expver' \(2\), final and preliminary") as error:
        ds.physm.variables().require("precipitation")
    joined = typed(ds, error.value)
    found = joined.physm.variables().array(joined, "precipitation")
    assert found.dims == ("time", "latitude", "longitude")
    assert (found.chunks is not None) == lazy
    np.testing.assert_array_equal(found.values.ravel(), np.r_[np.full(25, 2.0), np.full(15, 5.0)])
    with pytest.raises(GridError, match=r"ds\.isel\(expver=0, drop=True\)\.combine_first"):
        ds.drop_vars("expver").physm.variables().require("precipitation")
