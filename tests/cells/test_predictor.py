"""The network on blocks: sent once, one thread in each, one block at a time on a device."""

from __future__ import annotations

import pickle
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from xsm.cells import predictor
from xsm.cells.inputs import beyond
from xsm.cells.predictor import Predictor
from xsm.models.lstm import LSTM
from xsm.nn import Sizes
from xsm.nn.devices import one_intraop_thread, turn_on
from xsm.training.recipe import Recipe


def rain_predictor(token: str = "t", device: str = "cpu") -> Predictor:
    """Return the predictor of one input, window 3, scaled by nothing."""
    model = LSTM(Sizes(dynamic=1, static=0, window=3), hidden_size=4).eval()
    one, none = np.ones((1, 1)), np.zeros(0)
    common = {"dynamic_offset": 0 * one, "dynamic_scale": one}
    common |= {"dynamic_min": 0 * one, "dynamic_max": one}
    common |= {"static_offset": none, "static_scale": none}
    common |= {"target_offset": 0 * one, "target_scale": one, "target_mean": 0 * one}
    recipe = Recipe("soil_moisture", ("precipitation",), (), 3, 1, "global")
    return Predictor(model, recipe, common, (), None, device, token)


def test_the_same_content_is_unpacked_once_and_few_are_kept():
    node = rain_predictor()
    content = pickle.dumps(node)
    first = pickle.loads(content)
    assert pickle.loads(content) is first
    assert pickle.loads(pickle.dumps(first)) is first
    rain = np.linspace(0, 1, 10)[:, None]
    np.testing.assert_array_equal(
        first(None, first.scale(None, rain)), node(None, node.scale(None, rain))
    )
    for i in range(6):
        pickle.loads(pickle.dumps(rain_predictor(str(i))))
    assert len(predictor._ARRIVED) == 4
    assert pickle.loads(content) is not first


def test_a_window_that_begins_at_each_step():
    node = rain_predictor()
    rain = np.array([0.1, 0.5, np.nan, 0.2, 0.4, 2.0, 0.3])[:, None]
    mean, outside = node(None, node.scale(None, rain))[:, :, 0]
    np.testing.assert_array_equal(np.isnan(mean), [True, True, True, False, False])
    np.testing.assert_array_equal(outside, [0, 0, 0, 1, 1])
    window = torch.tensor([[[0.2], [0.4], [2.0]]])
    with torch.no_grad():
        expected = node.model({"dynamic": window, "static": torch.zeros(1, 0)})["mean"]
    assert float(mean[3]) == pytest.approx(float(expected), abs=1e-6)


def test_all_threads_get_their_number_back_in_whatever_order_they_leave():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    inside, after, gates = [], [], [threading.Event(), threading.Event()]
    both = threading.Barrier(2, timeout=30)

    def work(k: int) -> None:
        with one_intraop_thread():
            inside.append(torch.get_num_threads())
            both.wait()
            gates[k].wait(30)
        after.append(torch.get_num_threads())
        gates[0].set()  # the second one leaves first

    threads = [threading.Thread(target=work, args=(k,)) for k in range(2)]
    try:
        for thread in threads:
            thread.start()
        gates[1].set()
        for thread in threads:
            thread.join()
        fresh = []
        late = threading.Thread(target=lambda: fresh.append(torch.get_num_threads()))
        late.start()
        late.join()
        assert inside == [1, 1]
        assert after == [3, 3]
        assert fresh == [3]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_one_block_at_a_time_on_a_device():
    running, most = [0], [0]

    def turn() -> None:
        with turn_on("meta"):
            running[0] += 1
            most[0] = max(most[0], running[0])
            time.sleep(0.01)
            running[0] -= 1

    threads = [threading.Thread(target=turn) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_a_block_on_cuda_gives_what_the_cpu_gives():
    if not torch.cuda.is_available():
        pytest.skip("needs CUDA")
    node = rain_predictor()
    there = replace(node, device="cuda")
    rain = np.random.default_rng(0).random((40, 50))
    np.testing.assert_allclose(
        there(None, there.scale(None, rain)), node(None, node.scale(None, rain)), atol=1e-4
    )


def test_an_input_is_unlike_training_beyond_a_quarter_of_its_range():
    """Of a range from 10 to 30, from 5 to 35; of a constant, all but what rounds to it."""
    low, high = np.array([10.0, 3.0]), np.array([30.0, 3.0])
    values = np.array([[4.9, 3.0], [5.1, np.float32(3) * (1 + 1e-7)], [34.9, 3.01], [35.1, np.nan]])
    assert beyond(values, low, high).T.tolist() == [
        [True, False, False, True],
        [False, False, True, False],
    ]
