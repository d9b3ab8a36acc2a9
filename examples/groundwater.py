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
# # From GRACE to a groundwater map with intervals
#
# GRACE measures the change of all water in cells of hundreds of kilometres. This tutorial takes a
# file of GRACE and a file of a land model, subtracts soil water and snow, refines what remains to a
# grid four times finer, and ends with a map of groundwater and its 90 % interval.
#
# The two files are made here from the tutorial world, with the names, units and labels of JPL's
# mascons (`lwe_thickness` in cm, stamped in the middle of the month, longitudes from 0 to 360) and
# of GLDAS Noah (`SoilMoi0_10cm_inst` in kg m-2, stamped on the first day). With files of your own,
# replace the next cell by `grace = xr.open_dataset(...)` and `gldas = xr.open_dataset(...)`.

# %% tags=["data"]
import numpy as np
import xarray as xr

import xsm

xsm.set_options(progress=False)
world = xsm.open_tutorial("land").isel(latitude=slice(0, 16), longitude=slice(8, 32))
layers = {"swvl1": 70.0, "swvl2": 210.0, "swvl3": 720.0, "swvl4": 1890.0}  # mm of soil
soil = sum(world[name] * depth for name, depth in layers.items())
recharge = 1000 * (world["ro"] - world["sro"])  # mm day-1: what leaves the soil below
decay = np.exp(-np.arange(365.0) / 45.0)  # an aquifer that empties in a few months


def aquifer(water):
    """Return what is left of each day's recharge, after a year of mean recharge."""
    before = np.broadcast_to(water.mean(-1, keepdims=True), (*water.shape[:-1], 365))
    whole = np.concatenate([before, water], axis=-1)
    return np.apply_along_axis(lambda v: np.convolve(v, decay)[365 : v.size], -1, whole)


time = [["time"]]
storage = xr.apply_ufunc(
    aquifer, recharge.fillna(0.0), input_core_dims=time, output_core_dims=time
).where(recharge.notnull())

point = {"units": "mm", "cell_methods": "time: point"}
states = {"soil": soil, "snow": 1000 * world["sd"], "storage": storage}
states = {n: a.drop_attrs(deep=False).assign_attrs(point) for n, a in states.items()}
months = xsm.monthly(world[["tp", "t2m"]].assign(states))
fine = months["storage"] - months["storage"].mean("time")  # the truth, on 0.25 degrees
fine = fine.assign_attrs(units="mm", long_name="groundwater storage anomaly")

coarse = months.coarsen(latitude=4, longitude=4).mean()  # 1 degree
coarse = coarse.rename(latitude="lat", longitude="lon")
noise = np.random.default_rng(0).normal(0, 0.3, coarse["soil"].shape)
total = (coarse["soil"] + coarse["snow"] + coarse["storage"]) / 10 + noise
labels = coarse["time"] + np.timedelta64(14, "D")
grace = xr.Dataset(
    {
        "lwe_thickness": (total - total.mean("time")).assign_attrs(units="cm"),
        "uncertainty": (0 * total + 0.3).assign_attrs(units="cm"),
    }
).assign_coords(time=labels)
bounds = {"0_10": 0.1, "10_40": 0.3, "40_100": 0.6, "100_200": 1.0}
gldas = xr.Dataset(
    {
        f"SoilMoi{name}cm_inst": (coarse["soil"] * depth / 2).assign_attrs(units="kg m-2")
        for name, depth in bounds.items()
    }
).assign(SWE_inst=coarse["snow"].assign_attrs(units="kg m-2"))
weather = months[["tp", "t2m"]].rename(latitude="lat", longitude="lon")
maps = world[["sand", "clay", "elevation"]].rename(latitude="lat", longitude="lon")
wells = fine.rename(latitude="lat", longitude="lon").rename("groundwater_storage")

# %% [markdown]
# ## 1. Look at the files
#
# `variables` shows what xsm recognises; nothing has to be renamed or converted.

# %%
grace.physm.variables()

# %%
gldas.physm.variables()

# %% [markdown]
# ## 2. Subtract soil water and snow
#
# Months are matched by the calendar, units are converted, standard errors are added in quadrature.
# The anomaly is relative to `baseline`, by default the years 2004 to 2009. `monthly` then labels
# the months by their first day, as those of the covariates are.

