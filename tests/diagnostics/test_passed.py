import numpy as np
import pytest
from flatline.diagnostics.errors import ShapeError
from flatline.diagnostics.passed import Intake, Passed, check_same_clips, pooled, the_one_given


def passed(loss: float, n_clips: int, norm: float = float("nan")) -> Passed:
    return Passed(loss, np.full((n_clips, 3), loss), np.ones((n_clips, 3), dtype=bool), n_clips, norm)


def test_several_batches_become_one_with_their_mean_loss_and_the_last_norm():
    one = pooled([passed(1.0, 2), passed(2.0, 3), passed(6.0, 1, norm=4.0)])
    assert (one.loss, one.unclipped_norm) == (3.0, 4.0)
    assert one.outputs is not None
    assert one.outputs[:, 0].tolist() == [1, 1, 2, 2, 2, 6]
    assert one.target is not None
    assert one.target.shape == (6, 3)
    assert one.n_clips == 6


def test_one_batch_stays_as_it_is():
    alone = passed(1.0, 2)
    assert pooled([alone]) is alone


def test_what_one_batch_lacks_the_row_lacks():
    assert pooled([passed(1.0, 2), Passed(1.0, None, None, 0, 0.0)]).outputs is None


def test_logits_and_probabilities_together_are_refused():
    with pytest.raises(ShapeError, match=r"both logits= and probabilities= were given \(here\); give the one"):
        the_one_given(1, 2, "here")
    assert (the_one_given(None, 2, ""), the_one_given(1, None, ""), the_one_given(None, None, "")) == (2, 1, None)


def test_outputs_and_targets_of_other_clips_are_refused():
    with pytest.raises(ShapeError, match=r"target has 2 clips but the output has 3 \(here\); pass one batch's"):
        check_same_clips(np.zeros((3, 1)), np.zeros((2, 1)), "here")
    check_same_clips(None, np.zeros((2, 1)), "here")


def given(intake, **passed) -> Passed:
    return intake.passed(
        **{"loss": 1.0, "logits": None, "probabilities": None, "target": None, "unclipped_norm": None, **passed},
        where="here",
    )


def test_classes_and_the_kind_of_output_are_learnt_once_and_told():
    told = []
    intake = Intake(None, lambda **learnt: told.append(learnt))
    assert given(intake, target=np.ones((2, 3))).target is None  # before scores were seen nobody knows the classes
    assert told == []
    given(intake, probabilities=np.zeros((2, 3)))
    with pytest.raises(ShapeError, match=r"logits= after probabilities= \(here\); give what the model gives"):
        given(intake, logits=np.zeros((2, 3)))
    assert told == [{"classes": ["0", "1", "2"]}, {"output_kind": "probabilities"}]
    assert intake.classes == ["0", "1", "2"]


def test_names_of_classes_are_kept_and_held_against_the_scores():
    told = []
    intake = Intake("abc", lambda **learnt: told.append(learnt))
    given(intake, logits=np.zeros((2, 3)))
    assert told == [{"output_kind": "logits"}]
    with pytest.raises(ShapeError, match=r"output has 2 classes but classes= names 3 \(here\); build both from"):
        given(intake, logits=np.zeros((2, 2)))


def test_what_is_passed_is_read_at_once_on_the_cpu():
    one = given(Intake("ab", dict), logits=np.zeros((3, 2)), target=np.array([0, 1, -100]), unclipped_norm=2)
    assert one.target.tolist() == [[True, False], [False, True], [False, False]]
    assert (one.n_clips, one.unclipped_norm, one.loss) == (2, 2.0, 1.0)
    assert one.outputs.dtype == np.float32


def spans(*parts):
    return pooled(
        [Passed(1.0, np.zeros((1, 3)), np.zeros((1, 3), dtype=bool), 1, 0.0, "", part) for part in parts]
    ).target_range


def test_of_accumulated_batches_the_range_of_targets_is_that_of_all():
    assert spans((0.0, 1.0), (-0.5, 0.2), (0.3, 2.0)) == (-0.5, 2.0)


@pytest.mark.parametrize("order", [1, -1])
def test_a_batch_without_a_range_takes_none_from_the_others(order):
    assert spans(*[(np.nan, np.nan), (0.2, 0.9)][::order]) == (0.2, 0.9)
    assert np.isnan(spans((np.nan, np.nan), (np.nan, np.nan))).all()


@pytest.mark.parametrize(
    ("target", "span"),
    [
        (np.array([[0, 1, 0], [1, 1, 0]]), (0, 1)),
        (np.array([[0.05, 0.95, 0.05]]), (0.05, 0.95)),
        (np.array([[0, 255, 0]]), (0, 255)),
        (np.array([[-1.0, 0.5, 0.5]]), (-1, 0.5)),
        (np.zeros((2, 3), dtype=bool), (0, 0)),
    ],
    ids=["multi-hot", "soft", "bytes", "signed", "empty"],
)
def test_the_range_of_a_multi_hot_target_is_that_of_what_was_passed(target, span):
    found = given(Intake(None, lambda **learnt: None), logits=np.zeros((len(target), 3)), target=target)
    assert found.target_range == pytest.approx(span)


def test_class_indices_and_no_target_have_no_range():
    intake = Intake(None, lambda **learnt: None)
    for target in (np.array([0, 2]), None):
        assert np.isnan(given(intake, logits=np.zeros((2, 3)), target=target).target_range).all()
