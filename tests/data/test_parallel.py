import os

from flatline.data.parallel import n_cores


def test_cores_are_those_that_the_process_may_use():
    assert 1 <= n_cores() <= (os.cpu_count() or 1)


def test_cores_are_counted_where_affinity_is_unknown(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert n_cores() == os.cpu_count()
