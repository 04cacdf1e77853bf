import shutil

import pytest
from flatline.data import DataError, load_dataset

CURATED = {"a.wav": "Bark,Meow", "b.wav": "Meow"}


def add_row(root, row, csv="train_curated.csv"):
    with (root / csv).open("a") as file:
        file.write(row + "\n")


def test_the_kaggle_layout_loads_with_paths_rows_and_rate(kaggle):
    root = kaggle(curated=CURATED, noisy={"c.wav": "Bark"}, test={"d.wav": "Meow"})
    clipset = load_dataset(root)
    assert (clipset.layout, clipset.sample_rate_hz, clipset.problems, clipset.notes) == ("kaggle", 8000, (), ())
    assert [clip.split for clip in clipset.clips] == ["curated", "curated", "noisy", "test"]
    second = clipset.clips[1]
    assert (second.fname, second.labels, second.row) == ("b.wav", ("Meow",), 3)
    assert second.path == root / "train_curated" / "b.wav"
    assert second.source_csv == root / "train_curated.csv"
    assert clipset.has_labelled_test


def test_the_zenodo_layout_loads_with_its_further_columns(zenodo):
    root = zenodo("0,Meow\n1,Bark\n", curated=CURATED, noisy={"c.wav": "Bark"}, test={"d.wav": "Meow"})
    clipset = load_dataset(root)
    assert (clipset.layout, clipset.classes, len(clipset)) == ("zenodo", ("Meow", "Bark"), 4)
    assert clipset.clips[3].path == root / "FSDKaggle2019.audio_test" / "d.wav"
    assert clipset.has_labelled_test


def test_classes_come_from_the_sample_submission_in_its_order(kaggle):
    root = kaggle(classes=("Meow", "Bark", "Chirp"), curated=CURATED)
    assert load_dataset(root).classes == ("Meow", "Bark", "Chirp")


def test_classes_are_the_sorted_curated_labels_where_no_list_is_given(kaggle):
    assert load_dataset(kaggle(curated={"a.wav": "Meow", "b.wav": "Bark"})).classes == ("Bark", "Meow")


@pytest.mark.parametrize("split", ["curated", "noisy", "test"])
def test_any_one_split_loads_alone(kaggle, split):
    clipset = load_dataset(kaggle(**{split: CURATED}))
    assert [clip.split for clip in clipset.clips] == [split] * 2
    assert clipset.classes == ("Bark", "Meow")


def test_a_csv_whose_clips_were_not_downloaded_is_left_out_with_a_note(kaggle):
    root = kaggle(curated=CURATED, noisy={"c.wav": "Bark"})
    shutil.rmtree(root / "train_noisy")
    clipset = load_dataset(root)
    assert len(clipset) == 2
    assert "train_noisy.csv: its folder train_noisy/ is absent" in str(clipset.notes[0])
    assert clipset.notes[0].note


def test_clips_without_their_csv_are_left_out_with_a_note(kaggle):
    root = kaggle(curated=CURATED, noisy={"c.wav": "Bark"})
    (root / "train_noisy.csv").unlink()
    assert "train_noisy: has no train_noisy.csv" in str(load_dataset(root).notes[0])


def test_a_test_folder_without_a_csv_gives_clips_without_labels(kaggle):
    root = kaggle(curated=CURATED, test={"d.wav": "Meow"})
    (root / "test.csv").unlink()
    (root / "test" / "readme.txt").write_text("no clip")
    clipset = load_dataset(root)
    assert [(clip.fname, clip.labels) for clip in clipset.clips if clip.split == "test"] == [("d.wav", ())]
    assert not clipset.has_labelled_test


@pytest.mark.parametrize("content", ["fname\nd.wav\n", "fname,labels\nd.wav,\n"], ids=["no column", "empty column"])
def test_a_test_csv_without_labels_gives_clips_without_labels(kaggle, content):
    root = kaggle(curated=CURATED, test={"d.wav": ""})
    (root / "test.csv").write_text(content)
    clipset = load_dataset(root)
    assert clipset.clips[2].labels == ()
    assert not clipset.has_labelled_test


