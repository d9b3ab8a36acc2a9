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
# # Fill the gaps of a satellite
#
# A satellite sees a place every two or three days, and not at all under snow or dense rain. This
# tutorial trains a network on the days that were seen, lets it run through the weather of all days,
# and returns a daily record without gaps, with an interval for each filled day. The world is
# simulated, so that the filled days can be compared with the truth.

# %% tags=["data"]
import numpy as np
import xarray as xr

import xsm

xsm.set_options(progress=False)
world = xsm.open_tutorial("land").isel(latitude=slice(2, 14, 2), longitude=slice(14, 30, 2))
rng = np.random.default_rng(0)
truth = world["swvl1"]
day = np.arange(truth.sizes["time"])[:, None, None]
phase = rng.integers(0, 3, truth.shape[1:])
seen = ((day + phase) % 3 == 0) & (world["t2m"] > 273.15).values  # every third day, not on ice
noisy = truth + rng.normal(0, 0.015, truth.shape)
weather = world[["tp", "t2m", "ssrd", "d2m", "sp", "sand", "clay", "elevation"]]
satellite = noisy.where(seen).clip(0).assign_attrs(units="m3 m-3")
name = "soil_moisture"  # yours: "sm" in ESA CCI, "soil_moisture_am" in SMAP L3
at = {"latitude": 42.0, "longitude": 15.0}  # a place to show
ds = weather.assign({name: satellite})  # yours: xsm.regrid(weather, satellite).merge(satellite)

# %% [markdown]
# ## 1. Look at the data
#
# `check` counts the gaps and names flags that nothing reads. Bad retrievals are yours to drop
# first: `sm.where(quality == 0)`.

# %%
ds.physm.check()

# %% [markdown]
# ## 2. Train on the days that were seen
#
# `sequence=` lets the network run through the record. `data_integration=True` gives it the last
# observation and its age, `known_forcing=True` the weather up to the day itself: filling a gap is
# no forecast, so the weather of the gap is known.

# %%
short = {"epochs": 12, "iterations": 12, "hidden_size": 64}  # leave it out for the full schedule
fitted = ds.sel(time=slice("2018", "2019")).physm.fit(
    "lstm",
    target=name,
    sequence=180,
    data_integration=True,
    known_forcing=True,
    head="gaussian",
    **short,
)
fitted

# %% [markdown]
# ## 3. Fill
#
# The prediction has a value for every day. Keep the observation where there is one.

# %%
estimate = fitted.predict(ds).drop_vars("lead")  # 1 day: how far the observation may be away
filled = ds[name].fillna(estimate[name])
share = {
    "days seen": float(ds[name].notnull().mean()),
    "days after filling": float(filled.notnull().mean()),
}
{name: round(value, 2) for name, value in share.items()}

# %% [markdown]
# ## 4. Compare with the usual ways to fill
#
# Two are in use: hold the last observation, or draw a line to the next one, which needs to know it.
# The table has the days of 2020 without an observation.

# %% tags=["truth"]
rows = {
    "last observation": ds[name].ffill("time"),
    "line between observations": ds[name].interpolate_na("time"),
    "network": estimate[name],
}
gaps = ds[name].isnull() & truth.notnull() & (truth["time"].dt.year == 2020)
for field in rows.values():
    gaps = gaps & field.notnull()
error = {name: (field - truth).where(gaps) for name, field in rows.items()}
table = xr.Dataset(
    {
        "rmse": xr.concat([np.sqrt((e**2).mean()) for e in error.values()], "way"),
        "bias": xr.concat([e.mean() for e in error.values()], "way"),
    },
    {"way": list(rows)},
)
table.to_dataframe().round(4)

# %% [markdown]
# ## 5. See it at one place
#
# Observations are dots with gaps between; the line is the estimate, the band its 90 % interval.

# %%
summer = slice("2020-05", "2020-08")
ax = ds.sel(time=summer).physm.plot.series(estimate.sel(time=summer), at=at, level=0.9)

# %% [markdown]
# ## 6. Can the intervals be trusted?
#
# Judge them against observations that the network did not use for that day. If they are too narrow,
# `fitted.calibrate(other_year)` widens them.

# %%
year = slice("2020", "2020")
curve = xsm.reliability(ds.sel(time=year), estimate.sel(time=year))
levels = curve["coverage"].mean([d for d in curve["coverage"].dims if d != "level"])
levels.to_series().round(2)

# %% [markdown]
# Write the record: `filled.to_netcdf("daily.nc")`. A network that was trained on one period can
# fill another one: `fitted.save("gaps.xsm")`.
