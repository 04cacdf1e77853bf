"""What an attribution is held against: curves, agreement, weights that know nothing, and the verdict."""

import numpy as np
import pytest
import torch
from flatline.diagnostics.attribution.agreement import agreement
from flatline.diagnostics.attribution.attribute import attribute
from flatline.diagnostics.attribution.baselines import baseline_of, blurred
from flatline.diagnostics.attribution.curves import POINTS, area
from flatline.diagnostics.attribution.names import METHODS, method_named
from flatline.diagnostics.attribution.randomised import randomised
from flatline.diagnostics.attribution.verdict import AGREEMENT, LEAST_MOVE, SAME, verdict
from flatline.diagnostics.errors import AttachError, ShapeError, UnknownNameError
from scipy.stats import spearmanr
from torch import nn

SOMETHING = np.arange(6.0).reshape(2, 3)
MOVED = np.array([[0.9, 0.1, 0.2], [0.1, 0.1, 0.1]])


def curves_of(linear, clip, start, method="integrated-gradients"):
    (found,) = attribute(linear, clip, 3, [method], gives="logits", baseline=start)
    return found, found.checks.curves


@pytest.mark.parametrize(("method", "size"), [("integrated-gradients", (4, 4)), ("ablation-frames", (1, 16))])
def test_the_curves_of_a_linear_net_are_sums_of_what_was_taken_away(linear, clip, start, method, size):
    _, curves = curves_of(linear, clip, start, method)
    cells = linear.weights(3) * (clip - start)
    blocks = cells.reshape(12 // size[0], size[0], 16 // size[1], size[1]).sum((1, 3)).ravel()
    order = np.sort(blocks)[::-1]
    counts = np.round(np.linspace(0, 1, POINTS + 1) * len(order)).astype(int)
    taken = np.array([order[:count].sum() for count in counts])
    np.testing.assert_allclose(curves.deletion, curves.deletion[0] - taken, atol=1e-6)
    np.testing.assert_allclose(curves.insertion, curves.insertion[0] + taken, atol=1e-6)
    assert curves.deletion[-1] == pytest.approx(curves.insertion[0])


def test_no_random_order_beats_the_true_one_on_a_linear_net(linear, clip, start):
    found, curves = curves_of(linear, clip, start)
    areas = curves.areas
    assert (area(curves.random_deletion) > areas["deletion_area"]).all()
    assert (area(curves.random_insertion) < areas["insertion_area"]).all()
    assert areas["deletion_area_random_std"] > 0
    np.testing.assert_allclose(
        curves.random_deletion[:, [0, -1]], np.tile([[found.output, found.baseline_output]], (5, 1))
    )
    np.testing.assert_allclose(curves.random_insertion[:, ::-1], curves.random_deletion)


@pytest.mark.parametrize("seed", range(5))
def test_agreement_is_spearmans_over_cells_frames_or_mel_bins(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 4, (2, 7, 5)).astype(float)
    assert agreement(a, b) == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic)
    assert agreement(a, b, ("cell", "frame")) == pytest.approx(spearmanr(a.sum(1), b.sum(1)).statistic)
    assert agreement(a, b, ("mel", "mel")) == pytest.approx(spearmanr(a.sum(0), b.sum(0)).statistic)


def test_agreement_is_not_known_where_there_is_nothing_to_compare():
    a = np.random.default_rng(0).normal(size=(3, 4))
    assert np.isnan(agreement(a, a, ("frame", "mel")))
    assert np.isnan(agreement(a, np.ones((3, 4))))


def test_methods_asked_together_are_compared_with_each_other(linear, clip, start):
    integrated, saliency = attribute(
        linear, clip, 3, ["integrated-gradients", "saliency"], gives="logits", baseline=start
    )
    expected = spearmanr(integrated.values.ravel(), saliency.values.ravel()).statistic
    assert integrated.checks.agreement == {"saliency": pytest.approx(expected)}
    assert saliency.checks.agreement == {"integrated-gradients": pytest.approx(expected)}


