"""Where a cross-validation keeps the models of its folds, and what question they answer."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import fsspec
import numpy as np
import xarray as xr

from xsm.api.fitted import FittedModel
from xsm.api.load import load
from xsm.data.fingerprint import data_token
from xsm.data.folds import Folds
from xsm.exceptions import UnknownNameError
from xsm.training.identity import described_model, described_terms

__all__ = ["FoldFolder"]


_FILE = "cross_validation.json"
_OF_THE_RUN = ("device", "progress", "memory_limit")  # they change no result


class FoldFolder:
    """A folder, or a URL, with one saved model a fold, and a file that tells the question."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        cls: type[Any],
        settings: Mapping[str, Any],
        division: Folds,
    ) -> None:
        self.path, self.cls = os.fspath(path).rstrip("/"), cls
        self.folders = {n: f"fold-{k + 1}.xsm" for k, n in enumerate(division.names)}
        said = {k: v for k, v in settings.items() if k not in _OF_THE_RUN and v is not None}
        if "losses" in said:
            said["losses"] = described_terms(said["losses"])
        self.question = {
            "model": described_model(cls, {}),
            "settings": json.dumps({k: repr(v) for k, v in sorted(said.items())}),
            "folds": data_token({"fold": _numbers(division)}) + f" buffer {division.buffer:g}",
        }

    def ask(self, ds: xr.Dataset) -> None:
        """Note the question with the data that it is asked of; refuse the folder of another one."""
        arrays = {str(n): a for n, a in ds.data_vars.items() if a.dtype.kind in "iufb"}
        own = {**self.question, "data": data_token(arrays)}
        files, root = fsspec.url_to_fs(self.path)
        place = f"{root}/{_FILE}"
        if not files.exists(place):
            files.makedirs(root, exist_ok=True)
            files.pipe_file(place, json.dumps(own, indent=1).encode())
            return
        try:
            noted = dict(json.loads(files.cat_file(place)))
        except (ValueError, TypeError):
            noted = {}
        other = [key for key in own if own[key] != noted.get(key)]
        if other:
            msg = (
                f"path={self.path!r} holds the folds of another question: it differs in {other}. "
                "Name another folder, or delete this one."
            )
            raise UnknownNameError(msg)

    def load(self) -> dict[str, FittedModel]:
        """Return the models of the folds that are done; a part of one has no root."""
        files, root = fsspec.url_to_fs(self.path)
        done = [n for n, own in self.folders.items() if files.exists(f"{root}/{own}/zarr.json")]
        model = None if self.cls.__module__.startswith("xsm.models.") else self.cls
        return {n: load(f"{self.path}/{self.folders[n]}", model=model) for n in done}

    def save(self, name: str, fitted: FittedModel) -> None:
        """Keep the model of a fold."""
        fitted.save(f"{self.path}/{self.folders[name]}", overwrite=True)


def _numbers(division: Folds) -> xr.DataArray:
    """Return the folds as numbers: those of their names, -1 for none."""
    labels = division.labels
    own = np.array([*division.names])
    order = np.argsort(own)
    place = np.searchsorted(own[order], labels.values).clip(max=len(own) - 1)
    found = np.where(own[order][place] == labels.values, order[place], -1)
    return labels.copy(data=found.astype(float))
