"""Pieces of a record: which there are, and what of the past they are given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.worlds import bucket, recipe
from xsm.cells.reading import make_windows
from xsm.cells.scaling import fit_scaling
from xsm.nn import Schedule

SEQUENCE, WARMUP = 12, 4


def pieces(*, gaps: bool = True, steps: int = 60, **changes: object):
    """Return pieces of a bucket with gaps, and the features."""
    features = bucket(steps, (2, 2))
    if gaps:
        rng = np.random.default_rng(3)
        target = features.observed.copy(deep=True)
        target.values[rng.random(target.shape) < 0.8] = np.nan
        rain = features.dynamic["precipitation"].copy(deep=True)
        rain.values[30, 0, 1] = np.nan
        dynamic = {**features.dynamic, "precipitation": rain}
        features = replace(features, target=target, dynamic=dynamic)
    own = {"window": 1, "scaling": "global", "sequence": SEQUENCE, "warmup": WARMUP}
    made = recipe(features, **(own | {"logs": ("precipitation",)} | changes))
    scaling = fit_scaling(features, slice(0, steps), scaling="global", logs=made.logs)
    return make_windows(features, scaling, made, slice(0, steps), answered=SEQUENCE), features


@pytest.mark.parametrize("lead", [0, 1, 3])
def test_pieces_are_those_of_a_plain_search(lead) -> None:
    found, features = pieces(lead=lead)
    rain = features.dynamic["precipitation"].values.reshape(60, -1)
    soil = features.observed.values.reshape(60, -1)
    wanted = [
        v * 4 + cell
        for v in range(SEQUENCE - 1 + lead, 60)
        for cell in range(4)
        if np.isfinite(rain[v - lead - SEQUENCE + 1 : v - lead + 1, cell]).all()
        and np.isfinite(soil[v - SEQUENCE + 1 + WARMUP : v + 1, cell]).any()
    ]
    assert found.samples.tolist() == wanted


def test_precipitation_is_scaled_by_its_logarithm() -> None:
    found, features = pieces(gaps=False, lead=0)
    rain = np.log1p(features.dynamic["precipitation"].values.astype(float)).reshape(60, -1)
    wanted = (rain - rain.mean()) / rain.std()
    batch = found.batch(torch.arange(4))
    assert np.allclose(batch["dynamic"][:, :, 0].T, wanted[:SEQUENCE], atol=1e-4)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("lead", [1, 2])
def test_what_was_observed_is_old_enough(lead, known) -> None:
    options = {"data_integration": True, "known_forcing": known, "latency": (lead, 5)}
    found, features = pieces(lead=lead, **options)
    soil = features.observed.values.reshape(60, -1)
    low, high = np.nanmin(soil), np.nanmax(soil)
    ahead = 0 if known else lead
    for i in range(0, len(found), 7):
        at = int(found.samples[i])
        value, age, mask = found.batch(torch.tensor([i]))["dynamic"][0, :, 2:].unbind(-1)
        cell, begin = at % 4, at // 4 - SEQUENCE + 1
        for s in range(SEQUENCE):
            inside = range(begin - ahead, begin + s - lead + 1)
            seen = [t for t in inside if np.isfinite(soil[t, cell])]
            assert bool(mask[s]) == bool(seen)
            if seen:
                scaled = ((soil[seen[-1], cell] - low) / (high - low) - 0.5) / 0.2
                assert float(value[s]) == pytest.approx(scaled, abs=1e-5)
                assert float(age[s]) == pytest.approx(np.log1p(begin + s - seen[-1]), rel=1e-5)


def test_observations_are_hidden_from_inputs_and_never_from_targets() -> None:
    found, _ = pieces(gaps=False, lead=1, data_integration=True, latency=(1, 3))
    schedule = Schedule(iterations=40, batch_size=8, sampling="mixed")
    ages = set()
    for batch in found.batches(1, schedule, 0):
        assert batch["mask"].all()
        assert torch.isfinite(batch["target"]).all()
        ages.add(round(float(torch.expm1(batch["dynamic"][0, -1, 3]))))
    assert {1, 2, 3} <= ages
    assert max(ages) > 3
    again = [b["dynamic"] for b in found.batches(1, schedule, 0)]
    assert all(map(torch.equal, again, [b["dynamic"] for b in found.batches(1, schedule, 0)]))


def test_what_validates_answers_each_step_once() -> None:
    found, _ = pieces(gaps=False, lead=1)
    ends = found.apart(59).samples // 4
    assert sorted(set(ends.tolist())) == list(range(59 - 8 * ((59 - 12) // 8), 60, 8))
    assert sum(len(b["target"]) for b in found.slices(3)) == len(found)
