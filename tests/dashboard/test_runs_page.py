import json

from dash import no_update
from flatline.dashboard.pages.runs import changed_rows, layout, table_rows
from flatline.dashboard.pages.runs_columns import COLUMNS
from flatline.runs.listing import COLUMNS as LISTED
from flatline.runs.listing import Listing


def test_rows_can_be_sent_and_what_is_missing_is_null(logs):
    rows = {row["name"]: row for row in table_rows(Listing(logs).table())}
    assert json.loads(json.dumps(rows)) == rows
    assert "NaN" not in json.dumps(rows)
    assert rows["own-loop"]["lwlrap"] is None
    assert rows["broken"]["status"] == "unreadable"
    assert rows["story double.sigmoid"]["at_constant_level"] is True


def test_every_column_shows_something_that_is_listed():
    assert {column["field"] for column in COLUMNS} <= set(LISTED)


def test_the_table_grows_when_a_run_appears_and_is_left_alone_otherwise(simulated, tmp_path):
    listing = Listing(tmp_path)
    rows, _, seen, table, invitation = changed_rows(listing, None)
    assert (rows, table, invitation) == ([], "none", "block")
    assert set(changed_rows(listing, seen)) == {no_update}
    simulated.nearly_nothing(tmp_path / "new")
    rows, _, _, table, invitation = changed_rows(listing, seen)
    assert ([row["name"] for row in rows], table, invitation) == (["new"], "block", "none")


def test_no_runs_names_the_commands_that_make_one(tmp_path):
    page = repr(layout(Listing(tmp_path)))
    assert "flatline demo" in page
    assert "flatline train story-attention --data ROOT" in page
