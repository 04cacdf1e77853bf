import numpy as np
import pytest
import torch
from flatline.diagnostics.arguments import class_names
from flatline.diagnostics.errors import AttachError, ShapeError, UnknownNameError
from flatline.diagnostics.recorder import Recorder


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"level": 3}, UnknownNameError, r"unknown level '3' \(Recorder\); known: .*standard"),
        ({"classes": 5}, AttachError, r"classes is int \(Recorder\); give the names in the order of the scores"),
        ({"classes": ["a", "b", "a", "c"]}, AttachError, r"classes names 'a' twice \(Recorder\); give each class"),
        ({"attention": ["looks"]}, AttachError, r"attention is list \(Recorder\); give \{\"path.to.module\": kind\}"),
        ({"pinned": [torch.zeros(1)]}, AttachError, r"pinned is list \(Recorder\); give \{name: one clip"),
        ({"pinned": {"a": "b"}}, AttachError, r"pinned clip 'a' is str \(Recorder\); give one clip of the model's"),
        ({"activations": "gone"}, AttachError, r"activations names 'gone', which the model does not have"),
        (
            {"model": torch.optim.SGD([torch.zeros(1)])},
            AttachError,
            r"model is SGD, not a torch.nn.Module \(Recorder\)",
        ),
    ],
)
def test_what_is_given_wrongly_is_told_in_one_message_and_leaves_no_hook(net, log, hooks_on, given, error, said):
    optimizer = torch.optim.SGD(net.parameters())
    with pytest.raises(error, match=said):
        Recorder(**{"model": net, "optimizer": optimizer, "log": log, **given})
    assert hooks_on(net, optimizer) == 0


def test_names_of_classes_are_strings_whatever_holds_them():
    assert class_names(np.array(["a", "b"])) == class_names(("a", "b")) == class_names("ab") == ["a", "b"]
    assert class_names([1, 2]) == ["1", "2"]
    assert class_names(None) is None


def test_logits_after_probabilities_are_refused(net, batch, log):
    optimizer = torch.optim.SGD(net.parameters())
    recorder = Recorder(net, optimizer, log=log)
    optimizer.step()
    recorder.step(loss=0.0, probabilities=torch.zeros(2, 4))
    with pytest.raises(ShapeError, match=r"logits= after probabilities= \(Recorder.step, iteration 1\); give what"):
        recorder.step(loss=0.0, logits=torch.zeros(2, 4))


def test_a_loop_that_never_calls_step_is_told_when_it_ends(net, log):
    optimizer = torch.optim.SGD(net.parameters())
    with (
        pytest.warns(UserWarning, match=r"step was never called: nothing is recorded \(Recorder.close\); call"),
        Recorder(net, optimizer, log=log),
    ):
        optimizer.step()
    assert [event["kind"] for event in log.events] == ["gap"]


def test_an_optimiser_of_another_model_is_told_at_once(net, log):
    with pytest.warns(UserWarning, match=r"holds none of the model's parameters.*\(Recorder\); give the one that"):
        Recorder(net, torch.optim.SGD([torch.zeros(1, requires_grad=True)]), log=log)
    assert [event["kind"] for event in log.events] == ["unheld"]
