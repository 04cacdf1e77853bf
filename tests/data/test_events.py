"""Tables of true onsets as they come, and what is said of those that cannot be used."""

import pytest
from flatline.data import DataError
from flatline.data.events import COLUMNS, Event, read_events


@pytest.fixture
def table(tmp_path):
    def written(text, name="events.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return written


def test_our_own_form_is_read_in_order_of_onset(table):
    found = read_events(
        table("fname,onset_s,offset_s,event_label\nb.wav,2,2.5,two\nb.wav,0.5,1,one\na.wav,0,0.25,two\n")
    )
    assert found.events == {
        "b.wav": (Event(0.5, 1.0, "one"), Event(2.0, 2.5, "two")),
        "a.wav": (Event(0.0, 0.25, "two"),),
    }


@pytest.mark.parametrize("clip", COLUMNS["clip"])
@pytest.mark.parametrize("onset", COLUMNS["onset"])
@pytest.mark.parametrize("offset", COLUMNS["offset"])
@pytest.mark.parametrize("label", COLUMNS["label"])
@pytest.mark.parametrize("mark", [",", "\t", ";"])
def test_every_name_and_separator_of_such_tables_is_known(table, clip, onset, offset, label, mark):
    rows = [[label, offset, "scene", onset, clip], ["dog", "1.5", "park", "0.5", "a.wav"]]
    found = read_events(table("\n".join(mark.join(row) for row in rows)))
    assert found.events == {"a.wav": (Event(0.5, 1.5, "dog"),)}


def test_upper_case_a_byte_order_mark_and_folders_before_the_clip_are_no_matter(table):
    found = read_events(table("\ufeffFilename\tOnset\tOffset\tEvent_Label\naudio/eval/a.wav\t0\t1\tdog\n"))
    assert found.events == {"a.wav": (Event(0.0, 1.0, "dog"),)}


def test_a_clip_without_events_as_desed_writes_it_has_none(table):
    found = read_events(table("filename\tonset\toffset\tevent_label\na.wav\t\t\t\nb.wav\t0\t1\tdog\n"))
    assert found.events == {"a.wav": (), "b.wav": (Event(0.0, 1.0, "dog"),)}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("a.wav,1.5,0.5,dog", r"offset 0\.5 lies before onset 1\.5"),
        ("a.wav,-1,0.5,dog", r"onset is -1, where seconds from the clip's start are needed"),
        ("a.wav,nan,0.5,dog", r"onset is nan, where seconds .*"),
        ("a.wav,0,inf,dog", r"offset is inf, where seconds .*"),
        ("a.wav,0,soon,dog", r"offset is 'soon', which is no number"),
        ("a.wav,0,,dog", r"offset is '', which is no number"),
        ("a.wav,0,1,", r"has no label"),
        (",0,1,dog", r"names no clip"),
    ],
)
def test_a_bad_line_is_one_message_with_its_number_and_what_to_do(table, line, says):
    path = table(f"fname,onset_s,offset_s,event_label\nb.wav,0,1,dog\n{line}\n")
    with pytest.raises(DataError, match=rf"1 of 2 lines cannot be used: .*events\.csv, line 3: {says}; .*correct"):
        read_events(path)


def test_many_bad_lines_are_one_message_too(table):
    path = table("fname,onset_s,offset_s,event_label\n" + "a.wav,2,1,dog\n" * 9)
    with pytest.raises(DataError, match=r"9 of 9 lines .*\(and 6 more\)"):
        read_events(path)


def test_other_columns_are_named_with_those_that_are_needed(table):
    with pytest.raises(DataError, match=r"has no column onset_s or onset or event_onset; nor .*found: fname, labels"):
        read_events(table("fname,labels\na.wav,dog\n"))
    with pytest.raises(DataError, match=r"columns found: none, the file is empty; give it a first line fname,onset_s"):
        read_events(table(""))


def test_no_table_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(DataError, match=r"no table of true onsets at .*events\.csv; make one"):
        read_events(tmp_path / "events.csv")


def test_clips_and_labels_that_are_not_known_are_told(table):
    found = read_events(table("fname,onset_s,offset_s,event_label\na.wav,0,1,dog\nb.wav,0,1,cat\n"))
    assert found.unknown(["a.wav", "b.wav", "c.wav"], ["cat", "dog"]) == ()
    clips, labels = found.unknown(["a.wav"], ["dog"])
    assert "1 clips of" in clips
    assert "b.wav" in clips
    assert "cat" in labels


def test_the_embedded_data_bring_such_a_table(tiny_data):
    found = read_events(tiny_data / "events.csv")
    assert len(found.events) == 80
    assert all(event.offset_s > event.onset_s for events in found.events.values() for event in events)
