import pytest
from flatline.diagnostics.causes import EXPLAINS, PRECEDENCE, cause_of, explains, is_left_over
from flatline.diagnostics.findings import KINDS, Finding


def finding(name, onset=0, severity="critical", *, last=399, over=False):
    kind, _, variant = name.partition("/")
    return Finding(kind, "info" if over else severity, onset, last, {}, variant, "", not over, severity)


def cause(*findings):
    found = cause_of(list(findings))
    return None if found is None else found.finding.kind


def test_where_nothing_is_wrong_there_is_no_cause():
    assert cause() is None
    assert cause(finding("label-problem/class-without", severity="info"), finding("non-finite", over=True)) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_finding_is_the_cause(kind):
    found = cause_of([finding(kind)])
    assert found is not None
    assert (found.finding.kind, found.explained, found.beside) == (kind, (), ())


def test_the_table_names_kinds_and_variants_that_there_are():
    names = {*EXPLAINS, *(name for of in EXPLAINS.values() for name in of)}
    assert {name.partition("/")[0] for name in names} <= set(KINDS) == set(PRECEDENCE)


def test_the_story_of_a_broken_objective():
    """The death, the plateau, the one ranking and the head's class on top all come of it."""
    names = ("saturation-plateau", "constant-predictor", "gradient-death", "single-class-collapse")
    found = cause_of([*(finding(name, 50) for name in names), finding("broken-objective/inferred", 0)])
    assert found is not None
    assert found.finding.kind == "broken-objective"
    assert {other.kind for other in found.explained} == set(names)


def test_of_a_plateau_the_one_ranking_is_a_consequence_though_every_net_begins_with_it():
    assert cause(finding("constant-predictor", 0), finding("saturation-plateau", 45)) == "saturation-plateau"


def test_one_that_came_clearly_later_explains_nothing_before_it():
    assert cause(finding("gradient-death", 50), finding("exploding-gradients", 50)) == "exploding-gradients"
    found = cause_of([finding("gradient-death", 50), finding("exploding-gradients", 300)])
    assert found is not None
    assert (found.finding.kind, [other.kind for other in found.beside]) == ("exploding-gradients", ["gradient-death"])


@pytest.mark.parametrize(("onset", "is_one"), [(60, True), (61, False)])
def test_a_consequence_may_be_dated_ten_iterations_before_its_cause(onset, is_one):
    assert explains(finding("exploding-gradients", onset), finding("gradient-death", 50)) == is_one


def test_what_is_critical_comes_before_what_is_not_and_then_the_order_of_kinds():
    frozen = finding("frozen-parameters", severity="warning")
    assert cause(frozen, finding("exploding-gradients")) == "exploding-gradients"
    assert cause(finding("frozen-parameters"), finding("exploding-gradients")) == "frozen-parameters"
    assert cause(finding("dead-units", 50), finding("vanishing-through-time", 0)) == "vanishing-through-time"


def test_where_each_explains_the_other_the_earlier_is_the_cause():
    def each(first, second):
        return finding("exploding-gradients", first), finding("learning-rate-too-high", second)

    both = finding("non-finite", 100), finding("learning-rate-too-high", 95)
    assert explains(*both)
    assert explains(*both[::-1])
    assert cause(*both) == "learning-rate-too-high"
    assert cause(finding("non-finite", 95), finding("learning-rate-too-high", 100)) == "non-finite"
    assert cause(*each(100, 95)) == "learning-rate-too-high"


def test_what_is_over_is_the_cause_of_what_it_left_behind():
    gone = finding("exploding-gradients", 100, last=150, over=True)
    found = cause_of([gone, finding("gradient-death", 120)])
    assert found is not None
    assert (found.finding.kind, found.finding.severity, found.finding.is_active) == (
        "exploding-gradients",
        "critical",
        False,
    )
    assert [other.kind for other in found.explained] == ["gradient-death"]


@pytest.mark.parametrize("onset", [99, 161])
def test_but_not_of_what_began_before_it_or_after_it(onset):
    gone = finding("exploding-gradients", 100, last=150, over=True)
    assert cause(gone, finding("gradient-death", onset)) == "gradient-death"


def test_a_chain_of_what_is_over_goes_back_to_its_first_link():
    first = finding("learning-rate-too-high", 100, last=120, over=True)
    second = finding("exploding-gradients", 110, last=140, over=True)
    assert cause(first, second, finding("dead-units/zero", 130)) == "learning-rate-too-high"


def test_what_was_never_critical_left_nothing_behind():
    gone = finding("exploding-gradients", 100, "warning", last=150, over=True)
    assert cause(gone, finding("gradient-death", 120)) == "gradient-death"


def test_a_variant_of_its_own_in_the_table_counts_for_itself():
    shrunk, plain = finding("constant-predictor/shrunk"), finding("constant-predictor")
    death = finding("gradient-death", 5)
    assert explains(shrunk, death)
    assert not explains(plain, death)
    assert explains(finding("attention-collapse/uniform"), finding("gradient-death/part"))
    assert not explains(finding("attention-collapse/uniform"), finding("gradient-death"))


@pytest.mark.parametrize(
    ("other", "is_left_over"),
    [
        (None, False),
        (finding("constant-predictor"), False),
        (finding("learning-rate-too-low", severity="warning"), False),
        (finding("label-problem/class-without", severity="info"), False),
        (finding("broken-objective/effects", 200), True),
        (finding("vanishing-through-time", 200), True),
        (finding("saturation-plateau", 20), True),
        (finding("saturation-plateau", 200), False),
        (finding("exploding-gradients", 20, last=60, over=True), False),
    ],
    ids=lambda value: value if isinstance(value, bool) else value and f"{value.kind}-{value.onset}",
)
def test_unrelated_labels_are_what_is_left_where_no_other_reason_shows(other, is_left_over):
    _is_left_over(other, is_left_over, finding("label-problem/unrelated", 0, "warning"))


@pytest.mark.parametrize(
    ("other", "is_left_over"),
    [
        (finding("gradient-death", 195), True),
        (finding("gradient-death", 300), False),
        (finding("learning-rate-too-high", 205, last=210, over=True), True),
    ],
    ids=["at once", "later", "over"],
)
def test_shuffled_labels_are_what_is_left_where_nothing_else_began_with_them(other, is_left_over):
    _is_left_over(other, is_left_over, finding("label-problem/shuffled", 200))


def _is_left_over(other, expected, of):
    assert is_left_over(of, [of, *([] if other is None else [other])]) == expected


def test_what_is_not_concluded_from_absence_is_never_left_over():
    assert not is_left_over(finding("gradient-death"), [finding("broken-objective/declared")])
