import numpy as np
import pytest
import torch
from flatline.diagnostics.levels import LEVELS, Chosen
from flatline.diagnostics.recorder import Recorder
from flatline.diagnostics.signals import HiddenGradients
from flatline.diagnostics.through_time import gate_openness
from torch import nn

N_UNITS = 4


class Started(nn.Module):
    """An RNN that the model starts from states of its own: (clip, frame, 3) -> (clip, 2)."""

    def __init__(self, kind: str, batch_first: bool, as_keyword: bool, n_layers: int = 1, two_ways: bool = False):
        super().__init__()
        self.as_keyword = as_keyword
        self.drop = nn.Dropout(0.5)
        self.rnn = getattr(nn, kind)(
            3, N_UNITS, n_layers, batch_first=batch_first, bidirectional=two_ways, dropout=0.5 if n_layers > 1 else 0
        )
        rows = n_layers * (1 + two_ways)
        self.h = nn.Parameter(3 * torch.randn(rows, 1, N_UNITS))
        self.c = nn.Parameter(3 * torch.randn(rows, 1, N_UNITS))
        self.last = nn.Linear(N_UNITS * (1 + two_ways), 2)

    def start(self, n_clips: int):
        h, c = (state.expand(-1, n_clips, -1).contiguous() for state in (self.h, self.c))
        return (h, c) if isinstance(self.rnn, nn.LSTM) else h

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        given = self.drop(clips) if self.rnn.batch_first else self.drop(clips).transpose(0, 1)
        start = self.start(len(clips))
        frames = (self.rnn(given, hx=start) if self.as_keyword else self.rnn(given, start))[0]
        return self.last(frames.mean(dim=1 if self.rnn.batch_first else 0))


PINNED = {"a.wav": torch.randn(9, 3, generator=torch.Generator().manual_seed(1)), "b.wav": torch.ones(4, 3)}


def gates_of_one_frame(rnn, suffix, x, h, c):
    """Open gates (gate, unit) and the next states of one layer and direction, for one frame."""
    w, v, b, d = (
        getattr(rnn, f"{kind}_{suffix}").detach() for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    x, y = w @ x + b, v @ h + d
    if isinstance(rnn, nn.GRU):
        (xr, xz, xn), (yr, yz, yn) = x.chunk(3), y.chunk(3)
        r, z = (xr + yr).sigmoid(), (xz + yz).sigmoid()
        return torch.stack([r, z]), (1 - z) * (xn + r * yn).tanh() + z * h, c
    i, f, g, o = (x + y).chunk(4)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return torch.stack([i, f, o]).sigmoid(), o.sigmoid() * c.tanh(), c


def by_hand(model, clip, started=True) -> np.ndarray:
    """Mean over frames and units of each gate, layer by layer and direction by direction."""
    rnn, found, inputs = model.rnn, [], clip
    for layer in range(rnn.num_layers):
        sides = []
        for way in range(1 + rnn.bidirectional):
            row = layer * (1 + rnn.bidirectional) + way
            h, c = ((state[row, 0].detach() * started) for state in (model.h, model.c))
            gates, states = [], []
            for x in inputs.flip(0) if way else inputs:
                of_frame, h, c = gates_of_one_frame(rnn, f"l{layer}{'_reverse' * way}", x, h, c)
                gates.append(of_frame)
                states.append(h)
            found += torch.stack(gates).mean(dim=(0, 2)).tolist()
            sides.append(torch.stack(states[::-1] if way else states))
        inputs = torch.cat(sides, dim=1)
    return np.array(found)


def evaluated(model, log, level):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with Recorder(model, optimizer, log=log, loss="bce-with-logits", level=level, pinned=PINNED) as recorder:
        logits = model(torch.randn(5, 6, 3))
        target = torch.tensor([[1.0, 0.0]] * 5)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, target)
        loss.backward()
        optimizer.step()
        recorder.step(loss=loss, logits=logits, target=target)
        recorder.evaluation(logits=logits, target=target)
    return log.evaluations[0]


