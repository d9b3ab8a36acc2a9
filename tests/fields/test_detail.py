"""How much smaller corrections are one scale down: fields whose spectrum is known."""

import numpy as np
import pytest
import xarray as xr

import xsm
from tests.fields.fields import SMALL
from xsm.data.nesting import interpolate
from xsm.data.reading import read
from xsm.fields.collect import collect_sources
from xsm.fields.supervision import detail_below

NAME = "convlstm_unet"


def noise(slope: float, size: int, steps: int, seed: int = 0) -> xr.DataArray:
    """Return random fields, in mm, whose spectrum falls by a power of the wave number."""
    random = np.random.default_rng(seed)
    waves = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    waves[0, 0] = np.inf
    spectrum = np.fft.fft2(random.normal(size=(steps, size, size))) * waves ** (-slope / 2)
    values = np.fft.ifft2(spectrum).real
    axes = {"time": xr.date_range("2000", periods=steps, freq="MS")}
    axes |= {d: 1000.0 * np.arange(size) for d in "yx"}
    field = xr.DataArray(values / values.std(), axes, ("time", "y", "x"), name="gws")
    for d in "yx":
        field[d].attrs = {"units": "m", "standard_name": f"projection_{d}_coordinate"}
    return field.assign_attrs(units="mm")


def coarser(field: xr.DataArray, factor: int) -> xr.DataArray:
    """Return means over blocks of cells."""
    return field.coarsen(y=factor, x=factor).mean().assign_attrs(field.attrs)


def sources_of(field: xr.DataArray, factor: int):
    """Return what trains a network that makes a field finer."""
    settings = {"target": "groundwater_storage", "factor": factor}
    return collect_sources(read(field.to_dataset()), **settings)


def left_out(fine: xr.DataArray, factor: int) -> float:
    """Return the root mean square of what interpolation of coarse means leaves out."""
    coarse = coarser(fine, factor)
    return (
        float(((fine.values - interpolate(coarse, sources_of(coarse, factor).nest)) ** 2).mean())
        ** 0.5
    )


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("slope", [2.5, 3.0, 3.5])
def test_it_is_what_interpolation_leaves_out_one_scale_down(slope, factor):
    truth = noise(slope, 128, 12)
    field = coarser(truth, factor)
    found = detail_below(sources_of(field, factor), slice(None))
    assert found == pytest.approx(left_out(truth, factor) / left_out(field, factor), rel=0.2)
    # The variance between two scales, of a spectrum k ** -slope in two dimensions.
    assert found == pytest.approx(factor ** (1 - slope / 2), rel=0.2)


def test_rough_and_small_fields_have_all_of_it():
    assert detail_below(sources_of(noise(0.0, 32, 6), 4), slice(None)) == 1.0
    assert detail_below(sources_of(noise(3.0, 32, 6).isel(y=slice(0, 7)), 2), slice(None)) == 1.0
    flat = xr.zeros_like(noise(0.0, 32, 6))
    assert detail_below(sources_of(flat, 4), slice(None)) == 1.0


def test_missing_cells_take_no_part():
    field = noise(3.0, 64, 12)
    sea = field.where((field.x > 12_000) | (field.y > 20_000))
    whole, part = (detail_below(sources_of(f, 4), slice(None)) for f in (field, sea))
    assert part == pytest.approx(whole, rel=0.1)


@pytest.mark.parametrize("conserve", ["soft", "exact"])
def test_corrections_and_spread_are_smaller_by_it(conserve, tmp_path):
    field = noise(3.0, 16, 24)
    options = {**SMALL, "factor": 2, "epochs": 2, "valid": 0.0, "conserve": conserve}
    fitted = field.physm.fit(NAME, learning_rate=0.05, **options)
    share = float(fitted.scaling["detail"])
    assert 0.2 < share < 0.9
    fitted.save(tmp_path / "field.xsm")
    found = xsm.load(tmp_path / "field.xsm").downscale(field.to_dataset())
    xr.testing.assert_identical(found, fitted.downscale(field.to_dataset()))
    fitted.scaling["detail"] = 1.0
    large = fitted.downscale(field.to_dataset())
    plain = "bilinear" if conserve == "soft" else "conservative_bilinear"
    base = field.physm.downscale(2, model=plain)["gws"].sel(time=large["time"])
    assert float(abs(large["gws"] - base).mean()) > 3e-3  # 300 times the tolerance
    np.testing.assert_allclose(found["gws"] - base, share * (large["gws"] - base), atol=1e-5)
    np.testing.assert_allclose(found["gws_std"], share * large["gws_std"], rtol=1e-5)


def test_with_covariates_or_a_truth_there_is_none():
    fine = noise(3.0, 32, 24)
    field = coarser(fine, 2)
    options = {**SMALL, "epochs": 1}
    height = fine.isel(time=0, drop=True).rename("elevation").assign_attrs(units="m")
    assert "detail" not in field.physm.fit(NAME, covariates=[height], factor=2, **options).scaling
    assert "detail" not in field.physm.fit(NAME, truth=fine, **options).scaling
