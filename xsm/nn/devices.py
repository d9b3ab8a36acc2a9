"""Where and in what arithmetic torch works, and on how many threads."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import torch

from xsm.exceptions import TrainingError, UnknownNameError
from xsm.nn.randomness import Drawing, Source
from xsm.nn.settings import usual_settings

__all__ = [
    "can_train_in_bfloat16",
    "choose_device",
    "choose_precision",
    "one_intraop_thread",
    "seeded",
    "turn_on",
]


_GUARD = threading.Lock()
_LOCKS: dict[str, threading.Lock] = {}
_LOCK = threading.Lock()
_INSIDE = {"count": 0, "before": 1}  # blocks with one thread, and the threads before them


def choose_device(device: str) -> torch.device:
    """Return the device to compute on.

    Parameters
    ----------
    device : str
        ``"auto"`` (CUDA, then MPS, then the CPU) or a name that torch knows.

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    UnknownNameError
        If torch knows no such device, or it is not there.

    Examples
    --------
    >>> choose_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        msg = f"device={device!r} cannot be used ({error}). Pass 'auto' or 'cpu'."
        raise UnknownNameError(msg) from error
    return found


def can_train_in_bfloat16(device: torch.device) -> bool:
    """Tell whether torch trains recurrent networks in bfloat16, be it emulated and slower.

    On a CPU oneDNN does it, and has no such LSTM without AVX512; torch 2.13 asks it all the same.
    """
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return True
    ask = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return ask is None or bool(ask())


def choose_precision(precision: str, device: torch.device) -> str:
    """Return the arithmetic of matrix products in training, ``"float32"`` or ``"bfloat16"``.

    ``"auto"`` is bfloat16 where the hardware multiplies in it (CPUs with AVX512-BF16 or AMX, CUDA
    from Ampere on), else float32. Weights, losses and the optimiser stay in float32.
    """
    if precision == "bfloat16" and not can_train_in_bfloat16(device):
        msg = (
            "precision='bfloat16' was given, and this processor has no instructions for it (AVX512 "
            "on x86-64), without which torch cannot train recurrent networks in it. Leave it out, "
            "or type precision='auto', which takes bfloat16 where the hardware is fast in it."
        )
        raise TrainingError(msg)
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    # Only these know whether products are done in hardware, or emulated and slower.
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    asked = [getattr(torch.cpu, name, None) for name in names]
    able = device.type == "cpu" and any(ask() for ask in asked if ask is not None)
    return "bfloat16" if able else "float32"


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Let all random numbers of torch in a block follow from a seed, with its usual settings.

    What other threads draw meanwhile changes nothing in it, and they are not disturbed.

    Examples
    --------
    >>> with seeded(0):
    ...     one = torch.rand(1)
    >>> with seeded(0):
    ...     bool(torch.rand(1) == one)
    True
    """
    with usual_settings(), one_intraop_thread(), Drawing(Source(seed)):
        yield


@contextlib.contextmanager
def turn_on(device: str) -> Iterator[None]:
    """Wait until no other block of this process is on the device; the CPU takes all that come.

    On CUDA products are taken in full float32 (TF32 off) for the turn.

    Parameters
    ----------
    device : str
        Where to evaluate.

    Yields
    ------
    None
        The turn.

    Examples
    --------
    >>> with turn_on("cpu"):
    ...     pass
    """
    if device == "cpu":
        yield
        return
    with _GUARD:
        lock = _LOCKS.setdefault(device, threading.Lock())
    with lock:
        before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        try:
            yield
        finally:
            torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


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
