"""One training loop on noise with one instrument on it."""

import copy
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from instruments import Case
from nets import Net
from timing import NotMeasured
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import Optimizer


@dataclass(frozen=True)
class Seconds:
    """CPU seconds of one iteration, and those of them in the instrument's own call."""

    total: float
    step: float


class OwnTime:
    """`time.monotonic` of one loop among several: the CPU seconds of its own turns.

    The run log flushes every 2 s. On the wall's clock, a loop that has an eighth of the turns, on a machine with other
    things to do, would flush many times as often in an iteration as one that has a core to itself.
    """

    def __init__(self) -> None:
        self._real, self._ran, self._started = time.monotonic, 0.0, time.process_time()

    def __call__(self) -> float:
        """Seconds."""
        return self._ran + time.process_time() - self._started

    @contextmanager
    def running(self) -> Iterator[None]:
        """The clock goes, and is everybody's."""
        self._started, time.monotonic = time.process_time(), self
        try:
            yield
        finally:
            self._ran, time.monotonic = self(), self._real


class Bench:
    """A net, its batch and an optimiser: the storage that all loops on it share."""

    def __init__(self, net: Net) -> None:
        self.model, self.clips, self.target = net.made()
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self.learn(self.model, self.optimizer)  # makes the optimiser's state
        self.optimizer.zero_grad()

    def learn(self, model: nn.Module, optimizer: Optimizer) -> tuple[Tensor, Tensor]:
        """An iteration's forward, backward and step; loss and logits."""
        optimizer.zero_grad()
        logits = model(self.clips)
        loss = binary_cross_entropy_with_logits(logits, self.target)
        loss.backward()
        optimizer.step()
        return loss, logits

    def copied(self) -> tuple[nn.Module, Optimizer]:
        """A copy with hooks of its own whose weights and moments lie where ours do.

        Where they lie makes one copy up to 3 % faster than another, more than what is to be measured.
        """
        model = copy.deepcopy(self.model)
        for mine, ours in zip(tensors(model), tensors(self.model), strict=True):
            mine.data = ours.data
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        for mine, ours in zip(model.parameters(), self.model.parameters(), strict=True):
            optimizer.state[mine] = self.optimizer.state[ours]
        return model, optimizer


def tensors(model: nn.Module) -> list[Tensor]:
    """All that a model holds."""
    return [*model.parameters(), *model.buffers()]


class Loop:
    """A copy of the bench's net in training; the instrument stays on it until the stack closes."""

    def __init__(self, bench: Bench, case: Case, folder: Path, stack: ExitStack) -> None:
        self.bench, self.iteration = bench, 0
        self.model, self.optimizer = bench.copied()
        self._clock = OwnTime()
        with self._clock.running(), telling_faults():
            self._step = stack.enter_context(case.attach(self.model, self.optimizer, folder))

    def turn(self) -> Seconds:
        """One iteration.

        Raises NotMeasured where it fails.
        """
        with self._clock.running(), telling_faults():
            start = time.process_time()
            loss, logits = self.bench.learn(self.model, self.optimizer)
            learnt = time.process_time()
            self._step(self.iteration, loss, logits, self.bench.target)
            end = time.process_time()
        self.optimizer.zero_grad()  # the next loop finds the memory as this one found it
        self.iteration += 1
        return Seconds(end - start, end - learnt)


@contextmanager
def telling_faults() -> Iterator[None]:
    """Turn any error into the outcome of the case: one instrument's fault does not end the others' measurement."""
    try:
        yield
    except Exception as fault:
        raise NotMeasured(f"failed: {type(fault).__name__}: {fault}") from fault


def write_a_log() -> None:
    """A small run of the recorder's, so that what happens once in a process (loading pyarrow: 200 ms) has happened."""
    from flatline import Recorder

    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters())
    with tempfile.TemporaryDirectory() as folder, Recorder(model, optimizer, log=Path(folder) / "run") as recorder:
        model(torch.ones(4, 3)).sum().backward()
        optimizer.step()
        recorder.step(loss=1.0)
