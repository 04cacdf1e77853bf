import json
import os

import flatline
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from flatline.diagnostics.errors import AttachError, FlatlineError, RunError
from flatline.runs.log import RunLog
from flatline.runs.recording import set_aside


def record(path, iterations=3, **options):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with flatline.Recorder(model, optimizer, log=path, loss="bce-with-logits", **options) as recorder:
        for _ in range(iterations):
            optimizer.zero_grad()
            logits = model(torch.randn(4, 3))
            target = (torch.rand(4, 2) < 0.5).float()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
            loss.backward()
            optimizer.step()
            recorder.step(loss=loss, logits=logits, target=target)
        recorder.evaluation(logits=logits, target=target)
    return flatline.Run(path)


def test_a_loop_of_the_users_own_becomes_a_run(tmp_path):
    run = record(tmp_path / "mine", classes=["a", "b"])
    assert (run.status, len(run), run.classes) == ("finished", 3, ["a", "b"])
    assert list(run.gradient_norms.columns) == ["weight", "bias"]
    assert run.gradient_norms.notna().all(axis=None)
    assert run.lwlrap.shape == (3, 2)
    assert run.evaluations.index.tolist() == [3]
    frame = pd.read_parquet(tmp_path / "mine" / "iterations")
    recorded = ["loss", "learning_rate", "gradient_norm_total", "gradient_norm_mean", "rho", "rank_agreement"]
    assert np.isfinite(frame[recorded]).all(axis=None)
    assert frame.gradient_norm_unclipped.isna().all()  # not passed
    table = pq.read_table(tmp_path / "mine" / "iterations")
    assert {name: table.column(name).null_count for name in table.column_names if table.column(name).null_count} == {}
    assert {str(frame[name].dtype) for name in ("loss", "learning_rate", "gradient_norm_total")} == {"float32"}


def test_pinned_clips_of_any_name_are_found_again(tmp_path):
    class Mapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.looks = torch.nn.Linear(3, 2)

        def forward(self, clips):
            return self.looks(clips).mean(dim=1)

    model = Mapped()
    names = ["mean", "a/b.wav", "..", ".hidden", "", "a%2Fb.wav"]
    pinned = {name: torch.full((4, 3), float(place)) for place, name in enumerate(names)}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    maps = {"looks": "sigmoid"}
    with flatline.Recorder(model, optimizer, log=tmp_path / "mine", pinned=pinned, attention=maps) as recorder:
        row = recorder.evaluation(logits=torch.zeros(4, 2), target=torch.eye(2).repeat(2, 1))
    frame = pd.read_parquet(tmp_path / "mine" / "evaluations")
    run = flatline.Run(tmp_path / "mine")
    assert run.info["clips"] == names
    for name, clip in pinned.items():
        np.testing.assert_array_equal(frame[f"scores.{name}"][0], row[f"scores.{name}"])
        expected = model.looks(clip).sigmoid().detach().numpy()
        np.testing.assert_allclose(run.attention(0, clip=name), expected, atol=5e-3)  # kept in a byte a value


def test_a_run_that_stands_at_the_path_is_moved_aside_and_loses_nothing(tmp_path):
    first = record(tmp_path / "mine", 3).gradient_norms
    second = record(tmp_path / "mine", 5).gradient_norms
    third = record(tmp_path / "mine", 7).gradient_norms
    for name, norms in (("mine.1", first), ("mine.2", second), ("mine", third)):
        run = flatline.Run(tmp_path / name)
        assert run.status == "finished"
        np.testing.assert_array_equal(run.gradient_norms, norms)


def test_a_killed_run_is_sealed_before_it_is_moved_aside(tmp_path):
    killed = RunLog(tmp_path / "mine", {"seed": 3})
    for iteration in range(60):
        killed.append({"iteration": iteration, "loss": 0.5})
    killed.append_evaluation({"iteration": 60, "lwlrap": 0.5})
    killed._lock.close()
    info = json.loads((tmp_path / "mine" / "run.json").read_text())
    record(tmp_path / "mine")
    assert pd.read_parquet(tmp_path / "mine.1" / "iterations").iteration.tolist() == list(range(60))
    assert len(pd.read_parquet(tmp_path / "mine.1" / "evaluations")) == 1
    assert flatline.Run(tmp_path / "mine.1").info == info
    assert flatline.Run(tmp_path / "mine.1").status == "interrupted"


def test_a_run_that_is_being_written_is_not_moved(tmp_path):
    log = RunLog(tmp_path / "mine")
    with pytest.raises(RunError, match=f"is being written by process {os.getpid()}"):
        record(tmp_path / "mine")
    log.append({"iteration": 0, "loss": 0.5})
    log.close()
    assert len(flatline.Run(tmp_path / "mine")) == 1
    assert os.listdir(tmp_path) == ["mine"]


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(RunError, match="is there and is no run log"):
        record(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_a_broken_run_is_moved_aside_as_it_is(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "run.json").write_text("{ half")
    record(tmp_path / "mine")
    assert (tmp_path / "mine.1" / "run.json").read_text() == "{ half"


def test_a_free_path_is_left_alone(tmp_path):
    assert set_aside(tmp_path / "none") is None
    assert os.listdir(tmp_path) == []


def test_a_recorder_that_cannot_be_put_on_leaves_no_log(tmp_path):
    with pytest.raises(FlatlineError):
        record(tmp_path / "mine", attention={"nowhere": "sigmoid"})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, "interrupted"), (ZeroDivisionError, "failed")])
def test_a_loop_that_ends_in_an_exception_leaves_a_closed_log_that_says_so(tmp_path, error, status):
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    recorder = flatline.Recorder(model, optimizer, log=tmp_path / "mine")

    def loop():
        with recorder:
            model(torch.ones(4, 3)).sum().backward()
            optimizer.step()
            recorder.step(loss=torch.tensor(0.5))
            raise error

    with pytest.raises(error):
        loop()
    run = flatline.Run(tmp_path / "mine")
    assert (run.status, len(run)) == (status, 1)
    assert len(pd.read_parquet(run.path / "iterations")) == 1


def test_a_loop_that_never_steps_leaves_a_run_without_rows(tmp_path):
    model = torch.nn.Linear(3, 2)
    with flatline.Recorder(model, torch.optim.SGD(model.parameters(), lr=0.1), log=tmp_path / "mine"):
        pass
    run = flatline.Run(tmp_path / "mine")
    assert (len(run), run.gradient_norms.shape) == (0, (0, 2))


def test_a_refused_recorder_takes_nothing_from_a_folder_that_was_there(tmp_path):
    model = torch.nn.Linear(2, 1)
    (tmp_path / "mine" / ".git").mkdir(parents=True)
    with pytest.raises(AttachError):
        flatline.Recorder(model, [None], log=tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == [".git"]
    with pytest.raises(AttachError):
        flatline.Recorder(model, [None], log=tmp_path / "new")
    assert not (tmp_path / "new").exists()
