"""A stream draws the samples that resident windows draw, as often, whatever was read when."""

import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import dask
import numpy as np
import pytest
import torch
from dask.system import CPU_COUNT

from tests.worlds import bucket, recipe
from xsm.cells.blocks import plan_blocks
from xsm.cells.reading import make_windows, read_block
from xsm.cells.samples import make_samples
from xsm.cells.scaling import fit_scaling
from xsm.cells.stream import Stream, draw_evenly
from xsm.cells.windows import Windows
from xsm.exceptions import NotEnoughDataError
from xsm.nn import Schedule
from xsm.training.splits import Split, chronological

ALL = slice(0, 200)
SCHEDULE = Schedule(iterations=40, batch_size=8)


@pytest.fixture(scope="module")
def world():
    """Features whose rain is the number of the cell and step, so that a sample says what it is."""
    features = bucket(shape=(4, 6))
    rain = features.dynamic["precipitation"]
    number = rain.copy(data=np.arange(rain.size, dtype=np.float32).reshape(rain.shape))
    gaps = features.target.where(features.target.lon != 3)  # sea
    gaps[50:60, 0, 0] = np.nan
    features = replace(
        features, target=gaps, dynamic={"precipitation": number, "air_temperature": rain}
    )
    settings = recipe(features, scaling="global", data_integration=True)
    return features, fit_scaling(features, ALL, scaling="global"), settings


def numbers(batch, scaling):
    """Return the cell and step of each step of each window."""
    offset, scale = (float(scaling[f"dynamic_{n}"][0]) for n in ("offset", "scale"))
    return np.rint(batch["dynamic"][..., 0].numpy() * scale + offset).astype(int)


def make_stream(world, slots=3, positions=700, thin=1, **settings):
    features, scaling, spec = world
    boxes = plan_blocks(features, scaling, spec, ALL, positions)
    blocks = [partial(read_block, features, scaling, spec, box, thin) for box in boxes]
    given = {"samples": 600, "gathered": 64} | settings
    return Stream(blocks, slots=slots, steps=features.steps, **given)


def drawn(stream, epochs, schedule=SCHEDULE, seed=0):
    found = [batch for epoch in epochs for batch in stream.batches(epoch, schedule, seed)]
    stream.close()
    return found


@pytest.mark.parametrize("sampling", ["time", "mixed"])
@pytest.mark.parametrize("chunks", [None, {"time": 60, "lat": 2}, {"time": -1, "lon": 2}])
def test_each_sample_is_the_one_that_resident_windows_hold(world, sampling, chunks):
    features, scaling, settings = world
    resident = make_windows(features, scaling, settings, ALL)
    everything = resident.batch(torch.arange(len(resident)))
    where = {int(n): k for k, n in enumerate(numbers(everything, scaling)[:, -1])}
    lazy = features
    if chunks:
        chunk = lambda arrays: {k: v.chunk(chunks) for k, v in arrays.items()}  # noqa: E731
        lazy = replace(
            features, dynamic=chunk(features.dynamic), target=features.target.chunk(chunks)
        )
    stream = make_stream((lazy, scaling, settings))
    assert len(stream.blocks) > stream.slots
    for batch in drawn(stream, [1, 2], replace(SCHEDULE, sampling=sampling)):
        at = torch.tensor([where[int(n)] for n in numbers(batch, scaling)[:, -1]])
        for name, values in everything.items():
            torch.testing.assert_close(batch[name], values[at], rtol=0, atol=0)


