import os
import time
from functools import partial

import numpy as np
import pandas as pd
import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs import writer as module
from flatline.runs.map_log import keep_maps
from flatline.runs.reading import SegmentReader
from flatline.runs.segments import open_segment, segment_files, segments_in
from flatline.runs.writer import MERGED_FILES, SegmentWriter


class Killed(BaseException):
    """Stands for a kill or Ctrl-C at one place."""


@pytest.fixture
def folders(tmp_path):
    return tmp_path / "sealed", tmp_path / "tail"


def recorded(folders):
    return SegmentReader(*folders).table([]).column("iteration").to_pylist()


def append(writer, *iterations):
    for iteration in iterations:
        writer.append({"iteration": iteration, "loss": float(iteration)})


def cut_short(monkeypatch, name, after, at=1):
    """Make the `at`-th call of a function of the writer's module end in Killed, before or after it did its work."""
    real, calls = getattr(module, name), iter(range(1, 10**6))

    def call(*args, **kwargs):
        last = next(calls) == at
        if last and not after:
            raise Killed
        result = real(*args, **kwargs)
        if last:
            raise Killed
        return result

    monkeypatch.setattr(module, name, call)


def test_rows_are_flushed_by_number(folders):
    writer = SegmentWriter(*folders, flush_rows=3, flush_s=1e9)
    append(writer, 0, 1)
    assert recorded(folders) == []
    append(writer, 2, 3)
    assert recorded(folders) == [0, 1, 2]


def test_rows_are_flushed_by_time(folders, monkeypatch):
    writer = SegmentWriter(*folders, flush_rows=1000, flush_s=2.0)
    append(writer, 0)
    now = time.monotonic()
    monkeypatch.setattr(module.time, "monotonic", lambda: now + 3)
    append(writer, 1)
    assert recorded(folders) == [0, 1]


def test_rows_are_sealed_in_whole_disjoint_segments_that_never_change(folders):
    writer = SegmentWriter(*folders, flush_rows=5, seal_rows=20)
    seen = {}
    for iteration in range(100):
        append(writer, iteration)
        for path in segment_files(folders[0]):
            content = path.read_bytes()
            assert seen.setdefault(path.name, content) == content
    writer.close()
    bounds = [(segment.first, segment.last) for segment in segments_in(folders[0])]
    assert len(bounds) >= 4
    assert [first for first, _ in bounds] == [0, *(last + 1 for _, last in bounds[:-1])]
    assert bounds[-1][1] == 99
    assert pd.read_parquet(folders[0]).iteration.tolist() == list(range(100))
    assert os.listdir(folders[1]) == []


def test_segments_of_a_long_run_grow_so_that_they_stay_few(folders):
    writer = SegmentWriter(*folders, flush_rows=50, seal_rows=100, seal_share=0.25)
    append(writer, *range(4000))
    sizes = [segment.last - segment.first + 1 for segment in segments_in(folders[0])]
    assert max(sizes) > 500
    assert len(sizes) < 20
    writer.close()
    assert recorded(folders) == list(range(4000))


def test_a_slow_loop_leaves_few_files_in_the_tail(folders):
    writer = SegmentWriter(*folders, flush_rows=1)
    append(writer, *range(1000))
    assert len(os.listdir(folders[1])) < 1000 / MERGED_FILES + MERGED_FILES
    assert recorded(folders) == list(range(1000))


@pytest.mark.parametrize("iteration", [4, 3, -1, None, 1.5, "7"])
def test_a_row_out_of_order_is_refused_and_harms_nothing(folders, iteration):
    writer = SegmentWriter(*folders)
    append(writer, 4)
    with pytest.raises(RunError, match=r"iteration .*(came after|is )"):
        writer.append({"iteration": iteration, "loss": 0.0})
    append(writer, 5)
    writer.close()
    assert recorded(folders) == [4, 5]


def test_a_row_before_the_sealed_ones_is_refused(folders):
    first = SegmentWriter(*folders)
    append(first, 0, 1)
    first.close()
    with pytest.raises(RunError, match="iteration 1 came after iteration 1"):
        append(SegmentWriter(*folders, repeats=True), 1)


