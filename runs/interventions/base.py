"""An intervention: one change of a training, with a name, a source, and when it applies."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ...diagnostics.diagnosis import Diagnosis
from ...diagnostics.recorded import Signals
from ..recipe import Recipe

if TYPE_CHECKING:  # reading a run's interventions needs no torch
    from torch import Tensor, nn
    from torch.optim import Optimizer

Criterion = Callable[..., Any]


@dataclass(frozen=True)
class Patient:
    """What an intervention may know of the run that it is for.

    recipe : by which it was trained; None for a training loop of the user's own
    gives : what the network gives, "logits" or "probabilities"; None where nobody said
    diagnosis : of the run
    signals : the run itself
    begin : iteration from which it would be trained on with the change
    """

    recipe: Recipe | None
    gives: str | None
    diagnosis: Diagnosis
    signals: Signals
    begin: int = 0


@dataclass(frozen=True)
class Loop:
    """What an intervention in a loop of the user's own is told of it.

    prior : (class,) share of clips with each class; None where it was not given
    iterations : planned
    n_frames : of a clip, as the RNN sees it; None where it was not given
    loss : what the criterion expects, as `Recorder` takes it; None where it was not given
    model : the network, for what an optimiser lacks of it; None where it was not given
    """

    iterations: int
    prior: "Tensor | None" = None
    n_frames: int | None = None
    loss: str | None = None
    model: "nn.Module | None" = None


class Intervention:
    """One change. A subclass, one a file, gives the names below and `recipe`; those that suit any loop a hook as well.

    name : as findings name it among their remedies
    does : what it changes, in one line
    source : paper, or "ours"
    treats : kinds of finding for which it is tried, besides those whose advice names it
    setting : the key of a recipe, as `flatline train RECIPE --set` takes it, where one setting is all there is to it
    """

    name: ClassVar[str]
    does: ClassVar[str]
    source: ClassVar[str]
    treats: ClassVar[tuple[str, ...]] = ()
    setting: ClassVar[str] = ""

    def why_not(self, recipe: Recipe, patient: Patient) -> str | None:
        """Why it cannot be tried on a recipe, in a few words; None where it can."""
        return None

    def recipe(self, recipe: Recipe, patient: Patient) -> Recipe:
        """The recipe with the change.

        recipe : the run's own, or with earlier interventions in it
        """
        raise NotImplementedError(f"{type(self).__name__} gives no recipe")

    def on_model(self, model: "nn.Module", loop: Loop) -> None:
        """Change a network in place before its optimiser is made; for any loop, and for weights of a checkpoint."""

    def on_optimizer(self, optimizer: "Optimizer", loop: Loop, patient: Patient) -> None:
        """Change an optimiser in place before the first iteration; it may register step hooks."""

    def on_criterion(self, criterion: Criterion, gives: str | None) -> Criterion:
        """The loss to take instead."""
        return criterion

    @property
    def suits_loops(self) -> bool:
        """Whether it changes something in a loop of the user's own."""
        own = type(self)
        return any(
            getattr(own, hook) is not getattr(Intervention, hook)
            for hook in ("on_model", "on_optimizer", "on_criterion")
        )
