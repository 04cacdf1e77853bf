import datetime
import json

import numpy as np
import pytest
from flatline.cli import main
from flatline.diagnostics.errors import RunError
from flatline.runs.log import RunLog
from flatline.runs.pruning import Choice, chosen, delete
from flatline.runs.pruning_table import prune
from flatline.runs.run import Run

INFO = {"maps": {"m": "sigmoid"}, "parameters": ["w"]}


def record(logs, name, status="finished", days=0.0):
    log = RunLog(logs / name, INFO)
    log.append({"iteration": 0, "loss": 1.0})
    log.append_maps(0, {"m": np.ones((40, 3))})
    (log.path / "checkpoints").mkdir()
    (log.path / "checkpoints" / "last.safetensors").write_bytes(bytes(5000))
    log.close(status)
    info = json.loads((log.path / "run.json").read_text())
    ended = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)
    (log.path / "run.json").write_text(json.dumps({**info, "ended": ended.isoformat()}))


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "logs"
    record(folder, "story-plain")
    record(folder, "story-old", days=40)
    record(folder, "other", "failed", days=10)
    record(folder, "cut", "interrupted", days=20)
    return folder


def names(logs, **choice):
    return [run.path.name for run in chosen(logs, Choice(**choice))[0]]


def test_runs_are_chosen_by_name_state_age_and_number(logs):
    assert names(logs, names=["story-*"]) == ["story-plain", "story-old"]
    assert names(logs, names=["story-*", "cut"]) == ["story-plain", "cut", "story-old"]
    assert names(logs, states=["failed", "interrupted"]) == ["other", "cut"]
    assert names(logs, older_than=15) == ["cut", "story-old"]
    assert names(logs, keep=1) == ["other", "cut", "story-old"]
    assert names(logs, names=["story-*"], keep=1, older_than=1) == []
    assert names(logs, names=["story-*"], older_than=1) == ["story-old"]
    assert names(logs, names=["plain"]) == []


def test_without_a_condition_nothing_is_chosen(logs):
    with pytest.raises(RunError, match=r"nothing says which runs of .*logs to prune; give --name '\*' for all"):
        chosen(logs, Choice(parts=["maps"]))


def test_sizes_are_those_of_the_files_that_go(logs):
    (whole,), _ = chosen(logs, Choice(names=["other"]))
    (checkpoints,), _ = chosen(logs, Choice(names=["other"], parts=["checkpoints"]))
    assert checkpoints.size == 5000
    assert whole.size == sum(path.stat().st_size for path in whole.path.rglob("*") if path.is_file())


def test_a_run_that_is_written_is_left_alone_however_it_is_chosen(logs):
    log = RunLog(logs / "live", INFO)
    doomed, spared = chosen(logs, Choice(names=["*"]))
    assert "live" not in [run.path.name for run in doomed]
    assert [(run.name, run.why) for run in spared] == [("live", "it is being written")]
    log.close()
    (run,), _ = chosen(logs, Choice(names=["live"]))
    again = RunLog(logs / "live", resume=True)  # somebody goes on with it while a person thinks
    with pytest.raises(RunError, match=r"live was not pruned \(it is being written\)"):
        delete(run)
    again.append({"iteration": 5, "loss": 1.0})
    again.close()
    assert len(Run(logs / "live").series("loss")) == 1


def test_what_is_no_run_is_never_touched(logs, tmp_path):
    (logs / "notes").mkdir()
    (logs / "notes" / "thesis.txt").write_text("years")
    (logs / "file.txt").write_text("")
    (logs / "broken").mkdir()
    (logs / "broken" / "run.json").write_text("{")
    (logs / "newer").mkdir()
    (logs / "newer" / "run.json").write_text('{"schema_version": 999}')
    (logs / "remains" / "iterations").mkdir(parents=True)
    record(tmp_path / "elsewhere", "linked")
    (logs / "link").symlink_to(tmp_path / "elsewhere" / "linked")
    assert prune(logs, Choice(names=["*"]), dry_run=False, yes=True) == 4
    left = {path.name for path in logs.iterdir()}
    assert left == {"notes", "file.txt", "broken", "newer", "remains", "link"}
    assert (logs / "notes" / "thesis.txt").read_text() == "years"
    assert Run(tmp_path / "elsewhere" / "linked").status == "finished"


