"""Runs to TensorBoard events and back, read and written by TensorBoard's own code."""

import struct
import subprocess
import sys
import time

import flatline
import numpy as np
import pandas as pd
import pytest
from flatline.diagnostics.errors import RunError, UnknownNameError
from flatline.runs.listing import list_runs
from flatline.runs.log import RunLog
from flatline.runs.run import Run
from flatline.runs.tensorboard import ALIASES, export_tensorboard, import_tensorboard

NAN = float("nan")


@pytest.fixture
def run(tmp_path):
    """A run with lists, evaluations, a skipped step and gaps."""
    info = {"parameters": ["rnn.weight", "head.weight", "conv/odd name"], "classes": ["bark, loud", "a"]}
    log = RunLog(tmp_path / "logs" / "mine", info)
    for iteration in range(5):
        log.append(
            {
                "iteration": iteration,
                "epoch": iteration // 3 if iteration < 4 else None,
                "wall_time": 1e9 + iteration / 8,
                "loss": 0.1 * iteration,
                "learning_rate": 1e-3,
                "skipped": iteration == 2,
                "gradient_norm_total": NAN if iteration == 2 else 1 / 3,
                "gradient_norm": [NAN] * 3 if iteration == 2 else [iteration, 0.1, NAN],
                "lwlrap": [NAN, iteration / 7],
            }
        )
    log.append_evaluation(
        {"iteration": 3, "epoch": 0, "wall_time": 2e9, "lwlrap": 0.7, "loss": NAN, "class_lwlrap": [0.2, NAN]}
    )
    log.append_evaluation(
        {"iteration": 5, "epoch": 1, "wall_time": 3e9, "lwlrap": 0.9, "loss": 0.3, "class_lwlrap": [0.4, 0.6]}
    )
    log.close()
    return Run(tmp_path / "logs" / "mine")


@pytest.fixture
def tensorboard():
    pytest.importorskip("tensorboard", reason="tensorboard is not installed (pip install 'flatline[tensorboard]')")


@pytest.fixture
def tbparse():
    return pytest.importorskip("tbparse", reason="tbparse is not installed (pip install 'flatline[tensorboard]')")


@pytest.fixture
def write(tensorboard):
    """write(folder, [(tag, step, value, wall_time)]) writes events with PyTorch's writer."""
    from torch.utils.tensorboard import SummaryWriter

    def written(folder, events, **options):
        with SummaryWriter(folder) as writer:
            for tag, step, value, wall_time in events:
                writer.add_scalar(tag, value, step, walltime=wall_time, **options)
        return folder

    return written


def test_exported_events_are_the_runs_numbers_by_tag_and_step(run, tmp_path, tensorboard):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    n_numbers = export_tensorboard(run, tmp_path / "events")
    events = EventAccumulator(str(tmp_path / "events"), {"scalars": 0}).Reload()
    tags = events.Tags()["scalars"]
    assert sum(len(events.Scalars(tag)) for tag in tags) == n_numbers
    loss = events.Scalars("loss")
    assert [event.step for event in loss] == [0, 1, 2, 3, 4]
    assert [event.wall_time for event in loss] == [1e9 + step / 8 for step in range(5)]
    assert [event.value for event in loss] == run.series("loss").tolist()
    assert [event.value for event in events.Scalars("epoch")] == [0, 0, 0, 1]  # the last row's was not recorded
    assert [event.step for event in events.Scalars("gradient_norm/rnn.weight")] == [0, 1, 3, 4]
    assert "gradient_norm/conv/odd name" not in tags  # never recorded
    assert [event.value for event in events.Scalars("lwlrap/a")] == run.lwlrap["a"].tolist()
    score = events.Scalars("evaluation/lwlrap")
    assert [(event.step, event.wall_time) for event in score] == [(3, 2e9), (5, 3e9)]
    assert [event.step for event in events.Scalars("evaluation/class_lwlrap/a")] == [5]


def test_what_was_exported_comes_back_the_same(run, tmp_path, tensorboard, tbparse):
    export_tensorboard(run, tmp_path / "events")
    path = import_tensorboard(tmp_path / "events", tmp_path / "logs" / "again")
    again = Run(path)
    assert again.status == "finished"
    pd.testing.assert_frame_equal(again.scalars, run.scalars, check_like=True)
    pd.testing.assert_frame_equal(again.lwlrap[["a"]], run.lwlrap[["a"]])
    known = ["rnn.weight", "head.weight"]
    assert again.parameters == known  # in the order of their coming
    pd.testing.assert_frame_equal(again.gradient_norms, run.gradient_norms[known])
    pd.testing.assert_frame_equal(again.evaluations, run.evaluations)
    pd.testing.assert_frame_equal(again.evaluation_lwlrap[run.classes], run.evaluation_lwlrap)
    for name in ("epoch", "wall_time"):
        pd.testing.assert_series_equal(again.series(name), run.series(name))
    assert again.info["source"] == "tensorboard"
    assert again.info["events"] == str((tmp_path / "events").resolve())


