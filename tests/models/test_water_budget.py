"""The model that keeps an account: what the contract of networks asks, and what water asks."""

import pytest
import torch

from xsm.exceptions import UnknownNameError
from xsm.losses import total_loss
from xsm.models.water_budget import WaterBudget
from xsm.nn import Sizes, assemble, seen_inputs

DEPTHS = ((0.0, 0.1), (0.1, 0.3))
SIZES = Sizes(dynamic=4, static=2, window=1, target=2, sequence=True)


def make(seed: int = 0, **options: object) -> WaterBudget:
    torch.manual_seed(seed)
    own = {"hidden_size": 8, "layers": (0.1, 0.3), "depths": DEPTHS} | options
    return WaterBudget(SIZES, **own)


def weather(steps: int = 40, cells: int = 5, seed: int = 0, **fixed: float):
    """Return a batch of weather: rain, temperature, potential evaporation, and one more."""
    random = torch.Generator().manual_seed(seed)
    rand = lambda: torch.rand(cells, steps, generator=random)  # noqa: E731
    given = {
        "rain": torch.where(rand() < 0.4, 20 * rand(), 0.0),
        "warm": 268 + 25 * rand(),
        "demand": 5 * rand(),
    }
    given |= {name: torch.full((cells, steps), value) for name, value in fixed.items()}
    dynamic = torch.stack([*given.values(), rand()], dim=-1)
    static = torch.rand(cells, 2, generator=random)
    return {"dynamic": dynamic, "static": static}


def residual(found: dict[str, torch.Tensor]) -> torch.Tensor:
    flux = found["precipitation"] - found["evaporation"] - found["runoff"]
    return (found["terrestrial_water_storage"].diff(dim=1) - flux[:, 1:]).abs().detach()


@pytest.mark.parametrize("seed", range(3))
def test_the_account_closes_for_any_weights(seed):
    model = make(seed).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3.0)
    with torch.no_grad():
        found = model.evaluate(weather(300, seed=seed))
    assert float(residual(found).max()) < 1e-3
    assert float(residual(found).mean()) < 1e-4
    for name, values in found.items():
        if name not in {"precipitation_bias", "satellite_soil_moisture", "departure"}:
            assert float(values.min()) >= 0.0, name
    assert float(found["mean"].max()) <= 0.65


def test_the_target_is_a_mean_of_layers_by_their_overlap():
    model = make(depths=((0.0, 0.2), (0.2, 0.3))).eval()
    found = model.evaluate(weather())
    layers = found["soil_moisture_of_layers"]
    torch.testing.assert_close(found["mean"][..., 0], (layers[..., 0] + layers[..., 1]) / 2)
    torch.testing.assert_close(found["mean"][..., 1], layers[..., 1])
    names = [answer.name for answer in model.answers]
    assert "soil_moisture_of_layers" in names
    assert "soil_moisture_of_layers" not in [a.name for a in make().answers]  # the target has them


@pytest.mark.parametrize("role", ["evaporation", "terrestrial_water_storage"])
def test_any_quantity_can_be_the_target(role):
    found = make(role=role, depths=()).eval().evaluate(weather())
    assert torch.equal(found["mean"], found[role])


@pytest.mark.parametrize("role", ["satellite_soil_moisture", "soil_moisture"])
def test_a_satellite_sees_the_top_layer_with_an_offset_and_a_slope_of_each_cell(role):
    with torch.no_grad():
        found = make(role=role, depths=()).eval().evaluate(weather())
    top, seen = found["soil_moisture_of_layers"][..., 0], found["mean"][..., 0]
    slope = seen.diff(dim=1) / top.diff(dim=1)
    moved = top.diff(dim=1).abs() > 1e-3
    spread = torch.where(moved, slope, slope[moved].mean()).std(dim=1)
    assert float(spread.max()) < 0.05


EXTREMES = {
    "no rain": {"rain": 0.0},
    "frost": {"warm": 230.0},
    "deluge": {"rain": 500.0},
    "no demand": {"demand": 0.0},
    "a desert": {"rain": 0.0, "demand": 15.0, "warm": 310.0},
}


