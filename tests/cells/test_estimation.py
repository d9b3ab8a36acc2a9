"""Estimators through the verbs: what the libraries give on the same windows, flattened by hand."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import xarray as xr
import xgboost
from sklearn.ensemble import RandomForestRegressor

import xsm
from tests.artefact.models import dataset
from tests.estimators.test_estimators import SMALL, Neighbours
from tests.worlds import bucket
from xsm.cells.estimation import Drawing, draw_windows
from xsm.cells.windows import Windows
from xsm.estimators import Estimator, Training
from xsm.exceptions import NotEnoughDataError, TrainingError, UnknownNameError
from xsm.nn import Sizes
from xsm.registry import list_models, model_class
from xsm.typing import Array, FloatArray

QUICK = {"window": 4, "progress": False}
FORMS = [
    {},
    {"scaling": "cell"},
    {"lead": 0},
    {"data_integration": True},
    {"data_integration": True, "known_forcing": True, "lead": 2},
]
NAMES = [name for name in list_models() if issubclass(model_class(name), Estimator)]


@pytest.fixture(scope="module")
def world() -> xr.Dataset:
    return dataset(bucket(steps=160))


@pytest.fixture
def holed(world) -> xr.Dataset:
    """Return a world with a gap in time, missing observations and a cell without data."""
    ds = world.copy(deep=True)
    ds["tp"][40, 0, 0] = np.nan
    ds["swvl1"][5:15, 1, 1] = np.nan
    ds["tp"][:, 2, 3] = np.nan
    ds["swvl1"][:, 2, 3] = np.nan
    return ds


def train(ds: xr.Dataset, name: str, **settings: object) -> xsm.FittedModel:
    return ds.physm.fit(name, **QUICK, **SMALL[name], **settings)


def by_hand(
    ds: xr.Dataset, fitted: xsm.FittedModel, times: slice
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return windows, targets and base of a period, one after the other; and (time, cell) of each.

    The statistics are those of the model; all else is cut by hand.
    """
    recipe, scaling = fitted.recipe, fitted.scaling
    part = ds.isel(time=times)
    at = lambda name: scaling[name].values  # noqa: E731
    rows, goals, bases, places = [], [], [], []
    names = {"precipitation": "tp", "air_temperature": "t2m"}
    moving = [
        ((part[names[role]] - scaling["dynamic_offset"].sel(dynamic=role, drop=True)) /
         scaling["dynamic_scale"].sel(dynamic=role, drop=True)).transpose("time", "lat", "lon")
        for role in recipe.dynamic
    ]  # fmt: skip
    moving = [a.sel(lat=part["lat"], lon=part["lon"]).values for a in moving]
    soil = ((part["swvl1"] - scaling["target_offset"]) / scaling["target_scale"]).values
    hill = (part["elevation"].values - at("static_offset")[0]) / at("static_scale")[0]
    mean = np.broadcast_to(at("target_mean"), hill.shape)
    for v in range(recipe.window - 1 + recipe.lead, part.sizes["time"]):
        end = v - recipe.lead
        ahead = v if recipe.known_forcing else end
        for i, j in np.ndindex(hill.shape):
            steps = slice(ahead - recipe.window + 1, ahead + 1)
            channels = [a[steps, i, j] for a in moving]
            base = 0.0
            if recipe.data_integration:
                seen = soil[end - recipe.window + 1 : end + 1, i, j]
                known = np.isfinite(seen)
                channels += [np.where(known, seen, 0), known]
                base = seen[known][-1] if known.any() else mean[i, j]
            window = np.stack(channels, -1).astype(np.float32).ravel()
            if np.isfinite(window).all() and np.isfinite(soil[v, i, j]):
                rows.append([*window, np.float32(hill[i, j])])
                goals.append(np.float32(soil[v, i, j]) - np.float32(base))
                bases.append(base)
                places.append((v, i, j))
    found = (np.array(a, np.float32) for a in (rows, goals, bases))
    return (*found, np.array(places))


def compare(
    fitted: xsm.FittedModel, ds: xr.Dataset, values: FloatArray, base: FloatArray, places: Array
) -> None:
    """Compare a prediction with values of windows, and check that it has no others."""
    found = fitted.predict(ds)["swvl1"]
    assert found.notnull().any()
    spread = lambda n: xr.broadcast(fitted.scaling[n], ds["elevation"])[0].values  # noqa: E731
    v, i, j = places.T
    at = found.reindex(time=ds["time"]).values[v, i, j]
    scale, offset = (spread(f"target_{n}")[i, j] for n in ("scale", "offset"))
    np.testing.assert_allclose(at, (values + base) * scale + offset, atol=2e-6)