def test_an_imported_run_is_listed_and_drawn_like_any_other(run, tmp_path, tensorboard, tbparse):
    export_tensorboard(run, tmp_path / "events")
    again = Run(import_tensorboard(tmp_path / "events", tmp_path / "logs" / "again"))
    assert set(list_runs(tmp_path / "logs")["name"]) == {"mine", "again"}
    assert flatline.figures.gradient_heatmap(again).data
    assert flatline.figures.loss(again).data


def test_tags_of_other_loops_become_the_columns_they_are(write, tbparse, tmp_path):
    tags = {
        "train/loss": "loss",
        "lr-Adam": "learning_rate",
        "train/epoch": "epoch",
        "train/grad_norm": "gradient_norm_unclipped",
        "grad_2.0_norm_total": "gradient_norm_total",
        "val_loss": "val_loss",
        "tagger/f1 score": "tagger/f1 score",
        "iteration": "tag/iteration",
        "lwlrap": "tag/lwlrap",
        "evaluation/iteration": "evaluation/tag/iteration",
    }
    write(tmp_path / "old", [(tag, 2, number, 1.0) for number, tag in enumerate([*tags, "grad_2.0_norm/gru.bias"])])
    run = Run(import_tensorboard(tmp_path / "old", tmp_path / "new"))
    columns = {name: run.series(name)[2] for name in tags.values() if not name.startswith("evaluation/")}
    numbers = {name: number for number, (tag, name) in enumerate(tags.items()) if name in columns}
    assert columns == numbers
    assert run.gradient_norms["gru.bias"].tolist() == [10.0]
    assert run.evaluation_scalars["tag/iteration"].tolist() == [9.0]
    assert run.info["signals"]["loss"]["meaning"] == "tag train/loss of the events"


def test_of_several_tags_for_a_column_the_first_is_it_and_the_others_keep_their_names(write, tbparse, tmp_path):
    write(tmp_path / "old", [("train_loss", 0, 1.0, 1.0), ("loss", 0, 2.0, 1.0), ("cost", 0, 3.0, 1.0)])
    run = Run(import_tensorboard(tmp_path / "old", tmp_path / "new"))
    assert run.scalars.iloc[0].to_dict() == {"train_loss": 1.0, "loss": 2.0, "cost": 3.0}
    renamed = Run(import_tensorboard(tmp_path / "old", tmp_path / "other", rename={"cost": "loss"}))
    assert renamed.scalars.iloc[0].to_dict() == {"train_loss": 1.0, "tag/loss": 2.0, "loss": 3.0}


def test_renaming_a_tag_that_is_not_there_or_two_to_one_name_is_refused(write, tbparse, tmp_path):
    write(tmp_path / "old", [("a", 0, 1.0, 1.0), ("b", 0, 2.0, 1.0)])
    with pytest.raises(UnknownNameError, match=r"unknown tag 'c' \(import_tensorboard, rename=\); known: a, b"):
        import_tensorboard(tmp_path / "old", tmp_path / "new", rename={"c": "loss"})
    with pytest.raises(RunError, match=r"tags 'a' and 'b' would both be 'loss' .*; give each its own name"):
        import_tensorboard(tmp_path / "old", tmp_path / "new", rename={"a": "loss", "b": "loss"})
    assert not (tmp_path / "new").exists()


def test_rows_are_the_logged_steps_and_what_was_not_logged_at_one_is_nan(write, tbparse, tmp_path):
    sparse = [("loss", step, 1.0, 1.0) for step in (-1, 0, 50, 100)] + [("accuracy", 75, 0.5, 1.0)]
    run = Run(import_tensorboard(write(tmp_path / "old", sparse), tmp_path / "new"))
    assert run.scalars.index.tolist() == [0, 50, 75, 100]
    assert run.series("loss").isna().tolist() == [False, False, True, False]
    assert run.series("accuracy").isna().tolist() == [True, True, False, True]


def test_of_a_step_logged_again_by_a_restart_the_newest_counts(write, tbparse, tmp_path):
    restarted = [("loss", step, 1.0, 100.0 + step) for step in (0, 10, 20, 30)]
    restarted += [("loss", step, 2.0, 200.0 + step) for step in (10, 20)]
    write(tmp_path / "old", restarted[4:])  # the files' order is not that of the attempts
    time.sleep(1.1)  # a writer's file is named by the second
    write(tmp_path / "old", restarted[:4])
    run = Run(import_tensorboard(tmp_path / "old", tmp_path / "new"))
    assert run.series("loss").to_dict() == {0: 1.0, 10: 2.0, 20: 2.0, 30: 1.0}
    assert run.series("wall_time").tolist() == [100.0, 210.0, 220.0, 130.0]
    assert run.info["events_left_out"] == 2


