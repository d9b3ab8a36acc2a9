"""Share the cells of a kernel between threads; kernels themselves start none."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from xsm.options import thread_count

__all__ = ["share_cells"]


def share_cells(
    job: Callable[[int, int], None], cells: int, threads: int | None, most: int | None = None
) -> None:
    """Run a job on parts of the cells, one thread each, and wait for all.

    Parameters
    ----------
    job : callable
        Takes the first cell and the last plus one; a compiled kernel without the lock inside.
    cells : int
        Number of cells.
    threads : int, optional
        Number of parts; by default the option ``threads``, else one for each core.
    most : int, optional
        Upper bound of the default, for small work.

    Examples
    --------
    >>> seen = []
    >>> share_cells(lambda lo, hi: seen.append((lo, hi)), 5, 2)
    >>> sorted(seen)
    [(0, 2), (2, 5)]
    """
    if threads is None:
        threads = thread_count()
        threads = threads if most is None else min(threads, most)
    number = max(min(threads, cells), 1)
    parts = list(pairwise(cells * k // number for k in range(number + 1)))
    if number == 1:
        job(*parts[0])
        return
    with ThreadPoolExecutor(number) as pool:
        for done in [pool.submit(job, *part) for part in parts]:
            done.result()
