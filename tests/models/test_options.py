import pytest
from flatline.models import ARCHITECTURES, HEADS, OptionError, build
from flatline.models.options import options_of


def built(architecture="cgrnn", head="mean", **options):
    head_options = {name: options.pop(name) for name in ("sigmoid", "axis") if name in options}
    return build(architecture, head, n_classes=3, n_mels=32, options=options, head_options=head_options)


def test_options_are_a_class_s_keyword_only_arguments():
    assert options_of(ARCHITECTURES["cgrnn"]) == ["channels", "n_hidden", "layer_norm", "highway"]
    assert options_of(HEADS["localisation"]) == ["sigmoid", "axis"]


SIZES = [
    *[("cgrnn", name) for name in ("channels", "n_hidden")],
    *[("simple-cgrnn", name) for name in ("kernel", "pool", "n_hidden", "n_layers", "n_features")],
    ("resnet", "channels"),
]


@pytest.mark.parametrize(("architecture", "name"), SIZES)
@pytest.mark.parametrize("value", [0, -3, 2.5, True, "many"])
def test_a_size_that_is_none_is_refused_with_its_name_and_what_to_give(architecture, name, value):
    with pytest.raises(OptionError) as refused:
        built(architecture, **{name: value})
    where = f"(architecture {architecture})"
    assert str(refused.value) == f"model.options.{name} is {value!r} {where}; give a whole number of 1 or more"


@pytest.mark.parametrize("value", [1.5, 1, -0.1, "some", True, None])
def test_a_share_lies_between_0_and_1(value):
    with pytest.raises(OptionError, match=r"frame_dropout is .*give a number from 0 to below 1"):
        built("simple-cgrnn", kernel=5, pool=3, frame_dropout=value)


@pytest.mark.parametrize("value", ["maybe", 1, None])
@pytest.mark.parametrize("head", ["mean", "localisation", "input-attention"])
def test_a_switch_is_true_or_false(head, value):
    with pytest.raises(OptionError, match=rf"model\.head_options\.sigmoid is .*head {head}\); give true or false"):
        built(head=head, sigmoid=value)


@pytest.mark.parametrize("value", ["frames", None, []])
def test_one_of_several_words_is_one_of_them(value):
    with pytest.raises(OptionError, match=r"model\.head_options\.axis is .*give class or time"):
        built(head="localisation", axis=value)


def test_what_fits_is_taken():
    assert built(n_hidden=None, channels=2).gru.hidden_size == 4
    assert built("simple-cgrnn", kernel=5, pool=3, frame_dropout=0).dropout.p == 0
    assert built(head="localisation", sigmoid=False, axis="time").output == "logits"


@pytest.mark.filterwarnings("ignore:Initializing zero-element")
def test_zero_hidden_units_are_not_taken_for_the_default():
    with pytest.raises((ValueError, RuntimeError)):
        ARCHITECTURES["cgrnn"](HEADS["mean"], 3, 32, n_hidden=0)
    assert ARCHITECTURES["cgrnn"](HEADS["mean"], 3, 32, channels=2).gru.hidden_size == 4
