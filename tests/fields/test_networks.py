"""The network under the verbs: fitting, predicting, saving, scoring; lazily; what is refused."""

import re

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.fields.fields import SMALL, coarse_of, forcing, static, truth
from xsm.exceptions import (
    GridError,
    MissingVariableError,
    NotEnoughDataError,
    TrainingError,
    UnknownNameError,
)
from xsm.fields.baselines import BASELINES
from xsm.training.recipe import NestedRecipe

NAME = "convlstm_unet"
TRAIN, TEST = slice("2000", "2001"), slice("2001-08", "2002")
SPACE = ("time", "lat", "lon")


@pytest.fixture(scope="module")
def fine() -> xr.DataArray:
    return truth()


@pytest.fixture(scope="module")
def coarse(fine) -> xr.DataArray:
    return coarse_of(fine)


@pytest.fixture(scope="module")
def covariates() -> list[xr.Dataset]:
    return [forcing(), static()]


@pytest.fixture(scope="module")
def fitted(coarse, fine, covariates):
    return coarse.sel(time=TRAIN).physm.fit(
        NAME,
        truth=fine.sel(time=TRAIN),
        covariates=covariates,
        conserve="exact",
        valid=0.0,
        epochs=4,
        **SMALL,
    )


@pytest.fixture(scope="module")
def predicted(fitted, coarse, covariates) -> xr.Dataset:
    return fitted.downscale(coarse.to_dataset(), covariates=covariates)


def test_it_says_what_it_is(fitted):
    assert isinstance(fitted.recipe, NestedRecipe)
    assert fitted.recipe.factor == (2, 2)
    assert set(fitted.recipe.dynamic) == {"precipitation", "soil_moisture"}
    assert fitted.recipe.static == ("ground",)
    assert fitted.card["supervision"].startswith("truth, each cell")
    terms = {"beta_nll", "mass_balance", "infiltration_sign", "infiltration_correlation"}
    assert set(fitted.history.data_vars) == {"total", *terms, "total_variation"}


def test_a_prediction_has_mean_deviation_and_labels(predicted, coarse):
    assert set(predicted.data_vars) == {"gws", "gws_std"}
    assert predicted["gws"].attrs["ancillary_variables"] == "gws_std"
    assert predicted["gws"].dims == coarse.dims
    assert predicted.sizes["time"] == coarse.sizes["time"] - 5
    assert (predicted["gws_std"] > 0).all()
    share = predicted["cell_area"].sum() / (4 * np.pi * 6_371_007.2**2)
    lat = np.sin(np.deg2rad([40, 46]))
    assert float(share) == pytest.approx((lat[1] - lat[0]) / 2 * 8 / 360)


def test_exact_means_of_the_prediction(predicted, coarse):
    found = coarse_of(predicted["gws"])
    gap = abs(found - coarse.sel(time=found.time)).max()
    assert float(gap) < 1e-5 * float(coarse.std())


def test_it_beats_interpolation_and_scores_beside_every_baseline(fitted, coarse, fine, covariates):
    table = fitted.score(
        coarse.sel(time=TEST).to_dataset(),
        covariates=covariates,
        truth=fine.sel(time=TEST),
        dim=SPACE,
    )
    assert table["source"].values.tolist() == ["model", *BASELINES]
    for name in ("nearest", "bilinear", "conservative_bilinear", "pattern"):
        assert float(table["skill"].sel(source=name)) > 0.26
    mae = table["mae"]
    wanted = 1 - mae.sel(source="model") / mae.sel(source="nearest")
    assert float(table["skill"].sel(source="nearest")) == pytest.approx(float(wanted))
    assert np.isnan(table["skill"].sel(source="model"))
    units = {name: table[name].attrs["units"] for name in ("rmse", "mae", "bias", "kge", "skill")}
    assert units == {"rmse": "mm", "mae": "mm", "bias": "mm", "kge": "1", "skill": "1"}
    assert table.attrs["title"] == "Scores of groundwater_storage against the observations"
    assert table["source"].attrs["long_name"] == "what was scored"


def test_months_before_the_first_truth_serve_as_history(fitted, coarse, fine, covariates):
    few = fine.isel(time=[30, 31, 35])
    settings = {"covariates": covariates, "dim": SPACE}
    table = fitted.score(coarse.to_dataset(), truth=few, **settings)
    assert float(table["count"].sel(source="model")) == few.size
    part = coarse.physm.fit(NAME, truth=few, covariates=covariates, valid=0.0, epochs=1, **SMALL)
    assert part.card["training"].startswith("2002-02-01 to 2002-12-01, 3 fields")