@pytest.mark.parametrize("kind", EXTREMES)
def test_slopes_are_finite_for_years_of_extremes(kind):
    model, batch = make(), weather(800, 3, **EXTREMES[kind])
    found = model.evaluate(batch)
    batch |= {"target": torch.rand(3, 800, 2), "mask": torch.ones(3, 800, 2, dtype=torch.bool)}
    total = total_loss(WaterBudget.losses, found, batch)[0]
    (total + sum(values.mean() for values in found.values())).backward()
    assert all(torch.isfinite(weight.grad).all() for weight in model.parameters())
    stored = float(found["terrestrial_water_storage"].detach().max())
    assert float(residual(found).max()) < max(1e-3, 1e-6 * stored)  # of 500 mm a day


def test_water_moves_as_water_does():
    model = make(4).eval().requires_grad_(False)
    dry = model.evaluate(weather(200, rain=0.0))
    assert float(dry["terrestrial_water_storage"].diff(dim=1).max()) <= 0
    still = model.evaluate(weather(100, demand=0.0))
    assert float(still["evaporation"].max()) == 0.0
    cold = model.evaluate(weather(100, warm=250.0))
    assert float(cold["snow_water_equivalent"].diff(dim=1).min()) >= -1e-4
    less, more = weather(50), weather(50)
    more["dynamic"][:, 20, 0] += 10.0
    storage = [model.evaluate(b)["terrestrial_water_storage"][:, 20] for b in (less, more)]
    assert bool((storage[1] > storage[0]).all())


def test_the_state_goes_on_over_chunks_of_time():
    model, batch = make().eval(), weather(90)
    whole, last = model.run(batch, None)
    state, parts = torch.zeros(5, model.state_size), []  # zeros begin as nothing does
    for part in batch["dynamic"].split(17, dim=1):
        found, state = model.run({**batch, "dynamic": part}, state)
        parts.append(found)
    for name, values in whole.items():
        torch.testing.assert_close(
            torch.cat([p[name] for p in parts], dim=1), values, atol=1e-4, rtol=1e-6
        )
    torch.testing.assert_close(state, last, atol=1e-4, rtol=1e-6)


def test_samples_do_not_see_each_other_and_a_seed_decides():
    batch = weather()
    whole = make().eval().evaluate(batch)["mean"]
    alone = make().eval().evaluate({k: v[2:3] for k, v in batch.items()})["mean"]
    torch.testing.assert_close(whole[2:3], alone)
    assert not torch.equal(whole, make(1).eval().evaluate(batch)["mean"])
    last = make().eval()(batch)["mean"]
    assert torch.equal(last, whole[:, -1])


