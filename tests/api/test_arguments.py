"""Arguments of fit, predict and plan that make no sense are refused by name, before any work."""

import numpy as np
import pytest
import torch
import xarray as xr

import xsm
from xsm.exceptions import (
    GridError,
    MissingVariableError,
    TrainingError,
    UnitsError,
    UnknownNameError,
)
from xsm.losses import RMSE
from xsm.nn import Model, Sizes

QUICK = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False, "precision": "float32"}


@pytest.fixture(scope="module")
def world():
    return xsm.open_tutorial("land").isel(latitude=slice(0, 3), longitude=slice(18, 21)).load()


@pytest.mark.parametrize("name", ["epochs", "iterations", "batch_size", "validate_every"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "3", True])
def test_counts_are_whole_numbers_from_one(world, name, value):
    with pytest.raises(UnknownNameError, match=rf"^{name}=.* whole number of at least 1"):
        world.physm.fit("lstm", **QUICK | {name: value})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"patience": 0}, "patience=0"),
        ({"iterations": None}, "iterations=None"),
        ({"validate_every": None}, "validate_every=None"),
        (
            {"learning_rate": -1e-3},
            "learning_rate=-0.001 was given; a number above 0 is needed, such",
        ),
        ({"learning_rate": 0}, "learning_rate=0 "),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"learning_rate": "x"}, "learning_rate='x'"),
        ({"seed": None}, "seed=None .*whole number"),
        ({"seed": 1.5}, r"seed=1\.5"),
        ({"window": "7"}, "window='7'"),
        ({"window": 2.5}, r"window=2\.5"),
        ({"lead": 1.5}, r"lead=1\.5"),
        ({"known_forcing": "no"}, "known_forcing='no'"),
        ({"data_integration": "yes"}, "data_integration='yes'"),
        ({"memory_limit": None}, "memory_limit=None is no amount"),
        ({"memory_limit": float("inf")}, "memory_limit=inf is no amount"),
    ],
)
def test_what_is_no_number_is_named(world, given, said):
    with pytest.raises(UnknownNameError, match=said):
        world.physm.fit("lstm", **QUICK | given)


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint8])
def test_numbers_of_numpy_are_pythons(world, kind):
    fitted = world.physm.fit("lstm", **QUICK | {"seed": kind(3), "epochs": kind(1)}, window=kind(5))
    same = world.physm.fit("lstm", **QUICK | {"seed": 3}, window=5)
    assert all(
        torch.equal(v, same.model.state_dict()[k]) for k, v in fitted.model.state_dict().items()
    )
    assert type(fitted.parameters["seed"]) is type(fitted.recipe.window) is int


@pytest.mark.parametrize("patch", [0, 2, 4, -1])
@pytest.mark.parametrize("model", ["cnn_lstm", "ismoe"])
def test_a_square_needs_a_middle(world, model, patch):
    with pytest.raises(GridError, match=f"patch={patch} was given; an odd number"):
        world.physm.fit(model, patch=patch, epochs=1, iterations=1, progress=False)


@pytest.mark.parametrize("losses", [RMSE(), [RMSE], "rmse", [len], 3])
def test_losses_are_a_list_of_terms(world, losses):
    with pytest.raises(TrainingError, match=r"losses=.*a list of terms is needed, such as"):
        world.physm.fit("lstm", losses=losses, **QUICK)


@pytest.mark.parametrize("client", ["tcp://127.0.0.1:1", True])
def test_a_client_is_one(world, client):
    with pytest.raises(TrainingError, match=r"is no running client. Pass one: client = dist"):
        world.physm.fit("lstm", client=client, **QUICK)


def test_a_path_is_no_model_and_batches_hold_samples(world):
    for verb in (world.physm.predict, world.physm.plan):
        with pytest.raises(UnknownNameError, match=r"no fitted model.*xsm.load\('soil.xsm'\)"):
            verb("soil.xsm")
    fitted = world.physm.fit("lstm", **QUICK)
    for size in (0, -1, "a", 1.5):
        for data in (world, world.chunk()):
            with pytest.raises(UnknownNameError, match=r"batch_size=.* whole number of at least 1"):
                data.physm.predict(fitted, batch_size=size)


class Squeezed(Model):
    """Answers with other shapes than it is asked for."""

    losses, window = (RMSE(),), 5

    def __init__(self, sizes: Sizes, *, answer: str = "column") -> None:
        super().__init__(sizes)
        self.head, self.answer = torch.nn.Linear(sizes.dynamic, 2), answer

    def forward(self, batch):
        both = self.head(batch["dynamic"][:, -1])
        bare = both[:, :1]
        answers = {"column": {"mean": bare}, "row": {"mean": bare[:, 0]}, "two": {"mean": both}}
        return (answers | {"tensor": bare, "none": None, "other": {"soil": bare}})[self.answer]


