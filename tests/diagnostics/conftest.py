"""A small net, its optimiser and a loop, for everything that records; runs in memory, for everything that judges."""

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from flatline.diagnostics.errors import unknown
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


N, K = 400, 12

PARAMETERS = {
    "conv.weight": "conv",
    "conv.bias": "conv",
    "gru.weight_ih_l0": "rnn",
    "gru.weight_hh_l0": "rnn",
    "looks.weight": "attention",
    "head.weight": "head",
    "head.bias": "head",
}

N_FRAMES = 16

WIDTHS = {
    **dict.fromkeys(("gradient_norm", "weight_norm", "update_ratio"), len(PARAMETERS)),
    **dict.fromkeys(("lwlrap", "positives", "evaluation.class_lwlrap", "evaluation.class_positives"), K),
    **dict.fromkeys(("attention_entropy", "attention_peak", "attention_sum"), K),
    "hidden_gradient": N_FRAMES,
}
"""Lengths of the lists of those columns that hold lists, by what their names begin with."""


def healthy() -> dict:
    """What a net that learns within 400 iterations shows: a column each, by row or one value for all rows."""
    at = np.arange(N)
    learned = 1 - np.exp(-at / 60)
    positives = np.full((N, K), 3.0)
    positives[at, at % K] = 0
    return {
        "loss": 0.7 - 0.5 * learned,
        "label_entropy": 0.35,
        "ln2_distance": 0.5 * learned,
        "rho": 0.8,
        "learning_rate": 1e-3,
        "gradient_norm_total": 1.0 - 0.4 * learned,
        "gradient_norm_unclipped": np.nan,
        "nonfinite_gradients": 0.0,
        "output_min": -1.0 - 3 * learned,
        "output_max": 0.5 + 3 * learned,
        "clip_spread": 0.1 + learned,
        "class_spread": 1.0,
        "rank_agreement": 1.0 - 0.4 * learned,
        "top_class_share": 1.0 - 0.8 * learned,
        "saturation.gru": 0.2,
        "hidden_spread.gru": 0.3 + 0.1 * learned,
        "zero_share.conv": 0.5,
        "activation_saturation.looks": 0.1,
        "input_spread": 1.0,
        "input_scale": 1.0,
        "nonfinite_inputs": 0.0,
        "target_min": 0.0,
        "target_max": 1.0,
        "gradient_norm": 0.3,
        "weight_norm": 2.0,
        "update_ratio": 1e-3,
        "lwlrap": np.where(positives > 0, 0.3 + 0.5 * learned[:, None], np.nan),
        "positives": positives,
        "attention_entropy": 0.8,
        "attention_peak": 0.2,
        "attention_sum": 0.95,
        "hidden_gradient.gru": np.linspace(0.5, 1, 16),
        "evaluation.lwlrap": np.linspace(0.3, 0.8, 5),
        "evaluation.chance": 0.26,
        "evaluation.constant": 0.3,
        "evaluation.tie_share": 0.0,
        "evaluation.class_lwlrap": np.linspace(0.5, 1, K),
        "evaluation.class_positives": 20.0,
    }


def filled(name: str, value, n: int) -> np.ndarray:
    """(row,) or (row, entry) float32 of a column: of one value for all, one a row, one an entry, or all of them."""
    width = WIDTHS.get(name if name.startswith("evaluation.") else name.partition(".")[0])
    value = np.asarray(value, dtype=bool if name == "skipped" else np.float32)
    if width is None:
        return np.broadcast_to(value, n)
    value = value[:, None] if value.shape == (n,) else value
    return np.broadcast_to(value, (n, value.shape[1] if value.ndim == 2 and value.shape[1] > 1 else width))


class Made:
    """A run in memory, as detectors read it (`recorded.Signals`)."""

    def __init__(self, columns: dict, iterations, evaluated, info: dict, status: str, events: list) -> None:
        self.columns, self.info, self.status, self._events = columns, info, status, events
        self._iterations, self._evaluated = (pd.Index(at, name="iteration") for at in (iterations, evaluated))
        self.parameters, self.parts = list(info["parts"]), info["parts"]
        self.classes = [f"class {number}" for number in range(K)]

    def _lists(self, name: str, labels: list | None = None) -> pd.DataFrame:
        if name not in self.columns:
            raise unknown("column", name, self.columns, "a run in memory")
        index = self._evaluated if name.startswith("evaluation.") else self._iterations
        return pd.DataFrame(self.columns[name], index, labels)

    def _scalars(self, prefix: str, index: pd.Index) -> pd.DataFrame:
        of_evaluations = prefix == "evaluation."
        named = {name: values for name, values in self.columns.items() if values.ndim == 1}
        named = {name: named[name] for name in named if name.startswith("evaluation.") == of_evaluations}
        return pd.DataFrame({name.removeprefix(prefix): values for name, values in named.items()}, index)

    @property
    def scalars(self) -> pd.DataFrame:
        return self._scalars("", self._iterations)

    def by_parameter(self, column: str) -> pd.DataFrame:
        return self._lists(column, self.parameters)

    def by_class(self, column: str) -> pd.DataFrame:
        return self._lists(column)

    def hidden_gradients(self, rnn: str, *, direct: bool = False) -> pd.DataFrame:
        return self._lists(f"hidden_gradient.{rnn}")

    @property
    def evaluation_scalars(self) -> pd.DataFrame:
        return self._scalars("evaluation.", self._evaluated)

    @property
    def evaluation_lwlrap(self) -> pd.DataFrame:
        return self._lists("evaluation.class_lwlrap")

    @property
    def evaluation_positives(self) -> pd.DataFrame:
        return self._lists("evaluation.class_positives")

    @property
    def ablations(self) -> pd.DataFrame:
        table = self.evaluation_scalars
        return table.loc[:, [name.startswith("ablation.") for name in table]]

    def events(self) -> list:
        return self._events


def made(changes=None, *, rows=slice(None), iterations=None, evaluated=None, status="finished", events=(), **info):
    """A healthy run of 400 iterations, changed.

    changes : columns by name, as `filled` takes them; None is "not recorded"
    rows : those of the 400 that are kept; iterations : their numbers, None 0, 1, 2 ...
    evaluated : iterations of the evaluations, at most five
    info : what run.json says, in place of what it says of a healthy run
    """
    columns = {name: value for name, value in {**healthy(), **(changes or {})}.items() if value is not None}
    evaluated = np.array(range(0, 401, 100) if evaluated is None else evaluated, dtype=np.int64)
    cut = {
        name: filled(name, value, 5)[: len(evaluated)]
        if name.startswith("evaluation.")
        else filled(name, value, N)[rows]
        for name, value in columns.items()
    }
    iterations = np.arange(N)[rows] if iterations is None else np.asarray(iterations, dtype=np.int64)
    known = {"loss_kind": "bce-with-logits", "output_kind": "logits", "parts": PARAMETERS, "signals": {}}
    known["maps"] = {"looks": "softmax-time"}
    return Made(cut, iterations, evaluated, {**known, **info}, status, list(events))


@pytest.fixture(name="made")
def _made():
    return made
