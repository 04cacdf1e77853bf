import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from flatline.runs import segments
from flatline.runs.segments import (
    open_segment,
    read_segment,
    row_groups,
    segment_at,
    segment_files,
    tail_segments,
    write_whole,
)

TABLE = pa.table({"iteration": [0, 1, 2]})


def names(found):
    return [segment.path.name for segment in found]


def touch(folder, *files):
    folder.mkdir(exist_ok=True)
    for name in files:
        (folder / name).touch()
    return folder


def test_a_sealed_name_gives_the_iterations_and_a_tail_name_the_flushes_too(tmp_path):
    sealed = segment_at(tmp_path / "000000000-000001999.parquet")
    assert (sealed.first, sealed.last, sealed.flushes) == (0, 1999, None)
    tail = segment_at(tmp_path / "000000050-000000099.000001-000003.parquet")
    assert (tail.first, tail.last, tail.flushes) == (50, 99, (1, 3))


@pytest.mark.parametrize("name", [".000-001.parquet", "notes.txt", "a-b.parquet", "000-001.parquet.tmp"])
def test_a_name_of_another_form_is_no_segment(tmp_path, name):
    assert segment_files(touch(tmp_path, name, "000000000-000000001.parquet")) == [
        tmp_path / "000000000-000000001.parquet"
    ]


def test_segments_are_in_the_order_of_numbers_beyond_nine_digits(tmp_path):
    touch(tmp_path, "1000000000-1000000001.parquet", "999999998-999999999.parquet")
    assert segment_files(tmp_path)[0].name.startswith("999999998")


def test_a_folder_that_is_not_there_holds_no_segments(tmp_path):
    assert segment_files(tmp_path / "none") == []


def test_a_merged_tail_file_counts_instead_of_its_parts(tmp_path):
    parts = ["000-004.000000-000000.parquet", "005-009.000001-000001.parquet", "010-014.000002-000002.parquet"]
    touch(tmp_path, *parts, "000-009.000000-000001.parquet")
    assert names(tail_segments(tmp_path)) == ["000-009.000000-000001.parquet", parts[2]]


def test_two_evaluations_of_one_iteration_both_count(tmp_path):
    both = ["050-050.000000-000000.parquet", "050-050.000001-000001.parquet"]
    assert names(tail_segments(touch(tmp_path, *both))) == both


def test_of_a_flush_that_was_cut_short_and_repeated_the_longer_counts(tmp_path):
    touch(tmp_path, "000-004.000000-000000.parquet", "000-006.000000-000000.parquet")
    assert names(tail_segments(tmp_path)) == ["000-006.000000-000000.parquet"]


def test_the_tail_is_listed_until_two_listings_agree(tmp_path, monkeypatch):
    whole = touch(tmp_path, "000-009.000000-000001.parquet")
    listings = iter([[], *[os.listdir(whole)] * 2])  # the first ran while files were merged and saw neither
    monkeypatch.setattr(segments.os, "listdir", lambda folder: next(listings))
    assert names(tail_segments(whole)) == ["000-009.000000-000001.parquet"]


def test_a_file_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    real = segments.pq.ParquetWriter.write_table

    def fail(writer, table, rows):
        real(writer, table, rows)
        assert all(name.startswith(".") for name in os.listdir(tmp_path))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(segments.pq.ParquetWriter, "write_table", fail)
    with pytest.raises(OSError, match="No space"):
        write_whole(TABLE, tmp_path, "000-002.parquet")
    assert os.listdir(tmp_path) == []


def test_a_file_may_be_written_in_another_folder_so_that_none_is_half_there_even_by_a_hidden_name(
    tmp_path, monkeypatch
):
    real = segments.pq.ParquetWriter.write_table

    def look(writer, table, rows):
        real(writer, table, rows)
        assert os.listdir(tmp_path / "sealed") == []
        assert os.listdir(tmp_path / "tail") == [".000-002.parquet"]

    for name in ("sealed", "tail"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(segments.pq.ParquetWriter, "write_table", look)
    write_whole(TABLE, tmp_path / "sealed", "000-002.parquet", via=tmp_path / "tail")
    assert (os.listdir(tmp_path / "sealed"), os.listdir(tmp_path / "tail")) == (["000-002.parquet"], [])


@pytest.mark.parametrize("odd", ["run:1", "lr=0.1", "a b", "ü%20#?", "s3:", "[x]*", "_under"])
def test_odd_folder_names_neither_add_columns_nor_are_taken_for_addresses(tmp_path, monkeypatch, odd):
    monkeypatch.chdir(tmp_path)
    folder = os.path.join(odd, "iterations")
    os.makedirs(folder)
    path = segments.Path(folder)
    write_whole(TABLE, path, "000-002.parquet")
    assert read_segment(path / "000-002.parquet").equals(TABLE)
    assert list(pd.read_parquet(tmp_path / folder).columns) == ["iteration"]


def test_only_the_columns_that_are_there_are_read(tmp_path):
    write_whole(TABLE, tmp_path, "0-2.parquet", group_rows=2)
    assert read_segment(tmp_path / "0-2.parquet", ["iteration", "rho"]).column_names == ["iteration"]
    with open_segment(tmp_path / "0-2.parquet") as file:
        assert file.num_row_groups == 2


def test_a_file_of_several_tables_has_them_in_row_groups_and_one_without_rows_is_none(tmp_path):
    assert write_whole((TABLE for _ in range(3)), tmp_path, "000-008.parquet", group_rows=2) == 3 * TABLE.num_rows
    groups = list(row_groups(tmp_path / "000-008.parquet"))
    assert [group.num_rows for group in groups] == [2, 1] * 3
    assert pa.concat_tables(groups).equals(pa.concat_tables([TABLE] * 3))
    assert write_whole([TABLE.slice(0, 0)], tmp_path, "009-009.parquet") == 0
    assert os.listdir(tmp_path) == ["000-008.parquet"]


def test_what_lasts_takes_fewer_bytes_and_reads_the_same(tmp_path):
    noise = np.random.default_rng(0).lognormal(size=(20_000, 3)).astype(np.float32)
    lists = pa.FixedSizeListArray.from_arrays(noise[:, :2].ravel(), 2).cast(pa.list_(pa.float32()))
    table = pa.table(
        {"iteration": np.arange(20_000), "loss": noise[:, 2], "norm": lists, "wall_time": np.zeros(20_000)}
    )
    for name, lasting in (("0-1.parquet", False), ("2-3.parquet", True)):
        write_whole(table, tmp_path, name, lasting=lasting)
        assert read_segment(tmp_path / name).cast(table.schema).equals(table)
        assert pd.read_parquet(tmp_path / name)["loss"].tolist() == noise[:, 2].tolist()
    assert (tmp_path / "2-3.parquet").stat().st_size < 0.97 * (tmp_path / "0-1.parquet").stat().st_size
    with open_segment(tmp_path / "2-3.parquet") as file:
        group = file.metadata.row_group(0)
        split = {group.column(at).path_in_schema: group.column(at).encodings for at in range(group.num_columns)}
    assert {name for name, kinds in split.items() if "BYTE_STREAM_SPLIT" in kinds} == {
        "loss",
        "norm.list.element",
        "wall_time",
    }
