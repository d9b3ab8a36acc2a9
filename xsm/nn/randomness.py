"""Random numbers that belong to a run: no other thread of the process draws from them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = ["Drawing", "Source", "draws"]


_LOCK = threading.Lock()
_OWN_ROOTS = ("torch.", "xsm.")  # modules whose classes are known

# What of torch takes generator=, and what draws from the global one alone.
_TAKE = {
    *("rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson"),
    *("uniform_", "normal_", "random_", "bernoulli_", "exponential_", "geometric_", "cauchy_"),
    *(
        "log_normal_",
        "_standard_gamma",
        "_sample_dirichlet",
        "binomial",
        "trunc_normal_",
        "xavier_uniform_",
        "xavier_normal_",
        "kaiming_uniform_",
    ),
    *("kaiming_normal_", "orthogonal_", "sparse_"),
}
_DRAW = {
    *("rand_like", "randn_like", "randint_like", "rrelu", "rrelu_", "gumbel_softmax", "lstm"),
    *("gru", "rnn_tanh", "rnn_relu", "scaled_dot_product_attention", "native_dropout"),
    *("multi_head_attention_forward", "fractional_max_pool2d", "fractional_max_pool3d"),
    *(
        f"{kind}dropout{end}"
        for kind in ("", "alpha_", "feature_", "feature_alpha_")
        for end in ("", "_", "1d", "2d", "3d")
    ),
}


class Source:
    """Random numbers of one seed, a generator for each device that asks for them.

    Examples
    --------
    >>> a, b = (torch.rand(1, generator=Source(3).on("cpu")) for _ in range(2))
    >>> bool(a == b)
    True
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._found: dict[torch.device, torch.Generator] = {}

    def on(self, device: torch.device | str) -> torch.Generator:
        """Return the generator of a device."""
        place = torch.device(device)
        if place not in self._found:
            self._found[place] = torch.Generator(place).manual_seed(self.seed)
        return self._found[place]


class Drawing(TorchFunctionMode):
    """Let all that torch draws in this thread come from a source, whatever the code says.

    Constructors of layers and torch's own dropout name no generator, and draw from the global one,
    which all threads share. What takes a generator is given one; for what takes none the state of
    the global one is swapped for the length of the call, under a lock. The numbers are those that
    follow ``torch.manual_seed(seed)``.

    Examples
    --------
    >>> with Drawing(Source(0)):
    ...     one = nn.Linear(1, 1).weight
    >>> _ = torch.manual_seed(0)
    >>> torch.equal(one, nn.Linear(1, 1).weight)
    True
    """

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch with the source's random numbers."""
        given, name = dict(kwargs or {}), getattr(func, "__name__", "")
        if name not in _TAKE | _DRAW or given.get("generator") is not None:
            return func(*args, **given)
        device = _device_of(args, given)
        if device.type == "meta":  # without memory, and so without numbers
            return func(*args, **given)
        own = self.source.on(device)
        if name in _DRAW:
            return _swapped(own, func, args, given)
        return func(*args, **{**given, "generator": own})


def _device_of(args: Sequence[Any], given: Mapping[str, Any]) -> torch.device:
    """Return the device on which a call draws."""
    named = given.get("device")
    if named is not None:
        return torch.device(named)
    at = (value.device for value in (*args, *given.values()) if isinstance(value, Tensor))
    return next(at, torch.device("cpu"))


def _swapped(
    own: torch.Generator, func: Callable[..., Any], args: Sequence[Any], given: Mapping[str, Any]
) -> Any:
    """Call a function while the global generator of a device is in the state of another one."""
    device = own.device
    on_device = () if device.type == "cpu" else (device,)
    module: Any = torch if device.type == "cpu" else torch.get_device_module(device)
    with _LOCK:
        before = module.get_rng_state(*on_device)
        module.set_rng_state(own.get_state(), *on_device)
        try:
            return func(*args, **given)
        finally:
            own.set_state(module.get_rng_state(*on_device))
            module.set_rng_state(before, *on_device)


def draws(model: nn.Module) -> bool:
    """Tell whether a network may draw from torch's global generator when it is trained.

    It may where it drops by torch's own means, or holds a class that is neither torch's nor xsm's;
    the dropout of ``xsm.nn`` has a source of its own. A :class:`Drawing` around such networks costs
    some 2 % of a step, which others are spared.
    """
    dropped = nn.modules.dropout._DropoutNd
    for module in model.modules():
        if not type(module).__module__.startswith(_OWN_ROOTS):
            return True
        share = module.p if isinstance(module, dropped) else getattr(module, "dropout", 0)
        if isinstance(module, nn.RReLU) or (isinstance(share, float) and share > 0):
            return True
    return False
