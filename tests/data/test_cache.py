import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from flatline.data import PRESETS, DataError, extract, log_mel, read_clip
from flatline.data import cache as cache_module
from flatline.data.cache import cache_root

SETTINGS = PRESETS["story-8k"]


@pytest.fixture
def paths(wav):
    return [wav(f"clips/{i}.wav", seconds=0.3 + 0.1 * i, channels=1 + i % 2) for i in range(6)]


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def assert_right(features, paths):
    for index, path in enumerate(paths):
        expected = log_mel(read_clip(path, 8000).samples, SETTINGS)
        np.testing.assert_array_equal(features[index], expected)
        assert features.n_frames[index] == len(expected)


def test_features_are_the_log_mels_of_the_clips_in_their_order(paths, cache):
    features = extract(paths, SETTINGS, cache_dir=cache)
    assert (len(features), features.n_extracted, features.n_cached, features.bad) == (6, 6, 0, ())
    assert_right(features, paths)
    assert not features[0].flags.writeable
    assert [len(mel) for mel in features[1:3]] == features.n_frames[1:3].tolist()


def test_the_second_call_extracts_nothing(paths, cache, monkeypatch):
    extract(paths, SETTINGS, cache_dir=cache)
    monkeypatch.setattr(cache_module, "log_mel", lambda *_: pytest.fail("extracted again"))
    features = extract(paths, SETTINGS, cache_dir=cache)
    assert (features.n_extracted, features.n_cached) == (0, 6)
    monkeypatch.undo()
    assert_right(features, paths)


def test_changed_content_is_extracted_again(paths, cache, wav):
    extract(paths, SETTINGS, cache_dir=cache)
    paths[2].write_bytes(wav("other.wav", seconds=0.5).read_bytes())
    features = extract(paths, SETTINGS, cache_dir=cache)
    assert (features.n_extracted, features.n_cached) == (1, 5)
    assert_right(features, paths)


def test_a_renamed_or_copied_clip_is_found_again(paths, cache, tmp_path):
    extract(paths, SETTINGS, cache_dir=cache)
    moved = paths[0].rename(tmp_path / "moved.wav")
    copy = tmp_path / "copy.wav"
    copy.write_bytes(paths[1].read_bytes())
    features = extract([moved, copy], SETTINGS, cache_dir=cache)
    assert (features.n_extracted, features.n_cached) == (0, 2)
    assert_right(features, [moved, copy])


def test_other_settings_have_their_own_frames(paths, cache):
    extract(paths, SETTINGS, cache_dir=cache)
    other = extract(paths, PRESETS["story-16k"], cache_dir=cache)
    assert other.n_extracted == 6
    assert_right(extract(paths, SETTINGS, cache_dir=cache), paths)


@pytest.mark.parametrize("suffix", ["f32", "json"])
def test_a_corrupt_shard_is_extracted_again(paths, cache, suffix):
    extract(paths, SETTINGS, cache_dir=cache)
    for path in cache.glob(f"*/*.{suffix}"):
        path.write_bytes(b"garbage")
    features = extract(paths, SETTINGS, cache_dir=cache)
    assert features.n_extracted == 6
    assert_right(features, paths)
    assert extract(paths, SETTINGS, cache_dir=cache).n_extracted == 0


def test_threads_give_what_one_gives(paths, tmp_path):
    one = extract(paths, SETTINGS, cache_dir=tmp_path / "one", workers=1)
    many = extract(paths, SETTINGS, cache_dir=tmp_path / "many", workers=4)
    for index in range(len(paths)):
        np.testing.assert_array_equal(one[index], many[index])


def test_several_shards_and_several_queues_keep_every_clip(paths, cache, monkeypatch):
    monkeypatch.setattr(cache_module, "SHARD_BYTES", 1500)
    monkeypatch.setattr(cache_module, "AHEAD", 2)
    assert_right(extract(paths, SETTINGS, cache_dir=cache, workers=2), paths)
    assert len(list(cache.glob("*/*.f32"))) > 1
    assert_right(extract(paths, SETTINGS, cache_dir=cache), paths)


