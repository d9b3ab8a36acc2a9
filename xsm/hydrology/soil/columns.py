"""Labelled simulation of soil columns: forcing in, moisture and fluxes by layer out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from xsm.data.dimensions import check_same_names
from xsm.data.doubt import doubt
from xsm.data.grid import step_days, time_dim
from xsm.data.naming import ROLES
from xsm.data.naming.held import in_memory
from xsm.data.provenance import recorded
from xsm.data.reading import read
from xsm.data.refused import check_some
from xsm.exceptions import GridError
from xsm.hydrology.soil.hydraulics import HYDRAULIC, layer_parameters
from xsm.hydrology.soil.known import root_shares
from xsm.hydrology.soil.layering import depth_coordinates
from xsm.hydrology.soil.profile import FACE_DIM, face_coordinate
from xsm.hydrology.soil.richards import Face
from xsm.hydrology.soil.simulation import SERIES, ColumnJob
from xsm.typing import FloatArray

__all__ = ["EDGES", "simulate_columns"]


EDGES = tuple(
    cm / 100.0
    for cm in (0, 2.5, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 65, 80, 100, 130, 170, 220)
)
"""Faces of the layers by default, m: fine where water changes fast."""

_TEXT = {
    "soil_moisture": ("volumetric soil moisture", "m3 m-3"),
    "root_water_uptake": ("water that roots take up from a layer", "mm day-1"),
    "soil_water_flux": ("water through the faces of the layers, downward", "mm day-1"),
    "evaporation": ("water that leaves the surface and, by roots, the soil", "mm day-1"),
    "surface_runoff": ("water that runs off the surface", "mm day-1"),
    "drainage": ("water that leaves the soil at the bottom", "mm day-1"),
    "ponding": ("water on the surface at the end of the step", "mm"),
}


def simulate_columns(  # noqa: PLR0913
    ds: xr.Dataset,
    *,
    parameters: xr.Dataset | None = None,
    edges: Sequence[float] = EDGES,
    layers: Sequence[float] | None = None,
    roots: float | Sequence[float] = 0.961,
    cover: xr.DataArray | float = 1.0,
    initial: xr.DataArray | float = -1.0,
    bottom: float | str = "free_drainage",
    max_ponding: float = 0.0,
    air_entry: float | None = None,
    face: Face = "arithmetic",
    every: int = 1,
    longest_step: float | None = None,
    variables: Mapping[str, str] | None = None,
) -> xr.Dataset:
    """Simulate the soil water of each cell from its weather.

    Parameters
    ----------
    ds : xarray.Dataset
        Precipitation and potential evaporation (time, ...), hourly, daily or of any uniform step.
    parameters : Dataset, optional
        Hydraulic parameters as of :func:`xsm.soil_parameters`; by default those that the data hold.
        A layer has those of the horizon that its centre lies in.
    edges : sequence of float
        Faces of the solver's layers from 0 down, m; by default 18 layers to 2.2 m.
    layers : sequence of float, optional
        Faces of the layers that come back, some of ``edges``; by default all.
    roots : float or sequence of float, default: 0.961
        The beta of Jackson et al. (1996), or the share of the roots in each of the solver's layers.
    cover : DataArray or float, default: 1.0
        Share of the demand of the atmosphere that plants take, 0 to 1; the rest dries the surface.
        A lazy one is not looked at: columns of other values are NaN.
    initial : DataArray or float, default: -1.0
        Pressure head before the first step, m.
    bottom : {"free_drainage", "closed"} or float, default: "free_drainage"
        Unit gradient, no flow, or a fixed pressure head (m) at the bottom.
    max_ponding : float, default: 0.0
        Water that can stand on the surface, mm; the rest runs off.
    air_entry : float, optional
        Suction below which the soil stays saturated, m; by default that of the parameters, where
        they have it, else 0.02. 0 is van Genuchten's own curve, which takes up to 100 times as long
        in clay.
    face : {"arithmetic", "geometric", "upstream"}, default: "arithmetic"
        How the conductivity at a face follows from its two layers.
    every : int, default: 1
        Steps of the forcing in a step of the result.
    longest_step : float, optional
        Longest step of the solver, days; by default that of the forcing.
    variables : mapping of str to str, optional
        Role to variable name, where xsm finds none or the wrong one.

    Returns
    -------
    xarray.Dataset
        ``soil_moisture`` (m3 m-3, end of the step) and ``root_water_uptake`` (mm day-1 from each
        layer) along ``depth``; ``soil_water_flux`` (mm day-1, positive downward) along
        ``depth_interface``; ``evaporation`` (roots and surface), ``surface_runoff``, ``drainage``
        (mm day-1), ``ponding`` (mm). Means over each step, labelled by its start, float64. Lazy
        where the data are; time in one chunk. A column is NaN from the step on whose input
        is NaN, or which cannot be solved; then a warning says so.

    Raises
    ------
    MissingVariableError, UnitsError
        If variables are missing or have no usable units; all in one error.
    GridError
        If faces do not ascend from 0, ``layers`` are none of them, a number is not possible, steps
        do not fill the steps of the result, there is one time alone, time is cut into chunks, or
        parameters, ``cover`` or ``initial`` are of other cells.

    Notes
    -----
    See :func:`xsm.physics.columns.simulate` for equations and sources. The budget closes exactly::

        sum_i dz_i (theta_i,t - theta_i,t-1) + ponding_t - ponding_t-1
            = (precipitation - evaporation - surface_runoff - drainage) dt

    Examples
    --------
    >>> import xsm
    >>> days = xr.date_range("2020-06-01", periods=10)
    >>> flux = lambda x: ("time", np.full(10, x), {"units": "mm day-1"})
    >>> ds = xr.Dataset({"precipitation": flux(5.0), "potential_evaporation": flux(3.0)})
    >>> loam = xsm.soil_parameters(
    ...     xr.Dataset({"sand": 40.0, "silt": 40.0, "clay": 20.0}), method="texture_class"
    ... )
    >>> done = xsm.simulate_columns(ds.assign_coords(time=days), parameters=loam)
    >>> round(float(done["evaporation"].sum()), 1)
    30.0
    """
    reading = read(ds, variables)
    reading.require("precipitation", "potential_evaporation")
    check_some(reading.ds)
    doubt(reading, ["precipitation", "potential_evaporation"])
    rain, demand = map(reading.array, ("precipitation", "potential_evaporation"))
    check_same_names({"precipitation": rain, "potential_evaporation": demand}, "precipitation")
    time = time_dim(rain)
    faces = _faces(edges, layers)
    _check_numbers(cover, max_ponding, air_entry, longest_step)
    _check_time(rain, demand, time, every)
    centres = tuple(0.5 * (faces[0][1:] + faces[0][:-1]))
    soil = layer_parameters(reading, parameters, centres, "layer")
    if air_entry is not None or not soil["air_entry"].ndim:
        soil["air_entry"] = xr.DataArray(0.02 if air_entry is None else float(air_entry))
    job = ColumnJob(
        thickness=np.diff(faces[0]),
        wanted=list(faces[1]),
        roots=_roots(roots, faces[0]),
        options={
            "step_days": step_days(rain),
            "every": every,
            "bottom": bottom,
            "max_ponding": 0.001 * max_ponding,
            "face": face,
            "longest_step": longest_step,
        },
    )
    if isinstance(cover, xr.DataArray):
        cover = cover.where((cover >= 0.0) & (cover <= 1.0))
    _check_cells(rain, {**soil, "cover": cover, "initial": initial})
    packed = _apply(job, time, rain, demand, cover, initial, soil)
    found = _unpacked(packed, rain, time, faces[0][faces[1]], every)
    title = "Water in columns of soil, simulated"
    return reading.given_back(recorded(found, "simulate_columns", of=ds, title=title))


def _check_numbers(
    cover: xr.DataArray | float,
    max_ponding: float,
    air_entry: float | None,
    longest_step: float | None,
) -> None:
    """Refuse numbers that no column can have."""
    wrong = []
    if not isinstance(cover, xr.DataArray) or in_memory(cover):
        values = np.asarray(cover, np.float64)
        odd = values[(values < 0.0) | (values > 1.0)]
        if odd.size:
            wrong.append(f"cover={odd[0]:g} was given; a share from 0 to 1 is needed.")
    if not max_ponding >= 0.0:
        wrong.append(f"max_ponding={max_ponding} was given; 0 or more, in mm, is needed.")
    if air_entry is not None and not air_entry >= 0.0:
        wrong.append(f"air_entry={air_entry} was given; 0 or more, in m, is needed.")
    if longest_step is not None and not longest_step > 0.0:
        wrong.append(f"longest_step={longest_step} was given; more than 0 days are needed.")
    if wrong:
        raise GridError(" ".join(wrong))


def _check_cells(rain: xr.DataArray, given: Mapping[str, xr.DataArray | float]) -> None:
    """Refuse maps of other cells than those of the weather."""
    wrong: dict[str, list[str]] = {}
    maps = {n: a for n, a in given.items() if isinstance(a, xr.DataArray)}
    for name, array in maps.items():
        for dim in (d for d in rain.dims if d in array.dims):
            own, other = (a.get_index(dim) for a in (rain, array))
            labelled = dim in rain.indexes and dim in array.indexes
            if len(own) != len(other) or (labelled and not own.equals(other)):
                text = f"{dim} ({_range(other)}, not {_range(own)})"
                wrong.setdefault(text, []).append(name)
    if wrong:
        listed = "; ".join(f"{', '.join(names)} along {text}" for text, names in wrong.items())
        msg = (
            f"Not of the cells of the weather are {listed}. Make parameters of the same data, "
            "xsm.soil_parameters(ds), or bring a map to its cells: "
            '.reindex_like(ds, method="nearest", tolerance=...).'
        )
        raise GridError(msg)


def _range(index: Any) -> str:
    """Return how many labels there are, and the first and the last."""
    return f"{len(index)} from {index[0]} to {index[-1]}"


def _check_time(rain: xr.DataArray, demand: xr.DataArray, time: str, every: int) -> None:
    """Refuse times in chunks, one alone, and steps that do not fill those of the result."""
    steps = rain.sizes[time]
    if every < 1 or steps % every:
        msg = (
            f"every={every} does not divide the {steps} steps along {time!r}; select "
            f"ds.isel({time}=slice({steps // max(every, 1) * max(every, 1)}))."
        )
        raise GridError(msg)
    if steps == 1:
        msg = f"One time along {time!r} does not tell how long its step is; give two or more."
        raise GridError(msg)
    for array in (rain, demand):
        if array.chunks is not None and len(array.chunksizes[time]) > 1:
            msg = (
                f"{array.name!r} is cut into {len(array.chunksizes[time])} chunks along {time!r}; "
                f"a column needs its whole time at once. Type ds.chunk({{{time!r}: -1}})."
            )
            raise GridError(msg)


def _faces(edges: Sequence[float], layers: Sequence[float] | None) -> tuple[FloatArray, list[int]]:
    """Return the faces, and the positions of those that are wanted."""
    faces = np.asarray(edges, np.float64)
    if faces.ndim != 1 or faces.size < 2 or faces[0] != 0.0 or (np.diff(faces) <= 0.0).any():
        msg = f"edges={list(edges)} was given; depths that ascend from 0.0 in m are needed."
        raise GridError(msg)
    if layers is None:
        return faces, list(range(faces.size))
    near = [int(abs(faces - x).argmin()) for x in layers]
    odd = [x for x, i in zip(layers, near, strict=True) if abs(faces[i] - x) > 1e-9]
    if odd or len(near) < 2 or sorted(set(near)) != near:
        msg = (
            f"layers={list(layers)} was given; ascending depths among edges={faces.tolist()} are "
            "needed."
        )
        raise GridError(msg)
    return faces, near


def _roots(roots: float | Sequence[float], faces: FloatArray) -> FloatArray:
    """Return the share of the roots in each layer; by beta all of them stand in the column."""
    if isinstance(roots, float | int) and 0.0 < roots < 1.0:
        shares = root_shares(list(faces), float(roots))
        return shares / shares.sum()
    shares = np.asarray(roots, np.float64)
    if shares.shape != (faces.size - 1,) or (shares < 0.0).any() or shares.sum() > 1.0 + 1e-6:
        msg = (
            f"roots={roots!r} was given; a number between 0 and 1 is needed, or the share of the "
            f"roots in each of the {faces.size - 1} layers, together at most 1."
        )
        raise GridError(msg)
    return shares


def _apply(
    job: ColumnJob,
    time: str,
    rain: xr.DataArray,
    demand: xr.DataArray,
    cover: xr.DataArray | float,
    initial: xr.DataArray | float,
    soil: Mapping[str, xr.DataArray],
) -> xr.DataArray:
    """Run the job on all cells, lazily where an input is."""
    arrays = [soil[name] for name in HYDRAULIC]
    job.layered = tuple("layer" in array.dims for array in arrays)
    core = [["layer"] if by else [] for by in job.layered]
    return xr.apply_ufunc(
        job,
        rain,
        demand,
        cover,
        initial,
        *arrays,
        input_core_dims=[[time], [time], [], [], *core],
        output_core_dims=[["_output", "_item"]],
        dask="parallelized",
        output_dtypes=[np.float64],
        dask_gufunc_kwargs={
            "output_sizes": {
                "_output": rain.sizes[time] // job.options["every"],
                "_item": job.items,
            }
        },
    )


def _unpacked(
    packed: xr.DataArray, rain: xr.DataArray, time: str, faces: FloatArray, every: int
) -> xr.Dataset:
    """Return the results under their names."""
    layers = faces.size - 1
    bounds = list(pairwise(faces.tolist()))
    packed = packed.rename(_output=time).assign_coords({time: rain[time][::every]})
    packed = packed.transpose(time, ..., "_item")
    parts = {
        "soil_moisture": (0, layers, "depth"),
        "root_water_uptake": (layers, 2 * layers, "depth"),
        "soil_water_flux": (2 * layers, 3 * layers + 1, FACE_DIM),
    }
    found = {}
    for name, (start, stop, dim) in parts.items():
        part = packed.isel(_item=slice(start, stop)).rename(_item=dim)
        found[name] = part.transpose(time, dim, ...)
    for i, name in enumerate(SERIES):
        found[name] = packed.isel(_item=3 * layers + 1 + i)
    ds = xr.Dataset(found).assign_coords(depth_coordinates(bounds))
    ds = ds.assign_coords({FACE_DIM: face_coordinate(faces.tolist())})
    for name, (text, units) in _TEXT.items():
        method = "time: point" if units in {"m3 m-3", "mm"} else "time: mean"
        ds[name].attrs = {"long_name": text, "units": units, "cell_methods": method}
    ds["soil_moisture"].attrs["standard_name"] = ROLES["soil_moisture"].output
    return ds