def test_lazy_equals_eager_and_computes_nothing(fitted, predicted, coarse, covariates, no_compute):
    with no_compute():
        lazy = fitted.downscale(
            coarse.to_dataset().chunk(time=7, lat=4),
            covariates=[part.chunk(lon=3) for part in covariates],
        )
    assert lazy["gws"].chunksizes["time"] == (1,) * lazy.sizes["time"]
    xr.testing.assert_allclose(lazy.compute(), predicted, atol=1e-4)


@pytest.mark.parametrize("dim", ["lat", "lon"])
def test_the_order_of_cells_changes_nothing(dim, fitted, predicted, coarse, fine, covariates):
    turned = coarse.isel({dim: slice(None, None, -1)})
    found = fitted.downscale(turned.to_dataset(), covariates=covariates)
    xr.testing.assert_identical(found, predicted.isel({dim: slice(None, None, -1)}))
    assert (found[dim][0] < found[dim][-1]) == (turned[dim][0] < turned[dim][-1])
    settings = {"factor": 2, "epochs": 1, **SMALL}
    assert turned.physm.fit(NAME, **settings).token == coarse.physm.fit(NAME, **settings).token
    maps = fitted.score(turned.to_dataset(), covariates=covariates, truth=fine)
    assert maps.indexes[dim].equals(found.indexes[dim])


def test_turned_data_stay_lazy(fitted, predicted, coarse, covariates, no_compute):
    with no_compute():
        lazy = fitted.downscale(coarse[:, ::-1].to_dataset().chunk(time=7), covariates=covariates)
    xr.testing.assert_allclose(lazy.compute(), predicted.isel(lat=slice(None, None, -1)), atol=1e-4)


def test_saved_and_loaded_it_predicts_the_same(fitted, predicted, coarse, covariates, tmp_path):
    fitted.save(tmp_path / "model.xsm")
    again = xsm.load(tmp_path / "model.xsm")
    assert again.recipe == fitted.recipe
    xr.testing.assert_identical(again.scaling, fitted.scaling)
    found = again.downscale(coarse.to_dataset(), covariates=covariates)
    xr.testing.assert_identical(found, predicted)


def test_units_and_names_of_the_user_come_back(fitted, predicted, coarse, covariates):
    metres = (coarse / 1000).assign_attrs(units="m").rename("GWSA").to_dataset()
    found = fitted.downscale(metres, covariates=covariates)
    assert found["GWSA_std"].attrs["units"] == "m"
    np.testing.assert_allclose(found["GWSA"] * 1000, predicted["gws"], atol=1e-3)
    np.testing.assert_allclose(found["GWSA_std"] * 1000, predicted["gws_std"], rtol=1e-4)


def test_quantities_stay_quantities(fitted, predicted, coarse, covariates):
    ds = coarse.to_dataset().pint.quantify()
    found = fitted.downscale(ds, covariates=covariates)
    assert {str(a.pint.units) for a in found.data_vars.values()} == {"millimeter"}
    xr.testing.assert_identical(found, xsm.downscale(ds, model=fitted, covariates=covariates))
    np.testing.assert_array_equal(found["gws"].pint.magnitude, predicted["gws"])


def test_missing_cells_leak_nowhere(fitted, predicted, coarse, covariates):
    holes = coarse.copy()
    holes[:, 2, 3] = np.nan
    found = fitted.downscale(holes.to_dataset(), covariates=covariates)["gws"]
    gone = found.isnull()
    assert gone[:, 4:6, 6:8].all()
    assert int(gone[0].sum()) == 4
    rain, ground = covariates
    wild = fitted.downscale(
        holes.to_dataset(), covariates=[rain, ground.where(~gone[0].drop_vars("cell_area"))]
    )["gws"]
    xr.testing.assert_identical(found, wild)


def test_a_gap_in_the_window_costs_no_later_month(fitted, coarse, covariates):
    gap = coarse.copy()
    gap[10] = np.nan
    found = fitted.downscale(gap.to_dataset(), covariates=covariates)["gws"]
    empty = found.isnull().all(["lat", "lon"])
    assert found.time[empty].values.tolist() == [
        coarse.time.values[10].astype("M8[ns]").astype(int)
    ]