@pytest.mark.parametrize("answer", ["row", "two", "tensor", "none", "other"])
def test_an_answer_of_another_shape_is_refused_and_not_broadcast(world, answer):
    quick = {"epochs": 1, "iterations": 2, "progress": False}
    assert world.physm.fit(Squeezed, **quick).name
    with pytest.raises(TrainingError, match=r"The model returned .*\(1, 1\) \(batch, target\)"):
        world.physm.fit(Squeezed, answer=answer, **quick)


def test_fit_leaves_the_global_random_state_alone(world):
    torch.manual_seed(0)
    wanted = torch.rand(1)
    torch.manual_seed(0)
    world.physm.fit("lstm", **QUICK)
    assert torch.equal(torch.rand(1), wanted)


@pytest.mark.parametrize("kind", ["f2", ">f4", ">f8", "g"])
def test_other_kinds_of_numbers_train_as_float(world, kind):
    def history(ds):
        return ds.physm.fit("lstm", **QUICK).history["total"].values

    other = world.swvl1.astype(kind).assign_attrs(world.swvl1.attrs)
    plain = other.astype("f4").assign_attrs(world.swvl1.attrs)
    found, wanted = (history(world.assign(swvl1=soil)) for soil in (other, plain))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_what_is_no_real_number_is_named(world):
    for kind in ("O", "U5", "c8"):
        soil = world.swvl1.astype(kind).assign_attrs(world.swvl1.attrs)
        with pytest.raises(UnitsError, match=r"'swvl1' holds .*real numbers are needed"):
            world.assign(swvl1=soil).physm.fit("lstm", **QUICK)


def test_another_layer_does_not_stand_in_for_the_one_that_was_trained(world):
    fitted = world.physm.fit("lstm", **QUICK)
    without = world.drop_vars("swvl1")
    found = without.physm.predict(fitted)
    assert "swvl1" in found
    assert "swvl2" not in found
    xr.testing.assert_equal(found["swvl1"], world.physm.predict(fitted)["swvl1"])
    integrated = world.physm.fit("lstm", data_integration=True, **QUICK)
    said = "trained on soil_moisture 0 to 7 cm deep, the data hold it 7 to 28 cm deep, as 'swvl2'"
    with pytest.raises(MissingVariableError, match=said):
        without.physm.predict(integrated)
    with pytest.raises(MissingVariableError, match=said):
        world.physm.fit("lstm", head="gaussian", **QUICK).calibrate(without)


def test_precision_is_no_extrapolation(world):
    """Humidity and wind are derived: in float64 they differ by rounding from those of float32."""
    fitted = world.physm.fit("lstm", **QUICK, valid=0.0)
    double = world.map(lambda a: a.astype("f8").assign_attrs(a.attrs))
    for ds in (world, double):
        assert int(ds.physm.predict(fitted).extrapolation.sum()) == 0
    warmer = (double.t2m + 60.0).assign_attrs(world.t2m.attrs | {"valid_max": 400.0})
    assert bool((double.assign(t2m=warmer).physm.predict(fitted).extrapolation == 1).all())


@pytest.mark.parametrize(
    "verb",
    ["variables", "fit", "water_balance", "daily", "soil_parameters", "texture_class"],
)
def test_verbs_need_a_data_set(world, verb):
    with pytest.raises(TypeError, match="ds is of the type DataArray; a Dataset is needed"):
        getattr(xsm, verb)(world["swvl1"])


@pytest.mark.parametrize("verb", ["score", "consistency"])
def test_scores_need_a_data_set(world, verb):
    with pytest.raises(TypeError, match="ds is of the type DataArray; a Dataset is needed"):
        getattr(xsm, verb)(world["swvl1"], world[["swvl1"]])


def test_a_faulty_top_layer_stops_only_who_asks_for_it(world):
    ds = world.assign(swvl1=world["swvl1"].drop_attrs())
    with pytest.raises(UnitsError, match=r"'swvl1' has no units.*target=\"swvl2\""):
        ds.physm.fit("lstm", **QUICK)
    assert ds.physm.fit("lstm", target="swvl2", **QUICK).recipe.target == "swvl2"
    chosen = ds.physm.fit("lstm", variables={"soil_moisture": "swvl2"}, **QUICK)
    assert "swvl2" in chosen.predict(ds)
