"""Networks whose parts carry a share that is known without measuring it."""

import random

import numpy as np
import pandas as pd
import pytest
import torch
from flatline.diagnostics.ablation import ablate
from flatline.diagnostics.errors import AttachError, ShapeError, UnknownNameError
from flatline.diagnostics.lwlrap import chance_level, constant_level, lwlrap
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

N_CLIPS, N_FRAMES, N_CLASSES = 60, 12, 6


class Copies(nn.GRU):
    """A GRU whose output is its input, or a running sum of it, so that what it carries is known."""

    def __init__(self, size, *, summed=False, **options):
        super().__init__(size, size, **options)
        self.summed = summed

    def forward(self, input, hx=None):
        if isinstance(input, PackedSequence):
            padded, lengths = pad_packed_sequence(input, batch_first=True)
            last = torch.stack([padded[clip, :length].sum(0) for clip, length in enumerate(lengths)])
            return input, last.unsqueeze(0)
        first = input if self.batch_first else input.transpose(0, 1)
        given = first.cumsum(dim=1) if self.summed else first
        states = first.sum(dim=1).unsqueeze(0)
        return (given if self.batch_first else given.transpose(0, 1)), states


class Tagger(nn.Module):
    """`way` says by which way the evidence of the clips reaches the scores."""

    def __init__(self, way, rnn=None):
        super().__init__()
        self.way = way
        self.rnn = Copies(N_CLASSES, batch_first=True) if rnn is None else rnn
        self.looks = nn.Identity()

    def forward(self, clips, mask=None):
        hidden, state = self.rnn(clips)
        looks = self.looks(clips)
        ways = {
            "rnn": hidden.mean(dim=1),
            "state": state[-1],
            "input": clips.mean(dim=1) + 0 * hidden.sum(),
            "both": hidden.mean(dim=1) + clips.mean(dim=1),
            "last": hidden[:, -1],
            "map": looks.mean(dim=1),
            "rise": (clips[:, N_FRAMES // 2 :] - clips[:, : N_FRAMES // 2]).mean(dim=1),
        }
        return ways[self.way]


def clips_with_evidence(n_clips=N_CLIPS, noise=0.1, seed=0):
    """(clip, frame, class) with the clip's own class higher in each frame, and (clip, class) targets."""
    rng = np.random.default_rng(seed)
    target = np.eye(N_CLASSES, dtype=np.float32)[np.arange(n_clips) % N_CLASSES]
    frames = target[:, None] + noise * rng.standard_normal((n_clips, N_FRAMES, N_CLASSES))
    return torch.from_numpy(frames.astype(np.float32)), torch.from_numpy(target)


def batches_of(clips, target, size=17):
    return [(clips[start : start + size], target[start : start + size]) for start in range(0, len(clips), size)]


@pytest.fixture
def batches():
    return batches_of(*clips_with_evidence())


def share(found, part):
    return found[part].share


def test_an_rnn_that_is_ignored_carries_nothing(batches):
    found = ablate(Tagger("input"), batches)["rnn.rnn"]
    assert (found.share, found.low, found.high) == (0, 0, 0)
    assert found.score == 1


def test_an_rnn_through_which_everything_goes_carries_everything(batches):
    model = Tagger("rnn")
    found = ablate(model, batches)
    clips, target = clips_with_evidence()
    assert found.score == lwlrap(model(clips).numpy(), target.numpy()) == 1
    assert found["rnn.rnn"].score == pytest.approx(found.floor)  # one ranking for all clips, classes equally common
    assert share(found, "rnn.rnn") == pytest.approx(1)


def test_parts_that_stand_in_for_each_other_carry_nothing_alone(batches):
    assert share(ablate(Tagger("both"), batches), "rnn.rnn") == pytest.approx(0, abs=1e-6)


def test_the_floor_is_the_higher_of_chance_and_constant_level(batches):
    target = np.concatenate([labels for _, labels in batches])
    prior = np.linspace(0.1, 0.6, N_CLASSES)
    found = ablate(Tagger("rnn"), batches, prior=prior)
    assert found.chance == chance_level(target)
    assert found.constant == constant_level(target, prior)
    assert found.floor == max(found.chance, found.constant)
    assert found.n_clips == N_CLIPS


def test_what_replaces_an_output_is_one_mean_over_clips_and_real_frames_and_states_have_their_own():
    clips, target = clips_with_evidence()
    mask = torch.ones(N_CLIPS, N_FRAMES, dtype=torch.bool)
    mask[::2, 5:] = False
    clips[~mask] = 1000.0
    seen = []

    class Looks(Tagger):
        def forward(self, clips, mask=None):
            seen.append(self.rnn(clips))
            return super().forward(clips)

    whole = [(clips[:40], target[:40], mask[:40]), (clips[40:], target[40:], mask[40:])]
    ablate(Looks("rnn"), whole, what=["rnn"])
    output, state = seen[-1]
    assert output.shape == (20, N_FRAMES, N_CLASSES)
    torch.testing.assert_close(output, clips[mask].mean(dim=0).expand_as(output))
    torch.testing.assert_close(state, clips.sum(dim=1).mean(dim=0).expand_as(state))
    assert output.is_contiguous()
    assert state.is_contiguous()


def test_a_network_that_reads_the_final_state_loses_it_too(batches):
    found = ablate(Tagger("state"), batches)
    assert share(found, "rnn.rnn") == pytest.approx(1)
    assert share(found, "frame_shuffle.rnn.rnn") == 0  # its output's frames go nowhere


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.RNN])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("form", ["padded", "packed", "alone"])
def test_layers_of_every_kind_are_taken_away_in_every_form(kind, options, batch_first, form):
    """With its RNN's output and states constant the network says the same of every clip."""
    states = []

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = kind(N_CLASSES, 4, batch_first=batch_first, **options)
            self.linear = nn.Linear(8 if options else 4, N_CLASSES)

        def forward(self, clips):
            if form == "alone":
                given, state = zip(*(self.layer(clip) for clip in clips), strict=True)
                given = torch.stack([frames.mean(dim=0) for frames in given])
                states.append(state)
            elif form == "packed":
                lengths = torch.arange(len(clips)) % N_FRAMES + 1
                packed = pack_padded_sequence(clips, lengths, batch_first=True, enforce_sorted=False)
                given, state = self.layer(packed)
                states.append(state)
                given, lengths = pad_packed_sequence(given, batch_first=True)
                given = given.sum(dim=1) / lengths[:, None]
            else:
                given, state = self.layer(clips if batch_first else clips.transpose(0, 1))
                states.append(state)
                given = given.mean(dim=1 if batch_first else 0)
            return self.linear(given)

    model = Net()
    rows = []
    ablate(
        model,
        batches_of(*clips_with_evidence(24)),
        what=["rnn"],
        forward=lambda model, batch: (rows.append(model(batch[0])) or rows[-1], batch[1]),
    )
    whole, without = torch.cat(rows[:2]), torch.cat(rows[2:])
    assert whole.std(dim=0).min() > 1e-4
    torch.testing.assert_close(without, without[:1].expand_as(without))
    final = states[-1][-1] if form == "alone" else states[-1]
    for state in final if isinstance(final, tuple) else (final,):
        clip_axis = state if form == "alone" else state[:, :1].expand_as(state)
        torch.testing.assert_close(state, clip_axis)