def test_coordinates_aside_are_kept(fitted, predicted, coarse, covariates):
    season = np.asarray(coarse.time.dt.season)
    given = coarse.assign_coords(spatial_ref=0, season=("time", season)).to_dataset()
    found = fitted.downscale(given, covariates=covariates)
    xr.testing.assert_identical(found.drop_vars(["spatial_ref", "season"]), predicted)
    assert int(found["spatial_ref"]) == 0
    assert found["season"].values.tolist() == season[5:].tolist()


def test_another_region_is_predicted_without_what_is_known_of_cells(fitted, coarse, covariates):
    moved = {"lon": coarse.lon + 20.0}
    east = [part.assign_coords(lon=part.lon + 20.0) for part in covariates]
    there = fitted.downscale(coarse.assign_coords(moved).to_dataset(), covariates=east)
    assert there["gws"].notnull().all()


def test_seeds_and_threads_decide_all(coarse, fine):
    settings = {"truth": fine, "epochs": 1, "valid": 0.25, **SMALL}
    one, same = (coarse.physm.fit(NAME, seed=3, **settings) for _ in range(2))
    assert one.token == same.token
    assert np.isfinite(one.history["total"].sel(part="validation")).all()


def test_a_run_goes_on_from_its_checkpoint(coarse, fine, tmp_path):
    settings = {"truth": fine, "valid": 0.0, **SMALL}
    whole = coarse.physm.fit(NAME, epochs=4, **settings)
    place = tmp_path / "run.ckpt"
    coarse.physm.fit(NAME, epochs=2, checkpoint=place, **settings)
    resumed = coarse.physm.fit(NAME, epochs=4, checkpoint=place, **settings)
    assert resumed.token == whole.token
    with pytest.raises(TrainingError, match="is of another run"):
        coarse.physm.fit(NAME, epochs=4, checkpoint=place, **settings, seed=1)


@pytest.mark.parametrize("supervision", ["scale_transfer", "interpolation"])
def test_without_a_truth(supervision, coarse):
    fitted = coarse.physm.fit(NAME, factor=2, supervision=supervision, epochs=1, **SMALL)
    found = fitted.downscale(coarse.to_dataset())
    assert found["gws"].notnull().all()
    assert not fitted.recipe.anchored


def test_interpolation_stays_near_the_interpolated_field(coarse):
    settings = {"supervision": "interpolation", "epochs": 3, "valid": 0.0}
    fitted = coarse.physm.fit(NAME, factor=2, **settings, **SMALL)
    found = fitted.downscale(coarse.to_dataset())["gws"]
    plain = coarse.physm.downscale(2, model="bilinear")["gws"].sel(time=found.time)
    assert float(abs(found - plain).mean()) < 0.02 * float(coarse.std())


def test_the_verb_trains_and_keeps(coarse):
    from xsm.models.convlstm_unet import ConvLSTMUNet
    from xsm.nn import Schedule

    class Tiny(ConvLSTMUNet):
        """A small one."""

        schedule = Schedule(epochs=1, iterations=1, batch_size=1, validate_every=1)

    array = coarse.copy()
    found = array.physm.downscale(2, model=Tiny)
    assert array.physm.fitted.name == "Tiny"
    again = array.physm.downscale(2, model=array.physm.fitted)
    xr.testing.assert_identical(found, again)


def test_a_fitted_model_refuses_what_contradicts_it(fitted, predicted, coarse, fine, covariates):
    given = {"model": fitted, "covariates": covariates}
    ds, dims = coarse.to_dataset(), {"lat": 2, "lon": 2}
    for factor in (2, dims):
        found = xsm.downscale(ds, factor, conserve="exact", supervision="truth", **given)
        xr.testing.assert_identical(found, predicted)
    said = (
        "was given supervision='interpolation', the model's is 'truth'; target='other', the "
        "model's is 'groundwater_storage'; factor=(2, 4), the model's is (2, 2); truth=, from "
        "which a fitted model learns nothing"
    )
    other = {"supervision": "interpolation", "target": "other", "truth": fine}
    with pytest.raises(UnknownNameError, match=re.escape(said)):
        xsm.downscale(ds.assign(other=coarse), {"lat": 2, "lon": 4}, **other, **given)
    soft = coarse.physm.fit(NAME, factor=2, epochs=1, **SMALL)
    with pytest.raises(UnknownNameError, match="conserve='exact', the model's is 'soft'"):
        coarse.physm.downscale(2, model=soft, conserve="exact")


