"""What looks at blocks as they are computed: fill values raise, what lies in the range passes."""

import numpy as np
import pytest

from tests.data.doubt.worlds import station
from xsm.data.doubt import guarded, guards_of
from xsm.data.reading import read
from xsm.exceptions import UnitsError


def guard(name="SWC_F_MDS_1", role="soil_moisture"):
    return guards_of(read(station()[[name]]), [role])[role]


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_codes_are_known_in_canonical_units(kind):
    values = np.full((3, 4), 0.3, kind)
    assert guard()(values) is values
    values[1, 2] = -99.99  # -9999 %
    with pytest.raises(
        UnitsError, match=r"1 of 12 values of 'SWC_F_MDS_1' .* are -9999, .*> -8999.1"
    ):
        guard()(values)


def test_gaps_and_the_ends_of_the_range_pass():
    guard()(np.array([np.nan, 0.0, 1.0, np.nan]))
    guard()(np.array([np.nan]))
    guard()(np.array([]))


def test_what_is_stated_is_believed():
    ds = station()[["SWC_F_MDS_1"]]
    ds["SWC_F_MDS_1"].attrs["valid_min"] = -9999.0
    guards_of(read(ds), ["soil_moisture"])["soil_moisture"](np.array([-99.99]))


def test_arrays_in_memory_are_looked_at_at_once():
    array = read(station()).array("soil_moisture")
    assert guarded(array, guard()) is array
    assert guarded(array, None) is array
    lazy = guarded(array.chunk(time=100), guard())
    np.testing.assert_array_equal(lazy, array)
    with pytest.raises(UnitsError, match="-9999"):
        guarded(array.where(array < 0.35, -99.99), guard())


def test_derived_and_unknown_variables_have_no_guard():
    ds = station().assign(other=("time", np.zeros(900), {"units": "1"}))
    assert guards_of(read(ds), ["other"]) == {}
