"""What a run keeps of how well it localises."""

import math
import subprocess
import sys
from dataclasses import replace

import pytest
from flatline.diagnostics.errors import RunError
from flatline.runs.localisation_store import (
    FILE,
    KEYS,
    Localised,
    Score,
    rows_of,
    stored_localisation,
    write_localisation,
)

FOUND = Localised(
    run="",
    iteration=350,
    checkpoint="000000350.safetensors",
    data="/data",
    events="/data/events.csv",
    clips=50,
    clips_there=150,
    frame_s=0.064,
    rows=(
        Score("localisation", "all", 0.91, 0.19, 0.5, 0.25, 0.3, 170),
        Score("localisation", "zero", 0.9, 0.2, 0.4, math.nan, math.nan, 12),
        Score("saliency", "all", math.nan, 0.19, math.nan, math.nan, math.nan, 170, 0),
    ),
    maps={"localisation": "head.localisation"},
    thresholds={"localisation": [0.4, 0.5]},
    loudest=0.6,
    notes=("nothing to localise",),
    mark="abc",
)


@pytest.fixture
def run(tmp_path):
    write_localisation(tmp_path, FOUND)
    return tmp_path


def test_what_is_kept_is_read_back_with_nan_for_what_is_not_known(run):
    found = stored_localisation(run)
    assert found is not None
    assert found.run == str(run)
    assert repr(replace(found, run="")) == repr(FOUND)  # NaN is not equal to itself
    assert math.isnan(found.rows[2].pointing_game)


def test_rows_are_found_by_way_and_class(run):
    found = stored_localisation(run)
    assert found is not None
    assert found.ways == ["localisation", "saliency"]
    assert found.classes == ["zero"]
    assert found.score("localisation", "zero") is found.rows[1]
    assert found.score("saliency") is found.rows[2]
    assert found.score("attention") is None


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"form": 0}', b'{"form": 1, "rows": 3}'])
def test_a_file_that_cannot_be_read_is_none(run, content):
    (run / FILE).write_bytes(content)
    assert stored_localisation(run) is None


def test_no_file_is_none(tmp_path):
    assert stored_localisation(tmp_path) is None


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path):
    with pytest.raises(RunError, match=r"localisation\.json cannot be written .*; see to the disk"):
        write_localisation(tmp_path / "gone", FOUND)


def test_rows_have_the_six_keys_and_of_several_runs_the_run_first(run):
    assert [tuple(row) for row in rows_of([FOUND])] == [KEYS] * 3
    assert [tuple(row) for row in rows_of([FOUND, FOUND])] == [("run", *KEYS)] * 6
    assert rows_of([FOUND])[1]["class"] == "zero"


def test_reading_needs_no_torch(run):
    script = (
        "import sys\nfrom pathlib import Path\nfrom flatline.runs.localisation_store import stored_localisation\n"
        "assert stored_localisation(Path(sys.argv[1])).iteration == 350\n"
        "assert not {'torch', 'captum', 'librosa', 'sed_eval'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script, run], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
