import numpy as np
from flatline.dashboard.pages.attribution import layout
from flatline.runs.attribution_store import key_of, read_stored, write_stored
from flatline.runs.run import Run

FACTS = {
    "clip": "clip one.wav",
    "class_name": "class 3",
    "method": "occlusion",
    "output": 1.25,
    "baseline_output": -0.5,
    "delta": 0.0,
    "steps": None,
    "converged": None,
    "informative": False,
    "why": "no class moves between clip and baseline",
    "of": "logits",
    "iteration": 150,
    "frame_s": 0.1,
    "checks": {},
    "options": {},
    "seconds": 0.1,
}


def test_a_run_without_attributions_names_the_command_that_makes_one(logs):
    said = repr(layout(Run(logs / "complete")))
    assert "flatline attribute complete clip one.wav --class true" in said
    assert "id='attribution-map'" in said


def test_what_a_run_keeps_is_listed_with_what_its_checks_say(simulated, tmp_path):
    simulated.nearly_nothing(tmp_path / "run")
    mel = np.ones((4, 3))
    key = key_of({"class": "class 3"}, mel)
    write_stored(tmp_path / "run", key, FACTS, {"attribution": mel, "mel": mel})
    assert read_stored(tmp_path / "run", key) is not None
    said = repr(layout(Run(tmp_path / "run")))
    for expected in ("clip one.wav", "class 3", "occlusion", "150", "1.25", "-0.5", FACTS["why"], "'no'"):
        assert expected in said
    assert "flatline attribute" not in said
