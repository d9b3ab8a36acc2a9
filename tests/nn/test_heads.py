"""Gaussian heads: the likelihood, its slopes, what any network learns, what predictions carry."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr
from scipy import stats

import xsm
from tests.artefact.models import Echo, dataset
from tests.models.test_models import POINTS, make_batch
from tests.models.test_models import sizes as sizes_of
from tests.worlds import bucket
from xsm.exceptions import TrainingError, UnknownNameError
from xsm.losses import RMSE, BetaNLL, WaterBalance, total_loss
from xsm.nn import Batch, Ensemble, Model, Output, Sizes, assemble, members_of
from xsm.nn.heads import check_terms, head_and_members, with_spread
from xsm.registry import model_class
from xsm.training.steps import Parts, Whole

QUICK = {"epochs": 1, "iterations": 4, "hidden_size": 4, "progress": False}


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


def batch_of(*target: float) -> Batch:
    values = column(*target)
    return {"target": values, "mask": torch.isfinite(values)}


def world(steps: int = 150) -> xr.Dataset:
    return dataset(bucket(steps=steps))


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_value_is_the_likelihood_whatever_beta(beta):
    rng = np.random.default_rng(0)
    y, m, s = rng.normal(size=50), rng.normal(size=50), rng.uniform(0.1, 2.0, 50)
    found = BetaNLL(beta=beta)({"mean": column(*m), "std": column(*s)}, batch_of(*y))
    assert float(found) == pytest.approx(-stats.norm.logpdf(y, m, s).mean())


def test_slopes_of_beta_zero_agree_with_finite_differences():
    given = batch_of(0.3, 0.9, np.nan)
    term = BetaNLL(beta=0.0)
    inputs = [column(0.2, 0.5, 0.1), column(0.1, 0.6, 0.2)]
    mean, std = (values.requires_grad_() for values in inputs)
    assert torch.autograd.gradcheck(lambda m, s: term({"mean": m, "std": s}, given), (mean, std))


@pytest.mark.parametrize("beta", [0.0, 0.25, 0.5, 1.0])
def test_slopes_are_those_of_seitzer(beta):
    # Eq. 5 there: both slopes of the likelihood are multiplied by s^(2 beta)
    y, m, s = column(0.3, 0.9), column(0.2, 0.5), column(0.1, 0.6)
    mean, std = m.clone().requires_grad_(), s.clone().requires_grad_()
    BetaNLL(beta=beta)({"mean": mean, "std": std}, batch_of(0.3, 0.9)).backward()
    torch.testing.assert_close(mean.grad, s ** (2 * beta) * (m - y) / s**2 / 2)
    expected = s ** (2 * beta) * (1 / s - (m - y) ** 2 / s**3) / 2
    torch.testing.assert_close(std.grad, expected)


def test_without_an_observation_the_term_is_zero_with_finite_slopes():
    mean, std = column(0.2, 0.3).requires_grad_(), column(0.0, 0.3).requires_grad_()
    found = BetaNLL()({"mean": mean, "std": std}, batch_of(np.nan, np.nan))
    found.backward()
    assert float(found.detach()) == 0
    assert torch.equal(mean.grad, torch.zeros_like(mean))
    assert torch.equal(std.grad, torch.zeros_like(std))


def test_spread_is_the_log_variance_where_small_linear_where_large_never_zero():
    raw = torch.tensor([[-3.0, -300.0, 0.0, 1e4]]).T.double()
    found = with_spread({"mean": torch.cat([raw * 0 + 0.5, raw], dim=1), "share": raw})
    std = found["std"].squeeze(1)
    assert float(std[0]) == pytest.approx(math.exp((-3.0 - 4.6) / 2), rel=2e-3)
    assert float(std[1]) == pytest.approx(1e-3)
    assert float(std[2]) == pytest.approx(0.1, rel=2e-2)
    assert float(std[3]) == pytest.approx(100.0, rel=1e-3)
    assert torch.equal(found["mean"], raw * 0 + 0.5)
    assert "share" in found
    own = with_spread({"mean": raw, "log_variance": raw})
    assert torch.equal(own["std"], found["std"])
    assert own.keys() == {"mean", "std"}


class Noisy(Model):
    """A user's network, which knows nothing of spreads.

    Parameters
    ----------
    sizes : Sizes
        Sizes of inputs and outputs.
    hidden_size : int, default: 16
        Hidden units.
    """

    losses = (RMSE(0.5), WaterBalance(0.5))

    def __init__(self, sizes: Sizes, *, hidden_size: int = 16) -> None:
        super().__init__(sizes)
        self.body = torch.nn.Linear(sizes.window * sizes.dynamic + sizes.static, hidden_size)
        self.head = torch.nn.Linear(hidden_size, sizes.target)

    def forward(self, batch: Batch) -> Output:
        """Return ``mean`` (batch, target)."""
        features = torch.cat([batch["dynamic"].flatten(1), batch["static"]], dim=1)
        return {"mean": self.head(torch.tanh(self.body(features)))}


def test_a_users_network_learns_a_noise_that_depends_on_its_input():
    generator = torch.Generator().manual_seed(0)
    x = (torch.rand(4000, 1, 1, generator=generator) > 0.5).float()
    true = torch.where(x[:, 0] > 0.5, 0.2, 0.05)
    y = 0.5 * x[:, 0] + true * torch.randn(4000, 1, generator=generator)
    batch = {"dynamic": x, "static": torch.zeros(4000, 0), "target": y, "mask": y == y}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Noisy(Sizes(dynamic=1, static=0, window=1, target=2, gaussian=True))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(1500):
        optimiser.zero_grad()
        BetaNLL()(model.evaluate(batch), batch).backward()
        optimiser.step()
    found = model.evaluate(batch)
    torch.testing.assert_close(found["std"], true, rtol=0.07, atol=0)
    torch.testing.assert_close(found["mean"], 0.5 * x[:, 0], rtol=0, atol=0.02)


def test_physics_acts_on_the_mean_alone_and_a_change_moves_the_mean_alone():
    model = Noisy(Sizes(dynamic=1, static=0, window=1, target=2, gaussian=True))
    batch = {"dynamic": torch.rand(4, 1, 1), "static": torch.zeros(4, 0)}
    found = model.evaluate(batch)
    term = WaterBalance()
    batch |= {"previous": torch.full((4, 1), 9.0), term.trend_key: torch.ones(4, 1)}
    slopes = torch.autograd.grad(term(found, batch), list(found.values()), allow_unused=True)
    assert [slope is not None for slope in slopes] == [name == "mean" for name in found]
    moved = model.evaluate({**batch, "base": torch.full((4, 1), 0.25)})
    torch.testing.assert_close(moved["mean"], found["mean"] + 0.25)
    assert torch.equal(moved["std"], found["std"])


@pytest.mark.parametrize("name", POINTS)
def test_every_model_answers_with_a_spread(name):
    cls = model_class(name)
    plain = sizes_of(cls)
    sizes = replace(plain, target=2 * plain.target, gaussian=True)
    around = {"patch": 3} if "patch" in cls.hyperparameters() else {}
    model, batch = cls(sizes, **around), make_batch(cls)
    output = model.evaluate(batch)
    assert output["mean"].shape == output["std"].shape == batch["target"].shape
    terms = check_terms(cls.losses, "gaussian", published=True)
    total, parts = total_loss(terms, output, batch)
    total.backward()
    assert parts.keys() >= {"beta_nll"}
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())
    assert model.has_spread


def test_parts_of_a_batch_have_the_slopes_of_the_whole():
    model = Noisy(Sizes(dynamic=2, static=0, window=3, target=2, gaussian=True))
    batch = {"dynamic": torch.rand(9, 3, 2), "static": torch.zeros(9, 0)}
    batch |= {"target": torch.rand(9, 1), "mask": torch.rand(9, 1) > 0.3}
    slopes = []
    for step in (
        Whole(model.evaluate, [BetaNLL()], "float32"),
        Parts(model, [BetaNLL()], "float32", count=2),
    ):
        model.zero_grad()
        value = step(batch)
        slopes.append([value, *(weight.grad.clone() for weight in model.parameters())])
        step.close()
    for whole, parts in zip(*slopes, strict=True):
        torch.testing.assert_close(whole, parts)


def test_terms_that_go_with_a_head():
    published = (RMSE(0.1), WaterBalance(0.9))
    assert check_terms(published, "point", published=True) == published
    assert check_terms(published, "gaussian", published=True) == (BetaNLL(0.1), WaterBalance(0.9))
    own = (BetaNLL(0.3, beta=0.0), RMSE(1.0))
    assert check_terms(own, "gaussian", published=False) == own
    with pytest.raises(TrainingError, match=r"none of the loss terms \['rmse'\] trains the spread"):
        check_terms([RMSE()], "gaussian", published=False)
    with pytest.raises(TrainingError, match=r"\['beta_nll'\] need the spread.*head=\"gaussian\""):
        check_terms([BetaNLL()], "point", published=False)


def test_unknown_heads_and_numbers_are_refused():
    with pytest.raises(UnknownNameError, match=r"head='gausian'.*Did you mean 'gaussian'"):
        head_and_members({"head": "gausian"})
    for wrong in (0, 2.0, True, "5"):
        with pytest.raises(UnknownNameError, match=r"members=.*a number of networks from 1"):
            head_and_members({"members": wrong})
    with pytest.raises(UnknownNameError, match=r"'hed'.*Did you mean 'head'"):
        world().physm.fit("lstm", hed="gaussian")


@pytest.mark.parametrize("form", [{}, {"scaling": "global"}, {"data_integration": True}])
def test_predictions_carry_their_spread_lazily(form, no_compute):
    ds = world()
    fitted = ds.physm.fit("phy_lstm", losses=[BetaNLL(0.5)], head="gaussian", **form, **QUICK)
    eager = fitted.predict(ds)
    with no_compute():
        lazy = fitted.predict(ds.chunk(time=40, lat=2))
    assert lazy["swvl1_std"].chunks is not None
    xr.testing.assert_allclose(lazy.compute(), eager, atol=1e-6)
    assert bool((eager["swvl1_std"] > 0).all())
    assert eager["swvl1"].attrs["ancillary_variables"].split()[-1] == "swvl1_std"
    assert eager["swvl1_std"].attrs["units"] == eager["swvl1"].attrs["units"]
    assert eager["swvl1_std"].dtype == np.float32


def test_spread_is_in_the_users_units_and_missing_where_the_mean_is():
    ds = world()
    fitted = ds.physm.fit("lstm", head="gaussian", **QUICK)
    plain = fitted.predict(ds)
    ds["t2m"][50, 1, 1] = np.nan
    percent = (100 * ds["swvl1"]).assign_attrs(units="%")
    found = fitted.predict(ds.assign(swvl1=percent))
    assert found["swvl1_std"].attrs["units"] == "%"
    xr.testing.assert_equal(found["swvl1"].isnull(), found["swvl1_std"].isnull())
    assert int(found["swvl1_std"].isnull().sum()) == 7
    whole = found["swvl1_std"].notnull()
    np.testing.assert_allclose(
        found["swvl1_std"].where(whole), 100 * plain["swvl1_std"].where(whole), rtol=1e-5
    )


def test_spread_of_a_temperature_is_no_temperature():
    ds = world()
    warm = (ds["t2m"] - 273.15).assign_attrs(units="degC", standard_name="air_temperature")
    ds = ds.assign(t2m=warm)
    fitted = ds.physm.fit("lstm", target="t2m", dynamic=["tp"], head="gaussian", **QUICK)
    found = fitted.predict(ds)
    assert found["t2m"].attrs["units"] == "degC"
    assert found["t2m_std"].attrs["units"] == "K"
    assert found["t2m_std"].attrs["standard_name"] == "air_temperature standard_error"
    assert 0 < float(found["t2m_std"].mean()) < 100


def test_an_ensemble_is_the_mixture_of_its_members():
    sizes = Sizes(dynamic=1, static=0, window=1, target=2, gaussian=True)
    members = [Noisy(sizes) for _ in range(3)]
    batch = {"dynamic": torch.rand(6, 1, 1), "static": torch.zeros(6, 0)}
    parts = [member.evaluate(batch) for member in members]
    found = assemble(members).evaluate(batch)
    # the moments of many draws, a third of each member
    draws = np.concatenate(
        [
            stats.norm.rvs(
                part["mean"].detach()[:, 0],
                part["std"].detach()[:, 0],
                size=(200_000, 6),
                random_state=k,
            )
            for k, part in enumerate(parts)
        ]
    )
    np.testing.assert_allclose(found["mean"][:, 0].detach(), draws.mean(0), atol=2e-3)
    np.testing.assert_allclose(found["std"][:, 0].detach(), draws.std(0), rtol=1e-2)
    moved = Ensemble(members).evaluate({**batch, "base": torch.ones(6, 1)})
    torch.testing.assert_close(moved["mean"], found["mean"] + 1)


def test_members_that_predict_values_disagree():
    sizes = Sizes(dynamic=1, static=0, window=1)
    members = [Noisy(sizes) for _ in range(4)]
    batch = {"dynamic": torch.rand(6, 1, 1), "static": torch.zeros(6, 0)}
    means = np.stack([member.evaluate(batch)["mean"].detach() for member in members])
    found = Ensemble(members).evaluate(batch)
    np.testing.assert_allclose(found["std"].detach(), means.std(0), rtol=1e-5)


def test_members_are_trained_from_seeds_of_their_own(tmp_path):
    ds = world()
    alone = ds.physm.fit("lstm", seed=3, **QUICK)
    given = {"seed": 3, "members": 2, "checkpoint": tmp_path / "run"}
    both = ds.physm.fit("lstm", **given, **QUICK)
    first, second = (member.state_dict() for member in members_of(both.model))
    for name, weight in alone.model.state_dict().items():
        assert torch.equal(first[name], weight)
        assert not torch.equal(second[name], weight)
    assert both.history["total"].dims == ("member", "part", "epoch")
    xr.testing.assert_equal(both.history["total"].isel(member=0, drop=True), alone.history["total"])
    assert len(list(tmp_path.iterdir())) == 2
    again = ds.physm.fit("lstm", **given, **QUICK)  # both checkpoints are of finished runs
    assert again.token == both.token
    assert "swvl1_std" in both.predict(ds)
    assert "swvl1_std" not in alone.predict(ds)


@pytest.mark.parametrize("settings", [{"head": "gaussian"}, {"members": 2, "head": "gaussian"}])
@pytest.mark.parametrize("method", [None, "isotonic"])
def test_models_with_a_spread_are_saved_and_loaded(settings, method, tmp_path):
    ds = world()
    fitted = ds.physm.fit("lstm", **settings, **QUICK)
    fitted = fitted if method is None else fitted.calibrate(ds, method=method)
    fitted.save(tmp_path / "model.xsm")
    again = xsm.load(tmp_path / "model.xsm")
    xr.testing.assert_identical(again.predict(ds), fitted.predict(ds))
    xr.testing.assert_identical(again.history, fitted.history)
    assert again.token == fitted.token
    assert repr(again) == repr(fitted)


@pytest.mark.usefixtures("forks")
def test_an_ensemble_travels_to_other_processes():
    ds = world()
    fitted = ds.physm.fit("lstm", members=2, head="gaussian", **QUICK)
    lazy = fitted.predict(ds.chunk(time=50)).compute(scheduler="processes", num_workers=1)
    xr.testing.assert_allclose(lazy, fitted.predict(ds), atol=1e-6)


def test_a_users_ensemble_is_saved_and_loaded(tmp_path):
    ds = world()
    settings = {"epochs": 1, "iterations": 2, "progress": False, "members": 3}
    fitted = ds.physm.fit(Echo, depth=2, **settings)
    fitted.save(tmp_path / "model.xsm")
    again = xsm.load(tmp_path / "model.xsm", model=Echo)
    xr.testing.assert_identical(again.predict(ds), fitted.predict(ds))
