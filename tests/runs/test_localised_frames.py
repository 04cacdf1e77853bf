"""Attributions by frame as a run keeps them for scoring."""

import numpy as np
import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs.localised_frames import Frames, FrameStore


def frames(value, informative=True):
    return Frames(np.full(5, value, dtype=np.float32), informative, "because")


def test_what_is_added_is_there_in_the_next_process(tmp_path):
    store = FrameStore(tmp_path, "w")
    store.add("a", frames(0.1), clip="a.wav")
    store.add("b", frames(-3.0, informative=False))
    again = FrameStore(tmp_path, "w")
    assert len(again) == 2
    found = again.get("b")
    assert found is not None
    np.testing.assert_array_equal(found.values, np.full(5, -3.0, dtype=np.float32))
    assert (found.informative, found.why) == (False, "because")
    assert again.get("c") is None


def test_other_weights_have_a_file_of_their_own(tmp_path):
    FrameStore(tmp_path, "w").add("a", frames(0.1))
    assert FrameStore(tmp_path, "v").get("a") is None


@pytest.mark.parametrize("lost", [1, 7, 40])
def test_a_line_that_was_cut_short_costs_itself_alone(tmp_path, lost):
    store = FrameStore(tmp_path, "w")
    store.add("a", frames(0.1))
    store.add("b", frames(0.2))
    content = store.path.read_bytes()
    store.path.write_bytes(content[: -1 - lost])
    again = FrameStore(tmp_path, "w")
    assert (again.get("a") is not None, again.get("b")) == (True, None)
    again.add("c", frames(0.3))
    assert {key for key in "abc" if FrameStore(tmp_path, "w").get(key)} == {"a", "c"}


def test_two_at_once_lose_nothing(tmp_path):
    one, other = FrameStore(tmp_path, "w"), FrameStore(tmp_path, "w")
    for number in range(20):
        (one if number % 2 else other).add(str(number), frames(number))
    assert len(FrameStore(tmp_path, "w")) == 20


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path):
    (tmp_path / "localisation").write_text("no folder")
    with pytest.raises(RunError, match=r"w\.jsonl cannot be written .*; see to the disk"):
        FrameStore(tmp_path, "w").add("a", frames(0.1))