@pytest.mark.parametrize("kind", [nn.GRUCell, nn.LSTMCell, nn.RNNCell])
def test_cells_in_a_loop_are_taken_away(kind):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = kind(N_CLASSES, 4)
            self.linear = nn.Linear(4, N_CLASSES)

        def forward(self, clips):
            state = None
            for frame in clips.unbind(dim=1):
                state = self.cell(frame, state)
            return self.linear(state[0] if isinstance(state, tuple) else state)

    rows = []
    batches = batches_of(*clips_with_evidence(24))
    found = ablate(
        Net(), batches, forward=lambda model, batch: (rows.append(model(batch[0])) or rows[-1], batch[1]), what=["rnn"]
    )
    assert [part.part for part in found.parts] == ["rnn.cell", "rnns"]
    torch.testing.assert_close(torch.cat(rows[2:]), rows[2][:1].expand(24, N_CLASSES))


def test_rnns_are_tried_one_by_one_and_all_at_once(batches):
    class Two(Tagger):
        def __init__(self):
            super().__init__("rnn")
            self.second = Copies(N_CLASSES, batch_first=True)

        def forward(self, clips, mask=None):
            return self.rnn(clips)[0].mean(dim=1) + self.second(clips)[0].mean(dim=1)

    found = ablate(Two(), batches)
    assert share(found, "rnn.rnn") == share(found, "rnn.second") == pytest.approx(0, abs=1e-6)
    assert share(found, "rnns") == pytest.approx(1)
    assert [part.part for part in found.different if part.part.startswith("rnn")] == ["rnn.rnn", "rnn.second", "rnns"]


