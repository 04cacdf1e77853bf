import socket
import threading
import urllib.request

import pytest
from flatline.dashboard.app import create_app, serve
from flatline.dashboard.serving import in_thread
from flatline.diagnostics.errors import FlatlineError


def test_a_port_that_is_taken_is_one_clear_error(logs):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            FlatlineError,
            match=rf"^port {port} on 127\.0\.0\.1 cannot be had \(Address already in use\); choose .* --port$",
        ):
            serve(logs, port=port)


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_port_that_cannot_be_is_the_same_error(logs, port):
    with pytest.raises(FlatlineError, match="choose another with --port"):
        serve(logs, port=port)


@pytest.mark.parametrize("host", ["300.1.1.1", "8.8.8.8", "a..b"])
def test_a_host_that_cannot_be_is_told_as_such(logs, host):
    with pytest.raises(FlatlineError, match=rf"^host {host} is no address of this machine; choose another with --host"):
        serve(logs, host, port=0)


def test_serving_says_when_it_is_ready_and_answers(logs):
    found = threading.Event()
    addresses = []

    def ready(address):
        addresses.append(address)
        found.set()

    threading.Thread(target=serve, args=(logs,), kwargs={"port": 0, "ready": ready}, daemon=True).start()
    assert found.wait(10)
    with urllib.request.urlopen(addresses[0], timeout=10) as answer:
        assert b"Flatline" in answer.read()


def test_requests_are_not_logged(logs, caplog):
    caplog.set_level("INFO")
    with in_thread(create_app(logs).server) as base, urllib.request.urlopen(base, timeout=10) as answer:
        assert answer.status == 200
    assert "GET /" not in caplog.text
