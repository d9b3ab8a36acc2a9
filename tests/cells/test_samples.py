"""Windows hold exactly what may be known, where it stands in the data."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.worlds import bucket, recipe
from xsm.cells.reading import make_windows
from xsm.cells.scaling import fit_scaling
from xsm.exceptions import NotEnoughDataError

ALL = slice(None)
INTEGRATED = {"data_integration": True}
KNOWN = {"data_integration": True, "known_forcing": True}


def windows(features, settings=None, times=ALL, *, answered=1, **changes):
    settings = settings or recipe(features, **changes)
    scaling = fit_scaling(features, ALL, scaling=settings.scaling)
    return make_windows(features, scaling, settings, times, answered=answered)


def all_samples(made):
    batch = made.batch(torch.arange(len(made)))
    at = made.samples.numpy()
    return batch, at // made.count, at % made.count


@pytest.mark.parametrize(
    ("lead", "known"), [(0, False), (1, False), (2, False), (1, True), (3, True)]
)
def test_a_window_is_the_slice_of_the_series(lead, known):
    features = bucket()
    changes = {"lead": lead, "known_forcing": known}
    made = windows(features, **changes)
    batch, v, cell = all_samples(made)
    assert len(made) == (200 - 4 - lead + 1) * 12
    rain = features.dynamic["precipitation"].values.reshape(200, 12)
    low, high = rain.min(0), rain.max(0)
    for k in (0, 7, 1000, len(made) - 1):
        end = v[k] if known else v[k] - lead
        expected = ((rain - low) / (high - low))[end - 3 : end + 1, cell[k]]
        np.testing.assert_allclose(batch["dynamic"][k, :, 0].numpy(), expected, atol=1e-6)
    target = batch["target"] * batch["target_scale"] + batch["target_offset"]
    truth = features.target.values.reshape(200, 12)[v, cell]
    np.testing.assert_allclose(target[:, 0].numpy(), truth, atol=1e-6)


@pytest.mark.parametrize("changes", [{}, INTEGRATED, KNOWN])
@pytest.mark.parametrize("lead", [1, 2])
def test_nothing_after_the_window_enters(changes, lead):
    """No observation after t and, unless known, no weather after t, changes a sample's inputs."""
    features = bucket()
    settings = recipe(features, lead=lead, **changes)
    scaling = fit_scaling(features, ALL, scaling="cell")
    cut = 100
    later = features.target.time >= features.target.time[cut]
    spoil = lambda a: a.where(~later, a + 1000)  # noqa: E731
    first_bad = {"base": cut + lead, "dynamic": cut if settings.known_forcing else cut + lead}
    spoiled = replace(
        features,
        target=spoil(features.target),
        dynamic={k: spoil(v) for k, v in features.dynamic.items()},
    )
    one, v, _ = all_samples(make_windows(features, scaling, settings, ALL))
    two, _, _ = all_samples(make_windows(spoiled, scaling, settings, ALL))
    for name in ("dynamic", "base"):
        if name in one:
            bad = first_bad[name]
            assert torch.equal(one[name][v < bad], two[name][v < bad])
            assert not torch.equal(one[name][v == bad], two[name][v == bad])
    # observations alone: known weather does not let observations after t = v - lead in
    observed_only = replace(features, target=spoil(features.target))
    three, _, _ = all_samples(make_windows(observed_only, scaling, settings, ALL))
    for name in ("dynamic", "base"):
        if name in one:
            assert torch.equal(one[name][v < cut + lead], three[name][v < cut + lead])


def test_base_is_the_last_observation_in_the_window_else_the_training_mean():
    features = bucket()
    gaps = features.target.copy(deep=True)
    gaps[10:13, 0, 0] = np.nan
    gaps[30:40, 0, 0] = np.nan
    features = replace(features, target=gaps)
    made = windows(features, **INTEGRATED)
    batch, v, cell = all_samples(made)
    own = {int(t): k for k, t in enumerate(v) if cell[k] == 0}
    back = batch["base"] * batch["target_scale"] + batch["target_offset"]
    assert float(back[own[13]]) == pytest.approx(float(gaps[9, 0, 0]), abs=1e-6)
    assert float(back[own[40]]) == pytest.approx(float(gaps[:, 0, 0].mean()), abs=1e-6)
    assert batch["dynamic"][own[13], :, -1].tolist() == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("answered", [2, 3])
def test_answered_steps_are_samples_of_their_own(answered):
    features = bucket()
    target = features.target.where(features.target.time.dt.day % 5 != 0)
    features = replace(features, target=target, series={"previous": target.shift(time=1)})
    one, v, cell = all_samples(windows(features, **INTEGRATED))
    several, last, own = all_samples(windows(features, answered=answered, **INTEGRATED))
    place = {key: k for k, key in enumerate(zip(v.tolist(), cell.tolist(), strict=True))}
    assert len(several["target"]) > 1500
    for k in range(answered):
        keys = zip((last - answered + 1 + k).tolist(), own.tolist(), strict=True)
        pairs = [(i, place[key]) for i, key in enumerate(keys) if key in place]
        rows, same = (torch.tensor(side) for side in zip(*pairs, strict=True))
        for name in ("target", "mask", "base", "previous"):
            found, alone = several[name][rows, k], one[name][same]
            torch.testing.assert_close(found, alone, atol=0, rtol=0, equal_nan=True)
        dynamic = several["dynamic"][rows, k : k + 4]
        assert torch.equal(dynamic, one["dynamic"][same])
        assert torch.equal(several["target_scale"][rows, 0], one["target_scale"][same])
        # of earlier steps the target may be missing, of the last one it may not
        assert (len(rows) == len(last)) == (k == answered - 1)
        missing = torch.ones(len(last), dtype=torch.bool).index_fill(0, rows, False)
        assert several["target"][missing, k].isnan().all()


def test_windows_with_gaps_do_not_exist():
    features = bucket()
    rain = features.dynamic["precipitation"].copy(deep=True)
    rain[50, 1, 1] = np.nan
    target = features.target.copy(deep=True)
    target[80, 1, 1] = np.nan
    features = replace(features, target=target, dynamic=features.dynamic | {"precipitation": rain})
    _, v, cell = all_samples(windows(features))
    times = set(v[cell == 1 * 4 + 1].tolist())
    assert set(range(4, 200)) - times == {51, 52, 53, 54, 80}
    assert set(v[cell == 0].tolist()) == set(range(4, 200))


def test_draws_take_one_time_a_batch_or_mix_them_evenly():
    made = windows(bucket())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        timed = made.samples[made.draw(50, 8)] // made.count
        mixed = made.draw(2000, 64, sampling="mixed")
        larger = made.samples[made.draw(20, 30)] // made.count
    assert all(len(set(row.tolist())) == 1 for row in timed)
    assert all(len(set(row.tolist())) <= 3 for row in larger)  # 30 samples of 12 cells: three times
    share = torch.bincount(mixed.view(-1), minlength=len(made)) / mixed.numel() * len(made)
    assert float(share.min()) > 0.3
    assert float(share.max()) < 2.0


def test_a_single_series_trains_on_many_times():
    made = windows(bucket(shape=(1, 1)))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = made.samples[made.draw(1, 64)[0]]
    assert len(set(drawn.tolist())) > 30


def test_no_sample_at_all_is_refused():
    features = bucket(steps=60)
    rain = features.dynamic["precipitation"].where(features.target.time.dt.day % 2 == 0)
    features = replace(features, dynamic=features.dynamic | {"precipitation": rain})
    with pytest.raises(NotEnoughDataError, match="Not one whole sample: each takes 4 steps"):
        windows(features)
