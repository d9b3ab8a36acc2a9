"""Terms that show a water budget what was observed of it, each quantity by its own spread."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from xsm.losses.areas import area_means
from xsm.losses.terms import Batch

__all__ = ["Budyko", "Price", "Prior", "Shown", "monthly_means"]


_YEAR = 365  # steps below which a mean knows a season, and not the climate
_LEAST = 1e-6  # of a spread: below it the quantity does not vary, and its error is not divided


@dataclass(frozen=True)
class Shown:
    """Root mean square error of an observed quantity, as a share of its standard deviation.

    Parameters
    ----------
    role : str
        What was observed, and the name of the term in the history.
    key : str
        Key of the batch that holds it, (batch, steps, layer), NaN where it was not observed.
    output : str
        Key of the model's output that is compared.
    weight : float, default: 1.0
        Factor of the term in the total.
    monthly : bool, default: False
        Compare means of whole months: of the days that were observed, and of all days predicted.
    anomaly : bool, default: False
        Take the mean over the steps compared from both: a storage is known but for its level.
    footprint : str, default: ""
        Map of the data that labels areas: means over each are compared, weighted by the sizes of
        cells. Areas that are not whole in a batch are not.

    Notes
    -----
    ``L = sum over layers of sqrt(mean((y - o)^2)) / std(o)`` over all that was observed in a
    batch: of each layer, the root of what Nash and Sutcliffe's efficiency lacks to 1. Without an
    observation it is 0.

    Examples
    --------
    >>> observed = torch.tensor([0.0, 2.0, torch.nan, torch.nan]).view(1, 4, 1)
    >>> term = Shown("runoff", "observed_runoff", "runoff")
    >>> float(term({"runoff": torch.ones(1, 4, 1)}, {"observed_runoff": observed}))
    1.0
    """

    role: str
    key: str
    output: str
    weight: float = 1.0
    monthly: bool = False
    anomaly: bool = False
    footprint: str = ""

    @property
    def name(self) -> str:
        """Name of the term in the history."""
        return self.role

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the batch that the term reads."""
        of_areas = ("area", "area_share") if self.footprint else ()
        return (self.key, *(("month", "month_days") if self.monthly else ()), *of_areas)

    @property
    def reads(self) -> tuple[str, ...]:
        """Keys of the model's output that the term reads."""
        return (self.output,)

    @property
    def answered(self) -> int:
        """Steps that are compared with each other, at least."""
        return 2 if self.monthly or self.anomaly or self.footprint else 1

    def __call__(self, output: Batch, batch: Batch) -> Tensor:
        """Return the unweighted term, a scalar."""
        predicted, observed = output[self.output], batch[self.key]
        if self.monthly:
            months = batch["month"], batch["month_days"]
            predicted, observed = monthly_means(predicted, observed, *months)
        if self.footprint:
            predicted, observed = area_means(
                predicted, observed, batch["area"], batch["area_share"]
            )
        seen = torch.isfinite(observed)
        predicted = torch.where(seen, predicted, 0.0)
        observed = torch.where(seen, observed, 0.0)
        if self.anomaly:
            count = seen.sum(dim=1, keepdim=True).clamp_min(1)
            predicted = predicted - predicted.sum(dim=1, keepdim=True) / count
            observed = observed - observed.sum(dim=1, keepdim=True) / count
        layers = observed.shape[-1]
        rows = (values.reshape(-1, layers) for values in (predicted, observed, seen))
        return _share(*rows)


@dataclass(frozen=True)
class Prior:
    """How far a number of each cell is from what it is expected to be, in its usual spread.

    Parameters
    ----------
    output : str, default: "precipitation_bias"
        Key of the model's output, expected to be 0.
    spread : float, default: 0.1
        Its standard deviation.
    weight : float, default: 0.01
        Factor of the term in the total.

    Examples
    --------
    >>> round(float(Prior()({"precipitation_bias": torch.full((2, 3), 0.2)}, {})), 3)
    4.0
    """

    output: str = "precipitation_bias"
    spread: float = 0.1
    weight: float = 0.01

    @property
    def name(self) -> str:
        """Name of the term in the history."""
        return self.output

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the batch that the term reads."""
        return ()

    @property
    def reads(self) -> tuple[str, ...]:
        """Keys of the model's output that the term reads."""
        return (self.output,)

    def __call__(self, output: Batch, batch: Batch) -> Tensor:
        """Return the unweighted term, a scalar."""
        return (output[self.output] / self.spread).square().mean()


