import errno
import os
import platform
import subprocess
import sys

import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs import locking
from flatline.runs.locking import FolderLock, is_locked

HOLD = """
import sys, pathlib
from flatline.runs.locking import FolderLock
lock = FolderLock(pathlib.Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def without_locks(monkeypatch):
    def flock(file, kind):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locking.fcntl, "flock", flock)


def test_a_second_writer_is_refused_naming_the_firsts_process(tmp_path, holder):
    with pytest.raises(RunError, match=f"is being written by process {holder.pid} on .*; choose another folder"):
        FolderLock(tmp_path)
    assert is_locked(tmp_path)


def test_the_lock_of_a_killed_process_is_free(tmp_path, holder):
    holder.kill()
    holder.wait()
    assert not is_locked(tmp_path)
    FolderLock(tmp_path).close()


def test_the_same_process_cannot_take_it_twice_until_it_is_let_go(tmp_path):
    lock = FolderLock(tmp_path)
    with pytest.raises(RunError, match=f"process {os.getpid()} on"):
        FolderLock(tmp_path)
    lock.close()
    lock.close()
    assert lock.closed
    FolderLock(tmp_path).close()


def test_a_folder_without_a_lock_is_not_locked(tmp_path):
    assert not is_locked(tmp_path)
    assert not is_locked(tmp_path / "none")


def test_a_file_system_without_locks_is_written_all_the_same(tmp_path, monkeypatch):
    without_locks(monkeypatch)
    lock = FolderLock(tmp_path)
    assert is_locked(tmp_path)
    with pytest.raises(RunError, match=f"process {os.getpid()}"):
        FolderLock(tmp_path)
    lock.close()
    assert not is_locked(tmp_path)


def test_without_locks_a_dead_process_does_not_count_and_one_elsewhere_does(tmp_path, monkeypatch):
    without_locks(monkeypatch)
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    ).stdout
    (tmp_path / ".lock").write_text(f"process {dead.strip()} on {platform.node()}")
    assert not is_locked(tmp_path)
    (tmp_path / ".lock").write_text("process 1 on another-machine.example")
    assert is_locked(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match=r"cannot be written \(Permission denied\); choose another"):
        FolderLock(tmp_path)