def test_an_iteration_may_be_evaluated_twice_and_both_rows_stay(folders):
    writer = SegmentWriter(*folders, flush_rows=1, seal_rows=4, repeats=True)
    iterations = [0, 50, 50, 50, 100, 150, 150, 200, 200, 200, 200, 200, 200, 250]
    for number, iteration in enumerate(iterations):
        writer.append({"iteration": iteration, "loss": float(number)})
        assert recorded(folders) == iterations[: number + 1]
    writer.close()
    writer.close()
    assert pd.read_parquet(folders[0]).loss.tolist() == list(range(len(iterations)))


def test_a_column_that_appears_later_is_in_every_row_from_its_segment_on(folders):
    writer = SegmentWriter(*folders, flush_rows=2, seal_rows=1000)
    for iteration in range(9):
        extra = {"rho": 0.5, "hidden_gradient.gru": np.ones(4)} if 4 <= iteration < 6 else {}
        writer.append({"iteration": iteration, "loss": 1.0, **extra})
    writer.close()
    frame = pd.read_parquet(folders[0])
    assert frame.rho.notna().tolist() == [4 <= iteration < 6 for iteration in range(9)]
    assert {value.shape for value in frame["hidden_gradient.gru"]} == {(4,)}
    assert not any(value is None for value in frame["hidden_gradient.gru"])


def test_columns_keep_their_types_when_the_next_writer_comes(folders):
    first = SegmentWriter(*folders)
    first.append({"iteration": 0, "rho": 0.5, "norms": [1.0, 2.0]})
    first.close()
    second = SegmentWriter(*folders)
    with pytest.raises(RunError, match="column 'rho'"):
        second.append({"iteration": 1, "rho": [1.0]})
    append(second, 1)
    second.close()
    assert pd.read_parquet(folders[0]).norms.map(len).tolist() == [2, 2]


def test_what_a_killed_writer_left_is_sealed_by_the_next(folders):
    append(SegmentWriter(*folders, flush_rows=5), *range(23))  # 20 flushed, 3 lost with the process
    SegmentWriter(*folders)
    assert pd.read_parquet(folders[0]).iteration.tolist() == list(range(20))
    assert os.listdir(folders[1]) == []


def test_half_written_files_of_a_killed_writer_are_cleared(folders):
    append(SegmentWriter(*folders, flush_rows=5), *range(5))
    for folder in folders:
        (folder / ".000000005-000000009.parquet").write_bytes(b"half")
    assert pd.read_parquet(folders[0]).empty
    assert recorded(folders) == list(range(5))
    SegmentWriter(*folders)
    assert [name for folder in folders for name in os.listdir(folder) if name.startswith(".")] == []


def test_a_tail_file_that_a_power_cut_emptied_is_put_aside(folders):
    writer = SegmentWriter(*folders, flush_rows=5)
    append(writer, *range(15))
    segment_files(folders[1])[-1].write_bytes(b"")
    assert recorded(folders) == list(range(10))
    SegmentWriter(*folders)
    assert pd.read_parquet(folders[0]).iteration.tolist() == list(range(10))
    assert [name.endswith(".broken") for name in os.listdir(folders[1])] == [True]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, *range(30, 47)])  # the tail is merged at 32 and sealed soon after 40
@pytest.mark.parametrize("reopened", [False, True], ids=["caught", "killed"])
def test_wherever_a_write_is_cut_short_no_row_is_lost_or_doubled(folders, monkeypatch, after, at, reopened):
    writer = SegmentWriter(*folders, flush_rows=1, seal_rows=40)
    append(writer, 0)
    with monkeypatch.context() as patch:
        cut_short(patch, "write_whole", after, at)
        try:
            for iteration in range(1, 60):
                append(writer, iteration)
        except Killed:
            pass
    kept = recorded(folders)
    acknowledged = iteration - 1 if at < 60 else iteration
    assert kept in (list(range(acknowledged + 1)), list(range(acknowledged + 2)))
    if reopened:  # the process is gone
        writer = SegmentWriter(*folders)
        assert pd.read_parquet(folders[0]).iteration.tolist() == kept
        append(writer, len(kept))
    else:  # Ctrl-C was caught and the loop goes on
        for later in range(iteration + 1, iteration + 50):
            append(writer, later)
            assert recorded(folders) == list(range(later + 1))
    writer.close()
    expected = len(kept) + 1 if reopened else iteration + 50
    assert pd.read_parquet(folders[0]).iteration.tolist() == list(range(expected))
    assert os.listdir(folders[1]) == []


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("reopened", [False, True], ids=["caught", "killed"])
def test_wherever_a_deletion_is_cut_short_no_row_is_lost_or_doubled(folders, monkeypatch, at, after, reopened):
    writer = SegmentWriter(*folders, flush_rows=1, seal_rows=40)
    with monkeypatch.context() as patch:
        cut_short(patch, "delete", after, at)
        with pytest.raises(Killed):
            append(writer, *range(200))
    kept = recorded(folders)
    assert kept == list(range(len(kept)))
    if reopened:
        writer = SegmentWriter(*folders)
    writer.close()
    assert pd.read_parquet(folders[0]).iteration.tolist() == kept
    assert os.listdir(folders[1]) == []


