"""A run's signals as tables, and patients made of them."""

import pandas as pd
import pytest
from flatline.diagnostics.diagnosis import diagnose
from flatline.diagnostics.errors import FlatlineError
from flatline.runs.interventions import Patient
from flatline.runs.network import gives


class Tables:
    """Signals of one weight and one bias: update ratios and norms, a row an iteration."""

    status = "finished"
    parameters = ("linear.weight", "linear.bias")
    classes = ("a", "b")
    ablations = evaluation_scalars = evaluation_lwlrap = pd.DataFrame()

    def __init__(self, update_ratio=None, norms=None, info=None):
        n = len(update_ratio if update_ratio is not None else norms or range(60))
        self.info, self.parts = info or {}, {}
        self.scalars = pd.DataFrame({"loss": [0.5] * n}, index=pd.RangeIndex(n, name="iteration"))
        if norms is not None:
            self.scalars["gradient_norm_total"] = norms
        self._ratios = update_ratio

    def by_parameter(self, column):
        if column != "update_ratio" or self._ratios is None:
            raise FlatlineError(f"no {column}")
        # The bias starts at 0, so its steps are as large as itself: they must not count.
        return pd.DataFrame({"linear.weight": self._ratios, "linear.bias": 1.0}, index=self.scalars.index)

    def by_class(self, column):
        raise FlatlineError(f"no {column}")

    def hidden_gradients(self, rnn, *, direct=False):
        raise FlatlineError("no RNN")

    def events(self):
        return []


@pytest.fixture
def tables():
    """tables(update_ratio=[...], norms=[...]) are signals of a run."""
    return Tables


@pytest.fixture
def patient():
    """patient(recipe, signals) is a run by that recipe; both may be left out."""

    def make(recipe=None, signals=None, output=None):
        signals = Tables() if signals is None else signals
        return Patient(recipe, gives(recipe) if recipe else output, diagnose(signals), signals)

    return make
