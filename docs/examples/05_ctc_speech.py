"""A small speech recogniser under CTC: convolution, bidirectional nn.GRU, padded batches.

Utterances are log-mel spectrograms of phones: each phone a pair of formants, held for a time of its own. CTC begins
with a net that says "blank" at every frame, and sometimes stays there. The criterion wants (frame, clip, class)
log-probabilities and label sequences; no clip has one target, so `target=` is left out and the frames' logits go in as
(frame, class). The output layer is named as a map: its softmax over classes is each phone's place in time.
"""

from contextlib import suppress

import flatline
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

PHONES = ["blank", "a", "e", "i", "o", "u", "m", "s"]
FORMANTS = [(0, 0), (12, 20), (8, 24), (4, 28), (8, 14), (5, 11), (3, 16), (26, 30)]  # mel bins
N_MELS, STRIDE = 32, 2


def utterance(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Log-mel (frame, N_MELS) of three to six phones, and their class indices."""
    phones = torch.randint(1, len(PHONES), (int(torch.randint(3, 7, (1,), generator=generator)),), generator=generator)
    bins = torch.arange(N_MELS)
    parts = []
    for phone in phones.tolist():
        spectrum = sum(torch.exp(-0.5 * ((bins - centre) / 1.5) ** 2) for centre in FORMANTS[phone])
        parts += [spectrum.expand(int(torch.randint(8, 14, (1,), generator=generator)), -1), torch.zeros(3, N_MELS)]
    clean = torch.cat(parts)
    return clean + 0.3 * torch.randn(clean.shape, generator=generator), phones


class Recogniser(nn.Module):
    """Convolution that halves the frames, bidirectional GRU, phones' scores at each frame."""

    def __init__(self, n_hidden: int = 32) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(N_MELS, 32, kernel_size=5, stride=STRIDE, padding=2)
        self.gru = nn.GRU(32, n_hidden, batch_first=True, bidirectional=True)
        self.output = nn.Linear(2 * n_hidden, len(PHONES))

    def forward(self, clips: Tensor) -> Tensor:
        """Logits (clip, frame, class) of clips (clip, frame, mel)."""
        frames = self.convolution(clips.transpose(1, 2)).relu().transpose(1, 2)
        return self.output(self.gru(frames)[0])


def train(log: str, iterations: int) -> nn.Module:
    """CTC over padded batches."""
    torch.manual_seed(5)
    generator = torch.Generator().manual_seed(5)
    model = Recogniser()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    criterion = nn.CTCLoss(blank=0, zero_infinity=True)
    maps = {"output": "softmax-class"}
    with flatline.Recorder(model, optimizer, log=log, classes=PHONES, loss="ctc", attention=maps) as recorder:
        for _ in range(iterations):
            clips, phones = zip(*(utterance(generator) for _ in range(16)), strict=True)
            lengths = torch.tensor([-(-len(clip) // STRIDE) for clip in clips])
            logits = model(pad_sequence(clips, batch_first=True))
            loss = criterion(
                logits.log_softmax(dim=-1).transpose(0, 1),  # (frame, clip, class)
                torch.cat(phones),
                lengths,
                torch.tensor([len(labels) for labels in phones]),
            )
            optimizer.zero_grad()
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            real = torch.arange(logits.shape[1]) < lengths[:, None]  # (clip, frame)
            recorder.step(loss=loss, logits=logits[real], mask=real, unclipped_norm=norm)
    return model


def report(log: str) -> None:
    """What the log says of the run."""
    run = flatline.Run(log)
    first, last, same = run.scalars.iloc[0], run.scalars.iloc[-1], run.series("top_class_share")
    print(f"loss per phone {first['loss']:.1f} -> {last['loss']:.2f}")
    print(f"frames that say the same: {same.max():.0%} at iteration {same.idxmax()}, {same.iloc[-1]:.0%} at the end")
    blank = run.classes.index("blank")
    for iteration in (0, run.last_iteration // 4, run.last_iteration):
        share = run.attention(iteration)[:20, blank].mean()
        print(f"probability of blank in the first 20 frames, iteration {iteration}: {share:.2f}")
    norms = run.gradient_norms.iloc[-20:].mean()
    for name in ("convolution.weight", "gru.weight_hh_l0", "gru.weight_hh_l0_reverse", "output.weight"):
        print(f"gradient norm of {name}, mean of the last 20: {norms[name]:.3f}")
    with suppress(flatline.FlatlineError):  # where hidden gradients were not recorded
        bins = run.hidden_gradients("gru").dropna(how="all").tail(1).mean()  # it is taken now and then
        print(f"dL/dh of the GRU along the frames: smallest bin over largest {bins.min() / bins.max():.1e}")
    for name, value in last.filter(regex="^(saturation|hidden_spread)").dropna().items():
        print(f"{name} {value:.3f}")


def main(log: str = "logs/05-ctc-speech", iterations: int = 110) -> None:
    """Train, then read the log."""
    train(log, iterations)
    report(log)


if __name__ == "__main__":
    main()
