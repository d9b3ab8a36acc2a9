"""A batch in parts on threads gives the gradients of the whole, and the same ones each time."""

from functools import partial

import pytest
import torch
from torch import nn

from xsm.exceptions import TrainingError
from xsm.losses import RMSE, WaterBalance
from xsm.models.lstm import LSTM
from xsm.nn import Dropout, Masks, Model, Sizes, dropping
from xsm.nn.randomness import Source
from xsm.training.steps import Parts, Whole, count_parts

LOSSES = (RMSE(0.5), WaterBalance(0.5))


def make(dropout=0.0):
    torch.manual_seed(0)
    return LSTM(Sizes(dynamic=3, static=2, window=5), hidden_size=16, dropout=dropout).train()


def make_batch(size):
    random = torch.Generator().manual_seed(1)
    rand = lambda *shape: torch.rand(*shape, generator=random)  # noqa: E731
    target = rand(size, 1)
    target[::7] = torch.nan
    batch = {"dynamic": rand(size, 5, 3), "static": rand(size, 2), "target": target}
    batch |= {"mask": torch.isfinite(target), "previous": rand(size, 1)}
    return batch | {LOSSES[1].trend_key: torch.sign(rand(size, 1) - 0.5)}


def gradients(step, model, size, epoch=1):
    model.zero_grad(set_to_none=True)
    step.begin(0, epoch)
    row = step(make_batch(size))
    return row, [weight.grad.clone() for weight in model.parameters()]


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("size", [64, 65, 2, 4])
def test_parts_give_the_gradients_of_the_whole(count, size):
    model = make()
    whole, parts = Whole(model.evaluate, LOSSES, "float32"), Parts(model, LOSSES, "float32", count)
    (row, slopes), (same_row, same) = (gradients(s, model, size) for s in (whole, parts))
    torch.testing.assert_close(row, same_row, rtol=1e-5, atol=1e-6)
    for one, two in zip(slopes, same, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)
    parts.close()


class Jumps:
    """A term that compares three steps."""

    weight, name, needs, reads, answered = 0.5, "jumps", ("target",), ("mean",), 3

    def __call__(self, output, batch):
        """Return how far second differences are from those of the target."""
        gap = (output["mean"] - batch["target"]).nan_to_num()
        return gap.diff(dim=1).diff(dim=1).square().mean()


