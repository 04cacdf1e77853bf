import numpy as np
import pytest
from flatline.data import DataError, k_fold


def random_targets(seed, n_clips=600, n_classes=40):
    """A few common and many rare labels, 1 to 3 a clip."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, n_classes + 1)
    targets = np.zeros((n_clips, n_classes), dtype=np.float32)
    for row in targets:
        row[rng.choice(n_classes, size=rng.integers(1, 4), replace=False, p=share / share.sum())] = 1
    return targets


def imbalance(targets, folds, n_folds):
    """Mean distance of a label's count in a fold from its fair share, as a share of that."""
    counts = np.stack([targets[folds == fold].sum(0) for fold in range(n_folds)])
    fair = targets.sum(0) / n_folds
    return np.mean(np.abs(counts - fair) / fair)


@pytest.mark.parametrize("seed", range(3))
def test_folds_are_better_balanced_than_random_ones(seed):
    targets = random_targets(seed)
    shuffled = np.random.default_rng(seed).permutation(np.arange(len(targets)) % 5)
    assert imbalance(targets, k_fold(targets, 5, seed), 5) < imbalance(targets, shuffled, 5) / 2


def test_folds_are_of_nearly_equal_size():
    sizes = np.bincount(k_fold(random_targets(0), 5, 0), minlength=5)
    assert sizes.sum() == 600
    assert np.abs(sizes - 120).max() <= 12


def test_every_label_with_enough_clips_is_in_every_fold():
    targets = random_targets(1)
    folds = k_fold(targets, 5, 1)
    frequent = targets.sum(0) >= 10
    assert all(targets[folds == fold][:, frequent].any(0).all() for fold in range(5))


def test_a_seed_gives_the_same_folds_and_another_seed_others():
    targets = random_targets(2)
    assert k_fold(targets, 5, 7).tolist() == k_fold(targets, 5, 7).tolist()
    assert k_fold(targets, 5, 7).tolist() != k_fold(targets, 5, 8).tolist()


def test_clips_without_labels_fill_up_the_folds():
    assert np.bincount(k_fold(np.zeros((10, 3)), 5, 0)).tolist() == [2] * 5


@pytest.mark.parametrize("n_folds", [1, 5])
def test_impossible_folds_are_an_error(n_folds):
    with pytest.raises(DataError, match=rf"4 clips cannot be dealt into {n_folds} folds \(data\.n_folds\); use 2 to 4"):
        k_fold(np.ones((4, 2)), n_folds, 0)
