"""What the docs say of detectors is what they do."""

import re
import warnings
from functools import cached_property

import numpy as np
import pytest
from flatline.diagnostics.advice import ADVICE
from flatline.diagnostics.causes import EXPLAINS
from flatline.diagnostics.detector_table import FOLDER, READS, constants, detector_tables
from flatline.diagnostics.detectors import DETECTORS
from flatline.diagnostics.view import View

ORIGINS = r"\bours\b|TheDeepChecker|AutoTrainer|SageMaker|\(D\d\)"


class Spy(View):
    """A view that remembers what it was asked for, what it asks itself about learning left out."""

    def __init__(self, signals):
        self.asked, self.is_own = set(), False
        super().__init__(signals)

    def note(self, name):
        if not self.is_own:
            self.asked.add(name.partition(".")[0])

    def scalar(self, name):
        self.note(name)
        return super().scalar(name)

    def _read(self, column):
        self.note(column)
        return super()._read(column)

    def hidden_gradients(self, rnn):
        self.note("hidden_gradient")
        return super().hidden_gradients(rnn)

    def ablation(self, part):
        self.note("ablation")
        return super().ablation(part)

    def newest_class_lwlrap(self):
        self.note("class_lwlrap")
        return super().newest_class_lwlrap()

    @cached_property
    def has_learned(self):
        self.is_own = True
        learned = super().has_learned
        self.is_own = False
        return learned


@pytest.mark.parametrize("kind", DETECTORS)
def test_the_signals_of_a_detector_are_those_that_it_asks_for(kind, made, sick_run):
    asked = set()
    for variant in (variant for of, variant in ADVICE if of == kind):
        runs = [made(), sick_run(kind, variant), sick_run(kind, variant, {"evaluation.lwlrap": 0.8})]
        for view in map(Spy, runs):
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore", RuntimeWarning)
                list(DETECTORS[kind](view))
            asked |= view.asked
    assert asked == set(READS[kind])


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_every_constant_says_what_it_bounds_and_every_number_where_it_is_from(path):
    for name, value, said in constants(path):
        assert said, f"{path.stem}.{name}"
        if re.search(r"\d", value.replace("ln2", "")) and not value.startswith("frozenset"):
            assert re.search(ORIGINS, said, re.IGNORECASE), f"{path.stem}.{name}: {said}"


def test_the_tables_have_a_row_a_kind_a_cause_and_a_constant():
    tables = detector_tables()
    for kind in DETECTORS:
        assert tables.count(f"| `{kind}`: ") == 1
    assert "| `exploding` | `RATIO` | 70.0 | Times the median" in tables
    assert "| `non-finite` | `attention-collapse`, " in tables
    n_constants = sum(len(constants(path)) for path in FOLDER.glob("*.py"))
    assert tables.count("\n| `") == len(DETECTORS) + len(EXPLAINS) + n_constants
    widths = [{len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()} for table in tables.split("\n\n")]
    assert widths == [{5}, {3}, {5}]