@pytest.mark.parametrize("form", FORMS)
def test_the_forest_is_that_of_scikit_learn(holed, form):
    fitted = holed.physm.fit("random_forest", n_estimators=12, seed=5, **QUICK, **form)
    inputs, goal, _, _ = by_hand(holed, fitted, slice(0, 120))
    direct = RandomForestRegressor(12, max_features=1 / 3, min_samples_leaf=5, random_state=5)
    direct.fit(inputs, goal)
    later, _, base, places = by_hand(holed, fitted, slice(None))
    compare(fitted, holed, direct.predict(later), base, places)
    error = direct.predict(inputs) - goal
    logged = fitted.history["rmse"].sel(part="training", epoch=12)
    assert float(logged) == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_the_boosted_trees_are_those_of_xgboost(holed, form):
    fitted = holed.physm.fit(
        "xgboost", n_estimators=300, learning_rate=0.3, patience=7, **QUICK, **form
    )
    inputs, goal, _, _ = by_hand(holed, fitted, slice(0, 120))
    train = xgboost.QuantileDMatrix(inputs, label=goal)
    after = by_hand(holed, fitted, slice(120, None))
    valid = xgboost.QuantileDMatrix(after[0], label=after[1], ref=train)
    log: dict[str, dict[str, list[float]]] = {}
    direct = xgboost.train(
        {"learning_rate": 0.3, "max_depth": 6, "tree_method": "hist"},
        train,
        300,
        evals=[(train, "training"), (valid, "validation")],
        early_stopping_rounds=7,
        evals_result=log,
        verbose_eval=False,
    )
    best = direct.best_iteration + 1
    later, _, base, places = by_hand(holed, fitted, slice(None))
    values = direct.predict(xgboost.DMatrix(later), iteration_range=(0, best))
    compare(fitted, holed, values, base, places)
    assert fitted.history.attrs["best_epoch"] == best
    assert fitted.history.sizes["epoch"] == best + 7
    for part, own in log.items():
        np.testing.assert_allclose(fitted.history["rmse"].sel(part=part), own["rmse"], rtol=1e-6)
    assert f"{best} of {best + 7} (training" in fitted.card["rounds"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", FORMS)
def test_lazy_equals_eager_and_nothing_computes(holed, no_compute, name, form):
    fitted = train(holed, name, **form)
    eager = holed.physm.predict(fitted)
    for chunks in ({"time": 7, "lat": 1, "lon": 3}, {"time": -1, "lat": 2, "lon": 1}):
        with no_compute():
            lazy = holed.chunk(chunks).physm.predict(fitted, batch_size=50)
        for scheduler in ("synchronous", "threads"):
            with dask.config.set(scheduler=scheduler):
                xr.testing.assert_identical(lazy.compute(), eager)


@pytest.mark.usefixtures("forks")
def test_processes_are_sent_what_was_learnt(world):
    fitted = train(world, "random_forest")
    lazy = world.chunk(lat=2).physm.predict(fitted)
    with dask.config.set(scheduler="processes", num_workers=1):
        xr.testing.assert_identical(lazy.compute(), world.physm.predict(fitted))


@pytest.mark.parametrize("name", NAMES)
def test_all_verbs(world, name):
    fitted = train(world, name)
    forecast = world.physm.predict(fitted)
    assert forecast.attrs["model"] == name
    assert forecast["swvl1"].attrs["units"] == "m3 m-3"
    with pytest.warns(UserWarning, match="No climatology was scored"):
        table = world.physm.score(forecast)
    assert float(table["r2"].sel(source="model").median()) > 0.3
    audit = world.physm.consistency(forecast, terms=["precipitation"], trend="level")
    assert (audit["count"] > 0).all()
    assert world.chunk(lat=1).physm.plan(fitted).blocks == 3
    assert world.physm.fitted is fitted
    array = world["swvl1"]
    again = array.physm.fit(name, forcing=world.drop_vars("swvl1"), **QUICK, **SMALL[name])
    assert again.token == fitted.token
    text = repr(fitted)
    for part in (
        f"'{name}'",
        "windows of 9 features",
        "squared error",
        "versions",
        "precipitation",
    ):
        assert part in text
    assert "best epoch" not in text
    assert name in fitted._repr_html_()
    assert set(fitted.history.data_vars) == {"total", "rmse"}


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_model(world, name):
    more = {"subsample": 0.7} if name == "xgboost" else {}
    one, same = train(world, name, seed=3, **more), train(world, name, seed=3, **more)
    other = train(world, name, seed=4, **more)
    assert one.token == same.token
    assert one.token != other.token


def test_the_forest_does_not_depend_on_threads(world):
    with xsm.set_options(threads=1):
        one = train(world, "random_forest")
    with xsm.set_options(threads=3):
        three = train(world, "random_forest")
    for name, values in one.model.arrays.items():
        np.testing.assert_array_equal(values, three.model.arrays[name])


@pytest.mark.parametrize("name", NAMES)
def test_lazy_data_train_to_the_same_model(world, name):
    lazy = train(world.chunk(time=50, lat=1), name)
    for key, values in train(world, name).model.arrays.items():
        np.testing.assert_array_equal(lazy.model.arrays[key], values)


@pytest.mark.parametrize("name", NAMES)
def test_without_validation(world, name):
    fitted = train(world, name, valid=0.0)
    assert fitted.history["rmse"].sel(part="validation").isnull().all()
    assert fitted.history.attrs["best_epoch"] == SMALL[name]["n_estimators"]
    assert "validate" not in fitted.card["training"]


def test_schedules_are_hyperparameters_where_there_are_such(world):
    fitted = world.physm.fit("xgboost", learning_rate=1.0, patience=1, n_estimators=50, **QUICK)
    assert fitted.parameters["learning_rate"] == 1.0
    assert fitted.parameters["patience"] == 1
    epochs = fitted.history["epoch"].values
    assert epochs[-1] == fitted.history.attrs["best_epoch"] + 1
    with pytest.raises(UnknownNameError, match="RandomForest has no hyper-parameter 'learning_rat"):
        world.physm.fit("random_forest", learning_rate=0.1)
    with pytest.raises(UnknownNameError, match="XGBoost has no hyper-parameter 'epochs'"):
        world.physm.fit("xgboost", epochs=3)
    with pytest.raises(UnknownNameError, match=r"losses=\[\], checkpoint='a', device='cuda' was"):
        world.physm.fit("xgboost", losses=[], checkpoint="a", device="cuda")
    with pytest.raises(UnknownNameError, match="device='cuda' was given, which is for networks"):
        world.physm.predict(fitted, device="cuda")
    xr.testing.assert_identical(
        world.physm.predict(fitted, device="cpu"), world.physm.predict(fitted)
    )


@pytest.mark.parametrize("name", NAMES)
def test_what_was_not_seen_in_training_is_marked(world, name):
    fitted = train(world, name)
    wet = world.copy(deep=True)
    wet["tp"][20, 1, 2] = 1e4
    found = wet.physm.predict(fitted)["extrapolation"]
    assert found.isel(lat=1, lon=2, time=slice(17, 21)).all()
    assert not found.isel(lat=1, lon=1, time=slice(17, 21)).any()


def test_a_class_of_the_users_own(world, tmp_path):
    fitted = world.physm.fit(Neighbours, count=5, **QUICK)
    assert fitted.name == "Neighbours"
    assert fitted.parameters["count"] == 5
    inputs, goal, _, _ = by_hand(world, fitted, slice(0, 120))
    later, _, base, places = by_hand(world, fitted, slice(None))
    away = ((later[:, None] - inputs) ** 2).sum(-1)
    nearest = np.argsort(away, axis=1, kind="stable")[:, :5]
    compare(fitted, world, goal[nearest].mean(1), base, places)
    assert fitted.history.sizes["epoch"] == 1
    assert fitted.card["fit"].startswith("1 of 1 (training 0.")
    error = goal[nearest[: len(goal)]].mean(1) - goal  # the first windows are those of training
    logged = float(fitted.history["rmse"].sel(part="training", epoch=1))
    assert logged == pytest.approx(float(np.sqrt(np.mean(error**2))), rel=1e-3)


def test_what_a_class_returns_has_to_be_arrays(world):
    class Broken(Neighbours):
        """Returns something else."""

        learnt: object = None

        def fit_arrays(self, inputs: FloatArray, target: FloatArray, training: Training) -> object:
            """Return what is set."""
            return self.learnt

    for learnt in (None, [1], {1: np.zeros(2)}, {"a": object()}):
        Broken.learnt = learnt
        with pytest.raises(TrainingError, match=r"Broken.fit_arrays returned .*arrays of numbers"):
            world.physm.fit(Broken, **QUICK)

    class Lost(Neighbours):
        """Predicts nothing."""

        def predict_arrays(self, inputs: FloatArray) -> FloatArray:
            """Return NaN."""
            return np.full((len(inputs), 1), np.nan, np.float32)

    with pytest.raises(TrainingError, match="RMSE of Lost on its training windows is not finite"):
        world.physm.fit(Lost, **QUICK)


def blocks(*sizes: int) -> list[Windows]:
    """Return windows of one step, whose input is their number over all blocks."""
    found, first = [], 0
    for size in sizes:
        series = np.arange(first, first + size, dtype=np.float64).reshape(size, 1)
        first += size
        cells = {"target_offset": np.zeros(1), "target_scale": np.ones(1)}
        given = series[..., None], np.zeros((1, 0)), {"target": -series}, cells
        found.append(Windows(*given, window=1, lead=0, forcing=1))
    return found


def draw(sizes: tuple[int, ...], most: int, seed: int = 0) -> Drawing:
    return draw_windows([lambda w=w: w for w in blocks(*sizes)], most, Sizes(1, 0, 1), seed)


def test_all_windows_in_their_order_where_they_fit():
    drawn = draw((4, 0, 3), 9)
    np.testing.assert_array_equal(drawn.inputs[:, 0], np.arange(7))
    assert drawn.describe("windows") == "7 windows"


def test_a_subset_is_drawn_evenly_and_without_repetition():
    counts = np.zeros(60)
    for seed in range(400):
        drawn = draw((10, 35, 15), 12, seed)
        numbers = drawn.inputs[:, 0].astype(int)
        assert len(set(numbers)) == 12
        np.testing.assert_array_equal(drawn.target[:, 0], -drawn.inputs[:, 0])
        counts[numbers] += 1
    # binomial(400, 0.2): mean 80, standard deviation 8
    assert abs(counts - 80).max() < 5 * 8
    assert abs(counts[:10].mean() - 80) < 3 * 8 / np.sqrt(10)
    assert abs(counts[45:].mean() - 80) < 3 * 8 / np.sqrt(15)
    np.testing.assert_array_equal(draw((10, 35, 15), 12).inputs, draw((10, 35, 15), 12).inputs)
    assert drawn.describe("windows") == "12 windows, drawn from 60 to fit memory_limit"


def test_no_window_at_all():
    with pytest.raises(NotEnoughDataError, match="Not one whole window in 2 blocks of the data"):
        draw((0, 0), 5)


@pytest.mark.parametrize("name", NAMES)
def test_more_windows_than_fit_the_memory_are_sampled(name):
    ds = dataset(bucket(steps=300, shape=(30, 40)))
    few = {"random_forest": {"n_estimators": 4, "max_depth": 6}, "xgboost": {"n_estimators": 5}}
    settings = {**QUICK, **few[name], "window": 12, "memory_limit": "16 MiB"}
    lazy = ds.chunk(time=100, lat=10, lon=10)
    fitted = lazy.physm.fit(name, **settings)
    # (225 - 12) times 1200 windows train
    said = fitted.card["training"]
    assert " windows of 25 features, drawn from 255,600 to fit memory_limit; " in said
    drawn = int(said.partition(", ")[2].partition(" windows")[0].replace(",", ""))
    assert 5_000 < drawn < 40_000
    assert drawn * fitted.model.sample_bytes() <= 3 * 2**24 // 8
    again = lazy.physm.fit(name, **settings)
    assert again.token == fitted.token


def test_nothing_to_learn_from(world):
    gaps = world.assign(
        tp=world["tp"].where(world["time"].dt.day % 3 > 0).assign_attrs(units="mm day-1")
    )
    with pytest.raises(NotEnoughDataError, match="Not one whole sample"):
        gaps.physm.fit("random_forest", **QUICK)


def test_the_card_names_the_versions(world):
    assert xgboost.__version__ in train(world, "xgboost").card["versions"]


def test_models_of_another_xgboost_are_refused(world, monkeypatch):
    from xsm.models import xgboost as module

    honest = module.read_boosted

    def other(content: bytes, *, features: int) -> object:
        found = honest(content, features=features)
        return type(found)(found.trees, found.output, found.base + np.float32(0.1))

    monkeypatch.setattr(module, "read_boosted", other)
    with pytest.raises(TrainingError, match=r"Models of xgboost .* differ by up to 0\.1\. Install"):
        train(world, "xgboost")
