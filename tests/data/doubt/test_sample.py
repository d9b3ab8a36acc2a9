"""A call reads three blocks of each lazy variable at once, once; all else when it is computed."""

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr

import xsm
from tests.data.doubt.worlds import broken, grid, station
from xsm.data.doubt.sample import take
from xsm.data.naming import find_variables
from xsm.exceptions import UnitsError


def counted(ds: xr.Dataset) -> tuple[xr.Dataset, list[str]]:
    """Return the same data, and a list that grows by a name with each block that is read."""
    reads: list[str] = []

    def note(block, name):
        if block.size:
            reads.append(name)
        return block

    noted = {}
    for name, array in ds.data_vars.items():
        options = {"dtype": array.dtype, "meta": array.data._meta}
        noted[name] = array.copy(data=da.map_blocks(note, array.data, str(name), **options))
    return ds.assign(noted), reads


def test_three_blocks_of_each_variable_are_read_once():
    ds, reads = counted(grid().chunk(time=10, latitude=4, longitude=4))
    terms = ["precipitation", "evaporation"]
    with dask.config.set(scheduler="synchronous"):
        found = xsm.water_balance(ds, terms=terms)
        assert sorted(reads) == sorted(
            3 * ["total_precipitation", "total_evaporation", "volumetric_soil_water_layer_1"]
        )
        xsm.consistency(ds, terms=terms)  # the sample is known
        assert len(reads) == 9
        found.compute()
    assert len(reads) == 9 + 3 * 6 * 4


def test_the_sample_goes_with_its_array():
    from xsm.data.doubt import sample

    ds = grid().chunk(time=10) + 0
    name = ds["2m_temperature"].data.name
    take(ds, {"2m_temperature": None})
    assert any(key[0] == name for key in sample._KNOWN)
    del ds
    assert not any(key[0] == name for key in sample._KNOWN)


def test_blocks_beside_a_masked_middle_are_found():
    ds = grid(shape=(12, 12))
    middle = (abs(ds.latitude - 44.5) < 3) & (abs(ds.longitude - 10.5) < 3)
    ds = ds.where(~middle).chunk(time=20, latitude=3, longitude=3)
    found = take(ds, {"2m_temperature": None})["2m_temperature"]
    assert bool(found.array.notnull().any())


def test_large_arrays_are_thinned_over_all_times_and_places():
    ds = grid(n=400, shape=(30, 30))
    found = take(ds, {"2m_temperature": None})["2m_temperature"]
    assert not found.whole
    assert 2000 < found.array.size < 20000
    for side in (0, -1):
        np.testing.assert_array_less(0, found.array.isel(time=side).size)


def test_each_layer_has_its_own_sample():
    theta = np.full((60, 3, 4), 0.3) + 0.01 * np.random.default_rng(0).normal(size=(60, 3, 4))
    theta[:, 1] = 30 * theta[:, 1]
    ds = xr.Dataset(
        {"theta": (("time", "depth", "cell"), theta, {"units": "m3 m-3"})},
        {
            "time": xr.date_range("2020", periods=60),
            "depth": ("depth", [0.1, 0.2, 0.3], {"units": "m"}),
        },
    )
    for data in (ds, ds.chunk(depth=1, cell=2)):
        named = find_variables(data).layers()
        assert len(named) == 3
        wrong = [f for f in xsm.check(data) if f.kind == "units"]
        assert len(wrong) == 1


def test_files_that_are_not_read_by_dask_are_looked_at(tmp_path):
    path = tmp_path / "tower.nc"
    broken(station(), "P_F", -9999.0).to_netcdf(path)
    with xr.open_dataset(path) as ds:
        (found,) = xsm.check(ds).wrong
    assert found.kind == "fill"


