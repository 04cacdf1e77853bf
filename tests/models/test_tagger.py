import torch
from flatline.models import build


def test_a_tagger_names_its_maps_and_its_output_layer_by_path():
    model = build("attention-only", "input-attention", n_classes=3, n_mels=8)
    assert model.attention == {"head.attention": "sigmoid", "head.localisation": "softmax-class"}
    assert isinstance(model.get_submodule(model.output_layer), torch.nn.Linear)
    assert model.get_submodule(model.output_layer).out_features == 3  # type: ignore[union-attr]


def test_a_gate_stands_between_convolution_and_recurrence():
    """1703.06052's attention multiplies what the RNN reads: with the gate shut the RNN reads zeros."""
    model = build("cgrnn", "scalar-attention", n_classes=3, n_mels=16, options={"channels": 2, "n_hidden": 4}).eval()
    read = []
    model.gru.register_forward_hook(lambda module, args, output: read.append(args[0]))
    with torch.no_grad():
        model.head.attention.weight.zero_()  # type: ignore[union-attr]
        for bias in (-100.0, 100.0):
            model.head.attention.bias.fill_(bias)  # type: ignore[union-attr]
            model(torch.randn(2, 5, 16))
    shut, open_ = read
    assert (shut == 0).all()
    assert open_.abs().max() > 0
