"""Attributions as a run keeps them."""

import json
import subprocess
import sys

import numpy as np
import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs.attribution_store import all_stored, key_of, read_stored, write_stored

FACTS = {
    "clip": "a.wav", "class_name": "Bark", "method": "saliency", "output": 0.5, "baseline_output": 0.25,
    "delta": float("nan"), "steps": None, "converged": None, "informative": True, "why": "it moves",
    "of": "logits", "iteration": 3,
    "frame_s": 0.1, "checks": {"other_class": float("nan")}, "options": {"baseline": "silence"}, "seconds": 1.0,
}  # fmt: skip
ARRAYS = {"attribution": np.ones((2, 3), np.float32), "mel": np.zeros((2, 3), np.float32)}


def test_what_is_written_is_read_back(tmp_path):
    written = write_stored(tmp_path, "k", FACTS, ARRAYS)
    read = read_stored(tmp_path, "k")
    assert read is not None
    assert (read.clip, read.class_name, read.output, read.steps) == ("a.wav", "Bark", 0.5, None)
    assert np.isnan(read.delta)
    assert read.run == str(tmp_path)
    assert read.file == written.file == tmp_path / "attributions" / "k.npz"
    np.testing.assert_array_equal(read.arrays()["attribution"], ARRAYS["attribution"])
    assert [one.file for one in all_stored(tmp_path)] == [read.file]


def test_what_is_not_whole_is_not_there(tmp_path):
    assert read_stored(tmp_path, "k") is None
    stored = write_stored(tmp_path, "k", FACTS, ARRAYS)
    (tmp_path / "attributions" / "k.json").write_text('{"clip": ')
    assert read_stored(tmp_path, "k") is None
    (tmp_path / "attributions" / "k.json").write_text(json.dumps({"clip": "a.wav"}))
    assert all_stored(tmp_path) == []
    write_stored(tmp_path, "k", FACTS, ARRAYS)
    stored.file.write_bytes(b"PK")
    with pytest.raises(RunError, match=r"k\.npz cannot be read.*delete it"):
        read_stored(tmp_path, "k").arrays()
    stored.file.unlink()
    assert read_stored(tmp_path, "k") is None


def test_a_key_is_of_the_content_and_of_all_that_was_asked():
    mel = np.arange(6.0).reshape(2, 3)
    about = {"class": "a", "options": {"steps": 64}}
    others = [
        key_of({**about, "class": "b"}, mel),
        key_of({**about, "options": {"steps": 65}}, mel),
        key_of(about, mel + 1),
        key_of(about, mel.reshape(3, 2)),
    ]
    assert len({key_of(about, mel), *others}) == 5
    assert key_of(dict(reversed(about.items())), mel.copy()) == key_of(about, mel)


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path):
    (tmp_path / "attributions").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        write_stored(tmp_path, "k", FACTS, ARRAYS)


def test_reading_needs_neither_torch_nor_captum(tmp_path):
    write_stored(tmp_path, "k", FACTS, ARRAYS)
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from flatline.runs.attribution_store import all_stored\n"
        "from flatline.diagnostics.attribution.names import METHODS\n"
        "all_stored(Path(sys.argv[1]))[0].arrays()\n"
        "print(sorted({'torch', 'captum', 'librosa'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
