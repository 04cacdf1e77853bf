"""A model that returns a dict, two optimisers, and gradients accumulated over four micro-batches.

A review is a line of words; it is good or bad by the last judging word in it, however many went before ("dull but
lovely"). Its embedding is large and sparse and has SparseAdam; the rest has AdamW. The recorder is given both
optimisers and called once a micro-batch: it pools the calls until an optimiser has stepped, so a row is an iteration.
Pass the loss before it is divided by the number of micro-batches: the row holds the mean of what is passed.
"""

from contextlib import suppress

import flatline
import torch
from torch import Tensor, nn

N_WORDS, N_FRAMES, N_MICRO = 2000, 16, 4
GOOD, BAD = range(1, 11), range(11, 21)  # judging words; all others say nothing


def micro_batch(n_clips: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Reviews (clip, frame) of word indices, and whether each is good (clip,)."""
    reviews = torch.randint(BAD.stop, N_WORDS, (n_clips, N_FRAMES), generator=generator)
    judging = torch.randint(GOOD.start, BAD.stop, reviews.shape, generator=generator)
    is_judging = torch.rand(reviews.shape, generator=generator) < 0.2
    is_judging[:, N_FRAMES // 2] = True
    reviews = torch.where(is_judging, judging, reviews)
    last = N_FRAMES - 1 - is_judging.int().flip(1).argmax(dim=1)
    return reviews, (reviews[torch.arange(n_clips), last] < GOOD.stop).long()


class Classifier(nn.Module):
    """Sparse embedding, GRU, linear layer on its last state."""

    def __init__(self, n_hidden: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(N_WORDS, 16, sparse=True)
        self.gru = nn.GRU(16, n_hidden, batch_first=True)
        self.output = nn.Linear(n_hidden, 2)

    def forward(self, reviews: Tensor) -> dict[str, Tensor]:
        """Logits (clip, class) and the features that they were read from."""
        _, last = self.gru(self.embedding(reviews))
        return {"logits": self.output(last[0]), "features": last[0]}


def loss_of(outputs: dict[str, Tensor], target: Tensor) -> Tensor:
    """Cross-entropy, and a little against large features."""
    return nn.functional.cross_entropy(outputs["logits"], target) + 1e-3 * outputs["features"].square().mean()


def train(log: str, iterations: int) -> nn.Module:
    """Four micro-batches an iteration, then both optimisers step."""
    torch.manual_seed(8)
    generator = torch.Generator().manual_seed(8)
    model = Classifier()
    rest = [*model.gru.parameters(), *model.output.parameters()]
    optimizers = [
        torch.optim.SparseAdam(model.embedding.parameters(), lr=2e-2),
        torch.optim.AdamW(rest, lr=5e-3),
    ]
    with flatline.Recorder(model, optimizers, log=log, classes=["bad", "good"], loss="cross-entropy") as recorder:
        for number in range(N_MICRO * iterations):
            reviews, target = micro_batch(16, generator)
            outputs = model(reviews)
            loss = loss_of(outputs, target)
            (loss / N_MICRO).backward()
            if (number + 1) % N_MICRO == 0:
                for optimizer in optimizers:
                    optimizer.step()
                    optimizer.zero_grad()
            recorder.step(loss=loss, logits=outputs["logits"], target=target)
        model.eval()
        reviews, target = micro_batch(256, generator)
        with torch.no_grad():
            outputs = model(reviews)
        recorder.evaluation(logits=outputs["logits"], target=target, loss=loss_of(outputs, target))
    return model


def report(log: str) -> None:
    """What the log says of the run."""
    run = flatline.Run(log)
    first, last, held_out = run.scalars.iloc[0], run.scalars.iloc[-1], run.evaluations.iloc[-1]
    clips = run.by_class("positives").iloc[-1].sum()
    print(f"{len(run)} iterations of {clips:.0f} clips, in {N_MICRO} micro-batches each")
    print(f"loss {first['loss']:.2f} -> {last['loss']:.2f}; the prior alone {last['label_entropy']:.2f}")
    rank = f"reciprocal rank {held_out['lwlrap']:.2f} (chance {held_out['chance']:.2f})"
    print(f"held out: loss {held_out['loss']:.2f}, {rank}")
    norms = run.gradient_norms
    for name in ("embedding.weight", "gru.weight_hh_l0", "output.weight"):
        print(f"gradient norm of {name}: {norms[name].iloc[:10].mean():.4f} -> {norms[name].iloc[-10:].mean():.4f}")
    if len(ratios := run.by_parameter("update_ratio").median().dropna()):
        print(f"update ratio, median: {ratios.min():.0e} ({ratios.idxmin()}) to {ratios.max():.0e} ({ratios.idxmax()})")
    with suppress(flatline.FlatlineError):  # where hidden gradients were not recorded
        bins = run.hidden_gradients("gru").dropna(how="all").tail(1).mean()  # it is taken now and then
        print(f"dL/dh of the GRU along the frames: smallest bin over largest {bins.min() / bins.max():.1e}")
    for name, value in last.filter(regex="^(saturation|hidden_spread)").dropna().items():
        print(f"{name} {value:.3f}")


def main(log: str = "logs/08-two-optimizers-accumulation", iterations: int = 80) -> None:
    """Train, then read the log."""
    train(log, iterations)
    report(log)


if __name__ == "__main__":
    main()
