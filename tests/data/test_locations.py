"""Places as points: distances of the Earth, of planes, and what has none."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from xsm.data.locations import coordinates, in_degrees, locate, straight
from xsm.exceptions import GridError


def grid(lat, lon) -> xr.DataArray:
    coords = {"lat": ("lat", lat), "lon": ("lon", lon)}
    return xr.DataArray(np.zeros((len(lat), len(lon))), coords, ("lat", "lon"))


def test_a_quarter_of_the_equator_is_10_000_km():
    points = locate(grid([0.0, 90.0], [0.0, 90.0]))
    chord = np.linalg.norm(points[0] - points[1])
    assert chord == pytest.approx(straight(10007.5, points), rel=1e-4)
    assert np.linalg.norm(points[2] - points[3]) == pytest.approx(0, abs=1e-9)  # the pole


def test_longitudes_of_both_conventions_are_the_same_place():
    one, other = (locate(grid([40.0], [value])) for value in (-100.0, 260.0))
    np.testing.assert_allclose(one, other, atol=1e-9)


def test_a_plane_is_in_kilometres():
    """EASE-Grid 2.0 of SMAP: x and y in metres, cells of 36 km (NSIDC, doi:10.3390/ijgi1010032)."""
    x = xr.DataArray(
        [0.0, 36032.220840584], dims="x", attrs={"standard_name": "projection_x_coordinate"}
    )
    cells = xr.DataArray(np.zeros((1, 2)), {"y": [0.0], "x": x}, ("y", "x"))
    for name in ("y", "x"):
        cells[name].attrs["units"] = "m"
    points = locate(cells)
    assert points[1, 1] - points[0, 1] == pytest.approx(36.03222)
    assert straight(100.0, points) == 100.0


def test_degrees_come_before_metres():
    """A WRF grid: XLAT and XLONG along south_north and west_east (WRF users' guide, wrfout)."""
    cells = xr.DataArray(
        np.zeros((2, 2)),
        {
            "latitude": (("south_north", "west_east"), [[40.0, 40.0], [41.0, 41.0]]),
            "longitude": (("south_north", "west_east"), [[5.0, 6.0], [5.0, 6.0]]),
            "x": ("west_east", [0.0, 1.0]),
            "y": ("south_north", [0.0, 1.0]),
        },
        ("south_north", "west_east"),
    )
    north, east = coordinates(cells)
    assert (north.name, east.name) == ("latitude", "longitude")
    assert locate(cells).shape == (4, 3)


def test_stations_have_coordinates_along_their_dimension():
    cells = xr.DataArray(
        [0.0, 0.0], {"lat": ("station", [50.0, 51.0]), "lon": ("station", [7.0, 7.0])}, "station"
    )
    points = locate(cells)
    assert np.linalg.norm(points[1] - points[0]) == pytest.approx(111.2, abs=0.1)
    assert in_degrees(cells["lat"])


def test_cells_without_a_place_are_refused():
    with pytest.raises(GridError, match=r"cells along \['basin'\] have no coordinates that say"):
        locate(xr.DataArray([0.0, 1.0], dims="basin"))
