import math

import numpy as np
import pytest
import torch
from flatline.diagnostics.errors import AttachError, ShapeError
from flatline.diagnostics.signals.weighting import (
    KINDS,
    check_kinds,
    joined,
    map_weights,
    mean_map,
    where_it_looks,
)

LENGTHS = [6, 3, 1]
MASK = np.arange(6)[None, :] < np.array(LENGTHS)[:, None]


def scores() -> torch.Tensor:
    return torch.randn(3, 6, 4)


def by_hand(values: list[list[float]], kind: str) -> list[list[float]]:
    """Weights of one clip's real frames, number by number."""
    out = []
    for row in values:
        out.append([])
        for label, value in enumerate(row):
            if kind == "sigmoid":
                weight = 1 / (1 + math.exp(-value))
            elif kind == "softmax-class":
                weight = math.exp(value) / sum(math.exp(other) for other in row)
            elif kind == "softmax-time":
                weight = math.exp(value) / sum(math.exp(other[label]) for other in values)
            else:
                weight = value
            out[-1].append(weight)
    return out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("masked", [True, False])
def test_each_kind_gives_its_weights_and_zero_on_padding(kind, masked):
    given = scores()
    weights, real = map_weights(given, kind, torch.from_numpy(MASK) if masked else None)
    assert (real is not None) == masked
    for clip, length in enumerate(LENGTHS if masked else [6, 6, 6]):
        expected = by_hand(given[clip, :length].tolist(), kind)
        np.testing.assert_allclose(weights[clip, :length].numpy(), expected, atol=1e-6)
        assert (weights[clip, length:] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_junk_on_padding_changes_no_weight(kind):
    given = scores()
    junk = torch.where(torch.from_numpy(MASK).unsqueeze(-1), given, float("nan"))
    assert torch.equal(
        map_weights(junk, kind, torch.from_numpy(MASK))[0], map_weights(given, kind, torch.from_numpy(MASK))[0]
    )


def test_where_frames_were_pooled_one_is_real_if_any_that_it_covers_is():
    mask = np.arange(8)[None, :] < np.array([8, 5, 4])[:, None]
    _, real = map_weights(torch.zeros(3, 4, 2), "sigmoid", torch.from_numpy(mask))
    assert real is not None
    assert real.squeeze(-1).sum(dim=1).tolist() == [4, 3, 2]


def test_a_mask_of_other_clips_is_refused_and_not_left_out():
    with pytest.raises(ShapeError, match=r"mask has shape \(2, 6\) but the attention map has 3 clips .*pass the same"):
        map_weights(scores(), "sigmoid", torch.from_numpy(MASK[:2]))
    with pytest.raises(ShapeError, match=r"mask has shape \(3,\)"):
        map_weights(scores(), "sigmoid", torch.from_numpy(MASK[:, 0]))


def test_the_mean_map_is_over_the_clips_for_which_a_frame_is_real():
    weights, real = map_weights(scores(), "sigmoid", torch.from_numpy(MASK))
    mean = mean_map(weights, real)
    for frame in range(6):
        rows = [weights[clip, frame] for clip, length in enumerate(LENGTHS) if frame < length]
        assert torch.allclose(mean[frame], torch.stack(rows).mean(dim=0), atol=1e-6)


def test_a_frame_that_is_padding_in_every_clip_is_nan_and_not_zero():
    weights, real = map_weights(scores()[1:], "sigmoid", torch.from_numpy(MASK[1:]))
    mean = mean_map(weights, real)
    assert torch.isnan(mean[3:]).all()
    assert torch.isfinite(mean[:3]).all()


def test_entropy_and_peak_equal_a_slow_loop_over_real_frames():
    weights, real = map_weights(scores(), "sigmoid", torch.from_numpy(MASK))
    entropy, peak, _ = where_it_looks(weights, real)
    for label in range(4):
        entropies, peaks = [], []
        for clip, length in enumerate(LENGTHS):
            values = weights[clip, :length, label].tolist()
            shares = [value / sum(values) for value in values]
            peaks.append(max(shares))
            if length > 1:
                entropies.append(-sum(share * math.log(share) for share in shares) / math.log(length))
        assert entropy[label] == pytest.approx(sum(entropies) / len(entropies), abs=1e-5)
        assert peak[label] == pytest.approx(sum(peaks) / len(peaks), abs=1e-5)


def test_even_weights_have_entropy_one_and_a_single_frame_has_none():
    even, single = torch.ones(1, 5, 1), torch.zeros(1, 5, 1)
    single[0, 2] = 1
    entropy, peak, _ = where_it_looks(torch.cat([even, single], dim=2), None)
    assert entropy.tolist() == pytest.approx([1, 0], abs=1e-6)
    assert peak.tolist() == pytest.approx([0.2, 1])


def test_what_has_no_entropy_is_nan_and_not_zero():
    nothing = where_it_looks(torch.zeros(2, 5, 1), None)
    assert torch.isnan(nothing[:2]).all()
    negative = torch.tensor([3.0, -1.0, 1.0]).reshape(1, 3, 1)  # not weights at all
    assert torch.isnan(where_it_looks(negative, None)[0]).all()
    one_frame = where_it_looks(torch.ones(2, 1, 1), None)
    assert torch.isnan(one_frame[0]).all()
    assert one_frame[1].tolist() == [1]


def test_batches_of_other_lengths_are_joined_with_padding():
    short, long = torch.rand(2, 3, 4), torch.rand(1, 5, 4)
    weights, real = joined([(short, None), (long, None)])
    assert weights.shape == (3, 5, 4)
    assert real is not None
    assert real.squeeze(-1).tolist() == [[True] * 3 + [False] * 2] * 2 + [[True] * 5]
    assert torch.allclose(mean_map(weights, real)[4], long[0, 4])
    same, none = joined([(short, None), (short, None)])
    assert none is None
    assert torch.equal(same, torch.cat([short, short]))


def test_a_path_or_kind_that_is_not_known_is_refused_with_those_that_are():
    with pytest.raises(AttachError, match=r"attention names 'b', .* \(Recorder\); its modules: a, c"):
        check_kinds({"b": "sigmoid"}, {"", "a", "c"})
    with pytest.raises(AttachError, match=r"kind 'tanh' of 'a' is not known \(Recorder\); known: weights, sigmoid"):
        check_kinds({"a": "tanh"}, {"a"})
