"""Attribution through recurrent networks: it adds up, changes nothing, and refuses what it cannot do."""

import gc
import random
import weakref

import numpy as np
import pytest
import torch
from flatline.diagnostics.attribution import explained
from flatline.diagnostics.attribution.attribute import attribute
from flatline.diagnostics.attribution.found import Options
from flatline.diagnostics.attribution.integrated import tolerance
from flatline.diagnostics.errors import AttachError, ShapeError, UnknownNameError
from flatline.models import build
from torch import nn

THROUGH_RNNS = (
    *("integrated-gradients", "saliency", "input-x-gradient", "gradient-shap", "occlusion", "ablation-mels"),
    *("ablation-frames", "grad-cam", "rnn-frames"),
)


def of(model, clip, start, *methods, gives="logits", **more):
    return attribute(model, clip, 2, methods or ("integrated-gradients",), gives=gives, baseline=start, **more)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (nn.GRU, {}),
        (nn.GRU, {"bidirectional": True, "num_layers": 2}),
        (nn.LSTM, {}),
        (nn.RNN, {"batch_first": False}),
    ],
)
def test_integrated_gradients_and_the_rnns_own_add_up_through_fused_rnns(recurrent, clip, start, kind, more):
    found = of(recurrent(kind, **more), clip, start, "integrated-gradients", "rnn-frames", checks=False)
    for one in found:
        assert abs(one.delta) <= tolerance(one.output - one.baseline_output)
        assert one.values.shape == clip.shape
        assert 64 <= one.steps <= 1024
    assert abs(found[0].output - found[0].baseline_output) > 0.02


def test_the_output_is_the_models_own_in_eval_mode(recurrent, clip, start):
    model = recurrent().train()
    (found,) = of(model, clip, start, "saliency", checks=False)
    with torch.no_grad():
        expected = model.eval()(torch.tensor(np.array([clip, start]), dtype=torch.float32))[:, 2]
    assert [found.output, found.baseline_output] == pytest.approx(expected.tolist(), abs=1e-6)


def state_of(model):
    return (
        {name: value.clone() for name, value in model.state_dict().items()},
        [parameter.grad if parameter.grad is None else parameter.grad.clone() for parameter in model.parameters()],
        [parameter.requires_grad for parameter in model.parameters()],
        [(module.training, list(module._forward_hooks), list(module._backward_hooks)) for module in model.modules()],
        (torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()),  # noqa: NPY002
    )


def same(a, b):
    gradients = all((x is None and y is None) or torch.equal(x, y) for x, y in zip(a[1], b[1], strict=True))
    return all(torch.equal(a[0][name], b[0][name]) for name in a[0]) and gradients and a[2:] == b[2:]


def trained_mid_way(recurrent):
    model = recurrent().train()
    model.conv.eval()
    model.rnn.bias_hh_l0.requires_grad_(False)
    model(torch.randn(2, 12, 16)).sum().backward()
    model.head.register_forward_hook(lambda *given: None)
    return model


def test_the_model_and_all_random_states_are_the_same_afterwards(recurrent, clip, start):
    model = trained_mid_way(recurrent)
    before = state_of(model)
    with torch.no_grad():
        of(model, clip, start, *THROUGH_RNNS, options=Options(samples=8))
    assert same(before, state_of(model))


@pytest.mark.parametrize("method", THROUGH_RNNS)
def test_they_are_the_same_after_an_exception(recurrent, clip, start, method, monkeypatch):
    model = trained_mid_way(recurrent)
    before, calls = state_of(model), []
    whole = explained.Explained.scores

    def failing(self, clips):
        calls.append(len(clips))
        if len(calls) > 3:
            torch.rand(3)
            raise ZeroDivisionError
        return whole(self, clips)

    monkeypatch.setattr(explained.Explained, "scores", failing)
    with pytest.raises(ZeroDivisionError):
        of(model, clip, start, method)
    assert same(before, state_of(model))


