"""Profiles through the verbs: which layers come back, in whose names, units and order."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xsm
from xsm.data.reading import read
from xsm.exceptions import GridError, MissingVariableError, NotEnoughDataError
from xsm.hydrology.soil.profile import read_profile
from xsm.losses import RMSE, Richards

QUICK = {"epochs": 2, "iterations": 4, "validate_every": 1, "hidden_size": 8, "channels": 4}
QUICK |= {"window": 4, "progress": False, "precision": "float32"}


@pytest.fixture(scope="module")
def land():
    return xsm.open_tutorial("land").isel(time=slice(0, 90)).sel(latitude=slice(45, 44))


@pytest.fixture(scope="module")
def profile():
    """Return five layers of 10 cm with parameters, made of the land's top layer."""
    ds = xsm.open_tutorial("land").isel(time=slice(0, 90), latitude=slice(8, 12))
    ds = ds.isel(longitude=slice(18, 23))
    soil = xsm.soil_parameters(ds, method="texture_class")
    depth = xr.DataArray([10.0, 20.0, 30.0, 40.0, 50.0], dims="depth", attrs={"units": "cm"})
    depth.attrs |= {"positive": "down", "bounds": "depth_bnds"}
    upper = ds["swvl1"]
    theta = upper + 0.1 * (upper.mean("time") - upper) * xr.DataArray(np.arange(5), dims="depth")
    theta = theta.transpose("time", "depth", ...).assign_attrs(upper.attrs)
    kept = ds.drop_vars([v for v in ds if str(v).startswith("swvl")])
    bounds = xr.DataArray([[d - 5.0, d + 5.0] for d in depth.values], dims=("depth", "bnds"))
    return kept.merge(soil).assign(theta=theta).assign_coords(depth=depth, depth_bnds=bounds)


def test_layers_in_variables_of_their_own_come_back_as_these(land):
    fitted = land.physm.fit("cnn_lstm", **QUICK)
    found = land.physm.predict(fitted)
    names = ["swvl1", "swvl2", "swvl3", "swvl4"]
    assert [name for name in found if str(name).startswith("swvl")] == names
    for name in names:
        assert found[name].dims == land[name].dims
        assert found[name].attrs["units"] == land[name].attrs["units"]
        assert "extrapolation" in found[name].attrs["ancillary_variables"]
    assert fitted.card["layers"] == "0-0.07, 0.07-0.28, 0.28-1, 1-2.89 m"
    table = xsm.score(land, found, baselines=False)
    assert table["depth"].values.tolist() == [0.035, 0.175, 0.64, 1.945]
    one = xsm.score(land, found, target="swvl3", baselines=False)["rmse"]
    np.testing.assert_allclose(one.values, table["rmse"].sel(depth=0.64).values, rtol=1e-6)


def test_one_named_layer_is_one_layer(land):
    fitted = land.physm.fit("cnn_lstm", target="swvl2", **QUICK)
    assert fitted.recipe.depths == ()
    assert list(land.physm.predict(fitted)) == ["swvl2", "extrapolation", "trained_cell"]  # the sea


@pytest.mark.parametrize(
    "change", ["upside down", "percent", "transposed", "south up", "east to west", "lazy"]
)
def test_conventions_of_a_profile_change_nothing(profile, change):
    ds = profile
    fitted = ds.physm.fit("pgdl_cnn_lstm", **QUICK)
    plain = ds.physm.predict(fitted)["theta"]
    if change == "upside down":
        ds = ds.isel(depth=slice(None, None, -1))
    elif change == "percent":
        ds = ds.assign(theta=(100 * ds["theta"]).assign_attrs(ds["theta"].attrs, units="%"))
    elif change == "transposed":
        ds = ds.transpose("depth", "longitude", "time", "latitude", ...)
    elif change == "south up":
        ds = ds.sortby("latitude")
    elif change == "east to west":
        ds = ds.sortby("longitude", ascending=False)
    elif change == "lazy":
        ds = ds.chunk(time=20, latitude=2, longitude=3, depth=1)
    found = ds.physm.predict(fitted)["theta"]
    assert found.dims == ds["theta"].dims
    for dim in ("depth", "latitude", "longitude"):
        assert found[dim].variable.equals(ds[dim].variable)
    factor = 100.0 if change == "percent" else 1.0
    same = {dim: plain[dim] for dim in ("depth", "latitude", "longitude")}
    aligned = found.sel(same).transpose(*plain.dims) / factor
    np.testing.assert_allclose(aligned.values, plain.values, atol=1e-6)


