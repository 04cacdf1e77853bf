"""`flatline train --logs s3://...`: stopped, killed and resumed there, it is the run that it is on a disk."""

import os
import shutil
import signal
import subprocess
import sys

import pytest
from flatline import cli
from flatline.dashboard.addresses import Address
from flatline.dashboard.app import page_at
from flatline.dashboard.judging import Judge
from flatline.dashboard.pages.run_bar import bar
from flatline.diagnostics.errors import RunError
from flatline.runs.checkpoints import load_weights
from flatline.runs.listing import Listing, recorded_mark
from flatline.runs.network import make_model
from flatline.runs.places import place
from flatline.runs.pulling import spool_of
from flatline.runs.resume import resume, run_to_resume
from flatline.runs.run import Run
from flatline.runs.train import train

ITERATIONS = 10
SMALL = ("model.options.channels=2", "model.options.n_hidden=4", "batch_size=16", "evaluate_every=3", "iterations=6")


@pytest.fixture(scope="module")
def recipe(small_recipe):
    return small_recipe("story-attention", f"iterations={ITERATIONS}", "evaluate_every=5", "batch_size=24")


@pytest.fixture(scope="module")
def reference(recipe, small_task, tmp_path_factory):
    return train(recipe, small_task, tmp_path_factory.mktemp("logs"), name="reference").path


def at(number, act):
    def watch(reached):
        if reached.iteration == number:
            act()

    return watch


def fetched(address, folder):
    """A copy of the run on this disk."""
    source = place(address)
    source.fs.get(f"{source.key}/", f"{folder}/", recursive=True)
    return folder


@pytest.fixture
def another_machine(monkeypatch, tmp_path):
    """another_machine() has none of the first one's files."""
    return lambda: monkeypatch.setenv("FLATLINE_CACHE", str(tmp_path / "another"))


def test_a_run_that_was_stopped_goes_on_from_another_machine_to_the_same_bits(
    s3, recipe, reference, small_task, tmp_path, unlike, another_machine
):
    interrupt = at(7, lambda: signal.raise_signal(signal.SIGINT))
    run = Run(train(recipe, small_task, place(s3), watch=interrupt).path)
    assert run.status == "interrupted"
    assert str(run.path) == f"{s3}/{recipe.name}"
    another_machine()
    ended = resume(run, recipe, small_task)
    assert (str(ended.path), ended.status, Run(str(run.path)).status) == (str(run.path), "finished", "finished")
    assert unlike(reference, fetched(str(run.path), tmp_path / "copy")) == []
    assert not spool_of(run.path).exists()


@pytest.mark.parametrize("here", [True, False])
def test_a_killed_run_goes_on_to_the_same_bits_and_what_is_replaced_is_kept(
    s3, recipe, reference, small_task, tmp_path, unlike, another_machine, here
):
    left = {}

    def kill():
        """What a kill leaves: the folder on this disk and the store as they are at this moment."""
        shutil.copytree(spool_of(place(f"{s3}/first")), tmp_path / "spool")
        left.update({name: place(f"{s3}/first/{name}").read_bytes() for name in place(f"{s3}/first").objects()})

    train(recipe, small_task, place(s3), name="first", watch=at(9, kill))
    for name, content in left.items():
        if name != ".lock":
            place(f"{s3}/killed/{name}").write_bytes(content)
    if here:
        shutil.copytree(tmp_path / "spool", spool_of(place(f"{s3}/killed")))
    else:
        another_machine()
    run = run_to_resume(f"{s3}/killed", place(s3))
    assert run.status == "interrupted"
    resume(run, recipe, small_task)
    assert unlike(reference, fetched(str(run.path), tmp_path / "copy")) == []
    events = [event for event in Run(str(run.path)).events() if event["kind"] == "resume"]
    assert len(events) == 1
    if events[0]["superseded"] is not None:
        assert Run(f"{s3}/killed/superseded/{events[0]['superseded']}").name == str(events[0]["superseded"])
    assert Run(str(run.path)).last_iteration == ITERATIONS - 1


def test_weights_of_a_run_in_a_store_are_loaded_from_there(s3, small_recipe, small_task):
    ended = train(small_recipe(), small_task, place(s3))
    model = make_model(small_recipe(), small_task)
    assert load_weights(ended.path, model, ("last",)) == "last"


def test_two_trainings_of_a_name_get_two_folders_and_a_given_name_is_refused(s3, small_recipe, small_task):
    paths = [str(train(small_recipe(), small_task, place(s3)).path) for _ in range(2)]
    assert paths == [f"{s3}/story-plain", f"{s3}/story-plain-2"]
    with pytest.raises(RunError, match="is there already"):
        train(small_recipe(), small_task, place(s3), name="story-plain")


def test_the_command_trains_into_a_store_is_interrupted_and_resumes_there(s3, tiny_data, capsys):
    command = [sys.executable, "-m", "flatline", "train", "--logs", s3]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    recipe = ["story-plain", "--data", tiny_data, "--set", *SMALL[:-1], "iterations=100000"]
    process = subprocess.Popen([*command, *recipe], env=environment, stdout=subprocess.PIPE, text=True)
    while not (place(f"{s3}/story-plain/evaluations").is_dir() or place(f"{s3}/story-plain/tail").is_dir()):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate()
    assert (process.returncode, out.splitlines()[-1]) == (130, f"{s3}/story-plain")
    at_end = len(Run(f"{s3}/story-plain"))
    assert cli.main(["train", "--logs", s3, "--resume", "story-plain", "--iterations", str(at_end + 2)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{s3}/story-plain"
    assert len(Run("story-plain", s3)) == at_end + 2
    assert Run("story-plain", s3).status == "finished"


def test_the_dashboard_shows_runs_of_a_store(s3, small_recipe, small_task):
    train(small_recipe(), small_task, place(s3))
    judge = Judge(place(s3))
    page = str(page_at("/run/story-plain/vitals", place(s3), Listing(s3), judge))
    assert "gradient-heatmap" in page
    assert "story-plain" in repr(bar(place(s3), judge, Address("vitals", "story-plain")))
    judge.close()
    mark = recorded_mark(place(f"{s3}/story-plain"))
    assert recorded_mark(place(f"{s3}/story-plain")) == mark
    place(f"{s3}/story-plain/run.json").write_bytes(b"{}")
    assert recorded_mark(place(f"{s3}/story-plain")) != mark
