"""Arguments that belong to models of the other kind, refused."""

from __future__ import annotations

from collections.abc import Mapping

from xsm.exceptions import UnknownNameError

__all__ = ["check_kind"]


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
