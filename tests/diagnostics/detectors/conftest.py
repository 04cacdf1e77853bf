"""A run in memory for each form of each kind: the healthy one with what went wrong at `ONSET`."""

import warnings
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from flatline.diagnostics.detectors import DETECTORS
from flatline.diagnostics.findings import Finding
from flatline.diagnostics.view import View

N, K, ONSET = 400, 12, 100

AT = np.arange(N)

CLASS = np.eye(K)[0]


def since(then, before=0.0, onset=ONSET):
    """(row,) or (row, entry): one value before the onset, another from it on."""
    then, before = np.asarray(then, dtype=np.float64), np.asarray(before, dtype=np.float64)
    late = onset <= AT
    return np.where(late if not then.ndim else late[:, None], then, before)


def of_parameters(**values):
    """(parameter,) of an entry a part, 1 for the others."""
    parts = ("conv", "conv", "rnn", "rnn", "attention", "head", "head")
    return np.array([values.get(part, 1.0) for part in parts])


STUCK = {"loss": 0.36, "ln2_distance": 0.33, "evaluation.lwlrap": 0.3, "lwlrap": 0.3}
"""Nothing was learned: the loss is that of a constant predictor, the score at the constant level."""

ALIKE = {**STUCK, "rank_agreement": 0.999, "top_class_share": 1.0, "clip_spread": 1e-4}

BYPASSED = {"saturation.gru": since(0.95, 0.2), "gradient_norm": of_parameters(rnn=0.02)}

ABLATED = {f"evaluation.ablation.rnn.gru{name}": value for name, value in (("", 0.02), (".low", 0.0), (".high", 0.1))}

NO_LABELS = {"positives": 0.0, "lwlrap": np.nan}


@dataclass
class Sick:
    """A run and what is to be found in it."""

    columns: dict
    onset: int = ONSET
    severity: str = "critical"
    where: str = ""
    info: dict = field(default_factory=dict)


