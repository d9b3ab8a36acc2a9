"""What a loss term is, the error itself, and how terms add up."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from xsm.exceptions import TrainingError, check_whole

__all__ = [
    "RMSE",
    "Batch",
    "BetaNLL",
    "Loss",
    "answered_steps",
    "check_losses",
    "last_steps",
    "total_loss",
    "unique_names",
]


Batch = Mapping[str, Tensor]


class Loss(Protocol):
    """One term of a loss: any object with these attributes can be passed in ``losses=``.

    Attributes
    ----------
    weight : float
        Factor of the term in the total.
    name : str
        Name of the term in the history.
    needs : tuple of str
        Keys of the batch that the term reads.
    reads : tuple of str
        Keys of the model's output that the term reads.

    Notes
    -----
    A term sees the last step of each sample: ``mean`` and ``target`` are (batch, target). One that
    compares steps says so by a further attribute, ``answered = 2`` or more, and is given the last
    so many: outputs, ``target``, ``mask`` and whatever changes with time are (batch, answered,
    target), what does not is (batch, 1, target). Of neighbouring steps, the earlier ones are
    ``mean[:, :-1]`` and the later ones ``mean[:, 1:]``.
    """

    @property
    def weight(self) -> float:
        """Factor of the term in the total."""

    @property
    def name(self) -> str:
        """Name of the term in the history."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the batch that the term reads."""

    @property
    def reads(self) -> tuple[str, ...]:
        """Keys of the model's output that the term reads."""

    def __call__(self, output: Batch, batch: Batch) -> Tensor:
        """Return the unweighted term, a scalar."""


@dataclass(frozen=True)
class BetaNLL:
    """Negative log-likelihood of a Gaussian, with slopes that small variances do not take over.

    Parameters
    ----------
    weight : float, default: 1.0
        Factor of the term in the total.
    beta : float, default: 0.5
        0 has the slopes of the likelihood; 1 has those of the squared error for the mean.

    Notes
    -----
    Of the samples whose target y is observed, with mean m and standard deviation s in the min-max
    scaled target (Seitzer et al. 2022, Eq. 5; [.] holds a value without slope)::

        L = mean( [s^(2 beta)] (log(2 pi s^2) / 2 + (y - m)^2 / (2 s^2)) )

    The slopes are those of L. The value that is logged, and that decides when to stop, is that of
    ``beta=0``, the likelihood itself: L is smallest at too large a spread. With ``beta=0.5`` a
    sample draws the mean by (m - y) / s, as RMSE does by (m - y) / RMSE: the weight beside the
    terms of physics means the same. Without an observed sample the term is 0.

    References
    ----------
    Seitzer, M., Tavakoli, A., Antic, D. and Martius, G. (2022). On the pitfalls of heteroscedastic
    uncertainty estimation with probabilistic neural networks. ICLR.

    Examples
    --------
    >>> import torch
    >>> output = {"mean": torch.zeros(1, 1), "std": torch.ones(1, 1)}
    >>> batch = {"target": torch.zeros(1, 1), "mask": torch.ones(1, 1, dtype=torch.bool)}
    >>> round(float(BetaNLL()(output, batch)), 4)  # log(2 pi) / 2
    0.9189
    """

    weight: float = 1.0
    beta: float = 0.5

    @property
    def name(self) -> str:
        """Name of the term in the history."""
        return "beta_nll"

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the batch that the term reads."""
        return ("target", "mask")

    @property
    def reads(self) -> tuple[str, ...]:
        """Keys of the model's output that the term reads."""
        return ("mean", "std")

    def __call__(self, output: Batch, batch: Batch) -> Tensor:
        """Return the unweighted term, a scalar."""
        mask = batch["mask"]
        error = torch.where(mask, output["mean"] - batch["target"], 0.0)
        variance = torch.where(mask, output["std"] ** 2, 1.0)
        each = 0.5 * (torch.log(2 * math.pi * variance) + error * error / variance)
        each = torch.where(mask, each, 0.0)
        slopes = variance.detach() ** self.beta * each
        # the value of the likelihood, with the slopes of L
        return (slopes + (each - slopes).detach()).sum() / mask.sum().clamp_min(1)


@dataclass(frozen=True)
class RMSE:
    """Root mean square error of the observed samples of a batch.

    Parameters
    ----------
    weight : float, default: 1.0
        Factor of the term in the total, ``l1`` of Geng et al. (2024), Eq. 8.

    Notes
    -----
    ``RMSE = sqrt(mean((SMhat - SM)^2))`` over the samples whose target is observed, in the
    min-max scaled target (dimensionless). Without an observed sample the term is 0.

    Examples
    --------
    >>> import torch
    >>> output = {"mean": torch.tensor([[0.5], [0.1]])}
    >>> target = torch.tensor([[0.2], [float("nan")]])
    >>> batch = {"target": target, "mask": torch.isfinite(target)}
    >>> round(float(RMSE()(output, batch)), 4)
    0.3
    """

    weight: float = 1.0

    @property
    def name(self) -> str:
        """Name of the term in the history."""
        return "rmse"

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the batch that the term reads."""
        return ("target", "mask")

    @property
    def reads(self) -> tuple[str, ...]:
        """Keys of the model's output that the term reads."""
        return ("mean",)

    def __call__(self, output: Batch, batch: Batch) -> Tensor:
        """Return the unweighted term, a scalar."""
        mask = batch["mask"]
        error = torch.where(mask, output["mean"] - batch["target"], 0.0)
        # the norm, whose gradient is 0 at a perfect fit, where that of a square root is infinite
        return torch.linalg.vector_norm(error) / mask.sum().clamp_min(1).sqrt()


