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
# # Evaporation at a tower from soil moisture
#
# Evaporation is measured at few places, soil moisture and weather at many. How fast the soil dries
# after rain says how much water leaves it. `water_budget` keeps an account of all water: it is
# shown the soil moisture of two sensors and the weather, and answers with evaporation, which it
# never sees. The tower measures evaporation too, so that the tutorial can compare.
#
# The tower is simulated, one cell of the tutorial's land under the names and units of AmeriFlux.
# Put the path of your own file, FLUXNET or AmeriFlux, daily, `.csv` or `.nc`, in the first line.

# %%
path = None  # yours: "AMF_US-Wkg_FLUXNET_SUBSET_DD_2004-2020_3-5.csv", or a NetCDF file

# %% tags=["data"]
import numpy as np
import pandas as pd
import xarray as xr

import xsm

xsm.set_options(progress=False)


def open_tower(path):
    """Open a daily file of a tower; -9999 is missing."""
    if path.endswith(".nc"):
        return xr.open_dataset(path).load()
    rows = pd.read_csv(path, na_values=[-9999], parse_dates=["TIMESTAMP"])
    ds = rows.rename(columns={"TIMESTAMP": "time"}).set_index("time").to_xarray()
    return ds.assign_attrs(product="fluxnet")  # says the units, which a csv file leaves out


def simulated_tower():
    """Make a tower of one cell of the tutorial's land, with gaps of the weather."""
    cell = xsm.open_tutorial("land").sel(latitude=41.0, longitude=15.0, method="nearest")
    steam = 611.2 * np.exp(17.62 * (cell["d2m"] - 273.15) / (cell["d2m"] - 30.03))
    full = 611.2 * np.exp(17.62 * (cell["t2m"] - 273.15) / (cell["t2m"] - 30.03))
    ds = xr.Dataset(
        {
            "P": 1000 * cell["tp"],  # mm
            "TA": cell["t2m"] - 273.15,  # degC
            "SW_IN": cell["ssrd"] / 86400,  # W m-2
            "LW_IN": cell["strd"] / 86400,
            "RH": 100 * steam / full,  # %
            "PA": cell["sp"] / 1000,  # kPa
            "SWC_1_1_1": 100 * cell["swvl1"],  # %
            "SWC_1_2_1": 100 * cell["swvl2"],
            "LE": -cell["e"] * 1000 * 2.45e6 / 86400,  # W m-2: evaporation is made of it
        }
    ).drop_attrs(deep=True)
    ds["runoff"] = (1000 * cell["ro"]).assign_attrs(units="mm day-1")  # of a gauge nearby
    broken = np.random.default_rng(0).random(ds.sizes["time"]) < 0.02
    for name in ("TA", "SW_IN", "RH"):
        ds[name] = ds[name].where(~broken)
    return ds.drop_vars(["latitude", "longitude"]).assign_attrs(product="fluxnet")


ds = simulated_tower() if path is None else open_tower(path)

# %% [markdown]
# ## 1. Say where the sensors are, and fill gaps of the weather
#
# Sensors of this tower hang at 5 and 15 cm and stand for the soil around them. The account runs
# through each day, so that the weather may have no gaps: days without it take the mean of their day
# of the year. Soil moisture and evaporation keep their gaps.

# %%
sensors = {"SWC_1_1_1": [0.0, 0.1], "SWC_1_2_1": [0.1, 0.2]}  # m; SWC_F_MDS_1, ... of FLUXNET
for name, edges in sensors.items():
    if name in ds:
        ds[name].attrs["layer_edges_m"] = edges

table = ds.physm.variables()
weather = ["precipitation", "air_temperature", "shortwave_down", "longwave_down"]
weather += ["relative_humidity", "surface_pressure", "wind_speed"]
for role in weather:
    if role in table.roles:
        name = table[role].name
        usual = ds[name].groupby("time.dayofyear").mean()
        usual = usual.interpolate_na("dayofyear", fill_value="extrapolate")
        filled = ds[name].groupby("time.dayofyear").fillna(usual).drop_vars("dayofyear")
        ds[name] = filled.assign_attrs(ds[name].attrs)
table

