"""A killed run goes on as if nothing had happened, and never from a torn or foreign file."""

import json
import os
import random
import time

import numpy as np
import pytest
import torch

import xsm
from tests.scripts import run as run_script
from xsm.exceptions import TrainingError
from xsm.losses import RMSE
from xsm.models.lstm import LSTM
from xsm.training.checkpoint import Checkpoint

KILLS = """
import os, random, signal, sys, time
from pathlib import Path
import numpy as np
import torch
import xsm
from xsm.synthetic import land_world
folder, waits = Path(sys.argv[1]), [float(w) for w in sys.argv[2:]]
checkpoint = folder / "run.ckpt"
torch.set_num_threads(1)  # others would not live in what is forked
ds = land_world(years=1, shape=(4, 6))
ds.physm.fit("lstm", epochs=1, iterations=1, hidden_size=8, progress=False)  # what is imported late

def started(checkpoint, result):
    pid = os.fork()  # as fast as nothing that is imported again
    if pid:
        return pid
    fitted = xsm.fit(
        ds, "lstm", epochs=30, iterations=10, validate_every=3, patience=100, hidden_size=8,
        batch_size=128, precision="float32", progress=False, device="cpu", checkpoint=checkpoint,
    )
    weights = {k: v.numpy() for k, v in fitted.model.state_dict().items()}
    np.savez(folder / result, total=fitted.history["total"].values, **weights)
    os._exit(0)

def killed(wait):
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    pid = started(checkpoint, "killed.npz")
    while not os.waitpid(pid, os.WNOHANG)[0]:
        if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:
            time.sleep(wait)
            os.kill(pid, signal.SIGKILL)
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        time.sleep(0.001)
    return 0

codes = [killed(wait) for wait in waits]
runs = (None, "whole.npz"), (checkpoint, "killed.npz")
ends = [os.waitpid(started(*run), 0)[1] for run in runs]
print(-signal.SIGKILL in codes, ends)
"""


@pytest.mark.usefixtures("forks")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork and SIGKILL")
def test_a_run_killed_at_three_random_moments_ends_with_the_same_weights(tmp_path):
    moments = random.Random(time.time_ns())  # other moments at each run of the test
    waits = [str(moments.uniform(0, 0.3)) for _ in range(3)]
    printed = run_script(KILLS, tmp_path, *waits)
    assert printed.split("\n")[-2] == "True [0, 0]", f"waits {waits}"
    with np.load(tmp_path / "whole.npz") as whole, np.load(tmp_path / "killed.npz") as killed:
        assert set(whole.files) == set(killed.files)
        for name in whole.files:
            np.testing.assert_array_equal(whole[name], killed[name], err_msg=f"waits {waits}")
    assert not list(tmp_path.glob("*.part"))


@pytest.fixture(scope="module")
def world():
    return xsm.open_tutorial("land").isel(latitude=slice(0, 3), longitude=slice(20, 23))


def run(world, path, **changes):
    settings = {"epochs": 4, "iterations": 4, "validate_every": 2, "hidden_size": 4} | changes
    return xsm.fit(world, "lstm", progress=False, checkpoint=path, precision="float32", **settings)


def weights(fitted):
    return fitted.model.state_dict()


def test_a_finished_run_returns_at_once_and_can_be_made_longer(world, tmp_path):
    path = tmp_path / "run.ckpt"
    first = run(world, path)
    written = path.stat().st_mtime_ns
    again = run(world, path)
    assert path.stat().st_mtime_ns == written
    assert all(torch.equal(weights(first)[k], v) for k, v in weights(again).items())
    longer, whole = run(world, path, epochs=8), run(world, None, epochs=8)
    assert longer.history.identical(whole.history)
    assert all(torch.equal(weights(longer)[k], v) for k, v in weights(whole).items())


def test_a_checkpoint_may_lie_in_an_object_store(world):
    path = "memory://runs/one.ckpt"
    first, again = run(world, path), run(world, path)
    assert all(torch.equal(weights(first)[k], v) for k, v in weights(again).items())


