import os
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from flatline.runs.log import RunLog
from flatline.runs.run import Run
from flatline.runs.superseding import supersede
from flatline.runs.writer import SegmentWriter

ROWS = 23


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """A killed run: sealed segments of 8 rows, the rest in the tail, an evaluation every 5 iterations, and maps."""
    path = tmp_path_factory.mktemp("logs") / "run"
    settings = SegmentWriter.__init__.__kwdefaults__
    before = dict(settings)
    settings.update(flush_rows=2, seal_rows=8)
    try:
        log = RunLog(path, {"parameters": ["w"], "clips": ["a.wav"], "maps": {"map": "weights"}})
        for iteration in range(ROWS):
            if iteration % 5 == 0:
                log.append_evaluation({"iteration": iteration, "lwlrap": iteration / 100})
                log.append_maps(iteration, {"map": np.full((3, 2), iteration)}, "a.wav")
            log.append({"iteration": iteration, "loss": float(iteration), "gradient_norm": [iteration]})
            log.append_maps(iteration, {"map": np.full((3, 2), iteration)})
            log.event("skipped-step", iteration) if iteration % 7 == 0 else None
    finally:
        settings.update(before)
    log.flush()
    copy = shutil.copytree(path, path.with_name("killed"))
    log.close()
    return copy


@pytest.fixture
def run(left, tmp_path):
    return shutil.copytree(left, tmp_path / "run")


def rows(path):
    return Run(path).scalars.index.tolist()


def held(path):
    """Everything that a run holds, by table."""
    run = Run(path)
    assert run.scalars.get("loss", pd.Series()).tolist() == rows(path)
    of_maps = {None: run.map_iterations().tolist(), "a.wav": run.map_iterations("a.wav").tolist()}
    for iteration in of_maps[None]:
        assert (run.attention(iteration, "map") == iteration).all()
    events = [event["iteration"] for event in run.events()]
    return rows(path), run.evaluations.index.tolist(), *of_maps.values(), events


@pytest.mark.parametrize("cut", [0, 1, 8, 9, 15, 20, 22])
@pytest.mark.parametrize("evaluated", [True, False])
def test_what_came_after_goes_and_what_came_before_stays(run, cut, evaluated):
    gone, number = supersede(run, cut, evaluated=evaluated)
    assert (gone, number) == (ROWS - cut, 1)
    at = cut + 1 if evaluated else cut
    evaluations = list(range(0, ROWS, 5))
    kept = [e for e in evaluations if e < at]
    sevens = list(range(0, ROWS, 7))
    before = [i for i in sevens if i < cut]
    assert held(run) == (list(range(cut)), kept, list(range(cut)), kept, before)
    lost = [e for e in evaluations if e >= at]
    behind = [i for i in sevens if i >= cut]
    assert held_of_superseded(run / "superseded" / "1") == (
        list(range(cut, ROWS)),
        lost,
        list(range(cut, ROWS)),
        behind,
    )
    if cut:
        assert pd.read_parquet(run / "iterations").iteration.tolist() == list(range(cut))
    log = RunLog(run, resume=True)
    log.append({"iteration": cut, "loss": 7.0, "gradient_norm": [7]})
    log.close()
    assert rows(run) == list(range(cut + 1))


def held_of_superseded(path):
    run = Run(path)
    assert (run.status, run.parameters) == ("interrupted", ["w"])
    return (
        rows(path),
        run.evaluations.index.tolist(),
        run.map_iterations().tolist(),
        [e["iteration"] for e in run.events()],
    )


def test_where_nothing_came_after_nothing_is_moved(run):
    assert supersede(run, ROWS, evaluated=False) == (0, None)
    assert not (run / "superseded").exists()
    assert rows(run) == list(range(ROWS))


def test_each_attempt_has_a_folder_of_its_own(run):
    supersede(run, 20, evaluated=True)
    assert supersede(run, 10, evaluated=True) == (10, 2)
    assert rows(run / "superseded" / "1") == [20, 21, 22]
    assert rows(run / "superseded" / "2") == list(range(10, 20))


class Killed(BaseException):
    """As kill -9: what comes after it is not done, and nothing is put in order."""


def killing(patch, at):
    """Every step that others can see, the first of which that is `at` ends in a kill; later ones do nothing at all."""
    steps = iter(range(10_000))

    def stopping(real):
        def step(*args, **kwargs):
            number = next(steps)
            if number >= 2 * at:
                raise Killed
            done = real(*args, **kwargs)
            if next(steps) >= 2 * at:
                raise Killed
            return done

        return step

    patch.setattr(os, "replace", stopping(os.replace))
    patch.setattr(Path, "rename", stopping(Path.rename))
    patch.setattr(Path, "unlink", stopping(Path.unlink))
    return steps


@pytest.mark.parametrize("second", [11, 6, 13])
def test_a_kill_between_any_two_steps_leaves_every_row_once_and_the_next_resume_ends_it(left, tmp_path, second):
    at, was_killed = 0, True
    while was_killed:
        path = shutil.copytree(left, tmp_path / str(at))
        with pytest.MonkeyPatch.context() as patch:
            killing(patch, at)
            was_killed = True
            with suppress(Killed):
                supersede(path, 11, evaluated=False)
                was_killed = False
        if was_killed:
            seen, evaluations, *_ = held(path)
            assert seen == list(range(len(seen))), at
            assert len(seen) >= 11, at
            assert [e for e in evaluations if e < 11] == [0, 5, 10], at
            cut = min(second, len(seen))
            supersede(path, cut, evaluated=False)
            attempts = sorted(int(folder.name) for folder in (path / "superseded").iterdir())
            assert rows(path) == list(range(min(cut, len(seen)))), at
            moved = sorted(row for number in attempts for row in rows(path / "superseded" / str(number)))
            assert moved == list(range(cut, ROWS)), at
            assert not list(path.rglob(".*.parquet")), at
        shutil.rmtree(path)
        at += 1
    assert at > 20
