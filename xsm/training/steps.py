"""One step of training: from a batch to gradients, whole or in parts on threads side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from xsm.losses import Loss, total_loss
from xsm.nn import Batch, Masks, Model, Output, dropping
from xsm.nn.randomness import Source, draws
from xsm.training.seeds import generator

__all__ = ["Parts", "Step", "Whole", "count_parts"]


# Samples of a part, at least. Measured on two cores, in two parts against whole: batches of 256 are
# 1.67 times as fast (bfloat16 1.47), of 64 1.18 (1.12); where other work keeps a core busy 0.97 and
# 0.66, so that small batches stay whole.
_LEAST = 64

# Blocks of memory above 32 MiB go back to the system each time, and all their pages are zeroed anew
# for the next step. torch's LSTM takes such a block: for each hidden unit 73 bytes a step of each
# sample (float32). 64 pieces of 180 steps (128 units): 107,000 steps a second of processor time at
# once, 146,000 by 16 of them.
_BLOCK, _ROW = 2**25, 73

_T = TypeVar("_T")


class Step(Protocol):
    """From a batch to gradients."""

    def begin(self, seed: int, epoch: int) -> None:
        """Seed what is dropped in an epoch."""

    def __call__(self, batch: Batch) -> tuple[Tensor, ...]:
        """Leave gradients in the weights, and return the total and each unweighted term."""

    def close(self) -> None:
        """Release threads."""


class Whole:
    """Evaluate a batch at once, by ``model.evaluate`` or what averages gradients over ranks.

    ``foreign`` networks draw by other means than xsm's, see :func:`xsm.nn.randomness.draws`.
    """

    def __init__(
        self,
        evaluate: Callable[[Batch], Output],
        losses: Sequence[Loss],
        precision: str,
        *,
        foreign: bool = False,
    ) -> None:
        self.evaluate, self.losses, self.precision = evaluate, losses, precision
        self.foreign = foreign
        self._masks = _masks(0)

    def begin(self, seed: int, epoch: int) -> None:
        """Seed what is dropped."""
        self._masks = _masks(seed, 4, epoch)

    def __call__(self, batch: Batch) -> tuple[Tensor, ...]:
        """Leave gradients in the weights, and return the total and each unweighted term."""
        with dropping(self._masks, foreign=self.foreign):
            output = _evaluate(self.evaluate, batch, self.precision)
        total, terms = total_loss(self.losses, output, batch)
        total.backward()
        return (total.detach(), *terms.values())

    def close(self) -> None:
        """Release nothing."""


class Parts:
    """Evaluate the parts of a batch on some threads, each on one core; by default, one a part.

    The loss is that of the whole batch, and so are the gradients, up to rounding: outputs of all
    parts are joined, the loss is taken, and its slopes go back to the parts. For small recurrent
    nets this makes use of cores that torch's own threads do not: those divide each operation, and
    wait for each other some hundred times a step.
    """

    def __init__(
        self,
        model: Model,
        losses: Sequence[Loss],
        precision: str,
        count: int,
        threads: int | None = None,
    ) -> None:
        self.model, self.losses, self.precision, self.count = model, losses, precision, count
        self._weights = [w for w in model.parameters() if w.requires_grad]
        self._helpers = [_Helper() for _ in range(min(count, threads or count) - 1)]
        self._masks = [_masks(0, part) for part in range(count)]
        self._foreign = draws(model)

    def begin(self, seed: int, epoch: int) -> None:
        """Seed what each part drops."""
        self._masks = [_masks(seed, 4, epoch, part) for part in range(self.count)]

    def __call__(self, batch: Batch) -> tuple[Tensor, ...]:
        """Leave gradients in the weights, and return the total and each unweighted term."""
        cut = {name: values.chunk(self.count) for name, values in batch.items()}
        count = len(next(iter(cut.values())))
        pieces = [{name: parts[k] for name, parts in cut.items()} for k in range(count)]
        outputs = self._each(self._forward, list(enumerate(pieces)))
        with torch.no_grad():
            joined = {name: torch.cat([output[name] for output in outputs]) for name in outputs[0]}
        for values in joined.values():
            values.requires_grad_()
        total, terms = total_loss(self.losses, joined, batch)
        # a term can read weights too, as what draws them back does
        slopes: Sequence[Tensor | None] = torch.autograd.grad(
            total, [*joined.values(), *self._weights], allow_unused=True
        )
        direct = slopes[len(joined) :]
        pairs = zip(joined, slopes, strict=False)
        back = {name: slope.chunk(self.count) for name, slope in pairs if slope is not None}
        found = self._each(self._backward, [(outputs[k], back, k) for k in range(count)])
        for weight, gradient in zip(self._weights, _added([*found, direct]), strict=True):
            weight.grad = gradient
        return (total.detach(), *terms.values())

    def close(self) -> None:
        """Release the threads."""
        for helper in self._helpers:
            helper.close()

    def _each(self, work: Callable[..., _T], given: Sequence[tuple[object, ...]]) -> list[_T]:
        """Do the same for each part: the first ones in this thread, the others meanwhile."""
        busy = self._helpers[: len(given) - 1]
        shares = [given[k :: len(busy) + 1] for k in range(len(busy) + 1)]
        for helper, share in zip(busy, shares[1:], strict=True):
            helper.start(_in_turn, (work, share))
        try:
            own = _in_turn(work, shares[0])
        finally:
            answers = [helper.answer() for helper in busy]
        for _, error in answers:
            if error is not None:
                raise error
        found = [own, *(values for values, _ in answers)]
        return [found[k % len(found)][k // len(found)] for k in range(len(given))]

    def _forward(self, part: int, batch: Batch) -> Output:
        """Evaluate a part."""
        with dropping(self._masks[part], foreign=self._foreign):
            return _evaluate(self.model.evaluate, batch, self.precision)

    def _backward(
        self, output: Output, slopes: Mapping[str, Sequence[Tensor]], part: int
    ) -> Sequence[Tensor | None]:
        """Return a part's share of the gradients."""
        names = [name for name in slopes if output[name].requires_grad]
        return torch.autograd.grad(
            [output[name] for name in names],
            self._weights,
            [slopes[name][part] for name in names],
            allow_unused=True,
        )


