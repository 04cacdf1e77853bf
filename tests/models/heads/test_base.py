import pytest
import torch
from flatline.models import HEADS, build

PRIOR = torch.tensor([0.4, 0.1, 0.015, 0.001])


def start(head: str, options: dict) -> torch.Tensor:
    """Mean scores over noise of a head that has not seen anything, as probabilities."""
    model = build("attention-only", head, n_classes=4, n_mels=16, head_options=options)
    model.head.set_prior_bias(PRIOR)
    with torch.no_grad():
        model.head.classification.weight.zero_()
        scores = model(torch.randn(64, 20, 16))
    return scores.sigmoid().mean(dim=0) if model.output == "logits" else scores.mean(dim=0)


@pytest.mark.parametrize(
    ("head", "options"),
    [
        ("mean", {}),
        ("mean", {"sigmoid": True}),
        ("localisation", {"axis": "class"}),
        ("localisation", {"axis": "time"}),
        ("localisation", {"axis": "time", "sigmoid": False}),
    ],
)
def test_with_the_prior_bias_a_head_starts_at_the_prior(head, options):
    assert start(head, options).tolist() == pytest.approx(PRIOR.tolist(), rel=1e-3)


@pytest.mark.parametrize(
    ("head", "options"), [("input-attention", {}), ("input-attention", {"sigmoid": True}), ("scalar-attention", {})]
)
def test_an_attention_of_about_a_half_is_made_up_for(head, options):
    """Without that an attention head starts at half the prior's logit, or at half the prior."""
    assert start(head, options).tolist() == pytest.approx(PRIOR.tolist(), rel=0.3)


@pytest.mark.parametrize(
    ("head", "near", "far"),
    [("input-attention", (0.014, 0.017), (0.05, 0.12)), ("scalar-attention", (0.013, 0.017), (0.005, 0.035))],
)
def test_an_attention_head_starts_at_about_the_prior_and_only_where_its_input_is_small(head, near, far):
    """What set_prior_bias says of itself: mean over classes of an untrained CGRNN."""
    prior = 0.0149

    def starts(level: float) -> list[float]:
        means = []
        for seed in range(6):
            torch.manual_seed(seed)
            model = build("cgrnn", head, n_classes=80, n_mels=32, options={"channels": 12})
            model.head.set_prior_bias(torch.full((80,), prior))
            with torch.no_grad():
                scores = model(0.5 * torch.randn(8, 60, 32) + level)
            means.append(float((scores.sigmoid() if model.output == "logits" else scores).mean()))
        return means

    assert all(near[0] < mean < near[1] for mean in starts(0.0))
    assert all(far[0] < mean < far[1] for mean in starts(-3.0))
    assert max(abs(mean / prior - 1) for mean in starts(-3.0)) > 0.3  # so "about" is all that may be said


def test_a_common_class_does_not_start_a_gated_sigmoid_saturated():
    head = HEADS["scalar-attention"](8, 2, 4)
    head.set_prior_bias(torch.tensor([0.9, 0.1]))
    assert head.classification.bias.max() < 3


def test_a_head_lets_the_convolution_s_features_through_unless_it_gates_them():
    features = torch.randn(2, 3, 8)
    for name in ("mean", "localisation", "input-attention"):
        assert HEADS[name](8, 2, 4).gate(features, torch.randn(2, 3, 4)) is features
