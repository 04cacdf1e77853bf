"""kill -9 of a real training process: whatever it had flushed is there, once."""

import random
import subprocess
import sys
import time

import pandas as pd
import pytest
from flatline.runs.log import RunLog
from flatline.runs.run import Run

TRAIN = """
import sys
from pathlib import Path
from flatline.runs import writer
from flatline.runs.recipe import load_recipe
from flatline.runs.task import prepare
from flatline.runs.train import train

flush = writer.SegmentWriter.flush
writer.SegmentWriter.__init__.__kwdefaults__.update(flush_rows=3, seal_rows=24)

def acknowledge(self):
    flush(self)
    if self.sealed.name == "iterations" and not self._state.rows:
        print(self.newest, flush=True)

writer.SegmentWriter.flush = acknowledge
settings = ["model.architecture=attention-only", "model.options={}", "batch_size=4", "evaluate_every=20"]
recipe = load_recipe("story-attention", [*settings, "iterations=100000"])
train(recipe, prepare(recipe, Path(sys.argv[1])), Path(sys.argv[2]), name="killed")
"""


@pytest.mark.parametrize("seed", range(5))
def test_a_killed_training_leaves_every_flushed_row_once(tiny_data, tmp_path, small_task, seed):
    chance = random.Random(seed)
    process = subprocess.Popen([sys.executable, "-c", TRAIN, tiny_data, tmp_path], stdout=subprocess.PIPE, text=True)
    acknowledged = [int(process.stdout.readline()) for _ in range(chance.randint(2, 40))]
    time.sleep(chance.random() * 0.02)
    process.kill()
    acknowledged += [int(line) for line in process.communicate()[0].splitlines(keepends=True) if line.endswith("\n")]
    run = Run(tmp_path / "killed")
    rows = run.scalars.index.tolist()
    assert rows == list(range(len(rows)))
    assert len(rows) > acknowledged[-1]
    assert run.status == "interrupted"
    assert run.gradient_norms.shape == (len(rows), len(run.parameters))
    assert run.evaluations.index.tolist()[0] == 0
    assert run.map_iterations().tolist() == sorted(set(run.map_iterations().tolist()))
    sealed = pd.read_parquet(run.path / "iterations")
    assert sealed.get("iteration", pd.Series()).tolist() == rows[: len(sealed)]
    RunLog(run.path, resume=True).close("interrupted")
    assert pd.read_parquet(run.path / "iterations").iteration.tolist() == rows
    assert not list(run.path.rglob(".*.parquet"))
