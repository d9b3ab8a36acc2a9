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
# # From a coarse field to a fine one that keeps its water
#
# A satellite like GRACE weighs water in cells of hundreds of kilometres; a well field is one of
# them. Downscaling divides each coarse cell, and two questions decide what it is worth: is the fine
# field better than interpolation, and does it still hold the water that was weighed? Here both can
# be answered, since the fine truth is known: the water of the whole soil column of the tutorial
# world, made four times coarser.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import xarray as xr

import xsm

xsm.set_options(progress=False)
world = xsm.open_tutorial("land")
layers = {"swvl1": 70.0, "swvl2": 210.0, "swvl3": 720.0, "swvl4": 1890.0}  # mm of soil
water = sum(world[name] * depth for name, depth in layers.items()).drop_attrs(deep=False)
point = {"units": "mm", "cell_methods": "time: point"}
daily = world[["tp", "t2m"]].assign(storage=water.assign_attrs(point))
months = xsm.monthly(daily)
truth = months["storage"]

# %% [markdown]
# What the satellite would see is the mean of each 4 x 4 cells, by area and without the sea.

# %%
land = truth.isel(time=0, drop=True).notnull()
area = (np.cos(np.deg2rad(land["latitude"])) * land).rename("area")  # 0 in the sea
size = {"latitude": 4, "longitude": 4}
whole = area.coarsen(size).sum()
coarse = ((truth * area).coarsen(size).sum() / whole.where(whole > 0)).rename("storage")
coarse = coarse.drop_attrs(deep=False).assign_attrs(units="mm")
month = "2020-08"


def compare(fields: dict[str, xr.DataArray], label: str, **settings: object) -> None:
    """Draw maps of one month side by side, on one scale."""
    fig, axes = plt.subplots(
        1, len(fields), figsize=(3.4 * len(fields), 3), layout="constrained", sharey=True
    )
    for ax, (name, values) in zip(axes, fields.items(), strict=True):
        shown = values.sel(time=month).squeeze()
        image = shown.plot(ax=ax, add_colorbar=False, **settings)
        ax.set(title=name, xlabel="longitude (°)", ylabel="")
    axes[0].set_ylabel("latitude (°)")
    fig.colorbar(image, ax=axes, label=label)
    plt.show()


compare(
    {"coarse": coarse, "truth": truth}, "water in 2.89 m (mm)", vmin=400, vmax=1100, cmap="YlGnBu"
)

# %% [markdown]
# ## Baselines first
#
# They need a line each. `pattern` and `cell_regression` learn from the first two years of the
# truth.

# %%
train, test = slice("2018", "2019"), slice("2020", "2020")
past = truth.sel(time=train)
ds = coarse.to_dataset()
found = {
    name: ds.physm.downscale(
        4,
        model=name,
        truth=past if name in {"pattern", "cell_regression"} else None,
        area=area,
    )["storage"]
    for name in ("nearest", "conservative_bilinear", "pattern", "cell_regression")
}

# %% [markdown]
# ## A network
#
# The ConvLSTM-U-Net of Ibrahim et al. (2026), smaller and for a minute: it sees half a year of the
# coarse field and fine maps of rain, temperature, texture and elevation, learns from two years of
# truth, and keeps coarse means exactly.

# %%
covariates = [months[["tp", "t2m"]], world[["sand", "clay", "elevation"]]]
fitted = ds.sel(time=train).physm.fit(
    "convlstm_unet",
    factor=4,
    covariates=covariates,
    truth=past,
    area=area,
    conserve="exact",
    hidden=8,
    widths=(8, 16, 32),
    valid=0.0,
    epochs=30,
)
fine = fitted.downscale(ds, covariates=covariates)
found["convlstm_unet"] = fine["storage"]
fitted

# %% [markdown]
# ## What is it worth?
#
# The year 2020, which nothing has seen. Skill is 1 minus the mean absolute error over that of the
# nearest coarse cell; detail is the variance inside coarse cells by that of the truth, 1 where it
# is right, 0 where it is flat.

# %%
judged = truth.sel(time=test)
steps = fine["time"].sel(time=test)


def block(field: xr.DataArray) -> xr.DataArray:
    """Return the mean of each coarse cell, by area and without the sea."""
    return (field * area).coarsen(size).sum() / whole.where(whole > 0)


def detail(field: xr.DataArray) -> float:
    """Return the mean square of what a field has inside coarse cells."""
    parts = field.coarsen(size).construct(latitude=("row", "i"), longitude=("column", "j"))
    return float(((parts - parts.mean(["i", "j"])) ** 2).mean())


rows = {}
for name, field in found.items():
    values = field.sel(time=steps).where(land)
    rows[name] = {
        "error (mm)": float(abs(values - judged.sel(time=steps)).mean()),
        "detail": detail(values) / detail(judged.sel(time=steps)),
        "mass (mm)": float(abs(block(values) - coarse.sel(time=steps)).max()),
    }
table = pd.DataFrame(rows).T
table.insert(1, "skill", 1 - table["error (mm)"] / table.loc["nearest", "error (mm)"])
table.round(3)

# %%
names = ("nearest", "conservative_bilinear", "pattern", "convlstm_unet")
compare(
    {"truth": truth, **{name: found[name].where(truth.notnull()) for name in names}},
    "water in 2.89 m (mm)",
    vmin=400,
    vmax=1100,
    cmap="YlGnBu",
)
compare(
    {name: (found[name] - truth) for name in names},
    "error (mm)",
    vmin=-150,
    vmax=150,
    cmap="RdBu",
)

# %% [markdown]
# Interpolation has no detail; the pattern of the past has nearly all of it, and in this world,
# where soil hardly changes from year to year, it is hard to beat. That is why it stands in the
# table. What a network adds are months that differ from the mean pattern, exact means of coarse
# cells, and a spread:

# %%
told = fine.sel(time=test).where(land)
curve = xsm.reliability(judged.to_dataset(), told, target="storage")
fig, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
told["storage_std"].mean("time").plot(
    ax=axes[0], cmap="magma_r", cbar_kwargs={"label": "standard deviation (mm)"}
)
axes[0].set(title="", xlabel="longitude (°)", ylabel="latitude (°)")
axes[1].plot(curve["level"], curve["coverage"], "o-", color="#0072B2")
axes[1].plot([0, 1], [0, 1], color="grey", lw=0.8)
axes[1].set(xlabel="an interval should cover", ylabel="it covers")
plt.show()

# %% [markdown]
# On the line an interval covers what it says; below it the network is too sure of itself, as
# networks that have seen two years are. `fitted.calibrate` mends that with a later year, where
# there is one.
#
# With no fine truth at all `supervision="scale_transfer"`, the default then, learns the factor one
# scale up and applies it at the native one.
