import datetime
import os
import uuid

import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs.remote_path import RemotePath, changed_at, mark_of


@pytest.fixture
def folder():
    """A folder in a store of this process."""
    path = RemotePath(f"memory://{uuid.uuid4().hex}")
    (path / "a.txt").write_bytes(b"one")
    (path / "below/b.txt").write_bytes(b"two")
    return path


def test_its_parts_are_those_of_a_path():
    path = RemotePath("s3://bucket/logs/000000350.safetensors")
    assert (path.name, path.stem, str(path.parent)) == ("000000350.safetensors", "000000350", "s3://bucket/logs")
    assert str(path.with_suffix(".pt")) == "s3://bucket/logs/000000350.pt"
    assert str(path.with_name("x")) == "s3://bucket/logs/x"
    assert str(RemotePath("s3://bucket/").parent) == "s3://bucket"
    assert RemotePath("s3://bucket/a/") == RemotePath("s3://bucket") / "a"
    assert len({path, RemotePath(str(path))}) == 1
    assert sorted([path / "b", path / "a"]) == [path / "a", path / "b"]


def test_it_lists_and_reads(folder):
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt", "below"]
    assert [path.name for path in folder.glob("*.txt")] == ["a.txt"]
    assert (folder.is_dir(), folder.is_file(), folder.exists()) == (True, False, True)
    assert ((folder / "a.txt").is_dir(), (folder / "a.txt").is_file()) == (False, True)
    assert not (folder / "none").exists()
    assert [*(folder / "none").iterdir()] == []
    assert sorted(folder.objects()) == ["a.txt", "below/b.txt"]
    assert (folder / "none").objects() == {}
    assert (folder / "below" / "b.txt").read_text() == "two"
    with pytest.raises(FileNotFoundError):
        (folder / "none").read_bytes()
    assert next(folder.glob("below")).is_dir()


def test_an_object_is_put_once_or_again(folder):
    with pytest.raises(FileExistsError):
        (folder / "a.txt").create(b"three")
    assert (folder / "a.txt").read_bytes() == b"one"
    before = (folder / "a.txt").mark()
    (folder / "a.txt").write_bytes(b"four")
    assert (folder / "a.txt").mark() != before
    (folder / "a.txt").unlink()
    (folder / "a.txt").unlink()
    with pytest.raises(FileNotFoundError):
        (folder / "a.txt").unlink(missing_ok=False)


def test_what_needs_a_disk_is_refused_in_words(folder):
    for use in (os.listdir, open, lambda path: path.rename("x"), lambda path: path.open(), lambda path: path.stat()):
        with pytest.raises(RunError, match=r"in a store, where this cannot be done .*copy the run to a folder first"):
            use(folder)
    assert not hasattr(folder, "append")  # it is no sink of rows


def test_stores_name_the_time_of_writing_in_their_own_ways():
    time = datetime.datetime(2024, 5, 6, tzinfo=datetime.UTC)
    for entry in (
        {"LastModified": time},
        {"mtime": time.timestamp()},
        {"updated": time.isoformat()},
        {"created": time.replace(tzinfo=None)},
    ):
        assert changed_at(entry) == time
    assert changed_at({"updated": "in May"}) is None
    assert changed_at({}) is None
    assert mark_of({"size": 3, "ETag": '"x"'}) != mark_of({"size": 3, "ETag": '"y"'})
