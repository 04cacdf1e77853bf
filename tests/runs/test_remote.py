"""Runs in a store, through a real S3-speaking server: what is written is what is read, whoever dies or waits."""

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from flatline import cli
from flatline.diagnostics.errors import RunError
from flatline.runs import mirror, store_lock
from flatline.runs.listing import list_runs
from flatline.runs.log import RunLog
from flatline.runs.places import place
from flatline.runs.pulling import spool_of
from flatline.runs.recording import Recorder
from flatline.runs.run import Run
from flatline.runs.segments import read_segment, write_whole

DOCS = Path(__file__).parent.parent.parent / "docs" / "run-log.md"

INFO = {"parameters": ["conv", "gru"], "classes": ["dog"], "maps": {"attention": {}}}


def row(iteration):
    norms = np.array([iteration, 2 * iteration], dtype=np.float32)
    return {"iteration": iteration, "epoch": 0, "wall_time": 1.0, "loss": iteration / 2, "gradient_norm": norms}


def recorded(run):
    """Iterations of all rows, each of which must say what was written."""
    losses = run.series("loss")
    assert (losses.to_numpy() == losses.index.to_numpy() / 2).all()
    return losses.index.tolist()


def names(address):
    return sorted(place(address).objects())


@pytest.mark.parametrize("kind", ["s3", "memory"])
def test_a_run_is_read_from_a_store_as_it_was_written(kind, s3, tmp_path):
    address = f"{s3}/mine" if kind == "s3" else f"memory://{tmp_path.name}/mine"
    with_steps = [RunLog(where, INFO) for where in (address, tmp_path / "mine")]
    for log in with_steps:
        for iteration in range(2300):
            log.append(row(iteration))
        log.append_maps(7, {"attention": np.full((5, 1), 0.25)})
        log.append_evaluation({"iteration": 2300, "lwlrap": 0.5, "class_lwlrap": np.array([0.5])})
        log.event("finding", 3, what="x")
        log.close()
    there, here = Run(address), Run(tmp_path / "mine")
    assert str(there.path) == address
    assert (there.name, there.status, len(there)) == (here.name, "finished", 2300)
    pd.testing.assert_frame_equal(there.gradient_norms, here.gradient_norms)
    pd.testing.assert_frame_equal(there.scalars, here.scalars)
    pd.testing.assert_frame_equal(there.evaluations, here.evaluations)
    pd.testing.assert_frame_equal(there.window("loss", points=100), here.window("loss", points=100))
    assert there.attention(7).tolist() == here.attention(7).tolist()
    assert [event["what"] for event in there.events()] == ["x"]
    written = [str(path.relative_to(tmp_path / "mine")) for path in (tmp_path / "mine").rglob("*") if path.is_file()]
    assert names(address) == sorted({*written, ".writer"} - {".lock"})


def test_pandas_reads_the_sealed_rows_of_a_live_run_by_the_address_alone(s3):
    log = RunLog(f"{s3}/mine", INFO)
    for iteration in range(4100):
        log.append(row(iteration))
    log.flush()
    rows = pd.read_parquet(f"{s3}/mine/iterations")
    assert len(rows) > 3500
    assert rows["iteration"].tolist() == list(range(len(rows)))
    assert np.stack(rows["gradient_norm"])[:, 1].tolist() == [2.0 * iteration for iteration in range(len(rows))]
    log.close()


@pytest.mark.parametrize("library", ["pandas", "duckdb"])
def test_the_example_of_the_documentation_runs(s3, library):
    pytest.importorskip(library, reason="DuckDB is no dependency of this project")
    log = RunLog(f"{s3}/mine", INFO)
    for iteration in range(3):
        log.append(row(iteration))
    log.close()
    examples = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    code = next(code for code in examples if "s3://" in code and f"import {library}" in code)
    found = {}
    exec(code.replace("s3://my-bucket/logs", s3), found)
    assert found["rows"]["iteration"].tolist() == [0, 1, 2]


def test_polars_reads_the_pattern_that_the_documentation_names(s3):
    polars = pytest.importorskip("polars", reason="polars is no dependency of this project")
    log = RunLog(f"{s3}/mine", INFO)
    log.append(row(0))
    log.close()
    assert polars.read_parquet(f"{s3}/mine/iterations/*.parquet")["iteration"].to_list() == [0]


