"""What a network answers with: a value, or the mean and the spread of a Gaussian."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.nn.functional import softplus

from xsm.exceptions import TrainingError, UnknownNameError, check_choice
from xsm.losses import RMSE, BetaNLL, Loss, Mixture

__all__ = ["HEADS", "check_terms", "head_and_members", "with_spread"]


HEADS = ("point", "gaussian")

_FLOOR = 1e-6  # of the variance: a standard deviation of a thousandth of the target's range
_START = 4.6  # an untrained network begins at exp(-4.6), a tenth of the range


def with_spread(output: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the outputs of a network with the mean and the standard deviation of a Gaussian.

    Parameters
    ----------
    output : mapping of str to Tensor
        ``mean`` (batch, 2 target), of which the second half is ``a``; or ``mean`` (batch, target)
        and ``log_variance`` (batch, target), which is ``a``.

    Returns
    -------
    dict of str to Tensor
        ``mean`` and ``std`` (batch, target), scaled as the target, and the other outputs.

    Notes
    -----
    ``std^2 = softplus(a - 4.6) + 1e-6``: for small variances a is the log-variance but for a
    constant, for large ones the variance grows with a and not with its exponent, so that it cannot
    explode, and it cannot vanish.

    Examples
    --------
    >>> import torch
    >>> found = with_spread({"mean": torch.tensor([[0.3, 0.0]])})
    >>> [round(float(found[name]), 2) for name in ("mean", "std")]
    [0.3, 0.1]
    """
    rest = {name: value for name, value in output.items() if name != "log_variance"}
    mean, raw = output["mean"], output.get("log_variance")
    if raw is None:
        mean, raw = mean.chunk(2, dim=-1)
    std = (softplus(raw.float() - _START) + _FLOOR).sqrt()
    return {**rest, "mean": mean, "std": std}


def head_and_members(
    given: Mapping[str, Any], *, head: str = "point"
) -> tuple[str, int, dict[str, Any]]:
    """Divide what any network can have from the hyper-parameters of one.

    Parameters
    ----------
    given : mapping of str to Any
        Hyper-parameters as passed to ``fit``.
    head : {"point", "gaussian"}, default: "point"
        The head where none is given.

    Returns
    -------
    str
        ``head``: ``"point"``, or ``"gaussian"``.
    int
        ``members``: networks of an ensemble; 1 is a network alone.
    dict
        The others.

    Raises
    ------
    UnknownNameError
        If there is no such head, or ``members`` is no number from 1.

    Examples
    --------
    >>> head_and_members({"hidden_size": 8, "members": 5})
    ('point', 5, {'hidden_size': 8})
    """
    rest = {name: value for name, value in given.items() if name not in {"head", "members"}}
    head, members = given.get("head", head), given.get("members", 1)
    check_choice("head", head, HEADS)
    if type(members) is not int or members < 1:
        msg = f"members={members!r} was given; a number of networks from 1 is needed, such as 5."
        raise UnknownNameError(msg)
    return head, members, rest


def check_terms(terms: Sequence[Loss], head: str, *, published: bool) -> tuple[Loss, ...]:
    """Return the terms that train a head.

    Parameters
    ----------
    terms : sequence of Loss
        Terms of the loss.
    head : {"point", "gaussian"}
        What the network answers with.
    published : bool
        The terms are the model's own, and not a user's.

    Returns
    -------
    tuple of Loss
        The terms. Of published ones, with a Gaussian head, :class:`~xsm.losses.BetaNLL` takes the
        place and the weight of :class:`~xsm.losses.RMSE`, with a point head the other way around;
        the terms of physics act on the mean.

    Raises
    ------
    TrainingError
        If no term trains the spread, or one needs a spread that the head does not give.

    Examples
    --------
    >>> check_terms([RMSE(weight=0.5)], "gaussian", published=True)
    (BetaNLL(weight=0.5, beta=0.5),)
    """
    _check_kinds(terms)
    if published and head == "gaussian":
        terms = [BetaNLL(term.weight) if isinstance(term, RMSE) else term for term in terms]
    elif published:
        terms = [RMSE(term.weight) if isinstance(term, BetaNLL) else term for term in terms]
    trained = [term.name for term in terms if "std" in term.reads]
    names = [term.name for term in terms]
    apart = any(isinstance(term, Mixture) for term in terms)  # trains each expert's own spread
    if head == "gaussian" and not (trained or apart):
        msg = (
            f'head="gaussian" was given, but none of the loss terms {names} trains the spread. '
            "Add one: losses=[BetaNLL(0.5), ...] of xsm.losses, in the place of RMSE."
        )
        raise TrainingError(msg)
    if head == "point" and trained:
        msg = (
            f'The loss terms {trained} need the spread of the prediction, which head="point" does '
            'not give. Pass head="gaussian", or leave them out.'
        )
        raise TrainingError(msg)
    return tuple(terms)


def _check_kinds(terms: object) -> None:
    """Refuse what is no sequence of terms."""
    facts = ("name", "weight", "needs", "reads")
    if isinstance(terms, Sequence) and not isinstance(terms, str):
        known = (all(hasattr(term, fact) for fact in facts) for term in terms)
        if all(known) and not any(isinstance(term, type) for term in terms):
            return
    msg = (
        f"losses={terms!r} was given; a list of terms is needed, such as losses=[RMSE(0.5), "
        f"WaterBalance(0.5)] of xsm.losses, or objects with {', '.join(facts)} and a call."
    )
    raise TrainingError(msg)
