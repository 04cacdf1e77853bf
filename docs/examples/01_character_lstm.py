"""A character language model: nn.LSTM, truncated back-propagation through time, clipped gradients.

The text counts in English words ("... forty one, forty two, ..."), so that there is spelling to learn at once and
counting to learn later. The hidden state is carried from chunk to chunk and detached.

A language model gives (stripe, frame, class), and the recorder takes (clip, class). Its characters are handed over one
below the other: a "clip" is then one character to be guessed. That says more than the loss alone: `label_entropy` is
the loss of a model that knows only how frequent each letter is, `rank_agreement` tells one that gives every context the
same answer, and per-class lwlrap is the mean reciprocal rank of each letter. With 50,000 classes instead of 28, pass
`loss=` alone: sorting the scores would cost more than the iteration.
"""

from contextlib import suppress

import flatline
import torch
from torch import Tensor, nn

UNITS = "zero one two three four five six seven eight nine ten eleven twelve"
TEENS = "thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
CLASSES = sorted("abcdefghijklmnopqrstuvwxyz, ")


def words(number: int) -> str:
    """A number below a thousand as it is read aloud."""
    if number < 20:
        return f"{UNITS} {TEENS}".split()[number]
    if number < 100:
        return TENS.split()[number // 10 - 2] + (f" {words(number % 10)}" if number % 10 else "")
    return f"{words(number // 100)} hundred" + (f" and {words(number % 100)}" if number % 100 else "")


def stripes(n_stripes: int) -> Tensor:
    """The text as class indices, cut into stripes that are read side by side: (stripe, character)."""
    text = ", ".join(words(number) for number in range(1000))
    indices = torch.tensor([CLASSES.index(character) for character in text])
    return indices[: len(indices) // n_stripes * n_stripes].view(n_stripes, -1)


class CharacterModel(nn.Module):
    """Embedding, two LSTM layers, and a letter's scores after each letter."""

    def __init__(self, n_classes: int, n_hidden: int = 64) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_classes, 24)
        self.lstm = nn.LSTM(24, n_hidden, num_layers=2, batch_first=True)
        self.output = nn.Linear(n_hidden, n_classes)

    def forward(self, characters: Tensor, state: tuple | None = None) -> tuple[Tensor, tuple]:
        """Logits (stripe, frame, class) and the state to carry on with."""
        hidden, state = self.lstm(self.embedding(characters), state)
        return self.output(hidden), state


def train(log: str, iterations: int, n_frames: int = 40) -> nn.Module:
    """Read the stripes from left to right, again and again, `n_frames` characters an iteration."""
    torch.manual_seed(1)
    text = stripes(n_stripes=21)
    training, validation = text[:20], text[20:]
    model = CharacterModel(len(CLASSES))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    criterion = nn.CrossEntropyLoss()
    starts = range(0, training.shape[1] - n_frames - 1, n_frames)
    state = None
    with flatline.Recorder(model, optimizer, log=log, classes=CLASSES, loss="cross-entropy") as recorder:
        for iteration in range(iterations):
            start = starts[iteration % len(starts)]
            state = None if state is None or start == 0 else tuple(part.detach() for part in state)
            characters = training[:, start : start + n_frames]
            target = training[:, start + 1 : start + n_frames + 1].flatten()
            logits, state = model(characters, state)
            logits = logits.flatten(0, 1)  # (stripe x frame, class)
            loss = criterion(logits, target)
            optimizer.zero_grad()
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), 0.25)
            optimizer.step()
            recorder.step(loss=loss, logits=logits, target=target, unclipped_norm=norm)
        model.eval()
        with torch.no_grad():
            logits = model(validation[:, :-1])[0].flatten(0, 1)
        target = validation[:, 1:].flatten()
        recorder.evaluation(logits=logits, target=target, loss=criterion(logits, target))
    return model


def report(log: str) -> None:
    """What the log says of the run."""
    run = flatline.Run(log)
    first, last, held_out = run.scalars.iloc[0], run.scalars.iloc[-1], run.evaluations.iloc[-1]
    print(f"loss {first['loss']:.2f} -> {last['loss']:.2f}; letter frequencies alone {last['label_entropy']:.2f}")
    rank = f"reciprocal rank {held_out['lwlrap']:.2f} (chance {held_out['chance']:.2f})"
    print(f"held out: loss {held_out['loss']:.2f}, {rank}")
    unclipped, norm = run.series("gradient_norm_unclipped"), run.series("gradient_norm_total")
    print(f"clipped: {(unclipped > 1.001 * norm).mean():.0%} of iterations, from {unclipped.max():.2f} at most")
    top = run.series("top_class_share")
    print(f"guesses that are the commonest guess: {top.iloc[:10].max():.0%} at first, {top.iloc[-1]:.0%} at the end")
    hardest = run.lwlrap.iloc[-5:].mean().nsmallest(3)
    print("hardest letters:", ", ".join(f"{letter!r} {score:.2f}" for letter, score in hardest.items()))
    with suppress(flatline.FlatlineError):  # where hidden gradients were not recorded
        bins = run.hidden_gradients("lstm").dropna(how="all").tail(1).mean()  # it is taken now and then
        print(f"dL/dh of the LSTM along the frames: smallest bin over largest {bins.min() / bins.max():.1e}")
    for name, value in last.filter(regex="^(saturation|hidden_spread)").dropna().items():
        print(f"{name} {value:.3f}")


def main(log: str = "logs/01-character-lstm", iterations: int = 180) -> None:
    """Train, then read the log."""
    train(log, iterations)
    report(log)


if __name__ == "__main__":
    main()