def total_loss(
    losses: Sequence[Loss], output: Batch, batch: Batch
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted sum of loss terms, and each unweighted term by its name.

    Parameters
    ----------
    losses : sequence of Loss
        The terms.
    output : mapping of str to Tensor
        What the model returned for the last :func:`answered_steps` of each sample.
    batch : mapping of str to Tensor
        What the model was given for them.

    Returns
    -------
    total : Tensor
        The weighted sum, a scalar with gradient.
    parts : dict of str to Tensor
        Each unweighted term, detached, in the order of ``losses``.

    Notes
    -----
    Each term is given as many of the last steps as it compares, see :class:`Loss`.

    Examples
    --------
    >>> import torch
    >>> target = torch.zeros(2, 1)
    >>> batch = {"target": target, "mask": torch.isfinite(target)}
    >>> total, parts = total_loss([RMSE(weight=0.5)], {"mean": target + 1}, batch)
    >>> float(total), float(parts["rmse"])
    (0.5, 1.0)
    """
    answered = answered_steps(losses)
    counts = [answered_steps([loss]) for loss in losses]
    values = [
        loss(last_steps(output, count, answered), last_steps(batch, count, answered))
        for loss, count in zip(losses, counts, strict=True)
    ]
    # fewer operations than a stack and its sum, and none for a weight of 1
    weighted = [
        value if loss.weight == 1 else loss.weight * value
        for loss, value in zip(losses, values, strict=True)
    ]
    total = functools.reduce(torch.add, weighted)
    return total, {n: v.detach() for n, v in zip(unique_names(losses), values, strict=True)}


def answered_steps(losses: Sequence[Loss]) -> int:
    """Return how many of the last steps of a sample have to be answered for a loss.

    Parameters
    ----------
    losses : sequence of Loss
        The terms; one that compares steps has an attribute ``answered``.

    Returns
    -------
    int
        1, or what the term that compares most of them says.

    Raises
    ------
    UnknownNameError
        If ``answered`` of a term is no whole number from 1.

    Examples
    --------
    >>> answered_steps([RMSE()])
    1
    """
    return max((check_whole("answered", getattr(t, "answered", 1), 1) for t in losses), default=1)


def last_steps(arrays: Batch, count: int, answered: int) -> Batch:
    """Return samples, or outputs, of several answered steps as those of the last ``count`` alone.

    (batch, answered, ...) becomes (batch, count, ...), and of one step (batch, ...), as in samples
    of one answered step; ``dynamic`` keeps the windows of these steps. All are views.
    """
    if count == answered:
        return arrays
    first = answered - count
    found = {}
    for name, values in arrays.items():
        if name == "static":
            found[name] = values
        elif name == "dynamic":
            found[name] = values[:, first:]
        else:
            found[name] = values[:, -1] if count == 1 else values[:, -count:]
    return found


def unique_names(losses: Sequence[Loss]) -> list[str]:
    """Return the names of loss terms, numbered where a name comes twice.

    Parameters
    ----------
    losses : sequence of Loss
        The terms.

    Returns
    -------
    list of str
        One name for each term.

    Examples
    --------
    >>> unique_names([RMSE(), RMSE(weight=0.5)])
    ['rmse', 'rmse_2']
    """
    names: list[str] = []
    for loss in losses:
        count = sum(other.name == loss.name for other in losses[: len(names)])
        names.append(f"{loss.name}_{count + 1}" if count else loss.name)
    return names


def check_losses(losses: Sequence[Loss], batch: Batch, output: Batch) -> None:
    """Refuse terms whose inputs are missing, all in one error.

    Parameters
    ----------
    losses : sequence of Loss
        The terms.
    batch : mapping of str to Tensor
        One batch.
    output : mapping of str to Tensor
        The model's output on it.

    Raises
    ------
    TrainingError
        If there is no term, or one needs a key that the batch or the output does not hold.

    Examples
    --------
    >>> check_losses([RMSE()], {"target": None, "mask": None}, {"mean": None})
    """
    if not losses:
        msg = "No loss term was given; pass at least one, for example losses=[RMSE()]."
        raise TrainingError(msg)
    problems = []
    for loss in losses:
        lacks = [key for key in loss.needs if key not in batch]
        lacks += [f"output {key!r}" for key in loss.reads if key not in output]
        if lacks:
            problems.append(f"{loss.name} needs {', '.join(map(str, lacks))}")
    if problems:
        msg = (
            f"Loss terms cannot be computed: {'; '.join(problems)}. The batch holds "
            f"{sorted(batch)}, the model returns {sorted(output)}. Leave the term out of losses=, "
            "or choose a model that predicts what it needs."
        )
        raise TrainingError(msg)
