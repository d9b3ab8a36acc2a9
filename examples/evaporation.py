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
# ## 4. Show the runoff too
#
# Soil moisture says when water leaves the soil. It does not say how much runs off without wetting
# the sensor. A gauge does: show the model the runoff as well, and the level of evaporation follows
# from the account.

# %%
gauged = ds.assign(ro=hidden["ro"])
observed = ["soil_moisture", "snow_water_equivalent", "runoff"]
better = gauged.sel(time=slice("2018", "2019")).physm.fit(
    "water_budget", target=observed, sequence=365, **short
)
both = {"soil moisture": found, "soil moisture, runoff": better.predict(gauged)}

# %% [markdown]
# ## 5. Compare with the truth
#
# Evaporation of 2020, a year that no model saw: its mean, and the correlation of months.

# %% tags=["truth"]
import pandas as pd

year = slice("2020-02", "2020-12")
truth = (-1000 * hidden["e"]).assign_attrs(units="mm day-1").sel(time=year)
months = truth.resample(time="MS").mean()
rows = {"truth": {"mean (mm/day)": float(truth.mean()), "r of months": 1.0}}
for name, answer in both.items():
    said = answer["evaporation"].sel(time=year)
    r = xr.corr(months, said.resample(time="MS").mean(), "time")
    rows[name] = {"mean (mm/day)": float(said.mean()), "r of months": float(r.median())}
pd.DataFrame(rows).T.round(2)

# %% tags=["truth"]
at = {"latitude": 42.5, "longitude": 15.0}
weekly = truth.rename("evaporation").to_dataset().rolling(time=7, center=True).mean()
shown = {name: answer[["evaporation"]].sel(time=year) for name, answer in both.items()}
shown = {name: answer.rolling(time=7, center=True).mean() for name, answer in shown.items()}
ax = weekly.physm.plot.series(shown, at=at, target="evaporation")

# %% [markdown]
# ## 6. Ask what water must do
#
# `audit` changes the weather and looks at the answers: without rain the stored water must not rise,
# without demand nothing may evaporate.

# %%
xsm.audit(better, gauged.isel(time=slice(0, 400)))

# %% [markdown]
# How much of each term soil moisture alone identifies, on simulated and on observed data, stands on
# the page about the water budget. Show the model all that you have: storage of GRACE, runoff of a
# basin, evaporation of a tower.