def test_training_on_a_profile_upside_down_is_the_same(profile):
    one, two = (
        ds.physm.predict(ds.physm.fit("pgdl_cnn_lstm", **QUICK))["theta"]
        for ds in (profile, profile.isel(depth=slice(None, None, -1)))
    )
    np.testing.assert_allclose(two.sel(depth=one["depth"]).values, one.values, atol=1e-6)


def test_bounds_are_kept_and_audited(profile):
    fitted = profile.physm.fit("pgdl_cnn_lstm", **QUICK)
    found = profile.physm.predict(fitted)
    inside = (found["theta"] >= profile["theta_r"]) & (found["theta"] <= profile["theta_s"])
    assert inside.where(found["theta"].notnull(), True).all()
    audit = profile.physm.consistency(found, law="richards", dim=["time", "latitude", "longitude"])
    assert audit["out_of_range"].max() == 0
    assert audit["inconsistency"].isel(depth=slice(1, 4)).notnull().all()
    assert {"rmse", "richards"} <= set(fitted.history)


def test_profiles_at_some_cells_reach_all(profile):
    """The root zone: the top layer is observed everywhere, the others at one cell in four."""
    some = xr.zeros_like(profile["theta_r"], dtype=bool)
    some[::2, ::2] = True
    top = xr.DataArray(np.arange(5) == 0, dims="depth")
    ds = profile.assign(theta=profile["theta"].where(some | top).assign_attrs(profile.theta.attrs))
    fitted = ds.physm.fit("pgdl_cnn_lstm", **QUICK)
    found = ds.physm.predict(fitted)["theta"]
    land = profile["theta"].notnull().any(["time", "depth"]).values
    assert land.any()
    np.testing.assert_array_equal(found.isel(time=-1).notnull().all("depth").values, land)


def test_stations_are_cells_alone(profile):
    points = profile.stack(station=("latitude", "longitude")).reset_index("station")
    fitted = points.physm.fit("cnn_lstm", **QUICK)
    assert fitted.parameters["patch"] == 1
    assert points.physm.predict(fitted)["theta"].dims == points["theta"].dims
    squares = profile.physm.fit("cnn_lstm", **QUICK)
    with pytest.raises(GridError, match=r"squares of 3 x 3 cells, the data have the dimensions"):
        points.physm.predict(squares)


def test_one_profile_without_a_place_keeps_its_bounds(profile):
    land = profile["theta"].notnull().all(["time", "depth"]).values
    row, column = np.argwhere(land)[0]
    one = profile.isel(latitude=int(row), longitude=int(column), drop=True)
    fitted = one.physm.fit("pgdl_cnn_lstm", **QUICK)
    found = fitted.predict(one)["theta"]
    assert found.dims == one["theta"].dims
    inside = (found >= one["theta_r"]) & (found <= one["theta_s"])
    assert inside.where(found.notnull(), True).all()
    xr.testing.assert_allclose(found, fitted.predict(one.chunk(time=10))["theta"].compute())


def test_a_model_comes_back_from_its_artefact(profile, tmp_path):
    fitted = profile.physm.fit("pgdl_cnn_lstm", **QUICK)
    fitted.save(tmp_path / "m")
    again = xsm.load(tmp_path / "m")
    assert again.layers == fitted.layers
    bare = profile.drop_vars("theta")
    xr.testing.assert_identical(again.predict(profile), fitted.predict(profile))
    assert again.predict(bare)["theta"].dims == ("time", "depth", "latitude", "longitude")


