"""The recorder changes nothing: training with it is bit by bit what it is without, whatever happens to it."""

import copy
import gc
import io
import math
import pickle
import random
import subprocess
import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from flatline.diagnostics.errors import AttachError
from flatline.diagnostics.levels import SIGNALS
from flatline.diagnostics.recorder import Recorder
from flatline.diagnostics.signals import ClassScores, LabelHealth, OutputHealth
from flatline.diagnostics.signals.quiet import Quiet
from flatline.diagnostics.telling import Nowhere
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

LEVELS = ("light", "standard", "deep")


class ConvNet(nn.Module):
    """Convolution, batch norm, dropout, BiGRU, attention over frames: (clip, frame, 6) -> (clip, 4)."""

    output_layer, attention = "scores", {"looks": "softmax-time"}

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv1d(6, 8, 3, padding=1), nn.BatchNorm1d(8), nn.Dropout(0.3)
        self.gru = nn.GRU(8, 5, batch_first=True, bidirectional=True)
        self.looks, self.scores = nn.Linear(10, 4), nn.Linear(10, 4)

    def forward(self, clips):
        frames = self.norm(self.conv(clips.transpose(1, 2))).relu().transpose(1, 2)
        frames = self.gru(self.drop(frames))[0]
        return (self.scores(frames) * self.looks(frames).softmax(dim=1)).sum(dim=1)


class LstmNet(nn.Module):
    """An LSTM that drops units between its layers."""

    def __init__(self):
        super().__init__()
        self.lstm, self.scores = nn.LSTM(6, 5, num_layers=3, dropout=0.4, batch_first=True), nn.Linear(5, 4)

    def forward(self, clips):
        return self.scores(self.lstm(clips)[1][0][-1])


class CellNet(nn.Module):
    """A loop of cells."""

    def __init__(self):
        super().__init__()
        self.cell, self.scores = nn.GRUCell(6, 5), nn.Linear(5, 4)

    def forward(self, clips):
        state = None
        for frame in clips.unbind(1):
            state = self.cell(frame, state)
        return self.scores(state)


class TransformerNet(nn.Module):
    """PyTorch's own encoder, whose fast path in evaluation any hook within it would turn off."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.1, batch_first=True)
        self.encoder, self.scores = nn.TransformerEncoder(layer, 2), nn.Linear(6, 4)

    def forward(self, clips):
        return self.scores(self.encoder(clips)).mean(dim=1)


class AttentionNet(nn.Module):
    """Attention that gives its weights."""

    def __init__(self):
        super().__init__()
        self.attend, self.scores = nn.MultiheadAttention(6, 2, dropout=0.1, batch_first=True), nn.Linear(6, 4)

    def forward(self, clips):
        return self.scores(self.attend(clips, clips, clips, need_weights=True)[0]).mean(dim=1)


NETS = (ConvNet, LstmNet, CellNet, TransformerNet, AttentionNet)


def iterate(model, optimizer, recorder=None, **passed) -> torch.Tensor:
    """One iteration on clips of its own, drawn from PyTorch's, NumPy's and Python's random numbers."""
    clips = torch.randn(6, 7, 6) + np.random.rand() + random.random()  # noqa: NPY002
    target = (torch.rand(6, 4) < 0.4).float()
    optimizer.zero_grad()
    logits = model(clips)
    loss = bce(logits, target)
    loss.backward()
    unclipped = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    optimizer.step()
    if recorder is not None:
        recorder.step(loss=loss, logits=logits, target=target, unclipped_norm=unclipped, **passed)
    return loss


def iterations(model, optimizer, recorder, count=2, **passed) -> None:
    for _ in range(count):
        iterate(model, optimizer, recorder, **passed)


def seed(number: int) -> None:
    torch.manual_seed(number)
    np.random.seed(number)  # noqa: NPY002
    random.seed(number)


def evaluate(model, recorder=None) -> torch.Tensor:
    model.eval()
    with torch.no_grad():
        logits = model(torch.linspace(-1, 1, 3 * 7 * 6).view(3, 7, 6))
    if recorder is not None:
        recorder.evaluation(logits=logits, target=torch.eye(4)[:3])
    model.train()
    return logits


def state_of(model, optimizer) -> dict:
    """All that a training loop leaves behind."""
    return {
        "weights": model.state_dict(),
        "optimizer": optimizer.state_dict()["state"],
        "gradients": [p.grad for p in model.parameters()],
        "modes": [module.training for module in model.modules()],
        "requires_grad": [p.requires_grad for p in model.parameters()],
        "random": (torch.get_rng_state(), torch.tensor(np.random.get_state()[1]), random.getstate()),  # noqa: NPY002
    }