# %%
period = (str(gldas["time"].dt.year.values[0]), str(gldas["time"].dt.year.values[-1]))
anomaly = xsm.groundwater_anomaly(grace, gldas, baseline=period)
anomaly

# %%
found = xsm.monthly(anomaly[["groundwater_storage"]])
last = found.isel(time=[-5, -3, -1])
ax = last.physm.plot.map("groundwater_storage", col="time", centre=0)

# %% [markdown]
# ## 3. Start with baselines for the finer grid
#
# Interpolation adds no information; `conservative_bilinear` keeps the mean of each coarse cell.
# Where a fine field exists for some years, of a groundwater model or of mapped wells, `pattern` and
# `cell_regression` learn from it. Judge every model by comparison with these.

# %%
learn, check, show = slice(0, 24), slice(24, 30), slice(30, None)  # months
steps = found["time"]
ds = found[["groundwater_storage"]]
truth = wells.sel(time=steps)
past = truth.isel(time=learn)
rows = {"nearest": None, "conservative_bilinear": None, "pattern": past, "cell_regression": past}
fields = {
    name: ds.physm.downscale(4, model=name, truth=given)["groundwater_storage"]
    for name, given in rows.items()
}

# %% [markdown]
# ## 4. Train a network, and calibrate its intervals
#
# The ConvLSTM-U-Net (Ibrahim et al. 2026) reads half a year of the coarse field and fine
# covariates. The first months train it, the next ones calibrate the width of its intervals, the
# last ones judge. Without any fine truth leave `truth=` out: the network then learns one scale up
# (`supervision="scale_transfer"`), and the intervals stay uncalibrated.

# %%
short = {"hidden": 8, "widths": (8, 16), "epochs": 12}  # leave it out for the full schedule
covariates = [weather, maps]
fitted = ds.isel(time=learn).physm.fit(
    "convlstm_unet",
    factor=4,
    covariates=covariates,
    truth=past,
    conserve="exact",
    valid=0.0,
    **short,
)
later = ds.isel(time=slice(learn.stop - 5, check.stop))  # the window is six months long
calibrated = fitted.calibrate(
    later, covariates=covariates, truth=truth.isel(time=check), method="conformal"
)
fields["convlstm_unet"] = calibrated.downscale(ds, covariates=covariates)["groundwater_storage"]

# %% [markdown]
# ## 5. Compare on months that nothing has seen
#
# Mean absolute error in mm, and the skill compared with the nearest coarse cell. Soil water of the
# land model, with its own errors, is in all of them.

# %%
import pandas as pd

judged = truth.isel(time=show)
error = {n: float(abs(f.sel(time=judged["time"]) - judged).mean()) for n, f in fields.items()}
table = pd.DataFrame({"error (mm)": error})
table["skill"] = 1 - table["error (mm)"] / error["nearest"]
table.round(2)

# %% [markdown]
# Noise of the satellite and of the land model limits all of them: the network is about as good as
# interpolation that keeps coarse means. What it adds here is an interval for each cell.
#
# ## 6. Draw the map with its interval

# %%
result = calibrated.downscale(ds, covariates=covariates)
ends = xsm.intervals(result, [0.9]).squeeze("level", drop=True)
month = judged["time"].values[-1]
answer = xr.concat(
    [
        ends["groundwater_storage_lower"].sel(time=month),
        result["groundwater_storage"].sel(time=month),
        ends["groundwater_storage_upper"].sel(time=month),
    ],
    pd.Index(["lower end", "estimate", "upper end"], name="90 % interval"),
).where(truth.sel(time=month).notnull())
answer = answer.rename("groundwater_storage")
answer = answer.assign_attrs(units="mm", long_name="groundwater storage anomaly")
ax = answer.to_dataset().physm.plot.map("groundwater_storage", col="90 % interval", centre=0)

# %% [markdown]
# Does an interval of 90 % cover 90 % of the truth? Look before you publish it.

# %%
told = result.sel(time=judged["time"])
curve = xsm.reliability(judged.to_dataset(), told)
curve[["coverage"]].to_dataframe().round(2)

# %% [markdown]
# The result is a Dataset: `answer.to_netcdf("groundwater.nc")`. What each step assumes stands on
# the pages about the groundwater balance, downscaling and uncertainty.
