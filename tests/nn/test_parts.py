"""Parts of networks by name."""

from __future__ import annotations

import pytest

from xsm.exceptions import TrainingError
from xsm.nn import Sizes, frozen_weights, weights_of_parts
from xsm.registry import list_models, model_class

NAMES = ("precipitation", "air_temperature", "potential_evaporation")


def network(name: str):
    cls = model_class(name)
    if cls.downscales:
        return cls(Sizes(2, 3, window=6), hidden=4, widths=(4, 8))
    runs = bool(cls.forcing)
    return cls(Sizes(3, 2, window=1 if runs else 5, names=NAMES, sequence=runs), hidden_size=8)


NETWORKS = [name for name in list_models() if hasattr(model_class(name), "carries")]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_a_head_and_a_part_that_remembers(name):
    made = network(name)
    parts = weights_of_parts(made)
    every = {weight for weight, _ in made.named_parameters()}
    assert {"head", "recurrent"} <= set(parts)
    assert not set(parts["head"]) & set(parts["recurrent"])
    stays = frozen_weights(made, "all but head")
    assert set(stays) | set(parts["head"]) == every
    assert frozen_weights(made, None) == ()


def test_parts_of_an_lstm_of_windows():
    parts = weights_of_parts(network("lstm"))
    assert sorted(parts) == ["head", "lstm", "recurrent"]
    assert parts["recurrent"] == parts["lstm"]


def test_what_there_is_is_told():
    with pytest.raises(TrainingError, match=r"no part 'heads'\. Did you mean 'head'"):
        frozen_weights(network("lstm"), "heads")