def test_time_sampling_takes_one_time_from_all_blocks(world):
    stream = make_stream(world, slots=8)
    spread = set()
    for batch in drawn(stream, [1]):
        number = numbers(batch, world[1])[:, -1]
        assert len(set(number // 24)) == 1
        spread |= set(number % 24)
    assert len(spread) == 20  # all cells but the sea's four


@pytest.mark.parametrize(("sampling", "thin"), [("time", 2), ("mixed", 1)])
def test_samples_come_as_often_as_from_resident_windows(world, sampling, thin):
    features, scaling, settings = world
    schedule = Schedule(iterations=3000, batch_size=16, sampling=sampling)
    resident = make_windows(features, scaling, settings, ALL)
    stream = make_stream(world, samples=16, thin=thin)  # each block leaves after a run

    def shares(batches):
        number = np.concatenate([numbers(b, scaling)[:, -1] for b in batches])
        steps = np.bincount(number // 24, minlength=200) / len(number)
        return steps, np.bincount(number % 24, minlength=24) / len(number)

    steps, cells = shares(drawn(stream, [1], schedule))
    same_steps, same_cells = shares(resident.batches(1, schedule, 0))
    # 48,000 draws: a cell's share of 1/20 is known to 2 %, a step's of 1/195 to 6 % (by batches of
    # one step: 3,000 draws, 26 %), and the blocks of a stream add turns
    # of their own; where half of the cells stay, each of 94 visits of a block takes a cell or not
    np.testing.assert_allclose(cells, same_cells, atol=(0.15 if thin == 1 else 0.45) / 20)
    assert np.corrcoef(steps > 0, same_steps > 0)[0, 1] == 1
    halves = steps.reshape(20, 10).sum(1), same_steps.reshape(20, 10).sum(1)
    np.testing.assert_allclose(*halves, atol=0.02)


def test_a_stream_that_goes_on_draws_what_it_would_have_drawn(world):
    whole = drawn(make_stream(world), [1, 2, 3])
    rest = drawn(make_stream(world), [3])
    for one, other in zip(whole[-SCHEDULE.iterations :], rest, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
    other = drawn(make_stream(world), [3], seed=1)
    assert not torch.equal(rest[0]["dynamic"], other[0]["dynamic"])


def test_all_blocks_are_read_once_before_one_is_read_again_and_few_are_held(world):
    read, held, most = [], weakref.WeakSet(), 0

    def noted(k, block, random):
        nonlocal most
        most = max(most, len(held))
        read.append(k)
        windows = block(random)
        held.add(windows)
        return windows

    stream = make_stream(world, samples=64)
    count = len(stream.blocks)
    stream.blocks = [partial(noted, k, block) for k, block in enumerate(stream.blocks)]
    drawn(stream, range(1, 8))
    assert len(read) > 2 * count
    for first in range(0, len(read) - count, count):
        assert sorted(read[first : first + count]) == list(range(count))
    assert 0 < most < stream.slots  # those that stay while the next one is read


def test_what_fits_is_read_once(world):
    stream = make_stream(world, slots=99, samples=8, refill=False)
    read = []
    stream.blocks = [
        lambda r, k=k, b=b: read.append(k) or b(r) for k, b in enumerate(stream.blocks)
    ]
    drawn(stream, [1, 2, 3])
    assert sorted(read) == list(range(len(stream.blocks)))


def test_blocks_follow_chunks_leave_out_the_sea_and_cover_the_rest(world):
    features, scaling, settings = world
    lazy = replace(features, target=features.target.chunk(time=50, lat=2, lon=2))
    boxes = plan_blocks(lazy, scaling, settings, slice(20, 180), 300)
    halo = settings.window - 1 + settings.lead
    own = np.zeros(features.target.shape, int)
    for box in boxes:
        sizes = [s.stop - s.start for s in box.values()]
        first = box["time"].start
        assert (sizes[0] - (halo if first > 20 else 0)) * sizes[1] * sizes[2] <= 300
        inner = slice(first + (halo if first > 20 else 0), box["time"].stop)
        own[inner, box["lat"], box["lon"]] += 1
    land = scaling["trained_cell"].values
    assert (own[20:180, land] == 1).all()
    assert (own[:20] == 0).all()
    assert (own[180:] == 0).all()


def test_validation_is_drawn_evenly(world):
    features, scaling, settings = world
    windows = make_windows(features, scaling, settings, ALL)
    kept = draw_evenly([lambda _: windows, lambda _: windows], share=0.25, seed=0)
    found = numbers(kept.batch, scaling)[:, -1]
    half = len(kept) // 2
    assert len(kept) == 2 * -(-len(windows) // 4)
    assert len(set(found[:half])) == half  # none twice
    # a quarter of each 40 steps: 0.25 of 800 within 5 deviations of 12
    steps = np.bincount(found[:half] // 24 // 40, minlength=5)
    assert (abs(steps[1:] - steps[1:].mean()) < 60).all()
    assert sum(len(b["target"]) for b in kept.slices(7)) == len(kept)


def test_samples_stay_within_the_limit(world):
    features, scaling, settings = world
    split = chronological(200, valid=0.25, window=settings.window, lead=settings.lead)
    resident, validation = make_samples(features, scaling, settings, split, limit=10**7)
    streamed, less = make_samples(features, scaling, settings, split, limit=60_000)
    assert isinstance(resident, Windows)
    assert isinstance(streamed, Stream)
    assert len(less) < len(validation)
    size = lambda w: sum(t.nbytes for t in [w.inputs, *w.series.values()])  # noqa: E731
    pool = [size(block(torch.Generator())) for block in streamed.blocks]
    held = sorted(pool, reverse=True)
    assert sum(held[: streamed.slots]) <= 60_000
    streamed.close()
    none = Split(slice(0, 200), slice(200, 200))
    for limit in (10**7, 60_000):
        training, validation = make_samples(features, scaling, settings, none, limit=limit)
        assert validation is None
        training.close()


def test_data_without_a_whole_sample_are_refused(world):
    features, scaling, settings = world
    empty = replace(features, target=features.target * np.nan)
    stream = make_stream((empty, scaling, settings))
    with pytest.raises(NotEnoughDataError, match="Not one whole sample in 8 blocks"):
        stream.example()
    with pytest.raises(NotEnoughDataError, match="Not one whole sample in 3 blocks"):
        next(stream.batches(1, SCHEDULE, 0))
    with pytest.raises(NotEnoughDataError, match="Not one whole sample in 8 blocks"):
        draw_evenly(stream.blocks, share=1.0, seed=0)
    stream.close()


def test_blocks_of_time_warn_where_a_balance_needs_what_was_before(world):
    features, scaling, settings = world
    balance = replace(features, series={"previous": features.target})
    split = chronological(200, valid=0.25, window=settings.window, lead=settings.lead)
    slabs = replace(balance, target=balance.target.chunk(time=20))
    with pytest.warns(UserWarning, match=r"streamed in blocks of .* steps.*ds.chunk\(\{'time': -1"):
        make_samples(slabs, scaling, settings, split, limit=60_000)[0].close()
    make_samples(replace(slabs, series={}), scaling, settings, split, limit=60_000)[0].close()


@pytest.mark.parametrize(("asked", "most"), [(None, CPU_COUNT), (1, 1), (CPU_COUNT + 2,) * 2])
def test_a_reader_takes_no_more_threads_than_there_are_cores(world, asked, most):
    """Dask would take four more beside the main thread, from those that train."""
    features, _, _ = world
    used = set()

    def slow(block):
        used.add(threading.get_ident())
        time.sleep(0.02)
        return block

    rain = features.dynamic["precipitation"].chunk(time=4)
    watched = rain.copy(data=rain.data.map_blocks(slow, dtype=rain.dtype, meta=rain.data._meta))
    lazy = replace(features, dynamic={"precipitation": watched})
    with ThreadPoolExecutor(1) as reader, dask.config.set(num_workers=asked):
        reader.submit(lazy.load, block=True).result()
    assert len(used) == most
