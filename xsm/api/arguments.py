"""Arguments that belong to models of the other kind, refused."""

from __future__ import annotations

from collections.abc import Mapping

from xsm.artefact.asked import Asked
from xsm.exceptions import UnknownNameError

__all__ = ["check_alone", "check_kind"]


def check_kind(
    name: str,
    fine: Mapping[str, object],
    point: Mapping[str, object],
    *,
    downscales: bool,
) -> None:
    """Refuse arguments that belong to models of the other kind.

    Parameters
    ----------
    name : str
        Name of the model.
    fine, point : mapping of str to object
        Arguments given that are of models that downscale, and of models that predict cells.
    downscales : bool
        Which of the two the model is.

    Raises
    ------
    UnknownNameError
        If one was given to a model of the other kind.

    Examples
    --------
    >>> check_kind("lstm", {}, {"lead": 1}, downscales=False)
    """
    others = point if downscales else fine
    if others:
        kind = "downscales fields" if downscales else "predicts cells"
        hint = "covariates=" if downscales else 'model="convlstm_unet"'
        msg = f"{name!r} {kind} and takes no {', '.join(others)}; see {hint}."
        raise UnknownNameError(msg)


def check_alone(asked: Asked) -> None:
    """Refuse what only a sequence knows, where none is asked for.

    Parameters
    ----------
    asked : Asked
        What was asked of a fit.

    Raises
    ------
    UnknownNameError
        If ``warmup``, ``latency`` or ``cuts`` was given without ``sequence``.

    Examples
    --------
    >>> check_alone(Asked(sequence=180, warmup=20))
    """
    if asked.sequence is not None:
        return
    said = [
        f"{n}={getattr(asked, n)!r}"
        for n in _OF_SEQUENCES
        if getattr(asked, n) != getattr(Asked, n)
    ]
    if said:
        msg = f"{', '.join(said)} was given without sequence=. Pass sequence=180 too."
        raise UnknownNameError(msg)


_OF_SEQUENCES = ("warmup", "latency", "cuts")
