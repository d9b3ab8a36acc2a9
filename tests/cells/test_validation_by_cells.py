"""Cells that validate: they do not train, on any path, and a short record trains whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

import xsm
from tests.cells import test_streamed_pieces as pieces
from tests.worlds import bucket_dataset
from xsm.cells.samples import make_samples
from xsm.exceptions import NotEnoughDataError, UnknownNameError
from xsm.training.splits import by_cells, in_pieces

QUICK = {"epochs": 2, "iterations": 4, "batch_size": 8, "hidden_size": 4, "progress": False}
FORMS = {"windows": {"scaling": "global"}, "pieces": {"sequence": 30, "warmup": 8}}


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    return bucket_dataset(120)


def fit(ds: xr.Dataset, **options: object) -> xsm.FittedModel:
    return ds.physm.fit("lstm", valid_by="cells", precision="float32", **(QUICK | options))


def changed(world: xr.Dataset, fitted: xsm.FittedModel, **options: object) -> tuple[int, int]:
    """Return how many cells change the weights, and how many the error that validates."""
    train = valid = 0
    for lat in range(world.sizes["lat"]):
        for lon in range(world.sizes["lon"]):
            other = world.copy(deep=True)
            series = other["soil_moisture"].values[:, lat, lon]
            series[:] = series[::-1]  # the same range, so the same statistics
            again = fit(other, **options)
            pairs = zip(fitted.model.parameters(), again.model.parameters(), strict=True)
            train += any(not torch.equal(a, b) for a, b in pairs)
            error = [f.history["rmse"].sel(part="validation").values for f in (fitted, again)]
            same = np.array_equal(*error)
            valid += not same
    return train, valid


@pytest.mark.parametrize("form", FORMS)
def test_a_cell_trains_or_validates(form, world) -> None:
    ds = world.isel(lat=slice(2), lon=slice(3))
    options = {**FORMS[form], "valid": 0.34, "epochs": 1, "iterations": 20, "batch_size": 32}
    fitted = fit(ds, **options)
    train, _ = changed(ds, fitted, **options)
    assert train == 4  # of six cells two are held out
    assert "34% of the cells, which do not train" in fitted.card["validation"]
    whole = f"{ds['time'].values[0]:.10} to {ds['time'].values[-1]:.10}"
    assert fitted.card["training"].startswith(whole)


def test_a_record_that_time_would_cut_too_short_trains_whole(world) -> None:
    ds = world.isel(time=slice(40))
    with pytest.raises(
        NotEnoughDataError, match=r"30 to train, of which a piece takes sequence=36"
    ):
        ds.physm.fit("lstm", sequence=36, warmup=8, **QUICK)
    fitted = fit(ds, sequence=36, warmup=8)
    assert np.isfinite(fitted.history["rmse"]).all()


def test_streamed_and_in_memory_the_same_cells_validate() -> None:
    features, scaling, spec = pieces.world(lead=1)
    whole = in_pieces(pieces.STEPS, valid=0, sequence=pieces.SEQUENCE, warmup=5, ahead=1)
    split, found = by_cells(whole, 0.25), []
    for limit in (10**7, 60_000):
        options = {"limit": limit, "answered": pieces.SEQUENCE}
        training, later = make_samples(features, scaling, spec, split, **options)
        ends = [n for batch in later.slices(7) for n in pieces.ends(batch, scaling)]
        found.append({n % pieces.CELLS for n in ends})
        trained = set()
        for batch in training.batches(1, pieces.SCHEDULE, 0):
            trained |= {n % pieces.CELLS for n in pieces.ends(batch, scaling)}
        training.close()
        assert len(trained) == 9
        assert not trained & found[-1]
    assert found[0] == found[1]
    assert len(found[0]) == 3  # of twelve


def test_what_cannot_be_divided_by_cells_is_refused(world) -> None:
    with pytest.raises(NotEnoughDataError, match=r"needs at least two cells.* 1 can be trained"):
        fit(world.isel(lat=[0], lon=[0]), sequence=30, warmup=8)
    with pytest.raises(NotEnoughDataError, match=r"valid=0 was given; with valid_by='cells'"):
        fit(world, valid=0)
    with pytest.raises(UnknownNameError, match=r"valid_by='cell' was given\. Did you mean 'cells'"):
        world.physm.fit("lstm", valid_by="cell", **QUICK)
    with pytest.raises(
        UnknownNameError, match=r"valid_by='cells' was given, which is for networks"
    ):
        world.physm.fit("random_forest", valid_by="cells", progress=False)
