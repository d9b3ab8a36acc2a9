"""What all figures keep: axes back, nothing leaked, lazy data lazy, colours that all can read."""

from __future__ import annotations

import inspect
import subprocess
import sys
import warnings

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import xsm
from tests.plotting.conftest import UNITS, forecasts, mixture, off_by, small_land
from xsm.plotting import DataPlots, FittedPlots
from xsm.plotting.canvas import OBSERVED, colours_of
from xsm.plotting.figures import FIGURES, history, renewed, second
from xsm.plotting.labels import pretty_units

ONE = {"latitude": 52.0, "longitude": 7.0}


@pytest.fixture(scope="module")
def figures() -> dict[str, tuple[xr.Dataset, tuple, dict]]:
    """Return data and arguments of each figure of a data set."""
    land = small_land()
    guess = off_by(land, 0.01)
    spread = guess.assign(swvl1_std=xr.full_like(guess["swvl1"], 0.02).assign_attrs(UNITS))
    layers = {f"swvl{k}": land["swvl1"].assign_attrs(UNITS) for k in (1, 2, 3, 4)}
    experts = mixture(land, "rain", "heat")
    forecast = forecasts(land)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No climatology")  # of sixty days
        table = xsm.score(land, forecast)
    return {
        "map": (land, ("swvl1",), {"over": "time"}),
        "improvement": (land, (guess, off_by(land, 0.02)), {}),
        "zones": (land, (guess, "basin"), {"metric": "mae"}),
        "series": (land, (spread,), {"at": ONE}),
        "profile": (xr.Dataset(layers), (), {"at": ONE}),
        "spectra": (land, (guess,), {}),
        "reliability": (land, (spread,), {}),
        "fan": (land, (forecast,), {"at": ONE}),
        "skill": (table, (), {}),
        "horizon": (table, (), {}),
        "expert_maps": (experts, (), {}),
        "dominant_expert": (experts, (), {}),
        "expert_seasons": (experts, (), {}),
        "expert_shares": (experts, (), {}),
    }


KINDS = [name for name in vars(DataPlots) if not name.startswith("_")]
OF_DATA = {name for name, row in FIGURES.items() if row.reached is None}  # and of no model


def drawn(ds: xr.Dataset, kind: str, args: tuple, kwargs: dict) -> list[Axes]:
    return list(np.atleast_1d(getattr(ds.physm.plot, kind)(*args, **kwargs)))


@pytest.mark.parametrize("kind", KINDS)
def test_axes_come_back_named_with_units(figures, kind):
    ds, args, kwargs = figures[kind]
    before = dict(mpl.rcParams)
    axes = drawn(ds, kind, args, kwargs)
    assert all(isinstance(ax, Axes) for ax in axes)
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == [axes[0].figure.number]
    axes[0].figure.canvas.draw()
    labels = [ax.get_ylabel() or ax.get_xlabel() for ax in axes[0].figure.axes]
    assert any("[" in label for label in labels)


@pytest.mark.parametrize("kind", KINDS)
def test_axes_that_are_given_leave_pyplot_alone(figures, kind):
    ds, args, kwargs = figures[kind]
    count = len(drawn(ds, kind, args, kwargs))
    plt.close("all")
    mine = Figure().subplots(1, count)
    axes = drawn(ds, kind, args, {**kwargs, "ax": mine})
    assert plt.get_fignums() == []
    assert axes == list(np.atleast_1d(mine))


def _chunked(ds: xr.Dataset, chunks: dict[str, int]) -> xr.Dataset:
    """Return data in chunks along the dimensions that they have."""
    return ds.chunk({d: n for d, n in chunks.items() if d in ds.dims})


@pytest.mark.parametrize("kind", KINDS)
def test_lazy_data_stay_lazy_and_look_the_same(figures, kind):
    ds, args, kwargs = figures[kind]
    chunks = {"time": 17, "latitude": 2}
    lazy = _chunked(ds, chunks)
    later = tuple(
        a.chunk({d: n for d, n in chunks.items() if d in a.dims})
        if isinstance(a, xr.Dataset)
        else a
        for a in args
    )
    one, other = (Figure(), Figure())
    count = len(drawn(ds, kind, args, kwargs))
    eager = drawn(ds, kind, args, {**kwargs, "ax": one.subplots(1, count)})
    found = drawn(lazy, kind, later, {**kwargs, "ax": other.subplots(1, count)})
    for a, b in zip(eager, found, strict=True):
        assert (a.get_xlabel(), a.get_ylabel()) == (b.get_xlabel(), b.get_ylabel())
        for left, right in zip(a.lines, b.lines, strict=True):
            np.testing.assert_allclose(
                np.asarray(left.get_ydata(), float), np.asarray(right.get_ydata(), float), rtol=1e-5
            )
    assert all(v.chunks is not None for v in lazy.data_vars.values())


def test_only_what_is_drawn_is_computed(land):
    import dask.array as da

    read = []

    def load(block: np.ndarray, block_info: object = None) -> np.ndarray:
        read.append(block_info)
        return block

    soil = land["swvl1"].chunk(latitude=1, longitude=1)
    traced = da.map_blocks(load, soil.data, meta=np.empty((0, 0, 0)))
    lazy = land.assign(swvl1=soil.copy(data=traced))
    lazy.physm.plot.series(off_by(land, 0.1), at=ONE)
    assert len(read) == 1  # of 20 cells


