"""What can be put on a training loop: the recorder at each level, and its peers as their own pages say to use them."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor, nn
from torch.optim import Optimizer

Step = Callable[[int, Tensor, Tensor, Tensor], None]
"""(iteration, loss, logits, target), called after the optimiser's step."""

Attach = Callable[[nn.Module, Optimizer, Path], AbstractContextManager[Step]]


@dataclass(frozen=True)
class Case:
    """One way of running the loop.

    needs : the module without which it cannot be measured; None where flatline itself is enough
    every : it has a turn in every so many rounds; what costs tenths needs fewer than what costs hundredths
    """

    name: str
    attach: Attach
    needs: str | None = None
    every: int = 1


@contextmanager
def nothing(model: nn.Module, optimizer: Optimizer, folder: Path) -> Iterator[Step]:
    """The bare loop."""
    yield lambda iteration, loss, logits, target: None


@contextmanager
def recorder(level: str, model: nn.Module, optimizer: Optimizer, folder: Path) -> Iterator[Step]:
    """Flatline's recorder with its log on disk and every other argument at its default."""
    from flatline import Recorder

    def told(message: Warning | str, *where: object, **more: object) -> None:
        if "could not be recorded" in str(message):  # a signal that fails would look cheap
            faults.append(str(message))

    def step(iteration: int, loss: Tensor, logits: Tensor, target: Tensor) -> None:
        recording.step(loss=loss, logits=logits, target=target)
        if faults:
            raise RuntimeError(faults[0])

    faults: list[str] = []
    usual, warnings.showwarning = warnings.showwarning, told
    warnings.filterwarnings("always", message=".* could not be recorded")
    try:
        with Recorder(model, optimizer, log=folder / "run", loss="bce-with-logits", level=level) as recording:
            yield step
    finally:
        warnings.showwarning = usual


@contextmanager
def torchmortem(model: nn.Module, optimizer: Optimizer, folder: Path) -> Iterator[Step]:
    """Its README's quick start, sampling as it comes ("balanced"); the report at the end is not counted."""
    from torchmortem import Autopsy

    with Autopsy(model, optimizer=optimizer) as autopsy:
        yield lambda iteration, loss, logits, target: autopsy.step(loss=loss.item())


@contextmanager
def tensorboard_scalars(model: nn.Module, optimizer: Optimizer, folder: Path) -> Iterator[Step]:
    """The loss and one norm a parameter, each fetched with `.item()`, as in most people's loops."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:

        def step(iteration: int, loss: Tensor, logits: Tensor, target: Tensor) -> None:
            writer.add_scalar("loss", loss.item(), iteration)
            for name, parameter in model.named_parameters():
                if parameter.grad is not None:
                    writer.add_scalar(f"gradient/{name}", parameter.grad.norm().item(), iteration)
            writer.flush()  # what its thread still has to write would fall into another case's turn

        yield step


@contextmanager
def tensorboard_histograms(model: nn.Module, optimizer: Optimizer, folder: Path) -> Iterator[Step]:
    """The loss and one histogram a parameter's gradient."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:

        def step(iteration: int, loss: Tensor, logits: Tensor, target: Tensor) -> None:
            writer.add_scalar("loss", loss.item(), iteration)
            for name, parameter in model.named_parameters():
                if parameter.grad is not None:
                    writer.add_histogram(f"gradient/{name}", parameter.grad, iteration)
            writer.flush()

        yield step


LEVELS = tuple(Case(f"recorder {level}", partial(recorder, level)) for level in ("light", "standard", "deep"))

BARE, AGAIN = Case("bare", nothing), Case("bare loop again (noise floor)", nothing)

CASES = (
    AGAIN,
    *LEVELS,
    Case("torchmortem", torchmortem, "torchmortem", every=5),
    Case("TensorBoard scalars", tensorboard_scalars, "tensorboard", every=5),
    Case("TensorBoard histograms", tensorboard_histograms, "tensorboard", every=5),
)
