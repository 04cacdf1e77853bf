from flatline.data import Problem
from flatline.data.errors import summarise


def test_a_problem_reads_as_one_sentence_with_file_row_fault_and_remedy():
    assert (
        str(Problem("a.csv", 7, "x.wav has no label", "give it one"))
        == "a.csv, line 7: x.wav has no label; give it one"
    )


def test_a_problem_without_a_row_names_the_file_alone():
    assert str(Problem("a.wav", None, "is empty", "restore it")) == "a.wav: is empty; restore it"


def test_a_summary_shows_the_first_few_and_says_how_many_more():
    problems = [Problem("a.csv", row, f"fault {row}", "mend it") for row in range(2, 9)]
    text = summarise(problems, "7 bad rows", "mend them all")
    assert text.startswith("7 bad rows: a.csv, line 2: fault 2")
    assert "fault 4" in text
    assert "fault 5" not in text
    assert "(and 4 more)" in text
    assert text.endswith("Remedy: mend them all")
