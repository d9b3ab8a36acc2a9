"""A model is used at the step that it was trained at."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from xsm.data.trained_step import check_trained_step, even_or_none
from xsm.exceptions import GridError


def series(count, freq):
    times = pd.date_range("2020-01-01", periods=count, freq=freq)
    return xr.DataArray(np.zeros(count), {"time": times}, "time")


@pytest.mark.parametrize(
    ("freq", "words"), [("D", "1 day"), ("3h", "3 hours"), ("7D", "7 days"), ("MS", "1 month")]
)
def test_the_step_in_words_is_that_of_the_data(freq, words):
    array = series(30, freq)
    assert even_or_none(array) == words
    check_trained_step("lstm", words, array, what="window")
    other = "1 month" if words != "1 month" else "1 day"
    said = rf"trained at steps of {other}, the data are at steps of {words}: its window"
    with pytest.raises(GridError, match=said):
        check_trained_step("lstm", other, array, what="window")


def test_months_of_grace_with_gaps_have_no_step_to_compare():
    """GRACE lacks months between its satellites, July 2017 to May 2018."""
    array = series(60, "MS").isel(time=np.r_[0:20, 31:60])
    assert even_or_none(array) is None
    check_trained_step("convlstm_unet", "1 month", array, what="window")


def test_one_time_alone_has_no_step():
    array = series(1, "D")
    check_trained_step("lstm", "3 hours", array, what="window")
    check_trained_step("lstm", "1 day", array, what="state", alone=True)
    with pytest.raises(GridError, match=r"one time, which does not tell .* steps of 3 hours"):
        check_trained_step("lstm", "3 hours", array, what="state", alone=True)
