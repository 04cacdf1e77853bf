import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
from flatline.cli import main
from flatline.runs import commands
from flatline.runs.log import RunLog
from flatline.runs.run import Run

README = Path(__file__).parent.parent / "README.md"
COMMANDS = (
    "train",
    "check",
    "ablate",
    "attribute",
    "predict",
    "dashboard",
    "compare",
    "report",
    "runs",
    "demo",
    "data check",
    "data make",
    "recipes",
    "models",
)


def flatline(*arguments, **options):
    """The command in a process of its own, as a person runs it."""
    return subprocess.Popen(
        [sys.executable, "-m", "flatline", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **options},
    )


def on_a_terminal(columns, *arguments):
    """What a command writes on a terminal of that many columns, without colours."""
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "flatline", *map(str, arguments)],
        stdin=end,
        stdout=end,
        stderr=end,
        env={**environment, "TERM": "xterm"},
    )
    os.close(end)
    said = b""
    with contextlib.suppress(OSError):  # how Linux says that the other end is closed
        while chunk := os.read(terminal, 65536):
            said += chunk
    os.close(terminal)
    assert process.wait() == 0, said
    return re.sub(r"\x1b\[[0-9;]*m", "", said.decode())


def unprivileged(*arguments, folder):
    """The command in that folder as a user whom permissions bind; root is bound only without its capabilities."""
    prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"] if not os.getuid() else []
    if prefix and shutil.which("setpriv") is None:
        pytest.skip("as root, permissions bind only by way of setpriv")
    command = [*prefix, sys.executable, "-m", "flatline", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def trained(tiny_data, tmp_path_factory):
    """A short recorded run, and what the command printed."""
    logs = tmp_path_factory.mktemp("logs")
    process = flatline("train", "story-published", "--data", tiny_data, "--logs", logs, "--iterations", 4)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return Run(out.splitlines()[-1]), logs, err


def refused(capsys, *arguments):
    """The one line that a refused command prints."""
    assert main([str(argument) for argument in arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    return said.err


def test_the_last_line_of_train_is_the_folder_of_a_finished_run(trained):
    run, logs, _ = trained
    assert run.path == (logs / "story-published").resolve()
    assert run.status == "finished"
    assert len(run.gradient_norms) == 4
    assert run.evaluations.index.tolist() == [0, 4]


def test_train_says_the_score_beside_chance_and_constant_level_where_there_is_no_terminal(trained):
    assert re.search(
        r"iteration 4 of 4: loss [\d.]+, gradient \S+, lwlrap [\d.]+ \(chance [\d.]+, constant", trained[2]
    )


def test_a_second_run_of_a_recipe_gets_a_number_and_a_taken_name_is_refused(trained, tiny_data, capsys):
    _, logs, _ = trained
    command = ["train", "story-published", "--data", str(tiny_data), "--logs", str(logs), "--iterations", "1"]
    assert main(command) == 0
    assert Path(capsys.readouterr().out.splitlines()[-1]).name == "story-published-2"
    assert "choose another name" in refused(capsys, *command, "--name", "story-published")


def test_set_takes_several_keys_and_may_be_repeated(tiny_data, tmp_path, capsys):
    settings = ["--set", "iterations=2", "model.head=mean", "--seed", "7"]
    settings += ["--set", "loss=bce-with-logits", "model.head_options={}"]
    assert main(["train", "story-published", "--data", str(tiny_data), "--logs", str(tmp_path), *settings]) == 0
    run = Run(capsys.readouterr().out.splitlines()[-1])
    assert (run.recipe["iterations"], run.recipe["model"]["head"], run.recipe["seed"]) == (2, "mean", 7)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_closes_the_log_writes_a_checkpoint_and_ends_with_130(number, tiny_data, tmp_path):
    process = flatline("train", "story-plain", "--data", tiny_data, "--logs", tmp_path, "--iterations", 100_000)
    run = tmp_path / "story-plain"
    wait_for(lambda: list((run / "tail" / "iterations").glob("[0-9]*.parquet")))
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert Path(out.splitlines()[-1]) == run.resolve()
    assert Run(run).status == "interrupted"
    rows = len(pd.read_parquet(run / "iterations"))
    assert rows == Run(run).last_iteration + 1
    assert (run / "checkpoints" / f"{rows:09d}.safetensors").is_file()
    assert "Traceback" not in err


@pytest.fixture
def stopped(tiny_data, tmp_path):
    """The logs of a run that Ctrl-C ended, and the run."""
    process = flatline("train", "story-plain", "--data", tiny_data, "--logs", tmp_path, "--iterations", 100_000)
    run = tmp_path / "story-plain"
    wait_for(lambda: list((run / "tail" / "iterations").glob("[0-9]*.parquet")))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    return tmp_path, Run(run)


def test_resume_needs_no_recipe_and_no_data_goes_on_and_leaves_a_finished_run_as_it_is(stopped, capsys):
    logs, run = stopped
    rows = len(run)
    command = ["train", "--resume", "story-plain", "--logs", str(logs), "--iterations", str(rows + 2)]
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(run.path.resolve())
    assert (run.status, len(run), run.recipe["iterations"]) == ("finished", rows + 2, rows + 2)
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    assert main(["train", "--resume", str(run.path), "--iterations", "100000"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{run.path.resolve()}\n"
    assert "story-plain is finished already" in said.err
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == before


def test_what_cannot_be_resumed_is_one_line(stopped, tiny_data, tmp_path, capsys):
    logs, run = stopped
    resume = ("train", "--resume", run.path)
    assert "leave one of them out" in refused(capsys, *resume, "--name", "new")
    assert "learning_rate is 0.5 here and 0.001 in run story-plain" in refused(
        capsys, *resume, "--set", "learning_rate=0.5"
    )
    assert "no run at" in refused(capsys, "train", "--resume", logs / "nowhere")
    assert "give one of `flatline recipes`, or --resume RUN" in refused(capsys, "train")
    info = json.loads((run.path / "run.json").read_text())
    info["data"]["root"] = str(tmp_path / "gone")
    (run.path / "run.json").write_text(json.dumps(info))
    assert f"no longer at {tmp_path / 'gone'}; say where they are with --data" in refused(capsys, *resume)
    assert main([*map(str, resume), "--data", str(tiny_data), "--iterations", str(len(run))]) == 0


def test_an_unknown_recipe_is_one_line_that_lists_the_known_ones(capsys):
    said = refused(capsys, "train", "story-plane")
    assert "'story-plane'" in said
    assert "story-plain" in said


def test_bad_settings_and_bad_data_are_one_line_each(tiny_data, tmp_path, capsys):
    train = ("train", "story-plain", "--data", tiny_data, "--logs", tmp_path)
    assert "batch_sise" in refused(capsys, *train, "--set", "batch_sise=3")
    assert "key=value" in refused(capsys, *train, "--set", "batch_size")
    assert "n_channels" in refused(capsys, *train, "--set", "model.options={n_channels: 3}")
    assert "fewer than the batch" in refused(capsys, *train, "--set", "batch_size=4000")
    assert "nowhere" in refused(capsys, "train", "story-plain", "--data", tmp_path / "nowhere", "--logs", tmp_path)
    assert "give 1 or more" in refused(capsys, *train, "--iterations", "0")
    assert not list(tmp_path.iterdir())


def test_bad_usage_ends_with_2():
    with pytest.raises(SystemExit, match="2"):
        main(["trane"])


def test_predict_writes_kaggles_submission_form(trained, tiny_data, tmp_path, capsys):
    _, logs, _ = trained
    output = tmp_path / "scores.csv"
    assert main(["predict", "story-published", "--logs", str(logs), "--data", str(tiny_data), "-o", str(output)]) == 0
    asked = pd.read_csv(tiny_data / "sample_submission.csv")
    scores = pd.read_csv(output)
    assert list(scores.columns) == list(asked.columns)
    assert sorted(scores["fname"]) == sorted(asked["fname"])
    assert scores.drop(columns="fname").to_numpy().min() >= 0
    assert scores.drop(columns="fname").to_numpy().max() <= 1
    assert capsys.readouterr().out == f"{output.resolve()}\n"


def test_predict_names_a_broken_clip_and_leaves_it_out_when_told_to(trained, tiny_data, tmp_path, capsys):
    _, logs, _ = trained
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "broken.wav").write_bytes(b"RIFF")
    whole = next((tiny_data / "test").glob("*.wav"))
    (folder / "whole.wav").write_bytes(whole.read_bytes())
    command = ["predict", "story-published", "--logs", logs, "--data", folder, "-o", tmp_path / "scores.csv"]
    assert "broken.wav" in refused(capsys, *command)
    assert main([*map(str, command), "--skip-bad"]) == 0
    assert pd.read_csv(tmp_path / "scores.csv")["fname"].tolist() == ["whole.wav"]
    assert "left out: " in capsys.readouterr().err


def test_runs_lists_scores_and_json_holds_absolute_paths_and_nothing_else(trained, capsys):
    run, logs, _ = trained
    assert main(["runs", str(logs), "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["story-published"]["run"] == str(run.path)
    assert rows["story-published"]["lwlrap"] == pytest.approx(run.evaluations.lwlrap.iloc[-1])
    assert main(["runs", str(logs)]) == 0
    assert "story-published" in capsys.readouterr().out


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_no_terminal_is_too_narrow_for_whole_scores(trained, columns):
    run, logs, _ = trained
    said = on_a_terminal(columns, "runs", logs)
    assert "…" not in said
    assert max(map(len, said.splitlines())) <= columns
    last = run.evaluations.iloc[-1]
    for score in (last.lwlrap, last.chance, last.constant):
        assert f" {score:.3f}" in said
    assert ("architecture" in said and "loss" in said) == (columns == 120)


def test_runs_of_a_file_or_of_a_folder_that_is_not_there_is_bad_input(tmp_path, capsys):
    assert "does not exist; give the folder that holds the runs" in refused(capsys, "runs", tmp_path / "nowhere")
    (tmp_path / "file").touch()
    assert "file is a file; give the folder" in refused(capsys, "runs", tmp_path / "file", "--json")


def test_the_usual_folder_of_runs_need_not_be_there_yet(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["runs"]) == 0
    assert "There are no runs in logs" in capsys.readouterr().out


def test_runs_says_why_a_run_cannot_be_read(tmp_path, capsys):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{ half")
    assert main(["runs", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert re.search(r"broken is unreadable: .*run\.json cannot be read \(.*\)", said.out)
    assert said.err == ""


def test_the_version_is_asked_for_as_everywhere(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert re.fullmatch(r"flatline \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


@pytest.mark.parametrize("command", [("train", "story-plain"), ("demo", "--no-serve"), ("data", "make", "set")])
def test_a_working_directory_that_may_not_be_written_is_one_message(command, tmp_path):
    tmp_path.chmod(0o555)
    done = unprivileged(*command, folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert re.fullmatch(r"flatline: .*(logs|set) .*; choose another .*\n", done.stderr)


def test_a_folder_of_clips_that_may_not_be_read_is_one_message_and_a_clip_is_a_problem(tiny_data, tmp_path):
    root = shutil.copytree(tiny_data, tmp_path / "data")
    clip = sorted((root / "test").iterdir())[0]
    clip.chmod(0)
    done = unprivileged("data", "check", root, folder=tmp_path)
    assert done.returncode == 1
    assert f"{clip}: cannot be read (Permission denied); check its permissions" in done.stdout
    assert "1 problem, " in done.stdout
    (root / "test").chmod(0)
    for command in (("data", "check", root), ("train", "story-plain", "--data", root)):
        done = unprivileged(*command, folder=tmp_path)
        assert done.returncode == 2, done.stderr
        assert re.fullmatch(rf"flatline: {root / 'test'} cannot be read \(Permission denied\); .*\n", done.stderr)
    (root / "test").chmod(0o755)


def test_a_key_given_in_two_ways_and_options_that_are_none_are_one_line_each(tiny_data, tmp_path, capsys):
    train = ("train", "story-plain", "--data", tiny_data, "--logs", tmp_path)
    assert "iterations is given twice" in refused(capsys, *train, "--iterations", "1", "--set", "iterations=0")
    assert "give a whole number of 1 or more" in refused(capsys, *train, "--set", "model.options.n_hidden=0")
    assert "give true or false" in refused(capsys, *train, "--set", "model.head_options.sigmoid=maybe")
    assert "--set model.options={}" in refused(capsys, *train, "--set", "model.architecture=simple-cgrnn")
    assert "without a dot in front" in refused(capsys, *train, "--name", ".hidden")
    assert not list(tmp_path.iterdir())


def test_runs_of_an_empty_folder_says_how_to_make_some(tmp_path, capsys):
    assert main(["runs", str(tmp_path)]) == 0
    assert "flatline demo" in capsys.readouterr().out


def test_recipes_and_models_list_what_there_is(capsys):
    assert main(["recipes", "--json"]) == 0
    assert len([r for r in json.loads(capsys.readouterr().out) if r["name"].startswith("story-")]) == 12
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    for name in ("cgrnn", "simple-cgrnn", "attention-only", "resnet", "input-attention", "frame_dropout"):
        assert name in said


def test_data_check_counts_faults_and_fails_on_them(tiny_data, tmp_path, capsys):
    assert main(["data", "check", str(tiny_data)]) == 0
    broken = tmp_path / "broken"
    (broken / "train_curated").mkdir(parents=True)
    (broken / "train_curated" / "a.wav").write_bytes(b"")
    (broken / "train_curated.csv").write_text("fname,labels\na.wav,Bark\nb.wav,Bark\n")
    capsys.readouterr()
    assert main(["data", "check", str(broken), "--json"]) == 1
    problems = json.loads(capsys.readouterr().out)
    faults = {Path(problem["file"]).name for problem in problems if not problem["note"]}
    assert faults == {"a.wav", "train_curated.csv"}
    assert all(Path(problem["file"]).is_absolute() for problem in problems)


def test_the_dashboard_serves_and_ends_in_order(trained):
    process = flatline("dashboard", trained[1], "--port", 0)
    try:
        line = process.stdout.readline()
        address = re.search(r"http://\S+", line)[0]
        assert urllib.request.urlopen(address, timeout=20).status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()


def test_every_command_has_help_and_stands_in_the_readme(capsys):
    readme = README.read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"`flatline {command}" in readme, command
        with pytest.raises(SystemExit, match="0"):
            main([*command.split(), "--help"])
        assert "usage: flatline" in capsys.readouterr().out


def wait_for(condition, seconds=90):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)


def test_predict_does_not_lose_a_clip_that_the_test_csv_names_and_that_is_not_there(
    trained, tiny_data, tmp_path, capsys
):
    _, logs, _ = trained
    root = tmp_path / "data"
    shutil.copytree(tiny_data, root)
    lost = sorted((root / "test").iterdir())[0]
    lost.unlink()
    command = ["predict", "story-published", "--logs", logs, "--data", root, "-o", tmp_path / "scores.csv"]
    assert "test.csv" in refused(capsys, *command)
    assert main([*map(str, command), "--skip-bad"]) == 0
    assert lost.name in capsys.readouterr().err
    assert len(pd.read_csv(tmp_path / "scores.csv")) == 15


def test_scores_that_cannot_be_written_are_one_line(trained, tiny_data, tmp_path, capsys):
    _, logs, _ = trained
    said = refused(
        capsys, "predict", "story-published", "--logs", logs, "--data", tiny_data, "-o", tmp_path / "no" / "s.csv"
    )
    assert "choose another with -o" in said
    assert "(None)" not in said


def test_a_device_that_holds_no_numbers_is_refused(tiny_data, tmp_path, capsys):
    train = ("train", "story-plain", "--data", tiny_data, "--logs", tmp_path)
    assert "set device=cpu" in refused(capsys, *train, "--set", "device=meta")


def test_a_demo_whose_run_fails_ends_with_1(monkeypatch, capsys, tmp_path):
    def fails(*given, **settings):
        raise commands.story.DemoError("the run of story-plain ended with exit code 9: it said nothing")

    monkeypatch.setattr(commands, "demo", fails)
    assert main(["demo", "--no-serve", "--logs", str(tmp_path)]) == 1
    assert "story-plain" in capsys.readouterr().err


def test_a_demo_learns_before_it_trains_that_its_port_is_taken(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(commands, "demo", lambda *given, **settings: pytest.fail("trained in vain"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refused(capsys, "demo", "--port", taken.getsockname()[1], "--logs", tmp_path)
    assert "choose another with --port" in said


def test_listing_runs_imports_neither_torch_nor_librosa(trained):
    script = (
        "import sys; from flatline.cli import main; main(sys.argv[1:]); "
        "print([name for name in ('torch', 'librosa', 'dash') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "runs", trained[1]], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def recorded(path):
    """A run of three iterations."""
    log = RunLog(path, {"parameters": ["w"], "classes": ["a", "b"]})
    for iteration in range(3):
        log.append(
            {
                "iteration": iteration,
                "wall_time": 1e9 + iteration,
                "loss": 0.5 / (1 + iteration),
                "gradient_norm": [0.1],
            }
        )
    log.close()


def test_a_run_goes_to_tensorboard_and_comes_back_numbered_where_its_name_is_taken(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tbparse", reason="tbparse comes with the extra tensorboard")
    monkeypatch.chdir(tmp_path)
    recorded(tmp_path / "logs" / "mine")
    assert main(["runs", "export", "mine", "--format", "tensorboard"]) == 0
    assert main(["runs", "import", "tensorboard/mine"]) == 0
    assert capsys.readouterr().out.split() == [
        str(tmp_path / "tensorboard" / "mine"),
        str(tmp_path / "logs" / "mine-2"),
    ]
    pd.testing.assert_series_equal(Run("mine").series("loss"), Run("mine-2").series("loss"))
    assert main(["runs", "import", "nothing", "--name", "gone"]) == 2
    assert "no scalars in nothing" in capsys.readouterr().err
    assert not (tmp_path / "logs" / "gone").exists()


def test_a_folder_of_runs_may_be_listed_whatever_it_is_called(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    recorded(tmp_path / "export" / "mine")
    assert main(["runs", "./export"]) == 0
    assert "mine" in capsys.readouterr().out
