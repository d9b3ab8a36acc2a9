"""What is saved comes back: weights, statistics, text, stacked cells; and other tools read it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
import zarr
from hypothesis import given
from hypothesis import strategies as st

import xsm
from tests.artefact.models import Echo, assert_same, dataset, parts, untrained
from tests.worlds import bucket
from xsm.artefact import dataset_of, group_of, plain, restore
from xsm.cells.features import Features
from xsm.cells.scaling import fit_scaling
from xsm.exceptions import ArtefactError, GridError, MissingVariableError, UnitsError
from xsm.models.phy_lstm import PhyLSTM
from xsm.nn import Sizes


@pytest.fixture(scope="module")
def trained() -> xsm.FittedModel:
    ds = xsm.open_tutorial("land").isel(latitude=slice(3, 7), longitude=slice(20, 24))
    settings = {"epochs": 1, "iterations": 3, "hidden_size": 4, "progress": False}
    return ds.physm.fit("phy_lstm", data_integration=True, **settings)


@pytest.fixture
def land() -> xr.Dataset:
    return xsm.open_tutorial("land").isel(latitude=slice(3, 7), longitude=slice(20, 24))


def test_a_trained_model_predicts_the_same_bits(trained, land, tmp_path):
    trained.save(tmp_path / "model.xsm")
    again = xsm.load(tmp_path / "model.xsm")
    assert_same(trained, again)
    assert again.token == trained.token
    xr.testing.assert_identical(again.predict(land), trained.predict(land))
    lazy = land.chunk(time=90, latitude=2)
    xr.testing.assert_identical(again.predict(lazy).compute(), trained.predict(lazy).compute())
    xr.testing.assert_identical(again.score(land), trained.score(land))
    assert repr(again) == repr(trained)


def test_the_fingerprint_tells_data_apart_but_not_chunks(trained, land):
    settings = {"epochs": 1, "iterations": 1, "hidden_size": 2, "progress": False}
    same = land.chunk(time=100).physm.fit("lstm", **settings).fingerprint
    other = land.isel(time=slice(1, None)).physm.fit("lstm", **settings).fingerprint
    assert same == trained.fingerprint
    assert same["variables"]["precipitation"] == {"name": "tp", "units": land["tp"].attrs["units"]}
    assert other["coordinates"]["time"] != same["coordinates"]["time"]
    assert other["coordinates"]["latitude"] == same["coordinates"]["latitude"]


def test_loading_leaves_the_random_state_and_the_mode_alone(tmp_path):
    untrained().save(tmp_path / "a")
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    again = xsm.load(tmp_path / "a")
    assert torch.equal(torch.rand(3), expected)
    assert not again.model.training


def test_a_saved_copy_of_a_loaded_model_is_the_same_file(tmp_path):
    untrained().save(tmp_path / "a")
    xsm.load(tmp_path / "a").save(tmp_path / "b")
    for file in (p for p in (tmp_path / "a").rglob("*") if p.is_file()):
        assert file.read_bytes() == (tmp_path / "b" / file.relative_to(tmp_path / "a")).read_bytes()


def test_without_a_climatology_and_with_further_statistics(tmp_path):
    given = parts(climatology=None)
    given["scaling"] = given["scaling"].assign(
        dynamic_low=("dynamic", [0.0, -np.inf]), day=np.datetime64("2020-02-29"), count=np.int8(3)
    )
    fitted = xsm.FittedModel(**given)
    fitted.save(tmp_path / "a")
    assert_same(fitted, xsm.load(tmp_path / "a"))


def test_stacked_cells_keep_their_labels_and_are_aligned(tmp_path):
    features = bucket(steps=60)
    ds = dataset(features)
    flat = ds.stack(cell=("lat", "lon")).isel(cell=slice(None, -2))
    keep = lambda a: a.stack(cell=("lat", "lon")).isel(cell=slice(None, -2))  # noqa: E731
    stacked = Features(
        {k: keep(v) for k, v in features.dynamic.items()},
        {k: keep(v) for k, v in features.static.items()},
        keep(features.observed),
        {},
        "time",
        ("cell",),
    )
    fitted = untrained(stacked)
    fitted.save(tmp_path / "a")
    again = xsm.load(tmp_path / "a")
    assert_same(fitted, again)
    assert isinstance(again.scaling.indexes["cell"], pd.MultiIndex)
    part = flat.isel(cell=[5, 2, 7])
    xr.testing.assert_identical(again.predict(part), fitted.predict(part))
    assert np.isfinite(again.predict(part)["swvl1"]).all()


@pytest.mark.parametrize("labels", [["a", "bb", "Ω"], np.array(["a", "b", "c"], dtype=object)])
def test_cells_may_be_labelled_by_text(tmp_path, labels):
    given = parts()
    cells = given["scaling"].isel(lon=0, drop=True).assign_coords(lat=labels)
    fitted = xsm.FittedModel(**given | {"scaling": cells, "climatology": None})
    fitted.save(tmp_path / "a")
    assert_same(fitted, xsm.load(tmp_path / "a"))


def test_the_dtype_of_weights_is_kept_bfloat16_too(tmp_path):
    fitted = untrained()
    fitted.model.head.to(torch.bfloat16)
    fitted.model.lstm.double()
    fitted.save(tmp_path / "a")
    again = xsm.load(tmp_path / "a")
    assert_same(fitted, again)
    assert again.model.head.weight.dtype == torch.bfloat16
    assert again.model.lstm.weight_hh_l0.dtype == torch.float64


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_what_was_trained_on_a_gpu_is_loaded_on_the_cpu(tmp_path):
    fitted = untrained()
    fitted.model.cuda()
    fitted.save(tmp_path / "a")
    again = xsm.load(tmp_path / "a")
    assert {weight.device.type for weight in again.model.state_dict().values()} == {"cpu"}
    fitted.model.cpu()
    assert_same(fitted, again)


def test_a_class_of_the_users_own_is_passed(tmp_path):
    torch.manual_seed(0)
    model = Echo(Sizes(2, 1, 4), depth=2, shape=(3,))
    fitted = untrained(name="Echo", model=model, parameters={"depth": 2, "shape": (3,)})
    path = tmp_path / "a"
    fitted.save(path)
    again = xsm.load(path, model=Echo)
    assert_same(fitted, again)
    with pytest.raises(ArtefactError, match=r"'Echo', which is none of .* model=Echo\)"):
        xsm.load(path)
    with pytest.raises(ArtefactError, match=r"model=PhyLSTM was given, but .* 'Echo'. Pass that"):
        xsm.load(path, model="phy_lstm")
    with pytest.raises(TypeError, match="neither a name nor a class"):
        xsm.load(path, model=model)


def test_a_model_of_the_registry_is_not_taken_for_another(tmp_path):
    untrained().save(tmp_path / "a")
    assert xsm.load(tmp_path / "a", model="lstm").name == "lstm"
    with pytest.raises(ArtefactError, match=r"model=PhyLSTM was given.*'lstm'. Leave model= out"):
        xsm.load(tmp_path / "a", model=PhyLSTM)


def test_a_class_that_changed_since_is_refused(tmp_path):
    class Narrow(Echo):
        def __init__(self, sizes: Sizes, *, depth: int = 1) -> None:
            super().__init__(sizes, depth=depth + 1)

    Narrow.__name__ = "Echo"
    fitted = untrained(name="Echo", model=Echo(Sizes(2, 1, 4)), parameters={})
    fitted.save(tmp_path / "a")
    with pytest.raises(ArtefactError, match=r"hyper-parameters \['shape'\], which it does not"):
        xsm.load(tmp_path / "a", model=Narrow)

    class Deep(Echo):
        def __init__(self, sizes: Sizes, *, depth: int = 1, shape: object = None) -> None:
            super().__init__(sizes, depth=depth + 1)

    Deep.__name__ = "Echo"
    with pytest.raises(ArtefactError, match=r"does not fit its hyper-parameters: Echo has layers"):
        xsm.load(tmp_path / "a", model=Deep)


def test_what_only_a_pickle_could_hold_is_refused_before_anything_is_written(tmp_path):
    weird = untrained(
        name="Echo", model=Echo(Sizes(2, 1, 4)), parameters={"shape": dt.timedelta(1)}
    )
    with pytest.raises(ArtefactError, match=r"hyper-parameter shape holds .* only a pickle could"):
        weird.save(tmp_path / "a")
    given = parts()
    objects = given["scaling"].assign_coords(crs=xr.DataArray(np.array({"a": 1}, dtype=object)))
    with pytest.raises(ArtefactError, match=r"scaling/crs holds objects such as {'a': 1} \(dict\)"):
        xsm.FittedModel(**given | {"scaling": objects}).save(tmp_path / "a")
    long = given["scaling"].assign(wide=np.longdouble(1))
    with pytest.raises(ArtefactError, match=r"Arrays of dtype .* cannot be stored without pickle"):
        xsm.FittedModel(**given | {"scaling": long}).save(tmp_path / "a")
    with pytest.raises(ArtefactError, match="holds a variable named 3; artefacts need names"):
        xsm.FittedModel(**given | {"scaling": given["scaling"].assign({3: 1.0})}).save(
            tmp_path / "a"
        )
    assert list(tmp_path.iterdir()) == []


def test_a_state_that_is_no_plain_tensor_is_refused(tmp_path):
    fitted = untrained(name="Echo", model=Echo(Sizes(2, 1, 4)), parameters={})
    fitted.model.flags = torch.zeros(2).to(torch.float8_e5m2)
    with pytest.raises(ArtefactError, match=r"'flags' is torch.float8_e5m2, which cannot be"):
        fitted.save(tmp_path / "a")
    fitted.model.flags = torch.eye(2).to_sparse()
    with pytest.raises(ArtefactError, match=r"'flags' .* which is no plain tensor"):
        fitted.save(tmp_path / "a")


def test_a_class_whose_constructor_looks_at_values_is_built_for_real(tmp_path):
    class Looking(Echo):
        def __init__(self, sizes: Sizes) -> None:
            super().__init__(sizes, depth=int(torch.ones(1).item()))

    fitted = untrained(name="Looking", model=Looking(Sizes(2, 1, 4)), parameters={})
    fitted.save(tmp_path / "a")
    assert_same(fitted, xsm.load(tmp_path / "a", model=Looking))


def test_a_model_that_its_parameters_do_not_describe_is_refused_at_once(tmp_path):
    with pytest.raises(ArtefactError, match="model to be saved does not fit its hyper-parameters"):
        untrained(parameters={"hidden_size": 5}).save(tmp_path / "a")
    with pytest.raises(ArtefactError, match="LSTM cannot be built from its hyper-parameters: Typ"):
        untrained(parameters={"hidden_size": "wide"}).save(tmp_path / "a")


def test_attributes_that_json_does_not_know_become_text_with_a_warning(tmp_path):
    fitted = untrained(attrs={"units": "%", "made": dt.date(2020, 1, 2)})
    with pytest.warns(UserWarning, match=r"attrs holds datetime.date.* stored as text"):
        fitted.save(tmp_path / "a")
    assert xsm.load(tmp_path / "a").attrs["made"] == "2020-01-02"


def test_data_that_do_not_match_are_named_by_predict(tmp_path):
    features = bucket(steps=60)
    ds = dataset(features)
    fitted = untrained(features)
    fitted.save(tmp_path / "a")
    again = xsm.load(tmp_path / "a")
    xr.testing.assert_identical(again.predict(ds), fitted.predict(ds))
    with pytest.raises(MissingVariableError, match="air_temperature"):
        again.predict(ds.drop_vars("t2m"))
    ds["tp"].attrs["units"] = "K"
    with pytest.raises(UnitsError, match=r"tp.*K"):
        again.predict(ds)
    ds["tp"].attrs["units"] = "mm day-1"
    with pytest.raises(GridError, match=r"not those that the model was trained on.*lon trained"):
        again.predict(ds.assign_coords(lon=ds["lon"] + 180))


def test_zarr_and_xarray_read_the_same(trained, tmp_path):
    path = tmp_path / "model.xsm"
    trained.save(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr: consolidated metadata and text await Zarr's spec
        root = zarr.open_group(path, mode="r")
        for name, weight in trained.model.state_dict().items():
            np.testing.assert_array_equal(root[f"weights/{name}"][...], weight)
        for consolidated in (True, False):
            tree = xr.open_datatree(path, engine="zarr", consolidated=consolidated).load()
            parts = {"weights", "scaling", "climatology", "persistence", "history"}
            assert set(tree.children) == parts
            found = tree["scaling"].to_dataset()
            xr.testing.assert_equal(found, trained.scaling)
            assert set(found.coords) == set(trained.scaling.coords)
            xr.testing.assert_equal(tree["climatology/climatology"], trained.climatology)
            xr.testing.assert_equal(tree["history"].to_dataset(), trained.history)


def test_the_facts_can_be_read_by_eye(trained, tmp_path):
    trained.save(tmp_path / "a")
    mark = json.loads((tmp_path / "a/zarr.json").read_text())["attributes"]["xsm_artefact"]
    assert mark["schema"] == 1
    assert set(mark["written_by"]) == {"xsm", "torch", "numpy"}
    facts = mark["facts"]
    assert facts["model"]["name"] == "phy_lstm"
    assert facts["model"]["hyperparameters"] == {"hidden_size": 4, "dropout": 0.15}
    assert {f.name for f in dataclasses.fields(trained.recipe)} == set(facts["recipe"])
    assert facts["variable"]["units"] == trained.variable.units
    assert facts["card"] == trained.card


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.sampled_from([np.float32(0.1), np.int8(-3), np.bool_(True), np.datetime64("NaT", "ns")])
    | st.sampled_from([np.datetime64("2020-01-01"), np.timedelta64(3, "h"), np.str_("ä")])
)
ARRAYS = st.sampled_from(["f2", "f4", "f8", "i1", "u8", "?", "M8[ns]", "U1"]).flatmap(
    lambda dtype: st.sampled_from([(1,), (0,), (2, 3), (0, 4)]).map(
        lambda shape: np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    )
)
VALUES = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple)
    | st.dictionaries(st.text(max_size=3) | st.just("__type__") | st.integers(), inner),
    max_leaves=8,
)  # fmt: skip


@given(VALUES)
def test_values_come_back_from_json(value):
    again = restore(json.loads(json.dumps(plain(value, "value", exact=True), allow_nan=False)))
    np.testing.assert_equal(again, value)
    assert repr(again) == repr(value)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.integers(0, 3))
def test_variables_of_any_name_and_size_come_back(name, size):
    ds = xr.Dataset({name: ("x", np.arange(size, dtype="f4"), {"units": "1"})})
    ds.attrs["scaling"] = "cell"
    xr.testing.assert_identical(dataset_of(group_of(ds, "scaling")), ds)


def test_statistics_that_are_lazy_are_computed(tmp_path):
    fitted = untrained()
    lazy = dataclasses.replace(fitted, climatology=fitted.climatology.chunk(lat=1))
    lazy.save(tmp_path / "a")
    assert_same(fitted, xsm.load(tmp_path / "a"))


def test_a_loaded_scaling_is_that_of_the_training(tmp_path):
    features = bucket(steps=60)
    untrained(features).save(Path(tmp_path / "a"))
    expected = fit_scaling(features, slice(0, 50), scaling="cell")
    xr.testing.assert_identical(xsm.load(tmp_path / "a").scaling, expected)


@pytest.mark.parametrize("kind", ["str", "string", "object", "category", "int64"])
def test_stations_that_pandas_named_are_saved(land, tmp_path, kind):
    """As joined by ``xr.concat(parts, pd.Index(names, name="station"))``, with pandas 2 and 3."""
    parts = [land.isel(latitude=k, longitude=k, drop=True) for k in range(3)]
    names = [1, 2, 3] if kind == "int64" else ["Moosach", "Isen", "Vils"]
    stations = xr.concat(parts, pd.Index(names, name="station", dtype=kind))
    settings = {"epochs": 1, "iterations": 2, "hidden_size": 4, "progress": False}
    fitted = stations.physm.fit("lstm", **settings)
    fitted.save(tmp_path / "model.xsm")
    again = xsm.load(tmp_path / "model.xsm")
    xr.testing.assert_identical(again.predict(stations), fitted.predict(stations))
