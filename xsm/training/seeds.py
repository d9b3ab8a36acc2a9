"""Sources of random numbers that whole numbers alone decide."""

from __future__ import annotations

import numpy as np
import torch

__all__ = ["generator"]


def generator(*seeds: int) -> torch.Generator:
    """Return a source of random numbers that depends on whole numbers alone.

    Parameters
    ----------
    *seeds : int
        Such as the seed of the run and the number of the epoch: what is drawn in an epoch does not
        depend on what was drawn before, so that a run can go on at any of them.

    Returns
    -------
    torch.Generator
        On the CPU, so that draws are the same on every device.

    Examples
    --------
    >>> a, b = (torch.rand(1, generator=generator(0, k)) for k in (1, 2))
    >>> bool(a == b), bool(a == torch.rand(1, generator=generator(0, 1)))
    (False, True)
    """
    state = np.random.SeedSequence([s & 0xFFFFFFFFFFFFFFFF for s in seeds]).generate_state(
        1, np.uint64
    )
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))
