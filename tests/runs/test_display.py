import io

import pytest
from flatline.runs.display import fitted
from rich.console import Console
from rich.text import Text

COLUMNS = {
    "run": [Text("story-plain"), Text("a[red]b")],
    "make": [Text("cgrnn"), Text("resnet")],
    "two\nlines": [Text("1"), Text("22")],
    "lwlrap": [Text("0.071"), Text("–")],
}


def shown(width, given_up):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(fitted(COLUMNS, width, given_up=given_up, right=("lwlrap",)))
    return console.export_text()


def test_where_there_is_room_everything_is_shown_as_it_is():
    said = shown(80, {"make": 11, "two\nlines": 11})
    assert said.splitlines()[0].rstrip() == "                     two"
    assert "story-plain  cgrnn   1       0.071" in said
    assert "a[red]b      resnet  22          –" in said


@pytest.mark.parametrize(
    ("width", "made", "lines"), [(34, True, True), (33, False, True), (25, False, False), (19, False, False)]
)
def test_columns_are_given_up_in_order_and_only_as_many_as_need_be(width, made, lines):
    said = shown(width, {"make": 11, "two\nlines": 11})
    assert ("cgrnn" in said, "two" in said) == (made, lines)
    assert "0.071" in said
    assert max(map(len, said.splitlines())) <= width


def test_the_first_column_goes_on_in_a_second_line_before_a_column_of_less_worth_is_given_up():
    said = shown(28, {"make": 5})
    assert "cgrnn" in said
    assert "story-plain" not in said
    assert "0.071" in said
