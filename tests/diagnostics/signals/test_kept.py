import copy
import io
import pickle

import pytest
import torch
from flatline.diagnostics.errors import AttachError
from flatline.diagnostics.signals.kept import Kept, OutputKeeper


def test_it_keeps_the_newest_output_of_a_training_pass_only():
    layer, kept = torch.nn.Linear(3, 2), {}
    layer.register_forward_hook(OutputKeeper("a", kept, training_only=True))
    given = layer(torch.randn(4, 5, 3))
    with torch.no_grad():
        layer(torch.zeros(1, 5, 3))
    layer.eval()(torch.zeros(1, 5, 3))
    assert torch.equal(kept["a"].map(), given)
    assert not kept["a"].map().requires_grad


def test_of_several_outputs_it_keeps_the_first():
    layer, kept = torch.nn.GRU(3, 2, batch_first=True), {}
    layer.register_forward_hook(OutputKeeper("a", kept, training_only=True))
    frames, _ = layer(torch.randn(4, 5, 3))
    assert torch.equal(kept["a"].map(), frames)


@pytest.mark.parametrize("output", [None, {"a": 1}, (), "text"])
def test_an_output_that_is_no_tensor_does_not_stop_the_forward_pass_and_is_told_later(output):
    kept: dict[str, Kept] = {}
    OutputKeeper("a", kept, training_only=False)(torch.nn.Identity(), (), output)
    with pytest.raises(AttachError, match=r"a gives \w+, but a map is a tensor \(.*Recorder.step\); name a module"):
        kept["a"].map()


def test_an_output_of_another_shape_is_told_with_its_shape():
    kept: dict[str, Kept] = {}
    OutputKeeper("a", kept, training_only=False)(torch.nn.Identity(), (), torch.zeros(2, 3))
    with pytest.raises(AttachError, match=r"a gives \(2, 3\), but a map is \(clip, frame, class\)"):
        kept["a"].map()


def test_an_output_that_was_overwritten_is_refused_and_not_recorded_as_it_became():
    layer, kept = torch.nn.Linear(3, 2), {}
    layer.register_forward_hook(OutputKeeper("a", kept, training_only=True))
    layer(torch.randn(4, 5, 3)).sigmoid_()
    with pytest.raises(AttachError, match=r"changed in place .*use sigmoid\(\) and not sigmoid_\(\)"):
        kept["a"].map()


def test_a_model_can_be_pickled_and_copied_and_the_copy_records_nothing_here():
    layer, kept = torch.nn.Linear(3, 2), {}
    layer.register_forward_hook(OutputKeeper("a", kept, training_only=True))
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        twin(torch.randn(4, 5, 3))
        assert kept == {}
    torch.save(layer, io.BytesIO())
