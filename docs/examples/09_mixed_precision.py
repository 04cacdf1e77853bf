"""Mixed precision on the CPU: bfloat16 autocast, GradScaler, and a bidirectional two-layer LSTM with projections.

The clips are onsets of notes in a filter bank; the label is their metre. One recording is digital silence, log(0) is
minus infinity, and nobody looked: once an epoch the loss is NaN. The scaler leaves that step out, which a loss curve
shows as a gap at best; the log has a row that says `skipped`, its gradients NaN.
"""

from contextlib import suppress

import flatline
import torch
from torch import Tensor, nn

METRES = ["waltz", "march", "five"]
BEATS = (3, 4, 5)
N_CLIPS, N_FRAMES, N_BANDS = 256, 20, 12


def clips_of_metre(seed: int) -> tuple[Tensor, Tensor]:
    """Log energies (clip, frame, band) and class indices (clip,); the first clip is silent."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(len(BEATS), (N_CLIPS,), generator=generator)
    beats = torch.tensor(BEATS)[target]
    shift = (torch.rand(N_CLIPS, generator=generator) * beats).long()
    strong = (torch.arange(N_FRAMES) + shift[:, None]) % beats[:, None] == 0  # (clip, frame)
    band = torch.rand(N_CLIPS, 1, N_BANDS, generator=generator)
    energy = 0.05 + torch.rand(N_CLIPS, N_FRAMES, N_BANDS, generator=generator) + 2 * strong[..., None] * band
    energy[0] = 0.0
    return energy.log(), target


class Metre(nn.Module):
    """Two bidirectional LSTM layers whose states are projected, mean over frames, linear layer."""

    def __init__(self, n_hidden: int = 24, n_projected: int = 12) -> None:
        super().__init__()
        self.lstm = nn.LSTM(
            N_BANDS, n_hidden, num_layers=2, batch_first=True, bidirectional=True, proj_size=n_projected
        )
        self.output = nn.Linear(2 * n_projected, len(METRES))

    def forward(self, clips: Tensor) -> Tensor:
        """Logits (clip, class)."""
        return self.output(self.lstm(clips)[0].amax(dim=1))


def train(log: str, iterations: int) -> nn.Module:
    """The usual loop with autocast and a scaler."""
    torch.manual_seed(9)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(*clips_of_metre(seed=9)), batch_size=32, shuffle=True
    )
    model = Metre()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    scaler = torch.amp.GradScaler("cpu")
    criterion = nn.CrossEntropyLoss()
    batches = iter(())
    with flatline.Recorder(
        model, optimizer, log=log, classes=METRES, loss="cross-entropy", scaler=scaler, level="deep"
    ) as recorder:
        for _ in range(iterations):
            if (pair := next(batches, None)) is None:  # the next epoch
                batches = iter(loader)
                pair = next(batches)
            clips, target = pair
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(clips)
                loss = criterion(logits, target)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            recorder.step(loss=loss, logits=logits, target=target, unclipped_norm=norm)
    return model


def report(log: str) -> None:
    """What the log says of the run."""
    run = flatline.Run(log)
    skipped = run.series("skipped").astype(bool)
    scalars, norms = run.scalars[~skipped], run.gradient_norms[~skipped]
    last = scalars.iloc[-1]
    print(f"skipped by the scaler: {skipped.sum()} of {len(run)} iterations, {skipped.index[skipped].tolist()}")
    print(f"loss of these: {run.series('loss')[skipped].unique().tolist()}")
    print(f"loss of the others {scalars['loss'].iloc[0]:.2f} -> {scalars['loss'].iloc[-5:].mean():.2f} (ln 3 = 1.10)")
    for name in ("lstm.weight_hh_l0", "lstm.weight_hr_l0", "lstm.weight_hr_l1_reverse", "output.weight"):
        print(f"gradient norm of {name}: {norms[name].iloc[:5].mean():.4f} -> {norms[name].iloc[-5:].mean():.4f}")
    weights = run.by_parameter("weight_norm")
    grown = (weights.iloc[-1] / weights.iloc[0]).nlargest(2)
    print("weights that grew most:", ", ".join(f"{name} x{factor:.2f}" for name, factor in grown.items()))
    with suppress(flatline.FlatlineError):  # where hidden gradients were not recorded
        bins = run.hidden_gradients("lstm").dropna(how="all").tail(1).mean()  # it is taken now and then
        print(f"dL/dh of the LSTM along the frames: smallest bin over largest {bins.min() / bins.max():.1e}")
    for name, value in last.filter(regex="^(saturation|hidden_spread)").dropna().items():
        print(f"{name} {value:.3f}")


def main(log: str = "logs/09-mixed-precision", iterations: int = 72) -> None:
    """Train, then read the log."""
    train(log, iterations)
    report(log)


if __name__ == "__main__":
    main()
