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
# # Which weather counts where? A mixture of experts, and how to check it
#
# ISMoE (Yang et al. 2025) trains an expert for each kind of input, and a router that weighs them
# for every prediction. Its weights answer a question that a single network cannot be asked: what
# was needed, here, today? Here is what they say, and how to check them.

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
# ## What the weights say
#
# Each prediction comes with weights that add up to 1: what it would lose without the inputs of each
# expert, as a share of all losses. They are learnt in training, from samples whose inputs were
# exchanged with those of another day.

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
# ## Are they true?
#
# So ask the network itself: how much larger is the error if the inputs of an expert come from
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
share = found["ismoe"]["expert_share"].mean(["time", *every])
for values, colour, label in (
    (over["weight"], "#0072B2", "weight"),
    (share, "#BBBBBB", "share of the sum"),
):
    ax.scatter(values, 1000 * over["permutation"], s=60, color=colour, label=label)
for name in over["expert"].values:
    at = over.sel(expert=name)
    ax.annotate(
        str(name),
        (float(at["weight"]), 1000 * float(at["permutation"])),
        xytext=(5, 5),
        textcoords="offset points",
    )
ax.margins(0.15)
ax.set(xlabel="mean", ylabel="rise of RMSE without its inputs\n(10⁻³ m³ m⁻³)")
ax.legend(frameon=False)
plt.show()

# %%
table["agreement"].to_series().round(2)  # rank correlation of weight and rise, by season

# %% [markdown]
# The weights lie along a line: what is missed most weighs most. The grey points do not. They are
# `expert_share`, by which the router multiplies what each expert says: an expert that always says
# the mean can hold the largest share, and nothing is lost without its inputs. Where `agreement` is
# low, believe the rise of the error: it is about the prediction.
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
needed = weight.sel(place).transpose("expert", "time")
axes[1].stackplot(needed["time"].values, needed.values, labels=needed["expert"].values)
axes[1].set(ylabel="weight", ylim=(0, 1))
for ax in axes:
    ax.margins(x=0)
plt.show()

# %% [markdown]
# Any physics term combines with the mixture, `losses=[RMSE(0.5), WaterBalance(0.5), Absence()]`,
# and any groups of inputs can be experts: `groups={"water": ["precipitation"], "energy": [...]}`.