def test_an_only_rnn_is_all_rnns_and_told_once(batches):
    found = ablate(Tagger("rnn"), batches, what=["rnn"])
    assert share(found, "rnns") == share(found, "rnn.rnn")
    assert [part.part for part in found.different] == ["rnn.rnn"]
    assert str(found).count("the Copies rnn") == 1


def test_a_model_that_is_itself_an_rnn_is_taken_away(batches):
    found = ablate(
        Copies(N_CLASSES, batch_first=True),
        batches,
        forward=lambda model, batch: (model(batch[0])[0].mean(dim=1), batch[1]),
    )
    assert share(found, "rnn.rnn") == pytest.approx(1)


@pytest.mark.parametrize("kind", ["weights", "sigmoid", "softmax-class"])
def test_a_map_becomes_its_mean_weight_by_class(kind):
    links = {"weights": lambda given: given, "sigmoid": torch.sigmoid, "softmax-class": lambda given: given.softmax(-1)}
    seen = []

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.looks = nn.Identity()

        def forward(self, clips, mask=None):
            seen.append(links[kind](self.looks(clips)))
            return seen[-1].mean(dim=1)

    clips, target = clips_with_evidence()
    mask = torch.ones(N_CLIPS, N_FRAMES, dtype=torch.bool)
    mask[:, 7:] = False
    found = ablate(Net(), [(clips, target, mask)], attention={"looks": kind}, what=["attention"])
    whole, without = seen
    torch.testing.assert_close(without, whole[:, :7].mean(dim=(0, 1)).expand_as(without))
    assert share(found, "attention.looks") == share(found, "attentions") > 0.9


def test_a_map_before_a_softmax_over_time_becomes_uniform():
    seen = []

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.looks = nn.Identity()

        def forward(self, clips):
            seen.append(self.looks(clips).softmax(dim=1))
            return (seen[-1] * clips).sum(dim=1)

    ablate(Net(), batches_of(*clips_with_evidence(), size=60), attention={"looks": "softmax-time"}, what=["attention"])
    torch.testing.assert_close(seen[1], torch.full_like(seen[1], 1 / N_FRAMES))


def test_one_of_several_outputs_may_be_the_map(batches):
    class Several(nn.Module):
        def forward(self, clips):
            return clips * 0, clips

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.looks = Several()

        def forward(self, clips):
            return self.looks(clips)[1].mean(dim=1)

    assert share(ablate(Net(), batches, attention={"looks[1]": "weights"}), "attention.looks[1]") == pytest.approx(1)
    assert share(ablate(Net(), batches, attention={"looks": "weights"}), "attention.looks") == 0


def test_a_models_own_maps_are_found_and_its_output_layer_is_none_of_them(batches):
    model = Tagger("map")
    model.attention, model.output_layer = {"looks": "weights", "rnn": "weights"}, "rnn"
    parts = [part.part for part in ablate(model, batches, what=["attention"]).parts]
    assert parts == ["attention.looks", "attentions"]


