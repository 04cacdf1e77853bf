import pytest
import torch
from flatline.models import ARCHITECTURES, HEADS, build

SMALL = {
    "cgrnn": {"channels": 4, "n_hidden": 6},
    "simple-cgrnn": {"kernel": 5, "pool": 3, "n_hidden": 4, "n_features": 6},
    "attention-only": {},
    "resnet": {"channels": 4},
}
HEAD_OPTIONS = [
    ("mean", {}),
    ("mean", {"sigmoid": True}),
    ("linear-softmax", {}),
    ("localisation", {"axis": "class"}),
    ("localisation", {"axis": "time"}),
    ("localisation", {"axis": "time", "sigmoid": False}),
    ("input-attention", {}),
    ("input-attention", {"sigmoid": True, "axis": "time"}),
    ("scalar-attention", {}),
]
every = pytest.mark.parametrize(
    ("architecture", "head", "head_options"),
    [(architecture, head, options) for architecture in ARCHITECTURES for head, options in HEAD_OPTIONS],
)


def small(architecture: str, head: str, head_options: dict, n_classes: int = 5, n_mels: int = 17):
    options = SMALL[architecture]
    return build(architecture, head, n_classes=n_classes, n_mels=n_mels, options=options, head_options=head_options)


def test_every_architecture_and_head_is_tried_here():
    assert set(SMALL) == set(ARCHITECTURES)
    assert {head for head, _ in HEAD_OPTIONS} == set(HEADS)


@every
def test_a_batch_becomes_one_score_a_class_and_every_parameter_learns(architecture, head, head_options):
    model = small(architecture, head, head_options)
    scores = model(torch.randn(3, 9, 17))
    assert scores.shape == (3, 5)
    scores.square().sum().backward()
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert without == []


@every
def test_a_batch_of_one_clip_works_in_training_and_evaluation(architecture, head, head_options):
    model = small(architecture, head, head_options)
    assert model(torch.randn(1, 9, 17)).shape == (1, 5)
    model.eval()
    clips = torch.randn(3, 9, 17)
    one_by_one = torch.cat([model(clip.unsqueeze(0)) for clip in clips])
    assert torch.allclose(model(clips), one_by_one, atol=1e-5)


@every
def test_the_output_is_what_the_head_says(architecture, head, head_options):
    model = small(architecture, head, head_options).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(10)  # far out, so that a probability that is none would show
        scores = model(20 * torch.randn(16, 9, 17))
    inside = bool(((scores >= 0) & (scores <= 1 + 1e-6)).all())
    assert inside == (model.output == "probabilities")


@every
def test_the_announced_maps_are_clip_frame_class(architecture, head, head_options):
    model = small(architecture, head, head_options)
    seen = {}
    for path in model.attention:
        model.get_submodule(path).register_forward_hook(lambda m, a, output, path=path: seen.update({path: output}))
    model(torch.randn(3, 9, 17))
    assert set(seen) == set(model.attention)
    for path, output in seen.items():
        n_classes = 1 if (head, path) == ("scalar-attention", "head.attention") else 5  # one look for all classes
        assert output.shape == (3, 9, n_classes)
    assert set(model.attention.values()) <= {"weights", "sigmoid", "softmax-class", "softmax-time"}
    first = next(iter(model.attention))
    assert seen[first].shape[-1] == 5


@every
def test_a_full_mask_changes_nothing_and_a_mask_of_integers_is_taken_as_one(architecture, head, head_options):
    model = small(architecture, head, head_options).eval()
    clips = torch.randn(2, 9, 17)
    full = torch.ones(2, 9, dtype=torch.bool)
    assert torch.allclose(model(clips, full), model(clips), atol=1e-6)
    cut = torch.arange(9)[None, :] < torch.tensor([9, 4])[:, None]
    assert torch.equal(model(clips, cut.long()), model(clips, cut))
    assert not torch.allclose(model(clips, cut)[1], model(clips)[1])


def test_an_unknown_architecture_or_head_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"unknown architecture 'crnn' .*known: cgrnn, simple-cgrnn"):
        build("crnn", "mean", n_classes=2, n_mels=32)
    with pytest.raises(ValueError, match=r"unknown head 'max' .*known: mean, localisation"):
        build("cgrnn", "max", n_classes=2, n_mels=32)


def test_an_unknown_option_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"unknown option 'width' of architecture cgrnn .*known: channels, n_hidden"):
        build("cgrnn", "mean", n_classes=2, n_mels=32, options={"width": 3})
    with pytest.raises(ValueError, match=r"unknown option 'axis' of head mean .*known: sigmoid"):
        build("cgrnn", "mean", n_classes=2, n_mels=32, head_options={"axis": "time"})
    with pytest.raises(ValueError, match=r"head scalar-attention .*known: none"):
        build("attention-only", "scalar-attention", n_classes=2, n_mels=32, head_options={"sigmoid": True})
