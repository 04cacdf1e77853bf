import re
from string import Formatter

import pytest
from flatline.diagnostics.advice import ADVICE, advised
from flatline.diagnostics.findings import KINDS, Finding


def test_every_kind_of_finding_has_words():
    assert {kind for kind, _ in ADVICE} == set(KINDS)


@pytest.mark.parametrize("of", ADVICE, ids="/".join)
def test_words_are_sentences_with_something_to_do_and_a_source(of):
    advice = ADVICE[of]
    assert advice.means[0].isupper() or advice.means[0] == "{"
    assert not advice.means.endswith(".")
    assert advice.do[0].islower()
    assert len(advice.source) > 5
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in advice.remedies)
    assert len(set(advice.remedies)) == len(advice.remedies)
    assert advice.remedies or of == ("label-problem", "class-without")


def test_evidence_and_place_are_filled_in_with_the_remedies_in_order():
    finding = Finding("dead-units", "critical", 5, 9, {"share": 0.987}, "zero", "conv")
    words = advised(finding)
    assert words.explanation == "99% of what conv gives is 0: its units are dead and get no gradient."
    assert words.remedies[0] == "lower-rate"
    assert (words.onset, words.evidence, words.where) == (5, {"share": 0.987}, "conv")


def test_without_a_place_it_is_the_network_and_what_was_not_measured_is_nan():
    words = advised(Finding("exploding-gradients", "critical", 0, 0, {"gradient_norm": 1e9}))
    assert words.explanation == "The norm of all gradients rose to 1e+09, from nan at the beginning; the network first."


@pytest.mark.parametrize("of", ADVICE, ids="/".join)
def test_no_placeholder_is_anything_but_a_name(of):
    """A format that looked into what is given could say anything."""
    assert all(name.isidentifier() for _, name, _, _ in Formatter().parse(ADVICE[of].means) if name is not None)
