from flatline.data import check_dataset
from flatline.data.freesound import survey_dataset
from flatline.data.label_notes import unlearnable


def notes(root):
    return [str(note) for note in unlearnable(survey_dataset(root))]


def test_a_class_of_no_training_clip_is_a_note(kaggle):
    root = kaggle(
        curated={"a.wav": "Bark", "b.wav": "Meow"}, test={"t.wav": "Hiss"}, classes=("Bark", "Meow", "Hiss", "Purr")
    )
    (problem,) = check_dataset(root)
    assert problem.note
    assert str(problem) == (
        f"{root}: no training clip has the label 'Hiss', 'Purr' (2 of 4 classes); "
        "add clips of it, or expect no score for it"
    )


def test_noisy_clips_are_training_clips_too(kaggle):
    root = kaggle(curated={"a.wav": "Bark"}, noisy={"b.wav": "Meow"}, classes=("Bark", "Meow"))
    assert notes(root) == []


def test_a_class_of_every_training_clip_is_a_note(kaggle):
    root = kaggle(curated={"a.wav": "Bark,Meow", "b.wav": "Bark"}, test={"t.wav": "Meow"})
    assert notes(root) == [
        f"{root}: each of the 2 training clips has the label 'Bark'; "
        "add clips without it: what never varies cannot be learned"
    ]


def test_of_many_classes_the_first_few_are_named(kaggle):
    root = kaggle(curated={"a.wav": "A", "b.wav": "B"}, classes=tuple("ABCDEFGHI"))
    assert "'C', 'D', 'E', 'F', 'G' nor of 2 others (7 of 9 classes)" in notes(root)[0]


def test_a_training_clip_without_a_label_is_a_fault_and_no_note(kaggle):
    root = kaggle(curated={"a.wav": "Bark", "b.wav": "Meow", "c.wav": ""})
    (problem,) = check_dataset(root)
    assert not problem.note
    assert "c.wav has no label" in problem.what


def test_where_a_training_csv_cannot_be_read_its_classes_are_not_missed(kaggle):
    root = kaggle(curated={"a.wav": "Meow"}, noisy={"b.wav": "Bark"}, test={"c.wav": "Meow"})
    (root / "train_curated.csv").write_text("file,tags\n")
    assert notes(root) == []


def test_a_set_without_training_clips_has_no_such_note(kaggle):
    assert notes(kaggle(test={"c.wav": "Meow"})) == []
