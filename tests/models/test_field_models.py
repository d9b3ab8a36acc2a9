"""The contract that every registered network of fields keeps, and the blocks that it is made of."""

import numpy as np
import pytest
import torch

from xsm.losses import total_loss
from xsm.nn import (
    ConvLSTM,
    FieldModel,
    MaskedConv2d,
    Model,
    Sizes,
    UNet,
    masked_pool,
    masked_resize,
)
from xsm.physics.conservation_torch import block_means
from xsm.registry import describe_model, list_models, model_class, model_name

SIZES = Sizes(dynamic=3, static=5, window=4, gaussian=True)
FIELDS = [n for n in list_models() if issubclass(model_class(n), FieldModel)]


def make_batch(count: int = 3, seed: int = 0, *, sea: bool = True) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    rand = lambda *shape: torch.randn(*shape, generator=random)  # noqa: E731
    h, w, y, x = 5, 6, 15, 12  # 3 x 2 fine cells of a coarse one
    valid, present = torch.ones(count, 1, y, x), torch.ones(count, 1, h, w)
    if sea:
        valid[..., :6, :4] = present[..., :2, :2] = 0
        valid[..., 9, 9] = 0
    batch = {"dynamic": rand(count, 4, 3, h, w) * present[:, None]}
    batch |= {"fine": rand(count, 5, y, x) * valid, "base": rand(count, 1, y, x) * valid}
    batch |= {"coarse": rand(count, 1, h, w) * present, "target": rand(count, 1, y, x)}
    batch |= {"area": (1 + torch.rand(count, 1, y, x, generator=random)) * valid}
    batch |= {"previous": rand(count, 1, y, x), "infiltration": rand(count, 1, y, x)}
    return batch | {"valid": valid, "present": present, "mask": valid > 0}


@pytest.fixture(params=FIELDS)
def cls(request: pytest.FixtureRequest) -> type[FieldModel]:
    return model_class(request.param)


def make(cls: type[Model], seed: int = 0, *, trained: bool = True, **settings: object) -> Model:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = cls(SIZES, **{"hidden": 4, "widths": (4, 8), **settings})
        if trained:  # heads start at zero
            for weights in model.head.parameters():
                torch.nn.init.normal_(weights)
        return model


def test_shapes_and_finite_gradients(cls):
    model, batch = make(cls), make_batch()
    output = model.evaluate(batch)
    assert output["mean"].shape == output["std"].shape == (3, 1, 15, 12)
    assert (output["std"] > 0).all()
    total_loss(model.losses, output, batch)[0].backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_untrained_is_the_base(cls):
    model, batch = make(cls, trained=False), make_batch()
    assert torch.equal(model.evaluate(batch)["mean"], batch["base"])


def test_samples_do_not_see_each_other(cls):
    model, batch = make(cls).eval(), make_batch()
    alone = model.evaluate({k: v[1:2] for k, v in batch.items()})["mean"]
    torch.testing.assert_close(model.evaluate(batch)["mean"][1:2], alone, atol=1e-6, rtol=0)


def test_masked_cells_have_no_say(cls):
    model, batch = make(cls, conserve="exact").eval(), make_batch()
    other = {k: v.clone() for k, v in batch.items()}
    other["dynamic"] += 1e3 * (1 - batch["present"])[:, None]
    for name in ("fine", "base", "target"):
        other[name] += 1e3 * (1 - batch["valid"])
    one, two = model.evaluate(batch), model.evaluate(other)
    there = batch["valid"] > 0
    for name in one:
        assert torch.equal(one[name][there], two[name][there])
    parts = (total_loss(model.losses, o, b)[1] for o, b in ((one, batch), (two, other)))
    for first, second in zip(*(p.values() for p in parts), strict=True):
        torch.testing.assert_close(first, second)


def test_exact_means(cls):
    model, batch = make(cls, conserve="exact").eval(), make_batch()
    mean, share = block_means(model.evaluate(batch)["mean"], batch["area"], (5, 6))
    error = (mean - batch["coarse"]).abs()[share > 0]
    assert float(error.detach().max()) < 1e-5


def test_overfits_one_batch(cls):
    model, batch = make(cls, hidden=8, widths=(16, 16)), make_batch()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)

    def error() -> float:
        gap = (model.evaluate(batch)["mean"] - batch["target"])[batch["mask"]]
        return float((gap.detach() ** 2).mean())

    first = error()
    for _ in range(150):
        optimiser.zero_grad()
        total_loss(model.losses[:1], model.evaluate(batch), batch)[0].backward()
        optimiser.step()
    assert error() < 0.2 * first


def test_a_seed_decides_all(cls):
    one, same, other = (make(cls, seed).evaluate(make_batch())["mean"] for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_name_and_description(cls):
    assert model_class(model_name(cls)) is cls
    text = describe_model(cls)
    assert "Ibrahim" in text
    assert "Defaults: window=6, lead=0" in text
    for name in cls.hyperparameters():
        assert f"{name} :" in text


def test_published_sizes():
    defaults = model_class("convlstm_unet").hyperparameters()
    assert (defaults["hidden"], defaults["layers"]) == (64, 2)
    assert (defaults["widths"], defaults["patch"]) == ((64, 128, 256), 32)


def test_convolution_without_holes_is_torchs():
    conv, field = MaskedConv2d(2, 3), torch.randn(1, 2, 6, 7)
    plain = torch.nn.functional.conv2d(field, conv.weight, conv.bias)
    found = conv(field, torch.ones(1, 1, 6, 7))[..., 1:-1, 1:-1]
    torch.testing.assert_close(found, plain)


def test_convolution_of_a_constant_is_constant_up_to_the_coast():
    conv = MaskedConv2d(1, 1)
    torch.nn.init.ones_(conv.weight)
    mask = (torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)) > 0.4).float()
    found = conv(torch.full((1, 1, 8, 8), 2.0), mask) - conv.bias.detach() * mask
    torch.testing.assert_close(found, 18.0 * mask)


def test_pooling_and_resizing_keep_constants_at_coasts():
    mask = (torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)) > 0.6).float()
    field = 3.0 + 100 * (1 - mask)
    mean, coarse = masked_pool(field, mask)
    assert set(mean[coarse > 0].tolist()) == {3.0}
    back = masked_resize(mean, coarse, (8, 8))
    torch.testing.assert_close(back[mask > 0], torch.full((int(mask.sum()),), 3.0))


def test_memory_remembers_and_is_blind_without_input():
    memory, mask = ConvLSTM(2, 4).eval(), torch.ones(1, 1, 3, 3)
    fields = torch.randn(1, 5, 2, 3, 3)
    changed = fields.clone()
    changed[:, 0] += 1.0  # four months ago
    assert not torch.allclose(memory(fields, mask), memory(changed, mask))


def test_unet_moves_with_its_field_by_whole_coarse_cells():
    net, field = UNet(2, (4, 8, 8)).eval(), torch.randn(1, 2, 48, 48)
    ones = torch.ones(1, 1, 48, 48)
    with torch.no_grad():
        there = net(field, ones)
        moved = net(field.roll((4, 8), (-2, -1)), ones)
    inner = np.s_[..., 20:-16, 24:-16]
    torch.testing.assert_close(moved[inner], there.roll((4, 8), (-2, -1))[inner])
