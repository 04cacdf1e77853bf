import json

import numpy as np
import pytest
from flatline.diagnostics.detectors import DETECTORS
from flatline.diagnostics.diagnosis import PATIENCE, SHORTEST, diagnose
from flatline.diagnostics.findings import Finding, Undetermined

AT = np.arange(400)

SAID = {"iterations", "verdict", "cause", "findings", "undetermined"}

OF_A_FINDING = {"kind", "severity", "onset", "last", "evidence", "explanation", "remedies", "source"}


def saying(*entries):
    """Detectors that say just that."""
    return {"all": lambda view: iter(entries)}


def finding(kind="gradient-death", severity="critical", onset=0, last=399, variant="", active=True, where=""):
    return Finding(kind, severity, onset, last, {"gradient_norm": 1.0}, variant, where, active, severity)


def test_a_healthy_run_is_healthy_with_nothing_to_explain(made):
    diagnosis = diagnose(made())
    assert (diagnosis.verdict, diagnosis.cause, diagnosis.findings, diagnosis.undetermined) == ("healthy", None, (), ())
    assert (diagnosis.why, diagnosis.reasons, diagnosis.onsets, diagnosis.iterations) == (None, None, (), 400)


@pytest.mark.parametrize(
    ("entries", "verdict"),
    [
        ([finding()], "collapsed"),
        ([finding(), finding("dead-units", "warning", variant="zero")], "collapsed"),
        ([finding("learning-rate-too-low", "warning")], "at-risk"),
        ([finding("label-problem", "info", variant="class-without")], "healthy"),
        ([finding(severity="info", active=False)], "healthy"),
        ([Undetermined("non-finite", "why")], "undetermined"),
        ([Undetermined("dead-units", "why")], "healthy"),
        ([Undetermined("non-finite", "why"), finding("learning-rate-too-low", "warning")], "at-risk"),
        ([Undetermined("non-finite", "why"), finding()], "collapsed"),
    ],
)
def test_the_verdict_is_that_of_the_worst_that_is_active(entries, verdict, made):
    assert diagnose(made(), saying(*entries)).verdict == verdict


@pytest.mark.parametrize(("rows", "verdict"), [(SHORTEST - 1, "undetermined"), (SHORTEST, "healthy")])
def test_too_few_iterations_are_never_healthy(rows, verdict, made):
    assert diagnose(made(rows=slice(0, rows))).verdict == verdict


def test_nothing_recorded_is_undetermined(made):
    diagnosis = diagnose(made(rows=slice(0, 0), evaluated=[]))
    assert (diagnosis.verdict, diagnosis.cause, diagnosis.iterations) == ("undetermined", None, 0)


@pytest.mark.parametrize("missing", ["loss", "gradient_norm", "rank_agreement", "output_min"])
def test_without_a_signal_that_matters_nothing_is_healthy_and_what_is_missing_is_said(missing, made):
    with_it = {"loss": ["nonfinite_gradients"], "gradient_norm": ["gradient_norm_total"]}
    also = {"rank_agreement": ["evaluation.class_lwlrap", "evaluation.lwlrap"]}
    names = [missing, *with_it.get(missing, []), *also.get(missing, [])]
    diagnosis = diagnose(made({**dict.fromkeys(names), "loss": None if missing == "loss" else 0.36}))
    assert diagnosis.verdict in ("undetermined", "at-risk")
    assert diagnosis.undetermined


def test_the_cause_stands_first_and_the_others_by_severity_and_onset(made):
    entries = [
        finding("bypassed-recurrence", "warning", 0, variant="ablated", where="gru"),
        finding("gradient-death", onset=200),
        finding("constant-predictor", onset=100),
        finding("non-finite", onset=50),
        finding("exploding-gradients", "info", 3, 9, active=False),
    ]
    diagnosis = diagnose(made(), saying(*entries))
    assert [found.kind for found in diagnosis.findings] == [
        *("non-finite", "constant-predictor", "gradient-death", "bypassed-recurrence", "exploding-gradients")
    ]
    assert diagnosis.cause == "non-finite"
    assert diagnosis.why is not None
    assert {found.kind for found in diagnosis.why.explained} == {
        *("constant-predictor", "gradient-death"),
    }


def test_two_findings_of_one_kind_and_onset_are_both_told(made):
    """Two bypassed RNNs, of which one is the cause."""
    entries = [finding("bypassed-recurrence", "warning", variant="ablated", where=rnn) for rnn in ("gru", "lstm")]
    assert [found.where for found in diagnose(made(), saying(*entries)).findings] == ["gru", "lstm"]


def test_what_is_left_over_goes_where_another_reason_shows(made):
    entries = [finding("label-problem", "warning", variant="unrelated"), finding("vanishing-through-time")]
    diagnosis = diagnose(made(), saying(*entries))
    assert [found.kind for found in diagnosis.findings] == ["vanishing-through-time"]


@pytest.mark.parametrize(("status", "severity"), [("running", "warning"), ("finished", "critical")])
def test_while_it_runs_what_may_pass_is_no_more_than_a_warning_yet(status, severity, made):
    entries = [finding("constant-predictor", onset=250)]
    diagnosis = diagnose(made(status=status), saying(*entries))
    assert (diagnosis.findings[0].severity, diagnosis.findings[0].at_worst) == (severity, "critical")


