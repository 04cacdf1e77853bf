from pathlib import Path
from types import SimpleNamespace

import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs.places import absolute, is_file, is_remote, place


def test_a_path_stays_a_path():
    for given in ("logs/mine", Path("logs/mine"), "a:/b", "file:///logs/mine"):
        assert isinstance(place(given), Path)
        assert not is_remote(place(given))
    assert place("file:///logs/mine") == Path("/logs/mine")


def test_an_address_is_one_whatever_its_protocol():
    for given in ("s3://bucket/logs", "memory://logs", "gs://bucket/logs/"):
        assert is_remote(place(given))
        assert str(place(given)) == given.rstrip("/")
        assert absolute(place(given)) is place(place(given)) or str(absolute(place(given))) == given.rstrip("/")


def test_an_address_that_went_through_pathlib_is_not_made_a_folder(tmp_path, monkeypatch):
    with pytest.raises(RunError, match="s3:/bucket/logs lost a slash on its way through Path; give an address"):
        place(Path("s3://bucket/logs"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:").mkdir()
    assert place(Path("s3:/bucket")) == Path("s3:/bucket")


def test_an_address_with_its_own_file_system_keeps_it():
    class Given(SimpleNamespace):
        def __str__(self):
            return "s3://bucket/logs"

    fs = object()
    path = place(Given(storage_options={}, fs=fs))
    assert str(path / "mine") == "s3://bucket/logs/mine"
    assert (path / "mine").fs is fs


def test_a_name_that_is_too_long_for_a_file_is_no_file(tmp_path):
    assert not is_file(tmp_path / ("x" * 5000))
