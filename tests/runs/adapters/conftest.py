"""The loop written by hand that every adapter is held against."""

import sys
from pathlib import Path
from types import SimpleNamespace

import flatline
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

N_BATCHES, N_CLIPS, N_CLASSES = 10, 6, 3


class Tagger(nn.Module):
    """A GRU over frames, mean over time, one logit a class."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(7)
        self.gru, self.head = nn.GRU(4, 5, batch_first=True), nn.Linear(5, N_CLASSES)

    def forward(self, clips):
        return self.head(self.gru(clips)[0].mean(1))


def batches():
    generator = torch.Generator().manual_seed(3)
    clips = torch.randn(N_BATCHES, N_CLIPS, 8, 4, generator=generator)
    target = (torch.rand(N_BATCHES, N_CLIPS, N_CLASSES, generator=generator) < 0.4).float()
    return list(zip(clips, target, strict=True))


def by_hand(*, epochs=1, accumulate=1, clip=None, divided_by=None):
    """What a plain loop with SGD sees: (row, parameter) norms after clipping, losses, total norms before clipping.

    divided_by : what each loss is divided by; None is the number of batches that are accumulated in that step
    """
    model = Tagger()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    norms, losses, totals = [], [], []
    for _ in range(epochs):
        for start in range(0, N_BATCHES, accumulate):
            group = batches()[start : start + accumulate]
            optimizer.zero_grad()
            of_group = [binary_cross_entropy_with_logits(model(clips), target) for clips, target in group]
            for loss in of_group:
                (loss / (divided_by or len(group))).backward()
            gradients = [parameter.grad for parameter in model.parameters()]
            totals.append(float(nn.utils.get_total_norm(gradients)))
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            norms.append([float(gradient.norm()) for gradient in gradients])
            losses.append(torch.stack(of_group).mean().item())
            optimizer.step()
    return np.array(norms), np.array(losses), np.array(totals)


def assert_as_by_hand(run, norms, losses):
    assert run.gradient_norms.shape == norms.shape
    np.testing.assert_allclose(run.gradient_norms.to_numpy(), norms, rtol=1e-6)
    np.testing.assert_allclose(run.series("loss"), losses, rtol=1e-6)


def n_hooks(*modules_and_optimizers):
    """Hooks that stand on networks (with all parts) and optimisers."""
    count = 0
    for thing in modules_and_optimizers:
        for part in thing.modules() if isinstance(thing, nn.Module) else [thing]:
            hooks = {name: held for name, held in vars(part).items() if name.endswith("_hooks")}
            count += sum(len(held) for held in hooks.values())
    return count


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """Frameworks write where they stand."""
    monkeypatch.chdir(tmp_path)


def overflowing_scaler():
    """A GradScaler whose first scale is too large for a loss above 2; from the second step on it fits."""
    return torch.amp.GradScaler("cpu", init_scale=torch.finfo(torch.float32).max / 2, backoff_factor=2.0**-100)


@pytest.fixture
def hand():
    """What the tests of all adapters share."""
    return SimpleNamespace(
        Tagger=Tagger,
        batches=batches,
        loop=by_hand,
        same=assert_as_by_hand,
        n_hooks=n_hooks,
        n_batches=N_BATCHES,
        overflowing_scaler=overflowing_scaler,
    )


ADAPTERS = str(Path("runs", "adapters"))

WAITING = ("cpu", "item", "tolist", "numpy", "__float__", "__int__", "__bool__")


@pytest.fixture
def no_waiting(monkeypatch):
    """What makes a training loop wait for a GPU raises where an adapter's own lines call it; (file, name) is kept."""
    found = []

    def refusing(name, method):
        def call(tensor, *args, **kwargs):
            path = Path(sys._getframe(1).f_code.co_filename)
            if str(path.parent).endswith(ADAPTERS) and "tests" not in path.parts:
                found.append((path.name, name))
                raise AssertionError(f"{path.name} calls Tensor.{name}")
            return method(tensor, *args, **kwargs)

        return call

    for name in WAITING:
        monkeypatch.setattr(torch.Tensor, name, refusing(name, getattr(torch.Tensor, name)))
    return found


@pytest.fixture
def told(recwarn):
    """told(word) is the warnings that have it, as text."""
    return lambda word: [str(warning.message) for warning in recwarn.list if word in str(warning.message)]


@pytest.fixture
def broken(monkeypatch):
    """broken("step") has the recorder's method raise what nobody foresaw."""

    def breaking(method):
        def broken_method(*args, **kwargs):
            raise OSError("disk full")

        monkeypatch.setattr(flatline.Recorder, method, broken_method)

    return breaking
