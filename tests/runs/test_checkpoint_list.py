"""Iterations of checkpoints, listed without torch, are those that torch finds."""

import shutil
import subprocess
import sys

import pytest
import torch
from flatline.runs.checkpoint_list import checkpoint_iterations
from flatline.runs.checkpoints import checkpoints_of, pairs
from flatline.runs.train import train
from safetensors.torch import save_file


@pytest.fixture(scope="module")
def trained(small_recipe, small_task, tmp_path_factory):
    return train(small_recipe("story-plain"), small_task, tmp_path_factory.mktemp("logs")).path


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def of_torch(run):
    return sorted({one.iteration for one in checkpoints_of(run)})


def test_they_are_those_that_are_whole(run):
    assert checkpoint_iterations(run) == of_torch(run) != []
    first = pairs(run)[0]
    first.with_suffix(".pt").unlink()
    assert checkpoint_iterations(run) == of_torch(run)
    shutil.copy(pairs(run)[-1], run / "checkpoints" / ".000000900.safetensors")
    assert 900 not in checkpoint_iterations(run)


def test_a_second_one_at_an_iteration_counts_once(run):
    last = pairs(run)[-1]
    for path in (last, last.with_suffix(".pt")):
        shutil.copy(path, path.with_name(path.name.replace(".", ".2.", 1)))
    assert checkpoint_iterations(run) == of_torch(run)


def test_those_of_earlier_versions_are_listed_by_what_they_say(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    save_file({"w": torch.zeros(2)}, tmp_path / "checkpoints" / "best.safetensors", {"iteration": "70"})
    (tmp_path / "checkpoints" / "last.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{ broken")
    assert checkpoint_iterations(tmp_path) == [70] == of_torch(tmp_path)


def test_a_run_without_any_has_none(tmp_path):
    assert checkpoint_iterations(tmp_path) == []


def test_listing_them_needs_no_torch():
    code = "import sys, flatline.runs.checkpoint_list, flatline.runs.attributed_clips, flatline.runs.resynthesis\n"
    code += "import flatline.runs.attribution_limit\nprint(sorted({'torch', 'librosa', 'captum'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
