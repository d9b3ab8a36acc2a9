"""A run has its own random numbers: neither it nor what runs beside it is disturbed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import xsm
from xsm.losses import RMSE
from xsm.models.lstm import LSTM
from xsm.nn import Dropout, Model, Sizes
from xsm.nn.devices import seeded
from xsm.nn.randomness import Drawing, Source, draws

SMALL = {"scaling": "global", "epochs": 1, "iterations": 3, "progress": False}
LAYERS = {
    "linear": lambda: nn.Linear(3, 4),
    "convolution": lambda: nn.Conv2d(2, 3, 3),
    "lstm": lambda: nn.LSTM(3, 4, num_layers=2, dropout=0.5),
    "attention": lambda: nn.MultiheadAttention(8, 2),
    "embedding": lambda: nn.Embedding(4, 3),
    "bilinear": lambda: nn.Bilinear(2, 3, 4),
}
CALLS = {
    "dropout": lambda: nn.Dropout(0.5)(torch.ones(99)),
    "channels": lambda: nn.Dropout1d(0.5)(torch.ones(9, 9, 2)),
    "alpha": lambda: nn.AlphaDropout(0.5)(torch.ones(99)),
    "rrelu": lambda: nn.RReLU()(-torch.ones(99)),
    "normal": lambda: torch.normal(torch.zeros(9), 1.0),
    "like": lambda: torch.randn_like(torch.ones(9)),
    "order": lambda: torch.randperm(99),
    "attention": lambda: functional.scaled_dot_product_attention(
        torch.ones(1, 9, 3), torch.ones(1, 9, 3), torch.ones(1, 9, 3), dropout_p=0.5
    ),
    "distribution": lambda: torch.distributions.Gamma(2.0, 1.0).sample((9,)),
    "init": lambda: nn.init.trunc_normal_(torch.empty(9)),
}


@pytest.fixture
def untouched():
    """Fail where the global generator has moved."""
    before = torch.get_rng_state()
    yield
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
@pytest.mark.usefixtures("untouched")
def test_weights_are_those_of_a_seed(make):
    """As ``torch.manual_seed`` gives them, which is not called."""
    with seeded(3):
        own = make().state_dict()
    with torch.random.fork_rng():
        torch.manual_seed(3)
        told = make().state_dict()
    assert all(torch.equal(value, told[name]) for name, value in own.items())


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.usefixtures("untouched")
def test_what_names_no_generator_draws_from_the_source(call):
    source = Source(3)
    with Drawing(source):
        own, next_one = call(), call()
    with torch.random.fork_rng():
        torch.manual_seed(3)
        assert torch.equal(own, call())
        assert torch.equal(next_one, call())


def test_a_generator_that_is_named_stays():
    with Drawing(Source(0)):
        own = torch.rand(3, generator=torch.Generator().manual_seed(5))
    assert torch.equal(own, torch.rand(3, generator=torch.Generator().manual_seed(5)))


def test_without_memory_nothing_is_drawn():
    with seeded(0), torch.device("meta"):
        assert nn.Linear(3, 4).weight.device.type == "meta"


class Noisy(Model):
    """A user's network, which draws by torch's own means."""

    losses = (RMSE(1.0),)

    def __init__(self, sizes, *, hidden_size: int = 8) -> None:
        super().__init__(sizes)
        self.lstm = nn.LSTM(sizes.dynamic, hidden_size, num_layers=2, dropout=0.3)
        self.drop, self.head = nn.Dropout(0.3), nn.Linear(hidden_size, sizes.target)

    def forward(self, batch):
        hidden, _ = self.lstm(batch["dynamic"].transpose(0, 1))
        last = hidden[-1]
        if self.training:
            last = last + 0.1 * torch.randn_like(last)
        return {"mean": self.head(self.drop(last))}


class Shared(Noisy):
    """The same without what keeps batches whole: its parts are evaluated on threads."""

    def __init__(self, sizes, *, hidden_size: int = 8) -> None:
        super().__init__(sizes, hidden_size=hidden_size)
        self.lstm, self.drop = nn.LSTM(sizes.dynamic, hidden_size), nn.Identity()


@pytest.fixture(scope="module")
def land():
    part = {"latitude": slice(0, 2), "longitude": slice(18, 20), "time": slice(0, 120)}
    return xsm.open_tutorial("land").isel(part)


def weights(fitted):
    return np.concatenate([v.numpy().ravel() for v in fitted.model.state_dict().values()])


@pytest.mark.parametrize("model", ["lstm", Noisy, Shared])
def test_fits_in_threads_are_those_alone(land, model):
    fit = lambda seed: weights(  # noqa: E731
        land.physm.fit(model, seed=seed, hidden_size=8, batch_size=128, **SMALL)
    )
    alone = [fit(seed) for seed in range(3)]
    torch.manual_seed(99)  # nor does it matter what a user has drawn
    with ThreadPoolExecutor(3) as pool:
        beside = list(pool.map(fit, range(3)))
    for one, other in zip(alone, beside, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(alone[0], alone[1])


@pytest.mark.usefixtures("untouched")
def test_a_fit_leaves_the_global_generators_alone(land):
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    land.physm.fit(Noisy, **SMALL)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_what_may_draw_is_known():
    sizes = Sizes(3, 2, 5)
    assert not draws(LSTM(sizes, hidden_size=4))
    assert not draws(nn.Sequential(Dropout(0.5), nn.LSTM(2, 2), nn.Dropout(0.0)))
    for module in (Noisy(sizes), nn.Dropout(0.5), nn.RReLU(), nn.MultiheadAttention(2, 1, 0.1)):
        assert draws(module)
