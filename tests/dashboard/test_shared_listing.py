import threading
import time

from flatline.dashboard import app as dashboard
from flatline.runs import listing


def test_runs_that_two_ask_for_at_once_are_read_once(logs, monkeypatch):
    read, readable = [], listing._readable_row

    def slowly(path):
        read.append(path)
        time.sleep(0.02)
        return readable(path)

    monkeypatch.setattr(listing, "_readable_row", slowly)
    shared, tables = dashboard.SharedListing(logs), []
    threads = [threading.Thread(target=lambda: tables.append(shared.table())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [len(table) for table in tables] == [len(read)] * 3
    assert len(read) == len(set(read)) > 5


def test_a_server_reads_the_runs_before_a_page_asks(logs, monkeypatch):
    asked = threading.Event()
    monkeypatch.setattr(dashboard.SharedListing, "table", lambda listing: asked.set())

    def ready(address):
        assert asked.wait(5)
        raise KeyboardInterrupt

    monkeypatch.setattr(dashboard.memory, "spare", lambda: None)
    try:
        dashboard.serve(logs, port=0, ready=ready)
    except KeyboardInterrupt:
        return
    raise AssertionError("it served on")


def test_runs_that_cannot_be_listed_keep_no_server_from_starting(tmp_path):
    class Broken:
        def table(self):
            raise OSError("no disk")

    dashboard._read_ahead(Broken())