@pytest.mark.parametrize("integrated", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_three_answered_steps_are_those_of_their_windows_one_by_one(count, integrated):
    model, losses = make(), (*LOSSES, Jumps())
    several = [make_batch(64) for _ in range(3)]
    long = torch.rand(64, 7, 3, generator=torch.Generator().manual_seed(2))
    batch = {name: torch.stack([one[name] for one in several], dim=1) for name in several[0]}
    batch |= {"dynamic": long, "static": several[0]["static"]}
    if integrated:
        batch["base"] = torch.rand(64, 3, 1, generator=torch.Generator().manual_seed(3))
    step = Whole(model.evaluate, losses, "float32")
    if count > 1:
        step = Parts(model, losses, "float32", count)
    step.begin(0, 1)
    total, *parts = step(batch)
    slopes = [weight.grad.clone() for weight in model.parameters()]
    step.close()

    model.zero_grad(set_to_none=True)
    means = []
    for k in range(3):
        base = {"base": batch["base"][:, k]} if integrated else {}
        own = {"dynamic": long[:, k : k + 5], "static": batch["static"], **base}
        means.append(model.evaluate(own)["mean"])
    last = {name: values[:, -1] for name, values in batch.items()}
    alone = [term({"mean": means[2]}, last) for term in LOSSES]
    alone.append(Jumps()({"mean": torch.stack(means, dim=1)}, batch))
    torch.testing.assert_close(parts, alone, rtol=1e-5, atol=1e-6)
    expected = 0.5 * sum(alone)
    expected.backward()
    torch.testing.assert_close(total, expected.detach(), rtol=1e-5, atol=1e-6)
    for one, weight in zip(slopes, model.parameters(), strict=True):
        torch.testing.assert_close(one, weight.grad, rtol=1e-4, atol=1e-6)


def test_what_is_dropped_depends_on_the_epoch_alone():
    model = make(dropout=0.5)
    parts = Parts(model, LOSSES, "float32", 2)
    runs = [gradients(parts, model, 256)[1] for _ in range(20)]
    assert all(torch.equal(a, b) for run in runs for a, b in zip(run, runs[0], strict=True))
    other = gradients(parts, model, 256, epoch=2)[1]
    assert not torch.equal(other[0], runs[0][0])
    parts.close()


def test_dropout_keeps_the_mean_and_the_share():
    ones = torch.ones(100_000)
    with dropping(Masks(Source(0))):
        kept = Dropout(0.15)(ones)
    share = float((kept == 0).float().mean())
    assert share == pytest.approx(0.15, abs=4 * (0.15 * 0.85 / 1e5) ** 0.5)
    assert kept.max() == pytest.approx(1 / 0.85)
    assert torch.equal(Dropout(0.15).eval()(ones), ones)


def test_masks_that_wait_are_independent_and_their_own_for_each_size():
    masks, ones = Masks(Source(0)), torch.ones(10_000)
    drawn = torch.stack([masks.take(0.5, ones) for _ in range(100)]) / 2
    assert float(drawn.mean()) == pytest.approx(0.5, abs=4 * 0.5 / 1e3)
    together = (drawn[:-1] * drawn[1:]).mean(dim=1)  # of a mask and the next
    assert together.sub(0.25).abs().max() < 5 * (0.25 * 0.75 / 1e4) ** 0.5
    assert masks.take(0.5, ones[:3]).shape == (3,)
    assert masks.take(0.25, ones).max() == pytest.approx(1 / 0.75)


def test_the_mean_is_kept_in_bfloat16():
    ones = torch.ones(1000, dtype=torch.bfloat16)
    kept = Dropout(0.15)(ones)
    assert kept.dtype == torch.float32
    assert kept.max() == pytest.approx(1 / 0.85)


@pytest.mark.parametrize("share", [1.0, -0.1, "x"])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(TrainingError, match=f"dropout={share!r} was given; a share of at least 0"):
        make(dropout=share)


class Failing(Model):
    """A network that fails on some of its samples."""

    def forward(self, batch):
        if bool((batch["dynamic"] > 2).any()):
            raise ArithmeticError("a sample above 2")
        return {"mean": batch["dynamic"][:, -1, :1]}


class Branching(Model):
    """A network one of whose weights acts on some samples alone."""

    def __init__(self, sizes):
        super().__init__(sizes)
        self.common, self.rare = nn.Parameter(torch.ones(())), nn.Parameter(torch.ones(()))

    def forward(self, batch):
        value = batch["dynamic"][:, -1, :1]
        above = value > 2
        scale = torch.where(above, self.rare, self.common) if bool(above.any()) else self.common
        return {"mean": value * scale}


@pytest.mark.parametrize("at", [0, -1])
def test_a_weight_that_one_part_uses_keeps_its_gradient(at):
    batch = make_batch(8)
    batch["dynamic"][at], batch["target"][at], batch["mask"][at] = 3, 0.0, True
    model, slopes = Branching(Sizes(3, 2, 5)), []
    for step in (Whole(model.evaluate, [RMSE()], "float32"), Parts(model, [RMSE()], "float32", 2)):
        model.zero_grad()
        step(batch)
        slopes.append([float(weight.grad) for weight in model.parameters()])
        step.close()
    assert slopes[0] == pytest.approx(slopes[1])
    assert all(slopes[0])


def test_a_thread_takes_several_parts():
    model = make(dropout=0.5)
    alone, two = (Parts(model, LOSSES, "float32", 5, threads=n) for n in (1, 2))
    (row, slopes), (same_row, same) = (gradients(s, model, 64) for s in (alone, two))
    assert len(two._helpers) == 1
    assert not alone._helpers
    torch.testing.assert_close(row, same_row, rtol=0, atol=0)
    for one, other in zip(slopes, same, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    alone.close()
    two.close()


def test_a_long_batch_is_cut_until_its_blocks_of_memory_are_kept():
    """64 pieces of 180 steps of 128 units are 103 MiB, of which 32 stay with the process."""
    lstm = nn.LSTM(18, 128)
    count = partial(count_parts, lstm, 64 * 150, rows=64 * 180)
    assert [count(threads) for threads in (1, 2, 3)] == [4, 4, 6]
    assert [count(threads, precision="bfloat16") for threads in (1, 2)] == [2, 2]
    assert count_parts(lstm, 256, 2, rows=256 * 7) == 2
    assert count_parts(nn.Linear(3, 2), 64 * 150, 2, rows=64 * 180) == 2


def test_the_error_of_a_part_comes_through():
    parts = Parts(Failing(Sizes(3, 2, 5)), LOSSES, "float32", 2)
    batch = make_batch(8)
    batch["dynamic"][-1] = 3
    with pytest.raises(ArithmeticError, match="a sample above 2"):
        parts(batch)
    parts.close()


def test_shared_random_numbers_and_norms_keep_a_batch_whole():
    for module in (nn.Dropout(0.1), nn.BatchNorm1d(2), nn.LSTM(2, 2, 2, dropout=0.1)):
        assert count_parts(nn.Sequential(module), 256, 4) == 1
    for module in (nn.Dropout(0.0), Dropout(0.3), nn.LSTM(2, 2), nn.LayerNorm(2)):
        assert count_parts(nn.Sequential(module), 256, 4) == 4
    assert count_parts(make(), 256, 1) == 1
    assert count_parts(make(), 64, 8) == 1