def assert_same(one, other, where="") -> None:
    """Equal to the last bit, through dicts, lists and tuples."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where} {key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for index, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f"{where} {index}")
    else:
        assert one == other, where


def trained(kind, level: str | None, log=None, n_iterations=50) -> dict:
    """A run with seeds of its own, an evaluation now and then, recorded at a level or not at all."""
    seed(3)
    model = kind()
    next(model.parameters()).requires_grad_(False)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    recorder = None
    if level is not None:
        pinned = {"a": torch.ones(7, 6)}
        recorder = Recorder(model, optimizer, log=log, loss="bce-with-logits", level=level, pinned=pinned)
    losses, scores = [], []
    for iteration in range(n_iterations):
        losses.append(iterate(model, optimizer, recorder).item())
        if iteration % 20 == 10:
            scores.append(evaluate(model, recorder))
    if recorder is not None:
        recorder.close()
    return {"losses": losses, "scores": scores, **state_of(model, optimizer)}


@pytest.fixture(scope="module")
def bare():
    """Each net's run without a recorder, made once."""
    made = {}

    def run(kind):
        if kind not in made:
            with torch.random.fork_rng():
                made[kind] = trained(kind, None)
        return made[kind]

    return run


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", NETS)
def test_fifty_iterations_are_bit_identical_with_and_without_the_recorder(kind, level, bare, log):
    recorded, expected = trained(kind, level, log), bare(kind)
    assert len(log) == 50
    assert len(log.evaluations) == 2
    assert log.events == []
    assert_same(recorded, expected)


@pytest.mark.parametrize("level", ["light", "standard"])
def test_a_transformer_encoder_keeps_its_fast_path_in_evaluation(level, log, monkeypatch):
    """PyTorch leaves it for any forward hook within a layer, and so it does at the level "deep"."""
    fast, calls = torch._transformer_encoder_layer_fwd, []
    monkeypatch.setattr(torch, "_transformer_encoder_layer_fwd", lambda *args: calls.append(1) or fast(*args))
    model = TransformerNet()
    with Recorder(model, torch.optim.SGD(model.parameters()), log=log, level=level):
        evaluate(model)
    assert len(calls) == 2


class Telling(nn.TransformerEncoderLayer):
    """One that does ask for its weights."""

    def _sa_block(self, x, attn_mask, key_padding_mask, is_causal=False):
        return self.dropout1(self.self_attn(x, x, x, need_weights=True)[0])


def test_the_maps_of_a_transformer_that_asks_for_them_are_recorded(log):
    model = nn.Sequential(Telling(6, 2, 8, batch_first=True), nn.Flatten(), nn.Linear(42, 4))
    optimizer = torch.optim.SGD(model.parameters())
    with Recorder(model, optimizer, log=log) as recorder:
        iterate(model, optimizer, recorder)
    assert [set(maps) for _, _, maps in log.maps] == [{"0.self_attn"}]


def hooks_of(model, *optimizers) -> dict[str, int]:
    """Every hook of any kind on modules, parameters, buffers and optimisers, by where it is."""
    found = {}
    for path, module in model.named_modules():
        found |= {f"{path} {name}": held for name, held in vars(module).items() if "hook" in name and held}
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        for attribute in ("_backward_hooks", "_post_accumulate_grad_hooks"):
            found |= {f"{name} {attribute}": held for held in [getattr(tensor, attribute, None)] if held}
    for number, optimizer in enumerate(optimizers):
        found |= {f"{number} {name}": held for name, held in vars(optimizer).items() if "hook" in name and held}
    return {where: len(held) for where, held in found.items() if hasattr(held, "__len__")}


@pytest.fixture
def recorded():
    """A deep recorder on the net with everything, which has run for an iteration: `.model .optimizer .make()`."""
    model = ConvNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)

    def make(**options):
        return Recorder(model, optimizer, **{"log": Nowhere(), "loss": "bce-with-logits", "level": "deep", **options})

    return SimpleNamespace(model=model, optimizer=optimizer, make=make)


