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
# # Evaporation from soil moisture
#
# Evaporation is measured at few places, soil moisture at many. How fast the soil dries after rain
# says how much water leaves it. `water_budget` keeps an account of all water: it is shown soil
# moisture and the weather, and answers with evaporation, runoff and storage, so that inputs and
# outputs balance on each day. What it never saw can only be as good as the account allows, so the
# tutorial ends with the comparison.

# %% tags=["data"]
import xarray as xr

import xsm

xsm.set_options(progress=False)
world = xsm.open_tutorial("land").isel(latitude=slice(2, 10, 2), longitude=slice(14, 26, 2))
hidden = world[["e", "ro"]]  # the truth, which the model does not see
ds = world.drop_vars(["e", "ro", "sro"])  # yours: soil moisture by layer, snow and weather
ds.physm.variables()

# %% [markdown]
# ## 1. Train
#
# `target=` names what was observed; any of soil moisture, snow, evaporation, runoff and storage,
# with gaps. Potential evaporation is made of radiation and temperature. Long pieces let slow stores
# count.

# %%
short = {"epochs": 12, "iterations": 8}  # leave it out for the full schedule
fitted = ds.sel(time=slice("2018", "2019")).physm.fit(
    "water_budget", target=["soil_moisture", "snow_water_equivalent"], sequence=365, **short
)
fitted

# %% [markdown]
# ## 2. Predict all terms

# %%
found = fitted.predict(ds)
found

# %% [markdown]
# ## 3. Does the account close?
#
# Precipitation minus evaporation, runoff and the change of storage is 0 to rounding, on every day
# and in every cell, whatever the network has learnt.

# %%
account = ds.physm.consistency(found, law="budget")
account

# %% [markdown]
# ## 4. Compare with the truth
#
# Evaporation and runoff of 2020, a year that the model did not see: the mean, and the correlation
# of months.

# %% tags=["truth"]
import pandas as pd

year = slice("2020-02", "2020-12")
truth = {"evaporation": -1000 * hidden["e"], "runoff": 1000 * hidden["ro"]}
rows = {}
for name, values in truth.items():
    own, said = values.sel(time=year), found[name].sel(time=year)
    r = xr.corr(own.resample(time="MS").mean(), said.resample(time="MS").mean(), "time")
    rows[name] = {
        "truth (mm/day)": float(own.mean()),
        "model (mm/day)": float(said.mean()),
        "r of months": float(r.median()),
    }
pd.DataFrame(rows).T.round(2)

# %% tags=["truth"]
at = {"latitude": 42.5, "longitude": 15.0}
own = truth["evaporation"].assign_attrs(units="mm day-1").sel(time=year)
weekly = own.rename("evaporation").to_dataset().rolling(time=7, center=True).mean()
said = found[["evaporation"]].sel(time=year).rolling(time=7, center=True).mean()
ax = weekly.physm.plot.series(said, at=at, target="evaporation")

# %% [markdown]
# The course follows the truth, the level does not: soil moisture alone does not say which part of
# the rain ran off without wetting the soil, and the account then gives too much of it to runoff.
# Use the result as an index of when and where the soil loses water. For amounts, show the model
# what you have of the other terms (runoff of a gauge, evaporation of a tower, storage of GRACE):
# name it in `target=`, and compare again, since a short training does not use it fully.

# %% [markdown]
# ## 5. Ask what water must do
#
# `audit` changes the weather and looks at the answers: without rain the stored water must not rise,
# without demand nothing may evaporate.

# %%
xsm.audit(fitted, ds.isel(time=slice(0, 400)))

# %% [markdown]
# How much of each term is identified by what, on simulated and on observed data, stands on the page
# about the water budget.
