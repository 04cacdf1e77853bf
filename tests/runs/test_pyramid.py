"""What the pyramid writes; what a window makes of it stands in test_window.py."""

import threading
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from flatline.runs import pyramid
from flatline.runs.segments import read_segment, segments_in, write_whole

FOLDED = 64


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(pyramid, "BEGINS", 0)
    monkeypatch.setattr(pyramid, "FOLDED", FOLDED)


def rows(first, n):
    iterations = np.arange(first, first + n)
    return pa.table({"iteration": iterations, "loss": pa.array(np.sin(iterations).astype(np.float32))})


def seal(path, first, n):
    (path / "iterations").mkdir(exist_ok=True)
    table, name = rows(first, n), f"{first:09d}-{first + n - 1:09d}.parquet"
    write_whole(table, path / "iterations", name)
    pyramid.write(path / "pyramid")


def sealed(path, total, size=100):
    for first in range(0, total, size):
        seal(path, first, min(size, total - first))


def files(path):
    return sorted(str(file.relative_to(path / "pyramid")) for file in (path / "pyramid").rglob("*") if file.is_file())


def test_a_file_says_every_bin_of_its_iterations(tmp_path):
    seal(tmp_path, 0, 100)
    assert files(tmp_path) == ["16/000000000-000000099.parquet"]
    table = read_segment(tmp_path / "pyramid" / "16" / "000000000-000000099.parquet").to_pandas()
    assert list(table.columns) == ["bin", "loss.min", "loss.max", "loss.mean", "loss.count"]
    assert table["bin"].tolist() == [0, 16, 32, 48, 64, 80, 96]
    assert table["loss.count"].tolist() == [16] * 6 + [4]
    values = np.sin(np.arange(96.0)).astype(np.float32).reshape(6, 16)
    np.testing.assert_array_equal(table["loss.min"][:6], values.min(axis=1))
    np.testing.assert_array_equal(table["loss.max"][:6], values.max(axis=1))
    np.testing.assert_allclose(table["loss.mean"][:6], values.mean(axis=1), atol=1e-7)


def test_a_short_run_has_no_pyramid_and_gets_a_whole_one_when_it_grows(tmp_path, monkeypatch):
    monkeypatch.setattr(pyramid, "BEGINS", 450)
    sealed(tmp_path, 400)
    assert not (tmp_path / "pyramid").exists()
    seal(tmp_path, 400, 100)
    assert [file.first for file in pyramid.level_files(tmp_path / "pyramid", 16)] == [0, 100, 200, 300, 400]


def test_each_width_covers_the_run_without_gap_or_overlap_as_far_as_it_goes(tmp_path):
    sealed(tmp_path, 40_000)
    widths = pyramid.level_widths(tmp_path / "pyramid")
    assert widths == [16, 64, 256, 1024]
    ends = []
    for width in widths:
        found = pyramid.level_files(tmp_path / "pyramid", width)
        assert found == segments_in(tmp_path / "pyramid" / str(width))
        assert found[0].first == 0
        assert all(before.last + 1 == after.first for before, after in pairwise(found))
        ends.append(found[-1].last)
    assert ends[0] == 39_999
    lags = [(finer - coarser) // width for finer, coarser, width in zip(ends, ends[1:], widths, strict=False)]
    assert all(lag <= FOLDED for lag in lags)


def test_files_stay_few_and_none_holds_more_than_its_share(tmp_path):
    sealed(tmp_path, 60_000, size=500)
    assert len(files(tmp_path)) < 120  # as many as segments, though there are three widths
    held = [read_segment(tmp_path / "pyramid" / file).num_rows for file in files(tmp_path)]
    assert max(held) <= 2 * FOLDED


def test_half_a_pyramid_of_a_killed_writer_is_mended_by_the_next_segment(tmp_path, monkeypatch):
    sealed(tmp_path, 1500)
    (tmp_path / "pyramid" / "16" / ".000000000-000000099.parquet").write_bytes(b"half")
    monkeypatch.setattr(pyramid, "write_whole", _fails_at(2))
    with pytest.raises(OSError, match="killed"):
        sealed_from(tmp_path, 1500, 8000)
    monkeypatch.undo()
    monkeypatch.setattr(pyramid, "BEGINS", 0)
    monkeypatch.setattr(pyramid, "FOLDED", FOLDED)
    first = segments_in(tmp_path / "iterations")[-1].last + 1
    seal(tmp_path, first, 100)
    found = pyramid.level_files(tmp_path / "pyramid", 16)
    assert (found[0].first, found[-1].last) == (0, first + 99)
    assert all(before.last + 1 == after.first for before, after in pairwise(found))
    assert not list((tmp_path / "pyramid").rglob(".*"))


def sealed_from(path, first, total):
    for start in range(first, total, 100):
        seal(path, start, 100)


def _fails_at(fold):
    """`write_whole` that dies as the fold of that number would write the next width."""
    real, seen = pyramid.write_whole, []

    def fails(table, level, name, **options):
        seen.extend([level] if level.name == "64" else [])
        if len(seen) == fold:
            raise OSError("killed")
        real(table, level, name, **options)

    return fails


def test_a_file_that_another_holds_does_not_count(tmp_path):
    folder = tmp_path / "16"
    folder.mkdir()
    for name in ("0-99", "0-199", "100-199", "200-299"):
        write_whole(pa.table({"bin": [0]}), folder, f"{name}.parquet")
    assert [(file.first, file.last) for file in pyramid.level_files(tmp_path, 16)] == [(0, 199), (200, 299)]


def test_readers_that_hammer_a_folding_writer_see_every_bin_or_none(tmp_path):
    from flatline.runs.log import RunLog
    from flatline.runs.run import Run

    RunLog(tmp_path / "run").close()
    seal(tmp_path / "run", 0, 100)
    done, faults = threading.Event(), []

    def hammer():
        run = Run(tmp_path / "run")
        while not done.is_set():
            window = run.window("loss", points=20)
            total = window["count"]["loss"].sum()
            if total != int(total) or total % 100 or window["max"]["loss"].isna().any():
                faults.append(total)

    threads = [threading.Thread(target=hammer) for _ in range(2)]
    for thread in threads:
        thread.start()
    sealed_from(tmp_path / "run", 100, 12_000)
    done.set()
    for thread in threads:
        thread.join()
    assert faults == []
