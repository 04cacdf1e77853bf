import json
import os
import subprocess
import sys
import time
import uuid

import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs import store_lock
from flatline.runs.locking import FolderLock
from flatline.runs.remote_path import RemotePath
from flatline.runs.store import StoreError
from flatline.runs.store_lock import STALE_S, StoreLock, is_locked, lock_of


@pytest.fixture
def folder():
    return RemotePath(f"memory://{uuid.uuid4().hex}/mine")


def held_by(folder, **changed):
    """The lock as another writer put it."""
    lock = StoreLock(folder)
    held = json.loads((folder / ".lock").read_bytes())
    (folder / ".lock").write_bytes(json.dumps({**held, "token": "another", **changed}).encode())
    return lock


def test_it_is_held_until_it_is_let_go(folder):
    assert not is_locked(folder)
    lock = StoreLock(folder)
    assert is_locked(folder)
    with pytest.raises(RunError, match=rf"{folder} is being written by process {os.getpid()} on .*, heard of 0 s ago"):
        StoreLock(folder)
    lock.close()
    lock.close()
    assert not is_locked(folder)
    StoreLock(folder).close()


def test_one_that_was_not_renewed_is_taken_over_and_its_holder_told(folder, monkeypatch):
    first = held_by(folder, machine="another", time=time.time() - STALE_S)
    assert not is_locked(folder)
    second = StoreLock(folder)
    monkeypatch.setattr(store_lock, "RENEWED_S", 0.0)
    with pytest.raises(FileExistsError):
        first.renew()
    first.close()
    assert is_locked(folder)  # what is not its own it leaves
    second.renew()


def test_one_on_another_machine_counts_while_it_is_fresh(folder):
    held_by(folder, machine="another", process="process 1 on elsewhere", time=time.time() - STALE_S / 2)
    with pytest.raises(RunError, match="by process 1 on elsewhere, heard of 30 s ago"):
        StoreLock(folder)


def test_that_of_a_process_of_this_machine_that_died_does_not_count(folder):
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    held_by(folder, process=f"process {int(dead.stdout)} on {os.uname().nodename}")
    assert not is_locked(folder)
    StoreLock(folder).close()


def test_renewing_is_what_keeps_it_fresh(folder, monkeypatch):
    lock = StoreLock(folder)
    now = time.time
    monkeypatch.setattr(store_lock.time, "time", lambda: now() + STALE_S)
    assert not is_locked(folder)
    lock.renew()  # not due yet
    assert not is_locked(folder)
    monkeypatch.setattr(store_lock, "RENEWED_S", 0.0)
    lock.renew()
    assert is_locked(folder)


def test_its_holder_is_told_that_the_run_is_gone(folder):
    lock = StoreLock(folder)
    (folder / ".lock").unlink()
    with pytest.raises(FileNotFoundError, match="the run is gone"):
        lock.check()


def test_of_two_that_ask_at_once_one_gets_it_where_the_store_puts_exclusively(folder, monkeypatch):
    create = RemotePath.create

    def late(path, content):
        monkeypatch.setattr(RemotePath, "create", create)
        StoreLock(folder)  # another, between the look and the put
        create(path, content)

    monkeypatch.setattr(RemotePath, "create", late)
    with pytest.raises(RunError, match="is being written by"):
        StoreLock(folder)


def test_a_store_without_exclusive_puts_is_written_all_the_same(folder, monkeypatch):
    def create(path, content):
        raise StoreError("not implemented")

    monkeypatch.setattr(RemotePath, "create", create)
    lock = StoreLock(folder)
    with pytest.raises(RunError, match="is being written by"):
        StoreLock(folder)
    lock.close()


def test_a_folder_has_its_own_lock(tmp_path):
    lock = lock_of(tmp_path)
    assert isinstance(lock, FolderLock)
    assert is_locked(tmp_path)
    lock.close()