def test_folders_inside_go_before_the_tags(write, tbparse, tmp_path):
    write(tmp_path / "old" / "train", [("loss", 0, 1.0, 1.0)])
    write(tmp_path / "old" / "validation", [("loss", 0, 2.0, 1.0)])
    (tmp_path / "old" / "model.ckpt").write_bytes(b"\x00" * 100)
    run = Run(import_tensorboard(tmp_path / "old", tmp_path / "new"))
    assert run.scalars.iloc[0].to_dict() == {"loss": 1.0, "validation/loss": 2.0}


def test_scalars_written_as_tensors_are_read_and_other_tensors_are_not(write, tbparse, tmp_path):
    from torch.utils.tensorboard import SummaryWriter

    write(tmp_path / "old", [("loss", 3, 1.5, 1.0)], new_style=True)
    with SummaryWriter(tmp_path / "old") as writer:
        writer.add_text("notes", "no number", 1)
    run = Run(import_tensorboard(tmp_path / "old", tmp_path / "new"))
    assert run.scalars.to_dict() == {"loss": {3: 1.5}}


def test_one_event_file_will_do(write, tbparse, tmp_path):
    (file,) = write(tmp_path / "old", [("loss", 0, 1.0, 1.0)]).iterdir()
    assert len(Run(import_tensorboard(file, tmp_path / "new"))) == 1


def test_an_event_file_whose_writer_was_killed_is_read_as_far_as_it_goes(write, tbparse, tmp_path):
    (file,) = write(tmp_path / "old", [("loss", step, 1.0, 1.0) for step in range(9)]).iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    assert len(Run(import_tensorboard(file, tmp_path / "new"))) == 8


def test_what_holds_no_scalars_is_refused_in_one_sentence(tbparse, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no events")
    (tmp_path / "false").mkdir()
    (tmp_path / "false" / "events.out.tfevents.1").write_text("no events")
    for name in ("empty", "notes.txt", "false", "nowhere"):
        with pytest.raises(RunError, match=rf"no scalars in .*{name}: .*; give an event file or one run's folder"):
            import_tensorboard(tmp_path / name, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_run_that_stands_there_is_not_overwritten(run, write, tbparse, tmp_path):
    events = write(tmp_path / "old", [("loss", 0, 1.0, 1.0)])
    with pytest.raises(RunError, match="holds a run already"):
        import_tensorboard(events, run.path)
    assert len(Run(run.path)) == 5


def test_events_that_lie_there_are_not_added_to(run, tmp_path, tensorboard):
    export_tensorboard(run, tmp_path / "events")
    with pytest.raises(RunError, match=r"holds events already .*; export to an empty folder"):
        export_tensorboard(run, tmp_path / "events")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot be made .*; export to another folder"):
        export_tensorboard(run, tmp_path / "file")


def test_a_run_without_rows_is_refused_and_leaves_no_events(tmp_path, tensorboard):
    RunLog(tmp_path / "new").close()
    with pytest.raises(RunError, match=r"run new has no numbers yet \(export_tensorboard\)"):
        export_tensorboard(Run(tmp_path / "new"), tmp_path / "events")
    assert list((tmp_path / "events").iterdir()) == []


@pytest.mark.parametrize(
    ("library", "call"), [("tensorboard", "export_tensorboard(run, 'x')"), ("tbparse", "import_tensorboard('x', 'y')")]
)
def test_without_the_library_one_sentence_says_what_to_install(run, library, call):
    script = (
        f"import sys; sys.modules[{library!r}] = None\nfrom flatline.runs.tensorboard import *\n"
        f"from flatline.runs.run import Run\nrun = Run({str(run.path)!r})\n{call}"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    last = done.stderr.splitlines()[-1]
    assert f"{library} is not installed" in last
    assert last.endswith("pip install 'flatline[tensorboard]'")


def test_importing_the_module_needs_neither_library_nor_torch():
    heavy = {"torch", "tensorboard", "tbparse"}
    script = f"import sys, flatline.runs.tensorboard; print({heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "set()"


def test_an_iteration_is_one_record_which_is_what_makes_export_fast(tmp_path, tensorboard):
    parameters = [f"layer{number}.weight" for number in range(150)]
    log = RunLog(tmp_path / "mine", {"parameters": parameters})
    for iteration in range(20):
        log.append({"iteration": iteration, "wall_time": 1.0, "gradient_norm": np.ones(150)})
    log.close()
    assert export_tensorboard(Run(tmp_path / "mine"), tmp_path / "events") == 20 * 150
    (file,) = (tmp_path / "events").iterdir()
    content, n_records, place = file.read_bytes(), 0, 0
    while place < len(content):
        place += struct.unpack("<Q", content[place : place + 8])[0] + 16
        n_records += 1
    assert n_records == 21  # and the format's name


def test_a_column_has_each_alias_once():
    aliases = [tag for tags in ALIASES.values() for tag in tags]
    assert len(aliases) == len(set(aliases))