def test_the_same_content_twice_is_extracted_once(paths, cache, monkeypatch):
    calls = []
    monkeypatch.setattr(cache_module, "log_mel", lambda *a: calls.append(1) or log_mel(*a))
    features = extract([paths[0], paths[0], paths[1]], SETTINGS, cache_dir=cache, workers=1)
    assert len(calls) == 2
    assert_right(features, [paths[0], paths[0], paths[1]])


def test_two_processes_may_fill_one_cache_at_once(paths, cache):
    code = "import sys; from flatline.data import *; extract(sys.argv[2:], PRESETS['story-8k'], cache_dir=sys.argv[1])"
    command = [sys.executable, "-c", code, str(cache), *map(str, paths)]
    processes = [subprocess.Popen(command) for _ in "ab"]
    assert [process.wait() for process in processes] == [0, 0]
    features = extract(paths, SETTINGS, cache_dir=cache)
    assert features.n_extracted == 0
    assert_right(features, paths)


def test_progress_counts_up_to_all_clips_in_the_calling_thread(paths, cache):
    extract(paths[:2], SETTINGS, cache_dir=cache)
    seen = []
    extract(
        paths, SETTINGS, cache_dir=cache, progress=lambda *counts: seen.append((threading.current_thread(), *counts))
    )
    assert seen == [(threading.current_thread(), done, 6) for done in (3, 4, 5, 6)]


@pytest.fixture
def with_bad(paths):
    paths[1].write_bytes(b"not audio")
    paths[4].unlink()
    return paths


def test_bad_clips_are_one_error_that_names_them_after_the_others_are_stored(with_bad, cache):
    with pytest.raises(DataError) as caught:
        extract(with_bad, SETTINGS, cache_dir=cache)
    message = str(caught.value)
    assert message.startswith("2 clips cannot be used")
    assert "1.wav: is not audio" in message
    assert "4.wav: does not exist" in message
    assert "`flatline data check ROOT`" in message
    assert "`--set data.skip_bad=true`" in message
    assert extract([p for i, p in enumerate(with_bad) if i not in (1, 4)], SETTINGS, cache_dir=cache).n_extracted == 0


def test_bad_clips_can_be_skipped_and_are_listed(with_bad, cache):
    features = extract(with_bad, SETTINGS, cache_dir=cache, on_bad="skip")
    assert [(index, problem.file) for index, problem in features.bad] == [(1, with_bad[1]), (4, with_bad[4])]
    assert features.n_frames[[1, 4]].tolist() == [0, 0]
    assert features[1].shape == (0, 32)
    assert (features.n_extracted, features.n_cached) == (4, 0)
    assert np.flatnonzero(features.n_frames).tolist() == [0, 2, 3, 5]


def test_a_cache_folder_that_cannot_be_written_is_one_clear_error_before_the_work(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "log_mel", lambda *_: pytest.fail("worked in vain"))
    (tmp_path / "cache").write_text("a file in the way")
    with pytest.raises(
        DataError, match=r"features cannot be kept in .*cache.* \(.+\); name a folder .* FLATLINE_CACHE"
    ):
        extract(paths, SETTINGS, cache_dir=tmp_path / "cache")


def test_a_cache_folder_without_permission_is_told_before_the_work(paths, cache, monkeypatch):
    def refuse(path, content):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(cache_module, "write_atomically", refuse)
    monkeypatch.setattr(cache_module, "log_mel", lambda *_: pytest.fail("worked in vain"))
    with pytest.raises(DataError, match=r"features cannot be kept in .* \(Permission denied\); name a folder"):
        extract(paths, SETTINGS, cache_dir=cache, workers=1)


def test_the_cache_folder_is_the_named_one_then_the_environments_then_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("FLATLINE_CACHE", str(tmp_path / "environment"))
    assert cache_root(tmp_path) == tmp_path
    assert cache_root() == tmp_path / "environment"
    monkeypatch.delenv("FLATLINE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "flatline" in str(cache_root())
    assert cache_root("~/x") == Path.home() / "x"


def test_nothing_to_extract_is_no_error(cache):
    features = extract([], SETTINGS, cache_dir=cache)
    assert (len(features), features.n_extracted) == (0, 0)
