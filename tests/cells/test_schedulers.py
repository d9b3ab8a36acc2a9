"""Predictions are the same on every scheduler, also when a worker is killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr

import xsm
from tests.cells.test_prediction import FORMS, chunked, holed, predict
from xsm.exceptions import UnknownNameError

distributed = pytest.importorskip("distributed")

CHUNKS = [{"time": -1, "lat": 1, "lon": 2}, {"time": 3, "lat": 2, "lon": 4}]
QUICK = {"epochs": 1, "iterations": 3, "hidden_size": 4, "progress": False}

USER_SCRIPT = """
import dask, numpy as np, torch
import xsm
from xsm.losses import RMSE
from xsm.nn import Model
from xsm.synthetic import land_world

class Mean(Model):  # lives in __main__: no other process can import it
    losses = (RMSE(weight=1.0),)
    def __init__(self, sizes):
        super().__init__(sizes)
        self.head = torch.nn.Linear(sizes.dynamic, 1)
    def forward(self, batch):
        return {"mean": self.head(batch["dynamic"].mean(1))}

if __name__ == "__main__":
    ds = land_world(years=1, shape=(2, 4)).isel(time=slice(0, 200))
    fitted = ds.physm.fit(Mean, epochs=1, iterations=3, progress=False)
    lazy = ds.chunk(time=90, latitude=1).physm.predict(fitted)["swvl1"]
    with dask.config.set(scheduler="processes", num_workers=1):
        found = lazy.compute()
    np.testing.assert_allclose(found, ds.physm.predict(fitted)["swvl1"], atol=1e-6)
    print("equal")
"""


@pytest.fixture(scope="module")
def client(forks):
    """Two worker processes of one thread, on this machine."""
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def _killing(block: np.ndarray, flag: str) -> np.ndarray:
    """Kill the process that runs this, but only once for each flag."""
    try:
        os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return block
    os.kill(os.getpid(), signal.SIGKILL)
    return block


def deadly(array: xr.DataArray, flag: Path) -> xr.DataArray:
    """Return the array, reading which kills one worker at its last block."""
    data = array.data
    last = tuple(n - 1 for n in data.numblocks)
    parts = data.map_blocks(
        lambda block, block_info=None: (
            _killing(block, str(flag)) if block_info[0]["chunk-location"] == last else block
        ),
        dtype=data.dtype,
        meta=data._meta,
    )
    return array.copy(data=parts)


@pytest.mark.parametrize("sizes", CHUNKS)
@pytest.mark.parametrize("form", FORMS)
def test_worker_processes_of_a_cluster_give_what_eager_gives(client, form, sizes):
    features = holed()
    eager = predict(features, form)
    found = client.compute(predict(chunked(features, sizes), form)).result(60)
    np.testing.assert_allclose(found.values, eager.values, atol=1e-6, rtol=0)


@pytest.mark.parametrize("sizes", CHUNKS)
@pytest.mark.usefixtures("forks")
@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_schedulers_of_dask_give_what_eager_gives(scheduler, sizes):
    features = holed()
    form = FORMS[-1]
    with dask.config.set(scheduler=scheduler, num_workers=2):
        found = predict(chunked(features, sizes), form).compute()
    np.testing.assert_allclose(found, predict(features, form), atol=1e-6, rtol=0)


def test_a_model_of_a_users_script_travels_to_other_processes(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(USER_SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.strip() == "equal", done.stderr


def test_each_worker_unpacks_a_model_once(client):
    def kept() -> tuple[int, int]:
        from xsm.cells import predictor

        tokens = [value.token for value in predictor._ARRIVED.values()]
        return tokens.count("once"), len(tokens)

    lazy = chunked(holed(), {"time": 5, "lat": 1, "lon": 1})
    client.compute(predict(lazy, {}, token="once")).result(60)
    assert all(once <= 1 and held <= 4 for once, held in client.run(kept).values())
    assert sum(once for once, _ in client.run(kept).values()) >= 1


@pytest.fixture(scope="module")
def land():
    where = {"time": slice(0, 200), "latitude": slice(0, 2), "longitude": slice(20, 24)}
    return xsm.open_tutorial("land").isel(where).load()


def test_prediction_and_audit_survive_a_killed_worker(client, land, tmp_path):
    fitted = land.physm.fit("lstm", **QUICK)
    eager = land.physm.predict(fitted)
    audit = land.physm.consistency(eager)
    lazy = land.chunk(time=70, latitude=1)
    first, second = tmp_path / "predict", tmp_path / "audit"
    with client.as_current():
        forecast = lazy.assign(tp=deadly(lazy["tp"], first)).physm.predict(fitted)
        found = forecast.compute()
        second_time = lazy.assign(tp=deadly(lazy["tp"], second))
        checked = second_time.physm.consistency(second_time.physm.predict(fitted)).compute()
    assert first.exists()
    assert second.exists()
    xr.testing.assert_allclose(found, eager, atol=1e-6, rtol=0)
    xr.testing.assert_allclose(checked, audit, atol=1e-6, rtol=0)


@pytest.fixture(scope="module")
def runs(land):
    """A network that runs through the record, hardly trained."""
    own = {"sequence": 60, "warmup": 10, "data_integration": True, "known_forcing": True}
    return land.physm.fit("lstm", **own, **QUICK)


def test_a_record_survives_a_killed_worker(client, land, runs, tmp_path):
    eager, state = runs.predict(land), runs.state(land)
    lazy = land.chunk(time=70, latitude=1)
    first, second = tmp_path / "predict", tmp_path / "state"
    with client.as_current():
        found = runs.predict(lazy.assign(tp=deadly(lazy["tp"], first))).compute()
        after = runs.state(lazy.assign(tp=deadly(lazy["tp"], second))).compute()
    assert first.exists()
    assert second.exists()
    xr.testing.assert_allclose(found, eager, atol=1e-6, rtol=0)
    xr.testing.assert_allclose(after, state, atol=1e-6, rtol=0)


def test_a_record_goes_on_from_a_state_in_a_store(client, land, runs, tmp_path):
    eager = runs.predict(land)
    lazy = land.chunk(time=70, latitude=1)
    early, late = lazy.isel(time=slice(110)), lazy.isel(time=slice(110, None))
    with client.as_current():
        runs.state(early).to_zarr(tmp_path / "state.zarr", consolidated=False)
        kept = xr.open_zarr(tmp_path / "state.zarr", consolidated=False)
        found = runs.predict(late.assign(tp=deadly(late["tp"], tmp_path / "late")), state=kept)
        again = [found.compute(), found.compute()]  # after the kill, and once more
    assert (tmp_path / "late").exists()
    for one in again:
        wanted = eager.sel(time=one["time"])
        xr.testing.assert_allclose(one, wanted, atol=1e-6, rtol=0)
    other = land.physm.fit("lstm", **QUICK, sequence=60, warmup=10, seed=1, data_integration=True)
    with pytest.raises(UnknownNameError, match="The state is of another model"):
        other.predict(late, state=kept)