def test_a_fitted_model_draws_what_it_predicts():
    ds = xsm.open_tutorial("land").isel(latitude=slice(4, 6), longitude=slice(20, 22))
    train, test = ds.sel(time="2018"), ds.sel(time=slice("2019-01", "2019-03"))
    fitted = train.physm.fit("lstm", epochs=2, iterations=2, hidden_size=4, progress=False)
    assert fitted.plot.training()[0].get_title() == "total"
    at = {"latitude": 43.0, "longitude": 15.0}
    line = fitted.plot.series(test, at=at).lines[1]
    expected = fitted.predict(test)["swvl1"].sel(at, method="nearest")
    np.testing.assert_allclose(line.get_ydata(), expected.isel(time=slice(0, -1)), rtol=1e-6)
    assert fitted.plot.map(test, "swvl1", over="time").get_xlabel() == "longitude [°E]"
    title = fitted.plot.improvement(test, fitted.predict(test), names=("it", "itself")).get_title()
    assert title == "it better than itself on 0 % of cells"


def test_an_array_has_figures_too(land):
    ax = land["swvl1"].physm.plot.map(over="time")
    assert ax.figure.axes[-1].get_ylabel() == "swvl1 [m³ m⁻³]"


def test_signatures_are_those_of_the_functions():
    own = inspect.signature(DataPlots(xr.Dataset()).series)
    whole = inspect.signature(xsm.plotting.plot_series)
    assert list(own.parameters) == list(whole.parameters)[1:]
    fitted = inspect.signature(_fitted().series)
    assert list(fitted.parameters) == ["ds", *list(whole.parameters)[2:]]
    assert "Draw the target through time" in DataPlots(xr.Dataset()).series.__doc__


def _fitted() -> FittedPlots:
    """Return the figures of something that can predict."""

    class Fitted:
        history = xr.Dataset()

        def predict(self, ds: xr.Dataset) -> xr.Dataset:
            return ds

    return FittedPlots(Fitted())


def test_the_figures_of_a_model_are_those_of_data():
    mine = {name for name in vars(FittedPlots) if not name.startswith("_")}
    assert mine == {*KINDS, "training"} - OF_DATA
    assert "series" in repr(_fitted())
    assert "series" in repr(xr.Dataset().physm.plot)
    for name in mine - {"training"}:
        assert callable(getattr(_fitted(), name))


@pytest.mark.parametrize("name", [n for n in FIGURES if n not in OF_DATA])
def test_each_row_of_the_table_is_a_figure_of_both_readers(name):
    row = FIGURES[name]
    seen = []

    def draw(*given: object, note: str = "") -> None:
        seen.append((*given, note))

    class Fitted:
        history = "the history"

        def predict(self, ds: object) -> str:
            return f"prediction of {ds}"

    first = {renewed: ("prediction of data",), second: ("data", "prediction of data")}
    expected = first.get(row.reached, ("the history",))
    given = () if row.reached is history else ("data",)
    row.reached(draw, Fitted())(*given, "more", note="n")
    assert seen == [(*expected, "more", "n")]
    readers = [FittedPlots] if row.reached is history else [FittedPlots, DataPlots]
    for reader in (FittedPlots, DataPlots):
        assert (name in vars(reader)) is (name in dir(reader)) is (reader in readers)
    lines = {FittedPlots: row.fitted or row.about, DataPlots: row.about}
    for reader in readers:
        shown = vars(reader)[name]
        assert isinstance(shown, property)
        assert shown.__doc__ == f"{lines[reader]}, see :func:`xsm.plotting.{row.draw.__name__}`."
    assert row.draw.__name__ in xsm.plotting.__all__
    assert getattr(xsm.plotting, row.draw.__name__) is row.draw


def test_every_figure_of_a_reader_is_a_row():
    assert {n for n in vars(FittedPlots) if not n.startswith("_")} == set(FIGURES) - OF_DATA
    assert set(KINDS) == {n for n, row in FIGURES.items() if row.reached is not history}


PROBE = """
import sys
import xarray as xr
import xsm
import xsm.plotting
plot = xr.Dataset({"a": (("y", "x"), [[1.0]])}).physm.plot
assert "matplotlib" not in sys.modules and "cartopy" not in sys.modules
sys.modules["matplotlib"] = sys.modules["matplotlib.pyplot"] = None
try:
    plot.map("a")
except ImportError as error:
    print(error)
"""


def test_matplotlib_is_loaded_late_and_asked_for():
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert "pip install 'xsm[plot]'" in done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_without_matplotlib_the_error_says_what_to_type(figures, monkeypatch, kind):
    ds, args, kwargs = figures[kind]
    for name in [n for n in sys.modules if n.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"Figures need matplotlib.*pip install 'xsm\[plot\]'"):
        getattr(ds.physm.plot, kind)(*args, **kwargs)


# Machado, Oliveira and Fernandes (2009), severity 1: linear RGB as each kind of eye sees it
_EYES = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}


def as_seen(colour: object, eye: np.ndarray) -> np.ndarray:
    """Return CIELAB of a colour as an eye sees it."""
    rgb = np.asarray(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(eye @ linear, 0, 1)
    to_xyz = np.array(
        [[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]]
    )
    ratio = (to_xyz @ seen) / np.array([0.9505, 1.0, 1.0888])
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eye", list(_EYES))
def test_every_eye_tells_the_colours_apart(eye):
    seen = [as_seen(c, _EYES[eye]) for c in [*colours_of(8), OBSERVED]]
    apart = [np.linalg.norm(a - b) for k, a in enumerate(seen) for b in seen[:k]]
    assert min(apart) > 10  # 2.3 is just noticeable


def test_units_are_pretty():
    assert pretty_units("kg m-2 s-1") == "kg m⁻² s⁻¹"
    assert pretty_units("W m^-2") == "W m⁻²"
    assert pretty_units("degC") == "°C"
    assert pretty_units("1") == "1"