@pytest.mark.parametrize(("onset", "severity"), [(200, "warning"), (199, "critical")])
def test_after_two_hundred_iterations_of_it_the_patience_is_over(onset, severity, made):
    assert PATIENCE == 200
    diagnosis = diagnose(made(status="running"), saying(finding("constant-predictor", onset=onset)))
    assert diagnosis.findings[0].severity == severity


def test_what_cannot_pass_is_critical_at_once(made):
    entries = [finding("broken-objective", onset=390, variant="declared")]
    assert diagnose(made(status="running"), saying(*entries)).verdict == "collapsed"


def test_as_a_dictionary_it_has_the_contracts_keys_and_numbers_that_json_takes(made):
    entry = Finding(
        "gradient-death", "critical", 3, 9, {"peak": np.float32(0.5), "rho": float("nan"), "n": float("inf")}
    )
    said = diagnose(made(), saying(entry, Undetermined("dead-units", "not there"))).to_dict()
    assert set(said) == SAID
    assert set(said["findings"][0]) == OF_A_FINDING
    assert said["findings"][0]["evidence"] == {"peak": 0.5, "rho": None, "n": None}
    assert said["undetermined"] == [{"kind": "dead-units", "why": "not there"}]
    assert json.loads(json.dumps(said, allow_nan=False)) == said


@pytest.mark.parametrize(
    ("columns", "info", "cause"),
    [
        (
            {
                "loss": 0.69,
                "ln2_distance": 0.0,
                "rho": 0.05,
                "output_min": 0.0,
                "output_max": 0.4,
                "saturation.gru": 0.95,
            },
            {},
            "broken-objective",
        ),
        ({"loss": 0.36, "rho": 1.0, "saturation.gru": 0.95}, {}, "saturation-plateau"),
        ({"loss": 0.42, "rho": 1.0}, {}, "constant-predictor"),
        ({"loss": 0.36, "input_spread": 0.0}, {}, "label-problem"),
        (
            {"loss": np.where(AT < 200, 0.36, np.nan), "nonfinite_gradients": np.where(AT < 200, 0.0, 7)},
            {},
            "non-finite",
        ),
    ],
    ids=["double sigmoid", "plateau", "one ranking", "constant inputs", "NaN"],
)
def test_one_ranking_for_all_clips_has_the_cause_that_the_other_signs_say(columns, info, cause, made):
    alike = {
        "rank_agreement": 0.999,
        "top_class_share": 1.0,
        "clip_spread": 1e-4,
        "evaluation.lwlrap": 0.3,
        "lwlrap": 0.3,
    }
    diagnosis = diagnose(made({**alike, **columns}, **info))
    assert (diagnosis.verdict, diagnosis.cause) == ("collapsed", cause)
    assert diagnosis.reasons is not None
    assert len(diagnosis.reasons.pro) >= len(diagnosis.reasons.contra)


SEED = np.array([1, 0.497, 0.332, 0.247, 0.196, 0.168, *(1 / np.arange(7, 81))])
"""The bars of the seed's chart: the first six as they were, the others as they went on."""


@pytest.mark.parametrize("bars", [SEED, 1 / np.arange(1, 81)], ids=["the seed's", "exact"])
@pytest.mark.parametrize("rows", [slice(None), slice(0, 0)], ids=["beside a loss", "alone"])
def test_bars_that_fall_as_1_over_rank_tag_no_class(bars, rows, made):
    """All that the seed's chart shows is per-class lwlrap."""
    bars = np.random.default_rng(0).permutation(bars)
    columns = dict.fromkeys(made().columns)
    columns |= {"loss": 0.1, "evaluation.class_lwlrap": bars[None].repeat(5, axis=0)}
    diagnosis = diagnose(made(columns, rows=rows, loss_kind=None, maps={}))
    assert (diagnosis.verdict, diagnosis.cause) == ("collapsed", "constant-predictor")
    assert "no class is tagged" in diagnosis.findings[0].explanation
    assert diagnosis.findings[0].evidence["one_over_rank_deviation"] < 0.05


def test_bars_of_a_net_that_learns_do_not(made):
    columns = dict.fromkeys(made().columns)
    bars = np.random.default_rng(0).uniform(0.2, 1, (5, 80))
    diagnosis = diagnose(made({**columns, "loss": 0.1, "evaluation.class_lwlrap": bars}, loss_kind=None, maps={}))
    assert (diagnosis.verdict, diagnosis.cause, diagnosis.findings) == ("undetermined", None, ())


def test_the_chart_beside_a_score_above_the_constant_level_is_no_collapse(made):
    diagnosis = diagnose(made({"evaluation.class_lwlrap": 1 / np.arange(1, 13), "rank_agreement": None}))
    assert diagnosis.verdict == "healthy"


def test_every_detector_is_asked(made):
    asked = []
    diagnose(made(), {kind: lambda view, kind=kind: asked.append(kind) or () for kind in DETECTORS})
    assert asked == list(DETECTORS)