def test_a_deletion_cut_short_half_way_leaves_what_readers_understand(folders):
    writer = SegmentWriter(*folders, flush_rows=5, seal_rows=1000)
    append(writer, *range(40))
    left = {path: path.read_bytes() for path in segment_files(folders[1])[3:]}
    writer.close()
    for path, content in left.items():  # the last files of the tail were not deleted yet
        path.write_bytes(content)
    assert recorded(folders) == list(range(40))


def test_thinned_rows_leave_no_trace_and_are_counted(folders):
    even = SegmentWriter(
        *folders, flush_rows=5, seal_rows=20, retain_rows=10, keep=lambda iterations: iterations % 2 == 0
    )
    append(even, *range(100))
    even.close()
    kept = recorded(folders)
    assert kept == [*range(0, 90, 2), *range(90, 100)]
    assert even.left_out == 45


def test_a_seal_of_thinned_rows_that_was_cut_short_is_not_repeated(folders, monkeypatch):
    def keep(iterations):
        return iterations % 4 == 0  # the last rows of a segment are thinned away: its name must say that they are done

    writer = SegmentWriter(*folders, flush_rows=5, seal_rows=20, keep=keep)
    with monkeypatch.context() as patch:
        cut_short(patch, "delete", after=False)
        with pytest.raises(Killed):
            append(writer, *range(100))
    assert recorded(folders) == sorted(set(recorded(folders)))
    again = SegmentWriter(*folders, keep=keep)
    again.close()
    assert recorded(folders) == sorted(set(recorded(folders)))


def test_a_failed_write_keeps_the_rows_for_the_next_try(folders, monkeypatch):
    writer = SegmentWriter(*folders, flush_rows=2)
    with monkeypatch.context() as patch:
        patch.setattr(
            module,
            "write_whole",
            lambda *args, **options: (_ for _ in ()).throw(OSError(28, "No space left on device")),
        )
        with pytest.raises(OSError, match="No space"):
            append(writer, 0, 1)
    append(writer, 2)
    writer.close()
    assert recorded(folders) == [0, 1, 2]


def test_whoever_asks_is_called_with_each_sealed_segment_once_it_is_visible(folders):
    seen = []

    def note():
        seen.append(segment_files(folders[0])[-1].name)

    append(SegmentWriter(*folders, flush_rows=5), *range(5))  # killed
    writer = SegmentWriter(*folders, flush_rows=5, seal_rows=20, on_seal=note)
    append(writer, *range(5, 52))
    writer.close()
    assert seen == [path.name for path in segment_files(folders[0])]
    assert len(seen) > 3


def test_a_fault_of_whoever_is_called_is_told_once_and_harms_nothing(folders):
    def fail():
        raise ValueError("no bins today")

    writer = SegmentWriter(*folders, flush_rows=5, seal_rows=20, on_seal=fail)
    with pytest.warns(UserWarning, match=r"000000000-0000000\d\d.parquet is whole, but .*no bins today") as caught:
        append(writer, *range(100))
    writer.close()
    assert len(caught) == 1
    assert recorded(folders) == list(range(100))


