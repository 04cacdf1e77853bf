import pytest
from flatline.diagnostics.levels import LEVELS, signals_of
from flatline.diagnostics.signals import AttentionMaps, GradientNorms, WeightNorms


@pytest.mark.parametrize("level", LEVELS)
def test_gradients_come_first_since_others_use_their_norms(level):
    gradients = GradientNorms()
    signals = signals_of(level, gradients, AttentionMaps({}))
    assert signals[0] is gradients
    assert len(signals) == len(LEVELS[level])


def test_each_level_holds_the_one_below():
    assert set(LEVELS["light"]) < set(LEVELS["standard"]) < set(LEVELS["deep"])
    kinds = {type(signal) for signal in signals_of("deep", GradientNorms(), AttentionMaps({}))}
    assert WeightNorms in kinds


def test_no_two_signals_write_the_same_column():
    names = [info.name for signal in signals_of("deep", GradientNorms(), AttentionMaps({})) for info in signal.infos]
    assert len(names) == len(set(names))
