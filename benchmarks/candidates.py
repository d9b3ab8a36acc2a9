"""What trains in ``train.py``: samples of a data set, xsm's own loop, and a loop in plain torch."""

from __future__ import annotations

from collections.abc import Callable

import torch
import xarray as xr
from torch import Tensor, nn

from xsm.artefact.asked import Asked
from xsm.cells.collect import collect
from xsm.cells.features import Features
from xsm.cells.recipe import make_recipe
from xsm.cells.samples import make_samples
from xsm.cells.scaling import fit_scaling
from xsm.cells.sequences import as_sequence
from xsm.cells.stream import Stream
from xsm.cells.windows import Windows
from xsm.data.reading import read
from xsm.losses.pieces import over_pieces
from xsm.models.lstm import LSTM
from xsm.nn import Schedule, Sizes
from xsm.options import thread_count
from xsm.training.adam import Adam
from xsm.training.loop import train_epoch
from xsm.training.recipe import Recipe
from xsm.training.splits import Split, chronological, in_pieces
from xsm.training.steps import Parts, Whole, count_parts

WINDOW, HIDDEN, LEAD = 7, 128, 1
SEQUENCE, WARMUP = 180, 30
Candidate = Callable[[int], None]


def prepare(ds: xr.Dataset, *, sequence: bool = False) -> tuple[Features, Recipe, Split]:
    """Return features, recipe and split of the plain LSTM."""
    times = {"window": 1 if sequence else WINDOW, "lead": LEAD}
    reading = read(ds)
    if sequence:
        asked = Asked(sequence=SEQUENCE, warmup=WARMUP)
        recipe = make_recipe(reading, asked, scaling="global", **times)
        recipe = as_sequence(recipe, asked, logs=True)
        features = collect(reading, recipe)
        own = {"sequence": SEQUENCE, "warmup": WARMUP, "ahead": recipe.ahead}
        return features, recipe, in_pieces(features.steps, valid=0.0, **own)
    recipe = make_recipe(reading, Asked(), scaling="cell", **times)
    features = collect(reading, recipe)
    return features, recipe, chronological(features.steps, valid=0.0, **times)


def windows(ds: xr.Dataset, limit: int, device: str = "cpu") -> Windows | Stream:
    """Return the samples of a data set within a limit of memory."""
    features, recipe, split = prepare(ds)
    scaling = fit_scaling(features, split.training, scaling="cell")
    return make_samples(features, scaling, recipe, split, limit=limit, device=device)[0]


def pieces(ds: xr.Dataset, limit: int, device: str = "cpu") -> Windows | Stream:
    """Return pieces of a data set within a limit of memory."""
    features, recipe, split = prepare(ds, sequence=True)
    scaling = fit_scaling(features, split.training, scaling="global", logs=recipe.logs)
    given = {"limit": limit, "answered": SEQUENCE, "device": device}
    return make_samples(features, scaling, recipe, split, **given)[0]


class Bare(nn.Module):
    """An LSTM over the steps and the repeated statics, and a head; as xsm's of the same samples.

    That of pieces has an input layer.
    """

    def __init__(self, features: int, *, entered: bool) -> None:
        super().__init__()
        layer = nn.Sequential(nn.Linear(features, HIDDEN), nn.ReLU())
        self.enter = layer if entered else nn.Identity()
        self.lstm = nn.LSTM(HIDDEN if entered else features, HIDDEN, batch_first=True)
        self.dropout, self.head = nn.Dropout(0.15), nn.Linear(HIDDEN, 1)

    def forward(self, dynamic: Tensor, static: Tensor, answered: int) -> Tensor:
        """Predict (batch, answered, 1) from (batch, steps, dynamic) and (batch, static)."""
        repeated = static.unsqueeze(1).expand(-1, dynamic.shape[1], -1)
        hidden, _ = self.lstm(self.enter(torch.cat([dynamic, repeated], dim=-1)))
        return self.head(self.dropout(hidden[:, -answered:]))


def torch_loop(
    held: Windows, size: int, *, fused: bool, bfloat16: bool = False, warmup: int = 0
) -> Candidate:
    """Return a plain loop: random samples gathered by index, RMSE, Adam.

    Of pieces the steps after ``warmup`` are answered, of windows the last.
    """
    features = held.inputs.shape[1] + held.static.shape[1]
    device = held.inputs.device
    model = Bare(features, entered=held.answered > 1).to(device)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, **({"fused": True} if fused else {}))
    steps, answered = held.window + held.answered - 1, held.answered - warmup
    back = torch.arange(-steps + 1, 1, device=device) * held.count

    def run(iterations: int) -> None:
        model.train()
        for _ in range(iterations):
            at = held.samples[torch.randint(len(held.samples), (size,), device=device)]
            rows = (at - held.lead * held.count).unsqueeze(1) + back
            dynamic = held.inputs[rows]
            ends = at.unsqueeze(1) + back[-answered:]
            static, target = held.static[at % held.count], held.series["target"][ends]
            with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
                predicted = model(dynamic, static, answered)
            loss = torch.sqrt(nn.functional.mse_loss(predicted.float(), target))
            adam.zero_grad()
            loss.backward()
            adam.step()

    return run


def xsm_loop(held: Windows | Stream, size: int, precision: str) -> Candidate:
    """Return xsm's own loop over its own samples."""
    example = held.example()
    long = example["target"].dim() == 3
    inputs = example["dynamic"].shape[-1], example["static"].shape[-1]
    device = held.device
    model = LSTM(Sizes(*inputs, 1 if long else WINDOW, sequence=long)).to(device)
    losses = over_pieces(LSTM.losses, SEQUENCE, WARMUP) if long else LSTM.losses
    adam = Adam(model.parameters(), 1e-3)
    rows, answered = size * example["dynamic"].shape[1], SEQUENCE if long else 1
    given = size * answered, thread_count()
    count = 1
    if device.type == "cpu":
        count = count_parts(model, *given, rows=rows, precision=precision)
    epoch = 0

    def run(iterations: int) -> None:
        nonlocal epoch
        epoch += 1
        model.train()
        whole = Whole(model.evaluate, losses, precision)
        step = whole
        if count > 1:
            step = Parts(model, losses, precision, count, thread_count())
        step.begin(0, epoch)
        sampling = "mixed" if long else "time"
        schedule = Schedule(iterations=iterations, batch_size=size, sampling=sampling)
        train_epoch(step, held.batches(epoch, schedule, 0), adam)
        step.close()

    return run