def test_a_long_tail_that_could_not_be_sealed_is_sealed_in_parts(folders, monkeypatch):
    writer = SegmentWriter(*folders, flush_rows=5, seal_rows=20)
    real = module.write_whole

    def no_seal(table, folder, *args, **options):
        if folder == folders[0]:
            raise OSError(28, "No space left on device")
        real(table, folder, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_whole", no_seal)
        for iteration in range(100):
            try:
                append(writer, iteration)
            except OSError:
                continue
    assert recorded(folders) == list(range(100))
    append(writer, *range(100, 105))
    sizes = [segment.last - segment.first + 1 for segment in segments_in(folders[0])]
    assert sizes == [20] * 5
    writer.close()
    assert recorded(folders) == list(range(105))


@pytest.mark.parametrize("content", [b"", b"PAR1 garbled PAR1"])
def test_a_tail_file_that_the_disk_garbled_under_a_living_writer_does_not_end_the_training(folders, content):
    writer = SegmentWriter(*folders, flush_rows=5, seal_rows=20)
    append(writer, *range(10))
    segment_files(folders[1])[0].write_bytes(content)
    with pytest.warns(UserWarning, match="can no longer be read.*; its 5 rows are missing") as caught:
        append(writer, *range(10, 50))
    writer.close()
    assert len(caught) == 1
    assert (writer.gap.first, writer.gap.last, writer.gap.rows) == (0, 4, 5)
    assert recorded(folders) == list(range(5, 50))


def test_a_large_segment_is_sealed_a_row_group_at_a_time(folders, monkeypatch):
    monkeypatch.setattr(module, "GROUP_ROWS", 30)
    held = []
    real = module.joined
    monkeypatch.setattr(module, "joined", lambda tables, columns: held.append(real(tables, columns)) or held[-1])
    writer = SegmentWriter(*folders, flush_rows=10, seal_rows=200)
    append(writer, *range(210))
    assert [path.name for path in segment_files(folders[0])] == ["000000000-000000189.parquet"]
    assert max(table.num_rows for table in held) == 30
    assert recorded(folders) == list(range(210))
    with open_segment(segment_files(folders[0])[0]) as file:
        assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [30] * 6 + [10]


def test_a_long_run_has_few_segments_and_a_few_more_for_each_tenfold(folders, monkeypatch):
    monkeypatch.setattr(module, "MOST_SEALED", 10**9)
    writer = SegmentWriter(*folders, flush_rows=20, seal_rows=20, seal_share=0.05)
    counts = []
    for end in (300, 3000, 30_000):
        append(writer, *range(writer.newest + 1, end))
        counts.append(len(segment_files(folders[0])))
    writer.close()
    assert recorded(folders) == list(range(30_000))
    assert counts[2] - counts[1] <= 1.1 * (counts[1] - counts[0]) + 10


def test_thinned_rows_wait_for_others_so_that_their_files_are_few(folders):
    keep = partial(keep_maps, full=20, per_decade=10)
    writer = SegmentWriter(*folders, flush_rows=5, seal_rows=20, retain_rows=20, keep=keep)
    append(writer, *range(20_000))
    wanted = np.flatnonzero(keep(np.arange(20_000)))
    seen = SegmentReader(*folders).table(["loss"]).column("iteration").to_numpy()
    assert seen[seen < 19_900].tolist() == wanted[wanted < 19_900].tolist()
    assert len(segment_files(folders[0])) <= 5  # 20 of the first, then ten for each tenfold
    assert writer.left_out == 20_000 - len(seen)
    writer.close()
    assert recorded(folders)[-20:] == list(range(19_980, 20_000))


def test_thinned_rows_wait_for_others_where_a_flush_is_more_than_a_segment_too(folders):
    keep = partial(keep_maps, full=5, per_decade=10)
    writer = SegmentWriter(*folders, flush_rows=50, seal_rows=8, retain_rows=5, keep=keep)
    append(writer, *range(20_000))
    assert len(segment_files(folders[0])) <= 10  # five of the first, then ten for each tenfold


def test_thinned_rows_of_a_killed_writer_are_there_once(folders):
    keep = partial(keep_maps, full=20, per_decade=10)
    append(SegmentWriter(*folders, flush_rows=5, seal_rows=20, retain_rows=20, keep=keep), *range(5000))
    seen = SegmentReader(*folders).table([]).column("iteration").to_pylist()
    SegmentWriter(*folders).close()
    assert recorded(folders) == seen


def test_sparse_rows_are_not_thinned_twice(folders):
    """The first of each tenth of a decade stays, though the one before it was not recorded."""
    keep = partial(keep_maps, full=20, per_decade=10)
    writer = SegmentWriter(*folders, flush_rows=5, seal_rows=20, retain_rows=20, keep=keep)
    append(writer, *range(0, 100_000, 7))
    writer.close()
    decades = {int(10 * np.log10(iteration)) for iteration in range(161, 90_000, 7)}
    assert {int(10 * np.log10(iteration)) for iteration in recorded(folders) if 161 <= iteration < 90_000} == decades
