"""Water budget: stores by bookkeeping, how fast they fill and drain by a network.

After Kraft, B. et al. (2022), Hydrol. Earth Syst. Sci. 26:1579-1614 (H2M), and Baghirov, Z. et al.
(2025), Geosci. Model Dev. 18:2921-2943 (H2CM), with the leaks of their accounts mended, and layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from xsm.exceptions import UnknownNameError
from xsm.losses import Budyko, Loss, Price, Prior, Shown
from xsm.nn import Answer, Batch, Dropout, Model, Output, Schedule, Sizes
from xsm.nn.budget import Parameters, overlap, settled, unsettled
from xsm.nn.observed import MIDDLE, SPREAD
from xsm.nn.recurrent import all_hidden, remembering
from xsm.physics.budget import FLUXES, STORES
from xsm.physics.budget_torch import water_budget

__all__ = ["WaterBudget"]


_STEEP = 2.0  # K-1: within a degree of its threshold rain is snow, and snow melts
_FREEZING = 273.15
# Logits that gates begin with: stores drain slowly at first, so that none runs empty.
_MELT, _SURFACE, _CANOPY, _ASIDE, _UPTAKE, _DRAINAGE = -2.0, -4.0, -2.0, 0.0, -1.0, -3.0
_GAIN = -1.0
_COMES, _LEAVES = -7.0, -5.0  # logits of water from outside the account, and to there
_MOST_COMES = 10.0  # mm day-1
# What nothing shown tells of stays where it begins: for soil moisture alone, rain that does not
# reach the soil may have run off or evaporated from plants.
_PRIORS = (
    Prior(weight=0.05),
    Prior("departure", spread=2.0, weight=0.005),
    Prior("unsettled", spread=0.1, weight=0.01),
)
_NEW = math.log(2.0)  # log(1 + age) of what was observed at the end of the step before

_WORDS = {
    "precipitation": "precipitation that the account has, with its bias",
    "evaporation": "evaporation from plants and soil",
    "runoff": "runoff: at the surface, from below the soil, and from groundwater",
    "snow_water_equivalent": "water in snow at the end of the step",
    "terrestrial_water_storage": "water in all stores at the end of the step",
    "unsaturated_storage": "water between soil and groundwater at the end of the step",
    "groundwater_storage": "water in the ground at the end of the step, which feeds rivers",
    "groundwater_recharge": "water that reaches the groundwater",
    "soil_moisture_increment": "water that observations have put into the soil",
    "water_from_outside": "water from outside of the account, negative where it leaves to there",
    "soil_moisture_of_layers": "soil moisture of the layers of the account",
}
_UNKNOWN_LEVEL = ("terrestrial_water_storage", "groundwater_storage")


class WaterBudget(Model):
    """Estimate all stores and fluxes of water from what was observed of some, in closed account.

    Parameters
    ----------
    sizes : Sizes
        Sizes of inputs and outputs, derived from the data.
    hidden_size : int, default: 64
        Hidden units of the LSTM.
    dropout : float, default: 0.1
        Share of its hidden state dropped in training.
    layers : tuple of float, optional
        Bottom of each layer of the soil, m, from the top down; by default those of the data, and
        one to 1 m where these end above it; else 0.1, 0.4 and 1 m.
    layered : bool, default: True
        Whether all layers of soil moisture that the data hold are shown; else the top one.
    monthly : tuple of str, optional
        Roles whose observations are means of months: one value in each, or equal ones on all days.
    footprint : str, optional
        Name of a map of the data that labels areas, by whole numbers or names; NaN outside of all.
        Roles of ``monthly`` are then compared as means over each area, weighted by the sizes of
        cells: storage that a satellite sees over 300 km, runoff of a gauged basin.
    role : str, default: "soil_moisture"
        What the target is; from the data.
    depths : tuple of (float, float), optional
        Top and bottom of the target's layers, m; from the data.
    pores : tuple of int, optional
        Which maps hold the pores of the layers, m3 m-3: by default those of ``theta_s``, where the
        data have it (:func:`xsm.soil_parameters` gives it). ``()`` learns them.
    outside : bool, default: False
        Whether water may come from outside of the account with the rain (irrigation, inflow from
        other cells), or leave to there in the place of runoff (pumping, deep loss). It is answered
        as ``water_from_outside``, mm day-1, and has a price in proportion to its size.

    Notes
    -----
    The account is that of :mod:`xsm.physics.budget`, in mm and days. An LSTM of weather and maps
    gives the shares of each day, which a layer has of the layer above but for its own part, a
    network of maps the capacities of the layers, the exponents of
    drainage, what percolates and feeds rivers, the threshold of snow, the stores to begin with,
    and a bias of precipitation whose prior is normal with a spread of 0.1. Logits of shares have a
    weak prior around slow drainage and little runoff at the surface. Rain turns to snow, and
    snow melts, around the threshold. Then for any weights::

        precipitation (1 + bias) - evaporation - runoff = d(terrestrial water storage)

    to which ``outside`` and data integration add what they bring. Pieces of a year or more begin
    with the stores that years of their weather lead to; what maps say of a record's first step
    learns from these. Where neither evaporation nor runoff is shown, Budyko's curve is a prior of
    what share of the rain evaporates, with a spread of 0.1.

    Soil moisture is compared by layers, by the overlap of depths; of a satellite as b0 + b1 of the
    top layer, in each cell; storages as anomalies. The loss is the sum of the errors of all that
    is shown, each as a share of its standard deviation.

    Examples
    --------
    >>> model = WaterBudget(Sizes(dynamic=3, static=2, window=1, sequence=True), hidden_size=8)
    >>> batch = {"dynamic": torch.full((4, 30, 3), 5.0), "static": torch.zeros(4, 2)}
    >>> found = model.evaluate(batch)
    >>> gain = found["terrestrial_water_storage"].diff(dim=1)
    >>> flux = found["precipitation"] - found["evaporation"] - found["runoff"]
    >>> torch.allclose(gain, flux[:, 1:], atol=1e-3)
    True
    """

    losses = (Shown("soil_moisture", "target", "mean"), *_PRIORS)
    lead = 0
    layered = True
    carries = True
    sequence_schedule = Schedule(
        epochs=24,
        iterations=20,
        batch_size=32,
        learning_rate=8e-3,
        validate_every=1,
        patience=12,
        sampling="mixed",
        decay="cosine",
        clip=1.0,
    )
    sequence_defaults: ClassVar[Mapping[str, Any]] = {}
    forcing = ("precipitation", "air_temperature", "potential_evaporation")
    observes = (
        "soil_moisture",
        "satellite_soil_moisture",
        "evaporation",
        "runoff",
        "snow_water_equivalent",
        "terrestrial_water_storage",
        "groundwater_storage",
    )

    begin: Tensor
    seen: Tensor

    def __init__(  # noqa: PLR0913 (hyper-parameters)
        self,
        sizes: Sizes,
        *,
        hidden_size: int = 64,
        dropout: float = 0.1,
        layers: Sequence[float] = (0.1, 0.4, 1.0),
        layered: bool = True,
        monthly: Sequence[str] = ("terrestrial_water_storage",),
        footprint: str = "",
        role: str = "soil_moisture",
        depths: Sequence[tuple[float, float]] = (),
        pores: Sequence[int] | None = None,
        outside: bool = False,
    ) -> None:
        super().__init__(sizes)
        if sizes.gaussian:
            msg = (
                'head="gaussian" was given, but an account has one value a step. Train several: '
                "members=5, whose disagreement is the spread."
            )
            raise UnknownNameError(msg)
        self.role, self.bottoms = role, tuple(map(float, layers))
        count = len(self.bottoms)
        names = sizes.names or self.forcing
        self.places = [names.index(name) for name in self.forcing]
        inputs = sizes.dynamic + sizes.static
        self.enter = nn.Linear(inputs, hidden_size)
        self.lstm = remembering(nn.LSTM(hidden_size, hidden_size))
        self.dropout = Dropout(dropout)
        runs = bool(sizes.names) and role in self.observes[:2]
        self.given = (sizes.dynamic - len(sizes.names)) // 3 if runs else 0  # layers observed
        self.integrates = bool(self.given)
        self.outside = 2 if outside else 0  # rows of what comes, and of what leaves
        self.head = nn.Linear(hidden_size, 4 + (2 + self.integrates) * count + self.outside)
        self.parameters_of = Parameters(sizes.static, self.bottoms, pores or ())
        begin = [_MELT, _SURFACE, _CANOPY, _ASIDE, *[_UPTAKE] * count, *[_DRAINAGE] * count]
        begin += [_GAIN] * count if self.integrates else []
        begin += [_COMES, _LEAVES] if outside else []
        self.register_buffer("begin", torch.tensor(begin), persistent=False)
        self.register_buffer("seen", overlap(self.bottoms, depths), persistent=False)
        self.state_size = 2 * hidden_size + len(STORES) + count + 1
        self.given_depths = tuple(tuple(map(float, depth)) for depth in depths)

    @classmethod
    def terms_of(cls, shown: Mapping[str, str], options: Mapping[str, Any]) -> tuple[Loss, ...]:
        """Return the terms that compare what is shown: roles and their keys in the batch."""
        monthly, footprint = tuple(options["monthly"]), str(options.get("footprint") or "")
        terms = [
            Shown(
                role,
                key,
                "mean" if key == "target" else role,
                monthly=role in monthly,
                anomaly=role in _UNKNOWN_LEVEL,
                footprint=footprint if role in monthly else "",
            )
            for role, key in shown.items()
        ]
        split = {"evaporation", "runoff"} & set(shown)
        more: list[Loss] = [] if split else [Budyko()]
        more += [Price("water_from_outside")] if options.get("outside") else []
        return (*terms, *_PRIORS, *more)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The target first, then all stores and fluxes."""
        mean = Answer("mean", self.sizes.target)
        left = {self.role, "soil_moisture_of_layers"}
        left |= set() if self.integrates else {"soil_moisture_increment"}
        left |= set() if self.outside else {"water_from_outside"}
        rows = [name for name in _WORDS if name not in left]
        told = [Answer(n, kind="quantity", units=_units(n), long_name=_WORDS[n]) for n in rows]
        own = tuple(zip((0.0, *self.bottoms), self.bottoms, strict=False))
        if self.role == "soil_moisture" and self.given_depths == own:
            return (mean, *told)
        name = "soil_moisture_of_layers"
        labels = tuple(f"{upper:g}-{lower:g} m" for upper, lower in own)
        layers = Answer(
            name, len(own), "quantity", "soil_layer", labels, _WORDS[name], units="m3 m-3"
        )
        return (mean, *told, layers)

    def forward(self, batch: Batch) -> Output:
        """Return ``mean`` (batch, target) and all else of the last step, begun at its start."""
        return {name: values[:, -1] for name, values in self.carry(batch, None)[0].items()}

    def carry(self, batch: Batch, state: Tensor | None) -> tuple[Output, Tensor]:
        """Return all that is answered (batch, steps, row), and the state after the steps."""
        dynamic, static = batch["dynamic"], batch["static"]
        units = 2 * self.lstm.hidden_size
        memory = None if state is None else state[:, :units]
        hidden, after = all_hidden(self.lstm, self._steps(dynamic, static), memory)
        with torch.autocast(dynamic.device.type, enabled=False):
            moved = self.head(self.dropout(hidden).float())
            shares = torch.sigmoid(self._alike(moved) + self.begin)
            own = shares.shape[-1] - self.outside
            shares, beyond = shares[..., :own], shares[..., own:].unbind(dim=-1)
            still = self.parameters_of(static.float())
            given = self._given(dynamic.float(), shares, still)
            if self.outside:
                given[1] = given[1] + _MOST_COMES * beyond[0]
            start = settled(given, still) if state is None else still["start"]
            far = unsettled(still, start)  # 0 of what goes on
            if state is not None:
                start = torch.where(state[:, -1:] > 0, state[:, units:-1], still["start"])
            stores, fluxes = water_budget(given, still["fixed"].T, start.T)
            found = self._answered(given, stores, fluxes, still)
            found |= _with_outside(found, *beyond) if self.outside else {}
            found["departure"] = moved.transpose(0, 1)
            found["unsettled"] = far.unsqueeze(1).expand(-1, dynamic.shape[1], -1)
        begun = torch.ones_like(start[:, :1])
        return found, torch.cat([after, stores[:, -1].T, begun], dim=-1)

    def _alike(self, moved: Tensor) -> Tensor:
        """Return logits of which each layer has those of the layer above, and what is its own."""
        count = len(self.bottoms)
        days, uptake, drainage, rest = moved.split(
            [4, count, count, moved.shape[-1] - 4 - 2 * count], -1
        )
        return torch.cat([days, uptake.cumsum(dim=-1), drainage.cumsum(dim=-1), rest], dim=-1)

    def _steps(self, dynamic: Tensor, static: Tensor) -> Tensor:
        """Return what the LSTM is given (steps, batch, hidden): forcing in numbers near 1."""
        rain, warm, demand = self.places
        columns = list(dynamic.unbind(dim=-1))
        columns[rain] = torch.log1p(columns[rain].clamp_min(0)) - 0.5
        columns[warm] = (columns[warm] - _FREEZING - 10) / 10
        columns[demand] = columns[demand] / 2 - 1
        steps = torch.stack(columns, dim=-1).transpose(0, 1)
        maps = self.parameters_of.near(static).expand(steps.shape[0], -1, -1)
        return torch.relu(self.enter(torch.cat([steps, maps], dim=-1)))

    def _given(self, dynamic: Tensor, shares: Tensor, still: Output) -> Tensor:
        """Return the rows of the account (row, steps, batch): amounts, and shares of the day."""
        rain, warm, demand = (dynamic[..., k].T for k in self.places)  # (steps, batch)
        above = _STEEP * (warm - _FREEZING - still["threshold"][:, 0])
        water = rain.clamp_min(0) * (1 + still["bias"][:, 0])
        snow = torch.sigmoid(-above) * water
        melt, surface, canopy, aside, *rest = shares.unbind(dim=-1)
        melt = melt * torch.sigmoid(above)
        aside = aside * still["aside"][:, 0]
        amounts = [snow, water - snow, demand.clamp_min(0)]
        seen = [self._seen(dynamic, still)] if self.integrates else []
        return torch.stack([*amounts, melt, surface, canopy, aside, *rest, *seen])

    def _seen(self, dynamic: Tensor, still: Output) -> Tensor:
        """Return the water of the first layer (steps, batch) at the end of the step before, mm.

        NaN where nothing was observed then.
        """
        values, ages, there = dynamic[..., -3 * self.given :].split(self.given, dim=-1)
        found = (MIDDLE + SPREAD * values[..., 0]).T
        if self.role != "soil_moisture" or not len(self.seen):
            found = (found - still["offset"][:, 0]) / still["slope"][:, 0]
        new = (there[..., 0].T > 0) & ((ages[..., 0].T - _NEW).abs() < 1e-3)
        return torch.where(new, still["thickness"][0] * found, torch.nan)

    def _answered(self, given: Tensor, stores: Tensor, fluxes: Tensor, still: Output) -> Output:
        """Return target, stores and fluxes (batch, steps, row) of those of the account."""
        flux = dict(zip(FLUXES, fluxes, strict=False))
        taken = fluxes[len(FLUXES) : len(FLUXES) + len(self.bottoms)]
        moved = fluxes[len(FLUXES) + len(self.bottoms) :]
        snow, below, ground = stores[: len(STORES)]
        soil = stores[len(STORES) :]  # (layer, steps, batch)
        theta = (soil / still["thickness"].view(-1, 1, 1)).permute(2, 1, 0)
        rows = {
            "precipitation": given[0] + given[1],
            "potential_evaporation": given[2],
            "evaporation": flux["canopy"] + taken.sum(dim=0),
            "runoff": flux["surface"] + flux["interflow"] + flux["baseflow"],
            "snow_water_equivalent": snow,
            "terrestrial_water_storage": snow + soil.sum(dim=0) + below + ground,
            "unsaturated_storage": below,
            "groundwater_storage": ground,
            "groundwater_recharge": flux["recharge"],
            "precipitation_bias": still["bias"][:, 0].expand_as(snow),
        }
        rows |= {"soil_moisture_increment": moved.sum(dim=0)} if self.integrates else {}
        found = {name: values.T.unsqueeze(-1) for name, values in rows.items()}
        surface = still["offset"].unsqueeze(1) + still["slope"].unsqueeze(1) * theta[..., :1]
        found |= {"soil_moisture_of_layers": theta, "satellite_soil_moisture": surface}
        if self.role == "soil_moisture" and len(self.seen):
            mean = theta @ self.seen.T
        elif self.role == "soil_moisture":  # of a depth that nobody tells
            mean = surface
        else:
            mean = found[self.role]
        return {"mean": mean, **found}


def _with_outside(found: Output, comes: Tensor, leaves: Tensor) -> Output:
    """Return rain and runoff without what comes from outside and leaves to there (step, batch)."""
    gain, lost = _MOST_COMES * comes.T.unsqueeze(-1), leaves.T.unsqueeze(-1) * found["runoff"]
    return {
        "precipitation": found["precipitation"] - gain,
        "runoff": found["runoff"] - lost,
        "water_from_outside": gain - lost,
    }


def _units(name: str) -> str:
    """Return the canonical units of a store or a flux."""
    return "mm" if name.endswith(("storage", "equivalent")) else "mm day-1"


MODEL = WaterBudget
