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
# # Use data beyond memory and a cluster
#
# Open a store lazily, plan before computing, train within a limit of memory, predict on a cluster
# into another store, and audit what was written. The cluster here is two processes on one machine;
# the calls are the same on a large one.

# %%
import tempfile
import warnings
from pathlib import Path

import xarray as xr
from dask.distributed import Client, LocalCluster

import xsm

xsm.set_options(progress=False)
folder = Path(tempfile.mkdtemp())

# %% [markdown]
# ## 1. Open a store
#
# Here it holds the tutorial world; with data of your own the line is
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
# Names, units and signs are read from the metadata; no chunk was loaded.
#
# ## 2. Train within a limit of memory
#
# Training data above `memory_limit` are streamed from the store, block by block, and drawn from a
# pool so that batches are mixed. The limit here is small on purpose.

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
# ## 3. Plan before you compute

# %%
year = ds.sel(time=slice("2019-12-25", "2020"))
year.physm.plan(fitted)

# %%
daily_maps = year.chunk(time=1, latitude=-1, longitude=-1)
daily_maps.physm.plan(fitted)

# %% [markdown]
# The first plan reads each chunk once. The second is of the same data in maps of a day, as many
# archives hold them: a window of a week reads eight chunks, and the plan says what to type instead.
#
# ## 4. Predict from store to store
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
# ## 5. Score and audit what was written
#
# Scores and audits are lazy maps: the workers read both stores and return one value for each cell.

# %%
scores = ds.physm.score(done, baselines=fitted)
audit = ds.physm.consistency(done, trend="level")
scores, audit = scores.compute(), audit.compute()
scores[["r", "rmse", "kge"]].median(["latitude", "longitude"]).to_dataframe().round(3)

# %%
ax = scores.physm.plot.map("rmse", col="source")

# %%
ax = audit.physm.plot.map("excess", centre=0)

# %% [markdown]
# ## 6. Share the model
#
# The model is a Zarr store too, without pickle, at any URL that fsspec knows. Others load it and
# predict on their own cluster.

# %%
fitted.save(folder / "soil.xsm")
same = xsm.load(folder / "soil.xsm").predict(year)
bool((same["swvl1"] == forecast["swvl1"]).where(forecast["swvl1"].notnull()).all().compute())

# %%
client.close()
cluster.close()
