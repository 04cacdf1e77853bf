"""That the benchmark judges the run it says it does; how fast that is, it does not ask."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from flatline.diagnostics.diagnosis import diagnose
from flatline.diagnostics.view import View
from flatline.runs.run import Run

HERE = Path(__file__).parent
NAMES = ("timing", "run_log_rows", "run_log_forms", "diagnose_speed")


@pytest.fixture(scope="module")
def scripts():
    """The scripts by their bare names, which other tests do not find."""
    before = {name: sys.modules.pop(name) for name in NAMES if name in sys.modules}
    sys.path.insert(0, str(HERE))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in NAMES})
    finally:
        sys.path.remove(str(HERE))
        for name in NAMES:
            sys.modules.pop(name, None)
        sys.modules.update(before)


@pytest.fixture(scope="module")
def run(scripts, tmp_path_factory):
    return Run(scripts.diagnose_speed.standard_log(tmp_path_factory.mktemp("logs") / "long", 3000))


def test_the_run_has_what_the_standard_level_records_and_no_detector_ends_early_for_want_of_it(run):
    assert (len(run), run.gradient_norms.shape, run.lwlrap.shape) == (3000, (3000, 60), (3000, 80))
    diagnosis = diagnose(run)
    assert (diagnosis.verdict, diagnosis.findings) == ("healthy", ())
    assert {entry.kind for entry in diagnosis.undetermined} <= {"dead-units"}
    assert len(View(run).hidden_gradient_tables()) == 2


def test_both_ways_are_measured(scripts, run):
    for measure in scripts.diagnose_speed.WAYS.values():
        assert 0 < measure(run.path) < 60


def test_a_command_that_fails_gives_no_figure(scripts, tmp_path):
    with pytest.raises(scripts.diagnose_speed.subprocess.CalledProcessError):
        scripts.diagnose_speed.of_the_command(tmp_path / "nothing")
