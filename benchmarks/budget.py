"""Speed of the closed water budget: the compiled chain and its adjoint against loops of torch.

Each candidate goes forward and back through the same weather, shares and soils, in turn in each
round, so that all meet the same machine; the ratio is the median over rounds. The loops are the
same equations a step after the other on all cells, plain and as TorchScript.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/budget.py --threads 1
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from xsm.options import set_options
from xsm.physics.budget_torch import water_budget

LAYERS = 4


def chain(given: Tensor, fixed: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """Write the equations of ``xsm.physics.budget`` down without observations."""
    layers = (fixed.shape[0] - 2) // 2
    snow, below, ground = start[0], start[1], start[2]
    wet = [start[3 + i] for i in range(layers)]
    stores, fluxes = [torch.empty(0)][:0], [torch.empty(0)][:0]
    for t in range(given.shape[1]):
        now = given[:, t]
        snow = snow + now[0]
        melt = now[3] * snow
        snow = snow - melt
        water = now[1] + melt
        surface = now[4] * water
        water = water - surface
        canopy = torch.minimum(water, now[5] * now[2])
        water = water - canopy
        left = now[2] - canopy
        taken = [torch.empty(0)][:0]
        for i in range(layers):
            w = wet[i] + water
            x = (w / fixed[2 + i]).clamp(max=1.0)
            e = torch.minimum(0.9 * w, left * now[7 + i] * x)
            w = w - e
            left = left - e
            water = w * now[7 + layers + i] * torch.pow(x, fixed[2 + layers + i])
            w = w - water
            over = (w - fixed[2 + i]).clamp(min=0.0)
            wet[i] = w - over
            water = water + over
            taken.append(e)
        below = below + water
        aside = now[6] * below
        below = below - aside
        recharge = fixed[0] * below
        below = below - recharge
        ground = ground + recharge
        base = fixed[1] * ground
        ground = ground - base
        stores.append(torch.stack([snow, below, ground] + wet))  # noqa: RUF005 (TorchScript)
        own = [melt, surface, canopy, water, aside, recharge, base]
        fluxes.append(torch.stack(own + taken))
    return torch.stack(stores, 1), torch.stack(fluxes, 1)


def world(steps: int, cells: int) -> tuple[Tensor, ...]:
    """Draw weather, shares, soils and a start."""
    draw = torch.Generator().manual_seed(0)
    wet = (torch.rand(2, steps, cells, generator=draw) < 0.4) * 10
    demand = 6 * torch.rand(1, steps, cells, generator=draw)
    shares = 0.5 * torch.rand(4 + 2 * LAYERS, steps, cells, generator=draw)
    fixed = torch.cat(
        [
            0.1 * torch.rand(2, cells, generator=draw),
            50 + 100 * torch.rand(LAYERS, cells, generator=draw),
            1 + 4 * torch.rand(LAYERS, cells, generator=draw),
        ]
    )
    start = 20 * torch.rand(3 + LAYERS, cells, generator=draw)
    return torch.cat([wet.float(), demand, shares]).contiguous(), fixed, start


def seconds(run: Callable[..., tuple[Tensor, Tensor]], inputs: tuple[Tensor, ...]) -> float:
    """Time a pass forward and back."""
    inputs = tuple(part.clone().requires_grad_() for part in inputs)
    begin = time.perf_counter()
    stores, fluxes = run(*inputs)
    (stores.mean() + fluxes.mean()).backward()
    return time.perf_counter() - begin


def main() -> None:
    """Run all candidates, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cells", type=int, default=96)
    parser.add_argument("--steps", type=int, default=731)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is to be replaced
        scripted = torch.jit.script(chain)
    inputs = world(args.steps, args.cells)
    torch.testing.assert_close(water_budget(*inputs)[0], chain(*inputs)[0], rtol=1e-4, atol=1e-3)
    candidates = {"xsm": water_budget, "loop": chain, "TorchScript": scripted}
    taken: dict[str, list[float]] = {name: [] for name in candidates}
    with set_options(threads=args.threads):
        for run in candidates.values():
            seconds(run, inputs)  # compiles
        for _ in range(args.rounds):
            for name, run in candidates.items():
                taken[name].append(seconds(run, inputs))
    print(f"{args.cells} cells, {args.steps} steps, {LAYERS} layers, {args.threads} threads")
    print("| | ms | times xsm |\n|---|---|---|")
    for name, each in taken.items():
        ratio = statistics.median(a / b for a, b in zip(each, taken["xsm"], strict=True))
        print(f"| {name} | {1000 * statistics.median(each):.1f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
