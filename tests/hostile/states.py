"""States of the whole process that must not change an answer; each is put back."""

from __future__ import annotations

import contextlib
import locale
import os
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd

__all__ = [
    "decimal_comma",
    "float64",
    "inference",
    "no_grad",
    "pandas",
    "seeded",
    "zone",
]


@contextlib.contextmanager
def float64() -> Iterator[None]:
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    import torch

    with torch.no_grad():
        yield


@contextlib.contextmanager
def inference() -> Iterator[None]:
    import torch

    with torch.inference_mode():
        yield


@contextlib.contextmanager
def seeded() -> Iterator[None]:
    import random

    import torch

    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    yield


@contextlib.contextmanager
def zone() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()


@contextlib.contextmanager
def decimal_comma() -> Iterator[None]:
    before = locale.setlocale(locale.LC_ALL)
    for name in ("de_DE.UTF-8", "C.UTF-8", "C"):
        with contextlib.suppress(locale.Error):
            locale.setlocale(locale.LC_ALL, name)
            break
    try:
        yield
    finally:
        locale.setlocale(locale.LC_ALL, before)


@contextlib.contextmanager
def pandas() -> Iterator[None]:
    with pd.option_context("display.precision", 2):
        yield
