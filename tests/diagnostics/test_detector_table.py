from pathlib import Path

from flatline.diagnostics.detector_table import detector_tables, with_tables
from flatline.diagnostics.findings import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "diagnosis.md"


def test_the_page_has_the_tables_that_the_code_gives():
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page) == page


def test_every_kind_and_the_thresholds_of_shared_measures_stand_in_them():
    tables = detector_tables()
    assert all(f"| `{kind}` |" in tables for kind in KINDS)
    for threshold in ("broken_objective.KILLED` | 0.3 |", "recurrent_state.SATURATED` | 0.85 |"):
        assert threshold in tables
