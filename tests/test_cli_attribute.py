"""`flatline attribute` as a person and a program call it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from flatline.cli import main
from flatline.diagnostics.attribution.names import BASELINES, METHODS
from flatline.runs.kept_clips import kept_clips
from flatline.runs.run import Run

DOCS = Path(__file__).parent.parent / "docs" / "attribution.md"
KEYS = ["run", "clip", "class", "method", "output", "baseline_output", "delta", "steps", "informative", "why", "file"]
SMALL = ["model.options.channels=2", "model.options.n_hidden=4", "batch_size=16", "evaluate_every=3", "ablate=false"]


@pytest.fixture(scope="module")
def run(tiny_data, tmp_path_factory):
    logs = tmp_path_factory.mktemp("logs")
    train = ["train", "story-published", "--data", str(tiny_data), "--iterations", "6", "--logs", str(logs)]
    assert main([*train, "--name", "mine", "--set", *SMALL]) == 0
    return Run(logs / "mine")


def attributed(run, capsys, *arguments, code=0):
    capsys.readouterr()
    assert main(["attribute", "mine", *map(str, arguments), "--logs", str(run.path.parent)]) == code
    return capsys.readouterr()


def test_json_is_all_of_stdout_and_a_list_of_rows_with_these_keys(run, capsys):
    name = kept_clips(run)[0]
    said = attributed(
        run, capsys, name, "--class", run.classes[2], "--json", "--method", "saliency", "--method", "rollout"
    )
    rows = json.loads(said.out)
    assert [list(row) for row in rows] == [KEYS, KEYS]
    assert [(row["clip"], row["class"], row["method"]) for row in rows] == [
        (name, run.classes[2], method) for method in ("saliency", "rollout")
    ]
    assert Path(rows[0]["run"]) == run.path
    assert all(isinstance(row["informative"], bool) and row["why"] for row in rows)


def test_the_file_holds_attribution_and_mel_that_add_up_as_the_row_says(run, capsys):
    (row,) = json.loads(attributed(run, capsys, kept_clips(run)[0], "--class", "top", "--json").out)
    assert row["method"] == "integrated-gradients"
    assert Path(row["file"]).is_absolute()
    arrays = np.load(row["file"])
    assert arrays["attribution"].shape == arrays["mel"].shape
    assert arrays["attribution"].ndim == 2
    difference = row["output"] - row["baseline_output"]
    assert row["delta"] == pytest.approx(arrays["attribution"].sum(dtype=float) - difference, abs=1e-9)
    assert abs(row["delta"]) <= 0.01 * max(abs(difference), 0.05)
    assert 64 <= row["steps"] <= 1024
    assert json.loads(str(arrays["facts"]))["of"] == "probabilities"


def test_a_second_call_prints_the_same_and_needs_no_captum(run, capsys):
    arguments = [kept_clips(run)[0], "--class", "all", "--method", "saliency", "--json"]
    first = attributed(run, capsys, *arguments).out
    assert len(json.loads(first)) == len(run.classes)
    script = (
        "import sys\nfrom flatline.cli import main\n"
        "assert main(['attribute', 'mine', *sys.argv[1:]]) == 0\n"
        "assert 'captum' not in sys.modules"
    )
    command = [sys.executable, "-c", script, *arguments, "--logs", run.path.parent]
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert again.stdout == first


def test_in_words_it_says_what_was_attributed_from_what_and_whether_it_says_something(run, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    name = kept_clips(run)[0]
    said = attributed(
        run,
        capsys,
        name,
        "--iteration",
        6,
        "--of",
        "logits",
        "--baseline",
        "blurred",
        "--method",
        "saliency",
        "occlusion",
    ).out
    assert f"{name}, mine at iteration 6, logits, from blurred" in said
    assert "something" in said or "nothing" in said
    assert "ranks as occlusion" in said
    assert str(run.path / "attributions") in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--class", "Nope"], r"unknown class 'Nope' .*known: .*Castanets"),
        (["--method", "lime"], r"unknown method 'lime' .*known: .*integrated-gradients"),
        (["--baseline", "noise"], r"unknown baseline 'noise' .*known: blurred, mean, silence"),
        (["--iteration", "4"], r"no checkpoint of iteration 4 .*there are: .*6"),
        (["--method", "occlusion", "--noise", "3"], r"occlusion has no gradient .*saliency"),
        (["--method", "deep-lift"], r"deep-lift is not defined through GRU"),
        (["--data", "/nowhere", "--class", "true"], r""),
    ],
)
def test_bad_input_is_one_message_and_ends_with_2(run, capsys, arguments, says):
    clip = "no-such-clip.wav" if not says else kept_clips(run)[0]
    said = attributed(run, capsys, clip, *arguments, "--json", code=2)
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert re.search(says, said.err)


@pytest.mark.parametrize("content", [None, b"", b"RIFF but no more"])
def test_a_file_that_is_missing_empty_or_no_audio_ends_with_2(run, capsys, tmp_path, content):
    path = tmp_path / "clip.wav"
    if content is not None:
        path.write_bytes(content)
    said = attributed(run, capsys, path, code=2)
    assert said.err.count("\n") == 1
    assert str(path) in said.err


def test_a_stereo_file_of_another_rate_is_mixed_down_and_resampled(run, capsys, tmp_path):
    rng = np.random.default_rng(0)
    left = 0.2 * rng.normal(size=22050)
    soundfile.write(tmp_path / "stereo.wav", np.stack([left, left], axis=1), 22050)
    soundfile.write(tmp_path / "mono.wav", left, 22050)
    rows = [
        json.loads(attributed(run, capsys, tmp_path / name, "--json", "--method", "saliency").out)[0]
        for name in ("stereo.wav", "mono.wav")
    ]
    assert rows[0]["output"] == rows[1]["output"]
    assert rows[0]["clip"] == str(tmp_path / "stereo.wav")
    assert rows[0]["file"] == rows[1]["file"]  # of one content


def test_every_method_and_baseline_stands_in_the_docs():
    page = DOCS.read_text(encoding="utf-8")
    for name in (*(method.name for method in METHODS), *BASELINES):
        assert f"`{name}`" in page, name
