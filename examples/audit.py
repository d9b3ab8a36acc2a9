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
# # Audit a soil moisture product
#
# A product of soil moisture can be checked without stations. Water cannot appear from nowhere: soil
# moisture should rise when more water comes in. This tutorial audits three products with the fluxes
# of a reanalysis. One of them has a mistake that no map and no correlation shows. Replace `fluxes`
# and `products` by data of your own.

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import xsm

world = xsm.open_tutorial("land").isel(latitude=slice(0, 24, 2), longitude=slice(0, 32, 2))
fluxes = world[["tp", "e", "sro", "sd"]]  # of a reanalysis
truth = world["swvl1"]  # known, since the world is simulated; used only at the end

# %% [markdown]
# ## 1. Look at what was read
#
# The table shows which variable stands for which role, in which units and with which sign.

# %%
fluxes.assign(swvl1=truth).physm.variables()

# %% [markdown]
# The products are made from the truth. A has the noise of a radiometer, B the smoothness of an
# assimilation with a long memory, and C days that are labelled by their end.

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
months = slice("2019-03", "2019-08")
shown = {name: array.sel(time=months) for name, array in products.items()}
ax = world.sel(time=months).physm.plot.series(shown, at=place)

# %% [markdown]
# All three look reasonable, and they agree with each other:

# %%
together = xr.concat(list(products.values()), xr.Variable("product", list(products)))
r = xr.corr(together, together.rename(product="other"), "time").mean(["latitude", "longitude"])
r.to_pandas().round(3)

# %% [markdown]
# ## 2. Audit
#
# `consistency` needs fluxes and soil moisture, but no model. `observed_consistency` is the share of
# days on which the product follows the inflow of water. `always_drying` is the score of a series
# that falls every day: a useful product is above it.

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
ax = joined.physm.plot.map("observed_consistency", col="product", vmin=0.4, vmax=1)

# %% [markdown]
# No product follows the water more often than a series that always falls. Are the products bad, or
# do their days not match the days of the fluxes?
#
# ## 3. Shift the product
#
# A product with other labels is right on the wrong day. Move each product by some days: a product
# with correct labels is best without a shift.

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
# The three curves say:
#
# - **C** follows the water on nine of ten days, one day late: its days are labelled by their end.
#   One line corrects it: `C.shift(time=-1)`.
# - **A** has its peak at 0. Its labels are right; the rest is noise.
# - **B** has no peak and becomes better when it is moved to later days: it is wet before it rains,
#   because each value is a mean around its day. A forecast that is trained on it learns tomorrow's
#   rain.
#
# ## 4. Compare with the truth
#
# Here the truth is known, and it agrees:

# %%
mended = {"A": products["A"], "B": products["B"], "C": products["C"].shift(time=-1)}
error = {
    name: float(np.sqrt(((array - truth) ** 2).mean(["time", *every])))
    for name, array in {"C as it came": products["C"], **mended}.items()
}
{name: round(value, 4) for name, value in error.items()}

# %% [markdown]
# ## Wrong signs and missing units
#
# The most common mistakes are found before the audit: evaporation with the other sign gives a
# warning, and a flux without units is refused.

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
# The same calls audit any data set that `ds.physm.variables()` reads: a reanalysis, a satellite, a
# model run, or a forecast of another group with `ds.physm.consistency(forecast)`. On dask arrays
# all of it is lazy.
