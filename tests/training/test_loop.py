"""The loop learns, stops, keeps the best weights, repeats itself, and says what went wrong."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.worlds import bucket, recipe
from xsm.cells.reading import make_windows
from xsm.cells.scaling import fit_scaling
from xsm.exceptions import TrainingError, UnknownNameError
from xsm.losses import RMSE, WaterBalance
from xsm.models.lstm import LSTM
from xsm.nn import Schedule, Sizes
from xsm.nn.devices import can_train_in_bfloat16, choose_device, seeded
from xsm.training.loop import train
from xsm.training.rehearsal import RehearsedError

DATA_ONLY = (RMSE(),)
SCHEDULE = Schedule(epochs=6, iterations=20, validate_every=2, learning_rate=5e-3)


@pytest.fixture(scope="module")
def data():
    features = bucket()
    settings = recipe(features, known_forcing=True, window=12)
    scaling = fit_scaling(features, slice(0, 150), scaling="cell")
    parts = slice(0, 150), slice(150, 200)
    return [make_windows(features, scaling, settings, part) for part in parts]


def run(data, schedule=SCHEDULE, seed=0, losses=DATA_ONLY, validation=True, **settings):
    with seeded(seed):
        model = LSTM(Sizes(2, 1, 12), hidden_size=16)
        history = train(
            model, data[0], data[1] if validation else None, losses=losses, schedule=schedule,
            progress=False, seed=seed, **settings,
        )  # fmt: skip
    return model, history


def validation_rmse(model, windows):
    batch = windows.batch(torch.arange(len(windows)))
    with torch.no_grad():
        return float(RMSE()(model.evaluate(batch), batch))


def test_it_learns_a_bucket_better_than_the_mean(data):
    # 12 days of rain explain 1 - 0.9^24 = 0.92 of the variance of a bucket that leaks 0.1 a day,
    # so that 0.28 of its deviation is out of reach; a short training (five seeds: 0.53 to 0.62)
    # explains more than half of the variance, where the mean explains none
    model, history = run(data, replace(SCHEDULE, epochs=80))
    batch = data[1].batch(torch.arange(len(data[1])))
    assert validation_rmse(model, data[1]) < 0.5**0.5 * float(batch["target"].std())
    assert history.epoch.tolist() == list(range(2, history.epoch[-1] + 1, 2))
    assert history.training["total"][-1] < history.training["total"][0]


def test_a_rehearsal_measures_steps_and_ends(data, monkeypatch):
    monkeypatch.setattr("xsm.training.rehearsal._SECONDS", 0.01)
    with pytest.raises(RehearsedError, match="only to be measured") as measured:
        run(data, rehearse=True)
    found = vars(measured.value.pace)
    assert (found["stages"], found["validations"]) == (120, 3)
    assert set(found["alternatives"]) <= {'precision="bfloat16"'}
    assert found["memory"] > sum(4 * 4 * w.numel() for w in LSTM(Sizes(2, 1, 12)).parameters()) / 64


def test_the_best_weights_are_kept(data):
    model, history = run(data, replace(SCHEDULE, epochs=30, learning_rate=3e-2))
    best = int(np.argmin(history.validation["total"]))
    assert history.best_epoch == history.epoch[best]
    assert validation_rmse(model, data[1]) == pytest.approx(
        history.validation["rmse"][best], rel=1e-4
    )


def test_patience_ends_training(data):
    _, history = run(data, replace(SCHEDULE, epochs=400, patience=2, learning_rate=0.2))
    assert history.epoch[-1] < 400
    assert history.epoch[-1] == history.best_epoch + 2 * SCHEDULE.validate_every


def test_seeds_repeat_and_leave_the_global_state_alone(data):
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    one, same, other = (run(data, seed=s)[0].state_dict() for s in (0, 0, 1))
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert not all(torch.equal(one[k], other[k]) for k in one)
    assert torch.equal(state, torch.random.get_rng_state())
    assert threads == torch.get_num_threads()


def test_without_validation_all_epochs_run_and_the_last_weights_stay(data):
    model, history = run(data, validation=False)
    assert history.best_epoch == 6
    assert np.isnan(history.validation["total"]).all()
    longer, _ = run(data, replace(SCHEDULE, epochs=8), validation=False)
    assert not torch.equal(model.head.weight, longer.head.weight)


@pytest.mark.skipif(
    not can_train_in_bfloat16(torch.device("cpu")), reason="oneDNN has no LSTM in bfloat16 here"
)
def test_bfloat16_reaches_the_same_loss_roughly(data):
    exact, _ = run(data, replace(SCHEDULE, epochs=20))
    rough, _ = run(data, replace(SCHEDULE, epochs=20), precision="bfloat16")
    assert rough.head.weight.dtype == torch.float32
    # two runs of one length on 600 samples differ by less than a third of their loss
    assert validation_rmse(rough, data[1]) < 1.33 * validation_rmse(exact, data[1])


def test_infinite_loss_stops_with_the_cause(data):
    with pytest.raises(TrainingError, match=r"training loss is not finite.*Lower learning_rate"):
        run(data, replace(SCHEDULE, learning_rate=1e30))


def test_missing_needs_and_unknown_monitor_are_refused(data):
    with pytest.raises(TrainingError, match="water_balance needs previous, trend_change"):
        run(data, losses=[RMSE(), WaterBalance()])
    with pytest.raises(
        UnknownNameError, match=r"monitor='mrse' is no loss term. Did you mean 'rmse'"
    ):
        run(data, monitor="mrse")


def test_terms_that_compare_steps_are_refused_where_samples_answer_one(data):
    class Change:
        weight, name, needs, reads, answered = 1.0, "change", (), ("mean",), 2

        def __call__(self, output, batch):
            return output["mean"].diff(dim=1).square().mean()

    with pytest.raises(TrainingError, match=r"\['change'\] compare 2 steps, .* answered at one"):
        run(data, losses=[RMSE(), Change()])


def test_devices():
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in {"cpu", "cuda", "mps"}
    with pytest.raises(UnknownNameError, match="device='tpu9' cannot be used"):
        choose_device("tpu9")
