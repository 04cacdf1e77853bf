"""`flatline localise` and `flatline attribute --all-clips` as a person and a program call them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from flatline.cli import main
from flatline.data import load_dataset
from flatline.runs import localised_look
from flatline.runs.attributing import Attributor
from flatline.runs.attribution_store import all_stored
from flatline.runs.localisation_store import KEYS, stored_localisation
from flatline.runs.log import RunLog
from flatline.runs.run import Run
from safetensors import safe_open
from safetensors.torch import save_file

SMALL = ["model.options.channels=2", "model.options.n_hidden=4", "batch_size=16", "evaluate_every=3", "ablate=false"]

RECIPES = {"mine": "story-published", "input": "story-attention", "plain": "story-plain"}


@pytest.fixture(scope="module")
def trained(tiny_data, tmp_path_factory):
    logs = tmp_path_factory.mktemp("logs")
    for name, recipe in RECIPES.items():
        train = ["train", recipe, "--data", str(tiny_data), "--iterations", "6", "--logs", str(logs)]
        assert main([*train, "--name", name, "--set", *SMALL]) == 0
    return logs


@pytest.fixture
def logs(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "logs")


@pytest.fixture
def computed(monkeypatch):
    """(clip, class, method) of what is computed, in order."""
    asked, whole = [], Attributor.attribute

    def counted(self, clip, class_name, methods, settings=None, **more):
        asked.extend((clip.name, class_name, method) for method in methods)
        return whole(self, clip, class_name, methods, settings, **more)

    monkeypatch.setattr(Attributor, "attribute", counted)
    return asked


def ran(capsys, logs, *arguments, code=0):
    capsys.readouterr()
    assert main([*map(str, arguments), "--logs", str(logs)]) == code
    return capsys.readouterr()


def localised(capsys, logs, *arguments, code=0):
    return ran(capsys, logs, "localise", *arguments, code=code)


def test_json_of_one_run_is_rows_of_the_six_keys_and_nothing_else(logs, capsys):
    rows = json.loads(localised(capsys, logs, "mine", "--json", "--clips", 3, "--method", "saliency").out)
    assert all(tuple(row) == KEYS for row in rows)
    assert {row["by"] for row in rows} == {"localisation", "saliency"}
    whole = [row for row in rows if row["class"] == "all"]
    assert [row["by"] for row in whole] == ["localisation", "saliency"]
    assert all(0 <= row["pointing_game"] <= 1 for row in rows if row["by"] == "localisation")
    assert len({row["chance"] for row in whole}) == 1
    classes = set(Run(logs / "mine").classes)
    assert {row["class"] for row in rows} - {"all"} <= classes


def test_of_several_runs_rows_begin_with_the_run_and_each_has_the_maps_it_has(logs, capsys):
    said = localised(capsys, logs, "mine", "input", "plain", "--json", "--clips", 2, "--method", "ablation-frames")
    rows = json.loads(said.out)
    assert all(tuple(row) == ("run", *KEYS) for row in rows)
    ways = {name: {row["by"] for row in rows if Path(row["run"]).name == name} for name in RECIPES}
    assert ways == {
        "mine": {"localisation", "ablation-frames"},
        "input": {"localisation", "attention", "ablation-frames"},
        "plain": {"localisation", "ablation-frames"},
    }
    assert all(Path(row["run"]).is_absolute() for row in rows)


def test_the_table_is_kept_in_the_run_and_says_what_it_is_of(logs, capsys, tiny_data):
    localised(capsys, logs, "plain", "--clips", 4, "--method", "saliency")
    found = stored_localisation(logs / "plain")
    assert found is not None
    assert (found.clips, found.clips_there) == (4, 16)
    assert found.data == str(tiny_data)
    assert found.events == str(tiny_data / "events.csv")
    assert found.maps == {"localisation": "head.classification"}
    assert (logs / "plain" / "checkpoints" / found.checkpoint).is_file()
    assert 0 <= found.loudest <= 1


def test_in_words_there_are_tables_of_ways_and_of_classes(logs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    said = localised(capsys, logs, "input", "--clips", 3, "--method", "saliency").out
    assert re.search(r"input at iteration \d+: 3 of 16 clips with true onsets, \d+ pairs", said)
    assert re.search(r"^attention +0\.\d+ +0\.\d+", said, re.MULTILINE)
    assert "Pointing game by class" in said
    assert "loudest frame" in said
    several = localised(capsys, logs, "input", "plain", "--clips", 3, "--method", "saliency").out
    assert re.search(r"input +cgrnn, with attention +localisation", several)
    assert re.search(r"plain +cgrnn, no attention +localisation \(head\.classification\)", several)


def test_rows_of_an_earlier_call_on_the_same_clips_stay_beside_new_ones(logs, capsys):
    rows = {}
    for method in ("saliency", "ablation-frames"):
        said = localised(capsys, logs, "mine", "--json", "--clips", 2, "--method", method)
        rows[method] = json.loads(said.out)
    assert {row["by"] for row in rows["ablation-frames"]} == {"localisation", "ablation-frames", "saliency"}
    of_saliency = [[row for row in some if row["by"] == "saliency"] for some in rows.values()]
    assert of_saliency[0] == of_saliency[1]
    other = json.loads(localised(capsys, logs, "mine", "--json", "--clips", 3, "--method", "ablation-frames").out)
    assert {row["by"] for row in other} == {"localisation", "ablation-frames"}


def test_a_second_call_computes_nothing_and_says_the_same(logs, capsys, computed):
    first = localised(capsys, logs, "mine", "--json", "--clips", 3, "--method", "saliency").out
    assert computed
    assert len(set(computed)) == len(computed)
    del computed[:]
    assert localised(capsys, logs, "mine", "--json", "--clips", 3, "--method", "saliency").out == first
    assert computed == []


def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(logs, capsys, computed, monkeypatch):
    arguments = ("mine", "--json", "--all-clips", "--method", "saliency")
    add = localised_look.FrameStore.add
    added = []

    def interrupted(self, key, found, **about):
        add(self, key, found, **about)
        added.append(key)
        if len(added) == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(localised_look.FrameStore, "add", interrupted)
        said = localised(capsys, logs, *arguments, code=130)
    assert said.out == ""
    assert "the same command goes on" in said.err
    assert stored_localisation(logs / "mine") is None
    before = list(computed)
    assert len(before) == 5
    whole = localised(capsys, logs, *arguments).out
    assert len(set(computed)) == len(computed)  # nothing twice
    fresh = shutil.copytree(logs / "mine", logs / "fresh")
    shutil.rmtree(fresh / "localisation")
    (fresh / "localisation.json").unlink()
    assert json.loads(localised(capsys, logs, "fresh", *arguments[1:]).out) == json.loads(whole)
    found = stored_localisation(fresh)
    assert found is not None
    assert found.clips == found.clips_there == 16


def flattened(run):
    """The run with weights that give one answer whatever they are given."""
    for path in (run / "checkpoints").glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
            weights["head.classification.weight"].zero_()
            save_file(weights, path, metadata=file.metadata())


def test_on_a_constant_predictor_it_says_that_there_is_nothing_to_localise(logs, capsys):
    flattened(logs / "mine")
    said = localised(capsys, logs, "mine", "--clips", 3, "--method", "saliency").out
    assert re.search(r"nothing to localise: none of (\d+) attributions by saliency carries information", said)
    assert re.search(r"^saliency +– +0\.\d+ +– +–", said, re.MULTILINE)
    rows = json.loads(localised(capsys, logs, "mine", "--json", "--clips", 3, "--method", "saliency").out)
    of_method = [row for row in rows if row["by"] == "saliency"]
    assert all(row["pointing_game"] is row["frame_f1"] is row["event_f1"] is None for row in of_method)
    assert all(row["chance"] > 0 for row in of_method)


def rewritten(tiny_data, tmp_path, text):
    """The data with another table of events."""
    root = tmp_path / "data"
    root.mkdir()
    for entry in tiny_data.iterdir():
        (root / entry.name).symlink_to(entry)
    (root / "events.csv").unlink()
    if text is not None:
        (root / "events.csv").write_text(text)
    return root


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, r"no table of true onsets at .*events\.csv"),
        ("fname,labels\na.wav,dog\n", r"events\.csv: has no column onset_s .*columns found: fname, labels"),
        ("fname,onset_s,offset_s,event_label\na.wav,2,1,dog\n", r"1 of 1 lines .*line 2: offset 1\.0 lies before"),
        (
            "fname,onset_s,offset_s,event_label\nnowhere.wav,1,2,Bork\n",
            r"has no event of the classes of run mine in the 16 clips .*nowhere\.wav.*Bork",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_one_message_and_ends_with_2(logs, capsys, tiny_data, tmp_path, text, says):
    root = rewritten(tiny_data, tmp_path, text)
    said = localised(capsys, logs, "mine", "--data", root, code=2)
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert re.search(says, said.err)


def test_another_table_is_taken_what_it_does_not_know_is_told(logs, capsys, tiny_data, tmp_path):
    clip = next(clip for clip in load_dataset(tiny_data).clips if clip.split == "test")
    label = clip.labels[0]
    table = tmp_path / "truth.tsv"
    lines = [f"{clip.fname}\t0.5\t1.5\t{label}", "gone.wav\t0\t1\tBork", f"{clip.fname}\t500\t501\t{label}"]
    table.write_text("filename\tonset\toffset\tevent_label\n" + "\n".join(lines) + "\n")
    said = localised(capsys, logs, "mine", "--events", table, "--method", "saliency").out
    assert "1 of 1 clips with true onsets, 1 pairs" in said
    assert "1 clips of" in said
    assert "1 labels of" in said
    found = stored_localisation(logs / "mine")
    assert found is not None
    assert found.events == str(table)
    assert found.classes == [label]


def test_sounds_behind_what_the_network_sees_are_left_out_and_told(logs, capsys, tiny_data, tmp_path):
    one, other = [clip for clip in load_dataset(tiny_data).clips if clip.split == "test"][:2]
    table = tmp_path / "truth.csv"
    lines = [f"{one.fname},0.5,1.5,{one.labels[0]}", f"{other.fname},60,61,{other.labels[0]}"]
    table.write_text("file,onset,offset,label\n" + "\n".join(lines) + "\n")
    said = localised(capsys, logs, "mine", "--events", table, "--method", "saliency").out
    assert "1 sounds that lie behind what the network sees" in said
    table.write_text(f"file,onset,offset,label\n{lines[1]}\n")
    assert "every sound lies behind" in localised(capsys, logs, "mine", "--events", table, code=2).err


def test_a_clip_that_cannot_be_read_is_left_out_and_told(logs, capsys, tiny_data, tmp_path):
    root = shutil.copytree(tiny_data, tmp_path / "data")
    clips = [clip for clip in load_dataset(root).clips if clip.split == "test"]
    clips[0].path.write_bytes(b"no audio")
    said = localised(capsys, logs, "mine", "--data", root, "--all-clips", "--method", "saliency").out
    assert "15 of 16 clips with true onsets" in said
    assert "1 clips cannot be used and were left out" in said
    assert clips[0].fname in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], r"no run at nowhere"),
        (["mine", "--method", "lime"], r"unknown method 'lime' .*known: .*saliency"),
        (["mine", "--method", "deep-lift"], r"deep-lift is not defined through GRU"),
        (["mine", "--iteration", "4"], r"no checkpoint of iteration 4 .*there are: .*6"),
        (["mine", "--data", "/nowhere"], r"/nowhere"),
    ],
)
def test_bad_input_is_one_message_and_ends_with_2(logs, capsys, arguments, says):
    said = localised(capsys, logs, *arguments, "--json", code=2)
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert re.search(says, said.err)


def test_no_clips_is_bad_usage(logs, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["localise", "mine", "--clips", "0", "--logs", str(logs)])
    assert ended.value.code == 2
    assert "0 is no number of clips" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["localise", "own"], ["attribute", "own", "--all-clips"]])
def test_a_run_from_a_loop_of_ones_own_says_why_it_cannot_be(logs, capsys, command):
    RunLog(logs / "own", {"classes": ["a"], "parameters": ["w"]}).close()
    said = ran(capsys, logs, *command, code=2)
    assert "recorded from a training loop of your own" in said.err
    assert said.err.count("\n") == 1


def test_every_clip_is_attributed_once_and_kept(logs, capsys, computed, tiny_data):
    arguments = ("attribute", "mine", "--all-clips", "--method", "saliency", "--json")
    rows = json.loads(ran(capsys, logs, *arguments).out)
    clips = [clip for clip in load_dataset(tiny_data).clips if clip.split == "test"]
    wanted = {(clip.fname, label) for clip in clips for label in clip.labels}
    assert {(row["clip"], row["class"]) for row in rows} == wanted
    assert len(computed) == len(rows) == len(all_stored(logs / "mine"))
    assert json.loads(ran(capsys, logs, *arguments).out) == rows
    assert len(computed) == len(rows)
    said = ran(capsys, logs, *arguments[:-1]).out
    assert re.search(rf"^saliency +{len(rows)} +0 +\d+", said, re.MULTILINE)


def test_attributing_all_clips_goes_on_after_ctrl_c(logs, capsys, computed, monkeypatch):
    arguments = ("attribute", "mine", "--all-clips", "--class", "top", "--method", "saliency", "--json")
    keep = Attributor.keep

    def interrupted(self, *given):
        if len(computed) == 4:
            raise KeyboardInterrupt
        return keep(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(Attributor, "keep", interrupted)
        assert "the same command goes on" in ran(capsys, logs, *arguments, code=130).err
    assert len(all_stored(logs / "mine")) == 3
    rows = json.loads(ran(capsys, logs, *arguments).out)
    assert len(rows) == len(all_stored(logs / "mine")) == 16
    assert len(computed) == 4 + 13  # the one that was under way anew


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["mine"], r"give a CLIP or --all-clips, not neither"),
        (["mine", "a.wav", "--all-clips"], r"give a CLIP or --all-clips, not both"),
        (["mine", "--all-clips", "--class", "Nope"], r"unknown class 'Nope' .*known: .*true"),
        (["mine", "--all-clips", "--method", "lime"], r"unknown method 'lime'"),
    ],
)
def test_attribute_says_what_it_needs(logs, capsys, arguments, says):
    said = ran(capsys, logs, "attribute", *arguments, code=2)
    assert re.search(says, said.err)
    assert said.err.count("\n") == 1


def test_clips_without_a_label_are_told(logs, capsys, tiny_data, tmp_path):
    root = shutil.copytree(tiny_data, tmp_path / "data")
    lines = (root / "test.csv").read_text().splitlines()
    (root / "test.csv").write_text("\n".join([lines[0], lines[1].partition(",")[0] + ",", *lines[2:]]) + "\n")
    said = ran(capsys, logs, "attribute", "mine", "--all-clips", "--data", root, "--method", "saliency").out
    assert "15 clips" in said
    assert "1 clips were left out: " in said
    assert "test.csv, line 2" in said


def test_all_this_is_known_before_torch_is_imported():
    script = (
        "import sys\nfrom flatline.cli import main\n"
        "code = main(['localise', 'nowhere', '--logs', '/nowhere'])\n"
        "assert code == 2 and not {'torch', 'captum', 'sed_eval'} & set(sys.modules), code"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_scores_of_the_rows_are_those_of_the_maps_themselves(logs, capsys, tiny_data):
    """The pointing game of the localisation, from the run's pinned clip alone, by hand."""
    from flatline.data.events import read_events
    from flatline.runs.kept_clips import kept_clips

    run = Run(logs / "mine")
    last = run.evaluations.index[-1]
    name = kept_clips(run)[0]
    events = read_events(tiny_data / "events.csv").events[name]
    table = logs / "one.csv"
    rows = [f"{name},{event.onset_s},{event.offset_s},{event.label}" for event in events]
    table.write_text("fname,onset_s,offset_s,event_label\n" + "\n".join(rows) + "\n")
    arguments = ("--events", table, "--iteration", last, "--method", "saliency")
    found = json.loads(localised(capsys, logs, "mine", "--json", *arguments).out)
    given = Attributor(run, int(last)).clip(name)
    recorded = run.attention(int(last), clip=name)[: given.n_real]  # (frame, class), as training kept it
    for event in events:
        row = next(row for row in found if (row["by"], row["class"]) == ("localisation", event.label))
        peak = int(np.argmax(recorded[:, run.classes.index(event.label)]))
        start, end = (peak - 0.5) * given.frame_s, (peak + 0.5) * given.frame_s
        spans = [(one.onset_s, one.offset_s) for one in events if one.label == event.label]
        inside = max(min(end, b) - max(start, a) for a, b in spans) >= 0.5 * min(
            given.frame_s, *(b - a for a, b in spans)
        )
        assert row["pointing_game"] == float(inside)
