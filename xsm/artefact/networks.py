"""A network as arrays and back: its weights, checked before memory is taken for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import xarray as xr
from torch import Tensor

from xsm.artefact.reading import Artefact
from xsm.artefact.tables import own_dims
from xsm.exceptions import ArtefactError
from xsm.nn import Model, Sizes, assemble, members_of, weight_bytes
from xsm.nn.devices import seeded
from xsm.nn.settings import usual_settings
from xsm.training.recipe import Recipe
from xsm.typing import Array

__all__ = ["arrays_of", "build", "check", "content", "fill"]


_DTYPES = {torch.bfloat16: torch.int16}  # what numpy lacks, and what its bits are stored as


def content(model: Model) -> dict[str, Array]:
    """Return the bytes of all weights, by which the model is named."""
    return weight_bytes(model)


def arrays_of(model: Model) -> dict[str, xr.Variable]:
    """Return all that a network has learnt as arrays on named dimensions."""
    return {name: _stored(name, value) for name, value in model.state_dict().items()}


def check(model: Model, given: Mapping[str, Any], arrays: Mapping[str, xr.Variable]) -> None:
    """Refuse to save weights that do not fit the network which its hyper-parameters describe."""
    members = members_of(model)
    skeleton = _skeleton(type(members[0]), model.sizes, given, len(members))
    shapes = {name: tuple(variable.shape) for name, variable in arrays.items()}
    _check_shapes(skeleton, shapes, "The model to be saved")


def build(
    cls: type[Model], sizes: Sizes, given: Mapping[str, Any], recipe: Recipe, artefact: Artefact
) -> Model:
    """Build a network, once the weights that are declared are known to be its."""
    declared = artefact.arrays.get("weights", {})
    shapes = {name: array.shape for name, array in declared.items()}
    members = _members(artefact, len(shapes))
    _check_shapes(_skeleton(cls, sizes, given, members), shapes, str(artefact.place))
    return _build(cls, sizes, given, members)


@usual_settings()
def fill(model: Model, stored: Mapping[str, xr.Variable]) -> None:
    """Put the weights into the network; where a dtype was changed after building, keep it."""
    weights = {name: _tensor(variable) for name, variable in stored.items()}
    own = model.state_dict()
    changed = any(own[name].dtype != tensor.dtype for name, tensor in weights.items())
    model.load_state_dict(weights, strict=True, assign=changed)


def _stored(name: str, value: object) -> xr.Variable:
    """Return an entry of a network's state as an array on named dimensions."""
    if not isinstance(value, Tensor) or value.layout is not torch.strided or value.is_quantized:
        msg = (
            f"The network's state holds {name!r} ({type(value).__name__}), which is no plain "
            "tensor; artefacts hold nothing else. Keep it in parameters or buffers."
        )
        raise ArtefactError(msg)
    tensor = value.detach().cpu().contiguous()
    attrs = {"torch_dtype": str(tensor.dtype).removeprefix("torch.")}
    try:
        array = tensor.view(_DTYPES.get(tensor.dtype, tensor.dtype)).numpy()
    except TypeError as error:
        msg = f"{name!r} is {tensor.dtype}, which cannot be stored. Save fitted.model.float()."
        raise ArtefactError(msg) from error
    return own_dims(name, array, attrs)


def _tensor(variable: xr.Variable) -> Tensor:
    """Return the tensor of a stored array, with the dtype that it had."""
    tensor = torch.from_numpy(variable.values)
    kept = {str(k).removeprefix("torch."): k for k in _DTYPES}.get(variable.attrs["torch_dtype"])
    return tensor if kept is None else tensor.view(kept)


def _skeleton(cls: type[Model], sizes: Sizes, given: Mapping[str, Any], members: int) -> Model:
    """Build a network without memory for its weights, so that no number can ask for too much."""
    try:
        with seeded(0), torch.device("meta"):
            return assemble([cls(sizes, **given) for _ in range(members)])
    except (NotImplementedError, RuntimeError):  # a constructor that looks at values
        return _build(cls, sizes, given, members)


def _build(cls: type[Model], sizes: Sizes, given: Mapping[str, Any], members: int) -> Model:
    """Build a network, or an ensemble of such, and leave the random numbers as they were."""
    with seeded(0):
        return assemble([cls(sizes, **given) for _ in range(members)]).eval()


def _check_shapes(model: Model, given: Mapping[str, tuple[int, ...]], what: str) -> None:
    """Refuse weights that are not those of the network that its hyper-parameters describe."""
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    wrong = [k for k in sorted(wanted.keys() | given.keys()) if wanted.get(k) != given.get(k)]
    if wrong:
        name = wrong[0]
        msg = (
            f"{what} does not fit its hyper-parameters: {type(model).__name__} has {name} of "
            f"shape {wanted.get(name)}, the weights have {given.get(name)}; {len(wrong)} differ. "
            "The class may have changed since the training: use the version of that time."
        )
        raise ArtefactError(msg)


def _members(artefact: Artefact, weights: int) -> int:
    """Return the number of networks of an ensemble, each of which has weights."""
    members = artefact.facts["model"].get("members", 1)
    if type(members) is not int or not 1 <= members <= max(weights, 1):
        msg = (
            f"{artefact.place} has {members!r:.80} members and {weights} arrays of weights; a "
            "number of networks, each with weights, is needed. Take another copy."
        )
        raise ArtefactError(msg)
    return members
