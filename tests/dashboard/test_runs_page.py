import json

from dash import no_update
from flatline.dashboard.judging import Judge
from flatline.dashboard.pages.runs import (
    JUDGED,
    arms_under_their_runs,
    changed_rows,
    comparison,
    judged_rows,
    layout,
    table_rows,
)
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
    assert {column["field"] for column in COLUMNS} <= {*LISTED, *JUDGED}


def test_the_table_grows_when_a_run_appears_and_is_left_alone_otherwise(simulated, tmp_path):
    listing, judge = Listing(tmp_path), Judge(tmp_path)
    rows, _, seen, table, invitation = changed_rows(listing, judge, None)
    assert (rows, table, invitation) == ([], "none", "block")
    assert set(changed_rows(listing, judge, seen)) == {no_update}
    simulated.nearly_nothing(tmp_path / "new")
    rows, _, _, table, invitation = changed_rows(listing, judge, seen)
    judge.close()
    assert ([row["name"] for row in rows], table, invitation) == (["new"], "block", "none")


def test_no_runs_names_the_commands_that_make_one(tmp_path):
    page = repr(layout(Listing(tmp_path), Judge(tmp_path)))
    assert "flatline demo" in page
    assert "flatline train story-attention --data ROOT" in page


def test_rows_are_judged_after_a_while_and_until_then_say_so(simulated, tmp_path):
    simulated.collapsed(tmp_path / "dead")
    simulated.broken(tmp_path / "broken")
    listing, judge = Listing(tmp_path), Judge(tmp_path)
    rows = {row["name"]: row for row in judged_rows(listing, judge)}
    assert rows["dead"]["verdict"] == "…"
    assert rows["broken"]["verdict"] is None
    while rows["dead"]["verdict"] == "…":
        rows = {row["name"]: row for row in judged_rows(listing, judge)}
    judge.close()
    assert (rows["dead"]["verdict"], bool(rows["dead"]["cause"])) == ("collapsed", True)
    assert len(rows["dead"]["gradient"]) > 20
    assert rows["dead"]["address"] == "/run/dead/vitals"
    assert json.loads(json.dumps(rows)) == rows


def test_two_marked_runs_lead_to_their_comparison():
    assert comparison(["a"])[1] == "#"
    assert comparison(["a", "b c"])[:2] == ("Compare 2 runs", "/compare?runs=a,b%20c")


def test_arms_stand_below_the_run_that_was_tried_and_what_was_tried_on_top_comes_next(simulated, tmp_path):
    simulated.treated(tmp_path)
    simulated.arm(tmp_path, "gone", ["prior-bias"])
    simulated.arm(tmp_path, "mine", ["lower-rate"])
    rows = {row["name"]: row for row in arms_under_their_runs(table_rows(Listing(tmp_path).table()))}
    names = [name for name in rows if name != "gone~prior-bias"]
    assert names == ["mine", "mine~fix-objective", "mine~fix-objective~prior-bias", "mine~lower-rate"]
    assert [rows[name]["is_arm"] for name in names] == [False, True, True, True]
    assert rows["gone~prior-bias"]["is_arm"] is False  # the run that was tried is not there
    last = rows["mine~fix-objective~prior-bias"]
    assert (last["arm_of"], last["changed"]) == ("mine", "fix-objective, then prior-bias")
    assert rows["mine"]["arm_of"] is None
