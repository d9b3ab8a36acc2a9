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
# # Estimate a soil moisture profile from the surface
#
# A satellite sees the upper centimetres, but roots reach half a metre. This tutorial estimates all
# layers from weather and surface moisture (Zhang et al. 2025), without and with two constraints:
# water content lies between residual and saturated, and moves as the Richardson-Richards equation
# says. The profile is simulated, so that all fluxes are known.

# %%
import matplotlib.pyplot as plt
import xarray as xr

import xsm

xsm.set_options(progress=False)
ds = xsm.open_tutorial("profile")
ds.physm.variables()

# %% [markdown]
# ## 1. Look at one year at one cell
#
# Rain enters at the top, and each layer passes on what it cannot hold. The flux between the layers
# comes from the simulation.

# %%
place = {"latitude": ds["latitude"][5], "longitude": ds["longitude"][7]}
year = ds.sel(time="2018").sel(place)
fig, axes = plt.subplots(3, 1, figsize=(10, 7), sharex=True, layout="constrained")
rain = 1000 * year["tp"]
axes[0].fill_between(rain["time"].values, rain, step="mid", color="#0072B2")
axes[0].set(ylabel="precipitation\n(mm day⁻¹)")
year["theta"].plot(
    ax=axes[1],
    x="time",
    y="depth",
    yincrease=False,
    cmap="YlGnBu",
    cbar_kwargs={"label": "soil moisture (m³ m⁻³)"},
)
year["soil_water_flux"].plot(
    ax=axes[2],
    x="time",
    y="depth_interface",
    yincrease=False,
    cmap="RdBu",
    center=0,
    robust=True,
    cbar_kwargs={"label": "flux, downward +\n(mm day⁻¹)"},
)
for ax in axes[1:]:
    ax.set(title="", xlabel="", ylabel="depth (m)")
plt.show()

# %% [markdown]
# ## 2. Audit the truth first
#
# The residual is the water that appears or vanishes in a layer on a day, against the equation. It
# is not 0 even for the truth, because rain comes within hours and the flux of a day is not the mean
# of the fluxes at its ends. So compare the residual of a prediction with that of the truth, not
# with 0.

# %%
dims = ["time", "latitude", "longitude"]
ds.physm.consistency(law="richards", dim=dims)[["observed_inconsistency"]].to_dataframe().round(5)

# %% [markdown]
# ## 3. Train with and without constraints
#
# The same CNN-LSTM, without and with bounds and equation. Inputs are the weather and the soil
# moisture that a satellite sees.

# %%
inputs = [
    "precipitation",
    "air_temperature",
    "shortwave_down",
    "wind_speed",
    "satellite_soil_moisture",
]
train, test = ds.sel(time=slice("2018", "2019-06")), ds.sel(time=slice("2019-06-15", "2019"))
short = {"epochs": 12, "iterations": 60}
fitted = {
    name: train.physm.fit(name, dynamic=inputs, **short) for name in ("cnn_lstm", "pgdl_cnn_lstm")
}
fitted["pgdl_cnn_lstm"]

# %%
found = {name: test.physm.predict(model) for name, model in fitted.items()}
scores = {name: test.physm.score(f, dim=dims, baselines=False) for name, f in found.items()}
audits = {name: test.physm.consistency(f, law="richards", dim=dims) for name, f in found.items()}
names = xr.Variable("network", list(fitted))
rmse = 1000 * xr.concat([s["rmse"].squeeze("source", drop=True) for s in scores.values()], names)
rmse.round(2).to_pandas()  # 10⁻³ m³ m⁻³ by depth

# %%
about = ["inconsistency", "observed_inconsistency", "excess", "out_of_range"]
shares = xr.concat(list(audits.values()), names)[about].mean("depth")
shares.drop_vars("lead", errors="ignore").to_dataframe().round(5)

# %% [markdown]
# The guided network is about as consistent as the truth, never leaves its bounds, and has a similar
# error. Such profiles can be the input of a model of roots or of groundwater.
#
# ## 4. See the profiles

# %%
ax = test.physm.plot.profile(found["cnn_lstm"], at=place, show=["observed", "predicted", "error"])

# %%
ax = test.physm.plot.profile(found["pgdl_cnn_lstm"], at=place, show=["predicted", "error"])

# %%
fig, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for name, colour in (("cnn_lstm", "#0072B2"), ("pgdl_cnn_lstm", "#D55E00")):
    axes[0].plot(rmse.sel(network=name), 100 * rmse["depth"], "o-", color=colour, label=name)
    inconsistency = 1000 * audits[name]["inconsistency"]
    axes[1].plot(inconsistency, 100 * inconsistency["depth"], "o-", color=colour)
truth = 1000 * audits["cnn_lstm"]["observed_inconsistency"]
axes[1].plot(truth, 100 * truth["depth"], "o--", color="black", label="the truth's own")
axes[0].set(xlabel="RMSE (10⁻³ m³ m⁻³)", ylabel="depth (cm)")
axes[1].set(xlabel="inconsistency (10⁻³ m³ m⁻³ day⁻¹)", ylabel="depth (cm)")
for ax in axes:
    ax.set(yticks=[10, 20, 30, 40, 50], ylim=(55, 5))
    ax.legend(frameon=False)
plt.show()
