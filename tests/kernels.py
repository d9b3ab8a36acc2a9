"""Compiled kernels are kept between runs of the tests and shared by their processes."""

from __future__ import annotations

import hashlib
import importlib
import os
import pkgutil
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
KEPT = ROOT.joinpath(".numba_cache")  # made by runs, no part of what is shipped


def modules() -> list[str]:
    """Return the modules of which a kernel can be made; imports that go down keep it to these."""
    import xsm.physics

    found = pkgutil.iter_modules(xsm.physics.__path__, "xsm.physics.")
    return [*(module.name for module in found), "xsm.estimators.nodes"]


def keep_compiled() -> None:
    """Let numba keep what it compiles, in a folder that is named after the sources of all kernels.

    Numba looks at the file of a kernel only; a change of any other file that it is made of starts
    an empty folder here, so that what is kept is never stale. xsm itself keeps nothing.
    """
    import numba
    from numba.core.dispatcher import Dispatcher

    if numba.config.DISABLE_JIT or not os.access(ROOT, os.W_OK):  # numba would look elsewhere
        return
    loaded = [importlib.import_module(name) for name in modules()]
    sources = [Path(str(module.__file__)).read_bytes() for module in loaded]
    folder = KEPT / hashlib.sha256(b"".join(sources)).hexdigest()[:16]
    for old in set(KEPT.glob("*")) - {folder}:
        shutil.rmtree(old, ignore_errors=True)
    numba.config.CACHE_DIR = str(folder)
    for module in loaded:
        for kernel in vars(module).values():
            if isinstance(kernel, Dispatcher):
                kernel.enable_caching()