def test_it_learns_from_several_quantities():
    truth = make(7).eval().evaluate(weather(120, 8))
    shown = {"soil_moisture": "target", "evaporation": "observed_evaporation"}
    terms = WaterBudget.terms_of(shown, {"monthly": ()})
    batch = weather(120, 8)
    batch |= {
        key: truth["mean" if key == "target" else key.removeprefix("observed_")].detach()
        for key in shown.values()
    }
    model = make(0, dropout=0.0)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        optimiser.zero_grad()
        total, _ = total_loss(terms, model.evaluate(batch), batch)
        total.backward()
        optimiser.step()
        losses.append(float(total.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_members_close_the_account_together_and_say_how_far_they_disagree():
    pair = assemble([make(1).eval(), make(2).eval()])
    found, state = pair.run(weather(200), None)
    assert float(residual(found).max()) < 1e-3
    one, two = (m.evaluate(weather(200))["evaporation"] for m in pair.members)
    torch.testing.assert_close(found["evaporation_std"], (one - two).abs() / 2)
    assert state.shape[1] == pair.state_size
    names = [answer.name for answer in pair.answers]
    assert {"std", "runoff", "runoff_std"} <= set(names)


def test_a_gaussian_head_is_refused():
    with pytest.raises(UnknownNameError, match=r"an account has one value a step.*members=5"):
        WaterBudget(Sizes(dynamic=3, static=0, window=1, target=2, gaussian=True))


def test_observations_move_the_soil_and_what_moved_is_in_the_account():
    names = ("precipitation", "air_temperature", "potential_evaporation", "wind_speed")
    sizes = Sizes(dynamic=10, static=2, window=1, target=2, names=names, sequence=True)
    torch.manual_seed(0)
    model = WaterBudget(sizes, hidden_size=8, layers=(0.1, 0.3), depths=DEPTHS).eval()
    batch = weather(60)
    with torch.no_grad():
        free = model.evaluate({**batch, "dynamic": torch.cat([batch["dynamic"], _none(60)], -1)})
    assert float(free["soil_moisture_increment"].abs().max()) == 0.0
    wet = torch.full((5, 60, 2), 0.6)
    for age in (1.0, 2.0):
        seen = seen_inputs(wet, torch.full_like(wet, age), 60)
        given = torch.cat([batch["dynamic"], seen], dim=-1).requires_grad_()
        found = model.evaluate({**batch, "dynamic": given})
        moved = found["soil_moisture_increment"].detach()
        if age == 1.0:
            assert float(moved.min()) >= 0.0  # towards wetter soil
            assert float(moved[:, 0].min()) > 1.0
            wetter = found["mean"][:, -1, 0].detach() - free["mean"][:, -1, 0]
            assert float(wetter.min()) >= 0.0
            assert float(wetter.mean()) > 0.01
        else:  # too old to be compared with the stores
            assert float(moved.abs().max()) == 0.0
        flux = found["precipitation"] + moved - found["evaporation"] - found["runoff"]
        gain = found["terrestrial_water_storage"].diff(dim=1)
        assert float((gain - flux[:, 1:]).abs().max().detach()) < 1e-3
        found["mean"].sum().backward()
        assert torch.isfinite(given.grad).all()
    assert "soil_moisture_increment" in [answer.name for answer in model.answers]


def _none(steps: int) -> torch.Tensor:
    """Return what a network is given where nothing was observed."""
    nothing = torch.zeros(5, steps, 2)
    return seen_inputs(nothing, torch.full_like(nothing, torch.inf), steps)


def test_a_piece_of_years_begins_as_years_of_its_weather_end():
    """A store that only drains ends empty: pieces begin with it empty, whatever the maps say."""
    model = make().eval().requires_grad_(False)
    batch = weather(730, 3, rain=0.0, demand=6.0, warm=300.0)
    alone, on = model.carry(batch, None)[0], model.carry(batch, torch.zeros(3, model.state_size))[0]
    name = "terrestrial_water_storage"
    assert float(alone[name][:, 0].max()) < 0.5 * float(on[name][:, 0].min())
    same = weather(365, 3)
    same["dynamic"] = same["dynamic"].repeat(1, 2, 1)  # two years that are alike
    found = model.carry(same, None)[0]["soil_moisture_of_layers"]
    torch.testing.assert_close(found[:, 30], found[:, 395], atol=5e-3, rtol=0)
    assert found.isfinite().all()


def test_maps_learn_what_records_begin_with():
    model = make(dropout=0.0)
    batch = weather(365, 4, rain=0.0)
    before = float(model.carry(batch, None)[0]["unsettled"].detach().square().mean())
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-2)
    for _ in range(40):
        optimiser.zero_grad()
        loss = model.carry(batch, None)[0]["unsettled"].square().mean()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.3 * before


def test_layers_are_alike_but_for_what_is_their_own():
    model = make().eval()
    moved = torch.zeros(1, 1, 8)
    moved[..., 4], moved[..., 7] = 1.0, 2.0  # uptake of the first layer, drainage of the second
    assert model._alike(moved).flatten().tolist() == [0, 0, 0, 0, 1, 1, 0, 2]


def test_pores_that_are_known_bound_what_layers_hold():
    model = make(pores=(0, 1)).eval().requires_grad_(False)
    batch = weather(60, rain=100.0, demand=0.0)
    batch["static"] = torch.tensor([[0.3, 0.5]]).repeat(5, 1)
    layers = model.evaluate(batch)["soil_moisture_of_layers"]
    torch.testing.assert_close(layers.amax(dim=(0, 1)), torch.tensor([0.3, 0.5]), atol=1e-3, rtol=0)


def test_water_from_outside_enters_and_leaves_the_account():
    model = make(outside=True).eval().requires_grad_(False)
    model.begin[-2:] = torch.tensor([0.0, 0.0])  # much comes, and half of the runoff leaves
    found = model.evaluate(weather(200))
    assert "water_from_outside" in [answer.name for answer in model.answers]
    assert float(found["water_from_outside"].mean()) > 1.0
    flux = found["precipitation"] + found["water_from_outside"]
    flux = flux - found["evaporation"] - found["runoff"]
    gain = found["terrestrial_water_storage"].diff(dim=1)
    assert float((gain - flux[:, 1:]).abs().max()) < 1e-3
    assert float(found["precipitation"].min()) >= -1e-5
    assert "water_from_outside" not in [answer.name for answer in make().answers]
