"""What holds for every kind of finding: it fires where it should, not beside, and never reads a gap as a collapse."""

import math
import re
from pathlib import Path
from string import Formatter

import numpy as np
import pytest
from flatline.diagnostics import detectors
from flatline.diagnostics.advice import ADVICE, advised
from flatline.diagnostics.detectors import DETECTORS
from flatline.diagnostics.findings import KINDS

FORMS = sorted(ADVICE)

NEVER_MISSING = {"bypassed-recurrence", "vanishing-through-time", "attention-collapse"}
"""Kinds of which a network without the part in question has nothing."""


def of(found, variant):
    return next(finding for finding in found.findings if finding.variant == variant)


def test_every_kind_has_a_detector_and_words():
    assert set(DETECTORS) == set(KINDS) == {kind for kind, _ in ADVICE}


def test_every_variant_that_stands_in_a_detector_has_words_and_every_word_a_variant():
    written = {
        name
        for path in Path(detectors.__file__).parent.glob("*.py")
        for name in re.findall(r'"([a-z0-9-]+)"', path.read_text(encoding="utf-8"))
    }
    assert {variant for _, variant in ADVICE} - {""} <= written


@pytest.mark.parametrize(("kind", "variant"), FORMS)
def test_each_form_is_found_with_its_onset_severity_and_place(kind, variant, sick, sick_run, look):
    finding = of(look(kind, sick_run(kind, variant)), variant)
    case = sick[kind, variant]
    assert (finding.kind, finding.severity, finding.at_worst, finding.where, finding.is_active) == (
        *(kind, case.severity, case.severity, case.where),
        True,
    )
    assert abs(finding.onset - case.onset) <= 10
    assert 390 <= finding.last < 400
    assert finding.evidence or kind == "non-finite"
    assert all(isinstance(value, float) for value in finding.evidence.values())


@pytest.mark.parametrize("kind", DETECTORS)
def test_none_is_found_in_a_healthy_run_and_nothing_is_missing_there(kind, made, look):
    found = look(kind, made())
    assert (found.findings, found.missing) == ([], [])


@pytest.mark.parametrize(("kind", "variant"), FORMS)
def test_every_number_in_a_forms_words_was_measured(kind, variant, sick_run, look):
    finding = of(look(kind, sick_run(kind, variant)), variant)
    asked = {name for _, name, _, _ in Formatter().parse(ADVICE[kind, variant].means) if name}
    assert asked - {"where"} <= set(finding.evidence)
    assert all(math.isfinite(finding.evidence[name]) for name in asked - {"where"})
    assert "nan" not in re.findall(r"\w+", advised(finding).explanation)


@pytest.mark.parametrize("kind", DETECTORS)
def test_without_any_signal_nothing_is_found_and_what_is_missing_is_said(kind, made, look):
    empty = made(dict.fromkeys(made().columns), loss_kind=None, maps={})
    found = look(kind, empty)
    assert found.findings == []
    assert {entry.kind for entry in found.missing} == (set() if kind in NEVER_MISSING else {kind})


@pytest.mark.parametrize("rows", [slice(0, 0), slice(0, 1), slice(0, 5)], ids=["no row", "one row", "five rows"])
@pytest.mark.parametrize("kind", DETECTORS)
def test_a_healthy_run_that_has_just_begun_has_nothing_wrong(kind, rows, made, look):
    assert [f for f in look(kind, made(rows=rows, evaluated=[])).findings if f.severity != "info"] == []


@pytest.mark.parametrize(("kind", "variant"), FORMS)
def test_too_few_rows_are_no_error(kind, variant, sick_run, look):
    for n in (0, 1, 5):
        for finding in look(kind, sick_run(kind, variant, rows=slice(N - n, N))).findings:
            assert finding.kind == kind


N = 400

WITHOUT_GAPS = {("label-problem", "shuffled")}
"""Found by comparing rows that stand side by side."""


@pytest.mark.parametrize(("kind", "variant"), [form for form in FORMS if form not in WITHOUT_GAPS])
def test_rows_of_nan_between_change_neither_form_nor_onset(kind, variant, sick, sick_run, look):
    """Signals of a cadence: every third row has values."""
    case = sick_run(kind, variant)
    gap = np.arange(N) % 3 != 0
    kept = {"gradient_norm", "loss", "update_ratio"}  # recorded in every row, or not at all
    columns = {
        name: np.where(gap if values.ndim == 1 else gap[:, None], np.nan, values)
        for name, values in case.columns.items()
        if not name.startswith("evaluation.") and name not in kept
    }
    finding = of(look(kind, sick_run(kind, variant, columns)), variant)
    assert abs(finding.onset - sick[kind, variant].onset) <= 10


@pytest.mark.parametrize(("kind", "variant"), [form for form in FORMS if form not in WITHOUT_GAPS])
def test_a_thinned_log_gives_the_iterations_of_its_rows(kind, variant, sick, sick_run, look):
    finding = of(look(kind, sick_run(kind, variant, rows=slice(None, None, 2))), variant)
    assert abs(finding.onset - sick[kind, variant].onset) <= 20
    assert finding.last >= 380


WHOLE = {"declared", "class-without", "unrelated", "suspected", "ablated", "chart"}
"""Variants that no onset divides."""


@pytest.mark.parametrize(("kind", "variant"), [form for form in FORMS if form[1] not in WHOLE])
def test_steps_that_a_scaler_skipped_do_not_count(kind, variant, made, look, sick, sick_run):
    """Of skipped rows, the sick are not seen; of others, the skipped do no harm."""
    late = np.arange(N) >= sick[kind, variant].onset
    assert {f.severity for f in look(kind, sick_run(kind, variant, {"skipped": late})).findings} <= {"info"}
    some = np.arange(N) % 10 == 5
    assert abs(of(look(kind, sick_run(kind, variant, {"skipped": some})), variant).onset - 100) <= 10


NOT_OVER = {
    *(("label-problem", variant) for variant in ("class-without", "shuffled", "unrelated", "memorised")),
    ("broken-objective", "declared"),
    ("learning-rate-too-high", ""),  # its harm stays
    *(("bypassed-recurrence", variant) for variant in ("ablated", "suspected")),  # of the end
    ("saturation-plateau", ""),
    ("gradient-death", "zero"),
    ("frozen-parameters", "all"),
    ("non-finite", ""),
    ("constant-predictor", "shrunk"),
    ("constant-predictor", "chart"),
}
"""Forms of the end of a run, or of all of it."""


@pytest.mark.parametrize(("kind", "variant"), [form for form in FORMS if form not in NOT_OVER])
def test_what_is_over_is_worth_knowing_and_no_more(kind, variant, made, look, sick_run):
    early = np.arange(N) < 200
    healthy = {**made().columns, "activation_saturation.dense": np.full(N, 0.1)}
    columns = {
        name: np.where(early if values.ndim == 1 else early[:, None], values, healthy[name])
        for name, values in sick_run(kind, variant).columns.items()
        if not name.startswith("evaluation.")
    }
    finding = of(look(kind, sick_run(kind, variant, columns)), variant)
    assert (finding.severity, finding.is_active) == ("info", False)
    assert abs(finding.onset - 100) <= 10
    assert abs(finding.last - 199) <= 10
