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
# # Does the water balance help? PHY-LSTM on a world that is known
#
# Geng et al. (2024) put the water balance of the surface into the loss of an LSTM: where more water
# comes in than the day before, soil moisture should not fall. Does that make a better forecast? On
# real data one never knows what would have been right. The tutorial world is simulated, so that it
# can be asked.

# %%
import matplotlib.pyplot as plt
import xarray as xr

import xsm
from xsm.losses import RMSE, WaterBalance

xsm.set_options(progress=False)
ds = xsm.open_tutorial("land").isel(latitude=slice(0, 24, 2), longitude=slice(0, 32, 2))
ds.physm.variables()

# %% [markdown]
# ## First the data themselves
#
# Before any model: how often does soil moisture follow the inflow of water, W = P - E - R + snow
# melt? The paper asks for the sign of the *change* of W, storage follows W itself ("level").

# %%
own = ds.physm.consistency()
own[["observed_consistency", "always_drying"]].mean(["latitude", "longitude"]).to_dataframe().round(
    3
)

# %%
fig, axes = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
for ax, trend in zip(axes, ("change", "level"), strict=True):
    own["observed_consistency"].sel(trend=trend).plot(
        ax=ax,
        vmin=0.4,
        vmax=1,
        cmap="viridis",
        cbar_kwargs={"label": "share of days that follow"},
    )
    ax.set(title=f"the {trend} of the inflow", xlabel="longitude (°)", ylabel="latitude (°)")
plt.show()

# %% [markdown]
# The truth of this world follows the level of the inflow on nine days of ten, its change on fewer
# than two of three. A network that followed the change everywhere would be wrong.
#
# ## Four networks
#
# The same LSTM, four losses, from the weather alone; then the last with what any service has in
# addition: observations up to today, and a weather forecast for tomorrow. The schedule is cut to
# seconds.

# %%
train, test = ds.sel(time=slice("2018", "2019")), ds.sel(time=slice("2019-12-25", "2020"))
level = [RMSE(0.5), WaterBalance(0.5, trend="level")]
heavy = [RMSE(0.1), WaterBalance(0.9, trend="level")]
informed = {"data_integration": True, "known_forcing": True}
runs = {
    "LSTM": {"model": "lstm"},
    "PHY-LSTM, change": {"model": "phy_lstm"},
    "PHY-LSTM, level": {"model": "lstm", "losses": level},
    "PHY-LSTM, level, 9 to 1": {"model": "lstm", "losses": heavy},
    "LSTM, informed": {"model": "lstm", **informed},
    "PHY-LSTM, level, informed": {"model": "lstm", "losses": level, **informed},
}
short = {"epochs": 24, "iterations": 60, "validate_every": 4}
fitted = {name: train.physm.fit(**settings, **short) for name, settings in runs.items()}
fitted["PHY-LSTM, level"]

# %%
fig, axes = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
for ax, name in zip(axes, ("PHY-LSTM, level", "PHY-LSTM, level, 9 to 1"), strict=True):
    history = fitted[name].history
    for term, colour in (("rmse", "#0072B2"), ("water_balance", "#D55E00")):
        share = history[term] / history[term].isel(epoch=0)
        for part, style in (("training", "-"), ("validation", "--")):
            ax.plot(share.epoch, share.sel(part=part), style, color=colour, label=f"{term}, {part}")
    ax.set(title=name, xlabel="epoch", ylabel="term of the loss, 1 at first", ylim=(0, None))
axes[1].legend(frameon=False, fontsize=8)
plt.show()

# %% [markdown]
# ## The year that nobody saw

# %%
forecasts = {name: test.physm.predict(model) for name, model in fitted.items()}
scores = {name: ds.physm.score(forecasts[name], baselines=fitted[name]) for name in runs}
audits = {name: ds.physm.consistency(forecasts[name]) for name in runs}

names = xr.Variable("network", list(runs))
score = xr.concat([s.sel(source="model", drop=True) for s in scores.values()], names)
audit = xr.concat(list(audits.values()), names).sel(trend="level", drop=True)
every = ["latitude", "longitude"]
table = xr.merge([score[["r", "rmse", "kge"]], audit[["consistency", "excess"]]]).median(every)
table.to_dataframe().round(3)

# %%
first = scores["LSTM"].sel(source=["persistence", "climatology"])
first[["r", "rmse", "kge"]].median(every).to_dataframe().round(3)

# %% [markdown]
# Read it in this order:
#
# 1. From the weather alone no network beats persistence, with physics or without.
# 2. The balance in the loss as published changes nothing that one could see. With the level of the
#    inflow, and nine tenths of the weight, more days follow it, and the error grows.
# 3. What helps is information. With observations and known weather the error falls to less than
#    half of persistence's, and the consistency comes within a tenth of the truth's by itself.
#
# ## Where, and when

# %%
fig, axes = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
shown = ("PHY-LSTM, level, 9 to 1", "PHY-LSTM, level, informed")
for ax, name, limit in zip(axes, shown, (20, 100), strict=True):
    gain = 100 * (1 - score["rmse"].sel(network=name) / score["rmse"].sel(network="LSTM"))
    gain.plot(
        ax=ax,
        cmap="RdBu",
        vmin=-limit,
        vmax=limit,
        cbar_kwargs={"label": "RMSE below that of the LSTM (%)"},
    )
    ax.set(title=name, xlabel="longitude (°)", ylabel="latitude (°)")
plt.show()

# %%
observed = ds["swvl1"].sel(time="2020")
mean = observed.mean("time").stack(cell=every).dropna("cell")
order = mean.sortby(mean).cell.values
colours = {"LSTM": "#0072B2", "PHY-LSTM, level, 9 to 1": "#E69F00", "LSTM, informed": "#009E73"}
fig, axes = plt.subplots(3, 1, figsize=(10, 7), sharex=True, layout="constrained")
for ax, (place, share) in zip(axes, {"wet": 0.95, "middle": 0.5, "dry": 0.05}.items(), strict=True):
    latitude, longitude = order[int(share * (len(order) - 1))]
    at = {"latitude": latitude, "longitude": longitude}
    observed.sel(at).plot(ax=ax, color="black", lw=1.6, label="truth")
    for name, colour in colours.items():
        forecasts[name]["swvl1"].sel(at).plot(ax=ax, color=colour, lw=1, label=name)
    ax.set(title=f"a {place} cell", xlabel="", ylabel="soil moisture\n0-7 cm (m³ m⁻³)")
    ax.margins(x=0)
axes[0].legend(ncols=4, frameon=False, fontsize=9)
plt.show()

# %% [markdown]
# The networks from weather alone know when it rains and how fast the soil dries, but not where it
# stood. The others begin each day from what was observed.
#
# What real data say stands in the site's page on real data: the same, on four data sets.
