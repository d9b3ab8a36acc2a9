"""Pieces that are read block by block are those of the whole record, as often, after a kill too."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import xarray as xr

import xsm
from tests.worlds import bucket, bucket_dataset, recipe
from xsm.cells.blocks import plan_blocks
from xsm.cells.features import Features
from xsm.cells.pieces import Pieces
from xsm.cells.reading import make_windows, read_block
from xsm.cells.samples import make_samples
from xsm.cells.scaling import fit_scaling
from xsm.cells.stream import Drawn, Stream
from xsm.nn import Schedule
from xsm.nn.observed import MIDDLE, SPREAD
from xsm.training.splits import in_pieces

STEPS, SEQUENCE, WARMUP, CELLS = 240, 16, 5, 12
ALL = slice(0, STEPS)
SCHEDULE = Schedule(iterations=40, batch_size=8, sampling="mixed")
CHUNKS = [None, {"time": 50, "lat": 2}, {"time": -1, "lon": 2}]


def world(**changes: object) -> tuple[Features, xr.Dataset, object]:
    """Return stations of different periods, whose rain is the number of the cell and step."""
    features = bucket(STEPS, (3, 4))
    rain = features.dynamic["precipitation"]
    number = rain.copy(data=np.arange(rain.size, dtype=np.float32).reshape(rain.shape))
    target = features.observed.copy(deep=True)
    target.values[np.random.default_rng(1).random(target.shape) < 0.7] = np.nan
    for cell in range(CELLS):  # each is observed, and has weather, in some years of its own
        i, j = divmod(cell, 4)
        begin, end = 8 * cell, STEPS - 10 * (CELLS - cell) + 10
        for array in (number, target):
            array.values[:begin, i, j] = array.values[end:, i, j] = np.nan
    number.values[120, 1, 1] = np.nan
    dynamic = {"precipitation": number, "air_temperature": features.dynamic["air_temperature"]}
    features = replace(features, target=target, dynamic=dynamic)
    own = {"window": 1, "scaling": "global", "sequence": SEQUENCE, "warmup": WARMUP}
    spec = recipe(features, **(own | changes))
    return features, fit_scaling(features, ALL, scaling="global"), spec


def ends(batch: dict, scaling: xr.Dataset) -> list[int]:
    """Return the number of the cell and of the last step of the inputs of each piece."""
    offset, scale = (float(scaling[f"dynamic_{n}"][0]) for n in ("offset", "scale"))
    return np.rint(batch["dynamic"][:, -1, 0].numpy() * scale + offset).astype(int).tolist()


def stream_of(features: Features, scaling: xr.Dataset, spec: object, thin: int = 1, **options):
    boxes = plan_blocks(features, scaling, spec, ALL, 500, answered=SEQUENCE)
    read = partial(read_block, features, scaling, spec, answered=SEQUENCE)
    blocks = [partial(read, box, thin) for box in boxes]
    given = {"slots": 3, "samples": 40, "gathered": 32} | options
    return Stream(blocks, steps=STEPS, **given)


def chunked(features: Features, chunks: dict | None) -> Features:
    if chunks is None:
        return features
    dynamic = {k: v.chunk(chunks) for k, v in features.dynamic.items()}
    return replace(features, dynamic=dynamic, target=features.observed.chunk(chunks))


def drawn(stream: Stream, epochs: list[int], schedule: Schedule = SCHEDULE, seed: int = 0):
    found = [batch for epoch in epochs for batch in stream.batches(epoch, schedule, seed)]
    stream.close()
    return found


@pytest.mark.parametrize("lead", [0, 2])
@pytest.mark.parametrize("chunks", CHUNKS)
def test_each_is_a_piece_of_the_whole_record(chunks, lead) -> None:
    features, scaling, spec = world(lead=lead)
    resident = make_windows(features, scaling, spec, ALL, answered=SEQUENCE)
    everything = resident.batch(torch.arange(len(resident)))
    where = {number: k for k, number in enumerate(ends(everything, scaling))}
    stream = stream_of(chunked(features, chunks), scaling, spec)
    assert len(stream.blocks) > stream.slots
    for batch in drawn(stream, [1, 2]):
        at = torch.tensor([where[number] for number in ends(batch, scaling)])
        for name, values in everything.items():
            torch.testing.assert_close(batch[name], values[at], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("thin", [1, 2])
def test_all_pieces_come_as_often_as_from_memory(thin) -> None:
    features, scaling, spec = world(lead=1)
    resident = make_windows(features, scaling, spec, ALL, answered=SEQUENCE)
    schedule = replace(SCHEDULE, iterations=2000)
    found = drawn(stream_of(features, scaling, spec, thin, samples=8), [1], schedule)
    number = np.concatenate([ends(batch, scaling) for batch in found])
    every = ends(resident.batch(torch.arange(len(resident))), scaling)
    assert set(number.tolist()) == set(every)
    # blocks of cells that are observed for a shorter time hold fewer pieces, not likelier ones
    cells = np.bincount(number % CELLS, minlength=CELLS) / len(number)
    wanted = np.bincount(np.array(every) % CELLS, minlength=CELLS) / len(every)
    np.testing.assert_allclose(cells, wanted, atol=0.03)


def test_a_stream_of_one_block_draws_as_memory_does() -> None:
    """Of 16,000 draws of about 1,600 pieces each comes ten times, within five deviations of 3."""
    features, scaling, spec = world(lead=1)
    resident = make_windows(features, scaling, spec, ALL, answered=SEQUENCE)
    stream = Stream([lambda _: resident], slots=1, steps=STEPS, samples=9, refill=False)
    both = []
    for samples in (stream, resident):
        batches = samples.batches(1, replace(SCHEDULE, iterations=2000), 0)
        number = np.concatenate([ends(batch, scaling) for batch in batches])
        both.append(np.bincount(number, minlength=STEPS * CELLS))
    stream.close()
    assert ((both[0] > 0) == (both[1] > 0)).mean() > 0.999
    assert abs(both[0] - both[1]).max() < 5 * np.sqrt(2 * 16000 / len(resident))


@pytest.mark.parametrize("chunks", CHUNKS)
def test_what_was_seen_is_of_the_cell_old_enough_and_of_the_piece(chunks) -> None:
    features, scaling, spec = world(lead=1, data_integration=True, latency=(2, 5))
    soil = features.observed.values.reshape(STEPS, -1)
    low, scale = float(scaling["target_offset"]), float(scaling["target_scale"])
    stream = stream_of(chunked(features, chunks), scaling, spec)
    ages = set()
    for batch in drawn(stream, [1]):
        for number, row in zip(ends(batch, scaling), batch["dynamic"][:, -1, 2:], strict=True):
            value, age, mask = row.tolist()
            step, cell = divmod(number, CELLS)
            if mask:
                old = round(np.expm1(age)) - spec.ahead
                ages.add(old + spec.ahead)
                value = low + scale * (MIDDLE + SPREAD * value)
                assert value == pytest.approx(soil[step - old, cell], abs=1e-5)
                assert old < SEQUENCE
    assert min(ages) == 2
    assert {3, 4, 5} < ages


def test_a_stream_that_goes_on_draws_what_it_would_have_drawn() -> None:
    given = world(lead=1, data_integration=True, latency=(1, 4))
    whole = drawn(stream_of(*given), [1, 2, 3])
    rest = drawn(stream_of(*given), [3])
    for one, other in zip(whole[-SCHEDULE.iterations :], rest, strict=True):
        for name in one:
            torch.testing.assert_close(one[name], other[name], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("valid", [0.1, 0.3])
def test_the_same_pieces_validate(valid) -> None:
    features, scaling, spec = world(lead=1)
    ahead = {"sequence": SEQUENCE, "warmup": WARMUP, "ahead": 1}
    split = in_pieces(STEPS, valid=valid, **ahead)
    found = []
    for limit in (10**7, 60_000):
        training, later = make_samples(
            features, scaling, spec, split, limit=limit, answered=SEQUENCE
        )
        found.append(sorted(n for batch in later.slices(7) for n in ends(batch, scaling)))
        training.close()
    assert isinstance(training, Stream)
    assert isinstance(later, Drawn)
    assert found[0] == found[1] if valid < 0.2 else set(found[1]) < set(found[0])  # the room
    for cell in range(CELLS):
        own = np.array([n // CELLS for n in found[0] if n % CELLS == cell])
        new = min(SEQUENCE, len(range(STEPS)[split.validation]) - 1) - WARMUP
        assert (np.diff(own) >= new).all()


def test_pieces_stay_within_the_limit() -> None:
    features, scaling, spec = world(lead=1)
    split = in_pieces(STEPS, valid=0.3, sequence=SEQUENCE, warmup=WARMUP, ahead=1)
    stream, _ = make_samples(features, scaling, spec, split, limit=60_000, answered=SEQUENCE)
    pool = [block(torch.Generator()) for block in stream.blocks]
    assert all(isinstance(pieces, Pieces) for pieces in pool)
    sizes = sorted(sum(t.nbytes for t in [p.inputs, *p.series.values()]) for p in pool)
    assert sum(sizes[-stream.slots :]) <= 60_000
    stream.close()


OWN = {"sequence": 60, "warmup": 20, "hidden_size": 16, "progress": False, "dropout": 0.0}
OWN |= {"precision": "float32", "known_forcing": True, "learning_rate": 1e-2, "batch_size": 16}


@pytest.fixture(scope="module")
def large() -> xr.Dataset:
    """More than 16 MiB, the least that is streamed."""
    return bucket_dataset(400, (30, 40)).chunk(lat=6, lon=10)


def test_streamed_it_learns_as_well_as_from_memory(large) -> None:
    """Single runs differ by a third, either way; the means of three by less than a fifth."""
    later = large.isel(time=slice(300, None), lat=[0, 29], lon=[0, 39])

    def error(limit: str, seed: int) -> float:
        own = OWN | {"iterations": 20, "epochs": 6, "decay": "none", "validate_every": 1}
        fitted = xsm.fit(large, "lstm", memory_limit=limit, seed=seed, **own)
        assert ("blocks" in fitted.card["training"]) == (limit == "16 MiB")
        found = fitted.predict(later)["soil_moisture"] - later["soil_moisture"]
        return float((found**2).mean() ** 0.5)

    streamed, held = (
        np.mean([error(limit, seed) for seed in range(3)]) for limit in ("16 MiB", "1 GiB")
    )
    assert streamed < 1.2 * held
    assert streamed < 0.5 * float(later["soil_moisture"].std())


def test_a_streamed_run_that_was_killed_ends_with_the_same_weights(large, tmp_path) -> None:
    own = OWN | {"memory_limit": "16 MiB", "data_integration": True, "iterations": 3}
    own |= {"validate_every": 1, "decay": "none"}  # a cosine depends on the last epoch
    straight = xsm.fit(large, "lstm", **(own | {"epochs": 3}))
    xsm.fit(large, "lstm", checkpoint=tmp_path / "run", **(own | {"epochs": 2}))
    again = xsm.fit(large, "lstm", checkpoint=tmp_path / "run", **(own | {"epochs": 3}))
    assert "blocks" in straight.card["training"]
    pairs = zip(
        straight.model.state_dict().values(), again.model.state_dict().values(), strict=True
    )
    assert all(torch.equal(a, b) for a, b in pairs)
