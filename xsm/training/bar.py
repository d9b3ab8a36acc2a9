"""The bar of a training: it moves with every step, and says early what is long."""

from __future__ import annotations

import logging
import sys
import time

from tqdm.auto import tqdm

from xsm.nn import Schedule

__all__ = ["Bar", "in_words"]

_LOG = logging.getLogger(__name__)
_LONG = 60.0  # seconds: what takes longer is told
_SURE = 2.0  # seconds of steps that tell how long one takes


class Bar:
    """A bar over the steps of all epochs; nothing where nobody watches.

    ``hide`` as of tqdm: None hides it where the output is no terminal and no notebook. With ``log``
    the logger ``xsm`` gets the ends of epochs.
    """

    def __init__(
        self, schedule: Schedule, done: int, *, hide: bool | None, log: bool = False
    ) -> None:
        self.schedule, self.steps, self.told, self.log = schedule, 0, done > 0, log
        self.each = schedule.iterations
        self.bar = tqdm(
            total=schedule.epochs * self.each,
            initial=done * self.each,
            unit="step",
            disable=hide,
            leave=False,
        )
        self.started = time.perf_counter()

    def step(self) -> None:
        """Count a step; those after the first tell how long all take."""
        self.bar.update()
        self.steps += 1
        if self.told or self.bar.disable:
            return
        now = time.perf_counter()
        if self.steps == 1:  # it also compiles and allocates
            self.started = now
        elif now - self.started > _SURE or self.steps == self.each:
            self.told = True
            self._tell((now - self.started) / (self.steps - 1))

    def epoch(self, number: int, said: str = "") -> None:
        """Note the end of an epoch, and what came of it."""
        if self.log:
            _LOG.info("%s of %s epochs: %s", number, self.schedule.epochs, said)
        if not self.bar.disable:
            self.bar.n = number * self.each
            self.bar.set_postfix_str(f"epoch {number}/{self.schedule.epochs} {said}".rstrip())

    def close(self) -> None:
        """Take the bar away."""
        self.bar.close()

    def _tell(self, each: float) -> None:
        """Say how long the training takes, where that is long."""
        whole = each * self.each * self.schedule.epochs
        if whole > _LONG:
            text = (
                f"xsm: this training takes up to {in_words(whole)} ({self.schedule.epochs} epochs "
                f"of {self.each} steps, {in_words(each)} each), less where it stops early. "
                "ds.physm.plan(model, ...) says what would be faster."
            )
            self.bar.write(text, file=sys.stderr)


def in_words(seconds: float) -> str:
    """Return a time as text.

    Examples
    --------
    >>> in_words(0.0123), in_words(2.34), in_words(89.0), in_words(5000.0)
    ('12 ms', '2.3 s', '89 s', '83 min')
    >>> in_words(50_000.0)
    '13.9 h'
    """
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
