"""Where and in what arithmetic to train: what the hardware lacks is refused in words."""

from __future__ import annotations

import pytest
import torch

from xsm.exceptions import TrainingError
from xsm.nn import devices

CPU = torch.device("cpu")


def test_bfloat16_is_refused_where_the_processor_has_none(monkeypatch):
    monkeypatch.setattr(devices, "can_train_in_bfloat16", lambda device: False)
    with pytest.raises(TrainingError, match=r"precision='bfloat16' .*type precision='auto'"):
        devices.choose_precision("bfloat16", CPU)
    assert devices.choose_precision("auto", CPU) in {"float32", "bfloat16"}
    assert devices.choose_precision("float32", CPU) == "float32"


@pytest.mark.parametrize("name", ["auto", "float32", "bfloat16"])
def test_what_is_chosen_trains_an_lstm(name):
    lstm, steps = torch.nn.LSTM(3, 4), torch.rand(5, 2, 3)
    try:
        chosen = devices.choose_precision(name, CPU)
    except TrainingError:
        assert not devices.can_train_in_bfloat16(CPU)
        return
    with torch.autocast("cpu", torch.bfloat16, enabled=chosen == "bfloat16"):
        lstm(steps)[0].float().sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in lstm.parameters())