SICK = {
    ("broken-objective", "declared"): Sick(STUCK, 0, info={"output_kind": "probabilities"}),
    ("broken-objective", "inferred"): Sick({**STUCK, "output_min": since(0.4, -1), "output_max": 0.6}),
    ("broken-objective", "effects"): Sick({**STUCK, "loss": 0.6, "rho": since(0.01, 0.5)}),
    ("label-problem", "constant-inputs"): Sick({**STUCK, "input_spread": since(0, 1)}),
    ("label-problem", "out-of-range"): Sick({**STUCK, "target_max": since(2, 1)}),
    ("label-problem", "empty"): Sick({**STUCK, **NO_LABELS, "target_max": since(0, 1)}),
    ("label-problem", "one-valued"): Sick({**STUCK, "positives": since(8 * CLASS, 3.0)}),
    ("label-problem", "class-without"): Sick({"positives": 3 * (1 - CLASS)}, 0, "info"),
    ("label-problem", "shuffled"): Sick(
        {**STUCK, "lwlrap": since(0.3, 0.8), "loss": since(0.6, 0.26), "rank_agreement": 0.6, "clip_spread": 1.0}
    ),
    ("label-problem", "memorised"): Sick(
        {"evaluation.lwlrap": 0.3, "lwlrap": 0.9, "loss": since(0.1, 0.36)}, severity="warning"
    ),
    ("label-problem", "unrelated"): Sick({**STUCK, "rho": 1.0, "loss": 0.35}, 0, "warning"),
    ("non-finite", ""): Sick({"loss": since(np.nan, 0.5), "nonfinite_gradients": since(2)}),
    ("frozen-parameters", "no-gradient"): Sick(
        {"gradient_norm": since(of_parameters(conv=np.nan), 1.0)}, severity="warning", where="conv"
    ),
    ("frozen-parameters", "unheld"): Sick(
        {"update_ratio": since(1e-3 * of_parameters(head=0), 1e-3)}, severity="warning", where="head"
    ),
    ("frozen-parameters", "all"): Sick({**STUCK, "gradient_norm": since([np.nan] * 7, 1.0)}, where="conv"),
    ("learning-rate-too-high", ""): Sick({**STUCK, "update_ratio": since(0.3 * np.ones(7), 1e-3)}),
    ("learning-rate-too-low", ""): Sick({**STUCK, "update_ratio": since(1e-6 * np.ones(7), 1e-3)}, severity="warning"),
    ("exploding-gradients", ""): Sick(
        {
            **STUCK,
            "gradient_norm_total": since(500, 1),
            "gradient_norm": since(of_parameters(rnn=400), 1.0),
        },
        where="gru.weight_ih_l0",
    ),
    ("saturation-plateau", ""): Sick({**ALIKE, "saturation.gru": since(0.95, 0.2)}, where="gru"),
    ("vanishing-through-time", ""): Sick(
        {**STUCK, "hidden_gradient.gru": since(np.logspace(-6, 0, 16), np.ones(16))}, where="gru"
    ),
    ("dead-units", "zero"): Sick({**STUCK, "zero_share.conv": since(1, 0.5)}, where="conv"),
    ("dead-units", "bound"): Sick({**STUCK, "activation_saturation.dense": since(1, 0.1)}, where="dense"),
    ("attention-collapse", "uniform"): Sick({**STUCK, "attention_entropy": since(0.9999, 0.9)}, where="looks"),
    ("attention-collapse", "one-frame"): Sick({**STUCK, "attention_peak": since(0.99, 0.2)}, where="looks"),
    ("attention-collapse", "padding"): Sick({**STUCK, "attention_sum": since(0.1, 0.95)}, where="looks"),
    ("attention-collapse", "competition"): Sick(
        {**STUCK, "attention_sum": since(0.05 + 30 * CLASS, np.ones(K))},
        where="looks",
        info={"maps": {"looks": "softmax-class"}},
    ),
    ("single-class-collapse", ""): Sick({**STUCK, "top_class_share": since(1, 0.2), "rank_agreement": 0.8}),
    ("gradient-death", ""): Sick({**STUCK, "gradient_norm_total": since(1e-3, 1), "rho": since(0.01, 0.8)}),
    ("gradient-death", "zero"): Sick({**STUCK, "gradient_norm_total": since(0, 1)}),
    ("gradient-death", "part"): Sick({**STUCK, "gradient_norm": since(of_parameters(conv=0), 1.0)}, where="conv"),
    ("constant-predictor", ""): Sick({**ALIKE, "rank_agreement": since(0.999, 0.5)}),
    ("constant-predictor", "chart"): Sick(
        {**STUCK, "rank_agreement": None, "evaluation.class_lwlrap": 1 / np.arange(1, K + 1)}, 399
    ),
    ("constant-predictor", "under-trained"): Sick(
        {**ALIKE, "rank_agreement": since(0.999, 0.5), "clip_spread": np.exp(AT / 100)}, severity="warning"
    ),
    ("constant-predictor", "shrunk"): Sick(
        {**ALIKE, "rank_agreement": since(0.999, 0.5), "weight_norm": since(0.01, 2.0)}
    ),
    ("bypassed-recurrence", "ablated"): Sick({**BYPASSED, **ABLATED}, severity="warning", where="gru"),
    ("bypassed-recurrence", "suspected"): Sick(BYPASSED, severity="info", where="gru"),
}
"""By kind and variant."""


@pytest.fixture
def sick():
    return SICK


@pytest.fixture
def sick_run(made):
    """A run of that kind and variant, some of its columns changed."""

    def run(kind, variant="", changes=None, **options):
        case = SICK[kind, variant]
        return made({**case.columns, **(changes or {})}, **{**case.info, **options})

    return run


@pytest.fixture
def look():
    """What the detector of a kind says of a run: `.findings` and `.missing`."""

    def judged(kind, signals):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)
            said = list(DETECTORS[kind](View(signals)))
        findings = [entry for entry in said if isinstance(entry, Finding)]
        return SimpleNamespace(findings=findings, missing=[entry for entry in said if not isinstance(entry, Finding)])

    return judged


@pytest.fixture(name="since")
def _since():
    return since


@pytest.fixture(name="of_parameters")
def _of_parameters():
    return of_parameters
