from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from flatline.diagnostics import device, readback
from flatline.diagnostics.readback import BYTES, ROWS, SECONDS, Readback


@dataclass(frozen=True)
class Tree:
    number: int
    values: Any


class Slow(device.Copy):
    """A copy that is over when the test says so."""

    made: list["Slow"] = []  # noqa: RUF012

    def __init__(self, flat: torch.Tensor) -> None:
        super().__init__(flat)
        self.over = self.waited = False
        Slow.made.append(self)

    def is_over(self) -> bool:
        return self.over

    def result(self) -> torch.Tensor:
        self.waited = not self.over
        return super().result()


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still, tensors that count as a device's, and copies that take their time."""
    time = [0.0]
    monkeypatch.setattr(readback.time, "monotonic", lambda: time[0])
    monkeypatch.setattr(device, "is_on_device", lambda value: isinstance(value, torch.Tensor))
    monkeypatch.setattr(device, "Copy", Slow)
    monkeypatch.setattr(Slow, "made", [])
    return time


def tree(number: int) -> Tree:
    return Tree(number, {"a": torch.full((2, 3), float(number)), "b": [torch.tensor(number), (None, "x")]})


def test_what_lies_on_the_cpu_comes_back_at_once_as_arrays():
    (back,) = Readback().put(tree(7))
    assert back.number == 7
    np.testing.assert_array_equal(back.values["a"], np.full((2, 3), 7.0))
    assert back.values["b"][0] == 7
    assert back.values["b"][1] == (None, "x")


def test_half_precision_comes_back_as_numbers_that_numpy_knows():
    values = torch.tensor([1.5, float("nan")])
    for dtype in (torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.bool):
        (back,) = Readback().put({"a": values.to(dtype)})
        np.testing.assert_array_equal(back["a"], values.to(dtype).float().numpy())


def test_iterations_on_a_device_are_copied_fifty_at_a_time_and_come_back_in_order(clock):
    given, came = Readback(), []
    for number in range(3 * ROWS):
        came += given.put(tree(number))
        assert len(Slow.made) == 2 * ((number + 1) // ROWS)  # one for each type
        if number == 2 * ROWS:
            assert came == []  # they have not arrived
            for copy in Slow.made[2:4]:
                copy.over = True  # the second before the first: nothing comes out of order
        if number == 2 * ROWS + 1:
            assert came == []
            for copy in Slow.made[:2]:
                copy.over = True
    assert [back.number for back in came] == list(range(2 * ROWS))
    assert not any(copy.waited for copy in Slow.made)
    came += given.drain()
    assert [back.number for back in came] == list(range(3 * ROWS))
    assert [float(back.values["a"][1, 2]) for back in came] == list(range(3 * ROWS))
    assert [back.values["a"].shape for back in came] == [(2, 3)] * 3 * ROWS


def test_after_two_seconds_they_are_copied_however_few_they_are(clock):
    given = Readback()
    given.put(tree(0))
    clock[0] = SECONDS - 0.01
    given.put(tree(1))
    assert Slow.made == []
    clock[0] = SECONDS
    given.put(tree(2))
    assert len(Slow.made) == 2
    for copy in Slow.made:
        copy.over = True
    assert [back.number for back in given.put(tree(3))] == [0, 1, 2]
    clock[0] = 2 * SECONDS - 0.01  # the seconds count from the first that waits
    given.put(tree(4))
    assert len(Slow.made) == 2


def test_what_lies_on_the_cpu_does_not_overtake_what_does_not(clock, monkeypatch):
    given = Readback()
    assert given.put(tree(0)) == []
    monkeypatch.setattr(device, "is_on_device", lambda value: False)
    assert given.put(tree(1)) == []
    assert [back.number for back in given.drain()] == [0, 1]


def test_tensors_of_many_shapes_and_types_come_back_whole(clock):
    tensors = [torch.randn(3, 2).t(), torch.empty(0, 4), torch.tensor(True), torch.arange(5), torch.randn(2).bfloat16()]
    given = Readback()
    given.put(tensors)
    (back,) = given.drain()
    for array, tensor in zip(back, tensors, strict=True):
        assert array.shape == tensor.shape
        np.testing.assert_array_equal(array, tensor.float().numpy())


def test_iterations_for_which_there_is_no_memory_are_let_go(clock, monkeypatch):
    """Or they would be copied again, with all that came since, at each call."""

    def full(flat):
        raise torch.OutOfMemoryError("no memory")

    given = Readback()
    given.put(tree(0))
    monkeypatch.setattr(device, "Copy", full)
    with pytest.raises(torch.OutOfMemoryError):
        given.drain()
    monkeypatch.setattr(device, "Copy", Slow)
    given.put(tree(1))
    assert [back.number for back in given.drain()] == [1]


def test_with_nothing_on_its_way_there_is_nothing_to_wait_for(clock):
    assert Readback().drain() == []
    assert Slow.made == []


def test_what_is_large_is_copied_before_it_piles_up_on_the_device(monkeypatch):
    monkeypatch.setattr(device, "is_on_device", lambda value: isinstance(value, torch.Tensor))
    readback, large = Readback(), torch.zeros(BYTES // 8)  # half of what may be gathered
    assert readback.put({"a": large}) == []
    assert len(readback.put({"a": large})) == 2
