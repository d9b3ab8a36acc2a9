"""The bar moves with steps, and says once what takes more than a minute."""

import pytest

from xsm.nn import Schedule
from xsm.training import bar
from xsm.training.bar import Bar, in_words


class Clock:
    """A clock that a test turns."""

    now = 0.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(bar, "time", clock)
    return clock


def run(clock, capsys, *, each, hide=False, done=0, steps=30):
    shown = Bar(Schedule(epochs=100, iterations=20), done, hide=hide)
    for _ in range(steps):
        clock.now += each
        shown.step()
    shown.epoch(done + 1, "total 0.1")
    place = shown.bar.n
    shown.close()
    return place, capsys.readouterr().err


def test_it_moves_within_an_epoch_and_ends_at_its_end(clock, capsys):
    shown = Bar(Schedule(epochs=3, iterations=4), 1, hide=False)
    shown.step()
    assert (shown.bar.n, shown.bar.total) == (5, 12)
    shown.epoch(2, "total 0.25")
    assert shown.bar.n == 8
    assert "epoch 2/3 total 0.25" in shown.bar.postfix
    shown.close()


def test_what_takes_long_is_told_once(clock, capsys):
    _, said = run(clock, capsys, each=0.5)
    text = "up to 17 min (100 epochs of 20 steps, 500 ms each)"
    assert said.count(text) == 1
    assert "ds.physm.plan(model, ...)" in said


@pytest.mark.parametrize("changes", [{"each": 0.02}, {"hide": True}, {"done": 5}])
def test_what_is_short_unwatched_or_goes_on_is_not_told(clock, capsys, changes):
    _, said = run(clock, capsys, **{"each": 0.5, **changes})
    assert "this training takes" not in said


def test_times_in_words():
    found = [in_words(s) for s in (0.0004, 0.5, 9.96, 60, 150, 7300)]
    assert found == ["0 ms", "500 ms", "10.0 s", "60 s", "2 min", "2.0 h"]
