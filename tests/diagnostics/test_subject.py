import pytest
import torch
from flatline.diagnostics.errors import AttachError
from flatline.diagnostics.subject import (
    announced_maps,
    as_optimizers,
    is_writer,
    multihead_maps,
    n_processes,
    unwrapped,
)


def test_the_network_is_found_inside_its_wrappers(net):
    assert unwrapped(net) is net
    assert unwrapped(torch.nn.DataParallel(net)) is net
    compiled = torch.compile(net, backend="eager")
    assert unwrapped(compiled) is net  # type: ignore[arg-type]


def test_announced_maps_are_kinds_by_path_and_any_other_attention_is_none(net):
    assert announced_maps(net) == {"looks": "sigmoid"}
    assert announced_maps(torch.nn.Module()) == {}
    for attention in (torch.nn.Linear(2, 2), {"heads": 8}, {"dropout": "none"}, "softmax"):
        other = torch.nn.Module()
        other.attention = attention  # type: ignore[assignment]
        assert announced_maps(other) == {}


def test_one_optimiser_or_several_are_taken(net):
    one, two = (torch.optim.SGD(net.parameters()) for _ in range(2))
    assert as_optimizers(one) == [one]
    assert as_optimizers((one, two)) == [one, two]


@pytest.mark.parametrize(
    ("given", "said"),
    [(None, "is NoneType, not a"), ([], "an empty list"), ([3], "is int, not a"), ({}, "is dict, not")],
)
def test_what_is_no_optimiser_is_refused_with_what_to_pass(given, said):
    with pytest.raises(AttachError, match=rf"{said}.*\(Recorder\); pass the one whose step"):
        as_optimizers(given)


def test_a_scheduler_in_the_optimiser_s_place_is_refused(net):
    scheduler = torch.optim.lr_scheduler.StepLR(torch.optim.SGD(net.parameters()), 1)
    with pytest.raises(AttachError, match="optimizer is StepLR"):
        as_optimizers(scheduler)


def test_the_attention_of_pytorch_s_own_transformer_layers_gives_no_map():
    model = torch.nn.ModuleDict(
        {
            "encoder": torch.nn.TransformerEncoderLayer(4, 2, 8),
            "decoder": torch.nn.TransformerDecoderLayer(4, 2, 8),
            "own": torch.nn.MultiheadAttention(4, 2),
        }
    )
    assert multihead_maps(model) == {"own": "weights"}
    assert multihead_maps(model["own"]) == {"": "weights"}


def test_that_of_a_subclass_which_may_ask_for_weights_does():
    class Asking(torch.nn.TransformerDecoderLayer):
        def _mha_block(self, *args):
            raise NotImplementedError

    assert multihead_maps(Asking(4, 2, 8)) == {"self_attn": "weights", "multihead_attn": "weights"}


def test_one_process_alone_is_the_writer_and_counts_for_itself():
    assert is_writer()
    assert n_processes() == 1
