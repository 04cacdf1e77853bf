import pytest
import torch
from flatline.diagnostics.parts import output_bias, parameter_parts
from flatline.models import build
from torch import nn


def parts_of(model: nn.Module, maps=()) -> dict[str, str]:
    names = [name for name, _ in model.named_parameters()]
    return dict(zip(names, parameter_parts(model, names, maps), strict=True))


def owners(model, maps=()) -> dict[str, str]:
    """Part by the first two steps of a parameter's path."""
    return {".".join(name.split(".")[:2]): part for name, part in parts_of(model, maps).items()}


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("cgrnn", {"conv": "conv", "gru": "rnn"}),
        ("simple-cgrnn", {"conv": "conv", "gru": "rnn", "linear": "head"}),
        ("attention-only", {}),
        ("resnet", {"blocks": "conv"}),
    ],
)
def test_the_parts_of_the_project_s_architectures(architecture, expected):
    model = build(architecture, "input-attention", n_classes=80, n_mels=64)
    parts = parts_of(model, model.attention)
    for name, part in parts.items():
        module = name.split(".")[0]
        if module == "head":
            assert part == ("head" if ".classification." in name else "attention")
        elif module == "blocks":
            assert part == "conv"  # batch norms as well
        else:
            assert part == expected[module]


def test_a_classification_that_is_announced_as_a_map_is_the_head_all_the_same():
    model = build("cgrnn", "mean", n_classes=3, n_mels=16)
    assert owners(model, model.attention)["head.classification"] == "head"


class Foreign(nn.Module):
    """A net that knows nothing of this project."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.project = nn.Linear(6, 8)
        self.lstm = nn.LSTM(8, 8)
        self.norm = nn.LayerNorm(8)
        self.look = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
        self.heads = nn.MultiheadAttention(8, 2)
        self.cell = nn.GRUCell(8, 8)
        self.hidden = nn.Linear(8, 8)
        self.out = nn.Linear(8, 5)


def test_the_parts_of_a_foreign_net():
    parts = {name.split(".")[0]: part for name, part in parts_of(Foreign(), ["look"]).items()}
    assert parts == {
        "scale": "other",
        "project": "other",  # before the last recurrent layer: no head
        "lstm": "rnn",
        "norm": "rnn",
        "look": "attention",
        "heads": "attention",
        "cell": "rnn",
        "hidden": "head",
        "out": "head",
    }


def test_a_model_says_itself_which_layer_holds_the_output_bias():
    model = build("cgrnn", "input-attention", n_classes=80, n_mels=64)
    assert output_bias(model, 80) == "head.classification.bias"
    assert output_bias(model, 80) in dict(model.named_parameters())


def test_otherwise_it_is_the_one_linear_layer_with_an_output_a_class():
    assert output_bias(Foreign(), 5) == "out.bias"


def test_no_layer_or_several_that_fit_are_no_guess():
    assert output_bias(Foreign(), 7) is None
    assert output_bias(Foreign(), 8) is None  # `project` and `hidden`
    assert output_bias(nn.Linear(3, 2, bias=False), 2) is None


def test_a_model_that_is_one_layer_has_its_bias_at_the_root():
    """Its name is "bias", without a path before it."""
    model = nn.Linear(3, 2)
    assert output_bias(model, 2) == "bias"
    assert parts_of(model) == {"weight": "head", "bias": "head"}
