"""Detectors: each file names one kind of collapse from what was recorded."""

from collections.abc import Callable

from ..view import View
from . import (
    attention,
    broken_objective,
    bypassed,
    constant_predictor,
    dead_units,
    exploding,
    frozen,
    gradient_death,
    label_problem,
    learning_rate,
    non_finite,
    saturation_plateau,
    single_class,
    vanishing,
)
from .base import Found

DETECTORS: dict[str, Callable[[View], Found]] = {
    "broken-objective": broken_objective.detect,
    "label-problem": label_problem.detect,
    "non-finite": non_finite.detect,
    "frozen-parameters": frozen.detect,
    "learning-rate-too-high": learning_rate.too_high,
    "exploding-gradients": exploding.detect,
    "saturation-plateau": saturation_plateau.detect,
    "vanishing-through-time": vanishing.detect,
    "dead-units": dead_units.detect,
    "attention-collapse": attention.detect,
    "single-class-collapse": single_class.detect,
    "gradient-death": gradient_death.detect,
    "learning-rate-too-low": learning_rate.too_low,
    "constant-predictor": constant_predictor.detect,
    "bypassed-recurrence": bypassed.detect,
}
"""One a kind."""
