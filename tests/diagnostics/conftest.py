"""A small net, its optimiser and a loop, for everything that records."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from flatline.diagnostics.readback import on_host
from flatline.diagnostics.signals import Batch


@pytest.fixture(autouse=True)
def _one_quiet_thread() -> Iterator[None]:
    """One thread (small nets gain nothing from more) and a random state of the test's own."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
    torch.set_num_threads(threads)


class Net(torch.nn.Module):
    """GRU, attention and classification over frames: (clip, frame, 6) -> (clip, 4) logits."""

    output_layer = "classification"

    def __init__(self) -> None:
        super().__init__()
        self.gru = torch.nn.GRU(6, 5, batch_first=True)
        self.looks = torch.nn.Linear(6, 4)
        self.classification = torch.nn.Linear(5, 4)

    @property
    def attention(self) -> dict[str, str]:
        return {"looks": "sigmoid"}

    def forward(self, clips: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        frames = self.classification(self.gru(clips)[0])
        return (frames * self.looks(clips).sigmoid()).mean(dim=1)


@pytest.fixture
def net() -> Net:
    return Net()


@pytest.fixture
def batch() -> SimpleNamespace:
    """Eight clips of ten frames: `.clips`, `.target` multi-hot with at least a label each."""
    clips = torch.randn(8, 10, 6)
    target = (torch.rand(8, 4) < 0.3).float()
    target[torch.arange(8), torch.arange(8) % 4] = 1
    return SimpleNamespace(clips=clips, target=target)


class Log(list):
    """A sink that takes all that a run log takes, in lists."""

    def __init__(self) -> None:
        super().__init__()
        self.info, self.maps, self.evaluations, self.events, self.closed = {}, [], [], [], []

    def update(self, **info):
        self.info.update(info)

    def append_maps(self, iteration, maps, clip=None):
        self.maps.append((iteration, clip, dict(maps)))

    def append_evaluation(self, row):
        self.evaluations.append(row)

    def event(self, kind, iteration, **details):
        self.events.append({"kind": kind, "iteration": iteration, **details})

    def close(self, status):
        self.closed.append(status)


@pytest.fixture
def log() -> Log:
    return Log()


def hooks_on(model: torch.nn.Module, *optimizers: torch.optim.Optimizer) -> int:
    """How many hooks of any kind are on modules, parameters and optimisers."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks")
    on_modules = sum(len(getattr(module, kind)) for module in model.modules() for kind in kinds)
    on_parameters = sum(len(parameter._backward_hooks or ()) for parameter in model.parameters())
    on_optimizers = sum(len(o._optimizer_step_pre_hooks) + len(o._optimizer_step_post_hooks) for o in optimizers)
    return on_modules + on_parameters + on_optimizers


@pytest.fixture(name="hooks_on")
def _hooks_on():
    return hooks_on


def train_step(model, optimizer, batch, recorder=None, **passed) -> torch.Tensor:
    """One iteration of the plainest loop; returns the loss."""
    optimizer.zero_grad()
    logits = model(batch.clips)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, batch.target)
    loss.backward()
    optimizer.step()
    if recorder is not None:
        recorder.step(**{"loss": loss, "logits": logits, "target": batch.target, **passed})
    return loss


@pytest.fixture(name="train_step")
def _train_step():
    return train_step


def collected(signal, batch=None) -> dict:
    """An iteration's values of a signal, as the recorder gets them."""
    return dict(signal.collect(batch or Batch(0, None, None, None, None), on_host(signal.take())))


@pytest.fixture(name="collected")
def _collected():
    return collected