def test_a_fitted_model_finds_variables_under_the_names_that_are_stated(
    fitted, predicted, coarse, covariates
):
    ds = coarse.rename("depth_of_water").to_dataset()
    names = {"groundwater_storage": "depth_of_water"}
    given = {"model": fitted, "covariates": covariates}
    found = xsm.downscale(ds, 2, variables=names, **given)
    np.testing.assert_array_equal(found["depth_of_water"], predicted["gws"])
    with pytest.raises(MissingVariableError, match="groundwater_storage"):
        xsm.downscale(ds, 2, **given)


def test_uneven_factors_and_descending_and_shifted_truth(coarse, fine, covariates):
    wide = fine.coarsen(lat=2).mean().assign_attrs(units="mm")
    fitted = coarse.physm.fit(NAME, truth=wide[:, ::-1], epochs=1, **SMALL)
    assert fitted.recipe.factor == (1, 2)
    found = fitted.downscale(coarse.to_dataset())["gws"]
    assert found.shape[1:] == (6, 16)
    table = fitted.score(coarse.to_dataset(), truth=wide, dim=SPACE)
    assert float(table["count"].sel(source="model")) == found.size


def test_what_fitting_refuses(coarse, fine, covariates):
    fit = coarse.physm.fit
    with pytest.raises(MissingVariableError, match="supervision='truth' was given, but no truth"):
        fit(NAME, factor=2, supervision="truth")
    with pytest.raises(GridError, match="fewer than two along an axis would remain"):
        fit(NAME, factor=4)
    with pytest.raises(
        UnknownNameError, match="'convlstm_unet' downscales fields and takes no lead"
    ):
        fit(NAME, lead=1)
    with pytest.raises(UnknownNameError, match="'lstm' predicts cells and takes no factor, truth"):
        fit("lstm", factor=2, truth=fine)
    with pytest.raises(UnknownNameError, match="conserve='hard' was given"):
        fit(NAME, conserve="hard")
    axes = {"time": coarse.time, "lat": np.arange(300) / 4, "lon": np.arange(400) / 4}
    big = xr.DataArray(np.zeros((36, 300, 400), np.float32), axes, name="gws")
    big = big.assign_attrs(units="mm").chunk()
    with pytest.raises(NotEnoughDataError, match=r"The fields take .* GiB, memory_limit allows"):
        big.physm.fit(NAME, factor=2, memory_limit="16 MiB")
    late = covariates[0].assign_coords(time=coarse.time + np.timedelta64(15, "D"))
    with pytest.raises(NotEnoughDataError, match=r"covariates .* no time in common"):
        fit(NAME, truth=fine, covariates=late)
    with pytest.raises(NotEnoughDataError, match="No patch has a target to train with"):
        fit(NAME, truth=fine.where(fine.time < fine.time[3]), valid=0.0)
    with pytest.raises(MissingVariableError, match="nothing: no role and no variable"):
        xsm.fit(coarse.to_dataset(), NAME, factor=2, target="nothing")
    uneven = coarse.isel(time=[0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11])
    with pytest.raises(GridError, match=r"irregular: .*from 2000-03-01 to 2000-05-01.*1MS"):
        uneven.physm.fit(NAME, factor=2)


def test_what_predicting_refuses(fitted, coarse, covariates, fine):
    ds = coarse.to_dataset()
    with pytest.raises(MissingVariableError, match=r"needs the covariates \['precipitation'"):
        fitted.downscale(ds)
    with pytest.raises(NotEnoughDataError, match="have 3 times, the model reads windows of 6"):
        fitted.downscale(ds.isel(time=slice(3)), covariates=covariates)
    with pytest.raises(MissingVariableError, match="judged by the truth: pass truth="):
        fitted.score(ds, covariates=covariates)
    with pytest.raises(UnknownNameError, match=r"downscales fields: call fitted.downscale"):
        fitted.predict(ds)
    land = xsm.open_tutorial("land").isel(latitude=slice(0, 4), longitude=slice(20, 24))
    lstm = land.physm.fit("lstm", epochs=1, iterations=2, hidden_size=4, progress=False)
    with pytest.raises(UnknownNameError, match="'lstm' predicts cells, it does not downscale"):
        lstm.downscale(land)


def test_fields_at_another_step_than_that_of_training_are_refused(fitted, coarse, fine, covariates):
    """Months as days: the window of a model of months would be some days."""

    def daily(part):
        days = np.arange(part.sizes.get("time", 0)).astype("M8[D]").astype("M8[ns]")
        return part.assign_coords(time=days) if days.size else part

    with pytest.raises(GridError, match=r"steps of 1 month, the data are at steps of 1 day"):
        fitted.downscale(daily(coarse).to_dataset(), covariates=[*map(daily, covariates)])
