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
# # My region has three months of data
#
# Soil moisture is known for years where a land model ran, and for a few months where a satellite
# or a new network of stations has just begun. A model that has learnt from the first can go on
# with the second. Both worlds here are simulated by xsm: the region with many data, and another
# one, with other weather and other soils, where a satellite has looked for three months.

# %%
import numpy as np
import xarray as xr

import xsm

xsm.set_options(progress=False)
every = {"latitude": slice(0, None, 3), "longitude": slice(0, None, 3)}
many = xsm.open_tutorial("land").isel(every)

# %% [markdown]
# ## The new region
#
# The weather has the names and units of another product. The satellite sees a line of the true
# soil moisture with noise, on two days of five; its values are known from March to May 2019. What
# it will see in 2020 is kept for the test, without its noise.

# %%
truth = xsm.open_tutorial("land", seed=1).isel(every).sel(time=slice("2019", "2020"))
random = np.random.default_rng(0)
line = 0.05 + 0.7 * truth["swvl1"]
seen = line + 0.02 * random.standard_normal(line.shape)
seen = seen.where(random.random(seen.shape) < 0.4).assign_attrs(units="m3 m-3")
mine = xr.Dataset(
    {
        "pr": (truth["tp"] * (1000 / 86400)).assign_attrs(units="kg m-2 s-1"),
        "tas": (truth["t2m"] - 273.15).assign_attrs(units="degC"),
        "rsds": (truth["ssrd"] / 86400).assign_attrs(units="W m-2"),
        "sand": truth["sand"],
        "clay": truth["clay"],
        "sm_surface": seen,
    }
)
months = (mine["time"] >= np.datetime64("2019-03-01")) & (
    mine["time"] < np.datetime64("2019-06-01")
)
known = mine.assign(sm_surface=seen.where(months)).sel(time="2019")

# %% [markdown]
# ## Learn where data are many, go on where they are few
#
# The source is trained on what both regions have. `input_dropout` hides each input from a fifth of
# the pieces that train, so that the network can later do without some of them.

# %%
network = {"sequence": 120, "lead": 0, "hidden_size": 32}
short = {"epochs": 8, "iterations": 20}
source = many.physm.fit(
    "lstm",
    target="swvl1",
    dynamic=["precipitation", "air_temperature", "shortwave_down"],
    static=["sand", "clay"],
    input_dropout=0.2,
    **network,
    **short,
)
stated = {
    "target": "satellite_soil_moisture",
    "variables": {"satellite_soil_moisture": "sm_surface"},
}
tuned = source.finetune(known, **stated)
tuned

# %% [markdown]
# The card says what came from where. The source's inputs keep their scales, whatever the names and
# units of the new product; the target begins at a line from what the source says to what the
# satellite saw, and each observed cell gets an offset of its own.
#
# The same network from scratch, on the same three months:

# %%
scratch = known.physm.fit("lstm", static=["sand", "clay"], valid=0, **stated, **network, **short)

# %%
found = {
    "fine-tuned": mine.physm.predict(tuned, variables=stated["variables"]),
    "from scratch": mine.physm.predict(scratch, variables=stated["variables"]),
}
error = {
    name: float((((f["sm_surface"] - line) ** 2).sel(time="2020").mean()) ** 0.5)
    for name, f in found.items()
}
error

# %%
place = {"latitude": 41.0, "longitude": 13.75}
shown = {f"{name}, RMSE {error[name]:.3f}": f for name, f in found.items()}
ax = mine.physm.plot.series(shown, at=place, **stated)
ax.axvspan(np.datetime64("2019-03-01"), np.datetime64("2019-06-01"), color="gold", alpha=0.3)

# %% [markdown]
# ## A product that lacks an input
#
# The source was trained to do without. What is missing is hidden, as in training, and a warning
# names it; nothing is filled in. A model without `input_dropout` refuses such data.

# %%
import warnings

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    without = tuned.predict(mine.drop_vars("rsds"), variables=stated["variables"])
print(told[0].message)
float((((without["sm_surface"] - line) ** 2).sel(time="2020").mean()) ** 0.5)

# %% [markdown]
# ## Where it comes from
#
# The lineage is saved with the model: the models that it went on from, their data, and when.

# %%
[(entry["model"], entry["target"], entry["left"]) for entry in tuned.fingerprint["lineage"]]
