"""Training on a dask cluster: one rank a worker, gradients averaged by torch."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import dask
import torch
import torch.distributed
import xarray as xr
from torch import Tensor, nn

from xsm.cells.blocks import shards
from xsm.cells.features import Features
from xsm.cells.training import run_job
from xsm.exceptions import TrainingError
from xsm.nn import Batch, Model, Output
from xsm.nn.devices import choose_device
from xsm.training.job import Job, Trained

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["train_on_cluster"]


_PATIENCE = timedelta(minutes=15)  # how long a rank waits for the slowest, which may be reading
_LOOK = 1.0  # seconds between two looks at the workers


def train_on_cluster(client: Client, job: Job, features: Features, scaling: xr.Dataset) -> Trained:
    """Train one network on all workers of a cluster.

    Each worker is a rank. It reads its own share of the cells, draws ``batch_size / ranks`` samples
    of them a step, and averages gradients with the others (torch DistributedDataParallel; gloo on
    CPUs, nccl on GPUs). A loss term that is no plain mean, such as the RMSE, is averaged over the
    ranks, not taken over all their samples.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster. Lazy features are read by the workers, so their store must be within their
        reach; arrays in memory are sent, to each worker its share.
    job : Job
        What is trained, and how. ``limit`` holds for each worker. A checkpoint is written by the
        first rank and read by all: a path that all workers see, or a URL.
    features : Features
        Canonical arrays with the target.
    scaling : xarray.Dataset
        Statistics, on the same cells.

    Returns
    -------
    Trained
        Weights, the same on all ranks, and history, as in one process.

    Raises
    ------
    TrainingError
        If there are fewer cells than workers, or a worker dies.

    Examples
    --------
    >>> import xsm
    >>> from distributed import Client
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    >>> small = {"epochs": 1, "iterations": 2, "hidden_size": 4}
    >>> place = {"dashboard_address": "127.0.0.1:0"}
    >>> with Client(processes=False, n_workers=1, threads_per_worker=1, **place) as client:
    ...     fitted = xsm.fit(ds, "lstm", client=client, **small)
    >>> fitted.card["training"].partition(", ")[2]
    '1 ranks: 16 cells, 13,040 samples; 4,272 validate'
    """
    from distributed.protocol.pickle import dumps

    if getattr(client, "status", None) != "running":
        msg = (
            f"client={client!r} is no running client. Pass one: client = distributed.Client(...); "
            "xsm.fit(..., client=client)."
        )
        raise TrainingError(msg)
    workers = sorted(client.ncores())
    if not workers:
        msg = "The cluster has no workers yet. Wait for them, client.wait_for_workers(2), or scale."
        raise TrainingError(msg)
    if len(workers) > 1 and workers[0].startswith("inproc://"):
        msg = (
            f"The {len(workers)} workers are threads of one process, and a process is one rank. "
            "Start them as processes: Client(processes=True), or leave client= out."
        )
        raise TrainingError(msg)
    parts = shards(features, scaling, len(workers), reach=job.recipe.patch // 2)
    meet = client.submit(_meeting_point, workers=workers[:1], pure=False).result()
    futures = [
        client.submit(
            _train_rank,
            dumps((job, *part)),
            rank,
            len(workers),
            meet,
            workers=[worker],
            pure=False,
            retries=0,
        )
        for rank, (worker, part) in enumerate(zip(workers, parts, strict=True))
    ]
    try:
        _watch(client, workers, futures, job)
        first, *others = client.gather(futures)
    finally:
        client.cancel(futures, force=True)
    said = "; ".join([first.samples, *(other.samples for other in others)])
    return Trained(first.weights, first.history, f"{len(workers)} ranks: {said}")


def _watch(client: Client, workers: list[str], futures: list[Future[Trained]], job: Job) -> None:
    """Wait for all ranks; stop with the cause when one fails or its worker is gone."""
    from distributed import wait

    pending = set(futures)
    while pending:
        try:
            done = wait(list(pending), timeout=_LOOK, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            done = set()
        gone = sorted(set(workers) - set(client.ncores()))
        failed = [future for future in done if future.status != "finished"]
        if failed or gone:
            raise _failure(failed, gone, job)
        pending -= done


def _failure(failed: list[Future[Trained]], gone: list[str], job: Job) -> Exception:
    """Return the error to raise: a rank's own, unless it only lost its peers."""
    errors = [f.exception() for f in failed if f.status == "error"]
    own = [e for e in errors if isinstance(e, ValueError)]
    if own and not gone:
        return own[0]
    again = (
        f"Call fit again with the same arguments to go on from checkpoint={job.checkpoint!r}."
        if job.checkpoint
        else "With checkpoint=path, a shared folder or a URL, the next fit goes on from there."
    )
    what = f"Workers {', '.join(gone)} died" if gone else f"A rank failed ({errors})"
    msg = (
        f"{what} during training, and a network cannot be trained without one of its ranks: out of "
        f"memory (memory_limit={job.limit} bytes holds for each worker), or stopped from outside. "
        f"{again}"
    )
    return TrainingError(msg)


def _meeting_point() -> str:
    """Return an address where the ranks can meet, on this worker."""
    host = _own_host()
    with socket.socket() as found:
        found.bind((host, 0))
        return f"tcp://{host}:{found.getsockname()[1]}"


def _own_host() -> str:
    """Return the address by which this worker is known."""
    from distributed import get_worker
    from distributed.comm.addressing import get_address_host

    host: str = get_address_host(get_worker().address)
    return host


def _train_rank(payload: bytes, rank: int, size: int, meet: str) -> Trained:
    """Train one rank, in a task of a worker."""
    from distributed import secede
    from distributed.protocol.pickle import loads

    job, features, scaling = loads(payload)
    device = choose_device(job.device)
    if _own_host().startswith("127."):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    if torch.distributed.is_initialized():  # of a run that was cut off
        torch.distributed.destroy_process_group()
    backend = "nccl" if device.type == "cuda" else "gloo"
    torch.distributed.init_process_group(
        backend, init_method=meet, rank=rank, world_size=size, timeout=_PATIENCE
    )
    try:
        # Each rank reads with its own threads: a task must not wait for other tasks. But for data
        # that workers hold: then it leaves the workers' threads to the tasks that it waits for.
        if held := features.on_workers:
            secede()
        with dask.config.set({} if held else {"scheduler": "threads"}):
            return run_job(job, features, scaling, ranks=_Ranks(rank, size, device))
    finally:
        torch.distributed.destroy_process_group()


class _Evaluated(nn.Module):
    """A module whose forward is the model's ``evaluate``."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Output:
        """Return the outputs of a batch."""
        return self.model.evaluate(batch)


class _Ranks:
    """The processes of a process group."""

    def __init__(self, rank: int, size: int, device: torch.device) -> None:
        self.rank, self.size, self.device = rank, size, device

    def wrap(self, model: Model) -> Callable[[Batch], Output]:
        """Return ``model.evaluate``, such that gradients are averaged over ranks."""
        from torch.nn.parallel import DistributedDataParallel

        wrapped: Callable[[Batch], Output] = DistributedDataParallel(_Evaluated(model))
        return wrapped

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of values over all ranks."""
        together = values.to(self.device)
        torch.distributed.all_reduce(together)
        return together.to(values.device)
