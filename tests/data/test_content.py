import os
import time

import pytest
from flatline.data import content
from flatline.data.content import content_hash, content_hashes


@pytest.fixture
def files(tmp_path):
    """Two files that have not changed for an hour."""
    paths = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for path in paths:
        path.write_bytes(path.name.encode() * 100)
        os.utime(path, (time.time() - 3600,) * 2)
    return paths


@pytest.fixture
def read(monkeypatch):
    """The files that were read to be hashed."""
    seen = []
    monkeypatch.setattr(content, "content_hash", lambda path: seen.append(path.name) or content_hash(path))
    return seen


def test_a_hash_is_that_of_the_bytes(files, tmp_path):
    copy = tmp_path / "c.wav"
    copy.write_bytes(files[0].read_bytes())
    first, second, third = content_hashes([*files, copy], tmp_path / "memo", 1)
    assert first == third != second


def test_an_unchanged_file_is_not_read_again(files, tmp_path, read):
    first = content_hashes(files, tmp_path / "memo", 1)
    assert read == ["a.wav", "b.wav"]
    assert content_hashes(files, tmp_path / "memo", 1) == first
    assert read == ["a.wav", "b.wav"]


def test_a_changed_file_is_read_again(files, tmp_path, read):
    before = content_hashes(files, tmp_path / "memo", 1)
    files[0].write_bytes(b"B" * 500)
    after = content_hashes(files, tmp_path / "memo", 1)
    assert read == ["a.wav", "b.wav", "a.wav"]
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_a_file_written_a_moment_ago_is_not_remembered(files, tmp_path, read):
    os.utime(files[0])
    content_hashes(files, tmp_path / "memo", 1)
    content_hashes(files, tmp_path / "memo", 1)
    assert read == ["a.wav", "b.wav", "a.wav"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"a.wav": 3}', b'{"a.wav": [1, 2]}', b"\xff\xfe"])
def test_a_damaged_memo_only_costs_the_time(files, tmp_path, damage):
    first = content_hashes(files, tmp_path / "memo", 1)
    (memo,) = (tmp_path / "memo").iterdir()
    memo.write_bytes(damage)
    assert content_hashes(files, tmp_path / "memo", 1) == first


def test_a_memo_that_cannot_be_written_only_costs_the_time(files, tmp_path):
    (tmp_path / "memo").touch()
    assert None not in content_hashes(files, tmp_path / "memo", 1)


def test_a_file_that_cannot_be_read_has_no_hash(files, tmp_path):
    assert content_hashes([tmp_path / "gone.wav"], tmp_path / "memo", 1) == [None]
