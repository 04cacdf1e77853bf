import numpy as np
import pytest
from flatline.data import DataError, load_dataset, seed_split, training_split


def clips(prefix, n):
    return {f"{prefix}{i}.wav": ("Bark", "Meow", "Bark,Meow")[i % 3] for i in range(n)}


def test_the_seeds_split_holds_out_a_third_and_loses_nobody():
    train, validation = seed_split(100, seed=3)
    assert (len(train), len(validation)) == (67, 33)
    assert sorted([*train, *validation]) == list(range(100))


def test_the_seeds_split_is_random_and_repeats_for_a_seed():
    assert seed_split(100, seed=3)[1].tolist() == seed_split(100, seed=3)[1].tolist()
    assert seed_split(100, seed=3)[1].tolist() != seed_split(100, seed=4)[1].tolist()
    assert seed_split(100, seed=3)[1].tolist() != list(range(67, 100))


@pytest.mark.parametrize(("n", "fraction"), [(1, 0.33), (0, 0.33), (10, 0.0), (10, 1.0)])
def test_a_split_with_an_empty_side_is_an_error(n, fraction):
    with pytest.raises(DataError, match=rf"{n} clips cannot be split .* {fraction}; use"):
        seed_split(n, 0, fraction)


def test_a_labelled_test_split_is_what_is_evaluated_on(kaggle):
    clipset = load_dataset(kaggle(curated=clips("a", 4), noisy=clips("b", 3), test=clips("c", 2)))
    split = training_split(clipset, seed=0)
    assert (split.kind, split.train.tolist(), split.validation.tolist()) == ("test", [0, 1, 2, 3, 4, 5, 6], [7, 8])
    assert training_split(clipset, noisy=False, seed=0).train.tolist() == [0, 1, 2, 3]


def test_without_a_labelled_test_split_the_seeds_third_is_held_out(kaggle):
    root = kaggle(curated=clips("a", 6), noisy=clips("b", 3), test=clips("c", 2))
    (root / "test.csv").unlink()
    split = training_split(load_dataset(root), seed=0)
    assert (split.kind, len(split.train), len(split.validation)) == ("seed", 6, 3)
    assert sorted([*split.train, *split.validation]) == list(range(9))


def test_folds_hold_out_curated_clips_and_keep_the_noisy_in_training(kaggle):
    clipset = load_dataset(kaggle(curated=clips("a", 9), noisy=clips("b", 3)))
    folds = [training_split(clipset, seed=0, fold=fold, n_folds=3) for fold in range(3)]
    assert sorted(np.concatenate([split.validation for split in folds])) == list(range(9))
    for split in folds:
        assert split.kind == "fold"
        assert set(split.train) == set(range(12)) - set(split.validation)


def test_noisy_clips_alone_are_folded_themselves(kaggle):
    split = training_split(load_dataset(kaggle(noisy=clips("b", 6))), seed=0, fold=1, n_folds=3)
    assert (len(split.train), len(split.validation)) == (4, 2)


def test_no_clip_to_train_on_is_an_error(kaggle):
    clipset = load_dataset(kaggle(curated=clips("a", 4)))
    with pytest.raises(
        DataError, match=r"has no noisy clips \(data\.curated, data\.noisy\); set another of the two to true"
    ):
        training_split(clipset, curated=False, seed=0)
    with pytest.raises(DataError, match="is to be trained on without any clips"):
        training_split(clipset, curated=False, noisy=False, seed=0)


def test_a_fold_that_does_not_exist_is_an_error(kaggle):
    clipset = load_dataset(kaggle(curated=clips("a", 9)))
    with pytest.raises(DataError, match=r"fold 3 is not one of 3 \(training_split\); use 0 to 2"):
        training_split(clipset, seed=0, fold=3, n_folds=3)