@dataclass(frozen=True)
class Price:
    """Mean of a flux without its sign, mm day-1: what is not needed stays at 0 (an L1 penalty).

    Parameters
    ----------
    output : str, default: "outside"
        Key of the model's output.
    weight : float, default: 0.3
        Factor of the term in the total.

    Examples
    --------
    >>> float(Price()({"outside": torch.tensor([[-1.0, 3.0]])}, {}))
    2.0
    """

    output: str = "outside"
    weight: float = 0.3
    needs = ()

    @property
    def name(self) -> str:
        """Name of the term in the history."""
        return self.output

    @property
    def reads(self) -> tuple[str, ...]:
        """Keys of the model's output that the term reads."""
        return (self.output,)

    def __call__(self, output: Batch, batch: Batch) -> Tensor:
        """Return the unweighted term, a scalar."""
        return output[self.output].abs().mean()


@dataclass(frozen=True)
class Budyko:
    """How far the share of rain that evaporates is from what its climate lets expect.

    Parameters
    ----------
    spread : float, default: 0.1
        How far places lie from the curve, one standard deviation, as a share of precipitation.
    weight : float, default: 0.03
        Factor of the term in the total.

    Notes
    -----
    Budyko (1974), without a parameter, of means P, E and E0 over all steps that are compared::

        E / P = sqrt(a tanh(1 / a) (1 - exp(-a))),   a = E0 / P

    Deserts evaporate nearly all that rains. Over less than 365 steps the term is 0: they know a
    season, and not the climate.

    References
    ----------
    Budyko, M. I. (1974). Climate and Life. Academic Press.

    Examples
    --------
    >>> rows = {"precipitation": 1.0, "potential_evaporation": 1.0, "evaporation": 0.6938}
    >>> output = {name: torch.full((1, 365, 1), value) for name, value in rows.items()}
    >>> round(float(Budyko()(output, {})), 3)
    0.0
    """

    spread: float = 0.1
    weight: float = 0.03
    name = "budyko"
    needs = ()
    reads = ("precipitation", "potential_evaporation", "evaporation")
    answered = 2

    def __call__(self, output: Batch, batch: Batch) -> Tensor:
        """Return the unweighted term, a scalar."""
        rain, demand, gone = (output[key].mean(dim=1) for key in self.reads)
        if output["evaporation"].shape[1] < _YEAR:
            return 0.0 * gone.mean()
        rain = rain.clamp_min(1e-3)
        arid = (demand / rain).clamp_min(1e-3)
        wanted = (arid * torch.tanh(1 / arid) * (1 - torch.exp(-arid))).sqrt()
        return ((gone / rain - wanted) / self.spread).square().mean()


def monthly_means(
    predicted: Tensor, observed: Tensor, month: Tensor, days: Tensor
) -> tuple[Tensor, Tensor]:
    """Return means of months, of what is predicted and of what of it was observed.

    Parameters
    ----------
    predicted, observed : Tensor
        (batch, steps, layer) of days; ``observed`` is NaN where it was not.
    month, days : Tensor
        (batch, steps, 1): a number that each month has of its own and that grows by 1, and how
        many days it has.

    Returns
    -------
    tuple of Tensor
        (batch, month, layer). What is observed is NaN in months that the piece cuts, or without an
        observation: one value a month is its mean, and so are equal values of all its days.

    Examples
    --------
    >>> steps = torch.tensor([1.0, 3.0, 9.0]).view(1, 3, 1)
    >>> month, days = torch.tensor([5, 5, 6]).view(1, 3, 1), torch.full((1, 3, 1), 2.0)
    >>> monthly_means(steps, steps, month, days)[1].flatten()
    tensor([2., nan])
    """
    place = (month - month.amin(dim=1, keepdim=True)).long()
    count = int(place.max()) + 1

    def total(values: Tensor) -> Tensor:
        empty = values.new_zeros(len(values), count, values.shape[2])
        return empty.scatter_add(1, place.expand_as(values), values)

    seen = torch.isfinite(observed)
    there = total(torch.ones_like(days))
    whole = total(days) <= there * there  # each of its days says how many they are
    known = total(seen.to(predicted.dtype))
    mean = total(torch.where(seen, observed, 0.0)) / known.clamp_min(1)
    mean = torch.where(whole & (there > 0) & (known > 0), mean, torch.nan)
    return total(predicted) / there.clamp_min(1), mean


def _share(predicted: Tensor, observed: Tensor, seen: Tensor) -> Tensor:
    """Return the error (row, layer) as a share of the spread, the sum over layers."""
    many = seen.sum(dim=0).clamp_min(1)
    mean = torch.where(seen, observed, 0.0).sum(dim=0) / many
    variance = torch.where(seen, observed - mean, 0.0).square().sum(dim=0) / many
    spread = variance.sqrt()
    # the norm, whose gradient is 0 at a perfect fit, where that of a square root is infinite
    wrong = torch.where(seen, predicted - observed, 0.0)
    error = torch.linalg.vector_norm(wrong, dim=0) / many.sqrt()
    error = torch.where(spread > _LEAST, error / spread.clamp_min(_LEAST), error)
    return error.sum()
