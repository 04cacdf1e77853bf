"""A tagger whose classes ask: one learnt query a class, nn.MultiheadAttention over the frames, weights recorded.

Clips hold up to three events of six kinds at places of their own; the labels say which, not where. Each class's query
looks along the frames, so its attention weights are a localisation map that nobody supervised.

nn.MultiheadAttention gives a tuple (output, weights) with weights (clip, query, frame). Named in `attention=`, its
weights are what is recorded, as a map (clip, frame, query), and a query is a class here. There is something to record
because the call says need_weights=True, PyTorch's default; with need_weights=False no weights are computed.
"""

import flatline
import torch
from torch import Tensor, nn

EVENTS = ["bark", "meow", "knock", "siren", "speech", "rain"]
N_FEATURES, MOST_FRAMES = 16, 48


def patterns() -> Tensor:
    """What each kind of event looks like in a frame: (class, feature)."""
    return 1.5 * torch.randn(len(EVENTS), N_FEATURES, generator=torch.Generator().manual_seed(70))


def batch(n_clips: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Clips (clip, frame, feature), mask (clip, frame) and labels (clip, class)."""
    lengths = torch.randint(MOST_FRAMES // 2, MOST_FRAMES + 1, (n_clips,), generator=generator)
    mask = torch.arange(MOST_FRAMES) < lengths[:, None]
    places = torch.zeros(n_clips, MOST_FRAMES, len(EVENTS))
    for clip, length in enumerate(lengths.tolist()):
        for kind in torch.randperm(len(EVENTS), generator=generator)[: 1 + clip % 3]:
            start = int(torch.randint(length - 6, (1,), generator=generator))
            places[clip, start : start + 6, kind] = 1.0
    noise = torch.randn(n_clips, MOST_FRAMES, N_FEATURES, generator=generator)
    return (places @ patterns() + noise) * mask[..., None], mask, places.amax(dim=1)


def a_bark() -> Tensor:
    """A clip (frame, feature) with a bark from frame 10 to 15, to be looked at again at the end."""
    clip = torch.randn(MOST_FRAMES, N_FEATURES, generator=torch.Generator().manual_seed(71))
    clip[10:16] += patterns()[EVENTS.index("bark")]
    return clip


class Tagger(nn.Module):
    """Frames embedded by themselves, class queries over them, one score a class."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(N_FEATURES, width), nn.ReLU(), nn.LayerNorm(width))
        self.queries = nn.Parameter(0.1 * torch.randn(len(EVENTS), width))
        self.attend = nn.MultiheadAttention(width, num_heads=2, batch_first=True)
        self.score = nn.Linear(width, 1)

    def forward(self, clips: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits (clip, class)."""
        frames = self.embed(clips)
        queries = self.queries.expand(len(clips), -1, -1)
        padding = None if mask is None else ~mask
        found, _ = self.attend(queries, frames, frames, key_padding_mask=padding, need_weights=True)
        return self.score(found).squeeze(-1)


def train(log: str, iterations: int) -> nn.Module:
    """Multi-label training with padded clips."""
    torch.manual_seed(7)
    generator = torch.Generator().manual_seed(7)
    model = Tagger()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    criterion = nn.BCEWithLogitsLoss()
    told = {"classes": EVENTS, "loss": "bce-with-logits", "attention": {"attend": "weights"}}
    with flatline.Recorder(model, optimizer, log=log, pinned={"a bark": a_bark()}, **told) as recorder:
        for _ in range(iterations):
            clips, mask, target = batch(32, generator)
            optimizer.zero_grad()
            logits = model(clips, mask)
            loss = criterion(logits, target)
            loss.backward()
            optimizer.step()
            recorder.step(loss=loss, logits=logits, target=target, mask=mask)
        model.eval()
        clips, mask, target = batch(128, generator)
        with torch.no_grad():
            logits = model(clips, mask)
        recorder.evaluation(logits=logits, target=target, loss=criterion(logits, target))
    return model


def report(log: str) -> None:
    """What the log says of the run."""
    run = flatline.Run(log)
    first, last, held_out = run.scalars.iloc[0], run.scalars.iloc[-1], run.evaluations.iloc[-1]
    print(f"loss {first['loss']:.2f} -> {last['loss']:.2f}; the prior alone {last['label_entropy']:.2f}")
    print(f"held-out lwlrap {held_out['lwlrap']:.2f}; the same ranking for all clips {held_out['constant']:.2f}")
    print("entropy of each class's attention over frames, largest share of one frame:")
    entropy, peak = run.by_class("attention_entropy"), run.by_class("attention_peak")
    for kind in run.classes:
        looks = (f"{table[kind].iloc[0]:.2f} -> {table[kind].iloc[-1]:.2f}" for table in (entropy, peak))
        print(f"  {kind:7}", "   ".join(looks))
    pinned = run.attention(run.evaluations.index[-1], clip="a bark")[:, run.classes.index("bark")]
    print(f"in the pinned clip, bark looks at frame {pinned.argmax()} most; the bark is at 10 to 15")
    if len(ratios := run.by_parameter("update_ratio").median().dropna()):
        print(f"update ratio, median: {ratios.min():.0e} ({ratios.idxmin()}) to {ratios.max():.0e} ({ratios.idxmax()})")


def main(log: str = "logs/07-multihead-attention", iterations: int = 200) -> None:
    """Train, then read the log."""
    train(log, iterations)
    report(log)


if __name__ == "__main__":
    main()
