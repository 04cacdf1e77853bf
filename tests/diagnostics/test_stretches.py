import numpy as np
import pytest
from flatline.diagnostics.stretches import Stretch, smoothed, sustained


def slowly(iterations, holds, known, least, share):
    """What `sustained` says, row by row."""
    rows = [(int(at), bool(hit)) for at, hit, seen in zip(iterations, holds, known, strict=True) if seen]
    inside = [False] * len(rows)
    for begin in range(len(rows) - least + 1):
        if sum(hit for _, hit in rows[begin : begin + least]) >= share * least - 1e-9:
            inside[begin : begin + least] = [True] * least
    hits = [place for place, (_, hit) in enumerate(rows) if hit]
    groups, group = [], []
    for place in range(len(rows)):
        if inside[place] and hits[0] <= place <= hits[-1]:
            group.append(place)
        elif group:
            groups, group = [*groups, group], []
    groups += [group] if group else []
    if not groups:
        return None
    reaches = groups[-1][-1] >= len(rows) - least
    chosen = groups[-1] if reaches else max(groups, key=len)
    of_it = [place for place in chosen if rows[place][1]]
    is_active = of_it[-1] >= len(rows) - least and chosen is groups[-1]
    return Stretch(rows[of_it[0]][0], rows[of_it[-1]][0], is_active)


@pytest.mark.parametrize("least", [1, 3, 10])
@pytest.mark.parametrize("share", [0.6, 0.9, 1.0])
def test_it_says_what_a_loop_over_rows_says(least, share):
    random = np.random.default_rng(least)
    found = 0
    for _ in range(400):
        n = int(random.integers(0, 60))
        iterations = np.cumsum(random.integers(1, 5, n))
        holds = np.repeat(random.random(n) < random.random(), int(random.integers(1, 12)))[:n]
        holds ^= random.random(n) < 0.05
        known = random.random(n) < random.choice([0.5, 1.0])
        expected = slowly(iterations, holds, known, least, share)
        assert sustained(iterations, holds, known, least=least, share=share) == expected
        found += expected is not None
    assert 50 < found < 400


AT = np.arange(100)


def test_it_begins_and_ends_with_the_rows_that_hold():
    assert sustained(AT, (AT >= 31) & (AT <= 77)) == Stretch(31, 77, False)
    assert sustained(AT, AT >= 31) == Stretch(31, 99, True)


@pytest.mark.parametrize(("last", "is_active"), [(90, True), (89, False)])
def test_it_is_active_if_one_of_the_last_rows_holds(last, is_active):
    assert sustained(AT, (AT >= 40) & (last >= AT)) == Stretch(40, last, is_active)


def test_of_two_the_longer_counts_unless_the_other_reaches_the_end():
    long = (AT >= 10) & (AT < 50)
    assert sustained(AT, long | ((AT >= 60) & (AT < 75))) == Stretch(10, 49, False)
    assert sustained(AT, long | (AT >= 85)) == Stretch(85, 99, True)


def test_rows_in_which_nothing_is_known_are_passed_over():
    known = AT % 5 == 0
    assert sustained(AT, (AT >= 50) & known, known) == Stretch(50, 95, True)
    assert sustained(AT, (AT >= 60) & known, known) is None  # eight rows are known


def test_a_row_in_ten_may_fail_and_two_may_not():
    assert sustained(AT, AT % 10 != 4) == Stretch(0, 99, True)
    assert sustained(AT, AT % 5 != 4) is None


@pytest.mark.parametrize("n", [0, 1, 9])
def test_too_few_rows_hold_nothing(n):
    assert sustained(np.arange(n), np.ones(n, dtype=bool)) is None


def test_the_arrays_are_left_as_they_were():
    holds, known = AT > 50, AT % 2 == 0
    sustained(AT, holds, known)
    assert (holds == (AT > 50)).all()
    assert (known == (AT % 2 == 0)).all()


def test_a_smoothed_value_is_the_mean_of_the_last_rows_without_nan():
    random = np.random.default_rng(0)
    values = random.random(50)
    values[random.random(50) < 0.3] = np.nan
    values[20:30] = np.nan
    expected = [
        np.mean(last) if len(last := [v for v in values[max(0, row - 6) : row + 1] if np.isfinite(v)]) else np.nan
        for row in range(50)
    ]
    np.testing.assert_allclose(smoothed(values, 7), expected, atol=1e-12)
    assert np.isnan(smoothed(values, 7)[27])
    assert smoothed(np.array([])).shape == (0,)
