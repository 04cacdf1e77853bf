import numpy as np
import pytest
from flatline.diagnostics.detectors.single_class import label_share

KIND = "single-class-collapse"

STUCK = {"evaluation.lwlrap": 0.3, "rank_agreement": 0.8}


@pytest.mark.parametrize(("top", "found"), [(0.94, 0), (0.96, 1)])
def test_one_class_is_on_top_from_95_of_a_hundred_clips_on(top, found, look, made, since):
    findings = look(KIND, made({**STUCK, "top_class_share": since(top, 0.2)})).findings
    assert [(finding.severity, finding.onset) for finding in findings] == [("critical", 100)] * found


def labels(share):
    """(class,) positives of which the commonest class has that share."""
    return np.array([share, *np.full(11, (1 - share) / 11)]) * 100


@pytest.mark.parametrize(("share", "found"), [(0.55, 1), (0.61, 0)])
def test_a_class_that_has_most_labels_is_on_top_with_good_reason(share, found, look, made):
    run = made({**STUCK, "top_class_share": 1.0, "positives": labels(share)})
    assert len(look(KIND, run).findings) == found


def test_where_the_whole_ranking_is_one_no_class_is_tagged(look, made):
    assert look(KIND, made({**STUCK, "top_class_share": 1.0, "rank_agreement": 0.999})).findings == []


def test_but_it_is_if_a_net_that_told_clips_apart_came_to_it_over_one_class(look, made, since):
    """The ranking moved for ten rows after the class was on top, and froze then."""
    agreement = np.where(np.arange(400) < 115, 0.7, 0.999)
    (finding,) = look(KIND, made({"top_class_share": since(1.0, 0.3), "rank_agreement": agreement})).findings
    assert (finding.onset, finding.is_active) == (100, True)
    at_once = made({"top_class_share": since(1.0, 0.3), "rank_agreement": since(0.999, 0.7)})
    assert look(KIND, at_once).findings == []
    never_apart = made({"top_class_share": since(1.0, 0.85), "rank_agreement": agreement})
    assert [finding.is_active for finding in look(KIND, never_apart).findings] == [False]


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("top_class_share", "scores of one class"),
        ("rank_agreement", "scores of one class"),
        ("positives", "no labels by class"),
    ],
)
def test_what_is_missing_is_said(missing, said, look, made):
    found = look(KIND, made({**STUCK, "top_class_share": 1.0, missing: None}))
    assert (found.findings, found.missing[0].why.startswith(said)) == ([], True)


def test_the_share_of_labels_is_that_of_all_rows_and_0_without_any():
    assert label_share(np.array([[3, np.nan, 1], [1, 1, np.nan]])) == pytest.approx(4 / 6)
    assert label_share(np.full((3, 2), np.nan)) == 0
