"""A store that cannot be reached: training goes on, it is said once, and nothing is lost."""

import time
import uuid

import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs import mirror
from flatline.runs.log import RunLog
from flatline.runs.places import place
from flatline.runs.pulling import spool_of
from flatline.runs.remote_path import RemotePath
from flatline.runs.run import Run

INFO = {"parameters": [], "classes": []}


def row(iteration):
    return {"iteration": iteration, "wall_time": 1.0, "loss": iteration / 2}


def recorded(run):
    losses = run.series("loss")
    assert (losses.to_numpy() == losses.index.to_numpy() / 2).all()
    return losses.index.tolist()


@pytest.fixture
def server():
    """A server that can be stopped and started again at its port, with what it held."""
    from moto.server import ThreadedMotoServer

    class Server:
        port = 0

        def start(self):
            self.running = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
            self.running.start()
            self.port = self.running.get_host_and_port()[1]

        def stop(self):
            self.running.stop()

    given = Server()
    given.start()
    yield given
    given.stop()


@pytest.fixture
def address(server, monkeypatch):
    """The address of a run on that server, given with its own file system."""
    s3fs = pytest.importorskip("s3fs")
    monkeypatch.setattr(mirror, "SEND_S", 0.05)
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    options = {"retries": {"max_attempts": 0}, "connect_timeout": 1, "read_timeout": 5}
    endpoint = f"http://127.0.0.1:{server.port}"
    fs = s3fs.S3FileSystem(key="a", secret="b", endpoint_url=endpoint, config_kwargs=options)
    bucket = f"bucket-{uuid.uuid4().hex}"
    fs.mkdir(bucket)
    return RemotePath(f"s3://{bucket}/logs/mine", fs)


def until(condition):
    deadline = time.monotonic() + 60  # not what is tested: a broken log must not hang the suite
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def messages(caught):
    return [str(warning.message) for warning in caught if "recording" in str(warning.message)]


def test_training_goes_on_while_the_store_is_gone_and_nothing_is_missing_afterwards(server, address, recwarn):
    log = RunLog(address, INFO)
    for iteration in range(100):
        log.append(row(iteration))
    log.flush()
    server.stop()
    iteration = 100
    while not messages(recwarn):
        log.append(row(iteration))
        iteration += 1
        time.sleep(0.001)
    assert log.stopped
    assert log.stored < iteration - 1
    for later in range(iteration, iteration + 2500):
        log.append(row(later))
    log.flush()  # does not wait for what is not there
    said = messages(recwarn)
    assert len(said) == 1
    assert f"the recording into {address} stopped: " in said[0]
    assert f"Training goes on, and what is recorded waits in {spool_of(address)}" in said[0]
    server.start()
    until(lambda: not log.stopped)
    log.flush()
    assert messages(recwarn)[1:] == [f"the recording into {address} goes on; nothing was lost"]
    assert log.stored == iteration + 2499
    assert recorded(Run(address)) == list(range(iteration + 2500))
    log.close()
    assert [event["kind"] for event in Run(address).events()] == []


def test_what_a_store_lacks_when_the_log_is_closed_waits_on_the_disk(server, address, recwarn):
    log = RunLog(address, INFO)
    log.append(row(0))
    server.stop()
    log.append(row(1))
    log.close()
    assert any(f"What the store lacks is in {spool_of(address)}" in str(warning.message) for warning in recwarn)
    server.start()
    assert Run(address).last_iteration is None
    for stale in [address / ".lock"]:  # nobody could delete it; this process is not dead, as one that ended would be
        stale.unlink()
    RunLog(address, resume=True).close()
    assert recorded(Run(address)) == [0, 1]
    assert not spool_of(address).exists()


def test_a_log_is_not_begun_where_the_store_is_gone(server, address):
    server.stop()
    with pytest.raises(RunError, match=r"cannot be used .*Could not connect"):
        RunLog(address, INFO)
    with pytest.raises(RunError, match=r"cannot be used .*Could not connect"):
        Run(address)
    server.start()


def test_a_run_that_another_writer_took_over_is_left_alone(server, address, recwarn):
    log = RunLog(address, INFO)
    log.append(row(0))
    log.flush()
    (address / ".lock").write_bytes(b'{"token": "other", "process": "process 1 on another", "time": 9e9}')
    log._mirror._lock._renewed_at -= 100
    log.append(row(1))
    log._mirror._wake.set()
    until(lambda: log.stopped)
    assert "another process writes it by now" in log.stopped
    log.close()
    assert recorded(Run(address)) == [0]
    assert place(address / ".lock").is_file()


def test_a_run_that_was_deleted_stays_deleted(server, address, recwarn):
    log = RunLog(address, INFO)
    log.flush()
    address.fs.rm(address.key, recursive=True)
    log.append(row(1))
    log.close()
    assert address.objects() == {}
    assert any("the run is gone" in str(warning.message) for warning in recwarn)
