"""Going on from a fitted model: what is known of the new target is built into the data."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

import xsm
from tests.worlds import bucket_dataset
from xsm.exceptions import (
    MissingVariableError,
    NotEnoughDataError,
    TrainingError,
    UnknownNameError,
)
from xsm.losses import RMSE
from xsm.nn import members_of

SHORT: dict[str, Any] = {"epochs": 2, "iterations": 3, "progress": False}
STILL: dict[str, Any] = {"epochs": 1, "iterations": 1, "learning_rate": 1e-12, "progress": False}
RUN = {"sequence": 60, "warmup": 10}

pytestmark = pytest.mark.filterwarnings("ignore:The source tells little:UserWarning")


def source(ds: xr.Dataset, model: str = "lstm", **options: Any) -> xsm.FittedModel:
    settings = {"target": "soil_moisture", "hidden_size": 8, **SHORT, **options}
    return xsm.fit(ds, model, **settings)


def other(ds: xr.Dataset, slope: float = 0.5, offset: float = 0.1) -> xr.Dataset:
    """Return the data with a satellite that sees a line of soil moisture, instead of that."""
    seen = (offset + slope * ds["soil_moisture"]).assign_attrs(units="m3 m-3")
    return ds.drop_vars("soil_moisture").assign(surface_sm=seen)


def stated(new: xr.Dataset) -> dict[str, Any]:
    return {"target": "satellite_soil_moisture", "variables": SEEN}


SEEN = {"satellite_soil_moisture": "surface_sm"}


@pytest.fixture(scope="module")
def ds() -> xr.Dataset:
    return bucket_dataset(160, (4, 4))


@pytest.fixture(scope="module")
def run(ds: xr.Dataset) -> xsm.FittedModel:
    return source(ds, **RUN)


def weights(fitted: xsm.FittedModel) -> dict[str, torch.Tensor]:
    return fitted.model.state_dict()


KINDS = {
    "windows": ("lstm", {"scaling": "global"}),
    "sequence": ("lstm", RUN),
    "gaussian": ("lstm", {**RUN, "head": "gaussian"}),
    "ensemble": ("lstm", {**RUN, "members": 2}),
    "observations": ("lstm", {**RUN, "data_integration": True}),
    "experts": ("ismoe", {"channels": 4, "patch": 1}),
    "mean of experts": ("mean_expert", {**RUN, "channels": 4, "patch": 1}),
    "neighbours": ("cnn_lstm", {"channels": 4}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_training_begins_at_a_line_of_what_the_source_says(ds, kind):
    """Least squares by numpy, of the same pairs; steps of 1e-12 move nothing."""
    model, options = KINDS[kind]
    first, new = source(ds, model, **options), other(ds)
    tuned = first.finetune(new, losses=[RMSE()] if "head" not in options else None,
                           cell_offset=False, **stated(new), **STILL)  # fmt: skip
    if kind == "observations":  # what the source was told of its own target is hidden
        ds = ds.assign(soil_moisture=ds["soil_moisture"] * np.nan)
        new = new.assign(surface_sm=new["surface_sm"] * np.nan)
    said = first.predict(ds)["soil_moisture"]
    found = tuned.predict(new, variables=SEEN)["surface_sm"]
    truth = other(bucket_dataset(160, (4, 4)))["surface_sm"]
    x, y = (a.values.ravel() for a in xr.broadcast(*xr.align(said, truth)))
    kept = np.isfinite(x) & np.isfinite(y)
    r = np.corrcoef(x[kept], y[kept])[0, 1]
    slope = max(r, 0.2) * y[kept].std() / x[kept].std()
    line = y[kept].mean() + slope * (said - x[kept].mean())
    np.testing.assert_allclose(found, line.transpose(*found.dims), rtol=2e-3, atol=2e-5)
    if "gaussian" in kind:
        spread = tuned.predict(new, variables=SEEN)["surface_sm_std"]
        was = first.predict(ds)["soil_moisture_std"]
        np.testing.assert_allclose(spread, slope * was, rtol=1e-3)


PRODUCTS = {
    # ECMWF parameter database: tp in m, t2m in K; a day's amount
    "ERA5-Land": {"precipitation": ("tp", 1e-3, "m"), "air_temperature": ("t2m", 1, "K")},
    # GLDAS-2.1 README (GES DISC): Rainf_f_tavg in kg m-2 s-1, Tair_f_inst in K
    "GLDAS": {
        "precipitation": ("Rainf_f_tavg", 1 / 86400, "kg m-2 s-1"),
        "air_temperature": ("Tair_f_inst", 1, "K"),
    },
    # MERRA-2 file specification (GMAO): PRECTOTCORR in kg m-2 s-1, T2M in K
    "MERRA-2": {
        "precipitation": ("PRECTOTCORR", 1 / 86400, "kg m-2 s-1"),
        "air_temperature": ("T2M", 1, "K"),
    },
}


@pytest.mark.parametrize("product", PRODUCTS)
def test_names_and_units_of_another_product_change_nothing(ds, run, product):
    theirs = other(ds)
    for role, (name, factor, units) in PRODUCTS[product].items():
        theirs[name] = (factor * theirs[role]).assign_attrs(units=units)
        theirs = theirs.drop_vars(role)
    mine = run.finetune(other(ds), **stated(ds), **SHORT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # how amounts are read is told
        theirs = run.finetune(theirs, **stated(ds), **SHORT)
    for name, value in weights(mine).items():
        torch.testing.assert_close(weights(theirs)[name], value, atol=2e-4, rtol=0)


def test_the_scales_of_inputs_are_those_of_the_source(ds, run):
    warm = ds.assign(air_temperature=ds["air_temperature"] + 20)
    tuned = run.finetune(warm, **SHORT)
    for name in ("dynamic_offset", "dynamic_scale", "static_offset", "static_scale"):
        xr.testing.assert_equal(tuned.scaling[name], run.scaling[name])
    at = {"dynamic": 1}
    assert tuned.scaling["dynamic_min"][at] == run.scaling["dynamic_min"][at]
    assert tuned.scaling["dynamic_max"][at] > run.scaling["dynamic_max"][at] + 10


def test_nothing_of_the_cells_left_out_is_learnt(ds, run):
    """One validation at the end: no choice of an epoch hangs on them."""
    settings = {"epochs": 1, "iterations": 3, "progress": False, "seed": 3, "valid": 0.2}
    first = run.finetune(ds, **settings)
    left = ~first.scaling["trained_cell"]
    assert int(left.sum()) == 3
    again = run.finetune(
        ds.assign(soil_moisture=ds["soil_moisture"].where(~left, 0.45 - ds["soil_moisture"])),
        **settings,
    )
    for name, value in weights(first).items():
        assert torch.equal(weights(again)[name], value), name
    xr.testing.assert_identical(again.scaling, first.scaling)
    assert not again.history.equals(first.history)  # they did validate


def test_nothing_after_the_data_that_are_given_is_learnt(ds, run):
    """The test part of the new data is perturbed: inputs and target."""
    days = ds["time"].values[120]
    after = ds["time"] > days
    other_end = ds.map(lambda a: a.where(~after, a * 1.5 + 0.01) if "time" in a.dims else a)
    first, again = (
        run.finetune(each.sel(time=slice(None, days)), **SHORT) for each in (ds, other_end)
    )
    for name, value in weights(first).items():
        assert torch.equal(weights(again)[name], value), name
    xr.testing.assert_identical(again.scaling, first.scaling)


def test_days_before_the_first_observation_give_their_weather(ds, run):
    """20 days of observations after a warm-up: the weather before them is enough."""
    late = ds.assign(soil_moisture=ds["soil_moisture"].where(ds["time"] > ds["time"][139]))
    tuned = run.finetune(late, **SHORT)
    assert "320 pairs" in tuned.card["target's line"]


def test_a_record_shorter_than_the_pieces_of_the_source_trains(ds, run):
    tuned = run.finetune(ds.isel(time=slice(0, 40)), **SHORT)
    assert tuned.recipe.sequence == 60
    with pytest.raises(NotEnoughDataError, match="the first 10 of a piece are not answered"):
        run.finetune(ds.isel(time=slice(0, 10)), **SHORT)


def test_few_cells_leave_out_the_end_of_the_record(ds, run):
    tuned = run.finetune(ds.isel(lat=[0], lon=[1]), valid=0.25, **SHORT)
    assert tuned.card["validation"] == "2019-05-01 to 2019-06-09"


def test_the_shorter_the_target_is_known_the_more_the_source_counts(ds, run):
    """160 days, and every second of them: 0.0001 of a year, steps as the share of a year."""
    half = ds.assign(soil_moisture=ds["soil_moisture"][::2])
    for data, days in ((ds, 160), (half.reindex_like(ds), 80)):
        tuned = run.finetune(data, **SHORT)
        assert tuned.parameters["anchor"] == pytest.approx(1e-4 * (365.25 / days) ** 2)
        rate = tuned.parameters["learning_rate"] / run.parameters["learning_rate"]
        assert rate == pytest.approx(days / 365.25)


def test_cells_left_out_validate_all_their_days(ds, run):
    """30 early days lie in the first piece alone, which overlaps the next."""
    early = ds.assign(soil_moisture=ds["soil_moisture"].where(ds["time"] < ds["time"][40]))
    tuned = run.finetune(early, valid=0.2, **SHORT)
    assert tuned.card["validation"] == "3 cells left out"
    assert np.isfinite(tuned.history["total"].sel(part="validation")).all()


def test_parts_stay_as_they_are(ds, run):
    before = weights(run)
    for freeze, moved in (
        ("recurrent", {"enter", "head"}),
        ("all but head", {"head"}),
        (["input", "head"], {"lstm"}),
    ):
        after = weights(run.finetune(ds, freeze=freeze, **SHORT))
        changed = {n.partition(".")[0] for n in before if not torch.equal(before[n], after[n])}
        assert changed == moved


def test_the_head_moves_first(ds, run):
    tuned = run.finetune(ds, head_first=2, **SHORT)
    before, after = weights(run), weights(tuned)
    changed = {n.partition(".")[0] for n in before if not torch.equal(before[n], after[n])}
    assert changed == {"head"}
    assert "the head alone in 2 epochs" in tuned.card["from the source"]


def test_an_anchor_holds_the_weights(ds, run):
    settings = {"epochs": 3, "iterations": 5, "progress": False}
    moved = {}
    for anchor in (0.0, 1.0):
        after = weights(run.finetune(ds, anchor=anchor, **settings))
        moved[anchor] = sum(float(((after[n] - w) ** 2).sum()) for n, w in weights(run).items())
    assert moved[1.0] < 0.3 * moved[0.0]


def test_members_go_on_from_their_own_weights(ds):
    first = source(ds, members=2, **RUN)
    tuned = first.finetune(ds, **STILL)
    pairs = zip(members_of(first.model), members_of(tuned.model), strict=True)
    for before, after in pairs:
        for name, value in before.state_dict().items():
            torch.testing.assert_close(after.state_dict()[name], value, atol=1e-6, rtol=0)


def test_the_lineage_is_kept_and_saved(ds, run, tmp_path):
    once = run.finetune(other(ds), **stated(ds), **SHORT)
    twice = once.finetune(other(ds), **stated(ds), **SHORT)
    twice.save(tmp_path / "model.physm")
    lineage = xsm.load(tmp_path / "model.physm").fingerprint["lineage"]
    assert [entry["target"] for entry in lineage] == ["soil_moisture", "satellite_soil_moisture"]
    assert [entry["token"] for entry in lineage] == [run.token, once.token]
    assert lineage[0]["data"]["sizes"] == {"time": 160, "lat": 4, "lon": 4}
    assert all(np.datetime64(entry["left"]) > np.datetime64("2026-01-01") for entry in lineage)
    assert twice.card["source"].startswith("lstm of satellite_soil_moisture, 2019-01-01")


def test_the_card_says_how_well_the_old_target_is_known(ds, run):
    both = other(ds).assign(soil_moisture=ds["soil_moisture"])
    tuned = run.finetune(both, cell_offset=False, **stated(ds), **STILL)
    before, after = tuned.card["r with soil_moisture"].split(", ")
    assert before.split()[0] == after.split()[0]


def test_a_run_goes_on_from_its_checkpoint(ds, run, tmp_path):
    settings = {"iterations": 3, "progress": False, "learning_rate": 1e-3, "head_first": 1}
    whole = run.finetune(ds, epochs=4, **settings, checkpoint=tmp_path / "whole")
    again = run.finetune(ds, epochs=4, **settings, checkpoint=tmp_path / "whole")
    for name, value in weights(whole).items():
        assert torch.equal(weights(again)[name], value)
    with pytest.raises(TrainingError, match="start"):
        run.finetune(ds, epochs=4, **settings, anchor=0.5, checkpoint=tmp_path / "whole")


@pytest.mark.filterwarnings("ignore:What is shown")
def test_an_account_of_water_goes_on_with_a_satellite():
    """The network knows soil moisture by layers; a satellite sees a line of the first."""
    ds = bucket_dataset(100, (3, 4))
    demand = (2.0 + 0.05 * (ds["air_temperature"] - 280)).clip(0.1).assign_attrs(units="mm day-1")
    ds = ds.assign(potential_evaporation=demand)
    first = source(ds, "water_budget", sequence=60, warmup=10)
    tuned = first.finetune(other(ds), **stated(ds), **SHORT)
    assert tuned.recipe.target == "satellite_soil_moisture"
    assert "target's line" not in tuned.card  # the account has a line of its own
    found = tuned.predict(other(ds), variables=SEEN)
    assert {"surface_sm", "groundwater_recharge", "runoff"} <= set(found)


def test_what_cannot_be_taken_elsewhere_is_refused(ds, run):
    by_cell = source(ds, scaling="cell")
    with pytest.raises(UnknownNameError, match='Train the source with scaling="global"'):
        by_cell.finetune(ds)
    trees = xsm.fit(ds, "random_forest", target="soil_moisture", n_estimators=2, progress=False)
    with pytest.raises(UnknownNameError, match="no weights that could go on learning"):
        trees.finetune(ds)
    with pytest.raises(TrainingError, match=r"no part 'lsm'.*It has \['enter', 'head', 'input'"):
        run.finetune(ds, freeze="lsm")
    with pytest.raises(TrainingError, match="leaves nothing to train"):
        run.finetune(ds, freeze=["head", "all but head"])
    with pytest.raises(TrainingError, match=r"anchor=-1 was given; a weight from 0"):
        run.finetune(ds, anchor=-1)
    with pytest.raises(NotEnoughDataError, match="a share of the cells from 0"):
        run.finetune(ds, valid=1.0)
    with pytest.raises(UnknownNameError, match="takes no truth"):
        run.finetune(ds, truth=ds["soil_moisture"])


def test_too_few_pairs_are_refused(ds, run):
    few = ds.assign(soil_moisture=ds["soil_moisture"].where(ds["time"] < ds["time"][6]))
    with pytest.raises(NotEnoughDataError, match="come with a prediction of the source"):
        run.finetune(few, **SHORT)


def test_an_input_that_is_needed_is_refused_by_name(ds, run):
    with pytest.raises(MissingVariableError, match=r"(?s)air_temperature: not.*input_dropout=0\.2"):
        run.finetune(ds.drop_vars("air_temperature"))


def test_a_source_that_says_nothing_is_told(ds, run):
    noise = np.random.default_rng(0).uniform(0.1, 0.4, ds["soil_moisture"].shape)
    with pytest.warns(UserWarning, match="The source tells little of 'soil_moisture'"):
        run.finetune(ds.assign(soil_moisture=ds["soil_moisture"].copy(data=noise)), **SHORT)


def test_another_target_than_the_source_has_is_told(ds, run):
    seen = ds.drop_vars("soil_moisture").assign(soil_moisture_am=ds["soil_moisture"])
    said = "predicts soil_moisture, which the data do not hold.* pass target='soil_moisture_am'"
    with pytest.warns(UserWarning, match=said):
        run.finetune(seen, **SHORT)


def test_layers_are_as_many_as_those_of_the_source(small_profile):
    whole = small_profile.isel(time=slice(0, 100))
    first = xsm.fit(whole, "cnn_lstm", channels=4, hidden_size=8, patch=1, **SHORT)
    tuned = first.finetune(whole, losses=[RMSE()], **SHORT)
    assert tuned.recipe.depths == first.recipe.depths
    assert tuned.scaling["target_scale"].sizes == {"depth": 5}
    with pytest.raises(NotEnoughDataError, match="The source predicts 5 layers"):
        first.finetune(whole.isel(depth=slice(0, 3)), losses=[RMSE()], **SHORT)
