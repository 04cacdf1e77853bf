import pytest
from flatline.diagnostics.errors import UnknownNameError
from flatline.diagnostics.levels import LEVELS, SIGNALS, Chosen, subjects_of
from flatline.diagnostics.signals import Activations, GradientNorms


@pytest.mark.parametrize("level", LEVELS)
def test_gradients_come_first_since_others_use_their_norms(level):
    signals = Chosen(level).signals()
    assert isinstance(signals[0], GradientNorms)
    assert [signal.subject for signal in signals] == [kind.subject for kind in SIGNALS if kind.subject in LEVELS[level]]


def test_each_level_holds_the_one_below():
    assert set(LEVELS["light"]) < set(LEVELS["standard"]) < set(LEVELS["deep"])


def test_signals_are_chosen_by_name_too_and_gradients_always_come_with_them():
    assert subjects_of("classes") == {"gradients", "classes"}
    assert subjects_of(["light", "recurrent"]) == {*LEVELS["light"], "recurrent"}
    with pytest.raises(UnknownNameError, match=r"unknown level 'all' \(Recorder\); known: .*deep.*recurrent.*standard"):
        subjects_of(["light", "all"])


def test_modules_that_are_asked_for_are_looked_at_at_any_level():
    assert any(isinstance(signal, Activations) for signal in Chosen("light", activations=["conv"]).signals())
    assert not any(isinstance(signal, Activations) for signal in Chosen("light").signals())


def test_no_two_signals_write_the_same_column():
    names = [info.name for kind in SIGNALS for info in kind.infos]
    assert len(names) == len(set(names))


def test_every_signal_says_what_it_measures_and_what_it_costs():
    for kind in SIGNALS:
        assert kind.__doc__
        assert kind.cost
        assert all(info.unit and info.meaning for info in kind.infos)
    assert len({kind.subject for kind in SIGNALS}) == len(SIGNALS)
