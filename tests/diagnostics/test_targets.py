import numpy as np
import pytest
import torch
from flatline.diagnostics.errors import ShapeError
from flatline.diagnostics.targets import RunningPrior, as_number, as_numpy, as_scores, counted_clips, multi_hot


def test_tensors_of_any_kind_become_arrays_without_history():
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.int64, torch.bool):
        tensor = torch.ones(2, 2, dtype=dtype)
        assert as_numpy(tensor).tolist() == [[1, 1], [1, 1]]
    assert as_numpy(torch.ones(2, requires_grad=True) * 2).tolist() == [2, 2]


def test_scores_are_a_float32_copy():
    given = torch.zeros(2, 3)
    scores = as_scores(given, "here")
    given.fill_(1)
    assert scores.dtype == np.float32
    assert not scores.any()


def test_scores_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"output has shape \(2, 3, 4\) \(here\); give \(clip, class\)"):
        as_scores(torch.zeros(2, 3, 4), "here")


def test_multi_hot_targets_count_from_a_half_up():
    target = torch.tensor([[1.0, 0.0, 0.7], [0.5, 0.3, 0.49]])
    assert multi_hot(target, 3, "here").tolist() == [[True, False, True], [True, False, False]]


def test_class_indices_become_multi_hot_and_ignored_ones_no_label():
    assert multi_hot(torch.tensor([2, 0, -100]), 3, "here").tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (np.zeros((2, 4)), r"target has 4 classes but the output has 3 \(here\); build both from the same class list"),
        (np.array([0, 3]), r"target holds class 3 but the output has 3 classes \(here\); build both"),
        (np.array([0, -1]), r"target holds class -1 but"),
        (np.array([0.0, 1.0]), r"one dimension and holds float64 \(here\); give class indices as integers"),
        (np.zeros((2, 5, 3)), r"target has shape \(2, 5, 3\) \(here\); give \(clip, class\) multi-hot"),
        (np.array(1), r"target has shape \(\) \(here\); give"),
    ],
)
def test_a_target_that_does_not_fit_is_refused(target, said):
    with pytest.raises(ShapeError, match=said):
        multi_hot(target, 3, "here")


def test_the_running_prior_is_the_share_of_clips_with_each_class():
    prior = RunningPrior()
    assert prior.value is None
    prior.see(np.array([[1, 0], [1, 1]], dtype=bool))
    prior.see(np.array([[0, 0]], dtype=bool))
    assert prior.value is not None
    assert prior.value.tolist() == pytest.approx([2 / 3, 1 / 3])
    prior.fixed = np.array([0.1, 0.2])
    assert prior.value.tolist() == [0.1, 0.2]


def test_a_loss_is_one_number():
    assert as_number(torch.tensor(2.0, requires_grad=True), "loss", "here") == 2
    assert as_number(torch.tensor([2.0]), "loss", "here") == as_number(2, "loss", "here") == 2
    assert np.isnan(as_number(None, "loss", "here"))
    with pytest.raises(ShapeError, match=r"loss has shape \(3,\) \(here\); pass one number"):
        as_number(torch.zeros(3), "loss", "here")


def test_of_class_indices_only_the_clips_that_are_not_ignored_count():
    target = torch.tensor([1] + [-100] * 7)
    hot = multi_hot(target, 3, "here")
    prior = RunningPrior()
    prior.see(hot, counted_clips(target, hot))
    assert prior.value is not None
    assert prior.value.tolist() == [0, 1, 0]


def test_a_multi_hot_clip_without_labels_counts():
    target = torch.zeros(8, 3)
    assert counted_clips(target, multi_hot(target, 3, "here")) == 8


def test_where_every_clip_was_ignored_there_is_no_prior_yet():
    prior = RunningPrior()
    prior.see(np.zeros((4, 3), dtype=bool), 0)
    assert prior.value is None