@pytest.mark.parametrize("own", [True, False])
def test_spreads_of_layers_are_calibrated_and_kept(profile, land, tmp_path, own):
    ds = land if own else profile
    model = "cnn_lstm" if own else "pgdl_cnn_lstm"
    fitted = ds.physm.fit(model, head="gaussian", members=2, **QUICK)
    found = fitted.predict(ds)
    for name in ["swvl1", "swvl4"] if own else ["theta"]:
        assert found[f"{name}_std"].dims == found[name].dims
        assert found[f"{name}_std"].where(found[name].notnull(), 1.0).min() > 0
        assert f"{name}_std" in found[name].attrs["ancillary_variables"]
    better = fitted.calibrate(ds, method="scale")
    again = better.predict(ds)
    name = "swvl4" if own else "theta"
    ratio = (again[f"{name}_std"] / found[f"{name}_std"]).median()
    table = xsm.score(ds, found, baselines=False, dim=["time", "latitude", "longitude"])
    assert 0 < float(ratio) != 1
    assert table.sizes["depth"] == (4 if own else 5)
    better.save(tmp_path / "m")
    xr.testing.assert_identical(xsm.load(tmp_path / "m").predict(ds), again)


def test_other_data_bring_their_own_bounds(profile):
    fitted = profile.physm.fit("pgdl_cnn_lstm", **QUICK)
    wider = profile.assign(theta_s=profile["theta_s"] + 0.1)
    static = [k for k in fitted.recipe.static if k != "theta_s"]
    fitted = profile.physm.fit("pgdl_cnn_lstm", static=static, **QUICK)
    one, two = (fitted.predict(ds)["theta"] for ds in (profile, wider))
    share = lambda a, ds: (a - ds["theta_r"]) / (ds["theta_s"] - ds["theta_r"])  # noqa: E731
    np.testing.assert_allclose(
        share(one, profile).transpose(*one.dims), share(two, wider).transpose(*one.dims), atol=1e-5
    )


def test_what_is_missing_is_said(profile):
    with pytest.raises(MissingVariableError, match=r"(?s)theta_s: not found.*xsm\.soil_parameters"):
        profile.drop_vars("theta_s").physm.fit("pgdl_cnn_lstm", **QUICK)
    with pytest.raises(NotEnoughDataError, match="lead=0"):
        profile.physm.fit("cnn_lstm", data_integration=True, **QUICK)
    unknown = profile.drop_vars(["depth", "depth_bnds"]).rename(depth="level")
    with pytest.raises(GridError, match=r"depths of the layers .* are not known"):
        unknown.physm.fit("cnn_lstm", **QUICK)


def test_the_loss_is_the_audit(profile):
    """The penalty of a batch of observed profiles is the residual that the audit finds."""
    from dataclasses import replace

    import torch

    from xsm.artefact.asked import Asked
    from xsm.cells.collect import collect
    from xsm.cells.reading import make_windows
    from xsm.cells.recipe import make_recipe
    from xsm.cells.scaling import fit_scaling

    term = Richards(1.0, quiet=None, uptake=False, excess=False)
    times = {"window": 2, "lead": 0, "scaling": "global"}
    reading = read(profile)
    recipe = make_recipe(reading, Asked(), layered=True, **times)
    features = collect(reading, recipe, terms=[term])
    assert recipe.depths[0] == (0.05, 0.15)
    assert read_profile(reading).centres == recipe.centres
    statistics = fit_scaling(features, slice(None), scaling="global")
    windows = make_windows(features, statistics, replace(recipe), slice(None), answered=2)
    batch = windows.batch(torch.arange(len(windows)))
    truth = {"mean": batch["target"]}
    audit = xsm.richards_residual(profile, terms=[])["change"].isel(time=slice(2, None))
    expected = float(np.sqrt((audit.isel(depth=slice(1, 4)) ** 2).mean()))
    assert float(term(truth, batch)) == pytest.approx(expected, rel=1e-3)
    beyond = Richards(1.0, quiet=None, uptake=False)
    assert float(beyond(truth, batch)) == pytest.approx(1e-6)  # the floor of the root