@pytest.mark.parametrize("as_keyword", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_an_evaluation_has_each_gate_s_mean_from_the_states_that_the_model_starts_from(
    log, kind, batch_first, as_keyword
):
    model = Started(kind, batch_first, as_keyword)
    row = evaluated(model, log, "deep")
    expected = np.mean([by_hand(model, clip) for clip in PINNED.values()], axis=0)
    np.testing.assert_allclose(row["gate_openness.rnn"], expected, atol=1e-5)
    from_zero = np.mean([by_hand(model, clip, started=False) for clip in PINNED.values()], axis=0)
    assert np.abs(from_zero - expected).max() > 1e-3  # the state that was given counts
    assert log.info["open_gates"] == {"rnn": [f"l0/{gate}" for gate in ("rz" if kind == "GRU" else "ifo")]}


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_each_layer_and_direction_has_its_own_gates_in_the_order_of_their_names(log, kind):
    model = Started(kind, True, False, n_layers=2, two_ways=True)
    row = evaluated(model, log, "deep")
    expected = np.mean([by_hand(model, clip) for clip in PINNED.values()], axis=0)
    np.testing.assert_allclose(row["gate_openness.rnn"], expected, atol=1e-5)
    letters = "rz" if kind == "GRU" else "ifo"
    names = [f"{layer}{way}/{gate}" for layer in ("l0", "l1") for way in ("", "_reverse") for gate in letters]
    assert log.info["open_gates"] == {"rnn": names}


def test_it_is_what_gate_openness_says_of_each_clip_alone(log):
    model = Started("GRU", True, False, n_layers=2, two_ways=True)
    row = evaluated(model, log, "deep")
    model.eval()
    found = [gate_openness(model.rnn, clip.unsqueeze(0), model.start(1)) for clip in PINNED.values()]
    expected = [float(torch.stack([each[name] for each in found]).mean()) for name in log.info["open_gates"]["rnn"]]
    np.testing.assert_allclose(row["gate_openness.rnn"], expected, atol=1e-6)


@pytest.mark.parametrize("level", ["light", "standard", "recurrent", ["light", "activations"]])
def test_below_deep_no_gate_is_looked_at(log, level):
    row = evaluated(Started("GRU", True, False), log, level)
    assert {"scores.a.wav", "scores.b.wav"} < row.keys()
    assert not [name for name in [*row, *log.info["signals"]] if name.startswith("gate_openness")]
    assert "open_gates" not in log.info


@pytest.mark.parametrize("level", ["deep", ["deep"], ["light", "openness"]])
def test_at_deep_and_where_it_is_asked_for_by_name_the_column_is_there_and_announced(log, level):
    row = evaluated(Started("GRU", True, False), log, level)
    assert len(row["gate_openness.rnn"]) == 2
    assert "gate_openness.rnn" in log.info["signals"]


def test_openness_is_of_the_deep_level_alone():
    assert [level for level, subjects in LEVELS.items() if "openness" in subjects] == ["deep"]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("level", "share"),
    [
        ("standard", 0.005),
        (["standard"], 0.005),
        ("hidden_gradients", 0.005),
        (["light", "hidden_gradients"], 0.005),
        ("deep", 0.04),
        (["deep"], 0.04),
        (("light", "deep"), 0.04),
    ],
)
def test_replays_may_take_half_a_percent_of_the_time_and_at_deep_four(level, share):
    (signal,) = [each for each in Chosen(level).signals() if isinstance(each, HiddenGradients)]
    cadence, clock = signal._cadence, Clock()
    cadence.clock = clock
    assert cadence.share == share
    assert cadence.is_due()
    cadence.spend(1.0)
    clock.now = 0.99 * 2 / share  # a second one at the price of the first
    assert not cadence.is_due()
    clock.now = 1.01 * 2 / share
    assert cadence.is_due()


def test_the_shares_are_those_that_the_signal_s_documentation_says():
    assert "at most .5 % of the time (deep: 4 %)" in HiddenGradients.cost