@pytest.mark.parametrize("time", [True, False])
def test_of_a_large_file_boxes_in_the_middle_of_space_are_read(tmp_path, time):
    """The first, the middle and the last times; what lies at the edge of the map is not read."""
    dims, shape = ("time", "lat", "lon"), (40, 300, 300)
    rain = np.ones(shape, np.float32)
    rain[-1, 150, 150] = -9999.0  # in the last box
    rain[:, 0, 0] = -8888.0  # in none
    ds = xr.Dataset(
        {"tp": (dims, rain, {"units": "mm day-1"})},
        {"time": xr.date_range("2020-01-01", periods=40), "lat": np.arange(300) / 10},
    )
    kept = ds if time else ds.isel(time=-1, drop=True)
    kept.to_netcdf(tmp_path / "rain.nc")
    with xr.open_dataset(tmp_path / "rain.nc") as opened:
        sample = take(opened, {"tp": None})["tp"]
        assert not opened["tp"].variable._in_memory
    assert -9999.0 in sample.array
    assert (-8888.0 in sample.array) == (not time)  # a map of 90,000 values is looked at whole
    assert sample.whole == (not time)


@pytest.mark.parametrize("verb", ["water_balance", "consistency", "predict"])
def test_a_code_that_no_sample_holds_is_found_when_computed(verb):
    """Sampled are the first, the middle and the last block of time; the code lies in another."""
    ds = station()
    model = {"dynamic": ["precipitation"], "static": [], "epochs": 1, "iterations": 1}
    fitted = ds.physm.fit("lstm", progress=False, **model)
    lazy = broken(ds, "P_F", -9999.0, where=150).chunk(time=90)
    calls = {
        "water_balance": lambda: lazy.physm.water_balance(terms=["precipitation"]),
        "consistency": lambda: lazy.physm.consistency(terms=["precipitation"]),
        "predict": lambda: lazy.physm.predict(fitted),
    }
    found = calls[verb]()
    with pytest.raises(
        UnitsError, match=r"1 of 9\d values of 'P_F' that were computed now are -9999"
    ):
        found.compute()


@pytest.mark.parametrize("resident", [True, False])
def test_a_code_that_no_sample_holds_stops_training(resident, monkeypatch):
    """In memory all values are looked at; of a stream their extremes in training."""
    from xsm.cells import fit

    monkeypatch.setattr(fit, "fits", lambda *_: resident)
    lazy = broken(station(), "P_F", -9999.0, where=150).chunk(time=90)
    quick = {"dynamic": ["precipitation"], "epochs": 1, "iterations": 1, "progress": False}
    with pytest.raises(UnitsError, match="of 'P_F' that were computed now are -9999"):
        lazy.physm.fit("lstm", **quick)


def test_scores_look_at_all_observations_when_computed():
    lazy = broken(station(), "SWC_F_MDS_1", -9999.0, where=150).chunk(time=90)
    table = lazy.physm.score(station()["SWC_F_MDS_1"], baselines=False)
    with pytest.raises(UnitsError, match=r'Type ds\["SWC_F_MDS_1"\] = ds\["SWC_F_MDS_1"\].where'):
        table.compute()


def test_values_beyond_the_range_are_warned_of_when_computed():
    lazy = broken(station(), "P_F", -7.5, where=150).chunk(time=90)
    found = lazy.physm.water_balance(terms=["precipitation"])
    with pytest.warns(
        UserWarning, match=r"'P_F' holds values outside of -0.05 to 1e\+04 in blocks"
    ):
        found.compute(scheduler="synchronous")


@pytest.mark.parametrize("chunks", [{"time": -1}, {"time": 30}])
def test_the_graph_of_a_prediction_does_not_grow(monkeypatch, chunks):
    from xsm.cells import apply

    ds = grid()
    names = {"dynamic": ["precipitation", "air_temperature"], "target": "soil_moisture"}
    fitted = ds.physm.fit("lstm", **names, epochs=1, iterations=1, progress=False)
    lazy = ds.chunk(latitude=2, longitude=2, **chunks)
    tasks = len(dict(lazy.physm.predict(fitted).__dask_graph__()))
    monkeypatch.setattr(apply, "_doubt_inputs", lambda *_, **__: None)
    monkeypatch.setattr(apply, "guards_of", lambda *_: {})
    assert tasks == len(dict(lazy.physm.predict(fitted).__dask_graph__()))