def test_flushed_rows_are_in_the_store_and_stored_says_so(s3):
    log = RunLog(f"{s3}/mine", INFO)
    for iteration in range(120):
        log.append(row(iteration))
    log.flush()
    assert log.stored == 119
    assert recorded(Run(f"{s3}/mine")) == list(range(120))
    assert Run(f"{s3}/mine").status == "running"
    log.close("failed")
    assert Run(f"{s3}/mine").status == "failed"


WRITER = """
import sys, numpy as np
from flatline.runs import mirror
from flatline.runs.log import RunLog
mirror.SEND_S = 0.05
log = RunLog(sys.argv[1], {"parameters": ["conv", "gru"]})
for iteration in range(10**9):
    norms = np.array([iteration, 2 * iteration], dtype=np.float32)
    log.append({"iteration": iteration, "wall_time": 1.0, "loss": iteration / 2, "gradient_norm": norms})
    if iteration % 50 == 49:
        print(log.stored, flush=True)
"""


def killed(address, stored):
    """The newest iteration that a writer said is stored, once it is killed; that is `stored` or later."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, address], stdout=subprocess.PIPE, text=True)
    said = -1
    for line in process.stdout:
        said = int(line)
        if said >= stored:
            break
    process.kill()
    rest, _ = process.communicate()
    return max([said, *map(int, rest.split("\n")[:-1])])


def test_a_killed_writer_leaves_every_stored_row_once_and_the_rest_on_its_disk(s3):
    said = killed(f"{s3}/mine", 2500)
    run = Run(f"{s3}/mine")
    there = recorded(run)
    assert there == list(range(len(there)))
    assert len(there) > said >= 2500
    assert run.status == "interrupted"  # its process, of this machine, is no more
    flushed = recorded(Run(spool_of(place(f"{s3}/mine"))))
    assert len(flushed) >= len(there)
    RunLog(f"{s3}/mine", resume=True).close("interrupted")
    assert recorded(Run(f"{s3}/mine")) == flushed
    assert not spool_of(place(f"{s3}/mine")).exists()


def test_a_run_goes_on_from_another_machine_once_its_writer_is_known_to_be_dead(s3, monkeypatch, tmp_path):
    said = killed(f"{s3}/mine", 100)
    monkeypatch.setenv("FLATLINE_CACHE", str(tmp_path))  # another machine has nothing of it
    monkeypatch.setattr(store_lock, "_machine", lambda: "another")
    with pytest.raises(RunError, match=r"is being written by process \d+ on .*, heard of \d+ s ago; .* after 60 s"):
        RunLog(f"{s3}/mine", resume=True)
    now = time.time
    monkeypatch.setattr(store_lock.time, "time", lambda: now() + store_lock.STALE_S)
    there = recorded(Run(f"{s3}/mine"))
    with_more = RunLog(f"{s3}/mine", resume=True)
    with_more.append(row(len(there)))
    with_more.close()
    assert recorded(Run(f"{s3}/mine")) == [*there, len(there)]
    assert len(there) > said


def abandoned(address, n, **given):
    """A run of `n` more rows whose writer was killed, as far as the store and this disk can tell."""
    log = RunLog(address, INFO, **given)
    first = log._iterations.newest + 1
    for iteration in range(first, first + n):
        log.append(row(iteration))
    log.flush()
    log._mirror.release()
    log._lock.close()


def test_what_a_killed_writer_left_here_does_not_undo_what_was_written_from_elsewhere(s3, monkeypatch, tmp_path):
    abandoned(f"{s3}/mine", 100)
    with monkeypatch.context() as patch:
        patch.setenv("FLATLINE_CACHE", str(tmp_path))
        abandoned(f"{s3}/mine", 20, resume=True)
    RunLog(f"{s3}/mine", resume=True).close()
    assert recorded(Run(f"{s3}/mine")) == list(range(120))


def test_a_resume_that_was_cut_short_while_it_was_put_there_is_put_in_order_by_the_next(s3, monkeypatch, tmp_path):
    abandoned(f"{s3}/mine", 10)
    RunLog(f"{s3}/mine", resume=True).close()
    sealed = place(f"{s3}/mine/iterations")
    table = read_segment(sealed / "000000000-000000009.parquet")
    write_whole(table.slice(0, 5), tmp_path, "part.parquet")
    (sealed / "000000000-000000004.parquet").write_bytes((tmp_path / "part.parquet").read_bytes())
    assert recorded(Run(f"{s3}/mine")) == list(range(10))
    RunLog(f"{s3}/mine", resume=True).close()
    assert [path.name for path in sealed.iterdir()] == ["000000000-000000009.parquet"]
    assert pd.read_parquet(f"{s3}/mine/iterations")["iteration"].tolist() == list(range(10))


def test_a_second_writer_is_refused_and_told_who_writes(s3):
    log = RunLog(f"{s3}/mine", INFO)
    for again in (lambda: RunLog(f"{s3}/mine"), lambda: RunLog(f"{s3}/mine", resume=True)):
        with pytest.raises(RunError, match=rf"{s3}/mine is being written by process {os.getpid()} on \S+, heard of"):
            again()
    log.append(row(0))
    log.close()
    assert recorded(Run(f"{s3}/mine")) == [0]


def test_a_run_that_stands_there_is_refused_unless_it_is_resumed(s3):
    RunLog(f"{s3}/mine", INFO).close()
    with pytest.raises(RunError, match="holds a run already; choose another name, or resume that one"):
        RunLog(f"{s3}/mine")
    place(f"{s3}/other/notes.txt").write_bytes(b"x")
    with pytest.raises(RunError, match="is there and is no run log; choose another"):
        RunLog(f"{s3}/other")
    assert not place(f"{s3}/other/.lock").is_file()


def test_following_a_live_run_fetches_only_what_is_new(s3, requests):
    log = RunLog(f"{s3}/mine", INFO)

    def record(first, last):
        for iteration in range(first, last):
            log.append(row(iteration))
        log.flush()

    record(0, 500)
    run = Run(f"{s3}/mine")
    assert len(recorded(run)) == 500
    record(500, 550)
    requests.clear()
    assert len(recorded(run)) == 550
    objects = [path for method, path in requests if method == "GET" and "list-type" not in path]
    assert [path for path in objects if path.endswith(".parquet")] == [path for path in objects if "500-" in path]
    assert len([path for path in objects if path.endswith(".parquet")]) == 1
    requests.clear()
    assert len(recorded(run)) == 550
    assert [path for _, path in requests if path.endswith(".parquet")] == []
    log.close()


def test_another_reader_of_this_machine_fetches_nothing_again(s3, requests):
    log = RunLog(f"{s3}/mine", INFO)
    for iteration in range(2500):
        log.append(row(iteration))
    log.close()
    recorded(Run(f"{s3}/mine"))
    requests.clear()
    assert len(Run(f"{s3}/mine").gradient_norms) == 2500
    assert [path for _, path in requests if path.endswith(".parquet")] == []


def test_readers_see_each_row_once_while_rows_are_put_and_sealed(s3, monkeypatch):
    monkeypatch.setattr(mirror, "SEND_S", 0.001)
    log = RunLog(f"{s3}/mine", INFO)
    log._iterations.seal_rows = log._iterations.merge_rows = 200
    faults, lengths = [], []
    done = threading.Event()

    def follow():
        run = Run(f"{s3}/mine")
        while not done.is_set():
            try:
                rows = recorded(run)
                assert rows == list(range(len(rows))), rows
                lengths.append(len(rows))
            except BaseException as error:
                faults.append(error)
                return

    reader = threading.Thread(target=follow)
    reader.start()
    iteration = 0
    while len(lengths) < 15 and not faults:
        for _ in range(60):
            log.append(row(iteration))
            iteration += 1
        time.sleep(0.01)  # a loop without a pause leaves the server no turn
    done.set()
    reader.join()
    log.close()
    assert not faults, faults
    assert lengths == sorted(lengths)
    assert len(set(lengths)) > 5
    assert recorded(Run(f"{s3}/mine")) == list(range(iteration))


def test_the_recorder_writes_into_a_store_and_the_newest_run_has_the_name(s3):
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def train(steps):
        with Recorder(model, optimizer, log=f"{s3}/mine", loss="bce-with-logits") as recorder:
            for _ in range(steps):
                optimizer.zero_grad()
                loss = torch.nn.functional.binary_cross_entropy_with_logits(model(torch.ones(4, 3)), torch.ones(4, 2))
                loss.backward()
                optimizer.step()
                recorder.step(loss=loss)

    for steps in (3, 4, 5):
        train(steps)
    assert [len(Run(f"{s3}/{name}")) for name in ("mine.1", "mine.2", "mine")] == [3, 4, 5]
    assert sorted(list_runs(s3)["name"]) == ["mine", "mine.1", "mine.2"]
    with pytest.raises(ValueError, match="unknown level"):
        Recorder(model, optimizer, log=f"{s3}/mine", loss="bce-with-logits", level="nonsense")
    assert [len(Run(f"{s3}/{name}")) for name in ("mine.1", "mine.2", "mine")] == [3, 4, 5]
    assert not place(f"{s3}/mine.3").is_dir()


def test_runs_are_listed_pruned_and_exported_by_address(s3, tmp_path, capsys):
    for name in ("one", "two"):
        log = RunLog(f"{s3}/{name}", INFO)
        log.append(row(0))
        log.append_evaluation({"iteration": 1, "lwlrap": 0.25})
        log.append_maps(0, {"attention": np.zeros((5, 1))})
        log.close()
    assert cli.main(["runs", s3, "--json"]) == 0
    assert f'"run":"{s3}/one"' in capsys.readouterr().out.replace("\\/", "/")
    assert cli.main(["runs", "export", f"{s3}/one", "--format", "csv", "-o", str(tmp_path / "csv")]) == 0
    assert pd.read_csv(tmp_path / "csv" / "iterations.csv")["loss"].tolist() == [0.0]
    assert cli.main(["runs", "prune", s3, "--name", "one", "--maps", "--yes"]) == 0
    assert Run(f"{s3}/one").info["pruned"] == ["maps"]
    assert not [name for name in names(f"{s3}/one") if name.startswith("maps")]
    assert cli.main(["runs", "prune", s3, "--name", "two", "--yes"]) == 0
    assert names(f"{s3}/two") == []
    assert list_runs(s3)["name"].tolist() == ["one"]


def test_a_run_that_is_being_written_is_not_pruned(s3, capsys):
    log = RunLog(f"{s3}/mine", INFO)
    assert cli.main(["runs", "prune", s3, "--name", "*", "--yes"]) == 0
    assert "left alone: mine (it is being written)" in capsys.readouterr().out
    log.close()
    assert Run(f"{s3}/mine").status == "finished"


def test_maps_that_were_pruned_elsewhere_do_not_come_back_with_a_resume(s3):
    log = RunLog(f"{s3}/mine", INFO)
    log.append_maps(0, {"attention": np.zeros((5, 1))})
    log.flush()
    log._mirror.release()  # a kill, as far as the store can tell
    log._lock.close()
    assert cli.main(["runs", "prune", s3, "--name", "mine", "--maps", "--yes"]) == 0
    RunLog(f"{s3}/mine", resume=True).close()
    assert not [name for name in names(f"{s3}/mine") if "maps" in name]


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("s3://no-such-bucket-anywhere/logs/mine", "The specified bucket does not exist"),
        ("nowhere://bucket/logs/mine", r"nowhere://bucket/logs\S* is no address \(Protocol not known: nowhere\)"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_message(s3, address, says, capsys):
    with pytest.raises(RunError, match=says):
        RunLog(address)
    assert cli.main(["train", "story-plain", "--logs", address]) == 2
    assert re.fullmatch(f"flatline: .*{says}.*\n", capsys.readouterr().err)


def test_without_credentials_a_command_is_one_message(s3, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nowhere")
    for command in (["runs", s3], ["runs", "export", f"{s3}/mine", "--format", "csv"]):
        done = subprocess.run([sys.executable, "-m", "flatline", *command], capture_output=True, text=True)
        assert done.returncode == 2
        assert re.fullmatch(r"flatline: .*(Unable to locate credentials|Forbidden).*AWS_ACCESS_KEY_ID.*\n", done.stderr)


def test_reading_a_store_imports_no_torch(s3):
    RunLog(f"{s3}/mine", INFO).close()
    code = f"import sys, flatline; flatline.Run({f'{s3}/mine'!r}).scalars; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
