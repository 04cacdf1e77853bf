"""`flatline sweep` on tiny networks: trained, gone on with, refused, and shown."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from flatline.cli import main
from flatline.runs.run import Run

SWEEP = """
settings: {batch_size: 16, device: cpu, level: light, ablate: false, evaluate_every: 3}
variants:
  plain:
    recipe: story-plain
    settings: {model.options: {channels: 2, n_hidden: 4}, iterations: 6}
  attention:
    recipe: story-attention-simple
    settings: {iterations: 6}
lr_range: [plain]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "mine.yaml").write_text(SWEEP)
    return folder


def arguments(folder, tiny_data, *more):
    given = ("--data", tiny_data, "--logs", folder / "logs", "-o", folder / "report", "--jobs", "2")
    return ["sweep", *map(str, (folder / "mine.yaml", *given, *more))]


@pytest.fixture(scope="module")
def swept(folder, tiny_data):
    """What a first sweep printed as JSON."""
    command = [sys.executable, "-m", "flatline", *arguments(folder, tiny_data, "--json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_json_has_every_run_with_its_scores_beside_their_levels_and_absolute_paths(swept, folder):
    assert [row["name"] for row in swept["runs"]] == ["plain", "attention"]
    for row in swept["runs"]:
        run = Run(row["run"])
        last = run.evaluations.iloc[-1]
        assert run.path.parent == folder / "logs" / "mine"
        assert (row["lwlrap"], row["lrap"]) == (last.lwlrap, last.lrap)
        assert (row["chance"], row["constant"]) == (last.chance, last.constant)
        assert row["iterations"] == 6
        assert row["seconds_per_epoch"] > 0
        assert row["parameters"] == run.info["parameter_count"]
        assert row["verdict"] == "undetermined"
    assert [row["name"] for row in swept["range_tests"]] == ["plain-lr-range"]
    assert Path(swept["report"]) == folder / "report" / "index.html"


def test_the_folder_holds_tables_recipes_and_a_page_that_needs_nothing_else(swept, folder):
    page = (folder / "report" / "index.html").read_text()
    assert not re.findall(r'(?:src|href)="https?://', page)
    for word in (
        "chance",
        "constant",
        "1, 1/2, 1/3",
        "plain",
        "attention",
        "Seconds an epoch",
        "whose learning rate rises",
    ):
        assert word in page
    assert "plain,plain,plain" in (folder / "report" / "runs.csv").read_text()
    assert "| plain |" in (folder / "report" / "table.md").read_text()
    assert {path.name for path in (folder / "report" / "recipes").iterdir()} >= {"plain.yaml", "attention.yaml"}


def test_what_is_finished_is_not_trained_again(swept, folder, tiny_data, capsys):
    before = {path: path.stat().st_mtime_ns for path in (folder / "logs" / "mine").glob("*/run.json")}
    assert main(arguments(folder, tiny_data)) == 0
    said = capsys.readouterr()
    assert "3 of 3 runs are finished already" in said.err
    assert "starts" not in said.err
    assert "plain" in said.out
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_other_settings_under_the_same_names_are_refused(swept, folder, tiny_data, capsys):
    assert main(arguments(folder, tiny_data, "--iterations", "8")) == 2
    said = capsys.readouterr().err
    assert "iterations is 8 in the sweep and 6 in the run at" in said
    assert "flatline runs prune" in said


def test_other_data_under_the_same_names_are_refused(swept, folder, tmp_path, capsys):
    from flatline.data import make_dataset

    other = make_dataset(tmp_path / "other", n_curated=48, n_noisy=0, n_test=16, workers=1)
    assert main(arguments(folder, other)) == 2
    assert "is not the data set that run plain was trained on" in capsys.readouterr().err


def test_an_interrupted_sweep_is_gone_on_with_and_ends_as_if_nothing_had_been(tiny_data, tmp_path, capsys):
    text = SWEEP.replace("lr_range: [plain]", "").replace("iterations: 6", "iterations: 120")
    (tmp_path / "mine.yaml").write_text(text)
    command = [sys.executable, "-m", "flatline", *arguments(tmp_path, tiny_data)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    runs = [tmp_path / "logs" / "mine" / name for name in ("plain", "attention")]
    until = time.monotonic() + 120
    while not all(list((run / "checkpoints").glob("*")) for run in runs) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "the same command again goes on" in said
    assert {Run(run).status for run in runs} <= {"interrupted", "finished"}
    assert "interrupted" in {Run(run).status for run in runs}
    assert main(arguments(tmp_path, tiny_data)) == 0
    assert "goes on" in capsys.readouterr().err
    for run in runs:
        assert Run(run).status == "finished"
        assert list(Run(run).series("loss").index) == list(range(120))


def test_a_run_that_was_killed_before_its_first_checkpoint_is_begun_anew(tiny_data, tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text(SWEEP.replace("lr_range: [plain]", ""))
    (tmp_path / "logs" / "mine" / "plain").mkdir(parents=True)
    assert main(arguments(tmp_path, tiny_data)) == 0
    assert Run(tmp_path / "logs" / "mine" / "plain").status == "finished"


def test_a_run_that_fails_is_told_and_keeps_the_others_from_nothing(tiny_data, tmp_path, capsys, monkeypatch):
    from flatline.runs import sweep_command

    (tmp_path / "mine.yaml").write_text(SWEEP.replace("lr_range: [plain]", ""))
    job_of = sweep_command.job_of

    def broken(stands, *rest):
        job = job_of(stands, *rest)
        return job if stands.planned.name == "attention" else type(job)(job.name, (*job.command, "--seed", "x"))

    monkeypatch.setattr(sweep_command, "job_of", broken)
    assert main(arguments(tmp_path, tiny_data, "--json")) == 1
    plain, attention = json.loads(capsys.readouterr().out)["runs"]
    assert "invalid int value: 'x'" in plain["failed"]
    assert plain["lwlrap"] is None
    assert attention["failed"] is None
    assert "plain failed" in (tmp_path / "report" / "index.html").read_text()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--logs", "s3://bucket/logs"], "is in a store (flatline sweep --logs); give a folder"),
        (["--data", "/nowhere"], "/nowhere"),
        (["-o", "/proc/report"], "/proc/report/recipes cannot be made"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_trained(swept, folder, tiny_data, capsys, more, said):
    assert main(arguments(folder, tiny_data, *more)) == 2
    assert said in capsys.readouterr().err


def test_a_network_that_cannot_be_built_is_told_with_its_run(tiny_data, tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text(SWEEP.replace("channels: 2", "chanels: 2"))
    assert main(arguments(tmp_path, tiny_data)) == 2
    assert "recipe plain" in (said := capsys.readouterr().err)
    assert "chanels" in said
    assert not (tmp_path / "logs").exists()


def test_data_of_the_seeds_rate_get_the_other_sweep(tiny_data, tmp_path, capsys):
    here = {"recipe: story-plain": "recipe: story-plain\nfor_data: {from_hz: 16000, sweep: larger}\n"}
    (tmp_path / "mine.yaml").write_text(here["recipe: story-plain"])
    (tmp_path / "larger.yaml").write_text("recipe: nothing-such\n")
    assert main(arguments(tmp_path, tiny_data)) == 2
    assert "sweep larger, run nothing-such: unknown recipe" in capsys.readouterr().err


def test_ray_that_is_not_installed_is_told_with_how_to_install_it(folder, tiny_data, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(arguments(folder, tiny_data, "--engine", "ray")) == 2
    assert "pip install 'flatline[ray]'" in capsys.readouterr().err


def test_neither_the_command_nor_its_help_imports_ray():
    script = "import sys, flatline.cli, flatline.runs.sweep_ray; flatline.cli.parser(); sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
