"""Options: set, restored, refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from xsm.exceptions import UnknownNameError
from xsm.options import get_options, set_options


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave the options as they were."""
    with set_options():
        yield


def test_set_for_the_session() -> None:
    set_options(threads=3)
    assert get_options()["threads"] == 3
    set_options(progress=False)
    assert get_options() == {"threads": 3, "progress": False}


def test_block_restores() -> None:
    set_options(threads=2)
    with set_options(threads=5, progress=True):
        assert get_options() == {"threads": 5, "progress": True}
    assert get_options() == {"threads": 2, "progress": None}


def test_block_restores_also_after_an_error() -> None:
    set_options(threads=2)
    with pytest.raises(ZeroDivisionError, match="division"), set_options(threads=5, progress=True):
        1 / 0  # noqa: B018
    assert get_options() == {"threads": 2, "progress": None}


def test_blocks_nest() -> None:
    with set_options(threads=1):
        with set_options(threads=2):
            assert get_options()["threads"] == 2
        assert get_options()["threads"] == 1


def test_what_is_returned_is_a_copy() -> None:
    get_options()["threads"] = 7
    assert get_options()["threads"] is None


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"thread": 2}, r"There is no option 'thread'\. Did you mean 'threads'\?"),
        ({"zzz": 2}, r"There is no option 'zzz'\. Choose from 'progress', 'threads'\."),
        ({"threads": 0}, r"threads=0 was given; it must be a whole number of at least 1, or None"),
        ({"threads": True}, r"threads=True was given"),
        ({"threads": 1.5}, r"threads=1\.5 was given"),
        ({"progress": "yes"}, r"progress='yes' was given; it must be True, False or None"),
        ({"threads": -1, "progres": True}, r"threads=-1 was given.*no option 'progres'"),
    ],
)
def test_refused_in_one_error_and_nothing_changes(given: dict[str, object], text: str) -> None:
    before = get_options()
    with pytest.raises(UnknownNameError, match=text):
        set_options(**given)
    assert get_options() == before


def test_a_wrong_option_beside_a_right_one_changes_nothing() -> None:
    with pytest.raises(UnknownNameError, match="no option 'colour'"):
        set_options(threads=2, colour="red")
    assert get_options()["threads"] is None