# %% [markdown]
# ## 2. Train on soil moisture
#
# `target=` names all that the model is shown. Evaporation is not among it. The last third of the
# record is left for the comparison. Where a gauge measures runoff, a second model is shown that
# too.

# %%
end = ds["time"][2 * ds.sizes["time"] // 3]
train, later = ds.sel(time=slice(None, end)), slice(end, None)
short = {"epochs": 24, "iterations": 16}  # leave it out for the full schedule
pieces = {"sequence": 365, "batch_size": 4, "valid": 0, **short}
fitted = train.physm.fit("water_budget", target="soil_moisture", **pieces)
gauged = None
if "runoff" in table.roles:
    gauged = train.physm.fit("water_budget", target=["soil_moisture", "runoff"], **pieces)
fitted

# %% [markdown]
# ## 3. Compare with the tower
#
# The simple rule that has to be beaten is potential evaporation times the relative wetness of the
# upper sensor, whose dry and wet ends are those of the years that train.

# %%
found = fitted.predict(ds)
truth = table.array(ds, "evaporation")
said = xsm.variables(found).array(found, "evaporation")

wet = table.array(ds, "soil_moisture")
dry, full = (wet.sel(time=slice(None, end)).quantile(q, "time") for q in (0.01, 0.99))
rule = table.array(ds, "potential_evaporation") * ((wet - dry) / (full - dry)).clip(0, 1)


def scores(guess):
    """Return what compares days that the tower observed, after training."""
    pair = xr.Dataset({"guess": guess, "truth": truth}).sel(time=later).dropna("time")
    bias = float(pair["guess"].mean() / pair["truth"].mean() - 1)
    return {
        "mean (mm/day)": float(pair["guess"].mean()),
        "r of days": float(xr.corr(pair["guess"], pair["truth"])),
        "bias (%)": 100 * bias,
        "RMSE (mm/day)": float(np.sqrt(((pair["guess"] - pair["truth"]) ** 2).mean())),
    }


guesses = {"tower": truth, "account": said, "potential times wetness": rule}
if gauged is not None:
    more = gauged.predict(ds)
    guesses["account, runoff shown"] = xsm.variables(more).array(more, "evaporation")
pd.DataFrame({name: scores(guess) for name, guess in guesses.items()}).T.round(2)

# %%
weekly = {
    name: guess.rename("evaporation")
    .assign_attrs(units="mm day-1", long_name="evaporation")
    .rolling(time=7, center=True, min_periods=4)
    .mean()
    .sel(time=later)
    .to_dataset()
    for name, guess in guesses.items()
}
best = "account" if gauged is None else "account, runoff shown"
ax = weekly["tower"].physm.plot.series(weekly[best], target="evaporation")

# %% [markdown]
# Shown soil moisture alone, the course of evaporation follows the tower more closely than the rule
# does, and the level does not: soil moisture of the upper 20 cm does not say which part of the rain
# ran off and how much roots take from below. Shown the runoff of a gauge too, the account has the
# level (a bias of less than a tenth), since water that did not run off must evaporate or stay. Of
# single days its error is still larger than that of the rule: the training is short. Without a
# gauge use the result as an index of when the soil loses water.
#
# ## 4. Does the account close, and does it do what water must do?
#
# Precipitation minus evaporation, runoff and the change of storage is 0 to rounding on every day.
# `audit` changes the weather and looks at the answers: without rain the stored water must not rise,
# without demand nothing may evaporate.

# %%
account = ds.physm.consistency(found, law="budget")
account

# %%
xsm.audit(fitted, ds.isel(time=slice(0, 400)))

# %% [markdown]
# ## 5. What to expect at a real tower
#
# The same at a semi-arid grassland, US-Wkg (Walnut Gulch, Kendall), with the full schedule, pieces
# of two years, sensors at 5 and 15 cm, trained on 2004 to 2010 and compared in 2011 and 2012: r of
# days 0.83 and a bias of -13 %, the median of three seeds. Potential evaporation times relative
# wetness has 0.82 and +55 %. The course follows the tower; the level depends on a prior, Budyko's
# curve. Show the model what else you have: runoff of a gauge, snow, storage, or some months of
# evaporation, `target=["soil_moisture", "evaporation"]`. The page about the water budget has all
# figures.
