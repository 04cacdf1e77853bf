import copy
import pickle

import pytest
import torch
from flatline.diagnostics.signals.quiet import Faults, Quiet, is_recomputation, is_training_pass
from torch import nn
from torch.utils.checkpoint import checkpoint


def test_a_hook_returns_nothing_raises_nothing_and_its_first_fault_is_kept():
    faults = Faults()
    assert Quiet(lambda *args: "changed", faults)(1, 2) is None
    assert not faults
    for word in ("first", "second"):
        Quiet(lambda word: {}[word], faults)(word)
    assert faults
    with pytest.raises(KeyError, match="first"):
        faults.raise_kept()
    assert not faults
    faults.raise_kept()


def test_what_is_meant_to_end_the_loop_passes_through():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Quiet(interrupted, Faults())()


def test_a_copy_of_a_hook_does_nothing_with_any_arguments():
    calls = []
    quiet = Quiet(lambda *args: calls.append(args), Faults())
    for twin in (copy.copy(quiet), copy.deepcopy(quiet), pickle.loads(pickle.dumps(quiet))):
        assert twin() is None
        assert twin(1, (2,), {"a": 3}, 4) is None
    assert b"flatline" not in pickle.dumps(quiet)
    assert calls == []


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_pass_within_a_backward_pass_is_a_recomputation(reentrant):
    layer, seen = nn.Linear(2, 2), []
    layer.register_forward_hook(lambda *args: seen.append((is_recomputation(), torch.is_grad_enabled())))
    loss = checkpoint(lambda x: layer(x).sin(), torch.ones(1, 2, requires_grad=True), use_reentrant=reentrant).sum()
    assert seen == [(False, not reentrant)]
    loss.backward()
    assert seen[1:] == [(True, True)]
    layer(torch.ones(1, 2))
    assert seen[2:] == [(False, True)]


def test_a_training_pass_is_one_in_training_mode_with_gradients_on():
    layer = nn.Linear(2, 2)
    assert is_training_pass(layer)
    with torch.no_grad():
        assert not is_training_pass(layer)
    with torch.inference_mode():
        assert not is_training_pass(layer)
    assert not is_training_pass(layer.eval())


def test_the_block_in_which_nothing_may_be_read_sees_a_reading(no_reading):
    with no_reading(), pytest.raises(RuntimeError, match="waits for the device"):
        torch.ones(1).item()
    with no_reading(), pytest.raises(RuntimeError, match="waits for the device"):
        torch.ones(2).nonzero()
    assert torch.ones(1).item() == 1
