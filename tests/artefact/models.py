"""Fitted models that cost no training, and the tools to look into what they are saved as."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

import xsm
from tests.worlds import bucket, recipe
from xsm.cells.features import Features
from xsm.cells.scaling import fit_scaling
from xsm.data.naming import Variable
from xsm.data.units import Conversion
from xsm.evaluation.climatology import seasonal_mean
from xsm.models.lstm import LSTM
from xsm.nn import Model, Sizes

__all__ = ["assert_same", "dataset", "forge", "parts", "untrained"]


def dataset(features: Features) -> xr.Dataset:
    """Return the features under the names and units of a product."""
    rain = features.dynamic["precipitation"].assign_attrs(units="mm day-1")
    warm = features.dynamic["air_temperature"].assign_attrs(units="K")
    hill = features.static["elevation"].assign_attrs(units="m", standard_name="surface_altitude")
    soil = features.observed.assign_attrs(units="m3 m-3")
    return xr.Dataset({"tp": rain, "t2m": warm, "elevation": hill, "swvl1": soil})


def parts(features: Features | None = None, seed: int = 0, **changes: Any) -> dict[str, Any]:
    """Return the arguments of a fitted model with random weights."""
    features = bucket(steps=60) if features is None else features
    made = recipe(features)
    torch.manual_seed(seed)
    model = LSTM(Sizes(dynamic=2, static=1, window=4), hidden_size=3).eval()
    history = xr.Dataset(
        {"total": (("part", "epoch"), np.array([[0.2, 0.1], [0.3, np.nan]]))},
        coords={"part": ["training", "validation"], "epoch": [1, 2]},
        attrs={"best_epoch": np.int64(1)},
    )
    given = {
        "name": "lstm",
        "model": model,
        "recipe": made,
        "scaling": fit_scaling(features, slice(0, 50), scaling="cell"),
        "climatology": seasonal_mean(features.observed, "time"),
        "history": history,
        "variable": Variable("soil_moisture", "swvl1", "alias", "%", Conversion(0.01), (0.0, 0.07)),
        "attrs": {"units": "%", "valid_range": np.array([0, 100], "f4"), "long_name": "Wasser, 土"},
        "parameters": {"hidden_size": 3, "dropout": 0.15, "epochs": 10, "rates": (1e-3, None)},
        "card": {"target": "soil_moisture", "best epoch": "1 of 2"},
        "fingerprint": {"sizes": {"time": 60}},
    }
    return given | changes


def untrained(features: Features | None = None, **changes: Any) -> xsm.FittedModel:
    """Return a fitted model with random weights."""
    return xsm.FittedModel(**parts(features, **changes))


def assert_same(one: xsm.FittedModel, other: xsm.FittedModel) -> None:
    """Check that two fitted models are the same, to the bit."""
    for name in ("name", "recipe", "variable", "parameters", "card", "fingerprint"):
        assert getattr(one, name) == getattr(other, name), name
    assert list(one.card) == list(other.card)
    np.testing.assert_equal(dict(one.attrs), dict(other.attrs))
    weights, others = one.model.state_dict(), other.model.state_dict()
    assert weights.keys() == others.keys()
    for name, weight in weights.items():
        assert weight.dtype == others[name].dtype
        assert torch.equal(weight, others[name]), name
    for name in ("scaling", "history"):
        xr.testing.assert_identical(getattr(one, name), getattr(other, name))
    if one.climatology is None:
        assert other.climatology is None
    else:
        xr.testing.assert_identical(one.climatology, other.climatology)


def forge(folder: Path, change: Callable[[dict[str, Any]], object], *, sign: bool = True) -> None:
    """Change the metadata of an artefact as a forger would: consistently, with a digest that fits.

    ``change`` gets the root; its nodes are written to their own files too. The digest is that of
    the documentation: of the root without it, keys sorted, then of all chunks by path.
    """
    root = json.loads((folder / "zarr.json").read_text())
    change(root)
    for path, node in root.get("consolidated_metadata", {}).get("metadata", {}).items():
        file = folder / path / "zarr.json"
        if ".." not in path and not path.startswith("/"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(node))
    mark = root["attributes"]["xsm_artefact"]
    if sign:
        mark.pop("digest", None)
        text = json.dumps(root, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode())
        for chunk in sorted(
            folder.glob("*/*/c"), key=lambda p: p.parent.relative_to(folder).as_posix()
        ):
            files = [chunk] if chunk.is_file() else [f for f in chunk.rglob("*") if f.is_file()]
            for file in files:
                digest.update(file.read_bytes())
        mark["digest"] = digest.hexdigest()
    (folder / "zarr.json").write_text(json.dumps(root))


class Echo(Model):
    """A user's own network: the mean of the window, weighted.

    Parameters
    ----------
    sizes : Sizes
        Sizes of inputs and outputs.
    depth : int, default: 1
        Layers.
    shape : tuple of int, default: (1, 2)
        Not used.
    """

    losses = LSTM.losses

    def __init__(self, sizes: Sizes, *, depth: int = 1, shape: tuple[int, ...] = (1, 2)) -> None:
        super().__init__(sizes)
        self.layers = torch.nn.ModuleList(
            torch.nn.Linear(sizes.dynamic, sizes.target) for _ in range(depth)
        )
        self.register_buffer("count", torch.tensor(7, dtype=torch.int64))
        self.register_buffer("flags", torch.tensor([True, False]))
        self.register_buffer("empty", torch.zeros(0, 3))

    def forward(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the mean."""
        return {"mean": sum(layer(batch["dynamic"].mean(1)) for layer in self.layers)}
