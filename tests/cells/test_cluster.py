"""Ranks on dask workers train one network, and say what happened when one dies."""

import os
import signal
import threading
import time
from dataclasses import dataclass

import dask
import numpy as np
import pytest
import torch
import xarray as xr
from distributed import Client, LocalCluster

import xsm
from tests.worlds import bucket
from xsm.cells.blocks import shards
from xsm.cells.scaling import fit_scaling
from xsm.exceptions import TrainingError

# torch warns of its own deprecated names when distributed inspects modules
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


@pytest.fixture(scope="module")
def client(forks):
    settings = {"n_workers": 2, "threads_per_worker": 1, "host": "127.0.0.1"}
    with (
        LocalCluster(**settings, dashboard_address="127.0.0.1:0", silence_logs=50) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def world():
    return xsm.open_tutorial("land").isel(latitude=slice(2, 10), longitude=slice(16, 26))


def run(world, client, **changes):
    settings = {"epochs": 4, "iterations": 20, "validate_every": 2, "hidden_size": 16}
    settings |= {"learning_rate": 5e-3, "precision": "float32", "progress": False}
    return xsm.fit(world, client=client, **({"model": "phy_lstm"} | settings | changes))


def test_two_ranks_reach_the_loss_of_one(world, client, tmp_path):
    """In memory and from a store alike: the two runs are the same, bit by bit."""
    alone = [run(world, None, seed=seed) for seed in range(2)]
    both = run(world, client)
    assert both.card["training"].count("2 ranks") == 1
    totals = [float(f.history.total.sel(part="validation").min()) for f in (*alone, both)]
    # seeds differ by some percent after so short a training; 0.2 would show a rank that learns
    # from half of the data alone, or gradients that are summed
    assert totals[-1] < 1.2 * max(totals[:-1])
    assert totals[-1] > 0.8 * min(totals[:-1])
    world.chunk(latitude=2, longitude=5).to_zarr(tmp_path / "land.zarr", consolidated=False)
    stored = xr.open_zarr(tmp_path / "land.zarr", consolidated=False)
    assert run(stored, client).history.identical(both.history)


def run_sequence(ds, client, **changes):
    settings = {"sequence": 90, "warmup": 20, "batch_size": 32, "data_integration": True}
    settings |= {"epochs": 1, "iterations": 20, "validate_every": 1, "memory_limit": "16 MiB"}
    return run(ds, client, **(settings | changes))


def test_two_ranks_run_through_the_record_as_one_does(world, client, tmp_path):
    alone = [run_sequence(world, None, seed=seed) for seed in (1, 2)]
    world.chunk(latitude=2, longitude=5).to_zarr(tmp_path / "land.zarr", consolidated=False)
    both = run_sequence(xr.open_zarr(tmp_path / "land.zarr", consolidated=False), client)
    assert both.card["training"].count("2 ranks") == 1
    totals = [float(f.history.total.sel(part="validation").min()) for f in (*alone, both)]
    assert totals[-1] < 1.3 * max(totals[:-1])
    assert totals[-1] > 0.7 * min(totals[:-1])
    assert run_sequence(world, client).history.identical(both.history)


def test_ranks_stream_pieces_of_a_record(stored, client):
    found = [run_sequence(stored, client, iterations=4) for _ in range(2)]
    assert found[0].card["training"].count("blocks") == 2  # each rank's share is beyond the limit
    assert found[1].history.identical(found[0].history)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """More than 16 MiB, the least that is streamed, for each of two ranks."""
    path = tmp_path_factory.mktemp("store") / "land.zarr"
    land = xsm.open_tutorial("land").isel(time=slice(0, 550), longitude=slice(8, 32))
    chunked = land.chunk(latitude=8, longitude=8)
    with dask.config.set(scheduler="threads"):  # arrays in memory stay in this process
        chunked.to_zarr(path, consolidated=False)
    return xr.open_zarr(path, consolidated=False)


@pytest.mark.parametrize(("ranks", "limit"), [(False, "16 MiB"), (True, "1 GiB")])
def test_data_that_workers_hold_train_as_data_in_a_store(stored, client, ranks, limit):
    """With one thread a worker, a rank that waited for its own worker would wait for ever."""
    settings = {"memory_limit": limit, "epochs": 2, "iterations": 4, "validate_every": 1}
    found = [
        run(ds, client if ranks else None, **settings) for ds in (stored, client.persist(stored))
    ]
    assert ("blocks" in found[0].card["training"]) == (limit == "16 MiB")
    assert found[1].history.identical(found[0].history)


def test_blocks_of_a_stream_are_not_read_by_workers(stored, client, monkeypatch):
    """Their graphs share keys, on which a scheduler fails now and then (dask/dask#9888)."""
    graphs = []
    get = Client.get
    monkeypatch.setattr(Client, "get", lambda *a, **k: graphs.append(a) or get(*a, **k))
    found = run(stored, None, memory_limit="16 MiB", epochs=1, iterations=10)
    assert "blocks" in found.card["training"]
    assert len(graphs) <= 3  # statistics and climatology


@dataclass(frozen=True)
class Pull:
    """A loss whose gradient on the bias is known: the mean of what each rank draws."""

    weight: float = 1.0
    name: str = "pull"
    needs: tuple[str, ...] = ("static",)
    reads: tuple[str, ...] = ("mean",)

    def __call__(self, output, batch):
        return (output["mean"] * batch["static"]).mean()


class Constant(xsm.nn.Model):
    """A network that predicts one number."""

    losses = (Pull(),)
    scaling = "global"

    def __init__(self, sizes):
        super().__init__(sizes)
        self.value = torch.nn.Parameter(torch.zeros(1))

    def forward(self, batch):
        return {"mean": self.value.expand(len(batch["dynamic"]), 1)}


def test_gradients_are_averaged_over_ranks(world, client):
    """The loss ``mean(value * elevation)`` falls along -mean(elevation) of both shares, not of one.

    Each rank draws from its own share; static inputs have mean 0 over all cells, so that the mean
    gradient is 0 if both count and plus or minus that of a share if one does.
    """
    elevation = xr.where(world.latitude > world.latitude.mean(), 1.0, -1.0) * xr.ones_like(
        world.longitude
    )
    ds = world.assign(z=elevation.transpose("latitude", "longitude").assign_attrs(units="m"))
    settings = {"static": ["z"], "variables": {"elevation": "z"}, "epochs": 1, "iterations": 40}
    settings |= {"valid": 0.0, "batch_size": 512, "precision": "float32", "progress": False}
    fitted = xsm.fit(ds, Constant, client=client, **settings)
    # Adam moves by about 0.001 a step along a gradient of one sign: 0.04 after 40 steps
    assert abs(float(fitted.model.value.detach())) < 0.02


def test_errors_of_a_rank_come_through(world, client):
    with pytest.raises(TrainingError, match="training loss is not finite"):
        run(world, client, learning_rate=1e30)


def test_too_few_cells_and_too_few_workers_are_refused(world, client):
    with pytest.raises(TrainingError, match="2 workers were given for 1 trained cells"):
        run(world.isel(latitude=[0], longitude=[0]), client)
    with (
        LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as empty,
        pytest.raises(TrainingError, match="no workers yet"),
    ):
        run(world, empty)
    threads = {"processes": False, "n_workers": 2, "threads_per_worker": 1}
    with (
        Client(**threads, dashboard_address="127.0.0.1:0") as inside,
        pytest.raises(TrainingError, match="2 workers are threads of one process"),
    ):
        run(world, inside)


def test_shares_hold_all_cells_once_and_about_as_many_trained_ones():
    features = bucket(shape=(5, 9))
    features = type(features)(
        features.dynamic, features.static, features.target.where(features.target.lon > 3), {},
        "time", ("lat", "lon"),
    )  # fmt: skip
    scaling = fit_scaling(features, slice(0, 150), scaling="cell")
    parts = shards(features, scaling, 3)
    cut = next(d for d in ("lat", "lon") if parts[0][0].target.sizes[d] < features.target.sizes[d])
    together = xr.concat([part.target for part, _ in parts], cut)
    xr.testing.assert_identical(together, features.target)
    counts = [int(own.trained_cell.sum()) for _, own in parts]
    assert sum(counts) == 25
    assert max(counts) - min(counts) <= 5
    for part, own in parts:
        assert part.target.isel(time=0).sizes == own.trained_cell.sizes


# The last tests kill workers: those that take their place import everything anew.
def test_a_dead_worker_stops_with_the_cause_and_a_checkpoint_goes_on(world, client, tmp_path):
    path = tmp_path / "run.ckpt"
    processes = client.run(os.getpid)
    killed = []

    def kill():
        while not path.exists():
            time.sleep(0.01)
        killed.append(processes[sorted(processes)[1]])
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    settings = {"model": "lstm", "epochs": 400, "iterations": 5, "patience": 1000}
    settings |= {"checkpoint": path}
    with pytest.raises(
        TrainingError, match=r"Workers tcp.* died .*go on from checkpoint=.*run.ckpt"
    ):
        run(world, client, **settings)
    thread.join()
    client.wait_for_workers(2, timeout=60)
    gone_on = run(world, client, **(settings | {"epochs": 20}))
    whole = run(world, client, **(settings | {"epochs": 20, "checkpoint": None}))
    assert killed
    if int(gone_on.history.epoch[-1]) == 20:  # the kill came before epoch 20
        np.testing.assert_allclose(gone_on.history.total, whole.history.total, rtol=1e-4)


def test_without_a_checkpoint_the_error_says_how_to_have_one(world, client):
    processes = client.run(os.getpid)
    timer = threading.Timer(3.0, os.kill, (processes[min(processes)], signal.SIGKILL))
    timer.start()
    with pytest.raises(TrainingError, match=r"died during training.*With checkpoint=path"):
        run(world, client, model="lstm", epochs=4000, patience=4000)
