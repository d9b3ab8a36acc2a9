"""Which times train and which validate, so that nothing leaks."""

from __future__ import annotations

from dataclasses import dataclass

from xsm.exceptions import NotEnoughDataError

__all__ = ["Split", "chronological", "in_pieces"]


@dataclass(frozen=True)
class Split:
    """Positions along time of training and of validation.

    Parameters
    ----------
    training : slice
        Steps whose inputs and targets train.
    validation : slice
        Steps whose inputs and targets validate; empty where nothing is held out.
    """

    training: slice
    validation: slice

    @property
    def validates(self) -> bool:
        """Whether anything is held out."""
        return self.validation.start < self.validation.stop


def chronological(steps: int, *, valid: float, window: int, lead: int) -> Split:
    """Divide a series: the first part trains, the last validates.

    A sample takes ``window`` steps of input and is valid ``lead`` steps later. Both parts keep
    inputs and targets to themselves, so the last training target precedes the first input of
    validation.

    Parameters
    ----------
    steps : int
        Length of the series.
    valid : float
        Share of the series that validates, from 0 (nothing) to below 1.
    window, lead : int
        Steps of input, and steps from the window's end to the target.

    Returns
    -------
    Split
        Positions of the two parts.

    Raises
    ------
    NotEnoughDataError
        If a part holds no whole sample, or the share is not in [0, 1).

    Examples
    --------
    >>> chronological(100, valid=0.25, window=7, lead=1)
    Split(training=slice(0, 75, None), validation=slice(75, 100, None))
    """
    if not 0 <= valid < 1:
        msg = f"valid={valid} was given; a share of the time steps from 0 to below 1 is needed."
        raise NotEnoughDataError(msg)
    cut = steps - round(steps * valid)
    need = window + lead
    if cut < need or (valid > 0 and steps - cut < need):
        parts = f"{cut} steps to train" + (f" and {steps - cut} to validate" if valid > 0 else "")
        msg = (
            f"The series has {steps} steps: {parts} (valid={valid}), but one sample takes "
            f"window + lead = {need}. Give a longer series, a smaller window=, or another valid=."
        )
        raise NotEnoughDataError(msg)
    return Split(slice(0, cut), slice(cut, steps))


def in_pieces(steps: int, *, valid: float, sequence: int, warmup: int, ahead: int) -> Split:
    """Divide a series for pieces of a record: the first part trains, the last validates.

    Parameters
    ----------
    steps : int
        Length of the series.
    valid : float
        Share of the series that validates, from 0 (nothing) to below 1.
    sequence, warmup : int
        Steps of a piece, and those of them that are not answered. What validates warms up in its
        own part, and its pieces may be shorter.
    ahead : int
        Steps from the last input to the target.

    Returns
    -------
    Split
        Positions of the two parts.

    Raises
    ------
    NotEnoughDataError
        If no piece trains, no step after the warm-up validates, or the share is not in [0, 1).

    Examples
    --------
    >>> in_pieces(400, valid=0.25, sequence=180, warmup=30, ahead=1)
    Split(training=slice(0, 300, None), validation=slice(300, 400, None))
    """
    split = chronological(steps, valid=valid, window=1, lead=ahead)
    cut = split.validation.start
    if cut < sequence + ahead or (split.validates and steps - cut <= warmup + ahead):
        msg = (
            f"The series has {steps} steps: {cut} to train, of which a piece takes "
            f"sequence={sequence}, and {steps - cut} to validate (valid={valid}), of which the "
            f"first warmup={warmup} are not answered; {ahead} more are needed to look ahead. Give "
            "a longer series, a smaller sequence= or warmup=, or another valid= (0 validates "
            "nothing)."
        )
        raise NotEnoughDataError(msg)
    return split
