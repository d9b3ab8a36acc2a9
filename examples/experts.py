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
# # See which weather counts: a mixture of experts
#
# ISMoE (Yang et al. 2025) trains one expert for each kind of input, and a router that weighs them
# for every prediction. The weights say which expert spoke. This tutorial shows how to read them,
# and why a weight is not an importance.

# %%
import matplotlib.pyplot as plt
import xarray as xr

import xsm

xsm.set_options(progress=False)
ds = xsm.open_tutorial("land").isel(latitude=slice(0, 24, 2), longitude=slice(0, 32, 2))
train, test = ds.sel(time=slice("2018", "2019")), ds.sel(time=slice("2019-12-15", "2020"))

# %% [markdown]
# ## 1. Train three networks of the same size
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
# ## 2. Look at the weights
#
# Each prediction comes with its weights; they add up to 1.

# %%
weight = found["ismoe"]["expert_weight"]
weight.mean(["time", *every]).to_series().sort_values().round(3)

# %%
ax = found["ismoe"].physm.plot.expert_maps()

# %%
ax = found["ismoe"].physm.plot.expert_seasons()

# %% [markdown]
# ## 3. Compare weights with importance
#
# Inputs may tell the router more than they tell their own expert, and an expert that always says
# the mean can have a large weight. `importance` therefore also measures how much the error grows if
# the inputs of an expert come from another time.

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
# If weights were importances, the points would lie on a line. Where both disagree, use the rise of
# the error: it is about the prediction. `agreement` in the table is the rank correlation of both.
#
# ## 4. See what each expert says
#
# `experts` returns the answers before they are weighed.

# %%
place = {"latitude": ds["latitude"][6], "longitude": ds["longitude"][10]}
said = fitted["ismoe"].experts(test)["swvl1"]
each = {str(name): said.sel(expert=name, drop=True) for name in said["expert"].values[:3]}
ax = test.physm.plot.series(each | {"weighted sum": found["ismoe"]["swvl1"]}, at=place)

# %% [markdown]
# Any physics term combines with the mixture, `losses=[RMSE(0.5), WaterBalance(0.5)]`, and any
# groups of inputs can be experts: `groups={"water": ["precipitation"], "energy": [...]}`.
