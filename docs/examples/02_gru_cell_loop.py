"""Delayed recall with nn.GRUCell in a loop of one's own: where gradients vanish through time.

The first frame of a sequence shows one of eight symbols; nineteen frames of noise follow; at the end the net must
say which symbol it was. Until it has found that out the loss rests at ln 8, and the gradient that reaches the first
frames is orders of magnitude smaller than that of the last: the parameters' norms look healthy all the while.
"""

from contextlib import suppress

import flatline
import torch
from torch import Tensor, nn

N_SYMBOLS, N_FRAMES = 8, 20


def batch(n_clips: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sequences (clip, frame, N_SYMBOLS + 2) and the symbol that each began with (clip,).

    The last two features are noise and a mark on the frame at which the answer is due.
    """
    target = torch.randint(N_SYMBOLS, (n_clips,), generator=generator)
    clips = torch.zeros(n_clips, N_FRAMES, N_SYMBOLS + 2)
    clips[torch.arange(n_clips), 0, target] = 1.0
    clips[:, 1:, -2] = torch.randn(n_clips, N_FRAMES - 1, generator=generator)
    clips[:, -1, -1] = 1.0
    return clips, target


class Recall(nn.Module):
    """A GRU cell, stepped by hand, and a linear layer on its last state."""

    def __init__(self, n_hidden: int = 48) -> None:
        super().__init__()
        self.cell = nn.GRUCell(N_SYMBOLS + 2, n_hidden)
        self.output = nn.Linear(n_hidden, N_SYMBOLS)

    def forward(self, clips: Tensor) -> Tensor:
        """Logits (clip, class)."""
        state = clips.new_zeros(len(clips), self.cell.hidden_size)
        for frame in clips.unbind(dim=1):
            state = self.cell(frame, state)
        return self.output(state)


def train(log: str, iterations: int) -> nn.Module:
    """The plainest loop there is."""
    torch.manual_seed(2)
    generator = torch.Generator().manual_seed(2)
    model = Recall()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    criterion = nn.CrossEntropyLoss()
    symbols = [f"symbol {number}" for number in range(N_SYMBOLS)]
    with flatline.Recorder(model, optimizer, log=log, classes=symbols, loss="cross-entropy") as recorder:
        for _ in range(iterations):
            clips, target = batch(64, generator)
            optimizer.zero_grad()
            logits = model(clips)
            loss = criterion(logits, target)
            loss.backward()
            optimizer.step()
            recorder.step(loss=loss, logits=logits, target=target)
        model.eval()
        clips, target = batch(256, generator)
        with torch.no_grad():
            logits = model(clips)
        recorder.evaluation(logits=logits, target=target, loss=criterion(logits, target))
    return model


def report(log: str) -> None:
    """What the log says of the run."""
    run = flatline.Run(log)
    loss, last, held_out = run.series("loss"), run.scalars.iloc[-1], run.evaluations.iloc[-1]
    plateau = last["label_entropy"]
    learnt = loss.index[loss < plateau / 2]
    since = f"below half of it from iteration {learnt[0]}" if len(learnt) else "never below half of it"
    print(f"a constant answer costs {plateau:.2f} (ln 8 = 2.08); loss {since}, {last['loss']:.3f} at the end")
    print(f"held out: reciprocal rank {held_out['lwlrap']:.2f} (chance {held_out['chance']:.2f})")
    norm = run.gradient_norms["cell.weight_hh"]
    print(f"gradient norm of cell.weight_hh: {norm.iloc[0]:.3f} at first, {norm.max():.3f} at most")
    with suppress(flatline.FlatlineError):  # where hidden gradients were not recorded
        along = run.hidden_gradients("cell").dropna(how="all")
        for iteration in (along.index[0], along.index[-1]):
            bins = along.loc[iteration].dropna()
            print(f"dL/dh, first frames over last, iteration {iteration}: {bins.iloc[0] / bins.iloc[-1]:.1e}")
    for name, value in last.filter(regex="^(saturation|hidden_spread)").dropna().items():
        print(f"{name} {value:.3f}")


def main(log: str = "logs/02-gru-cell-loop", iterations: int = 180) -> None:
    """Train, then read the log."""
    train(log, iterations)
    report(log)


if __name__ == "__main__":
    main()
