# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From a Zarr store to a Zarr store on a cluster
#
# How xsm is used where data live in the cloud and nobody knows how many machines there will be:
# open a store lazily, look before computing, train within a limit of memory, predict on a cluster
# into another store, audit what was written. The cluster is this machine's two cores; the calls are
# those of a large one.

# %%
import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import xarray as xr
from dask.distributed import Client, LocalCluster

import xsm

xsm.set_options(progress=False)
folder = Path(tempfile.mkdtemp())

# %% [markdown]
# ## A store
#
# Somewhere a reanalysis lies in chunks. Here it is the tutorial world; on Pangeo the line would be
# `xr.open_zarr("gs://bucket/era5land.zarr")`.

# %%
xsm.open_tutorial("land").chunk(time=-1, latitude=8, longitude=8).to_zarr(
    folder / "land.zarr", mode="w", consolidated=False
)
cluster = LocalCluster(
    n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs="ERROR"
)
client = Client(cluster)
quiet = client.run(warnings.filterwarnings, "ignore", "invalid value")  # means over the sea
ds = xr.open_zarr(folder / "land.zarr", consolidated=False)
ds["swvl1"]

# %%
ds.physm.variables()

# %% [markdown]
# Names, units and signs are read from the metadata; not a chunk was loaded.
#
# ## Train within a limit
#
# Training data above `memory_limit` are streamed from the store, block by block, drawn from a pool
# so that batches are mixed. The limit here is far too small on purpose.

# %%
train = ds.sel(time=slice("2018", "2019"))
fitted = train.physm.fit(
    "phy_lstm",
    data_integration=True,
    known_forcing=True,
    memory_limit="24 MiB",
    epochs=12,
    iterations=80,
    validate_every=4,
)
fitted.card["training"]

# %% [markdown]
# ## Look before you compute

# %%
year = ds.sel(time=slice("2019-12-25", "2020"))
year.physm.plan(fitted)

# %%
daily_maps = year.chunk(time=1, latitude=-1, longitude=-1)
daily_maps.physm.plan(fitted)

# %% [markdown]
# The first plan reads each chunk once; it only remarks that so small a world needs no blocks at
# all. The second is of the same data in maps of a day, as many archives hold them: a window of a
# week touches eight chunks, and the plan says what to type instead.
#
# ## Predict, store to store
#
# `predict` returns at once. Workers read, predict and write block by block; nothing passes through
# this process.

# %%
forecast = year.physm.predict(fitted)
forecast

# %%
forecast.to_zarr(folder / "forecast.zarr", mode="w", consolidated=False)
done = xr.open_zarr(folder / "forecast.zarr", consolidated=False)

# %% [markdown]
# ## Judge what was written
#
# Scores and audits are lazy maps: the workers read both stores, and send back a value for each
# cell.

# %%
scores = ds.physm.score(done, baselines=fitted)
audit = ds.physm.consistency(done, trend="level")
scores, audit = scores.compute(), audit.compute()
scores[["r", "rmse", "kge"]].median(["latitude", "longitude"]).to_dataframe().round(3)

# %%
fig, axes = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
skill = 1 - scores["rmse"].sel(source="model") / scores["rmse"].sel(source="persistence")
(100 * skill).plot(
    ax=axes[0],
    vmin=-100,
    vmax=100,
    cmap="RdBu",
    cbar_kwargs={"label": "RMSE below persistence (%)"},
)
audit["excess"].plot(
    ax=axes[1],
    vmin=-0.3,
    vmax=0.3,
    cmap="PuOr",
    cbar_kwargs={"label": "consistency beyond the truth's own"},
)
for ax, title in zip(axes, ("skill", "excess of consistency"), strict=True):
    ax.set(title=title, xlabel="longitude (°)", ylabel="latitude (°)")
plt.show()

# %%
outside = done["extrapolation"].mean("time").compute()
fig, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
(100 * outside).where(scores["count"].sel(source="model") > 0).plot(
    ax=ax, cmap="magma_r", cbar_kwargs={"label": "days (%)"}
)
ax.set(title="weather that training had not seen", xlabel="longitude (°)", ylabel="latitude (°)")
plt.show()

# %% [markdown]
# ## Hand it on
#
# The model is a Zarr store as well, without pickle; any URL that fsspec knows will do. A colleague
# loads it and predicts, on whatever cluster.

# %%
fitted.save(folder / "soil.xsm")
same = xsm.load(folder / "soil.xsm").predict(year)
bool((same["swvl1"] == forecast["swvl1"]).where(forecast["swvl1"].notnull()).all().compute())

# %%
client.close()
cluster.close()
