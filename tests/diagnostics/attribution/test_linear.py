"""Every method on a linear network, whose attribution is known: weight times (clip - baseline)."""

import numpy as np
import pytest
from flatline.diagnostics.attribution.attribute import attribute
from flatline.diagnostics.attribution.found import Options
from flatline.diagnostics.attribution.names import METHODS
from flatline.diagnostics.errors import AttachError
from torch import nn

INDEX = 3
EXACT = ("integrated-gradients", "input-x-gradient", "deep-lift")
OPTIONS = Options(patch=(4, 4))


def by_hand(linear, clip, start):
    return linear.weights(INDEX) * (clip - start)


def of(linear, clip, start, *methods, **more):
    return attribute(
        linear, clip, INDEX, methods, gives="logits", baseline=start, checks=False, **{"options": OPTIONS, **more}
    )


@pytest.mark.parametrize("method", EXACT)
def test_a_method_that_integrates_gives_weight_times_the_way_from_the_baseline(linear, clip, start, method):
    (found,) = of(linear, clip, start, method)
    np.testing.assert_allclose(found.values, by_hand(linear, clip, start), atol=1e-6)
    assert abs(found.delta) < 1e-6
    assert found.converged in (True, None)
    assert found.output - found.baseline_output == pytest.approx(by_hand(linear, clip, start).sum(), abs=1e-9)


def test_saliency_is_the_weight_with_its_sign(linear, clip, start):
    (found,) = of(linear, clip, start, "saliency")
    np.testing.assert_allclose(found.values, linear.weights(INDEX), atol=1e-6)
    assert (found.values < 0).any()


def test_the_ablations_give_each_frame_and_mel_bin_what_it_carries(linear, clip, start):
    frames, mels = of(linear, clip, start, "ablation-frames", "ablation-mels")
    cells = by_hand(linear, clip, start)
    np.testing.assert_allclose(frames.values, np.repeat(cells.mean(1, keepdims=True), cells.shape[1], 1), atol=1e-6)
    np.testing.assert_allclose(mels.values, np.repeat(cells.mean(0, keepdims=True), cells.shape[0], 0), atol=1e-6)
    assert max(abs(frames.delta), abs(mels.delta)) < 1e-6


def test_occlusion_is_the_mean_over_the_patches_that_cover_a_cell(linear, clip, start):
    (found,) = of(linear, clip, start, "occlusion")
    cells, total, times = by_hand(linear, clip, start), np.zeros(clip.shape), np.zeros(clip.shape)
    for frame in range(0, 12 - 4 + 1, 2):
        for mel in range(0, 16 - 4 + 1, 2):
            patch = (slice(frame, frame + 4), slice(mel, mel + 4))
            total[patch] += cells[patch].mean()
            times[patch] += 1
    np.testing.assert_allclose(found.values, total / times, atol=1e-6)


def test_gradient_shap_is_the_mean_way_from_its_noisy_baselines(linear, clip, start):
    (found,) = of(linear, clip, start, "gradient-shap", options=Options(samples=4000))
    spread = 0.1 * clip.std() / np.sqrt(4000)
    np.testing.assert_allclose(
        found.values / linear.weights(INDEX), clip - start, atol=6 * spread
    )  # the noise alone: of a linear net every point of the way has one gradient
    assert found.steps == 4000


def test_noise_changes_nothing_of_a_gradient_that_is_the_same_everywhere(linear, clip, start):
    (found,) = of(linear, clip, start, "saliency", options=Options(noise=6))
    np.testing.assert_allclose(found.values, linear.weights(INDEX), atol=1e-6)
    assert found.steps == 6


def test_noise_moves_the_clip_from_which_integrated_gradients_begin(linear, clip, start):
    (found,) = of(linear, clip, start, "integrated-gradients", options=Options(noise=400))
    ways = found.values / linear.weights(INDEX)
    np.testing.assert_allclose(ways, clip - start, atol=6 * 0.1 * clip.std() / np.sqrt(400))
    assert np.abs(ways - (clip - start)).max() > 1e-3
    assert found.converged is None


def test_noise_is_refused_where_no_gradient_is_averaged(linear, clip, start):
    with pytest.raises(AttachError, match=r"occlusion has no gradient.*integrated-gradients"):
        of(linear, clip, start, "occlusion", options=Options(noise=6))


def test_probabilities_of_logits_are_their_sigmoid(linear, clip, start):
    (logit,), (probability,) = (
        of(linear, clip, start, "integrated-gradients", of=of_) for of_ in ("logits", "probabilities")
    )
    assert probability.output == pytest.approx(1 / (1 + np.exp(-logit.output)))
    assert (logit.of, probability.of) == ("logits", "probabilities")
    assert probability.converged
    # A monotonous function of a sum shares the sum out alike.
    np.testing.assert_allclose(
        probability.values / probability.values.sum(), logit.values / logit.values.sum(), atol=1e-4
    )


def test_logits_of_probabilities_add_up_too(linear, clip, start):
    class Sigmoid(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = linear

        def forward(self, clips):
            return self.inner(clips).sigmoid()

    (found,) = attribute(Sigmoid(), clip, INDEX, gives="probabilities", of="logits", baseline=start, checks=False)
    np.testing.assert_allclose(found.values, by_hand(linear, clip, start), atol=1e-5)


def test_padding_is_seen_by_the_network_and_no_part_of_the_attribution(linear, clip, start):
    (found,) = of(linear, clip, start, "integrated-gradients", n_real=7)
    assert found.values.shape == (7, 16)
    np.testing.assert_allclose(found.values, by_hand(linear, clip, start)[:7], atol=1e-6)
    padded = np.vstack([start[:7], clip[7:]])
    assert found.baseline_output == pytest.approx(
        float((linear.weights(INDEX) * padded).sum()) + float(linear.head.bias[INDEX].detach())
    )


def test_every_method_has_a_function_and_says_what_it_means():
    from flatline.diagnostics.attribution.table import FUNCTIONS

    assert list(FUNCTIONS) == [method.name for method in METHODS]
    assert all(method.says for method in METHODS)
