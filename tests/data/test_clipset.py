import numpy as np
import pytest
from flatline.data import DataError, load_dataset


@pytest.fixture
def clipset(kaggle):
    return load_dataset(kaggle(curated={"a.wav": "Bark,Meow", "b.wav": "Meow"}, noisy={"c.wav": "Bark"}))


def test_targets_are_multi_hot_in_the_order_of_the_classes(clipset):
    assert clipset.classes == ("Bark", "Meow")
    np.testing.assert_array_equal(clipset.targets(), [[1, 1], [0, 1], [1, 0]])
    assert clipset.targets().dtype == np.float32


def test_targets_of_some_clips_come_in_the_order_asked_for(clipset):
    np.testing.assert_array_equal(clipset.targets([2, 0]), [[1, 0], [1, 1]])


def test_split_gives_the_indices_of_one_or_several_splits(clipset):
    assert clipset.split("noisy").tolist() == [2]
    assert clipset.split("noisy", "curated").tolist() == [0, 1, 2]
    assert clipset.split("test").tolist() == []


def test_an_unknown_split_is_an_error_that_lists_the_known(clipset):
    with pytest.raises(DataError, match=r"'train'.*ClipSet\.split.*use curated, noisy, test"):
        clipset.split("train")


def test_a_set_without_test_clips_has_no_labelled_test(clipset):
    assert not clipset.has_labelled_test