def test_a_thinned_run_keeps_its_numbers_and_says_what_went(logs):
    choice = Choice(names=["story-plain"], parts=["maps", "checkpoints"])
    assert prune(logs, choice, dry_run=False, yes=True) == 1
    run = Run(logs / "story-plain")
    assert run.series("loss").tolist() == [1.0]
    assert run.info["pruned"] == ["checkpoints", "maps"]
    assert not {"maps", "checkpoints"} & {path.name for path in run.path.iterdir()}
    assert names(logs, names=["story-plain"], parts=["maps"]) == []  # nothing is left to free
    assert (logs / "other" / "maps").is_dir()


def test_a_dry_run_lists_and_deletes_nothing(logs, capsys):
    assert main(["runs", "prune", str(logs), "--older-than", "15", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "story-old" in said
    assert "cut" in said
    assert "story-plain" not in said
    assert "2 runs: " in said
    assert len(list(logs.iterdir())) == 4


def test_where_nobody_can_be_asked_it_needs_yes(logs, capsys, monkeypatch):
    command = ["runs", "prune", str(logs), "--state", "failed"]
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert main(command) == 2
    assert "1 run would be deleted and nobody can be asked; give --yes" in capsys.readouterr().err
    assert (logs / "other").is_dir()
    assert main([*command, "--yes"]) == 0
    assert "1 run deleted." in capsys.readouterr().out
    assert {path.name for path in logs.iterdir()} == {"story-plain", "story-old", "cut"}


@pytest.mark.parametrize(("answer", "gone"), [("y", 1), ("Yes ", 1), ("", 0), ("n", 0), ("sure", 0), (None, 0)])
def test_a_person_is_asked_and_anything_but_yes_is_no(logs, monkeypatch, answer, gone):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)

    def ask(question):
        assert question == "Delete 1 run for good? [y/N] "
        if answer is None:
            raise EOFError
        return answer

    assert prune(logs, Choice(names=["other"]), dry_run=False, yes=False, ask=ask) == gone
    assert (logs / "other").exists() is not bool(gone)


def test_what_a_cut_short_deletion_left_is_no_run_and_goes_with_the_next(logs):
    (logs / "cut").rename(logs / ".cut.pruned")
    assert names(logs, names=["*"]) == ["story-plain", "other", "story-old"]
    assert prune(logs, Choice(names=["other"]), dry_run=False, yes=True) == 1
    assert not (logs / ".cut.pruned").exists()


def test_a_run_that_cannot_be_deleted_does_not_keep_the_others(logs, monkeypatch, capsys):
    from flatline.runs import pruning_table

    def fails(run):
        if run.path.name == "other":
            raise RunError("other was not pruned (no)")
        delete(run)

    monkeypatch.setattr(pruning_table, "delete", fails)
    with pytest.raises(RunError, match="other was not pruned"):
        prune(logs, Choice(states=["failed", "interrupted"]), dry_run=False, yes=True)
    assert "1 run deleted." in capsys.readouterr().out
    assert not (logs / "cut").exists()


@pytest.mark.parametrize("wrong", [["--keep", "-1"], ["--older-than", "soon"], ["--state", "running"]])
def test_bad_options_are_bad_usage(logs, wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["runs", "prune", str(logs), *wrong])
    assert ended.value.code == 2
    assert len(list(logs.iterdir())) == 4


def test_a_folder_that_is_not_there_is_refused(tmp_path, capsys):
    assert main(["runs", "prune", str(tmp_path / "none"), "--name", "*"]) == 2
    assert "does not exist; give the folder of the runs" in capsys.readouterr().err