def test_a_call_gives_what_the_call_before_gave_random_numbers_or_not(recurrent, clip, start):
    methods, model = ("gradient-shap", "integrated-gradients"), recurrent()
    first = of(model, clip, start, *methods)
    torch.rand(5)
    for one, again in zip(first, of(model, clip, start, *methods), strict=True):
        np.testing.assert_array_equal(one.values, again.values)
        np.testing.assert_array_equal(one.checks.curves.random_deletion, again.checks.curves.random_deletion)


def test_batches_of_any_size_give_the_same(recurrent, clip, start, monkeypatch):
    model = recurrent()
    many = of(model, clip, start, *THROUGH_RNNS, checks=False)
    monkeypatch.setattr(explained, "HOST_BYTES", 1)
    for one, other in zip(many, of(model, clip, start, *THROUGH_RNNS, checks=False), strict=True):
        if one.method != "gradient-shap":  # its random points are drawn batch by batch
            np.testing.assert_allclose(one.values, other.values, atol=1e-5)


def test_counting_what_a_pass_keeps_does_not_keep_it(recurrent, clip, start):
    class Token:
        pass

    class Probe(torch.autograd.Function):
        @staticmethod
        def forward(ctx, values):
            ctx.token = Token()
            tokens.append(weakref.ref(ctx.token))
            return values.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient

    tokens, model = [], recurrent()
    model.rnn.register_forward_pre_hook(lambda module, args: (Probe.apply(args[0]).tanh(), *args[1:]))
    of(model, clip, start, "integrated-gradients", "grad-cam", "rnn-frames", checks=False)
    gc.collect()
    assert len(tokens) > 3
    assert [one for one in tokens if one() is not None] == []


def test_steps_are_raised_until_it_adds_up_and_no_further(clip, start):
    class Bend(nn.Module):
        """A corner on the way, which no polynomial follows."""

        def forward(self, clips):
            return 40 * (clips.mean((1, 2), keepdim=True).squeeze(2) + 0.437).relu().expand(-1, 3)

    (found,) = of(Bend(), clip, start, checks=False)
    assert found.steps > 64
    assert found.converged
    (few,) = of(Bend(), clip, start, checks=False, options=Options(steps=2, most_steps=2))
    assert few.steps == 2
    assert few.converged is False
    assert "misses" in few.why


@pytest.mark.parametrize("n_frames", [1, 2, 5, 300])
def test_clips_of_any_length_can_be_attributed(recurrent, n_frames):
    clip = np.random.default_rng(0).normal(size=(n_frames, 16))
    for one in of(recurrent(), clip, clip * 0, *THROUGH_RNNS, checks=False):
        assert one.values.shape == (n_frames, 16)
        assert np.isfinite(one.values).all()


def test_a_mask_reaches_the_model_and_the_padding_stays_what_it_is(recurrent, clip, start):
    model = recurrent()
    (found,) = of(model, clip, start, "integrated-gradients", n_real=7, masked=True, checks=False)
    mask = torch.arange(12)[None] < 7
    with torch.no_grad():
        expected = model.eval()(torch.tensor(clip[None], dtype=torch.float32), mask)[0, 2]
    assert found.output == pytest.approx(float(expected), abs=1e-6)
    assert found.values.shape == (7, 16)
    assert found.converged


@pytest.mark.parametrize(
    ("architecture", "head"),
    [("cgrnn", "localisation"), ("cgrnn", "mean"), ("simple-cgrnn", "input-attention"), ("resnet", "scalar-attention")],
)
def test_the_projects_own_networks_allow_what_they_have(architecture, head):
    options = {"simple-cgrnn": {"kernel": 8, "pool": 4, "n_hidden": 4, "n_layers": 1, "n_features": 8}}.get(
        architecture, {"channels": 2}
    )
    torch.manual_seed(0)
    model = build(architecture, head, n_classes=5, n_mels=16, options=options, head_options={})
    clip = np.random.default_rng(0).normal(size=(20, 16))
    methods = [*(method for method in THROUGH_RNNS if architecture != "resnet" or method != "rnn-frames"), "rollout"]
    for one in of(model, clip, clip * 0 - 3, *methods, gives=model.output, n_real=15, checks=False):
        assert one.values.shape == (15, 16)
        assert np.isfinite(one.values).all()
        assert np.ptp(one.values) > 0
        if one.method == "rollout":
            assert one.values.sum() == pytest.approx(1, abs=1e-5)


