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
# # Forecast the next two weeks
#
# A forecast of soil moisture starts from what is observed today, and goes on with the weather that
# is known: none, the weather of past years, or a forecast of a weather service. This tutorial
# trains one network for all three, judges it lead by lead against damped persistence, corrects and
# calibrates it, and ends with a fan of the next fourteen days.

# %% tags=["data"]
import xarray as xr

import xsm

xsm.set_options(progress=False)
ds = xsm.open_tutorial("land").isel(latitude=slice(2, 14, 2), longitude=slice(14, 30, 2))
ds = ds.drop_vars(["swvl2", "swvl3", "swvl4"])  # yours: xr.open_mfdataset("era5land_*.nc")
at = {"latitude": 42.0, "longitude": 15.0}  # a place to show

# %% [markdown]
# ## 1. Train
#
# `sequence=180` trains a network that runs through the record and carries its state. `cuts=14`
# hides the weather of fourteen days after random steps, so that the network also learns to forecast
# without it. `head="gaussian"` gives each value a standard deviation.

# %%
train, later = ds.sel(time=slice("2018", "2019")), ds.sel(time="2020")
short = {"epochs": 12, "iterations": 12, "hidden_size": 64}  # leave it out for the full schedule
fitted = train.physm.fit(
    "lstm",
    target="soil_moisture",
    sequence=180,
    data_integration=True,
    latency=(1, 1),
    cuts=14,
    head="gaussian",
    **short,
)
fitted

# %% [markdown]
# ## 2. Forecast from today
#
# Without weather, with the weather of past years as members, and with a forecast of the weather,
# which is any Dataset of the same inputs for the days to come.

# %%
today = ds["time"].values[-15]
plain = fitted.forecast(ds, init=today, lead=14)
ensemble = fitted.forecast(ds, init=today, lead=14, weather="past")
to_come = ds.isel(time=slice(-14, None))  # yours: the files of a weather service
given = fitted.forecast(ds, init=today, lead=14, weather=to_come)
given

# %% [markdown]
# ## 3. Judge it on past starts
#
# One call forecasts from every week of the year. `score` compares each lead with persistence,
# damped persistence and climatology. Known weather shows what a perfect weather forecast would
# give.

# %%
starts = later["time"].values[0:330:7]
hindcasts = {
    "no weather": fitted.forecast(ds, init=starts, lead=14),
    "known weather": fitted.forecast(ds, init=starts, lead=14, weather="known"),
}
scores = {name: ds.physm.score(h, baselines=fitted) for name, h in hindcasts.items()}
rows = {name: s["rmse"].sel(source="model", drop=True) for name, s in scores.items()}
names = ["persistence", "damped_persistence", "climatology"]
rows |= {n: scores["no weather"]["rmse"].sel(source=n, drop=True) for n in names}
table = xr.concat(rows.values(), xr.Variable("forecast", list(rows)))
table = table.median(["latitude", "longitude"]).to_pandas()
table.columns = [f"{days} days" for days in table.columns.days]
table[["1 days", "3 days", "7 days", "14 days"]].round(4)

# %%
ax = scores["no weather"].physm.plot.skill(metric="rmse")

# %% [markdown]
# ## 4. Correct each lead by the last error, and calibrate its intervals
#
# A network that was too dry yesterday is mostly too dry today. `correct` learns from hindcasts how
# much of the last known error is left at each lead, and adds it. A standard deviation that is right
# for tomorrow is rarely right for next week: `calibrate` learns the width of each lead. Use a
# period that the network was not trained on.

# %%
half = len(starts) // 2
known = ds.sel(time=slice("2019-10", "2020-06"))
past = {"init": starts[:half], "lead": 14}
better = fitted.correct(known, forecast=fitted.forecast(ds, **past))
right = better.calibrate(known, forecast=better.forecast(ds, **past), method="conformal")

# %%
hindcast = right.forecast(ds, init=starts[half:], lead=14)
found = {"as trained": hindcasts["no weather"].isel(init=slice(half, None)), "corrected": hindcast}
errors = [ds.physm.score(f, baselines=fitted)["rmse"].sel(source="model") for f in found.values()]
errors = xr.concat(errors, xr.Variable("RMSE", list(found))).median(["latitude", "longitude"])
errors = errors.drop_vars("source").to_pandas()
errors.columns = [f"{days} days" for days in errors.columns.days]
errors[["1 days", "3 days", "7 days", "14 days"]].round(4)

# %%
daily = right.forecast(ds, init=later["time"].values[:330], lead=14)
found["adapted"] = xsm.adapt_spread(ds, daily).sel(init=slice(starts[half], None))
cover = [xsm.reliability(ds, f, levels=0.9)["coverage"].squeeze("level") for f in found.values()]
cover = [c.mean([d for d in c.dims if d != "lead"]).drop_vars("level") for c in cover]
cover = xr.concat(cover, xr.Variable("intervals of 90 % cover", list(found))).to_pandas()
cover.columns = [f"{days} d" for days in cover.columns.days]
cover.round(2)

# %% [markdown]
# Half a year calibrates the other half here, which is another season: fewer than 90 % lie inside.
# Where there are whole years, calibrate on these. `adapt_spread` needs none: from each day on, the
# spread of a cell and lead grows with each observation outside of its interval and shrinks with
# each inside.

# %% [markdown]
# ## 5. The next two weeks at one place

# %%
fan = right.forecast(ds, init=today, lead=14)
ax = ds.physm.plot.fan(fan, at=at)

# %% [markdown]
# Each morning a new day costs one step: keep `fitted.state(ds)` and go on from it. The script
# `examples/forecast_today.py` does that, and the page about forecasts lists every kind of weather.