@pytest.mark.parametrize("changes", [{"seed": 1}, {"hidden_size": 5}, {"batch_size": 32}])
def test_a_checkpoint_of_another_run_is_refused(world, tmp_path, changes):
    run(world, tmp_path / "run.ckpt")
    name = {"seed": "seed: 0 there, 1 here", "hidden_size": "model: .*4", "batch_size": "schedule"}
    with pytest.raises(TrainingError, match=f"is of another run .*{name[next(iter(changes))]}"):
        run(world, tmp_path / "run.ckpt", **changes)
    warmer = world.assign(t2m=world.t2m + 1)
    with pytest.raises(TrainingError, match=r"is of another run .data: "):
        run(warmer, tmp_path / "run.ckpt")


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "run.ckpt"
    checkpoint = Checkpoint(path, {"model": "lstm"})
    checkpoint.save({"weight": torch.arange(1000.0), "epoch": torch.tensor(3)}, now=True)
    whole = path.read_bytes()
    assert torch.equal(checkpoint.load()["weight"], torch.arange(1000.0))
    for cut in (0, 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(TrainingError, match=r"cannot be read .*Delete it to start anew"):
            checkpoint.load()
    place = whole.index(np.arange(1000.0, dtype=np.float32).tobytes()) + 2000
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(TrainingError, match=r"cannot be read .*damaged, or no checkpoint of xsm"):
        checkpoint.load()
    np.savez(path, weight=np.zeros(3))  # numpy appends .npz
    path.with_suffix(".ckpt.npz").replace(path)
    with pytest.raises(TrainingError, match=r"cannot be read .KeyError"):
        checkpoint.load()


class Trap:
    """What a pickle would run."""

    def __reduce__(self):
        return os.mkdir, (os.environ["XSM_TRAP"],)


def test_nothing_in_a_file_is_executed(tmp_path, monkeypatch):
    monkeypatch.setenv("XSM_TRAP", str(tmp_path / "sprung"))
    path = tmp_path / "run.ckpt"
    identity = np.frombuffer(json.dumps({}).encode(), np.uint8)
    with path.open("wb") as file:
        np.savez(file, identity=identity, weight=np.array([Trap()], dtype=object))
    with pytest.raises(TrainingError, match=r"cannot be read .ValueError: Object arrays"):
        Checkpoint(path, {}).load()
    assert not (tmp_path / "sprung").exists()


def test_a_place_that_cannot_be_written_stops_with_the_cause(world, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(TrainingError, match=r"cannot be (read|written) .*(Not a dir|File exists)"):
        run(world, tmp_path / "file" / "run.ckpt")
    missing = r"cannot be written: the folder .*absent' does not exist. Make it, or name"
    with pytest.raises(TrainingError, match=missing):
        run(world, tmp_path / "absent" / "run.ckpt")


FULL = """
import resource, signal, sys
import torch
from xsm.exceptions import TrainingError
from xsm.training.checkpoint import Checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
checkpoint = Checkpoint(sys.argv[1], {})
checkpoint.save({"weight": torch.zeros(10)}, now=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    checkpoint.save({"weight": torch.ones(100_000)}, now=True)
except TrainingError as error:
    print(error)
"""


@pytest.mark.usefixtures("forks")
def test_a_full_disk_leaves_the_former_checkpoint_whole(tmp_path):
    path = tmp_path / "run.ckpt"
    printed = run_script(FULL, path)
    assert "cannot be written" in printed
    assert "its last checkpoint is whole" in printed
    assert torch.equal(Checkpoint(path, {}).load()["weight"], torch.zeros(10))
    assert [p.name for p in tmp_path.iterdir()] == ["run.ckpt"]


def test_data_that_differ_where_no_statistic_does_are_refused(world, tmp_path):
    """Validation, dates and the order of days are of the run too."""
    run(world, tmp_path / "run.ckpt")
    late = {"time": slice(-200, None)}
    soil = world.swvl1.copy(data=world.swvl1.values.copy())
    soil[late] = 0.5 * soil[late]
    swapped = world.tp.copy(data=world.tp.values.copy())
    swapped[[100, 200]] = swapped[[200, 100]].values
    years = world.assign_coords(time=world.time + np.timedelta64(3652, "D"))
    for other in (world.assign(swvl1=soil), world.assign(tp=swapped), years):
        with pytest.raises(TrainingError, match=r"is of another run .data: "):
            run(other, tmp_path / "run.ckpt")


def test_the_same_data_in_other_chunks_go_on(world, tmp_path):
    first = run(world, tmp_path / "run.ckpt")
    for chunks in ({"time": 100}, {"latitude": 1, "longitude": 2}):
        again = run(world.chunk(chunks), tmp_path / "run.ckpt")
        assert again.history.identical(first.history)


def test_a_run_is_not_made_shorter_than_it_was(world, tmp_path):
    run(world, tmp_path / "run.ckpt", epochs=6)
    with pytest.raises(TrainingError, match=r"has seen 6 epochs, epochs=2 was given"):
        run(world, tmp_path / "run.ckpt", epochs=2)


def test_hyper_parameters_are_compared_by_value_and_classes_by_source(world, tmp_path):
    first = run(world, tmp_path / "run.ckpt")
    assert run(world, tmp_path / "run.ckpt", dropout=0.15).history.identical(first.history)

    def own(factor):
        class Own(LSTM):
            """Another network of the same name."""

            def forward(self, batch):
                return {"mean": factor * super().forward(batch)["mean"]}

        return Own

    class Other(LSTM):
        """Another source."""

    settings = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}
    settings |= {"precision": "float32", "checkpoint": tmp_path / "own.ckpt"}
    xsm.fit(world, own(1.0), **settings)
    other = type("Own", (Other,), {"__qualname__": own(1.0).__qualname__})
    with pytest.raises(TrainingError, match=r"is of another run .model: .*Own"):
        xsm.fit(world, other, **settings)


class Plain:
    """A term without a repr."""

    name, needs, reads = "plain", (), ("mean",)

    def __init__(self, weight):
        self.weight = weight

    def __call__(self, output, batch):
        return (output["mean"] ** 2).mean()


def test_terms_without_a_repr_are_known_again(world, tmp_path):
    first = run(world, tmp_path / "run.ckpt", losses=[RMSE(), Plain(0.1)])
    again = run(world, tmp_path / "run.ckpt", losses=[RMSE(), Plain(0.1)])
    assert again.history.identical(first.history)
    with pytest.raises(TrainingError, match=r"is of another run .losses: "):
        run(world, tmp_path / "run.ckpt", losses=[RMSE(), Plain(0.2)])


def test_any_changed_byte_is_a_training_error_or_changes_nothing(tmp_path):
    """A flag that says encrypted, another way of compression, a name that is no text, and so on."""
    path, state = tmp_path / "run.ckpt", {"epoch": torch.tensor(3), "model.w": torch.arange(4.0)}
    checkpoint = Checkpoint(path, {"model": "lstm"})
    checkpoint.save(state, now=True)
    whole = path.read_bytes()
    ends = range(whole.rindex(b"PK\x01\x02"), len(whole))  # of the directory, where flags stand
    flips = [(at, bit) for at in ends for bit in range(8)]
    flips += [(at, bit) for at in range(0, len(whole), 5) for bit in (0, 7)]
    for at, bit in flips:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << bit
        path.write_bytes(damaged)
        try:
            found = checkpoint.load()
        except TrainingError as error:
            assert "cannot be read" in str(error) or "is of another run" in str(error)  # noqa: PT017
        else:
            assert found is not None
            assert {k: v.tolist() for k, v in found.items()} == {
                k: v.tolist() for k, v in state.items()
            }, (at, bit)
