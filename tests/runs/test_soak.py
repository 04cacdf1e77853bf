"""kill -9 at random moments of a writer that does nothing else: `make soak` does it 200 times."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "soak.py"


@pytest.fixture
def soak(monkeypatch):
    """The script as a module that the killed processes find too."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    spec = importlib.util.spec_from_file_location("soak", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "soak", module)
    spec.loader.exec_module(module)
    return module


def test_a_dozen_kills_lose_no_acknowledged_row_and_leave_readable_logs(soak, tmp_path):
    toll = soak.soak(tmp_path, 12, seed=1)
    assert (toll.kills, toll.lost, toll.doubled, toll.unreadable) == (12, 0, 0, 0)
    assert toll.acknowledged > 12 * 10
    assert toll.found >= toll.acknowledged


def test_a_row_that_went_after_it_was_acknowledged_is_counted(soak, tmp_path, monkeypatch):
    real = soak.promised_before_death

    def one_file_less(path, *args):
        promised = real(path, *args)
        newest = max((path / "tail" / "iterations").glob("*.parquet"))
        newest.unlink()
        return {**promised, "iterations": [*promised["iterations"], int(newest.name[10:19])]}

    monkeypatch.setattr(soak, "promised_before_death", one_file_less)
    # The newest file may be one whose rows were just merged into another: then nothing is lost, and another kill is.
    assert any(soak.soak(tmp_path / str(seed), 1, seed=seed).lost > 0 for seed in range(6))
