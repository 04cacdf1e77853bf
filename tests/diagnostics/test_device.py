"""Nothing in a recorded iteration waits for the device: on a GPU, and with CPU tensors in its stead."""

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from flatline.diagnostics import device, readback
from flatline.diagnostics.cadence import Cadence
from flatline.diagnostics.readback import ROWS
from flatline.diagnostics.recorder import Recorder
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.utils._python_dispatch import TorchDispatchMode

LEVELS = ("light", "standard", "deep")
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")

WAITING_OPS = (
    "_local_scalar_dense",
    "nonzero",
    "masked_select",
    "is_nonzero",
    "equal",
    "_unique",
    "unique",
    "bincount",
)
"""Operators that wait for the device, since their result, or its shape, is the host's to know."""

NUMBERS = ("__bool__", "__float__", "__int__", "__index__", "__array__")
WAITING_METHODS = ("item", "tolist", "numpy", "cpu", "nonzero", *NUMBERS)


class Everything(nn.Module):
    """Convolution, batch norm, BiGRU, cells, attention of both kinds: (clip, frame, 6) -> (clip, 4)."""

    output_layer = "scores"

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv1d(6, 8, 3, padding=1), nn.BatchNorm1d(8)
        self.gru = nn.GRU(8, 5, batch_first=True, bidirectional=True)
        self.lstm = nn.LSTM(10, 8, num_layers=2, batch_first=True)
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
        self.cell, self.looks, self.scores = nn.GRUCell(8, 8), nn.Linear(8, 4), nn.Linear(8, 4)

    def forward(self, clips):
        frames = self.norm(self.conv(clips.transpose(1, 2))).relu().transpose(1, 2)
        frames = self.lstm(self.gru(frames)[0])[0]
        frames = frames + self.attend(frames, frames, frames, need_weights=True)[0]
        state = self.cell(frames[:, 1], self.cell(frames[:, 0]))
        return (self.scores(frames) * self.looks(frames).sigmoid()).mean(dim=1) + self.scores(state)


ATTENTION = {"looks": "softmax-time", "attend": "weights"}


class Waited(Exception):
    """Something waited for the device."""


class Watchful(TorchDispatchMode):
    """Refuses every operator that would wait for a device."""

    allowed = False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        by_mask = func.__name__.startswith("index") and any(
            isinstance(index, torch.Tensor) and index.dtype == torch.bool
            for given in args[1:2]
            if isinstance(given, (list, tuple))
            for index in given
        )
        if not self.allowed and (func.overloadpacket.__name__ in WAITING_OPS or by_mask):
            raise Waited(str(func))
        return func(*args, **(kwargs or {}))


@pytest.fixture
def watchful(monkeypatch):
    """CPU tensors count as a device's, and to read one raises, but where copies arrive."""
    mode = Watchful()

    def refusing(name):
        method = getattr(torch.Tensor, name)

        def read(self, *args, **kwargs):
            if not mode.allowed:
                raise Waited(name)
            return method(self, *args, **kwargs)

        return read

    arrive = readback._Copies.result

    def arriving(copies):
        with allowed(mode):
            return arrive(copies)

    monkeypatch.setattr(device, "is_on_device", lambda value: isinstance(value, torch.Tensor))
    monkeypatch.setattr(readback._Copies, "result", arriving)
    monkeypatch.setattr(readback.time, "monotonic", lambda: 0.0)  # fifty at a time, however slow the machine
    for name in WAITING_METHODS:
        monkeypatch.setattr(torch.Tensor, name, refusing(name))
    return mode


@contextmanager
def allowed(mode):
    before, mode.allowed = mode.allowed, True
    try:
        yield
    finally:
        mode.allowed = before


@pytest.fixture(autouse=True)
def _replays_at_every_third_iteration(monkeypatch):
    """Not when the time allows."""

    def is_due(self):
        self.asked = getattr(self, "asked", -1) + 1
        return self.asked % 3 == 0

    monkeypatch.setattr(Cadence, "is_due", is_due)


