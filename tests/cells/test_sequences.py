"""What a sequence learns, and what it refuses."""

from __future__ import annotations

import pytest
import torch
import xarray as xr

import xsm
from tests.worlds import bucket_dataset
from xsm.artefact.records import build_record
from xsm.exceptions import NotEnoughDataError, UnknownNameError
from xsm.losses import RMSE, Absence, WaterBalance
from xsm.nn import Model, PointLSTM, Sizes
from xsm.registry import model_class
from xsm.training.recipe import Recipe

QUICK = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}
RAIN = ("precipitation",)


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    return bucket_dataset(400)


def rmse(fitted: xsm.FittedModel, ds: xr.Dataset) -> float:
    """Return the error in the last two months, of which nothing trained."""
    later = fitted.predict(ds)["soil_moisture"].sel(time=slice("2019-12-01", None))
    return float(((later - ds["soil_moisture"]) ** 2).mean() ** 0.5)


def test_a_state_remembers_what_a_window_cannot_see(world) -> None:
    earlier = world.sel(time=slice(None, "2019-11-30"))
    own = {"hidden_size": 16, "dropout": 0.0, "known_forcing": True, "learning_rate": 2e-2}
    own |= {"iterations": 40, "epochs": 8, "validate_every": 1, "decay": "cosine"}
    own |= {"progress": False, "precision": "float32"}
    runs = xsm.fit(earlier, "lstm", sequence=60, warmup=20, batch_size=16, **own)
    cuts = xsm.fit(earlier, "lstm", window=4, batch_size=16 * 15, scaling="global", **own)
    assert rmse(runs, world) < 0.5 * rmse(cuts, world)  # a tenth leaks a day: 4 days hold a third


MODELS = ("lstm", "phy_lstm", "phys_lstm", "cnn_lstm", "ismoe", "mean_expert")


@pytest.mark.parametrize("name", MODELS)
def test_each_of_the_recurrent_models_trains(name, world) -> None:
    losses = None
    if name.startswith("phy"):
        losses = [RMSE(0.5), WaterBalance(0.5, terms=RAIN)]
    own = QUICK | {"lead": 1, "batch_size": 4}
    fitted = xsm.fit(world, name, sequence=90, losses=losses, data_integration=True, **own)
    assert "sequence" in repr(fitted)
    assert fitted.recipe.scaling == "global"
    assert fitted.recipe.logs == RAIN
    assert fitted.recipe.warmup == 30
    assert float(fitted.history.isnull().to_array().sum()) == 0


@pytest.mark.parametrize("name", MODELS)
def test_its_schedule_is_that_of_pieces(name, world) -> None:
    short = {"epochs": 1, "hidden_size": 4, "progress": False, "batch_size": 2, "iterations": 1}
    losses = [RMSE(), Absence()] if name == "ismoe" else [RMSE()]
    fitted = xsm.fit(world, name, sequence=90, losses=losses, **short)
    usual = model_class(name).sequence_schedule
    assert fitted.parameters["decay"] == usual.decay == "cosine"
    assert fitted.parameters["patience"] == usual.patience < usual.epochs


def test_a_free_run_needs_no_observation_of_the_day_before(world) -> None:
    few = world.assign(soil_moisture=world["soil_moisture"].where(world["time"].dt.day % 3 == 0))
    terms = {p: WaterBalance(0.5, terms=RAIN, previous=p) for p in ("observed", "predicted")}
    both = [RMSE(0.5), *terms.values()]
    fitted = xsm.fit(few, "lstm", sequence=60, losses=both, **QUICK)
    assert {"water_balance", "water_balance_2"} <= set(fitted.history)
    windows = xsm.fit(few, "lstm", losses=[RMSE(0.5), terms["predicted"]], **QUICK)
    assert float(windows.history.isnull().to_array().sum()) == 0


def test_the_logarithm_is_an_option(world) -> None:
    fitted = xsm.fit(world, "lstm", sequence=90, log_precipitation=False, **QUICK)
    assert fitted.recipe.logs == ()
    assert float(fitted.scaling["dynamic_max"][0]) > 20
    with pytest.raises(UnknownNameError, match="log_precipitation"):
        xsm.fit(world, "lstm", log_precipitation=True, **QUICK)