def test_no_hook_is_left_however_the_loop_ends(recorded):
    model, optimizer = recorded.model, recorded.optimizer
    before = hooks_of(model, optimizer)
    with recorded.make() as recorder:
        assert len(hooks_of(model, optimizer)) > len(before) + 5
        iterate(model, optimizer, recorder)
    assert hooks_of(model, optimizer) == before

    def broken_off(error):
        with recorded.make() as recorder:
            iterate(model, optimizer, recorder)
            model(torch.zeros(2, 7, 6))  # a pass whose gradients never come
            raise error

    for error in (RuntimeError, KeyboardInterrupt, SystemExit):
        with pytest.raises(error):
            broken_off(error)
        assert hooks_of(model, optimizer) == before
    recorder.close()
    assert hooks_of(model, optimizer) == before


def test_no_hook_is_left_on_the_tensors_of_an_unfinished_iteration(recorded):
    with recorded.make() as recorder:
        iterate(recorded.model, recorded.optimizer, recorder)
        given = []
        handle = recorded.model.gru.register_forward_hook(lambda module, args, output: given.append(output[0]))
        loss = recorded.model(torch.zeros(2, 7, 6)).sum()
        handle.remove()
    assert not given[0]._backward_hooks
    loss.backward()


@pytest.mark.parametrize("kind", SIGNALS)
def test_no_hook_is_left_where_any_signal_fails_to_attach(recorded, kind, monkeypatch):
    attach = kind.attach

    def fails(self, *args):
        attach(self, *args)
        raise AttachError("cannot be put on (here); do otherwise")

    monkeypatch.setattr(kind, "attach", fails)
    with pytest.raises(AttachError, match="cannot be put on"):
        recorded.make()
    assert hooks_of(recorded.model, recorded.optimizer) == {}


def test_a_recorder_that_is_dropped_without_close_leaves_no_hook(recorded):
    recorder = recorded.make()
    iterate(recorded.model, recorded.optimizer, recorder)
    assert hooks_of(recorded.model, recorded.optimizer)
    del recorder
    gc.collect()
    assert hooks_of(recorded.model, recorded.optimizer) == {}
    iterate(recorded.model, recorded.optimizer)


def copies(model):
    yield copy.deepcopy(model)
    yield pickle.loads(pickle.dumps(model))
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    yield torch.load(file, weights_only=False)


def test_a_recorded_model_can_be_copied_and_saved_and_the_copies_are_not_recorded(recorded, log):
    with recorded.make(log=log) as recorder:
        iterate(recorded.model, recorded.optimizer, recorder)
        names = set(recorded.model.state_dict())
        for twin in copies(recorded.model):
            assert set(twin.state_dict()) == names
            assert torch.equal(evaluate(twin), evaluate(recorded.model))
            twin(torch.full((2, 7, 6), 9.0)).sum().backward()
            torch.optim.SGD(twin.parameters()).step()
        copy.deepcopy(recorded.optimizer), pickle.dumps(recorded.optimizer)
        iterate(recorded.model, recorded.optimizer, recorder)
    assert [row["iteration"] for row in log] == [0, 1]
    assert all(row["activation_spread.conv"] < 5 for row in log)
    assert log.events == []


