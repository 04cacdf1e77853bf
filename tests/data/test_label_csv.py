import pytest
from flatline.data import DataError
from flatline.data.label_csv import read_header, read_label_csv, read_vocabulary


def read(path, content, **options):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [(row.row, row.fname, row.labels) for row in read_label_csv(path, **options)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "train_curated.csv"


def test_labels_are_split_at_commas_in_quotes(path):
    assert read(path, 'fname,labels\na.wav,"Bark,Meow"\nb.wav,Bark\n') == [
        (2, "a.wav", ("Bark", "Meow")),
        (3, "b.wav", ("Bark",)),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_any_encoding_that_a_spreadsheet_writes_is_read(path, encoding):
    assert read(path, "fname,labels\né.wav,Bark\n".encode(encoding)) == [(2, "é.wav", ("Bark",))]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_numbers_are_those_of_an_editor_with_blank_lines_counted(path, newline):
    rows = read(path, newline.join(["fname,labels", "a.wav,Bark", "", "b.wav,Meow", ""]))
    assert [row for row, _, _ in rows] == [2, 4]


def test_a_cell_over_two_lines_counts_from_its_first(path):
    rows = read(path, 'fname,labels\na.wav,"Bark\n,Meow"\nb.wav,Meow\n')
    assert [row for row, _, _ in rows] == [2, 4]


def test_spaces_and_upper_case_in_the_header_are_forgiven(path):
    assert read(path, 'Labels , FName\n" Bark , Meow " , a.wav \n') == [(2, "a.wav", ("Bark", "Meow"))]


def test_semicolons_and_further_columns_are_understood(path):
    assert read(path, "fname;license;labels\na.wav;CC0;Bark,Meow\n") == [(2, "a.wav", ("Bark", "Meow"))]


def test_a_label_given_twice_counts_once_and_an_empty_one_not_at_all(path):
    assert read(path, 'fname,labels\na.wav,"Bark,,Bark"\nb.wav\n') == [(2, "a.wav", ("Bark",)), (3, "b.wav", ())]


def test_missing_columns_are_an_error_that_names_the_columns_found(path):
    with pytest.raises(
        DataError, match=r"train_curated\.csv: has no column labels; columns found: fname, tags; give it"
    ):
        read(path, "fname,tags\na.wav,Bark\n")


def test_an_empty_file_is_an_error_that_says_so(path):
    with pytest.raises(DataError, match=r"no column fname and labels; columns found: none, the file is empty"):
        read(path, "")


def test_the_labels_column_may_be_absent_where_it_is_not_needed(path):
    assert read(path, "fname\na.wav\n", needs_labels=False) == [(2, "a.wav", None)]


def test_a_cell_without_end_is_an_error_with_its_line(path):
    with pytest.raises(DataError, match=r"train_curated\.csv, line 3: cannot be read as CSV .*close its quotes"):
        read(path, 'fname,labels\na.wav,Bark\nb.wav,"' + "x" * 200_000)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_label_csv(tmp_path)


def test_a_header_is_read_alone(path):
    path.write_text("fname, Bark ,Meow\n")
    assert read_header(path) == ("fname", "Bark", "Meow")


@pytest.mark.parametrize(
    "text",
    ["Bark\nMeow\n", "0,Bark,/m/01\n1,Meow,/m/02\n", "label\nBark\nMeow\n", "index,name\n0,Bark\n1,Meow\n"],
    ids=["names alone", "index and id", "header", "header and index"],
)
def test_every_form_of_a_vocabulary_is_understood(path, text):
    path.write_text(text)
    assert read_vocabulary(path) == ("Bark", "Meow")