def test_a_run_that_was_killed_ends_with_the_same_weights(world, tmp_path) -> None:
    own = {**QUICK, "sequence": 60, "data_integration": True, "precision": "float32"}
    own |= {"decay": "none"}  # a cosine is one of so many epochs
    straight = xsm.fit(world, "lstm", **(own | {"epochs": 3}))
    xsm.fit(world, "lstm", checkpoint=tmp_path / "run", **(own | {"epochs": 2}))
    again = xsm.fit(world, "lstm", checkpoint=tmp_path / "run", **(own | {"epochs": 3}))
    pairs = zip(
        straight.model.state_dict().values(), again.model.state_dict().values(), strict=True
    )
    assert all(torch.equal(a, b) for a, b in pairs)


REFUSED = {
    "has no window": ("lstm", {"window": 7}),
    "a state must mean the same": ("lstm", {"scaling": "cell"}),
    "no step of a piece would be answered": ("lstm", {"warmup": 90}),
    "without data_integration=True": ("lstm", {"latency": (1, 3)}),
    "two numbers are needed": ("lstm", {"latency": 3, "data_integration": True}),
    "at least the first and the lead": (
        "lstm",
        {"latency": (1, 3), "lead": 5, "data_integration": True},
    ),
    "a piece takes sequence=": ("lstm", {"sequence": 390}),
    "sequence": ("random_forest", {}),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_it_cannot_do_is_refused(said, world) -> None:
    name, options = REFUSED[said]
    quick = {"progress": False} if name == "random_forest" else QUICK
    with pytest.raises((UnknownNameError, NotEnoughDataError), match=said):
        xsm.fit(world, name, **({"sequence": 90} | quick | options))


def test_a_network_without_a_state_is_refused(world) -> None:
    class Mean(Model):
        losses = (RMSE(),)

        def forward(self, batch):
            return {"mean": batch["dynamic"].mean(dim=(1, 2)).unsqueeze(1)}

    with pytest.raises(UnknownNameError, match="carries no state"):
        xsm.fit(world, Mean, sequence=90, **(QUICK | {"hidden_size": 4}))


@pytest.mark.parametrize("options", [{"warmup": 10}, {"latency": (1, 3)}])
def test_what_only_a_sequence_knows_is_refused_alone(options, world) -> None:
    with pytest.raises(UnknownNameError, match="was given without sequence="):
        xsm.fit(world, "lstm", **QUICK, **options)


def test_a_forward_of_its_own_needs_a_carry_of_its_own(world) -> None:
    class Other(PointLSTM):
        losses = (RMSE(),)

        def forward(self, batch):
            return {"mean": 0.0 * super().forward(batch)["mean"]}

    with pytest.raises(UnknownNameError, match="define carry"):
        xsm.fit(world, Other, sequence=90, **QUICK)

    class Own(PointLSTM):
        losses = (RMSE(),)

    assert xsm.fit(world, Own, sequence=90, **QUICK).recipe.sequence == 90


def test_facts_of_older_artefacts_are_of_windows() -> None:
    facts = {"target": "soil_moisture", "dynamic": RAIN, "static": (), "window": 7, "lead": 1}
    old = build_record(Recipe, facts | {"scaling": "cell"})
    assert (old.sequence, old.logs, old.ahead) == (0, (), 1)
    assert not build_record(Sizes, {"dynamic": 3, "static": 2, "window": 7}).sequence


@pytest.mark.parametrize("clip", [-1.0, float("nan"), "long"])
def test_gradients_are_cut_at_a_number(clip, world) -> None:
    with pytest.raises(UnknownNameError, match="a number from 0 is needed"):
        xsm.fit(world, "lstm", sequence=90, clip=clip, **QUICK)


def test_defaults_of_a_sequence_are_kept_with_the_model(world) -> None:
    runs = xsm.fit(world, "lstm", sequence=90, **QUICK)
    cuts = xsm.fit(world, "lstm", **QUICK)
    own = xsm.fit(world, "lstm", sequence=90, dropout=0.1, **QUICK)
    assert [f.parameters["dropout"] for f in (runs, cuts, own)] == [0.3, 0.15, 0.1]
    assert [f.parameters["clip"] for f in (runs, cuts)] == [1.0, 0.0]
