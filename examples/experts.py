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
# # Which weather counts where? A mixture of experts, and a warning
#
# ISMoE (Yang et al. 2025) trains an expert for each kind of input, and a router that weighs them
# for every prediction. The weights are an answer to a question that a single network cannot be
# asked: what did you look at? They are also easily misread. Here is how to read them.

# %%
import matplotlib.pyplot as plt
import xarray as xr

import xsm

xsm.set_options(progress=False)
ds = xsm.open_tutorial("land").isel(latitude=slice(0, 24, 2), longitude=slice(0, 32, 2))
train, test = ds.sel(time=slice("2018", "2019")), ds.sel(time=slice("2019-12-15", "2020"))

# %% [markdown]
# ## Three networks of the same size
#
# One network of all inputs, experts with equal shares, and experts with a router.

# %%
short = {"epochs": 12, "iterations": 40}
fitted = {
    name: train.physm.fit(name, target="swvl1", **short)
    for name in ("cnn_lstm", "mean_expert", "ismoe")
}
fitted["ismoe"]

# %%
found = {name: test.physm.predict(model) for name, model in fitted.items()}
every = ["latitude", "longitude"]
scores = xr.concat(
    [test.physm.score(f, baselines=False).squeeze("source", drop=True) for f in found.values()],
    xr.Variable("network", list(fitted)),
)
scores[["r", "rmse", "kge"]].median(every).to_dataframe().round(3)

# %% [markdown]
# ## What the router says
#
# Each prediction comes with its weights; they add up to 1.

# %%
weight = found["ismoe"]["expert_weight"]
weight.mean(["time", *every]).to_series().sort_values().round(3)

# %%
mean = weight.mean("time").where(found["ismoe"]["swvl1"].notnull().any("time"))
grid = mean.plot(
    col="expert",
    col_wrap=5,
    cmap="viridis",
    vmin=0,
    robust=True,
    figsize=(12, 3),
    cbar_kwargs={"label": "mean weight"},
)
grid.set_titles("{value}")
grid.set_axis_labels("longitude (°)", "latitude (°)")
plt.show()

# %% [markdown]
# ## A weight is not an importance
#
# An expert that always says the mean can hold a third of the weight: the others then speak louder.
# So ask the other way round: how much larger is the error if the inputs of an expert come from
# another time of the year?

# %%
table = fitted["ismoe"].importance(test, by="season").compute()
loss = 1000 * table["permutation"]
seasons = ["DJF", "MAM", "JJA", "SON"]
fig, axes = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
for ax, values, label in (
    (axes[0], table["weight"], "mean weight"),
    (axes[1], loss, "rise of RMSE without its inputs\n(10⁻³ m³ m⁻³)"),
):
    shown = values.sel(season=seasons).transpose("expert", "season").to_pandas()
    shown.plot.barh(ax=ax, width=0.8, color=["#56B4E9", "#009E73", "#D55E00", "#E69F00"])
    ax.set(xlabel=label, ylabel="")
    ax.legend(frameon=False, title="")
plt.show()

# %%
fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
over = table.mean("season")
ax.scatter(over["weight"], 1000 * over["permutation"], s=60, color="#0072B2")
for name in over["expert"].values:
    at = over.sel(expert=name)
    ax.annotate(
        str(name),
        (float(at["weight"]), 1000 * float(at["permutation"])),
        xytext=(5, 5),
        textcoords="offset points",
    )
ax.margins(0.15)
ax.set(xlabel="mean weight", ylabel="rise of RMSE without its inputs\n(10⁻³ m³ m⁻³)")
plt.show()

# %% [markdown]
# Wind has the largest share, in winter half of it, and nothing is lost without it: its expert says
# the same every day, and the others speak around that. Were weights importances, the points would
# lie on a line. Where both disagree believe the right one, or the upper end of the figure: it is
# about the prediction, not about who speaks.
#
# ## What each expert says

# %%
place = {"latitude": ds["latitude"][6], "longitude": ds["longitude"][10]}
said = fitted["ismoe"].experts(test)["swvl1"].sel(place)
fig, axes = plt.subplots(2, 1, figsize=(10, 5.5), sharex=True, layout="constrained")
for name in said["expert"].values:
    said.sel(expert=name).plot(ax=axes[0], lw=0.9, label=str(name))
found["ismoe"]["swvl1"].sel(place).plot(ax=axes[0], color="grey", lw=2, label="their sum")
test["swvl1"].sel(place).plot(ax=axes[0], color="black", lw=1.4, label="truth")
axes[0].set(title="", xlabel="", ylabel="soil moisture\n0-7 cm (m³ m⁻³)")
axes[0].legend(ncols=5, frameon=False, fontsize=8)
shares = weight.sel(place).transpose("expert", "time")
axes[1].stackplot(shares["time"].values, shares.values, labels=shares["expert"].values)
axes[1].set(ylabel="weight", ylim=(0, 1))
for ax in axes:
    ax.margins(x=0)
plt.show()

# %% [markdown]
# Any physics term combines with the mixture, `losses=[RMSE(0.5), WaterBalance(0.5)]`, and any
# groups of inputs can be experts: `groups={"water": ["precipitation"], "energy": [...]}`.