def test_a_test_folder_beside_a_sample_submission_is_enough_to_predict_on(kaggle):
    root = kaggle(classes=("Bark",), test={"d.wav": ""})
    (root / "test.csv").unlink()
    assert [clip.fname for clip in load_dataset(root).clips] == ["d.wav"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("gone.wav,Bark", r"gone\.wav is not in .*train_curated; restore the file or delete the row"),
        ("a.wav,Bark", r"a\.wav is named again \(first on line 2\); keep one of the two rows"),
        ("b2.wav,Chirp", r"label 'Chirp' of b2\.wav is not one of the 2 classes; correct the label"),
        ("b2.wav,", r"b2\.wav has no label; give it one or delete the row"),
        (",Bark", r"the row has no file name; fill its column fname"),
        ('b2.wav,"Bark\nc.wav,Meow', r"a quoted cell runs over several lines; close its quotes"),
    ],
    ids=["missing file", "duplicate", "unknown label", "no label", "no name", "open quote"],
)
def test_a_bad_row_is_named_with_its_line_and_left_out(kaggle, row, message):
    root = kaggle(classes=("Bark", "Meow"), curated=CURATED)
    shutil.copy(root / "train_curated" / "a.wav", root / "train_curated" / "b2.wav")
    add_row(root, row)
    with pytest.raises(DataError, match=r"1 bad row in .*train_curated\.csv, line 4: " + message):
        load_dataset(root)
    clipset = load_dataset(root, on_problem="collect")
    assert [clip.fname for clip in clipset.clips] == ["a.wav", "b.wav"]
    (problem,) = clipset.problems
    assert (problem.file, problem.row) == (root / "train_curated.csv", 4)


def test_an_open_quote_makes_no_class_of_the_rows_it_swallows(kaggle):
    root = kaggle(curated=CURATED)
    add_row(root, 'a2.wav,"Bark\nc.wav,Meow')
    assert load_dataset(root, on_problem="collect").classes == ("Bark", "Meow")


def test_many_bad_rows_are_one_error_that_counts_them_and_says_how_to_go_on(kaggle):
    root = kaggle(curated=CURATED)
    for i in range(5):
        add_row(root, f"gone{i}.wav,Bark")
    with pytest.raises(DataError) as caught:
        load_dataset(root)
    message = str(caught.value)
    assert "5 bad rows" in message
    assert "gone2.wav" in message
    assert "gone3.wav" not in message
    assert "(and 2 more)" in message
    assert f"`flatline data check {root}`" in message
    assert "`--set data.skip_bad=true`" in message


def test_a_folder_that_does_not_exist_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"data root .*nowhere does not exist; give the folder"):
        load_dataset(tmp_path / "nowhere", on_problem="collect")


def test_a_file_in_place_of_the_folder_is_an_error(wav):
    with pytest.raises(DataError, match="is a file, not a folder"):
        load_dataset(wav("a.wav"))


def test_an_unknown_layout_is_an_error_that_says_what_was_looked_for_and_found(tmp_path):
    (tmp_path / "esc50.csv").touch()
    with pytest.raises(DataError, match=r"looked for kaggle: train_curated\.csv.*zenodo: .*; found esc50\.csv\); give"):
        load_dataset(tmp_path, on_problem="collect")


def test_csvs_without_any_folder_of_clips_are_an_error(kaggle):
    root = kaggle(curated=CURATED)
    shutil.rmtree(root / "train_curated")
    with pytest.raises(DataError, match=r"none of the folders of clips train_curated/.*unpack the audio"):
        load_dataset(root, on_problem="collect")


def test_missing_columns_are_an_error_even_when_problems_are_collected(kaggle):
    root = kaggle(curated=CURATED)
    (root / "train_curated.csv").write_text("file,tags\na.wav,Bark\n")
    with pytest.raises(DataError, match=r"no column fname and labels; columns found: file, tags"):
        load_dataset(root, on_problem="collect")


def test_a_set_without_a_single_label_is_an_error(kaggle):
    with pytest.raises(DataError, match=r"no row under .* has a label.*fill the column labels"):
        load_dataset(kaggle(curated={"a.wav": ""}))


def test_the_sample_rate_is_that_of_the_first_clip_that_opens(kaggle):
    root = kaggle(curated=CURATED)
    (root / "train_curated" / "a.wav").write_bytes(b"")
    assert load_dataset(root).sample_rate_hz == 8000
    (root / "train_curated" / "b.wav").write_bytes(b"")
    assert load_dataset(root).sample_rate_hz is None