def test_randomised_weights_are_others_and_the_model_is_left_alone(recurrent):
    model = recurrent()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    twin = randomised(model, 0)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    for name, value in twin.named_parameters():
        assert not torch.equal(value, before[name]), name
    assert all(torch.equal(a, b) for a, b in zip(twin.parameters(), randomised(model, 0).parameters(), strict=True))


def test_bare_parameters_are_shuffled():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.arange(20.0).reshape(4, 5))

    twin = randomised(Bare(), 0)
    assert sorted(twin.weight.flatten().tolist()) == list(range(20))
    assert twin.weight.flatten().tolist() != list(range(20))


def test_the_other_class_is_another_one_and_its_values_are_compared(linear, clip, start):
    found, _ = curves_of(linear, clip, start)
    other = found.checks.other_index
    assert other != 3
    expected = spearmanr(found.values.ravel(), (linear.weights(other) * (clip - start)).ravel()).statistic
    assert found.checks.other_class == pytest.approx(expected, abs=1e-4)


def test_a_class_that_moves_is_informative():
    told = verdict(SOMETHING, MOVED, 0)
    assert told.informative
    assert "0.1 to 0.9" in told.why


@pytest.mark.parametrize(
    ("values", "probabilities", "references", "random", "says"),
    [
        (SOMETHING, np.array([[0.3, 0.3, 0.3], [0.3 + 0.9 * LEAST_MOVE, 0.3, 0.3]]), None, np.nan, "as it answers the"),
        (np.ones((2, 3)), MOVED, None, np.nan, "same everywhere"),
        (SOMETHING * np.nan, MOVED, None, np.nan, "not finite"),
        (SOMETHING, MOVED, None, -SAME, "random weights"),
    ],
)
def test_what_says_nothing_is_called_so(values, probabilities, references, random, says):
    told = verdict(values, probabilities, 0, references, random)
    assert not told.informative
    assert "carries no information" in told.why
    assert says in told.why


def test_one_ranking_for_all_clips_says_nothing_but_few_clips_or_classes_do_not_tell():
    rng = np.random.default_rng(0)
    order = np.linspace(0.1, 0.9, 10)
    alike = order * rng.uniform(0.5, 1, (6, 1))
    told = verdict(SOMETHING, alike[:2], 0, alike[2:])
    assert not told.informative
    assert "rank agreement 1.000" in told.why
    assert verdict(SOMETHING, alike[:2], 0, alike[2:3]).informative
    assert verdict(SOMETHING, alike[:2, :7], 0, alike[2:, :7]).informative
    assert verdict(SOMETHING, alike[:2], 0, rng.uniform(size=(6, 10))).informative
    assert AGREEMENT < 1


def test_a_network_that_hears_nothing_is_told_from_one_that_does(linear, clip, start):
    deaf = type(linear)()
    with torch.no_grad():
        deaf.head.weight *= 1e-6
    (found,) = attribute(deaf, clip, 3, gives="logits", baseline=start)
    assert not found.informative
    (found,) = attribute(linear, clip, 3, gives="logits", baseline=start)
    assert found.informative


def test_baselines_are_of_the_clips_size(clip):
    given = torch.tensor(clip)
    assert baseline_of("silence", given, silence=-4.0).unique().tolist() == [-4.0]
    frame = np.arange(16.0)
    np.testing.assert_array_equal(baseline_of("mean", given, silence=-4.0, mean=frame)[5], frame)
    with pytest.raises(UnknownNameError, match=r"'noise'.*blurred, mean, silence"):
        baseline_of("noise", given, silence=0.0)
    with pytest.raises(AttachError, match="training clips"):
        baseline_of("mean", given, silence=0.0)
    with pytest.raises(ShapeError, match="16 mel bins"):
        baseline_of("silence", given, silence=np.zeros(3))


def test_a_blurred_clip_keeps_its_level_and_loses_its_sounds():
    clip = torch.zeros(40, 16)
    clip[20, 8] = 100
    found = blurred(clip)
    assert found.max() < 3
    assert float(found.sum()) == pytest.approx(100, rel=0.05)
    assert divmod(int(found.argmax()), 16) == (20, 8)


def test_every_method_is_found_by_its_name():
    assert [method_named(method.name) for method in METHODS] == list(METHODS)