def _in_turn(work: Callable[..., _T], given: Sequence[tuple[object, ...]]) -> list[_T]:
    """Do the same for some parts, one after the other."""
    return [work(*arguments) for arguments in given]


class _Helper:
    """A thread that does what it is told, one thing after another.

    Its two queues cost some microseconds; the future and the locks of an executor cost a hundred,
    twice a batch, beside a network that empties the processor's near caches.
    """

    def __init__(self) -> None:
        self._tasks: SimpleQueue[tuple[Callable[..., Any], tuple[object, ...]] | None]
        self._answers: SimpleQueue[tuple[Any, BaseException | None]]
        self._tasks, self._answers = SimpleQueue(), SimpleQueue()
        threading.Thread(target=self._run, name="xsm-part", daemon=True).start()

    def start(self, work: Callable[..., Any], arguments: tuple[object, ...]) -> None:
        """Begin some work."""
        self._tasks.put((work, arguments))

    def answer(self) -> tuple[Any, BaseException | None]:
        """Wait for what came of it, or for the error that it raised."""
        return self._answers.get()

    def close(self) -> None:
        """End the thread."""
        self._tasks.put(None)

    def _run(self) -> None:
        """Work until told to end."""
        torch.set_num_threads(1)
        while (task := self._tasks.get()) is not None:
            work, arguments = task
            answer: tuple[Any, BaseException | None]
            try:
                answer = work(*arguments), None
            except BaseException as error:
                answer = None, error
            del work, arguments, task  # they hold a batch and its graph
            self._answers.put(answer)
            del answer


def _added(found: Sequence[Sequence[Tensor | None]]) -> list[Tensor | None]:
    """Return the sums of gradients over the parts; None where no part has one."""
    total = list(found[0])
    for part in found[1:]:
        pairs = enumerate(zip(total, part, strict=True))
        both = {k: (a, b) for k, (a, b) in pairs if a is not None and b is not None}
        total = [b if a is None else a for a, b in zip(total, part, strict=True)]
        if both:
            # not in place: two weights can share a gradient, as the biases of an LSTM do
            sums = torch._foreach_add(*map(list, zip(*both.values(), strict=True)))
            for k, value in zip(both, sums, strict=True):
                total[k] = value
    return total


def count_parts(
    model: nn.Module, batch_size: int, threads: int, *, rows: int = 0, precision: str = "float32"
) -> int:
    """Return into how many parts to cut a batch on the CPU, of at least 64 answers each.

    ``batch_size`` counts samples times the steps of each that are answered, ``rows`` samples times
    all steps: where a recurrent net would take too large a block of memory, each thread has several
    parts. 1 where the network normalises over the batch, or drops by torch's own means, for which
    parts would wait for each other.
    """
    norms = nn.modules.batchnorm._NormBase
    for module in model.modules():
        shares = isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0
        layered = isinstance(module, nn.RNNBase) and module.dropout > 0
        if shares or layered or isinstance(module, norms):
            return 1
    parts = max(1, min(threads, batch_size // _LEAST))
    units = max((m.hidden_size for m in model.modules() if isinstance(m, nn.RNNBase)), default=0)
    room = _BLOCK * (2 if precision == "bfloat16" else 1)
    return parts * max(1, -(-rows * units * _ROW // (room * parts)))


def _masks(*seeds: int) -> Masks:
    """Return masks that whole numbers alone decide."""
    return Masks(Source(generator(*seeds).initial_seed()))


def _evaluate(evaluate: Callable[[Batch], Output], batch: Batch, precision: str) -> Output:
    """Evaluate a batch in the arithmetic that is wanted.

    Rounded weights are not kept: all threads share those of torch, and a part would go on with the
    ones of another or not, as time decides; their gradients would be added in other orders.
    """
    kind, rounded = batch["dynamic"].device.type, precision == "bfloat16"
    with torch.autocast(kind, torch.bfloat16, enabled=rounded, cache_enabled=False):
        return evaluate(batch)
