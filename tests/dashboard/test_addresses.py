import pytest
from flatline.dashboard.addresses import Address, compare_address, parse, run_address, run_path


@pytest.mark.parametrize("name", ["plain", "with space", "dots.in.it", "100% ü", "a?b#c"])
def test_a_runs_address_leads_back_to_its_name(name):
    assert parse(run_address(name)) == Address("vitals", name)


def test_the_root_is_the_runs_page():
    assert parse("/") == Address("runs")


@pytest.mark.parametrize("path", ["/run", "/run/", "/run/x/nothing", "/run/x/vitals/more", "/elsewhere"])
def test_other_paths_have_no_address(path):
    assert parse(path) is None


@pytest.mark.parametrize("name", ["..", ".", "", None, "../x", "a/../../x", "a\\b", "x\0", ".hidden"])
def test_a_name_that_leads_out_of_the_logs_is_refused(tmp_path, name):
    logs = tmp_path / "logs"
    for folder in (logs, tmp_path / "x", logs / ".hidden", logs / "a", logs / "a\\b"):
        folder.mkdir()
    assert run_path(logs, name) is None


def test_a_run_directly_under_the_logs_is_found(tmp_path):
    (tmp_path / "a run.2").mkdir()
    assert run_path(tmp_path, "a run.2") == tmp_path / "a run.2"


@pytest.mark.parametrize("names", [["a", "b"], ["with, comma", "a&b=c", "ü ?#"], ["one"], []])
@pytest.mark.parametrize("by", [None, "head", "model.options.channels"])
def test_a_comparisons_address_leads_back_to_its_runs(names, by):
    path, _, search = compare_address(names, by).partition("?")
    assert parse(path, "?" + search) == Address("compare", runs=tuple(names), by=by)


def test_a_run_is_compared_with_itself_once_only():
    assert parse("/compare", "?runs=a,b,a&iteration=3").runs == ("a", "b")


def test_what_a_page_shows_stands_in_its_address():
    assert (
        run_address("a", "classes", {"iteration": "3", "clip": "x y&z"}) == "/run/a/classes?iteration=3&clip=x%20y%26z"
    )


@pytest.mark.parametrize("path", ["/run/a%20b", "/run/a%20b/"])
def test_a_run_without_a_page_is_its_vitals(path):
    assert parse(path) == Address("vitals", "a b")
