import shutil

import numpy as np
import pytest
import torch
from flatline.data import DataError
from flatline.runs.recipe import RecipeError
from flatline.runs.task import batch_order, prepare


@pytest.fixture
def broken_data(tiny_data, tmp_path):
    """The tiny data set with one training clip that is no audio and one that is gone."""
    root = shutil.copytree(tiny_data, tmp_path / "broken")
    first, second, *_ = sorted((root / "train_curated").iterdir())
    first.write_bytes(b"no audio")
    second.unlink()
    return root


def test_a_root_with_labelled_test_clips_is_evaluated_on_them(small_task):
    assert small_task.validation_kind == "test"
    assert (len(small_task.train), len(small_task.validation)) == (64, 16)
    assert not set(small_task.train) & set(small_task.validation)
    assert small_task.prior.shape == (80,)


def test_batches_are_padded_scaled_and_masked(small_task):
    batch = small_task.batch(small_task.train[:5])
    assert (batch.inputs.dtype, batch.target.dtype) == (torch.float32, torch.float32)
    assert batch.inputs.shape[:2] == batch.mask.shape
    assert batch.target.shape == (5, 80)
    assert (batch.target.sum(dim=1) >= 1).all()
    silence = batch.inputs[~batch.mask]
    assert 0 < len(silence) == (~batch.mask).sum()
    assert (silence == silence.flatten()[0]).all()


def test_every_validation_clip_comes_once_and_in_order(small_task):
    batches = list(small_task.validation_batches(size=7))
    assert [len(batch.indices) for batch in batches] == [7, 7, 2]
    assert np.concatenate([batch.indices for batch in batches]).tolist() == small_task.validation.tolist()


def test_an_epoch_holds_each_training_clip_at_most_once_in_an_order_of_its_own(small_task):
    order = batch_order(small_task, 24, seed=0)
    epochs = {}
    for _ in range(4):
        epoch, indices = next(order)
        epochs.setdefault(epoch, []).append(indices)
    assert [len(batches) for batches in epochs.values()] == [2, 2]
    flat = {epoch: np.concatenate(batches).tolist() for epoch, batches in epochs.items()}
    assert len(set(flat[0])) == 48
    assert flat[0] != flat[1]
    again = batch_order(small_task, 24, seed=0)
    assert next(again)[1].tolist() == flat[0][:24]
    assert next(batch_order(small_task, 24, seed=1))[1].tolist() != flat[0][:24]


def test_the_order_can_be_taken_up_anywhere_without_what_came_before(small_task):
    order = batch_order(small_task, 24, seed=3)
    drawn = [next(order) for _ in range(9)]
    for start in range(7):
        later = batch_order(small_task, 24, seed=3, start=start)
        for epoch, indices in drawn[start:]:
            taken = next(later)
            assert (taken[0], taken[1].tolist()) == (epoch, indices.tolist())


def test_the_fingerprint_goes_by_content_and_not_by_place(tiny_data, tmp_path, small_recipe, small_task):
    moved = shutil.copytree(tiny_data, tmp_path / "moved")
    assert prepare(small_recipe(), moved).fingerprint == small_task.fingerprint
    assert small_task.description()["fingerprint"] == small_task.fingerprint
    first, second, *_ = sorted((moved / "train_curated").iterdir())
    shutil.copy(first, second)
    changed = prepare(small_recipe(), moved).fingerprint
    assert changed != small_task.fingerprint
    assert prepare(small_recipe("story-plain", "data.fold=0"), moved).fingerprint != changed


def test_standardisation_is_fitted_on_training_clips_alone(tiny_data, small_recipe):
    task = prepare(small_recipe("story-plain", "data.scaling=standardise"), tiny_data)
    frames = torch.cat(
        [
            task.batch(task.train[i : i + 1]).inputs[0, : task.features.n_frames[task.place[index]]]
            for i, index in enumerate(task.train)
        ]
    )
    np.testing.assert_allclose(frames.mean(dim=0), 0, atol=1e-3)
    assert frames.std(dim=0).max() < 1.01
    assert task.description()["scaling"]["kind"] == "bin-standardisation"


