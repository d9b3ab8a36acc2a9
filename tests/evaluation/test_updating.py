"""What an error says of later ones: an autoregressive process of known correlation."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from xsm.evaluation.updating import faded, last_error, lead_share, lead_sums, learn_share
from xsm.exceptions import NotEnoughDataError

RHO = 0.8


@pytest.fixture(scope="module")
def errors() -> xr.DataArray:
    """Errors of 40 cells that last, 0.8 of them to the next day."""
    rng = np.random.default_rng(3)
    noise = rng.normal(size=(1500, 40))
    made = np.zeros_like(noise)
    for t in range(1, len(made)):
        made[t] = RHO * made[t - 1] + noise[t]
    times = np.datetime64("2001-01-01") + np.arange(1500)
    return xr.DataArray(made, {"time": times}, ("time", "cell"), name="error")


def test_the_share_is_the_correlation_of_the_process(errors) -> None:
    share = learn_share(errors, 1)
    assert np.allclose(share.sel(lag=slice(0, 10)), RHO ** np.arange(11), atol=0.03)
    gaps = errors.where(np.random.default_rng(1).random(errors.shape) < 0.3)
    assert np.allclose(learn_share(gaps, 1).sel(lag=slice(0, 6)), RHO ** np.arange(7), atol=0.03)
    lazy = learn_share(errors.chunk(time=400, cell=7), 1)
    xr.testing.assert_allclose(lazy, share)


def test_layers_have_shares_of_their_own(errors) -> None:
    noise = xr.DataArray(
        np.random.default_rng(2).normal(size=errors.shape), errors.coords, errors.dims
    )
    share = learn_share(xr.concat([errors, noise], "depth"), 1)
    assert share.dims == ("lag", "depth")
    assert np.allclose(share.sel(lag=1), [RHO, 0.0], atol=0.03)
    assert float(share.min()) >= 0.0


@pytest.mark.parametrize("known", [0, 1, 3])
@pytest.mark.parametrize("chunks", [None, {"time": 7, "cell": 2}])
def test_the_last_error_is_as_old_as_it_may_be_known(errors, known, chunks) -> None:
    some = errors.isel(time=slice(60), cell=slice(4))
    some = some.where(np.random.default_rng(0).random(some.shape) < 0.4)
    found = last_error(some if chunks is None else some.chunk(chunks), known)
    last, age = (array.compute() for array in found)
    for t in range(60):
        for cell in range(4):
            seen = [s for s in range(t - known + 1) if np.isfinite(some.values[s, cell])]
            if not seen:
                assert np.isnan(last.values[t, cell])
                assert np.isnan(age.values[t, cell])
                continue
            assert last.values[t, cell] == some.values[seen[-1], cell]
            assert age.values[t, cell] == t - seen[-1]


def test_age_fades_an_error_but_noise_of_observations_does_not(errors) -> None:
    rng = np.random.default_rng(8)
    noisy = errors + rng.normal(0, 1.5, errors.shape)
    share = learn_share(noisy, 1)
    part = float(share.sel(lag=1))
    assert part < 0.6  # of what is observed, half is noise
    left = faded(xr.DataArray([0.0, 1.0, 4.0], dims="time"), share, 1)
    assert np.allclose(left, RHO ** np.array([0.0, 1.0, 4.0]), atol=0.05)


def test_the_share_of_a_lead_is_that_of_least_squares(errors) -> None:
    last = errors.isel(time=slice(None, -3)).drop_vars("time")
    later = errors.isel(time=slice(3, None)).drop_vars("time")
    sums = lead_sums(later, last).expand_dims("lead")
    slope = np.polynomial.Polynomial.fit(last.values.ravel(), later.values.ravel(), 1).convert()
    assert np.isclose(float(lead_share(sums)[0]), slope.coef[1], atol=1e-3)
    assert float(lead_share(lead_sums(-later, last).expand_dims("lead"))[0]) == 0.0


def test_too_few_errors_are_told(errors) -> None:
    few = errors.isel(time=slice(100), cell=slice(1))
    with pytest.raises(
        NotEnoughDataError, match="99 pairs of errors lie 1 steps apart; at least 200"
    ):
        learn_share(few, 1)
    with pytest.raises(
        NotEnoughDataError, match="100 errors of forecasts of one lead have an error"
    ):
        lead_share(lead_sums(few, few).expand_dims("lead"))
