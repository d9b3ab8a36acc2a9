"""Settings of torch that outlast a call: within a block they are those of a fresh process."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import torch

__all__ = ["usual_settings"]


_LOCK = threading.Lock()
_INSIDE = {"count": 0}
_BEFORE = {"dtype": torch.float32}


@contextlib.contextmanager
def usual_settings() -> Iterator[None]:
    """Compute in a block as in a fresh process, whatever a user has set, and put it all back.

    Gradients are on, inference mode and autocast off, and what names no device is made on the CPU:
    these belong to the calling thread. The default dtype, float32, belongs to the process: the
    first block that is inside notes what the last one puts back, so that blocks in several threads
    leave no trace. What is as it should be is not touched: a block costs some microseconds. The
    precision of matrix products is left to the user, as a choice of hardware.

    Examples
    --------
    >>> torch.set_default_dtype(torch.float64)
    >>> with usual_settings():
    ...     torch.ones(1).dtype
    torch.float32
    >>> torch.get_default_dtype()
    torch.float64
    >>> torch.set_default_dtype(torch.float32)
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_float32())
        if torch.empty(0).device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(mode=False))
        if not torch.is_grad_enabled():
            stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield


@contextlib.contextmanager
def _float32() -> Iterator[None]:
    """Set and put back the default dtype, which all threads share."""
    with _LOCK:
        if not _INSIDE["count"]:
            _BEFORE["dtype"] = torch.get_default_dtype()
        _INSIDE["count"] += 1
        _set(torch.float32)
    try:
        yield
    finally:
        with _LOCK:
            _INSIDE["count"] -= 1
            if not _INSIDE["count"]:
                _set(_BEFORE["dtype"])


def _set(dtype: torch.dtype) -> None:
    """Set the default dtype where it differs."""
    if torch.get_default_dtype() is not dtype:
        torch.set_default_dtype(dtype)
