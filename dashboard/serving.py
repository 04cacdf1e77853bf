"""A local web server for the dashboard, silent about its requests."""

import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from ..diagnostics.errors import FlatlineError


@contextmanager
def bound(server: Flask, host: str, port: int) -> Iterator[BaseWSGIServer]:
    """A threaded server that has its port, closed again at the end; port 0 takes any free one.

    Raises FlatlineError if the port cannot be had.
    """
    with _listener(host, port) as listener:
        threaded = make_server(
            host,
            listener.getsockname()[1],
            server,
            threaded=True,
            request_handler=_Quiet,
            fd=listener.fileno(),  # werkzeug itself would end the process where the port is taken
        )
        try:
            yield threaded
        finally:
            threaded.server_close()


def check_port(host: str, port: int) -> None:
    """Find out early whether a server could have the port.

    Raises FlatlineError if it cannot be had.
    """
    _listener(host, port).close()


def _listener(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OverflowError:
        remedy = "ports are 0 to 65535; choose another with --port"
        raise FlatlineError(f"port {port} on {host} cannot be had: {remedy}") from None
    except (OSError, UnicodeError) as error:
        if isinstance(error, UnicodeError) or _is_of_host(error):
            remedy = "choose another with --host, such as 127.0.0.1"
            raise FlatlineError(f"host {host} is no address of this machine; {remedy}") from error
        why = os.strerror(error.errno or 0)  # the error's own text says the address a second time
        raise FlatlineError(f"port {port} on {host} cannot be had ({why}); choose another with --port") from error


def _is_of_host(error: OSError) -> bool:
    """Whether it is the host and not the port: what says that a name does not resolve has a negative number."""
    return (error.errno or 0) < 0 or error.errno == errno.EADDRNOTAVAIL


@contextmanager
def in_thread(server: Flask) -> Iterator[str]:
    """Serve on a free port of 127.0.0.1 beside the caller; gives the address without a slash at its end."""
    with bound(server, "127.0.0.1", 0) as threaded:
        thread = threading.Thread(target=threaded.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{threaded.port}"
        finally:
            threaded.shutdown()
            thread.join()


class _Quiet(WSGIRequestHandler):
    """No line for each request: a live page asks every two seconds."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""
