"""Parts of a network by name: what stays as it is where training goes on."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from xsm.exceptions import TrainingError, did_you_mean
from xsm.nn.convlstm import ConvLSTM

__all__ = ["frozen_weights", "weights_of_parts"]


_ALL_BUT = "all but "


def weights_of_parts(network: nn.Module) -> dict[str, tuple[str, ...]]:
    """Return the names of the weights of each part.

    Parts are the modules of a network by their own names, and by what they do: ``"head"`` is what
    answers, the module of that name, else the last one; ``"recurrent"`` all that carries a state;
    ``"input"`` all before that.

    Parameters
    ----------
    network : torch.nn.Module
        Any network.

    Returns
    -------
    dict of str to tuple of str
        Names as of ``network.named_parameters()``, by part; parts may share weights.

    Examples
    --------
    >>> parts = weights_of_parts(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)))
    >>> parts["head"]
    ('1.weight', '1.bias')
    """
    own = [(n, m) for n, m in network.named_children() if any(True for _ in m.parameters())]
    found = {n: tuple(f"{n}.{k}" for k, _ in m.named_parameters()) for n, m in own}
    carry = [n for n, m in own if any(_carries(part) for part in m.modules())]
    first = min((k for k, (n, _) in enumerate(own) if n in carry), default=0)
    groups = {
        "recurrent": carry,
        "input": [n for n, _ in own[:first]],
        "head": [n for n, _ in own[-1:]],
    }
    for name, members in groups.items():
        if members and name not in found:
            found[name] = tuple(w for n in members for w in found[n])
    return found


def frozen_weights(network: nn.Module, freeze: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the weights that stay: of parts, or of ``"all but <part>"``.

    Parameters
    ----------
    network : torch.nn.Module
        Any network.
    freeze : str or sequence of str, optional
        Parts, see :func:`weights_of_parts`.

    Returns
    -------
    tuple of str
        In the order of ``network.named_parameters()``.

    Raises
    ------
    TrainingError
        If there is no such part, or nothing would be left to train.

    Examples
    --------
    >>> frozen_weights(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), "all but head")
    ('0.weight', '0.bias')
    """
    parts = weights_of_parts(network)
    every = [name for name, _ in network.named_parameters()]
    asked = [] if freeze is None else [freeze] if isinstance(freeze, str) else list(freeze)
    stay: set[str] = set()
    for name in asked:
        part = str(name).removeprefix(_ALL_BUT)
        if part not in parts:
            msg = (
                f"freeze={freeze!r} was given, but the network has no part {part!r}. "
                f"{did_you_mean(part, list(parts))} It has {sorted(parts)}, and "
                f'"{_ALL_BUT}<part>" is all others.'
            )
            raise TrainingError(msg)
        own = set(parts[part])
        stay |= own if part == name else set(every) - own
    if len(stay) == len(every):
        msg = f"freeze={freeze!r} leaves nothing to train. Leave a part out, such as the head."
        raise TrainingError(msg)
    return tuple(name for name in every if name in stay)


def _carries(module: nn.Module) -> bool:
    """Tell whether a module carries a state along steps."""
    return isinstance(module, nn.RNNBase | ConvLSTM)