def test_only_quiet_days_count():
    import torch

    soil = {"theta_r": 0.1, "theta_s": 0.5, "vg_alpha": 1.0, "vg_n": 2.0, "k_sat": 0.2}
    soil |= {"air_entry": 0.0, "target_offset": 0.1, "target_scale": 0.4, "layer_thickness": 0.1}
    batch = {name: torch.full((2, 1, 3), value) for name, value in soil.items()}
    batch["layer_centre"] = torch.tensor([0.1, 0.2, 0.3]).expand(2, 1, 3)
    rain = torch.tensor([[9.0, 0.0], [0.0, 5.0]]).unsqueeze(2)  # of the last step is what counts
    batch |= {"step_days": torch.ones(2, 1, 1), "precipitation": rain}
    batch |= {"target": torch.full((2, 2, 3), torch.nan), "sink": torch.zeros(2, 2, 3)}
    wetter = torch.full((2, 2, 3), 0.5)
    wetter[1, 1] = 0.9
    output = {"mean": wetter}
    assert float(Richards(quiet=1.0)(output, batch)) < 1e-4
    assert float(Richards()(output, batch)) > 0.1
    assert RMSE()(output, {**batch, "mask": torch.isfinite(batch["target"])}) < 1e-5


@pytest.mark.parametrize("which", ["data", "prediction"])
@pytest.mark.parametrize(("units", "factor"), [("cm", 100.0), ("mm", 1000.0)])
def test_depths_in_other_units_are_the_same_depths(which, units, factor):
    # ISMN and the National Water Model give depths in m, CLM and many stations in cm or mm.
    rng, edges = np.random.default_rng(0), {"layer_edges_m": [0.0, 0.1, 0.2, 0.4]}
    values = rng.uniform(0.1, 0.4, (20, 3, 2))
    attrs = {"units": "m", "positive": "down", "standard_name": "depth"}
    depth = xr.Variable("depth", [0.05, 0.15, 0.3], attrs)
    days = np.arange("2020-01-01", "2020-01-21", dtype="M8[D]").astype("M8[ns]")
    coords = {"time": days, "depth": depth, "site": ["a", "b"]}
    soil = xr.DataArray(values, coords, ("time", "depth", "site"), attrs={"units": "m3 m-3"})
    ds = soil.assign_attrs(edges).to_dataset(name="soil_moisture")
    guess = (soil + 0.01).assign_attrs(units="m3 m-3").to_dataset(name="soil_moisture")
    parts = {"data": ds, "prediction": guess}
    other = parts[which].assign_coords(depth=parts[which]["depth"] * factor)
    other["depth"].attrs = attrs | {"units": units}
    parts[which] = other
    found = xsm.score(parts["data"], parts["prediction"], baselines=False)["rmse"]
    assert found.sizes == {"source": 1, "depth": 3, "site": 2}
    np.testing.assert_allclose(found, 0.01, rtol=1e-6)
    profile = read_profile(read(parts["data"]), source=parts["prediction"])
    np.testing.assert_array_equal(profile.array["depth"], parts["data"]["depth"])
    deeper = guess.assign_coords(depth=guess["depth"] + 0.1)
    with pytest.raises(GridError, match="Give both the same"):
        xsm.score(ds, deeper, baselines=False)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a.rename(latitude="lat"), "'lat', 'longitude'"),
        (lambda a: a.isel(longitude=0), "'time', 'latitude'"),
        (lambda a: a.isel(time=0), "'latitude', 'longitude'"),
    ],
)
def test_layers_of_other_dimensions_are_refused(land, change, said):
    odd = land.assign(swvl2=change(land["swvl2"]).drop_vars(["time", "longitude"], errors="ignore"))
    with pytest.raises(GridError, match=rf"The layers 'swvl1' and 'swvl2' lie on .*{said}\]"):
        read_profile(read(odd))
