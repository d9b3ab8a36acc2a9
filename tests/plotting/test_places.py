"""Places: the nearest cell on a round earth, none outside the data."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.plotting.conftest import off_by
from xsm.exceptions import GridError
from xsm.plotting.places import at_places


def cells(**coords: object) -> xr.DataArray:
    """Return an array whose values are its positions along one dimension."""
    ((dim, values),) = coords.items()
    return xr.DataArray(np.arange(len(values)), {dim: values}, dim)


@pytest.mark.parametrize(
    ("longitudes", "asked", "wanted"),
    [
        (np.arange(0.5, 360), -100.5, 259),  # Nebraska
        (np.arange(-179.5, 180), 259.5, 79),
        (np.arange(0.25, 360, 0.5), 359.99, 719),
        (np.arange(0.0, 360, 0.5), 359.9, 0),
        (np.arange(-180.0, 180), 179.8, 0),
        (np.arange(0.25, 20, 0.5), 359.9, 0),  # within a cell of a region's edge
        ([358.0, 359.0, 0.0, 1.0], -0.2, 2),
        ([1.0, 0.0, -1.0], 0.8, 0),
        ([3.0, 1.0, 2.0], 2.2, 2),
    ],
)
def test_longitudes_are_compared_around_the_earth(longitudes, asked, wanted):
    assert int(at_places(cells(lon=longitudes), {"lon": asked})) == wanted


def test_other_axes_do_not_go_around():
    assert int(at_places(cells(x=[0.0, 180.0, 360.0]), {"x": 350.0})) == 2
    assert int(at_places(cells(depth=[0.1, 0.3, 1.0]), {"depth": 0.64})) == 1
    assert int(at_places(cells(depth=[0.1, 0.3, 1.0]), {"depth": 0.66})) == 2


def test_a_place_outside_is_refused_with_the_range(land):
    there = {"latitude": -43.0, "longitude": 150.0}
    wanted = (
        r"outside the data: latitude = -43, where the data go from 50 to 53; "
        r"longitude = 150, where the data go from 5 to 9\. Name"
    )
    with pytest.raises(GridError, match=wanted):
        land.physm.plot.series(off_by(land, 0.1), at=there)
    soil = xsm.open_tutorial("land").isel(latitude=[8, 9], longitude=[20, 21], time=slice(0, 9))
    with pytest.raises(GridError, match=r"latitude = -43, where the data go from 41.75 to 42"):
        soil.physm.plot.profile(at={"latitude": -43.0, "longitude": 15.0})


def test_about_a_cell_outside_is_near():
    field = cells(lat=[53.0, 52.0, 51.0])
    assert int(at_places(field, {"lat": 54.0})) == 0
    with pytest.raises(GridError, match=r"lat = 54\.1, where"):
        at_places(field, {"lat": 54.1})
    with pytest.raises(GridError, match="lat = nan, where"):
        at_places(field, {"lat": np.nan})
    with pytest.raises(GridError, match=r"lat = 40, 60, where"):
        at_places(field, {"lat": [40, 52, 60]})
    assert int(at_places(field.isel(lat=[0]), {"lat": 53.9})) == 0
    with pytest.raises(GridError, match=r"lat = 54\.1, where the data go from 53 to 53"):
        at_places(field.isel(lat=[0]), {"lat": 54.1})


def test_several_places_and_positions():
    field = cells(lat=[53.0, 52.0]) * 10 + cells(lon=[0.0, 1.0, 2.0])
    found = at_places(field, {"lat": [52, 53], "lon": [361, 0]})
    assert found.dims == ("place",)
    assert found.values.tolist() == [11, 0]
    assert int(at_places(cells(lon=[4.0, 5.0]).drop_vars("lon"), {"lon": 1})) == 1
