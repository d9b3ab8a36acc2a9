"""Means over areas: of maps, of batches that hold whole areas, and of what a model is shown."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import xarray as xr

import xsm
from xsm.cells.areas import draw_runs, plan_areas, runs_of
from xsm.cells.collect import collect
from xsm.cells.features import Features
from xsm.cells.reading import make_windows, read_block
from xsm.cells.stream import Stream, draw_evenly
from xsm.data.reading import read
from xsm.exceptions import GridError, MissingVariableError, UnknownNameError
from xsm.hydrology.balance.areas import area_maps
from xsm.hydrology.needs import Wanted
from xsm.losses import Shown
from xsm.losses.areas import area_means
from xsm.nn import Schedule
from xsm.training.recipe import Recipe

SMALL = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False, "valid": 0.4}
PIECE = {"sequence": 60, "warmup": 10, "batch_size": 8}
TWS = "terrestrial_water_storage"
STORAGE = Shown(TWS, "target", TWS, monthly=True, anomaly=True, footprint="mascon")


@pytest.fixture(scope="module")
def ds() -> xr.Dataset:
    """Return the tutorial's land with monthly means of storage over two areas, of 5 and 3 cells.

    A cell is outside of both. All cells of an area hold its mean, on all days.
    """
    whole = xsm.open_tutorial("land").isel(latitude=slice(0, 3), longitude=slice(20, 23))
    made = whole.isel(time=slice(0, 160))
    labels = np.array([[7, 7, 9], [7, 7, 9], [7, np.nan, 9]], float)
    made = made.assign(mascon=(("latitude", "longitude"), labels))
    own = xr.DataArray(
        np.random.default_rng(0).normal(size=(6, 3, 3)), dims=("month", *made.mascon.dims)
    )
    weight = np.cos(np.deg2rad(made.latitude)) * xr.ones_like(made.mascon)
    for label in (7, 9):
        inside = made.mascon == label
        mean = (own * weight).where(inside).sum(made.mascon.dims) / weight.where(inside).sum()
        own = xr.where(inside, mean, own)
    storage = own.isel(month=made.time.dt.month - 1).where(made.mascon.notnull())
    storage = (100 * storage).transpose("time", ...).astype(np.float32).assign_attrs(units="mm")
    return made.assign({TWS: storage})


def fit(ds: xr.Dataset, **options: object) -> xsm.FittedModel:
    return xsm.fit(ds, "water_budget", **{**SMALL, **PIECE, "footprint": "mascon", **options})


@pytest.fixture(scope="module")
def fitted(ds: xr.Dataset) -> xsm.FittedModel:
    return fit(ds)


def maps(ds: xr.Dataset, **changes: object) -> dict[str, xr.DataArray]:
    reading = read(ds.assign(changes))
    return area_maps(Wanted(reading, [STORAGE], {"area"}, TWS))


def test_areas_have_numbers_and_cells_count_by_the_cosine_of_their_latitude(ds):
    found = maps(ds)
    assert (
        len(
            np.unique(
                found["area"]
                .where(ds["mascon"] == 7, drop=True)
                .stack(c=["latitude", "longitude"])
                .dropna("c")
            )
        )
        == 1
    )
    assert len(np.unique(found["area"])) == 3  # and the cell outside is alone
    wanted = np.cos(np.deg2rad(ds["latitude"])) * ds["mascon"].notnull()
    np.testing.assert_allclose(
        found["area_share"], wanted.transpose(*found["area_share"].dims), rtol=1e-6
    )


def test_names_are_labels_too(ds):
    names = xr.where(ds["mascon"] == 7, "Elbe", xr.where(ds["mascon"] == 9, "Oder", ""))
    np.testing.assert_array_equal(maps(ds, mascon=names)["area"], maps(ds)["area"])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda ds: ds[TWS], r"lies along \['time', .*a map of labels along"),
        (lambda ds: ds["mascon"] * np.nan, "holds no label"),
        (lambda ds: ds["mascon"] / 2, "holds 3.5; labels are whole numbers or names"),
    ],
)
def test_what_is_no_map_of_labels_is_refused(ds, change, text):
    with pytest.raises(GridError, match=text):
        maps(ds, mascon=change(ds))


def test_more_areas_than_numbers_can_tell_apart_are_refused(ds, monkeypatch):
    most = int(max(maps(ds)["area"].max(), 1))
    monkeypatch.setattr("xsm.hydrology.balance.areas._MOST", most + 1)
    maps(ds)
    monkeypatch.setattr("xsm.hydrology.balance.areas._MOST", most)
    with pytest.raises(GridError, match=f"makes {most + 1} areas, of cells without one"):
        maps(ds)


@pytest.fixture(scope="module")
def collected(ds, fitted) -> tuple[Features, xr.Dataset, Recipe]:
    """Return features of storage as the target, their statistics, and the recipe."""
    own = {"target": TWS, "depths": (), "centres": (), "layer": None}
    recipe = replace(fitted.recipe, **own)
    features = collect(read(ds), recipe, terms=[STORAGE]).load()
    plain = {"target_offset": 0.0, "target_scale": 1.0, "target_mean": 0.0}
    plain = {name: xr.DataArray(value) for name, value in plain.items()}
    return (
        features,
        fitted.scaling.assign({**plain, "trained_cell": ds["mascon"].notnull()}),
        recipe,
    )


def test_the_operator_is_the_mean_of_numpy_and_all_cells_of_an_area_learn(collected):
    """A batch that is drawn holds whole areas; only these count, each by its mean of a month."""
    features, scaling, recipe = collected
    windows = make_windows(features, scaling, recipe, slice(0, 160), answered=120)
    schedule = Schedule(iterations=1, batch_size=10, sampling="mixed")
    batch = next(windows.batches(1, schedule, 0))
    guess = torch.randn(10, 120, 1, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found = STORAGE({TWS: guess}, batch)
    found.backward()

    area, share = batch["area"][:, 0].numpy(), batch["area_share"][:, 0, 0].numpy()
    rows, counted = [], np.zeros(10, bool)
    for key in np.unique(area, axis=0):
        mine = (area == key).all(axis=1)
        if not np.isclose(share[mine].sum(), 1.0):
            continue
        counted |= mine
        mean = np.average(guess.detach().numpy()[mine, :, 0], axis=0, weights=share[mine])
        truth = batch["target"][mine, :, 0].numpy()[0]
        month = batch["month"][mine, :, 0].numpy()[0]
        days = batch["month_days"][mine, :, 0].numpy()[0]
        whole = [m for m in np.unique(month) if (month == m).sum() == days[month == m][0]]
        pair = np.array([[mean[month == m].mean(), truth[month == m].mean()] for m in whole])
        rows.append(pair - pair.mean(axis=0))
    rows = np.concatenate(rows)
    wanted = np.sqrt(np.mean((rows[:, 0] - rows[:, 1]) ** 2)) / rows[:, 1].std()
    assert float(found.detach()) == pytest.approx(wanted, rel=1e-4)
    moved = (guess.grad.abs().sum(dim=(1, 2)) > 0).numpy()
    np.testing.assert_array_equal(moved, counted)
    assert counted.sum() >= 5


def test_runs_are_whole_areas_and_each_sample_is_as_likely_as_any_other():
    area = torch.tensor([[0.0], [1.0], [0.0], [2.0]])
    samples = torch.tensor([0, 1, 2, 3, 4, 6, 7])  # two times of four cells; one is missing
    runs = runs_of(samples, 4, area)
    assert runs.counts.tolist() == [2, 1, 1, 2, 1]
    assert runs.order.tolist() == [0, 2, 1, 3, 4, 5, 6]
    random = torch.Generator().manual_seed(0)
    run, inside = draw_runs(runs.counts, 4000, 3, random)
    drawn = runs.order[runs.starts[run] + inside]
    share = torch.bincount(drawn.view(-1)) / drawn.numel()
    assert float((share - 1 / 7).abs().max()) < 0.03  # but for runs that a batch cuts
    assert sorted(runs.shuffled(random).tolist()) == list(range(7))


def test_the_card_says_so_batches_are_whole_and_it_is_saved(ds, fitted, tmp_path):
    assert fitted.card["footprint"] == (
        "2 areas of 'mascon', of at most 5 cells that train together, compared by their means"
    )
    assert fitted.parameters["batch_size"] == 10
    assert np.isfinite(fitted.history["total"]).all()
    found = fitted.predict(ds)
    assert found[TWS].sizes == ds[TWS].sizes  # by cell, also outside
    assert int(found[TWS].isel(time=-1).notnull().sum()) == 9
    fitted.save(tmp_path / "account.xsm")
    again = xsm.load(tmp_path / "account.xsm")
    assert again.parameters["footprint"] == "mascon"
    assert again.card["footprint"] == fitted.card["footprint"]
    xr.testing.assert_identical(again.predict(ds.drop_vars("mascon")), found)


def test_blocks_that_are_streamed_hold_whole_areas(collected):
    features, scaling, recipe = collected
    parts = plan_areas(features, scaling, recipe, slice(0, 160), 160 * 3, answered=20)
    assert sorted(int(own["trained_cell"].sum()) for _, own in parts) == [3, 5, 5]  # 5 cut in time
    blocks = [partial(read_block, features, own, recipe, box, 1, answered=20) for box, own in parts]
    stream = Stream(blocks, slots=3, steps=160, samples=100, gathered=20, refill=False)
    for batch in stream.batches(1, Schedule(iterations=4, batch_size=10, sampling="mixed"), 0):
        area, share = batch["area"][:, 0], batch["area_share"]
        whole = area_means(share, share, area.unsqueeze(1), share)[1]
        assert int(torch.isfinite(whole).sum()) >= 1
        assert len(area.unique(dim=0)) <= 4  # not ten cells of ten times
    stream.close()
    kept = draw_evenly(blocks, share=0.5, seed=0)
    assert torch.isfinite(
        area_means(*[kept.batch["area_share"]] * 2, kept.batch["area"], kept.batch["area_share"])[1]
    ).any()


def test_a_fit_can_be_streamed(ds, monkeypatch):
    monkeypatch.setattr("xsm.cells.samples.fits", lambda features, limit: False)
    lazy = ds.chunk(time=-1, latitude=1, longitude=1)
    with pytest.warns(UserWarning, match="does not identify"):
        found = fit(lazy, target=TWS, members=2, valid=0, sequence=100)
    assert bool((found.history[TWS].sel(part="training") > 0).all())


def test_a_model_goes_on_with_whole_areas(ds, fitted):
    after = fitted.finetune(ds, epochs=1, iterations=2, progress=False, valid=0.4)
    assert after.card["footprint"] == fitted.card["footprint"]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"footprint": "mascons"}, MissingVariableError, "mascons: no role and no variable. Did"),
        ({"footprint": 300}, UnknownNameError, "footprint=300 was given; the name of a map"),
        ({"target": "soil_moisture"}, MissingVariableError, "nothing that is shown is a mean of"),
        ({"client": object()}, UnknownNameError, "workers share the cells"),
    ],
)
def test_what_cannot_be_is_refused(ds, options, error, text):
    with pytest.raises(error, match=text):
        fit(ds, **options)
