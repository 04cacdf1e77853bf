"""Attributions in memory: a file is parsed once, and what is added, gone or replaced is seen."""

import os
import time

import pytest
from flatline.dashboard import attributing_kept
from flatline.dashboard.attributing_kept import kept_attributions
from flatline.dashboard.chosen import choose
from flatline.runs.attribution_limit import drop_oldest, mark_as_passing
from flatline.runs.attribution_store import FOLDER
from flatline.runs.run import Run


@pytest.fixture
def run(simulated, tmp_path):
    simulated.complete(tmp_path / "run")
    return Run(tmp_path / "run")


@pytest.fixture
def parsed(monkeypatch):
    """Keys of the files that were parsed."""
    keys, whole = [], attributing_kept.read_stored

    def counted(run, key):
        keys.append(key)
        return whole(run, key)

    monkeypatch.setattr(attributing_kept, "read_stored", counted)
    return keys


def age(folder, seconds=60):
    """As if the folder had last changed long ago."""
    then = time.time_ns() - int(seconds * 1e9)
    os.utime(folder, ns=(then, then))


def test_a_file_is_parsed_once_and_a_folder_that_did_not_change_not_listed(run, attributed, parsed, monkeypatch):
    for iteration in (49, 149, 199):
        attributed.keep(run.path, attributed.heard(), iteration=iteration)
    for _ in range(3):
        choose(run)
    assert len(parsed) == 3
    attributed.keep(run.path, attributed.heard(), method="saliency")
    assert [one.method for one in kept_attributions(run.path)].count("saliency") == 1
    assert len(parsed) == 4
    age(run.path / FOLDER)
    kept_attributions(run.path)
    monkeypatch.setattr(attributing_kept, "_files", None)
    assert len(kept_attributions(run.path)) == 4


def test_what_was_kept_in_the_same_tick_as_the_listing_is_seen(run, attributed, monkeypatch):
    attributed.keep(run.path, attributed.heard())
    folder = run.path / FOLDER
    mark = folder.stat().st_mtime_ns
    assert len(kept_attributions(run.path)) == 1
    attributed.keep(run.path, attributed.heard(), method="saliency")
    os.utime(folder, ns=(mark, mark))
    assert len(kept_attributions(run.path)) == 2


def test_what_is_gone_replaced_or_damaged_is_seen(run, attributed):
    kept = [attributed.keep(run.path, attributed.heard(), iteration=iteration) for iteration in (49, 149, 199)]
    assert len(kept_attributions(run.path)) == 3
    mark_as_passing(run.path, kept[0].file.stem)
    assert drop_oldest(run.path, most=0) == 1
    assert {one.iteration for one in kept_attributions(run.path)} == {149, 199}
    kept[1].file.unlink()
    assert {one.iteration for one in kept_attributions(run.path)} == {199}
    facts = kept[2].file.with_suffix(".json")
    other = facts.with_name("other")
    other.write_text(facts.read_text().replace('"iteration": 199', '"iteration": 198'))
    os.replace(other, facts)
    assert [one.iteration for one in kept_attributions(run.path)] == [198]
    other.write_text("{")
    os.replace(other, facts)
    assert kept_attributions(run.path) == []


def test_a_run_without_any_keeps_none_and_is_looked_at_again(run, attributed):
    assert kept_attributions(run.path) == []
    attributed.keep(run.path, attributed.heard())
    assert len(kept_attributions(run.path)) == 1


def test_memory_is_bounded_and_the_longest_unused_run_goes(simulated, attributed, tmp_path, monkeypatch):
    monkeypatch.setattr(attributing_kept, "MOST_HELD", 2)
    for name in "abc":
        simulated.complete(tmp_path / name)
        attributed.keep(tmp_path / name, attributed.heard())
        attributed.keep(tmp_path / name, attributed.heard(), method="saliency")
        assert len(kept_attributions(tmp_path / name)) == 2
    assert list(attributing_kept._held) == [tmp_path / "c"]