def made(where="cpu") -> SimpleNamespace:
    """A net and its optimiser; the optimiser reads nothing from the device."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Everything().to(where)
    return SimpleNamespace(model=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9))


def batches(count: int, indices: bool) -> list[SimpleNamespace]:
    generator = torch.Generator().manual_seed(1)
    found = []
    for _ in range(count):
        clips = torch.randn(6, 9, 6, generator=generator)
        target = (torch.rand(6, 4, generator=generator) < 0.4).float()
        mask = torch.arange(9) < torch.randint(5, 10, (6, 1), generator=generator)
        found.append(SimpleNamespace(clips=clips, target=target.argmax(dim=1) if indices else target, mask=mask))
    return found


SCALE = 4.0


def iterate(run, batch, recorder, scale=SCALE) -> None:
    run.optimizer.zero_grad()
    logits = run.model(batch.clips)
    is_indices = batch.target.ndim == 1
    loss = nn.functional.cross_entropy(logits, batch.target) if is_indices else bce(logits, batch.target)
    (loss * scale).backward()
    unclipped = nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimizer.step()
    recorder.step(loss=loss, logits=logits, target=batch.target, mask=batch.mask, unclipped_norm=unclipped)


def recorder_of(run, log, level, indices, scaled=True):
    # A scaler's scale is a tensor; to multiply by it costs the loop nothing and the recorder must divide by it.
    scaler = SimpleNamespace(_scale=torch.tensor(SCALE), is_enabled=lambda: True) if scaled else None
    loss = "cross-entropy" if indices else "bce-with-logits"
    return Recorder(run.model, run.optimizer, log=log, loss=loss, level=level, attention=ATTENTION, scaler=scaler)


def assert_rows_equal(rows, others, **tolerance) -> None:
    assert len(rows) == len(others)
    for row, other in zip(rows, others, strict=True):
        assert row.keys() == other.keys()
        for column in row.keys() - {"wall_time"}:
            np.testing.assert_allclose(row[column], other[column], err_msg=f"{row['iteration']} {column}", **tolerance)


EXACTLY = {"rtol": 0, "atol": 0}


@pytest.mark.parametrize("indices", [False, True])
@pytest.mark.parametrize("level", LEVELS)
def test_an_iteration_reads_nothing_from_the_device_and_its_rows_are_those_of_a_cpu(log, level, indices, request):
    given = batches(ROWS + 7, indices)
    plain, run = made(), made()
    with recorder_of(plain, log, level, indices) as recorder:
        for batch in given:
            iterate(plain, batch, recorder)
    mode, later = request.getfixturevalue("watchful"), type(log)()
    recorder = recorder_of(run, later, level, indices)
    with mode:
        for number, batch in enumerate(given):
            iterate(run, batch, recorder)
            assert len(later) in (0, ROWS)
            assert len(later) == 0 or number >= ROWS - 1
    with allowed(mode):
        assert len(later) == ROWS
        assert [row["iteration"] for row in later] == list(range(ROWS))
        recorder.close()
        assert later.events == log.events == []
        assert_rows_equal(later, log, **EXACTLY)
        assert len(later.maps) == len(log.maps) == (0 if level == "light" else len(given))
        for (iteration, _, maps), (other, _, expected) in zip(later.maps, log.maps, strict=True):
            assert iteration == other
            for path in ATTENTION:
                np.testing.assert_array_equal(maps[path], expected[path])


def test_the_watch_itself_sees_who_waits(watchful):
    with watchful:
        values = torch.randn(3)
        for wait in (
            lambda: values.sum().item(),
            lambda: float(values[0]),
            lambda: bool(values[0] > 0),
            lambda: values[values > 0],
            lambda: torch.nonzero(values),
            lambda: values.masked_select(values > 0),
            lambda: np.asarray(values),
        ):
            with pytest.raises(Waited):
                wait()


def test_an_evaluation_has_all_rows_before_it_written_first(log, watchful):
    run = made()
    with recorder_of(run, log, "standard", False) as recorder:
        for batch in batches(3, False):
            iterate(run, batch, recorder)
        assert len(log) == 0
        with allowed(watchful):
            recorder.evaluation(logits=torch.randn(6, 4), target=torch.ones(6, 4))
        assert [row["iteration"] for row in log] == [0, 1, 2]
        assert recorder.last_loss == log[2]["loss"]


def test_what_a_loop_changes_afterwards_does_not_reach_the_rows(log, request):
    """A loop may fill its own buffers anew before the row is written."""

    def run(sink, refilled):
        (batch,), on = batches(1, False), made()
        with Recorder(on.model, on.optimizer, log=sink, loss="bce-with-logits") as recorder:
            logits = on.model(batch.clips)
            loss = bce(logits, batch.target)
            loss.backward()
            on.optimizer.step()
            passed = {"logits": logits.detach(), "loss": loss.detach(), "unclipped_norm": torch.tensor(2.0)}
            recorder.step(**passed, target=batch.target)
            for value in (*passed.values(), batch.target) if refilled else ():
                value.fill_(7.0)

    run(log, refilled=False)
    later = type(log)()
    request.getfixturevalue("watchful")
    run(later, refilled=True)
    with allowed(request.getfixturevalue("watchful")):
        assert_rows_equal(later, log, **EXACTLY)


def test_a_target_that_does_not_fit_is_told_when_its_row_is_made(log, watchful):
    run = made()
    batch = batches(1, True)[0]
    batch.target[0] = 3
    recorder = recorder_of(run, log, "light", True)
    iterate(run, batch, recorder)
    run.optimizer.step()
    recorder.step(loss=torch.tensor(1.0), logits=torch.zeros(6, 4), target=torch.full((6,), 9))
    with allowed(watchful), pytest.warns(UserWarning, match=r"target holds class 9 but the output has 4 classes"):
        recorder.close()
    assert [row["iteration"] for row in log] == [0, 1]
    assert log[1]["gradient_norm_total"] >= 0


@gpu
@pytest.mark.parametrize("indices", [False, True])
@pytest.mark.parametrize("level", LEVELS)
def test_on_a_gpu_no_iteration_waits(log, level, indices):
    run = made("cuda")
    given = [SimpleNamespace(**{k: v.cuda() for k, v in vars(b).items()}) for b in batches(2 * ROWS + 7, indices)]
    with recorder_of(run, log, level, indices) as recorder:
        for batch in given[:3]:
            iterate(run, batch, recorder)
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            for batch in given[3:]:
                iterate(run, batch, recorder)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert [row["iteration"] for row in log] == list(range(len(given)))
    assert log.events == []


@gpu
@pytest.mark.parametrize("level", LEVELS)
def test_rows_of_a_gpu_are_those_of_a_cpu(log, level, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    later = type(log)()
    for where, sink in (("cpu", log), ("cuda", later)):
        run = made(where)
        with recorder_of(run, sink, level, indices=False) as recorder:
            for batch in batches(12, False):
                iterate(run, SimpleNamespace(**{k: v.to(where) for k, v in vars(batch).items()}), recorder)
    assert later.events == []
    assert_rows_equal(later, log, rtol=1e-3, atol=1e-4)