def test_a_model_saved_while_it_is_recorded_loads_where_there_is_no_flatline(tmp_path):
    model = nn.Sequential(nn.Linear(6, 4), nn.GRU(4, 4))
    with Recorder(model, torch.optim.SGD(model.parameters()), log=[], level="deep"):
        torch.save(model, tmp_path / "model.pt")
    code = (
        "import sys; sys.modules['flatline'] = None; import torch; "
        f"model = torch.load({str(tmp_path / 'model.pt')!r}, weights_only=False); model(torch.ones(2, 6)); print('ok')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "ok\n", done.stderr


def test_two_recorders_on_one_model_record_the_same_and_do_not_meet(recorded, log):
    second = type(log)()
    with recorded.make(log=log) as one:
        iterate(recorded.model, recorded.optimizer, one)
        with recorded.make(log=second) as other:
            torch.manual_seed(1)
            for _ in range(3):
                loss = iterate(recorded.model, recorded.optimizer, one, mask=None)
                other.step(loss=loss)
        iterate(recorded.model, recorded.optimizer, one)
    assert hooks_of(recorded.model, recorded.optimizer) == {}
    assert (len(log), len(second)) == (5, 3)
    for row, twin in zip(log[1:4], second, strict=True):
        for column in ("gradient_norm", "update_ratio", "weight_norm", "saturation.gru", "zero_share.conv"):
            np.testing.assert_array_equal(row[column], twin[column], column)
    assert log.events == second.events == []


def broken(kind, method, monkeypatch) -> None:
    """Break a method of a signal, or the hooks that it has put on."""
    if method != "hooks":
        return monkeypatch.setattr(kind, method, lambda self, *args: 1 / 0)
    attach = kind.attach

    def attached(self, model, optimizers, stack):
        made, init = [], Quiet.__init__

        def remembered(quiet, hook, faults):
            made.append(quiet)
            init(quiet, hook, faults)

        with monkeypatch.context() as patch:
            patch.setattr(Quiet, "__init__", remembered)
            attach(self, model, optimizers, stack)
        for quiet in made:
            quiet._hook = lambda *args, **kwargs: 1 / 0
        assert made

    return monkeypatch.setattr(kind, "attach", attached)


HOOKLESS = (OutputHealth, LabelHealth, ClassScores)
FAULTS = [
    (kind, method)
    for kind in SIGNALS
    for method in ("see", "take", "collect", "hooks")
    if method != "hooks" or kind not in HOOKLESS
]


@pytest.mark.parametrize(("kind", "method"), FAULTS)
def test_a_fault_inside_a_signal_is_told_once_by_its_name_and_all_else_goes_on(log, kind, method, monkeypatch):
    def run(sink):
        seed(5)
        model = ConvNet()
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        with Recorder(model, optimizer, log=sink, loss="bce-with-logits", level="deep") as recorder:
            iterations(model, optimizer, recorder, 3)
            evaluate(model, recorder)
        assert hooks_of(model, optimizer) == {}
        return state_of(model, optimizer)

    whole = type(log)()
    expected = run(whole)
    broken(kind, method, monkeypatch)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        state = run(log)
    assert len(log) == 3
    assert len(log.evaluations) == 1
    assert_same(state, expected)
    about = [warning for warning in told if "could not be recorded" in str(warning.message)]
    assert [str(warning.message).partition(" ")[0] for warning in about] == [kind.__name__]
    assert about[0].filename == __file__
    assert [event["signal"] for event in log.events if event["kind"] == "signal-fault"] == [kind.__name__]
    own = {info.name.partition("<")[0] for info in kind.infos}
    for row, other in zip(log, whole, strict=True):
        if kind is SIGNALS[0]:
            continue  # others build on it
        missing = {
            column
            for column in other.keys() - row.keys()
            if not any(column.startswith(name) for name in own) and not column.startswith("hidden_gradient.")
        }
        assert missing == set()


def test_a_fault_in_the_gradients_signal_leaves_rows_with_a_loss(log, monkeypatch):
    monkeypatch.setattr(SIGNALS[0], "take", lambda self: 1 / 0)
    model = ConvNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    with Recorder(model, optimizer, log=log, loss="bce-with-logits") as recorder:
        with pytest.warns(UserWarning, match="GradientNorms could not be recorded"):
            iterate(model, optimizer, recorder)
        iterate(model, optimizer, recorder)
    assert [math.isfinite(row["loss"]) for row in log] == [True, True]
    assert all("gradient_norm" not in row and math.isnan(row["rho"]) for row in log)
    assert all(row["clip_spread"] > 0 for row in log)


def test_a_map_that_the_model_does_not_give_does_not_break_the_forward_pass(log):
    model = ConvNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    with (
        Recorder(model, optimizer, log=log, attention={"gru[7]": "weights"}) as recorder,
        pytest.warns(UserWarning, match="AttentionMaps could not be recorded at iteration 0"),
    ):
        iterations(model, optimizer, recorder)
    assert len(log) == 2
    assert all(row["gradient_norm_total"] > 0 for row in log)


def test_a_mask_that_is_none_does_not_break_the_loop(log):
    model = ConvNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    with (
        Recorder(model, optimizer, log=log) as recorder,
        pytest.warns(UserWarning, match="mask could not be recorded at iteration 0"),
    ):
        iterate(model, optimizer, recorder, mask=[[1, 2], [3]])
    assert len(log) == 1


def test_training_without_calling_the_recorder_keeps_nothing_but_the_newest_iteration(recorded):
    """A warm-up, say, within the with block: nothing may pile up."""
    with recorded.make() as recorder:
        iterate(recorded.model, recorded.optimizer, recorder)
        for _ in range(3):
            iterate(recorded.model, recorded.optimizer)
        gc.collect()
        before = sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())
        for _ in range(20):
            iterate(recorded.model, recorded.optimizer)
        gc.collect()
        assert sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects()) <= before + 5
