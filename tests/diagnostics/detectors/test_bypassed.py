import numpy as np
import pytest

KIND = "bypassed-recurrence"

DEAD = {"saturation.gru": 0.95}


def share(low, value, high, rnn="gru"):
    return {f"evaluation.ablation.rnn.{rnn}{name}": of for name, of in (("", value), (".low", low), (".high", high))}


def judged(look, run):
    found = look(KIND, run)
    return [(finding.variant, finding.where) for finding in found.findings], [entry.kind for entry in found.missing]


@pytest.mark.parametrize(("high", "found"), [(0.19, [("ablated", "gru")]), (0.21, [])])
def test_an_ablation_decides_by_the_upper_end_of_its_interval(high, found, look, made):
    assert judged(look, made(share(-0.05, 0.02, high))) == (found, [])


def test_it_decides_against_the_states_too(look, made, of_parameters):
    run = made({**DEAD, **share(0.5, 0.6, 0.7), "gradient_norm": of_parameters(rnn=0.01)})
    assert judged(look, run) == ([], [])


def test_an_ablation_without_an_interval_decides_nothing(look, made):
    """Of one clip there is nothing to resample."""
    assert judged(look, made(share(np.nan, 0.02, np.nan))) == ([], [])


@pytest.mark.parametrize(("ratio", "found"), [(0.09, [("suspected", "gru")]), (0.11, [])])
def test_dead_states_and_a_tenth_of_the_heads_gradient_are_a_suspicion(ratio, found, look, made, of_parameters):
    run = made({**DEAD, "gradient_norm": of_parameters(rnn=ratio)})
    assert judged(look, run) == (found, [KIND] * len(found))


def test_living_states_are_none(look, made, of_parameters):
    assert judged(look, made({"gradient_norm": of_parameters(rnn=0.01)})) == ([], [])


def test_a_net_that_has_not_learned_bypasses_nothing(look, made):
    assert judged(look, made({**DEAD, **share(0, 0.02, 0.1), "evaluation.lwlrap": 0.3})) == ([], [])


def test_the_newest_ablation_counts(look, made):
    value = np.array([np.nan, 0.01, np.nan, 0.9, np.nan])
    assert judged(look, made(share(value - 0.01, value, value + 0.01))) == ([], [])
    assert judged(look, made(share(value[::-1] - 0.01, value[::-1], value[::-1] + 0.01)))[0] == [("ablated", "gru")]


def test_each_of_two_rnns_is_judged(look, made):
    columns = {**share(0, 0.01, 0.1), **share(0, 0.02, 0.1, "lstm"), "saturation.lstm": 0.2, "hidden_spread.lstm": 0.3}
    found, _ = judged(look, made(columns))
    assert found == [("ablated", "gru"), ("ablated", "lstm")]


def test_it_begins_where_the_states_died_if_they_did(look, made, since):
    run = made({**share(0, 0.01, 0.1), "saturation.gru": since(0.95, 0.2)})
    assert look(KIND, run).findings[0].onset == 100
    assert look(KIND, made(share(0, 0.01, 0.1))).findings[0].onset == 0
