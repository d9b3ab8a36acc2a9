"""Networks of experts: groups of inputs, encoders side by side, and the weights of a router."""

from __future__ import annotations

import pytest
import torch

from xsm.data.naming import METEOROLOGY, ROLES
from xsm.losses import LoadBalance
from xsm.models.cnn_lstm import CNNLSTM
from xsm.models.ismoe import ISMoE
from xsm.models.mean_expert import MeanExpert
from xsm.nn import GroupedEncoder, PatchEncoder, Sizes
from xsm.nn.groups import GROUPS, resolve_groups
from xsm.nn.router import router_remarks

NAMES = ("wind_speed", "precipitation", "shortwave_down", "longwave_down")


@pytest.mark.parametrize("patch", [1, 3, 5, 7])
def test_grouped_encoders_are_those_of_each_group(patch):
    torch.manual_seed(0)
    groups, width = [[0, 2], [3], [2, 1, 0, 3]], 6
    together = GroupedEncoder(4, groups, patch, width)
    cells = torch.rand(5, patch * patch, 4) if patch > 1 else torch.rand(5, 4)
    found = together(cells).split(width, dim=-1)
    for k, alone in enumerate(encoders(together, groups, patch, width)):
        torch.testing.assert_close(found[k], alone(cells[..., groups[k]]))


def encoders(together, groups, patch, width):
    """Return separate encoders with the weights of grouped ones."""
    at, found = 0, []
    for k, group in enumerate(groups):
        alone = PatchEncoder(len(group), patch, width)
        first, *later = alone.layers
        size = first.weight.numel()
        first.weight.data = together.weight.data[at : at + size].view_as(first.weight)
        rows = len(first.bias)
        first.bias.data = together.bias.data[k * rows : (k + 1) * rows]
        for own, stack in zip(later, together.layers, strict=True):
            own.weight.data, own.bias.data = stack.weight.data[k].T, stack.bias.data[k]
        at += size
        found.append(alone)
    return found


@pytest.mark.parametrize("patch", [1, 3])
def test_the_mixture_is_a_weighted_sum_of_separate_experts(patch):
    torch.manual_seed(0)
    sizes = Sizes(dynamic=6, static=2, window=5, target=1, names=NAMES)  # two observed channels
    model = ISMoE(sizes, patch=patch, hidden_size=16, router_size=4).eval()
    cells, there = ([9], 1) if patch > 1 else ([], 0)
    dynamic, static = torch.rand(7, 5, *cells, 6 + there), torch.rand(7, *cells, 2 + there)
    shared = [4, 5] + [6] * there
    seen = {"precipitation": [1], "radiation": [2, 3], "wind": [0]}
    assert list(model.groups) == list(seen)
    groups = [[*own, *shared] for own in seen.values()] + [list(range(6 + there))]
    maps = model.maps(static).expand(5, -1, -1)
    parts = []
    for encoder, group in zip(
        encoders(model.encoder, groups, patch, model.width), groups, strict=True
    ):
        parts.append(torch.cat([encoder(dynamic[..., group]).transpose(0, 1), maps], dim=-1))
    each = []
    for k, lstm in enumerate(model.lstms):
        hidden = lstm(parts[k])[0][-1]
        each.append(hidden @ model.head.weight[k] + model.head.bias[k])
    weight = torch.softmax(model.logits(model.router(parts[-1])[0][-1]), dim=-1)
    mean = sum(weight[:, k : k + 1] * each[k] for k in range(3))
    found = model.evaluate({"dynamic": dynamic, "static": static})
    torch.testing.assert_close(found["expert_share"], weight)
    torch.testing.assert_close(found["mean"], mean)
    model.apart = True
    base = torch.rand(7, 1)
    apart = model.evaluate({"dynamic": dynamic, "static": static, "base": base})
    torch.testing.assert_close(apart["mean of wind"], each[2] + base)
    torch.testing.assert_close(apart["mean"], mean + base)


def test_an_expert_sees_its_own_inputs_alone():
    model = MeanExpert(Sizes(4, 1, 5, names=NAMES), patch=1, hidden_size=16).eval()
    model.apart = True
    batch = {"dynamic": torch.rand(3, 5, 4), "static": torch.rand(3, 1)}
    before = model.evaluate(batch)
    batch["dynamic"][..., 1] += 1.0  # rain
    after = model.evaluate(batch)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"mean", "mean of precipitation", "expert_departure"}
    torch.testing.assert_close(before["expert_share"], torch.full((3, 3), 1 / 3))
    torch.testing.assert_close(before["expert_weight"], torch.full((3, 3), 1 / 3))
    experts = torch.cat([v for k, v in before.items() if k.startswith("mean of")], dim=1)
    torch.testing.assert_close(before["mean"], experts.mean(1, keepdim=True))


def weights_of(model: torch.nn.Module) -> int:
    """Return the number of weights of what predicts."""
    names = dict(model.named_parameters())
    return sum(v.numel() for n, v in names.items() if not n.startswith("explainer."))


@pytest.mark.parametrize("patch", [1, 3, 5])
@pytest.mark.parametrize("static", [0, 3])
def test_by_default_all_experts_together_have_the_weights_of_one_network(patch, static):
    sizes = Sizes(4, static, 15, target=2, names=NAMES)
    plain = weights_of(CNNLSTM(sizes, patch=patch))
    for cls in (ISMoE, MeanExpert):
        assert 0.9 * plain < weights_of(cls(sizes, patch=patch)) <= plain
        full = cls(sizes, patch=patch, size="full")
        assert [lstm.hidden_size for lstm in full.lstms] == [64, 64, 64]
        assert weights_of(full) > 2 * plain
    tiny = ISMoE(sizes, patch=patch, channels=1, hidden_size=1)
    assert tiny.lstms[0].hidden_size == 1  # no smaller one exists


def test_default_groups_are_roles_and_every_input_has_an_expert():
    known = {member for members in GROUPS.values() for member in members}
    assert set(METEOROLOGY) <= known <= set(ROLES)
    groups = resolve_groups(["ndvi", "wind_speed", "snowfall"], None)
    assert groups == {"wind": ("wind_speed",), "snow": ("snowfall",), "ndvi": ("ndvi",)}


def test_load_balance_is_the_squared_coefficient_of_variation():
    weights = torch.softmax(torch.randn(50, 4, generator=torch.Generator().manual_seed(0)), -1)
    mean = weights.mean(0)
    expected = (mean.std(unbiased=False) / mean.mean()) ** 2
    torch.testing.assert_close(LoadBalance()({"expert_share": weights}, {}), expected)


def test_remarks_know_what_is_enough():
    even = torch.full((5, 3), 1 / 3)
    assert router_remarks("abc", even, even) == ()
    assert router_remarks("a", torch.ones(5, 1), torch.ones(5, 1)) == ()
    nothing = torch.full((5, 3), float("nan"))
    assert router_remarks("abc", nothing, nothing) == ()
    turns = torch.eye(3).repeat(2, 1)  # each sample relies on one expert, and none is idle
    assert router_remarks("abc", turns, turns) == ()
    assert "never matter" in router_remarks("abc", even, torch.eye(3)[:1].expand(5, 3))[0]
