import numpy as np
import pytest

KIND = "saturation-plateau"

ALIKE = {"loss": 0.36, "evaluation.lwlrap": 0.3, "rank_agreement": 0.999}


def test_saturated_states_under_one_ranking_date_the_plateau(look, made, since):
    (finding,) = look(KIND, made({**ALIKE, "saturation.gru": since(0.95, 0.2), "rho": 0.96})).findings
    assert (finding.onset, finding.severity, finding.where) == (100, "critical", "gru")
    assert finding.evidence["saturation"] == pytest.approx(0.95)
    assert finding.evidence["rho"] == pytest.approx(0.96)


def test_states_that_are_the_same_for_every_clip_date_it_too(look, made, since):
    run = made({**ALIKE, "saturation.gru": since(0.6, 0.2), "hidden_spread.gru": since(0.01, 0.4)})
    (finding,) = look(KIND, run).findings
    assert (finding.onset, finding.evidence["hidden_spread_share_of_peak"]) == (100, pytest.approx(0.025))


@pytest.mark.parametrize(
    "otherwise",
    [
        {"rank_agreement": 0.97},
        {"evaluation.lwlrap": np.linspace(0.3, 0.6, 5)},
        {"saturation.gru": 0.84, "hidden_spread.gru": 0.4},
        {"saturation.gru": 0.49, "hidden_spread.gru": np.where(np.arange(400) < 100, 0.4, 0.01)},
    ],
    ids=["rankings of their own", "learned", "not saturated", "the same, but not at the bounds"],
)
def test_not_where_a_part_of_it_is_missing(otherwise, look, made):
    assert look(KIND, made({**ALIKE, "saturation.gru": 0.95, **otherwise})).findings == []


def test_a_second_rnn_is_looked_at_too(look, made):
    columns = {**ALIKE, "saturation.lstm": 0.95, "hidden_spread.lstm": 0.1}
    assert [finding.where for finding in look(KIND, made(columns)).findings] == ["lstm"]


def test_a_plateau_that_ended_is_worth_knowing(look, made, since):
    at = np.arange(400)
    columns = {
        "evaluation.lwlrap": 0.3,
        "saturation.gru": np.where(at < 300, 0.95, 0.5),
        "rank_agreement": np.where(at < 300, 0.999, 0.7),
    }
    (finding,) = look(KIND, made({**columns, "saturation.gru": np.where(at < 300, 0.95, 0.6)})).findings
    assert (finding.severity, finding.last) == ("info", 299)
    still_alike = {**columns, "saturation.gru": np.where(at < 300, 0.95, 0.6), "rank_agreement": 0.999}
    assert look(KIND, made(still_alike)).findings == []


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (("saturation.gru", "hidden_spread.gru"), "no recurrent states"),
        (("rank_agreement",), "scores of one class"),
        (("rank_agreement", "output_max"), "no scores"),
    ],
)
def test_what_is_missing_is_said(missing, said, look, made):
    found = look(KIND, made({**ALIKE, "saturation.gru": 0.95, **dict.fromkeys(missing)}))
    assert (found.findings, found.missing[0].why.startswith(said)) == ([], True)


def test_of_a_network_without_an_rnn_nothing_is_missing(look, made):
    columns = {**ALIKE, "saturation.gru": None, "hidden_spread.gru": None}
    found = look(KIND, made(columns, parts={"conv.weight": "conv", "head.weight": "head"}))
    assert (found.findings, found.missing) == ([], [])
