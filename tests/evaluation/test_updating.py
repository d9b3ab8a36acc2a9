"""What an error says of later ones: an autoregressive process of known correlation."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from xsm.evaluation.updating import faded, fading_of, last_known, pair_sums, shares
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


def test_errors_fade_as_the_process_does(errors) -> None:
    rho = fading_of(errors)
    assert np.allclose(rho.sel(lag=slice(0, 10)), RHO ** np.arange(11), atol=0.03)
    gaps = errors.where(np.random.default_rng(1).random(errors.shape) < 0.3)
    assert np.allclose(fading_of(gaps).sel(lag=slice(0, 6)), RHO ** np.arange(7), atol=0.03)
    xr.testing.assert_allclose(fading_of(errors.chunk(time=400, cell=7)), rho)


def test_layers_fade_by_themselves(errors) -> None:
    rng = np.random.default_rng(2)
    noise = xr.DataArray(rng.normal(size=errors.shape), errors.coords, errors.dims)
    rho = fading_of(xr.concat([errors, noise], "depth"))
    assert rho.dims == ("lag", "depth")
    assert np.allclose(rho.sel(lag=1), [RHO, 0.0], atol=0.03)
    assert float(rho.min()) >= 0.0


@pytest.mark.parametrize("known", [0, 1, 3])
@pytest.mark.parametrize("chunks", [None, {"time": 7, "cell": 2}])
def test_the_last_error_is_as_old_as_it_may_be_known(errors, known, chunks) -> None:
    some = errors.isel(time=slice(60), cell=slice(4))
    some = some.where(np.random.default_rng(0).random(some.shape) < 0.4)
    values, some = some.values, some if chunks is None else some.chunk(chunks)
    last, then, age = (a.values for a in last_known(some, 2 * some.fillna(7.0), known))
    for t, cell in np.ndindex(60, 4):
        seen = [s for s in range(t - known + 1) if np.isfinite(values[s, cell])]
        if not seen:
            assert np.isnan([last[t, cell], then[t, cell], age[t, cell]]).all()
            continue
        assert last[t, cell] == values[seen[-1], cell]
        assert then[t, cell] == 2 * last[t, cell]
        assert age[t, cell] == t - seen[-1]


def test_age_fades_an_error_but_noise_of_observations_does_not(errors) -> None:
    rng = np.random.default_rng(8)
    rho = fading_of(errors + rng.normal(0, 1.5, errors.shape))
    assert float(rho.sel(lag=1)) < 0.6  # of what is observed, half is noise
    left = faded(xr.DataArray([0.0, 1.0, 4.0], dims="time"), rho, 1)
    assert np.allclose(left, RHO ** np.array([0.0, 1.0, 4.0]), atol=0.05)


@pytest.mark.parametrize(("left", "wrong"), [(0.7, 0.3), (0.5, 0.0), (1.0, 1.0), (0.0, 0.6)])
def test_shares_are_those_that_made_the_errors(errors, left, wrong) -> None:
    rng = np.random.default_rng(4)
    change = errors.copy(data=rng.normal(0.2, 1.0, errors.shape)) + 0.3 * errors
    made = left * errors - wrong * change + 0.1 * rng.normal(size=errors.shape)
    found = shares(pair_sums(made, errors, change))
    assert float(found["error"]) == pytest.approx(left, abs=0.01)
    assert float(found["change"]) == pytest.approx(wrong, abs=0.01)


def test_shares_are_from_0_to_1_and_of_still_soil_0(errors) -> None:
    none = shares(pair_sums(-errors, errors, 0.0 * errors))
    assert float(none["error"]) == float(none["change"]) == 0.0
    more = shares(pair_sums(3.0 * errors, errors, errors.shift(time=1)))
    assert float(more["error"]) == 1.0
    still = shares(pair_sums(0.0 * errors, 0.0 * errors, 0.0 * errors))
    assert float(still["error"]) == float(still["change"]) == 0.0


def test_too_few_errors_are_told(errors) -> None:
    few = errors.isel(time=slice(100), cell=slice(1))
    with pytest.raises(NotEnoughDataError, match="100 errors have an error before them that may"):
        shares(pair_sums(few, few, few))
