"""Where verbs get a model from: read back, or given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from xsm.api.fitted import FittedModel
from xsm.artefact.saving import load_parts
from xsm.estimators import Estimator
from xsm.nn import Model

__all__ = ["load"]


def load(
    path_or_url: str | os.PathLike[str],
    *,
    model: str | type[Model] | type[Estimator] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> FittedModel:
    """Read a model that :meth:`FittedModel.save` wrote.

    Nothing in the artefact is run, whoever made it. Its metadata must be those that xsm writes, and
    its content is compared with the SHA-256 digest taken when it was saved.

    Parameters
    ----------
    path_or_url : str or path
        What it was saved to.
    model : str or subclass of Model or Estimator, optional
        The class, where it is a user's own and not one of :func:`xsm.list_models`.
    storage_options : mapping, optional
        Passed to the filesystem of a URL.

    Returns
    -------
    FittedModel
        On the CPU; it predicts bit for bit what the saved one did.

    Raises
    ------
    ArtefactError
        If there is no artefact, it is incomplete, changed, of another schema, or of another class.

    Examples
    --------
    >>> import tempfile, xsm
    >>> ds = xsm.open_tutorial("land").isel(latitude=slice(4, 6), longitude=slice(20, 22))
    >>> fitted = xsm.fit(ds, "lstm", epochs=1, iterations=2, hidden_size=4, progress=False)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fitted.save(f"{folder}/model.xsm")
    ...     again = xsm.load(f"{folder}/model.xsm")
    >>> again.predict(ds).equals(fitted.predict(ds))
    True
    """
    return FittedModel(**load_parts(path_or_url, model=model, storage_options=storage_options))
