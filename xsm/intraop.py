"""Threads inside torch's operations: one, while many blocks run side by side."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import torch

__all__ = ["one_intraop_thread"]

_LOCK = threading.Lock()
_INSIDE = {"count": 0, "before": 1}


@contextlib.contextmanager
def one_intraop_thread() -> Iterator[None]:
    """Let torch's operations take one thread each, in this thread, and put the number back.

    Any number of threads may be inside at a time: the first one in notes the number that all of
    them put back.

    Yields
    ------
    None
        The block.

    Notes
    -----
    With OpenMP the number belongs to the calling thread, and each new thread takes over the last
    number that any thread has set. So every thread sets and restores its own; but a thread that
    came later than the first cannot know what to restore, since it may already have taken over the
    one of another thread. A small network is slower with two threads than with one; on a busy
    machine 50 times (measured).

    Examples
    --------
    >>> before = torch.get_num_threads()
    >>> with one_intraop_thread():
    ...     torch.get_num_threads()
    1
    >>> torch.get_num_threads() == before
    True
    """
    with _LOCK:
        if not _INSIDE["count"]:
            _INSIDE["before"] = torch.get_num_threads()
        _INSIDE["count"] += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _LOCK:
            _INSIDE["count"] -= 1
            torch.set_num_threads(_INSIDE["before"])
