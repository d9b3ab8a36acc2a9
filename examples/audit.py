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
# # An audit of data that xsm did not make
#
# Three products of soil moisture lie on the desk. They cannot be compared with stations, for there
# are none. But each came with a story of rain, and water cannot appear from nowhere: if soil
# moisture is right, it rises when more water comes in. That needs no truth. One of the three has a
# mistake that no map and no correlation shows. Which?

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import xsm

world = xsm.open_tutorial("land").isel(latitude=slice(0, 24, 2), longitude=slice(0, 32, 2))
fluxes = world[["tp", "e", "sro", "sd"]]  # what is known of the water
truth = world["swvl1"]  # known here, as the world is simulated; only looked at in the end

# %% [markdown]
# Before anything is judged, a look at what was read: which variable was taken for what, in which
# units, with which sign.

# %%
fluxes.assign(swvl1=truth).physm.variables()

# %% [markdown]
# The products are made of the truth, each with a fault of its kind: noise as a radiometer has it;
# the smoothness of an assimilation with a long memory; and days that somebody has labelled by their
# end.

# %%
rng = np.random.default_rng(0)
noise = 0.02 * rng.standard_normal(truth.shape).astype(np.float32)
smooth = truth.rolling(time=9, center=True, min_periods=1).mean()
products = {
    "A": (truth + noise).clip(0),
    "B": smooth,
    "C": truth.shift(time=1).bfill("time"),
}
products = {name: array.assign_attrs(truth.attrs) for name, array in products.items()}

# %%
place = {"latitude": world["latitude"][6], "longitude": world["longitude"][9]}
fig, ax = plt.subplots(figsize=(10, 3.2), layout="constrained")
for (name, array), colour in zip(products.items(), ("#0072B2", "#E69F00", "#009E73"), strict=True):
    array.sel(place).sel(time=slice("2019-03", "2019-08")).plot(ax=ax, color=colour, label=name)
ax.set(title="", xlabel="", ylabel="soil moisture 0-7 cm (m³ m⁻³)")
ax.legend(ncols=3, frameon=False)
ax.margins(x=0)
plt.show()

# %% [markdown]
# All look reasonable. They agree with each other, too:

# %%
together = xr.concat(list(products.values()), xr.Variable("product", list(products)))
r = xr.corr(together, together.rename(product="other"), "time").mean(["latitude", "longitude"])
r.to_pandas().round(3)

# %% [markdown]
# ## The audit
#
# `consistency` needs fluxes and soil moisture, no model. What is judged here is each product as an
# observation: how often does it follow the level of the inflow? `always_drying` is what a series
# would score that falls every day, and so the least that is worth a word.

# %%
every = ["latitude", "longitude"]
audits = {
    name: fluxes.assign(swvl1=array).physm.consistency(trend="level")
    for name, array in products.items()
}
joined = xr.concat(list(audits.values()), xr.Variable("product", list(products)))
about = ["observed_consistency", "always_drying", "count"]
joined[about].median(every).to_dataframe().round(3)

# %%
fig, axes = plt.subplots(1, 3, figsize=(12, 3), layout="constrained", sharey=True)
for ax, name in zip(axes, products, strict=True):
    image = (
        joined["observed_consistency"]
        .sel(product=name)
        .plot(ax=ax, vmin=0.4, vmax=1, cmap="viridis", add_colorbar=False)
    )
    ax.set(title=name, xlabel="longitude (°)", ylabel="latitude (°)" if name == "A" else "")
fig.colorbar(image, ax=axes, label="share of days that follow the inflow")
plt.show()

# %% [markdown]
# None of them follows the water more often than a series would that always falls. A is noisy, B is
# smooth, and C, the best, is no better in half of the country. Are the products bad, or do they not
# belong to these fluxes?
#
# ## Shift them
#
# A product whose days are labelled otherwise than those of the fluxes is right on the wrong day. So
# move each against the fluxes, a day at a time. What is labelled rightly is best where it is.

# %%
shifts = range(-3, 4)


def by_shift(array: xr.DataArray) -> list[float]:
    """Return the consistency of a product that is moved by some days."""
    moved = (fluxes.assign(swvl1=array.shift(time=-days)) for days in shifts)
    found = (ds.physm.consistency(trend="level")["observed_consistency"] for ds in moved)
    return [float(share.median()) for share in found]


curves = {name: by_shift(array) for name, array in products.items()}
fig, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
for (name, curve), colour in zip(curves.items(), ("#0072B2", "#E69F00", "#009E73"), strict=True):
    ax.plot(list(shifts), curve, "o-", color=colour, label=name)
ax.axvline(0, color="grey", lw=0.8)
ax.set(xlabel="days that the product is moved back", ylabel="consistency, median of cells")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# Three curves, three verdicts:
#
# - **C** is right to nine days of ten, a day late: its days are labelled by their end. One line
#   mends it, `C.shift(time=-1)`.
# - **A** peaks where it is. Its labels are right; the rest is noise, which no shift takes away.
# - **B** has no peak, and gets better the later it is made: it is wet before it rains. That is what
#   a mean around each day does. As a record it may serve; who trains a forecast on it teaches it
#   tomorrow's rain.
#
# With the truth at hand, which one rarely has, the verdict holds:

# %%
mended = {"A": products["A"], "B": products["B"], "C": products["C"].shift(time=-1)}
error = {
    name: float(np.sqrt(((array - truth) ** 2).mean(["time", *every])))
    for name, array in {"C as it came": products["C"], **mended}.items()
}
{name: round(value, 4) for name, value in error.items()}

# %% [markdown]
# ## Signs and units are found before the audit
#
# The commonest mistakes are no matter of statistics. Evaporation with the other sign is noticed by
# the values, a flux without units is refused.

# %%
odd = world.assign(e=(-world["e"]).assign_attrs(world["e"].attrs))
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    odd.physm.variables()
str(said[0].message) if said else "nothing was said"

# %%
try:
    world.assign(tp=world["tp"].drop_attrs()).physm.consistency()
except ValueError as error:
    answer = str(error)
answer

# %% [markdown]
# The same works on any data set that `ds.physm.variables()` reads: a reanalysis beside a satellite,
# a model run before a paper, a forecast of somebody else (`ds.physm.consistency(forecast)`, with
# the observations in `ds` to compare with). On dask arrays all of it is lazy.
