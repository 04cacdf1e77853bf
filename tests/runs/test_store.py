import importlib
import sys

import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs.store import StoreError, asking, filesystem


def test_without_the_package_of_a_store_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(importlib.import_module("fsspec.registry")._registry, "s3", raising=False)
    with pytest.raises(RunError, match=r"s3://bucket/logs needs a package .*pip install 'flatline\[remote\]'"):
        filesystem("s3://bucket/logs")


def test_without_fsspec_too(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(RunError, match=r"s3://bucket/logs needs fsspec, .*pip install 'flatline\[remote\]'"):
        filesystem("s3://bucket/logs")


def test_whatever_a_store_raises_is_an_error_of_a_disk_and_of_a_run_and_names_the_address():
    with (
        pytest.raises(StoreError, match=r"s3://x cannot be used \('the network fell over'\)") as caught,
        asking("s3://x"),
    ):
        raise KeyError("the network fell over")
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value, RunError)


def test_what_is_not_there_stays_that_unless_something_was_to_be_put():
    with pytest.raises(FileNotFoundError) as caught, asking("s3://x"):
        raise FileNotFoundError("y")
    assert not isinstance(caught.value, StoreError)
    with pytest.raises(StoreError, match="no such bucket"), asking("s3://x", missing=False):
        raise FileNotFoundError("no such bucket")
