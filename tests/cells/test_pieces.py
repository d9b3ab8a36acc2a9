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


@pytest.mark.parametrize("known", [False, True])
def test_after_a_cut_nothing_new_is_told(known) -> None:
    """What a plain search finds: the last observation before the cut, its age, and no weather."""
    options = {"data_integration": True, "known_forcing": known, "latency": (1, 1), "cuts": 3}
    found, features = pieces(lead=1, **options)
    soil = features.observed.values.reshape(60, -1)
    low, high = np.nanmin(soil), np.nanmax(soil)
    sight = found.sight(1, len(found), torch.Generator().manual_seed(0))
    sight["lost"][:] = False
    batch = found.batch(torch.arange(len(found)), sight)["dynamic"]
    rain, value, age, mask, told = (batch[..., k] for k in (0, 2, 3, 4, 5))
    whole = found.batch(torch.arange(len(found)))["dynamic"]
    ahead = 0 if known else 1
    lengths = set()
    for i in range(0, len(found), 5):
        at = int(found.samples[i])
        cell, begin = at % 4, at // 4 - SEQUENCE + 1  # the prediction of the first step
        for s in range(SEQUENCE):
            origin = int(sight["origin"][i, s])
            lengths.add(s - origin)
            hidden = bool(sight["hidden"][i, s])
            assert bool(told[i, s]) != hidden
            assert float(rain[i, s]) == (0.0 if hidden else float(whole[i, s, 0]))
            last = min(s - (1 - ahead), origin)
            inside = [t for t in range(last + 1) if np.isfinite(soil[begin - ahead + t, cell])]
            assert bool(mask[i, s]) == bool(inside)
            if inside:
                seen = soil[begin - ahead + inside[-1], cell]
                scaled = ((seen - low) / (high - low) - 0.5) / 0.2
                assert float(value[i, s]) == pytest.approx(scaled, abs=1e-5)
                old = s + ahead - inside[-1]
                assert float(age[i, s]) == pytest.approx(np.log1p(old), rel=1e-5)
    assert lengths == {0, 1, 2, 3}
    share = (sight["hidden"].sum() / (sight["origin"] < torch.arange(SEQUENCE)).sum()).item()
    assert 0.2 < share < 0.8
