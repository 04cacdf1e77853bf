"""nn.Transformer translates dates ("5 march 1987" to "1987-03-05") under Adam with a warm-up.

No recurrence anywhere: the recorder takes any nn.Module. The log shows the learning rate that the scheduler made, and
which parameters its first iterations move. nn.Transformer's own attention cannot be recorded: its layers call
nn.MultiheadAttention with need_weights=False, so that no weights are ever computed (example 07 computes them).
"""

import flatline
import torch
from torch import Tensor, nn

MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october"]
MONTHS += ["november", "december"]
SOURCE = ["<pad>", *sorted(set("".join(MONTHS) + "0123456789 "))]
TARGET = ["<start>", *"0123456789-"]


def date(generator: torch.Generator) -> tuple[str, str]:
    """A date as people write it, and in ISO 8601."""
    year, month, day = (
        int(torch.randint(low, high, (1,), generator=generator)) for low, high in ((1900, 2100), (1, 13), (1, 29))
    )
    return f"{day} {MONTHS[month - 1]} {year}", f"{year}-{month:02}-{day:02}"


def dates(n_clips: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Sources (clip, character) padded with 0, and targets (clip, 10)."""
    pairs = [date(generator) for _ in range(n_clips)]
    sources = [torch.tensor([SOURCE.index(letter) for letter in source]) for source, _ in pairs]
    targets = [torch.tensor([TARGET.index(letter) for letter in target]) for _, target in pairs]
    return nn.utils.rnn.pad_sequence(sources, batch_first=True), torch.stack(targets)


class Translator(nn.Module):
    """Embeddings, learnt positions, nn.Transformer, and a score for each character of the output."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.source = nn.Embedding(len(SOURCE), width)
        self.target = nn.Embedding(len(TARGET), width)
        self.source_position = nn.Parameter(0.02 * torch.randn(20, width))
        self.target_position = nn.Parameter(0.02 * torch.randn(10, width))
        self.transformer = nn.Transformer(width, 4, 2, 2, 96, dropout=0.0, batch_first=True)
        self.transformer.encoder.use_nested_tensor = False  # a fast path of eval mode that warns
        self.output = nn.Linear(width, len(TARGET))

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits (clip, 10, class), each from the target's characters before it."""
        before = torch.cat([torch.zeros_like(target[:, :1]), target[:, :-1]], dim=1)
        padding = source == 0
        hidden = self.transformer(
            self.source(source) + self.source_position[: source.shape[1]],
            self.target(before) + self.target_position,
            tgt_mask=nn.Transformer.generate_square_subsequent_mask(target.shape[1], dtype=torch.bool),
            src_key_padding_mask=padding,
            memory_key_padding_mask=padding,
        )
        return self.output(hidden)


def train(log: str, iterations: int, warm_up: int = 40) -> nn.Module:
    """Adam whose rate rises for `warm_up` iterations, then falls with the square root of their number."""
    torch.manual_seed(4)
    generator = torch.Generator().manual_seed(4)
    model = Translator()
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3, betas=(0.9, 0.98))
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda number: min((number + 1) / warm_up, (warm_up / (number + 1)) ** 0.5)
    )
    criterion = nn.CrossEntropyLoss(label_smoothing=0.02)
    with flatline.Recorder(model, optimizer, log=log, classes=TARGET, loss="cross-entropy") as recorder:
        for _ in range(iterations):
            source, target = dates(32, generator)
            logits = model(source, target).flatten(0, 1)
            loss = criterion(logits, target.flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            recorder.step(loss=loss, logits=logits, target=target.flatten())
            scheduler.step()  # after the recorder: its row has the rate of this iteration's step either way
        model.eval()
        source, target = dates(64, generator)
        with torch.no_grad():
            logits = model(source, target).flatten(0, 1)
        recorder.evaluation(logits=logits, target=target.flatten(), loss=criterion(logits, target.flatten()))
    return model


def report(log: str) -> None:
    """What the log says of the run."""
    run = flatline.Run(log)
    first, last, held_out = run.scalars.iloc[0], run.scalars.iloc[-1], run.evaluations.iloc[-1]
    print(f"loss {first['loss']:.2f} -> {last['loss']:.2f}; held out {held_out['loss']:.2f}")
    rate = run.series("learning_rate")
    print(f"learning rate {rate.iloc[0]:.0e}, {rate.max():.0e} at iteration {rate.idxmax()}, {rate.iloc[-1]:.0e} last")
    hardest = run.evaluation_lwlrap.iloc[-1].nsmallest(3)
    print("hardest characters:", ", ".join(f"{character!r} {score:.2f}" for character, score in hardest.items()))
    for layer in ("encoder.layers.0", "encoder.layers.1", "decoder.layers.0", "decoder.layers.1"):
        of_layer = run.gradient_norms.filter(like=layer).pow(2).sum(axis=1).pow(0.5)
        print(f"gradient norm of {layer}: {of_layer.iloc[0]:.2f} -> {of_layer.iloc[-1]:.2f}")
    if len(ratios := run.by_parameter("update_ratio").median().dropna()):
        print(f"update ratio, median: {ratios.min():.0e} ({ratios.idxmin()}) to {ratios.max():.0e} ({ratios.idxmax()})")


def main(log: str = "logs/04-transformer-translation", iterations: int = 120) -> None:
    """Train, then read the log."""
    train(log, iterations)
    report(log)


if __name__ == "__main__":
    main()
