import warnings

import pytest
from flatline.diagnostics.errors import AttachError
from flatline.diagnostics.telling import Nowhere, Teller


def fails():
    raise KeyError("gone")


def test_what_was_measured_comes_back(log):
    assert Teller(log).guarded("it", 3, lambda a, b: a + b, 1, 2) == 3
    assert log.events == []


def test_a_fault_is_told_once_by_name_to_the_person_and_to_the_log(log):
    teller = Teller(log)
    said = r"it could not be recorded at iteration 3 \(told once\): KeyError: 'gone'"
    with pytest.warns(UserWarning, match=said) as told:
        assert teller.guarded("it", 3, fails) is None
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        teller.guarded("it", 4, fails)
    with pytest.warns(UserWarning, match="another could not be recorded at iteration 5"):
        teller.guarded("another", 5, fails)
    assert [(event["kind"], event["iteration"], event["signal"]) for event in log.events] == [
        ("signal-fault", 3, "it"),
        ("signal-fault", 5, "another"),
    ]
    assert log.events[0]["fault"] == "KeyError: 'gone'"


def test_a_fault_of_ours_is_told_in_its_own_words(log):
    def refuses():
        raise AttachError("no map (here); name one")

    with pytest.warns(UserWarning, match=r"\(told once\): no map \(here\); name one"):
        Teller(log).guarded("it", 0, refuses)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_is_meant_to_end_the_loop_ends_it(log, error):
    def ends():
        raise error

    with pytest.raises(error):
        Teller(log).guarded("it", 0, ends)


def test_where_warnings_are_errors_training_goes_on_and_it_is_told_all_the_same(log, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Teller(log).warn("gap", 2, "oh", calls=3)
    assert capsys.readouterr().err == "flatline: oh\n"
    assert log.events == [{"kind": "gap", "iteration": 2, "calls": 3}]


def test_a_bare_sink_is_told_nothing_and_nowhere_keeps_nothing():
    for sink in ([], Nowhere()):
        Teller(sink).tell("event", "gap", 0)
    Nowhere().append({"a": 1})