def test_rollout_is_the_localisation_map_of_the_class():
    model = build(
        "cgrnn", "localisation", n_classes=5, n_mels=16, options={"channels": 2}, head_options={"axis": "time"}
    )
    clip = np.random.default_rng(0).normal(size=(20, 16))
    seen = []
    model.head.localisation.register_forward_hook(lambda module, args, output: seen.append(output.detach()))
    (found,) = of(model, clip, clip * 0, "rollout", gives="probabilities", checks=False)
    expected = seen[-1][0].softmax(0)[:, 2].numpy()
    np.testing.assert_allclose(found.values.sum(1), expected, rtol=1e-4)


def test_rollout_multiplies_the_attentions_of_layers():
    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.first = nn.MultiheadAttention(16, 2, batch_first=True)
            self.second = nn.MultiheadAttention(16, 2, batch_first=True)

        def forward(self, clips):
            hidden = clips + self.first(clips, clips, clips)[0]
            return (hidden + self.second(hidden, hidden, hidden)[0]).mean(1)

    model, clip = Attending().eval(), torch.randn(6, 16)
    (found,) = of(model, clip, clip * 0, "rollout", checks=False)
    with torch.no_grad():
        first = model.first(clip[None], clip[None], clip[None])
        hidden = clip[None] + first[0]
        layers = [0.5 * (weights[0] + torch.eye(6)) for weights in (first[1], model.second(hidden, hidden, hidden)[1])]
    np.testing.assert_allclose(found.values.sum(1), (layers[1] @ layers[0]).mean(0).numpy(), rtol=1e-5)


def test_deep_lift_says_why_it_is_not_defined_through_rnns(recurrent, clip, start):
    with pytest.raises(AttachError, match=r"not defined through GRU 'rnn'.*integrated-gradients"):
        of(recurrent(), clip, start, "deep-lift")


def test_deep_lift_says_where_a_functional_non_linearity_spoils_it(clip, start):
    class Modules(nn.Module):
        def __init__(self, bend):
            super().__init__()
            torch.manual_seed(0)
            self.a, self.bend, self.b = nn.Linear(192, 30), bend, nn.Linear(30, 3)

        def forward(self, clips):
            return self.b(self.bend(self.a(clips.flatten(1))))

    (found,) = of(Modules(nn.ReLU()), clip, start, "deep-lift", checks=False)
    assert found.converged

    class Squared(Modules):
        def forward(self, clips):
            return self.b(self.a(clips.flatten(1)) ** 2)

    with pytest.raises(AttachError, match="outside the modules"):
        of(Squared(nn.ReLU()), clip, start, "deep-lift", checks=False)


@pytest.mark.parametrize(
    ("method", "needs"), [("grad-cam", "convolution"), ("rnn-frames", "GRU or LSTM"), ("rollout", "map")]
)
def test_a_network_without_the_layer_is_refused_with_what_to_use(linear, clip, start, method, needs):
    with pytest.raises(AttachError, match=rf"{needs}.*use "):
        of(linear, clip, start, method)


def test_bad_input_is_one_clear_message(linear, clip, start):
    with pytest.raises(UnknownNameError, match=r"unknown method 'lime'.*integrated-gradients.*saliency"):
        of(linear, clip, start, "lime")
    with pytest.raises(ShapeError, match=r"index is 9 of 8 classes"):
        attribute(linear, clip, 9, gives="logits", baseline=start)
    with pytest.raises(ShapeError, match=r"clip has shape \(12,\)"):
        of(linear, clip[:, 0], start)
    with pytest.raises(ShapeError, match="baseline has shape"):
        of(linear, clip, start[:, :3])
    with pytest.raises(ShapeError, match="NaN"):
        of(linear, clip * np.nan, start)
    with pytest.raises(ShapeError, match="n_real is 13 of 12"):
        of(linear, clip, start, n_real=13)
    with pytest.raises(ShapeError, match="clip, class"):
        of(nn.Identity(), clip, start)
    with pytest.raises(AttachError, match="first"):
        attribute(lambda clips: clips, clip, 0, gives="logits", baseline=start)
