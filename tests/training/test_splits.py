"""The chronological split keeps validation unseen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xsm.exceptions import NotEnoughDataError
from xsm.training.splits import chronological, in_pieces


@given(
    steps=st.integers(2, 500),
    valid=st.floats(0, 0.9),
    window=st.integers(1, 30),
    lead=st.integers(0, 5),
)
def test_parts_are_disjoint_in_order_and_hold_a_sample(steps, valid, window, lead):
    try:
        split = chronological(steps, valid=valid, window=window, lead=lead)
    except NotEnoughDataError:
        return
    training, validation = range(steps)[split.training], range(steps)[split.validation]
    assert [*training, *validation] == list(range(steps))
    # targets and inputs of a part lie in the part: its last step comes before validation begins
    assert len(training) >= window + lead
    if valid > 0:
        assert len(validation) >= window + lead
        assert max(training) + 1 <= min(validation)


def test_errors_say_what_is_needed():
    with pytest.raises(
        NotEnoughDataError, match=r"10 steps: 8 steps to train and 2 to validate.*= 8"
    ):
        chronological(10, valid=0.25, window=7, lead=1)
    with pytest.raises(NotEnoughDataError, match=r"valid=1\.0 was given; a share"):
        chronological(10, valid=1.0, window=1, lead=0)


def test_pieces_have_room_in_both_parts() -> None:
    split = in_pieces(100, valid=0.25, sequence=60, warmup=20, ahead=1)
    assert (split.training, split.validation) == (slice(0, 75), slice(75, 100))
    assert not in_pieces(100, valid=0.0, sequence=60, warmup=20, ahead=0).validates


@pytest.mark.parametrize("options", [{"sequence": 75}, {"warmup": 24}])
def test_pieces_that_do_not_fit_are_refused(options) -> None:
    settings = {"sequence": 60, "warmup": 20, "valid": 0.25, "ahead": 1} | options
    with pytest.raises(NotEnoughDataError, match="a piece takes sequence="):
        in_pieces(100, **settings)