@pytest.mark.parametrize(("way", "expected"), [("rnn", 0), ("rise", 1)])
def test_shuffling_the_input_tells_whether_temporal_order_matters(way, expected):
    clips, target = clips_with_evidence()
    if way == "rise":  # a class is told by whether it comes before or after the middle
        rising = torch.where(torch.arange(N_FRAMES)[:, None] >= N_FRAMES // 2, 1.0, -1.0)
        clips = clips * rising
    found = ablate(Tagger(way), batches_of(clips, target))
    assert share(found, "frame_shuffle.input") == pytest.approx(expected, abs=0.35 if expected else 1e-6)
    if not expected:
        assert found["frame_shuffle.input"].high == pytest.approx(0, abs=1e-6)


def test_shuffling_an_rnns_frames_matters_to_one_that_reads_the_last():
    clips, target = clips_with_evidence()
    clips[:, :-1] = 0  # all evidence in the last frame
    found = ablate(Tagger("last"), batches_of(clips, target))
    assert share(found, "frame_shuffle.rnn.rnn") > 0.5
    assert share(ablate(Tagger("rnn"), batches_of(clips, target)), "frame_shuffle.rnn.rnn") == pytest.approx(0)


def test_a_shuffle_moves_real_frames_of_each_clip_alone():
    seen = []

    class Net(nn.Module):
        def forward(self, clips, mask):
            seen.append(clips)
            return clips.mean(dim=1)

    clips = torch.arange(5 * N_FRAMES * N_CLASSES).reshape(5, N_FRAMES, N_CLASSES).float()
    mask = torch.rand(5, N_FRAMES) < 0.7
    ablate(Net(), [(clips, torch.eye(N_CLASSES)[:5], mask)], what=["frame_shuffle"])
    _, shuffled = seen
    torch.testing.assert_close(shuffled[~mask], clips[~mask])
    for clip in range(5):
        real = mask[clip]
        assert sorted(shuffled[clip, real, 0].tolist()) == clips[clip, real, 0].tolist()
    assert (shuffled[mask] != clips[mask]).any(dim=1).float().mean() > 0.5


def test_tokens_and_packed_sequences_are_shuffled_and_have_no_silence():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding.from_pretrained(torch.eye(N_CLASSES))

        def forward(self, tokens):
            return self.embedding(tokens)[:, -1]

    tokens = torch.randint(0, N_CLASSES, (40, N_FRAMES))
    found = ablate(Tokens(), [(tokens, torch.eye(N_CLASSES)[tokens[:, -1]])])
    assert [part.part for part in found.parts] == ["frame_shuffle.input"]
    assert share(found, "frame_shuffle.input") > 0.5

    class Packed(nn.Module):
        def forward(self, packed):
            padded, lengths = pad_packed_sequence(packed, batch_first=True)
            return padded[torch.arange(len(padded)), lengths - 1]

    clips, target = clips_with_evidence(40)
    lengths = torch.arange(40) % 8 + 5
    clips[torch.arange(N_FRAMES) != lengths[:, None] - 1] = 0
    packed = pack_padded_sequence(clips, lengths, batch_first=True, enforce_sorted=False)
    found = ablate(Packed(), [(packed, target)])
    assert share(found, "frame_shuffle.input") > 0.5
    assert {"silence.band1", "silence.half2"} <= {part.part for part in found.parts}


def test_silence_in_a_band_takes_the_classes_of_that_band():
    clips, target = clips_with_evidence(60)
    clips = clips.repeat_interleave(2, dim=-1)  # 12 mel bins, two a class

    class Net(nn.Module):
        def forward(self, clips):
            return clips.mean(dim=1).reshape(-1, N_CLASSES, 2).mean(dim=-1)

    found = ablate(Net(), [(clips, target)], silence=0.0, what=["silence"])
    assert found["silence.band1"].label == "the input's mel bins 0 to 2"
    shares = [share(found, f"silence.band{band}") for band in range(1, 5)]
    assert shares[0] == pytest.approx(0.2, abs=0.1)  # one class and a half of six lost their evidence, in part
    assert all(value > 0.05 for value in shares)


def test_silence_in_a_half_of_the_real_frames():
    clips, target = clips_with_evidence(60)
    mask = torch.arange(N_FRAMES)[None].expand(60, -1) < 6
    clips[:, 3:] = 0  # all evidence in the first half of six real frames
    found = ablate(Tagger("rnn"), [(clips, target, mask)], silence=0.0, what=["silence"])
    assert share(found, "silence.half1") > 0.99  # all scores tie, which is worse than one ranking for all
    assert share(found, "silence.half2") == 0


def test_without_silence_told_it_is_each_bins_mean(batches):
    clips, _ = clips_with_evidence()
    seen = []

    class Net(nn.Module):
        def forward(self, clips):
            seen.append(clips)
            return clips.mean(dim=1)

    ablate(Net(), batches, what=["silence"])
    last = seen[-1]
    torch.testing.assert_close(last[:, -1], clips.mean(dim=(0, 1)).expand(len(last), -1))


def test_an_input_that_is_no_frames_has_no_order_and_no_silence(batches):
    pictures = [(clips.unsqueeze(1), target) for clips, target in batches]

    class Net(nn.Module):
        def forward(self, pictures):
            return pictures.mean(dim=(1, 2))

    assert ablate(Net(), pictures).parts == ()
    frames_first = [(clips.transpose(0, 1), target) for clips, target in batches]
    model = Tagger("rnn", Copies(N_CLASSES))
    found = ablate(model, frames_first, forward=lambda model, batch: (model.rnn(batch[0])[0].mean(dim=0), batch[1]))
    assert share(found, "rnn.rnn") == pytest.approx(1)
    assert not any(part.part.startswith(("silence", "frame_shuffle.input")) for part in found.parts)


def test_at_the_constant_level_no_share_is_told():
    clips, target = clips_with_evidence()
    found = ablate(Tagger("rnn"), [(torch.zeros_like(clips), target)])
    assert found.score <= found.floor + 0.02
    assert found.table[["share", "low", "high"]].isna().all(axis=None)
    assert found.table.score.notna().all()
    assert not found.has_shares
    assert str(found).endswith("at that level no part carries a share of it")


def test_scores_that_are_nan_without_a_part_have_no_share(batches):
    class Net(Tagger):
        def forward(self, clips, mask=None):
            hidden = self.rnn(clips)[0]
            spread = hidden.std(dim=(0, 1), keepdim=True)
            return torch.where(spread > 1e-3, hidden / spread, torch.nan).mean(dim=1)

    found = ablate(Net("rnn"), batches, what=["rnn"])
    assert found.score == 1
    assert np.isnan([found["rnn.rnn"].share, found["rnn.rnn"].score, found["rnn.rnn"].low]).all()


def test_a_metric_of_ones_own_has_its_floor(batches):
    def accuracy(outputs, target):
        return float((outputs.argmax(1) == target).mean())

    indices = [(clips, target.argmax(dim=1)) for clips, target in batches]
    found = ablate(Tagger("rnn"), indices, metric=accuracy, floor=1 / N_CLASSES)
    assert (found.score, found.chance, found.floor) == (1, 1 / N_CLASSES, 1 / N_CLASSES)
    assert share(found, "rnn.rnn") == pytest.approx(1, abs=0.05)
    assert share(found, "silence.half1") == 0
    assert str(found).startswith("score 1.000 (chance 0.167) on 60 clips")


def test_class_indices_are_scored_as_one_label_a_clip(batches):
    indices = [(clips, target.argmax(dim=1)) for clips, target in batches]
    assert ablate(Tagger("rnn"), indices).table.equals(ablate(Tagger("rnn"), batches).table)


def test_the_model_is_left_as_it_was(batches, hooks_on):
    model = nn.Sequential(Tagger("rnn"), nn.BatchNorm1d(N_CLASSES), nn.Dropout())
    model.train()
    model[0].rnn.eval()
    model[0].looks.register_forward_hook(lambda *given: None)
    loader = torch.utils.data.DataLoader(
        [(clip, label) for clips, target in batches for clip, label in zip(clips, target, strict=True)],
        batch_size=16,
        shuffle=True,
        generator=torch.Generator().manual_seed(3),
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    states = [torch.get_rng_state(), loader.generator.get_state()]
    others = [random.getstate(), np.random.get_state()[1].copy()]  # noqa: NPY002
    hooks = hooks_on(model)
    first = ablate(model, loader)
    assert hooks_on(model) == hooks == 1
    assert [module.training for module in model] == [True, True, True]
    assert not model[0].rnn.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert torch.equal(loader.generator.get_state(), states[1])
    assert random.getstate() == others[0]
    assert (np.random.get_state()[1] == others[1]).all()  # noqa: NPY002
    pd.testing.assert_frame_equal(ablate(model, loader).table, first.table)
    assert not any(parameter.grad is not None for parameter in model.parameters())


def test_after_a_fault_too(hooks_on):
    model = Tagger("rnn").train()
    clips, target = clips_with_evidence()
    with pytest.raises(IndexError):
        ablate(model, [(clips, target), (clips.reshape(-1), target)])
    assert hooks_on(model) == 0
    assert model.training


def test_compiled_and_wrapped_models_are_looked_into(batches):
    found = ablate(nn.DataParallel(Tagger("rnn")), batches, what=["rnn"])
    assert [part.part for part in found.parts] == ["rnn.rnn", "rnns"]


def test_a_function_gives_the_batches_anew_each_time(batches):
    calls = []

    def again():
        calls.append(None)
        return iter(batches)

    found = ablate(Tagger("rnn"), again, what=["rnn"])
    assert len(calls) == 2
    pd.testing.assert_frame_equal(found.table, ablate(Tagger("rnn"), batches, what=["rnn"]).table)
    shuffled = iter([batches, batches[::-1]])
    with pytest.raises(ShapeError, match="other targets the second time"):
        ablate(Tagger("rnn"), lambda: next(shuffled), what=["rnn"])


def test_progress_counts_the_passes(batches):
    told = []
    found = ablate(Tagger("rnn"), batches, progress=lambda done, total: told.append((done, total)))
    n_passes = len(found.different) + 1
    assert told == [(done, n_passes) for done in range(1, n_passes + 1)]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"what": ["rnns"]}, UnknownNameError, "known: attention, frame_shuffle, rnn, silence"),
        ({"metric": lambda outputs, target: 0.0}, AttachError, "metric= and floor= belong together"),
        ({"attention": {"nowhere": "sigmoid"}}, AttachError, "attention names 'nowhere'"),
        ({"attention": {"rnn": "odd"}}, AttachError, "kind 'odd'"),
        ({"batches": []}, ShapeError, "give at least one batch"),
        ({"batches": [torch.ones(3, 4)]}, AttachError, "a batch is a Tensor, not"),
        ({"batches": [{"clips": 1}]}, AttachError, "give forward="),
        ({"silence": [0.0, 1.0]}, ShapeError, "silence has shape"),
        ({"prior": [0.5, 0.5]}, ShapeError, "prior has 2 classes but target has 6"),
        ({"forward": lambda model, batch: (batch[0], batch[1])}, ShapeError, r"give \(clip, class\)"),
        ({"forward": lambda model, batch: (batch[1][1:], batch[1])}, ShapeError, "16 outputs but 17 targets"),
    ],
)
def test_what_does_not_fit_is_told(batches, change, error, message):
    given = {"batches": batches, **change}
    with pytest.raises(error, match=message):
        ablate(Tagger("rnn"), **given)


def test_what_is_no_model_or_no_map_is_told(batches):
    with pytest.raises(AttachError, match=r"not a torch\.nn\.Module"):
        ablate(lambda clips: clips, batches)
    model = Tagger("rnn")
    model.heads = nn.MultiheadAttention(N_CLASSES, 1)
    with pytest.raises(AttachError, match="heads gives, a MultiheadAttention"):
        ablate(model, batches, attention={"heads": "weights"})

    class Flat(Tagger):
        def forward(self, clips, mask=None):
            return self.looks(clips.mean(dim=1))

    with pytest.raises(AttachError, match=r"looks gives \(17, 6\), but a map is"):
        ablate(Flat("rnn"), batches, attention={"looks": "weights"})
