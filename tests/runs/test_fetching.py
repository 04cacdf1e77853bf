import uuid

import pytest
from flatline.runs import fetching
from flatline.runs.fetching import local_file
from flatline.runs.remote_path import RemotePath


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FLATLINE_CACHE", str(tmp_path))
    return tmp_path / "fetched"


@pytest.fixture
def folder():
    return RemotePath(f"memory://{uuid.uuid4().hex}")


def test_a_file_of_this_disk_is_itself(tmp_path):
    assert local_file(tmp_path / "none") == tmp_path / "none"


def test_an_object_is_fetched_once_and_again_when_it_is_another(folder, monkeypatch):
    fetched = []
    get_file = folder.fs.get_file
    monkeypatch.setattr(folder.fs, "get_file", lambda *given: (fetched.append(given[0]), get_file(*given)))
    (folder / "a.parquet").write_bytes(b"one")
    assert [local_file(folder / "a.parquet").read_bytes() for _ in range(2)] == [b"one", b"one"]
    assert len(fetched) == 1
    assert local_file(folder / "a.parquet").suffix == ".parquet"
    (folder / "a.parquet").write_bytes(b"two")
    assert local_file(folder / "a.parquet").read_bytes() == b"two"


def test_what_is_not_there_is_not_found_and_leaves_nothing(folder, cache):
    (folder / "a").write_bytes(b"x")
    path = next(folder.iterdir())
    path.unlink()
    with pytest.raises(FileNotFoundError):
        local_file(path)
    assert [*cache.iterdir()] == []


def test_the_least_recently_used_make_room(folder, cache, monkeypatch):
    monkeypatch.setattr(fetching, "KEPT_BYTES", 30)
    monkeypatch.setattr(fetching, "LOOKED_AFTER", 1)
    for number in range(4):
        (folder / str(number)).write_bytes(b"%10d" % number)
    copies = [local_file(folder / str(number)) for number in range(2)]
    for age, copy in enumerate(copies):
        fetching.os.utime(copy, (1000 + age, 1000 + age))
    local_file(folder / "0")  # used now
    copies += [local_file(folder / str(number)) for number in (2, 3)]
    assert [copy.exists() for copy in copies] == [True, False, True, True]
    assert sum(path.stat().st_size for path in cache.iterdir()) == 30
