import pytest
import torch
from flatline.diagnostics.parts import parameter_parts
from flatline.models import build
from torch import nn

SMALL = {"cgrnn": {"channels": 4, "n_hidden": 6}, "simple-cgrnn": {"kernel": 5, "pool": 3, "n_hidden": 4}}
every = pytest.mark.parametrize("architecture", SMALL)


def built(architecture, **options):
    torch.manual_seed(0)
    return build(architecture, "mean", n_classes=5, n_mels=32, options={**SMALL[architecture], **options}).eval()


@every
def test_without_the_options_there_are_the_parameters_of_old_checkpoints(architecture):
    names = [name for name, _ in built(architecture).named_parameters()]
    assert not [name for name in names if name.startswith("around")]
    old = {name: value for name, value in built(architecture).state_dict().items()}
    built(architecture, highway=False, layer_norm=False).load_state_dict(old)


@every
def test_a_highway_adds_what_enters_the_rnn_to_what_it_gives(architecture):
    plain, model = built(architecture), built(architecture, highway=True)
    model.load_state_dict(plain.state_dict(), strict=False)
    clips = torch.randn(3, 7, 32)
    with torch.no_grad():
        features = model.encode(clips)
        for weight in model.gru.parameters():
            weight.zero_()  # an RNN that gives 0
        past = model.around.past
        assert isinstance(past, nn.Identity if architecture == "cgrnn" else nn.Linear)
        alone = past(features)
        wanted = alone if architecture == "cgrnn" else model.linear(alone).relu()
        torch.testing.assert_close(model.recur(features), wanted)
        assert not torch.allclose(plain(clips), model(clips))


@every
def test_a_gradient_reaches_the_convolution_round_a_dead_rnn(architecture):
    def reaches(**options):
        model = built(architecture, **options)
        for weight in model.gru.parameters():
            nn.init.zeros_(weight)
        model(torch.randn(3, 7, 32)).sum().backward()
        return float(model.conv.weight.grad.abs().sum())

    assert reaches() == 0
    assert reaches(highway=True) > 0


@every
def test_a_layer_norm_makes_what_enters_and_leaves_the_rnn_of_one_scale(architecture):
    model, seen = built(architecture, layer_norm=True), {}
    model.gru.register_forward_hook(lambda rnn, args, output: seen.update(entered=args[0]))
    model.around.norm_out.register_forward_hook(lambda norm, args, output: seen.update(left=output))
    model(100 * torch.randn(3, 7, 32))
    for frames in seen.values():
        torch.testing.assert_close(frames.mean(dim=-1), torch.zeros(3, 7), atol=1e-4, rtol=0)
        torch.testing.assert_close(frames.std(dim=-1, unbiased=False), torch.ones(3, 7), atol=2e-2, rtol=0)


@every
def test_what_stands_round_an_rnn_is_not_taken_for_the_head(architecture):
    model = built(architecture, layer_norm=True, highway=True)
    names = [name for name, _ in model.named_parameters()]
    parts = dict(zip(names, parameter_parts(model, names, model.attention), strict=True))
    around = {part for name, part in parts.items() if name.startswith("around")}
    assert around
    assert not around & {"head", "rnn"}