def test_a_fold_holds_out_its_clips_of_the_curated_ones(tiny_data, small_recipe):
    held_out = []
    for fold in range(2):
        task = prepare(small_recipe("story-plain", f"data.fold={fold}", "data.n_folds=2"), tiny_data)
        assert task.validation_kind == "fold"
        assert not set(task.train) & set(task.validation)
        held_out += task.validation.tolist()
    assert len(set(held_out)) == len(held_out) == 64


def test_a_bad_clip_is_an_error_unless_it_is_to_be_skipped_and_counted(broken_data, small_recipe):
    with pytest.raises(DataError):
        prepare(small_recipe(), broken_data)
    task = prepare(small_recipe("story-plain", "data.skip_bad=true"), broken_data)
    assert (len(task.train), task.skipped) == (62, 2)
    assert task.description()["counts"] == {"train": 62, "validation": 16, "skipped": 2}
    assert (task.place[task.train] >= 0).all()
    assert torch.isfinite(task.batch(task.train).inputs).all()


def test_fewer_clips_than_a_batch_is_an_error_naming_both(tiny_data, small_recipe):
    with pytest.raises(
        RecipeError, match=r"has 64 usable training clips, fewer than the batch of 65; set batch_size lower"
    ):
        prepare(small_recipe("story-plain", "batch_size=65"), tiny_data)


def test_rows_of_clips_that_the_recipe_does_not_use_are_neither_counted_nor_in_the_way(
    tiny_data, tmp_path, small_recipe
):
    root = shutil.copytree(tiny_data, tmp_path / "noisy")
    (root / "train_noisy").mkdir(exist_ok=True)
    (root / "train_noisy.csv").write_text("fname,labels\ngone.wav,Bork\n", encoding="utf-8")
    assert prepare(small_recipe("story-plain", "data.noisy=false"), root).skipped == 0
    assert prepare(small_recipe("story-plain", "data.skip_bad=true"), root).skipped == 1
    with pytest.raises(DataError, match=r"train_noisy\.csv"):
        prepare(small_recipe("story-plain"), root)


def test_a_root_without_one_usable_validation_clip_is_refused(tiny_data, tmp_path, small_recipe):
    root = shutil.copytree(tiny_data, tmp_path / "mute")
    for clip in (root / "test").iterdir():
        clip.write_bytes(b"no audio")
    with pytest.raises(RecipeError, match="no usable clip to evaluate on; `flatline data check"):
        prepare(small_recipe("story-plain", "data.skip_bad=true"), root)


def drawn(task, batches, **settings):
    order = batch_order(task, 16, **settings)
    return [next(order) for _ in range(batches)]


def test_balanced_batches_hold_every_class_as_often_however_rare(small_task):
    labels = small_task.targets[small_task.train] > 0
    clips = np.concatenate([indices for _, indices in drawn(small_task, 2000, seed=0, sampling="class-balanced")])
    assert set(clips) <= set(small_task.train)
    by_clip = np.bincount(np.searchsorted(small_task.train, clips), minlength=len(small_task.train)) / len(clips)
    n_of_class = labels.sum(axis=0)
    there = n_of_class > 0
    assert there.sum() < len(there)  # some classes have no clip here, and are left out
    wanted = (labels[:, there] / n_of_class[there]).sum(axis=1) / there.sum()
    np.testing.assert_allclose(by_clip, wanted, atol=0.003)
    assert wanted.max() > 1.5 * wanted.min()
    held = small_task.targets[clips].mean(axis=0)
    np.testing.assert_allclose(held, small_task.sampled_prior("class-balanced"), atol=0.005)
    assert abs(held - small_task.prior).max() > 0.005
    np.testing.assert_array_equal(small_task.sampled_prior("shuffled"), small_task.prior)


def test_a_balanced_order_can_be_taken_up_anywhere_and_depends_on_the_seed(small_task):
    whole = drawn(small_task, 9, seed=3, sampling="class-balanced")
    assert [epoch for epoch, _ in whole] == [0, 0, 0, 0, 1, 1, 1, 1, 2]
    for start in range(9):
        (epoch, indices), *_ = drawn(small_task, 1, seed=3, start=start, sampling="class-balanced")
        assert (epoch, indices.tolist()) == (whole[start][0], whole[start][1].tolist())
    other = drawn(small_task, 1, seed=4, sampling="class-balanced")
    assert other[0][1].tolist() != whole[0][1].tolist()
    assert whole[0][1].tolist() != whole[4][1].tolist()
