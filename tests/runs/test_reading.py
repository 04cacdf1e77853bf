import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs import reading
from flatline.runs.reading import SegmentReader
from flatline.runs.segments import segment_files, write_whole
from flatline.runs.writer import SegmentWriter


@pytest.fixture
def folders(tmp_path):
    sealed, tail = tmp_path / "sealed", tmp_path / "tail"
    sealed.mkdir()
    tail.mkdir()
    return sealed, tail


def iterations(reader):
    return reader.table([]).column("iteration").to_pylist()


def test_a_run_without_rows_is_an_empty_table(folders):
    reader = SegmentReader(*folders)
    assert reader.table(["loss"]).num_rows == 0
    assert (reader.scalar_names(), reader.last_iteration()) == ([], None)
    assert SegmentReader(folders[0] / "none", folders[1] / "none").table(["loss"]).num_rows == 0


def test_sealed_rows_and_the_tail_are_one_table(folders):
    writer = SegmentWriter(*folders, flush_rows=1, seal_rows=10)
    reader = SegmentReader(*folders)
    for iteration in range(35):
        writer.append({"iteration": iteration, "loss": 0.5})
        assert iterations(reader) == list(range(iteration + 1))
        assert reader.last_iteration() == iteration


def test_files_are_read_once(folders, monkeypatch):
    writer = SegmentWriter(*folders, flush_rows=5)
    for iteration in range(60):
        writer.append({"iteration": iteration, "loss": 0.5})
    reader = SegmentReader(*folders)
    reader.table(["loss"])
    opened = []
    real = reading.open_segment
    monkeypatch.setattr(reading, "open_segment", lambda path: opened.append(path) or real(path))
    reader.table(["loss"])
    assert opened == []
    for iteration in range(60, 65):
        writer.append({"iteration": iteration, "loss": 0.5})
    reader.table(["loss"])
    assert len(set(opened)) == 1


def test_a_later_file_of_the_same_name_is_read_anew(folders):
    name = "000000000-000000001.parquet"
    reader = SegmentReader(*folders)
    write_whole(pa.table({"iteration": [0, 1], "loss": [1.0, 1.0]}), folders[0], name)
    assert reader.table(["loss"]).column("loss").to_pylist() == [1, 1]
    write_whole(pa.table({"iteration": [0, 1], "loss": [2.0, 2.0]}), folders[0], name)  # a new run has the place
    assert reader.table(["loss"]).column("loss").to_pylist() == [2, 2]


def test_a_column_that_some_files_lack_is_null_there_and_known(folders):
    write_whole(pa.table({"iteration": [0], "old": [1.0]}), folders[0], "0-0.parquet")
    write_whole(
        pa.table({"iteration": [1], "new": pa.array([[1.0]], pa.list_(pa.float32()))}), folders[0], "1-1.parquet"
    )
    reader = SegmentReader(*folders)
    table = reader.table(["old", "new", "never"])
    assert np.isnan(table.column("old").to_pandas()).tolist() == [False, True]
    assert table.column("new").to_pylist() == [None, [1.0]]
    assert table.column("never").null_count == 2
    assert reader.scalar_names() == ["old"]


def test_scalars_are_numbers_only(folders):
    table = pa.table({"iteration": [0], "epoch": [0], "wall_time": [0.0], "rho": [1.0], "note": ["x"], "raw": [b"x"]})
    write_whole(table, folders[0], "0-0.parquet")
    assert SegmentReader(*folders).scalar_names() == ["rho"]


def test_a_sealed_file_that_cannot_be_read_is_named_with_what_to_do(folders):
    (folders[0] / "0-0.parquet").write_bytes(b"not parquet")
    with pytest.raises(RunError, match=r"0-0\.parquet cannot be read .*; move it out of .*sealed"):
        iterations(SegmentReader(*folders))


def test_a_tail_that_moves_between_listing_and_reading_is_read_again(folders, monkeypatch):
    writer = SegmentWriter(*folders, flush_rows=1)
    for iteration in range(5):
        writer.append({"iteration": iteration})
    real, first = reading.open_segment, iter([True])

    def open_late(path):
        if next(first, False):
            writer.close()  # the seal comes in between
        return real(path)

    monkeypatch.setattr(reading, "open_segment", open_late)
    assert iterations(SegmentReader(*folders)) == list(range(5))


def test_a_folder_that_never_stands_still_is_an_error_and_not_an_endless_loop(folders, monkeypatch):
    write_whole(pa.table({"iteration": [0]}), folders[0], "0-0.parquet")

    def gone(path):
        raise FileNotFoundError(path)

    monkeypatch.setattr(reading, "open_segment", gone)
    with pytest.raises(RunError, match="changed under every one of 20 reads; read it again"):
        iterations(SegmentReader(*folders))


def test_readers_that_hammer_a_writer_see_each_row_once_and_in_order(folders):
    """pandas sees a growing prefix of the sealed rows, the reader one of all rows; nothing twice, nothing missing."""
    total, done, faults = 1500, threading.Event(), []

    def hammer(read):
        seen = 0
        while not done.is_set():
            rows = read()
            if rows != list(range(len(rows))) or len(rows) < seen:
                faults.append((seen, rows))
                return
            seen = len(rows)

    def with_pandas():
        frame = pd.read_parquet(folders[0])
        return frame.iteration.tolist() if len(frame) else []

    kept = SegmentReader(*folders)
    reads = (with_pandas, lambda: iterations(kept), lambda: iterations(SegmentReader(*folders)))
    threads = [threading.Thread(target=hammer, args=(read,)) for read in reads]
    for thread in threads:
        thread.start()
    writer = SegmentWriter(*folders, flush_rows=2, seal_rows=64)
    for iteration in range(total):
        writer.append({"iteration": iteration, "loss": 0.5, "norms": np.ones(3)})
    writer.close()
    done.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert with_pandas() == iterations(kept) == list(range(total))
    assert len(segment_files(folders[0])) > 10
