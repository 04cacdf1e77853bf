from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ...diagnostics.view import View
from ..recipe import Recipe
from .base import Intervention, Loop, Patient

if TYPE_CHECKING:
    from torch.optim import Optimizer

UNKNOWN = 1.0
"""Norm to clip at where none was recorded: the usual one."""

EARLY, FEWEST = 100, 5
"""Iterations whose median norm is taken, and how many there must be; ours."""

LOUD = ("exploding-gradients", "non-finite")
"""Findings from whose onset on norms say nothing of what is usual."""


class ClipGradients(Intervention):
    """The norm of all gradients together is cut at what it usually was in the beginning, 1 where that is not known.

    Pascanu et al. take the average norm over many updates, or half to ten times it. Here it is the median of the first
    hundred, up to where gradients explode.
    """

    name: ClassVar[str] = "clip-gradients"
    does: ClassVar[str] = "clip the norm of all gradients at what it usually was in the beginning"
    source: ClassVar[str] = "Pascanu et al. 2012 (1211.5063), section 3.2"
    treats: ClassVar[tuple[str, ...]] = ("exploding-gradients", "non-finite", "learning-rate-too-high")
    setting: ClassVar[str] = "clip_norm=1"

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """Gradients are clipped already."""
        return None if recipe.clip_norm is None else f"gradients are clipped at {recipe.clip_norm:g} already"

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """With a norm to clip at."""
        return replace(recipe, clip_norm=usual_norm(patient))

    def on_optimizer(self, optimizer: "Optimizer", loop: Loop, patient: Patient) -> None:
        """Clip before every step what the optimiser holds."""
        from torch.nn.utils import clip_grad_norm_

        norm = usual_norm(patient)

        def clip(optimizer: Any, args: Any, kwargs: Any) -> None:
            clip_grad_norm_([weight for group in optimizer.param_groups for weight in group["params"]], norm)

        optimizer.register_step_pre_hook(clip)


def usual_norm(patient: Patient) -> float:
    """Median of the first norms above 0, before they explode, to one digit; `UNKNOWN` where there are few."""
    view = View(patient.signals)
    norms = view.unclipped_norm()
    if norms is None:
        return UNKNOWN
    onset = min((one.onset for one in patient.diagnosis.findings if one.kind in LOUD), default=np.inf)
    usual = norms[(view.iterations < onset) & np.isfinite(norms) & (norms > 0)][:EARLY]
    return float(f"{np.median(usual):.1g}") if len(usual) >= FEWEST else UNKNOWN
